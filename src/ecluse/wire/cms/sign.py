"""Signing (RFC 5652 s5): signed attributes, SignerInfos, and the detached signature that S/MIME carries.

A signature covers a short SET OF attributes that holds the content's digest, never the content: so a signer
may be a smart card or a service far away, and the content has long gone by when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol

from cryptography import x509

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms._certificate import identity
from ecluse.wire.cms._keywrap import algorithm
from ecluse.wire.cms._schemes import digest_algorithm, digest_for, signature_algorithm

__all__ = ["Baseline", "Signer", "digest_for", "digests_needed", "sign_detached"]


class Signer(Protocol):
    """Someone who signs. One object serves any number of messages, from any thread."""

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate whose private key signs."""

    @property
    def scheme(self) -> str:
        """``rsa-pkcs1``, ``rsa-pss``, ``ecdsa``, ``ed25519`` or ``ml-dsa-44``, ``-65``, ``-87``."""

    def sign(self, data: bytes, digest: str) -> bytes:
        """The signature over ``data`` as CMS carries it (ECDSA: DER of r and s).

        ``digest`` (``sha256``, ``sha384``, ``sha512``) is what the scheme hashes ``data`` with, for PSS in
        MGF1 too and as the salt's length. Ed25519 and ML-DSA sign ``data`` itself, and take no notice of it.
        """


@dataclass(frozen=True, slots=True)
class Baseline:
    """What makes a CMS signature a CAdES baseline one (ETSI EN 319 122-1 s6.3): it names its certificate.

    Attributes:
        certificates: The certificate's issuers, to go along.
        stamp: Gives an RFC 3161 token over a signature (level B-T); without it the level is B-B.
    """

    certificates: tuple[x509.Certificate, ...] = ()
    stamp: Callable[[bytes], bytes] | None = None


def digests_needed(signers: Sequence[Signer], digest: str = "sha256") -> tuple[str, ...]:
    """The names of the digests of the content that :func:`sign_detached` will ask for, each once.

    Raises:
        UnsupportedAlgorithm: A signer has an unknown scheme.
        AlgorithmForbidden: ``digest`` is not one that is written.
    """
    return tuple(dict.fromkeys(digest_for(signer.scheme, digest) for signer in signers))


def sign_detached(
    digests: Mapping[str, bytes],
    signers: Sequence[Signer],
    *,
    digest: str = "sha256",
    now: int,
    algorithm_protection: bool = True,
    capabilities: bool = False,
    include_certificates: bool = True,
    content_type: str = oids.DATA,
    baseline: Baseline | None = None,
) -> bytes:
    """A SignedData without its content, as a ContentInfo in DER.

    Args:
        digests: The content's digests by name; must hold :func:`digests_needed`.
        signers: At least one.
        digest: ``sha256``, ``sha384`` or ``sha512``. A signer whose scheme wants a stronger one gets it
            (:func:`digest_for`).
        now: The signing-time attribute, in seconds since 1970.
        algorithm_protection: Whether to sign the algorithms as well (RFC 6211). Some old receivers refuse an
            attribute that they do not know.
        capabilities: Whether to say which ciphers are read here (RFC 8551 s2.5.2).
        include_certificates: Whether the signers' certificates go along.
        content_type: What was signed, dotted.
        baseline: Makes it a CAdES signature.

    Raises:
        UnsupportedAlgorithm: A signer has an unknown scheme.
        AlgorithmForbidden: ``digest`` is not one that is written.
    """
    head = signed_data_head(signers, digest, content_type)
    tail = signed_data_tail(
        digests,
        signers,
        digest=digest,
        now=now,
        algorithm_protection=algorithm_protection,
        capabilities=capabilities,
        include_certificates=include_certificates,
        content_type=content_type,
        baseline=baseline,
    )
    signed_data = asn1.sequence(head, asn1.sequence(asn1.oid(content_type)), tail)
    return asn1.sequence(asn1.oid(oids.SIGNED_DATA), asn1.explicit(0, signed_data))


# --- the parts, which the opaque writer streams -------------------------------------------------------------


def signed_data_head(signers: Sequence[Signer], digest: str, content_type: str) -> bytes:
    """What stands before the content: version and digest algorithms."""
    if not signers:
        raise ValueError("a SignedData needs a signer")
    version = 1 if content_type == oids.DATA else 3  # RFC 5652 s5.1
    algorithms = [digest_algorithm(name) for name in digests_needed(signers, digest)]
    return asn1.integer(version) + asn1.set_of(*algorithms)


