"""The crypto floor: which keys and certificate signatures are good enough, and what is allowed only by name.

The figures follow NIST SP 800-131A rev. 2 (RSA of 2048 bits, SHA-2) and RFC 9882/9936 for ML-DSA and ML-KEM.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, mlkem, rsa, x25519

__all__ = [
    "LEGACY",
    "MAX_RSA_BITS",
    "MIN_EXPONENT",
    "MIN_RSA_BITS",
    "KeyFacts",
    "Weakness",
    "key_facts",
    "rsa_problem",
    "signature_name",
    "weaknesses",
]

MIN_RSA_BITS: Final = 2048
LEGACY_RSA_BITS: Final = 1024
MAX_RSA_BITS: Final = 16384
"""OpenSSL's own limit for a verification (OPENSSL_RSA_MAX_MODULUS_BITS); beyond it a key is a trap."""

MIN_EXPONENT: Final = 65537
"""FIPS 186-5 A.1.1: a public exponent is greater than 2^16."""
MAX_EXPONENT_BITS: Final = 64
"""OpenSSL's own limit (OPENSSL_RSA_MAX_PUBEXP_BITS), here for keys of every size: a long exponent makes every
verification slow, and that is what it is for."""

_SMALL_PRIMES: Final = math.prod(
    number for number in range(3, 256, 2) if all(number % each for each in range(3, int(number**0.5) + 1, 2))
)
"""A modulus with a factor among these is broken by hand: made so, or by a machine without randomness."""

LEGACY: Final[dict[str, str]] = {
    "sha-1": "SHA-1 in signatures that are received",
    "3des": "Triple DES as content encryption of what is received",
    "rsa-1024": "signatures of RSA keys of 1024 to 2047 bits",
    "clear-text": "sending unencrypted content over unencrypted HTTP, and FTP without TLS",
    "expired-certificate": "a certificate after its end",
    "wrong-key-usage": "a certificate whose key usage does not allow what it is used for",
    "openpgp-legacy": "old ciphers, SHA-1, DSA and short RSA keys in OpenPGP that is received",
}
"""What an exception can allow, by name. What is not here (MD5, RC2, RC4, DES, DSA...) can't be allowed."""

