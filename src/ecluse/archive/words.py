"""The archive's pages and lists in English and in French."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["LANGUAGES", "Language", "remark_sentence", "type_name", "word"]

Language = Literal["en", "fr"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "fr")

_TYPES: Final[dict[str, tuple[str, str]]] = {
    "order": ("order", "commande"),
    "order-change": ("order change", "modification de commande"),
    "order-response": ("order response", "réponse à la commande"),
    "despatch-advice": ("despatch advice", "avis d'expédition"),
    "receipt-advice": ("receipt advice", "avis de réception"),
    "invoice": ("invoice", "facture"),
    "credit-note": ("credit note", "avoir"),
    "payment": ("payment", "paiement"),
    "receipt": ("acknowledgement", "accusé de traitement"),
    "contract": ("contract", "contrat"),
    "sales-order": ("the seller's order", "commande chez le vendeur"),
    "other": ("other", "autre"),
    "": ("not recognised", "non reconnu"),
}

_REMARKS: Final[dict[str, tuple[str, str]]] = {
    "damaged": (
        "Its bytes are damaged.",
        "Ses octets sont endommagés.",
    ),
    "disposed": (
        "It was destroyed at the end of its retention; what is known of it stays.",
        "Il a été détruit à la fin de sa conservation ; ce qui en est connu demeure.",
    ),
    "missing": (
        "It names {kind} {0}, which is not in the archive.",
        "Il mentionne {kind} {0}, qui n'est pas dans l'archive.",
    ),
    "several": (
        "It names {kind} {1}, and the archive has several documents of that number.",
        "Il mentionne {kind} {1}, et l'archive contient plusieurs documents de ce numéro.",
    ),
    "no-order": (
        "The invoice names no order, and none is linked with it.",
        "La facture ne mentionne aucune commande, et aucune ne lui est liée.",
    ),
    "no-delivery": (
        "No despatch or receipt advice is linked with the invoice.",
        "Aucun avis d'expédition ni de réception n'est lié à la facture.",
    ),
    "no-payment": (
        "No payment of the invoice is in the archive.",
        "Aucun paiement de la facture n'est dans l'archive.",
    ),
    "no-invoice": (
        "No invoice is linked with the order.",
        "Aucune facture n'est liée à la commande.",
    ),
    "nothing-paid": (
        "No invoice that the payment names is in the archive.",
        "Aucune facture mentionnée par le paiement n'est dans l'archive.",
    ),
    "alone": (
        "No other document is linked with it.",
        "Aucun autre document ne lui est lié.",
    ),
    "amount-differs": (
        "The order comes to {0} {2}, and what was invoiced for it to {1} {2}.",
        "La commande s'élève à {0} {2}, et ce qui a été facturé à {1} {2}.",
    ),
    "payment-differs": (
        "The payment comes to {0} {2}, and the invoices that it names to {1} {2}.",
        "Le paiement s'élève à {0} {2}, et les factures qu'il mentionne à {1} {2}.",
    ),
    "currency-differs": (
        "It is in {0}, and what is linked with it in {1}.",
        "Il est en {0}, et ce qui lui est lié en {1}.",
    ),
    "day-order": (
        "It is dated {0}, before the {kind} of {2}.",
        "Il est daté du {0}, avant le document de type {kind} du {2}.",
    ),
}

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "audit trail": ("Audit trail", "Piste d'audit"),
    "document": ("Document", "Document"),
    "type": ("Type", "Type"),
    "number": ("Number", "Numéro"),
    "day": ("Date", "Date"),
    "amount": ("Amount", "Montant"),
    "partner": ("Partner", "Partenaire"),
    "direction": ("Direction", "Sens"),
    "in": ("received", "reçu"),
    "out": ("sent", "émis"),
    "deposited": ("Archived", "Archivé"),
    "digest": ("SHA-256", "SHA-256"),
    "links": ("Links", "Liens"),
    "names": ("names {kind} {number}", "mentionne {kind} {number}"),
    "same-number": ("has the same number {number}", "porte le même numéro {number}"),
    "by-partner": ("exchanged with the same partner", "échangés avec le même partenaire"),
    "by-amount": ("through another partner, of the same amount", "par un autre partenaire, du même montant"),
    "by-name": (
        "through another partner, with the same payee",
        "par un autre partenaire, pour le même bénéficiaire",
    ),
    "remarks": ("What is missing or at odds", "Ce qui manque ou diffère"),
    "no remarks": ("Nothing is missing or at odds.", "Rien ne manque ni ne diffère."),
    "no links": ("No other document is linked.", "Aucun autre document n'est lié."),
    "cut": (
        "The chain goes on: only its first documents are shown.",
        "La chaîne continue : seuls ses premiers documents sont montrés.",
    ),
    "made": ("Made {at} from the archive of {hub}", "Établi le {at} à partir de l'archive de {hub}"),
    "asked": ("asked for", "demandé"),
    "recap": ("Summary list of EDI messages, {year}", "Liste récapitulative des messages EDI, {year}"),
    "partners": ("Partner file, {year}", "Fichier des partenaires, {year}"),
    "count": ("{count} lines", "{count} lignes"),
    "no": ("No.", "N°"),
    "document type": ("Document", "Document"),
    "document number": ("Document number", "Numéro du document"),
    "document date": ("Document date", "Date du document"),
    "message date": ("Message made", "Constitution du message"),
    "exchanged": ("Sent or received", "Émission ou réception"),
    "net": ("Amount without tax", "Montant HT"),
    "gross": ("Amount with tax", "Montant TTC"),
    "currency": ("Currency", "Monnaie"),
    "sender": ("Sender", "Émetteur"),
    "sender id": ("Sender's id", "Identifiant de l'émetteur"),
    "recipient": ("Recipient", "Récepteur"),
    "recipient id": ("Recipient's id", "Identifiant du récepteur"),
    "standard": ("Standard and version", "Norme et version"),
    "software": ("Software", "Logiciel"),
    "anomalies": ("Anomalies", "Anomalies"),
    "interchange": ("Interchange", "Interchange"),
    "message": ("Message", "Message"),
    "archive id": ("Archive id", "Identifiant d'archive"),
    "partner id": ("Partner's id", "Identifiant du partenaire"),
    "name": ("Name", "Nom"),
    "ids": ("Numbers", "Numéros d'identification"),
    "role": ("Role", "Qualité"),
    "both": ("sender and recipient", "émetteur et récepteur"),
    "sends": ("sender", "émetteur"),
    "receives": ("recipient", "récepteur"),
    "protocols": ("Protocols", "Protocoles"),
    "entered": ("In production since", "Entrée en production"),
    "left": ("Until", "Jusqu'au"),
    "state": ("State", "État"),
    "sent": ("Sent", "Émis"),
    "received": ("Received", "Reçus"),
}


def word(name: str, language: Language, **values: object) -> str:
    """A word or a sentence of a page."""
    return _WORDS[name][LANGUAGES.index(language)].format(**values)


def type_name(type: str, language: Language) -> str:
    """A type of documents, in words; the type itself where there are none."""
    found = _TYPES.get(type)
    return found[LANGUAGES.index(language)] if found else type


def remark_sentence(code: str, values: tuple[str, ...], language: Language) -> str:
    """A remark of a chain as a sentence (see :class:`ecluse.archive.chains.Remark`)."""
    kind = ""
    if code.startswith("missing-"):
        code, kind = "missing", code.removeprefix("missing-")
    elif code == "several":
        kind = values[0]
    elif code == "day-order":
        kind = values[1]
    template = _REMARKS[code][LANGUAGES.index(language)]
    return template.format(*values, kind=type_name(kind, language))
