"""Writing a CMS layer as a stream: a header, the content in pieces, a trailer.

Every stage writes BER of indefinite length, so that nothing need be known of the content's size and little of
it is held: one segment of 64 KiB, and room for the largest piece that was fed. Pieces of 1 MiB serve best.
Stages are put one into another by feeding what comes out of the inner one to the outer one;
:class:`Nested` does it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import AEADEncryptionContext, Cipher, algorithms, modes

from ecluse.errors import Fault
from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms._keywrap import algorithm
from ecluse.wire.cms._segments import EncryptedSegments, Segments
from ecluse.wire.cms.algorithms import CIPHERS_BY_NAME
from ecluse.wire.cms.errors import AlgorithmForbidden, LimitExceeded
from ecluse.wire.cms.recipients import RecipientKey
from ecluse.wire.cms.sign import (
    Baseline,
    Signer,
    attribute,
    digests_needed,
    signed_data_head,
    signed_data_tail,
)

__all__ = ["CIPHERS", "CompressedWriter", "EnvelopedWriter", "Nested", "SignedWriter", "Stage"]

GCM_NONCE_SIZE: Final = 12
"""The length that RFC 5084 s3.2 recommends: the nonce is then used as it is."""
GCM_TAG_SIZE: Final = 16
"""The longest tag (RFC 5084 s3.2)."""
GCM_MAX_CONTENT: Final = 2**36 - 32
"""Octets that one key and nonce may encrypt (NIST SP 800-38D s5.2.1.1)."""
COMPRESSION_LEVEL: Final = 6
"""zlib's own balance of time and size."""


class Stage(Protocol):
    """One layer on its way out. Call ``start`` once, ``feed`` any number of times, ``finish`` once."""

    def start(self) -> bytes:
        """What stands before the content."""

    def feed(self, data: bytes | memoryview) -> bytes:
        """Some of the content in; what of the layer is ready out, which may be nothing."""

    def finish(self) -> bytes:
        """The rest of the layer."""


_CIPHERS: Final = {name: cipher for name, cipher in CIPHERS_BY_NAME.items() if cipher.legacy is None}

CIPHERS: Final = tuple(_CIPHERS)
"""Every cipher by name. Nothing weaker is ever written."""

_EOC: Final = asn1.END_OF_CONTENTS
_CONTENT: Final = asn1.CONTEXT | asn1.CONSTRUCTED  # [0]


def _open(content_type: str) -> bytes:
    """The start of a ContentInfo of indefinite length, and of the SEQUENCE that is its content."""
    return (
        asn1.begin(asn1.SEQUENCE) + asn1.oid(content_type) + asn1.begin(_CONTENT) + asn1.begin(asn1.SEQUENCE)
    )


_CLOSE: Final = _EOC * 3
"""Closes what :func:`_open` opened."""


def _open_encapsulated(content_type: str) -> bytes:
    """The start of an EncapsulatedContentInfo (RFC 5652 s5.2), up to the segments of its content."""
    return (
        asn1.begin(asn1.SEQUENCE)
        + asn1.oid(content_type)
        + asn1.begin(_CONTENT)
        + asn1.begin(asn1.OCTET_STRING | asn1.CONSTRUCTED)
    )


_CLOSE_ENCAPSULATED: Final = _EOC * 3
"""Closes what :func:`_open_encapsulated` opened."""


class EnvelopedWriter:
    """Encryption: EnvelopedData (RFC 5652 s6) for CBC, AuthEnvelopedData (RFC 5083) for GCM."""

    def __init__(
        self,
        recipients: Sequence[RecipientKey],
        cipher: str,
        *,
        entropy: Callable[[int], bytes],
        content_type: str = oids.DATA,
    ) -> None:
        """Draws the key and wraps it for every recipient.

        Args:
            recipients: At least one; each of them can decrypt.
            cipher: One of :data:`CIPHERS`.
            entropy: Gives as many unpredictable octets as it is asked for: the content-encryption key, then
                the nonce or initialisation vector.
            content_type: What the content is, dotted.

        Raises:
            AlgorithmForbidden: Another cipher.
        """
        if not recipients:
            raise ValueError("an EnvelopedData needs a recipient")
        if cipher not in _CIPHERS:
            raise AlgorithmForbidden(
                f"Content is not encrypted with {cipher!r}.",
                remedy=f"Choose one of {', '.join(CIPHERS)}.",
                fault=Fault.USAGE,
            )
        chosen = _CIPHERS[cipher]
        key = entropy(chosen.key_length)
        infos = asn1.encode(asn1.SET, *(recipient.recipient_info(key) for recipient in recipients))
        self._sealer: AEADEncryptionContext | None = None
        self._attributes = b""
        if chosen.authenticated:
            nonce = entropy(GCM_NONCE_SIZE)
            parameters = asn1.sequence(asn1.octets(nonce), asn1.integer(GCM_TAG_SIZE))
            self._sealer = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
            self._segments = EncryptedSegments(self._sealer)
            self._room = GCM_MAX_CONTENT
            if content_type != oids.DATA:
                # Other content needs its type among the authenticated attributes (RFC 5083 s2.1), which are
                # authenticated as a SET OF and sent as [1] IMPLICIT (s2.2).
                attributes = asn1.set_of(attribute(oids.CONTENT_TYPE, asn1.oid(content_type)))
                self._sealer.authenticate_additional_data(attributes)
                self._attributes = b"\xa1" + attributes[1:]
            layer, version = oids.AUTH_ENVELOPED_DATA, 0
        else:
            vector = entropy(chosen.block)  # RFC 3565 s2.3
            parameters = asn1.octets(vector)
            self._segments = EncryptedSegments(Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor())
            layer, version = oids.ENVELOPED_DATA, max(recipient.version for recipient in recipients)
        self._header = b"".join(
            (
                _open(layer),
                asn1.integer(version),
                infos,
                asn1.begin(asn1.SEQUENCE),
                asn1.oid(content_type),
                algorithm(chosen.oid, parameters),
                asn1.begin(_CONTENT),
            )
        )

    def start(self) -> bytes:
        """Everything up to the encrypted content."""
        return self._header

    def feed(self, data: bytes | memoryview) -> bytes:
        """Full segments of ciphertext.

        Raises:
            LimitExceeded: More content than one key may encrypt with GCM (64 GiB).
        """
        if self._sealer is not None:
            self._room -= len(data)
            if self._room < 0:
                raise LimitExceeded(
                    "The content is too long for AES-GCM.",
                    remedy="Choose an AES-CBC cipher for this partner.",
                    fault=Fault.USAGE,
                )
        return self._segments.feed(data)

    def finish(self) -> bytes:
        """The last ciphertext and, with GCM, the tag."""
        if self._sealer is None:
            return self._segments.finish(padding=True) + _EOC * 2 + _CLOSE
        last = self._segments.finish(padding=False)
        self._sealer.finalize()
        return last + _EOC * 2 + self._attributes + asn1.octets(self._sealer.tag) + _CLOSE


