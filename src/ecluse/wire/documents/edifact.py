"""EDIFACT (ISO 9735): the messages of an interchange, by the segments that say what each one is.

Qualifiers are those of the UN/EDIFACT directories D.96A to D.01B, as the EANCOM subset uses them: 1001 in BGM, 2005 in
DTM, 1153 in RFF, 3035 in NAD, 5025 in MOA.
"""

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
    type_of_code,
)
from ecluse.wire.documents.segments import Cutter, split_released

__all__ = ["EdifactReader"]

_TYPES: Final = {
    "ORDERS": DocumentType.ORDER,
    "ORDCHG": DocumentType.ORDER_CHANGE,
    "ORDRSP": DocumentType.ORDER_RESPONSE,
    "DESADV": DocumentType.DESPATCH_ADVICE,
    "RECADV": DocumentType.RECEIPT_ADVICE,
    "INVOIC": DocumentType.INVOICE,
    "CONTRL": DocumentType.RECEIPT,
    "APERAK": DocumentType.RECEIPT,
    "BANSTA": DocumentType.RECEIPT,
    **dict.fromkeys(
        [
            "REMADV",
            "PAYORD",
            "PAYEXT",
            "PAYMUL",
            "PAYDUC",
            "CREADV",
            "CREEXT",
            "CREMUL",
            "DEBADV",
            "DEBMUL",
            "DIRDEB",
        ],
        DocumentType.PAYMENT,
    ),
    "CNTCND": DocumentType.CONTRACT,
}
_REFERENCES: Final = {
    **dict.fromkeys(("ON", "CO", "OP"), ReferenceKind.ORDER),
    **dict.fromkeys(("VN", "POR"), ReferenceKind.SALES_ORDER),
    **dict.fromkeys(("AAK", "DQ", "AAU", "DAN", "SI"), ReferenceKind.DESPATCH_ADVICE),
    **dict.fromkeys(("ALO", "RE"), ReferenceKind.RECEIPT_ADVICE),
    **dict.fromkeys(("IV", "OI", "AFO"), ReferenceKind.INVOICE),
    "CN": ReferenceKind.CREDIT_NOTE,
    **dict.fromkeys(("CT", "BC", "BO"), ReferenceKind.CONTRACT),
    **dict.fromkeys(("PQ", "PK"), ReferenceKind.PAYMENT),
}
_DOCUMENTS: Final = {
    **dict.fromkeys(("380", "384", "386", "389", "383"), ReferenceKind.INVOICE),
    "381": ReferenceKind.CREDIT_NOTE,
    "351": ReferenceKind.DESPATCH_ADVICE,
    "220": ReferenceKind.ORDER,
}
_OWN_DAY: Final = {"INVOIC": "3", "ORDERS": "4"}
"""Where a message has no date of its own (137): the date of the invoice, of the order."""
_GROSS: Final = ("s77", "s39", "s86", "s128", "s9", "77", "39", "86", "128", "s79", "79")
_NET: Final = ("s125", "s79", "125", "79")
_DUE: Final = ("s9", "9")
_PAID: Final = ("s12", "s9", "s128", "s86")
_PARTS: Final = (("LIN", "9"), ("SEQ", "9"), ("DOC", "12"), ("DOC", "9"))
"""Where a payment has no total: whose amounts add up to it."""
_WANTED: Final = (
    b"UNB",
    b"UNH",
    b"BGM",
    b"DTM",
    b"RFF",
    b"DOC",
    b"NAD",
    b"CUX",
    b"MOA",
    b"UNS",
    b"LIN",
    b"SEQ",
    b"UNT",
)
_CHARSETS: Final = {
    "UNOA": "latin-1",
    "UNOB": "latin-1",
    "UNOC": "latin-1",
    "UNOD": "iso8859-2",
    "UNOE": "iso8859-5",
    "UNOF": "iso8859-7",
    "UNOG": "iso8859-3",
    "UNOH": "iso8859-4",
    "UNOI": "iso8859-6",
    "UNOJ": "iso8859-8",
    "UNOK": "iso8859-9",
    "UNOW": "utf-8",
    "UNOY": "utf-8",
}
"""Syntax identifiers of ISO 9735-1, annex A."""


