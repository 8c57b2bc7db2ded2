"""A backup made, and a hub made of it again."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.backups import World, content

from ecluse.app.backup.aftermath import held, release
from ecluse.app.backup.check import verify
from ecluse.app.backup.run import open_site
from ecluse.app.opening import open_node


def test_a_hub_comes_back_as_it_was(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        small, large = world.message(b"UNA:+.? '" * 10, 1), world.message(bytes(range(256)) * 2000, 2)
        world.seal()
        made = world.backup()
        assert made.copied == 1
        assert made.missing == []
        assert verify(open_site(world.node), deep=True)["wrong"] == []
        result = world.restore(tmp_path / "again")
        assert result.ok, result.as_dict()
        assert result.held["deliveries"] == 2
        with open_node(tmp_path / "again") as node:
            assert content(node, small) == b"UNA:+.? '" * 10
            assert content(node, large) == bytes(range(256)) * 2000
            assert node.version == world.node.version
            waiting = held(node)
            assert {each["id"] for each in waiting["messages"]} == {small, large}
            told = release(node, messages=[small], actor="operator:test", reason="compared")
            assert told["released"] == [small]
            assert [each["id"] for each in held(node)["messages"]] == [large]


def test_the_next_backup_is_an_increment(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        for number in range(30):
            world.message(os.urandom(40_000), number)
            world.message(os.urandom(12_000), 100 + number)  # in its row
        first = world.backup()
        second = world.backup()
        assert first.copied == 30
        assert second.copied == 0
        assert second.manifest.written < first.manifest.written / 2 < first.manifest.streams
        world.message(b"x" * 50_000, 99)
        assert world.backup().copied == 1
        assert world.restore(tmp_path / "again").ok
