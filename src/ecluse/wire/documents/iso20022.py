"""ISO 20022 payments: what is paid or booked (pain.001, pain.008, camt.052 to 054), and for which invoices.

A file of payments is one document here: its number is the message's, its amount the total, its references those of
every remittance in it.
"""

from __future__ import annotations

from typing import Final

from ecluse.wire.documents.facts import (
    DocumentType,
    Draft,
    Interchange,
    Party,
    ReferenceKind,
    currency_from,
    day_from,
    minor_units,
    words_of,
)

__all__ = ["Iso20022Reader"]

_PAYMENTS: Final = ("pain.001", "pain.008", "camt.052", "camt.053", "camt.054")
_ANSWERS: Final = ("pain.002",)
_CODES: Final = {
    "CINV": ReferenceKind.INVOICE,
    "DEBN": ReferenceKind.INVOICE,
    "CREN": ReferenceKind.CREDIT_NOTE,
    "PUOR": ReferenceKind.ORDER,
    "SOAC": ReferenceKind.TEXT,
    "DISP": ReferenceKind.DESPATCH_ADVICE,
    "CMCN": ReferenceKind.CONTRACT,
}
"""Document types of ISO 20022's external code set that number a document of the trade."""
_BOOKED: Final = frozenset({"Ntry", "CdtTrfTxInf", "DrctDbtTxInf"})
_LEAVES: Final = frozenset(
    {"MsgId", "CreDtTm", "CtrlSum", "InstdAmt", "Amt", "Nm", "IBAN", "Ustrd", "Nb", "Cd", "Ref", "OrgnlMsgId"}
)


class Iso20022Reader:
    """Reads one message.

    Args:
        name: Its name: ``pain.001.001.09``.
    """

    def __init__(self, name: str) -> None:
        short = ".".join(name.split(".")[:2])
        kind = DocumentType.PAYMENT if short in _PAYMENTS else DocumentType.OTHER
        if short in _ANSWERS:
            kind = DocumentType.RECEIPT
        self._draft = Draft(kind, "iso20022", short, name)
        self._code = ""
        self._sum: int | None = None
        self._mixed = False
        self._parties: dict[str, set[str]] = {"Cdtr": set(), "Dbtr": set()}

    def wants(self, path: tuple[str, ...]) -> bool:
        """See the port."""
        return path[-1] in _LEAVES

    def ended(self, path: tuple[str, ...], text: str, attributes: dict[str, str]) -> None:
        """See the port."""
        draft, name = self._draft, path[-1]
        if name == "MsgId" and path[-2:-1] == ("GrpHdr",):
            draft.number = draft.number or text
        elif name == "CreDtTm" and path[-2:-1] == ("GrpHdr",):
            draft.day = draft.day or day_from(text)
        elif name == "CtrlSum" and path[-2:-1] == ("GrpHdr",):
            draft.amounts.setdefault("total", text)
        elif name == "OrgnlMsgId":
            draft.refer(ReferenceKind.PAYMENT, text)
        elif "Ccy" in attributes and (name == "InstdAmt" or path[-2:] == ("Ntry", "Amt")):
            self._amount(text, currency_from(attributes["Ccy"]))
        elif "RmtInf" in path:
            self._remittance(path, text)
        elif name == "Nm" and path[-2:-1] in (("Cdtr",), ("Dbtr",), ("Pty",)):
            self._party(path, text)
        elif name == "IBAN":
            self._account(path, text)

    def _amount(self, text: str, currency: str) -> None:
        draft = self._draft
        draft.currency = draft.currency or currency
        minor = minor_units(text, currency)
        if currency != draft.currency or minor is None:
            self._mixed = True
        else:
            self._sum = (self._sum or 0) + minor

    def _remittance(self, path: tuple[str, ...], text: str) -> None:
        draft, name = self._draft, path[-1]
        if name == "Cd" and "RfrdDocInf" in path:
            self._code = text
        elif name == "Nb":
            draft.refer(_CODES.get(self._code, ReferenceKind.TEXT), text)
            self._code = ""
        elif name == "Ref":
            draft.refer(ReferenceKind.TEXT, text)
        elif name == "Ustrd":
            for word in words_of(text):
                draft.refer(ReferenceKind.TEXT, word)

    def _party(self, path: tuple[str, ...], text: str) -> None:
        role = next((each for each in reversed(path) if each in self._parties), "")
        if role:
            known = self._parties[role]
            if len(known) < 2:
                known.add(text)
            self._draft.party(role, name=text)

    def _account(self, path: tuple[str, ...], text: str) -> None:
        for account, role in (("CdtrAcct", "Cdtr"), ("DbtrAcct", "Dbtr")):
            if account in path:
                self._draft.party(role, id=text)

    def _one(self, role: str) -> Party:
        """The party, where the file has but one in that role."""
        return self._draft.found(role) if len(self._parties[role]) < 2 else Party()

    def finish(self) -> Interchange:
        """See the port."""
        draft = self._draft
        amount = None if self._mixed else self._sum
        if amount is None and not self._mixed:
            amount = draft.money("total")
        if self._mixed:
            draft.currency = ""
        facts = draft.facts(self._one("Cdtr"), self._one("Dbtr"), amount, None, None)
        return Interchange(documents=(facts,), count=1)
