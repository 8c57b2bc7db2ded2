"""How often each key is used: counted where it is used, told in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cryptography import x509

from ecluse.wire.cms.sign import Signer

__all__ = ["CountedSigner", "Uses"]


class Uses:
    """Counts uses by key and operation (``sign``, ``decrypt``, ``ssh``, ``openpgp-sign``...). From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, ref: str, operation: str) -> None:
        """Count one use."""
        key = (ref, operation)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> dict[tuple[str, str], int]:
        """What was counted since the last call, by (key, operation)."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return counts

    def give_back(self, counts: dict[tuple[str, str], int]) -> None:
        """Count again what was taken and could not be written down."""
        with self._lock:
            for key, count in counts.items():
                self._counts[key] = self._counts.get(key, 0) + count


class CountedSigner:
    """A signer whose signatures are counted.

    Args:
        signer: Who signs.
        count: Called before each signature.
    """

    __slots__ = ("_count", "_signer")

    def __init__(self, signer: Signer, count: Callable[[], None]) -> None:
        self._signer = signer
        self._count = count

    @property
    def certificate(self) -> x509.Certificate:
        """See the port."""
        return self._signer.certificate

    @property
    def scheme(self) -> str:
        """See the port."""
        return self._signer.scheme

    def sign(self, data: bytes, digest: str) -> bytes:
        """See the port."""
        self._count()
        return self._signer.sign(data, digest)
