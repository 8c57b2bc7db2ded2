"""CMS layers built by hand for the reader's tests, in any form of BER, and a driver that reads them."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.certs import Identity

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms.events import Content, Event, KeyNeeded, Recipient
from ecluse.wire.cms.limits import Limits
from ecluse.wire.cms.reader import Reader

Wrap = Callable[..., bytes]
KEY = bytes(range(32))
IV = bytes(range(100, 116))
HASHES = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
DIGEST_OIDS = {"sha1": oids.SHA1, "sha256": oids.SHA256, "sha384": oids.SHA384, "sha512": oids.SHA512}


def definite(tag: int, *parts: bytes) -> bytes:
    return asn1.encode(tag, *parts)


def indefinite(tag: int, *parts: bytes) -> bytes:
    return asn1.begin(tag) + b"".join(parts) + asn1.END_OF_CONTENTS


def long_form(tag: int, *parts: bytes) -> bytes:
    """A definite length of eight octets, however short the content."""
    body = b"".join(parts)
    return bytes((tag, 0x88)) + len(body).to_bytes(8, "big") + body


def split(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def segments(data: bytes, size: int) -> bytes:
    """OCTET STRING segments, an empty one among them."""
    return b"".join(map(asn1.octets, split(data, size))) + asn1.octets(b"")


def octet_string(wrap: Wrap, data: bytes, size: int | None, tag: int = asn1.OCTET_STRING) -> bytes:
    """Primitive without ``size``, else constructed of segments, half of them nested deeper."""
    if size is None:
        return asn1.encode(tag, data)
    half = len(data) // 2
    inner = definite(0x24, segments(data[half:], size)) + indefinite(0x24, indefinite(0x24))
    return wrap(tag | 0x20, segments(data[:half], size), inner)


def algorithm(oid: str, *parameters: bytes) -> bytes:
    return asn1.sequence(asn1.oid(oid), *parameters)


def content_info(oid: str, body: bytes, wrap: Wrap = definite) -> bytes:
    return wrap(0x30, asn1.oid(oid), wrap(0xA0, body))


def key_transport(serial: int = 1, key: bytes = b"wrapped") -> bytes:
    return asn1.sequence(
        asn1.integer(0),
        asn1.sequence(asn1.sequence(), asn1.integer(serial)),
        algorithm(oids.RSA_ENCRYPTION, asn1.null()),
        asn1.octets(key),
    )


def enveloped(
    content: bytes,
    *,
    key: bytes = KEY,
    iv: bytes = IV,
    recipients: Sequence[bytes] | None = None,
    wrap: Wrap = definite,
    size: int | None = None,
    padded: bytes | None = None,
) -> bytes:
    """EnvelopedData in AES-CBC; ``padded`` replaces the padded plaintext."""
    if padded is None:
        fill = 16 - len(content) % 16
        padded = content + bytes((fill,)) * fill
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    cipher = {16: oids.AES128_CBC, 24: oids.AES192_CBC, 32: oids.AES256_CBC}[len(key)]
    body = wrap(
        0x30,
        asn1.integer(0),
        wrap(0x31, *([key_transport()] if recipients is None else recipients)),
        wrap(
            0x30,
            asn1.oid(oids.DATA),
            algorithm(cipher, asn1.octets(iv)),
            octet_string(wrap, ciphertext, size, 0x80),
        ),
    )
    return content_info(oids.ENVELOPED_DATA, body, wrap)


def auth_enveloped(
    content: bytes,
    *,
    key: bytes = KEY,
    nonce: bytes = IV[:12],
    wrap: Wrap = definite,
    size: int | None = None,
    attributes: Sequence[bytes] = (),
    tag_length: int = 16,
    state_length: bool = True,
    tag: bytes | None = None,
    unauthenticated: bool = False,
) -> bytes:
    """AuthEnvelopedData in AES-GCM."""
    additional = asn1.set_of(*attributes) if attributes else b""
    whole = AESGCM(key).encrypt(nonce, content, additional)
    cipher = {16: oids.AES128_GCM, 24: oids.AES192_GCM, 32: oids.AES256_GCM}[len(key)]
    parameters = asn1.sequence(asn1.octets(nonce), asn1.integer(tag_length) if state_length else b"")
    body = wrap(
        0x30,
        asn1.integer(0),
        wrap(0x31, key_transport()),
        wrap(
            0x30,
            asn1.oid(oids.DATA),
            algorithm(cipher, parameters),
            octet_string(wrap, whole[:-16], size, 0x80),
        ),
        wrap(0xA1, *sorted(attributes)) if attributes else b"",
        asn1.octets(whole[-16:][:tag_length] if tag is None else tag),
        wrap(0xA2, attribute("1.2.3", asn1.null())) if unauthenticated else b"",
    )
    return content_info(oids.AUTH_ENVELOPED_DATA, body, wrap)


def compressed(
    content: bytes, *, wrap: Wrap = definite, size: int | None = None, raw: bytes | None = None
) -> bytes:
    """CompressedData; ``raw`` replaces the zlib stream."""
    data = zlib.compress(content) if raw is None else raw
    inner = wrap(0x30, asn1.oid(oids.DATA), wrap(0xA0, octet_string(wrap, data, size)))
    return content_info(oids.COMPRESSED_DATA, wrap(0x30, asn1.integer(0), algorithm(oids.ZLIB), inner), wrap)


def attribute(oid: str, *values: bytes) -> bytes:
    return asn1.sequence(asn1.oid(oid), asn1.set_of(*values))


def usual_attributes(content: bytes, digest: str, content_type: str = oids.DATA) -> list[bytes]:
    return [
        attribute(oids.CONTENT_TYPE, asn1.oid(content_type)),
        attribute(oids.MESSAGE_DIGEST, asn1.octets(hashlib.new(digest, content).digest())),
        attribute(oids.SIGNING_TIME, asn1.encode(asn1.UTC_TIME, b"260102030405Z")),
    ]


def scheme_of(identity: Identity, digest: str) -> bytes:
    """The usual signature AlgorithmIdentifier for the identity's key."""
    key = identity.private_key
    if isinstance(key, rsa.RSAPrivateKey):
        return algorithm(oids.RSA_ENCRYPTION, asn1.null())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return algorithm(getattr(oids, f"ECDSA_WITH_{digest.upper()}"))
    return algorithm(
        {
            "Ed25519PrivateKey": oids.ED25519,
            "MLDSA44PrivateKey": oids.ML_DSA_44,
            "MLDSA65PrivateKey": oids.ML_DSA_65,
            "MLDSA87PrivateKey": oids.ML_DSA_87,
        }[type(key).__name__.lstrip("_")]
    )


