"""A log whose checkpoints are stamped, with a clock that is set: for tests over decades."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.support.tsa import PlayedAuthority

from ecluse.errors import EcluseError, Fault
from ecluse.evidence.longterm.algorithms import Algorithms
from ecluse.evidence.longterm.beginning import Longterm
from ecluse.evidence.longterm.checking import check_records, check_stamps
from ecluse.evidence.longterm.kept import KIND, KeptRecord, all_records, read_kept
from ecluse.evidence.longterm.renewing import Renewed, renew, replan
from ecluse.evidence.record import record
from ecluse.evidence.stamps.asking import Authority, ask
from ecluse.evidence.stamps.keeping import keep
from ecluse.evidence.stamps.stamp import Stamp, as_instant
from ecluse.model.basics import Instant, system_entropy
from ecluse.model.nouns import Checkpoint
from ecluse.model.records import Record
from ecluse.store.port import Store

__all__ = ["Away", "StampedLog"]

DAY = 86_400 * 1_000_000


class Away(EcluseError):
    """The authority is away."""

    code = "http.unreachable"
    fault = Fault.TRANSIENT


class StampedLog:
    """A store, a clock, and authorities by name."""

    def __init__(
        self, store: Store, start: datetime, *, before: int = 180, table: Algorithms | None = None
    ) -> None:
        self.store = store
        self.now = start
        self.played: dict[str, PlayedAuthority] = {}
        self.away: set[str] = set()
        self.skew = timedelta()
        self.hashes: dict[str, str] = {}
        self.sources: dict[str, Any] = {}
        self.size = 0
        self.fork = b""
        self.work = Longterm(
            store, self.clock, system_entropy, table or Algorithms(), before * DAY, self.tell
        )

    def clock(self) -> Instant:
        return as_instant(self.now)

    def tell(self, tx: Any, kind: str, data: Any) -> None:
        record(tx, kind=kind, subject="log", at=self.clock(), data=data, entropy=system_entropy)

    def add(self, name: str, authority: PlayedAuthority, hash: str = "sha512") -> PlayedAuthority:
        self.played[name] = authority
        self.hashes[name] = hash
        return authority

    def authority(self, name: str) -> Authority:
        def ask_it(request: bytes) -> bytes:
            if name in self.away:
                raise Away("Nobody answers.")
            return self.played[name].answer(request, self.now + self.skew)

        return Authority(name, ask_it, (self.played[name].root,), self.hashes[name])

    @property
    def roots(self) -> list[Any]:
        return [each.root for each in self.played.values()]

    def checkpoint(self) -> Checkpoint:
        self.size += 10
        root = base64.b64encode(hashlib.sha256(self.fork).digest()).decode()
        note = f"alder.example/log\n{self.size}\n{root}\n\n— alder.example/log {'A' * 44}\n".encode()
        made = Checkpoint(self.size, hashlib.sha256(note).digest(), note, self.clock())
        self.store.write(lambda tx: tx.add_checkpoint(made))
        return made

    def stamp(self, *names: str) -> list[Stamp]:
        """A new checkpoint, stamped by these."""
        checkpoint = self.checkpoint()
        made = [ask(self.authority(name), checkpoint, self.clock, system_entropy) for name in names]
        for each in made:
            self.store.write(lambda tx, each=each: keep(tx, self.work, each))
        return made

    def renew(self, *names: str, everything: bool = False) -> list[Renewed]:
        replan(self.work)
        asked = [self.authority(name) for name in (names or self.played)]
        return renew(self.work, asked, self.roots, self.sources, everything=everything)

    def problems(self) -> list[str]:
        """Codes of what verifying everything finds."""
        found = [*check_stamps(self.work, self.roots), *check_records(self.work, self.roots, self.sources)]
        return [problem.code for _, problem in found if problem is not None]

    def rows(self) -> list[Record]:
        return self.store.read(lambda view: list(all_records(view)))

    def records(self) -> list[KeptRecord]:
        return [read_kept(each) for each in self.rows()]

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        leaves = [json.loads(leaf) for _, leaf in self.store.read(lambda view: view.unsealed(10_000))]
        return [leaf for leaf in leaves if leaf["kind"] == kind or not kind]

    def change(self, key: str, change: Callable[[Record], Record]) -> None:
        """Spoil a row, as who has the disk could."""
        before = self.store.read(lambda view: view.record(KIND, key))
        assert before is not None
        self.store.write(lambda tx: tx.replace_record(before, change(before)))

    def pass_years(self, years: float, step: float = 60, *, renewing: Sequence[str] | None = None) -> None:
        """Let time pass, with a look at what is due every ``step`` days."""
        end = self.now + timedelta(days=365.25 * years)
        while self.now < end:
            self.now = min(end, self.now + timedelta(days=step))
            self.renew(*(renewing or self.alive()))

    def alive(self) -> list[str]:
        """Authorities that are in business at this moment."""
        return [
            name
            for name, each in self.played.items()
            if each.certificate.not_valid_before_utc <= self.now < each.certificate.not_valid_after_utc
        ]
