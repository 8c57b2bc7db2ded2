"""What is said of a seal: the words of ETSI EN 319 102-1 (section 5.1.3), and what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cryptography import x509

from ecluse.model.basics import Instant, iso

__all__ = ["MAX_PDF", "MAX_XML", "Indication", "SealFacts", "Verdict", "name_of", "whole"]

MAX_PDF: Final = 32 << 20
"""Octets of a PDF that is worked on whole: with its copies it takes three times that; scanned contracts stay below."""
MAX_XML: Final = 16 << 20
"""The same of XML: a tree takes some six times its text; invoices with a scanned attachment stay below half of it."""


class Indication(StrEnum):
    """What validation comes to."""

    PASSED = "total-passed"
    INDETERMINATE = "indeterminate"
    FAILED = "total-failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An indication with its ground.

    Attributes:
        indication: What it comes to.
        ground: Stable word: ``pinned`` or ``chain`` where it passed; else the sub-indication of ETSI EN 319 102-1
            (table 5) in lower case (``hash-failure``, ``no-certificate-chain-found``, ``revoked``...).
        sentence: The same for people.
    """

    indication: Indication
    ground: str
    sentence: str

    @property
    def passed(self) -> bool:
        """Whether nothing is left to ask."""
        return self.indication is Indication.PASSED


@dataclass(frozen=True, slots=True)
class SealFacts:
    """One seal on a document.

    Attributes:
        format: ``cades``, ``pades``, ``xades``, or ``cms``, ``pdf``, ``xmldsig`` where it is none of these but the
            plain signature under them.
        verdict: What it comes to.
        signer: Whose certificate it is, in words; empty where there is none.
        certificate: SHA-256 of it, hexadecimal; empty likewise.
        issuer: Who issued it, in words.
        made: When, as the seal itself says; nobody vouches for it.
        stamped: When an authority saw it; ``None`` without a time-stamp that holds.
        algorithm: With what: ``ecdsa sha256``.
        covers: ``whole`` or ``part`` of the document; ``named`` files for a container.
        file: Which file of a container; empty elsewhere.
    """

    format: str
    verdict: Verdict
    signer: str = ""
    certificate: str = ""
    issuer: str = ""
    made: Instant | None = None
    stamped: Instant | None = None
    algorithm: str = ""
    covers: str = "whole"
    file: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For the log and ``--json``."""
        return {
            "format": self.format,
            "indication": self.verdict.indication.value,
            "ground": self.verdict.ground,
            "sentence": self.verdict.sentence,
            "signer": self.signer,
            "certificate": self.certificate,
            "issuer": self.issuer,
            "made": iso(self.made) if self.made is not None else None,
            "stamped": iso(self.stamped) if self.stamped is not None else None,
            "algorithm": self.algorithm,
            "covers": self.covers,
            "file": self.file,
        }


def whole(seals: Iterable[SealFacts]) -> bool:
    """Whether one seal that passed covers all of a document, and none of them failed."""
    found = list(seals)
    if any(seal.verdict.indication is Indication.FAILED for seal in found):
        return False
    return any(seal.verdict.passed and seal.covers != "part" for seal in found)


def name_of(name: x509.Name) -> str:
    """A certificate's name for people (RFC 4514)."""
    return name.rfc4514_string()