def raw_signature(identity: Identity, message: bytes, digest: str, pss: padding.PSS | None = None) -> bytes:
    key = identity.private_key
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, pss or padding.PKCS1v15(), HASHES[digest])
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(HASHES[digest]))
    return key.sign(message)


def signer_info(
    identity: Identity,
    content: bytes,
    *,
    digest: str = "sha256",
    attributes: Sequence[bytes] | str | None = "usual",
    scheme: bytes | None = None,
    pss: padding.PSS | None = None,
    by_key_id: bool = False,
    wrap: Wrap = definite,
    digest_algorithm: bytes | None = None,
    issuer: bytes | None = None,
    as_given: bool = False,
) -> bytes:
    """SignerInfo; ``attributes`` None signs the content itself; ``as_given`` sends them unsorted."""
    if attributes == "usual":
        attributes = usual_attributes(content, digest)
    message = content if attributes is None else asn1.set_of(*attributes)
    certificate = identity.certificate
    name = certificate.issuer.public_bytes() if issuer is None else issuer
    if by_key_id:
        key_id = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
        identifier = asn1.implicit(0, key_id)
    else:
        identifier = asn1.sequence(name, asn1.integer(certificate.serial_number))
    return wrap(
        0x30,
        asn1.integer(3 if by_key_id else 1),
        identifier,
        digest_algorithm or algorithm(DIGEST_OIDS[digest]),
        b"" if attributes is None else wrap(0xA0, *(attributes if as_given else sorted(attributes))),
        scheme or scheme_of(identity, digest),
        asn1.octets(raw_signature(identity, message, digest, pss)),
    )


def signed(
    content: bytes,
    signers: Sequence[bytes],
    *,
    digests: Iterable[str] = ("sha256",),
    detached: bool = False,
    certificates: Sequence[bytes] = (),
    wrap: Wrap = definite,
    size: int | None = None,
    content_type: str = oids.DATA,
) -> bytes:
    """SignedData."""
    inside = b"" if detached else wrap(0xA0, octet_string(wrap, content, size))
    body = wrap(
        0x30,
        asn1.integer(1),
        wrap(0x31, *(algorithm(DIGEST_OIDS[name]) for name in digests)),
        wrap(0x30, asn1.oid(content_type), inside),
        wrap(0xA0, *certificates) if certificates else b"",
        wrap(0x31, *signers),
    )
    return content_info(oids.SIGNED_DATA, body, wrap)


def read(
    data: bytes,
    key: bytes | Callable[[Sequence[Recipient]], bytes] = KEY,
    *,
    pieces: Iterable[bytes | memoryview] | None = None,
    limits: Limits | None = None,
    allowed: frozenset[str] = frozenset(),
) -> list[Event]:
    """Every event of ``data``, the key supplied where it is asked for."""
    reader = Reader(limits, allowed)
    found: list[Event] = []
    for piece in [data] if pieces is None else pieces:
        events = reader.feed(piece)
        found += events
        if events and isinstance(events[-1], KeyNeeded):
            found += reader.supply_key(key(events[-1].recipients) if callable(key) else key)
    return found + reader.close()


def content_of(events: Iterable[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Content))


def merged(events: Iterable[Event]) -> list[Event]:
    """The same events with neighbouring content joined."""
    found: list[Event] = []
    for event in events:
        if found and isinstance(event, Content) and isinstance(found[-1], Content):
            found[-1] = Content(found[-1].data + event.data, event.provisional)
        else:
            found.append(event)
    return found


def event_of(events: Iterable[Event], kind: type) -> Event:
    return next(event for event in events if isinstance(event, kind))
