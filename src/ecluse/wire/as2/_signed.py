"""Signatures of a message being opened: multipart/signed, and what any verified signature decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from msgspec.structs import replace

from ecluse.errors import EcluseError
from ecluse.wire.as2._run import Inner, Place, Run, as_failure, fail, undecryptable
from ecluse.wire.as2.disposition import AUTHENTICATION_FAILED
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.as2.events import Signed
from ecluse.wire.as2.signature import check_signers
from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import CmsError
from ecluse.wire.cms.events import ContentKind, KeyNeeded, Signers
from ecluse.wire.cms.reader import Reader, read_detached
from ecluse.wire.smime import multipart
from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.headers import HeaderScanner
from ecluse.wire.smime.mic import ALL_DIGESTS, Digester, digest_name
from ecluse.wire.smime.parameters import Value
from ecluse.wire.smime.transfer import decoder

__all__ = ["MAX_SIGNATURE", "SignedMultipart", "note_signature"]

MAX_SIGNATURE = 1_048_576
"""Octets of a signature part. A signature with a chain of RSA-4096 certificates takes 12 KiB."""

_DIGESTS = {oids.SHA1: "sha1", oids.SHA256: "sha256", oids.SHA384: "sha384", oids.SHA512: "sha512"}


def note_signature(
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

    A fault of what is inside is held back until the signature was checked: a changed message is answered as
    such, whatever the change did to its inside.

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
        self._held: As2Failure | None = None

    def feed(self, data: bytes) -> None:
        self._handle(self._reader.feed(data))

    def close(self) -> None:
        self._handle(self._reader.close())
        if self._held is not None:
            raise self._held

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
                    self._inside(self._first.close)
                    self._first = None
            elif self._parts == 2:
                self._settle()
            else:
                self._wrong_parts()

    def _take(self, data: bytes) -> None:
        if self._first is not None:
            self._digester.update(data)
            if self._scope:
                self._run.exact(data)
            first = self._first
            self._inside(lambda: first.feed(data))
            return
        self._second += data
        if len(self._second) > MAX_SIGNATURE:
            raise MimeError("The signature part is too large.", code="smime.too-large")

    def _inside(self, step: Callable[[], None]) -> None:
        if self._held is None:
            try:
                step()
            except EcluseError as error:
                self._held = as_failure(error, self._place)

    def _signed_entity(self, offset: int) -> Inner:
        origin = self._origin
        if origin is not None and not self._scope:
            origin += offset
        place = replace(self._place, depth=self._place.depth + 1, in_scope=True, origin=origin)
        return self._run.entity(place, header_required=True)

    def _settle(self) -> None:
        """Both parts are whole: raise what is wrong; what may be followed by garbage only once nothing does.

        Garbage after the end tells whether its padding was right, unless it is looked at whatever came before.
        """
        try:
            self._verify()
        except As2Failure as failure:
            self._held = failure
        if self._held is not None and not self._place.malleable:
            raise self._held

    def _wrong_parts(self) -> NoReturn:
        if self._place.malleable:
            raise undecryptable()
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
            found = read_detached(signature, self._run.policy.limits) or self._read(signature)
        except (CmsError, MimeError) as error:
            raise as_failure(error, self._place, ContentKind.SIGNED) from None
        if found is None or not found.detached:
            fail(
                "The signature part holds no detached signature.",
                AUTHENTICATION_FAILED,
                "Send application/pkcs7-signature with a detached SignedData.",
            )
        note_signature(self._run, self._index, found, self._digester, signature, scope=self._scope)

    def _read(self, signature: bytes) -> Signers | None:
        reader = Reader(self._run.policy.limits, self._run.policy.allowed)
        events = reader.feed(signature)
        if any(isinstance(event, KeyNeeded) for event in events):
            fail("The signature part is encrypted.", AUTHENTICATION_FAILED, "Send a detached SignedData.")
        reader.close()
        return next((event for event in events if isinstance(event, Signers)), None)
