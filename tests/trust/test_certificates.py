"""Certificates from any form, described, and chosen by use and time."""

from __future__ import annotations

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trust import NOW, certificate, instant, key, pem, signed_with

from ecluse.trust import CertificateError, CertificateSet, Secret, describe, load_certificates, to_pem
from ecluse.trust.certificates import Dated
from ecluse.trust.floor import key_facts
from ecluse.trust.keys.importing import load_pem_identity, load_pkcs12
from ecluse.trust.keys.making import KINDS, make_certificate, make_key

ROOT = certificate("Root", "2048")
LEAF = certificate("Leaf", issuer=("Root", key("2048")))


def code(call, *arguments) -> str:
    with pytest.raises(CertificateError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.parametrize(
    "data",
    [
        pem(LEAF, ROOT).encode(),
        pem(ROOT, LEAF, LEAF).encode(),
        b"Bag Attributes\n  friendlyName: x\n" + pem(ROOT).encode() + b"subject=x\n" + pem(LEAF).encode(),
        pem(LEAF, ROOT).replace("\n", "\r\n").encode(),
        pkcs7.serialize_certificates([ROOT, LEAF], Encoding.DER),
        pkcs7.serialize_certificates([ROOT, LEAF], Encoding.PEM),
    ],
)
def test_every_form_gives_the_chain_with_the_end_entity_first(data):
    assert load_certificates(data) == (LEAF, ROOT)
    assert load_certificates(to_pem(load_certificates(data)).encode()) == (LEAF, ROOT)


def test_der():
    assert load_certificates(LEAF.public_bytes(Encoding.DER)) == (LEAF,)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\n!\n", b"\x30\x80", b"0" * (1 << 21)]
)
def test_what_is_no_certificate(data):
    assert code(load_certificates, data) == "trust.bad-certificate"


def test_private_keys_do_not_pass():
    private = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert code(load_certificates, private) == "trust.private-key"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_der_gives_our_errors_only(data):
    der = bytearray(LEAF.public_bytes(Encoding.DER))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        for loaded in load_certificates(bytes(der)):
            assert describe(loaded).weaknesses is not None
    except CertificateError:
        pass


def test_description():
    info = describe(LEAF)
    assert (info.subject, info.issuer, info.self_signed) == ("CN=Leaf", "CN=Root", False)
    assert (info.key.name, info.signature) == ("EC P-256", "sha256")
    assert (info.not_before, info.not_after) == (instant(2020), instant(2050))
    assert info.can_sign
    assert info.can_encrypt
    assert len(info.fingerprint) == 64


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"rsa-4096", "rsa-3072"}))
def test_every_kind_that_is_made_is_above_the_floor_and_says_what_it_can(kind):
    signer = make_key("ed25519")
    issuer = (signer, make_certificate(signer, "Issuer", now=NOW, days=10))
    made = make_certificate(make_key(kind), "CN=Made,O=Aster", now=NOW, days=10, issuer=issuer)
    assert describe(made).weaknesses == ()
    info = describe(made)
    assert info.can_sign == (not kind.startswith(("ml-kem", "x25519")))
    assert info.can_encrypt == kind.startswith(("rsa", "ec-", "ml-kem", "x25519"))


def test_the_floor():
    names = {
        "1024": ("trust.weak-key", "rsa-1024"),
        "k1": ("trust.weak-key", "forbidden"),
    }
    for kind, (expected, name) in names.items():
        (weakness,) = describe(certificate(kind=kind)).weaknesses
        assert (weakness.code, weakness.name) == (expected, name)
        assert weakness.allowed(["rsa-1024"]) == (name == "rsa-1024")
        assert weakness.remedy
    assert key_facts(dsa.generate_private_key(2048).public_key()).weakness == "forbidden"
    assert key_facts(object()).weakness == "forbidden"
    (old,) = describe(signed_with("sha1", certificate(issuer=("Root", key("2048"))))).weaknesses
    assert old.name == "sha-1"
    (older,) = describe(signed_with("md5", certificate(issuer=("Root", key("2048"))))).weaknesses
    assert older.name == "forbidden"
    assert describe(signed_with("sha1", certificate(kind="2048"))).weaknesses == ()


# --- PKCS#12 ------------------------------------------------------------------------------------------------


def bundle(password: bytes = b"sesame", kind: str = "ec") -> bytes:
    own = certificate("Own", kind)
    return pkcs12.serialize_key_and_certificates(
        b"own", key(kind), own, [ROOT], BestAvailableEncryption(password)
    )


def test_pkcs12():
    private, chain = load_pkcs12(bundle(), Secret("sesame"))
    assert chain[0].subject.rfc4514_string() == "CN=Own"
    assert chain[1] == ROOT
    assert private.public_key() == key().public_key()


