"""What is remembered of findings, suppressions, days and baselines, in both databases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.support.posture import DAY, NOW, facts, partner_facts, put, seen, with_partner

from ecluse.model.basics import Instant
from ecluse.posture.baseline import approve, entry_of, read_baseline
from ecluse.posture.engine import Engine
from ecluse.posture.facts import Facts
from ecluse.posture.keeping import (
    FORGET_DAYS,
    HISTORY_DAYS,
    BadSuppression,
    Keeper,
    Run,
    Suppression,
    history,
    keep_run,
    suppress,
    suppressions,
    unsuppress,
)
from ecluse.store.port import Store, Tx

HOUR = DAY // 24
UNSIGNED = "crypto.as2-unsigned/partner:birch/as2.sign"


class Told:
    """Events that were written."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def __call__(self, tx: Tx, kind: str, subject: str, facts: Mapping[str, Any]) -> None:
        self.events.append((kind, subject))


def unsigned() -> Facts:
    return with_partner("as2.sign", False)


class Process:
    """One process that runs posture."""

    def __init__(self, store: Store) -> None:
        self.told = Told()
        self.engine = Engine()
        self.keeper = Keeper(store, self.told)

    def run(self, given: Facts, now: int) -> tuple[list[str], list[str]]:
        return self.keeper.settle(self.engine.run(given, Instant(now)), Instant(now))


def test_a_finding_opens_and_closes_once(store: Store) -> None:
    process = Process(store)
    assert process.run(unsigned(), NOW) == ([UNSIGNED], [])
    assert process.run(unsigned(), NOW + HOUR) == ([], [])
    assert process.run(facts(), NOW + 2 * HOUR) == ([], [UNSIGNED])
    assert process.told.events == [
        ("posture.finding-opened", "partner:birch"),
        ("posture.finding-closed", "partner:birch"),
    ]


def test_it_is_known_when_it_was_first_seen(store: Store) -> None:
    process = Process(store)
    process.run(unsigned(), NOW)
    process.run(facts(), NOW + HOUR)
    process.run(unsigned(), NOW + 2 * HOUR)
    (found,) = process.engine.run(unsigned(), Instant(NOW + 3 * HOUR))
    kept = process.keeper.kept(found)
    assert kept is not None
    assert (kept.first, kept.opened, kept.times, kept.closed) == (NOW, NOW + 2 * HOUR, 2, None)


def test_a_process_that_starts_goes_on_where_another_ended(store: Store) -> None:
    first = Process(store)
    first.run(unsigned(), NOW)
    second = Process(store)
    assert second.run(unsigned(), NOW + HOUR) == ([], [])
    assert second.told.events == []
    assert Process(store).run(facts(), NOW + 2 * HOUR) == ([], [UNSIGNED])
    # The one that knew it open finds it closed, and says nothing of it again.
    assert second.run(facts(), NOW + 2 * HOUR) == ([], [UNSIGNED])
    assert second.told.events == []


def test_a_partner_that_is_gone_takes_its_findings_along(store: Store) -> None:
    process = Process(store)
    process.run(unsigned(), NOW)
    healthy = facts()
    assert process.run(Facts(healthy.hub, {}, healthy.flows), NOW) == ([], [UNSIGNED])


def test_what_only_informs_is_kept_without_an_event(store: Store) -> None:
    process = Process(store)
    given = with_partner("as2.encrypt", "aes-256-cbc")
    assert process.run(given, NOW)[0] == ["crypto.unauthenticated-cipher/partner:birch/as2.encrypt"]
    assert process.run(facts(), NOW)[1]
    assert process.told.events == []


def test_closed_findings_are_forgotten_after_a_year(store: Store) -> None:
    process = Process(store)
    process.run(unsigned(), NOW)
    process.run(facts(), NOW)
    process.keeper.forget(Instant(NOW + (FORGET_DAYS - 1) * DAY))
    assert store.read(lambda view: view.record("finding", UNSIGNED)) is not None
    process.keeper.forget(Instant(NOW + FORGET_DAYS * DAY))
    assert store.read(lambda view: view.record("finding", UNSIGNED)) is None


def held(**more: Any) -> Suppression:
    base = Suppression("agreed", "Ines Roux", "operator:ines", Instant(NOW), Instant(NOW + 30 * DAY))
    return Suppression(**{**{f: getattr(base, f) for f in base.__struct_fields__}, **more})


@pytest.mark.parametrize(
    "wrong",
    [{"reason": " "}, {"owner": ""}, {"until": NOW}, {"until": NOW - DAY}, {"until": NOW + 367 * DAY}],
)
def test_a_suppression_needs_reason_owner_and_end(store: Store, wrong: dict[str, Any]) -> None:
    told = Told()
    with pytest.raises(BadSuppression) as refused:
        store.write(lambda tx: suppress(tx, told, UNSIGNED, held(**wrong)))
    assert refused.value.code == "posture.bad-suppression"
    assert store.read(suppressions) == {}


