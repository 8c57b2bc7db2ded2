"""The EvidenceRecord of RFC 4998 s3 to s5: written, and read within limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ecluse.wire import asn1
from ecluse.wire.asn1 import Asn1Error, Element
from ecluse.wire.cms import oids
from ecluse.wire.cms.algorithms import DIGESTS, DIGESTS_BY_NAME
from ecluse.wire.ers.errors import MalformedEvidence
from ecluse.wire.tsp import Token, read_token
from ecluse.wire.tsp.errors import TspError

__all__ = ["MAX_RECORD", "ArchiveTimeStamp", "Chain", "EvidenceRecord", "read_record"]

MAX_RECORD: Final = 4 << 20
"""Octets: a time-stamp takes some 6 KiB, and fifty years of yearly ones 300 KiB."""
MAX_TIME_STAMPS: Final = 512
"""Time-stamps in one record: a renewal every two months for eighty years."""
MAX_LISTS: Final = 64
"""Levels of a reduced hash tree: one of two to the power of 64 objects has as many."""

_0: Final = asn1.CONTEXT | asn1.CONSTRUCTED
_1: Final = asn1.CONTEXT | asn1.CONSTRUCTED | 1
_2: Final = asn1.CONTEXT | asn1.CONSTRUCTED | 2


@dataclass(frozen=True, slots=True)
class ArchiveTimeStamp:
    """A time-stamp, and the way to what it is over.

    Attributes:
        hash: Lower-case name of the hash of its tree.
        tree: The reduced hash tree: lists of hashes, from the data object's upwards; empty where the time-stamp is over
            the one hash itself.
        token: The RFC 3161 TimeStampToken, DER.
        attributes: The ``[1]`` field as it stood; empty where it is absent.
        named: Whether the hash is named in a field of its own; else it is that of the token's imprint.
    """

    hash: str
    tree: tuple[tuple[bytes, ...], ...]
    token: bytes
    attributes: bytes = b""
    named: bool = True

    def encode(self) -> bytes:
        """DER."""
        parts = []
        if self.named:
            parts.append(asn1.implicit(0, asn1.oid(DIGESTS_BY_NAME[self.hash].oid), constructed=True))
        parts.append(self.attributes)
        if self.tree:
            lists = (asn1.sequence(*map(asn1.octets, hashes)) for hashes in self.tree)
            parts.append(asn1.encode(_2, *lists))
        return asn1.sequence(*parts, self.token)

    def read_token(self) -> Token:
        """The token, taken apart. Raises :class:`~ecluse.wire.tsp.errors.MalformedTimeStamp`."""
        return read_token(self.token)


Chain = tuple[ArchiveTimeStamp, ...]
"""Time-stamps of one hash, each over the one before; never empty."""


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """An evidence record.

    Attributes:
        chains: In the order in which they were made; never empty.
        crypto_infos: The ``[0]`` field as it stood; empty where it is absent.
        encryption: The ``[1]`` field as it stood; empty where it is absent. Where it is there, what was stamped is the
            encrypted form of the data.
    """

    chains: tuple[Chain, ...]
    crypto_infos: bytes = b""
    encryption: bytes = b""

    @property
    def last(self) -> ArchiveTimeStamp:
        """The newest time-stamp, on which all the others rest."""
        return self.chains[-1][-1]

    def encode(self) -> bytes:
        """DER."""
        names = dict.fromkeys(stamp.hash for chain in self.chains for stamp in chain)
        algorithms = (asn1.sequence(asn1.oid(DIGESTS_BY_NAME[name].oid)) for name in names)
        return asn1.sequence(
            asn1.integer(1),
            asn1.sequence(*algorithms),
            self.crypto_infos,
            self.encryption,
            encode_chains(self.chains),
        )

    def with_stamp(self, stamp: ArchiveTimeStamp) -> EvidenceRecord:
        """Renewed by a time-stamp over the last one (RFC 4998 s5.2, time-stamp renewal)."""
        return replace(self, chains=(*self.chains[:-1], (*self.chains[-1], stamp)))

    def with_chain(self, stamp: ArchiveTimeStamp) -> EvidenceRecord:
        """Renewed by a time-stamp over the data and all that was before (RFC 4998 s5.2, hash-tree renewal)."""
        return replace(self, chains=(*self.chains, (stamp,)))


def encode_chains(chains: tuple[Chain, ...]) -> bytes:
    """DER of an ArchiveTimeStampSequence."""
    return asn1.sequence(*(asn1.sequence(*(stamp.encode() for stamp in chain)) for chain in chains))


def read_record(data: bytes) -> EvidenceRecord:
    """Read an evidence record; one in BER is read as its DER.

    Raises:
        MalformedEvidence: It is none, whatever the octets, or larger than :data:`MAX_RECORD`.
    """
    if len(data) > MAX_RECORD:
        raise MalformedEvidence(f"The evidence record has more than {MAX_RECORD} octets.")
    try:
        element = asn1.parse(data).expect(asn1.SEQUENCE)
        if not element.is_der_length():
            element = asn1.parse(element.as_der())
        return _read(list(element.children))
    except Asn1Error as error:
        raise MalformedEvidence(error.cause) from None


def _read(fields: list[Element]) -> EvidenceRecord:
    if len(fields) < 3:
        raise MalformedEvidence("An evidence record lacks fields.")
    if fields.pop(0).expect(asn1.INTEGER).as_int() != 1:
        raise MalformedEvidence("An evidence record is of a version other than 1.")
    for algorithm in fields.pop(0).expect(asn1.SEQUENCE).children:
        _hash_name(algorithm.expect(asn1.SEQUENCE))
    optional: dict[int, bytes] = {}
    for tag in (_0, _1):
        if fields and fields[0].tag == tag:
            optional[tag] = fields.pop(0).raw
    if len(fields) != 1:
        raise MalformedEvidence("An evidence record has an unexpected field.")
    found = fields[0].expect(asn1.SEQUENCE).children
    count = 0
    chains = []
    for each in found:
        stamps = each.expect(asn1.SEQUENCE).children
        count += len(stamps)
        if not stamps:
            raise MalformedEvidence("A chain of time-stamps is empty.")
        if count > MAX_TIME_STAMPS:
            raise MalformedEvidence(f"An evidence record has more than {MAX_TIME_STAMPS} time-stamps.")
        chains.append(tuple(_time_stamp(stamp) for stamp in stamps))
    if not chains:
        raise MalformedEvidence("An evidence record has no time-stamp.")
    return EvidenceRecord(tuple(chains), optional.get(_0, b""), optional.get(_1, b""))


def _time_stamp(element: Element) -> ArchiveTimeStamp:
    fields = list(element.expect(asn1.SEQUENCE).children)
    name = ""
    attributes = b""
    tree: tuple[tuple[bytes, ...], ...] = ()
    if fields and fields[0].tag == _0:
        name = _hash_name(fields.pop(0))
    if fields and fields[0].tag == _1:
        attributes = fields.pop(0).raw
    if fields and fields[0].tag == _2:
        lists = fields.pop(0).children
        if not 1 <= len(lists) <= MAX_LISTS:
            raise MalformedEvidence(f"A reduced hash tree has none or more than {MAX_LISTS} lists.")
        tree = tuple(_hashes(each) for each in lists)
    if len(fields) != 1:
        raise MalformedEvidence("An archive time-stamp has an unexpected field, or no time-stamp.")
    token = fields[0].expect(asn1.SEQUENCE)
    kind = token.children[0].as_oid() if token.children else ""
    if kind != oids.SIGNED_DATA:
        raise MalformedEvidence("An archive time-stamp is of a kind other than RFC 3161.")
    if name:
        return ArchiveTimeStamp(name, tree, token.raw, attributes)
    try:
        imprint = read_token(token.raw).info.hash_oid
    except TspError as error:
        raise MalformedEvidence(error.cause) from None
    return ArchiveTimeStamp(_known(imprint), tree, token.raw, attributes, named=False)


def _hashes(element: Element) -> tuple[bytes, ...]:
    values = tuple(each.expect(asn1.OCTET_STRING).content for each in element.expect(asn1.SEQUENCE).children)
    if not values:
        raise MalformedEvidence("A list of a reduced hash tree is empty.")
    return values


def _hash_name(algorithm: Element) -> str:
    fields = algorithm.children
    if not 1 <= len(fields) <= 2 or (len(fields) == 2 and fields[1].tag != asn1.NULL):
        raise MalformedEvidence("A hash algorithm has unexpected parameters.")
    return _known(fields[0].as_oid())


def _known(oid: str) -> str:
    found = DIGESTS.get(oid)
    if found is None:
        raise MalformedEvidence(f"An evidence record uses a hash that is not known ({oid}).")
    return found.name
