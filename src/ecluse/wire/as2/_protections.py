"""Layers of protection being opened: multipart/signed, and CMS of every kind."""

from __future__ import annotations

from typing import NoReturn

from msgspec.structs import replace

from ecluse.errors import EcluseError
from ecluse.wire.as2._run import Inner, Place, Run, as_failure, fail, undecryptable
from ecluse.wire.as2.disposition import AUTHENTICATION_FAILED, UNEXPECTED_ERROR
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.as2.events import Compressed, Encrypted, Signed
from ecluse.wire.as2.signature import check_signers
from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import CmsError
from ecluse.wire.cms.events import Content, ContentKind, Event, KeyNeeded, LayerEnded, LayerStarted, Signers
from ecluse.wire.cms.reader import Reader
from ecluse.wire.smime import multipart
from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.headers import HeaderScanner
from ecluse.wire.smime.mic import ALL_DIGESTS, Digester, digest_name
from ecluse.wire.smime.parameters import Value
from ecluse.wire.smime.transfer import decoder

__all__ = ["MAX_SIGNATURE", "CmsLayer", "SignedMultipart"]

MAX_SIGNATURE = 1_048_576
"""Octets of a signature part. A signature with a chain of RSA-4096 certificates takes 12 KiB."""

_KIND_SHOWN = 32
"""Octets within which a ContentInfo has shown its content type."""
_DIGESTS = {oids.SHA1: "sha1", oids.SHA256: "sha256", oids.SHA384: "sha384", oids.SHA512: "sha512"}
_ENCRYPTED = (ContentKind.ENVELOPED, ContentKind.AUTH_ENVELOPED)


def _note_signature(
    run: Run, index: int, found: Signers, digester: Digester, signature: bytes, *, scope: bool
) -> None:
    """Verify a signature and note it; where the MIC has its scope, it decides digest and form of that."""
    used = [_DIGESTS.get(signer.digest_algorithm.oid) for signer in found.signers]
    wanted = [*run.digests_wanted(), *(name for name in used if name is not None)]
    exact = {**digester.digests(wanted), **found.digests}
    canonical = digester.canonical_digests()
    match, warnings = check_signers(found, exact, canonical, run.policy.certificates, run.policy.allowed)
    run.warnings += warnings
    run.protections[index] = Signed(
        match.certificate,
        match.signer,
        len(found.signers),
        found.certificates,
        signature,
        found.detached,
        match.canonical,
    )
    if scope:
        run.canonical = match.canonical
        run.mics = canonical if match.canonical else exact
        run.signature_digest = _DIGESTS.get(match.signer.digest_algorithm.oid)


