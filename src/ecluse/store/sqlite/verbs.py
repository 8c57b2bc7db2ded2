"""The verbs as SQLite has them: what differs from the shared ones is keys, claims and lists as JSON."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from ecluse.model.basics import DeliveryId, Instant, MessageId, PartnerId
from ecluse.model.files import FileRow
from ecluse.model.nouns import BlobRow, Delivery, Job, Message, Receipt
from ecluse.store.archive import ARCHIVE_QUERIES
from ecluse.store.archive_search import SEARCH_QUERIES
from ecluse.store.erasure import ERASURE_QUERIES
from ecluse.store.errors import Conflict, Lost
from ecluse.store.files import FILE_QUERIES, file_from, file_row
from ecluse.store.queries import load_queries
from ecluse.store.records import RECORD_QUERIES
from ecluse.store.rows import Row, delivery_from, job_from, message_from, receipt_from
from ecluse.store.sqlite.held import Held, together
from ecluse.store.sqlite.known import Known
from ecluse.store.verbs import RowTx, RowView

__all__ = ["SQL", "TOUCHING", "SqliteTx", "SqliteView"]

SQL = {
    name: sql
    for file in (
        "queries.sql",
        FILE_QUERIES,
        RECORD_QUERIES,
        ARCHIVE_QUERIES,
        SEARCH_QUERIES,
        ERASURE_QUERIES,
    )
    for name, sql in load_queries("ecluse.store.sqlite", file).items()
}

_HELD: Final = {
    "add_message": "messages",
    "add_delivery": "deliveries",
    "add_receipt": "receipts",
    "add_blob": "blobs",
    "add_file": "files",
    "add_job": "jobs",
    "append_event": "events",
}
"""Statements whose rows are held, and their tables. All are of ids that the hub drew, or seldom taken."""

_WORDS: Final = {name: frozenset(re.findall(r"\w+", sql)) for name, sql in SQL.items()}

TOUCHING: Final = {
    name: tuple(
        adding
        for adding, table in _HELD.items()
        if table in words or (table == "files" and "file_usage" in words)
    )
    for name, words in _WORDS.items()
}
"""For each statement, whose rows must be in before it is run: those of the tables that it names."""

_WRITES: Final = frozenset(name for name, sql in SQL.items() if not sql.startswith("SELECT"))
_OF_KNOWN: Final = frozenset(
    name for name, words in _WORDS.items() if words & {"messages", "deliveries"} and name not in _HELD
)
_CHANGES_FILES: Final = frozenset(name for name in _WRITES if "files" in _WORDS[name])


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()


_RUN: Final = 8
"""Neighbours in one level of the log's tree from which on they are read by one statement."""