def signed_data_tail(
    digests: Mapping[str, bytes],
    signers: Sequence[Signer],
    *,
    digest: str,
    now: int,
    algorithm_protection: bool,
    capabilities: bool,
    include_certificates: bool,
    content_type: str,
    baseline: Baseline | None,
) -> bytes:
    """What stands behind the content: the signers' certificates and the SignerInfos."""
    common = [_content_type(content_type), _signing_time(now)]
    if capabilities:
        common.append(_CAPABILITIES)
    infos = []
    for signer in signers:
        name = digest_for(signer.scheme, digest)
        infos.append(_signer_info(signer, name, digests[name], common, algorithm_protection, baseline))
    certificates = b""
    if include_certificates:
        going = [signer.certificate for signer in signers]
        going += baseline.certificates if baseline is not None else ()
        unique = sorted({identity(certificate).der for certificate in going})
        certificates = asn1.implicit(0, b"".join(unique), constructed=True)
    return certificates + asn1.set_of(*infos)


def _signer_info(
    signer: Signer,
    digest: str,
    content_digest: bytes,
    common: list[bytes],
    algorithm_protection: bool,
    baseline: Baseline | None,
) -> bytes:
    """One SignerInfo (RFC 5652 s5.3), its signer named by issuer and serial number."""
    hashed_by = digest_algorithm(digest)
    signed_by = signature_algorithm(signer.scheme, digest)
    attributes = [*common, attribute(oids.MESSAGE_DIGEST, asn1.octets(content_digest))]
    if algorithm_protection:
        attributes.append(_algorithm_protection(hashed_by, signed_by))
    if baseline is not None:
        attributes.append(_signing_certificate(signer.certificate))
    to_sign = asn1.set_of(*attributes)
    signature = signer.sign(to_sign, digest)
    unsigned = b""
    if baseline is not None and baseline.stamp is not None:
        token = attribute(oids.SIGNATURE_TIME_STAMP, baseline.stamp(signature))
        unsigned = asn1.implicit(1, token, constructed=True)
    return asn1.sequence(
        asn1.integer(1),
        identity(signer.certificate).issuer_and_serial,
        hashed_by,
        b"\xa0" + to_sign[1:],  # sent as [0] IMPLICIT, signed as SET OF (RFC 5652 s5.4)
        signed_by,
        asn1.octets(signature),
        unsigned,
    )


def _signing_certificate(certificate: x509.Certificate) -> bytes:
    """The signing-certificate-v2 attribute, with SHA-256, its default, and issuer and serial number (RFC 5035 s3)."""
    own = identity(certificate)
    issuer, serial = asn1.parse(own.issuer_and_serial).children
    named = asn1.sequence(asn1.sequence(asn1.explicit(4, issuer.raw)), serial.raw)
    identified = asn1.sequence(asn1.octets(sha256(own.der).digest()), named)
    return attribute(oids.SIGNING_CERTIFICATE_V2, asn1.sequence(asn1.sequence(identified)))


def attribute(dotted: str, value: bytes) -> bytes:
    """An Attribute with one value (RFC 5652 s5.3)."""
    return asn1.sequence(asn1.oid(dotted), asn1.encode(asn1.SET, value))


@lru_cache(maxsize=8)
def _content_type(dotted: str) -> bytes:
    return attribute(oids.CONTENT_TYPE, asn1.oid(dotted))


@lru_cache(maxsize=32)
def _algorithm_protection(hashed_by: bytes, signed_by: bytes) -> bytes:
    """CMSAlgorithmProtection: the signature algorithm is [1] IMPLICIT (RFC 6211 s2)."""
    return attribute(oids.ALGORITHM_PROTECTION, asn1.sequence(hashed_by, b"\xa1" + signed_by[1:]))


@lru_cache(maxsize=8)
def _signing_time(now: int) -> bytes:
    return attribute(oids.SIGNING_TIME, asn1.time(datetime.fromtimestamp(now, UTC)))


_CAPABILITIES: Final = attribute(
    oids.SMIME_CAPABILITIES,
    asn1.sequence(
        *(
            algorithm(cipher)
            for cipher in (
                oids.AES256_GCM,
                oids.AES192_GCM,
                oids.AES128_GCM,
                oids.AES256_CBC,
                oids.AES192_CBC,
                oids.AES128_CBC,
            )
        )
    ),
)
"""The ciphers read here, the preferred one first."""
