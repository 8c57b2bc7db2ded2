"""Certificates, keys and key files that nobody makes in good faith, built octet by octet."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from time import perf_counter

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.trust import certificate, key

from ecluse.wire import asn1

RSA_OID = "1.2.840.113549.1.1.1"
SHA256_RSA = "1.2.840.113549.1.1.11"
PATIENCE = 25.0
"""Seconds that one hostile thing may take at most, on a machine that is busy with other tests."""


@contextmanager
def soon(seconds: float = PATIENCE) -> Iterator[None]:
    """What is within has to end in time."""
    begun = perf_counter()
    yield
    took = perf_counter() - begun
    assert took < seconds, f"it took {took:.1f} s"


@cache
def odd(bits: int, seed: int = 1) -> int:
    """An odd number of exactly so many bits, without a small factor: it passes for a modulus."""
    numbers = random.Random(seed)
    primes = [n for n in range(3, 2000, 2) if all(n % each for each in range(3, int(n**0.5) + 1, 2))]
    while True:
        number = numbers.getrandbits(bits) | (1 << (bits - 1)) | 1
        if all(number % prime for prime in primes):
            return number


def rsa_spki(modulus: int, exponent: int) -> bytes:
    """SubjectPublicKeyInfo of an RSA key with these numbers, possible or not."""
    numbers = asn1.sequence(asn1.integer(modulus), asn1.integer(exponent))
    return asn1.sequence(
        asn1.sequence(asn1.oid(RSA_OID), asn1.null()), asn1.encode(asn1.BIT_STRING, b"\0", numbers)
    )


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    """One extension."""
    flag = asn1.encode(asn1.BOOLEAN, b"\xff") if critical else b""
    return asn1.sequence(asn1.oid(oid), flag, asn1.octets(value))


def name(text: bytes | str, *, tag: int = 0x0C) -> bytes:
    """A name with one common name."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return asn1.sequence(asn1.set_of(asn1.sequence(asn1.oid("2.5.4.3"), asn1.encode(tag, data))))


@cache
def _good_spki() -> bytes:
    return asn1.parse(certificate("Birch", "2048").public_bytes(Encoding.DER)).children[0].children[6].raw


def der(
    *,
    spki: bytes | None = None,
    serial: int = 7,
    subject: bytes | None = None,
    issuer: bytes | None = None,
    extensions: tuple[bytes, ...] = (),
    begins: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    ends: datetime = datetime(2050, 1, 1, tzinfo=UTC),
    signature: bytes = bytes(256),
    version: int = 2,
) -> bytes:
    """A certificate with these parts; its signature fits nothing."""
    algorithm = asn1.sequence(asn1.oid(SHA256_RSA), asn1.null())
    subject = name("Birch") if subject is None else subject
    tbs = asn1.sequence(
        asn1.explicit(0, asn1.integer(version)),
        asn1.integer(serial),
        algorithm,
        subject if issuer is None else issuer,
        asn1.sequence(asn1.time(begins), asn1.time(ends)),
        subject,
        spki if spki is not None else _good_spki(),
        asn1.explicit(3, asn1.sequence(*extensions)) if extensions else b"",
    )
    return asn1.sequence(tbs, algorithm, asn1.encode(asn1.BIT_STRING, b"\0", signature))


def pem(*certificates: bytes) -> bytes:
    """PEM of certificates in DER."""
    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(each) + b"-----END CERTIFICATE-----\n"
        for each in certificates
    )


def mutants(data: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Copies with some octets changed, dropped, doubled or cut."""
    numbers = random.Random(seed)
    changes: list[Callable[[bytearray, int], None]] = [
        lambda octets, at: octets.__setitem__(at, numbers.randrange(256)),
        lambda octets, at: octets.__setitem__(at, octets[at] ^ (1 << numbers.randrange(8))),
        lambda octets, at: octets.__delitem__(at),
        lambda octets, at: octets.insert(at, numbers.randrange(256)),
        lambda octets, at: octets.__delitem__(slice(at, at + numbers.randrange(1, 64))),
        lambda octets, at: octets.__setitem__(slice(at, at), octets[at : at + numbers.randrange(1, 64)]),
    ]
    for _ in range(count):
        octets = bytearray(data)
        for _ in range(numbers.choice((1, 1, 1, 2, 4))):
            if octets:
                numbers.choice(changes)(octets, numbers.randrange(len(octets)))
        yield bytes(octets)


def ssh_line(kind: str, *fields: bytes) -> str:
    """A public key's line with these fields."""
    blob = b"".join(len(each).to_bytes(4, "big") + each for each in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


def mpint(number: int) -> bytes:
    """A positive number as SSH writes it."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


@cache
def good() -> x509.Certificate:
    """A certificate that has nothing wrong with it."""
    return certificate("Birch", "2048")


__all__ = [
    "PATIENCE",
    "der",
    "extension",
    "good",
    "key",
    "mpint",
    "mutants",
    "name",
    "odd",
    "pem",
    "rsa_spki",
    "soon",
    "ssh_line",
]