CURVES: Final[dict[str, str]] = {
    "secp256r1": "P-256",
    "secp384r1": "P-384",
    "secp521r1": "P-521",
    "brainpoolP256r1": "brainpoolP256r1",
    "brainpoolP384r1": "brainpoolP384r1",
    "brainpoolP512r1": "brainpoolP512r1",
}


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a public key is.

    Attributes:
        kind: ``rsa``, ``ec``, ``ed25519``, ``ed448``, ``x25519``, ``ml-dsa``, ``ml-kem``, ``dsa``, ``other``.
        name: For people: ``RSA 3072``, ``EC P-256``, ``ML-DSA-65``.
        bits: Size of the key in bits (RSA, EC), or 0 where the name says it.
        signs: Whether keys of this kind make signatures.
        encrypts: Whether a content key can be sent to it.
        weakness: The name in :data:`LEGACY` that would have to be allowed, ``forbidden``, or empty.
        cause: What is wrong with it besides its size or kind: the end of a sentence, or empty.
    """

    kind: str
    name: str
    bits: int
    signs: bool
    encrypts: bool
    weakness: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Weakness:
    """One thing that is below the floor.

    Attributes:
        code: ``trust.weak-key``, ``trust.weak-signature``.
        name: The exception that would allow it, or ``forbidden``.
        cause: One sentence.
    """

    code: str
    name: str
    cause: str

    def allowed(self, exceptions: Collection[str]) -> bool:
        """Whether one of ``exceptions`` names it."""
        return self.name in exceptions

    @property
    def remedy(self) -> str:
        """What to do about it."""
        fix = "Ask for a certificate with RSA of 2048 bits or more, EC P-256 or better, signed with SHA-2"
        if self.name in LEGACY:
            return f'{fix}, or allow "{self.name}" in [[exceptions]] with a reason and an end date.'
        return f"{fix}; no exception can allow this one."


def key_facts(key: object) -> KeyFacts:
    """Say what a public key of the ``cryptography`` package is. Never raises."""
    if isinstance(key, rsa.RSAPublicKey):
        bits = key.key_size
        weakness = "" if MIN_RSA_BITS <= bits <= MAX_RSA_BITS else "forbidden"
        if LEGACY_RSA_BITS <= bits < MIN_RSA_BITS:
            weakness = "rsa-1024"
        numbers = key.public_numbers()
        cause = rsa_problem(numbers.n, numbers.e) if weakness != "forbidden" else None
        return KeyFacts(
            "rsa", f"RSA {bits}", bits, True, True, "forbidden" if cause else weakness, cause or ""
        )
    if isinstance(key, ec.EllipticCurvePublicKey):
        known = CURVES.get(key.curve.name)
        name = f"EC {known or key.curve.name}"
        agrees = name in ("EC P-256", "EC P-384", "EC P-521")  # RFC 5480 s2.1.1.1
        return KeyFacts("ec", name, key.curve.key_size, True, agrees, "" if known else "forbidden")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return KeyFacts("ed25519", "Ed25519", 256, True, False)
    if isinstance(key, ed448.Ed448PublicKey):
        return KeyFacts("ed448", "Ed448", 456, False, False, "forbidden")
    if isinstance(key, x25519.X25519PublicKey):
        return KeyFacts("x25519", "X25519", 256, False, True)
    if isinstance(key, mldsa.MLDSA44PublicKey):
        return KeyFacts("ml-dsa", "ML-DSA-44", 0, True, False)
    if isinstance(key, mldsa.MLDSA65PublicKey):
        return KeyFacts("ml-dsa", "ML-DSA-65", 0, True, False)
    if isinstance(key, mldsa.MLDSA87PublicKey):
        return KeyFacts("ml-dsa", "ML-DSA-87", 0, True, False)
    if isinstance(key, mlkem.MLKEM768PublicKey):
        return KeyFacts("ml-kem", "ML-KEM-768", 0, False, True)
    if isinstance(key, mlkem.MLKEM1024PublicKey):
        return KeyFacts("ml-kem", "ML-KEM-1024", 0, False, True)
    if isinstance(key, dsa.DSAPublicKey):
        return KeyFacts("dsa", f"DSA {key.key_size}", key.key_size, True, False, "forbidden")
    return KeyFacts("other", "a key of an unknown kind", 0, False, False, "forbidden")


def rsa_problem(modulus: int, exponent: int, *, least: int = MIN_EXPONENT) -> str | None:
    """What is wrong with the numbers of an RSA key, whatever their size; ``None`` where nothing is seen.

    Args:
        modulus: n.
        exponent: e.
        least: The smallest exponent that is taken.
    """
    if exponent < least or exponent.bit_length() > MAX_EXPONENT_BITS or exponent % 2 == 0:
        shown = str(exponent) if exponent < 1 << 32 else f"a number of {exponent.bit_length()} bits"
        return f"its public exponent is {shown}; 65537 is usual."
    if modulus % 2 == 0 or math.gcd(modulus % _SMALL_PRIMES, _SMALL_PRIMES) != 1:
        return "its modulus has a small factor."
    return None


def signature_name(certificate: x509.Certificate) -> str:
    """The digest of the certificate's signature (``sha256``), the scheme (``ed25519``), or the dotted OID."""
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return certificate.signature_algorithm_oid.dotted_string
    if digest is not None:
        return digest.name
    name = certificate.signature_algorithm_oid._name
    return certificate.signature_algorithm_oid.dotted_string if name == "Unknown OID" else name.lower()


def weaknesses(facts: KeyFacts, signature: str, *, self_signed: bool) -> tuple[Weakness, ...]:
    """What of a certificate is below the floor; empty where it is good.

    The signature of a self-signed certificate proves nothing that its pinning does not, so its digest does
    not count (RFC 5280 s6.1 leaves it unchecked too).

    Args:
        facts: Its key.
        signature: As :func:`signature_name` gives it.
        self_signed: Its subject is its issuer.
    """
    found: list[Weakness] = []
    if facts.weakness:
        cause = facts.cause.rstrip(".") or facts.name
        found.append(Weakness("trust.weak-key", facts.weakness, f"Its key is too weak: {cause}."))
    if not self_signed:
        if signature in ("md5", "md2", "md4", "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.2"):
            found.append(Weakness("trust.weak-signature", "forbidden", "It is signed with MD5."))
        elif signature == "sha1":
            found.append(Weakness("trust.weak-signature", "sha-1", "It is signed with SHA-1."))
    return tuple(found)
