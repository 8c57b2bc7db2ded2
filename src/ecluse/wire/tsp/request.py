"""What an authority is asked (RFC 3161 s2.4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ecluse.wire import asn1
from ecluse.wire.cms.algorithms import DIGESTS_BY_NAME

__all__ = ["CONTENT_TYPE", "NONCE_SIZE", "TimeStampRequest"]

CONTENT_TYPE: Final = "application/timestamp-query"
"""Media type of a request over HTTP (RFC 3161 s3.4)."""

NONCE_SIZE: Final = 8
"""Octets of a nonce: RFC 3161 s2.4.1 has a large random number with a high probability to be used once, of 64 bits."""


@dataclass(frozen=True, slots=True)
class TimeStampRequest:
    """A request for a time-stamp.

    Attributes:
        hash: Lower-case name of the hash (``sha512``), one of :data:`~ecluse.wire.cms.algorithms.DIGESTS_BY_NAME`.
        digest: The digest that is to be stamped.
        nonce: What the answer must repeat; ``None`` asks without.
        policy: Dotted policy that is asked for; ``None`` takes the authority's own.
    """

    hash: str
    digest: bytes
    nonce: int | None = None
    policy: str | None = None

    def encode(self) -> bytes:
        """DER of the TimeStampReq; it asks for the certificates, as a token has to stand alone."""
        algorithm = asn1.sequence(asn1.oid(DIGESTS_BY_NAME[self.hash].oid), asn1.null())
        parts = [asn1.integer(1), asn1.sequence(algorithm, asn1.octets(self.digest))]
        if self.policy is not None:
            parts.append(asn1.oid(self.policy))
        if self.nonce is not None:
            parts.append(asn1.integer(self.nonce))
        return asn1.sequence(*parts, asn1.encode(asn1.BOOLEAN, b"\xff"))
