"""Witnesses: what they sign and refuse, and what a log makes of what they say."""

from __future__ import annotations

from hashlib import sha256

import pytest
from tests.support.logs import FakeClock
from tests.support.witnesses import FakeLog, FakeWitness, log_keys

from ecluse.channels.http.errors import Unreachable
from ecluse.errors import EcluseError
from ecluse.evidence.errors import RolledBack
from ecluse.evidence.witness import cosignatures, kept_cosignatures
from ecluse.evidence.witness.awaiting import NothingAwaits, awaiting_logs, drop_awaiting
from ecluse.evidence.witness.check import verify_cosignatures
from ecluse.evidence.witness.client import WitnessAwaits, WitnessDisagrees, WitnessRefused, states
from ecluse.evidence.witness.service import witnessed, witnessed_logs
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, sign_checkpoint
from ecluse.wire.tlog.errors import BadSignature
from ecluse.wire.tlog.note import open_note
from ecluse.wire.tlog.witness import SIZE_TYPE, AddCheckpoint

ORIGIN = "aster.example/log"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(tmp_path, clock) -> FakeLog:
    return FakeLog(ORIGIN, tmp_path, clock)


@pytest.fixture
def birch(log, clock) -> FakeWitness:
    witness = FakeWitness("birch.example/witness", clock)
    witness.logs = [log.key]
    return witness


def kinds(told: list[tuple[str, dict[str, object]]]) -> list[str]:
    return [kind for kind, _ in told]


def request(log: FakeLog, old: int, *, proof: list[bytes] | None = None, note: bytes = b"") -> bytes:
    checkpoint = log.store.last_checkpoint()
    assert checkpoint is not None
    if proof is None:
        nodes = log.store.log_nodes(merkle.consistency_nodes(old, checkpoint.size))
        proof = merkle.consistency_proof(old, checkpoint.size, nodes)
    return AddCheckpoint(old, tuple(proof), note or checkpoint.note).encode()


class TestCosigned:
    def test_each_checkpoint_is_cosigned_and_the_lines_verify(self, log, birch):
        client = log.client(birch)
        for count in (3, 1, 20):
            log.grow(count)
            assert client.submit() == log.store.size
            assert client.submit() is None
            checkpoint = log.store.last_checkpoint()
            assert checkpoint is not None
            note = checkpoint.note + b"".join(cosignatures(log.store, checkpoint.size))  # type: ignore[arg-type]
            opened = open_note(note, [*log.key.parts, *birch.keys])
            assert len(opened.signatures) == 4
            (kept,) = kept_cosignatures(log.store, checkpoint.size)  # type: ignore[arg-type]
            assert kept.witness == birch.name
            shown = birch.service.checkpoint(sha256(ORIGIN.encode()).hexdigest())
            assert shown == note
        assert kinds(log.told) == ["log.witnessed"]
        assert kinds(birch.told) == ["witness.began"]
        assert client.look() == TreeHead(ORIGIN, 24, log.sequencer.check()[0].root)

    def test_a_witness_that_begins_anew_is_told_of(self, log, birch, clock):
        client = log.client(birch)
        log.grow(3)
        client.submit()
        birch.store.facts.clear()  # it lost its state
        log.grow(3)
        assert client.submit() == 6
        assert "log.witness-went-back" in kinds(log.told)
        assert states(log.store)[birch.name].went_back == 3  # type: ignore[arg-type]

    def test_a_witness_that_is_away_costs_no_checkpoint(self, log, birch):
        client = log.client(birch)
        birch.away = True
        log.grow(3)
        with pytest.raises(Unreachable):
            client.submit()
        state = states(log.store)[birch.name]  # type: ignore[arg-type]
        assert (state.error, state.size) == ("http.unreachable", 0)
        log.grow(3)
        assert log.store.heads[-1].size == 6
        birch.away = False
        assert client.submit() == 6
        assert states(log.store)[birch.name].error == ""  # type: ignore[arg-type]
        assert "log.witness-back" in kinds(log.told)

    def test_a_clock_that_differs_from_the_witnesss_is_told(self, log, birch, clock):
        birch.service._clock = lambda: clock() + 3_600_000_000
        log.grow(1)
        log.client(birch).submit()
        assert ("log.witness-clock-differs", {"witness": birch.name, "ahead": 3600}) in log.told


