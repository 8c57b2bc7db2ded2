"""Chains: the order, the deliveries, the invoices and the payments of one trade, by the numbers that they name.

Nothing is written down for it: documents are linked by what each says of itself, whenever it is asked for, so that what
comes later is linked too, in both directions. What makes a link is its ground, and what a reader would miss or
find at odds is a remark; an audit trail is worth what these are worth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ecluse.archive.contents import Contents, contents_of
from ecluse.model.archive import Archived, ArchiveId, ArchiveState
from ecluse.model.nouns import Direction
from ecluse.store.archive_numbers import OWN, searched
from ecluse.store.port import View
from ecluse.wire.documents.facts import major_units

__all__ = ["MAX_DOCUMENTS", "Chain", "Link", "Remark", "chain", "stage"]

MAX_DOCUMENTS: Final = 200
"""Documents of one chain: a collective invoice has some dozens of deliveries."""
_MAX_MATCHES: Final = 100
"""Documents looked at that have or name one number."""

_STAGES: Final = (
    "contract",
    "order",
    "order-change",
    "order-response",
    "despatch-advice",
    "receipt-advice",
    "invoice",
    "credit-note",
    "payment",
    "receipt",
)
"""Types of documents in the order of a trade."""
_MEANS: Final = {
    "contract": ("contract",),
    "order": ("order", "order-change"),
    "sales-order": ("order-response",),
    "despatch-advice": ("despatch-advice",),
    "receipt-advice": ("receipt-advice",),
    "invoice": ("invoice", "credit-note"),
    "credit-note": ("credit-note", "invoice"),
    "payment": ("payment",),
    "text": ("invoice", "credit-note"),
}
"""Which types of documents a reference of each kind is to."""
_ENDS: Final = frozenset({"contract", "payment"})
"""Types that stand in many trades at once: a chain that comes to one does not go on from it."""
_BUYER_SENDS: Final = frozenset({"order", "order-change", "receipt-advice", "payment"})
_SELLER_SENDS: Final = frozenset({"order-response", "despatch-advice", "invoice", "credit-note"})


@dataclass(frozen=True, slots=True)
class Link:
    """One document names another one.

    Attributes:
        source: The document that names.
        target: The document that is named.
        kind: What it says that the number is of; ``same-number`` where both have one number, as a change of an order
            has that of the order.
        number: The number, as it is looked up.
        parties: Why they are of the same two parties: ``partner`` (both were exchanged with the same one), ``amount``
            or ``name`` (a payment through a bank has the amount of the invoice, or names its seller).
    """

    source: ArchiveId
    target: ArchiveId
    kind: str
    number: str
    parties: str = "partner"


@dataclass(frozen=True, slots=True)
class Remark:
    """What is missing or at odds.

    Attributes:
        code: ``missing-order``, ``no-order``, ``amount-differs``...: see :mod:`ecluse.archive.words`.
        about: The document.
        values: What the sentence needs: numbers, amounts.
    """

    code: str
    about: ArchiveId
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """What belongs together.

    Attributes:
        start: The document that was asked about.
        documents: All of them, in the order of a trade, then of days.
        links: Between these, each once.
        remarks: In the order of documents.
        cut: There are more documents than are shown.
    """

    start: ArchiveId
    documents: tuple[Archived, ...]
    links: tuple[Link, ...]
    remarks: tuple[Remark, ...]
    cut: bool


@dataclass(slots=True)
class _Found:
    documents: dict[ArchiveId, Archived] = field(default_factory=dict)
    links: dict[Link, None] = field(default_factory=dict)
    unmet: dict[ArchiveId, list[tuple[str, str]]] = field(default_factory=dict)
    twice: dict[ArchiveId, list[tuple[str, str]]] = field(default_factory=dict)
    cut: bool = False


def chain(view: View, start: Archived) -> Chain:
    """The chain that a document stands in; of a contract or a payment, what names it or is named by it."""
    found = _Found({start.id: start})
    queue = deque([start])
    while queue:
        document = queue.popleft()
        if document.type in _ENDS and document.id != start.id:
            continue
        for link, other in _links(view, document, found):
            if other.id not in found.documents:
                if len(found.documents) >= MAX_DOCUMENTS:
                    found.cut = True
                    continue
                found.documents[other.id] = other
                queue.append(other)
            found.links[link] = None
    documents = sorted(found.documents.values(), key=lambda each: (stage(each.type), each.day, each.id))
    remarks = tuple(remark for each in documents for remark in _remarks(each, found))
    return Chain(start.id, tuple(documents), tuple(found.links), remarks, found.cut)


def stage(type: str) -> int:
    """Where in a trade a document of this type stands."""
    return _STAGES.index(type) if type in _STAGES else len(_STAGES)


def _links(view: View, document: Archived, found: _Found) -> Iterator[tuple[Link, Archived]]:
    """Links of one document with others, in both directions."""
    for kind, written in document.refs:
        number = searched(written)
        if kind not in _MEANS or not number:
            continue
        wanted = {OWN + type for type in _MEANS[kind]}
        named = [each for each in _having(view, number, wanted) if each.id != document.id]
        fitting = list(_of_same_parties(document, named))
        if not fitting and kind != "text":
            found.unmet.setdefault(document.id, []).append((kind, written))
        if len([each for each, _ in fitting if each.type == _MEANS[kind][0]]) > 1:
            found.twice.setdefault(document.id, []).append((kind, written))
        for other, parties in fitting:
            yield Link(document.id, other.id, kind, number, parties), other
    own = {searched(each) for each in (document.reference, *_further(document)) if each}
    kinds = {kind for kind, types in _MEANS.items() if document.type in types}
    for number in sorted(own - {""}):
        naming = [each for each in _having(view, number, kinds) if each.id != document.id]
        for other, parties in _of_same_parties(document, naming):
            for kind in sorted(_kinds(other, number) & kinds):
                yield Link(other.id, document.id, kind, number, parties), other
        if document.type in ("order", "order-change"):
            alike = _having(view, number, {"own:order", "own:order-change"})
            for other, parties in _of_same_parties(document, alike):
                if document.type == "order" and other.type == "order-change":
                    yield Link(other.id, document.id, "same-number", number, parties), other
                elif document.type == "order-change" and other.type == "order":
                    yield Link(document.id, other.id, "same-number", number, parties), other


def _further(document: Archived) -> list[str]:
    return [number for kind, number in document.refs if kind == "own"]


def _kinds(document: Archived, number: str) -> set[str]:
    return {kind for kind, written in document.refs if searched(written) == number}


def _having(view: View, number: str, kinds: Iterable[str]) -> list[Archived]:
    wanted = set(kinds)
    ids = {id for kind, id in view.archive_kinds(number, _MAX_MATCHES) if kind in wanted}
    return sorted(view.archived_in(sorted(ids)).values(), key=lambda each: each.id)


def _of_same_parties(document: Archived, others: Iterable[Archived]) -> Iterator[tuple[Archived, str]]:
    """Those of the same two parties, and why; of two trades in opposite directions, the same one."""
    fitting = [(other, parties) for other in others if (parties := _parties(document, other))]
    side = _side(document)
    same = [each for each in fitting if side is None or _side(each[0]) in (None, side)]
    yield from same or fitting


def _parties(one: Archived, other: Archived) -> str:
    if one.partner == other.partner:
        return "partner"
    payment, paid = (one, other) if one.type == "payment" else (other, one)
    if payment.type != "payment" or paid.type not in ("invoice", "credit-note"):
        return ""
    # A payment goes through a bank, which is another partner than the one that is paid.
    if paid.amount is not None and payment.amount == paid.amount and payment.currency == paid.currency:
        return "amount"
    mine, theirs = _names(contents_of(payment)), _names(contents_of(paid))
    return "name" if mine & theirs else ""


def _names(contents: Contents) -> set[str]:
    """The sellers of the documents in a file: names, and their numbers."""
    found = {each.seller.casefold() for each in contents.documents}
    found |= {id.casefold() for each in contents.documents for id in each.seller_ids}
    return found - {""}


def _side(document: Archived) -> str | None:
    """Whether we buy or sell, as far as the document's direction says."""
    outward = document.direction is Direction.OUT
    if document.type in _BUYER_SENDS:
        return "buys" if outward else "sells"
    if document.type in _SELLER_SENDS:
        return "sells" if outward else "buys"
    return None


