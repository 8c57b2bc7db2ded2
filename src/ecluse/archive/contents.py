"""What the archive knows of a document's inside: the columns it is searched by, and each document of one file.

A file may carry many documents (an interchange with a month's invoices). The columns are those of the first one; every
number of the others stands among the references (``own``), and all that is known of each in the body, under
``contents``.
"""

from __future__ import annotations

from typing import Final, TypedDict

import msgspec

from ecluse.model.archive import Archived
from ecluse.typed import json_decoder
from ecluse.wire.documents.facts import DocumentFacts, DocumentType, Interchange

__all__ = ["Columns", "Contents", "Line", "columns", "contents", "contents_of"]

OWN: Final = "own"
"""Kind of the references that are numbers of further documents in the same file."""


class Columns(TypedDict):
    """The columns of :class:`~ecluse.model.archive.Archived` that a document itself fills."""

    type: str
    reference: str
    refs: tuple[tuple[str, str], ...]
    day: str
    amount: int | None
    currency: str


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document of a file; its fields are those of :class:`~ecluse.wire.documents.DocumentFacts`."""

    type: str = ""
    format: str = ""
    message: str = ""
    version: str = ""
    number: str = ""
    day: str = ""
    amount: int | None = None
    net: int | None = None
    due: int | None = None
    currency: str = ""
    seller: str = ""
    seller_ids: tuple[str, ...] = ()
    buyer: str = ""
    buyer_ids: tuple[str, ...] = ()
    refs: tuple[tuple[str, str], ...] = ()


class Contents(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came in one file; its fields are those of :class:`~ecluse.wire.documents.Interchange`."""

    sender: str = ""
    recipient: str = ""
    reference: str = ""
    prepared: str = ""
    test: bool = False
    count: int = 0
    documents: tuple[Line, ...] = ()


class _Body(msgspec.Struct, frozen=True):
    contents: Contents = Contents()


_decode = json_decoder(_Body).decode


def columns(interchange: Interchange) -> Columns:
    """The columns of an archived document, blank where nothing was recognised.

    A document that is recognised and is none of a trade is ``other``.
    """
    first = interchange.first
    refs = {(str(ref.kind), ref.number): None for each in interchange.documents for ref in each.refs}
    more = {(OWN, each.number): None for each in interchange.documents[1:] if each.number}
    return {
        "type": str(first.type) if first.format else "",
        "reference": first.number,
        "refs": (*refs, *more),
        "day": first.day,
        "amount": first.amount,
        "currency": first.currency,
    }


def contents(interchange: Interchange) -> Contents:
    """What stands in the body under ``contents``."""
    lines = tuple(_line(each, many=len(interchange.documents) > 1) for each in interchange.documents)
    return Contents(
        interchange.sender,
        interchange.recipient,
        interchange.reference,
        interchange.prepared,
        interchange.test,
        interchange.count,
        lines,
    )


def contents_of(archived: Archived) -> Contents:
    """What is known of an archived document's inside; one line of its columns where the body says nothing."""
    try:
        found = _decode(archived.body).contents
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = Contents()
    if found.documents or archived.type in ("", DocumentType.OTHER):
        return found
    line = Line(
        type=archived.type,
        number=archived.reference,
        day=archived.day,
        amount=archived.amount,
        currency=archived.currency,
        refs=archived.refs,
    )
    return Contents(count=1, documents=(line,))


def _line(facts: DocumentFacts, many: bool) -> Line:
    return Line(
        str(facts.type),
        facts.format,
        facts.message,
        facts.version,
        facts.number,
        facts.day,
        facts.amount,
        facts.net,
        facts.due,
        facts.currency,
        facts.seller.name,
        facts.seller.ids,
        facts.buyer.name,
        facts.buyer.ids,
        # Of a file with one document, they stand in the column already.
        tuple((str(ref.kind), ref.number) for ref in facts.refs) if many else (),
    )
