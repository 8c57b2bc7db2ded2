"""Bouncy Castle verifies our evidence records, and we verify those that it makes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.bouncycastle import BouncyCastle, Refused
from tests.support.evidence_records import begun, day, digest_of, rehashed, renewed
from tests.support.tsa import PlayedAuthority

from ecluse.wire.cms import oids
from ecluse.wire.ers import EvidenceRecord, read_record, verify_record
from ecluse.wire.ers.errors import BadEvidence

pytestmark = pytest.mark.peer("bouncycastle")

DATA = b"the note of a checkpoint"
ASPEN = PlayedAuthority("Aspen", begins=day(2000), years=8)
"""It renews hash trees of the past only: it compares with the clock of the machine."""
BIRCH = PlayedAuthority("Birch", begins=day(2004), years=16)
ALDER = PlayedAuthority("Alder", begins=day(2026), years=8)
BEECH = PlayedAuthority("Beech", begins=day(2030), years=20)
ROOTS = [each.root for each in (ALDER, ASPEN, BEECH, BIRCH)]


@pytest.fixture(scope="module")
def peer() -> Iterator[BouncyCastle]:
    with BouncyCastle() as running:
        yield running


def accepts(
    peer: BouncyCastle, record: EvidenceRecord, by: PlayedAuthority, at: datetime, data: bytes = DATA
) -> bool:
    try:
        milliseconds = str(int((at + timedelta(days=1)).timestamp() * 1000))
        peer("verify", record.encode(), data, by.certificate.public_bytes(Encoding.DER), milliseconds)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("others", [0, 1, 2, 5])
def test_it_verifies_ours_through_every_renewal(peer: BouncyCastle, others: int) -> None:
    record = begun(ALDER, "sha256", DATA, day(2026, 11), others)
    assert accepts(peer, record, ALDER, day(2026, 11))
    assert not accepts(peer, record, ALDER, day(2026, 11), b"another note")
    record = renewed(record, BEECH, day(2031), others)
    assert accepts(peer, record, BEECH, day(2031))
    record = renewed(record, BEECH, day(2034), others)
    assert accepts(peer, record, BEECH, day(2034))
    record = rehashed(record, BEECH, "sha512", DATA, day(2036), others)
    assert accepts(peer, record, BEECH, day(2036))
    assert not accepts(peer, record, BEECH, day(2036), b"another note")
    record = renewed(record, BEECH, day(2040), others)
    assert accepts(peer, record, BEECH, day(2040))
    record = rehashed(record, BEECH, "sha3_512", DATA, day(2045), others)
    assert accepts(peer, record, BEECH, day(2045))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_we_verify_its_records_through_every_renewal(peer: BouncyCastle, count: int) -> None:
    documents = [b"document %d" % number for number in range(count)]
    (request,) = peer("request", oids.SHA256, *documents)
    made = peer("generate", oids.SHA256, ASPEN.answer(request, day(2001)), *documents)
    assert len(made) == count
    left = list(made)
    for data in documents:
        (der,) = [each for each in left if holds(each, data, day(2001))]
        assert read_record(der).encode() == der
        left.remove(der)
    last = der
    for year in (2005, 2007):
        (request,) = peer("renewal", last)
        (last,) = peer("renew", last, BIRCH.answer(request, day(year)))
        assert holds(last, documents[-1], day(year))
    (request,) = peer("rehashing", last, oids.SHA512, documents[-1])
    (last,) = peer("rehash", last, oids.SHA512, documents[-1], BIRCH.answer(request, day(2009)))
    assert holds(last, documents[-1], day(2010))
    assert not holds(last, b"another document", day(2010))
    kinds = [
        step.kind
        for step in verify_record(read_record(last), digest_of(documents[-1]), ROOTS, day(2010)).steps
    ]
    assert kinds == ["first", "time-stamp-renewal", "time-stamp-renewal", "hash-tree-renewal"]


def holds(der: bytes, data: bytes, now: datetime) -> bool:
    try:
        verify_record(read_record(der), digest_of(data), ROOTS, now)
    except BadEvidence:
        return False
    return True
