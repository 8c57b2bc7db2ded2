"""Proofs of single records, from a real database to a third party."""

from __future__ import annotations

import pytest
from tests.support.logs import KEY, PRIVATE, FakeClock, write_events

from ecluse.errors import EcluseError
from ecluse.evidence.errors import BadRecord, NotProvable
from ecluse.evidence.proof import check_proof, prove
from ecluse.evidence.sequencer import Sequencer
from ecluse.store.sqlite import SqliteStore
from ecluse.wire.tlog.errors import BadProof, BadSignature, Malformed
from ecluse.wire.tlog.note import NoteKey
from ecluse.wire.tlog.proof import parse_proof


@pytest.fixture
def store(tmp_path):
    database = SqliteStore(tmp_path / "hub.db")
    database.migrate()
    clock = FakeClock()
    one = Sequencer(database, clock, KEY, PRIVATE.sign)
    write_events(database, 37, clock)
    one.seal()
    one.checkpoint()
    yield database
    database.close()


def test_every_record_is_proven(store):
    for logged in store.read(lambda view: view.events_from(0, 100)):
        text = prove(store, logged)
        event, head = check_proof(text, logged.leaf, [KEY])
        assert event.id == logged.event.id
        assert head.size == 37
        assert check_proof(prove(store, logged.index, with_record=True), None, [KEY])[0] == event


def test_a_record_that_is_not_signed_for_yet_is_not_provable(store):
    clock = FakeClock()
    (event,) = write_events(store, 1, clock, seed=5)
    (logged,) = store.read(lambda view: view.events(event.subject))
    with pytest.raises(NotProvable):
        prove(store, logged)
    Sequencer(store, clock, KEY, PRIVATE.sign).seal()
    (logged,) = store.read(lambda view: view.events(event.subject))
    for wanted in (logged, 38, -1):
        with pytest.raises(NotProvable):
            prove(store, wanted)


def test_what_does_not_hold_is_refused(store):
    leaves = [logged.leaf for logged in store.read(lambda view: view.events_from(0, 2))]
    text = prove(store, 1)
    stranger = NoteKey(KEY.name, b"\x07" * 32)
    for wrong, leaf, keys, error in (
        (text, leaves[0], [KEY], BadProof),
        (text, leaves[1], [stranger], BadSignature),
        (text, None, [KEY], Malformed),
        (text[:-10], leaves[1], [KEY], EcluseError),
        ("\ud800" + text, leaves[1], [KEY], Malformed),
        (text.replace("index 1", "index 2"), leaves[1], [KEY], BadProof),
    ):
        with pytest.raises(error):
            check_proof(wrong, leaf, keys)


def test_a_leaf_that_is_no_record_is_refused_though_it_is_in_the_log(store):
    clock = FakeClock()
    store.write(lambda tx: tx.append_event("e1", "kind", "m1", clock(), b"\x00 no record"))
    one = Sequencer(store, clock, KEY, PRIVATE.sign)
    one.seal()
    one.checkpoint()
    with pytest.raises(BadRecord):
        check_proof(prove(store, 37), b"\x00 no record", [KEY])


def test_a_log_that_does_not_bear_the_proof_out_proves_nothing(store, tmp_path):
    text = prove(store, 9)
    store.write(lambda tx: tx.seal(37, [], {(0, 8): b"\x00" * 32}))
    with pytest.raises(BadProof):
        prove(store, 9)
    assert parse_proof(text.encode()).index == 9
