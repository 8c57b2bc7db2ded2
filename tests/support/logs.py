"""Small logs for the evidence room's tests: a clock, a key, a store, records."""

from __future__ import annotations

import random
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ecluse.evidence.record import record
from ecluse.model.basics import Instant
from ecluse.model.nouns import Event
from ecluse.store.port import Store
from ecluse.wire.tlog.note import NoteKey

ORIGIN = "hub.aster.example/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = NoteKey.of(ORIGIN, PRIVATE.public_key())


class FakeClock:
    """Goes on by a millisecond at each look, or as told."""

    def __init__(self, start: int = 1_700_000_000_000_000) -> None:
        self.now = start

    def __call__(self) -> Instant:
        self.now += 1000
        return Instant(self.now)


def seeded_entropy(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def write_events(store: Store, count: int, clock: FakeClock, seed: int = 1, kind: str = "") -> list[Event]:
    """``count`` events of made-up messages, in one transaction."""
    entropy = seeded_entropy(seed)
    return store.write(
        lambda tx: [
            record(
                tx,
                kind=kind or "message.accepted",
                subject=f"m{seed}-{number}",
                at=clock(),
                data={"partner": "birch", "number": number},
                entropy=entropy,
            )
            for number in range(count)
        ]
    )
