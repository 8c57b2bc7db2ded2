"""Parties that exchange OpenPGP messages in memory."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

from tests.support.trust import NOW

from ecluse.exchange.openpgp import Opened, open_message, seal_message
from ecluse.model.basics import Clock, Instant, system_clock
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.wire.openpgp.certificate import Certificate

__all__ = ["Party", "party", "pieces"]


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


class Party:
    """Somebody with a key ``own``."""

    def __init__(self, keyring: MemoryKeyring, certificate: Certificate, clock: Clock = lambda: NOW) -> None:
        self.keyring = keyring
        self.certificate = certificate
        self._clock = clock

    @property
    def now(self) -> Instant:
        return self._clock()

    @classmethod
    def imported(cls, secret: bytes, clock: Clock = system_clock) -> Party:
        keyring = MemoryKeyring(clock)
        return cls(keyring, keyring.import_openpgp("own", secret), clock)

    def seal(self, data: bytes, to: Sequence[Certificate], *, sign: bool = True, **named: Any) -> bytes:
        written: list[bytes] = []
        seal_message(
            pieces(data, 5000),
            written.append,
            keyring=self.keyring,
            recipients=to,
            signer="own" if sign else None,
            now=named.pop("now", self.now),
            **named,
        )
        return b"".join(written)

    def open(
        self, data: bytes, senders: Sequence[Certificate], *, chunk: int = 4096, **named: Any
    ) -> tuple[bytes, Opened]:
        written: list[bytes] = []
        facts = open_message(
            pieces(data, chunk),
            written.append,
            keyring=self.keyring,
            keys=("own",),
            senders=senders,
            now=named.pop("now", self.now),
            **named,
        )
        return b"".join(written), facts


_numbers = itertools.count()


@functools.cache
def party(name: str = "Aster", kind: str = "curve25519", version: int = 4) -> Party:
    """The party of a name; one for each as long as the process lives."""
    keyring = MemoryKeyring(lambda: NOW)
    made = keyring.generate_openpgp("own", f"{name} <edi@{name.lower()}.example>", kind=kind, version=version)
    return Party(keyring, made)
