"""Certificates: whose key it is, who vouches for that, whether it was valid and not revoked at a time (RFC 5280, 6960).

A certificate in a pack names somebody, and the hub says that this is its partner. That is proven only as far as the
reader trusts the certificate, or one that issued it: those that are given by ``--trust`` and ``--tsa``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from ecluse_verify.text import Bad, pem_blocks, shown

__all__ = ["Answers", "chain", "fingerprint", "is_for_stamps", "load_der", "load_pem", "name_of", "valid_at"]

_MAX_CHAIN: Final = 8


def load_der(data: bytes) -> x509.Certificate:
    """The certificate of a DER, read to its end: the library reads most of it only when asked. Raises :class:`Bad`."""
    try:
        found = x509.load_der_x509_certificate(data)
        _ = found.subject, found.issuer, list(found.extensions), found.public_key(), found.not_valid_after_utc
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise Bad("x509") from None
    return found


def load_pem(data: bytes) -> list[x509.Certificate]:
    """Every certificate of a PEM file. Raises :class:`Bad` where there is none."""
    found = [load_der(block) for block in pem_blocks(data, "CERTIFICATE")]
    if not found:
        raise Bad("x509")
    return found


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of its DER, hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def name_of(certificate: x509.Certificate) -> str:
    """Its subject for a sentence, and enough of its fingerprint to find it by."""
    return f"{shown(certificate.subject.rfc4514_string(), 120)} ({fingerprint(certificate)[:16]})"


def valid_at(certificate: x509.Certificate, when: datetime) -> bool:
    """Whether ``when`` is between its two dates (RFC 5280 s4.1.2.5)."""
    return certificate.not_valid_before_utc <= when <= certificate.not_valid_after_utc


def is_for_stamps(certificate: x509.Certificate) -> bool:
    """Whether it may time-stamp and nothing else (RFC 3161 s2.3)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return False
    return found.critical and list(found.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def chain(
    certificate: x509.Certificate,
    others: Iterable[x509.Certificate],
    anchors: Iterable[x509.Certificate],
    when: datetime,
) -> list[x509.Certificate] | None:
    """From a certificate to an anchor, through issuers that may issue and were valid at ``when`` (RFC 5280 s6).

    Returns:
        The path with both ends; ``None`` where no anchor vouches for the certificate.
    """
    trusted = list(anchors)
    pool = [*trusted, *others]
    path = [certificate]
    while len(path) <= _MAX_CHAIN:
        if path[-1] in trusted:
            return path
        found = next(
            (each for each in pool if each not in path and _issued(each, path[-1], len(path), when)), None
        )
        if found is None:
            return None
        path.append(found)
    return None


def _issued(issuer: x509.Certificate, certificate: x509.Certificate, below: int, when: datetime) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = next(
            (each.value for each in issuer.extensions if isinstance(each.value, x509.KeyUsage)), None
        )
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    except (x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    deep = basic.path_length is not None and below - 1 > basic.path_length
    return basic.ca and not deep and (usage is None or usage.key_cert_sign) and valid_at(issuer, when)


class Answers:
    """Revocation answers as they were had: CRLs (RFC 5280 s5) and OCSP responses (RFC 6960)."""

    def __init__(self) -> None:
        self._lists: list[x509.CertificateRevocationList] = []
        self._responses: list[ocsp.OCSPResponse] = []

    def add(self, path: str, data: bytes) -> None:
        """Take the file of an answer. Raises :class:`Bad`."""
        try:
            if path.endswith(".crl"):
                self._lists.append(x509.load_der_x509_crl(data))
            else:
                found = ocsp.load_der_ocsp_response(data)
                if found.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL:
                    self._responses.append(found)
        except (ValueError, UnsupportedAlgorithm):
            raise Bad("revocation") from None

    def revoked(
        self, certificate: x509.Certificate, issuers: Iterable[x509.Certificate]
    ) -> tuple[int, datetime | None]:
        """How many answers of its issuer there are about a certificate, and since when it is revoked, if it is.

        Raises:
            Bad: An answer names its issuer and is not signed by it.
        """
        count, since = 0, None
        try:
            for issuer in issuers:
                if issuer.subject != certificate.issuer:
                    continue
                for crl in self._lists:
                    if crl.issuer != issuer.subject:
                        continue
                    if not crl.is_signature_valid(_list_key(issuer)):
                        raise Bad("revocation")
                    count += 1
                    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
                    since = entry.revocation_date_utc if entry is not None else since
                for response in self._responses:
                    if response.serial_number != certificate.serial_number or not _answers(response, issuer):
                        continue
                    count += 1
                    if response.certificate_status is ocsp.OCSPCertStatus.REVOKED:
                        since = response.revocation_time_utc
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Bad("revocation") from None
        return count, since


def _list_key(issuer: x509.Certificate) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise Bad("revocation")
    return key


def _answers(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """Whether the issuer signed the response, or one whom it let do that (RFC 6960 s4.2.2.2)."""
    digest = hashes.Hash(response.hash_algorithm)
    digest.update(issuer.subject.public_bytes())
    if digest.finalize() != response.issuer_name_hash:
        return False
    signer = issuer
    for each in response.certificates:
        try:
            each.verify_directly_issued_by(issuer)
            usage = each.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (InvalidSignature, x509.ExtensionNotFound, x509.DuplicateExtension):
            continue
        if ExtendedKeyUsageOID.OCSP_SIGNING in usage:
            signer = each
    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            raise Bad("revocation")
    except InvalidSignature:
        raise Bad("revocation") from None
    return True
