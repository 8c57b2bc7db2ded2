from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.exchange.inspect import HEAD_LIMIT, Inspector

DOCUMENTS = Path(__file__).parents[2] / "src/ecluse/demo/documents"
X12 = (
    b"ISA*00*          *00*          *ZZ*ASTER          *ZZ*BIRCH          *261103*0915*U*00401*000000001*0*P*>~"
    b"GS*PO*ASTER*BIRCH*20261103*0915*1*X*004010~ST*850*0001~BEG*00*SA*PO-4711**20261103~SE*3*0001~"
)


@pytest.mark.parametrize(
    ("data", "declared", "kind", "reference"),
    [
        ((DOCUMENTS / "orders-4711.edi").read_bytes(), "application/EDIFACT", "edifact", "4711"),
        ((DOCUMENTS / "invoice-2026-118.xml").read_bytes(), "application/xml", "xml:Invoice", "2026-118"),
        (X12, "application/edi-x12", "x12", "PO-4711"),
        (b"%PDF-1.7 ...", "application/pdf", "pdf", ""),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><a:Order/>", "text/xml", "xml:Order", ""),
        ("<Invoice/>".encode("utf-16"), "application/xml", "unknown", ""),
        (b"anything", "application/octet-stream", "unknown", ""),
    ],
)
def test_recognised(data, declared, kind, reference):
    inspector = Inspector(declared)
    for start in range(0, len(data), 13):
        inspector.feed(data[start : start + 13])
    assert (inspector.kind, inspector.reference, inspector.problem()) == (kind, reference, None)


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "application/xml", "application/edifact", "x/y; a=b"]),
    st.data(),
)
def test_any_octets_in_any_pieces_give_an_answer(data, declared, draw):
    whole, pieces = Inspector(declared), Inspector(declared)
    whole.feed(data)
    cut = draw.draw(st.integers(0, len(data)))
    pieces.feed(data[:cut])
    pieces.feed(data[cut:])
    assert (whole.kind, whole.reference, whole.problem()) == (pieces.kind, pieces.reference, pieces.problem())


def test_only_the_head_is_kept():
    inspector = Inspector("application/octet-stream")
    for _ in range(100):
        inspector.feed(bytes(HEAD_LIMIT))
    assert inspector.problem() is None
    assert len(inspector._head) == HEAD_LIMIT
