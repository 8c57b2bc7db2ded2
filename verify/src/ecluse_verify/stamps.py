"""Time-stamp tokens: an authority saw a digest, and says when (RFC 3161, RFC 5816).

A token is a SignedData over a TSTInfo that holds the digest and the time. What was stamped existed then, and whoever
has the hub's keys can't have made it later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from ecluse_verify.certificates import chain, is_for_stamps, valid_at
from ecluse_verify.cms import ESS, SignedData, digest_name, signed_data, signer_of
from ecluse_verify.der import SEQUENCE, Node, parse
from ecluse_verify.text import Bad

__all__ = ["Token", "read_token"]

_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"


@dataclass(frozen=True, slots=True)
class Token:
    """A time-stamp token taken apart."""

    cms: SignedData
    digest: str
    imprint: bytes
    time: datetime

    def check(
        self,
        expected: bytes,
        others: Sequence[x509.Certificate],
        anchors: Sequence[x509.Certificate],
    ) -> tuple[x509.Certificate, bool]:
        """Check the token, and give its authority's certificate and whether an anchor vouches for that.

        Args:
            expected: The digest of what was stamped, by :attr:`digest`.
            others: Certificates that may stand between the authority and an anchor.
            anchors: Those that are trusted.

        Raises:
            Bad: It is not a token over that, or not one of an authority that was certified to stamp at that time.
        """
        if expected != self.imprint:
            raise Bad("stamp.imprint")
        if len(self.cms.signatures) != 1 or self.cms.content is None:
            raise Bad("stamp")
        known = (*self.cms.certificates, *others)
        signature, content = self.cms.signatures[0], self.cms.content
        certificate = signer_of(signature, known)
        if not any(signature.attribute(oid) for oid in ESS):  # RFC 3161 s2.4.2: the signer is named by digest
            raise Bad("stamp")
        signature.check(certificate, lambda name: hashlib.new(name, content).digest())
        if not is_for_stamps(certificate):
            raise Bad("stamp.usage")
        if not valid_at(certificate, self.time):
            raise Bad("stamp.ended")
        return certificate, chain(certificate, known, anchors, self.time) is not None


def read_token(data: bytes | Node) -> Token:
    """Read a token, or the response of an authority with one within (RFC 3161 s2.4.2). Raises :class:`Bad`."""
    outer = parse(data) if isinstance(data, bytes) else data
    if outer.tag == SEQUENCE and outer[0].tag == SEQUENCE:
        outer = outer[1]
    cms = signed_data(outer)
    if cms.content_type != _TST_INFO or cms.content is None:
        raise Bad("stamp")
    info = parse(cms.content)
    if info[0].integer() != 1:
        raise Bad("stamp")
    imprint = info[2].expect(SEQUENCE)
    return Token(cms, digest_name(imprint[0]), imprint[1].octets(), info[4].time())
