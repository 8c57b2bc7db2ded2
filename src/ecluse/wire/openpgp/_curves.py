"""Curves by their OIDs (RFC 9580 s9.2), and how OpenPGP writes numbers."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from ecluse.wire.openpgp.errors import LimitExceeded, Malformed, UnsupportedAlgorithm
from ecluse.wire.openpgp.limits import MAX_MPI_BITS
from ecluse.wire.openpgp.packets import Fields

__all__ = ["CURVE25519", "CURVES", "ED25519", "curve_name", "ec_curve", "encode_mpi", "read_mpi", "read_oid"]

ED25519: Final = bytes.fromhex("2b06010401da470f01")
CURVE25519: Final = bytes.fromhex("2b060104019755010501")

CURVES: Final[dict[bytes, ec.EllipticCurve]] = {
    bytes.fromhex("2a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("2b81040022"): ec.SECP384R1(),
    bytes.fromhex("2b81040023"): ec.SECP521R1(),
    bytes.fromhex("2b2403030208010107"): ec.BrainpoolP256R1(),
    bytes.fromhex("2b240303020801010b"): ec.BrainpoolP384R1(),
    bytes.fromhex("2b240303020801010d"): ec.BrainpoolP512R1(),
}

_NAMES: Final[dict[bytes, str]] = {
    ED25519: "Ed25519",
    CURVE25519: "Curve25519",
    **{
        oid: curve.name.replace("secp256r1", "P-256")
        .replace("secp384r1", "P-384")
        .replace("secp521r1", "P-521")
        for oid, curve in CURVES.items()
    },
}


def curve_name(oid: bytes) -> str:
    """For people."""
    return _NAMES.get(oid, "an unknown curve")


def ec_curve(oid: bytes) -> ec.EllipticCurve:
    """The Weierstrass curve of an OID. Raises :class:`UnsupportedAlgorithm`."""
    curve = CURVES.get(oid)
    if curve is None:
        raise UnsupportedAlgorithm("The key is on a curve that is not done here.")
    return curve


def read_mpi(fields: Fields) -> bytes:
    """A multiprecision integer (s3.2) as its octets, without leading zeros.

    Raises:
        LimitExceeded: It is longer than any real one.
    """
    bits = fields.number(2)
    if bits > MAX_MPI_BITS:
        raise LimitExceeded(f"A number has more than {MAX_MPI_BITS} bits.")
    return fields.take((bits + 7) // 8)


def encode_mpi(data: bytes | int) -> bytes:
    """The reverse, of octets or of a number."""
    number = data if isinstance(data, int) else int.from_bytes(data, "big")
    bits = number.bit_length()
    return bits.to_bytes(2, "big") + number.to_bytes((bits + 7) // 8, "big")


def read_oid(fields: Fields) -> bytes:
    """A curve's OID behind its length."""
    size = fields.number(1)
    if size in (0, 0xFF):
        raise Malformed("A curve has no OID.")
    return fields.take(size)
