"""Chains of orders, deliveries, invoices and payments, and what a reader would miss in them."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support import documents as samples
from tests.support.nouns import NOW, archived

from ecluse.archive.chains import MAX_DOCUMENTS, Chain, chain
from ecluse.archive.contents import columns, contents
from ecluse.archive.pages import chain_page
from ecluse.archive.words import LANGUAGES, remark_sentence
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.basics import Instant
from ecluse.model.nouns import Direction
from ecluse.store.open import open_store
from ecluse.store.port import Store
from ecluse.wire.documents import read

IN, OUT = Direction.IN, Direction.OUT
CONTRACT = samples.ORDERS.replace(b"ORDERS:D", b"CNTCND:D").replace(b"BGM+220+4711", b"BGM+315+FRAME-2026-08")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    opened.migrate()
    yield opened
    opened.close()


class Shelf:
    """Puts documents into an archive, as a deposit does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.count = 0

    def put(self, data: bytes, direction: Direction, partner: str = "birch", **changes: Any) -> Archived:
        self.count += 1
        n = self.count
        found = read([data])
        row = archived(
            f"a{n:04}",
            message=f"m{n:04}",
            blob=f"b{n:04}",
            direction=direction,
            partner=partner,
            deposited=NOW + n,
            sha256=sha256(data).digest(),
            body=msgspec.json.encode({"contents": contents(found)}),
            **columns(found),
        )
        row = msgspec.structs.replace(row, **changes)
        self.store.write(lambda tx: tx.add_archived(row, ()))
        return row

    def chain(self, start: Archived) -> Chain:
        return self.store.read(lambda view: chain(view, start))


@pytest.fixture
def shelf(store: Store) -> Shelf:
    return Shelf(store)


def types(found: Chain) -> list[str]:
    return [each.type for each in found.documents]


def codes(found: Chain) -> set[str]:
    return {each.code for each in found.remarks}


def test_a_whole_trade_is_one_chain_from_whichever_document(shelf: Shelf) -> None:
    order = shelf.put(samples.ORDERS, OUT)
    despatch = shelf.put(samples.UBL_DESPATCH, IN)
    receipt = shelf.put(samples.RECADV, OUT)
    invoice = shelf.put(samples.UBL_INVOICE, IN)
    payment = shelf.put(samples.PAYMUL, OUT, partner="bank")
    contract = shelf.put(CONTRACT, OUT)
    for start in (order, despatch, receipt, invoice):
        found = shelf.chain(start)
        assert types(found) == [
            "contract",
            "order",
            "despatch-advice",
            "receipt-advice",
            "invoice",
            "payment",
        ]
        assert not found.cut
    links = {(link.source, link.kind, link.target, link.parties) for link in shelf.chain(order).links}
    assert links == {
        (order.id, "contract", contract.id, "partner"),
        (despatch.id, "order", order.id, "partner"),
        (receipt.id, "despatch-advice", despatch.id, "partner"),
        (receipt.id, "order", order.id, "partner"),
        (invoice.id, "order", order.id, "partner"),
        (payment.id, "invoice", invoice.id, "amount"),
    }
    assert codes(shelf.chain(invoice)) == {"missing-sales-order"}
    assert types(shelf.chain(payment)) == types(shelf.chain(order))
    assert types(shelf.chain(contract)) == types(shelf.chain(order))


def test_what_comes_later_is_linked_too(shelf: Shelf) -> None:
    invoice = shelf.put(samples.UBL_INVOICE, IN)
    before = shelf.chain(invoice)
    assert types(before) == ["invoice"]
    assert codes(before) == {"missing-order", "no-delivery", "no-payment"}
    shelf.put(samples.ORDERS, OUT)
    assert types(shelf.chain(invoice)) == ["order", "invoice"]