class TestLies:
    """What a witness says is believed only as far as our own log's key signed it."""

    @pytest.mark.parametrize(
        "said", ["409 99\n", "409 -1\n", "409 x", "422 no\n", "200 ", "200 \xff", "500 ", "302 "]
    )
    def test_stop_nothing(self, log, birch, said):
        log.grow(3)
        birch.bend = lambda *_: (int(said[:3]), said[4:].encode("latin-1"))
        with pytest.raises(EcluseError) as caught:
            log.client(birch).submit()
        assert not isinstance(caught.value, RolledBack)
        assert states(log.store)[birch.name].error == caught.value.code  # type: ignore[arg-type]
        assert log.client(birch).look() is None
        log.grow(1)
        assert log.store.heads[-1].size == 4

    def test_a_larger_size_without_a_head_is_a_lie(self, log, birch):
        log.grow(3)
        birch.bend = lambda status, body: (409, b"99\n") if status != 404 else (404, b"")
        with pytest.raises(WitnessDisagrees):
            log.client(birch).submit()

    def test_a_signature_over_something_else_is_not_kept(self, log, birch):
        log.grow(3)
        first = birch.service.add_checkpoint(request(log, 0)).body
        log.grow(3)
        birch.bend = lambda *_: (200, first)
        with pytest.raises(BadSignature):
            log.client(birch).submit()
        assert cosignatures(log.store, 6) == []  # type: ignore[arg-type]

    def test_one_of_its_two_signatures_is_not_enough(self, log, birch):
        log.grow(3)
        birch.bend = lambda status, body: (status, body.splitlines(keepends=True)[0])
        with pytest.raises(BadSignature):
            log.client(birch).submit()


