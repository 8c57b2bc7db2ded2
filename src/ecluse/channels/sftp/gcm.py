"""AES-GCM in SSH packets (RFC 5647), with one cipher object for a key instead of one for each packet."""

from __future__ import annotations

from typing import Final

from asyncssh.encryption import GCMEncryption
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["BLOCK", "TAG", "Gcm"]

TAG: Final = 16
BLOCK: Final = 16


class Gcm:
    """One direction of AES-GCM (RFC 5647): the nonce is four fixed octets and a count."""

    __slots__ = ("_aes", "_cipher", "_count", "_fixed", "nonce", "of")

    def __init__(self, of: GCMEncryption) -> None:
        self.of = of
        self._cipher = of._cipher
        self._aes = AESGCM(self._cipher._key)
        self._follow()

    @classmethod
    def at(cls, encryption: GCMEncryption, former: Gcm | None) -> Gcm:
        """For the present key and nonce: ``former`` where it is of that key. asyncssh may have used it meanwhile."""
        if former is None or former.of is not encryption:
            return cls(encryption)
        if former.nonce is not former._cipher._iv:
            former._follow()
        return former

    def _follow(self) -> None:
        self.nonce = self._cipher._iv
        self._fixed = self.nonce[:4]
        self._count = int.from_bytes(self.nonce[4:], "big")

    def used(self) -> None:
        """The nonce is spent; asyncssh's own object goes on from the next one."""
        self._count = (self._count + 1) & 0xFFFFFFFFFFFFFFFF
        self.nonce = self._cipher._iv = self._fixed + self._count.to_bytes(8, "big")

    def open(self, packet: memoryview) -> bytes:
        """The clear text of a whole packet. Raises InvalidTag. The nonce is not spent."""
        return self._aes.decrypt(self.nonce, packet[4:], packet[:4])

    def seal(self, packet: bytes) -> bytes:
        """Length, packet and tag; the nonce is spent."""
        header = len(packet).to_bytes(4, "big")
        sealed = header + self._aes.encrypt(self.nonce, packet, header)
        self.used()
        return sealed

    def decrypt(self, data: memoryview, header: memoryview, out: memoryview) -> None:
        """Raises InvalidTag, with anything in ``out`` then. The nonce is not spent: :meth:`used` does that."""
        self._aes.decrypt_into(self.nonce, data, header, out)

    def encrypt(self, packet: bytes, out: memoryview) -> None:
        """Put length, packet and tag into ``out``; the nonce is spent."""
        header = len(packet).to_bytes(4, "big")
        out[:4] = header
        self._aes.encrypt_into(self.nonce, packet, header, out[4:])
        self.used()