def test_an_invoice_without_any_order(shelf: Shelf) -> None:
    data = samples.UBL_INVOICE.replace(b"<cac:OrderReference><cbc:ID>4711</cbc:ID></cac:OrderReference>", b"")
    assert codes(shelf.chain(shelf.put(data, IN))) == {"no-order", "no-delivery", "no-payment"}


def test_amounts_that_differ_are_told(shelf: Shelf) -> None:
    order = shelf.put(samples.ORDERS, OUT)
    shelf.put(samples.UBL_INVOICE.replace(b"4242.00", b"5000.00"), IN)
    shelf.put(samples.REMADV.replace(b"DOC+381+2026-119'MOA+12:-10.50'", b""), OUT)
    found = shelf.chain(order)
    assert {(each.code, each.values) for each in found.remarks if "differs" in each.code} == {
        ("amount-differs", ("4242.00", "5000.00", "EUR")),
        ("payment-differs", ("4231.50", "5000.00", "EUR")),
    }


def test_amounts_that_agree_with_a_credit_note_and_without_tax(shelf: Shelf) -> None:
    order = shelf.put(samples.ORDERS.replace(b"MOA+79:4242.00", b"MOA+79:4231.50"), OUT)
    shelf.put(samples.INVOIC, IN)
    found = shelf.chain(order)
    assert types(found) == ["order", "invoice"]
    assert "amount-differs" in codes(found)
    net = shelf.put(samples.ORDERS.replace(b"+4711", b"+4712"), OUT)
    shelf.put(samples.INVOIC.replace(b"ON:4711", b"ON:4712").replace(b"ON+4711", b"ON+4712"), IN)
    assert net.id not in {each.about for each in shelf.chain(net).remarks if each.code == "amount-differs"}


def test_currencies_that_differ(shelf: Shelf) -> None:
    order = shelf.put(samples.ORDERS, OUT)
    shelf.put(samples.UBL_INVOICE.replace(b"EUR", b"USD"), IN)
    assert ("currency-differs", ("EUR", "USD")) in {(e.code, e.values) for e in shelf.chain(order).remarks}


def test_what_is_dated_in_the_wrong_order(shelf: Shelf) -> None:
    order = shelf.put(samples.ORDERS, OUT)
    shelf.put(samples.UBL_INVOICE.replace(b"<cbc:IssueDate>2026-11-18", b"<cbc:IssueDate>2026-10-01"), IN)
    assert ("day-order", ("2026-10-01", "order", "2026-11-03")) in {
        (each.code, each.values) for each in shelf.chain(order).remarks
    }


def test_equal_numbers_of_other_parties_are_not_linked(shelf: Shelf) -> None:
    invoice = shelf.put(samples.UBL_INVOICE, IN)
    shelf.put(samples.ORDERS, OUT, partner="cedar")
    shelf.put(
        samples.PAYMUL.replace(b"4242.00", b"1.00").replace(b"BIRCH PACKAGING GMBH", b"CEDAR"), OUT, "bank"
    )
    assert types(shelf.chain(invoice)) == ["invoice"]


def test_a_payment_through_a_bank_is_linked_by_the_payee(shelf: Shelf) -> None:
    invoice = shelf.put(samples.UBL_INVOICE, IN)
    payment = shelf.put(samples.PAIN, OUT, "bank")
    found = shelf.chain(invoice)
    assert [(link.source, link.parties) for link in found.links] == [(payment.id, "name")]


def test_a_word_in_a_remittance_counts_where_there_is_such_an_invoice(shelf: Shelf) -> None:
    invoice = shelf.put(samples.UBL_INVOICE, OUT, "aster")
    shelf.put(samples.CAMT, IN, "bank")
    found = shelf.chain(invoice)
    assert [link.kind for link in found.links] == ["text"]
    assert "no-payment" not in codes(found)


def test_the_trade_in_the_other_direction_is_another_one(shelf: Shelf) -> None:
    theirs = shelf.put(samples.ORDERS, IN)
    ours = shelf.put(samples.ORDERS, OUT)
    invoice = shelf.put(samples.UBL_INVOICE, IN)
    found = shelf.chain(invoice)
    assert {each.id for each in found.documents} == {ours.id, invoice.id}
    assert types(shelf.chain(theirs))[0] == "order"