def test_suppressions_come_and_go_with_events(store: Store) -> None:
    told = Told()
    store.write(lambda tx: suppress(tx, told, UNSIGNED, held()))
    assert store.read(suppressions) == {UNSIGNED: held()}
    due = store.read(lambda view: view.records_due("suppression", Instant(NOW + 30 * DAY), 10))
    assert [record.key for record in due] == [UNSIGNED]
    assert store.write(lambda tx: unsuppress(tx, told, UNSIGNED))
    assert not store.write(lambda tx: unsuppress(tx, told, UNSIGNED))
    assert told.events == [
        ("posture.suppressed", "partner:birch"),
        ("posture.unsuppressed", "partner:birch"),
    ]


def test_history_has_one_entry_a_day_and_ends(store: Store) -> None:
    def run(day: int, score: float) -> Run:
        return Run(Instant(NOW + day * DAY), score, "B", {"high": 1}, 0, {"A": 1})

    store.write(lambda tx: keep_run(tx, run(0, 80)))
    store.write(lambda tx: keep_run(tx, run(0, 81)))
    store.write(lambda tx: keep_run(tx, run(1, 82)))
    assert [each.score for each in store.read(history)] == [81, 82]
    store.write(lambda tx: keep_run(tx, run(HISTORY_DAYS + 1, 83)))
    assert [each.score for each in store.read(history)] == [82, 83]


WORDS = {"as2.encrypt": "aes-256-gcm"}


def approve_all(store: Store, told: Told, **more: Mapping[str, str]) -> int:
    subjects = {"hub": {"organisation.name": "Aster"}, "partner:birch": WORDS, **more}
    sightings = {"partner:birch": (seen("sftp", "host-key", "SHA256:x"),)}
    return store.write(
        lambda tx: approve(
            tx,
            told,
            [(name, "before", words, sightings.get(name, ())) for name, words in subjects.items()],
            now=Instant(NOW),
            by="operator:ines",
            reason="reviewed",
            whole=True,
        )
    )


def test_a_baseline_tells_drift(store: Store) -> None:
    told = Told()
    assert approve_all(store, told) == 2
    assert told.events == [("posture.baseline-approved", "hub")]
    baseline = store.read(read_baseline)
    entry = store.read(lambda view: entry_of(view, "partner:birch"))
    assert entry is not None
    assert (entry.words, entry.seen, entry.reason) == (WORDS, {"sftp/host-key": ["SHA256:x"]}, "reviewed")

    def compare(words: dict[str, str]) -> list[str]:
        found = store.read(lambda view: baseline.approved(view, "partner:birch", "since", lambda: words))
        assert found is not None
        assert found.by == "operator:ines"
        return [str(change) for change in found.drift]

    assert compare(WORDS) == []
    assert compare({"as2.encrypt": "aes-128-cbc"}) == ["~ as2.encrypt: aes-256-gcm -> aes-128-cbc"]
    assert compare({}) == ["- as2.encrypt: aes-256-gcm"]
    same = store.read(lambda view: baseline.approved(view, "partner:birch", "before", dict))
    assert same is not None
    assert same.drift == (), "the same texts mean the same: nothing is worked out"
    assert store.read(lambda view: baseline.approved(view, "partner:cedar", "", dict)) is None
    assert [str(each) for each in baseline.strangers({"hub": "", "partner:cedar": "Cedar"})] == [
        "+ partner:cedar: Cedar",
        "- partner:birch: approved",
    ]


def test_a_whole_approval_forgets_who_is_gone(store: Store) -> None:
    told = Told()
    approve_all(store, told, **{"partner:cedar": {}})
    assert store.read(read_baseline).subjects == {"hub", "partner:birch", "partner:cedar"}
    approve_all(store, told)
    assert store.read(read_baseline).subjects == {"hub", "partner:birch"}


def test_texts_that_change_are_kept_without_an_event(store: Store) -> None:
    process = Process(store)
    two = replace(
        partner_facts(),
        settings=put(partner_facts().settings, "sftp.host_keys", tuple(f"SHA256:{c * 43}" for c in "ABCD")),
    )
    more = replace(
        partner_facts(),
        settings=put(partner_facts().settings, "sftp.host_keys", tuple(f"SHA256:{c * 43}" for c in "ABCDE")),
    )
    process.run(facts(partner=two), NOW)
    assert process.run(facts(partner=more), NOW + DAY) == ([], [])
    (found,) = process.engine.run(facts(partner=more), Instant(NOW + DAY))
    kept = process.keeper.kept(found)
    assert kept is not None
    assert kept.observed == "5 host keys are taken"
    assert kept.first == NOW
    assert len(process.told.events) == 1