class TestPutBack:
    """A hub that was restored as a whole, its held file too: only the witness knows."""

    def restored(self, log: FakeLog, birch: FakeWitness) -> None:
        log.grow(10)
        log.client(birch).submit()
        backup = log.copy(held=True)
        log.grow(5)
        log.client(birch).submit()
        log.put_back(backup)

    def test_is_noticed_at_start(self, log, birch):
        self.restored(log, birch)
        assert log.sequencer.check()[0].size == 10  # by itself it looks whole
        with pytest.raises(RolledBack):
            log.client(birch).look()
        log.start()
        log.grow(2, sign=False)
        with pytest.raises(RolledBack):  # also without the witness from here on
            log.sequencer.checkpoint()

    @pytest.mark.parametrize("more", [1, 5, 30])
    def test_is_noticed_by_the_next_cosignature_where_the_witness_was_away_at_start(self, log, birch, more):
        self.restored(log, birch)
        log.grow(more)
        with pytest.raises(RolledBack):
            log.client(birch).submit()
        assert log.store.heads[-1].size == 10 + more
        with pytest.raises(RolledBack):
            log.sequencer.checkpoint()

    def test_the_witness_notices_too(self, log, birch):
        self.restored(log, birch)
        for more, kind in ((1, "behind"), (4, "forked")):
            log.grow(more)
            birch.service.add_checkpoint(request(log, 10))
            found = witnessed(birch.store, ORIGIN)  # type: ignore[arg-type]
            assert found is not None
            assert found.trouble == kind
        assert kinds(birch.told) == ["witness.began", "witness.log-behind", "witness.log-forked"]
        facts = birch.told[-1][1]
        both = [open_note(facts[name].encode(), log.key.parts).text for name in ("theirs", "ours")]
        assert both[0].split("\n")[1] == both[1].split("\n")[1] == "15"
        assert both[0] != both[1]  # two heads of one size, both signed by the log: proof by itself

    def test_goes_on_under_another_name_with_the_same_witness(self, log, birch):
        self.restored(log, birch)
        log.grow(2, sign=False)
        with pytest.raises(RolledBack):
            log.client(birch).look()
        log.decide()
        log.grow(3)
        # What was lost was cosigned: no proof leads there, and a person on the witness's side decides.
        for _ in range(2):
            with pytest.raises(WitnessAwaits, match=f"{ORIGIN}#2"):
                log.client(birch).submit()
        (waits,) = awaiting_logs(birch.store)  # type: ignore[arg-type]
        assert (waits.origin, waits.size, waits.before, waits.cosigned) == (
            f"{ORIGIN}#2",
            log.store.size,
            ORIGIN,
            15,
        )
        assert kinds(birch.told).count("witness.log-awaits") == 1
        log.grow(2)  # it goes on meanwhile; what waits is what came first
        with pytest.raises(WitnessAwaits):
            log.client(birch).submit()
        assert awaiting_logs(birch.store) == [waits]  # type: ignore[arg-type]
        assert birch.accept(f"{ORIGIN}#2") == waits
        assert awaiting_logs(birch.store) == []  # type: ignore[arg-type]
        with pytest.raises(NothingAwaits):
            birch.accept(f"{ORIGIN}#2")
        assert log.client(birch).submit() == log.store.size
        log.grow(1)
        assert log.client(birch).submit() == log.store.size
        assert states(log.store)[birch.name].error == ""  # type: ignore[arg-type]
        assert log.verify().problem is None
        # The old name is at its end: a copy of before the break gets no cosignature, and is told of.
        assert (
            birch.service.add_checkpoint(
                request(log, 0, proof=[], note=birch.store.facts and old(log))
            ).status
            == 404
        )
        found = witnessed(birch.store, f"{ORIGIN}#2")  # type: ignore[arg-type]
        assert found is not None
        assert found.trouble == "behind"

    def test_goes_on_by_a_proof_where_what_was_lost_was_not_cosigned(self, log, birch):
        log.grow(10)
        log.client(birch).submit()
        backup = log.copy(held=False)
        log.grow(5)  # signed, and cosigned by nobody
        log.put_back(backup)
        log.grow(1, sign=False)
        with pytest.raises(RolledBack):
            log.sequencer.checkpoint()
        assert log.decide().common == 10
        log.grow(3)
        assert log.client(birch).submit() == log.store.size
        assert awaiting_logs(birch.store) == []  # type: ignore[arg-type]
        assert kinds(birch.told) == ["witness.began", "witness.began"]

    def test_a_thief_of_the_key_who_names_another_history_gets_no_cosignature(self, log, birch):
        log.grow(9)
        log.client(birch).submit()
        name = f"{ORIGIN}#2"
        tree = merkle.Frontier()
        nodes = tree.extend([merkle.leaf_hash(b"another %d" % number) for number in range(12)])
        head = TreeHead(name, 12, tree.root())
        note = sign_checkpoint(head, log.key.named(name), log.first.sign, log.second.sign, 1)
        own = tuple(merkle.consistency_proof(9, 12, nodes))
        for old, proof, status in (
            (0, (), 409),
            (9, own, 422),
            (9, (b"\0" * 32,), 422),
            (9, (), 422),
            (5, (), 409),
        ):
            answer = birch.service.add_checkpoint(AddCheckpoint(old, proof, note).encode())
            assert (answer.status, b"aster" in answer.body) == (status, False)
        assert witnessed(birch.store, name) is None  # type: ignore[arg-type]
        (waits,) = awaiting_logs(birch.store)  # type: ignore[arg-type]
        assert waits.root == head.root.hex()
        assert kinds(birch.told) == ["witness.began", "witness.log-awaits"]
        shown = birch.service.checkpoint(sha256(name.encode()).hexdigest())
        assert shown is not None
        with pytest.raises(BadSignature):
            open_note(shown, birch.keys)
        # The owner hears of it at the next cosignature, and stops.
        log.grow(1)
        with pytest.raises(RolledBack, match=name):
            log.client(birch).submit()

    def test_a_head_that_is_refused_leaves_the_log_as_it_was(self, log, birch):
        log.grow(3)
        log.client(birch).submit()
        name = f"{ORIGIN}#2"
        note = sign_checkpoint(
            TreeHead(name, 1, b"\7" * 32), log.key.named(name), log.first.sign, log.second.sign, 1
        )
        birch.service.add_checkpoint(AddCheckpoint(0, (), note).encode())
        birch.store.write(lambda tx: drop_awaiting(tx, name))  # type: ignore[arg-type]
        log.grow(1)
        assert log.client(birch).submit() == 4

    def test_a_later_name_takes_the_place_of_what_waits_and_a_proof_ends_the_waiting(self, log, birch):
        log.grow(3)
        log.client(birch).submit()
        for epoch in (2, 5, 3):
            name = f"{ORIGIN}#{epoch}"
            head = TreeHead(name, 1, bytes((epoch,)) * 32)
            note = sign_checkpoint(head, log.key.named(name), log.first.sign, log.second.sign, 1)
            birch.service.add_checkpoint(AddCheckpoint(0, (), note).encode())
        assert [each.origin for each in awaiting_logs(birch.store)] == [f"{ORIGIN}#5"]  # type: ignore[arg-type]
        tree = log.sequencer.check()[0]
        name = f"{ORIGIN}#6"
        head = TreeHead(name, 3, tree.root)
        note = sign_checkpoint(head, log.key.named(name), log.first.sign, log.second.sign, 1)
        assert birch.service.add_checkpoint(AddCheckpoint(3, (), note).encode()).status == 200
        assert awaiting_logs(birch.store) == []  # type: ignore[arg-type]

    @pytest.mark.parametrize("epoch", [2, 3, 4711])
    def test_a_name_that_only_a_thief_of_the_key_took_is_noticed(self, log, birch, epoch):
        log.grow(3)
        log.client(birch).submit()
        name = f"{ORIGIN}#{epoch}"
        head = TreeHead(name, 1, sha256(b"\0another log").digest())
        note = sign_checkpoint(head, log.key.named(name), log.first.sign, log.second.sign, 1)
        assert birch.service.add_checkpoint(AddCheckpoint(0, (), note).encode()).status == 409
        log.grow(1)
        with pytest.raises(RolledBack, match=name):
            log.client(birch).submit()


