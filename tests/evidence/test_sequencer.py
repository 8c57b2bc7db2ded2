"""The sequencer: batches, rivals, crashes, and a database that was put back."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.logs import KEY, ORIGIN, PRIVATE, FakeClock, write_events
from tests.support.logstore import MemoryLog

from ecluse.errors import EcluseError
from ecluse.evidence.errors import HeldUnreadable, RolledBack
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.loop import Pace, SequencerLoop
from ecluse.evidence.sequencer import BATCH, LEASE, LEASE_SETTING, Sequencer
from ecluse.evidence.verify import verify_log
from ecluse.model.nouns import Checkpoint
from ecluse.store.port import Store, StoreUnavailable, Tx
from ecluse.store.sqlite import SqliteStore
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import open_checkpoint
from ecluse.wire.tlog.errors import BadSignature
from ecluse.wire.tlog.note import NoteKey


def sequencer(
    store: Store, clock: FakeClock, held: HeldCheckpoints | None = None, node: str = ""
) -> Sequencer:
    return Sequencer(store, clock, KEY, PRIVATE.sign, held=held, node=node)


def seal_all(one: Sequencer, limit: int = BATCH) -> int:
    total = 0
    while count := one.seal(limit):
        total += count
    return total


def test_batches_of_any_size_give_the_tree_of_the_records(store):
    clock = FakeClock()
    one = sequencer(store, clock)
    write_events(store, 23, clock)
    assert [one.seal(limit) for limit in (1, 2, 5, 13, 13, 13)] == [1, 2, 5, 13, 2, 0]
    logged = store.read(lambda view: view.events_from(0, 100))
    assert [each.index for each in logged] == list(range(23))
    tree = merkle.Frontier()
    tree.extend(merkle.leaf_hash(each.leaf) for each in logged)
    assert one.check()[0].root == tree.root()
    assert verify_log(store, [KEY]).ok


def test_a_checkpoint_is_signed_once_a_size_and_kept_in_both_places(store, tmp_path):
    clock, held = FakeClock(), HeldCheckpoints(tmp_path / "checkpoints")
    one = sequencer(store, clock, held)
    assert one.checkpoint() is None
    for total in (3, 7):
        write_events(store, total, clock, seed=total)
        seal_all(one)
        signed = one.checkpoint()
        assert signed is not None
        assert open_checkpoint(signed.note, [KEY]).size == signed.size
        assert one.checkpoint() is None
        assert store.read(lambda view: view.last_checkpoint()) == signed
        assert held.newest() == signed.note
    assert [open_checkpoint(note, [KEY]).size for note in held] == [3, 10]


def test_records_that_wait_are_not_signed(store):
    clock = FakeClock()
    one = sequencer(store, clock)
    write_events(store, 3, clock)
    assert one.checkpoint() is None
    assert one.seal() == 3
    write_events(store, 3, clock, seed=2)
    signed = one.checkpoint()
    assert signed is not None
    assert signed.size == 3


def test_the_loser_of_a_race_does_nothing(store):
    """A rival seals between this one's reading and its writing."""
    clock = FakeClock()
    write_events(store, 10, clock)
    rival = sequencer(store, clock)

    class Late:
        """The store, with the rival let in just before each write."""

        read = store.read

        def write(self, work):
            seal_all(rival)
            return store.write(work)

    assert sequencer(Late(), clock).seal() == 0  # type: ignore[arg-type]
    verdict = verify_log(store, [KEY])
    assert (verdict.ok, verdict.size) == (True, 10)


