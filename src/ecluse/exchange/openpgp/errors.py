"""Why a document that is well-formed OpenPGP is refused all the same."""

from __future__ import annotations

from ecluse.errors import Fault
from ecluse.wire.openpgp.errors import OpenPgpError

__all__ = [
    "NotConfigured",
    "NotEncrypted",
    "NotSigned",
    "ProtectionError",
    "RecipientUnusable",
    "SignatureTime",
    "SignedForOthers",
    "SignerExpired",
    "SignerRevoked",
    "UnknownSigner",
]


class ProtectionError(OpenPgpError):
    """The message is not what the partner's file demands."""


class NotEncrypted(ProtectionError):
    """It came in clear."""

    code = "openpgp.not-encrypted"
    remedy = "Ask the partner to encrypt to our certificate; set openpgp.require_encrypted = false if that is agreed."


class NotSigned(ProtectionError):
    """It has no signature."""

    code = "openpgp.not-signed"
    remedy = "Ask the partner to sign; set openpgp.require_signed = false if it is agreed that they don't."


class UnknownSigner(ProtectionError):
    """No certificate of the partner's made any of its signatures."""

    code = "openpgp.unknown-signer"
    remedy = "Ask the partner which key they sign with, compare its fingerprint, and add its certificate."


class SignerExpired(ProtectionError):
    """The signing key had ended, or has by now."""

    code = "openpgp.signer-expired"
    remedy = "Ask the partner for their certificate with its new end, and put it in place of the old one."


class SignerRevoked(ProtectionError):
    """The signing key was revoked."""

    code = "openpgp.signer-revoked"
    remedy = "Ask the partner for their present certificate, and whether somebody else may have signed this."


class SignatureTime(ProtectionError):
    """The signature is from the future, or its own time is over."""

    code = "openpgp.signature-time"
    remedy = "Ask the partner to look at their clock, and to send the file again."


class SignedForOthers(ProtectionError):
    """The signature says that the document was meant for somebody else."""

    code = "openpgp.signed-for-others"
    remedy = (
        "Ask the partner whether they signed this for us: a document for another may have been passed on."
    )


class RecipientUnusable(ProtectionError):
    """Nothing can be encrypted to a certificate at this time."""

    code = "openpgp.recipient-unusable"
    fault = Fault.OURS
    remedy = "Ask the partner for their present certificate, and put it into the folder openpgp."


class NotConfigured(ProtectionError):
    """OpenPGP is asked for, and the configuration does not say with what."""

    code = "openpgp.not-configured"
    fault = Fault.OURS
    remedy = "Name our keys under [openpgp] in ecluse.toml, and the partner's certificates in their file."
