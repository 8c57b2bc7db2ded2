"""Comparing what the rows and bytes of messages are with what the log says of them.

The log has the digests of documents, of what was sent, of receipts and of answers; the rows have the things
themselves. What was erased on purpose is told by a record, and is not missed.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Protocol

import msgspec

from ecluse.errors import EcluseError
from ecluse.evidence.record import decode_leaf
from ecluse.evidence.states import IMPORTED, compare_state
from ecluse.evidence.verify import Problem
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Answer, Delivery, Direction, LoggedEvent, Message, Receipt
from ecluse.model.states import DeliveryState
from ecluse.store.port import Store, View
from ecluse.typed import from_json
from ecluse.wire.smime.headers import field_block

__all__ = ["BEGINNINGS", "Bytes", "missing_messages", "verify_bytes", "verify_messages", "verify_versions"]

BEGINNINGS: Final = frozenset(
    {"message.received", "message.accepted", "message.quarantined", "message.rejected"}
)
"""Kinds of records that a message's life begins with."""

_PAGE: Final = 200

_RECEIPT_KINDS: Final = frozenset(
    {"delivery.confirmed", "delivery.refused", "receipt.repeated", "receipt.kept"}
)
_DELIVERY: Final = "delivery."
_REOPENING: Final = frozenset({"message.resent", "message.resumed", "message.released", "message.accepted"})
"""Kinds after which deliveries that were over may be under way again."""

_SHREDDED: Final = "message.shredded"


