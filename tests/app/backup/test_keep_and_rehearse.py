"""Which backups stay, and restores on trial."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.support.backups import World, killed_at, recipient

from ecluse.app.backup import run as run_module
from ecluse.app.backup.errors import NoPrivateKey
from ecluse.app.backup.keep import kept, list_backups, prune
from ecluse.app.backup.records import last_backup, last_rehearsal
from ecluse.app.backup.rehearse import rehearse
from ecluse.app.backup.run import open_site
from ecluse.app.backup.sealing import PrivateKeys
from ecluse.app.backup.work import backup_work
from ecluse.app.opening import open_node
from ecluse.engine.context import JobContext
from ecluse.engine.retry import RetryPolicy
from ecluse.evidence.record import decode_leaf
from ecluse.model.basics import Instant
from ecluse.model.nouns import Job
from ecluse.trust.settings.backup import Keep


def days(count: int) -> list[run_module.Manifest]:
    """A backup at noon of each of so many days, oldest first; the last one on 2026-11-22, a Sunday."""
    end = datetime(2026, 11, 22, 12, tzinfo=UTC)
    moments = [int((end - timedelta(days=back)).timestamp()) * 1_000_000 for back in range(count)][::-1]
    empty = run_module._NONE
    return [
        msgspec.structs.replace(empty, id=f"m{number}", at=Instant(at)) for number, at in enumerate(moments)
    ]


def test_the_newest_of_each_period_stays() -> None:
    names = kept(days(60), Keep(last=1, daily=3, weekly=2, monthly=2))
    # Days 57 to 59; weeks of 16-22 and 9-15 November; November and October.
    assert names == {"m59", "m58", "m57", "m52", "m37"}


def test_the_newest_one_always_stays() -> None:
    nothing = Keep(last=0, daily=0, weekly=0, monthly=0)
    assert kept(days(5), nothing) == {"m4"}
    assert kept([], nothing) == set()


def test_pruning(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        for number in range(4):
            world.message(bytes([number]) * 30_000)
            world.backup()
        site = open_site(world.node)
        every = Keep(last=2, daily=0, weekly=0, monthly=0)
        would = prune(site, every, dry_run=True)
        assert len(would["dropped"]) == 2
        assert len(list_backups(site)) == 4
        did = prune(site, every)
        assert (did["dropped"], did["objects"]) == (would["dropped"], would["objects"])
        assert [each["id"] for each in list_backups(site)][::-1] == did["kept"]
        assert world.restore(tmp_path / "again", backup=did["kept"][0]).ok


def test_a_rehearsal_is_measured_and_leaves_nothing(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        newest = world.message(b"document" * 5_000)
        world.seal()
        world.backup()
        world.message(b"lost" * 5_000)
        room = tmp_path / "room"
        room.mkdir()
        before = (tmp_path / "to").rglob("*"), (tmp_path / "keys").rglob("*")
        facts = rehearse(open_site(world.node), PrivateKeys(world.private), folder=room)
        assert facts["ok"], facts
        assert facts["message"] == newest
        assert facts["lost_records"] >= 1
        assert facts["seconds"] > 0
        assert list(room.iterdir()) == []
        assert len(list(before[0])) == len(list((tmp_path / "to").rglob("*")))
        told = world.node.store.read(last_rehearsal)
        assert told is not None
        assert told.ok
        kinds = [
            json.loads(leaf)["kind"] for _, leaf in world.node.store.read(lambda view: view.unsealed(1000))
        ]
        assert kinds[-1] == "backup.rehearsed"


def test_a_rehearsal_that_fails_says_why(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.message(b"document" * 5_000)
        world.backup()
        pack = next(each for each in (tmp_path / "to").rglob("p0*") if each.is_file())
        pack.write_bytes(pack.read_bytes()[:-1])
        room = tmp_path / "room"
        room.mkdir()
        facts = rehearse(open_site(world.node), PrivateKeys(world.private), folder=room)
        assert not facts["ok"]
        assert pack.name in facts["failure"]
        assert list(room.iterdir()) == []
        told = world.node.store.read(last_rehearsal)
        assert told is not None
        assert not told.ok


def test_what_a_killed_rehearsal_left_goes_with_the_next_one(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    with World(tmp_path) as world:
        world.message(b"document" * 5_000)
        world.seal()
        world.backup()
    assert killed_at(tmp_path, room, "log") == signal.SIGKILL
    [left] = room.iterdir()
    assert list(left.rglob("*.db"))
    with World(tmp_path) as world:
        assert rehearse(open_site(world.node), PrivateKeys(world.private), folder=room)["ok"]
    assert list(room.iterdir()) == []


def test_others_do_not_open_it(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.backup()
        stranger = PrivateKeys(recipient("Stranger")[1])
        with pytest.raises(NoPrivateKey):
            world.restore(tmp_path / "again", unlock=stranger)
        assert not (tmp_path / "again").exists()
        with pytest.raises(NoPrivateKey):
            PrivateKeys(b"no key at all")


def test_a_serving_hub_makes_them_when_they_are_due(tmp_path: Path) -> None:
    with World(tmp_path, settings='every = "1h"') as world:
        node = world.node
        work = backup_work(node).work
        context = JobContext(
            Job("k", "backup.run", "", b"{}", Instant(0)),
            node.store,
            node.hub.clock,
            node.hub.entropy,
            RetryPolicy(),
        )
        work(context)
        assert len(list_backups(open_site(node))) == 1
        work(context)
        assert len(list_backups(open_site(node))) == 1, "the next one is due in an hour"
        last = node.store.read(lambda view: last_backup(view, "../to"))
        assert last.id == list_backups(open_site(node))[0]["id"]
        made = [
            decode_leaf(leaf)
            for _, leaf in node.store.read(lambda view: view.unsealed(1000))
            if b'"backup.made"' in leaf
        ]
        assert len(made) == 1


def test_the_first_backup_after_a_restore_is_a_persons(tmp_path: Path) -> None:
    with World(tmp_path, settings='every = "1h"') as world:
        world.backup()
        world.restore(tmp_path / "again")
        with open_node(tmp_path / "again") as node:
            job = Job("k", "backup.run", "", b"{}", Instant(0))
            context = JobContext(job, node.store, node.hub.clock, node.hub.entropy, RetryPolicy())
            backup_work(node).work(context)
            assert len(list_backups(open_site(node))) == 1
            run_module.make_backup(open_site(node))
            assert len(list_backups(open_site(node))) == 2
