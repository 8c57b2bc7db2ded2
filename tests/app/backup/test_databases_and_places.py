"""The same on PostgreSQL and in a bucket."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.support.backups import World, content, killed_at, recipient
from tests.support.postgres import PostgresServer
from tests.support.s3 import ACCESS_KEY, REGION, SECRET, s3_server

from ecluse.app.backup.check import verify
from ecluse.app.backup.places import open_place
from ecluse.app.backup.rehearse import rehearse
from ecluse.app.backup.run import open_site
from ecluse.app.backup.sealing import PrivateKeys
from ecluse.app.opening import open_node
from ecluse.store.open import open_store, trial_database
from ecluse.store.snapshot import DatabaseNotEmpty
from ecluse.trust.secrets import SecretResolver


@pytest.mark.peer("postgresql")
def test_on_postgresql(tmp_path: Path, postgres_server: PostgresServer) -> None:
    with World(tmp_path, database=postgres_server.new_database()) as world:
        ids = [world.message(os.urandom(12_000), number) for number in range(40)]
        large = world.message(b"large" * 10_000, 99)
        world.seal()
        first = world.backup()
        second = world.backup()
        assert first.manifest.database == "postgresql"
        assert second.manifest.written < first.manifest.written / 2
        world.message(b"after" * 100, 100)
        world.seal()
        other = postgres_server.new_database()
        result = world.restore(tmp_path / "again", database=other)
        assert result.ok, result.as_dict()
        assert result.held["deliveries"] == 41
        with open_node(tmp_path / "again") as node:
            assert content(node, large) == b"large" * 10_000
            assert content(node, ids[0]) == content(world.node, ids[0])
            # What comes next gets a number of its own.
            node.store.write(lambda tx: node.hub.event(tx, "hub.restored", "hub", {}))
        with pytest.raises(DatabaseNotEmpty):
            world.restore(tmp_path / "third", database=other)
        assert not (tmp_path / "third").exists()


@pytest.mark.peer("postgresql")
def test_a_rehearsal_on_postgresql_leaves_nothing(tmp_path: Path, postgres_server: PostgresServer) -> None:
    with World(tmp_path, database=postgres_server.new_database()) as world:
        world.message(b"one" * 100)
        world.seal()
        world.backup()
        empty = postgres_server.new_database()
        for _ in range(2):  # it is empty again for the second one
            facts = rehearse(
                open_site(world.node), PrivateKeys(recipient()[1]), database=empty, folder=tmp_path
            )
            assert facts["ok"], facts


@pytest.mark.peer("postgresql")
def test_what_a_killed_rehearsal_left_on_postgresql_goes_with_the_next_one(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    with World(tmp_path, database=postgres_server.new_database()) as world:
        world.message(b"one" * 100)
        world.seal()
        world.backup()
    given = postgres_server.new_database()
    assert killed_at(tmp_path, tmp_path, "log", database=given) == signal.SIGKILL
    postgres_server.wait_for_nobody(given)
    assert open_store(given, node="test").pending_migrations() == [], "it left a hub there"
    with World(tmp_path) as world:
        site, key = open_site(world.node), PrivateKeys(recipient()[1])
        assert rehearse(site, key, database=given, folder=tmp_path)["ok"]
        with trial_database(given):
            failure = rehearse(site, key, database=given, folder=tmp_path)["failure"]
        assert "under way" in failure
        # What is no trial is nobody's to drop.
        used = postgres_server.new_database()
        open_store(used, node="other").migrate()
        assert "store.not-empty" in rehearse(site, key, database=used, folder=tmp_path)["failure"]
        assert open_store(used, node="other").pending_migrations() == []
    assert not list(tmp_path.glob("ecluse-rehearsal-*"))


@pytest.mark.peer("s3")
def test_in_a_bucket(tmp_path: Path) -> None:
    server = s3_server()
    server.make_bucket("backups")
    lines = (
        f'place = "s3://backups/{tmp_path.name}"\nendpoint = "{server.endpoint}"\nregion = "{REGION}"\n'
        'access_key = "env:BACKUP_ACCESS"\nsecret_key = "env:BACKUP_SECRET"'
    )
    os.environ.update(BACKUP_ACCESS=ACCESS_KEY, BACKUP_SECRET=SECRET)
    with World(tmp_path, to=lines) as world:
        id = world.message(b"in a bucket" * 9_000)
        world.seal()
        world.backup()
        assert world.backup().copied == 0
        assert verify(open_site(world.node), deep=True)["wrong"] == []
        settings = world.node.directory.hub.backup
        assert settings is not None
        place = open_place(tmp_path, settings.to, SecretResolver(tmp_path, os.environ))
        assert world.restore(tmp_path / "again", place=place).ok
        with open_node(tmp_path / "again") as node:
            assert content(node, id) == b"in a bucket" * 9_000
