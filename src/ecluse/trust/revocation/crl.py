"""Certificate revocation lists (RFC 5280 s5): read, proven, and asked about certificates."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.model.basics import Instant
from ecluse.trust.revocation.signatures import check_strong
from ecluse.trust.revocation.verdict import BadAnswer, Verdict, fresh

__all__ = ["MAX_CRL", "Crl", "read_crl"]

MAX_CRL: Final = 32 << 20
"""Octets of one list: some 800,000 entries. Public authorities keep theirs below a tenth (partitioned lists)."""

_ERRORS: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    OverflowError,
    x509.InvalidVersion,
    AssertionError,
)


@dataclass(frozen=True, slots=True, eq=False)
class Crl:
    """A list that was proven.

    Attributes:
        made: ``thisUpdate``.
        ends: Until when it counts.
    """

    made: Instant
    ends: Instant
    _list: x509.CertificateRevocationList
    _issuer: x509.Certificate
    _scope: x509.IssuingDistributionPoint | None

    @property
    def data(self) -> bytes:
        """The list itself, DER."""
        return self._list.public_bytes(Encoding.DER)

    def verdict(self, certificate: x509.Certificate, now: Instant, source: str) -> Verdict:
        """What the list says of a certificate.

        Raises:
            BadAnswer: It is another authority's, or does not cover such certificates.
        """
        if certificate.issuer != self._issuer.subject:
            raise BadAnswer("The list is another authority's.")
        self._check_scope(certificate)
        try:
            entry = self._list.get_revoked_certificate_by_serial_number(certificate.serial_number)
            reason = _reason(entry) if entry is not None else ""
        except (*_ERRORS, x509.DuplicateExtension):
            raise BadAnswer("An entry of the list can't be read.") from None
        if entry is None:
            return Verdict("good", now, self.made, self.ends, source=source, method="crl")
        since = _instant(entry.revocation_date_utc)
        return Verdict("revoked", now, self.made, self.ends, since, reason, source, "crl")

    def _check_scope(self, certificate: x509.Certificate) -> None:
        """A list of one part says nothing of the others (s6.3.3 b): who hands out the wrong part hides a revocation."""
        scope = self._scope
        if scope is None:
            return
        authority = _is_authority(certificate)
        if scope.only_contains_attribute_certs or (
            scope.only_contains_user_certs if authority else scope.only_contains_ca_certs
        ):
            raise BadAnswer("The list is about certificates of another kind.")
        if scope.indirect_crl or scope.only_some_reasons:
            raise BadAnswer(
                "The list is of a kind that is not done here: indirect, or for some reasons alone."
            )
        if scope.relative_name is not None:
            raise BadAnswer("The list names its part in a way that is not done here.")
        if scope.full_name is not None and not set(scope.full_name) & set(_places(certificate)):
            raise BadAnswer("The list is about another part of the authority's certificates.")


def read_crl(data: bytes, issuer: x509.Certificate, now: Instant, max_age: int) -> Crl:
    """Read a list and prove it.

    Args:
        data: DER or PEM.
        issuer: Whose it must be.
        now: The time.
        max_age: Microseconds that a list without ``nextUpdate`` counts.

    Raises:
        BadAnswer: It is no list, another authority's, not proven, over, or of a kind that is not done here.
    """
    if len(data) > MAX_CRL:
        raise BadAnswer(f"The list has more than {MAX_CRL} octets.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pem = data.lstrip().startswith(b"-----BEGIN")
            crl = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
            if crl.issuer != issuer.subject:
                raise BadAnswer("The list is another authority's.")
            key = issuer.public_key()
            check_strong(key, crl.signature_hash_algorithm)
            if not _may_sign_lists(issuer) or not crl.is_signature_valid(key):  # type: ignore[arg-type]
                raise BadAnswer("The signature on the list is not its authority's.")
            scope = _scope(crl)
            ends = crl.next_update_utc
            made = _instant(crl.last_update_utc)
    except (*_ERRORS, x509.DuplicateExtension):
        raise BadAnswer("This is no revocation list that could be read.") from None
    return Crl(made, fresh(made, None if ends is None else _instant(ends), now, max_age), crl, issuer, scope)


def _scope(crl: x509.CertificateRevocationList) -> x509.IssuingDistributionPoint | None:
    """What the list covers. Raises :class:`BadAnswer` for what is critical and not understood (s5.2)."""
    found: x509.IssuingDistributionPoint | None = None
    for extension in crl.extensions:
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            found = extension.value
        elif isinstance(extension.value, x509.DeltaCRLIndicator):
            raise BadAnswer("The list holds changes alone, and not everything.")
        elif extension.critical:
            raise BadAnswer("The list has a critical extension that is not known.")
    return found


def _may_sign_lists(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _places(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    return [name for point in points for name in point.full_name or ()]


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.name
    except x509.ExtensionNotFound:
        return "unspecified"


def _instant(moment: datetime) -> Instant:
    return Instant(int(moment.timestamp()) * 1_000_000)
