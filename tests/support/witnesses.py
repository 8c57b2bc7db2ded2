"""Logs and witnesses side by side, without a network: what one asks, the other answers at once."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from tests.support.logs import FakeClock, seeded_entropy, write_events
from tests.support.logstore import MemoryLog

from ecluse.channels.http.errors import Unreachable
from ecluse.evidence.breaks import CONTINUED, SUBJECT, Break, Decider
from ecluse.evidence.continuing import assess, propose
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.record import record
from ecluse.evidence.sequencer import Sequencer
from ecluse.evidence.verify import Verdict, verify_log
from ecluse.evidence.witness.awaiting import Awaiting
from ecluse.evidence.witness.client import WitnessClient
from ecluse.evidence.witness.service import Witness
from ecluse.store.port import Tx
from ecluse.wire.tlog.checkpoint import LogKey
from ecluse.wire.tlog.cosignature import CosignerKey
from ecluse.wire.tlog.note import NoteKey

__all__ = ["FakeLog", "FakeWitness", "log_keys", "witness_keys"]


def log_keys(origin: str, seed: int = 1) -> tuple[LogKey, Ed25519PrivateKey, MLDSA44PrivateKey]:
    numbers = random.Random(f"log {origin} {seed}")
    first = Ed25519PrivateKey.from_private_bytes(numbers.randbytes(32))
    second = MLDSA44PrivateKey.from_seed_bytes(numbers.randbytes(32))
    key = LogKey(
        NoteKey.of(origin, first.public_key()),
        CosignerKey(origin, "ml-dsa-44", second.public_key().public_bytes_raw()),
    )
    return key, first, second


def witness_keys(name: str) -> list[tuple[CosignerKey, Callable[[bytes], bytes]]]:
    numbers = random.Random(f"witness {name}")
    first = Ed25519PrivateKey.from_private_bytes(numbers.randbytes(32))
    second = MLDSA44PrivateKey.from_seed_bytes(numbers.randbytes(32))
    return [
        (CosignerKey(name, "ed25519", first.public_key().public_bytes_raw()), first.sign),
        (CosignerKey(name, "ml-dsa-44", second.public_key().public_bytes_raw()), second.sign),
    ]


def teller(told: list[tuple[str, dict[str, Any]]]) -> Callable[..., None]:
    """Keeps what is told in a list, and not in the log, whose sizes a test counts on."""

    def tell(tx: Tx, kind: str, subject: str, data: dict[str, Any]) -> None:
        told.append((kind, dict(data)))

    return tell


class FakeWitness:
    """A witness, and the wire to it, which can be cut or bent."""

    def __init__(self, name: str, clock: FakeClock) -> None:
        self.name = name
        self.clock = clock
        self.store = MemoryLog()
        self.logs: list[LogKey] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.away = False
        self.bend: Callable[[int, bytes], tuple[int, bytes]] | None = None
        self.signers = witness_keys(name)
        self.service = Witness(
            self.store,  # type: ignore[arg-type]
            clock,
            self.signers,
            lambda: self.logs,
            teller(self.told),
        )

    @property
    def keys(self) -> list[CosignerKey]:
        return [key for key, _ in self.signers]

    def accept(self, origin: str) -> Awaiting:
        """What `ecluse log cosign --accept` does."""
        return self.service.accept(
            origin,
            lambda tx, waits: self.told.append(("witness.log-accepted", {"log": waits.origin})),
        )

    def ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self.away:
            raise Unreachable("Nobody answers.")
        if method == "POST":
            answer = self.service.add_checkpoint(body)
            status, data = answer.status, answer.body
        else:
            found = self.service.checkpoint(path.partition("/")[0])
            status, data = (200, found) if found is not None else (404, b"none\n")
        return (status, data) if self.bend is None else self.bend(status, data)


class FakeLog:
    """A log with its held file, that can be copied and put back."""

    def __init__(
        self,
        origin: str,
        folder: Path,
        clock: FakeClock,
        *,
        hybrid: bool = True,
        store: MemoryLog | None = None,
    ) -> None:
        self.key, self.first, self.second = log_keys(origin)
        if not hybrid:
            self.key = LogKey(self.key.ed25519)
        self.folder = folder
        self.clock = clock
        self.store = MemoryLog() if store is None else store
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.seed = 0
        self.start()

    def start(self) -> None:
        """As a process that starts: nothing is remembered but the disk."""
        self.held = HeldCheckpoints(self.folder / "checkpoints")
        self.sequencer = Sequencer(
            self.store,  # type: ignore[arg-type]
            self.clock,
            self.key,
            self.first.sign,
            sign_ml_dsa=self.second.sign,
            held=self.held,
        )

    def grow(self, count: int, *, sign: bool = True) -> None:
        self.seed += 1
        write_events(self.store, count, self.clock, seed=self.seed)  # type: ignore[arg-type]
        self.seal()
        if sign:
            self.sequencer.checkpoint()

    def seal(self) -> None:
        while self.sequencer.seal():
            pass

    def client(self, witness: FakeWitness) -> WitnessClient:
        return WitnessClient(
            self.store,  # type: ignore[arg-type]
            self.clock,
            self.key,
            witness.name,
            witness.keys,
            witness.ask,
            self.sequencer.confront,
            teller(self.told),
        )

    def copy(self, *, held: bool) -> tuple[dict[str, object], bytes | None]:
        """A backup of the database, and of the held file where it is asked for."""
        path = self.held.path
        return self.store.snapshot(), path.read_bytes() if held and path.exists() else None

    def put_back(self, backup: tuple[dict[str, object], bytes | None]) -> None:
        state, held = backup
        self.store = MemoryLog()
        self.store.restore(copy.deepcopy(state))
        if held is not None:
            self.held.path.write_bytes(held)
        self.seed += 1000  # what comes after is something else than what came before
        self.start()

    def decide(self, reason: str = "It was put back.") -> Break:
        """What `ecluse log continue` does, without operators."""
        damage = assess(self.store, self.key, self.held)  # type: ignore[arg-type]
        decided = propose(damage, at="2026-11-22T10:00:00Z", by=(Decider("ada"),), reason=reason)
        signed = decided.signed(self.key, self.first.sign)
        entropy = seeded_entropy(self.seed + 500)
        self.store.write(
            lambda tx: record(
                tx,  # type: ignore[arg-type]
                kind=CONTINUED,
                subject=SUBJECT,
                at=self.clock(),
                data=signed.data(),
                entropy=entropy,
            )
        )
        self.seal()
        self.sequencer.checkpoint()
        return signed

    def verify(self) -> Verdict:
        return verify_log(self.store, [self.key], held=self.held)  # type: ignore[arg-type]
