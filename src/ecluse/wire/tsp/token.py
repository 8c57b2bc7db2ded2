"""A TimeStampToken: taken apart, and verified against roots that are trusted (RFC 3161 s2.4.2, RFC 5816).

The signer is the one certificate that the signed attribute signing-certificate-v2 names by its digest: the signature is
checked with that certificate's key, the certificate is checked to be one for time-stamps, and the way to a root starts
at it. No other certificate in the token has any say in who signed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.wire import asn1
from ecluse.wire.asn1 import Asn1Error, Element
from ecluse.wire.cms import oids as cms_oids
from ecluse.wire.cms.algorithms import DIGESTS
from ecluse.wire.cms.errors import CmsError
from ecluse.wire.cms.events import Content, SignerInfo, Signers
from ecluse.wire.cms.limits import Limits
from ecluse.wire.cms.reader import Reader
from ecluse.wire.cms.verify import names_certificate, verify
from ecluse.wire.tsp import oids
from ecluse.wire.tsp.chain import algorithms_of, build_chain
from ecluse.wire.tsp.errors import BadTimeStamp, MalformedTimeStamp
from ecluse.wire.tsp.info import TstInfo, read_info
from ecluse.wire.tsp.request import TimeStampRequest

__all__ = ["MAX_TOKEN", "Token", "VerifiedToken", "check_answer", "read_token", "verify_token"]

MAX_TOKEN: Final = 256 * 1024
"""Octets, as of an answer."""
_LIMITS: Final = Limits(header=MAX_TOKEN, elements=8192, signers=1, certificates=32, content=16 * 1024)
"""One signer (RFC 3161 s2.4.2), a few chains, and a TSTInfo of some 200 octets."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was taken apart; nothing of it is verified.

    Attributes:
        der: The whole ContentInfo, as it stood.
        info: What it says.
        content: The exact octets that were signed: the TSTInfo.
        signer: The one signer.
        certificates: DER of those that came along.
    """

    der: bytes
    info: TstInfo
    content: bytes
    signer: SignerInfo
    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token that holds.

    Attributes:
        token: The token.
        hash: Lower-case name of the imprint's hash.
        time: When it was stamped.
        chain: DER of the certificates from the signer to the root.
        ends: When the first of these certificates ends: who verifies later has to ask for more.
        signature: The signature algorithm and key, in words: ``rsa-3072``, ``ecdsa-256``, ``ml-dsa-65``.
        algorithms: All that it rests on, each once: the hash of the imprint and that of the signature, the signer's
            key, and hashes and keys of the chain.
    """

    token: Token
    hash: str
    time: datetime
    chain: tuple[bytes, ...]
    ends: datetime
    signature: str
    algorithms: tuple[str, ...]


def read_token(data: bytes) -> Token:
    """Take a token apart. Raises :class:`MalformedTimeStamp`, whatever the octets."""
    if len(data) > MAX_TOKEN:
        raise MalformedTimeStamp(f"A time-stamp has more than {MAX_TOKEN} octets.")
    reader = Reader(_LIMITS)
    try:
        events = reader.feed(data) + reader.close()
    except CmsError as error:
        raise MalformedTimeStamp(error.cause) from None
    content = b"".join(event.data for event in events if isinstance(event, Content))
    signed = next((event for event in events if isinstance(event, Signers)), None)
    if signed is None or signed.content_type != oids.TST_INFO or signed.detached:
        raise MalformedTimeStamp("It is CMS, and no time-stamp.")
    if len(signed.signers) != 1:
        raise MalformedTimeStamp(
            f"A time-stamp has {len(signed.signers)} signers, where there is exactly one."
        )
    return Token(bytes(data), read_info(content), content, signed.signers[0], signed.certificates)


def check_answer(token: Token, request: TimeStampRequest) -> None:
    """Raise :class:`BadTimeStamp` unless a token answers that very request (RFC 3161 s2.2)."""
    info = token.info
    name = DIGESTS[info.hash_oid].name if info.hash_oid in DIGESTS else info.hash_oid
    if name != request.hash or not hmac.compare_digest(info.imprint, request.digest):
        raise BadTimeStamp("The time-stamp is one of something else than what was asked for.")
    if info.nonce != request.nonce:
        raise BadTimeStamp("The time-stamp has another nonce than the request: it may be an old one.")
    if request.policy is not None and info.policy != request.policy:
        raise BadTimeStamp(f"The time-stamp stands under the policy {info.policy}, not {request.policy}.")


