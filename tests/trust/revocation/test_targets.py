"""Whom a certificate sends us to is its maker's choice: what it says is never more than a place to ask at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from ecluse.trust.revocation import Candidate, target_of
from ecluse.trust.settings.revocation import RevocationSettings

ISSUER_KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mill")])


def certificate(subject: str, *urls: str) -> x509.Certificate:
    now = datetime.now(UTC)
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
        for url in urls
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(ISSUER)
        .public_key(ISSUER_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    if access:
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    return builder.sign(ISSUER_KEY, SHA256())


@pytest.mark.parametrize(
    "url", ["http://[", "http://[x]/", "http://a:b/", "http://a:99999/", "ldap://mill/", "http://a b/", "x"]
)
def test_what_is_no_url_is_no_place_to_ask_at(url: str) -> None:
    """One such certificate must not end the questions about all others."""
    authority = certificate("Mill")
    settings = RevocationSettings(mode="soft")
    for urls, places in ((url,), []), ((url, "http://ocsp.mill.example/"), ["http://ocsp.mill.example/"]):
        asked = certificate("Birch", *urls)
        target = target_of(Candidate("00", "birch", "birch.pem", asked, (authority,)), settings, ())
        assert [way.place for way in target.ways] == places if target is not None else not places