@pytest.mark.parametrize("password", ["", "wrong", "Sesame"])
def test_pkcs12_with_a_wrong_password(password):
    with pytest.raises(CertificateError) as caught:
        load_pkcs12(bundle(), Secret(password))
    assert caught.value.code == "trust.wrong-password"
    assert "Sesame" not in str(caught.value)


def test_pkcs12_that_is_damaged_weak_or_without_a_key():
    assert code(load_pkcs12, b"hello", Secret("x")) == "trust.wrong-password"
    assert code(load_pkcs12, bundle(kind="1024"), Secret("sesame")) == "trust.weak-key"
    only = pkcs12.serialize_key_and_certificates(None, None, None, [ROOT], BestAvailableEncryption(b"x"))
    assert code(load_pkcs12, only, Secret("x")) == "trust.bad-certificate"


def test_pem_identities():
    own = certificate("Own")
    encrypted = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    plain = key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert load_pem_identity(plain + pem(own).encode())[1] == (own,)
    assert load_pem_identity(pem(own).encode() + encrypted, Secret("sesame"))[1] == (own,)
    assert code(load_pem_identity, encrypted + pem(own).encode(), Secret("no")) == "trust.wrong-password"
    assert code(load_pem_identity, encrypted + pem(own).encode()) == "trust.wrong-password"
    assert code(load_pem_identity, pem(own).encode()) == "trust.bad-certificate"
    assert code(load_pem_identity, plain + pem(ROOT).encode()) == "trust.bad-certificate"


# --- windows ------------------------------------------------------------------------------------------------


def dated(name: str, *use: str, begin=2020, end=2050, start=None, stop=None) -> Dated:
    made = certificate(name, begin=begin, end=end)
    return Dated(made, describe(made), frozenset(use), start, stop)


def names(found: tuple[x509.Certificate, ...]) -> list[str]:
    return [c.subject.rfc4514_string().removeprefix("CN=") for c in found]


def test_a_rollover_overlaps_newest_first():
    certificates = CertificateSet(
        (
            dated("old", "verify", "encrypt", stop=instant(2026, 7, 1)),
            dated("new", "verify", "encrypt", start=instant(2026, 6, 1)),
        )
    )
    assert names(certificates.at("verify", instant(2026, 5, 31))) == ["old"]
    assert names(certificates.at("verify", instant(2026, 6, 1))) == ["new", "old"]
    assert names(certificates.at("verify", instant(2026, 6, 30, 23))) == ["new", "old"]
    assert names(certificates.at("verify", instant(2026, 7, 1))) == ["new"]
    assert names(certificates.at("encrypt", instant(2026, 6, 15)))[0] == "new"
    assert certificates.at("tls", NOW) == ()


def test_the_window_is_cut_by_the_certificate_s_own():
    certificates = CertificateSet((dated("c", "verify", begin=2025, end=2026, start=instant(2000)),))
    assert not certificates.at("verify", instant(2024, 12, 31))
    assert certificates.at("verify", instant(2025))
    assert certificates.at("verify", instant(2026)), "notAfter is inclusive"
    assert not certificates.at("verify", instant(2026, 1, 2))
    assert certificates.at("verify", instant(2026, 1, 2), ["expired-certificate"])
    assert not certificates.at("verify", instant(2024, 12, 31), ["expired-certificate"])


def test_receipts_fall_back_on_the_use_for_messages():
    verify = dated("messages", "verify")
    assert names(CertificateSet((verify,)).at("mdn-verify", NOW)) == ["messages"]
    both = CertificateSet((verify, dated("receipts", "mdn-verify")))
    assert names(both.at("mdn-verify", NOW)) == ["receipts"]
    assert names(both.at("verify", NOW)) == ["messages"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(2021, 2040), st.integers(1, 10)), max_size=5), st.integers(2020, 2050))
def test_every_choice_holds_and_is_in_order(windows, year):
    entries = tuple(
        dated(f"n{number}", "verify", start=instant(start), stop=instant(start + length))
        for number, (start, length) in enumerate(windows)
    )
    chosen = CertificateSet(entries).entries_at("verify", instant(year))
    assert {id(e) for e in chosen} == {id(e) for e in entries if e.start <= instant(year) < e.end}
    assert [e.start for e in chosen] == sorted((e.start for e in chosen), reverse=True)


def test_openssl_reads_what_is_made(tmp_path):
    private = make_key("ec-p256")
    (tmp_path / "c.pem").write_text(
        pem(make_certificate(private, "Aster", now=NOW, days=30, names=["a.example"]))
    )
    said = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "c.pem", "-noout", "-subject", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Aster" in said
    assert "DNS:a.example" in said
