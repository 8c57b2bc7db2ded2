"""A seal beside a card: it holds for these octets, from an authority that was given, of a qualified certificate."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hostile import mutants, soon
from tests.support.trust import NOW, keyring

from ecluse.model.basics import Instant
from ecluse.trust import Configuration, make_card, read_card
from ecluse.trust.card import CardError, Seal, check_seal, make_seal
from ecluse.wire import asn1
from ecluse.wire.cms.keys import signer_for

USAGE = dict.fromkeys(
    (
        *(
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
        ),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)
MOMENT = datetime.fromtimestamp(NOW // 1_000_000, UTC)
YEAR = 365 * 86_400 * 1_000_000
QUALIFIED = asn1.sequence(
    asn1.sequence(asn1.oid("0.4.0.1862.1.1")), asn1.sequence(asn1.oid("0.4.0.1862.1.4"))
)
HUB = (
    '[organisation]\nname = "Aster"\nas2_id = "ASTER"\n'
    '[organisation.identifiers]\nsiren = "732829320"\nvat = "FR83404833048"\n'
)
TEXT = make_card(Configuration.from_files({"ecluse.toml": HUB}).hub, keyring(), NOW).encode()


def name(common: str, number: str = "") -> x509.Name:
    more = [x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, number)] if number else []
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common), *more])


@functools.cache
def made(
    who: str = "Aster",
    number: str = "NTRFR-732829320",
    *,
    by: str = "Trust Services",
    qualified: bool = True,
    names: str = "",
) -> tuple[object, x509.Certificate, x509.Certificate]:
    """A private key, its certificate, and the authority's."""
    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name(by))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(MOMENT - timedelta(days=100))
            .not_valid_after(MOMENT + timedelta(days=200))
        )

    authority = (
        builder(name(by), root)
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(x509.KeyUsage(**{**USAGE, "key_cert_sign": True, "crl_sign": True}), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.public_key()), False)
    )
    if names:
        authority = authority.add_extension(
            x509.NameConstraints([x509.DirectoryName(name(names))], None), True
        )
    certificate = (
        builder(name(who, number), leaf)
        .add_extension(x509.KeyUsage(**{**USAGE, "content_commitment": True}), True)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False)
    )
    if qualified:
        statements = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3"), QUALIFIED)
        certificate = certificate.add_extension(statements, False)
    return leaf, certificate.sign(root, hashes.SHA256()), authority.sign(root, hashes.SHA256())


def seal(data: bytes = TEXT, **how: object) -> tuple[bytes, x509.Certificate]:
    key, certificate, authority = made(**how)  # type: ignore[arg-type]
    return make_seal(data, signer_for(key, certificate), NOW), authority  # type: ignore[arg-type]


def checked(made_seal: bytes, *anchors: x509.Certificate, data: bytes = TEXT, now: Instant = NOW) -> Seal:
    with soon():
        return check_seal(data, made_seal, read_card(TEXT), anchors, now)


def code(made_seal: bytes, *anchors: x509.Certificate, **more: object) -> str:
    with pytest.raises(CardError) as caught:
        checked(made_seal, *anchors, **more)  # type: ignore[arg-type]
    return caught.value.code


def test_a_seal_holds() -> None:
    found = checked(*seal())
    assert found.matches
    assert found.number == "NTRFR-732829320"
    assert "qualified seal of" in found.words
    assert "as on the card" in found.words


@pytest.mark.parametrize("number", ["VATFR-83404833048", ""])
def test_other_kinds_of_numbers(number: str) -> None:
    assert checked(*seal(number=number)).matches is bool(number)
    assert checked(*seal(number="LEIXG-529900T8BM49AURSDO55")).matches is False


def test_a_seal_of_somebody_else() -> None:
    assert code(*seal(number="NTRFR-356000000")) == "card.other-organisation"


def test_a_certificate_that_is_not_qualified() -> None:
    assert code(*seal(qualified=False)) == "card.not-qualified"


def test_an_authority_that_was_not_given() -> None:
    made_seal, _ = seal()
    _, other = seal(who="Birch", number="")
    assert code(made_seal, other) == "card.bad-seal"
    assert code(made_seal) == "card.bad-seal"


def test_an_authority_for_others() -> None:
    """It may issue for the names below one that is not Aster's (RFC 5280 s4.2.1.10)."""
    assert code(*seal(names="Birch")) == "card.bad-seal"


def test_another_card_or_another_time() -> None:
    made_seal, anchor = seal()
    assert code(made_seal, anchor, data=TEXT + b"\n") == "card.bad-seal"
    assert code(made_seal, anchor, now=Instant(NOW + YEAR)) == "card.bad-seal"
    assert code(made_seal, anchor, now=Instant(NOW - YEAR)) == "card.bad-seal"


@pytest.mark.parametrize("data", [b"", b"\x30", b"x" * 200_000])
def test_what_is_no_seal(data: bytes) -> None:
    assert code(data, seal()[1]) == "card.bad-seal"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_mutants_never_pass_for_something_else(seed: int) -> None:
    made_seal, anchor = seal()
    for data in mutants(made_seal, seed, 4):
        if data != made_seal:
            try:
                found = checked(data, anchor)
            except CardError:
                continue
            # Only what is not signed may differ: the certificate is the same one.
            assert found.number == "NTRFR-732829320"
