"""The log's verbs of a store, in memory: a twin for the evidence room's tests."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from ecluse.model.basics import Instant
from ecluse.model.nouns import Checkpoint, Event, LoggedEvent
from ecluse.model.records import Record
from ecluse.store.port import Conflict

T = TypeVar("T")


@dataclass
class Row:
    event_id: str
    kind: str
    subject: str
    at: Instant
    leaf: bytes
    index: int | None = None

    def logged(self) -> LoggedEvent:
        return LoggedEvent(Event(self.event_id, self.at, self.kind, self.subject), self.leaf, self.index)


@dataclass
class MemoryLog:
    """View, Tx and Store at once; a write that raises leaves nothing behind."""

    rows: list[Row] = field(default_factory=list)
    tree: dict[tuple[int, int], bytes] = field(default_factory=dict)
    size: int = 0
    heads: list[Checkpoint] = field(default_factory=list)
    settings: dict[str, bytes] = field(default_factory=dict)
    facts: dict[tuple[str, str], Record] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def write(self, work: Callable[[MemoryLog], T]) -> T:
        with self.lock:
            kept = self.snapshot()
            try:
                return work(self)
            except BaseException:
                self.restore(kept)
                raise

    def read(self, work: Callable[[MemoryLog], T]) -> T:
        with self.lock:
            return work(self)

    def snapshot(self) -> dict[str, object]:
        names = ("rows", "tree", "size", "heads", "settings", "facts")
        return copy.deepcopy({name: getattr(self, name) for name in names})

    def restore(self, kept: dict[str, object]) -> None:
        for name, value in copy.deepcopy(kept).items():
            setattr(self, name, value)

    def append_event(self, event_id: str, kind: str, subject: str, at: Instant, leaf: bytes) -> None:
        self.rows.append(Row(event_id, kind, subject, at, leaf))

    def unsealed(self, limit: int) -> list[tuple[int, bytes]]:
        waiting = [(number, row.leaf) for number, row in enumerate(self.rows) if row.index is None]
        return waiting[:limit]

    def seal(self, first_index: int, rows: Sequence[int], nodes: Mapping[tuple[int, int], bytes]) -> None:
        if self.size != first_index:
            raise Conflict("Another sequencer was first.")
        for index, number in enumerate(rows, first_index):
            self.rows[number].index = index
        self.tree.update(nodes)
        self.size += len(rows)

    def log_size(self) -> int:
        return self.size

    def log_nodes(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        return {node: self.tree[node] for node in wanted if node in self.tree}

    def events(self, subject: str) -> list[LoggedEvent]:
        return [row.logged() for row in self.rows if row.subject == subject]

    def events_from(self, index: int, limit: int) -> list[LoggedEvent]:
        sealed = [row.logged() for row in self.rows if row.index is not None and row.index >= index]
        return sorted(sealed, key=lambda logged: logged.index or 0)[:limit]

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        if any(head.size == checkpoint.size for head in self.heads):
            raise Conflict("There is a checkpoint of this size.")
        self.heads.append(checkpoint)

    def last_checkpoint(self) -> Checkpoint | None:
        return max(self.heads, key=lambda head: head.size, default=None)

    def checkpoints(self, limit: int) -> list[Checkpoint]:
        return sorted(self.heads, key=lambda head: -head.size)[:limit]

    def checkpoints_from(self, size: int, limit: int) -> list[Checkpoint]:
        return sorted((head for head in self.heads if head.size >= size), key=lambda head: head.size)[:limit]

    def setting(self, name: str) -> bytes | None:
        return self.settings.get(name)

    def put_setting(self, name: str, value: bytes) -> None:
        self.settings[name] = value

    def record(self, kind: str, key: str) -> Record | None:
        return self.facts.get((kind, key))

    def records(self, kind: str, *, after: str = "", limit: int = 500) -> list[Record]:
        keys = sorted(key for found, key in self.facts if found == kind and key > after)
        return [self.facts[kind, key] for key in keys[:limit]]

    def add_record(self, record: Record) -> None:
        if (record.kind, record.key) in self.facts:
            raise Conflict("There is such a record.")
        self.put_record(record)

    def put_record(self, record: Record) -> None:
        before = self.facts.get((record.kind, record.key))
        revision = 1 if before is None else before.revision + 1
        self.facts[record.kind, record.key] = msgspec.structs.replace(record, revision=revision)

    def drop_record(self, kind: str, key: str) -> None:
        self.facts.pop((kind, key), None)

    def replace_record(self, before: Record, after: Record) -> None:
        if self.facts.get((before.kind, before.key)) != before:
            raise Conflict("It was changed meanwhile.")
        self.put_record(after)
