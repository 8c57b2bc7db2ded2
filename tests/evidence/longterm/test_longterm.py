"""Evidence records over decades, with a clock that is set: begun, renewed in time, too late, spoiled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.support.postgres import PostgresServer
from tests.support.stamped import DAY, StampedLog
from tests.support.tsa import PlayedAuthority

from ecluse.errors import EcluseError
from ecluse.evidence.longterm import records_for
from ecluse.evidence.longterm.algorithms import FAMILIES, Algorithms
from ecluse.evidence.longterm.beginning import gather
from ecluse.evidence.longterm.kept import KIND, KeptRecord, read_kept
from ecluse.evidence.longterm.plan import due, next_hash, renewal_of
from ecluse.evidence.longterm.renewing import NoAuthority, replan
from ecluse.evidence.stamps import stamped_size, stamps
from ecluse.evidence.stamps.keeping import AuthorityState, authority_state, due_at, keep, keep_failure
from ecluse.evidence.stamps.stamp import KIND as STAMP
from ecluse.evidence.stamps.stamp import as_instant
from ecluse.model.basics import Instant
from ecluse.store.postgres import PostgresStore
from ecluse.store.sqlite import SqliteStore
from ecluse.trust.settings.stamps import ALGORITHMS
from ecluse.wire.ers import read_record

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG = Algorithms(dict.fromkeys(FAMILIES, date(9999, 12, 31)))
"""No algorithm ends."""


def year(number: int) -> datetime:
    return datetime(number, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[StampedLog]:
    store = SqliteStore(tmp_path / "hub.db")
    store.migrate()
    yield StampedLog(store, START)
    store.close()


@pytest.mark.peer("postgresql")
def test_the_same_on_postgresql(postgres: PostgresServer) -> None:
    store = PostgresStore(postgres.new_database(), node="n1", password=None)
    store.migrate()
    log = StampedLog(store, START)
    log.work = replace(log.work, table=LONG)
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=4))
    log.add("beech", PlayedAuthority("Beech", begins=year(2028), years=20))
    log.stamp("alder")
    log.now += timedelta(days=1)
    log.stamp("alder")
    log.pass_years(6, step=90)
    assert log.problems() == []
    assert [each.by for each in log.records()] == ["beech", "beech"]
    assert log.store.read(lambda view: stamped_size(view, 11)) == 20
    store.close()


def test_the_configuration_names_the_algorithms_of_the_table() -> None:
    assert ALGORITHMS == FAMILIES


# --- decades ------------------------------------------------------------------------------------------------


def test_fifty_years_three_authorities_three_hashes(log: StampedLog) -> None:
    """SHA-256 ends in 2033 and SHA-512 in 2050; classical signatures end in 2035; certificates end all the time."""
    ends = {"sha512": date(2050, 6, 30), "sha384": date(2050, 6, 30), "sha256": date(2033, 12, 31)}
    log.work = replace(log.work, table=Algorithms(ends))
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=5), "sha256")
    log.add(
        "beech",
        PlayedAuthority("Beech", begins=year(2030), years=16, post_quantum=True, hash="sha512"),
        "sha512",
    )
    log.add(
        "cedar",
        PlayedAuthority("Cedar", begins=year(2044), years=40, post_quantum=True, hash="sha3_512"),
        "sha512",
    )
    log.stamp("alder")
    log.now += timedelta(days=1)
    log.stamp("alder")
    log.pass_years(50)
    assert log.now.year == 2076
    assert log.problems() == []
    for kept in log.records():
        record = read_record(kept.record)
        assert [chain[0].hash for chain in record.chains] == ["sha256", "sha512", "sha3_512"]
        assert kept.time < as_instant(START + timedelta(days=2))
        assert kept.by == "cedar"
    kinds = [event["data"]["renewal"] for event in log.events("log.evidence-renewed")]
    assert "hash-tree-renewal" in kinds
    assert "time-stamp-renewal" in kinds
    assert all(event["data"]["count"] == 2 for event in log.events("log.evidence-renewed")[:1])
    assert log.events("log.evidence-not-renewed") == []


def test_one_time_stamp_renews_all_that_are_due(log: StampedLog) -> None:
    log.work = replace(log.work, table=LONG)
    alder = log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=4))
    beech = log.add("beech", PlayedAuthority("Beech", begins=year(2028), years=20))
    for _ in range(30):
        log.now += timedelta(days=1)
        log.stamp("alder")
    asked = len(alder.requests)
    log.now = year(2029) + timedelta(days=300)
    (renewed,) = log.renew("beech")
    assert (renewed.count, renewed.kind, renewed.authority) == (30, "time-stamp-renewal", "beech")
    assert (len(alder.requests) - asked, len(beech.requests)) == (0, 1)
    assert max(len(read_record(each.record).last.tree) for each in log.records()) == 5
    log.now = year(2032)
    assert log.problems() == []


def test_a_renewal_that_comes_too_late_is_told_and_proves_nothing(log: StampedLog) -> None:
    log.work = replace(log.work, table=LONG)
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=4))
    log.add("beech", PlayedAuthority("Beech", begins=year(2028), years=20))
    log.stamp("alder")
    log.now = year(2031)
    assert log.problems() == ["evidence-lapsed"]
    assert log.renew("beech") == []
    assert [row.state for row in log.rows()] == ["lapsed"]
    (event,) = log.events("log.evidence-not-renewed")
    assert event["data"]["state"] == "lapsed"
    log.now += timedelta(days=2)
    log.renew("beech")
    assert len(log.events("log.evidence-not-renewed")) == 1


def test_an_authority_that_ends_no_later_does_not_help(log: StampedLog) -> None:
    log.work = replace(log.work, table=LONG)
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=4))
    log.stamp("alder")
    log.now = year(2029) + timedelta(days=250)
    with pytest.raises(NoAuthority, match="end no later"):
        log.renew("alder")
    log.away.add("alder")
    with pytest.raises(NoAuthority, match="Nobody answers"):
        log.renew("alder")
    log.add("beech", PlayedAuthority("Beech", begins=year(2028), years=20))
    assert [each.authority for each in log.renew()] == ["beech"]


def test_asked_for_by_hand_what_is_not_due_is_renewed_too(log: StampedLog) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    log.stamp("alder")
    log.now += timedelta(days=9)
    assert log.renew() == []
    assert [each.count for each in log.renew(everything=True)] == [1]
    assert log.problems() == []


def test_a_table_that_changes_changes_what_is_due(log: StampedLog) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6), "sha256")
    log.stamp("alder")
    assert log.renew() == []
    log.work = replace(log.work, table=Algorithms({"sha256": date(2027, 1, 15)}))
    log.now += timedelta(days=45)
    with pytest.raises(NoAuthority, match="end no later"):
        log.renew()  # its own certificate is signed over SHA-256
    log.add("beech", PlayedAuthority("Beech", begins=year(2026), years=6, post_quantum=True, hash="sha512"))
    (renewed,) = log.renew()
    assert (renewed.kind, renewed.hash) == ("hash-tree-renewal", "sha512")
    assert log.problems() == []


def test_what_does_not_hold_is_not_renewed(log: StampedLog) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    log.stamp("alder")
    (kept,) = log.records()
    spoiled = bytearray(kept.record)
    spoiled[-20] ^= 1
    bad = msgspec.structs.replace(kept, record=bytes(spoiled)).as_record(log.clock(), log.clock())
    log.change(kept.key, lambda row: msgspec.structs.replace(row, body=bad.body))
    assert log.problems() == ["evidence-bad"]
    assert log.renew(everything=True) == []
    assert [row.state for row in log.rows()] == ["broken"]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda kept: {"time": Instant(kept.time - DAY)}, "evidence-bad"),
        (lambda kept: {"ends": Instant(kept.ends + DAY)}, "evidence-bad"),
        (lambda kept: {"renewals": 3}, "evidence-bad"),
        (lambda kept: {"sha256": "00" * 32}, "evidence-bad"),
    ],
)
def test_a_row_that_says_something_else_is_found(log: StampedLog, spoil, code: str) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    log.stamp("alder")
    (kept,) = log.records()
    row = msgspec.structs.replace(kept, **spoil(kept)).as_record(log.clock(), log.clock())
    log.change(kept.key, lambda before: msgspec.structs.replace(before, body=row.body))
    assert log.problems() == [code]
    log.change(kept.key, lambda before: msgspec.structs.replace(before, body=b"{"))
    assert log.problems() == ["evidence-bad"]


# --- other data objects -------------------------------------------------------------------------------------


class Receipts:
    name = "deposit"

    def __init__(self) -> None:
        self.held = {f"a{number:025d}": b"receipt %d" % number for number in range(5)}

    def fresh(self, view, after: str, limit: int) -> list[str]:
        return sorted(key for key in self.held if key > after)[:limit]

    def content(self, view, reference: str) -> bytes | None:
        return self.held.get(reference)


def test_other_data_objects_share_a_time_stamp(log: StampedLog) -> None:
    receipts = Receipts()
    log.sources["deposit"] = receipts
    alder = log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    assert gather(log.work, receipts, [log.authority("alder")]) == 5
    assert len(alder.requests) == 1
    assert gather(log.work, receipts, [log.authority("alder")]) == 0
    receipts.held["a" + "9" * 25] = b"later"
    log.away.add("alder")
    with pytest.raises(EcluseError, match="Nobody answers"):
        gather(log.work, receipts, [log.authority("alder")])
    log.add("beech", PlayedAuthority("Beech", begins=year(2026), years=12))
    assert gather(log.work, receipts, [log.authority("alder"), log.authority("beech")]) == 1
    assert log.problems() == []
    del receipts.held["a" + "0" * 24 + "3"]
    (renewed,) = log.renew("beech", everything=True)
    assert renewed.count == 5
    assert sorted(row.state for row in log.rows()) == ["", "", "", "", "", "closed"]
    assert log.problems() == []
    log.now += timedelta(days=3)
    assert [each.count for each in log.renew("beech", everything=True)] == [5]


# --- beginning ----------------------------------------------------------------------------------------------


def test_a_days_first_time_stamp_of_an_authority_begins_a_record(log: StampedLog) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    log.add("beech", PlayedAuthority("Beech", begins=year(2026), years=6))
    first = log.stamp("alder", "beech")
    log.stamp("alder")
    log.now += timedelta(days=1)
    log.stamp("beech")
    assert [(each.reference.lstrip("0"), each.authority) for each in log.records()] == [
        ("10", "alder"),
        ("10", "beech"),
        ("30", "beech"),
    ]
    view = log.store.read
    assert [each.authority for each in view(lambda view: stamps(view, 10))] == ["alder", "beech"]
    assert view(lambda view: stamps(view, 20))[0].size == 20
    files = view(lambda view: records_for(view, 10))
    assert [each.name for each in files] == ["checkpoint-10-alder.ers", "checkpoint-10-beech.ers"]
    assert files[0].certificates == first[0].chain
    assert read_record(files[0].data).last.token == first[0].token
    sizes = [view(lambda view, least=least: stamped_size(view, least)) for least in (0, 10, 11, 21, 31)]
    assert sizes == [10, 10, 20, 30, None]
    told = [event["data"]["begins_evidence_record"] for event in log.events("log.stamped")]
    assert told == [True, True, False, True]


# --- clocks -------------------------------------------------------------------------------------------------


def test_clocks_that_differ_are_told(log: StampedLog) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    log.stamp("alder")
    assert log.events("log.clock-differs") == []
    log.skew = timedelta(minutes=-7)
    log.stamp("alder")
    (event,) = log.events("log.clock-differs")
    assert event["data"]["ahead"] == -7 * 60 * 1_000_000


def test_a_clock_that_was_set_back_is_told(log: StampedLog) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    log.stamp("alder")
    assert log.problems() == []
    log.now -= timedelta(days=200)
    assert "clock-behind" in log.problems()
    state = log.store.read(lambda view: authority_state(view, "alder"))
    assert due_at(state, DAY, log.clock()) <= log.clock(), "an honest time is what is missing"


def test_failures_are_told_once_and_tried_again_ever_later(log: StampedLog) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    waits = []
    for _ in range(8):
        error = EcluseError("Nobody answers.", code="http.unreachable")
        log.store.write(lambda tx, error=error: keep_failure(tx, log.work, "alder", error, log.clock()))
        state = log.store.read(lambda view: authority_state(view, "alder"))
        waits.append((due_at(state, DAY, log.clock()) - log.clock()) // 60_000_000)
    assert waits == [5, 10, 20, 40, 80, 160, 240, 240]
    assert len(log.events("log.stamp-failed")) == 1
    log.stamp("alder")
    state = log.store.read(lambda view: authority_state(view, "alder"))
    assert isinstance(state, AuthorityState)
    assert (state.failures, state.error) == (0, "")
    assert due_at(state, DAY, log.clock()) == log.clock() + DAY


def test_a_time_stamp_of_a_checkpoint_that_is_gone_is_found(log: StampedLog) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    (stamp,) = log.stamp("alder")
    other = msgspec.structs.replace(stamp, size=11)
    log.store.write(lambda tx: tx.put_record(other.as_record()))
    assert log.problems() == ["stamp-of-nothing"]
    log.store.write(lambda tx: tx.drop_record(STAMP, other.key))
    token = bytearray(stamp.token)
    token[-5] ^= 1
    log.store.write(lambda tx: tx.put_record(msgspec.structs.replace(stamp, token=bytes(token)).as_record()))
    assert log.problems() == ["stamp-bad"]


def test_time_stamps_on_two_notes_of_one_size_are_both_kept(log: StampedLog) -> None:
    """A log that forked: either time-stamp is evidence of it."""
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    (first,) = log.stamp("alder")
    log.size -= 10
    log.now += timedelta(days=1)
    log.fork = b"another root"
    (second,) = log.stamp("alder")
    both = log.store.read(lambda view: stamps(view, 10))
    assert {each.note_sha256 for each in both} == {first.note_sha256, second.note_sha256}
    assert log.problems() == []
    note = log.store.read(lambda view: view.last_checkpoint()).note
    assert [each.serial for each in log.store.read(lambda view: stamps(view, 10, note))] == [second.serial]
    assert [each.sha256 for each in log.records()] == [first.note_sha256]
    assert log.store.write(lambda tx: keep(tx, log.work, second)) is False


# --- plans --------------------------------------------------------------------------------------------------


def kept(**fields) -> KeptRecord:
    given = {
        "source": "checkpoint",
        "reference": "1",
        "authority": "alder",
        "sha256": "",
        "record": b"",
        "certificates": (),
        "time": as_instant(year(2027)),
        "renewed": as_instant(year(2027)),
        "renewals": 0,
        "by": "alder",
        "hash": "sha256",
        "signature": "rsa-4096",
        "algorithms": ("sha256", "rsa-4096"),
        "ends": as_instant(year(2030)),
    }
    return KeptRecord(**{**given, **fields})


def test_a_record_is_due_before_the_first_thing_that_ends() -> None:
    table, half = Algorithms(), 180 * DAY
    assert due(kept(), table, half) == as_instant(year(2030)) - half
    assert due(kept(ends=as_instant(year(2040))), table, half) == as_instant(year(2034)) - half
    assert (
        due(kept(algorithms=("sha256", "rsa-2048"), ends=as_instant(year(2040))), table, half)
        == as_instant(year(2029)) - half
    )
    assert due(kept(algorithms=("unheard-of",)), table, half) == 0
    month = Instant(kept().renewed + 30 * DAY)
    assert due(kept(ends=month), table, half) == month - 10 * DAY


def test_a_chain_whose_hash_ends_is_made_anew() -> None:
    table, half = Algorithms(), 180 * DAY
    assert renewal_of(kept(), table, half, as_instant(year(2029))) == "time-stamp-renewal"
    assert renewal_of(kept(), table, half, Instant(as_instant(year(2034)) - half)) == "hash-tree-renewal"
    assert next_hash(table, half, as_instant(year(2034)), ("sha256", "sha384")) == "sha384"
    assert next_hash(table, half, as_instant(year(2034))) == "sha512"
    over = Algorithms(dict.fromkeys(FAMILIES, date(2027, 1, 1)))
    assert next_hash(over, half, as_instant(year(2034))) is None


def test_replanning_twice_changes_nothing(log: StampedLog) -> None:
    log.add("alder", PlayedAuthority("Alder", begins=year(2026), years=6))
    log.stamp("alder")
    replan(log.work)
    before = log.store.read(lambda view: view.record(KIND, log.records()[0].key))
    replan(log.work)
    after = log.store.read(lambda view: view.record(KIND, log.records()[0].key))
    assert before == after
    assert before is not None
    assert read_kept(before).key == before.key
