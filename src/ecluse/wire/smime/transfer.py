"""Undoing a Content-Transfer-Encoding (RFC 2045 s6) as a stream.

AS2 runs over HTTP, so the absence of the field means binary, not 7bit (RFC 4130 s5.2.1).
"""

from __future__ import annotations

import binascii
from typing import Protocol

from ecluse.wire.smime.errors import MimeError

__all__ = ["Decoder", "decoder", "is_identity"]

_IDENTITY = frozenset({"", "binary", "7bit", "8bit"})
_SPACE = b" \t\r\n"


class Decoder(Protocol):
    """A stage: octets in, decoded octets out."""

    def feed(self, data: bytes) -> bytes:
        """Decode what can be decoded. Raises ``MimeError`` on octets that the encoding does not allow."""
        ...

    def finish(self) -> bytes:
        """The last octets. Raises ``MimeError`` where the encoding was cut short."""
        ...


def _name(encoding: str | None) -> str:
    return (encoding or "").partition(";")[0].partition("(")[0].strip().strip('"').lower()


def is_identity(encoding: str | None) -> bool:
    """Whether the named encoding changes nothing; any case, absent included."""
    return _name(encoding) in _IDENTITY


def decoder(encoding: str | None) -> Decoder:
    """The decoder for a Content-Transfer-Encoding, in any case; ``None`` means binary.

    Raises:
        MimeError: An encoding that isn't one of RFC 2045's five.
    """
    name = _name(encoding)
    if name in _IDENTITY:
        return _Identity()
    if name == "base64":
        return _Base64()
    if name == "quoted-printable":
        return _QuotedPrintable()
    raise MimeError(
        f"The Content-Transfer-Encoding {name[:40]!r} is unknown.",
        code="smime.bad-encoding",
        remedy="Ask the partner to send binary, or base64.",
    )


class _Identity:
    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Base64:
    """Line breaks and white space are skipped, missing padding is forgiven, anything else is refused."""

    __slots__ = ("_ended", "_held")

    def __init__(self) -> None:
        self._held = b""
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        data = self._held + data.translate(None, _SPACE)
        if self._ended and data:
            raise MimeError("Octets follow the padding of a base64 body.", code="smime.bad-encoding")
        cut = len(data) - len(data) % 4
        padded = data.find(b"=")
        if padded >= 0 and padded + 4 <= cut and padded // 4 * 4 + 4 < len(data):
            raise MimeError("Octets follow the padding of a base64 body.", code="smime.bad-encoding")
        self._held = data[cut:]
        self._ended = 0 <= padded < cut
        return _base64(data[:cut])

    def finish(self) -> bytes:
        held, self._held = self._held.rstrip(b"="), b""
        if len(held) == 1:
            raise MimeError("A base64 body is cut short.", code="smime.truncated")
        return _base64(held + b"=" * (-len(held) % 4))


def _base64(data: bytes) -> bytes:
    if not data:
        return b""
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error as error:
        raise MimeError(
            "A base64 body holds octets that base64 has not.", code="smime.bad-encoding"
        ) from error


class _QuotedPrintable:
    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        # "=XX" and "=CRLF" may be cut anywhere; nothing longer depends on what follows.
        at = data.rfind(b"=", max(0, len(data) - 2))
        cut = len(data) if at < 0 else at
        self._held = data[cut:]
        return binascii.a2b_qp(data[:cut])

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return binascii.a2b_qp(held)
