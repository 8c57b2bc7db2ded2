"""A log that was put back or forked: it signs nothing until a person decides, and the break stays for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.logs import FakeClock, seeded_entropy
from tests.support.witnesses import FakeLog, log_keys

from ecluse.errors import EcluseError
from ecluse.evidence.breaks import (
    CONTINUED,
    SUBJECT,
    Break,
    Decider,
    breaks,
    epoch_of,
    origin_of,
    parse_break,
    read_break,
)
from ecluse.evidence.continuing import assess
from ecluse.evidence.errors import BadBreak, NotBroken, RolledBack
from ecluse.evidence.record import record
from ecluse.evidence.verify import verify_log
from ecluse.wire.tlog.checkpoint import TreeHead, open_checkpoint

ORIGIN = "aster.example/log"


@pytest.fixture
def log(tmp_path) -> FakeLog:
    return FakeLog(ORIGIN, tmp_path, FakeClock())


def broken(log: FakeLog) -> FakeLog:
    """Put back to 10 records, after 15 were signed; grown to 17 since."""
    log.grow(10)
    backup = log.copy(held=False)
    log.grow(5)
    log.put_back(backup)
    log.grow(7, sign=False)
    with pytest.raises(RolledBack):
        log.sequencer.checkpoint()
    return log


def test_a_break_is_decided_once_and_stays(log):
    broken(log)
    assert not log.verify().ok
    decided = log.decide("The disk was replaced.")
    assert (decided.before, decided.origin) == (ORIGIN, f"{ORIGIN}#2")
    assert (decided.lost.size, decided.common, decided.size) == (15, 10, 17)
    newest = log.store.last_checkpoint()
    assert newest is not None
    head = open_checkpoint(newest.note, [log.key.named(f"{ORIGIN}#2")])
    assert (head.origin, head.size) == (f"{ORIGIN}#2", 18)
    log.start()
    log.grow(3)
    verdict = log.verify()
    assert verdict.problem is None
    assert (verdict.size, verdict.signed, verdict.lost) == (21, 21, 1)
    (found,) = verdict.breaks
    assert found["reason"] == "The disk was replaced."
    assert found["lost"]["size"] == 15  # type: ignore[index]
    (told,) = breaks(log.store)  # type: ignore[arg-type]
    assert told.index == 17
    assert told.holds(log.key)
    with pytest.raises(NotBroken):
        log.decide()


def test_a_break_after_a_break(log):
    broken(log).decide()
    log.grow(2)
    backup = log.copy(held=False)
    log.grow(5)
    log.put_back(backup)
    log.grow(1, sign=False)
    with pytest.raises(RolledBack):
        log.sequencer.checkpoint()
    assert log.decide().origin == f"{ORIGIN}#3"
    log.grow(1)
    verdict = log.verify()
    assert verdict.problem is None
    assert [each["origin"] for each in verdict.breaks] == [f"{ORIGIN}#2", f"{ORIGIN}#3"]


def test_a_copy_from_before_a_break_is_a_break_too(log):
    log.grow(10)
    backup = log.copy(held=False)
    log.grow(5)
    log.put_back(backup)
    log.grow(7, sign=False)
    log.decide()
    log.put_back(backup)
    with pytest.raises(RolledBack) as caught:
        log.sequencer.check()
    assert f"{ORIGIN}#2" in caught.value.cause
    verdict = log.verify()
    assert verdict.problem is not None
    assert log.decide().origin == f"{ORIGIN}#3"
    log.grow(30)
    assert log.verify().problem is None


def test_a_fork_whose_both_branches_were_signed(log, tmp_path):
    """The held file was put back too; somebody else shows the head that was lost."""
    log.grow(10)
    backup = log.copy(held=True)
    log.grow(5)
    lost = log.store.last_checkpoint()
    assert lost is not None
    log.put_back(backup)
    log.grow(20)  # nobody notices
    assert log.verify().ok
    with pytest.raises(RolledBack):
        log.sequencer.confront(lost.note)
    log.start()
    with pytest.raises(RolledBack):
        log.sequencer.checkpoint()
    log.held.path.unlink()  # every node has it from the database as well
    log.start()
    with pytest.raises(RolledBack):
        log.sequencer.checkpoint()
    decided = log.decide()
    assert (decided.lost.size, decided.common) == (15, 10)
    assert log.sequencer.confront(lost.note).size == 15  # it is told of, and no surprise any more
    log.grow(5)
    assert log.verify().problem is None


def test_nobody_elses_head_stops_the_log(log):
    log.grow(3)
    other = FakeLog(ORIGIN, log.folder, FakeClock())
    other.key, other.first, other.second = log_keys(ORIGIN, seed=2)
    other.held.path.unlink()
    other.start()
    other.grow(9)
    note = other.store.last_checkpoint()
    assert note is not None
    with pytest.raises(EcluseError) as caught:
        log.sequencer.confront(note.note)
    assert caught.value.code == "tlog.bad-signature"
    log.held.path.unlink()
    log.grow(1)


def test_a_break_that_the_log_did_not_sign_is_none(log):
    """Who can write into the database, and has no key, ends no epoch."""
    log.grow(4)
    key, first, _ = log_keys("mallory.example/log")
    head = TreeHead(ORIGIN, 9, b"\1" * 32)
    forged = Break(
        f"{ORIGIN}#2", ORIGIN, head, 1, 4, b"\2" * 32, "2026-11-22T10:00:00Z", (Decider("eve"),), "So."
    )
    forged = forged.signed(key.named(ORIGIN), first.sign)
    log.store.write(
        lambda tx: record(
            tx,  # type: ignore[arg-type]
            kind=CONTINUED,
            subject=SUBJECT,
            at=log.clock(),
            data=forged.data(),
            entropy=seeded_entropy(4),
        )
    )
    log.seal()
    signed = log.sequencer.checkpoint()
    assert signed is not None
    assert open_checkpoint(signed.note, [log.key]).origin == ORIGIN
    verdict = log.verify()
    assert verdict.problem is not None
    assert verdict.problem.code == "break-bad"


def test_heads_of_the_lost_branch_verify_against_the_break_and_others_do_not(log):
    broken(log).decide()
    lost = [
        note for note in log.held if open_checkpoint(note, [log.key, log.key.named(f"{ORIGIN}#2")]).size == 15
    ]
    assert len(lost) == 1
    from ecluse.wire.tlog.checkpoint import sign_checkpoint

    for size, good in ((12, True), (15, False), (16, False)):
        head = TreeHead(ORIGIN, size, b"\7" * 32)
        note = sign_checkpoint(head, log.key, log.first.sign, log.second.sign, 1)
        verdict = verify_log(log.store, [log.key], held=[*lost, note])  # type: ignore[arg-type]
        assert verdict.ok is good, size


def test_a_log_without_a_break_has_nothing_to_decide(log):
    log.grow(3)
    with pytest.raises(NotBroken):
        assess(log.store, log.key, log.held)  # type: ignore[arg-type]


def test_a_stripped_second_signature_is_found(log):
    log.grow(3)
    log.grow(3)
    for head in list(log.store.heads):
        text, _, lines = head.note.rpartition(b"\n\n")
        first = lines.splitlines(keepends=True)[0]
        log.store.heads[log.store.heads.index(head)] = type(head)(
            head.size, head.root, text + b"\n\n" + first, head.at
        )
    verdict = verify_log(log.store, [log.key])  # type: ignore[arg-type]
    assert verdict.problem is not None
    assert (verdict.problem.code, verdict.problem.index) == ("checkpoint-bad", 6)
    assert verify_log(log.store, [log.key.ed25519]).ok  # type: ignore[arg-type]


def test_an_older_log_gets_its_second_key(tmp_path):
    log = FakeLog(ORIGIN, tmp_path, FakeClock(), hybrid=False)
    log.grow(4)
    log.key, log.first, log.second = log_keys(ORIGIN)
    log.start()
    log.store.write(
        lambda tx: record(
            tx,  # type: ignore[arg-type]
            kind="log.key-added",
            subject="log:keys",
            at=log.clock(),
            data={"key": str(log.key.ml_dsa)},
            entropy=seeded_entropy(9),
        )
    )
    log.seal()
    log.sequencer.checkpoint()
    log.grow(2)
    assert log.verify().problem is None
    assert log.store.heads[-1].note.count(b"\xe2\x80\x94") == 2


names = st.integers(1, 9999).map(lambda epoch: origin_of(ORIGIN, epoch))
words = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=40)


@given(names, names, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), words)
def test_statements_are_read_as_they_were_written(origin, before, lost, size, reason):
    made = Break(
        origin, before, TreeHead(before, lost, b"\1" * 32), 0, size, b"\2" * 32, "2026-11-22T10:00:00Z",
        (Decider("ada"),), reason,
    )  # fmt: skip
    assert parse_break(made.statement()) == made


@given(st.text() | st.lists(words, max_size=12).map("\n".join))
def test_other_texts_are_no_statements(text):
    with pytest.raises(BadBreak):
        parse_break(text)


@given(st.binary(max_size=200))
def test_other_records_are_no_breaks(data):
    with pytest.raises(EcluseError):
        read_break(data)


def test_a_reason_is_one_line():
    made = Break(
        "a#2", "a", TreeHead("a", 1, b"\1" * 32), 0, 1, b"\1" * 32, "t", (Decider("ada"),), "Two\nlines"
    )
    with pytest.raises(BadBreak):
        made.statement()


@pytest.mark.parametrize("name", ["a#1", "a#02", "a#", "b", "a#2#3", "a#99999", "a# 2", "a#٣"])
def test_names_of_no_epoch(name):
    assert epoch_of("a", name) is None


class TestClock:
    """A clock that was put back: told once, and not fatal."""

    def test_is_told_and_the_heads_stay_in_order(self, log):
        told: list[int] = []
        log.sequencer._clock_back = told.append
        log.grow(2)
        log.clock.now -= 3_600_000_000
        log.grow(2)
        log.grow(2)
        assert len(told) == 1
        assert 3_590 < told[0] / 1e6 < 3_601
        times = [head.at for head in log.store.heads]
        assert times == sorted(times)
        assert log.verify().problem is None

    def test_a_small_difference_is_no_news(self, log):
        told: list[int] = []
        log.sequencer._clock_back = told.append
        log.grow(1)
        log.clock.now -= 60_000_000
        log.grow(1)
        assert not told
