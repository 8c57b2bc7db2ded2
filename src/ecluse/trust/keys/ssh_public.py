"""Public keys of SSH as others write them down: taken apart and judged, before anything relies on one."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from ecluse.trust.floor import LEGACY_RSA_BITS, MAX_RSA_BITS, MIN_RSA_BITS, rsa_problem
from ecluse.wire.sshsig import is_small_order

__all__ = ["MIN_SSH_EXPONENT", "public_key_problem"]

MIN_SSH_EXPONENT: Final = 35
"""What ssh-keygen used before OpenSSH 5.4 (2010); certificates have not gone below 65537 for as long."""

_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "nistp256": ec.SECP256R1(),
    "nistp384": ec.SECP384R1(),
    "nistp521": ec.SECP521R1(),
}


def public_key_problem(line: str, *, legacy: bool = False) -> str | None:
    """What is wrong with a key: its kind and base 64, as in ``authorized_keys`` or ``known_hosts``.

    Args:
        line: The key.
        legacy: Let RSA of 1024 bits and more pass: whoever speaks with it judges it again, by the floor.

    Returns:
        One sentence, or ``None`` where the key is whole, of a kind that is used here, and strong enough
        (RFC 4253 s6.6, RFC 5656 s3.1, RFC 8709 s4, PROTOCOL.u2f of OpenSSH).
    """
    kind, _, rest = line.partition(" ")
    try:
        blob = base64.b64decode(rest.partition(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        return "it is cut, or not base 64."
    fields = _fields(blob)
    if fields is None or len(fields) < 2 or fields[0] != kind.encode("ascii", "replace"):
        return "it is cut, or of another kind than it says."
    values = fields[1:]
    if "ssh-ed25519" in kind and len(values[0]) == 32 and is_small_order(values[0]):
        return "it is nobody's: anybody can sign as its owner."
    if kind == "ssh-ed25519":
        return None if len(values) == 1 and len(values[0]) == 32 else "it has not the length of its kind."
    if kind == "ssh-rsa":
        return _rsa(values, LEGACY_RSA_BITS if legacy else MIN_RSA_BITS)
    if kind.startswith("ecdsa-sha2-"):
        return _ecdsa(kind, values)
    if kind in ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"):
        whole = len(values) == (2 if "ed25519" in kind else 3)
        return None if whole else "it has not the parts of its kind."
    if kind == "ssh-dss":
        return "DSA is too weak; use Ed25519, ECDSA or RSA."
    return "it is of a kind that is not used here."


def _rsa(values: list[bytes], least: int) -> str | None:
    if len(values) != 2:
        return "it has not the parts of its kind."
    exponent, modulus = (_mpint(value) for value in values)
    if exponent is None or modulus is None:
        return "it holds a number that is none."
    if not least <= modulus.bit_length() <= MAX_RSA_BITS:
        return f"an RSA key has {least} to {MAX_RSA_BITS} bits, and this one {modulus.bit_length()}."
    return rsa_problem(modulus, exponent, least=MIN_SSH_EXPONENT)


def _ecdsa(kind: str, values: list[bytes]) -> str | None:
    name = kind.removeprefix("ecdsa-sha2-")
    curve = _CURVES.get(name)
    if curve is None:
        return "it is of a curve that is not used here."
    if len(values) != 2 or values[0] != name.encode():
        return "it has not the parts of its kind."
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(curve, values[1])
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "its point is not on its curve."
    return None


def _fields(blob: bytes) -> list[bytes] | None:
    """The length-prefixed fields that a key consists of; ``None`` where they don't fill it exactly."""
    fields: list[bytes] = []
    at = 0
    while at + 4 <= len(blob):
        end = at + 4 + int.from_bytes(blob[at : at + 4], "big")
        fields.append(blob[at + 4 : end])
        at = end
    return fields if at == len(blob) else None


def _mpint(octets: bytes) -> int | None:
    """A positive number (RFC 4251 s5); ``None`` where it is negative, nothing, or written with idle zeros."""
    if not octets or octets[0] >= 0x80 or (len(octets) > 1 and octets[0] == 0 and octets[1] < 0x80):
        return None
    return int.from_bytes(octets, "big")
