"""The nouns: a document's type, number, day, amounts, parties and references, and how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

__all__ = [
    "BLANK",
    "DocumentFacts",
    "DocumentType",
    "Interchange",
    "Party",
    "Reference",
    "ReferenceKind",
    "day_from",
    "major_units",
    "minor_units",
    "plain",
    "type_of_code",
]

MAX_VALUE: Final = 140
"""Characters kept of a number or a name: names of ISO 20022 and EDIFACT's five lines of 35 are that long or shorter."""
MAX_REFERENCES: Final = 256
"""References kept of one document; a collective invoice names some dozens of deliveries."""
MAX_IDS: Final = 6
"""Ids kept of one party: GLN, VAT number, registration, and those of both sides."""
MAX_DOCUMENTS: Final = 500
"""Documents of one interchange that are told apart; more are counted."""
_MAX_DIGITS: Final = 17
"""Digits of an amount in minor units: fits in 64 bits."""


class DocumentType(StrEnum):
    """What a document is in a trade, whatever its format calls it."""

    ORDER = "order"
    ORDER_CHANGE = "order-change"
    ORDER_RESPONSE = "order-response"
    DESPATCH_ADVICE = "despatch-advice"
    RECEIPT_ADVICE = "receipt-advice"
    INVOICE = "invoice"
    CREDIT_NOTE = "credit-note"
    PAYMENT = "payment"
    RECEIPT = "receipt"
    """An answer about another document: CONTRL, APERAK, 997, a status."""
    CONTRACT = "contract"
    OTHER = "other"


class ReferenceKind(StrEnum):
    """What kind of number it is that a document names."""

    ORDER = "order"
    SALES_ORDER = "sales-order"
    """The seller's own number of an order."""
    DESPATCH_ADVICE = "despatch-advice"
    RECEIPT_ADVICE = "receipt-advice"
    INVOICE = "invoice"
    CREDIT_NOTE = "credit-note"
    CONTRACT = "contract"
    PAYMENT = "payment"
    TEXT = "text"
    """A word of a remittance text that may be a number: it means something only where such a document exists."""


@dataclass(frozen=True, slots=True)
class Party:
    """A seller or a buyer as the document has it.

    Attributes:
        name: Its name, or nothing.
        ids: Its numbers as written (GLN, VAT number, registration, account), the first one first.
    """

    name: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A document that this one names."""

    kind: ReferenceKind
    number: str


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """What one document says of itself. What it does not say is blank.

    Attributes:
        type: What it is in a trade; ``OTHER`` where that is not known.
        format: ``edifact``, ``x12``, ``ubl``, ``cii``, ``iso20022``, or nothing.
        message: Its name in its format: ``INVOIC``, ``810``, ``Invoice``, ``pain.001``.
        version: The release of the format, or the customisation: ``D:96A:UN:EAN008``, ``004010``,
            ``urn:cen.eu:en16931:2017``.
        number: Its own number.
        day: Its date, ``YYYY-MM-DD``.
        amount: What it comes to, tax included, in minor units of the currency (cents); a credit note's is positive.
        net: The same without tax.
        due: What is left to pay, where that is said.
        currency: ISO 4217 code.
        seller: Who sells, or is paid.
        buyer: Who buys, or pays.
        refs: What it refers to, each once, in order.
    """

    type: DocumentType = DocumentType.OTHER
    format: str = ""
    message: str = ""
    version: str = ""
    number: str = ""
    day: str = ""
    amount: int | None = None
    net: int | None = None
    due: int | None = None
    currency: str = ""
    seller: Party = Party()
    buyer: Party = Party()
    refs: tuple[Reference, ...] = ()


BLANK: Final = DocumentFacts()
"""The facts of what is no business document, or none that is read."""


@dataclass(frozen=True, slots=True)
class Interchange:
    """What came in one file.

    Attributes:
        sender: Id of the sender in the envelope (UNB, ISA, SBDH).
        recipient: Id of the recipient.
        reference: The envelope's own number.
        prepared: When the envelope was made, as it says, ``YYYY-MM-DDThh:mm``, in nobody knows which zone.
        test: It is marked as a test.
        documents: The first 500 documents, in order; empty where none was recognised.
        count: How many there were.
    """

    sender: str = ""
    recipient: str = ""
    reference: str = ""
    prepared: str = ""
    test: bool = False
    documents: tuple[DocumentFacts, ...] = ()
    count: int = 0

    @property
    def first(self) -> DocumentFacts:
        """The first document's facts, or blank ones."""
        return self.documents[0] if self.documents else BLANK


