from __future__ import annotations

import subprocess
import sys

import pytest
from tests.support.hubs import FakeClock, bare_hub

from ecluse.app.succession import Succession
from ecluse.evidence.sequencer import Sequencer
from ecluse.model.basics import Instant
from ecluse.model.nouns import Job
from ecluse.store.port import Lost
from ecluse.wire.tlog.note import NoteKey

HOUR = 3_600_000_000
HOLD = """
import sys, time
from pathlib import Path
from ecluse.app.succession import Succession
from ecluse.store.open import open_store
store = open_store("sqlite:" + sys.argv[1] + "/state.db", node="dead")
Succession(Path(sys.argv[1]) / "serving", "dead").begin(store)
store.close()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def hub(tmp_path):
    hub = bare_hub(tmp_path, FakeClock())
    yield hub
    hub.store.close()


def claimed_by(hub, owner):
    def work(tx):
        tx.add_job(Job("deliver:d1", "deliver", "birch", b"{}", Instant(0)))
        return tx.claim_jobs(owner, hub.clock(), HOUR, 1)[0]

    return hub.store.write(work)


def sequencer(hub, node):
    return Sequencer(hub.store, hub.clock, NoteKey("test", bytes(32)), lambda data: bytes(64), node=node)


def claim(hub):
    return hub.store.write(lambda tx: tx.claim_jobs("next", hub.clock(), HOUR, 1))


def test_a_killed_predecessor_is_succeeded_at_once(hub, tmp_path):
    held = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert held.stdout.readline() == "held\n"
        job = claimed_by(hub, "dead")
        assert sequencer(hub, "dead").lead()
        next_one = Succession(tmp_path / "serving", "next")
        assert next_one.begin(hub.store) == "", "it is alive: nothing is taken from it"
        assert claim(hub) == []
    finally:
        held.kill()
        held.wait()
    assert next_one.begin(hub.store) == "dead"
    assert sequencer(hub, "next").lead()
    [again] = claim(hub)
    assert again.key == job.key
    with pytest.raises(Lost):
        hub.store.write(lambda tx: tx.finish_job(job))
    next_one.end()


def test_a_predecessor_that_ended_in_good_order_leaves_nothing(hub, tmp_path):
    first = Succession(tmp_path / "serving", "first")
    first.begin(hub.store)
    first.end()
    first.end()
    claimed_by(hub, "first")
    second = Succession(tmp_path / "serving", "second")
    assert second.begin(hub.store) == ""
    assert claim(hub) == [], "what it could not end keeps its lease: another node may do it"
    second.end()


def test_a_hub_that_keeps_nothing_else_in_the_folder_is_served(hub, tmp_path):
    lock = Succession(tmp_path / "not" / "there" / "serving", "next")
    assert lock.begin(hub.store) == ""
    lock.end()
    assert (tmp_path / "not" / "there" / "serving").read_bytes() == b""
