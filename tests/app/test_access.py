"""What reviews say of rights, also where there are many of both."""

from __future__ import annotations

import time

from ecluse.app.access import Decision, Review, Right, right_facts, said_of
from ecluse.model.basics import Instant


def review(number: int, rights: list[Right], keep: bool) -> Review:
    at = Instant(number)
    told = tuple(Decision(each.id, keep, f"{each.who}: {each.may}") for each in rights)
    return Review(f"r{number}", at, "operator:ada", "yearly", "", at, told)


def test_the_newest_review_counts_and_many_rights_take_no_longer_each() -> None:
    rights = [
        Right(f"partner:p{n}", "send documents", "our inbox", f"partners/p{n}.toml") for n in range(20_000)
    ]
    fresh = Right("partner:new", "send documents", "our inbox", "partners/new.toml")
    begun = time.process_time()
    said = said_of([review(2, rights[:1], False), review(1, rights, True)])
    rows = [right_facts(each, said) for each in (*rights, fresh)]
    assert time.process_time() - begun < 5, "every right with every decision would be 400 million looks"
    assert [rows[0]["decision"], rows[1]["decision"], rows[-1]["decision"]] == ["revoke", "keep", None]
