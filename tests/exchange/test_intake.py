from __future__ import annotations

from hashlib import sha256

import pytest
from tests.support.hubs import FakeClock, bare_hub

from ecluse.archive.commitments import revealed
from ecluse.evidence.record import decode_leaf
from ecluse.evidence.states import verify_states
from ecluse.exchange.actions import NotNow, give_up, release
from ecluse.exchange.intake import Arrival, Duplicate, Intake, Kept, Reply
from ecluse.model.basics import MessageId, PartnerId
from ecluse.model.nouns import Direction
from ecluse.model.states import MessageState

ARRIVAL = Arrival(PartnerId("birch"), "as2", "<one@birch>", "An order", {"address": "192.0.2.7"})
ORDER = b"UNB+UNOC:3+ASTER+BIRCH'UNH+1+ORDERS'BGM+220+4711+9'UNZ+1+1'"
MDN = Reply(200, (("Content-Type", "multipart/report"),), b"processed")


@pytest.fixture
def hub(tmp_path):
    hub = bare_hub(tmp_path, FakeClock())
    yield hub
    hub.store.close()


def take(hub, data=ORDER, arrival=ARRIVAL, reply=MDN, content_type="application/edifact"):
    """An intake whose document stands in the exact octets, after a header."""
    intake = Intake(hub, arrival)
    head = b"Content-Type: application/edifact\r\n\r\n"
    intake.exact(head)
    intake.begin_document(content_type, "orders.edi")
    for start in range(0, len(data), 7):
        intake.exact(data[start : start + 7])
        intake.document_data(data[start : start + 7], in_exact=True)
    intake.end_document(len(head))
    return intake.accept(b"{}", {"mic": "x"}, reply).result(), intake


def kinds(hub, subject):
    return [decode_leaf(e.leaf).kind for e in hub.store.read(lambda view: view.events(subject))]


def test_accepted_with_its_bytes_answer_and_event_in_one(hub):
    outcome, _ = take(hub)
    assert isinstance(outcome, Kept)
    message = hub.store.read(lambda view: view.message(outcome.message.id))
    assert message == outcome.message
    assert (message.state, message.reference, message.size) == (MessageState.ACCEPTED, "4711", len(ORDER))
    assert message.parts[0].sha256 == sha256(ORDER).hexdigest()
    with hub.document(message.parts[0]) as document:
        assert b"".join(document.chunks(10)) == ORDER
    answer = hub.store.read(lambda view: view.answer(message.id))
    assert (answer.body, answer.positive) == (b"processed", True)
    [logged] = hub.store.read(lambda view: view.events(message.id))
    event = decode_leaf(logged.leaf)
    assert event.kind == "message.accepted"
    assert b"192.0.2.7" not in event.data
    assert revealed(logged)["address"] == "192.0.2.7"
    assert sha256(b"processed").hexdigest().encode() in event.data
    assert list(verify_states(hub.store)) == []


def test_large_document_apart_from_the_exact_octets(hub):
    data = b"<?xml version='1.0'?><Order/>" + bytes(5000)
    intake = Intake(hub, ARRIVAL)
    intake.exact(b"compressed")
    intake.begin_document("application/xml", "")
    intake.document_data(data, in_exact=False)
    intake.end_document(None)
    message = intake.accept(b"{}", {}, MDN).result().message
    assert message.parts[0].blob != message.wire_blob
    with hub.document(message.parts[0]) as document:
        assert b"".join(document.chunks()) == data


def test_duplicate_gets_the_stored_answer_and_leaves_no_bytes(hub):
    first, _ = take(hub)
    blobs = hub.store.read(lambda view: view.blobs_before("", 100))
    again, intake = take(hub, reply=Reply(200, (), b"another MDN"), data=ORDER * 100)
    intake.discard()
    assert isinstance(again, Duplicate)
    assert again.message.id == first.message.id
    assert again.answer.body == b"processed"
    assert hub.store.read(lambda view: view.blobs_before("", 100)) == blobs
    assert list(hub.vault.place.ids()) == []
    assert kinds(hub, first.message.id) == ["message.accepted", "message.duplicate"]


