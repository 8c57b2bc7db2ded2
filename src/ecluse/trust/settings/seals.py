"""Seals on documents: how a flow makes them, what it asks of those that came, and whom the hub believes."""

from __future__ import annotations

from typing import Literal

from ecluse.trust.settings.fields import CertificatePath, Label, Name, Reference, Strict

__all__ = ["SealSettings", "Sealing", "SealsAsked"]

SealFormat = Literal["auto", "pades", "xades", "cades", "cades-detached", "asic-e"]
SealsAsked = Literal["ignore", "report", "require"]


class Sealing(Strict, frozen=True, kw_only=True):
    """A signature of ours on documents, that stays with them.

    Attributes:
        format: pades is in a PDF, xades in an XML document, cades around any document (.p7m), cades-detached beside it
            (.p7s), asic-e around all documents that go together (.asice). auto takes what fits: pades, xades, or
            cades.
        key: Its name in the keyring; by default the organisation's key for sign.
        time_stamp: Authority of [[log.authorities]] that stamps the seal, so that it can be checked after its
            certificate has ended; not for xades.
        reason: Why, as readers of a PDF show it.
        location: Where, likewise.
    """

    format: SealFormat = "auto"
    key: Reference | None = None
    time_stamp: Label | None = None
    reason: Name | None = None
    location: Name | None = None


class SealSettings(Strict, frozen=True, kw_only=True):
    """Whose seals on documents are believed, besides those by certificates in the files of partners.

    Attributes:
        roots: PEM files of authorities, in the folder certificates: a seal under one of them is believed.
    """

    roots: tuple[CertificatePath, ...] = ()
