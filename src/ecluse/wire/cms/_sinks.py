"""Where the content of a layer goes: passed on, hashed, decrypted or inflated, piece by piece."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ecluse.wire.cms import _ghash
from ecluse.wire.cms.errors import DecompressionFailed, DecryptionFailed, LimitExceeded
from ecluse.wire.cms.limits import Limits

Emit: TypeAlias = Callable[[bytes], None]
"""Takes octets of content, never none."""

CHUNK = 256 * 1024
"""Decrypted at once. Smaller costs more calls and hand-overs between threads; larger falls out of the processor's
cache between cipher, copy and hash."""
INFLATED = 64 * 1024
"""Inflated at once: no more than this is held of what may be a bomb."""


class DigestSink:
    """Content that is hashed on its way."""

    def __init__(self, names: Iterable[str], emit: Emit) -> None:
        self._hashes = {name: hashlib.new(name, usedforsecurity=name != "sha1") for name in names}
        self._emit = emit

    def write(self, piece: bytes | memoryview) -> None:
        """Hash and pass on."""
        for digest in self._hashes.values():
            digest.update(piece)
        self._emit(bytes(piece))

    def digests(self) -> dict[str, bytes]:
        """Digest by hash name, of everything so far."""
        return {name: digest.digest() for name, digest in self._hashes.items()}


class InflateSink:
    """Content in zlib format (RFC 3274 s1.1), refused where it grows like a bomb."""

    def __init__(self, limits: Limits, emit: Emit) -> None:
        self._inflater = zlib.decompressobj()
        self._limits = limits
        self._emit = emit
        self._taken = 0
        self._given = 0

    def write(self, piece: bytes | memoryview) -> None:
        """Inflate, at most :data:`INFLATED` in and out at a time."""
        view = memoryview(piece)
        for start in range(0, len(view), INFLATED):
            part: bytes | memoryview = view[start : start + INFLATED]
            self._taken += len(part)
            while True:
                if self._inflater.eof:
                    raise DecompressionFailed("There are octets after the end of the compressed content.")
                try:
                    data = self._inflater.decompress(part, INFLATED)
                except zlib.error:
                    raise DecompressionFailed("The compressed content is damaged.") from None
                if data:
                    self._grow(len(data))
                    self._emit(data)
                if self._inflater.unused_data:
                    raise DecompressionFailed("There are octets after the end of the compressed content.")
                part = self._inflater.unconsumed_tail
                # A full chunk may have more behind it in the inflater, without any input left.
                if not part and (len(data) < INFLATED or self._inflater.eof):
                    break

    def _grow(self, size: int) -> None:
        self._given += size
        if self._given > max(self._limits.inflated_floor, self._taken * self._limits.inflated_ratio):
            raise LimitExceeded(f"The content inflates more than {self._limits.inflated_ratio} times.")

    def finish(self) -> None:
        """Raise :class:`DecompressionFailed` unless the zlib stream is whole."""
        if not self._inflater.eof:
            raise DecompressionFailed("The compressed content is cut off.")


class _Decrypting:
    """What the modes share: a buffer that the cipher writes into, and the count of what went in."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._buffer = memoryview(bytearray())
        self._taken = 0

    def _room(self, size: int) -> memoryview:
        """The buffer, of at least ``size`` octets; what it held stays."""
        if len(self._buffer) < size:
            grown = bytearray(size)
            grown[: len(self._buffer)] = self._buffer
            self._buffer = memoryview(grown)
        return self._buffer


class CbcSink(_Decrypting):
    """AES or triple DES in CBC with the padding of RFC 5652 s6.3.

    Args:
        key: Of the cipher's length.
        iv: One block.
        triple_des: Triple DES instead of AES.
        doomed: The key is a stand-in for one that was no key: the end is :class:`DecryptionFailed`.
        emit: Where content goes; the last block stays here until the end.
    """

    def __init__(self, key: bytes, iv: bytes, *, triple_des: bool, doomed: bool, emit: Emit) -> None:
        algorithm = TripleDES(key) if triple_des else algorithms.AES(key)
        super().__init__(emit)
        self._context = Cipher(algorithm, modes.CBC(iv)).decryptor()
        self._block = len(iv)
        self._doomed = doomed
        self._held = 0

    def write(self, piece: bytes | memoryview) -> None:
        """Decrypt, and pass on all but the last whole block."""
        view = memoryview(piece)
        block = self._block
        for start in range(0, len(view), CHUNK):
            part = view[start : start + CHUNK]
            self._taken += len(part)
            buffer = self._room(len(part) + 3 * block)
            there = self._held + self._context.update_into(part, buffer[self._held :])
            ready = max(there - block, 0)
            if ready:
                self._emit(bytes(buffer[:ready]))
                buffer[: there - ready] = bytes(buffer[ready:there])
            self._held = there - ready

    def finish(self) -> None:
        """Check and remove the padding; :class:`DecryptionFailed` where there is anything wrong at all."""
        unpadder = PKCS7(self._block * 8).unpadder()
        try:
            last = unpadder.update(bytes(self._buffer[: self._held])) + unpadder.finalize()
        except ValueError:
            raise DecryptionFailed from None
        if self._doomed or self._taken % self._block:
            raise DecryptionFailed
        if last:
            self._emit(last)


class GcmSink(_Decrypting):
    """AES-GCM (RFC 5084 s3.2): what it passes on is provisional until :meth:`finish` returns.

    Args:
        key: Of the cipher's length.
        nonce: 12 octets.
        doomed: As for :class:`CbcSink`.
        emit: Where content goes.
    """

    def __init__(self, key: bytes, nonce: bytes, *, doomed: bool, emit: Emit) -> None:
        algorithm = algorithms.AES(key)
        super().__init__(emit)
        self._context = Cipher(algorithm, modes.GCM(nonce, None, min_tag_length=_ghash.MIN_TAG)).decryptor()
        self._subkey = Cipher(algorithm, modes.ECB()).encryptor().update(bytes(_ghash.BLOCK))  # noqa: S305
        self._doomed = doomed

    def write(self, piece: bytes | memoryview) -> None:
        """Decrypt and pass on."""
        view = memoryview(piece)
        for start in range(0, len(view), CHUNK):
            part = view[start : start + CHUNK]
            self._taken += len(part)
            if self._taken > _ghash.MAX_OCTETS:
                raise LimitExceeded("The content is larger than AES-GCM can encrypt under one nonce.")
            buffer = self._room(len(part) + _ghash.BLOCK)
            size = self._context.update_into(part, buffer)
            if size:
                self._emit(bytes(buffer[:size]))

    def finish(self, tag: bytes, additional: bytes) -> None:
        """Check the tag over the content and ``additional``, the attributes that follow it."""
        if additional:
            tag = _ghash.without_additional(tag, additional, self._subkey, self._taken)
        try:
            self._context.finalize_with_tag(tag)
        except (InvalidTag, ValueError):
            raise DecryptionFailed from None
        if self._doomed:
            raise DecryptionFailed
