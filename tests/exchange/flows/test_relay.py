"""A message that came is taken by the flows that it fits; what they make of it is sent, and it follows that."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from tests.support.flow_worlds import EDIFACT, World, flow

from ecluse.exchange.actions import give_up, release, resend, resume
from ecluse.exchange.flows import state
from ecluse.exchange.flows.tend import let_go_on
from ecluse.exchange.trace import trace
from ecluse.model.nouns import Direction
from ecluse.model.states import DeliveryState, MessageState

Make = Callable[..., World]

COLLECTING = """name = "Orders"
[from]
channel = "folder:orders"
[[to]]
channel = "as2:birch"
"""


def test_a_file_in_a_folder_reaches_a_partner_once(make: Make) -> None:
    world = make({"orders": COLLECTING})
    world.sources["folder"].put("orders", "order.edi", EDIFACT)
    done = world.collect("orders")
    assert (done.kept, done.failed) == (1, 0)
    assert world.sources["folder"].content("orders", "order.edi") is None
    world.work()
    parent, child = world.messages()
    assert world.arrived("as2") == [("as2:birch", "order.edi", EDIFACT)]
    assert (parent.direction, parent.state, parent.flow) == (Direction.IN, MessageState.DELIVERED, "orders")
    assert (child.direction, child.state, child.flow) == (Direction.OUT, MessageState.DELIVERED, "orders")
    assert (child.origin, child.reference) == (parent.id, "4711")
    (delivery,) = world.deliveries(parent)
    assert delivery.state is DeliveryState.CONFIRMED
    assert child.relay == delivery.id
    assert [part.blob for part in child.parts] == [part.blob for part in parent.parts], "no copy is made"
    assert world.events(parent.id) == [
        "message.accepted",
        "delivery.relayed",
        "delivery.confirmed",
        "message.delivered",
    ]
    assert world.collect("orders").kept == 0
    assert len(world.messages()) == 2


SFTP = 'channel = "sftp:cedar"'
S3 = 'channel = "s3:elm"'


def states(world: World, message: object) -> list[str]:
    return [each.state.value for each in world.deliveries(message)]  # type: ignore[arg-type]


def test_what_no_flow_takes_goes_to_the_inbox_as_before(make: Make) -> None:
    world = make({"x": flow(SFTP, source='channel = "as2:birch"\nnames = ["*.xml"]')}, inbox="folder:inbox")
    other = world.arrive(EDIFACT)
    taken = world.arrive(EDIFACT, name="a.XML")
    world.work()
    assert [each.channel for each in world.deliveries(other)] == ["folder:inbox"]
    assert [each.channel for each in world.deliveries(taken)] == ["sftp:cedar"]
    assert (other.flow, taken.flow) == ("", "x")


def test_every_target_of_every_flow_gets_its_own(make: Make) -> None:
    world = make(
        {
            "one": flow(SFTP, S3),
            "two": flow('channel = "folder:archive"\nname = "{partner}-{counter:3}{suffix}"'),
            "other": flow(SFTP, source='channel = "as2:cedar"'),
            "all": flow('channel = "account:elm"', source='channel = "as2:*"'),
        }
    )
    message = world.arrive(EDIFACT)
    world.work()
    assert sorted(
        world.arrived("sftp") + world.arrived("s3") + world.arrived("folder") + world.arrived("account")
    ) == [
        ("account:elm", "order.edi", EDIFACT),
        ("folder:archive", "birch-001.edi", EDIFACT),
        ("s3:elm", "order.edi", EDIFACT),
        ("sftp:cedar", "order.edi", EDIFACT),
    ]
    assert states(world, message) == ["confirmed"] * 4
    assert message.flow == "all"
    assert {child.flow for child in world.children(message)} == {"all", "one", "two"}


@pytest.mark.parametrize(
    "source, taken",
    [
        ('names = ["ORD*"]', True),
        ('names = ["ord*", "x"]\nnot_names = ["*.edi"]', False),
        ('types = ["edifact"]', True),
        ('types = ["x12", "xml"]', False),
        ('max_size = "10 B"', False),
        ('min_size = "1 KiB"', False),
        ('partners = ["birch"]', True),
        ('partners = ["cedar"]', False),
        ('folder = "inbound/orders"', True),
        ('folder = "inbound"', False),
        ('folder = "inbound"\nrecursive = true', True),
        ('folder = "inbound/order"\nrecursive = true', False),
    ],
)
def test_filters(make: Make, source: str, taken: bool) -> None:
    world = make({"x": flow(SFTP, source=f'channel = "account:birch"\n{source}')})
    message = world.arrive(EDIFACT, protocol="account", folder="inbound/orders")
    assert bool(world.deliveries(message)) is taken
    assert bool(world.plan("x").refusal(message)) is not taken


def test_names_subjects_and_folders(make: Make) -> None:
    target = (
        'channel = "sftp:cedar"\nfolder = "in"\n'
        'name = "{reference}_{stem}-{date:%Y%m%d}-{counter:4}{suffix}"\nsubject = "{flow}: {partner} {id}"'
    )
    world = make({"x": flow(target, top='timezone = "Pacific/Kiritimati"')})
    first, second = world.arrive(EDIFACT), world.arrive(b"none", name="a b?.txt")
    world.work()
    day = "20260922"  # 14:13 UTC on the 21st is the next day there
    names = sorted(name for _, name, _ in world.arrived("sftp"))
    assert names == sorted(
        [f"in/4711_order-{day}-0001.edi", f"in/{second.id}_a b_-{day}-0002.txt"]
    ) or names == sorted([f"in/4711_order-{day}-0002.edi", f"in/{second.id}_a b_-{day}-0001.txt"])
    (child,) = world.children(first)
    assert child.subject == f"x: birch {first.id}"


def test_packed_and_unpacked(make: Make) -> None:
    import gzip
    import io
    import zipfile

    world = make(
        {
            "pack": flow(
                SFTP + '\npack = "gzip"', S3 + '\npack = "zip"\nname = "{stem}.zip"', 'channel = "folder:x"'
            )
        }
    )
    message = world.arrive(EDIFACT, b"second")
    world.work()
    assert states(world, message) == ["confirmed"] * 3
    packed = {name: gzip.decompress(data) for _, name, data in world.arrived("sftp")}
    assert packed == {"order.edi.gz": EDIFACT, "1-order.edi.gz": b"second"}
    ((_, name, data),) = world.arrived("s3")
    assert name == "order.zip"
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert {each: archive.read(each) for each in archive.namelist()} == {
        "order.edi": EDIFACT,
        "1-order.edi": b"second",
    }
    assert [data for _, _, data in world.arrived("folder")] == [EDIFACT, b"second"]
    (sftp,) = [child for child in world.children(message) if child.protocol == "sftp"]
    assert {part.content_type for part in sftp.parts} == {"application/gzip"}

    world.apply(
        {"in": flow(SFTP, open='unpack = "gzip"'), "zip": flow(S3 + "\napart = true", open='unpack = "zip"')}
    )
    world.servers["sftp"].files.clear()
    world.servers["s3"].files.clear()
    world.arrive(gzip.compress(EDIFACT), name="order.edi.gz")
    world.arrive(data, name="batch.zip")
    world.work_on()
    assert world.arrived("sftp") == [("sftp:cedar", "order.edi", EDIFACT)]
    assert sorted(name for _, name, _ in world.arrived("s3")) == ["1-order.edi", "order.edi"]
    assert (
        len(
            {
                child.protocol_id
                for each in world.messages()
                for child in world.children(each)
                if child.protocol == "s3"
            }
        )
        == 3
    )


def test_openpgp_is_opened_and_applied(make: Make) -> None:
    world = make(
        {
            "in": flow(
                SFTP + '\nopenpgp = "sign-and-encrypt"\npack = "gzip"',
                'channel = "folder:clear"',
                source='channel = "as2:birch"\ntypes = ["edifact"]',
                open="openpgp = true",
            )
        }
    )
    message = world.arrive(b"SEALED" + EDIFACT[::-1], name="order.edi.pgp")
    stranger = world.arrive(b"in clear", name="x.edi.pgp")
    wrong = world.arrive(b"SEALED" + b"%PDF-1.7"[::-1], name="x.pdf.pgp")
    world.work()
    assert [(name, data) for _, name, data in world.arrived("folder")] == [("order.edi", EDIFACT)]
    ((_, name, data),) = world.arrived("sftp")
    assert (name, data[:6]) == ("order.edi.gz.pgp", b"SEALED")
    assert states(world, message) == ["confirmed", "confirmed"]
    assert world.facts(message.id, "delivery.relayed")["opened"] == "openpgp"
    assert world.message(stranger.id).state is MessageState.FAILED
    assert world.message(stranger.id).reason_code == "twin.not-for-us"
    assert world.events(stranger.id).count("delivery.dead") == 2, "it does not change by waiting"
    assert world.message(wrong.id).reason_code == "flow.not-taken"


def test_openpgp_is_held_to_the_limits_of_the_flow(make: Make) -> None:
    world = make(
        {"in": flow(SFTP, source='channel = "as2:birch"', open='openpgp = true\nmax_size = "100 B"')}
    )
    message = world.arrive(b"SEALED" + b"x" * 101, name="order.edi.pgp")
    world.work()
    assert not world.arrived("sftp")
    assert world.message(message.id).state is MessageState.FAILED


def test_a_parent_follows_its_children(make: Make) -> None:
    world = make({"x": flow(SFTP, S3)})
    world.servers["sftp"].refuses = True
    message = world.arrive(EDIFACT)
    world.work()
    assert sorted(states(world, message)) == ["confirmed", "refused"]
    after = world.message(message.id)
    assert (after.state, after.reason_code) == (MessageState.FAILED, "twin.refused")
    world.servers["sftp"].refuses = False
    again = resend(world.hub, message.id, actor="operator:test", reason="they mended it")
    assert len(again) == 1
    assert sorted(states(world, message)) == ["confirmed", "sent"]
    assert world.message(message.id).state is MessageState.ACCEPTED
    world.work()
    assert world.message(message.id).state is MessageState.DELIVERED
    assert len(world.children(message)) == 2, "a child is sent again, and not made again"
    assert len(world.arrived("sftp")) == len(world.arrived("s3")) == 1


def test_a_child_may_be_decided_about_by_itself(make: Make) -> None:
    world = make({"x": flow(SFTP)})
    world.servers["sftp"].refuses = True
    message = world.arrive(EDIFACT)
    world.work()
    (child,) = world.children(message)
    give_up(world.hub, child.id, actor="operator:test", reason="by post")
    assert world.message(message.id).state is MessageState.GIVEN_UP
    world.servers["sftp"].refuses = False
    resend(world.hub, child.id, actor="operator:test", reason="after all")
    assert world.message(message.id).state is MessageState.ACCEPTED
    world.work()
    assert world.message(message.id).state is MessageState.DELIVERED


def test_giving_a_parent_up_stops_its_children(make: Make) -> None:
    world = make({"x": flow(SFTP, S3)})
    world.servers["sftp"].away = True
    message = world.arrive(EDIFACT)
    world.work()
    give_up(world.hub, message.id, actor="operator:test", reason="enough")
    world.servers["sftp"].away = False
    world.work_on(5)
    assert world.arrived("sftp") == []
    assert {child.state.value for child in world.children(message)} == {"given-up", "delivered"}
    assert sorted(states(world, message)) == ["confirmed", "given-up"]
    assert world.message(message.id).state is MessageState.GIVEN_UP
    again = resend(world.hub, message.id, actor="operator:test", reason="no, do")
    assert [delivery.channel for delivery in again] == ["sftp:cedar"]
    world.work()
    assert world.message(message.id).state is MessageState.DELIVERED


def test_resume_wakes_what_waits_anywhere(make: Make) -> None:
    world = make({"x": flow(SFTP)})
    world.servers["sftp"].away = True
    message = world.arrive(EDIFACT)
    world.work()
    world.servers["sftp"].away = False
    assert len(resume(world.hub, message.id, actor="operator:test", reason="back")) == 1
    world.work()
    assert world.message(message.id).state is MessageState.DELIVERED


def test_a_flow_that_is_gone_waits_for_it_to_come_back(make: Make) -> None:
    world = make({"x": flow(SFTP)})
    message = world.arrive(EDIFACT)
    world.apply({})
    world.work()
    (delivery,) = world.deliveries(message)
    assert (delivery.state, delivery.reason_code) == (DeliveryState.WAITING, "flow.gone")
    world.apply({"x": flow(S3, SFTP)})
    world.work_on(1)
    assert [channel for channel, _, _ in world.arrived("sftp")] == ["sftp:cedar"], (
        "by its channel, not its place"
    )
    assert world.arrived("s3") == []


def test_a_paused_flow_keeps_and_waits(make: Make) -> None:
    world = make({"x": flow(SFTP)})
    state.pause(world.hub, "x", actor="operator:test", reason="they move")
    messages = [world.arrive(EDIFACT + bytes([n])) for n in range(3)]
    world.work_on(1)
    assert world.arrived("sftp") == []
    assert world.deliveries(messages[0])[0].reason_code == "flow.paused"
    assert world.events(messages[0].id).count("delivery.held") == 1
    assert state.resume(world.hub, "x", actor="operator:test", reason="done") == 3
    world.work()
    assert len(world.arrived("sftp")) == 3


def test_a_flow_paused_by_its_file_goes_on_when_the_file_says_so(make: Make) -> None:
    world = make({"x": flow(SFTP, top='state = "paused"')})
    world.arrive(EDIFACT)
    world.work()
    assert world.arrived("sftp") == []
    world.apply({"x": flow(SFTP)})
    assert let_go_on(world.hub) == 1
    world.work()
    assert len(world.arrived("sftp")) == 1
    assert let_go_on(world.hub) == 0


@pytest.mark.parametrize("mode", ["wait", "continue"])
def test_documents_of_one_key_keep_their_order(make: Make, mode: str) -> None:
    world = make(
        {"x": flow(SFTP, source='channel = "as2:*"', order=f'key = "{{partner}}"\non_failure = "{mode}"')}
    )
    world.servers["sftp"].away = True
    first = world.arrive(b"1")
    second, third = world.arrive(b"2"), world.arrive(b"3")
    world.work()
    assert [world.deliveries(each)[0].reason_code for each in (second, third)] == ["flow.in-order"] * 2
    world.servers["sftp"].away = False
    world.servers["sftp"].refuses = True
    world.work_on(1)
    world.servers["sftp"].refuses = False
    assert world.message(first.id).state is MessageState.FAILED
    if mode == "wait":
        other = world.arrive(b"other", partner="elm")
        world.work_on(1)
        assert [data for _, _, data in world.arrived("sftp")] == [b"other"], "another key does not wait"
        give_up(world.hub, first.id, actor="operator:test", reason="never mind")
        world.work_on(1)
        assert [data for _, _, data in world.arrived("sftp")] == [b"other", b"2", b"3"]
        assert world.message(other.id).state is MessageState.DELIVERED
    else:
        assert world.message(second.id).state is MessageState.FAILED, "it did not wait"
        resend(world.hub, third.id, actor="operator:test", reason="mended")
        world.work_on(1)
        assert [data for _, _, data in world.arrived("sftp")] == [b"3"]


@pytest.mark.parametrize(
    "action, state_, arrived",
    [("deliver", "delivered", 2), ("skip", "given-up", 1), ("quarantine", "quarantined", 1)],
)
def test_the_same_content_again(make: Make, action: str, state_: str, arrived: int) -> None:
    world = make({"x": flow(SFTP, duplicates=f'window = "1d"\naction = "{action}"')})
    first = world.arrive(EDIFACT)
    world.work()
    again = world.arrive(EDIFACT, name="another.edi")
    world.work()
    assert world.message(again.id).state.value == state_
    assert len(world.arrived("sftp")) == arrived
    assert world.facts(again.id, "flow.duplicate")["first"] == first.id
    if action == "quarantine":
        release(world.hub, again.id, actor="operator:test", reason="meant so")
        world.work()
        assert world.message(again.id).state is MessageState.DELIVERED
    elif action == "skip":
        assert world.deliveries(again)[0].reason_code == "flow.duplicate"
    world.clock.forward(2 * 86400)
    later = world.arrive(EDIFACT)
    world.work()
    assert world.message(later.id).state is MessageState.DELIVERED, "the window is over"


def test_duplicates_are_told_by_what_is_inside(make: Make) -> None:
    import gzip

    world = make({"x": flow(SFTP, S3, open='unpack = "gzip"', duplicates='action = "quarantine"')})
    world.arrive(gzip.compress(EDIFACT, 1))
    world.work()
    again = world.arrive(gzip.compress(EDIFACT, 9), name="b.gz")
    world.work()
    assert world.message(again.id).state is MessageState.QUARANTINED
    assert len(world.arrived("sftp")) == len(world.arrived("s3")) == 1


def test_content_that_was_given_up_is_no_first(make: Make) -> None:
    world = make({"x": flow(SFTP, duplicates="")})
    world.servers["sftp"].refuses = True
    first = world.arrive(EDIFACT)
    world.work()
    give_up(world.hub, first.id, actor="operator:test", reason="wrong")
    world.servers["sftp"].refuses = False
    again = world.arrive(EDIFACT)
    world.work()
    assert world.message(again.id).state is MessageState.DELIVERED


def test_what_is_released_from_quarantine_goes_to_its_flow(make: Make) -> None:
    world = make({"x": flow(SFTP)})
    message = world.arrive(b"MZ a program", name="x.exe")
    assert message.state is MessageState.QUARANTINED
    world.work()
    release(world.hub, message.id, actor="operator:test", reason="agreed")
    world.work()
    assert world.message(message.id).state is MessageState.DELIVERED
    assert world.message(message.id).flow == "x"


@pytest.mark.parametrize(("inside", "code"), [(b"MZ a program", "inspect.program"), (b"", "inspect.empty")])
def test_what_is_inside_is_inspected_too(make: Make, inside: bytes, code: str) -> None:
    import gzip

    world = make({"x": flow(SFTP, S3, open='unpack = "gzip"')})
    message = world.arrive(gzip.compress(inside), name="x.exe.gz")
    assert message.state is MessageState.ACCEPTED
    world.work()
    assert not world.arrived("sftp")
    held = world.message(message.id)
    assert (held.state, held.reason_code) == (MessageState.QUARANTINED, code)
    release(world.hub, message.id, actor="operator:test", reason="agreed")
    world.work()
    assert world.message(message.id).state is MessageState.DELIVERED
    assert len(world.arrived("sftp")) == len(world.arrived("s3")) == 1


def test_a_relay_that_is_repeated_finds_its_own_child(make: Make) -> None:
    """The lease was lost without anybody's knowing: two nodes relay the same delivery."""
    world = make({"x": flow(SFTP)})
    message = world.arrive(EDIFACT)
    (delivery,) = world.deliveries(message)
    world.work()
    # The job comes back from the dead, and the delivery with it.
    stale = msgspec.structs.replace(delivery, state=DeliveryState.WAITING)
    world.hub.store.write(lambda tx: tx.update_delivery(stale))
    world.hub.store.write(lambda tx: tx.wake_job(f"deliver:{delivery.id}", world.clock()))
    world.work()
    assert len(world.children(message)) == 1
    assert states(world, message) == ["confirmed"]


def test_the_life_is_one_whichever_is_asked_for(make: Make) -> None:
    world = make({"x": flow(SFTP, S3)})
    message = world.arrive(EDIFACT)
    world.work()
    (child, other) = world.children(message)
    lives = [trace(world.hub.store, each.id) for each in (message, child, other)]
    assert {life.message.id for life in lives} == {message.id}
    assert [life.asked for life in lives] == [message.id, child.id, other.id]
    assert {branch.message.id for branch in lives[0].branches} == {child.id, other.id}
    kinds = [step.kind for step in lives[1].steps]
    assert kinds[0] == "message.accepted"
    assert kinds[-1] == "message.delivered"
    assert kinds.count("delivery.relayed") == 2
    assert [step.at for step in lives[0].steps] == sorted(step.at for step in lives[0].steps)
    facts = lives[2].as_dict()
    assert [each["receipts"][0]["verdict"] for each in facts["children"]] == ["confirmed", "confirmed"]
    alone = trace(world.hub.store, child.id, whole=False)
    assert (alone.message.id, alone.branches) == (child.id, [])