def test_two_documents_of_one_number_are_told(shelf: Shelf) -> None:
    shelf.put(samples.ORDERS, OUT)
    shelf.put(samples.UBL_ORDER, OUT)
    invoice = shelf.put(samples.UBL_INVOICE, IN)
    assert ("several", ("order", "4711")) in {
        (each.code, each.values) for each in shelf.chain(invoice).remarks
    }


def test_a_change_of_an_order_has_its_number(shelf: Shelf) -> None:
    order = shelf.put(samples.ORDERS, OUT)
    change = shelf.put(samples.ORDERS.replace(b"ORDERS:D", b"ORDCHG:D"), OUT)
    for start in (order, change):
        found = shelf.chain(start)
        assert [(link.source, link.kind, link.target) for link in found.links] == [
            (change.id, "same-number", order.id)
        ]


def test_a_file_with_several_invoices_is_found_by_each(shelf: Shelf) -> None:
    both = shelf.put(samples.INVOIC, IN)
    payment = shelf.put(samples.REMADV, OUT)
    found = shelf.chain(payment)
    assert {each.id for each in found.documents} == {both.id, payment.id}


def test_a_payment_of_many_does_not_join_their_trades(shelf: Shelf) -> None:
    first = shelf.put(samples.UBL_INVOICE, IN)
    shelf.put(samples.UBL_INVOICE.replace(b">2026-118<", b">2026-119<").replace(b"4711", b"4800"), IN)
    shelf.put(samples.REMADV, OUT)
    assert types(shelf.chain(first)) == ["invoice", "payment"]


def test_destroyed_and_damaged_documents_stay_in_the_chain(shelf: Shelf) -> None:
    shelf.put(samples.ORDERS, OUT, state=ArchiveState.DISPOSED)
    invoice = shelf.put(samples.UBL_INVOICE, IN, state=ArchiveState.DAMAGED)
    found = shelf.chain(invoice)
    assert types(found) == ["order", "invoice"]
    assert {"disposed", "damaged"} <= codes(found)


def test_a_chain_has_an_end(shelf: Shelf) -> None:
    order = shelf.put(samples.ORDERS, OUT)
    for n in range(MAX_DOCUMENTS + 5):
        shelf.put(samples.UBL_INVOICE.replace(b">2026-118<", b">R-%d<" % n), IN)
    found = shelf.chain(order)
    assert len(found.documents) <= MAX_DOCUMENTS


def test_the_page_is_whole_in_each_language_and_escaped(shelf: Shelf) -> None:
    order = shelf.put(samples.ORDERS.replace(b"4711", b"<script>alert(1)</script>"), OUT)
    shelf.put(samples.UBL_INVOICE.replace(b">4711<", b">&lt;script&gt;alert(1)&lt;/script&gt;<"), IN)
    for language in LANGUAGES:
        text = "".join(chain_page(shelf.chain(order), language, "aster", Instant(NOW)))
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
        assert text.endswith("</html>\n")
        assert f'lang="{language}"' in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_remark_has_a_sentence(language: Any) -> None:
    for code, values in {
        "missing-order": ("1",),
        "missing-text": ("1",),
        "several": ("order", "1"),
        "day-order": ("2026-01-01", "order", "2026-02-01"),
        "amount-differs": ("1", "2", "EUR"),
        "payment-differs": ("1", "2", "EUR"),
        "currency-differs": ("EUR", "USD"),
        "no-order": (),
        "no-delivery": (),
        "no-payment": (),
        "no-invoice": (),
        "nothing-paid": (),
        "alone": (),
        "damaged": (),
        "disposed": (),
    }.items():
        sentence = remark_sentence(code, values, language)
        assert sentence.endswith(".")
        assert "{" not in sentence
