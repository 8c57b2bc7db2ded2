"""Evidence records: time-stamps that outlive their algorithms and authorities (RFC 4998).

A first token covers a hash tree with the data in it. Before its certificate ends, another one is put over it
(time-stamp renewal, s5.2); before the digest becomes weak, a new chain digests the data anew, together with all that
went before (hash-tree renewal). So the oldest token is still worth what it was worth when it was made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from ecluse_verify.certificates import valid_at
from ecluse_verify.cms import digest_name
from ecluse_verify.der import OCTETS, SEQUENCE, Node, encode, parse
from ecluse_verify.stamps import read_token
from ecluse_verify.text import Bad

__all__ = ["Renewals", "check_record"]

_MAX_STAMPS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Renewals:
    """What an evidence record that holds shows."""

    first: datetime
    last: datetime
    stamps: int
    authorities: tuple[x509.Certificate, ...]
    trusted: bool

    @property
    def ends(self) -> datetime:
        """When it has to be renewed: the last token's certificate ends."""
        return self.authorities[-1].not_valid_after_utc


def check_record(
    data: bytes,
    digest_of: Callable[[str], bytes],
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
) -> Renewals:
    """Check an evidence record over one piece of data (s5.3).

    Args:
        data: The DER of the record.
        digest_of: Gives the digest of the data.
        others: Certificates that may stand between an authority and an anchor.
        anchors: Those that are trusted.

    Raises:
        Bad: It does not hold.
    """
    record = parse(data).expect(SEQUENCE)
    if record[0].integer() != 1:
        raise Bad("ers")
    chains = record.parts[-1].expect(SEQUENCE)
    times: list[datetime] = []
    authorities: list[x509.Certificate] = []
    trusted = True
    for number, chain in enumerate(chains):
        covered: Node | None = None
        for stamp in chain.expect(SEQUENCE):
            name = _digest_of_stamp(stamp)
            if name != _digest_of_stamp(chain[0]):  # s5.1: one digest in a chain
                raise Bad("ers")
            if covered is not None:  # s5.2: the token before is what a renewal is over
                value = hashlib.new(name, covered.der()).digest()
            elif number:  # the data, and all chains before
                before = encode(SEQUENCE, b"".join(each.der() for each in chains.parts[:number]))
                value = hashlib.new(name, digest_of(name) + hashlib.new(name, before).digest()).digest()
            else:
                value = digest_of(name)
            covered = stamp.parts[-1].expect(SEQUENCE)
            token = read_token(covered)
            roots = _roots(stamp, name, value)
            if token.digest != name or (times and token.time < times[-1]) or len(times) >= _MAX_STAMPS:
                raise Bad("ers.order")
            authority, known = token.check(token.imprint if token.imprint in roots else b"", others, anchors)
            if authorities and not valid_at(authorities[-1], token.time):
                raise Bad("ers.late")
            times.append(token.time)
            authorities.append(authority)
            trusted = trusted and known
    if not times:
        raise Bad("ers")
    return Renewals(times[0], times[-1], len(times), tuple(authorities), trusted)


def _digest_of_stamp(stamp: Node) -> str:
    """The digest of an ArchiveTimeStamp: said, or that of its token (s3.1)."""
    said = stamp.expect(SEQUENCE).find(0xA0)
    if said is None:
        return read_token(stamp.parts[-1]).digest if stamp.parts else ""
    # The tag is implicit: what is within are the parts of the AlgorithmIdentifier.
    return digest_name(parse(encode(SEQUENCE, said.content)))


def _roots(stamp: Node, name: str, value: bytes) -> set[bytes]:
    """From a hash up its reduced hash tree (s4.3): each list is joined in ascending order, and digested.

    A first list of one hash is digested by some programs and taken as it is by others; both bind it to the token.
    """
    tree = stamp.find(0xA2)
    if tree is None:
        return {value}
    lists = [[each.expect(OCTETS).octets() for each in group.expect(SEQUENCE)] for group in tree]
    if not lists or value not in lists[0]:
        raise Bad("ers.data")
    roots = {_join(name, lists[0]), *(lists[0] if len(lists[0]) == 1 else ())}
    for group in lists[1:]:
        roots = {_join(name, [*group, root]) for root in roots}
    return roots


def _join(name: str, values: list[bytes]) -> bytes:
    return hashlib.new(name, b"".join(sorted(values))).digest()
