"""Encrypted data with its integrity: versions 1 and 2 of RFC 9580 s5.13, and what GnuPG 2.3 and later write.

Version 1 is CFB with a SHA-1 of everything at the end (MDC): what it gives is provisional until the last
octet. Version 2 and GnuPG's packet 20 are AEAD in chunks: each chunk is good when it comes, and the end of the
last one says that nothing was cut off. All of them raise :class:`Modified` where the check fails.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESOCB3
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ecluse.wire.openpgp._stream import GATHERED, Piece, Stream, regroup
from ecluse.wire.openpgp.errors import DecryptionFailed, LimitExceeded, Modified, UnsupportedAlgorithm
from ecluse.wire.openpgp.names import CIPHERS, Aead, CipherAlgorithm, Tag, cipher_algorithm
from ecluse.wire.openpgp.packets import partial_packet
from ecluse.wire.openpgp.pkesk import Entropy, SessionKey

__all__ = ["Protected", "encrypt_aead", "encrypt_mdc", "read_ocb", "read_protected"]

MAX_CHUNK_BITS: Final = 22
"""RFC 9580 s5.13.2 allows chunks of 4 MiB at most, and GnuPG writes such."""

_TAG: Final = 16
_MDC: Final = 22
_MDC_HEADER: Final = b"\xd3\x14"
_WRITTEN_CHUNK: Final = 17
"""Binary logarithm of the AEAD chunks that are written."""


@dataclass(frozen=True, slots=True)
class Protected:
    """The head of encrypted data.

    Attributes:
        cipher: Its cipher, where the head says it; in version 1 the session key does.
        mode: ``mdc``, ``ocb`` or ``gcm``.
        open: From a session key to the content.
    """

    cipher: CipherAlgorithm | None
    mode: str
    open: Callable[[SessionKey], Iterator[Piece]]


def read_protected(body: Stream) -> Protected:
    """Read the head of a SEIPD packet.

    Raises:
        UnsupportedAlgorithm: A version, cipher or mode that is not done.
        Truncated: It is cut off.
    """
    version = body.octet()
    if version == 1:
        return Protected(None, "mdc", lambda session: _decrypt_mdc(body, session))
    if version != 2:
        raise UnsupportedAlgorithm(f"The encrypted data has version {version}; 1 and 2 are done here.")
    number, mode, size = body.exact(3)
    salt = body.exact(32)
    cipher = _aead_cipher(number, mode)
    head = bytes([0xC0 | Tag.SEIPD, 2, number, mode, size])

    def content(session: SessionKey) -> Iterator[Piece]:
        if session.cipher is not None or len(session.key) not in (16, 24, 32):
            raise DecryptionFailed
        key, start = _aead_key(session.key, salt, head, cipher, mode)
        seal = _Chunks(mode, key, lambda index: start + index.to_bytes(8, "big"), lambda _: head, head)
        return seal.decrypt(body, size)

    return Protected(cipher, Aead(mode).name.lower(), content)


def read_ocb(body: Stream) -> Protected:
    """Read the head of packet 20 (draft-ietf-openpgp-rfc4880bis-10 s5.16), which RFC 9580 did not take over.

    GnuPG 2.3 and later write it to keys that GnuPG made.
    """
    version = body.octet()
    if version != 1:
        raise UnsupportedAlgorithm(f"The encrypted data has version {version}; 1 is done here.")
    number, mode, size = body.exact(3)
    cipher = _aead_cipher(number, mode)
    iv = body.exact(15 if mode == Aead.OCB else 12)
    head = bytes([0xC0 | Tag.OCB, 1, number, mode, size])

    def nonce(index: int) -> bytes:
        return iv[:-8] + (int.from_bytes(iv[-8:], "big") ^ index).to_bytes(8, "big")

    def content(session: SessionKey) -> Iterator[Piece]:
        # The session key says a cipher here as well; the packet's own is the one that counts.
        if len(session.key) != cipher.key:
            raise DecryptionFailed
        seal = _Chunks(mode, session.key, nonce, lambda index: head + index.to_bytes(8, "big"), None)
        return seal.decrypt(body, size)

    return Protected(cipher, Aead(mode).name.lower(), content)


def _aead_cipher(number: int, mode: int) -> CipherAlgorithm:
    cipher = cipher_algorithm(number)
    if number not in (7, 8, 9) or mode not in (Aead.OCB, Aead.GCM):
        raise UnsupportedAlgorithm(
            "The message is encrypted in an AEAD mode that is not done here.",
            remedy="Agree with the partner on AES with OCB.",
        )
    return cipher


def _aead_key(
    session: bytes, salt: bytes, head: bytes, cipher: CipherAlgorithm, mode: int
) -> tuple[bytes, bytes]:
    """(message key, first part of the nonces): s5.13.2."""
    start = (15 if mode == Aead.OCB else 12) - 8
    material = HKDF(SHA256(), cipher.key + start, salt, head).derive(session)
    return material[: cipher.key], material[cipher.key :]


class _Chunks:
    """AEAD in chunks: each under a nonce of its number, then an empty one that covers the whole size."""

    def __init__(
        self,
        mode: int,
        key: bytes,
        nonce: Callable[[int], bytes],
        associated: Callable[[int], bytes],
        final: bytes | None,
    ) -> None:
        self._aead = AESOCB3(key) if mode == Aead.OCB else AESGCM(key)
        self._nonce = nonce
        self._associated = associated
        self._final = final

    def _last(self, index: int, total: int) -> bytes:
        head = self._associated(index) if self._final is None else self._final
        return head + total.to_bytes(8, "big")

    def decrypt(self, body: Stream, size_octet: int) -> Iterator[Piece]:
        """The content; :class:`Modified` at the first chunk that does not fit."""
        bits = size_octet + 6
        if bits > MAX_CHUNK_BITS:
            raise LimitExceeded(
                f"The message is encrypted in chunks of more than {1 << MAX_CHUNK_BITS} octets."
            )
        size = (1 << bits) + _TAG
        # Small chunks come many at a time: what a step costs besides the cipher is paid for all of them.
        batch = max(GATHERED // size, 1) * size
        held = b""
        index = total = 0
        for piece in regroup(body.pieces(), batch):
            joined = held + bytes(piece) if held else piece
            # The last 16 octets are never a chunk's: hold back what they may be part of.
            count = max(len(joined) - _TAG - 1, 0) // size
            view = memoryview(joined)
            for at in range(0, count * size, size):
                clear = self._opened(index, view[at : at + size], self._associated(index))
                index += 1
                total += len(clear)
                yield clear
            held = bytes(view[count * size :])
        if len(held) < _TAG:
            raise Modified
        rest, tag = held[:-_TAG], held[-_TAG:]
        if rest:
            clear = self._opened(index, rest, self._associated(index))
            index += 1
            total += len(clear)
            if clear:
                yield clear
        self._opened(index, tag, self._last(index, total))

    def _opened(self, index: int, data: Piece, associated: bytes) -> bytes:
        try:
            return self._aead.decrypt(self._nonce(index), data, associated)
        except (InvalidTag, ValueError):
            raise Modified from None

    def encrypt(self, content: Iterable[Piece], bits: int) -> Iterator[bytes]:
        """The reverse."""
        index = total = 0
        for piece in regroup(content, 1 << bits):
            yield self._aead.encrypt(self._nonce(index), piece, self._associated(index))
            index += 1
            total += len(piece)
        yield self._aead.encrypt(self._nonce(index), b"", self._last(index, total))


def _decrypt_mdc(body: Stream, session: SessionKey) -> Iterator[Piece]:
    """CFB from a zero vector, over a random block, its last two octets again, the content, and the MDC (s5.13.1).

    The repeated octets are not looked at: what they would tell, an attacker could ask for (s5.13.1 too).
    """
    if session.cipher is None:
        raise DecryptionFailed
    cipher = CIPHERS[session.cipher]
    context = Cipher(cipher.keyed(session.key), CFB(bytes(cipher.block))).decryptor()
    digest = hashlib.sha1(usedforsecurity=False)
    skipped = cipher.block + 2
    held = b""
    for piece in body.pieces():
        for at in range(0, len(piece), GATHERED):
            clear = held + context.update(piece[at : at + GATHERED])
            ready = len(clear) - _MDC
            if ready <= skipped:
                held = clear
                continue
            view = memoryview(clear)
            digest.update(view[:ready])
            held = clear[ready:]
            yield view[skipped:ready]
            skipped = 0
    clear = held + context.finalize()
    if len(clear) < _MDC + skipped:
        raise Modified
    digest.update(clear[: -_MDC + 2])
    if clear[-_MDC:-20] != _MDC_HEADER or not hmac.compare_digest(digest.digest(), clear[-20:]):
        raise Modified
    if len(clear) > _MDC + skipped:
        yield clear[skipped:-_MDC]


# --- writing ------------------------------------------------------------------------------------------------


def encrypt_mdc(content: Iterable[Piece], session: SessionKey, entropy: Entropy) -> Iterator[Piece]:
    """A SEIPD packet of version 1. The session key names its cipher."""
    cipher = cipher_algorithm(session.cipher or 0)

    def body() -> Iterator[Piece]:
        context = Cipher(cipher.keyed(session.key), CFB(bytes(cipher.block))).encryptor()
        start = entropy(cipher.block)
        start += start[-2:]
        digest = hashlib.sha1(start, usedforsecurity=False)
        yield b"\1" + context.update(start)
        for piece in content:
            digest.update(piece)
            yield context.update(piece)
        digest.update(_MDC_HEADER)
        yield context.update(_MDC_HEADER + digest.digest()) + context.finalize()

    return partial_packet(Tag.SEIPD, body())


def encrypt_aead(content: Iterable[Piece], session: SessionKey, entropy: Entropy) -> Iterator[Piece]:
    """A SEIPD packet of version 2: AES-256 with OCB, in chunks of 128 KiB."""
    cipher = CIPHERS[9]
    head = bytes([0xC0 | Tag.SEIPD, 2, cipher.id, Aead.OCB, _WRITTEN_CHUNK - 6])
    salt = entropy(32)
    key, start = _aead_key(session.key, salt, head, cipher, Aead.OCB)
    seal = _Chunks(Aead.OCB, key, lambda index: start + index.to_bytes(8, "big"), lambda _: head, head)

    def body() -> Iterator[Piece]:
        yield head[1:] + salt
        yield from seal.encrypt(content, _WRITTEN_CHUNK)

    return partial_packet(Tag.SEIPD, body())
