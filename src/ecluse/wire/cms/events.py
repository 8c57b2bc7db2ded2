"""What a CMS layer is made of: frozen facts, given by the reader in the order in which they stand in it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

__all__ = [
    "AlgorithmIdentifier",
    "Content",
    "ContentKind",
    "KeyNeeded",
    "LayerEnded",
    "LayerStarted",
    "Recipient",
    "RecipientKind",
    "SignerInfo",
    "Signers",
]


class ContentKind(StrEnum):
    """The CMS content types that are read, by name."""

    DATA = "data"
    SIGNED = "signed-data"
    ENVELOPED = "enveloped-data"
    AUTH_ENVELOPED = "auth-enveloped-data"
    COMPRESSED = "compressed-data"
    OTHER = "other"


class AlgorithmIdentifier(Struct, frozen=True):
    """An algorithm as it stands on the wire (RFC 5280 s4.1.1.2).

    Attributes:
        oid: Dotted object identifier.
        parameters: The whole DER of the parameters (tag included); ``None`` where they are absent.
    """

    oid: str
    parameters: bytes | None = None


class RecipientKind(StrEnum):
    """How a recipient gets the content-encryption key (RFC 5652 s6.2, RFC 9629 s3)."""

    KEY_TRANSPORT = "key-transport"
    KEY_AGREEMENT = "key-agreement"
    KEM = "kem"
    OTHER = "other"


class Recipient(Struct, frozen=True):
    """One recipient's way to the content-encryption key.

    A key-agreement RecipientInfo with several recipient keys gives one ``Recipient`` each.

    Attributes:
        kind: Which kind of RecipientInfo it was.
        issuer: DER of the certificate issuer's Name, or ``None`` where a key identifier is used.
        serial: The certificate's serial number, or ``None``.
        key_id: SubjectKeyIdentifier octets, or ``None``.
        algorithm: Key-encryption algorithm (key transport, key agreement) or KEM algorithm.
        encrypted_key: The wrapped content-encryption key.
        originator: Key agreement: DER SubjectPublicKeyInfo of the originator's ephemeral key.
        ukm: User keying material, or ``None``.
        kem_ciphertext: KEM: the encapsulation.
        kdf: KEM: key derivation algorithm.
        kek_length: KEM: length of the key-encryption key, in octets.
        wrap: Key agreement and KEM: key-wrap algorithm.
    """

    kind: RecipientKind
    issuer: bytes | None
    serial: int | None
    key_id: bytes | None
    algorithm: AlgorithmIdentifier
    encrypted_key: bytes
    originator: bytes | None = None
    ukm: bytes | None = None
    kem_ciphertext: bytes | None = None
    kdf: AlgorithmIdentifier | None = None
    kek_length: int | None = None
    wrap: AlgorithmIdentifier | None = None


class LayerStarted(Struct, frozen=True):
    """The outermost ContentInfo (or the layer in it) was recognised by its OID.

    Attributes:
        kind: What it is.
        oid: The dotted content type.
    """

    kind: ContentKind
    oid: str


class KeyNeeded(Struct, frozen=True):
    """The reader waits for ``supply_key``: nothing that follows is decrypted before.

    Attributes:
        recipients: Every RecipientInfo, in order.
        algorithm: Content-encryption algorithm.
        key_length: Octets that the content-encryption key must have.
    """

    recipients: tuple[Recipient, ...]
    algorithm: AlgorithmIdentifier
    key_length: int


class Content(Struct, frozen=True):
    """Some octets of the content: decrypted, inflated or encapsulated.

    Attributes:
        data: Never empty.
        provisional: True while an authentication tag (AuthEnvelopedData) has yet to be checked: nothing
            made from it may be released before ``LayerEnded``.
    """

    data: bytes
    provisional: bool = False


class SignerInfo(Struct, frozen=True):
    """One signer (RFC 5652 s5.3).

    Attributes:
        issuer: DER of the issuer's Name, or ``None`` where a key identifier is used.
        serial: Serial number, or ``None``.
        key_id: SubjectKeyIdentifier octets, or ``None``.
        digest_algorithm: As declared for this signer.
        signature_algorithm: As declared for this signer.
        signature: The signature's octets.
        signed_attributes: The exact octets that were signed: DER of the attributes as a SET OF (tag 0x31),
            or ``None`` where the signer has none and signed the content itself.
        content_type: The content-type attribute's OID, or ``None``.
        message_digest: The message-digest attribute's octets, or ``None``.
        signing_time: The signing-time attribute as it stands (ASCII), or ``None``.
        time_stamps: DER of RFC 3161 tokens over the signature, which came along unsigned.
    """

    issuer: bytes | None
    serial: int | None
    key_id: bytes | None
    digest_algorithm: AlgorithmIdentifier
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    signed_attributes: bytes | None
    content_type: str | None
    message_digest: bytes | None
    signing_time: str | None = None
    time_stamps: tuple[bytes, ...] = ()


class Signers(Struct, frozen=True):
    """The end of a SignedData.

    Attributes:
        signers: Every SignerInfo; may be empty (the caller refuses it).
        certificates: DER of every X.509 certificate that came with it, bounded in number.
        content_type: eContentType, dotted.
        detached: True where no content was encapsulated.
        digests: Digest of the encapsulated content by lower-case hash name (``sha256``), for every supported
            digest algorithm that the header declared; empty where detached.
    """

    signers: tuple[SignerInfo, ...]
    certificates: tuple[bytes, ...]
    content_type: str
    detached: bool
    digests: dict[str, bytes] = field(default_factory=dict)


class LayerEnded(Struct, frozen=True):
    """The layer is whole, and where it carries an authentication tag, the tag was right.

    Attributes:
        kind: Which layer.
        content_size: Octets of content given.
        content_type: The inner content type, dotted (``1.2.840.113549.1.7.1`` for data).
    """

    kind: ContentKind
    content_size: int
    content_type: str


Event = LayerStarted | KeyNeeded | Content | Signers | LayerEnded
