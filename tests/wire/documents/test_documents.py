"""What documents of each format say of themselves."""

from __future__ import annotations

import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import documents as samples

from ecluse.wire.documents import BLANK, DocumentReader, facts, read
from ecluse.wire.documents.facts import MAX_DOCUMENTS, MAX_REFERENCES, day_from, minor_units, words_of

EXPECTED = {
    "ORDERS": ("order", "4711", "2026-11-03", 424200, "EUR", "contract:FRAME-2026-08"),
    "DESADV": ("despatch-advice", "LS-88+1", "2026-11-10", None, "", "order:4711 contract:FRAME-2026-08"),
    "RECADV": ("receipt-advice", "WE-12", "2026-11-12", None, "", "despatch-advice:LS-88 order:4711"),
    "INVOIC": ("invoice", "2026-118", "2026-11-18", 504800, "EUR", "order:4711 despatch-advice:LS-88"),
    "REMADV": ("payment", "ZA-7", "2026-12-18", 423150, "EUR", "invoice:2026-118 credit-note:2026-119"),
    "PAYMUL": ("payment", "ZA-8", "2026-12-18", 424200, "EUR", "invoice:2026-118"),
    "X12_850": ("order", "PO-4711", "2026-11-03", 424200, "USD", "contract:FRAME-08"),
    "X12_855": ("order-response", "SO-9", "2026-11-04", None, "", "order:PO-4711"),
    "X12_856": ("despatch-advice", "SHIP-1", "2026-11-10", None, "", "order:PO-4711 despatch-advice:BOL7"),
    "X12_810": ("invoice", "INV-118", "2026-11-18", 424200, "USD", "order:PO-4711"),
    "X12_820": ("payment", "PAY-7", "2026-12-18", 424200, "USD", "invoice:INV-118"),
    "UBL_ORDER": ("order", "4711", "2026-11-03", 424200, "EUR", "contract:FRAME-2026-08"),
    "UBL_DESPATCH": ("despatch-advice", "LS-88", "2026-11-10", None, "", "order:4711 sales-order:B-1"),
    "UBL_RECEIPT": ("receipt-advice", "WE-12", "2026-11-12", None, "", "despatch-advice:LS-88"),
    "UBL_INVOICE": ("invoice", "2026-118", "2026-11-18", 424200, "EUR", "order:4711"),
    "UBL_CREDIT": ("credit-note", "G-5", "2026-11-20", 1050, "JPY", "invoice:2026-118"),
    "SBDH": ("invoice", "2026-118", "2026-11-18", 424200, "EUR", "order:4711"),
    "CII": (
        "invoice",
        "2026-118",
        "2026-11-18",
        504800,
        "EUR",
        "order:4711 contract:FRAME-2026-08 despatch-advice:LS-88",
    ),
    "PAIN": ("payment", "ZA-9", "2026-12-18", 425250, "EUR", "invoice:2026-118 text:2026-120"),
    "CAMT": ("payment", "N-1", "2026-12-19", 424200, "EUR", "text:2026-118"),
}
EXPECTED["FACTURX"] = EXPECTED["CII"]


@pytest.mark.parametrize("name", sorted(samples.ALL))
def test_what_each_format_says(name):
    found = facts([samples.ALL[name]])
    refs = " ".join(f"{each.kind}:{each.number}" for each in found.refs)
    assert (found.type, found.number, found.day, found.amount, found.currency, refs) == EXPECTED[name]


def test_amounts_without_tax_and_what_is_due():
    for data in (samples.INVOIC, samples.CII):
        found = facts([data])
        assert (found.amount, found.net, found.due) == (504800, 424200, 500000)