def test_many_sequencers_at_once_make_one_log(store):
    clock = FakeClock()
    total = 300
    done = threading.Event()
    failures: list[BaseException] = []

    def run(node: str) -> None:
        one = sequencer(store, FakeClock(), node=node)
        try:
            while not done.is_set() or one.seal(7):
                one.seal(7)
                one.checkpoint()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(f"n{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for seed in range(30):
        write_events(store, total // 30, clock, seed=seed)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    seal_all(sequencer(store, clock))
    verdict = verify_log(store, [KEY])
    assert (verdict.problem, verdict.size) == (None, total)


def test_a_crash_between_seal_and_checkpoint_is_mended_by_the_next_start(store, tmp_path):
    clock, held = FakeClock(), HeldCheckpoints(tmp_path / "checkpoints")
    write_events(store, 5, clock)
    assert sequencer(store, clock, held).seal() == 5
    signed = sequencer(store, clock, held).checkpoint()
    assert signed is not None
    assert signed.size == 5


def test_a_crash_between_the_two_places_is_mended_by_the_next_start(store, tmp_path):
    clock, held = FakeClock(), HeldCheckpoints(tmp_path / "checkpoints")

    class Torn(HeldCheckpoints):
        def append(self, note: bytes) -> None:
            raise StoreUnavailable("The power went.")

    write_events(store, 5, clock)
    first = sequencer(store, clock, Torn(tmp_path / "checkpoints"))
    first.seal()
    with pytest.raises(StoreUnavailable):
        first.checkpoint()
    assert held.newest() is None
    assert sequencer(store, clock, held).checkpoint() is None
    assert held.newest() == store.read(lambda view: view.last_checkpoint()).note
    assert verify_log(store, [KEY], held=held).ok


def test_a_clock_that_was_set_back_does_not_look_like_tampering(store):
    clock = FakeClock()
    one = sequencer(store, clock)
    for seed in range(3):
        write_events(store, 2, clock, seed=seed)
        one.seal()
        one.checkpoint()
        clock.now -= 86_400_000_000
    times = [each.at for each in store.read(lambda view: view.checkpoints_from(0, 9))]
    assert times == sorted(times)
    assert verify_log(store, [KEY]).ok


def test_nothing_is_signed_with_a_key_that_is_not_the_logs(store):
    clock = FakeClock()
    write_events(store, 1, clock)
    one = Sequencer(store, clock, NoteKey(ORIGIN, b"\x07" * 32), PRIVATE.sign)
    one.seal()
    with pytest.raises(BadSignature):
        one.checkpoint()
    assert store.read(lambda view: view.last_checkpoint()) is None


def test_a_key_that_went_is_still_believed_for_what_it_signed(store):
    clock = FakeClock()
    write_events(store, 4, clock)
    one = sequencer(store, clock)
    one.seal()
    one.checkpoint()
    write_events(store, 4, clock, seed=2)
    other = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
    key = NoteKey.of(ORIGIN, other.public_key())
    with pytest.raises(RolledBack):
        Sequencer(store, clock, key, other.sign).check()
    next_one = Sequencer(store, clock, key, other.sign, former=[KEY])
    next_one.seal()
    assert next_one.checkpoint() is not None
    assert verify_log(store, [key, KEY]).checkpoints == 2


class TestPutBack:
    """A database restored from a backup that is older than what was signed."""

    @pytest.fixture
    def held(self, tmp_path) -> HeldCheckpoints:
        return HeldCheckpoints(tmp_path / "checkpoints")

    @pytest.fixture
    def old(self, tmp_path, held) -> Path:
        """A copy of the database at 10 records, while 15 were signed."""
        clock = FakeClock()
        store = SqliteStore(tmp_path / "hub.db")
        store.migrate()
        one = sequencer(store, clock, held)
        write_events(store, 10, clock)
        one.seal()
        one.checkpoint()
        store.close()
        (tmp_path / "backup").mkdir()
        for file in tmp_path.glob("hub*"):
            shutil.copy(file, tmp_path / "backup")
        store = SqliteStore(tmp_path / "hub.db")
        one = sequencer(store, clock, held)
        write_events(store, 5, clock, seed=2)
        one.seal()
        one.checkpoint()
        store.close()
        return tmp_path / "backup" / "hub.db"

    def test_is_found_at_start(self, old, held):
        store = SqliteStore(old)
        with pytest.raises(RolledBack) as caught:
            sequencer(store, FakeClock(), held).check()
        assert caught.value.code == "evidence.rolled-back"
        assert "15" in caught.value.cause
        verdict = verify_log(store, [KEY], held=held)
        assert verdict.problem is not None
        assert verdict.problem.code == "log-truncated"
        assert verify_log(store, [KEY]).ok  # by itself it looks honest: hence the copy outside
        store.close()

    def test_is_found_when_it_has_grown_past_what_was_signed(self, old, held):
        store = SqliteStore(old)
        clock = FakeClock(1_800_000_000_000_000)
        write_events(store, 20, clock, seed=3)
        one = sequencer(store, clock, held)
        assert one.seal() == 20
        with pytest.raises(RolledBack):
            one.checkpoint()
        verdict = verify_log(store, [KEY], held=held)
        assert verdict.problem is not None
        assert (verdict.problem.code, verdict.problem.index) == ("checkpoint-bad", 15)
        store.close()

    def test_is_found_while_running(self, old, held, tmp_path):
        """The head in memory does for a file that was put back along with the database."""
        clock = FakeClock()
        store = SqliteStore(tmp_path / "hub.db")
        one = sequencer(store, clock, held)
        one.check()
        store.close()
        one._store = SqliteStore(old)
        with pytest.raises(RolledBack):
            one.checkpoint()
        one._store.close()


class TestHeld:
    def test_what_a_power_cut_left_is_cut_off(self, tmp_path):
        held = HeldCheckpoints(tmp_path / "checkpoints")
        notes = [f"{ORIGIN}\n{size}\nroot\n\n— {ORIGIN} AAAAAAAA\n".encode() for size in range(4)]
        assert held.newest() is None
        assert list(held) == []
        for note in notes:
            held.append(note)
        whole = held.path.read_bytes()
        assert list(held) == notes
        one = len(notes[0]) + 1
        for end in range(3 * one, len(whole)):
            for junk in (b"", b"\0\0\0"):
                held.path.write_bytes(whole[:end] + junk)
                assert held.newest() == notes[2]
                assert list(held) == notes[:3]
                held.append(notes[3])
                assert held.path.read_bytes() == whole
        for end in range(one):
            held.path.write_bytes(whole[:end])
            assert held.newest() is None
            held.append(notes[0])
            assert held.path.read_bytes() == whole[:one]

    def test_a_long_file_is_read_from_its_end(self, tmp_path):
        held = HeldCheckpoints(tmp_path / "checkpoints")
        note = f"{ORIGIN}\n7\nroot\n\n— {ORIGIN} AAAAAAAA\n".encode()
        held.path.write_bytes((note + b"\n") * 5000)
        held.append(note.replace(b"7", b"8"))
        assert held.newest() == note.replace(b"7", b"8")

    def test_a_file_of_something_else_stops_the_signing(self, tmp_path):
        clock, log = FakeClock(), MemoryLog()
        write_events(log, 2, clock)
        held = HeldCheckpoints(tmp_path / "checkpoints")
        one = sequencer(log, clock, held)
        one.seal()
        for junk in (b"x" * 300_000, b"a\n\n" * 100_000, b"a\n\n\xe2\x80\x94 b c\n\n"):
            held.path.write_bytes(junk)
            with pytest.raises(HeldUnreadable):
                one.checkpoint()
        assert not log.heads


class TestLease:
    def test_one_node_leads_until_it_is_silent(self, store):
        clock = FakeClock()
        first, second = sequencer(store, clock, node="n1"), sequencer(store, clock, node="n2")
        assert first.lead()
        assert not second.lead()
        clock.now += LEASE * 2 // 3
        assert first.lead()
        clock.now += LEASE * 2 // 3
        assert not second.lead()
        clock.now += LEASE
        assert second.lead()
        assert not first.lead()

    def test_who_resigns_is_followed_at_once(self, store):
        clock = FakeClock()
        first, second = sequencer(store, clock, node="n1"), sequencer(store, clock, node="n2")
        assert first.lead()
        first.resign()
        assert second.lead()
        first.resign()
        assert not first.lead()

    def test_nonsense_in_its_place_does_not_stop_the_log(self, store):
        store.write(lambda tx: tx.put_setting(LEASE_SETTING, b"\xff{"))
        assert sequencer(store, FakeClock(), node="n1").lead()

    def test_a_clock_far_ahead_does_not_hold_it_for_ever(self, store):
        assert sequencer(store, FakeClock(2_000_000_000_000_000), node="n1").lead()
        assert sequencer(store, FakeClock(), node="n2").lead()


class TestLoop:
    def make(self, store: Store, clock: FakeClock, **pace: float) -> tuple[SequencerLoop, list[EcluseError]]:
        reports: list[EcluseError] = []
        return SequencerLoop(sequencer(store, clock), clock, reports.append, Pace(**pace)), reports

    def sizes(self, store: Store) -> list[int]:
        return [each.size for each in store.read(lambda view: view.checkpoints_from(0, 100))]

    def test_seals_at_once_and_signs_at_quiet_or_in_the_end(self):
        store, clock = MemoryLog(), FakeClock()
        loop, _ = self.make(store, clock, quiet=1.0, latest=5.0)
        loop.step()
        for number in range(8):
            write_events(store, 1, clock, seed=number)
            loop.step()
            clock.now += 900_000
        assert store.size == 8
        assert self.sizes(store) == [7]  # records kept coming: signed after five seconds
        clock.now += 1_000_000
        loop.step()
        assert self.sizes(store) == [7, 8]
        assert loop.step() == 0.25

    def test_a_full_batch_is_followed_at_once(self):
        store, clock = MemoryLog(), FakeClock()
        loop, _ = self.make(store, clock)
        write_events(store, BATCH + 1, clock)
        assert loop.step() == 0.0
        assert loop.step() == 0.1
        assert store.size == BATCH + 1

    def test_goes_on_sealing_where_it_may_not_sign_and_says_so_once(self):
        store, clock = MemoryLog(), FakeClock()
        loop, reports = self.make(store, clock)
        write_events(store, 3, clock)
        store.heads.append(Checkpoint(9, b"", b"not a note", clock()))
        for number in range(6):
            clock.now += 10_000_000
            loop.step()
            write_events(store, 1, clock, seed=number)
        assert [error.code for error in reports] == ["evidence.rolled-back"]
        assert loop.failure is not None
        assert store.size >= 7
        store.heads.clear()
        clock.now += 10_000_000
        loop.step()
        assert loop.failure is None
        assert store.heads

    def test_who_leads_again_signs_what_the_other_left_unsigned(self):
        store, clock = MemoryLog(), FakeClock()
        mine = SequencerLoop(sequencer(store, clock, node="n1"), clock, lambda error: None)
        other = sequencer(store, clock, node="n2")
        write_events(store, 1, clock)
        mine.step()
        clock.now += 1_000_000
        mine.step()
        assert self.sizes(store) == [1]
        clock.now += 2 * LEASE
        assert other.lead()
        write_events(store, 1, clock, seed=2)
        assert other.seal() == 1
        assert mine.step() == 0.25
        clock.now += 2 * LEASE
        mine.step()
        assert self.sizes(store) == [1, 2]

    def test_survives_a_database_that_is_away_and_a_fault_of_its_own(self):
        store, clock = MemoryLog(), FakeClock()
        loop, reports = self.make(store, clock)
        for error in (StoreUnavailable("Away."), ZeroDivisionError()):

            def fail(work: object, error: Exception = error) -> None:
                raise error

            store.read = fail  # type: ignore[assignment, method-assign]
            assert loop.step() == 1.0
            assert loop.step() == 1.0
        del store.read
        assert [error.code for error in reports] == ["store.unavailable", "evidence.stopped"]
        write_events(store, 1, clock)
        loop.step()
        assert (store.size, loop.failure) == (1, None)

    def test_a_thread_of_its_own_signs_all_there_is_before_it_ends(self, store):
        clock = FakeClock()
        loop, reports = self.make(store, clock, batching=0.001, idle=0.01)
        loop.start()
        for seed in range(5):
            write_events(store, 10, clock, seed=seed)
            loop.nudge()
        end = time.monotonic() + 60
        while store.read(lambda view: view.log_size()) < 50 and time.monotonic() < end:
            time.sleep(0.005)
        write_events(store, 1, clock, seed=9)
        loop.stop()
        assert not reports
        assert self.sizes(store)[-1] == 51
        assert verify_log(store, [KEY]).ok
        lead: bool = store.write(lambda tx: self.is_free(tx))
        assert lead

    def is_free(self, tx: Tx) -> bool:
        return b'"until":0' in (tx.setting(LEASE_SETTING) or b"")
