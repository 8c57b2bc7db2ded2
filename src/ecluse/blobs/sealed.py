"""The format of a blob at rest, version 1. This text is its specification.

A sealed blob is a message of C2SP chunked-encryption@v1 (https://c2sp.org/chunked-encryption) with
SHA-256 and AEAD_AES_256_GCM, and nothing else, so that any implementation of that document opens it::

    salt (24) | commitment (32) | chunk 0 | chunk 1 | ... | final chunk

    key (32) | base nonce (12) | commitment (32) = HKDF-Expand(SHA-256, prk = blob key, info =
        "c2sp.org/chunked-encryption@v1+" | "AEAD_AES_256_GCM" | 00 | salt | context)

    context = "ecluse/blob/1/" | blob id, in ASCII

- Clear text is cut into chunks of 16,384 octets; the final one is shorter, and may be empty. Chunk ``n`` is
  sealed by AES-256-GCM with an empty AAD, a tag of 16 octets, and the base nonce XOR ``n`` (big-endian). It
  begins at octet ``56 + n * 16400``.
- The blob key is 32 random octets, used for one blob, and kept elsewhere, wrapped by AES-KW (RFC 3394). Who
  deletes the key has deleted the blob.
- The salt is random. The commitment binds the bytes to one key, one version and one blob id: a blob that
  is put in the place of another does not open.
- A chunk that was changed, moved or taken from another blob fails its tag. A chunk of full length can't be
  final and a short one can't be anything else, so a blob that was cut or extended does not open either.

Compatibility: what this version wrote stays readable by every later release. A later version changes the
context's number; a reader tells versions apart by the commitment that fits.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

__all__ = [
    "CHUNK",
    "HEADER_SIZE",
    "KEY_SIZE",
    "SALT_SIZE",
    "SEALED_CHUNK",
    "Damaged",
    "Opener",
    "Sealer",
    "sealed_size",
]

CHUNK: Final = 16_384
"""Octets of clear text in every chunk but the final one (C2SP chunked-encryption, "Message chunking")."""

SEALED_CHUNK: Final = CHUNK + 16
KEY_SIZE: Final = 32
SALT_SIZE: Final = 24
HEADER_SIZE: Final = SALT_SIZE + 32

_MAX_CHUNKS: Final = 1 << 38  # C2SP chunked-encryption: 4 PiB
_INFO: Final = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
_CONTEXT: Final = b"ecluse/blob/1/"


class Damaged(Exception):
    """These bytes are not what was sealed under this key and blob id.

    It does not leave the room: the vault says which blob, and the remedy.
    """


def sealed_size(size: int) -> int:
    """Octets at rest of ``size`` octets of clear text."""
    return HEADER_SIZE + size + 16 * (size // CHUNK + 1)


def _derive(key: bytes, salt: bytes, blob: str) -> tuple[AESGCM, int, bytes]:
    """Cipher, base nonce as a number, commitment."""
    if len(key) != KEY_SIZE or len(salt) != SALT_SIZE:
        raise Damaged
    info = _INFO + salt + _CONTEXT + blob.encode("ascii")
    okm = HKDFExpand(SHA256(), 76, info).derive(key)
    return AESGCM(okm[:32]), int.from_bytes(okm[32:44], "big"), okm[44:]


class Sealer:
    """Seals one blob, front to back, in flat memory.

    Args:
        key: 32 random octets, never used for another blob.
        salt: 24 random octets.
        blob: The blob's id.
    """

    __slots__ = ("_chunk", "_cipher", "_nonce", "_rest", "header")

    def __init__(self, key: bytes, salt: bytes, blob: str) -> None:
        self._cipher, self._nonce, commitment = _derive(key, salt, blob)
        self._chunk = 0
        self._rest = b""
        self.header = salt + commitment

    def seal(self, data: bytes | bytearray | memoryview) -> bytearray:
        """Take clear text of any length; give the sealed chunks that are full (possibly none)."""
        whole = memoryview(data)
        start = 0
        head = b""
        if self._rest:
            start = min(CHUNK - len(self._rest), len(whole))
            head = self._rest + whole[:start]
            if len(head) < CHUNK:
                self._rest = head
                return bytearray()
        full = (len(whole) - start) // CHUNK
        out = bytearray((full + bool(head)) * SEALED_CHUNK)
        target = memoryview(out)
        at = 0
        if head:
            self._seal_one(head, target[:SEALED_CHUNK])
            at = SEALED_CHUNK
        for _ in range(full):
            self._seal_one(whole[start : start + CHUNK], target[at : at + SEALED_CHUNK])
            start += CHUNK
            at += SEALED_CHUNK
        self._rest = bytes(whole[start:])
        return out

    def finish(self) -> bytes:
        """Give the final chunk."""
        return self._cipher.encrypt(self._next_nonce(), self._rest, None)

    def _seal_one(self, data: bytes | memoryview, target: memoryview) -> None:
        self._cipher.encrypt_into(self._next_nonce(), data, None, target)

    def _next_nonce(self) -> bytes:
        number = self._chunk
        if number >= _MAX_CHUNKS:
            raise Damaged
        self._chunk = number + 1
        return (self._nonce ^ number).to_bytes(12, "big")


class Opener:
    """Opens any whole chunks of one blob.

    Args:
        key: The blob's key.
        header: The first 56 octets at rest.
        blob: The blob's id.

    Raises:
        Damaged: The header was not made with this key for this blob.
    """

    __slots__ = ("_cipher", "_nonce")

    def __init__(self, key: bytes, header: bytes, blob: str) -> None:
        self._cipher, self._nonce, commitment = _derive(key, header[:SALT_SIZE], blob)
        if not hmac.compare_digest(commitment, header[SALT_SIZE:]):
            raise Damaged

    def open(self, first: int, data: bytes | bytearray | memoryview) -> bytearray:
        """Clear text of consecutive whole chunks, of which ``first`` is the number of the first.

        Raises :class:`Damaged` where any octet of them is wrong. A short last chunk is taken for the final
        one: the caller knows from the blob's size where that stands.
        """
        whole = memoryview(data)
        full, final = divmod(len(whole), SEALED_CHUNK)
        if 0 < final < 16:
            raise Damaged
        out = bytearray(full * CHUNK + max(final - 16, 0))
        target = memoryview(out)
        nonce, decrypt = self._nonce, self._cipher.decrypt_into
        try:
            for index in range(full + bool(final)):
                decrypt(
                    (nonce ^ (first + index)).to_bytes(12, "big"),
                    whole[index * SEALED_CHUNK : (index + 1) * SEALED_CHUNK],
                    None,
                    target[index * CHUNK : (index + 1) * CHUNK],
                )
        except InvalidTag:
            raise Damaged from None
        return out