class EdifactReader:
    """Reads one interchange. Any octets may be fed.

    Args:
        head: The first nine octets at least, from ``UNA`` or ``UNB`` on: they say what separates.
    """

    def __init__(self, head: bytes) -> None:
        advice = head[3:9] if head.startswith(b"UNA") and len(head) >= 9 else b":+.? '"
        component, element, _, release, _, terminator = (advice[at : at + 1] for at in range(6))
        released = release if release.strip() else b""
        self._component, self._element = component.decode("latin-1"), element.decode("latin-1")
        self._release = released.decode("latin-1")
        self._cutter = Cutter(terminator, released, _WANTED)
        self._lead = 9 if head.startswith(b"UNA") else 0
        self._charset = "latin-1"
        self._draft: Draft | None = None
        self._group = ""
        self._party = ""
        self._sums: dict[tuple[str, str], int] = {}
        self._documents: list[DocumentFacts] = []
        self._count = 0
        self._envelope = ("", "", "", "")
        self._test = False

    def feed(self, data: bytes) -> None:
        """Octets of the interchange, in order."""
        if self._lead:
            cut = min(self._lead, len(data))
            self._lead -= cut
            data = data[cut:]
        for segment in self._cutter.feed(data):
            self._segment(segment)

    def finish(self) -> Interchange:
        """What was read so far: a last message without its end counts."""
        self._ended()
        sender, recipient, reference, prepared = self._envelope
        return Interchange(
            sender, recipient, reference, prepared, self._test, tuple(self._documents), self._count
        )

    def _segment(self, segment: bytes) -> None:
        try:
            text = segment.decode("utf-8")
        except UnicodeDecodeError:
            text = segment.decode(self._charset, "replace")
        elements = [
            [self._plain(part) for part in split_released(element, self._component, self._release)]
            for element in split_released(text, self._element, self._release)
        ]
        tag = elements[0][0]
        if tag == "UNB":
            self._interchange(elements)
        elif tag == "UNH":
            self._began(elements)
        elif self._draft is not None:
            self._said(self._draft, tag, elements)

    def _plain(self, text: str) -> str:
        release = self._release
        if not release or release not in text:
            return text
        mark = release * 2
        return text.replace(mark, "\x00").replace(release, "").replace("\x00", release)

    def _interchange(self, elements: list[list[str]]) -> None:
        self._charset = _CHARSETS.get(_at(elements, 1), "latin-1")
        self._envelope = (
            plain(_at(elements, 2)),
            plain(_at(elements, 3)),
            plain(_at(elements, 5)),
            moment_from(_at(elements, 4), _at(elements, 4, 1)),
        )
        self._test = _at(elements, 11) == "1"

    def _began(self, elements: list[list[str]]) -> None:
        self._ended()
        self._count += 1
        name = _at(elements, 2).upper()
        kind = elements[2] if len(elements) > 2 else []
        self._draft = Draft(
            _TYPES.get(name, DocumentType.OTHER),
            "edifact",
            plain(name),
            ":".join(part for part in kind[1:5] if part),
        )
        self._group = self._party = ""
        self._sums = {}

    def _said(self, draft: Draft, tag: str, elements: list[list[str]]) -> None:
        qualifier, value = _at(elements, 1), _at(elements, 1, 1)
        if tag == "BGM":
            if not draft.number:
                draft.number = _at(elements, 2)
            if draft.message == "INVOIC":
                draft.type = type_of_code(qualifier)
        elif tag == "DTM":
            if qualifier == "137" or (qualifier == _OWN_DAY.get(draft.message) and not draft.day):
                draft.day = day_from(value) or draft.day
        elif tag == "RFF":
            if qualifier in ("VA", "GN", "FC") and self._party:
                draft.party(self._party, id=value)
            elif (kind := _REFERENCES.get(qualifier)) is not None:
                draft.refer(kind, value)
        elif tag == "DOC":
            self._group = tag
            if (kind := _DOCUMENTS.get(qualifier)) is not None:
                draft.refer(kind, _at(elements, 2))
        elif tag == "NAD":
            self._party = qualifier if self._group in ("", "SEQ") else ""
            if self._party:
                name = " ".join(filter(None, elements[4] if len(elements) > 4 else []))
                name = name or " ".join(filter(None, elements[3] if len(elements) > 3 else []))
                draft.party(self._party, name=name, id=_at(elements, 2))
        elif tag == "CUX":
            if qualifier in ("2", "1", "4") and not draft.currency:
                draft.currency = currency_from(value)
        elif tag == "MOA":
            self._amount(draft, qualifier, value, _at(elements, 1, 2))
        elif tag in ("LIN", "SEQ", "UNS"):
            self._group, self._party = tag, ""
        elif tag == "UNT":
            self._ended()

    def _amount(self, draft: Draft, qualifier: str, value: str, currency: str) -> None:
        if currency and not draft.currency:
            draft.currency = currency_from(currency)
        if self._group == "UNS":
            draft.amounts.setdefault(f"s{qualifier}", value)
        elif self._group == "":
            draft.amounts.setdefault(qualifier, value)
        elif (minor := minor_units(value, draft.currency)) is not None:
            key = self._group, qualifier
            self._sums[key] = self._sums.get(key, 0) + minor

    def _ended(self) -> None:
        draft, self._draft = self._draft, None
        if draft is None or len(self._documents) >= MAX_DOCUMENTS:
            return
        if draft.type is DocumentType.PAYMENT:
            seller, buyer = draft.found("BE", "PE", "SU", "SE"), draft.found("OY", "PR", "BY", "OR")
            amount, net, due = self._paid(draft), None, None
        else:
            seller, buyer = draft.found("SU", "SE", "II", "MS"), draft.found("BY", "IV", "MR", "DP", "UC")
            amount, net, due = draft.money(*_GROSS), draft.money(*_NET), draft.money(*_DUE)
        self._documents.append(draft.facts(seller, buyer, amount, net, due))

    def _paid(self, draft: Draft) -> int | None:
        total = draft.money(*_PAID)
        if total is None:
            total = next((self._sums[part] for part in _PARTS if part in self._sums), None)
        return total if total is not None else draft.money("12", "9")


def _at(elements: list[list[str]], element: int, component: int = 0) -> str:
    if element >= len(elements) or component >= len(elements[element]):
        return ""
    return elements[element][component]