@dataclass(slots=True)
class Draft:
    """Facts as they are gathered; the first value of each stays.

    Attributes:
        amounts: Amounts as text, by what the format calls them.
    """

    type: DocumentType = DocumentType.OTHER
    format: str = ""
    message: str = ""
    version: str = ""
    number: str = ""
    day: str = ""
    currency: str = ""
    amounts: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    refs: dict[Reference, None] = field(default_factory=dict)

    def refer(self, kind: ReferenceKind, number: str) -> None:
        """It names a document."""
        number = plain(number)
        if number and len(self.refs) < MAX_REFERENCES:
            self.refs[Reference(kind, number)] = None

    def party(self, role: str, *, name: str = "", id: str = "") -> None:
        """It names a party in a role; the first name stays, ids add up."""
        name, id = plain(name), plain(id)
        if name:
            self.names.setdefault(role, name)
        ids = self.ids.setdefault(role, [])
        if id and id not in ids and len(ids) < MAX_IDS:
            ids.append(id)

    def found(self, *roles: str) -> Party:
        """The party in the first of these roles that is named."""
        for role in roles:
            if self.names.get(role) or self.ids.get(role):
                return Party(self.names.get(role, ""), tuple(self.ids.get(role, ())))
        return Party()

    def money(self, *names: str) -> int | None:
        """The first of these amounts that is there and is one."""
        for name in names:
            value = minor_units(self.amounts.get(name, ""), self.currency)
            if value is not None:
                return value
        return None

    def facts(
        self, seller: Party, buyer: Party, amount: int | None, net: int | None, due: int | None
    ) -> DocumentFacts:
        """What was gathered."""
        return DocumentFacts(
            self.type,
            self.format,
            self.message,
            plain(self.version),
            plain(self.number),
            self.day,
            amount,
            net,
            due,
            self.currency,
            seller,
            buyer,
            tuple(self.refs),
        )


_EXPONENTS: Final = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}
"""Currencies whose minor unit is not a hundredth (ISO 4217, list one)."""
_AMOUNT: Final = re.compile(r"([+-]?)([0-9]{0,18})(?:[.,]([0-9]{0,18}))?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def minor_units(text: str, currency: str) -> int | None:
    """An amount in minor units: ``4242.00`` EUR is 424200. Without a currency it has hundredths.

    What is finer than the minor unit is rounded half up. ``None`` where it is no amount, or one beyond 17 digits.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or not (found[2] or found[3]):
        return None
    digits = _EXPONENTS.get(currency, 2)
    fraction = (found[3] or "").ljust(digits + 1, "0")
    value = int((found[2] or "0") + fraction[:digits]) + (fraction[digits] >= "5")
    if value >= 10**_MAX_DIGITS:
        return None
    return -value if found[1] == "-" else value


def major_units(minor: int, currency: str) -> str:
    """An amount as it is written: 424200 EUR is ``4242.00``. The inverse of :func:`minor_units`."""
    digits = _EXPONENTS.get(currency, 2)
    text = str(abs(minor)).rjust(digits + 1, "0")
    whole = f"{text[:-digits]}.{text[-digits:]}" if digits else text
    return f"-{whole}" if minor < 0 else whole


def currency_from(text: str) -> str:
    """An ISO 4217 code, or nothing."""
    text = text.strip().upper()
    return text if _CURRENCY.fullmatch(text) else ""


def day_from(text: str) -> str:
    """``YYYY-MM-DD`` of ``20261103``, ``261103``, ``2026-11-03`` or any of these with a time or zone after it.

    Years of two digits are those from 1970 to 2069. Nothing where there is no such day.
    """
    text = text.strip()
    if len(text) >= 10 and text[4] == "-" and text[7] == "-":
        digits = text[:4] + text[5:7] + text[8:10]
    else:
        digits = text.partition("T")[0]
        if len(digits) in (6, 10):
            digits = ("19" if digits[:2] >= "70" else "20") + digits
    digits = digits[:8]
    if (
        len(digits) != 8
        or not (digits.isascii() and digits.isdecimal())
        or digits[:2] not in ("19", "20", "21")
    ):
        return ""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat()
    except ValueError:
        return ""


def moment_from(day: str, time: str) -> str:
    """``YYYY-MM-DDThh:mm`` of a day and ``hhmm`` (or ``hh:mm``); nothing where the day is none."""
    day = day_from(day)
    digits = time.strip().replace(":", "")[:4]
    if not day or len(digits) != 4 or not (digits.isascii() and digits.isdecimal()):
        return day
    hour, minute = int(digits[:2]), int(digits[2:])
    return f"{day}T{hour:02}:{minute:02}" if hour < 24 and minute < 60 else day


def plain(text: str) -> str:
    """A value as a screen, a log and a database can hold it: printable, on one line, of at most 140 characters."""
    text = text[: 4 * MAX_VALUE]
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:MAX_VALUE].rstrip()


_CREDIT: Final = frozenset(
    ["81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "502", "503", "532"]
)
"""Credit notes of UNTDID 1001, as EN 16931 lists them."""


def type_of_code(code: str) -> DocumentType:
    """Invoice or credit note, by the code of UNTDID 1001 that an invoice has."""
    return DocumentType.CREDIT_NOTE if code.strip() in _CREDIT else DocumentType.INVOICE


_WORD: Final = re.compile(r"[0-9A-Za-z][\w./-]{1,34}")


def words_of(text: str) -> list[str]:
    """Words of a remittance text that may be numbers of documents: three characters or more, a digit among them."""
    found = (word.rstrip("./-_") for word in _WORD.findall(text[: 4 * MAX_VALUE]))
    return [word for word in found if len(word) >= 3 and any(letter.isdecimal() for letter in word)]
