"""Hostile key files and public keys: PKCS#12, PEM, SSH, OpenPGP."""

from __future__ import annotations

import base64
import functools
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hostile import good, key, mpint, mutants, odd, soon, ssh_line
from tests.support.trust import HUB, NOW, keyring

from ecluse.errors import EcluseError
from ecluse.trust import Configuration, ConfigurationError
from ecluse.trust.errors import CertificateError
from ecluse.trust.keys.costs import check_der_cost
from ecluse.trust.keys.importing import load_pem_identity, load_pkcs12
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.keys.ssh_public import public_key_problem
from ecluse.trust.secrets import Secret
from ecluse.wire import asn1
from ecluse.wire.openpgp.certificate import read_certificates
from ecluse.wire.openpgp.errors import OpenPgpError
from ecluse.wire.openpgp.making import make_key

PASSWORD = b"open sesame"
SECRET = Secret("open sesame")
SHA256, PBKDF2, PBES2 = "2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.5.12", "1.2.840.113549.1.5.13"
BILLIONS = (1 << 31) - 1


@functools.cache
def bundle() -> bytes:
    return pkcs12.serialize_key_and_certificates(
        b"birch", key("2048"), good(), None, BestAvailableEncryption(PASSWORD)
    )


@functools.cache
def identity() -> bytes:
    private = key("2048").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + good().public_bytes(Encoding.PEM)


def derivation(rounds: int) -> bytes:
    parameters = asn1.sequence(asn1.octets(b"12345678"), asn1.integer(rounds))
    inner = asn1.sequence(asn1.oid(PBKDF2), parameters)
    return asn1.sequence(
        asn1.oid(PBES2), asn1.sequence(inner, asn1.sequence(asn1.oid("2.16.840.1.101.3.4.1.42")))
    )


def costly(rounds: int, *, where: str) -> bytes:
    """A PKCS#12 file that asks for so many rounds, for its integrity or for what is encrypted in it."""
    encrypted = asn1.sequence(
        asn1.oid("1.2.840.113549.1.7.1"),
        derivation(rounds if where == "content" else 2048),
        asn1.implicit(0, bytes(64)),
    )
    content = asn1.sequence(
        asn1.oid("1.2.840.113549.1.7.6"), asn1.explicit(0, asn1.sequence(asn1.integer(0), encrypted))
    )
    safe = asn1.sequence(
        asn1.oid("1.2.840.113549.1.7.1"), asn1.explicit(0, asn1.octets(asn1.sequence(content)))
    )
    digest = asn1.sequence(asn1.sequence(asn1.oid(SHA256), asn1.null()), asn1.octets(bytes(32)))
    mac = asn1.sequence(digest, asn1.octets(b"12345678"), asn1.integer(rounds if where == "mac" else 2048))
    return asn1.sequence(asn1.integer(3), safe, mac)


@pytest.mark.parametrize("where", ["mac", "content"])
@pytest.mark.parametrize("rounds", [BILLIONS, 1 << 70, -1])
def test_a_password_that_would_be_hashed_for_hours(where: str, rounds: int) -> None:
    with soon(), pytest.raises(CertificateError) as caught:
        load_pkcs12(costly(rounds, where=where), SECRET)
    assert caught.value.code == "trust.too-costly"


def test_usual_costs_pass() -> None:
    check_der_cost(bundle())
    assert load_pkcs12(bundle(), SECRET)[1][0] == good()
    for data in (costly(600_000, where="mac"), b"\x30", b"", b"\xff" * 100):
        check_der_cost(data)


