"""One signer against one certificate (RFC 5652 s5.4-5.6).

Whether the certificate may be believed is decided elsewhere: here it is the one that the caller pinned.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.exceptions import UnsupportedAlgorithm as LibraryUnsupported
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, utils

from ecluse.wire import asn1
from ecluse.wire.asn1 import Asn1Error, Element
from ecluse.wire.cms import oids
from ecluse.wire.cms._attributes import Attributes, algorithm_identifier, read_attributes
from ecluse.wire.cms._certificate import identity, key_identifier, public_key
from ecluse.wire.cms.algorithms import DIGESTS, Digest, SignatureScheme, digest, permit_rsa, signature
from ecluse.wire.cms.errors import BadSignature, CertificateMismatch, Malformed, UnsupportedAlgorithm
from ecluse.wire.cms.events import AlgorithmIdentifier, Recipient, SignerInfo

__all__ = ["Verified", "names_certificate", "verify"]

NULL = b"\x05\x00"
CURVES = {"secp256r1": 256, "secp384r1": 384, "secp521r1": 521}
PSS_SALT_DEFAULT = 20
PSS_TRAILER = 1
"""The only trailer field there is (RFC 4055 s3.1)."""
MAX_SALT = 512
"""Octets: a salt is never longer than an RSA-4096 key."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that is right, and what it was made with.

    Attributes:
        digest: Lower-case hash name of the content's digest (``sha256``).
        scheme: ``rsa``, ``rsa-pss``, ``ecdsa``, ``ed25519``, ``ml-dsa-44``, ``ml-dsa-65`` or ``ml-dsa-87``.
        key: The key, in words: ``rsa-2048``, ``ecdsa-256``, or as ``scheme``.
        signed_attributes: Whether attributes were signed (and the content through them).
        signing_time: What the signer says, as it stands; nobody vouches for it.
    """

    digest: str
    scheme: str
    key: str
    signed_attributes: bool
    signing_time: str | None


def verify(
    signer: SignerInfo,
    content_type: str,
    digests: Mapping[str, bytes],
    certificate: x509.Certificate,
    *,
    allowed: frozenset[str] = frozenset(),
    content: bytes | None = None,
) -> Verified:
    """Check ``signer``'s signature over the content with the key of ``certificate``.

    Args:
        signer: As the reader gave it.
        content_type: eContentType, dotted.
        digests: Digest of the content by lower-case hash name; the one that the signer used must be there.
        certificate: Whose key it should be. Its validity is not looked at.
        allowed: Names of old algorithms that are let through.
        content: The content itself, which only Ed25519 and ML-DSA without signed attributes need.

    Raises:
        CertificateMismatch: The signer names another certificate, or an algorithm of another kind of key.
        AlgorithmForbidden: Something is too weak and not in ``allowed``.
        UnsupportedAlgorithm: Something is not known, or ``content`` is needed and missing.
        BadSignature: The signature or an attribute does not fit.
        Malformed: The signer's fields are not what they should be.
    """
    try:
        if not names_certificate(signer, certificate):
            raise CertificateMismatch("The signer names another certificate than the one expected.")
        hashed = digest(signer.digest_algorithm.oid, allowed)
        scheme = signature(signer.signature_algorithm.oid, allowed)
        attributes = _check_attributes(signer, content_type, hashed, digests)
        message = signer.signed_attributes
        if message is None and scheme.name not in ("rsa", "rsa-pss", "ecdsa"):
            message = content
            if message is None:
                raise UnsupportedAlgorithm(f"A {scheme.name} signature without attributes needs the content.")
        try:
            key = _check_signature(signer, scheme, hashed, certificate, message, digests, allowed)
        except BadSignature:
            # Some programs sign the attributes in DER's order and send them in another.
            if signer.signed_attributes is None:
                raise
            ordered = asn1.set_of(*(entry.raw for entry in asn1.parse(signer.signed_attributes).children))
            if ordered == signer.signed_attributes:
                raise
            key = _check_signature(signer, scheme, hashed, certificate, ordered, digests, allowed)
    except Asn1Error as error:
        raise Malformed(error.cause) from None
    return Verified(
        hashed.name, scheme.name, key, signer.signed_attributes is not None, attributes.signing_time
    )


# --- which certificate ------------------------------------------------------------------------------------


def names_certificate(who: SignerInfo | Recipient, certificate: x509.Certificate) -> bool:
    """Whether ``who`` names ``certificate``, by issuer and serial number or by key identifier.

    Raises:
        Malformed: The issuer that stands in ``who`` is no Name, or the certificate can't be taken apart.
    """
    if who.key_id is not None:
        return who.key_id == key_identifier(certificate)
    own = identity(certificate)
    if who.issuer is None or who.serial != own.serial:
        return False
    issuer = own.issuer
    try:
        return issuer == who.issuer or _comparable(issuer) == _comparable(who.issuer)
    except Asn1Error as error:
        raise Malformed(error.cause) from None


def _comparable(name: bytes) -> list[list[tuple[str, bytes]]]:
    """A Name without what programs change when they copy it: string types, case, spaces (RFC 5280 s7.1)."""
    parts = []
    for relative in asn1.parse(name).expect(asn1.SEQUENCE).children:
        pairs: list[tuple[str, bytes]] = []
        for pair in relative.expect(asn1.SET).children:
            fields = pair.expect(asn1.SEQUENCE).children
            if len(fields) != 2:
                raise Malformed("A Name has an attribute of other than two fields.")
            pairs.append((fields[0].as_oid(), b" ".join(fields[1].content.lower().split())))
        parts.append(sorted(pairs))
    return parts


# --- attributes -------------------------------------------------------------------------------------------


def _check_attributes(
    signer: SignerInfo, content_type: str, hashed: Digest, digests: Mapping[str, bytes]
) -> Attributes:
    """Check what the signed attributes say of the content (RFC 5652 s5.6, s11.1, s11.2; RFC 6211 s3)."""
    computed = digests.get(hashed.name)
    if computed is None:
        raise BadSignature(f"The signer used {hashed.name}, which the message did not announce.")
    if signer.signed_attributes is None:
        if content_type != oids.DATA:
            raise BadSignature("The signer signed content other than data without signed attributes.")
        return Attributes()
    attributes = read_attributes(signer.signed_attributes)
    if attributes.content_type != content_type:
        raise BadSignature("The content-type attribute is missing or names another type.")
    if attributes.message_digest is None or not hmac.compare_digest(attributes.message_digest, computed):
        raise BadSignature("The message-digest attribute is missing or not the digest of the content.")
    if attributes.protection is not None:
        declared = (signer.digest_algorithm, signer.signature_algorithm)
        if any(not _same(*pair) for pair in zip(attributes.protection, declared, strict=True)):
            raise BadSignature("The algorithm-protection attribute names other algorithms than the signer.")
    return attributes


def _same(one: AlgorithmIdentifier, other: AlgorithmIdentifier) -> bool:
    """Equal, where absent parameters and NULL are the same thing (RFC 5754 s2)."""
    return one.oid == other.oid and (one.parameters or NULL) == (other.parameters or NULL)


# --- signature --------------------------------------------------------------------------------------------


def _check_signature(
    signer: SignerInfo,
    scheme: SignatureScheme,
    hashed: Digest,
    certificate: x509.Certificate,
    message: bytes | None,
    digests: Mapping[str, bytes],
    allowed: frozenset[str],
) -> str:
    """Check the signature over ``message``, or over the content's digest where that is ``None``.

    Gives the key in words.
    """
    if scheme.digest is not None and scheme.digest != hashed.oid:
        digest(scheme.digest, allowed)
        raise BadSignature("The signer's digest and signature algorithms use different hashes.")
    try:
        key = public_key(certificate)
    except (ValueError, LibraryUnsupported):
        raise UnsupportedAlgorithm("The certificate's key is of a kind that is not known.") from None
    algorithm = hashed.algorithm
    signed = digests[hashed.name] if message is None else message
    try:
        if scheme.name in ("rsa", "rsa-pss") and isinstance(key, rsa.RSAPublicKey):
            permit_rsa(key.key_size, allowed)
            pad = _pss(signer.signature_algorithm, hashed) if scheme.name == "rsa-pss" else padding.PKCS1v15()
            over = utils.Prehashed(algorithm) if message is None else algorithm
            key.verify(signer.signature, signed, pad, over)
            return f"rsa-{key.key_size}"
        if scheme.name == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            if key.curve.name not in CURVES:
                raise UnsupportedAlgorithm("The certificate's key is on a curve that is not used.")
            over = utils.Prehashed(algorithm) if message is None else algorithm
            key.verify(signer.signature, signed, ec.ECDSA(over))
            return f"ecdsa-{CURVES[key.curve.name]}"
        if scheme.name == "ed25519" and isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signer.signature, signed)
            return scheme.name
        if (
            (scheme.name == "ml-dsa-44" and isinstance(key, mldsa.MLDSA44PublicKey))
            or (scheme.name == "ml-dsa-65" and isinstance(key, mldsa.MLDSA65PublicKey))
            or (scheme.name == "ml-dsa-87" and isinstance(key, mldsa.MLDSA87PublicKey))
        ):
            key.verify(signer.signature, signed)
            return scheme.name
    except (InvalidSignature, ValueError):
        raise BadSignature("The signature does not fit the content and the certificate's key.") from None
    except LibraryUnsupported:
        raise UnsupportedAlgorithm(f"{scheme.name} with {hashed.name} is not available here.") from None
    raise CertificateMismatch(f"The signature is {scheme.name}, for which the certificate has no key.")


def _pss(algorithm: AlgorithmIdentifier, hashed: Digest) -> padding.PSS:
    """Padding from RSASSA-PSS-params (RFC 4055 s3.1), whose hash must be the signer's (RFC 4056 s3).

    The mask's own hash needs no strength against collisions, so SHA-1, its default, is no reason to refuse.
    """
    parameters = asn1.parse(algorithm.parameters or b"\x30\x00").expect(asn1.SEQUENCE)
    fields: dict[int, Element] = {}
    for field in parameters.children:
        if field.tag_class != 2 or field.number in fields or len(field.children) != 1:
            raise Malformed("RSASSA-PSS-params has an unexpected field.")
        fields[field.number] = field.children[0]
    named = algorithm_identifier(fields[0]).oid if 0 in fields else oids.SHA1
    if named != hashed.oid:
        raise BadSignature("The signer's digest and signature algorithms use different hashes.")
    mask = DIGESTS[oids.SHA1]
    if 1 in fields:
        generator = algorithm_identifier(fields[1])
        mask_oid = algorithm_identifier(asn1.parse(generator.parameters or b"")).oid
        if generator.oid != oids.MGF1 or mask_oid not in DIGESTS:
            raise UnsupportedAlgorithm("RSASSA-PSS is used with an unusual mask generation function.")
        mask = DIGESTS[mask_oid]
    salt = fields[2].as_int() if 2 in fields else PSS_SALT_DEFAULT
    trailer = fields[3].as_int() if 3 in fields else PSS_TRAILER
    if not 0 <= salt <= MAX_SALT or trailer != PSS_TRAILER:
        raise UnsupportedAlgorithm("RSASSA-PSS is used with an unusual salt length or trailer.")
    return padding.PSS(padding.MGF1(mask.algorithm), salt)
