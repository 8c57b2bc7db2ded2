"""Vaults for tests, over any place."""

import hashlib
from collections.abc import Callable

from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.memory import MemoryPlace
from ecluse.blobs.port import BlobPlace
from ecluse.blobs.vault import Vault
from ecluse.model.basics import Instant, system_entropy

START = Instant(1_760_000_000_000_000)


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return Instant(self.now)

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)


def fake_entropy(seed: bytes = b"seed") -> Callable[[int], bytes]:
    """Octets that are the same in every run."""
    count = 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_128(seed + count.to_bytes(8, "big")).digest(size)

    return draw


def make_vault(place: BlobPlace | None = None, **options: object) -> Vault:
    given = {"wrap": AesKeyWrap(bytes(32)), "entropy": system_entropy, "clock": FakeClock(), **options}
    return Vault(place if place is not None else MemoryPlace(), **given)  # type: ignore[arg-type]