def test_parties_with_their_numbers():
    invoice = facts([samples.INVOIC])
    assert invoice.seller.name == "Birch Packaging GmbH Werk Bremen"
    assert invoice.seller.ids == ("4000002000004", "DE123456789")
    assert invoice.buyer.ids == ("4000001000005", "FR00123456789")
    order = facts([samples.UBL_ORDER])
    assert (order.buyer.name, order.buyer.ids) == ("Aster Foods SAS", ("4000001000005",))
    assert (order.seller.name, order.seller.ids) == ("Birch Packaging GmbH", ("HRB 1",))
    payment = facts([samples.PAIN])
    assert (payment.buyer.name, payment.buyer.ids) == ("Aster Foods SAS", ("FR7612345",))
    assert payment.seller.name == "Birch Packaging GmbH"
    seller = facts([samples.CII]).seller
    assert (seller.name, seller.ids) == ("Birch Packaging GmbH", ("4000002000004", "DE123456789"))


def test_the_envelope_and_each_message_of_it():
    found = read([samples.INVOIC])
    assert (found.sender, found.recipient, found.reference) == ("BIRCH", "ASTER", "5003")
    assert (found.prepared, found.test, found.count) == ("2026-11-18T11:00", True, 2)
    assert [each.type for each in found.documents] == ["invoice", "credit-note"]
    assert found.documents[1].refs[0].number == "2026-118"
    assert found.first.version == "D:96A:UN:EAN008"
    x12 = read([samples.X12_810])
    assert (x12.sender, x12.recipient, x12.test, x12.first.version) == ("ASTER", "BIRCH", True, "004010")
    sbdh = read([samples.SBDH])
    assert (sbdh.sender, sbdh.recipient) == ("0088:4000002000004", "0088:4000001000005")
    assert (sbdh.reference, sbdh.prepared) == ("uuid-1", "2026-11-18T11:00")


@pytest.mark.parametrize("name", sorted(samples.ALL))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_pieces_give_the_same(name, data):
    octets = samples.ALL[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=12)))
    pieces = [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    assert read(pieces) == read([octets])
    assert read(octets[at : at + 1] for at in range(len(octets))) == read([octets])


@pytest.mark.parametrize("name", sorted(samples.ALL))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_damaged_never_raises_and_is_the_same_in_any_pieces(name, data):
    octets = bytearray(samples.ALL[name])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not octets:
            octets = bytearray(b"U")
    cut = data.draw(st.integers(0, len(octets)))
    whole = bytes(octets)
    assert read([whole]) == read([whole[:cut], whole[cut:]])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"", b"UNB+", b"UNA:+.? '", samples.X12_810[:106], b"<a xmlns='urn:", b"%PDF-1.7 "]),
    st.binary(max_size=400),
    st.integers(0, 400),
)
def test_garbage_gives_blanks(head, octets, cut):
    data = head + octets
    found = read([data])
    assert found == read([data[:cut], data[cut:]])
    assert all(not each.refs for each in found.documents)


@pytest.mark.parametrize(
    "hostile",
    [
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + samples.UBL_ORDER,
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + samples.CII.partition(b"?>")[2],
        b"<Invoice>" * 100_000,
        b"<?xml version='1.0' encoding='no-such-thing'?>" + samples.UBL_ORDER,
    ],
)
def test_xml_that_is_more_than_elements_is_not_read(hostile):
    assert facts([hostile]) == BLANK


def test_what_is_held_does_not_grow():
    head, tail = samples.UBL_INVOICE.split(b"<cac:OrderReference>")
    block = b"A" * 65536

    def pieces(opened, closed):
        yield head + opened
        for _ in range(400):
            yield block
        yield closed + b"<cac:OrderReference>" + tail

    tracemalloc.start()
    try:
        texts = facts(pieces(b"<cbc:EmbeddedDocumentBinaryObject>", b"</cbc:EmbeddedDocumentBinaryObject>"))
        comment = facts(pieces(b"<!--", b"-->"))
        endless = facts([samples.ORDERS[:200], *[block] * 400])
        released = facts([samples.ORDERS[:200], *[b"?'" * 32768] * 50])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert texts.refs[0].number == "4711"
    assert (comment.number, comment.refs) == ("2026-118", ())
    assert endless.number == released.number == "4711"
    assert peak < 8 << 20