class Bytes(Protocol):
    """An opened blob."""

    def chunks(self, offset: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Its clear octets."""


@dataclass(slots=True)
class _Told:
    """What the records of one message say."""

    parts: list[str] | None = None
    wire: str = ""
    entity: str = ""
    headers: str = ""
    signature: str = ""
    accepted: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] | None = None
    receipts: dict[str, tuple[str, str]] = field(default_factory=dict)
    unnamed: int = 0
    deliveries: dict[str, str] = field(default_factory=dict)
    reopened: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    left_out: frozenset[int] = frozenset()

    @classmethod
    def by(cls, events: list[LoggedEvent]) -> _Told:
        told = cls()
        for logged in events:
            kind = logged.event.kind
            if not kind.startswith(("message.", _DELIVERY, "receipt.")):
                continue
            try:
                data: dict[str, Any] = msgspec.json.decode(decode_leaf(logged.leaf).data)
            except EcluseError:
                continue  # `verify_log` names it
            told._take(kind, data)
        return told

    def _take(self, kind: str, data: dict[str, Any]) -> None:
        if kind in BEGINNINGS and "protocol_id" in data:
            self.accepted = data
        if isinstance(data.get("sha256"), list) and kind.startswith("message."):
            self.parts = data["sha256"]
        if "wire_sha256" in data and kind == "message.sealed":
            self.wire = data["wire_sha256"]
        if "entity_sha256" in data:
            self.entity = data["entity_sha256"]
            self.headers = data.get("headers_sha256", "")
            self.signature = data.get("signature_sha256", "")
        if "answer_sha256" in data:
            self.answer = data
        if kind == IMPORTED:
            self.gone.update(data.get("gone", ()))
            self.left_out = frozenset(data.get("left_out", ()))
        if kind == _SHREDDED:
            self.gone.update(data.get("classes", ("payload", "wire")))
        if kind.startswith(_DELIVERY) and isinstance(data.get("delivery"), str):
            self.deliveries[data["delivery"]] = kind
            self.reopened.discard(data["delivery"])
        if kind in _REOPENING:
            self.reopened.update(self.deliveries)
        if kind in _RECEIPT_KINDS and "verdict" in data:
            if "receipt_sha256" in data:
                self.receipts[data["receipt_sha256"]] = (kind, data["verdict"])
            else:
                self.unnamed += 1


def verify_messages(store: Store) -> Iterator[Problem]:
    """Everything about messages that the rows say and the log says otherwise; newest message first.

    An event's columns are believed here: :func:`~ecluse.evidence.verify.verify_log` says whether they may be.
    Raises :class:`~ecluse.store.port.StoreUnavailable`.
    """
    before = None
    while True:
        messages, problems = store.read(lambda view, before=before: _page(view, before))  # type: ignore[misc]
        yield from problems
        if len(messages) < _PAGE:
            return
        before = messages[-1].id


def verify_versions(store: Store) -> Iterator[Problem]:
    """Every version of the configuration that is not there, or not what was recorded when it was applied."""
    newest = store.read(lambda view: view.config_number())
    for number in range(1, newest + 1):
        version, events = store.read(
            lambda view, number=number: (view.config(number), view.events(f"config:{number}"))  # type: ignore[misc]
        )
        if version is None:
            yield Problem(
                "version-missing", f"The configuration's version {number} is not there.", differs="row"
            )
            continue
        digest = sha256(msgspec.json.encode(dict(version.files), order="deterministic")).hexdigest()
        for logged in events:
            try:
                data = msgspec.json.decode(decode_leaf(logged.leaf).data)
            except EcluseError:
                continue
            if data.get("files_sha256", digest) != digest:
                cause = f"The files of the configuration's version {number} are not those that were applied."
                yield Problem("version-altered", cause, logged.index, logged.event.id, "files")


def missing_messages(store: Store, logged: list[LoggedEvent]) -> Iterator[Problem]:
    """Messages that records tell of and that have no row."""
    wanted = {each.event.subject: each for each in logged if each.event.kind in BEGINNINGS}
    if not wanted:
        return
    for subject in store.read(
        lambda view: [name for name in wanted if view.message(MessageId(name)) is None]
    ):
        each = wanted[subject]
        cause = f"Record {each.index} tells of {subject}, and there is no such message."
        yield Problem("message-missing", cause, each.index, each.event.id, "row")


def verify_bytes(
    store: Store, open_blob: Callable[[str], AbstractContextManager[Bytes]], progress: Callable[[int], None]
) -> Iterator[Problem]:
    """Read the bytes of every document and of everything that was sent, and compare their digests with the rows'.

    Args:
        store: The database.
        open_blob: Opens a blob.
        progress: Told how many octets were read since it was called last.
    """
    before = None
    while True:
        page = store.read(lambda view, before=before: view.messages(before=before, limit=_PAGE))  # type: ignore[misc]
        for message in page:
            told = _Told.by(store.read(lambda view, id=message.id: view.events(id)))  # type: ignore[misc]
            gone = told.gone
            if "payload" not in gone and not message.shredded:
                for number, part in enumerate(message.parts):
                    if number in told.left_out:
                        continue
                    what = f"Document {number + 1} of {message.id}"
                    yield from _read(
                        what, part.blob, part.offset, part.size, part.sha256, open_blob, progress
                    )
            if message.wire_blob and "wire" not in gone and not message.shredded:
                row = store.read(lambda view, id=message.wire_blob: view.blob(id))  # type: ignore[misc]
                if row is not None:
                    what = f"What was sent or came of {message.id}"
                    digest = told.entity if message.direction is Direction.IN else told.wire
                    digest = digest or row.sha256.hex()
                    yield from _read(what, row.id, 0, row.size, digest, open_blob, progress)
        if len(page) < _PAGE:
            return
        before = page[-1].id


def _read(
    what: str,
    blob: str,
    offset: int,
    size: int,
    digest: str,
    open_blob: Callable[[str], AbstractContextManager[Bytes]],
    progress: Callable[[int], None],
) -> Iterator[Problem]:
    found = sha256()
    try:
        with open_blob(blob) as reader:
            for chunk in reader.chunks(offset, size):
                found.update(chunk)
                progress(len(chunk))
    except EcluseError as error:
        yield Problem("bytes-damaged", f"{what} can't be read: {error.cause}", differs="bytes")
        return
    if digest and found.hexdigest() != digest:
        yield Problem("bytes-altered", f"{what} is not what it was: its digest is another.", differs="bytes")


def _page(view: View, before: str | None) -> tuple[list[Message], list[Problem]]:
    messages = view.messages(before=before, limit=_PAGE)  # type: ignore[arg-type]
    return messages, [problem for message in messages for problem in _compare(view, message)]


def _compare(view: View, message: Message) -> Iterator[Problem]:
    events = view.events(message.id)
    state = compare_state(message, events)
    if state is not None:
        yield state
    told = _Told.by(events)
    yield from _row(message, told)
    yield from _deliveries(message, view.deliveries(message.id), told)
    if "receipts" not in told.gone:
        yield from _receipts(message, view.receipts(message.id), told)
        yield from _answer(message, view.answer(message.id), told)
    yield from _blobs(view, message, told)


def _row(message: Message, told: _Told) -> Iterator[Problem]:
    if told.parts is not None and told.parts != [part.sha256 for part in message.parts]:
        yield _differs(
            "parts", f"The digests of the documents of {message.id} are not those that were recorded."
        )
    said = told.accepted
    pairs = [("partner", message.partner), ("protocol", message.protocol)]
    if "names" not in told.gone:
        pairs.append(("protocol_id", message.protocol_id))
    for name, value in pairs:
        recorded = said.get(name, value)
        if recorded != value and not str(recorded).startswith("hmac-sha256:"):
            yield _differs(name, f"The row of {message.id} says another {name} than its record.")
    if "names" not in told.gone and told.headers:
        yield from _wire(message, told)
    direction = said.get("direction", message.direction.value)
    if direction != message.direction.value:
        yield _differs("direction", f"The row of {message.id} says another direction than its record.")


class _Wire(msgspec.Struct):
    """What of a message's protocol facts the log has digests of."""

    headers: list[tuple[str, str]] = []
    signature: str = ""


def _wire(message: Message, told: _Told) -> Iterator[Problem]:
    try:
        facts = from_json(message.wire, _Wire)
        headers = sha256(field_block(facts.headers)).hexdigest()
        signature = sha256(a2b_base64(facts.signature)).hexdigest() if facts.signature else ""
    except (msgspec.DecodeError, ValueError, RecursionError):
        yield _differs("wire", f"The protocol facts of {message.id} can't be read.")
        return
    if headers != told.headers:
        yield _differs("wire", f"The headers of {message.id} are not those that were recorded.")
    if signature and told.signature and signature != told.signature:
        yield _differs("wire", f"The signature of {message.id} is not the one that was recorded.")


def _deliveries(message: Message, rows: list[Delivery], told: _Told) -> Iterator[Problem]:
    known = {row.id: row for row in rows}
    for id in told.deliveries:
        if id not in known:
            yield Problem(
                "delivery-missing", f"Records of {message.id} tell of {id}, which has no row.", differs="row"
            )
    for id, row in known.items():
        last = told.deliveries.get(id, "")
        confirmed = row.state is DeliveryState.CONFIRMED
        if confirmed != (last == "delivery.confirmed") and (confirmed or id not in told.reopened):
            recorded = last or "nothing"
            cause = f"The row of {id} of {message.id} says {row.state.value}, its last record {recorded}."
            yield Problem("delivery-differs", cause, differs="state")


def _receipts(message: Message, rows: list[Receipt], told: _Told) -> Iterator[Problem]:
    strange = 0
    seen = set()
    for row in rows:
        digest = sha256(row.headers + b"\r\n" + row.body).hexdigest()
        recorded = told.receipts.get(digest)
        if recorded is None:
            strange += 1
            continue
        seen.add(digest)
        kind, verdict = recorded
        if row.verdict != verdict or (kind in _VERDICTS and row.positive is not _VERDICTS[kind]):
            yield _differs(
                "verdict", f"The row of a receipt of {message.id} says another verdict than its record."
            )
    if strange > told.unnamed:
        yield Problem(
            "receipt-altered", f"{strange} receipts of {message.id} are not those recorded.", differs="body"
        )
    if lost := len(told.receipts) - len(seen):
        yield Problem(
            "receipt-missing",
            f"{lost} receipts of {message.id} were recorded and are not there.",
            differs="row",
        )


_VERDICTS: Final = {"delivery.confirmed": True, "delivery.refused": False}


def _answer(message: Message, row: Answer | None, told: _Told) -> Iterator[Problem]:
    said = told.answer
    if said is None:
        return
    if row is None:
        yield Problem("answer-missing", f"Our answer to {message.id} is not there.", differs="row")
        return
    if sha256(row.body).hexdigest() != said["answer_sha256"]:
        yield Problem(
            "answer-altered", f"Our answer to {message.id} is not the recorded one.", differs="body"
        )
    headers = said.get("answer_headers_sha256")
    if headers is not None and sha256(field_block(row.headers)).hexdigest() != headers:
        yield Problem(
            "answer-altered",
            f"The headers of our answer to {message.id} are not the recorded ones.",
            differs="headers",
        )
    if said.get("answer_positive", row.positive) is not row.positive:
        yield _differs(
            "positive", f"The row of our answer to {message.id} says another verdict than its record."
        )


def _blobs(view: View, message: Message, told: _Told) -> Iterator[Problem]:
    if message.shredded and not told.gone:
        yield Problem(
            "shredding-unrecorded", f"No record says that {message.id} was shredded.", differs="shredded"
        )
    wanted = set()
    if "payload" not in told.gone and not message.shredded:
        wanted = {part.blob for number, part in enumerate(message.parts) if number not in told.left_out}
    if message.wire_blob and "wire" not in told.gone and not message.shredded:
        wanted.add(message.wire_blob)
    found = view.blobs(sorted(wanted)) if wanted else {}
    for blob in sorted(wanted - found.keys()):
        cause = f"The row or the key of {blob} of {message.id} is not there, and no record says that it was deleted."
        yield Problem("blob-missing", cause, differs="blob")
    held = found.get(message.wire_blob)
    if held is not None and told.wire and held[0].sha256.hex() != told.wire:
        yield Problem(
            "blob-altered", f"What was sent of {message.id} is not what was recorded.", differs="sha256"
        )
    for part in message.parts:
        row = found.get(part.blob)
        whole = row is not None and part.offset == 0 and part.size == row[0].size
        if row is not None and whole and row[0].sha256 and row[0].sha256.hex() != part.sha256:
            yield Problem(
                "blob-altered",
                f"The row of {part.blob} has another digest.",
                differs="sha256",
            )


def _differs(column: str, cause: str) -> Problem:
    return Problem("row-differs", cause, differs=column)