def _neighbours(wanted: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """(level, first, end) of what stands side by side, in the order given."""
    level = first = end = -1
    for each, place in wanted:
        if each == level and place == end:
            end += 1
            continue
        if end > first:
            yield level, first, end
        level, first, end = each, place, place + 1
    if end > first:
        yield level, first, end


class SqliteView(RowView):
    """Reads over a connection to the main file and one to the key file."""

    __slots__ = ("_keys", "_known", "_main")

    def __init__(self, main: sqlite3.Connection, keys: sqlite3.Connection) -> None:
        self._main = main
        self._keys = keys
        self._known: Known | None = None

    def _rows(self, query: str, *values: object) -> list[Row]:
        return self._main.execute(SQL[query], values).fetchall()

    def _list(self, query: str, conditions: list[tuple[str, object]], limit: int) -> list[Row]:
        where = " AND ".join(SQL[f"{query}.{name}"] for name, _ in conditions)
        sql = f"{SQL[query]} {'WHERE ' + where if where else ''} {SQL[query + '.order']}"
        given = [value if isinstance(value, tuple) else (value,) for _, value in conditions]
        values = [_json(value) if isinstance(value, list) else value for each in given for value in each]
        return self._main.execute(sql, (*values, limit)).fetchall()

    def about(self, deliveries: Sequence[DeliveryId]) -> None:
        found = [delivery_from(row) for row in self._rows("siblings", _json(deliveries))]
        ids = _json(sorted({delivery.message for delivery in found}))
        self._known = Known(
            (message_from(row) for row in self._rows("messages_of", ids)),
            found,
            (receipt_from(row) for row in self._rows("receipts_of", ids)),
        )

    def message(self, id: MessageId) -> Message | None:
        return (self._known and self._known.message(id)) or super().message(id)

    def delivery(self, id: DeliveryId) -> Delivery | None:
        return (self._known and self._known.delivery(id)) or super().delivery(id)

    def deliveries(self, message: MessageId) -> list[Delivery]:
        known = self._known.deliveries(message) if self._known else None
        return super().deliveries(message) if known is None else known

    def receipts(self, message: MessageId) -> list[Receipt]:
        known = self._known.receipts(message) if self._known else None
        return super().receipts(message) if known is None else known

    def blobs(self, ids: Sequence[str]) -> dict[str, tuple[BlobRow, bytes]]:
        wanted = _json(ids)
        rows = [BlobRow(*row) for row in self._rows("blobs_of", wanted)]
        keys = dict(self._keys.execute(SQL["blob_keys_of"], (wanted,)).fetchall())
        return {row.id: (row, keys[row.id]) for row in rows if row.id in keys}

    def log_nodes(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        nodes: dict[tuple[int, int], bytes] = {}
        for level, first, end in _neighbours(wanted):
            if end - first < _RUN:
                for place in range(first, end):
                    row = self._one("log_node", level, place)
                    if row:
                        nodes[level, place] = row[0]
            else:
                found = self._main.execute(SQL["log_nodes_run"], (level, first, end))
                nodes.update(((level, place), hash) for place, hash in found)
        return nodes

    def blob_key(self, id: str) -> bytes | None:
        if not self._rows("blob_exists", id):
            return None
        row = self._keys.execute(SQL["blob_key"], (id,)).fetchone()
        return row[0] if row else None

    def keys_from(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        return [(row[0], row[1]) for row in self._keys.execute(SQL["keys_from"], (after, limit)).fetchall()]


class SqliteTx(SqliteView, RowTx):
    """One unit of work inside the writer's transaction.

    Args:
        main: The main file.
        keys: The key file.
        held: Where rows that are only added wait; ``None`` where each goes in by itself.
        ahead: Wrapped keys, by id, that are durable before their blobs come.

    Attributes:
        new_keys: Wrapped keys to make durable before the transaction is.
        kept_ahead: Those of them whose blobs are still to come.
        dropped_keys: Ids of keys to delete once the transaction is durable.
        rings: Kinds of jobs that those who wait for them are to be told of; the empty one for any.
        overwrites: The connection overwrites what is deleted, until somebody ends that.
    """

    __slots__ = (
        "_ahead",
        "_held",
        "_marked",
        "dropped_keys",
        "kept_ahead",
        "new_keys",
        "overwrites",
        "rings",
    )

    def __init__(
        self,
        main: sqlite3.Connection,
        keys: sqlite3.Connection,
        held: Held | None = None,
        ahead: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        super().__init__(main, keys)
        self.new_keys: dict[str, bytes] = {}
        self.kept_ahead: dict[str, bytes] = {}
        self._ahead = ahead
        self.dropped_keys: list[str] = []
        self.rings: set[str] = set()
        self.overwrites = False
        self._held = held
        self._marked = False
        if held is not None:
            held.begin_unit()

    # --- the unit ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Write what is still to be written, once the unit has done its work."""
        if self._known is not None and self._known.changed:
            self._before("update_message")
            self._before("update_delivery")

    def undo(self) -> None:
        """Leave nothing of the unit."""
        if self._marked:
            self._main.execute("ROLLBACK TO unit")
            self._main.execute("RELEASE unit")
        if self._held is not None:
            self._held.undo_unit()

    def end(self) -> None:
        """Keep what the unit did, as far as its transaction is kept."""
        if self._marked:
            self._main.execute("RELEASE unit")

    def _before(self, query: str) -> None:
        """Have a statement find what was added and changed, and be undone with its unit."""
        held, known = self._held, self._known
        if known is not None and known.changed and query in _OF_KNOWN:
            self._mark()
            known.write(self._main)
        if held is not None and held.touches(query):
            self._mark()
            held.before(query)
        if query in _WRITES:
            self._mark()
            if held is not None and query in _CHANGES_FILES:
                held.files_changed()

    def _mark(self) -> None:
        if not self._marked:
            self._main.execute("SAVEPOINT unit")
            self._marked = True

    def _rows(self, query: str, *values: object) -> list[Row]:
        self._before(query)
        return self._main.execute(SQL[query], values).fetchall()

    def _list(self, query: str, conditions: list[tuple[str, object]], limit: int) -> list[Row]:
        self._before(query)
        return super()._list(query, conditions, limit)

    def _run(self, query: str, *values: object) -> int:
        if self._held is not None and query in _HELD:
            self._held.add(query, values)
            return 1
        self._before(query)
        return self._main.execute(SQL[query], values).rowcount

    def _ring(self, kind: str = "") -> None:
        self.rings.add(kind)

    # --- what the unit is about ----------------------------------------------------------------------------

    def update_message(self, message: Message) -> None:
        if self._known is None or not self._known.update_message(message):
            super().update_message(message)

    def update_delivery(self, delivery: Delivery) -> None:
        if self._known is None or not self._known.update_delivery(delivery):
            super().update_delivery(delivery)

    def add_delivery(self, delivery: Delivery) -> None:
        if self._known is not None:
            self.settle()
            self._known = None  # it is not about all deliveries any more
        super().add_delivery(delivery)

    def add_receipt(self, receipt: Receipt) -> None:
        super().add_receipt(receipt)
        if self._known is not None:
            self._known.add_receipt(receipt)

    def finish_jobs(self, jobs: Sequence[Job]) -> None:
        held = _json([(job.key, job.owner, job.fence) for job in jobs])
        if self._run("finish_jobs", held) != len(jobs):
            raise Lost("The lease of one of some jobs went to another claim.")

    # --- files ---------------------------------------------------------------------------------------------

    def file(self, partner: PartnerId, folder: str, name: str) -> FileRow | None:
        place = (partner, folder, name)
        row = self._held.at(place) if self._held is not None else None
        if row is None:
            # Straight to the table: what is held is of other places, and may go on being held.
            row = self._main.execute(SQL["file"], place).fetchone()
        return file_from(row) if row else None

    def occupant(self, partner: PartnerId, folder: str, name: str) -> FileRow | None:
        if self._held is None:
            return self.file(partner, folder, name)
        row = self._held.at((partner, folder, name))
        return file_from(row) if row else None

    def file_usage(self, partner: PartnerId) -> tuple[int, int]:
        if self._held is None:
            return super().file_usage(partner)
        used = self._held.usage(partner)
        if used is None:
            row = self._main.execute(SQL["file_usage"], (partner,)).fetchone()
            used = self._held.note_usage(partner, *(row or (0, 0)))
        return used

    def add_file(self, file: FileRow) -> None:
        row = file_row(file)
        if self._held is not None and self._held.at(row[:3]) is not None:
            raise Conflict(f"Something else is at {file.path} already.")
        super().add_file(file)

    # --- blobs ---------------------------------------------------------------------------------------------

    def blob_key(self, id: str) -> bytes | None:
        return self.new_keys.get(id) or super().blob_key(id)

    def add_blob(self, row: BlobRow, wrapped_key: bytes) -> None:
        self._add(f"Blob {row.id}", "add_blob", row.id, row.size, row.sha256, row.inline, row.created)
        if self._ahead.get(row.id) != wrapped_key:
            self.new_keys[row.id] = wrapped_key

    def keep_keys(self, keys: Mapping[str, bytes]) -> None:
        self.new_keys.update(keys)
        self.kept_ahead.update(keys)

    def put_keys(self, keys: Mapping[str, bytes]) -> None:
        self.new_keys.update(keys)

    def forget_keys(self, ids: Collection[str]) -> None:
        self.dropped_keys += ids

    def drop_blob(self, id: str) -> None:
        if self._run("drop_blob", id):
            self._run("add_key_drop", id)
            self.new_keys.pop(id, None)
            self.dropped_keys.append(id)

    def overwrite(self) -> None:
        # For the rest of the group; the writer ends it. Some builds do it always.
        if not self._main.execute("PRAGMA secure_delete").fetchone()[0]:
            self._main.execute("PRAGMA secure_delete = ON")
            self.overwrites = True

    def drop_keys_again(self, ids: Collection[str]) -> list[str]:
        """Delete once more the keys among ``ids`` whose deletion may not have been carried out; give these."""
        owed = [id for (id,) in self._main.execute(SQL["key_drops_of"], (_json(list(ids)),))]
        self.dropped_keys += owed
        return owed

    def seal(self, first_index: int, rows: Sequence[int], nodes: Mapping[tuple[int, int], bytes]) -> None:
        if not self._run("grow_log", first_index + len(rows), first_index):
            raise Conflict(f"The log does not end at {first_index}: another sequencer was here.")
        at = first_index
        for first, last in _runs(rows):
            if self._run("seal_events", at - first, first, last) != last - first + 1:
                raise Conflict("An event that was to be sealed is sealed already, or is not there.")
            at += last - first + 1
        together(self._main, SQL["put_log_node"], [(*place, hash) for place, hash in nodes.items()])

    def claim_jobs(
        self,
        owner: str,
        now: Instant,
        lease: int,
        limit: int,
        *,
        kinds: Sequence[str] = (),
        full_lanes: Sequence[str] = (),
    ) -> list[Job]:
        lists = (_json(kinds), _json(full_lanes))
        claimed = [job_from(row) for row in self._rows("claim_jobs", owner, now, now + lease, limit, *lists)]
        return sorted(claimed, key=lambda job: (job.due, job.key))


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Numbers in rising order as runs without gaps: first and last of each."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
