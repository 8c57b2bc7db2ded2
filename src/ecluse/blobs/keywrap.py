"""Keys of blobs are kept wrapped: the port of who wraps them, and the standard way to do it."""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ecluse.errors import EcluseError, Fault

__all__ = ["AesKeyWrap", "KeyWrap", "KeyWrapFailed"]


class KeyWrapFailed(EcluseError):
    """A wrapped key does not open under the key-encryption key at hand."""

    code = "blobs.key-wrap"
    fault = Fault.OURS
    remedy = "Open the hub with the keyring that the blobs were written under, or restore the key store."


class KeyWrap(Protocol):
    """Who holds the key-encryption key. Used from any thread."""

    def wrap(self, key: bytes) -> bytes:
        """The wrapped form of a key of 32 octets."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key; :class:`KeyWrapFailed` where it was wrapped by another or was changed."""


class AesKeyWrap:
    """AES-KW (RFC 3394) under a key-encryption key held in memory: 32 octets become 40.

    Args:
        kek: 32 octets.
    """

    __slots__ = ("_kek",)

    def __init__(self, kek: bytes) -> None:
        if len(kek) != 32:
            raise KeyWrapFailed("A key-encryption key has 32 octets.")
        self._kek = kek

    def wrap(self, key: bytes) -> bytes:
        """RFC 3394, section 2.2.1."""
        return aes_key_wrap(self._kek, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """RFC 3394, section 2.2.2."""
        try:
            return aes_key_unwrap(self._kek, wrapped)
        except InvalidUnwrap:
            raise KeyWrapFailed("The wrapped key of a blob does not open.") from None
