"""What is next in a rotation: tables, times, and what partners are seen to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ecluse.trust.rotation.facts import Rotation, Standing
from ecluse.trust.rotation.states import (
    ENDED,
    MOVES,
    STAGES,
    PartnerStage,
    RotationState,
    WrongMoment,
    check_move,
    check_stage,
)
from ecluse.trust.rotation.steps import Facts, advance, announced_to, judge_receipt, late, revert, switch

S = 1_000_000
DAY = 86_400 * S
NOW = 1_800_000_000 * S


def rotation(**more):
    given = {"id": "next", "old": "main", "new": "next", "places": ("as2",), "begun": NOW, **more}
    return Rotation(**given)


def standing(name="birch", **more):
    return Standing(**{"rotation": "next", "partner": name, "places": ("as2",), **more})


def facts(*names, now=NOW, seen=(), in_force=True, places=("as2",)):
    return Facts(now, in_force, False, dict.fromkeys(names, places), dict.fromkeys(seen, NOW))


def by_name(*standings):
    return {each.partner: each for each in standings}


def kinds(moved):
    return [(each.kind, each.partner) for each in moved.tell]


def test_tables_lead_everywhere_and_end():
    assert all(MOVES[state] == frozenset() for state in ENDED)
    assert all(RotationState.ABANDONED in after for state, after in MOVES.items() if state not in ENDED)
    assert set(MOVES) == set(RotationState)
    assert set(STAGES) == set(PartnerStage)
    assert STAGES[PartnerStage.REVERTED] == {PartnerStage.SWITCHED}
    with pytest.raises(WrongMoment):
        check_move(RotationState.RETIRED, RotationState.ANNOUNCED)
    with pytest.raises(WrongMoment):
        check_stage(PartnerStage.UNTOLD, PartnerStage.REVERTED)


def test_nothing_happens_before_the_configuration_accepts_both():
    moved = advance(rotation(), {}, facts("birch", in_force=False))
    assert (moved.rotation.state, moved.standings, moved.announce) == (RotationState.PREPARED, (), ())


def test_overlap_then_partners_are_told():
    moved = advance(rotation(), {}, facts("birch", "cedar"))
    assert moved.rotation.state is RotationState.OVERLAP
    assert moved.announce == ("birch", "cedar")
    assert kinds(moved) == [("rotation.overlapped", "")]


def test_who_is_seen_to_use_it_is_switched():
    held = by_name(standing(stage=PartnerStage.TOLD), standing("cedar", stage=PartnerStage.TOLD))
    moved = advance(rotation(state=RotationState.ANNOUNCED), held, facts("birch", "cedar", seen=["cedar"]))
    assert [(each.partner, each.stage) for each in moved.standings] == [("cedar", PartnerStage.SWITCHED)]
    assert kinds(moved) == [("rotation.seen", "cedar"), ("rotation.switched", "cedar")]
    assert moved.standings[0].switched == NOW
    assert moved.standings[0].seen == NOW


def test_by_time_alone_a_partner_that_is_seen_waits():
    at = rotation(state=RotationState.ANNOUNCED, policy="time", switch_at=NOW + DAY)
    held = by_name(standing(stage=PartnerStage.TOLD))
    moved = advance(at, held, facts("birch", seen=["birch"]))
    assert moved.standings[0].stage is PartnerStage.SEEN
    moved = advance(at, by_name(*moved.standings), facts("birch", now=NOW + DAY))
    assert moved.standings[0].stage is PartnerStage.SWITCHED


@pytest.mark.parametrize("stage", [PartnerStage.UNTOLD, PartnerStage.REFUSED, PartnerStage.REVERTED])
def test_a_set_time_does_not_switch_who_does_not_have_it(stage):
    at = rotation(state=RotationState.ANNOUNCED, switch_at=NOW)
    held = standing(stage=stage)
    moved = advance(at, by_name(held), facts("birch"))
    assert moved.standings == ()
    assert late(at, held, NOW)
    assert not late(at, held, NOW - 1)


def test_by_hand_nothing_is_switched_by_itself():
    at = rotation(state=RotationState.ANNOUNCED, policy="hand", switch_at=NOW)
    moved = advance(at, by_name(standing(stage=PartnerStage.SEEN, seen=NOW)), facts("birch"))
    assert moved.standings == ()


def test_complete_then_retired_after_the_time_of_grace():
    held = by_name(standing(stage=PartnerStage.SWITCHED, switched=NOW))
    moved = advance(rotation(state=RotationState.ANNOUNCED, grace=60), held, facts("birch"))
    assert moved.rotation.state is RotationState.COMPLETE
    assert not moved.retire
    assert advance(moved.rotation, held, facts("birch", now=NOW + 60 * S)).retire
    assert not advance(replace(moved.rotation, grace=None), held, facts("birch", now=NOW + DAY)).retire


def test_a_partner_that_comes_later_joins():
    complete = rotation(state=RotationState.COMPLETE, completed=NOW)
    held = by_name(standing(stage=PartnerStage.SWITCHED))
    moved = advance(complete, held, facts("birch", "dahlia"))
    assert moved.rotation.state is RotationState.ANNOUNCED
    assert moved.announce == ("dahlia",)


def test_a_partner_that_exchanges_no_more_holds_nothing_up():
    held = by_name(standing(stage=PartnerStage.SWITCHED), standing("cedar", stage=PartnerStage.TOLD))
    moved = advance(rotation(state=RotationState.ANNOUNCED), held, facts("birch"))
    assert moved.rotation.state is RotationState.COMPLETE


def test_reminders():
    held = by_name(standing(stage=PartnerStage.TOLD, told=NOW))
    at = rotation(state=RotationState.ANNOUNCED, remind=60)
    assert advance(at, held, facts("birch", now=NOW + 59 * S)).remind == ()
    assert advance(at, held, facts("birch", now=NOW + 60 * S)).remind == ("birch",)
    assert advance(replace(at, remind=0), held, facts("birch", now=NOW + DAY)).remind == ()
    again = by_name(standing(stage=PartnerStage.TOLD, told=NOW, reminded=NOW + 60 * S))
    assert advance(at, again, facts("birch", now=NOW + 61 * S)).remind == ()


def test_listeners_show_it_at_the_set_time_whoever_has_it():
    at = rotation(state=RotationState.ANNOUNCED, places=("tls",), switch_at=NOW)
    held = by_name(standing(stage=PartnerStage.TOLD, places=("tls",)))
    moved = advance(at, held, facts("birch", places=("tls",)))
    assert moved.rotation.shown == NOW
    assert moved.standings[0].stage is PartnerStage.SWITCHED
    early = advance(replace(at, switch_at=NOW + 1), held, facts("birch", places=("tls",)))
    assert early.rotation.shown is None
    assert early.rotation.state is RotationState.ANNOUNCED


def test_listeners_show_it_once_everybody_has_it():
    at = rotation(state=RotationState.ANNOUNCED, places=("host-key",))
    known = {"places": ("host-key",), "stage": PartnerStage.ACCEPTED}
    some = by_name(standing(**known), standing("cedar", places=("host-key",), stage=PartnerStage.TOLD))
    assert advance(at, some, facts("birch", "cedar", places=("host-key",))).rotation.shown is None
    all_ = by_name(standing(**known), standing("cedar", **known))
    assert advance(at, all_, facts("birch", "cedar", places=("host-key",))).rotation.shown == NOW


def test_a_receipt_that_refuses_takes_the_partner_back():
    held = switch(standing(stage=PartnerStage.TOLD), NOW, "")
    found = judge_receipt(
        rotation(), held, message="m1", said="Authentication-Failed", positive=False, now=NOW
    )
    assert found.reverted
    assert found.again == ("m1",)
    assert found.standing.stage is PartnerStage.REVERTED
    after = judge_receipt(
        rotation(), found.standing, message="m2", said="authentication-failed", positive=False, now=NOW
    )
    assert (after.standing, after.again) == (None, ("m2",))


def test_so_many_refusals_as_were_asked_for():
    held = switch(standing(stage=PartnerStage.TOLD), NOW, "")
    say = {"said": "integrity-check-failed", "positive": False, "now": NOW}
    first = judge_receipt(rotation(refusals=2), held, message="m1", **say)
    assert not first.reverted
    assert first.again == ()
    second = judge_receipt(rotation(refusals=2), first.standing, message="m2", **say)
    assert second.reverted
    assert second.again == ("m1", "m2")


@pytest.mark.parametrize(
    "said", ["unsupported mic-algorithms", "duplicate-document", "", "decryption-failed"]
)
def test_other_refusals_take_nobody_back(said):
    held = switch(standing(stage=PartnerStage.TOLD), NOW, "")
    found = judge_receipt(rotation(), held, message="m1", said=said, positive=False, now=NOW)
    assert (found.standing, found.reverted, found.again) == (None, False, ())


def test_a_certificate_of_theirs_is_blamed_for_what_they_can_not_decrypt():
    held = switch(standing(stage=PartnerStage.SEEN), NOW, "")
    theirs = rotation(side="theirs", partner="birch")
    assert judge_receipt(
        theirs, held, message="m", said="decryption-failed", positive=False, now=NOW
    ).reverted


def test_an_unexpected_error_counts_until_the_successor_is_proven():
    held = switch(standing(stage=PartnerStage.TOLD), NOW, "")
    say = {"message": "m", "said": "unexpected-processing-error", "positive": False, "now": NOW}
    assert judge_receipt(rotation(), held, **say).reverted
    proven = judge_receipt(rotation(), held, message="m", said="", positive=True, now=NOW).standing
    assert proven.proven == NOW
    assert not judge_receipt(rotation(), proven, **say).reverted
    assert judge_receipt(rotation(), proven, message="m", said="", positive=True, now=NOW).standing is None


def test_only_what_was_switched_is_taken_back():
    with pytest.raises(WrongMoment):
        revert(standing(stage=PartnerStage.TOLD), NOW, "")


stages = st.sampled_from(PartnerStage)
moments = st.none() | st.integers(NOW - DAY, NOW + DAY)
some_standings = st.dictionaries(
    st.sampled_from(["birch", "cedar", "dahlia"]),
    st.builds(dict, stage=stages, told=moments, seen=moments, switch_at=moments),
)


@given(
    st.sampled_from([state for state in RotationState if state not in ENDED]),
    some_standings,
    st.sets(st.sampled_from(["birch", "cedar", "elm"])),
    st.sets(st.sampled_from(["birch", "cedar", "elm"])),
    moments,
    st.sampled_from(["use", "time", "hand"]),
    st.sampled_from([("as2",), ("tls",), ("as2", "host-key"), ("user-key",)]),
)
def test_looking_again_gives_nothing_more(state, held, present, seen, switch_at, policy, places):
    """Whatever the facts: the tables are kept to, and a second look at the same facts changes nothing."""
    at = rotation(state=state, policy=policy, switch_at=switch_at, places=places)
    known = {name: standing(name, **{**fields, "places": places}) for name, fields in held.items()}
    moment = facts(*present, seen=seen, places=places)
    first = advance(at, known, moment)
    second = advance(first.rotation, {**known, **by_name(*first.standings)}, moment)
    assert second.rotation == first.rotation
    assert second.standings == ()
    assert second.tell == ()


def test_the_last_partner_s_set_time_lets_the_listeners_show_the_successor_at_once():
    at = rotation(state=RotationState.OVERLAP, policy="use", places=("tls",))
    known = {"birch": standing(stage=PartnerStage.TOLD, switch_at=NOW - DAY, places=("tls",))}
    moved = advance(at, known, facts("birch", places=("tls",)))
    assert (moved.rotation.shown, moved.rotation.state) == (NOW, RotationState.COMPLETE)


def test_being_told_again_keeps_what_is_known():
    told = announced_to(standing(stage=PartnerStage.ACCEPTED), NOW, "message", "r1")
    assert (told.stage, told.how, told.request) == (PartnerStage.ACCEPTED, "message", "r1")
    assert announced_to(standing(stage=PartnerStage.REFUSED), NOW, "letter").stage is PartnerStage.TOLD