def test_documents_and_references_are_bounded():
    unh = samples.ORDERS[samples.ORDERS.index(b"UNH") : samples.ORDERS.index(b"UNZ")]
    found = read([samples.ORDERS[: samples.ORDERS.index(b"UNH")], unh * (MAX_DOCUMENTS + 7)])
    assert (len(found.documents), found.count) == (MAX_DOCUMENTS, MAX_DOCUMENTS + 7)
    many = b"".join(b"RFF+ON:%d'" % n for n in range(1000))
    assert len(facts([samples.DESADV.replace(b"RFF+ON:4711'", many)]).refs) == MAX_REFERENCES


@pytest.mark.parametrize("tables", [False, True])
def test_an_invoice_in_a_pdf_that_another_program_wrote(tables):
    from pyhanko.pdf_utils import embed, generic
    from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

    writer = PdfFileWriter(stream_xrefs=tables)
    drawn = writer.add_object(generic.StreamObject(stream_data=b"q Q"))
    writer.insert_page(PageObject(contents=drawn, media_box=(0, 0, 100, 100)))
    data = embed.EmbeddedFileObject.from_file_data(
        writer, data=samples.CII, mime_type="text/xml", compress=True
    )
    spec = embed.FileSpec(file_spec_string="factur-x.xml", file_name="factur-x.xml", embedded_data=data)
    embed.embed_file(writer, spec)
    file = io.BytesIO()
    writer.write(file)
    assert facts([file.getvalue()]) == facts([samples.CII])
    untyped = file.getvalue().replace(b"/Type /EmbeddedFile\n", b"")
    assert facts([untyped]) == facts([samples.CII])


def test_a_bomb_in_a_pdf_is_cut_off():
    found = read([samples.facturx(b"<a>" + b" " * (40 << 20))])
    assert found.documents == ()


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("4242.00", "EUR", 424200),
        ("4242,5", "EUR", 424250),
        ("-0.005", "EUR", -1),
        ("1050", "JPY", 1050),
        ("1.2345", "KWD", 1235),
        (".5", "", 50),
        ("", "EUR", None),
        (".", "EUR", None),
        ("1e9", "EUR", None),
        ("9" * 18, "EUR", None),
        ("١", "EUR", None),
    ],
)
def test_amounts_in_minor_units(text, currency, minor):
    assert minor_units(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20261103", "2026-11-03"),
        ("261103", "2026-11-03"),
        ("202611031415", "2026-11-03"),
        ("2026-11-03+01:00", "2026-11-03"),
        ("2026-02-30", ""),
        ("2611031415", "2026-11-03"),
        ("990802", "1999-08-02"),
        ("09030314", ""),
        ("", ""),
        ("２０２６１１０３", ""),
    ],
)
def test_days(text, day):
    assert day_from(text) == day


@pytest.mark.parametrize("name", ["INVOIC", "ORDERS", "X12_850"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_that_are_broken_anywhere_are_one(name, end):
    flat = samples.ALL[name].replace(b"\n", b"")
    width = 107 if name.startswith("X12") else 80
    broken = end.join(flat[at : at + width] for at in range(0, len(flat), width))
    assert read([broken]) == read([flat])


def test_the_date_of_an_invoice_that_has_no_date_of_its_message():
    assert facts([samples.INVOIC.replace(b"DTM+137", b"DTM+3")]).day == "2026-11-18"


def test_words_of_a_remittance_that_may_be_numbers():
    assert words_of("Invoices 2026-118, RG/77 and (A1) of 12.") == ["2026-118", "RG/77"]


def test_a_reader_that_saw_nothing():
    reader = DocumentReader()
    reader.feed(b"")
    assert reader.finish().first == BLANK