def old(log: FakeLog) -> bytes:
    head = TreeHead(ORIGIN, 40, b"\3" * 32)
    return sign_checkpoint(head, log.key, log.first.sign, log.second.sign, 1)


class TestRefusals:
    def test_follow_the_specification(self, log, birch):
        log.grow(4)
        add = birch.service.add_checkpoint
        assert add(b"nonsense").status == 400
        stranger = FakeLog("other.example/log", log.folder, log.clock)
        stranger.held.path.unlink()
        stranger.start()
        stranger.grow(2)
        assert add(request(stranger, 0)).status == 404
        birch.logs = [log_keys(ORIGIN, seed=2)[0]]
        assert add(request(log, 0)).status == 403
        birch.logs = [log.key]
        assert add(request(log, 0, proof=[b"\0" * 32])).status == 422
        answer = add(request(log, 2))
        assert (answer.status, answer.content_type, answer.body) == (409, SIZE_TYPE, b"0\n")
        assert add(AddCheckpoint(9, (), log.store.heads[-1].note).encode()).status == 400
        assert add(request(log, 0)).status == 200
        again = add(request(log, 4))
        assert again.status == 200
        log.grow(3)
        assert add(request(log, 4, proof=[b"\0" * 32])).status == 422
        assert add(request(log, 0)).body == b"4\n"
        assert witnessed(birch.store, ORIGIN).trouble == "suspect"  # type: ignore[arg-type, union-attr]
        assert add(request(log, 4)).status == 200
        assert witnessed(birch.store, ORIGIN).trouble == ""  # type: ignore[arg-type, union-attr]

    def test_one_signature_of_a_log_with_two_keys_is_refused(self, log, birch):
        log.grow(1)
        text, _, lines = log.store.heads[-1].note.rpartition(b"\n\n")
        one = text + b"\n\n" + lines.splitlines(keepends=True)[0]
        assert birch.service.add_checkpoint(request(log, 0, note=one)).status == 403
        birch.logs = [LogKey(log.key.ed25519)]
        assert birch.service.add_checkpoint(request(log, 0, note=one)).status == 200

    def test_an_empty_log(self, log, birch):
        for root, status in ((merkle.EMPTY_ROOT, 200), (b"\1" * 32, 422)):
            note = sign_checkpoint(TreeHead(ORIGIN, 0, root), log.key, log.first.sign, log.second.sign, 1)
            assert birch.service.add_checkpoint(AddCheckpoint(0, (), note).encode()).status == status

    def test_a_race_cosigns_no_smaller_head(self, log, birch):
        """Two requests of one log at once: the slower one sees what the other left."""
        log.grow(3)
        small = request(log, 0)
        log.grow(3)
        large = request(log, 0)
        store = birch.store
        write = store.write

        def late(work):  # type: ignore[no-untyped-def]
            store.write = write  # type: ignore[method-assign]
            assert birch.service.add_checkpoint(large).status == 200
            return write(work)

        store.write = late  # type: ignore[method-assign]
        answer = birch.service.add_checkpoint(small)
        assert (answer.status, answer.body) == (409, b"6\n")

    def test_replayed_heads_are_one_event_a_day(self, log, birch):
        log.grow(2)
        first = request(log, 0)
        birch.service.add_checkpoint(first)
        for _ in range(5):
            log.grow(1)
            birch.service.add_checkpoint(request(log, log.store.size - 1))
            birch.service.add_checkpoint(first)
        assert kinds(birch.told).count("witness.log-behind") == 1

    def test_a_witness_refuses_what_it_can_not_sign(self, log, birch):
        log.grow(1)
        birch.logs = []
        with pytest.raises(WitnessRefused):
            log.client(birch).submit()


