"""Why a document can't be sealed, or its seals can't be read."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["BadContainer", "CanNotSeal", "KeyUnfit", "NotSealed", "TooLargeToSeal"]


class CanNotSeal(EcluseError):
    """The document is not of the kind that this seal goes into."""

    code = "seal.not-fit"
    fault = Fault.PERMANENT
    remedy = "Seal it as cades, which takes any document, or look at the document."


class TooLargeToSeal(EcluseError):
    """A seal within a document needs the whole document at once."""

    code = "seal.too-large"
    fault = Fault.PERMANENT
    remedy = "Seal it as cades, which takes documents of any size."


class KeyUnfit(EcluseError):
    """The key can't make signatures of this kind."""

    code = "seal.key-unfit"
    fault = Fault.OURS
    remedy = "Use an RSA or ECDSA key for pades and xades; cades and asic-e take any key that signs."


class NotSealed(EcluseError):
    """A document that had to be sealed is not, or by nobody who is believed."""

    code = "seal.not-valid"
    fault = Fault.PARTNER
    remedy = "Look at the report with `ecluse seal check`; ask the partner, then release the document or give it up."


class BadContainer(EcluseError):
    """The container is not one, or breaks its own rules."""

    code = "seal.bad-container"
    fault = Fault.PERMANENT
    remedy = "Ask whoever made it for another one: this one proves nothing."
