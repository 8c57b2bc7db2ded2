"""Bits of security, against the tables that they come from."""

from __future__ import annotations

import pytest

from ecluse.trust.inventory.strength import strength_of


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("RSA 1024", 80),
        ("RSA 2048", 112),
        ("RSA 3072", 128),
        ("RSA 4096", 152),
        ("RSA 7680", 192),
        ("RSA 15360", 256),
        ("RSA 16384", 256),
        ("RSA 511", 0),
        ("DSA 2048", 112),
        ("ElGamal 3072", 128),
        ("EC P-256", 128),
        ("EC P-384", 192),
        ("EC P-521", 256),
        ("ECDH P-256", 128),
        ("EC brainpoolP512r1", 256),
        ("EC secp192r1", 96),
        ("EdDSA Ed25519", 128),
        ("ECDH Curve25519", 128),
        ("Ed25519", 128),
        ("X448", 224),
        ("ML-DSA-44", 128),
        ("ML-DSA-87", 256),
        ("ML-KEM-768", 192),
        ("AES-256", 256),
        ("a key of an unknown kind", None),
        ("EC an unknown curve", None),
        ("RSA 99999999999", None),
        ("", None),
    ],
)
def test_strength(name: str, bits: int | None) -> None:
    assert strength_of(name) == bits
