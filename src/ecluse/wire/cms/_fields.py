"""The header fields of CMS layers, from elements to facts: recipients, signers, cipher parameters."""

from __future__ import annotations

from ecluse.wire import asn1
from ecluse.wire.asn1 import Asn1Error, Element
from ecluse.wire.cms import oids
from ecluse.wire.cms._attributes import Attributes, algorithm_identifier, read_attributes, signed_octets
from ecluse.wire.cms.algorithms import ContentCipher
from ecluse.wire.cms.errors import LimitExceeded, Malformed, UnsupportedAlgorithm
from ecluse.wire.cms.events import AlgorithmIdentifier, Recipient, RecipientKind, SignerInfo

__all__ = ["initialisation", "read_recipients", "read_signer"]

GCM_NONCE = 12
"""Octets; RFC 5084 s3.2 recommends it and nothing else is in use."""
GCM_TAG_DEFAULT = 12
GCM_TAG_LENGTHS = range(12, 17)
"""RFC 5084 s3.2: aes-ICVlen, 12 where it is absent."""

# RecipientInfo ::= CHOICE (RFC 5652 s6.2); key transport is the untagged one.
KEY_AGREEMENT = 0xA1
KEY_ENCRYPTION_KEY = 0xA2
PASSWORD = 0xA3
OTHER_RECIPIENT = 0xA4
# Members of the CHOICEs and OPTIONALs inside.
KEY_ID = (0x80, 0xA0)
MAX_STAMPS = 4
"""Time-stamps of a signature that are looked at: one authority's, rarely two."""
CONTEXT_0 = 0xA0
CONTEXT_1 = 0xA1
IMPLICIT_BITS = 0x81

Identity = tuple[bytes | None, int | None, bytes | None]
"""Issuer, serial, key identifier."""


def _identity(element: Element) -> Identity:
    """IssuerAndSerialNumber, or SubjectKeyIdentifier as ``[0] IMPLICIT``."""
    if element.tag in KEY_ID:
        return None, None, element.as_octets()
    fields = element.expect(asn1.SEQUENCE).children
    if len(fields) != 2:
        raise Malformed("An IssuerAndSerialNumber has other than two fields.")
    return fields[0].expect(asn1.SEQUENCE).raw, fields[1].expect(asn1.INTEGER).as_int(), None


def _strict(fields: tuple[Element, ...], count: int, name: str) -> tuple[Element, ...]:
    if len(fields) != count:
        raise Malformed(f"A {name} has other than {count} fields.")
    return fields


def read_recipients(infos: Element, limit: int) -> tuple[Recipient, ...]:
    """Every recipient of a SET OF RecipientInfo (RFC 5652 s6.2, RFC 9629 s3)."""
    if len(infos.children) > limit:
        raise LimitExceeded(f"There are more than {limit} recipients.")
    found: list[Recipient] = []
    for info in infos.children:
        if info.tag == asn1.SEQUENCE:
            found.append(_key_transport(info))
        elif info.tag == KEY_AGREEMENT:
            found += _key_agreement(info)
        elif info.tag == KEY_ENCRYPTION_KEY:
            found.append(_key_encryption_key(info))
        elif info.tag == PASSWORD:
            found.append(_password(info))
        elif info.tag == OTHER_RECIPIENT:
            found.append(_other(info))
        else:
            raise Malformed(f"The element 0x{info.tag:02x} is no RecipientInfo.")
        if len(found) > limit:
            raise LimitExceeded(f"There are more than {limit} recipients.")
    return tuple(found)


def _key_transport(info: Element) -> Recipient:
    """KeyTransRecipientInfo (RFC 5652 s6.2.1)."""
    version, identifier, algorithm, key = _strict(info.children, 4, "KeyTransRecipientInfo")
    version.expect(asn1.INTEGER)
    issuer, serial, key_id = _identity(identifier)
    return Recipient(
        RecipientKind.KEY_TRANSPORT,
        issuer,
        serial,
        key_id,
        algorithm_identifier(algorithm.expect(asn1.SEQUENCE)),
        _octet_string(key),
    )


