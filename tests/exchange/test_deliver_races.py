"""What a person decides, and receipts that come, while an attempt is under way."""

from __future__ import annotations

import msgspec
import pytest
from tests.exchange.test_deliver import BAD, GOOD, World

from ecluse.evidence.states import verify_states
from ecluse.exchange.actions import give_up, resend
from ecluse.exchange.port import Awaiting, Confirmed, Refused
from ecluse.exchange.receipts import late_receipt, settle_message
from ecluse.model.basics import Instant
from ecluse.model.nouns import JobState
from ecluse.model.states import DeliveryState, MessageState

WHO = {"actor": "operator:iris", "reason": "because"}
NO = Refused(BAD, "as2.receipt-negative", "They refuse it.")


@pytest.fixture
def world(tmp_path):
    worlds = []

    def make(*script, **options):
        worlds.append(World(tmp_path, *script, **options))
        return worlds[-1]

    yield make
    for made in worlds:
        assert list(verify_states(made.hub.store)) == []
        made.hub.store.close()


def job_of(made, message):
    return made.hub.store.read(lambda view: view.job(f"deliver:{made.delivery(message.id).id}"))


def receipts(made, message):
    return made.hub.store.read(lambda view: view.receipts(message.id))


def meanwhile(made, outcome, *acts):
    """A channel's script entry during which ``acts`` happen, and that ends with ``outcome``."""
    deliver = made.channel.deliver

    def during(message, delivery, sealed):
        made.channel.script.insert(0, outcome)
        for act in acts:
            act()
        made.channel.deliver = deliver
        return deliver(message, delivery, sealed)

    made.channel.deliver = during


@pytest.mark.parametrize("outcome", [Confirmed(GOOD), NO], ids=["positive", "negative"])
@pytest.mark.parametrize("state", DeliveryState)
def test_a_late_receipt_is_kept_whatever_the_delivery_is(world, state, outcome):
    made = world(Awaiting(Instant(2**60)))
    message = made.send()
    made.run()
    delivery = made.delivery(message.id)

    def put(tx):
        tx.update_delivery(msgspec.structs.replace(delivery, state=state))
        settle_message(made.hub, tx, message.id)

    made.hub.store.write(put)
    after = late_receipt(made.hub, delivery.id, outcome)
    assert [each.positive for each in receipts(made, message)] == [isinstance(outcome, Confirmed)]
    if isinstance(outcome, Confirmed) or state is DeliveryState.CONFIRMED:
        assert after.state is DeliveryState.CONFIRMED
    elif state is DeliveryState.GIVEN_UP:
        assert after.state is DeliveryState.GIVEN_UP
    else:
        assert after.state is DeliveryState.REFUSED


def test_a_refusal_of_what_was_given_up_meanwhile_is_kept(world):
    made = world()
    message = made.send()
    meanwhile(made, NO, lambda: give_up(made.hub, message.id, **WHO))
    made.run()
    assert made.states(message.id) == (MessageState.GIVEN_UP, DeliveryState.GIVEN_UP)
    assert len(receipts(made, message)) == 1
    assert job_of(made, message).state is JobState.DONE


def test_given_up_and_resent_while_its_request_is_under_way(world):
    made = world()
    message = made.send()
    meanwhile(
        made,
        Awaiting(Instant(2**60)),
        lambda: give_up(made.hub, message.id, **WHO),
        lambda: resend(made.hub, message.id, **WHO),
    )
    made.run()
    # The bytes were taken: what is left to wait for is the receipt.
    assert made.states(message.id) == (MessageState.SEALED, DeliveryState.SENT)
    assert made.delivery(message.id).receipt_due == 2**60


def test_confirmed_and_resent_by_force_while_its_request_is_under_way(world):
    made = world()
    message = made.send()
    meanwhile(
        made,
        Awaiting(Instant(2**60)),
        lambda: late_receipt(made.hub, made.delivery(message.id).id, Confirmed(GOOD)),
        lambda: resend(made.hub, message.id, force=True, **WHO),
    )
    made.run()
    assert made.states(message.id) == (MessageState.SEALED, DeliveryState.SENT)


@pytest.mark.parametrize("when", ["read", "begin"])
def test_resent_while_its_job_ends_because_it_was_over(world, when):
    """The job finds the delivery given up; before it records its own end, a person has it sent again."""
    made = world(Confirmed(GOOD))
    message = made.send()
    store = made.hub.store
    done = []

    class Slow:
        """Lets the person act between the job's read and its next write."""

        def __getattr__(self, name):
            return getattr(store, name)

        def read(self, work, **options):
            found = store.read(work, **options)
            if not done and when == "begin":
                done.append(give_up(made.hub, message.id, **WHO))
            return found

        def write(self, work):
            if not done and when == "read":
                done.append(True)
                resend(made.hub, message.id, **WHO)
            return store.write(work)

        def submit(self, work):
            if not done and when == "read":
                done.append(True)
                resend(made.hub, message.id, **WHO)
            return store.submit(work)

    if when == "read":
        give_up(made.hub, message.id, **WHO)
        claimed = made.runner._claim(1)[0]
        claimed._store = Slow()
        made.runner._run(claimed)
    else:
        real, made.hub.store = made.hub.store, Slow()
        try:
            made.runner.run_due()
        finally:
            made.hub.store = real
        assert made.states(message.id) == (MessageState.GIVEN_UP, DeliveryState.GIVEN_UP)
        assert job_of(made, message).state is JobState.DONE
        resend(made.hub, message.id, **WHO)
    made.clock.forward(60)
    made.run(2)
    assert made.states(message.id) == (MessageState.DELIVERED, DeliveryState.CONFIRMED)
    assert len(made.channel.sent) == 1
