"""A MIME entity being opened: its header decides what takes its body.

The scope of the MIC is decided where the structure shows it (RFC 4130 s7.3.1, RFC 5402 s4): the first part of
the outermost signature; else the innermost entity, with its header where there is any layer around it, and
without where there is none.
"""

from __future__ import annotations

from msgspec.structs import replace

from ecluse.wire.as2._cms import CmsLayer
from ecluse.wire.as2._documents import Container, Leaf
from ecluse.wire.as2._run import Layer, Place, Run, fail
from ecluse.wire.as2._signed import SignedMultipart
from ecluse.wire.as2.disposition import UNEXPECTED_ERROR
from ecluse.wire.smime.filename import file_name
from ecluse.wire.smime.headers import Headers, HeaderScanner
from ecluse.wire.smime.mic import ALL_DIGESTS, Digester
from ecluse.wire.smime.parameters import Value, parse_value
from ecluse.wire.smime.transfer import decoder, is_identity

__all__ = ["Body", "Entity"]

_CMS_TYPES = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_CMS_NAMES = ("smime.p7m", "smime.p7z")
"""Names by which an application/octet-stream is S/MIME (RFC 8551 s3.9)."""
_UNOPENED = ("application/pkcs7-signature", "application/x-pkcs7-signature", "multipart/encrypted")
_CONTAINERS = ("multipart/related", "multipart/mixed", "multipart/report")
_CONTENT_INFO = (
    bytes.fromhex("06092a864886f70d010702"),
    bytes.fromhex("06092a864886f70d010703"),
    bytes.fromhex("060b2a864886f70d0109100109"),
    bytes.fromhex("060b2a864886f70d0109100117"),
)
"""DER of the content types of signed, enveloped, compressed and authenticated-enveloped data."""
_SNIFF = 32
"""Octets within which a ContentInfo has shown its content type."""


class Entity:
    """An entity whose header is still to come.

    Args:
        run: The message.
        place: Where its first octet stands.
        header_required: False for what was decrypted or inflated: it may be payload and nothing else.
    """

    def __init__(self, run: Run, place: Place, header_required: bool) -> None:
        self._run = run
        self._place = place
        self._scanner: HeaderScanner | None = HeaderScanner(require=header_required)
        self._required = header_required
        self._start = b""
        self._body: Layer | None = None
        self.has_header = False

    def feed(self, data: bytes) -> None:
        if self._body is not None:
            self._body.feed(data)
        elif self._scanner is None:
            self._sniff(self._start + data, final=False)
        else:
            found = self._scanner.feed(data)
            if found is not None:
                self._decide(*found, final=False)

    def close(self) -> None:
        if self._scanner is not None:
            self._decide(*self._scanner.close(), final=True)
        elif self._body is None:
            self._sniff(self._start, final=True)
        if self._body is not None:
            self._body.close()

    def _decide(self, headers: Headers, rest: bytes, *, final: bool) -> None:
        self._scanner = None
        self.has_header = bool(headers.raw)
        if self.has_header or self._required:
            self._open(Body(self._run, self._place, headers), rest)
        else:
            self._sniff(rest, final=final)

    def _sniff(self, data: bytes, *, final: bool) -> None:
        """Content without a header is payload, unless it is one more CMS layer."""
        if not final and len(data) < _SNIFF and data[:1] in (b"", b"\x30"):
            self._start = data
            return
        self._start = b""
        start = data[:_SNIFF]
        if start[:1] == b"\x30" and any(oid in start for oid in _CONTENT_INFO):
            self._open(CmsLayer(self._run, self._place), data)
        else:
            self._open(Body(self._run, self._place, Headers()), data)

    def _open(self, body: Layer, data: bytes) -> None:
        self._body = body
        if data:
            body.feed(data)


class Body:
    """What stands behind a header.

    Args:
        run: The message.
        place: Where the *entity* stands, header included.
        headers: Its header; for the outermost entity that of the HTTP request, without ``raw``.
    """

    def __init__(self, run: Run, place: Place, headers: Headers) -> None:
        self._run = run
        content_type = parse_value(headers.get("content-type"))
        encoding = headers.get("content-transfer-encoding")
        structure = _structure(place, headers, content_type)
        # The outermost encoding is the transport's, and is undone before anything else. Inside, a document's
        # octets in scope stay as they were sent, and the document itself is decoded after the digest.
        self._decoder = decoder(encoding)
        self._decode = not is_identity(encoding) and (structure != "document" or place.depth == 0)
        self._tap: Digester | None = None
        origin = None if place.origin is None else place.origin + len(headers.raw)
        if structure in ("document", "container") and not place.in_container:
            run.check_security()
            if not place.in_scope:
                self._tap = Digester(run.digests_wanted(), extra=ALL_DIGESTS, canonical=False)
                origin = run.begin_scope(self._tap)
                if place.depth:
                    self._tap.update(headers.raw)
                    run.exact(headers.raw)
                    origin += len(headers.raw)
        if self._decode and self._tap is None:
            origin = None
        inner = replace(place, origin=origin)
        self._inner: Layer
        if structure == "cms":
            self._inner = CmsLayer(run, inner)
        elif structure == "signed":
            self._inner = SignedMultipart(run, inner, content_type)
        elif structure == "container":
            self._inner = Container(run, inner, content_type)
        else:
            self._inner = Leaf(run, inner, headers, decoded=self._decode)

    def feed(self, data: bytes) -> None:
        self._pass(self._decoder.feed(data) if self._decode else data)

    def close(self) -> None:
        if self._decode:
            self._pass(self._decoder.finish())
        self._inner.close()

    def _pass(self, data: bytes) -> None:
        if not data:
            return
        if self._tap is not None:
            self._tap.update(data)
            self._run.exact(data)
        self._inner.feed(data)


def _structure(place: Place, headers: Headers, content_type: Value) -> str:
    """``cms``, ``signed``, ``container`` or ``document``."""
    kind = content_type.value
    if kind in _UNOPENED:
        fail(f"Content of the type {kind} can't be opened.", UNEXPECTED_ERROR, "Send it as S/MIME.")
    cms = kind in _CMS_TYPES or (
        kind == "application/octet-stream" and (file_name(headers) or "").lower() in _CMS_NAMES
    )
    if place.in_container:
        # Nobody's content is in there (RFC 8551 s3.2.2): certificates go beside other documents.
        if cms and content_type.parameters.get("smime-type", "").lower() == "certs-only":
            return "document"
        if cms or kind == "multipart/signed":
            fail(
                "One of several documents is protected by itself.",
                UNEXPECTED_ERROR,
                "Protect the message as a whole, or send the document as application/octet-stream.",
            )
        return "document"
    if cms:
        return "cms"
    if kind == "multipart/signed":
        return "signed"
    return "container" if kind in _CONTAINERS else "document"
