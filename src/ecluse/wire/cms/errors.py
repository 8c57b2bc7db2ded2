"""What can be wrong with a CMS message: one class for each answer that a protocol above may have to give."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = [
    "AlgorithmForbidden",
    "BadSignature",
    "CertificateMismatch",
    "CmsError",
    "DecompressionFailed",
    "DecryptionFailed",
    "LimitExceeded",
    "Malformed",
    "Misuse",
    "NoSigner",
    "Truncated",
    "UnsupportedAlgorithm",
]


class CmsError(EcluseError):
    """A CMS message that can't be used as it stands."""

    code = "cms.error"
    fault = Fault.PARTNER
    remedy = "Ask the partner to send it again, and keep the bytes for their support."


class Malformed(CmsError):
    """The bytes are not the CMS structure that they should be."""

    code = "cms.malformed"
    remedy = "Ask the partner to check the program that made the message."


class Truncated(CmsError):
    """The input ended inside the layer."""

    code = "cms.truncated"
    remedy = "Ask the partner to send the whole message again."


class LimitExceeded(CmsError):
    """Something is larger, deeper or more numerous than it may be."""

    code = "cms.limit"
    remedy = "Raise the limit for this partner if the message is legitimate."


class UnsupportedAlgorithm(CmsError):
    """An algorithm that this program does not know, or a known one with parameters that it does not do."""

    code = "cms.unsupported-algorithm"
    remedy = "Agree with the partner on AES, SHA-2 and RSA or ECDSA."


class AlgorithmForbidden(CmsError):
    """An algorithm or key too weak to be used without having been allowed by name."""

    code = "cms.algorithm-forbidden"
    remedy = (
        "Ask the partner for a stronger algorithm, or allow this one by name, with a reason and an end date."
    )


class DecryptionFailed(CmsError):
    """The message could not be decrypted: the only error there is about it.

    A wrong key, a malformed key, bad padding and a bad authentication tag give this same error with the same
    text, so that nobody learns from an answer what was wrong inside (RFC 3218 s2.3, RFC 5083 s4).
    """

    code = "cms.decryption-failed"
    remedy = "Check with the partner that they encrypt to a certificate whose key is held here."

    def __init__(self) -> None:
        """No argument: every failure reads the same."""
        super().__init__("The message could not be decrypted.")


class DecompressionFailed(CmsError):
    """The compressed content is not one whole zlib stream (RFC 3274 s1.1)."""

    code = "cms.decompression-failed"
    remedy = "Ask the partner to send it again, uncompressed if it fails once more."


class BadSignature(CmsError):
    """The signature, or an attribute that it covers, does not fit the content."""

    code = "cms.bad-signature"
    remedy = "Ask the partner whether the message was changed on its way, and which certificate signed it."


class NoSigner(CmsError):
    """There is no signer at all, or none whose certificate is known."""

    code = "cms.no-signer"
    remedy = "Ask the partner to sign, and to send the certificate that they sign with."


class CertificateMismatch(CmsError):
    """The certificate is not the one that the signer names."""

    code = "cms.certificate-mismatch"
    remedy = "Exchange the current signing certificate with the partner."


class Misuse(CmsError):
    """The program that uses the reader called it out of order."""

    code = "cms.misuse"
    fault = Fault.OURS
    remedy = "Report it with the log: this is a defect of the hub."
