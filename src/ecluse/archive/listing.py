"""The yearly summary list of EDI messages and the partner file, as the French tax code asks for them.

Code général des impôts, annex III, article 96 F, I: whoever exchanges invoices as structured messages keeps a
sequential list of all messages sent and received, with the anomalies of each, and a file of the partners. The list has
the invoice's number and date, the date and time at which the message was made, the amounts without and with tax and
their currency, what identifies sender and recipient, and the version of the software. Both are made from what the hub
knows, message by message in the order in which they were exchanged, and never held whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ecluse.archive.contents import Contents, Line, contents_of
from ecluse.errors import EcluseError, Fault
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.basics import Instant, MessageId, PartnerId, new_id
from ecluse.model.nouns import Direction, Message
from ecluse.model.states import MessageState
from ecluse.store.port import Store, View

__all__ = ["Anomaly", "Company", "Entry", "NoSuchYear", "PartnerEntry", "Recap"]

_PAGE: Final = 200
"""Messages that are read at once."""
_INVOICES: Final = frozenset({"invoice", "credit-note"})
_INVOICE_KINDS: Final = frozenset(
    {"xml:Invoice", "xml:CreditNote", "xml:CrossIndustryInvoice", "edifact", "x12"}
)
"""Kinds of documents that may be invoices, where the archive has not looked into them."""
_ANOMALIES: Final = frozenset(
    {
        "message.rejected",
        "message.quarantined",
        "message.failed",
        "message.given-up",
        "message.resent",
        "message.duplicate",
        "flow.duplicate",
        "delivery.refused",
        "delivery.dead",
        "delivery.overdue",
        "receipt.disbelieved",
        "answer.dead",
    }
)
"""Events of a message that are anomalies of its transmission."""
_MAX_ANOMALIES: Final = 20
"""Anomalies told of one message: what is retried for days says the same again and again."""


class NoSuchYear(EcluseError):
    """A year that the calendar does not have."""

    code = "archive.no-such-year"
    fault = Fault.USAGE
    remedy = "Give a year such as 2026."


@dataclass(frozen=True, slots=True)
class Company:
    """One of the two parties as the hub knows it.

    Attributes:
        name: Its name.
        ids: Its numbers, the one that it is addressed by first.
        protocols: What it is reached by.
        state: Where the relation stands.
    """

    name: str
    ids: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    state: str = ""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What went wrong with a transmission.

    Attributes:
        at: When.
        kind: The event, or ``archive.missing``, ``archive.damaged``, ``inside.cut``.
        code: Why, where that is known.
    """

    at: Instant
    kind: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list: one document of one message.

    Attributes:
        number: Its place in the list, from 1 without a gap.
        message: The message.
        line: What the document says of itself; blank where nothing is known.
        envelope: What its envelope says.
        archived: The archived document; ``None`` where it is not in the archive.
        sender: Who sent.
        recipient: Who received.
        anomalies: What went wrong, in order.
    """

    number: int
    message: Message
    line: Line
    envelope: Contents
    archived: Archived | None
    sender: Company
    recipient: Company
    anomalies: tuple[Anomaly, ...]


@dataclass(slots=True)
class PartnerEntry:
    """One line of the partner file.

    Attributes:
        partner: The hub's id.
        company: What is known of it.
        received: Messages that came from it in the year.
        sent: Messages that went to it.
        first: The first of the year.
        last: The last of the year.
        entered: When it became active; ``None`` where the log does not say.
    """

    partner: PartnerId
    company: Company
    received: int = 0
    sent: int = 0
    first: Instant | None = None
    last: Instant | None = None
    entered: Instant | None = None

    def count(self, message: Message) -> None:
        """Count a message."""
        if message.direction is Direction.IN:
            self.received += 1
        else:
            self.sent += 1
        self.first = self.first or message.created
        self.last = message.created


@dataclass(slots=True)
class Recap:
    """Reads a year. Its entries can be gone through once; the partners are known after that.

    Args:
        store: The hub's database.
        year: Of the messages' exchange, in UTC.
        own: The hub's organisation.
        company: Gives what is known of a partner.
        all_types: Not invoices and credit notes alone.
    """

    store: Store
    year: int
    own: Company
    company: Callable[[PartnerId], Company]
    all_types: bool = False
    _partners: dict[PartnerId, PartnerEntry] = field(default_factory=dict)

    def entries(self) -> Iterator[Entry]:
        """The list, in the order of exchange. Raises :class:`NoSuchYear`."""
        after, before = _first_id(self.year), _first_id(self.year + 1)
        number = 0
        while True:
            page = self.store.read(lambda view: self._page(view, after, before))  # noqa: B023 - read at once
            for message, entries in page:
                after = message.id
                if entries and message.partner:
                    self._counted(message)
                for archived, envelope, line, anomalies in entries:
                    number += 1
                    sender, recipient = self._parties(message)
                    yield Entry(number, message, line, envelope, archived, sender, recipient, anomalies)
            if len(page) < _PAGE:
                return

    def partners(self) -> list[PartnerEntry]:
        """The partners of the entries that were read, by name."""
        for entry in self._partners.values():
            entry.entered = self.store.read(lambda view, id=entry.partner: _entered(view, id))  # type: ignore[misc]
        return sorted(self._partners.values(), key=lambda each: (each.company.name.casefold(), each.partner))

    def _counted(self, message: Message) -> None:
        entry = self._partners.get(message.partner)
        if entry is None:
            entry = self._partners[message.partner] = PartnerEntry(
                message.partner, self.company(message.partner)
            )
        entry.count(message)

    def _parties(self, message: Message) -> tuple[Company, Company]:
        known = self._partners.get(message.partner)
        other = known.company if known is not None else Company("")
        return (other, self.own) if message.direction is Direction.IN else (self.own, other)

    def _page(self, view: View, after: str, before: str) -> list[tuple[Message, list[_Row]]]:
        messages = view.messages_between(after, before, _PAGE)
        if not messages:
            return []
        rows: dict[MessageId, list[Archived]] = {}
        for archived in view.archived_between(after, messages[-1].id):
            rows.setdefault(archived.message, []).append(archived)
        return [(each, self._lines(view, each, rows.get(each.id, []))) for each in messages]

    def _lines(self, view: View, message: Message, archived: list[Archived]) -> list[_Row]:
        found: list[_Row] = []
        for each in archived:
            envelope = contents_of(each)
            for line in envelope.documents or (Line(type=each.type, number=each.reference),):
                if self.all_types or line.type in _INVOICES:
                    row = (each, envelope, line, _of_archive(each, envelope))
                    found.append(row)
        if not found and not archived and self._missed(message):
            missing = Anomaly(message.created, "archive.missing")
            found.append((None, Contents(), Line(number=message.reference), (missing,)))
        if not found:
            return []
        anomalies = _of_message(view, message)
        return [(each, envelope, line, anomalies + own) for each, envelope, line, own in found]

    def _missed(self, message: Message) -> bool:
        """Whether a message that is not in the archive belongs into the list."""
        if not message.partner:
            return False
        if message.state in (MessageState.REJECTED, MessageState.QUARANTINED) and not message.parts:
            return True
        kinds = {part.kind for part in message.parts}
        return bool(kinds & _INVOICE_KINDS) or (self.all_types and bool(kinds))


_Row = tuple[Archived | None, Contents, Line, tuple[Anomaly, ...]]


def _first_id(year: int) -> str:
    if not 1971 <= year <= 9000:
        raise NoSuchYear(f"There is no list of the year {year}.")
    at = Instant(int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000)
    return new_id("m", at, bytes)


def _of_archive(archived: Archived, envelope: Contents) -> tuple[Anomaly, ...]:
    found = []
    if archived.state is ArchiveState.DAMAGED:
        found.append(Anomaly(archived.deposited, "archive.damaged"))
    if envelope.count > len(envelope.documents) > 0:
        found.append(Anomaly(archived.deposited, "inside.cut"))
    return tuple(found)


def _of_message(view: View, message: Message) -> tuple[Anomaly, ...]:
    found = []
    for logged in view.events(message.id):
        if logged.event.kind in _ANOMALIES:
            code = message.reason_code if logged.event.kind == f"message.{message.state}" else ""
            found.append(Anomaly(logged.event.at, logged.event.kind, code))
    return tuple(found[:_MAX_ANOMALIES])


def _entered(view: View, partner: PartnerId) -> Instant | None:
    events = view.events(f"partner:{partner}")
    changes = [each.event for each in events if each.event.kind == "partner.state-changed"]
    active = [each.at for each in changes if b'"active"' in each.data]
    return active[0] if active else (events[0].event.at if events else None)
