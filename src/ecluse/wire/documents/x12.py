"""ANSI X12: the transaction sets of an interchange, by the segments that say what each one is (004010 to 008010)."""

from __future__ import annotations

from typing import Final

from ecluse.wire.documents.facts import (
    MAX_DOCUMENTS,
    DocumentFacts,
    DocumentType,
    Draft,
    Interchange,
    ReferenceKind,
    currency_from,
    day_from,
    minor_units,
    moment_from,
    plain,
)
from ecluse.wire.documents.segments import Cutter

__all__ = ["ISA_SIZE", "X12Reader"]

ISA_SIZE: Final = 106
"""Octets of an ISA segment with its terminator: its elements have fixed widths (X12.5)."""

_TYPES: Final = {
    "850": DocumentType.ORDER,
    "875": DocumentType.ORDER,
    "860": DocumentType.ORDER_CHANGE,
    "855": DocumentType.ORDER_RESPONSE,
    "865": DocumentType.ORDER_RESPONSE,
    "856": DocumentType.DESPATCH_ADVICE,
    "857": DocumentType.DESPATCH_ADVICE,
    "861": DocumentType.RECEIPT_ADVICE,
    "810": DocumentType.INVOICE,
    "880": DocumentType.INVOICE,
    "812": DocumentType.CREDIT_NOTE,
    "820": DocumentType.PAYMENT,
    "835": DocumentType.PAYMENT,
    "997": DocumentType.RECEIPT,
    "999": DocumentType.RECEIPT,
    "824": DocumentType.RECEIPT,
}
_BEGINS: Final[dict[str, tuple[int, int, int]]] = {
    "BEG": (3, 5, 0),
    "BCH": (3, 6, 0),
    "BAK": (8, 4, 3),
    "BCA": (8, 6, 3),
    "BSN": (2, 3, 0),
    "BRA": (1, 2, 0),
    "BIG": (2, 1, 4),
    "G01": (2, 1, 4),
    "BCD": (2, 1, 0),
    "BHT": (3, 4, 0),
}
"""Of each beginning segment: the elements of the number, of the day, and of the order that it answers."""
_REFERENCES: Final = {
    **dict.fromkeys(("PO", "ON"), ReferenceKind.ORDER),
    **dict.fromkeys(("VN", "CO"), ReferenceKind.SALES_ORDER),
    **dict.fromkeys(("SI", "BM", "PK"), ReferenceKind.DESPATCH_ADVICE),
    "RV": ReferenceKind.RECEIPT_ADVICE,
    **dict.fromkeys(("IV", "OI", "I5"), ReferenceKind.INVOICE),
    "CM": ReferenceKind.CREDIT_NOTE,
    **dict.fromkeys(("CT", "BC"), ReferenceKind.CONTRACT),
    **dict.fromkeys(("TN", "CK"), ReferenceKind.PAYMENT),
}
_SELLERS: Final = ("SE", "SU", "VN", "SF", "RI", "PE", "RE")
_BUYERS: Final = ("BY", "BT", "PR", "ST", "BO")
_CREDITS: Final = frozenset({"CR", "CC", "CN"})
"""Transaction types of BIG07 that are credits."""
_WANTED: Final = (
    *(name.encode() for name in _BEGINS),
    *b"ISA GS ST SE REF PRF N1 CUR TDS AMT DTM BPR TRN RMR G31 G33".split(),
)


