"""Business documents: what one says of itself, and what it refers to, without translating it.

``reader`` takes a document in any pieces and gives its facts: type, number, day, amounts, parties, and the numbers of
the orders, despatch advices, invoices and contracts that it names. ``edifact``, ``x12``, ``ubl``, ``cii``, ``iso20022``
and ``pdf`` each read one format; ``facts`` has the nouns and the limits; ``recognise`` tells kinds by first octets.

Nothing here raises, whatever the octets: a document that can't be read has blank facts, as most files have. What is
held in memory does not grow with the document. XML is read without document types and entities.
"""

from ecluse.wire.documents.facts import (
    BLANK,
    DocumentFacts,
    DocumentType,
    Interchange,
    Party,
    Reference,
    ReferenceKind,
)
from ecluse.wire.documents.reader import DocumentReader, facts, read
from ecluse.wire.documents.recognise import kind_of

__all__ = [
    "BLANK",
    "DocumentFacts",
    "DocumentReader",
    "DocumentType",
    "Interchange",
    "Party",
    "Reference",
    "ReferenceKind",
    "facts",
    "kind_of",
    "read",
]
