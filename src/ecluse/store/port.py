"""The port of the store: what a unit of work may read and write.

Every verb is one indexed statement. What is not here is not needed by the chamber.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from ecluse.model.basics import DeliveryId, Instant, MessageId, PartnerId
from ecluse.model.files import FileRow
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
from ecluse.model.records import Record
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.archive_port import ArchiveTx, ArchiveView
from ecluse.store.erasure_port import ErasureTx, ErasureView
from ecluse.store.errors import BadStoreUrl, Conflict, Lost, StoreUnavailable, WriteOnce

__all__ = [
    "BadStoreUrl",
    "Conflict",
    "Kind",
    "Lost",
    "Snapshot",
    "Store",
    "StoreUnavailable",
    "Tx",
    "View",
    "WriteOnce",
]

T = TypeVar("T")

Kind = str
"""``sqlite`` or ``postgresql``: what put out a snapshot takes it back."""


class View(ArchiveView, ErasureView, Protocol):
    """Reads, of one consistent moment."""

    def about(self, deliveries: Sequence[DeliveryId]) -> None:
        """Say what the reads and updates that follow are about: these deliveries, their messages, and all deliveries
        and receipts of those. Nothing but the cost of those verbs changes by it.
        """

    def message(self, id: MessageId) -> Message | None: ...
    def find_message(self, direction: Direction, partner: PartnerId, protocol_id: str) -> Message | None:
        """The newest message with this protocol id; one that is not rejected comes before a rejected one."""

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
        """Newest first. ``search`` is a piece of a subject, reference, protocol id, file name
        or hub id.
        """

    def count_messages(self) -> dict[tuple[Direction, MessageState], int]: ...
    def traffic(self, since: Instant) -> list[tuple[PartnerId, str, int]]:
        """Messages recorded from ``since`` on, by partner and flow, to the millisecond; in no order."""

    def children(self, origin: MessageId) -> list[Message]:
        """What flows made of a message, oldest first."""

    def arrivals(
        self, flow: str, since: Instant, until: Instant, limit: int
    ) -> list[tuple[Message, Instant]]:
        """What a flow took from ``since`` on and before ``until``, and when, oldest first."""

    def flow_counts(self) -> dict[tuple[str, DeliveryState], int]:
        """Deliveries that flows relay, by flow and state."""

    def waiting(self, flow: str, after: DeliveryId, limit: int) -> list[Delivery]:
        """Deliveries of a flow in state ``waiting`` whose id sorts after ``after``, in order of id."""

    def ahead(self, delivery: Delivery) -> Delivery | None:
        """The one just before ``delivery`` of the same flow, target and order key that has not ended.

        Within a transaction it does not change until that ends.
        """

    def behind(self, delivery: Delivery) -> Delivery | None:
        """The one just behind it, likewise."""

    def digest_seen(self, flow: str, sha256: bytes) -> tuple[MessageId, Instant] | None:
        """In which message a flow had this content first, and when."""

    def delivery(self, id: DeliveryId) -> Delivery | None: ...
    def deliveries(self, message: MessageId) -> list[Delivery]: ...
    def overdue(self, now: Instant, limit: int) -> list[Delivery]:
        """Deliveries in state ``sent`` whose receipt was due before ``now``."""

    def receipts(self, message: MessageId) -> list[Receipt]: ...
    def answer(self, message: MessageId) -> Answer | None: ...
    def blob(self, id: str) -> BlobRow | None: ...
    def blob_key(self, id: str) -> bytes | None:
        """The wrapped key of a blob; ``None`` where it was never kept, or was shredded."""

    def blobs(self, ids: Sequence[str]) -> dict[str, tuple[BlobRow, bytes]]:
        """Rows and wrapped keys of those that have both."""

    def keys_from(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Ids and wrapped keys of the key store that sort after ``after``, in order; also such as have no row yet."""

    def blobs_before(self, id: str, limit: int) -> list[str]:
        """Ids of blobs that sort after ``id``, in order; for the sweep."""

    def events(self, subject: str) -> list[LoggedEvent]:
        """In the order they were recorded. ``data``, ``actor`` and ``node`` are within the leaf only."""

    def events_from(self, index: int, limit: int) -> list[LoggedEvent]:
        """Sealed events with index >= ``index``, in order of index."""

    def unsealed(self, limit: int) -> list[tuple[int, bytes]]:
        """(row number, leaf) of events that are visible and not yet in the tree, in order of row number."""

    def log_size(self) -> int: ...
    def log_nodes(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Stored tree hashes by (level, index in level)."""

    def last_checkpoint(self) -> Checkpoint | None: ...
    def checkpoints(self, limit: int) -> list[Checkpoint]:
        """Newest first."""

    def checkpoints_from(self, size: int, limit: int) -> list[Checkpoint]:
        """Those of a log of at least ``size`` leaves, in order of size; for who checks them all."""

    def file(self, partner: PartnerId, folder: str, name: str) -> FileRow | None:
        """What is at a place in a partner's folders."""

    def files(self, partner: PartnerId, folder: str, *, after: str = "", limit: int = 500) -> list[FileRow]:
        """What a folder holds, in order of name (octet by octet), those that sort after ``after``."""

    def delivery_files(self, delivery: DeliveryId) -> list[FileRow]:
        """What a delivery put out, in order of its documents."""

    def expired_files(self, now: Instant, limit: int) -> list[FileRow]:
        """Those that were to go before ``now``, the longest expired first."""

    def file_usage(self, partner: PartnerId) -> tuple[int, int]:
        """Octets, and number, of all that a partner's folders hold: read, not counted."""

    def file_and_usage(
        self, partner: PartnerId, folder: str, name: str
    ) -> tuple[FileRow | None, tuple[int, int]]:
        """What :meth:`file` and :meth:`file_usage` give, by one look."""

    def record(self, kind: str, key: str) -> Record | None:
        """What a room remembers under a name."""

    def records(
        self,
        kind: str,
        *,
        owner: str | None = None,
        state: str | None = None,
        after: str = "",
        limit: int = 500,
    ) -> list[Record]:
        """Records of a kind in order of key (octet by octet), those that sort after ``after``."""

    def records_due(self, kind: str, now: Instant, limit: int) -> list[Record]:
        """Those of a kind that are due at ``now``, the longest due first."""

    def job(self, key: str) -> Job | None: ...
    def jobs(self, *, kind: str | None = None, limit: int = 100) -> list[Job]:
        """Those that are not done first, then oldest first."""

    def config(self, number: int | None = None) -> ConfigVersion | None:
        """A version; the newest where ``number`` is ``None``."""

    def config_number(self) -> int:
        """The number of the newest version; 0 where there is none."""

    def config_history(self, limit: int) -> list[ConfigVersion]:
        """Newest first, each without its files."""

    def setting(self, name: str) -> bytes | None: ...
    def nodes(self) -> list[tuple[str, Instant]]:
        """(node, last heartbeat)."""


class Tx(View, ArchiveTx, ErasureTx, Protocol):
    """Reads and writes, in one transaction.

    A message or a delivery that was read by its id (or its message's) does not change until the transaction ends:
    a unit may decide by its state.
    """

    def add_message(self, message: Message) -> None:
        """Raise :class:`Conflict` where (direction, partner, protocol id) of a message that is not rejected
        is taken (a partial unique index).

        Free text is kept as both databases can hold it (no NUL, no lone surrogate), and found by the same
        text as it came in. A protocol id has at most 998 octets (RFC 5322, section 2.1.1).
        """

    def update_message(self, message: Message) -> None:
        """Replace the row of ``message.id`` (its id, direction, partner and protocol id do not change)."""

    def add_delivery(self, delivery: Delivery) -> None: ...
    def update_delivery(self, delivery: Delivery) -> None: ...
    def add_receipt(self, receipt: Receipt) -> None: ...
    def put_answer(self, answer: Answer) -> None:
        """Add, or replace, the answer of a message."""

    def add_blob(self, row: BlobRow, wrapped_key: bytes) -> None:
        """The key goes to the key store, which is kept apart and is durable before the row is."""

    def drop_blob(self, id: str) -> None:
        """Delete the row and the key. Raise :class:`WriteOnce` where an archived document stands on it."""

    def keep_keys(self, keys: Mapping[str, bytes]) -> None:
        """Keep wrapped keys, by id, of blobs that are still to come: :meth:`add_blob` of one has its key durable."""

    def put_keys(self, keys: Mapping[str, bytes]) -> None:
        """Put wrapped keys, by id, back into the key store: of blobs whose rows are there."""

    def forget_keys(self, ids: Collection[str]) -> None:
        """Delete keys that :meth:`keep_keys` kept, and whose blobs don't come."""

    def occupant(self, partner: PartnerId, folder: str, name: str) -> FileRow | None:
        """What lies in a place that should be free, and where this unit adds a file next.

        As :meth:`file`; but ``None`` may be an expectation, which the adding proves: where it was wrong, the unit is
        run again, and told.
        """

    def add_file(self, file: FileRow) -> None:
        """Raise :class:`Conflict` where its place is taken."""

    def replace_file(self, before: FileRow, after: FileRow) -> None:
        """Let ``after`` be there, in the place of ``before`` or elsewhere.

        Raise :class:`Conflict` where ``before`` (by its id) is not there, or another place is taken.
        """

    def drop_file(self, file: FileRow) -> None:
        """Raise :class:`Conflict` where it (by its id) is not there. Its blobs are the caller's to drop."""

    def add_record(self, record: Record) -> None:
        """Raise :class:`Conflict` where there is one of its kind and key."""

    def put_record(self, record: Record) -> None:
        """Write it, whatever was there."""

    def replace_record(self, before: Record, after: Record) -> None:
        """Write ``after`` over the row that was read as ``before``; kind and key do not change.

        Raise :class:`Conflict` where it was written since, or is there no more.
        """

    def drop_record(self, kind: str, key: str) -> None:
        """Forget it; nothing happens where it is not there."""

    def append_event(
        self, event_id: str, kind: str, subject: str, at: Instant, leaf: bytes, beside: bytes | None = None
    ) -> None:
        """One inbox row of the log.

        Args:
            event_id: Its id.
            kind: Its kind.
            subject: What it is about.
            at: When.
            leaf: The canonical encoding that :mod:`ecluse.evidence` makes.
            beside: What its commitments stand for; erasable.
        """

    def seal(self, first_index: int, rows: Sequence[int], nodes: Mapping[tuple[int, int], bytes]) -> None:
        """Give the inbox rows their indexes from ``first_index`` on, store tree nodes, grow the log.

        Raises :class:`Conflict` where the log's size is not ``first_index`` (there is another sequencer).
        """

    def add_checkpoint(self, checkpoint: Checkpoint) -> None: ...
    def add_job(self, job: Job) -> bool:
        """False, and nothing done, where the key exists."""

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
        """Take due jobs, and running ones whose lease ended, oldest first; not those of ``full_lanes``.

        Each gets ``owner``, ``lease_until = now + lease``, ``attempts + 1`` and ``fence + 1``.
        """

    def extend_lease(self, job: Job, until: Instant) -> None:
        """Raise :class:`Lost` unless owner and fence still hold."""

    def claim_job(self, key: str, owner: str, now: Instant, lease: int) -> Job | None:
        """Take one job, whatever its state and due time, unless somebody holds its lease; fields as above."""

    def finish_job(self, job: Job) -> None:
        """Mark it done. Raise :class:`Lost` unless owner and fence still hold."""

    def finish_jobs(self, jobs: Sequence[Job]) -> None:
        """Mark several done. Raise :class:`Lost` unless owner and fence of each still hold."""

    def retry_job(self, job: Job, due: Instant, fault: str, error: str) -> None:
        """Due again later. Raise :class:`Lost` unless owner and fence still hold."""

    def bury_job(self, job: Job, fault: str, error: str) -> None:
        """Dead until a person wakes it. Raise :class:`Lost` unless owner and fence still hold."""

    def wake_job(self, key: str, due: Instant) -> bool:
        """Make a due, dead or done job due with a fresh count of attempts; false where there is none.

        A running one is left alone (true is returned).
        """

    def release_jobs(self, owner: str) -> int:
        """End the leases of an owner that is known to be dead; give their number."""

    def prune_jobs(self, before: Instant, limit: int) -> int:
        """Forget done jobs that were due before ``before``."""

    def add_config(self, version: ConfigVersion) -> None:
        """Raise :class:`Conflict` where the number is taken."""

    def put_setting(self, name: str, value: bytes) -> None: ...
    def claim_digest(
        self, flow: str, sha256: bytes, message: MessageId, at: Instant, since: Instant
    ) -> MessageId:
        """Which message of a flow had this content first, after ``since``: ``message`` itself where none had."""

    def put_digest(self, flow: str, sha256: bytes, message: MessageId, at: Instant) -> None:
        """Remember content of a flow, instead of what was remembered of it."""

    def prune_digests(self, flow: str, before: Instant) -> int:
        """Forget content that was seen before ``before``; give the number."""

    def next_number(self, name: str) -> int:
        """1, 2, 3...: no number is given twice under one name."""

    def beat(self, node: str, now: Instant) -> None: ...


class Snapshot(Protocol):
    """The state of one moment.

    Attributes:
        kind: Of which database.
        view: Reads of that moment; without keys.
    """

    @property
    def kind(self) -> Kind: ...
    @property
    def view(self) -> View: ...
    def streams(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Name, and chunks, of each; read one to its end before the next."""

    def placed(self) -> Iterator[tuple[str, int]]:
        """Id, and octets of clear text, of every blob whose bytes are not in its row; in order of id."""


class Store(Protocol):
    """A database. All methods may be called from any thread.

    Attributes:
        local: Reads by key wait for no other machine and for no writer: a thread that must not wait may do them.
    """

    local: bool

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run ``work`` in one transaction and return when it is durable.

        It may be run more than once: what a run did that is not the last one is undone. So it does nothing but read and
        write through what it is given.

        Raises whatever ``work`` raises (then nothing of it is left), or :class:`StoreUnavailable`.
        """

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """The same without waiting: the future is done when the transaction is durable (or failed).

        Its callbacks run on a writer's thread: they hand over and return, and don't write themselves.
        """

    def read(self, work: Callable[[View], T], *, snapshot: bool = True) -> T:
        """Run ``work`` on the state of one moment.

        Args:
            work: Reads, and nothing else.
            snapshot: False where what it reads need not be of one moment: a look that is checked again in the
                transaction that acts on it, and is cheaper so.
        """

    def purge_keys(self, ids: Collection[str]) -> None:
        """Return when no file of the key store holds the keys of blobs whose deletion is durable, as far as the
        database can know: the implementations say what that is.

        Raises:
            StoreUnavailable: They can't be got rid of at present.
        """

    def purge_rows(self) -> None:
        """The same of what durable transactions blanked or overwrote in all other rows.

        Raises:
            StoreUnavailable: It can't be got rid of at present.
        """

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """The state of one moment, to be copied out whole while others write; it ends with the context.

        Raises:
            StoreUnavailable: It can't be had: the disk is full, or the server is away.
        """

    def wait_for_jobs(self, timeout: float, kinds: tuple[str, ...] = ()) -> None:
        """Return when another thread or node may have added a due job, or after ``timeout`` seconds.

        Args:
            timeout: Seconds.
            kinds: Of jobs, the same in every call of a thread: others need not be told of. Any where there are none.
        """

    def migrate(self) -> list[str]:
        """Apply the missing migrations, in order; give their names."""

    def pending_migrations(self) -> list[str]: ...
    def check(self) -> list[str]:
        """What is wrong with the database, a sentence each; for doctor. May take a while."""

    def close(self) -> None: ...
