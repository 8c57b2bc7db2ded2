"""Whom we believe: chains to roots of our choice, times, usages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ecluse.exchange.seals.trust import Anchors, fingerprint, weigh
from ecluse.model.basics import Instant

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = Instant(int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 1_000_000)
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("root", "middle", "leaf", "other")}


def name_of(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def made(
    name: str,
    by: str,
    *,
    ca: bool = True,
    length: int | None = None,
    days: int = 365,
    signs: bool = True,
    key: str | None = None,
) -> x509.Certificate:
    usage = dict.fromkeys(
        (
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
            "crl_sign",
        ),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(name_of(by))
        .public_key(KEYS[key or name].public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca, length if ca else None), True)
        .add_extension(
            x509.KeyUsage(digital_signature=signs, content_commitment=False, key_cert_sign=ca, **usage), True
        )
        .sign(KEYS[by], hashes.SHA256())
    )


ROOT = made("root", "root")
MIDDLE = made("middle", "root")
LEAF = made("leaf", "middle", ca=False)
BELIEVED = Anchors(roots=(ROOT,))


def ground(
    leaf: x509.Certificate, *others: x509.Certificate, anchors: Anchors = BELIEVED, **when: Instant
) -> str:
    return weigh(leaf, others, anchors, now=when.pop("now", NOW), **when).ground


def test_a_chain_to_a_root_that_we_named() -> None:
    assert ground(LEAF, MIDDLE) == "chain"
    assert ground(made("leaf", "root", ca=False)) == "chain"
    assert ground(LEAF, made("other", "root"), MIDDLE) == "chain"


@pytest.mark.parametrize(
    "others",
    [
        (),
        (made("middle", "root", ca=False),),
        (made("middle", "root", days=30),),
        (made("middle", "root", key="other"),),
        (made("middle", "other"),),
    ],
    ids=["nothing between", "no authority", "ended", "another key", "under another root"],
)
def test_what_leads_to_no_root(others: tuple[x509.Certificate, ...]) -> None:
    assert ground(LEAF, *others) == "no-certificate-chain-found"


def test_a_root_that_allows_no_authority_below_it() -> None:
    short = made("root", "root", length=0)
    assert ground(LEAF, MIDDLE, anchors=Anchors(roots=(short,))) == "no-certificate-chain-found"
    assert ground(made("leaf", "root", ca=False), anchors=Anchors(roots=(short,))) == "chain"


def test_what_was_revoked_is_not_believed_itself_or_above() -> None:
    gone = Anchors(roots=(ROOT,), pinned=(LEAF,), refused=frozenset({fingerprint(LEAF)}))
    assert ground(LEAF, MIDDLE, anchors=gone) == "revoked"
    above = Anchors(roots=(ROOT,), refused=frozenset({fingerprint(MIDDLE)}))
    assert ground(LEAF, MIDDLE, anchors=above) == "no-certificate-chain-found"


def test_times_and_usages() -> None:
    day = 86_400 * 1_000_000
    assert ground(made("leaf", "root", ca=False, signs=False)) == "chain-constraints-failure"
    assert ground(LEAF, MIDDLE, made=Instant(NOW + day)) == "format-failure"
    assert ground(LEAF, MIDDLE, now=Instant(NOW + 900 * day)) == "out-of-bounds-no-poe"
    assert ground(LEAF, MIDDLE, now=Instant(NOW + 900 * day), stamped=NOW) == "chain"
    assert ground(LEAF, MIDDLE, now=Instant(NOW - 900 * day)) == "not-yet-valid"


def test_a_short_key() -> None:
    key = rsa.generate_private_key(65537, 1024)
    weak = (
        x509.CertificateBuilder()
        .subject_name(name_of("leaf"))
        .issuer_name(name_of("leaf"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    assert ground(weak, anchors=Anchors(pinned=(weak,))) == "crypto-constraints-failure"
