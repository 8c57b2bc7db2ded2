"""Evidence records: written, read, renewed over decades, and what they may not get away with."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from tests.support.evidence_records import SAMPLES, begun, day, digest_of, rehashed, renewed, stamp
from tests.support.tsa import PlayedAuthority

from ecluse.errors import EcluseError
from ecluse.wire import asn1
from ecluse.wire.ers import ArchiveTimeStamp, EvidenceRecord, HashTree, read_record, verify_record
from ecluse.wire.ers.errors import BadEvidence, MalformedEvidence
from ecluse.wire.ers.tree import group_hash, roots_of

DATA = b"the note of a checkpoint"
ALDER = PlayedAuthority("Alder", begins=day(2026), years=6)
BEECH = PlayedAuthority("Beech", begins=day(2030), years=15)
CEDAR = PlayedAuthority("Cedar", begins=day(2041), years=30, hash="sha512")
ROOTS = [each.root for each in (ALDER, BEECH, CEDAR)]


def decades() -> EvidenceRecord:
    """SHA-256 by one, renewed by another, SHA-512 by that one, SHA-3 by a third, renewed."""
    record = begun(ALDER, "sha256", DATA, day(2026, 11), others=3)
    record = renewed(record, BEECH, day(2031, 5), others=2)
    record = renewed(record, BEECH, day(2034))
    record = rehashed(record, BEECH, "sha512", DATA, day(2035), others=6)
    record = renewed(record, CEDAR, day(2044), others=1)
    record = rehashed(record, CEDAR, "sha3_512", DATA, day(2060), others=2)
    return renewed(record, CEDAR, day(2069))


def test_data_is_proven_after_decades() -> None:
    record = read_record(decades().encode())
    assert record == decades_of(record)
    verified = verify_record(record, digest_of(DATA), ROOTS, day(2070))
    assert verified.time == day(2026, 11)
    assert [(step.kind, step.hash, step.token.time.year) for step in verified.steps] == [
        ("first", "sha256", 2026),
        ("time-stamp-renewal", "sha256", 2031),
        ("time-stamp-renewal", "sha256", 2034),
        ("hash-tree-renewal", "sha512", 2035),
        ("time-stamp-renewal", "sha512", 2044),
        ("hash-tree-renewal", "sha3_512", 2060),
        ("time-stamp-renewal", "sha3_512", 2069),
    ]
    assert verified.ends == CEDAR.certificate.not_valid_after_utc


def decades_of(record: EvidenceRecord) -> EvidenceRecord:
    return read_record(record.encode())


KEPT = decades()


@pytest.mark.parametrize(
    ("now", "sound", "words"),
    [
        (day(2080), lambda name, at: True, "time-stamp 7 of 7 does not hold"),
        (day(2070), lambda name, at: name != "sha256" or at < day(2034), "time-stamp 2 of 7 rests on sha256"),
        (
            day(2070),
            lambda name, at: name != "ecdsa-256" or at < day(2065),
            "time-stamp 6 of 7 rests on ecdsa-256",
        ),
        (day(2068), lambda name, at: True, "time-stamp 7 of 7 is younger"),
    ],
)
def test_a_renewal_that_came_too_late_is_told(now, sound, words) -> None:
    with pytest.raises(BadEvidence, match=words):
        verify_record(KEPT, digest_of(DATA), ROOTS, now, sound)


def test_a_renewal_after_the_certificate_ended_proves_nothing() -> None:
    record = renewed(begun(ALDER, "sha256", DATA, day(2026, 11)), BEECH, day(2033))
    with pytest.raises(BadEvidence, match="time-stamp 1 of 2 does not hold"):
        verify_record(record, digest_of(DATA), ROOTS, day(2034))


def test_other_data_is_not_proven() -> None:
    with pytest.raises(BadEvidence, match="time-stamp 1 of 7 is over something else"):
        verify_record(KEPT, digest_of(b"another note"), ROOTS, day(2070))
    lying = {"sha256": DATA, "sha512": b"another note", "sha3_512": DATA}
    with pytest.raises(BadEvidence, match="time-stamp 4 of 7 is over something else"):
        verify_record(KEPT, lambda name: hashlib.new(name, lying[name]).digest(), ROOTS, day(2070))


@pytest.mark.parametrize(
    "change",
    [
        lambda chains: (chains[0][1:], *chains[1:]),
        lambda chains: (chains[0][:1] + chains[0][2:], *chains[1:]),
        lambda chains: (chains[0][:2], *chains[1:]),
        lambda chains: (chains[0], chains[2]),
        lambda chains: (chains[1], chains[0], chains[2]),
        lambda chains: (chains[0], chains[1][::-1], chains[2]),
        lambda chains: ((*chains[0], chains[1][0]), *chains[2:]),
        lambda chains: ((replace(chains[0][0], tree=()), *chains[0][1:]), *chains[1:]),
        lambda chains: ((replace(chains[0][0], hash="sha512"), *chains[0][1:]), *chains[1:]),
        lambda chains: (*chains[:2], (chains[2][0], chains[2][0])),
    ],
)
def test_what_is_left_out_put_elsewhere_or_changed_is_noticed(change) -> None:
    with pytest.raises(BadEvidence):
        verify_record(EvidenceRecord(change(KEPT.chains)), digest_of(DATA), ROOTS, day(2070))


def test_a_chain_keeps_to_one_hash() -> None:
    """RFC 4998 s5.2: what is renewed by another hash begins a chain of its own, over the data too."""
    record = begun(ALDER, "sha256", DATA, day(2026, 11))
    mixed = record.with_stamp(stamp(BEECH, "sha512", [hashlib.sha512(record.last.token).digest()], day(2031)))
    with pytest.raises(BadEvidence, match="hash changes within a chain"):
        verify_record(mixed, digest_of(DATA), ROOTS, day(2032))


def test_every_flipped_octet_is_noticed() -> None:
    der = KEPT.encode()
    unnoticed = []
    for place in range(0, len(der), 29):
        changed = der[:place] + bytes((der[place] ^ 0x41,)) + der[place + 1 :]
        try:
            verify_record(read_record(changed), digest_of(DATA), ROOTS, day(2070))
        except EcluseError:
            continue
        unnoticed.append(place)
    # What is left is the newest token's own, of which nothing else is made, and names of hashes that are told twice.
    assert all(place > len(der) - 1500 for place in unnoticed)
    assert len(unnoticed) < 3


# --- trees --------------------------------------------------------------------------------------------------

hashes = st.binary(min_size=32, max_size=32)


@given(st.lists(st.lists(hashes, min_size=1, max_size=4), min_size=1, max_size=40), st.data())
def test_every_leaf_leads_to_the_root(leaves: list[list[bytes]], data: st.DataObject) -> None:
    tree = HashTree("sha256", leaves)
    place = data.draw(st.integers(0, len(leaves) - 1))
    lists = tree.reduced(place)
    if not lists:
        assert (len(leaves), leaves[0]) == (1, [tree.root])
        return
    assert set(leaves[place]) <= set(lists[0])
    assert tree.root in roots_of("sha256", lists)
    assert sum(map(len, lists)) <= len(leaves[place]) + len(leaves).bit_length()
    other = bytes(32) if bytes(32) not in lists[0] else b"\1" * 32
    assert tree.root not in roots_of("sha256", ((other, *lists[0][1:]), *lists[1:]))


def test_the_trees_of_the_rfc_are_read() -> None:
    """RFC 4998 s4.2.2: a group of three beside a single one, and then a third; lists of more than two."""
    h1, h3, a, b, c = (hashlib.sha256(each).digest() for each in (b"1", b"3", b"a", b"b", b"c"))
    group = group_hash("sha256", (a, b, c))
    root = group_hash("sha256", (group_hash("sha256", (h1, group)), h3))
    assert roots_of("sha256", ((h1, group), (h3,))) == {root}
    assert roots_of("sha256", ((b, c, a), (h1,), (h3,))) == {root}
    wide = group_hash("sha256", (group_hash("sha256", (h1, group)), h3, a, b))
    assert roots_of("sha256", ((h1, group), (a, h3, b))) == {wide}


def test_a_tree_of_nothing_is_none() -> None:
    for leaves in ([], [[]]):
        with pytest.raises(BadEvidence):
            HashTree("sha256", leaves)


# --- octets -------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_octets_make_our_errors_only(data: bytes) -> None:
    with pytest.raises(EcluseError):
        read_record(data)


@given(st.data())
def test_a_spoiled_record_makes_our_errors_only(data: st.DataObject) -> None:
    der = bytearray(KEPT.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        verify_record(read_record(bytes(der)), digest_of(DATA), ROOTS, day(2070))
    except EcluseError:
        pass


tokens = st.sampled_from([stamp.token for chain in KEPT.chains for stamp in chain])
lists = st.lists(st.lists(hashes, min_size=1, max_size=3).map(tuple), max_size=5).map(tuple)
stamps = st.builds(ArchiveTimeStamp, st.sampled_from(["sha256", "sha512", "sha3_512"]), lists, tokens)
records = st.builds(
    EvidenceRecord,
    st.lists(st.lists(stamps, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple),
)


@given(records)
def test_what_is_written_is_read(record: EvidenceRecord) -> None:
    assert read_record(record.encode()) == record
    assert read_record(record.encode()).encode() == record.encode()


def test_a_hash_that_is_not_named_is_that_of_the_imprint() -> None:
    unnamed = replace(stamp(ALDER, "sha512", [hashlib.sha512(DATA).digest()], day(2027)), named=False)
    der = EvidenceRecord(((unnamed,),)).encode()
    assert read_record(der).encode() == der
    assert verify_record(read_record(der), digest_of(DATA), ROOTS, day(2027, 3)).steps[0].hash == "sha512"


def test_one_in_indefinite_lengths_is_read_as_its_der() -> None:
    der = KEPT.encode()
    fields = asn1.parse(der).children
    ber = asn1.begin(0x30) + b"".join(field.raw for field in fields) + asn1.END_OF_CONTENTS
    assert read_record(ber) == KEPT


@pytest.mark.parametrize(
    "data",
    [
        asn1.sequence(asn1.integer(2), asn1.sequence(), asn1.sequence()),
        asn1.sequence(asn1.integer(1), asn1.sequence(), asn1.sequence()),
        asn1.sequence(asn1.integer(1), asn1.sequence(), asn1.sequence(asn1.sequence())),
        asn1.sequence(asn1.integer(1), asn1.sequence(), asn1.sequence(asn1.sequence(asn1.sequence()))),
        asn1.sequence(asn1.integer(1), asn1.sequence(asn1.sequence(asn1.oid("1.2.3"))), asn1.sequence()),
        b"\x30\x80" * 5000,
        bytes(5 << 20),
    ],
)
def test_what_is_no_record_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        read_record(data)


def test_more_time_stamps_than_any_life_has_are_refused() -> None:
    one = KEPT.chains[0][0]
    with pytest.raises(MalformedEvidence, match="more than 512"):
        read_record(EvidenceRecord((tuple([one] * 600),)).encode())


# --- samples ------------------------------------------------------------------------------------------------


def test_the_samples_hold() -> None:
    note = (SAMPLES / "note").read_bytes()
    told = json.loads((SAMPLES / "decades.json").read_text())
    roots = x509.load_pem_x509_certificates((SAMPLES / "decades.pem").read_bytes())
    verified = verify_record(
        read_record((SAMPLES / "decades.ers").read_bytes()), digest_of(note), roots, day(2030)
    )
    assert [
        [step.kind, step.hash, f"{step.token.time:%Y-%m-%dT%H:%M:%SZ}"] for step in verified.steps
    ] == told["steps"]
    roots = x509.load_pem_x509_certificates((SAMPLES / "openssl.pem").read_bytes())
    first = read_record((SAMPLES / "first.ers").read_bytes())
    assert verify_record(first, digest_of(note), roots[1:], day(2040)).steps[0].kind == "first"
    assert first.last.token == (SAMPLES / "openssl.tsr").read_bytes()


@pytest.mark.peer("openssl")
def test_openssl_verifies_the_sample_as_it_stands() -> None:
    command = [
        "openssl",
        "ts",
        "-verify",
        "-data",
        "note",
        "-in",
        "openssl.tsr",
        "-token_in",
        "-CAfile",
        "openssl.pem",
    ]
    done = subprocess.run(command, cwd=SAMPLES, capture_output=True, text=True, timeout=30)
    assert "Verification: OK" in done.stdout + done.stderr


def test_the_last_moment_of_a_certificate_still_counts() -> None:
    record = begun(ALDER, "sha256", DATA, day(2026, 11))
    ends = ALDER.certificate.not_valid_after_utc
    assert verify_record(record, digest_of(DATA), ROOTS, ends).ends == ends
    with pytest.raises(BadEvidence):
        verify_record(record, digest_of(DATA), ROOTS, ends + timedelta(seconds=1))