def _key_agreement(info: Element) -> list[Recipient]:
    """KeyAgreeRecipientInfo (RFC 5652 s6.2.2), one recipient for each of its keys."""
    fields = list(info.children)
    ukm = None
    if len(fields) == 5 and fields[2].tag == CONTEXT_1:
        ukm = _octet_string(_only(fields.pop(2)))
    version, originator, algorithm_field, keys = _strict(tuple(fields), 4, "KeyAgreeRecipientInfo")
    version.expect(asn1.INTEGER)
    algorithm = algorithm_identifier(algorithm_field.expect(asn1.SEQUENCE))
    wrap = None
    if algorithm.parameters is not None:
        parameters = asn1.parse(algorithm.parameters)
        wrap = algorithm_identifier(parameters) if parameters.tag == asn1.SEQUENCE else None
    public_key = _originator_key(_only(originator.expect(CONTEXT_0)))
    found = []
    for entry in keys.expect(asn1.SEQUENCE).children:
        identifier, key = _strict(entry.expect(asn1.SEQUENCE).children, 2, "RecipientEncryptedKey")
        issuer, serial, key_id = _agreement_identity(identifier)
        found.append(
            Recipient(
                RecipientKind.KEY_AGREEMENT,
                issuer,
                serial,
                key_id,
                algorithm,
                _octet_string(key),
                originator=public_key,
                ukm=ukm,
                wrap=wrap,
            )
        )
    return found


def _originator_key(choice: Element) -> bytes | None:
    """SubjectPublicKeyInfo from ``[1] OriginatorPublicKey``; ``None`` for a key named by certificate."""
    if choice.tag != CONTEXT_1:
        return None
    algorithm, bits = _strict(choice.children, 2, "OriginatorPublicKey")
    return asn1.sequence(
        algorithm.expect(asn1.SEQUENCE).as_der(),
        bits.expect(asn1.BIT_STRING).raw,
    )


def _agreement_identity(element: Element) -> Identity:
    """KeyAgreeRecipientIdentifier: as :func:`_identity`, but ``[0]`` is a RecipientKeyIdentifier."""
    if element.tag != CONTEXT_0:
        return _identity(element)
    if not element.children:
        raise Malformed("A RecipientKeyIdentifier is empty.")
    return None, None, _octet_string(element.children[0])


def _key_encryption_key(info: Element) -> Recipient:
    """KEKRecipientInfo (RFC 5652 s6.2.3)."""
    _, identifier, algorithm, key = _strict(info.children, 4, "KEKRecipientInfo")
    if not identifier.children:
        raise Malformed("A KEKIdentifier is empty.")
    key_id = _octet_string(identifier.children[0])
    return Recipient(
        RecipientKind.OTHER, None, None, key_id, algorithm_identifier(algorithm), _octet_string(key)
    )


def _password(info: Element) -> Recipient:
    """PasswordRecipientInfo (RFC 5652 s6.2.4)."""
    if len(info.children) not in (3, 4):
        raise Malformed("A PasswordRecipientInfo has other than three or four fields.")
    algorithm, key = info.children[-2:]
    return Recipient(
        RecipientKind.OTHER, None, None, None, algorithm_identifier(algorithm), _octet_string(key)
    )


def _other(info: Element) -> Recipient:
    """OtherRecipientInfo (RFC 5652 s6.2.5), of which KEMRecipientInfo (RFC 9629 s3) is read."""
    kind, value = _strict(info.children, 2, "OtherRecipientInfo")
    name = kind.as_oid()
    if name != oids.ORI_KEM:
        return Recipient(RecipientKind.OTHER, None, None, None, AlgorithmIdentifier(name), b"")
    fields = list(value.expect(asn1.SEQUENCE).children)
    ukm = None
    if len(fields) == 9 and fields[6].tag == CONTEXT_0:
        ukm = _octet_string(_only(fields.pop(6)))
    version, identifier, kem, ciphertext, kdf, length, wrap, key = _strict(
        tuple(fields), 8, "KEMRecipientInfo"
    )
    version.expect(asn1.INTEGER)
    issuer, serial, key_id = _identity(identifier)
    return Recipient(
        RecipientKind.KEM,
        issuer,
        serial,
        key_id,
        algorithm_identifier(kem.expect(asn1.SEQUENCE)),
        _octet_string(key),
        ukm=ukm,
        kem_ciphertext=_octet_string(ciphertext),
        kdf=algorithm_identifier(kdf.expect(asn1.SEQUENCE)),
        kek_length=length.expect(asn1.INTEGER).as_int(),
        wrap=algorithm_identifier(wrap.expect(asn1.SEQUENCE)),
    )