class SignedMultipart:
    """multipart/signed (RFC 1847 s2.1): two parts, the first one digested exactly as it stands.

    Args:
        run: The message.
        place: Where its *body* stands.
        content_type: Its Content-Type.
    """

    def __init__(self, run: Run, place: Place, content_type: Value) -> None:
        if "pgp" in (content_type.get("protocol") or "").lower():
            fail("The signature is OpenPGP.", AUTHENTICATION_FAILED, "Send S/MIME signatures.")
        self._run = run
        self._index = run.enter(place)
        self._place = place
        run.signed = True
        named = [digest_name(name) for name in (content_type.get("micalg") or "").split(",")]
        wanted = run.digests_wanted() + [name for name in named if name is not None]
        # Where micalg is absent or unknown, nothing says what will be needed at the end.
        self._digester = Digester(wanted + (list(ALL_DIGESTS) if None in named else []), extra=ALL_DIGESTS)
        self._scope = not place.in_scope
        self._origin = run.begin_scope(self._digester) if self._scope else place.origin
        self._reader = multipart.MultipartReader(
            content_type.get("boundary") or "", blank_epilogue=place.malleable
        )
        self._parts = 0
        self._first: Inner | None = None
        self._second = bytearray()

    def feed(self, data: bytes) -> None:
        self._handle(self._reader.feed(data))

    def close(self) -> None:
        self._handle(self._reader.close())

    def _handle(self, events: list[multipart.Event]) -> None:
        for event in events:
            if isinstance(event, multipart.PartData):
                self._take(event.data)
            elif isinstance(event, multipart.PartStarted):
                self._parts += 1
                if self._parts == 1:
                    self._first = self._signed_entity(event.offset)
                elif self._parts > 2:
                    self._wrong_parts()
            elif isinstance(event, multipart.PartEnded):
                if self._first is not None:
                    self._first.close()
                    self._first = None
            elif self._parts == 2:
                self._verify()
            else:
                self._wrong_parts()

    def _take(self, data: bytes) -> None:
        if self._first is not None:
            self._digester.update(data)
            if self._scope:
                self._run.exact(data)
            self._first.feed(data)
            return
        self._second += data
        if len(self._second) > MAX_SIGNATURE:
            raise MimeError("The signature part is too large.", code="smime.too-large")

    def _signed_entity(self, offset: int) -> Inner:
        origin = self._origin
        if origin is not None and not self._scope:
            origin += offset
        place = replace(self._place, depth=self._place.depth + 1, in_scope=True, origin=origin)
        return self._run.entity(place, header_required=True)

    def _wrong_parts(self) -> NoReturn:
        fail(
            "A multipart/signed has other than two parts.",
            AUTHENTICATION_FAILED,
            "Send the content and its signature in it, and nothing else (RFC 1847).",
        )

    def _verify(self) -> None:
        try:
            scanner = HeaderScanner(require=True)
            headers, rest = scanner.feed(bytes(self._second)) or scanner.close()
            undo = decoder(headers.get("content-transfer-encoding"))
            signature = undo.feed(rest) + undo.finish()
            reader = Reader(self._run.policy.limits, self._run.policy.allowed)
            events = reader.feed(signature)
            if reader_waits(events):
                fail("The signature part is encrypted.", AUTHENTICATION_FAILED, "Send a detached SignedData.")
            reader.close()
        except (CmsError, MimeError) as error:
            raise as_failure(error, self._place, ContentKind.SIGNED) from None
        found = next((event for event in events if isinstance(event, Signers)), None)
        if found is None or not found.detached:
            fail(
                "The signature part holds no detached signature.",
                AUTHENTICATION_FAILED,
                "Send application/pkcs7-signature with a detached SignedData.",
            )
        _note_signature(self._run, self._index, found, self._digester, signature, scope=self._scope)


def reader_waits(events: list[Event]) -> bool:
    """Whether a key is needed to go on."""
    return any(isinstance(event, KeyNeeded) for event in events)


