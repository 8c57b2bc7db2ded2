"""The fields that SSH's structures are made of (RFC 4251 section 5)."""

from __future__ import annotations

from ecluse.wire.sshsig.errors import BadSshSignature

__all__ = ["Reader", "string"]


class Reader:
    """Takes fields off the front of some octets.

    Args:
        data: All of them.
    """

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def octets(self, size: int) -> bytes:
        """So many octets. Raises :class:`BadSshSignature` where there are fewer."""
        piece = self._data[self._at : self._at + size]
        if len(piece) != size:
            raise BadSshSignature("It ends in the middle of a field.")
        self._at += size
        return piece

    def uint32(self) -> int:
        """A number of four octets."""
        return int.from_bytes(self.octets(4), "big")

    def string(self) -> bytes:
        """Octets with their length before them."""
        return self.octets(self.uint32())

    def text(self) -> str:
        """A string of ASCII."""
        try:
            return self.string().decode("ascii")
        except UnicodeDecodeError:
            raise BadSshSignature("A name in it is not ASCII.") from None

    def mpint(self) -> int:
        """A positive number in its shortest form."""
        data = self.string()
        if not data or data[0] & 0x80 or (data[0] == 0 and (len(data) == 1 or not data[1] & 0x80)):
            raise BadSshSignature("A number in it is not positive, or not in its shortest form.")
        return int.from_bytes(data, "big")

    def end(self) -> None:
        """Raise :class:`BadSshSignature` where anything is left."""
        if self._at != len(self._data):
            raise BadSshSignature("There are octets behind its end.")


def string(data: bytes) -> bytes:
    """Octets with their length before them."""
    return len(data).to_bytes(4, "big") + data
