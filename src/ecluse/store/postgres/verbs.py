"""The verbs as PostgreSQL has them: what differs from the shared ones is keys, claims and lists as arrays.

A transaction runs in pipeline mode: statements whose answer nobody needs are sent and not waited for. Should
one of them fail, the commit behind it fails too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ecluse.model.basics import Instant
from ecluse.model.nouns import BlobRow, Job
from ecluse.model.records import Record
from ecluse.store.archive import ARCHIVE_QUERIES
from ecluse.store.archive_search import SEARCH_QUERIES
from ecluse.store.erasure import ERASURE_QUERIES
from ecluse.store.errors import Conflict
from ecluse.store.files import FILE_QUERIES
from ecluse.store.postgres.connection import Connection
from ecluse.store.queries import load_queries
from ecluse.store.records import RECORD_QUERIES
from ecluse.store.rows import Row, job_from
from ecluse.store.verbs import RowTx, RowView

__all__ = ["COUNTED", "PostgresTx", "PostgresView"]

_QUERIES: Final = {
    name: sql
    for file in (
        "queries.sql",
        FILE_QUERIES,
        RECORD_QUERIES,
        ARCHIVE_QUERIES,
        SEARCH_QUERIES,
        ERASURE_QUERIES,
    )
    for name, sql in load_queries("ecluse.store.postgres", file).items()
}
_SQL: Final = {name: text.encode() for name, text in _QUERIES.items()}

_UNANSWERED: Final = frozenset(
    {
        "add_archive_ref",
        "add_blob",
        "add_blob_key",
        "add_delivery",
        "add_receipt",
        "append_event",
        "beat",
        "drop_archive_ref",
        "drop_blob",
        "drop_blob_key",
        "put_answer",
        "put_digest",
        "put_log_nodes",
        "put_setting",
    }
)
"""They can't be refused but by a taken id that the hub drew at random: that fails the transaction."""

# A unit decides by the state that it read, and other nodes write at the same time: the row is held from the read
# on. Two units that wait for each other are run again (see the transactions module).
_HELD_NAMES: Final = (
    "message",
    "delivery",
    "deliveries",
    "file",
    "ahead",
    "behind",
    "archived",
    "archived_of",
    "archive_bytes",
)
_HELD: Final = {name: _SQL[name] + b" FOR UPDATE" for name in _HELD_NAMES}

_HOLDS: Final = 0x65_686F_6C64
"""The advisory lock of the register of legal holds: "ehold" in ASCII."""

# In a pipeline only rows are waited for, not a count of them.
COUNTED: Final = {name: text + b" RETURNING 1" for name, text in _SQL.items()}


class PostgresView(RowView):
    """Reads over one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _rows(self, query: str, *values: object) -> list[Row]:
        return self._connection.execute(_SQL[query], values, binary=True).fetchall()

    def _list(self, query: str, conditions: list[tuple[str, object]], limit: int) -> list[Row]:
        where = b" AND ".join(_SQL[f"{query}.{name}"] for name, _ in conditions)
        sql = _SQL[query] + (b" WHERE " + where if where else b"") + b" " + _SQL[query + ".order"]
        given = [value if isinstance(value, tuple) else (value,) for _, value in conditions]
        values = [value for each in given for value in each]
        return self._connection.execute(sql, (*values, limit), binary=True).fetchall()

    def log_nodes(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        found = self._rows("log_nodes", [level for level, _ in wanted], [place for _, place in wanted])
        return {(level, place): hash for level, place, hash in found}

    def blob_key(self, id: str) -> bytes | None:
        row = self._one("blob_key", id)
        return row[0] if row else None

    def keys_from(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        return [(row[0], bytes(row[1])) for row in self._rows("keys_from", after, limit)]


class PostgresTx(PostgresView, RowTx):
    """One unit of work inside its transaction.

    Attributes:
        rings: Kinds of jobs that those who wait for them are to be told of; the empty one for any.
    """

    __slots__ = ("rings",)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.rings: set[str] = set()

    def _rows(self, query: str, *values: object) -> list[Row]:
        sql = _HELD.get(query) or _SQL[query]
        return self._connection.execute(sql, values, binary=True).fetchall()

    def _run(self, query: str, *values: object) -> int:
        if query in _UNANSWERED:
            self._connection.execute(_SQL[query], values)
            return 1
        return len(self._connection.execute(COUNTED[query], values).fetchall())

    def _ring(self, kind: str = "") -> None:
        self.rings.add(kind)

    def standing_holds(self) -> list[Record]:
        self._rows("share_holds", _HOLDS)
        return super().standing_holds()

    def lock_holds(self) -> None:
        self._rows("lock_holds", _HOLDS)

    def add_blob(self, row: BlobRow, wrapped_key: bytes) -> None:
        self._run("add_blob", row.id, row.size, row.sha256, row.inline, row.created)
        self._run("add_blob_key", row.id, wrapped_key)

    def put_keys(self, keys: Mapping[str, bytes]) -> None:
        for id, wrapped in keys.items():
            self._run("add_blob_key", id, wrapped)

    def drop_blob(self, id: str) -> None:
        self._run("drop_blob", id)
        self._run("drop_blob_key", id)

    def seal(self, first_index: int, rows: Sequence[int], nodes: Mapping[tuple[int, int], bytes]) -> None:
        if not self._run("grow_log", first_index + len(rows), first_index):
            raise Conflict(f"The log does not end at {first_index}: another sequencer was here.")
        places = list(range(first_index, first_index + len(rows)))
        if self._run("seal_events", list(rows), places) != len(rows):
            raise Conflict("An event that was to be sealed is sealed already, or is not there.")
        levels, offsets = [level for level, _ in nodes], [place for _, place in nodes]
        self._run("put_log_nodes", levels, offsets, list(nodes.values()))

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
        values = {
            "owner": owner,
            "now": now,
            "until": now + lease,
            "limit": limit,
            "kinds": list(kinds),
            "lanes": list(full_lanes),
        }
        found = self._connection.execute(_SQL["claim_jobs"], values, binary=True).fetchall()
        return sorted(map(job_from, found), key=lambda job: (job.due, job.key))
