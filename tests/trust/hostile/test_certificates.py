"""Hostile certificates: each a clear error or a problem by name, in time, and never a traceback."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hostile import der, extension, good, mutants, name, odd, pem, rsa_spki, soon
from tests.support.trust import HUB, NOW, PARTNER

from ecluse.trust import Configuration, ConfigurationError, describe, load_certificates
from ecluse.trust.errors import CertificateError
from ecluse.wire import asn1

BIRCH = good()
KU, BC, EKU, NC, SAN = "2.5.29.15", "2.5.29.19", "2.5.29.37", "2.5.29.30", "2.5.29.17"
NAMES = asn1.sequence(asn1.implicit(0, asn1.sequence(asn1.encode(0x82, b"birch.example")), constructed=True))
NAMES = asn1.sequence(asn1.implicit(0, asn1.sequence(asn1.encode(0x82, b"birch.example")), constructed=True))
CA = asn1.sequence(asn1.encode(asn1.BOOLEAN, b"\xff"))


def short(value: object) -> str:
    return f"{value:#x}"[:12] if isinstance(value, int) else str(value)


def usage(bits: int) -> bytes:
    return asn1.encode(asn1.BIT_STRING, b"\0", bytes([bits]))


def purposes(*oids: str) -> bytes:
    return asn1.sequence(*map(asn1.oid, oids))


def refused(data: bytes) -> CertificateError:
    with soon(), pytest.raises(CertificateError) as caught:
        load_certificates(data)
    assert caught.value.code.startswith("trust.")
    assert caught.value.cause.endswith(".")
    assert caught.value.remedy.endswith(".")
    return caught.value


def problems(
    data: bytes, use: str = '["verify", "encrypt"]', more: str = "", now: int | None = NOW
) -> set[str]:
    """Codes of what is wrong with a partner that has this certificate."""
    partner = f"{PARTNER}use = {use}\n{more}"
    files = {"ecluse.toml": HUB, "partners/birch.toml": partner, "certificates/birch.pem": pem(data).decode()}
    with soon():
        try:
            Configuration.from_files(files, now)  # type: ignore[arg-type]
        except ConfigurationError as error:
            found = error
        else:
            return set()
    assert all(problem.cause and problem.remedy for problem in found.problems)
    return set(found.codes())


@pytest.mark.parametrize("bits", [512, 1024, 2047, 16385, 65536, 500_000])
def test_sizes_of_rsa(bits: int) -> None:
    assert "trust.weak-key" in problems(
        der(spki=rsa_spki(odd(bits) if bits < 20_000 else (1 << bits) - 1, 65537))
    )


@pytest.mark.parametrize("exponent", [0, 1, 2, 65536, -3], ids=short)
def test_exponents_that_are_none(exponent: int) -> None:
    assert "public key" in refused(der(spki=rsa_spki(odd(2048), exponent))).cause


@pytest.mark.parametrize("exponent", [3, 17, 257, (1 << 64) + 1, odd(2047, 2)], ids=short)
def test_exponents_that_are_tiny_or_a_trap(exponent: int) -> None:
    data = der(spki=rsa_spki(odd(2048), exponent))
    assert "trust.weak-key" in problems(data)
    (weakness,) = describe(load_certificates(data)[0]).weaknesses
    assert "exponent" in weakness.cause
    assert weakness.name == "forbidden"


@pytest.mark.parametrize(
    "modulus", [odd(2048) - 1, odd(2046) * 3, odd(2040) * 251, odd(2040, 3) * 131], ids=short
)
def test_a_modulus_that_falls_apart(modulus: int) -> None:
    assert "trust.weak-key" in problems(der(spki=rsa_spki(modulus, 65537)))


@pytest.mark.parametrize("modulus", [0, 1, -odd(2048)], ids=short)
def test_a_modulus_that_is_none(modulus: int) -> None:
    refused(der(spki=rsa_spki(modulus, 65537)))


def test_a_good_one_has_no_problem() -> None:
    assert problems(der(spki=rsa_spki(odd(2048), 65537))) == set()


@pytest.mark.parametrize("serial", [-1, -(1 << 300), 1 << 256, 1 << 20_000], ids=short)
def test_serial_numbers(serial: int) -> None:
    assert "serial number" in refused(der(serial=serial)).cause


def test_a_serial_number_of_nothing_is_read() -> None:
    assert describe(load_certificates(der(serial=0))[0]).serial == "0"


@pytest.mark.parametrize(
    ("extensions", "word"),
    [
        ((extension(KU, usage(0x80)), extension(KU, usage(0x20))), "twice"),
        ((extension("1.2.3.4", b"\5\0"), extension("1.2.3.4", b"\5\0")), "twice"),
        ((extension(KU, b"\5\0"),), "damaged"),
        ((extension(BC, b"\xff\xff"),), "damaged"),
        ((extension(SAN, asn1.sequence(asn1.encode(0x82, b"\xff\xfe"))),), "damaged"),
        ((extension("1.2.3.4.5", b"\5\0", critical=True),), "1.2.3.4.5"),
        ((extension(NC, NAMES),), "names"),
    ],
)  # fmt: skip
def test_extensions(extensions: tuple[bytes, ...], word: str) -> None:
    assert word in refused(der(extensions=extensions)).cause


def test_five_thousand_extensions_end_in_time() -> None:
    many = tuple(extension(f"1.2.3.{number}", b"\5\0") for number in range(5000))
    with soon():
        load_certificates(der(extensions=many))


@pytest.mark.parametrize(
    ("bits", "use", "wrong"),
    [
        (0x06, '["verify"]', True),  # keyCertSign, cRLSign: an authority's
        (0x06, '["encrypt"]', True),
        (0x80, '["verify"]', False),
        (0x80, '["encrypt"]', True),
        (0x20, '["verify"]', True),
        (0x20, '["encrypt"]', False),
        (0xA0, '["verify", "encrypt"]', False),
    ],
)
def test_a_key_usage_for_something_else(bits: int, use: str, wrong: bool) -> None:
    data = der(extensions=(extension(KU, usage(bits), critical=True), extension(BC, CA, critical=True)))
    found = problems(data, use) - {"config.missing-certificate"}
    assert found == ({"trust.wrong-use"} if wrong else set())
    allowed = '[[exceptions]]\nalgorithm = "wrong-key-usage"\nreason = "their product"\nuntil = 2026-12-31\n'
    assert problems(data, use, allowed) - {"config.missing-certificate"} == set()


@pytest.mark.parametrize(
    ("oid", "use", "wrong"),
    [
        ("1.3.6.1.5.5.7.3.1", "tls", False),
        ("1.3.6.1.5.5.7.3.2", "tls", True),
        ("1.3.6.1.5.5.7.3.8", "tls", True),
        ("1.3.6.1.5.5.7.3.2", "tls-client", False),
        ("1.3.6.1.5.5.7.3.1", "tls-client", True),
        ("2.5.29.37.0", "tls-client", False),
    ],
)
def test_a_purpose_for_something_else(oid: str, use: str, wrong: bool) -> None:
    data = der(extensions=(extension(EKU, purposes(oid)),))
    found = problems(data, f'["verify", "encrypt", "{use}"]')
    assert found == ({"trust.wrong-use"} if wrong else set())


@pytest.mark.parametrize(
    ("begins", "ends", "code"),
    [
        (datetime(2030, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC), "trust.not-yet-valid"),
        (datetime(2010, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC), "trust.expired"),
        (datetime(2040, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC), "trust.not-yet-valid"),
    ],
)
def test_out_of_its_time(begins: datetime, ends: datetime, code: str) -> None:
    assert problems(der(begins=begins, ends=ends)) == {code}


@pytest.mark.parametrize(
    "text",
    [
        "Birch\u202e\u2066hcriB",
        "birch.example\0.evil.example",
        "Birch\nroot\x1b[2J",
        "B\u3164irch",
        "B\u200birch",
    ],
)
def test_text_that_is_not_seen_is_written_out(text: str) -> None:
    info = describe(load_certificates(der(subject=name(text)))[0])
    assert info.subject.isprintable()
    assert "\\" in info.subject
    assert "\u3164" not in info.subject


@pytest.mark.parametrize("length", [1200, 60_000])
def test_long_names(length: int) -> None:
    assert "longer than" in refused(der(subject=name("x" * length))).cause


@pytest.mark.parametrize(
    "subject", [name(b"\xff\xfe\x00"), name(b"\xd8\x00", tag=0x1E), asn1.sequence(), b"\x30\x02\x31\x00"]
)
def test_names_that_are_none(subject: bytes) -> None:
    with soon(), suppress(CertificateError):
        assert describe(load_certificates(der(subject=subject))[0]).subject.isprintable()


@pytest.mark.parametrize(
    ("bits", "exponent"), [(16384, (1 << 63) | 1), (3072, odd(3071, 4)), (8192, (1 << 31) | 1)], ids=short
)
def test_putting_a_file_in_order_ends_in_time(bits: int, exponent: int) -> None:
    """Each could have issued each: nearly a thousand pairs."""
    many = [
        der(spki=rsa_spki(odd(bits), exponent), serial=number, signature=bytes(bits // 8))
        for number in range(1, 33)
    ]
    with soon():
        assert len(load_certificates(pem(*many))) == 32


def test_thousands_in_one_file() -> None:
    assert "more than 32" in refused(pem(*[der(serial=number) for number in range(1, 1000)])).cause
    assert (
        "more than 32" in refused(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" * 15_000).cause
    )


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x80" * 100_000,
        b"\x30\x84\xff\xff\xff\xff",
        b"\xff" * 1_000_000,
        b"-----BEGIN CERTIFICATE-----\n" + b"A" * 900_000 + b"\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PKCS7-----\n" + b"MIAG" * 100_000 + b"\n-----END PKCS7-----\n",
        b"-----BEGIN" * 31,
        b"",
    ],
)
def test_depth_and_size(data: bytes) -> None:
    refused(data)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_mutants_give_our_errors(seed: int) -> None:
    for original in (BIRCH.public_bytes(Encoding.DER), BIRCH.public_bytes(Encoding.PEM)):
        for data in mutants(original, seed, 8):
            with soon(), suppress(CertificateError):
                for found in load_certificates(data):
                    info = describe(found)
                    assert info.subject.isprintable()
                    assert all(weakness.cause for weakness in info.weaknesses)
