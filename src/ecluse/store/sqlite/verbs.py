"""The verbs as SQLite has them: what differs from the shared ones is keys, claims and lists as JSON."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from ecluse.model.basics import Instant
from ecluse.model.nouns import BlobRow, Job
from ecluse.store.files import FILE_QUERIES
from ecluse.store.port import Conflict
from ecluse.store.queries import load_queries
from ecluse.store.records import RECORD_QUERIES
from ecluse.store.rows import Row, job_from
from ecluse.store.verbs import RowTx, RowView

__all__ = ["SQL", "SqliteTx", "SqliteView"]

SQL = {
    name: sql
    for file in ("queries.sql", FILE_QUERIES, RECORD_QUERIES)
    for name, sql in load_queries("ecluse.store.sqlite", file).items()
}


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()


class SqliteView(RowView):
    """Reads over a connection to the main file and one to the key file."""

    __slots__ = ("_keys", "_main")

    def __init__(self, main: sqlite3.Connection, keys: sqlite3.Connection) -> None:
        self._main = main
        self._keys = keys

    def _rows(self, query: str, *values: object) -> list[Row]:
        return self._main.execute(SQL[query], values).fetchall()

    def _list(self, query: str, conditions: list[tuple[str, object]], limit: int) -> list[Row]:
        where = " AND ".join(SQL[f"{query}.{name}"] for name, _ in conditions)
        sql = f"{SQL[query]} {'WHERE ' + where if where else ''} {SQL[query + '.order']}"
        values = [_json(value) if isinstance(value, list) else value for _, value in conditions]
        return self._main.execute(sql, (*values, limit)).fetchall()

    def log_nodes(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        found = ((place, self._one("log_node", *place)) for place in wanted)
        return {place: row[0] for place, row in found if row}

    def blob_key(self, id: str) -> bytes | None:
        if not self._rows("blob_exists", id):
            return None
        row = self._keys.execute(SQL["blob_key"], (id,)).fetchone()
        return row[0] if row else None


class SqliteTx(SqliteView, RowTx):
    """One unit of work inside the writer's transaction.

    Attributes:
        new_keys: Wrapped keys to make durable before the transaction is.
        dropped_keys: Ids of keys to delete once the transaction is durable.
        rings: Kinds of jobs that those who wait for them are to be told of; the empty one for any.
    """

    __slots__ = ("dropped_keys", "new_keys", "rings")

    def __init__(self, main: sqlite3.Connection, keys: sqlite3.Connection) -> None:
        super().__init__(main, keys)
        self.new_keys: dict[str, bytes] = {}
        self.dropped_keys: list[str] = []
        self.rings: set[str] = set()

    def _run(self, query: str, *values: object) -> int:
        return self._main.execute(SQL[query], values).rowcount

    def _ring(self, kind: str = "") -> None:
        self.rings.add(kind)

    def blob_key(self, id: str) -> bytes | None:
        return self.new_keys.get(id) or super().blob_key(id)

    def add_blob(self, row: BlobRow, wrapped_key: bytes) -> None:
        self._add(f"Blob {row.id}", "add_blob", row.id, row.size, row.sha256, row.inline, row.created)
        self.new_keys[row.id] = wrapped_key

    def drop_blob(self, id: str) -> None:
        if self._run("drop_blob", id):
            self._run("add_key_drop", id)
            self.new_keys.pop(id, None)
            self.dropped_keys.append(id)

    def seal(self, first_index: int, rows: Sequence[int], nodes: Mapping[tuple[int, int], bytes]) -> None:
        if not self._run("grow_log", first_index + len(rows), first_index):
            raise Conflict(f"The log does not end at {first_index}: another sequencer was here.")
        places = [(first_index + offset, row) for offset, row in enumerate(rows)]
        if places and self._main.executemany(SQL["seal_event"], places).rowcount != len(places):
            raise Conflict("An event that was to be sealed is sealed already, or is not there.")
        self._main.executemany(SQL["put_log_node"], [(*at, hash) for at, hash in nodes.items()])

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