def test_rejected_keeps_nothing_and_may_come_again(hub):
    intake = Intake(hub, ARRIVAL)
    intake.exact(ORDER * 100)
    outcome = intake.reject(
        b"{}", {}, Reply(200, (), b"no"), "as2.integrity-check-failed", "It was changed."
    ).result()
    assert outcome.message.state is MessageState.REJECTED
    assert list(hub.vault.place.ids()) == []
    assert hub.store.read(lambda view: view.answer(outcome.message.id)).positive is False
    second, _ = take(hub)
    assert isinstance(second, Kept)
    found = hub.store.read(lambda view: view.find_message(Direction.IN, PartnerId("birch"), "<one@birch>"))
    assert found.id == second.message.id


def test_other_partners_may_use_the_same_id(hub):
    take(hub)
    other, _ = take(hub, arrival=Arrival(PartnerId("cedar"), "as2", "<one@birch>"))
    assert isinstance(other, Kept)


@pytest.mark.parametrize(
    ("data", "content_type", "code"),
    [
        (b"", "application/octet-stream", "inspect.empty"),
        (b"MZ\x90\x00program", "application/octet-stream", "inspect.program"),
        (b"%PDF-1.7", "application/edifact", "inspect.type-mismatch"),
        (b"hello", "application/xml; charset=utf-8", "inspect.type-mismatch"),
    ],
)
def test_what_is_not_what_it_says_waits_for_a_person(tmp_path, data, content_type, code):
    hub = bare_hub(tmp_path, FakeClock(), inbox="folder:inbox")
    outcome, _ = take(hub, data=data, content_type=content_type)
    message = outcome.message
    assert (message.state, message.reason_code) == (MessageState.QUARANTINED, code)
    assert hub.store.read(lambda view: view.deliveries(message.id)) == []
    assert hub.store.read(lambda view: view.answer(message.id)).positive, (
        "it is kept: the sender need not send again"
    )
    released = release(hub, message.id, actor="operator:kim", reason="agreed by phone")
    assert released.state is MessageState.ACCEPTED
    assert len(hub.store.read(lambda view: view.deliveries(message.id))) == 1
    with pytest.raises(NotNow):
        release(hub, message.id, actor="operator:kim", reason="again")
    assert kinds(hub, message.id) == ["message.quarantined", "message.released", "message.accepted"]
    assert list(verify_states(hub.store)) == []
    hub.store.close()


def test_quarantined_can_be_given_up_and_keeps_its_payload(hub):
    outcome, _ = take(hub, data=b"MZ program")
    message = give_up(hub, outcome.message.id, actor="operator:kim", reason="not ours")
    assert message.state is MessageState.GIVEN_UP
    with hub.document(message.parts[0]) as document:
        assert b"".join(document.chunks()) == b"MZ program"


def test_received_is_opened_later_under_the_same_id(hub):
    raw = Intake(hub, ARRIVAL)
    raw.exact(b"ciphertext" * 500)
    received = raw.receive(b'{"headers": []}').result().message
    assert received.state is MessageState.RECEIVED
    assert hub.store.read(lambda view: view.job(f"open:{received.id}")) is not None
    again = Intake(hub, ARRIVAL)
    again.exact(b"ciphertext" * 500)
    duplicate = again.receive(b"{}").result()
    assert isinstance(duplicate, Duplicate)
    assert duplicate.answer is None
    again.discard()

    intake = Intake(hub, ARRIVAL, received)
    intake.begin_document("application/edifact", "orders.edi")
    intake.document_data(ORDER, in_exact=False)
    intake.end_document(None)
    opened = intake.accept(b"{}", {}, Reply(200, (), b"MDN", "http://birch.example/mdn")).result().message
    assert (opened.id, opened.state, opened.created) == (received.id, MessageState.ACCEPTED, received.created)
    assert hub.store.read(lambda view: view.blob(received.wire_blob)) is None, (
        "the unopened bytes are not needed"
    )
    assert hub.store.read(lambda view: view.job(f"answer:{received.id}")) is not None
    repeated = Intake(hub, ARRIVAL, received).accept(b"{}", {}, MDN).result()
    assert isinstance(repeated, Duplicate), "a second opener finds it done"
    assert kinds(hub, MessageId(received.id)).count("message.accepted") == 1