class CmsLayer:
    """A layer of CMS, recognised by its own content type, whatever smime-type says.

    A fault of what is inside is held back until the layer has ended: if that fails, it was the cause, and it
    alone is answered, however the octets were cut. A fault that a supplied key brings to light waits for the
    next call, so that it comes by way of the layers around and is held by them.

    Args:
        run: The message.
        place: Where its *body* stands.
    """

    def __init__(self, run: Run, place: Place) -> None:
        self._run = run
        self._place = place
        self._index = run.enter(place)
        self._reader = Reader(run.policy.limits, run.policy.allowed)
        self._kind: ContentKind | None = None
        self._key: KeyNeeded | None = None
        self._inside = place
        self._child: Inner | None = None
        self._digester: Digester | None = None
        self._head: bytes | None = b""
        self._held: As2Failure | None = None
        self._late: As2Failure | None = None

    def feed(self, data: bytes) -> None:
        if self._late is not None:
            raise self._late
        # An error takes back the events of its own call: the kind of the layer, which decides the answer to
        # an error, is therefore asked for by itself.
        if self._head is not None:
            data = self._head + data
            if len(data) < _KIND_SHOWN:
                self._head = data
                return
            self._head = None
            self._feed(data[:_KIND_SHOWN])
            data = data[_KIND_SHOWN:]
        self._feed(data)

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            events = self._reader.feed(data)
        except CmsError as error:
            raise self._failure(error) from None
        self._handle(events)

    def supply_key(self, cek: bytes) -> None:
        """Go on with the key; raises nothing."""
        self._run.waiting = None
        try:
            self._handle(self._reader.supply_key(cek))
        except EcluseError as error:
            self._late = as_failure(error, self._place, self._kind)

    def close(self) -> None:
        if self._late is not None:
            raise self._late
        if self._head is not None:
            head, self._head = self._head, None
            self._feed(head)
        try:
            events = self._reader.close()
        except CmsError as error:
            raise self._failure(error) from None
        self._handle(events)

    def _failure(self, error: CmsError) -> As2Failure:
        return as_failure(error, self._place, self._kind)

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Content):
                self._content(event.data)
            elif isinstance(event, LayerStarted):
                self._start(event.kind)
            elif isinstance(event, KeyNeeded):
                self._key = event
                self._run.waiting = self
                self._run.events.append(event)
            elif isinstance(event, Signers):
                self._signers(event)
            else:
                self._end(event)

    def _start(self, kind: ContentKind) -> None:
        self._kind = kind
        run, place = self._run, self._place
        inside = replace(place, depth=place.depth + 1, origin=None)
        if kind is ContentKind.COMPRESSED:
            if run.compressed:
                fail("The message is compressed twice.", UNEXPECTED_ERROR, "Compress once (RFC 5402 s3).")
            run.compressed = True
        elif kind is ContentKind.SIGNED:
            run.signed = True
            self._digester = Digester(run.digests_wanted(), extra=ALL_DIGESTS, canonical=False)
            if not place.in_scope:
                inside = replace(inside, in_scope=True, origin=run.begin_scope(self._digester))
        elif kind in _ENCRYPTED:
            run.encrypted = True
            inside = replace(inside, malleable=kind is ContentKind.ENVELOPED)
        else:
            fail(f"A CMS layer is {kind.value}, which protects nothing.", UNEXPECTED_ERROR, "Send S/MIME.")
        self._inside = inside
        self._child = run.entity(inside, header_required=False)

    def _content(self, data: bytes) -> None:
        if self._held is not None or self._child is None:
            return
        try:
            if self._digester is not None:
                self._digester.update(data)
                if not self._place.in_scope:
                    self._run.exact(data)
            self._child.feed(data)
        except EcluseError as error:
            self._hold(error)

    def _hold(self, error: EcluseError) -> None:
        """Keep the fault for the end of the layer."""
        failure = as_failure(error, self._inside)
        if self._kind is ContentKind.ENVELOPED and self._run.policy.conceal:
            failure = undecryptable()
        self._held = failure

    def _signers(self, found: Signers) -> None:
        if found.detached or self._digester is None:
            fail("A signed layer has no content.", AUTHENTICATION_FAILED, "Send multipart/signed.")
        scope = not self._place.in_scope
        _note_signature(self._run, self._index, found, self._digester, b"", scope=scope)

    def _end(self, event: LayerEnded) -> None:
        if self._held is None and self._child is not None:
            try:
                self._child.close()
                if event.content_type != oids.DATA and not self._child.has_header:
                    fail(
                        f"A layer holds another one without a MIME header ({event.content_type}).",
                        UNEXPECTED_ERROR,
                        "Send every layer as a MIME entity (RFC 8551 s3).",
                    )
            except EcluseError as error:
                self._hold(error)
        if self._held is not None:
            raise self._held
        if self._kind is ContentKind.COMPRESSED:
            self._run.protections[self._index] = Compressed()
        elif self._key is not None:
            self._run.protections[self._index] = Encrypted(
                self._key.algorithm, self._kind is ContentKind.AUTH_ENVELOPED, len(self._key.recipients)
            )