def _remarks(document: Archived, found: _Found) -> Iterator[Remark]:
    """What is missing or at odds about one document."""
    id = document.id
    if document.state is not ArchiveState.KEPT:
        yield Remark(document.state.value, id)
    for kind, number in found.unmet.get(id, ()):
        yield Remark(f"missing-{kind}", id, (number,))
    for kind, number in found.twice.get(id, ()):
        yield Remark("several", id, (kind, number))
    linked = _linked(id, found)
    types = {each.type for each in linked}
    reach = _reach(id, found)
    if document.type == "invoice":
        if "order" not in reach and not any(kind == "order" for kind, _ in document.refs):
            yield Remark("no-order", id)
        if not reach & {"despatch-advice", "receipt-advice"}:
            yield Remark("no-delivery", id)
        if "payment" not in types:
            yield Remark("no-payment", id)
    elif document.type == "order":
        if "invoice" not in reach:
            yield Remark("no-invoice", id)
        yield from _ordered(document, linked)
    elif document.type == "payment":
        yield from _paid(document, linked)
    elif document.type in ("despatch-advice", "credit-note") and not linked:
        yield Remark("alone", id)
    for other in linked:
        yield from _later(document, other)


def _linked(id: ArchiveId, found: _Found) -> list[Archived]:
    ends = {
        link.target if link.source == id else link.source
        for link in found.links
        if id in (link.source, link.target)
    }
    return [found.documents[each] for each in sorted(ends) if each in found.documents]