class X12Reader:
    """Reads one interchange. Any octets may be fed.

    Args:
        head: The ISA segment, 106 octets.
    """

    def __init__(self, head: bytes) -> None:
        self._separator = head[3:4].decode("latin-1") or "*"
        self._cutter = Cutter(head[105:106] or b"~", b"", _WANTED)
        self._draft: Draft | None = None
        self._version = ""
        self._credit = False
        self._party = ""
        self._documents: list[DocumentFacts] = []
        self._count = 0
        self._envelope = ("", "", "", "")
        self._test = False

    def feed(self, data: bytes) -> None:
        """Octets of the interchange, in order."""
        for segment in self._cutter.feed(data):
            try:
                text = segment.decode("utf-8")
            except UnicodeDecodeError:
                text = segment.decode("latin-1")
            self._segment([element.strip() for element in text.split(self._separator)])

    def finish(self) -> Interchange:
        """What was read so far: a last transaction set without its end counts."""
        self._ended()
        sender, recipient, reference, prepared = self._envelope
        return Interchange(
            sender, recipient, reference, prepared, self._test, tuple(self._documents), self._count
        )

    def _segment(self, elements: list[str]) -> None:
        tag = elements[0]
        if tag == "ISA":
            prepared = moment_from(_at(elements, 9), _at(elements, 10))
            sender, recipient, reference = (plain(_at(elements, place)) for place in (6, 8, 13))
            self._envelope = (sender, recipient, reference, prepared)
            self._test = _at(elements, 15) == "T"
        elif tag == "GS":
            self._version = _at(elements, 8)
        elif tag == "ST":
            self._ended()
            self._count += 1
            name = _at(elements, 1)
            kind = _TYPES.get(name, DocumentType.OTHER)
            self._draft = Draft(kind, "x12", plain(name), self._version)
            self._credit, self._party = kind is DocumentType.CREDIT_NOTE, ""
        elif tag == "SE":
            self._ended()
        elif self._draft is not None:
            self._said(self._draft, tag, elements)

    def _said(self, draft: Draft, tag: str, elements: list[str]) -> None:
        if tag in _BEGINS:
            self._begins(draft, tag, elements)
        elif tag == "REF":
            if (kind := _REFERENCES.get(_at(elements, 1))) is not None:
                draft.refer(kind, _at(elements, 2))
            elif _at(elements, 1) in ("TJ", "VX", "GST") and self._party:
                draft.party(self._party, id=_at(elements, 2))
        elif tag == "PRF":
            draft.refer(ReferenceKind.ORDER, _at(elements, 1))
        elif tag == "N1":
            self._party = _at(elements, 1)
            draft.party(self._party, name=_at(elements, 2), id=_at(elements, 4))
        elif tag == "CUR":
            draft.currency = draft.currency or currency_from(_at(elements, 2))
        elif tag in ("TDS", "G33"):
            # N2: two decimals are understood, and no point is written.
            text = _at(elements, 1)
            draft.amounts.setdefault("total", text if "." in text else _hundredths(text))
        elif tag == "AMT":
            draft.amounts.setdefault(f"AMT{_at(elements, 1)}", _at(elements, 2))
        elif tag == "BPR":
            draft.amounts.setdefault("total", _at(elements, 2))
            draft.day = draft.day or day_from(_at(elements, 16))
        elif tag == "TRN":
            draft.number = draft.number or _at(elements, 2)
        elif tag == "RMR":
            if (kind := _REFERENCES.get(_at(elements, 1))) is not None:
                draft.refer(kind, _at(elements, 2))
        elif tag == "DTM" and not draft.day and draft.type is DocumentType.PAYMENT:
            draft.day = day_from(_at(elements, 2))

    def _begins(self, draft: Draft, tag: str, elements: list[str]) -> None:
        number, day, order = _BEGINS[tag]
        draft.number = draft.number or _at(elements, number) or (_at(elements, order) if order else "")
        draft.day = draft.day or day_from(_at(elements, day))
        if order:
            draft.refer(ReferenceKind.ORDER, _at(elements, order))
        if tag == "BIG" and _at(elements, 7) in _CREDITS:
            draft.type, self._credit = DocumentType.CREDIT_NOTE, True
        if tag == "BEG":
            draft.refer(ReferenceKind.CONTRACT, _at(elements, 6))

    def _ended(self) -> None:
        draft, self._draft = self._draft, None
        if draft is None or len(self._documents) >= MAX_DOCUMENTS:
            return
        amount = draft.money("total", "AMTTT", "AMTGV", "AMT1")
        if self._credit and amount is not None:
            amount = abs(amount)
        self._documents.append(draft.facts(draft.found(*_SELLERS), draft.found(*_BUYERS), amount, None, None))


def _hundredths(text: str) -> str:
    minor = minor_units(text, "JPY")
    return "" if minor is None else f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02}"


def _at(elements: list[str], place: int) -> str:
    return elements[place] if place < len(elements) else ""
