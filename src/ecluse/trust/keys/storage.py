"""The keyring as the wrapper of blobs' keys (:class:`ecluse.blobs.keywrap.KeyWrap`)."""

from __future__ import annotations

from ecluse.blobs.keywrap import KeyWrapFailed
from ecluse.trust.errors import KeyringError
from ecluse.trust.keys.keyring import Keyring

__all__ = ["StorageKeys"]


class StorageKeys:
    """Wraps blobs' keys under the storage key of a keyring."""

    __slots__ = ("_keyring",)

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def wrap(self, key: bytes) -> bytes:
        """See :meth:`Keyring.wrap_key`."""
        return self._keyring.wrap_key(key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """See :meth:`Keyring.unwrap_key`; raises :class:`KeyWrapFailed`."""
        try:
            return self._keyring.unwrap_key(wrapped)
        except KeyringError as error:
            raise KeyWrapFailed(error.cause, remedy=error.remedy) from None
