"""The attributes of a file (draft-ietf-secsh-filexfer-02 s5)."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["FOLDER", "PLAIN", "Attributes", "read_attributes"]

FOLDER: Final = 0o040000
"""POSIX S_IFDIR."""
PLAIN: Final = 0o100000
"""POSIX S_IFREG."""

_SIZE: Final = 0x1
_OWNER: Final = 0x2
_PERMISSIONS: Final = 0x4
_TIMES: Final = 0x8
_EXTENDED: Final = 0x80000000


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What a client sets, or a server tells. ``None`` is left out.

    Attributes:
        size: Octets.
        mode: POSIX mode, with the kind of file.
        modified: Seconds since 1970, 32 bits.
    """

    size: int | None = None
    mode: int | None = None
    modified: int | None = None

    def encode(self) -> bytes:
        """As it goes over the wire. The owner is 0: nobody on this side has a number."""
        flags, parts = 0, []
        if self.size is not None:
            flags |= _SIZE
            parts.append(self.size.to_bytes(8, "big"))
        if self.mode is not None:
            flags |= _OWNER | _PERMISSIONS
            parts.append(bytes(8) + self.mode.to_bytes(4, "big"))
        if self.modified is not None:
            flags |= _TIMES
            parts.append(min(self.modified, 0xFFFFFFFF).to_bytes(4, "big") * 2)
        return flags.to_bytes(4, "big") + b"".join(parts)


def read_attributes(data: bytes, at: int) -> tuple[Attributes, int]:
    """Attributes at an offset, and where they end.

    Raises:
        IndexError: They are cut short. For the reader of requests alone, which turns it into its own error.
    """
    flags, at = _number(data, at, 4)
    size = mode = modified = None
    if flags & _SIZE:
        size, at = _number(data, at, 8)
    if flags & _OWNER:
        _, at = _number(data, at, 8)
    if flags & _PERMISSIONS:
        mode, at = _number(data, at, 4)
    if flags & _TIMES:
        times, at = _number(data, at, 8)
        modified = times & 0xFFFFFFFF
    if flags & _EXTENDED:
        count, at = _number(data, at, 4)
        for _ in range(2 * count):  # ends with the data: each takes four octets at least
            length, at = _number(data, at, 4)
            at += length
            if at > len(data):
                raise IndexError
    return Attributes(size, mode, modified), at


def _number(data: bytes, at: int, width: int) -> tuple[int, int]:
    end = at + width
    if end > len(data):
        raise IndexError
    return int.from_bytes(data[at:end], "big"), end
