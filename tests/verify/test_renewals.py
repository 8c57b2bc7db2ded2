"""Evidence records that the hub writes, read by the other implementation: two readings of RFC 4998."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.evidence_records import SAMPLES, begun, day, digest_of, rehashed, renewed
from tests.support.tsa import PlayedAuthority

from ecluse_verify.certificates import load_pem
from ecluse_verify.renewals import check_record
from ecluse_verify.text import Bad

DATA = b"the note of a checkpoint"
ALDER = PlayedAuthority("Alder", begins=day(2026), years=6)
BEECH = PlayedAuthority("Beech", begins=day(2030), years=15)
CEDAR = PlayedAuthority("Cedar", begins=day(2041), years=30, hash="sha512")
ROOTS = [each.root for each in (ALDER, BEECH, CEDAR)]


def decades() -> bytes:
    record = begun(ALDER, "sha256", DATA, day(2026, 11), others=3)
    record = renewed(record, BEECH, day(2031, 5), others=2)
    record = rehashed(record, BEECH, "sha512", DATA, day(2035), others=6)
    record = renewed(record, CEDAR, day(2044), others=1)
    return rehashed(record, CEDAR, "sha3_512", DATA, day(2060), others=2).encode()


RECORD = decades()


def test_a_record_of_decades() -> None:
    found = check_record(RECORD, digest_of(DATA), [], ROOTS)
    assert (found.first, found.last, found.stamps) == (day(2026, 11), day(2060), 5)
    assert found.trusted
    assert found.ends == CEDAR.certificate.not_valid_after_utc
    assert not check_record(RECORD, digest_of(DATA), [], ROOTS[:2]).trusted


def test_samples_of_the_other_side() -> None:
    told = json.loads((SAMPLES / "decades.json").read_text())
    roots = load_pem((SAMPLES / "decades.pem").read_bytes())
    data = (SAMPLES / "note").read_bytes()
    found = check_record((SAMPLES / "decades.ers").read_bytes(), digest_of(data), [], roots)
    assert found.trusted
    assert found.first == datetime.fromisoformat(told["time"])
    assert found.stamps == len(told["steps"])


def test_what_does_not_hold() -> None:
    with pytest.raises(Bad):
        check_record(RECORD, digest_of(DATA + b"x"), [], ROOTS)
    late = renewed(begun(ALDER, "sha256", DATA, day(2026, 11)), BEECH, day(2033))
    with pytest.raises(Bad, match=r"ers\.late"):
        check_record(late.encode(), digest_of(DATA), [], ROOTS)
    early = renewed(begun(BEECH, "sha256", DATA, day(2031)), BEECH, day(2030, 6))
    with pytest.raises(Bad, match=r"ers\.order"):
        check_record(early.encode(), digest_of(DATA), [], ROOTS)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(RECORD) - 1), put=st.binary(min_size=1, max_size=3))
def test_no_octet_of_what_counts_can_change(at: int, put: bytes) -> None:
    """It is refused, or says the very same."""
    changed = RECORD[:at] + put + RECORD[at + len(put) :]
    before = check_record(RECORD, digest_of(DATA), [], ROOTS)
    try:
        after = check_record(changed, digest_of(DATA), [], ROOTS)
    except Bad:
        return
    assert (after.first, after.last, after.stamps) == (before.first, before.last, before.stamps)
