"""Work on inbound messages that ends for good is seen by a person, who can have it done again."""

from __future__ import annotations

import pytest
from tests.support.hubs import FakeClock, bare_hub

from ecluse.engine.runner import Runner
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.record import decode_leaf
from ecluse.evidence.states import verify_states
from ecluse.exchange.actions import NotNow, release, resend
from ecluse.exchange.deliver import buried, handlers
from ecluse.exchange.intake import Arrival, Duplicate, Intake, Reply
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import JobState
from ecluse.model.states import MessageState

WHO = {"actor": "operator:kim", "reason": "mended"}
URL = "http://birch.example/mdn"
ASKED = Arrival(PartnerId("birch"), "as2", "<1@birch>", return_to=URL)
ORDER = b"UNB+UNOC:3'" * 200


class Gone(EcluseError):
    code = "test.gone"
    fault = Fault.USAGE


class Channel:
    kind = "as2"

    def __init__(self, hub):
        self.hub = hub
        self.broken = True
        self.answers = []

    def open_received(self, message):
        if self.broken:
            raise Gone("There is no partner of that name.")
        accept(self.hub, message, URL)

    def send_answer(self, message, answer):
        if self.broken:
            raise Gone("There is no partner of that name.")
        self.answers.append((answer.return_to, answer.body))


def accept(hub, message=None, url="", arrival=ASKED):
    intake = Intake(hub, arrival, message)
    intake.begin_document("application/edifact", "orders.edi")
    intake.document_data(ORDER, in_exact=False)
    intake.end_document(None)
    return intake.accept(b"{}", {}, Reply(200, (), b"MDN", url)).result()


def receive(hub, arrival=ASKED):
    intake = Intake(hub, arrival)
    intake.exact(b"sealed" * 500)
    outcome = intake.receive(b"{}").result()
    intake.discard()
    return outcome


@pytest.fixture
def hub(tmp_path):
    hub = bare_hub(tmp_path, FakeClock())
    yield hub
    assert list(verify_states(hub.store)) == []
    hub.store.close()


@pytest.fixture
def channel(hub):
    return Channel(hub)


@pytest.fixture
def run(hub, channel):
    work = handlers(hub, {"as2": channel}, lambda message: None)
    return Runner(hub.store, "n", hub.clock, hub.entropy, work, on_bury=buried(hub)).run_due


def kinds(hub, id):
    return [decode_leaf(entry.leaf).kind for entry in hub.store.read(lambda view: view.events(id))]


def state(hub, id):
    message = hub.store.read(lambda view: view.message(id))
    return message.state, message.reason_code


def test_what_can_t_be_opened_waits_for_a_person_and_is_opened_then(hub, channel, run):
    id = receive(hub).message.id
    run()
    assert state(hub, id) == (MessageState.QUARANTINED, "test.gone")
    assert isinstance(receive(hub), Duplicate), "the partner was told that we have it, and still is"
    channel.broken = False
    assert release(hub, id, **WHO).state is MessageState.RECEIVED
    run()
    assert state(hub, id) == (MessageState.ACCEPTED, "")
    assert channel.answers == [(URL, b"MDN")]
    assert kinds(hub, id).count("message.quarantined") == 1


def test_an_answer_that_can_t_be_sent_is_an_event_and_can_be_sent_again(hub, channel, run):
    id = accept(hub, url=URL).message.id
    run()
    assert kinds(hub, id)[-1] == "answer.dead"
    channel.broken = False
    assert resend(hub, id, **WHO) == []
    run()
    assert channel.answers == [(URL, b"MDN")]
    with pytest.raises(NotNow):
        resend(hub, id, **WHO)


def test_a_resend_that_asks_for_its_receipt_elsewhere_gets_the_same_one_there(hub, channel, run):
    """First on the same connection, then on another one; and at last the partner's address has changed."""
    channel.broken = False
    accept(hub, arrival=Arrival(PartnerId("birch"), "as2", "<1@birch>"))
    assert isinstance(receive(hub), Duplicate)
    run()
    assert channel.answers == [(URL, b"MDN")]
    other = "http://birch.example/other"
    receive(hub, Arrival(PartnerId("birch"), "as2", "<1@birch>", return_to=other))
    run()
    assert channel.answers[1:] == [(other, b"MDN")]


def test_a_resend_gets_its_receipt_also_when_the_first_job_is_long_forgotten(hub, channel, run):
    channel.broken = False
    id = accept(hub, url=URL).message.id
    run()
    hub.clock.forward(30 * 24 * 3600)
    assert hub.store.write(lambda tx: tx.prune_jobs(hub.clock(), 100)) == 1
    receive(hub)
    run()
    assert channel.answers == [(URL, b"MDN")] * 2
    assert hub.store.read(lambda view: view.job(f"answer:{id}")).state is JobState.DONE
