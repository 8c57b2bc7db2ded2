"""Disposal: two signatures over a list, everything asked again, a certificate, and nothing that a hold holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.archives import ArchiveWorld, Person, profile

from ecluse.archive.clock import ClockDoubted, ClockWatch, confirm_clock
from ecluse.archive.deposit import body_of
from ecluse.archive.destroying import run
from ecluse.archive.disposal import (
    Disposal,
    DisposalOver,
    NothingToDispose,
    approve,
    disposal_record,
    disposals,
    find_disposal,
    propose,
    refuse,
)
from ecluse.archive.holding import BadHold, all_holds, held, place_hold, release_hold
from ecluse.archive.holds import Criteria, holds_of
from ecluse.archive.signing import NotAllowed
from ecluse.archive.statement import check_statement
from ecluse.blobs.port import BlobMissing
from ecluse.model.archive import Archived, ArchiveState, BytesState
from ecluse.wire.sshsig import BadSshSignature

replace = msgspec.structs.replace
YEAR = 366 * 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ArchiveWorld]:
    made = ArchiveWorld(tmp_path, invoices=profile(retention="1y"))
    yield made
    made.close()


def old(world: ArchiveWorld, **changes: Any) -> Archived:
    """A document whose message has ended; years later its retention is over."""
    world.clock.forward(1)  # ids sort by time
    row = world.archived(**changes)
    world.ended(row)
    return row


def years(world: ArchiveWorld, count: int = 2) -> None:
    world.clock.forward(count * YEAR)
    confirm_clock(world.room, actor="operator:anne", reason="it really is so late")


def proposed(world: ArchiveWorld, **changes: Any) -> Disposal:
    return propose(world.room, actor="operator:carl", reason="yearly", **changes)


def signed(world: ArchiveWorld, disposal: Disposal, *people: Person) -> Disposal:
    for person in people or (world.anne, world.bea):
        text = disposal.statement(person.operator.name)
        disposal = approve(world.room, disposal.id, person.operator.name, person.sign(text))
    return disposal


def is_gone(world: ArchiveWorld, row: Archived) -> bool:
    return world.hub.store.read(lambda view: view.blob_key(row.blob)) is None


def test_what_two_administrators_signed_is_destroyed_with_a_certificate(world: ArchiveWorld) -> None:
    rows = [old(world), old(world)]
    years(world)
    young = old(world)
    disposal = proposed(world)
    assert [item.archive for item in disposal.items] == [row.id for row in rows]
    signed(world, disposal)
    done = run(world.room, disposal.id, actor="operator:anne")
    assert done.certificate is not None
    said = check_statement(done.certificate, world.note_key)
    assert [each["archive"] for each in said["destroyed"]] == [row.id for row in rows]
    assert said["list_sha256"] == disposal.list_sha256
    assert len(said["approved"]) == 2
    assert "anne" not in done.certificate.text
    for row in rows:
        after = world.row(row)
        assert after.state is ArchiveState.DISPOSED
        assert is_gone(world, row)
        assert (after.reference, after.amount, after.refs) == ("", None, ())
        body = body_of(after)
        assert (body.name, body.receipt, body.disposal) == ("", None, disposal.id)
        assert body.receipt_sha256
        assert world.kinds(row.id)[-1] == "archive.disposed"
        assert "message.shredded" in world.kinds(row.message)
        kept = world.hub.store.read(lambda view, row=row: view.archive_bytes(row.blob))  # type: ignore[misc]
        assert kept is not None
        assert (kept.state, kept.due) == (BytesState.GONE, None)
    assert not is_gone(world, young)
    assert world.kinds(disposal.id) == [
        "archive.disposal-proposed",
        "archive.disposal-approved",
        "archive.disposal-approved",
        "archive.disposal-begun",
        "archive.destroyed",
    ]
    assert run(world.room, disposal.id, actor="operator:anne") == done


def test_nothing_goes_before_its_time_or_by_another_end_action(world: ArchiveWorld) -> None:
    row = old(world)
    with pytest.raises(NothingToDispose):
        proposed(world)
    years(world)
    world.change(at_end="keep")
    with pytest.raises(NothingToDispose):
        proposed(world)
    world.change(at_end="review")
    with pytest.raises(NothingToDispose):
        proposed(world)
    assert proposed(world, ids=[row.id]).items
    world.change(at_end="dispose", retention="10y")  # what was promised longer since counts
    with pytest.raises(NothingToDispose):
        proposed(world)


def test_one_signature_is_not_enough_and_the_same_person_counts_once(world: ArchiveWorld) -> None:
    row = old(world)
    years(world)
    disposal = proposed(world)
    signed(world, disposal, world.anne)
    with pytest.raises(DisposalOver):
        run(world.room, disposal.id, actor="operator:anne")
    with pytest.raises(NotAllowed) as raised:
        signed(world, disposal, world.anne)
    assert raised.value.code == "archive.own-approval"
    assert not is_gone(world, row)


def test_a_signature_of_somebody_else_or_over_something_else_does_not_count(world: ArchiveWorld) -> None:
    old(world)
    years(world)
    disposal = proposed(world)
    stranger, runner = Person("anne", "archive"), Person("dora", "run")
    world.book = type(world.book)(
        world.book.settings, world.book.profiles, operators=(*world.book.operators, runner.operator)
    )
    with pytest.raises(NotAllowed):
        signed(world, disposal, stranger)
    with pytest.raises(NotAllowed):
        signed(world, disposal, runner)
    text = disposal.statement("anne")
    with pytest.raises(BadSshSignature):
        approve(world.room, disposal.id, "anne", world.anne.sign(text.replace("documents 1", "documents 2")))
    with pytest.raises(BadSshSignature):
        approve(world.room, disposal.id, "anne", world.anne.sign(text, "ecluse-change"))


def test_a_list_that_was_changed_after_it_was_signed_destroys_nothing(world: ArchiveWorld) -> None:
    victim, row = old(world), old(world)
    years(world)
    disposal = signed(world, proposed(world, ids=[row.id]))
    item = replace(disposal.items[0], archive=victim.id, message=victim.message, sha256=victim.sha256.hex())
    forged = replace(disposal, items=(item,))
    world.hub.store.write(lambda tx: tx.put_record(disposal_record(forged, "approved", world.clock())))
    with pytest.raises(NotAllowed):
        run(world.room, disposal.id, actor="operator:anne")
    assert not is_gone(world, victim)


def test_an_operator_who_left_signs_nothing_any_more(world: ArchiveWorld) -> None:
    old(world)
    years(world)
    disposal = signed(world, proposed(world))
    world.book = type(world.book)(world.book.settings, world.book.profiles, operators=(world.anne.operator,))
    with pytest.raises(NotAllowed):
        run(world.room, disposal.id, actor="operator:anne")


def test_a_hold_that_came_after_the_signatures_keeps_it_back(world: ArchiveWorld) -> None:
    row, other = old(world), old(world, partner="cedar")
    years(world)
    disposal = signed(world, proposed(world))
    place_hold(
        world.room, Criteria(partner="birch"), reason="a dispute", reference="TC 26/17", actor="operator:anne"
    )
    done = run(world.room, disposal.id, actor="operator:anne")
    assert done.ended == "1 destroyed, 1 kept back"
    assert done.certificate is not None
    (kept,) = check_statement(done.certificate, world.note_key)["kept_back"]
    assert kept == {"archive": row.id, "why": "It is held for TC 26/17."}
    assert not is_gone(world, row)
    assert world.row(row).state is ArchiveState.KEPT
    assert "archive.disposed" not in world.kinds(row.id)
    assert is_gone(world, other)


def test_what_is_held_is_not_proposed(world: ArchiveWorld) -> None:
    row = old(world)
    years(world)
    hold = place_hold(
        world.room, Criteria(ids=(row.id,)), reason="an audit", reference="DGFiP", actor="operator:anne"
    )
    assert world.kinds(row.id)[-1] == "archive.held"
    assert world.hub.store.read(lambda view: [each.id for each in holds_of(view, row)]) == [hold.id]
    assert world.hub.store.read(lambda view: [each.id for each in held(view, hold)]) == [row.id]
    with pytest.raises(NothingToDispose):
        proposed(world)
    release_hold(world.room, hold.id, reason="it is over", actor="operator:bea")
    assert world.kinds(row.id)[-1] == "archive.released"
    assert world.kinds(hold.id) == ["archive.held", "archive.released"]
    assert world.hub.store.read(lambda view: all_holds(view, released=False)) == []
    assert len(world.hub.store.read(lambda view: all_holds(view, released=True))) == 1
    assert proposed(world).items
    with pytest.raises(BadHold):
        release_hold(world.room, hold.id, reason="again", actor="operator:bea")


def test_what_comes_later_is_under_a_standing_hold_too(world: ArchiveWorld) -> None:
    hold = place_hold(
        world.room,
        Criteria(type="invoice", partner="birch"),
        reason="r",
        reference="x",
        actor="operator:anne",
    )
    row = old(world)
    assert world.hub.store.read(lambda view: [each.id for each in holds_of(view, row)]) == [hold.id]


@pytest.mark.parametrize(
    "criteria", [Criteria(), Criteria(ids=("m-none",)), Criteria(type="poem"), Criteria(ids=("m",) * 1001)]
)
def test_a_hold_on_nothing_is_none(world: ArchiveWorld, criteria: Criteria) -> None:
    with pytest.raises(BadHold):
        place_hold(world.room, criteria, reason="r", reference="x", actor="operator:anne")
    assert world.hub.store.read(lambda view: all_holds(view, released=True)) == []


def test_a_message_that_is_under_way_is_kept_back(world: ArchiveWorld) -> None:
    row = world.archived()
    years(world)
    disposal = signed(world, proposed(world))
    done = run(world.room, disposal.id, actor="operator:anne")
    assert done.ended == "0 destroyed, 1 kept back"
    assert not is_gone(world, row)


def test_documents_of_one_message_go_together_or_not_at_all(world: ArchiveWorld) -> None:
    message = world.came(b"one", b"two")
    world.work()
    first, second = world.rows(message)
    world.ended(first)
    years(world)
    disposal = signed(world, proposed(world, ids=[first.id]))
    assert run(world.room, disposal.id, actor="operator:anne").ended == "0 destroyed, 1 kept back"
    assert [world.row(each).state for each in (first, second)] == [ArchiveState.KEPT] * 2
    both = signed(world, proposed(world))
    assert run(world.room, both.id, actor="operator:anne").ended == "2 destroyed, 0 kept back"


def test_a_run_that_was_cut_is_gone_on_with(world: ArchiveWorld) -> None:
    rows = [old(world) for _ in range(3)]
    years(world)
    disposal = signed(world, proposed(world))
    looks = iter(["", ""])

    class Cut(Exception):
        pass

    def check() -> None:
        if next(looks, None) is None:
            raise Cut

    with pytest.raises(Cut):
        run(world.room, disposal.id, actor="operator:anne", check=check)
    assert [is_gone(world, row) for row in rows] == [True, True, False]
    assert [state for state, _ in world.hub.store.read(disposals)] == ["running"]
    with pytest.raises(DisposalOver):
        refuse(world.room, disposal.id, actor="operator:anne", reason="too late")
    done = run(world.room, disposal.id, actor="hub")
    assert done.ended == "3 destroyed, 0 kept back"
    assert [is_gone(world, row) for row in rows] == [True] * 3


def test_it_may_be_refused_and_its_time_ends(world: ArchiveWorld) -> None:
    old(world)
    years(world)
    first = proposed(world)
    refuse(world.room, first.id, actor="operator:anne", reason="not this year")
    with pytest.raises(DisposalOver):
        signed(world, first)
    second = signed(world, proposed(world))
    world.clock.forward(31 * 86_400)
    confirm_clock(world.room, actor="operator:anne", reason="yes")
    with pytest.raises(DisposalOver):
        run(world.room, second.id, actor="operator:anne")
    assert world.hub.store.read(lambda view: find_disposal(view, first.id))[0].state == "refused"


# --- the clock ------------------------------------------------------------------------------------------------


def test_no_retention_ends_because_the_clock_jumped(world: ArchiveWorld) -> None:
    row = old(world)
    watch = ClockWatch(world.room, lambda: world.clock.now / 1_000_000)
    assert watch.beat() == ""
    world.clock.forward(2 * YEAR)
    with pytest.raises(ClockDoubted):
        proposed(world)
    assert "jumped" in watch.beat()
    assert world.kinds("clock") == ["archive.clock-doubted"]
    watch.beat()
    assert world.kinds("clock") == ["archive.clock-doubted"], "told once"
    confirm_clock(world.room, actor="operator:anne", reason="compared with a radio clock")
    disposal = signed(world, proposed(world))
    world.clock.forward(-YEAR)
    with pytest.raises(ClockDoubted):
        run(world.room, disposal.id, actor="operator:anne")
    assert not is_gone(world, row)


def test_a_clock_that_was_set_while_the_hub_ran_is_noticed(world: ArchiveWorld) -> None:
    steady = [0.0]
    watch = ClockWatch(world.room, lambda: steady[0])
    watch.beat()
    world.clock.forward(60)
    steady[0] += 60
    assert watch.beat() == ""
    world.clock.forward(3600)
    steady[0] += 60
    assert "set by 3540 seconds" in watch.beat()


def test_a_head_from_the_future_counts_until_a_person_has_looked(world: ArchiveWorld) -> None:
    from ecluse.archive.clock import doubt_of
    from ecluse.model.nouns import Checkpoint

    now = world.clock()
    world.hub.store.write(
        lambda tx: tx.add_checkpoint(Checkpoint(1, bytes(32), b"n", now + YEAR * 1_000_000))
    )
    assert "ran back" in world.hub.store.read(lambda view: doubt_of(view, world.room, now))
    confirm_clock(world.room, actor="operator:anne", reason="the other clock was wrong")
    assert world.hub.store.read(lambda view: doubt_of(view, world.room, world.clock())) == ""


def test_where_authorities_stamp_the_log_one_of_them_has_to_have_said_so(world: ArchiveWorld) -> None:
    from ecluse.archive.clock import doubt_of
    from ecluse.evidence.stamps.keeping import STATE, AuthorityState
    from ecluse.model.records import Record

    def doubt() -> str:
        return world.hub.store.read(lambda view: doubt_of(view, world.room, world.clock()))

    def stamped(time: int) -> None:
        body = msgspec.json.encode(AuthorityState(asked=time, kept=time, time=time))  # type: ignore[arg-type]
        world.hub.store.write(lambda tx: tx.put_record(Record(STATE, "alder", world.clock(), body)))

    world.book = replace_book(world, authorities=("alder", "never-asked"))
    watch = ClockWatch(world.room, lambda: world.clock.now / 1_000_000)
    stamped(world.clock())
    assert watch.beat() == ""
    for _ in range(8):  # a day at a time: the hub's own notes follow
        world.clock.forward(86_400)
        beaten = watch.beat()
    assert "no authority has stamped the log" in beaten
    stamped(world.clock())
    assert "no authority" in doubt(), "a doubt stays until a person has looked"
    confirm_clock(world.room, actor="operator:anne", reason="compared")
    assert doubt() == ""
    stamped(world.clock() + 3_600_000_000)
    assert "ran back" in doubt()


def replace_book(world: ArchiveWorld, **changes: Any) -> Any:
    import dataclasses

    return dataclasses.replace(world.book, **changes)


def test_what_was_destroyed_is_not_read(world: ArchiveWorld) -> None:
    from ecluse.archive.consult import consult

    row = old(world)
    years(world)
    disposal = signed(world, proposed(world))
    run(world.room, disposal.id, actor="operator:anne")
    with pytest.raises(BlobMissing) as raised, consult(world.room, row.id, reason="x", actor="operator:os"):
        pass
    assert raised.value.code == "archive.destroyed"
