"""Building an AS2 message in one pass: payload octets in, body octets out, nothing held.

A message is an inner MIME entity in layers: compressed, signed, encrypted. Each layer takes the entity inside
it as octets and gives the body of the entity around it; the outermost entity's header goes into the HTTP
request. The MIC is digested on the way past, at the place that RFC 4130 s7.3.1 and RFC 5402 s4 say: what was
signed; else the inner entity with its header where there is any layer; else the body alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Literal

from ecluse.wire.as2._layers import CmsLayer, Fields, Layer, SignedLayer
from ecluse.wire.as2.identity import format_name
from ecluse.wire.cms.recipients import RecipientKey
from ecluse.wire.cms.sign import Signer, digests_needed
from ecluse.wire.cms.writer import CompressedWriter, EnvelopedWriter
from ecluse.wire.smime.headers import check_field, write_headers
from ecluse.wire.smime.mic import ALL_DIGESTS, DEFAULT_DIGEST, Digester, digest_name
from ecluse.wire.smime.parameters import encode_parameter, parse_value

__all__ = [
    "FEATURES",
    "BuildOptions",
    "Compression",
    "EntityShape",
    "MessageBuilder",
    "Part",
    "ReceiptOptions",
    "entity_again",
]

FEATURES = "multiple-attachments"
"""EDIINT-Features that are done (RFC 6017 s3, RFC 6362)."""

Compression = Literal["none", "before-signing", "after-signing"]

Entropy = Callable[[int], bytes]
"""Gives as many unpredictable octets as it is asked for."""


@dataclass(frozen=True, slots=True)
class Part:
    """A document inside the message.

    Attributes:
        content_type: Its Content-Type, as it shall be sent.
        file_name: The name that the receiver shall see, or ``None``.
        content_id: Content-ID without brackets, for documents that refer to each other.
    """

    content_type: str = "application/octet-stream"
    file_name: str | None = None
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptOptions:
    """The MDN to ask for.

    Attributes:
        to: Disposition-Notification-To; an address that only needs to be there (RFC 4130 s7.3).
        signed: Whether it shall be signed.
        micalgs: MIC algorithms as written to the partner, the preferred one first.
        url: Where an asynchronous MDN goes; ``None`` for a synchronous one.
    """

    to: str
    signed: bool = True
    micalgs: tuple[str, ...] = ("sha-256",)
    url: str | None = None


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How messages to one partner are made.

    Attributes:
        as2_from: Our name, unquoted.
        as2_to: Theirs, unquoted.
        signers: Who signs; empty for an unsigned message.
        digest: ``sha256``, ``sha384`` or ``sha512``.
        recipients: Whom to encrypt to; empty for none.
        cipher: One of :data:`ecluse.wire.cms.writer.CIPHERS`. CBC is what every AS2 program reads.
        compression: Before or after signing, never both (RFC 5402 s3).
        receipt: The MDN to ask for, or ``None``.
        subject: Subject field.
        version: AS2-Version; ``1.3`` also sends ``product``.
        product: AS2-Product.
        dashed_micalg: False for partners that know only ``sha256`` and not ``sha-256``.
        algorithm_protection: False leaves CMSAlgorithmProtection out, which some old receivers refuse.
    """

    as2_from: str
    as2_to: str
    signers: tuple[Signer, ...] = ()
    digest: str = DEFAULT_DIGEST
    recipients: tuple[RecipientKey, ...] = ()
    cipher: str = "aes-256-cbc"
    compression: Compression = "none"
    receipt: ReceiptOptions | None = None
    subject: str = "AS2 message"
    version: str = "1.2"
    product: str = "Ecluse"
    dashed_micalg: bool = True
    algorithm_protection: bool = True


@dataclass(frozen=True, slots=True)
class EntityShape:
    """What, besides the documents, the octets in the scope of a MIC are made of.

    Attributes:
        related: Boundary between the documents; empty where there is one alone.
        layered: There is a protection around them: their MIME header is in scope.
        compressed: What was signed is compressed.
    """

    related: str = ""
    layered: bool = True
    compressed: bool = False


