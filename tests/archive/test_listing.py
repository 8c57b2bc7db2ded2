"""The yearly list of messages and the file of partners."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support import documents as samples
from tests.support.nouns import archived, message

from ecluse.archive.contents import columns, contents
from ecluse.archive.listing import Company, NoSuchYear, Recap
from ecluse.archive.listing_forms import (
    COLUMNS,
    PARTNER_COLUMNS,
    list_csv,
    list_page,
    partners_csv,
    partners_page,
)
from ecluse.archive.words import LANGUAGES
from ecluse.evidence.record import encode_leaf
from ecluse.model.archive import ArchiveState
from ecluse.model.basics import Instant, new_id
from ecluse.model.nouns import Direction, Event, Part
from ecluse.model.states import MessageState
from ecluse.store.open import open_store
from ecluse.store.port import Store
from ecluse.wire.documents import read

OWN = Company("Aster Foods SAS", ("ASTER",))


def at(text: str) -> Instant:
    return Instant(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    opened.migrate()
    yield opened
    opened.close()


class Year:
    """Puts messages into a store as they were exchanged."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.count = 0

    def exchanged(
        self, when: str, data: bytes = b"", *, events: tuple[str, ...] = (), kept: bool = True, **changes: Any
    ) -> str:
        self.count += 1
        moment = at(when)
        id = new_id("m", moment, lambda n: self.count.to_bytes(n, "big"))
        row = message(id, created=moment, updated=moment, protocol_id=id, **changes)
        found = read([data])
        document = archived(
            f"a{self.count:04}",
            message=id,
            blob=f"b{self.count}",
            partner=row.partner,
            direction=row.direction,
            body=msgspec.json.encode({"contents": contents(found)}),
            state=ArchiveState.DAMAGED if "damaged" in events else ArchiveState.KEPT,
            **columns(found),
        )

        def work(tx: Any) -> None:
            tx.add_message(row)
            if data and kept:
                tx.add_archived(document, ())
            for number, kind in enumerate(events):
                if kind != "damaged":
                    event = Event(f"e{self.count:020}{number:06}", moment, kind, id, "hub", "one", b"{}")
                    tx.append_event(event.id, kind, id, moment, encode_leaf(event, b"\0" * 16))

        self.store.write(work)
        return id

    def recap(self, year: int = 2026, **changes: Any) -> Recap:
        return Recap(
            self.store,
            year,
            OWN,
            lambda id: Company(f"{id} & Co", (id.upper(),), ("as2",), "active"),
            **changes,
        )


@pytest.fixture
def year(store: Store) -> Year:
    made = Year(store)
    made.exchanged("2025-12-31T23:59:59", samples.UBL_INVOICE)
    made.exchanged("2026-01-01T00:00:00", samples.INVOIC)
    made.exchanged(
        "2026-02-01T10:00:00", samples.UBL_INVOICE, direction=Direction.OUT, events=("delivery.overdue",)
    )
    made.exchanged("2026-03-01T10:00:00", samples.ORDERS, partner="cedar")
    made.exchanged(
        "2026-04-01T10:00:00",
        partner="cedar",
        state=MessageState.REJECTED,
        reason_code="as2.decryption-failed",
        events=("message.rejected",),
    )
    made.exchanged(
        "2026-05-01T10:00:00",
        samples.UBL_INVOICE,
        kept=False,
        parts=(Part(blob="b1", offset=0, size=1, sha256="0" * 64, kind="xml:Invoice"),),
    )
    made.exchanged(
        "2026-06-01T10:00:00", samples.UBL_INVOICE.replace(b">2026-118<", b">=cmd()<"), events=("damaged",)
    )
    made.exchanged("2027-01-01T00:00:00", samples.UBL_INVOICE)
    return made


