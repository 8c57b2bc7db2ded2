"""What can be wrong with an OpenPGP message, certificate or key: one class for each answer there is."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = [
    "BadCertificate",
    "BadSecretKey",
    "BadSignature",
    "DecryptionFailed",
    "LimitExceeded",
    "Malformed",
    "Modified",
    "NotForUs",
    "NotOpenPgp",
    "OpenPgpError",
    "PasswordOnly",
    "Truncated",
    "UnsupportedAlgorithm",
    "UnsupportedForm",
    "WeakAlgorithm",
    "WrongPassphrase",
]


class OpenPgpError(EcluseError):
    """OpenPGP data that can't be used as it stands."""

    code = "openpgp.error"
    fault = Fault.PARTNER
    remedy = "Ask the partner to send it again, and keep the bytes for their support."


class NotOpenPgp(OpenPgpError):
    """The bytes are no OpenPGP message at all."""

    code = "openpgp.not-openpgp"
    remedy = "Ask the partner to encrypt or sign what they send, or take OpenPGP out of the flow."


class Malformed(OpenPgpError):
    """The bytes are not the packets that they should be."""

    code = "openpgp.malformed"
    remedy = "Ask the partner to check the program that made the message."


class Truncated(OpenPgpError):
    """The input ended inside the message."""

    code = "openpgp.truncated"
    remedy = "Ask the partner to send the whole file again."


class LimitExceeded(OpenPgpError):
    """Something is larger, deeper or more numerous than it may be."""

    code = "openpgp.limit"
    remedy = "Raise the flow's limit if the message is legitimate."


class UnsupportedForm(OpenPgpError):
    """OpenPGP data of a kind that is not taken: a detached or clear-text signature, a key, old encryption."""

    code = "openpgp.unsupported-form"
    remedy = "Ask the partner for one file that is signed and encrypted together (gpg --sign --encrypt)."


class UnsupportedAlgorithm(OpenPgpError):
    """An algorithm or version that this program does not do."""

    code = "openpgp.unsupported-algorithm"
    remedy = "Agree with the partner on RSA or Curve25519, AES and SHA-2."


class WeakAlgorithm(OpenPgpError):
    """An algorithm or key too weak to be used without having been allowed by name."""

    code = "openpgp.weak-algorithm"
    remedy = 'Ask the partner for a stronger one, or allow "openpgp-legacy" with a reason and an end date.'


class NotForUs(OpenPgpError):
    """No key of ours is among the recipients."""

    code = "openpgp.no-key"
    remedy = "Send the partner our certificate (ecluse pgp export), or import the key that they encrypt to."


class PasswordOnly(OpenPgpError):
    """The message is encrypted with a password alone."""

    code = "openpgp.password-only"
    remedy = "Ask the partner to encrypt to our certificate: passwords are not used for exchanges."


class DecryptionFailed(OpenPgpError):
    """A key of ours is named, and does not open it: one text, whatever was wrong inside."""

    code = "openpgp.decryption-failed"
    remedy = "Check with the partner that they encrypt to our certificate as it is."

    def __init__(self) -> None:
        """No argument: every failure reads the same."""
        super().__init__("The message could not be decrypted.")


class Modified(OpenPgpError):
    """The integrity check of the encrypted data failed: it was changed after it was encrypted."""

    code = "openpgp.modified"
    remedy = "Ask the partner to send it again in binary mode; if it fails once more, suspect the line."

    def __init__(self) -> None:
        """No argument: every failure reads the same."""
        super().__init__("The encrypted data was changed after it was encrypted.")


class BadSignature(OpenPgpError):
    """A signature does not fit what it should cover."""

    code = "openpgp.bad-signature"
    remedy = "Ask the partner whether the file was changed after it was signed, and with which key."


class BadCertificate(OpenPgpError):
    """A certificate that can't be read or used."""

    code = "openpgp.bad-certificate"
    fault = Fault.USAGE
    remedy = "Ask the partner for their OpenPGP certificate (gpg --export --armor) once more."


class BadSecretKey(OpenPgpError):
    """A private key that can't be read or used."""

    code = "openpgp.bad-key"
    fault = Fault.USAGE
    remedy = (
        "Export it again with its secret part (gpg --export-secret-keys), or make one: ecluse pgp generate."
    )


class WrongPassphrase(OpenPgpError):
    """The private key does not open under the passphrase."""

    code = "openpgp.wrong-passphrase"
    fault = Fault.USAGE
    remedy = "Give the passphrase that the key was exported with."