def entity_again(shape: EntityShape, documents: Iterable[tuple[Part, Iterable[bytes]]]) -> Iterator[bytes]:
    """The octets in the scope of the MIC of a message that a builder made, once more.

    What was compressed comes out as it did then where zlib compresses as it did then: hold the digest against that of
    the message.

    Args:
        shape: From :attr:`MessageBuilder.entity`.
        documents: Each with its octets, in order.
    """
    inner = _inner_entity(shape, documents)
    if not shape.compressed:
        yield from inner
        return
    layer = _compressing()
    yield write_headers(layer.fields()) + layer.start()
    yield from filter(None, map(layer.feed, inner))
    yield layer.finish()


def _inner_entity(shape: EntityShape, documents: Iterable[tuple[Part, Iterable[bytes]]]) -> Iterator[bytes]:
    for number, (part, chunks) in enumerate(documents):
        header = write_headers(_part_fields(part))
        if shape.related:
            if number == 0 and shape.layered:
                yield write_headers(_related_fields(shape.related, part))
            delimiter = f"--{shape.related}\r\n".encode("ascii")
            yield (b"\r\n" + delimiter if number else delimiter) + header
        elif shape.layered:
            yield header
        yield from chunks
    if shape.related:
        yield f"\r\n--{shape.related}--\r\n".encode("ascii")


class MessageBuilder:
    """Builds one message, push style: ``start``, ``feed``, perhaps ``next_part``, ``finish``.

    What these give, put together, is the HTTP body; :attr:`headers` is known from the beginning.

    Args:
        options: How messages to this partner are made.
        part: The document, or the first of several.
        message_id: Message-ID with its brackets.
        now: Date and signing time, in seconds since 1970.
        entropy: For boundaries, keys and initialisation vectors.
        several: Whether ``next_part`` will be called: the documents then travel as multipart/related.
        mic_digests: Hash names that :attr:`mics` must hold whatever the size, besides those that the receipt
            asks for and the signature needs. Without any, all of ``ALL_DIGESTS`` are kept up to 1 MiB; above
            it the needed ones and SHA-256: four digests of a big payload cost more than its encryption.

    Raises:
        EcluseError: A name, value or algorithm that can't be sent.
    """

    def __init__(
        self,
        options: BuildOptions,
        part: Part,
        *,
        message_id: str,
        now: int,
        entropy: Entropy,
        several: bool = False,
        mic_digests: Iterable[str] = (),
    ) -> None:
        self._part = part
        self._options = options
        self._related = f"ecluse-{entropy(16).hex()}" if several else None
        self._digester = Digester(_needed(options, mic_digests), extra=ALL_DIGESTS, canonical=False)
        self._layers = self._make_layers(options, now, entropy)
        self._tapped = not options.signers
        if self._related is None:
            self._inner = _part_fields(part)
        else:
            self._inner = _related_fields(self._related, part)
        outer = self._layers[-1].fields() if self._layers else self._inner
        self._headers = _request_fields(options, message_id, now) + outer
        for name, value in self._headers:
            check_field(name, value)

    def _make_layers(self, options: BuildOptions, now: int, entropy: Entropy) -> list[Layer]:
        layers: list[Layer] = []
        if options.signers:
            layers.append(
                SignedLayer(
                    options.signers,
                    options.digest,
                    boundary=f"ecluse-{entropy(16).hex()}",
                    now=now,
                    digester=self._digester,
                    dashed=options.dashed_micalg,
                    algorithm_protection=options.algorithm_protection,
                )
            )
        if options.compression != "none":
            layers.insert(0 if options.compression == "before-signing" else len(layers), _compressing())
        if options.recipients:
            kind = "authEnveloped-data" if options.cipher.endswith("-gcm") else "enveloped-data"
            stage = EnvelopedWriter(options.recipients, options.cipher, entropy=entropy)
            layers.append(CmsLayer(stage, kind, "smime.p7m"))
        return layers

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The HTTP header fields of the message, none of them folded. Host and length are the client's."""
        return list(self._headers)

    def start(self) -> bytes:
        """The octets before the first document. Call it first, once."""
        inner = write_headers(self._inner)
        out = b""
        if self._related is not None:
            out = f"--{self._related}\r\n".encode("ascii") + write_headers(_part_fields(self._part))
        if self._layers:
            out = inner + out
        if self._tapped:
            self._digester.update(out)
        for position, layer in enumerate(self._layers):
            out = layer.start() + layer.feed(out)
            if position + 1 < len(self._layers):
                out = write_headers(layer.fields()) + out
        return out

    def feed(self, data: bytes) -> bytes:
        """Octets of the document in, octets of the body out (there may be none)."""
        if self._tapped:
            self._digester.update(data)
        for layer in self._layers:
            data = layer.feed(data)
        return data

    def next_part(self, part: Part) -> bytes:
        """End the document and begin another one.

        Raises:
            ValueError: The builder was not made with ``several``.
        """
        if self._related is None:
            raise ValueError("one document was announced; give several=True for more")
        header = write_headers(_part_fields(part))
        return self.feed(f"\r\n--{self._related}\r\n".encode("ascii") + header)

    def finish(self) -> bytes:
        """The last octets of the body. Private keys are used here."""
        out = b"" if self._related is None else f"\r\n--{self._related}--\r\n".encode("ascii")
        if self._tapped:
            self._digester.update(out)
        for layer in self._layers:
            out = layer.feed(out) + layer.finish() if out else layer.finish()
        return out

    @property
    def mics(self) -> Mapping[str, bytes]:
        """After ``finish``: the MIC by hash name, to compare with the one that the MDN names."""
        return self._digester.digests()

    @property
    def entity(self) -> EntityShape:
        """How the octets that the MIC is over are made of the documents."""
        signed = bool(self._options.signers)
        compressed = signed and self._options.compression == "before-signing"
        return EntityShape(self._related or "", bool(self._layers), compressed)

    @property
    def signature(self) -> bytes:
        """After ``finish``: the detached CMS signature over those octets, in DER; empty where there is none."""
        return next((layer.signature for layer in self._layers if isinstance(layer, SignedLayer)), b"")

    @property
    def mic_size(self) -> int:
        """Octets that the MIC is over."""
        return self._digester.size