def test_the_invoices_of_a_year_in_the_order_of_exchange(year: Year) -> None:
    entries = list(year.recap().entries())
    assert [(each.number, each.line.number, each.line.type) for each in entries] == [
        (1, "2026-118", "invoice"),
        (2, "2026-119", "credit-note"),
        (3, "2026-118", "invoice"),
        (4, "", ""),
        (5, "", ""),
        (6, "=cmd()", "invoice"),
    ]
    assert [[anomaly.kind for anomaly in each.anomalies] for each in entries] == [
        [],
        [],
        ["delivery.overdue"],
        ["message.rejected", "archive.missing"],
        ["archive.missing"],
        ["archive.damaged"],
    ]
    assert entries[3].anomalies[0].code == "as2.decryption-failed"
    assert (entries[0].sender.name, entries[0].recipient.name) == ("birch & Co", "Aster Foods SAS")
    assert (entries[2].sender.name, entries[2].recipient.name) == ("Aster Foods SAS", "birch & Co")


def test_every_type_where_that_is_asked_for(year: Year) -> None:
    assert "order" in {each.line.type for each in year.recap(all_types=True).entries()}


def test_csv_can_be_read_again_in_each_language(year: Year) -> None:
    english = list(csv.DictReader(io.StringIO("".join(list_csv(year.recap().entries(), "en", "ecluse 1.0")))))
    assert english[0] == {
        "No.": "1",
        "Direction": "received",
        "Document": "invoice",
        "Document number": "2026-118",
        "Document date": "2026-11-18",
        "Message made": "2026-11-18T11:00",
        "Sent or received": "2026-01-01T00:00:00.000Z",
        "Amount without tax": "4242.00",
        "Amount with tax": "5048.00",
        "Currency": "EUR",
        "Sender": "birch & Co",
        "Sender's id": "BIRCH",
        "Recipient": "Aster Foods SAS",
        "Recipient's id": "ASTER",
        "Standard and version": "UN/EDIFACT INVOIC D:96A:UN:EAN008",
        "Software": "ecluse 1.0",
        "Interchange": "5003",
        "Anomalies": "",
        "Message": english[0]["Message"],
        "Archive id": "a0002",
        "SHA-256": "ab" * 32,
    }
    assert english[5]["Document number"] == "'=cmd()"
    text = "".join(list_csv(year.recap().entries(), "fr", "ecluse 1.0"))
    french = list(csv.reader(io.StringIO(text), delimiter=";"))
    assert len(french) == 7
    assert all(len(row) == len(COLUMNS) for row in french)
    assert (french[1][7], french[1][8]) == ("4242,00", "5048,00")
    assert french[4][17] == (
        "2026-04-01T10:00:00.000Z rejeté [as2.decryption-failed]; 2026-04-01T10:00:00.000Z absent de l'archive"
    )


def test_the_partners_of_the_year(year: Year) -> None:
    recap = year.recap()
    assert recap.partners() == []
    assert len(list(recap.entries())) == 6
    partners = recap.partners()
    assert [(each.partner, each.received, each.sent) for each in partners] == [
        ("birch", 3, 1),
        ("cedar", 1, 0),
    ]
    rows = list(csv.reader(io.StringIO("".join(partners_csv(partners, "en")))))
    assert len(rows[0]) == len(PARTNER_COLUMNS)
    assert rows[1][:5] == ["birch", "birch & Co", "BIRCH", "sender and recipient", "as2"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages(year: Year, language: Any) -> None:
    recap = year.recap()
    text = "".join(list_page(recap.entries(), language, "ecluse 1.0", 2026, "Aster", at("2027-01-05")))
    assert text.count("<tr>") == 7
    assert "birch &amp; Co" in text
    page = "".join(partners_page(recap.partners(), language, 2026, "Aster", at("2027-01-05")))
    assert page.count("<tr>") == 3


def test_more_messages_than_are_read_at_once(store: Store) -> None:
    made = Year(store)
    for n in range(450):
        made.exchanged(f"2026-01-{n % 28 + 1:02}T10:00:00", samples.UBL_INVOICE)
    assert [each.number for each in made.recap().entries()] == list(range(1, 451))


def test_a_year_that_is_none(store: Store) -> None:
    with pytest.raises(NoSuchYear):
        next(Year(store).recap(year=99999).entries())