def _reach(id: ArchiveId, found: _Found) -> set[str]:
    """Types of the documents that are one or two links away: an invoice may name the delivery, and that the order."""
    near = _linked(id, found)
    return {each.type for each in near} | {
        each.type for one in near if one.type not in _ENDS for each in _linked(one.id, found)
    }


def _ordered(order: Archived, linked: list[Archived]) -> Iterator[Remark]:
    """Whether what was invoiced is what was ordered; an order has its amount with or without tax."""
    invoices = [each for each in linked if each.type in ("invoice", "credit-note")]
    if order.amount is None or not invoices or any(each.amount is None for each in invoices):
        return
    if {each.currency for each in invoices} != {order.currency}:
        yield Remark(
            "currency-differs", order.id, (order.currency, ", ".join(sorted({e.currency for e in invoices})))
        )
        return
    gross = sum(_signed(each, each.amount) for each in invoices)
    net = sum(_signed(each, _net(each)) for each in invoices)
    if order.amount not in (gross, net):
        yield Remark("amount-differs", order.id, _amounts(order.amount, gross, order.currency))


def _paid(payment: Archived, linked: list[Archived]) -> Iterator[Remark]:
    """Whether what was paid is what was invoiced, where every invoice that it names is known."""
    invoices = [each for each in linked if each.type in ("invoice", "credit-note")]
    if not invoices:
        yield Remark("nothing-paid", payment.id)
        return
    numbers = {number for kind, number in payment.refs if kind in ("invoice", "credit-note", "text")}
    if (
        payment.amount is None
        or len(numbers) != len(invoices)
        or any(each.amount is None for each in invoices)
    ):
        return
    if {each.currency for each in invoices} != {payment.currency}:
        yield Remark(
            "currency-differs",
            payment.id,
            (payment.currency, ", ".join(sorted({e.currency for e in invoices}))),
        )
        return
    due = sum(_signed(each, _due(each)) for each in invoices)
    gross = sum(_signed(each, each.amount) for each in invoices)
    if payment.amount not in (due, gross):
        yield Remark("payment-differs", payment.id, _amounts(payment.amount, gross, payment.currency))


def _signed(document: Archived, amount: int | None) -> int:
    return (amount or 0) * (-1 if document.type == "credit-note" else 1)


def _net(document: Archived) -> int | None:
    line = contents_of(document).documents[:1]
    return line[0].net if line and line[0].net is not None else document.amount


def _due(document: Archived) -> int | None:
    line = contents_of(document).documents[:1]
    return line[0].due if line and line[0].due is not None else document.amount


def _later(document: Archived, other: Archived) -> Iterator[Remark]:
    """What should have come first has the later day."""
    before, after = document, other
    if stage(before.type) >= stage(after.type) or stage(after.type) >= len(_STAGES):
        return
    if before.day and after.day and after.day < before.day and before.type != "contract":
        yield Remark("day-order", after.id, (after.day, before.type, before.day))


def _amounts(one: int, other: int, currency: str) -> tuple[str, str, str]:
    return major_units(one, currency), major_units(other, currency), currency
