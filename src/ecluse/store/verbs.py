"""The verbs that bind and give the same rows in both databases; their SQL is each database's own.

A native view or transaction runs a named query; whatever differs in kind (keys, leases, lists as values) is
written out there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ecluse.model.basics import DeliveryId, Instant, MessageId, PartnerId, new_id
from ecluse.model.nouns import (
    Answer,
    BlobRow,
    Checkpoint,
    ConfigVersion,
    Delivery,
    Direction,
    Job,
    LoggedEvent,
    Message,
    Receipt,
)
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store import rows
from ecluse.store.archive import RowArchiveTx, RowArchiveView
from ecluse.store.archive_search import RowSearchTx, RowSearchView
from ecluse.store.erasure import RowErasureTx, RowErasureView
from ecluse.store.errors import Conflict, Lost
from ecluse.store.files import RowFileTx, RowFileView
from ecluse.store.records import RowRecordTx, RowRecordView
from ecluse.store.rows import Row, clean

__all__ = ["RowTx", "RowView"]


class RowView(RowFileView, RowRecordView, RowSearchView, RowArchiveView, RowErasureView, Protocol):
    """The reads. A native view gives :meth:`_rows` and the few verbs that are not here."""

    @abstractmethod
    def _rows(self, query: str, *values: object) -> list[Row]:
        """All rows of a named query."""

    @abstractmethod
    def _list(self, query: str, conditions: list[tuple[str, object]], limit: int) -> list[Row]:
        """A query that is put together of named pieces: ``query``, its conditions, its order and limit."""

    def _one(self, query: str, *values: object) -> Row | None:
        found = self._rows(query, *values)
        return found[0] if found else None

    def about(self, deliveries: Sequence[DeliveryId]) -> None:
        return  # what is read one by one needs no telling

    def message(self, id: MessageId) -> Message | None:
        row = self._one("message", id)
        return rows.message_from(row) if row else None

    def find_message(self, direction: Direction, partner: PartnerId, protocol_id: str) -> Message | None:
        key = (direction.value, partner, clean(protocol_id))
        row = self._one("find_message", *key) or self._one("find_rejected", *key)
        return rows.message_from(row) if row else None

    def messages(
        self,
        *,
        direction: Direction | None = None,
        partner: PartnerId | None = None,
        states: Sequence[MessageState] = (),
        search: str = "",
        flow: str | None = None,
        before: MessageId | None = None,
        limit: int = 50,
    ) -> list[Message]:
        conditions: list[tuple[str, object]] = []
        if direction is not None:
            conditions.append(("direction", direction.value))
        if partner is not None:
            conditions.append(("partner", partner))
        if states:
            conditions.append(("states", [state.value for state in states]))
        if search:
            conditions.append(("search", clean(search.casefold())))
        if flow is not None:
            conditions.append(("flow", flow))
        if before is not None:
            conditions.append(("before", before))
        return [rows.message_from(row) for row in self._list("messages", conditions, limit)]

    def count_messages(self) -> dict[tuple[Direction, MessageState], int]:
        return {(Direction(d), MessageState(s)): n for d, s, n in self._rows("count_messages")}

    def traffic(self, since: Instant) -> list[tuple[PartnerId, str, int]]:
        first = new_id("m", since, bytes)
        return [(PartnerId(partner), flow, n) for partner, flow, n in self._rows("traffic", first)]

    def children(self, origin: MessageId) -> list[Message]:
        return [rows.message_from(row) for row in self._rows("children", origin)]

    def arrivals(
        self, flow: str, since: Instant, until: Instant, limit: int
    ) -> list[tuple[Message, Instant]]:
        found = self._rows("arrivals", flow, since, until, limit)
        return [(rows.message_from(row[:-1]), Instant(row[-1])) for row in found]

    def flow_counts(self) -> dict[tuple[str, DeliveryState], int]:
        return {(f, DeliveryState(s)): n for f, s, n in self._rows("flow_counts")}

    def waiting(self, flow: str, after: DeliveryId, limit: int) -> list[Delivery]:
        return [rows.delivery_from(row) for row in self._rows("waiting", flow, after, limit)]

    def ahead(self, delivery: Delivery) -> Delivery | None:
        return self._neighbour("ahead", delivery)

    def behind(self, delivery: Delivery) -> Delivery | None:
        return self._neighbour("behind", delivery)

    def _neighbour(self, query: str, delivery: Delivery) -> Delivery | None:
        place = (delivery.flow, delivery.target, clean(delivery.order_key), delivery.created, delivery.id)
        row = self._one(query, *place)
        return rows.delivery_from(row) if row else None

    def digest_seen(self, flow: str, sha256: bytes) -> tuple[MessageId, Instant] | None:
        row = self._one("digest_seen", flow, sha256)
        return (MessageId(row[0]), Instant(row[1])) if row else None

    def delivery(self, id: DeliveryId) -> Delivery | None:
        row = self._one("delivery", id)
        return rows.delivery_from(row) if row else None

    def deliveries(self, message: MessageId) -> list[Delivery]:
        return [rows.delivery_from(row) for row in self._rows("deliveries", message)]

    def overdue(self, now: Instant, limit: int) -> list[Delivery]:
        return [rows.delivery_from(row) for row in self._rows("overdue", now, limit)]

    def receipts(self, message: MessageId) -> list[Receipt]:
        return [rows.receipt_from(row) for row in self._rows("receipts", message)]

    def answer(self, message: MessageId) -> Answer | None:
        row = self._one("answer", message)
        return rows.answer_from(row) if row else None

    def blob(self, id: str) -> BlobRow | None:
        row = self._one("blob", id)
        return BlobRow(*row) if row else None

    def blobs(self, ids: Sequence[str]) -> dict[str, tuple[BlobRow, bytes]]:
        found = {}
        for id in ids:
            row, key = self.blob(id), self.blob_key(id)
            if row is not None and key is not None:
                found[id] = row, key
        return found

    @abstractmethod
    def blob_key(self, id: str) -> bytes | None:
        """See the port."""

    @abstractmethod
    def keys_from(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        """See the port."""

    def blobs_before(self, id: str, limit: int) -> list[str]:
        return [row[0] for row in self._rows("blobs_before", id, limit)]

    def events(self, subject: str) -> list[LoggedEvent]:
        return [rows.event_from(row) for row in self._rows("events", clean(subject))]

    def events_from(self, index: int, limit: int) -> list[LoggedEvent]:
        return [rows.event_from(row) for row in self._rows("events_from", index, limit)]

    def unsealed(self, limit: int) -> list[tuple[int, bytes]]:
        return [(row[0], row[1]) for row in self._rows("unsealed", limit)]

    def log_size(self) -> int:
        row = self._one("log_size")
        return int(row[0]) if row else 0

    def last_checkpoint(self) -> Checkpoint | None:
        found = self.checkpoints(1)
        return found[0] if found else None

    def checkpoints(self, limit: int) -> list[Checkpoint]:
        return [rows.checkpoint_from(row) for row in self._rows("checkpoints", limit)]

    def checkpoints_from(self, size: int, limit: int) -> list[Checkpoint]:
        return [rows.checkpoint_from(row) for row in self._rows("checkpoints_from", size, limit)]

    def job(self, key: str) -> Job | None:
        row = self._one("job", key)
        return rows.job_from(row) if row else None

    def jobs(self, *, kind: str | None = None, limit: int = 100) -> list[Job]:
        conditions: list[tuple[str, object]] = [] if kind is None else [("kind", kind)]
        return [rows.job_from(row) for row in self._list("jobs", conditions, limit)]

    def config(self, number: int | None = None) -> ConfigVersion | None:
        found = self._config(self.config_number() if number is None else number)
        return found[0] if found is not None else None

    def _config(self, number: int) -> tuple[ConfigVersion, int] | None:
        """A version, and how many differences it is away from one that is whole."""
        row = self._one("config", number)
        if row is None:
            return None
        found = rows.config_files(row[-1])
        depth = 0 if isinstance(found, dict) else found.depth
        deltas: list[rows.ConfigDelta] = []
        while isinstance(found, rows.ConfigDelta):
            deltas.append(found)
            base = self._one("config", found.base)
            assert base is not None, "versions are never taken away"
            found = rows.config_files(base[-1])
        for delta in reversed(deltas):
            found = delta.applied(found)
        return rows.config_from(row[:-1], found), depth

    def config_number(self) -> int:
        row = self._one("config_number")
        assert row is not None, "it always gives one"
        return int(row[0])

    def config_history(self, limit: int) -> list[ConfigVersion]:
        return [rows.config_from(row, {}) for row in self._rows("config_history", limit)]

    def setting(self, name: str) -> bytes | None:
        row = self._one("setting", name)
        return bytes(row[0]) if row else None

    def nodes(self) -> list[tuple[str, Instant]]:
        return [(row[0], Instant(row[1])) for row in self._rows("nodes")]


class RowTx(RowView, RowFileTx, RowRecordTx, RowSearchTx, RowArchiveTx, RowErasureTx, Protocol):
    """The writes. A native transaction gives :meth:`_run` and the few verbs that are not here."""

    @abstractmethod
    def _run(self, query: str, *values: object) -> int:
        """How many rows a named statement changed."""

    @abstractmethod
    def _ring(self, kind: str = "") -> None:
        """Wake those that wait for jobs of a kind (or of any) once this transaction is durable."""

    def _add(self, what: str, query: str, *values: object) -> None:
        if not self._run(query, *values):
            raise Conflict(f"{what} is taken.")

    def _update(self, what: str, query: str, *values: object) -> None:
        if not self._run(query, *values):
            raise Conflict(f"There is no {what} to update.")

    def _fenced(self, job: Job, query: str, *values: object) -> None:
        if not self._run(query, *values, job.key, job.owner, job.fence):
            raise Lost(f"The lease of job {job.key} went to another claim.")

    def add_message(self, message: Message) -> None:
        what = f"The protocol id of message {message.id}, or its id,"
        self._add(what, "add_message", *rows.message_row(message))

    def update_message(self, message: Message) -> None:
        row = rows.message_row(message)
        self._update(f"message {message.id}", "update_message", row[3], *row[5:], row[0])

    def add_delivery(self, delivery: Delivery) -> None:
        self._add(f"Delivery {delivery.id}", "add_delivery", *rows.delivery_row(delivery))

    def update_delivery(self, delivery: Delivery) -> None:
        row = rows.delivery_row(delivery)
        self._update(f"delivery {delivery.id}", "update_delivery", *row[4:], row[0])

    def add_receipt(self, receipt: Receipt) -> None:
        self._add(f"Receipt {receipt.id}", "add_receipt", *rows.receipt_row(receipt))

    def put_answer(self, answer: Answer) -> None:
        self._run("put_answer", *rows.answer_row(answer))

    def append_event(
        self, event_id: str, kind: str, subject: str, at: Instant, leaf: bytes, beside: bytes | None = None
    ) -> None:
        self._run("append_event", event_id, at, kind, clean(subject), leaf, beside)

    def keep_keys(self, keys: Mapping[str, bytes]) -> None:
        return  # where keys and rows are one transaction, there is nothing to gain by it

    @abstractmethod
    def put_keys(self, keys: Mapping[str, bytes]) -> None:
        """See the port."""

    def forget_keys(self, ids: Collection[str]) -> None:
        return  # none were kept

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        values = (checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.at)
        self._add(f"The checkpoint of size {checkpoint.size}", "add_checkpoint", *values)

    def add_job(self, job: Job) -> bool:
        added = self._run("add_job", *rows.job_row(job)) > 0
        if added:
            self._ring(job.kind)
        return added

    def extend_lease(self, job: Job, until: Instant) -> None:
        self._fenced(job, "extend_lease", until)

    def finish_job(self, job: Job) -> None:
        self._fenced(job, "finish_job")

    def finish_jobs(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.finish_job(job)

    def retry_job(self, job: Job, due: Instant, fault: str, error: str) -> None:
        self._fenced(job, "retry_job", due, fault, clean(error))
        self._ring(job.kind)

    def bury_job(self, job: Job, fault: str, error: str) -> None:
        self._fenced(job, "bury_job", fault, clean(error))

    def wake_job(self, key: str, due: Instant) -> bool:
        if self._run("wake_job", due, key):
            self._ring()
            return True
        return self.job(key) is not None

    def release_jobs(self, owner: str) -> int:
        released = self._run("release_jobs", owner)
        if released:
            self._ring()
        return released

    def prune_jobs(self, before: Instant, limit: int) -> int:
        return self._run("prune_jobs", before, limit)

    def add_config(self, version: ConfigVersion) -> None:
        before, depth = self._config(version.number - 1) or (None, 0)
        what = f"Configuration version {version.number}"
        self._add(what, "add_config", *rows.config_row(version, before, depth))

    def put_setting(self, name: str, value: bytes) -> None:
        self._run("put_setting", name, value)

    def claim_job(self, key: str, owner: str, now: Instant, lease: int) -> Job | None:
        row = self._one("claim_job", owner, now + lease, key, now)
        return rows.job_from(row) if row else None

    def claim_digest(
        self, flow: str, sha256: bytes, message: MessageId, at: Instant, since: Instant
    ) -> MessageId:
        row = self._one("claim_digest", flow, sha256, message, at, since, since)
        assert row is not None, "it always gives one"
        return MessageId(row[0])

    def put_digest(self, flow: str, sha256: bytes, message: MessageId, at: Instant) -> None:
        self._run("put_digest", flow, sha256, message, at)

    def prune_digests(self, flow: str, before: Instant) -> int:
        return self._run("prune_digests", flow, before)

    def next_number(self, name: str) -> int:
        row = self._one("next_number", name)
        assert row is not None, "it always gives one"
        return int(row[0])

    def beat(self, node: str, now: Instant) -> None:
        self._run("beat", node, now)