def _needed(options: BuildOptions, mic_digests: Iterable[str]) -> list[str]:
    names = list(mic_digests)
    if options.signers:
        names += digests_needed(options.signers, options.digest)
    if options.receipt is not None:
        names += [name for name in map(digest_name, options.receipt.micalgs) if name is not None]
    return [*names, DEFAULT_DIGEST]


def _compressing() -> CmsLayer:
    return CmsLayer(CompressedWriter(), "compressed-data", "smime.p7z")


def _related_fields(boundary: str, first: Part) -> Fields:
    kind = parse_value(first.content_type).value
    return [("Content-Type", f'multipart/related; boundary="{boundary}"; type="{kind}"')]


def _part_fields(part: Part) -> Fields:
    fields = [("Content-Type", part.content_type), ("Content-Transfer-Encoding", "binary")]
    if part.file_name:
        fields.append(("Content-Disposition", "attachment; " + encode_parameter("filename", part.file_name)))
    if part.content_id:
        fields.append(("Content-ID", f"<{part.content_id}>"))
    return fields


def _request_fields(options: BuildOptions, message_id: str, now: int) -> Fields:
    fields = [
        ("Message-ID", message_id),
        ("Date", formatdate(now, usegmt=True)),
        ("Subject", options.subject),
        ("Mime-Version", "1.0"),
        ("AS2-Version", options.version),
    ]
    if options.version == "1.3":
        fields.append(("AS2-Product", options.product))
    fields += [
        ("AS2-From", format_name(options.as2_from)),
        ("AS2-To", format_name(options.as2_to)),
        ("EDIINT-Features", FEATURES),
    ]
    receipt = options.receipt
    if receipt is not None:
        fields.append(("Disposition-Notification-To", receipt.to))
        if receipt.signed:
            fields.append(
                (
                    "Disposition-Notification-Options",
                    "signed-receipt-protocol=optional, pkcs7-signature; "
                    f"signed-receipt-micalg=optional, {', '.join(receipt.micalgs)}",
                )
            )
        if receipt.url is not None:
            fields.append(("Receipt-Delivery-Option", receipt.url))
    return fields
