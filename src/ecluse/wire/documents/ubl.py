"""UBL 2.1 (ISO/IEC 19845): orders, despatch and receipt advices, invoices, credit notes, remittances and responses."""

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

__all__ = ["UblReader"]

_TYPES: Final = {
    "Order": DocumentType.ORDER,
    "OrderChange": DocumentType.ORDER_CHANGE,
    "OrderCancellation": DocumentType.ORDER_CHANGE,
    "OrderResponse": DocumentType.ORDER_RESPONSE,
    "OrderResponseSimple": DocumentType.ORDER_RESPONSE,
    "DespatchAdvice": DocumentType.DESPATCH_ADVICE,
    "ReceiptAdvice": DocumentType.RECEIPT_ADVICE,
    "Invoice": DocumentType.INVOICE,
    "SelfBilledInvoice": DocumentType.INVOICE,
    "CreditNote": DocumentType.CREDIT_NOTE,
    "SelfBilledCreditNote": DocumentType.CREDIT_NOTE,
    "RemittanceAdvice": DocumentType.PAYMENT,
    "ApplicationResponse": DocumentType.RECEIPT,
}
_REFERENCES: Final[dict[tuple[str, ...], ReferenceKind]] = {
    ("OrderReference", "ID"): ReferenceKind.ORDER,
    ("OrderDocumentReference", "ID"): ReferenceKind.ORDER,
    ("OrderReference", "SalesOrderID"): ReferenceKind.SALES_ORDER,
    ("DespatchDocumentReference", "ID"): ReferenceKind.DESPATCH_ADVICE,
    ("ReceiptDocumentReference", "ID"): ReferenceKind.RECEIPT_ADVICE,
    ("InvoiceDocumentReference", "ID"): ReferenceKind.INVOICE,
    ("SelfBilledInvoiceDocumentReference", "ID"): ReferenceKind.INVOICE,
    ("CreditNoteDocumentReference", "ID"): ReferenceKind.CREDIT_NOTE,
    ("ContractDocumentReference", "ID"): ReferenceKind.CONTRACT,
    ("Contract", "ID"): ReferenceKind.CONTRACT,
}
_SELLERS: Final = (
    "AccountingSupplierParty",
    "SellerSupplierParty",
    "DespatchSupplierParty",
    "PayeeParty",
)
_BUYERS: Final = (
    "AccountingCustomerParty",
    "BuyerCustomerParty",
    "DeliveryCustomerParty",
)
_NAMES: Final = {
    ("PartyName", "Name"),
    ("PartyLegalEntity", "RegistrationName"),
}
_IDS: Final = {
    ("PartyIdentification", "ID"),
    ("PartyTaxScheme", "CompanyID"),
    ("PartyLegalEntity", "CompanyID"),
}
_TOTALS: Final = ("LegalMonetaryTotal", "AnticipatedMonetaryTotal", "RequestedMonetaryTotal")
_CODES: Final = ("InvoiceTypeCode", "CreditNoteTypeCode")
_TOP: Final = frozenset(
    {
        "ID",
        "IssueDate",
        "CustomizationID",
        "DocumentCurrencyCode",
        "TotalPaymentAmount",
        *_CODES,
    }
)


class UblReader:
    """Reads one document.

    Args:
        root: Its root element's local name.
    """

    def __init__(self, root: str) -> None:
        self._draft = Draft(_TYPES.get(root, DocumentType.OTHER), "ubl", root)

    def wants(self, path: tuple[str, ...]) -> bool:
        """See the port."""
        if len(path) == 1:
            return path[0] in _TOP
        if path[-2:] in _REFERENCES:
            return True
        if path[0] in _TOTALS:
            return len(path) == 2
        if path[0] in _SELLERS or path[0] in _BUYERS:
            return path[-2:] in _NAMES or path[-2:] in _IDS or path[-1] == "EndpointID"
        return path[-2:] == ("DocumentReference", "ID") and path[0] == "DocumentResponse"

    def ended(self, path: tuple[str, ...], text: str, attributes: dict[str, str]) -> None:
        """See the port."""
        draft, name = self._draft, path[-1]
        if len(path) == 1:
            self._top(name, text, attributes)
        elif (kind := _REFERENCES.get(path[-2:])) is not None:
            draft.refer(kind, text)
        elif path[0] in _TOTALS:
            draft.amounts.setdefault(name, text)
            draft.currency = draft.currency or currency_from(attributes.get("currencyID", ""))
        elif path[0] == "DocumentResponse":
            draft.refer(ReferenceKind.INVOICE, text)
        elif path[-2:] in _NAMES:
            draft.party(path[0], name=text)
        else:
            draft.party(path[0], id=text)

    def _top(self, name: str, text: str, attributes: dict[str, str]) -> None:
        draft = self._draft
        if name == "ID":
            draft.number = draft.number or text
        elif name == "IssueDate":
            draft.day = draft.day or day_from(text)
        elif name == "CustomizationID":
            draft.version = draft.version or text
        elif name == "DocumentCurrencyCode":
            draft.currency = currency_from(text) or draft.currency
        elif name == "TotalPaymentAmount":
            draft.amounts.setdefault(name, text)
            draft.currency = draft.currency or currency_from(attributes.get("currencyID", ""))
        elif draft.type is DocumentType.INVOICE:
            draft.type = type_of_code(text)

    def finish(self) -> Interchange:
        """See the port."""
        draft = self._draft
        due = draft.money("PayableAmount")
        facts = draft.facts(
            draft.found(*_SELLERS),
            draft.found(*_BUYERS),
            draft.money("TaxInclusiveAmount", "PayableAmount", "TotalPaymentAmount", "LineExtensionAmount"),
            draft.money("TaxExclusiveAmount", "LineExtensionAmount"),
            due,
        )
        return Interchange(documents=(facts,), count=1)
