"""Which certificates are asked about, and whom: their authorities, as they or the configuration say."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import AuthorityInformationAccessOID

from ecluse.trust.configuration import Configuration
from ecluse.trust.settings.revocation import RevocationSettings

__all__ = ["MAX_WAYS", "Candidate", "Target", "Way", "candidates", "target_of"]

MAX_WAYS: Final = 8
"""Places that one certificate may send us to: they are its maker's choice, and each costs a connection."""

_ERRORS: Final = (ValueError, TypeError, UnsupportedAlgorithm, OverflowError, x509.DuplicateExtension)


@dataclass(frozen=True, slots=True)
class Way:
    """A place to ask at.

    Attributes:
        method: ``ocsp`` or ``crl``.
        place: URL, or ``file:`` and a path relative to the hub's folder.
    """

    method: Literal["ocsp", "crl"]
    place: str


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A certificate in use that somebody else issued.

    Attributes:
        fingerprint: SHA-256, lower-case hexadecimal.
        owner: The partner's id; empty for the hub's own.
        name: Its file, or the key's name in the keyring.
        certificate: The certificate.
        above: What came with it, and may have issued it.
    """

    fingerprint: str
    owner: str
    name: str
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Whom to ask about a candidate.

    Attributes:
        candidate: The certificate.
        issuer: Its issuer's certificate.
        ways: In order of preference.
    """

    candidate: Candidate
    issuer: x509.Certificate
    ways: tuple[Way, ...]


def candidates(
    configuration: Configuration, own: Sequence[tuple[str, tuple[x509.Certificate, ...]]]
) -> Iterator[Candidate]:
    """Certificates of partners that exchange, and of our keys, with the issuers between them and their root.

    Args:
        configuration: What is in force.
        own: (name in the keyring, certificate with its chain) of our keys.
    """
    seen: set[str] = set()
    for ref, chain in own:
        for certificate in chain:
            print_ = certificate.fingerprint(SHA256()).hex()
            if certificate.subject != certificate.issuer and print_ not in seen:
                seen.add(print_)
                yield Candidate(print_, "", ref, certificate, chain)
    for name, partner in configuration.partners.items():
        if partner.state in ("suspended", "retired"):
            continue
        for dated in configuration.certificates[name].entries:
            if dated.info.self_signed and len(dated.chain) < 2:
                continue
            file = partner.certificates[dated.entry].file
            for print_, certificate in zip(
                (dated.info.fingerprint, *dated.issuers),
                (dated.certificate, *(each for each in dated.chain if each != dated.certificate)),
                strict=True,
            ):
                if print_ not in seen and certificate.subject != certificate.issuer:
                    seen.add(print_)
                    yield Candidate(print_, name, file, certificate, dated.chain)


def target_of(
    candidate: Candidate, settings: RevocationSettings, authorities: Sequence[tuple[x509.Certificate, int]]
) -> Target | None:
    """Whom to ask about a certificate; ``None`` where its issuer is not known, or nobody can be asked.

    Args:
        candidate: Which.
        settings: ``[revocation]``.
        authorities: Certificates of ``[[revocation.authorities]]``, each with its number there.
    """
    certificate = candidate.certificate
    for issuer, number in (*((each, None) for each in candidate.above), *authorities):
        if issuer == certificate or not _issued(certificate, issuer):
            continue
        # What the configuration says of an authority stands above what its certificates say.
        given = number if number is not None else next((n for each, n in authorities if each == issuer), None)
        ways = tuple(_ways(certificate, settings, given))[:MAX_WAYS]
        return Target(candidate, issuer, ways) if ways else None
    return None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_ERRORS, InvalidSignature):
        return False
    return True


def _ways(certificate: x509.Certificate, settings: RevocationSettings, given: int | None) -> Iterator[Way]:
    authority = settings.authorities[given] if given is not None else None
    for method in settings.methods:
        place = None if authority is None else authority.ocsp if method == "ocsp" else authority.crl
        if place is not None:
            yield Way(method, place)
        else:
            for url in _responders(certificate) if method == "ocsp" else _lists(certificate):
                yield Way(method, url)


def _responders(certificate: x509.Certificate) -> list[str]:
    """OCSP responders that it names (RFC 5280 s4.2.2.1)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
            places = [each for each in access if each.access_method == AuthorityInformationAccessOID.OCSP]
    except (x509.ExtensionNotFound, *_ERRORS):
        return []
    return [url for each in places if (url := _url(each.access_location)) is not None]


def _lists(certificate: x509.Certificate) -> list[str]:
    """Revocation lists that it names (RFC 5280 s4.2.1.13); those of other signers and of some reasons are left out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
            names = [
                name
                for point in points
                if point.crl_issuer is None and point.reasons is None
                for name in point.full_name or ()
            ]
    except (x509.ExtensionNotFound, *_ERRORS):
        return []
    return [url for name in names if (url := _url(name)) is not None]


def _url(name: x509.GeneralName) -> str | None:
    if not isinstance(name, x509.UniformResourceIdentifier):
        return None
    text = name.value
    fits = len(text) <= 2000 and text.isascii() and text.isprintable() and " " not in text
    if not fits or not text.lower().startswith(("http://", "https://")):
        return None
    try:
        return text if urlsplit(text).port != 0 else None
    except ValueError:  # "http://[": it is whoever made the certificate that wrote it
        return None
