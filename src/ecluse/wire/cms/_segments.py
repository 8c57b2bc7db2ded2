"""Cutting a stream into the segments of a constructed OCTET STRING (X.690 s8.7.3)."""

from __future__ import annotations

from typing import Final, Protocol

from ecluse.wire import asn1

__all__ = ["SEGMENT_SIZE", "EncryptedSegments", "Segments", "StreamCipher"]

SEGMENT_SIZE: Final = 65_536
"""Octets in every segment but the last. The headers cost 0.01 %, and a reader need hold no more at once."""

_FULL_HEADER: Final = asn1.header(asn1.OCTET_STRING, SEGMENT_SIZE)


class Segments:
    """Segments of the octets as they come. Where they are cut does not depend on how they were fed."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes | memoryview) -> bytes:
        """The segments that ``data`` makes full; may be empty."""
        pending = self._pending
        room = SEGMENT_SIZE - len(pending)
        if len(data) < room:
            pending += data
            return b""
        view = memoryview(data)
        out: list[bytes | bytearray | memoryview] = [_FULL_HEADER, pending, view[:room]]
        whole_end = len(view) - (len(view) - room) % SEGMENT_SIZE
        for start in range(room, whole_end, SEGMENT_SIZE):
            out += (_FULL_HEADER, view[start : start + SEGMENT_SIZE])
        self._pending = bytearray(view[whole_end:])
        return b"".join(out)

    def finish(self) -> bytes:
        """The last segment; empty where nothing is left."""
        return asn1.octets(bytes(self._pending)) if self._pending else b""


class StreamCipher(Protocol):
    """An encryptor of the cryptographic library, by what is used of it."""

    def update(self, data: bytes) -> bytes:
        """The ciphertext of ``data``, whole blocks of it."""

    def update_into(self, data: bytes | memoryview, buf: memoryview) -> int:
        """The same into ``buf``, which has 15 octets more than ``data``; says how many were written."""


_SLACK: Final = 15
"""Octets that a block cipher wants behind the output (one block less one)."""


class EncryptedSegments:
    """The same for octets that are encrypted on their way, into one buffer that is used again and again."""

    __slots__ = ("_buffer", "_cipher", "_pending")

    def __init__(self, cipher: StreamCipher) -> None:
        """``cipher`` gives as many octets as it takes wherever it takes a multiple of 16."""
        self._cipher = cipher
        self._pending = bytearray()
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> bytes:
        """The segments that ``data`` makes full; may be empty."""
        pending = self._pending
        room = SEGMENT_SIZE - len(pending)
        if len(data) < room:
            pending += data
            return b""
        view = memoryview(data)
        out = memoryview(self._reserve(len(pending) + len(view)))
        written = 0
        if pending:
            pending += view[:room]
            written = self._put(out, written, memoryview(pending))
            view = view[room:]
        whole_end = len(view) - len(view) % SEGMENT_SIZE
        for start in range(0, whole_end, SEGMENT_SIZE):
            written = self._put(out, written, view[start : start + SEGMENT_SIZE])
        self._pending = bytearray(view[whole_end:])
        return bytes(out[:written])

    def finish(self, padding: bool) -> bytes:
        """The last segment, padded to whole blocks (RFC 5652 s6.3) or not; empty where nothing is left."""
        if padding:
            missing = 16 - len(self._pending) % 16
            self._pending += bytes((missing,)) * missing
        return asn1.octets(self._cipher.update(bytes(self._pending))) if self._pending else b""

    def _put(self, out: memoryview, position: int, piece: memoryview) -> int:
        """Write one full segment at ``position``; where the next one goes."""
        body = position + len(_FULL_HEADER)
        out[position:body] = _FULL_HEADER
        return body + self._cipher.update_into(piece, out[body : body + SEGMENT_SIZE + _SLACK])

    def _reserve(self, size: int) -> bytearray:
        """A buffer for the segments of ``size`` octets."""
        needed = size + (size // SEGMENT_SIZE) * len(_FULL_HEADER) + _SLACK
        if len(self._buffer) < needed:
            self._buffer = bytearray(needed)
        return self._buffer
