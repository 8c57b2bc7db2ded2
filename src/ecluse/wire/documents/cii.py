"""UN/CEFACT Cross Industry documents: invoices (Factur-X, ZUGFeRD 1 and 2), orders, despatch advices, and lifecycle
messages (CDAR).
"""

from __future__ import annotations

from typing import Final

from ecluse.wire.documents.facts import (
    DocumentType,
    Draft,
    Interchange,
    ReferenceKind,
    currency_from,
    day_from,
    type_of_code,
)

__all__ = ["CiiReader"]

_TYPES: Final = {
    "CrossIndustryInvoice": DocumentType.INVOICE,
    "CrossIndustryDocument": DocumentType.INVOICE,
    "SCRDMCCBDACIOMessageStructure": DocumentType.ORDER,
    "SCRDMCCBDACIOCMessageStructure": DocumentType.ORDER_CHANGE,
    "SCRDMCCBDACIORMessageStructure": DocumentType.ORDER_RESPONSE,
    "SCRDMCCBDACIDAMessageStructure": DocumentType.DESPATCH_ADVICE,
    "CrossDomainAcknowledgementAndResponse": DocumentType.RECEIPT,
}
_DOCUMENT: Final = frozenset({"ExchangedDocument", "HeaderExchangedDocument"})
_REFERENCES: Final = {
    "BuyerOrderReferencedDocument": ReferenceKind.ORDER,
    "SellerOrderReferencedDocument": ReferenceKind.SALES_ORDER,
    "ContractReferencedDocument": ReferenceKind.CONTRACT,
    "DespatchAdviceReferencedDocument": ReferenceKind.DESPATCH_ADVICE,
    "DeliveryNoteReferencedDocument": ReferenceKind.DESPATCH_ADVICE,
    "ReceivingAdviceReferencedDocument": ReferenceKind.RECEIPT_ADVICE,
    "InvoiceReferencedDocument": ReferenceKind.INVOICE,
    "ReferenceReferencedDocument": ReferenceKind.INVOICE,
}
_NUMBERS: Final = frozenset({"IssuerAssignedID", "ID"})
_PARTIES: Final = {"SellerTradeParty": "seller", "BuyerTradeParty": "buyer"}
_CURRENCIES: Final = frozenset({"InvoiceCurrencyCode", "OrderCurrencyCode"})
_SUMMATION: Final = "MonetarySummation"
_LINE: Final = "IncludedSupplyChainTradeLineItem"


class CiiReader:
    """Reads one document.

    Args:
        root: Its root element's local name.
    """

    def __init__(self, root: str) -> None:
        self._draft = Draft(_TYPES.get(root, DocumentType.OTHER), "cii", root)

    def wants(self, path: tuple[str, ...]) -> bool:
        """See the port."""
        name = path[-1]
        if path[0] in _DOCUMENT:
            return (len(path) == 2 and name in ("ID", "TypeCode")) or (
                name == "DateTimeString" and path[1:2] == ("IssueDateTime",)
            )
        if name in _NUMBERS and len(path) > 1 and path[-2] in _REFERENCES:
            return True
        if _LINE in path:
            return False
        if _SUMMATION in path[-2:][0]:
            return True
        if name in _CURRENCIES or path[-2:] == ("GuidelineSpecifiedDocumentContextParameter", "ID"):
            return True
        return _role(path) != "" and (
            name in ("Name", "ID", "GlobalID")
            and "DefinedTradeContact" not in path
            and "PostalTradeAddress" not in path
        )

    def ended(self, path: tuple[str, ...], text: str, attributes: dict[str, str]) -> None:
        """See the port."""
        draft, name = self._draft, path[-1]
        if path[0] in _DOCUMENT:
            if name == "ID":
                draft.number = draft.number or text
            elif name == "DateTimeString":
                draft.day = draft.day or day_from(text)
            elif draft.type is DocumentType.INVOICE:
                draft.type = type_of_code(text)
        elif len(path) > 1 and path[-2] in _REFERENCES:
            draft.refer(_REFERENCES[path[-2]], text)
        elif name in _CURRENCIES:
            draft.currency = currency_from(text) or draft.currency
        elif len(path) > 1 and _SUMMATION in path[-2]:
            draft.amounts.setdefault(name, text)
            draft.currency = draft.currency or currency_from(attributes.get("currencyID", ""))
        elif role := _role(path):
            if name == "Name":
                draft.party(role, name=text)
            else:
                draft.party(role, id=text)
        else:
            draft.version = draft.version or text

    def finish(self) -> Interchange:
        """See the port."""
        draft = self._draft
        facts = draft.facts(
            draft.found("seller"),
            draft.found("buyer"),
            draft.money("GrandTotalAmount", "DuePayableAmount"),
            draft.money("TaxBasisTotalAmount", "LineTotalAmount"),
            draft.money("DuePayableAmount"),
        )
        return Interchange(documents=(facts,), count=1)


def _role(path: tuple[str, ...]) -> str:
    return next((_PARTIES[each] for each in path if each in _PARTIES), "")
