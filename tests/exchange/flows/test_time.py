"""What time brings: what should have come and did not, and the end of retention."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.flow_worlds import EDIFACT, World, flow, flow_of

from ecluse.archive.classes import DataClass, Keeping
from ecluse.archive.retention import judge as end_of
from ecluse.blobs.port import BlobMissing
from ecluse.exchange.actions import NotNow, give_up, resend
from ecluse.exchange.flows.expect import Met, judge, look_for_missing, standings
from ecluse.exchange.flows.plan import Expected, FlowBook
from ecluse.exchange.flows.retain import retain
from ecluse.model.basics import Instant
from ecluse.model.calendars import Deadline, zone_of
from ecluse.model.nouns import Direction, Message, Part
from ecluse.model.patterns import Names
from ecluse.model.states import MessageState
from ecluse.trust.settings.flow import Expectation
from ecluse.trust.settings.retention import HubRetention, Retention
from ecluse.trust.settings.schema import Calendar

Make = Callable[..., World]
SFTP = 'channel = "sftp:cedar"'
EXPECT = """[[expect]]
name = "orders"
by = "18:00"
timezone = "Europe/Paris"
names = ["*.edi"]
"""


def at(world: World, day: int, hour: int, minute: int = 0) -> None:
    """Let it be that moment of September 2026, UTC; Paris is two hours ahead."""
    moment = int(datetime(2026, 9, day, hour, minute, tzinfo=UTC).timestamp() * 1_000_000)
    assert moment >= world.clock.now, "time goes on"
    world.clock.now = moment


def told(world: World) -> list[str]:
    return [kind.removeprefix("flow.expectation-") for kind in world.events("flow:x")]


def expecting(make: Make, more: str = "") -> World:
    world = make({"x": flow(SFTP) + EXPECT + more})
    at(world, 21, 15)
    look_for_missing(world.hub)
    return world


def test_what_did_not_come_is_told_once_a_day_and_when_it_comes(make: Make) -> None:
    world = expecting(make)
    world.arrive(b"x", name="other.txt")
    at(world, 21, 16, 1)
    assert look_for_missing(world.hub) == 1
    assert world.facts("flow:x", "flow.expectation-missed")["count"] == 0
    look_for_missing(world.hub)
    assert told(world) == ["missed"]
    at(world, 21, 17)
    world.arrive(EDIFACT)
    look_for_missing(world.hub)
    look_for_missing(world.hub)
    assert told(world) == ["missed", "met"]
    at(world, 22, 16, 30)
    look_for_missing(world.hub)
    assert told(world) == ["missed", "met", "missed"]
    at(world, 23, 9)
    world.arrive(EDIFACT + b"2")
    at(world, 23, 17)
    look_for_missing(world.hub)
    assert told(world) == ["missed", "met", "missed"], "what came in time is nothing to tell"
    (standing,) = world.hub.store.read(lambda view: standings(view, world.plan("x"), world.clock()))
    assert (standing.count, standing.last and standing.last.state) == (1, "met")


def test_a_deadline_before_the_flow_was_there_is_nobodys(make: Make) -> None:
    world = make({"x": flow(SFTP) + EXPECT})
    at(world, 21, 20)
    look_for_missing(world.hub)
    assert told(world) == []
    at(world, 22, 16, 1)
    look_for_missing(world.hub)
    assert told(world) == ["missed"]


def test_a_hub_that_was_down_tells_it_the_next_day(make: Make) -> None:
    world = expecting(make)
    at(world, 22, 6)
    look_for_missing(world.hub)
    assert told(world) == ["missed"]
    assert world.facts("flow:x", "flow.expectation-missed")["day"] == "2026-09-21"


def test_only_working_days_count(make: Make) -> None:
    world = make({})
    world.calendars["fr"] = Calendar(country="FR", closed=("2026-09-22",))
    world.apply({"x": flow(SFTP) + EXPECT + 'calendar = "fr"\n'})
    at(world, 21, 17)
    look_for_missing(world.hub)
    for day in range(22, 28):
        if day in (23, 24, 25):  # the others are closed, and a weekend
            at(world, day, 9)
            world.arrive(EDIFACT)
        at(world, day, 17)
        look_for_missing(world.hub)
    assert told(world) == []
    at(world, 28, 17)
    look_for_missing(world.hub)
    assert told(world) == ["missed"]


def test_what_waits_in_quarantine_has_not_come_and_a_paused_flow_expects_nothing(make: Make) -> None:
    world = expecting(make)
    world.arrive(b"MZ", name="a.edi")
    at(world, 21, 16, 1)
    look_for_missing(world.hub)
    assert told(world) == ["missed"]
    world.apply({"x": flow(SFTP, top='state = "paused"') + EXPECT})
    at(world, 22, 17)
    look_for_missing(world.hub)
    assert told(world) == ["missed"]


_WANTED = Expected(Expectation(name="n", by="18:00", at_least=2), Deadline(time(18), zone_of("UTC")), Names())


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8))
def test_a_day_is_missed_once_and_met_late_once(counts: list[tuple[int, int]]) -> None:
    met = Met(Instant(0))
    day = date(2026, 9, 21)
    on_time, in_all = 0, 0
    states = []
    for number, (early, more) in enumerate(counts):
        on_time = early if number == 0 else on_time  # the deadline passes once
        in_all = max(in_all, on_time + more)
        met = judge(_WANTED, met, day, on_time, in_all)
        states.append(met.state)
    states += [judge(_WANTED, met, day, on_time, in_all).state] if states else []
    changes = [state for state, before in zip(states, ["", *states], strict=False) if state != before]
    assert changes in ([], ["met"], ["missed"], ["missed", "late"])
    if states:
        assert (states[0] == "met") is (counts[0][0] >= 2)
        assert states[-1] != "missed" or in_all < 2


# Retention

KEEP = '[retention]\npayload = "30d"\n'


def test_bytes_go_when_everything_has_ended_for_long_enough(make: Make) -> None:
    world = make({"x": flow(SFTP, 'channel = "s3:elm"\npack = "gzip"') + KEEP})
    message = world.arrive(EDIFACT * 40)
    world.work()
    world.clock.forward(29 * 86400)
    assert retain(world.hub).deleted == 0
    world.clock.forward(2 * 86400)
    assert retain(world.hub).deleted == 1
    assert retain(world.hub).deleted == 0
    after = world.message(message.id)
    assert after.shredded
    assert [part.sha256 for part in after.parts] == [part.sha256 for part in message.parts]
    for each in (after, *world.children(message)):
        assert each.shredded == after.shredded
        assert world.events(each.id)[-1] == "message.shredded"
        with pytest.raises(BlobMissing), world.hub.blob(each.parts[0].blob):
            pass
    with pytest.raises(NotNow, match="deleted"):
        resend(world.hub, message.id, actor="operator:test", reason="again", force=True)


def test_what_has_not_ended_keeps_all_of_its_family(make: Make) -> None:
    world = make({"x": flow(SFTP, 'channel = "s3:elm"') + KEEP})
    world.servers["sftp"].refuses = True
    message = world.arrive(EDIFACT)
    world.work()
    world.clock.forward(100 * 86400)
    assert retain(world.hub).deleted == 0
    with world.hub.documents(message).__next__().reader:
        pass


def test_a_flow_that_keeps_for_ever_keeps_for_the_others(make: Make) -> None:
    world = make({"a": flow(SFTP) + KEEP, "b": flow('channel = "s3:elm"')})
    world.arrive(EDIFACT)
    world.work()
    world.clock.forward(100 * 86400)
    assert retain(world.hub).deleted == 0
    world.apply({"a": flow(SFTP) + KEEP, "b": flow('channel = "s3:elm"') + '[retention]\npayload = "200d"\n'})
    assert retain(world.hub).deleted == 0
    world.clock.forward(101 * 86400)
    assert retain(world.hub).deleted == 1


_STATES = st.sampled_from(list(MessageState))
_TERMS = st.sampled_from(["1d", "2d", "9d", "delivered", "archive", "forever"])


@given(
    st.lists(st.tuples(_STATES, st.integers(0, 20)), min_size=1, max_size=5),
    st.lists(st.tuples(_TERMS, st.none() | _TERMS), min_size=1, max_size=3),
    st.integers(0, 60),
)
def test_nothing_goes_too_early(
    family: list[tuple[MessageState, int]], flows: list[tuple[str, str | None]], now: int
) -> None:
    day = 86_400_000_000
    part = Part("b1", 0, 1, "00")
    messages = [
        Message(f"m{n}", Direction.IN, "p", "as2", f"i{n}", state, 0, updated * day, parts=(part,))  # type: ignore[arg-type]
        for n, (state, updated) in enumerate(family)
    ]
    terms = [
        Keeping.of_flow(Retention(payload=payload, undelivered=other), HubRetention())
        for payload, other in flows
    ]
    verdict = end_of(_Whole(), messages, terms)  # type: ignore[arg-type]
    if DataClass.PAYLOAD not in verdict.ready(Instant(now * day)):
        return
    states = {state.value for state, _ in family}
    assert states <= {"delivered", "given-up", "rejected"}
    days = {"1d": 1, "2d": 2, "9d": 9, "delivered": 0, "30d": 30}
    for payload, other in flows:
        word = payload
        if states != {"delivered"}:
            word = "30d" if (other or payload) == "delivered" else other or payload
        assert word in days
        assert all(updated + days[word] <= now for _, updated in family)


class _Whole:
    """A view in which nothing was deleted, and nothing is held."""

    def blob(self, id: str) -> object:
        return object()

    def message(self, id: str) -> None:
        return None


def test_remembered_content_is_forgotten(make: Make) -> None:
    world = make({"x": flow(SFTP, duplicates='window = "1d"')})
    world.arrive(EDIFACT)
    world.work()
    digest = world.hub.store.read(
        lambda view: view.digest_seen("x", bytes.fromhex(world.messages()[0].parts[0].sha256))
    )
    assert digest is not None
    world.clock.forward(2 * 86400)
    retain(world.hub)
    again = world.hub.store.read(
        lambda view: view.digest_seen("x", bytes.fromhex(world.messages()[0].parts[0].sha256))
    )
    assert again is None


def test_names_and_values_of_the_log_go_with_time(make: Make) -> None:
    world = make({"x": flow(SFTP) + '[retention]\npayload = "forever"\nnames = "30d"\n'})
    hub_wide = HubRetention(names="90d")
    book = FlowBook.read({"x": flow_of(flow(SFTP) + '[retention]\nnames = "30d"\n')}, {}, hub_wide)
    world.hub.flows = lambda: book
    message = world.arrive(EDIFACT, name="jane-doe.edi")
    world.work()
    world.hub.store.write(lambda tx: world.hub.event(tx, "flow.paused", "flow:x", {"reason": "jane rang"}))
    world.clock.forward(31 * 86400)
    assert retain(world.hub).values == 0
    assert world.message(message.id).parts[0].name == ""
    assert world.facts("flow:x", "flow.paused")["reason"] == "jane rang"
    world.clock.forward(60 * 86400)
    assert retain(world.hub).values == 1
    assert retain(world.hub).values == 0
    assert world.facts("flow:x", "flow.paused")["reason"] == "(erased)"


def test_delivered_at_once_and_refused_after_a_month(make: Make) -> None:
    world = make({"x": flow(SFTP) + '[retention]\npayload = "delivered"\n'})
    first = world.arrive(EDIFACT)
    world.work()
    world.clock.forward(1)
    assert retain(world.hub).deleted == 1
    assert world.message(first.id).shredded
    world.servers["sftp"].refuses = True
    second = world.arrive(EDIFACT + b"2")
    world.work()
    give_up(world.hub, second.id, actor="operator:test", reason="no more")
    assert retain(world.hub).deleted == 0
    world.clock.forward(31 * 86400)
    assert retain(world.hub).deleted == 1
    assert world.message(second.id).shredded


def test_what_nobody_decides_about_is_given_up(make: Make) -> None:
    world = make({"x": flow(SFTP)})
    book = FlowBook.read({"x": flow_of(flow(SFTP))}, {}, HubRetention(quarantined="10d", undelivered="5d"))
    world.hub.flows = lambda: book
    message = world.arrive(b"MZ\x90\x00" + bytes(200), name="order.edi")
    held = msgspec.structs.replace(world.message(message.id), state=MessageState.QUARANTINED)
    world.hub.store.write(lambda tx: tx.update_message(held))
    world.clock.forward(9 * 86400)
    assert retain(world.hub).given_up == 0
    world.clock.forward(2 * 86400)
    assert retain(world.hub).given_up == 1
    assert world.message(message.id).state is MessageState.GIVEN_UP
    world.clock.forward(6 * 86400)
    assert retain(world.hub).deleted == 0  # the flow keeps for ever what it relays
