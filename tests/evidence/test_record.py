"""Records: the canonical bytes, and that nothing else is read as one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.logs import FakeClock, seeded_entropy
from tests.support.logstore import MemoryLog

from ecluse.evidence.errors import BadRecord, RecordTooLarge
from ecluse.evidence.record import MAX_LEAF, commit, decode_leaf, encode_leaf, record
from ecluse.model.basics import Instant
from ecluse.model.nouns import Event

AT = Instant(1_700_000_000_123_456)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def write(log: MemoryLog, **changes) -> Event:
    values = {"kind": "message.accepted", "subject": "m1", "at": AT, "data": {}, "entropy": seeded_entropy(1)}
    return record(log, **(values | changes))


def test_the_format_is_this_byte_for_byte():
    event = Event(
        "e1", AT, "message.accepted", "m1", b'{"a":[1,true,null],"b":"\xc3\xa9"}', "partner:birch", "n1"
    )
    assert (
        encode_leaf(event, bytes(range(16)))
        == (
            '{"actor":"partner:birch","at":1700000000123456,"data":{"a":[1,true,null],"b":"é"},'
            '"format":"ecluse.event/1","id":"e1","kind":"message.accepted","node":"n1",'
            '"salt":"000102030405060708090a0b0c0d0e0f","subject":"m1"}'
        ).encode()
    )


@settings(deadline=None)
@given(
    data=st.dictionaries(st.text(), JSON, max_size=5),
    subject=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    actor=st.text(max_size=20),
)
def test_a_record_reads_as_the_event_that_was_written(data, subject, actor):
    log = MemoryLog()
    event = write(log, data=data, subject=subject, actor=actor, node="n1")
    (row,) = log.rows
    assert decode_leaf(row.leaf) == event
    assert (row.event_id, row.kind, row.subject, row.at) == (event.id, event.kind, event.subject, event.at)
    parsed = json.loads(row.leaf)
    assert parsed["data"] == data
    assert list(parsed) == sorted(parsed)


def test_the_same_data_in_another_order_gives_the_same_bytes():
    one, other = MemoryLog(), MemoryLog()
    write(one, data={"a": {"y": 1, "x": 2}, "b": 3})
    write(other, data={"b": 3, "a": {"x": 2, "y": 1}})
    assert one.rows == other.rows


def test_equal_events_have_leaves_that_differ_by_their_salt():
    log, entropy = MemoryLog(), seeded_entropy(2)
    write(log, entropy=entropy)
    write(log, entropy=entropy)
    salts = {json.loads(row.leaf)["salt"] for row in log.rows}
    assert len(salts) == 2
    assert {len(salt) for salt in salts} == {32}


def test_half_a_character_and_a_nul_do_not_cost_the_record():
    log = MemoryLog()
    data = {"name\udc80": ["caf\udce9", {"deep": "\ud800", "n": 1}], "nul": "\0"}
    event = write(log, data=data, subject="m\udc80\0", actor="partner:\udc80")
    assert decode_leaf(log.rows[0].leaf) == event
    assert log.rows[0].subject == event.subject
    assert json.loads(event.data) == {"name\\udc80": ["caf\\udce9", {"deep": "\\ud800", "n": 1}], "nul": "\0"}


def test_a_record_has_a_largest_size_and_leaves_nothing_past_it():
    log = MemoryLog()
    write(log, data={"text": "x" * (MAX_LEAF - 300)})
    with pytest.raises(RecordTooLarge):
        write(log, data={"text": "x" * MAX_LEAF})
    assert len(log.rows) == 1


def leaf_of(**changes) -> bytes:
    members = {
        "actor": "hub",
        "at": AT,
        "data": {"a": 1, "b": 2},
        "format": "ecluse.event/1",
        "id": "e1",
        "kind": "message.accepted",
        "node": "",
        "salt": "00" * 16,
        "subject": "m1",
    } | changes
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def test_the_example_below_is_a_record_before_it_is_changed():
    assert decode_leaf(leaf_of()).data == b'{"a":1,"b":2}'


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 200_000,
        b'{"data":' * 100_000,
        leaf_of(data={"b": 2, "a": 1}),
        leaf_of(data=[1]),
        leaf_of(data=1.5),
        leaf_of(format="ecluse.event/2"),
        leaf_of(salt="00" * 15),
        leaf_of(salt="zz" * 16),
        leaf_of(salt="AB" * 16),
        leaf_of(salt=" " + "00" * 15 + "0"),
        leaf_of(at="1"),
        leaf_of(at=2**70),
        leaf_of(more=1),
        leaf_of() + b" ",
        b" " + leaf_of(),
        leaf_of().replace(b'"hub"', b'"h\\u0075b"'),
        leaf_of().replace(b'"actor":"hub"', b'"actor":"us","actor":"hub"'),
        leaf_of().replace(b'"a":1', b'"a":1,"a":1'),
        leaf_of().replace(b'"a":1', b'"a":1.00'),
        leaf_of().replace(b'"a":1', b'"a": 1'),
        leaf_of().replace(b'"a":1', b'"a":' + b"[" * 5000 + b"]" * 5000),
    ],
)
def test_what_is_not_canonical_is_no_record(leaf):
    with pytest.raises(BadRecord):
        decode_leaf(leaf)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 400))
def test_garbage_and_splices_give_our_error_or_a_canonical_record(noise, start, end):
    whole = leaf_of()
    for leaf in (noise, whole[:start] + noise[:4] + whole[end:]):
        try:
            event = decode_leaf(leaf)
        except BadRecord:
            continue
        assert encode_leaf(event, bytes.fromhex(json.loads(leaf)["salt"])) == leaf


def test_a_commitment_opens_with_its_salt_only():
    salt = bytes(16)
    committed = commit("jane@aster.example", salt)
    assert committed == commit(b"jane@aster.example", salt)
    assert committed.startswith("hmac-sha256:")
    assert "jane" not in committed
    assert committed != commit("jane@aster.example", b"\x01" * 16)
    assert committed != commit("john@aster.example", salt)
    with pytest.raises(BadRecord):
        commit("jane@aster.example", b"short")


def test_ids_sort_by_time():
    log, clock = MemoryLog(), FakeClock()
    ids = [write(log, at=clock(), entropy=seeded_entropy(number)).id for number in range(20)]
    assert ids == sorted(ids)