def test_an_encrypted_key_that_would_take_hours() -> None:
    data = asn1.sequence(derivation(BILLIONS), asn1.octets(bytes(64)))
    pem = (
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        + base64.encodebytes(data)
        + b"-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    with soon(), pytest.raises(CertificateError) as caught:
        load_pem_identity(pem, SECRET)
    assert caught.value.code == "trust.too-costly"


def test_an_openssh_key_that_would_take_hours() -> None:
    def string(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    options = string(b"saltsaltsaltsalt") + BILLIONS.to_bytes(4, "big")
    blob = b"openssh-key-v1\0" + string(b"aes256-ctr") + string(b"bcrypt") + string(options) + bytes(64)
    pem = (
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
        + base64.encodebytes(blob)
        + b"-----END OPENSSH PRIVATE KEY-----\n"
    )
    with soon(), pytest.raises(CertificateError) as caught:
        load_pem_identity(pem, SECRET)
    assert caught.value.code == "trust.too-costly"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_mutants_of_key_files_give_our_errors(seed: int) -> None:
    for original, read in ((bundle(), load_pkcs12), (identity(), load_pem_identity)):
        for data in mutants(original, seed, 4):
            with soon(), suppress(CertificateError):
                assert read(data, SECRET)[1]


# --- SSH ----------------------------------------------------------------------------------------------------------

POINT = b"\x04" + bytes(64)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (ssh_line("ssh-rsa", mpint(65537), mpint(odd(1024))), "1024"),
        (ssh_line("ssh-rsa", mpint(65537), mpint(odd(16385))), "16385"),
        (ssh_line("ssh-rsa", mpint(65537), mpint((1 << 65535) | 1)), "65536"),
        (ssh_line("ssh-rsa", mpint(1), mpint(odd(2048))), "exponent"),
        (ssh_line("ssh-rsa", mpint(3), mpint(odd(2048))), "exponent"),
        (ssh_line("ssh-rsa", mpint(odd(2047, 2)), mpint(odd(2048))), "exponent"),
        (ssh_line("ssh-rsa", mpint(65536), mpint(odd(2048))), "exponent"),
        (ssh_line("ssh-rsa", mpint(65537), mpint(odd(2048) - 1)), "factor"),
        (ssh_line("ssh-rsa", b"\xff", mpint(odd(2048))), "none"),
        (ssh_line("ssh-rsa", b"", mpint(odd(2048))), "none"),
        (ssh_line("ssh-rsa", mpint(65537)), "parts"),
        (ssh_line("ssh-rsa", mpint(65537), mpint(odd(2048)), b"more"), "parts"),
        (ssh_line("ssh-ed25519", bytes(31)), "length"),
        (ssh_line("ssh-ed25519", bytes([9]) * 32, b""), "length"),
        (ssh_line("ecdsa-sha2-nistp256", b"nistp256", POINT), "curve"),
        (ssh_line("ecdsa-sha2-nistp256", b"nistp384", POINT), "parts"),
        (ssh_line("ecdsa-sha2-nistp256", b"nistp256", b"\0"), "curve"),
        (ssh_line("ssh-dss", *[mpint(odd(1024))] * 4), "DSA"),
        (ssh_line("ssh-rsa", b"").replace("ssh-rsa ", "ssh-ed25519 "), "another kind"),
        ("ssh-ed25519 " + base64.b64encode(b"\xff" * 400).decode(), "cut"),
        ("ssh-ed25519 !!!!", "base 64"),
    ],
    ids=lambda value: str(value)[-24:],
)
def test_ssh_keys(line: str, why: str) -> None:
    with soon():
        problem = public_key_problem(line)
    assert problem is not None
    assert why in problem


def test_good_ssh_keys() -> None:
    for kind in ("ed25519", "ec-p256", "ec-p384", "rsa-2048"):
        assert public_key_problem(keyring("own", kind=kind).ssh_public_key("own") + " ada@aster") is None
    assert public_key_problem(ssh_line("ssh-rsa", mpint(35), mpint(odd(2048)))) is None
    assert public_key_problem(ssh_line("sk-ssh-ed25519@openssh.com", bytes([9]) * 32, b"ssh:")) is None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_mutants_of_ssh_keys(seed: int) -> None:
    line = ssh_line("ssh-rsa", mpint(65537), mpint(odd(2048)))
    for data in mutants(line.encode(), seed, 8):
        with soon():
            public_key_problem(data.decode("latin-1"))


def test_a_hostile_login_key_is_a_problem_by_name() -> None:
    line = ssh_line("ssh-rsa", mpint(3), mpint(odd(2048)))
    partner = f'name = "Birch"\n[account]\nuser = "birch"\nkeys = ["{line}"]\n'
    with pytest.raises(ConfigurationError) as caught:
        Configuration.from_files({"ecluse.toml": HUB, "partners/birch.toml": partner}, NOW)
    (problem,) = caught.value.problems
    assert (problem.field, "exponent" in problem.cause) == ("account.keys[0]", True)


# --- OpenPGP ------------------------------------------------------------------------------------------------------


@functools.cache
def openpgp() -> bytes:
    made, _ = make_key(
        "curve25519",
        "Birch <edi@birch.example>",
        version=4,
        now=NOW // 1_000_000,
        lifetime=86_400 * 900,
        entropy=bytes,
    )
    return made.encoded


def test_an_openpgp_key_with_a_long_exponent() -> None:
    def mpi(number: int) -> bytes:
        return number.bit_length().to_bytes(2, "big") + number.to_bytes((number.bit_length() + 7) // 8, "big")

    body = b"\4" + bytes(4) + b"\1" + mpi(odd(3072)) + mpi(odd(3071, 4))
    packet = b"\x99" + len(body).to_bytes(2, "big") + body
    user = b"\xcd\x05Birch"
    with soon(), pytest.raises(EcluseError) as caught:
        read_certificates(packet + user)
    assert "exponent" in caught.value.cause


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_mutants_of_openpgp_certificates(seed: int) -> None:
    armored = armored_certificate(read_certificates(openpgp())[0]).encode()
    for original in (openpgp(), armored):
        for data in mutants(original, seed, 6):
            with soon(), suppress(OpenPgpError):
                for found in read_certificates(data):
                    view = found.at(NOW // 1_000_000)
                    assert view.state()
                    view.signing_keys()
                    view.encryption_keys()
