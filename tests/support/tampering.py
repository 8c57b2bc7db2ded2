"""A hub's disk, altered in one place at a time by somebody who has no keys, and what finds it."""

from __future__ import annotations

import copy
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.support.logs import FakeClock
from tests.support.pair import Pair
from tests.support.witnesses import FakeWitness

from ecluse.app.folder import make_hub
from ecluse.app.health.work import log as look_at_log
from ecluse.app.log.proofs import verify_evidence
from ecluse.app.log.sequencing import log_event, make_sequencer
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files
from ecluse.blobs.local import LocalPlace
from ecluse.blobs.vault import Vault
from ecluse.evidence.witness.client import WitnessClient
from ecluse.store.sqlite import SqliteStore
from ecluse.trust.configuration import read_folder

__all__ = ["Disk", "TamperedHub", "Tampering", "make_hub"]


class Disk:
    """What an attacker has in hand: the database, the keys of blobs (wrapped), the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.held = self.state / "checkpoints"
        self.base = sqlite3.connect(self.state / "ecluse.db", isolation_level=None)
        self.keys = sqlite3.connect(self.state / "ecluse-keys.db", isolation_level=None)

    def close(self) -> None:
        for each in (self.base, self.keys):
            each.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            each.close()

    def run(self, statement: str, *values: object) -> None:
        assert self.base.execute(statement, values).rowcount, statement

    def one(self, query: str, *values: object) -> tuple[object, ...]:
        found = self.base.execute(query, values).fetchone()
        assert found is not None, query
        return tuple(found)

    def all(self, query: str) -> list[tuple[object, ...]]:
        return self.base.execute(query).fetchall()

    def blob_files(self) -> list[Path]:
        return sorted(path for path in (self.state / "blobs").rglob("b*") if path.is_file())

    def swap(self, table: str, key: str, column: str, where: str = "1") -> None:
        """Exchange a column between the first two rows that differ in it."""
        rows = self.all(f"SELECT {key}, {column} FROM {table} WHERE {where} ORDER BY {key}")
        first = rows[0]
        second = next(row for row in rows if row[1] != first[1])
        for (row, _), (_, value) in ((first, second), (second, first)):
            self.run(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", value, row)


@dataclass(frozen=True)
class Tampering:
    """One thing that is done to the disk.

    Attributes:
        what: The class of octets, such as ``events.leaf``.
        how: altered, deleted, reordered, replayed, truncated, swapped, added.
        work: Does it.
        finds: Code of what has to find it; empty where nothing can, with ``why``.
        why: Why it can't be found.
    """

    what: str
    how: str
    work: Callable[[Disk], None]
    finds: str = ""
    why: str = ""


class TamperedHub:
    """Aster after some traffic with Birch, both ways, cosigned by a witness."""

    def __init__(self, base: Path) -> None:
        self._base = base
        pair = Pair(base / "pair")
        for number in range(2):
            pair.send("aster", f"a{number}")
            pair.send("birch", f"b{number}")
        pair.send("aster", "large", 90_000)
        pair.send("birch", "large", 90_000)
        pair.settle()
        pair.close()
        self.folder = base / "pair" / "aster"
        self.witness = FakeWitness("cedar.example/witness", FakeClock())
        with open_node(self.folder) as node:
            toml = self.folder / "ecluse.toml"
            keys = '", "'.join(map(str, self.witness.keys))
            more = (
                f'\n[[log.witnesses]]\nname = "cedar"\nurl = "https://cedar.example/log"\nkeys = ["{keys}"]\n'
            )
            toml.write_text(toml.read_text() + more)
            apply_files(node, read_folder(self.folder), actor="operator:test", reason="a witness")
            self.witness.logs = [node.log]
            node.store.write(
                lambda tx: node.hub.event(tx, "flow.paused", "flow:orders", {"reason": "Ada is ill."})
            )
            sequencer = make_sequencer(node)
            for _ in range(3):
                while sequencer.seal():
                    pass
                sequencer.checkpoint()
                WitnessClient(
                    node.store, node.hub.clock, node.log, "cedar", self.witness.keys, self.witness.ask,
                    sequencer.confront, log_event(node),
                ).submit()  # fmt: skip
            while sequencer.seal():
                pass
            sequencer.checkpoint()
        with closing(Disk(self.folder)):
            pass  # nothing is left in the journal of the database
        self._judge = open_node(self.folder)

    def close(self) -> None:
        self._judge.close()

    def tamper(self, work: Callable[[Disk], None]) -> set[str]:
        """Do it to a copy; give the codes of everything that is found."""
        folder = self._base / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder / "state", folder / "state")
        disk = Disk(folder)
        try:
            work(disk)
        finally:
            disk.close()
        return self.judge(folder)

    def judge(self, folder: Path) -> set[str]:
        store = SqliteStore(folder / "state" / "ecluse.db")
        try:
            node = self._node(folder, store)
            verdict = verify_evidence(node, lambda done, total: None, contents=True)
            codes = {each["code"] for each in verdict["states"]}
            if verdict["problem"] is not None:
                codes.add(verdict["problem"]["code"])
            codes |= {f"doctor:{each.level}" for each in look_at_log(node) if each.level != "ok"}
            assert verdict["ok"] is not bool(codes - {"doctor:warning", "doctor:failed"})
            return codes
        finally:
            store.close()

    def _node(self, folder: Path, store: SqliteStore) -> Node:
        node, hub = copy.copy(self._judge), copy.copy(self._judge.hub)
        node.folder, node.store, node.hub, hub.store = folder, store, hub, store
        vault = copy.copy(hub.vault)
        vault.place = LocalPlace(folder / "state" / "blobs")
        hub.vault = node.vault = vault
        assert isinstance(vault, Vault)
        return node
