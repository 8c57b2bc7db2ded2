"""SSH's forms of keys and signatures (RFC 4253 s6.6, RFC 5656, RFC 8332, RFC 8709), of the keyring's keys."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ecluse.errors import Fault
from ecluse.trust.errors import KeyringError
from ecluse.wire.cms.keys import PrivateKey

__all__ = ["MIN_RSA", "fingerprint", "key_blob", "public_line", "ssh_algorithms", "ssh_sign"]

MIN_RSA: Final = 2048
"""Bits of the shortest RSA key that SSH is spoken with (NIST SP 800-131A)."""

_RSA: Final[dict[str, hashes.HashAlgorithm]] = {
    "rsa-sha2-512": hashes.SHA512(),
    "rsa-sha2-256": hashes.SHA256(),
}
_CURVES: Final[dict[str, tuple[str, hashes.HashAlgorithm]]] = {
    "secp256r1": ("ecdsa-sha2-nistp256", hashes.SHA256()),
    "secp384r1": ("ecdsa-sha2-nistp384", hashes.SHA384()),
    "secp521r1": ("ecdsa-sha2-nistp521", hashes.SHA512()),
}


def ssh_algorithms(private: PrivateKey) -> tuple[str, ...]:
    """Names of the signatures that a key makes in SSH, the preferred one first. SHA-1 is never one.

    Raises:
        KeyringError: ``keyring.bad-request``: it is of a kind that SSH does not have, or is too short.
    """
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return ("ssh-ed25519",)
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return (_CURVES[private.curve.name][0],)
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= MIN_RSA:
        return tuple(_RSA)
    raise KeyringError(
        "SSH has no use for a key of that kind.",
        code="keyring.bad-request",
        fault=Fault.USAGE,
        remedy="Make one of the kind ed25519 (or ec-p256, rsa-3072) with `ecluse cert generate`.",
    )


def ssh_sign(private: PrivateKey, data: bytes, algorithm: str) -> bytes:
    """A signature as it goes over the wire: the algorithm's name and the signature, each with its length.

    Raises:
        KeyringError: ``keyring.bad-request``: the key does not make such signatures.
    """
    if algorithm not in ssh_algorithms(private):
        raise KeyringError(
            "The key does not make such a signature.", code="keyring.bad-request", fault=Fault.USAGE
        )
    if isinstance(private, ed25519.Ed25519PrivateKey):
        signature = private.sign(data)
    elif isinstance(private, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(private.sign(data, ec.ECDSA(_CURVES[private.curve.name][1])))
        signature = _mpint(r) + _mpint(s)
    else:
        assert isinstance(private, rsa.RSAPrivateKey), "ssh_algorithms knows these three kinds"
        signature = private.sign(data, padding.PKCS1v15(), _RSA[algorithm])
    return _string(algorithm.encode("ascii")) + _string(signature)


def public_line(private: PrivateKey) -> str:
    """The public key as a line of an authorized_keys file: kind and base 64. Raises as :func:`ssh_algorithms`."""
    ssh_algorithms(private)
    public = private.public_key()
    assert isinstance(public, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")


def key_blob(line: str) -> bytes:
    """The octets of a public key's line, as they go over the wire."""
    return base64.b64decode(line.split()[1])


def fingerprint(blob: bytes) -> str:
    """``SHA256:`` and base 64 without padding, as OpenSSH shows a key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _mpint(number: int) -> bytes:
    return _string(number.to_bytes(number.bit_length() // 8 + 1, "big"))
