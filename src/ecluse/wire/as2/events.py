"""What opening an AS2 message gives: facts, in the order in which they stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cryptography import x509
from msgspec import Struct, field

from ecluse.wire.cms.events import AlgorithmIdentifier, KeyNeeded, SignerInfo
from ecluse.wire.cms.limits import Limits
from ecluse.wire.smime.headers import Headers

__all__ = [
    "Compressed",
    "Encrypted",
    "Event",
    "Exact",
    "KeyNeeded",
    "Opened",
    "PartData",
    "PartEnded",
    "PartStarted",
    "Protection",
    "Signed",
    "UnwrapPolicy",
]

MAX_LAYERS = 6
"""Protections around each other. The most that RFC 4130 and 5402 know is three; a triple wrap has five."""
MAX_PARTS = 100
"""Documents in one message."""


class UnwrapPolicy(Struct, frozen=True):
    """What is asked of a partner's messages, and what they may cost.

    Attributes:
        certificates: The partner's pinned signing certificates that are valid at this time.
        allowed: Old algorithms that this partner may still use, by name.
        require_signed: Answer ``insufficient-message-security`` to what is not signed.
        require_encrypted: The same for what is not encrypted.
        mic_digest: Hash name that the sender asked the MIC in; ``None``: the signature's, else SHA-256.
        max_layers: Protections around each other.
        max_parts: Documents in one message.
        limits: For each CMS layer: content, inflation, recipients.
        conceal: Answer ``decryption-failed`` to *every* fault found in content that was decrypted without
            authentication (CBC), a bad signature included. It closes the padding oracle for good, and costs
            the partner the exact answer. Without it, all faults but those of a signature that is whole, with
            nothing behind it, are answered so: garbage that happens to be padded right can't make such a one.
    """

    certificates: tuple[x509.Certificate, ...] = ()
    allowed: frozenset[str] = frozenset()
    require_signed: bool = False
    require_encrypted: bool = False
    mic_digest: str | None = None
    max_layers: int = MAX_LAYERS
    max_parts: int = MAX_PARTS
    limits: Limits = field(default_factory=Limits)
    conceal: bool = False


class Exact(Struct, frozen=True):
    """Octets in the scope of the MIC, in order, unchanged: what a signature proves, to be kept once."""

    data: bytes


class PartStarted(Struct, frozen=True):
    """A document begins.

    Attributes:
        content_type: As sent; ``application/octet-stream`` where there is none.
        file_name: Made safe; ``None`` where it has none.
        headers: Its own MIME header.
        in_exact: Its octets stand as they are in the ``Exact`` stream: whoever keeps that may drop the
            ``PartData`` of this part, and remember the range that ``PartEnded`` gives.
    """

    content_type: str
    file_name: str | None
    headers: Headers
    in_exact: bool


class PartData(Struct, frozen=True):
    """Octets of the document, its transfer encoding undone. Never empty."""

    data: bytes


class PartEnded(Struct, frozen=True):
    """The document is whole.

    Attributes:
        size: Its octets.
        exact_offset: Where it begins in the ``Exact`` stream; ``None`` unless it stands there as it is.
    """

    size: int
    exact_offset: int | None


class Encrypted(Struct, frozen=True):
    """A layer of encryption was opened.

    Attributes:
        algorithm: Of the content.
        authenticated: Whether an authentication tag was checked.
        recipients: To how many it was encrypted.
    """

    algorithm: AlgorithmIdentifier
    authenticated: bool
    recipients: int


class Compressed(Struct, frozen=True):
    """A layer of compression was opened."""


class Signed(Struct, frozen=True):
    """A signature was verified.

    Attributes:
        certificate: The pinned certificate that verified it.
        signer: The SignerInfo that it verified.
        signers: How many there were.
        certificates: DER of the certificates that came with it.
        signature: The detached signature as it was sent (a ContentInfo); of opaque signed-data, the same without its
            content.
        detached: Whether it was a multipart/signed.
        canonical: The signature fits the content only with its line ends made CRLF.
    """

    certificate: x509.Certificate
    signer: SignerInfo
    signers: int
    certificates: tuple[bytes, ...]
    signature: bytes
    detached: bool
    canonical: bool


Protection = Encrypted | Compressed | Signed


class Opened(Struct, frozen=True):
    """The message is whole, every layer was opened and every signature verified: now it may be believed.

    Attributes:
        protections: From the outermost inwards.
        mics: The MIC by hash name: at least as SHA-256, as asked for, and as signed.
        mic_digest: Which of them to return.
        exact_size: Octets in the ``Exact`` stream.
        parts: How many documents.
        is_mdn: It is a receipt (multipart/report of disposition-notification).
        canonical: The MIC is over the content with its line ends made CRLF, as the sender signed it.
        warnings: What was tolerated, one sentence each.
        exact_sha256: Digest of the ``Exact`` stream as it is, 32 octets, whatever form the MIC is over.
    """

    protections: tuple[Protection, ...]
    mics: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    mic_digest: str = "sha256"
    exact_size: int = 0
    parts: int = 0
    is_mdn: bool = False
    canonical: bool = False
    warnings: tuple[str, ...] = ()
    exact_sha256: bytes = b""

    @property
    def signed(self) -> Signed | None:
        """The outermost signature, or ``None``."""
        return next((found for found in self.protections if isinstance(found, Signed)), None)

    @property
    def encrypted(self) -> bool:
        """Whether any layer was encrypted."""
        return any(isinstance(found, Encrypted) for found in self.protections)

    @property
    def mic(self) -> bytes:
        """The MIC to return."""
        return self.mics[self.mic_digest]


Event = KeyNeeded | Exact | PartStarted | PartData | PartEnded | Opened
