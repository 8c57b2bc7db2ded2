"""The life of a partner: who may become what, and what is told of it."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
from tests.support.trust import HUB, birch_pem

from ecluse.trust import Configuration
from ecluse.trust.life import GONE, MOVES, life_facts, life_problems
from ecluse.trust.settings.fields import PartnerState

STATES = get_args(PartnerState)
CALLED = '[verification]\nlevel = "call-back"\nat = 2026-06-01\nby = "operator:ada"\nwith = "Jo Birch"\n'
UNSEEN = '[verification]\nlevel = "trust-on-first-use"\nat = 2026-06-01\nby = "operator:ada"\nevidence = "a test"\n'
NOBODY = '[verification]\nlevel = "none"\nat = 2026-06-01\nby = "operator:ada"\n'
BODY = '[as2]\nid = "BIRCH"\nurl = "https://as2.birch.example/as2"\n[[certificates]]\nfile = "certificates/birch.pem"\n'


def hub(state: str | None = None, more: str = "") -> Configuration:
    files = {"ecluse.toml": HUB, "certificates/birch.pem": birch_pem()}
    if state is not None:
        files["partners/birch.toml"] = f'name = "Birch"\nstate = "{state}"\n{BODY}{more}'
    return Configuration.from_files(files)


def test_the_table_knows_every_state() -> None:
    assert set(MOVES) == set(STATES)
    assert all(target in STATES and target != state for state, targets in MOVES.items() for target in targets)


def test_nobody_comes_back_and_everybody_can_leave() -> None:
    assert MOVES["retired"] == frozenset()
    assert all("retired" in MOVES[state] for state in STATES if state != "retired")


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(STATES, 2)))
def test_moves(before: PartnerState, after: PartnerState) -> None:
    problems = list(life_problems(hub(before, CALLED), hub(after, CALLED)))
    assert [problem.code for problem in problems] == (
        [] if after in MOVES[before] else ["partner.illegal-move"]
    )
    if problems:
        assert problems[0].file == "partners/birch.toml"
        assert problems[0].remedy


@pytest.mark.parametrize(
    ("after", "said", "codes"),
    [
        ("active", "", ["partner.not-verified"]),
        ("active", NOBODY, ["partner.not-verified"]),
        ("active", UNSEEN, []),
        ("active", CALLED, []),
        ("verified", "", ["partner.not-verified"]),
        ("verified", UNSEEN, ["partner.not-verified"]),
        ("verified", CALLED, []),
        ("retired", "", []),
    ],
)
def test_an_invited_partner_is_looked_at_first(after: str, said: str, codes: list[str]) -> None:
    assert [problem.code for problem in life_problems(hub("invited"), hub(after, said))] == codes


def test_who_is_new_may_stand_anywhere_but_verified_by_nobody() -> None:
    for state in STATES:
        codes = [problem.code for problem in life_problems(hub(), hub(state))]
        assert codes == (["partner.not-verified"] if state == "verified" else [])
        assert not list(life_problems(None, hub(state)))


def test_what_is_told() -> None:
    facts = list(life_facts(hub("invited"), hub("active", CALLED)))
    assert [fact.kind for fact in facts] == ["partner.verified", "partner.state-changed"]
    assert facts[0].data["level"] == "call-back"
    assert facts[0].data["proven"] is True
    assert "Jo Birch" not in str(facts[0].data)
    assert len(facts[0].data["table_sha256"]) == 64
    assert dict(facts[1].data) == {"from": "invited", "to": "active"}
    assert list(life_facts(hub("active", CALLED), hub("active", CALLED))) == []


def test_who_comes_and_goes_is_told() -> None:
    (came,) = life_facts(None, hub("active"))
    assert dict(came.data) == {"from": GONE, "to": "active"}
    (went,) = life_facts(hub("suspended"), hub())
    assert dict(went.data) == {"from": "suspended", "to": GONE}


def test_a_card_of_another_hand_is_told() -> None:
    def card(serial: int, key: str) -> str:
        digest = f"{serial:064x}"
        return (
            f'[card]\ndigest = "{digest}"\nserial = {serial}\nlog_key = "{key}"\n'
            'log_origin = "ecluse/birch"\ntaken = 2026-06-01\n'
        )

    mine, other = "A" * 43 + "=", "B" * 43 + "="
    first = hub("active", card(1, mine))
    for after, signer in ((hub("active", card(2, mine)), "same"), (hub("active", card(2, other)), "other")):
        (fact,) = life_facts(first, after)
        assert (fact.kind, fact.data["signer"], fact.data["serial"]) == ("partner.card-taken", signer, 2)
    (_, taken) = reversed(list(life_facts(None, first)))
    assert taken.data["signer"] == "unknown"


def test_an_invitation_and_its_answer_are_told() -> None:
    invitation = '[invitation]\nid = "abcdefgh"\nsent = 2026-06-01\nuntil = 2026-07-01\nby = "operator:ada"\n'
    card = (
        f'[card]\ndigest = "{"1" * 64}"\nserial = 1\nlog_key = "{"A" * 43}="\n'
        'log_origin = "ecluse/birch"\ntaken = 2026-06-01\n'
    )
    kinds = [fact.kind for fact in life_facts(hub(), hub("invited", invitation))]
    assert kinds == ["partner.invited", "partner.state-changed"]
    answered = next(life_facts(hub("invited", invitation), hub("active", card + CALLED)))
    assert answered.kind == "partner.card-taken"
    assert answered.data["invitation"] == "abcdefgh"


@pytest.mark.parametrize(
    "table",
    [
        CALLED.replace('with = "Jo Birch"\n', ""),
        UNSEEN.replace('evidence = "a test"\n', ""),
        CALLED.replace("call-back", "qualified-certificate"),
        CALLED.replace("2026-06-01", '"2026-02-30"'),
    ],
)
def test_a_verification_that_says_nothing(table: str) -> None:
    with pytest.raises(Exception, match="verification"):
        hub("active", table)
