"""The summary list and the partner file as CSV (RFC 4180) and as printable pages, in English and in French."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from ecluse.archive.listing import Anomaly, Entry, PartnerEntry
from ecluse.archive.pages import page, table
from ecluse.archive.words import LANGUAGES, Language, type_name, word
from ecluse.model.basics import Instant, iso
from ecluse.wire.documents.facts import major_units

__all__ = ["anomaly_sentence", "entry_row", "list_csv", "list_page", "partners_csv", "partners_page"]

COLUMNS: Final = (
    "no",
    "direction",
    "document type",
    "document number",
    "document date",
    "message date",
    "exchanged",
    "net",
    "gross",
    "currency",
    "sender",
    "sender id",
    "recipient",
    "recipient id",
    "standard",
    "software",
    "interchange",
    "anomalies",
    "message",
    "archive id",
    "digest",
)
"""What the list has of each message."""
PARTNER_COLUMNS: Final = (
    "partner id",
    "name",
    "ids",
    "role",
    "protocols",
    "state",
    "entered",
    "left",
    "received",
    "sent",
)
_NUMBERS: Final = frozenset({0, 7, 8})
_STANDARDS: Final = {"edifact": "UN/EDIFACT", "x12": "ANSI X12", "ubl": "UBL", "cii": "UN/CEFACT CII"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula (OWASP, CSV injection)."""
_SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "message.rejected": ("rejected", "rejeté"),
    "message.quarantined": ("stopped in quarantine", "mis en quarantaine"),
    "message.failed": ("delivery failed", "échec de la remise"),
    "message.given-up": ("given up", "abandonné"),
    "message.resent": ("sent again", "réémis"),
    "message.duplicate": ("received twice", "reçu en double"),
    "flow.duplicate": ("same content as before", "contenu déjà reçu"),
    "delivery.refused": ("refused by the recipient", "refusé par le récepteur"),
    "delivery.dead": ("attempts exhausted", "tentatives épuisées"),
    "delivery.overdue": ("receipt overdue", "accusé de réception en retard"),
    "receipt.disbelieved": ("receipt that proves nothing", "accusé de réception non probant"),
    "answer.dead": ("our receipt could not be sent", "notre accusé de réception n'a pu être émis"),
    "archive.missing": ("not in the archive", "absent de l'archive"),
    "archive.damaged": ("archived bytes damaged", "octets archivés endommagés"),
    "inside.cut": (
        "more documents in the file than are listed",
        "le fichier contient plus de documents que la liste",
    ),
}


def anomaly_sentence(anomaly: Anomaly, language: Language) -> str:
    """An anomaly in few words, with its time."""
    said = _SENTENCES[anomaly.kind][LANGUAGES.index(language)]
    code = f" [{anomaly.code}]" if anomaly.code else ""
    return f"{iso(anomaly.at)} {said}{code}"


def entry_row(entry: Entry, language: Language, software: str) -> tuple[str, ...]:
    """One line of the list, in the order of the columns."""
    line, envelope = entry.line, entry.envelope
    standard = " ".join(filter(None, (_STANDARDS.get(line.format, line.format), line.message, line.version)))
    senders = envelope.sender or ", ".join(entry.sender.ids)
    recipients = envelope.recipient or ", ".join(entry.recipient.ids)
    archived = entry.archived
    return (
        str(entry.number),
        word(entry.message.direction.value, language),
        type_name(line.type, language),
        line.number,
        line.day,
        envelope.prepared or iso(entry.message.created),
        iso(entry.message.created),
        _money(line.net, line.currency, language),
        _money(line.amount, line.currency, language),
        line.currency,
        entry.sender.name,
        senders,
        entry.recipient.name,
        recipients,
        standard,
        software,
        envelope.reference,
        "; ".join(anomaly_sentence(each, language) for each in entry.anomalies),
        entry.message.id,
        archived.id if archived is not None else "",
        archived.sha256.hex() if archived is not None else "",
    )


def list_csv(entries: Iterable[Entry], language: Language, software: str) -> Iterator[str]:
    """The list as CSV: with commas and points in English, with semicolons and decimal commas in French."""
    rows = (_guarded(entry_row(each, language, software)) for each in entries)
    return _csv(COLUMNS, rows, language)


def list_page(
    entries: Iterable[Entry], language: Language, software: str, year: int, hub: str, at: Instant
) -> Iterator[str]:
    """The list as a printable page."""
    shown = len(COLUMNS) - 1  # the digest is for programs
    rows = (entry_row(each, language, software)[:shown] for each in entries)
    titles = [word(each, language) for each in COLUMNS[:shown]]
    title = word("recap", language, year=year)
    return page(title, language, _made(hub, at, language, table(titles, rows, _NUMBERS)))


def partners_csv(partners: Iterable[PartnerEntry], language: Language) -> Iterator[str]:
    """The partner file as CSV."""
    return _csv(PARTNER_COLUMNS, (_guarded(_partner_row(each, language)) for each in partners), language)


def partners_page(
    partners: Iterable[PartnerEntry], language: Language, year: int, hub: str, at: Instant
) -> Iterator[str]:
    """The partner file as a printable page."""
    titles = [word(each, language) for each in PARTNER_COLUMNS]
    rows = (_partner_row(each, language) for each in partners)
    title = word("partners", language, year=year)
    return page(title, language, _made(hub, at, language, table(titles, rows, frozenset({8, 9}))))


def _partner_row(entry: PartnerEntry, language: Language) -> tuple[str, ...]:
    role = "both" if entry.received and entry.sent else ("sends" if entry.received else "receives")
    company = entry.company
    ended = company.state in ("retired", "suspended")
    return (
        entry.partner,
        company.name,
        ", ".join(company.ids),
        word(role, language),
        ", ".join(company.protocols),
        company.state,
        _time(entry.entered or entry.first),
        _time(entry.last) if ended else "",
        str(entry.received),
        str(entry.sent),
    )


def _time(at: Instant | None) -> str:
    return iso(at) if at is not None else ""


def _made(hub: str, at: Instant, language: Language, parts: Iterator[str]) -> Iterator[str]:
    yield f'<p class="small">{escape(word("made", language, at=iso(at), hub=hub))}</p>\n'
    yield from parts


def _money(minor: int | None, currency: str, language: Language) -> str:
    if minor is None:
        return ""
    text = major_units(minor, currency)
    return text.replace(".", ",") if language == "fr" else text


def _guarded(row: tuple[str, ...]) -> tuple[str, ...]:
    """What a partner wrote is text to a spreadsheet, and no formula; an amount below zero is one of ours."""
    return tuple(
        f"'{text}" if text.startswith(_FORMULA) and place not in _NUMBERS else text
        for place, text in enumerate(row)
    )


class _Lines:
    """Takes what a CSV writer writes, and gives it on."""

    def __init__(self) -> None:
        self._written: list[str] = []

    def write(self, text: str) -> int:
        """For the writer."""
        self._written.append(text)
        return len(text)

    def take(self) -> str:
        """What was written since."""
        text = "".join(self._written)
        self._written.clear()
        return text


def _csv(titles: Iterable[str], rows: Iterable[tuple[str, ...]], language: Language) -> Iterator[str]:
    lines = _Lines()
    writer = csv.writer(lines, delimiter=";" if language == "fr" else ",", lineterminator="\r\n")
    writer.writerow([word(each, language) for each in titles])
    yield lines.take()
    for row in rows:
        writer.writerow(row)
        yield lines.take()
