"""What the record of processing activities says that no other setting tells (GDPR, article 30)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ecluse.trust.settings.fields import Strict

__all__ = ["Phrase", "ProcessingSettings"]

Phrase = Annotated[
    str, Meta(min_length=3, max_length=1000, extra={"expected": "a text of 3 to 1000 characters"})
]


class ProcessingSettings(Strict, frozen=True, kw_only=True):
    """The record of processing activities, where it is not told by the rest of the configuration.

    Attributes:
        role: Whether the organisation exchanges documents for its own purposes, or for others.
        controller: For whom, where it is a processor: name and contact.
        officer: The data protection officer: name and contact.
        purpose: What documents are exchanged for, where their flow does not say.
        basis: The legal basis.
        persons: Categories of persons whose data is in documents.
        data: Categories of that data.
    """

    role: Literal["controller", "processor"] = "controller"
    controller: Phrase | None = None
    officer: Phrase | None = None
    purpose: Phrase | None = None
    basis: Phrase | None = None
    persons: tuple[Phrase, ...] = ()
    data: tuple[Phrase, ...] = ()