class CompressedWriter:
    """Compression: CompressedData with zlib (RFC 3274)."""

    def __init__(self, level: int = COMPRESSION_LEVEL, *, content_type: str = oids.DATA) -> None:
        """``level`` is zlib's, 0 (none) to 9 (smallest); ``content_type`` says what the content is."""
        self._deflate = zlib.compressobj(level)
        self._segments = Segments()
        self._content_type = content_type

    def start(self) -> bytes:
        """Everything up to the compressed content."""
        return (
            _open(oids.COMPRESSED_DATA)
            + asn1.integer(0)
            + algorithm(oids.ZLIB)
            + _open_encapsulated(self._content_type)
        )

    def feed(self, data: bytes | memoryview) -> bytes:
        """Full segments of compressed content."""
        return self._segments.feed(self._deflate.compress(data))

    def finish(self) -> bytes:
        """The last compressed content."""
        full = self._segments.feed(self._deflate.flush())
        return full + self._segments.finish() + _CLOSE_ENCAPSULATED + _CLOSE


class SignedWriter:
    """An opaque signature: SignedData around its content (RFC 5652 s5)."""

    def __init__(
        self,
        signers: Sequence[Signer],
        *,
        digest: str = "sha256",
        now: int,
        algorithm_protection: bool = True,
        capabilities: bool = False,
        include_certificates: bool = True,
        content_type: str = oids.DATA,
        baseline: Baseline | None = None,
    ) -> None:
        """The arguments and errors are those of :func:`ecluse.wire.cms.sign.sign_detached`."""
        self._signers = tuple(signers)
        self._digest = digest
        self._now = now
        self._algorithm_protection = algorithm_protection
        self._capabilities = capabilities
        self._include_certificates = include_certificates
        self._content_type = content_type
        self._baseline = baseline
        self._segments = Segments()
        self._header = (
            _open(oids.SIGNED_DATA)
            + signed_data_head(self._signers, digest, content_type)
            + _open_encapsulated(content_type)
        )
        self._hashes = {name: hashlib.new(name) for name in digests_needed(self._signers, digest)}

    def start(self) -> bytes:
        """Everything up to the content."""
        return self._header

    def feed(self, data: bytes | memoryview) -> bytes:
        """Full segments of the content."""
        for hashed in self._hashes.values():
            hashed.update(data)
        return self._segments.feed(data)

    def finish(self) -> bytes:
        """The last content and the signatures: the signers are asked here."""
        tail = signed_data_tail(
            {name: hashed.digest() for name, hashed in self._hashes.items()},
            self._signers,
            digest=self._digest,
            now=self._now,
            algorithm_protection=self._algorithm_protection,
            capabilities=self._capabilities,
            include_certificates=self._include_certificates,
            content_type=self._content_type,
            baseline=self._baseline,
        )
        return self._segments.finish() + _CLOSE_ENCAPSULATED + tail + _CLOSE


class Nested:
    """Stages one in another: content goes into the first, the layer of the last comes out."""

    def __init__(self, *stages: Stage) -> None:
        """``stages`` from the innermost to the outermost, at least one."""
        self._inner, *self._outer = stages

    def start(self) -> bytes:
        """The headers of all layers, as far as they are ready."""
        out = self._inner.start()
        for stage in self._outer:
            out = stage.start() + stage.feed(out)
        return out

    def feed(self, data: bytes | memoryview) -> bytes:
        """Content for the innermost layer."""
        out = self._inner.feed(data)
        for stage in self._outer:
            if not out:
                break
            out = stage.feed(out)
        return out

    def finish(self) -> bytes:
        """The rest of all layers."""
        out = self._inner.finish()
        for stage in self._outer:
            out = stage.feed(out) + stage.finish()
        return out