def test_the_same_on_every_database(store, tmp_path, clock):
    """Cosigned, broken by a head that somebody else shows, decided, cosigned again: on one database after the other."""
    log = FakeLog(ORIGIN, tmp_path, clock, store=store)
    witness = FakeWitness("birch.example/witness", clock)
    witness.service._store = store  # a hub is both on one database
    witness.logs = [log.key]
    log.grow(7)
    assert log.client(witness).submit() == 7
    assert store.read(lambda view: witnessed(view, ORIGIN)).size == 7
    assert len(store.read(lambda view: cosignatures(view, 7))) == 2
    head = TreeHead(ORIGIN, 9, b"\4" * 32)
    note = sign_checkpoint(head, log.key, log.first.sign, log.second.sign, 1)
    with pytest.raises(RolledBack):
        log.sequencer.confront(note)
    log.grow(5, sign=False)
    with pytest.raises(RolledBack):
        log.sequencer.checkpoint()
    decided = log.decide()
    assert (decided.lost.size, decided.common) == (9, 7)
    assert log.client(witness).submit() == 13
    assert [each.origin for each in store.read(witnessed_logs)] == [ORIGIN, f"{ORIGIN}#2"]
    verdict = log.verify()
    assert verdict.problem is None
    assert (len(verdict.breaks), verdict.lost) == (1, 1)
    assert list(verify_cosignatures(store, witness.keys)) == []