def verify_token(
    token: Token,
    roots: Sequence[x509.Certificate],
    *,
    at: datetime | None = None,
    others: Sequence[x509.Certificate] = (),
    data: bytes | None = None,
) -> VerifiedToken:
    """Verify a token's signature, signer and chain.

    Args:
        token: As :func:`read_token` gave it.
        roots: Certificates that are trusted.
        at: The time for which the chain has to hold, besides the time-stamp's own; a renewal's, or now.
        others: Certificates that the chain may lead over, besides those in the token.
        data: What was stamped, where its digest is to be compared with the imprint.

    Raises:
        BadTimeStamp: The signature, the signer or the imprint do not fit.
        UntrustedAuthority: No root vouches for the signer.
        MalformedTimeStamp: A field can't be read.
    """
    hashed = DIGESTS.get(token.info.hash_oid)
    if hashed is None or hashed.legacy is not None:
        raise BadTimeStamp(f"The time-stamp is over a hash that proves nothing ({token.info.hash_oid}).")
    if len(token.info.imprint) != hashed.algorithm.digest_size:
        raise BadTimeStamp("The imprint has not the length of its hash.")
    if data is not None and hashlib.new(hashed.name, data).digest() != token.info.imprint:
        raise BadTimeStamp(
            "The time-stamp is one of something else: the imprint is not the digest of the data."
        )
    given = tuple(_load(der) for der in token.certificates)
    signer = _signer(token, (*given, *others, *roots))
    try:
        digest = DIGESTS.get(token.signer.digest_algorithm.oid)
        digests = {digest.name: hashlib.new(digest.name, token.content).digest()} if digest else {}
        verified = verify(token.signer, oids.TST_INFO, digests, signer, content=token.content)
    except CmsError as error:
        raise BadTimeStamp(error.cause) from None
    chain = build_chain(signer, (*given, *others), roots, token.info.time)
    if at is not None and at > token.info.time:
        chain = build_chain(signer, (*given, *others), roots, at)
    return VerifiedToken(
        token,
        hashed.name,
        token.info.time,
        tuple(each.public_bytes(Encoding.DER) for each in chain),
        min(each.not_valid_after_utc for each in chain),
        verified.key,
        tuple(dict.fromkeys((hashed.name, verified.digest, verified.key, *algorithms_of(chain)))),
    )


def _load(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        # The library reads these when they are asked for: what is wrong with them is found here.
        _ = certificate.subject, certificate.issuer, certificate.serial_number
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (ValueError, TypeError, x509.InvalidVersion):
        raise MalformedTimeStamp("A certificate in the time-stamp can't be read.") from None
    return certificate


def _signer(token: Token, candidates: Sequence[x509.Certificate]) -> x509.Certificate:
    """The certificate that the signed attribute names, and that the signer names too."""
    if token.signer.signed_attributes is None:
        raise BadTimeStamp("The time-stamp has no signed attributes, which name its signer's certificate.")
    try:
        name, digest, issuer_serial = _named(token.signer.signed_attributes)
    except Asn1Error as error:
        raise MalformedTimeStamp(error.cause) from None
    for candidate in candidates:
        der = candidate.public_bytes(Encoding.DER)
        if not hmac.compare_digest(hashlib.new(name, der).digest(), digest):
            continue
        try:
            named = names_certificate(token.signer, candidate)
        except CmsError as error:
            raise MalformedTimeStamp(error.cause) from None
        if not named or (issuer_serial is not None and issuer_serial != candidate.serial_number):
            raise BadTimeStamp("The time-stamp names two different certificates as its signer's.")
        return candidate
    raise BadTimeStamp("The certificate that the time-stamp names as its signer's did not come with it.")


def _named(signed_attributes: bytes) -> tuple[str, bytes, int | None]:
    """Hash name, digest and serial number from the first ESSCertIDv2 (RFC 5035 s4)."""
    found: Element | None = None
    old = False
    for attribute in asn1.parse(signed_attributes).expect(asn1.SET).children:
        fields = attribute.expect(asn1.SEQUENCE).children
        if len(fields) != 2:
            raise MalformedTimeStamp("An attribute has other than two fields.")
        kind = fields[0].as_oid()
        old = old or kind == oids.SIGNING_CERTIFICATE
        if kind != oids.SIGNING_CERTIFICATE_V2:
            continue
        values = fields[1].expect(asn1.SET).children
        if found is not None or len(values) != 1:
            raise MalformedTimeStamp("The signing-certificate attribute has other than one value.")
        found = values[0]
    if found is None:
        raise BadTimeStamp(
            "The time-stamp names its signer's certificate by SHA-1 alone, which proves nothing."
            if old
            else "The time-stamp does not name its signer's certificate in what is signed.",
            remedy="Ask the authority for time-stamps with ESSCertIDv2 (RFC 5816), or name another one.",
        )
    lists = found.expect(asn1.SEQUENCE).children
    identifiers = lists[0].expect(asn1.SEQUENCE).children if lists else ()
    if not identifiers:
        raise MalformedTimeStamp("The signing-certificate attribute names none.")
    fields = identifiers[0].expect(asn1.SEQUENCE).children
    parts = list(fields)
    algorithm = cms_oids.SHA256  # the default (RFC 5035 s4)
    if parts and parts[0].tag == asn1.SEQUENCE:
        inner = parts.pop(0).children
        algorithm = inner[0].as_oid() if inner else ""
    hashed = DIGESTS.get(algorithm)
    if hashed is None or hashed.legacy is not None:
        raise BadTimeStamp(f"The signer's certificate is named by a hash that proves nothing ({algorithm}).")
    if not parts:
        raise MalformedTimeStamp("An ESSCertIDv2 has no digest.")
    digest = parts.pop(0).expect(asn1.OCTET_STRING).content
    serial: int | None = None
    if parts:
        names = parts.pop(0).expect(asn1.SEQUENCE).children
        if len(names) != 2:
            raise MalformedTimeStamp("An IssuerSerial has other than two fields.")
        serial = names[1].expect(asn1.INTEGER).as_int()
    return hashed.name, digest, serial