def read_signer(info: Element) -> SignerInfo:
    """One SignerInfo (RFC 5652 s5.3)."""
    fields = list(info.expect(asn1.SEQUENCE).children)
    stamps: tuple[bytes, ...] = ()
    if fields and fields[-1].tag == CONTEXT_1:
        stamps = _time_stamps(fields.pop())  # unsigned attributes: nothing in them is part of what was signed
    signed: bytes | None = None
    attributes = Attributes()
    if len(fields) == 6 and fields[3].tag == CONTEXT_0:
        signed = signed_octets(fields.pop(3))
        attributes = read_attributes(signed)
    version, identifier, digest, algorithm, signature = _strict(tuple(fields), 5, "SignerInfo")
    version.expect(asn1.INTEGER)
    issuer, serial, key_id = _identity(identifier)
    return SignerInfo(
        issuer,
        serial,
        key_id,
        algorithm_identifier(digest.expect(asn1.SEQUENCE)),
        algorithm_identifier(algorithm.expect(asn1.SEQUENCE)),
        _octet_string(signature),
        signed,
        attributes.content_type,
        attributes.message_digest,
        attributes.signing_time,
        stamps,
    )


def _time_stamps(unsigned: Element) -> tuple[bytes, ...]:
    """Time-stamps over the signature (RFC 3161 appendix A); nothing is refused for what else stands there."""
    found: list[bytes] = []
    try:
        for attribute in unsigned.children:
            kind, values = attribute.children
            if kind.as_oid() == oids.SIGNATURE_TIME_STAMP:
                found += (value.raw for value in values.children)
    except (Asn1Error, ValueError):
        return ()
    return tuple(found[:MAX_STAMPS])


def initialisation(cipher: ContentCipher, parameters: bytes | None) -> tuple[bytes, int]:
    """IV or nonce, and the shortest tag that is good, from a content-encryption algorithm's parameters.

    RFC 3565 s2.3 and RFC 3370 s5.1 (CBC, tag length 0), RFC 5084 s3.2 (GCM).
    """
    if parameters is None:
        raise Malformed(f"{cipher.name} has no parameters.")
    element = asn1.parse(parameters)
    if not cipher.authenticated:
        iv = _octet_string(element)
        if len(iv) != cipher.block:
            raise Malformed(f"The initialisation vector of {cipher.name} has {len(iv)} octets.")
        return iv, 0
    fields = element.expect(asn1.SEQUENCE).children
    if not 1 <= len(fields) <= 2:
        raise Malformed("GCMParameters has other than one or two fields.")
    nonce = _octet_string(fields[0])
    tag = fields[1].expect(asn1.INTEGER).as_int() if len(fields) == 2 else GCM_TAG_DEFAULT
    if len(nonce) != GCM_NONCE or tag not in GCM_TAG_LENGTHS:
        raise UnsupportedAlgorithm("AES-GCM is used with an unusual nonce or tag length.")
    return nonce, tag


def _octet_string(element: Element) -> bytes:
    """The octets of a universal OCTET STRING, primitive or constructed."""
    if element.tag != asn1.OCTET_STRING | asn1.CONSTRUCTED:
        element.expect(asn1.OCTET_STRING)
    return element.as_octets()


def _only(element: Element) -> Element:
    """The one element in an explicit tag."""
    if len(element.children) != 1:
        raise Malformed("An explicit tag holds other than one element.")
    return element.children[0]
