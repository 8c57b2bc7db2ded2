"""Somebody who can write to the places changes every kind of object, in every way: it is refused, and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.backups import World

from ecluse.app.backup.check import verify
from ecluse.app.backup.run import open_site
from ecluse.archive.copies import finish_erasures
from ecluse.archive.shredding import DataClass, Reason, shred
from ecluse.blobs import vault as vault_module
from ecluse.errors import EcluseError
from ecluse.model.basics import MessageId
from ecluse.store.port import Tx

KINDS = {
    "manifest": "m",
    "table": "t",
    "pack": "p",
    "blob": "b",
    "key index": "i",
    "keys": "k",
    "erasures": "e",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("tampering")) as world:
        first = world.message(bytes(30_000), 1)
        world.message(b"second" * 5_000, 2)
        world.seal()
        world.backup()
        world.message(b"later" * 9_000, 3)
        world.seal()
        world.backup()
        blank_names(world, first)
        yield world


def blank_names(world: World, id: MessageId) -> None:
    """Something is erased after the last backup."""
    hub = world.node.hub

    def work(tx: Tx) -> None:
        message = tx.message(id)
        assert message is not None
        names = frozenset({DataClass.NAMES})
        at = hub.clock()
        shred(tx, hub, [message], reason=Reason.DATA_SUBJECT, actor="operator:test", at=at, classes=names)

    world.node.store.write(work)
    assert finish_erasures(hub, world.node.store, hub.copies) == 1


def objects(world: World, letter: str) -> list[Path]:
    """Objects of a kind, oldest first."""
    folder = world.folder / ("keys" if letter in "ike" else "to")
    return sorted((each for each in folder.rglob(f"{letter}*") if each.is_file()), key=lambda each: each.name)


def flip_first(target: Path, other: Path) -> None:
    data = bytearray(target.read_bytes())
    data[3] ^= 1
    target.write_bytes(data)


def flip_last(target: Path, other: Path) -> None:
    data = bytearray(target.read_bytes())
    data[-1] ^= 1
    target.write_bytes(data)


def flip_middle(target: Path, other: Path) -> None:
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(data)


def cut(target: Path, other: Path) -> None:
    target.write_bytes(target.read_bytes()[:-20])


def extend(target: Path, other: Path) -> None:
    target.write_bytes(target.read_bytes() + b"more")


def delete(target: Path, other: Path) -> None:
    target.unlink()


def replace(target: Path, other: Path) -> None:
    target.write_bytes(other.read_bytes())


WAYS = (flip_first, flip_middle, flip_last, cut, extend, delete, replace)


def outcome(world: World, into: Path) -> tuple[str, list[str]]:
    """What a restore is refused with, or what of a hub that was restored is damaged."""
    try:
        return "", world.restore(into).damaged
    except EcluseError as error:
        return f"{error.code} {error.cause}", []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_it_is_named(
    world: World,
    kind: str,
    way: Callable[[Path, Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ecluse.app.backup.check.MAX_WRITING", 0)  # no blob of this test was long in coming
    found = objects(world, KINDS[kind])
    target = found[-1]
    other = found[0] if len(found) > 1 else objects(world, "p" if kind != "pack" else "t")[0]
    before = target.read_bytes()
    try:
        way(target, other)
        facts = verify(open_site(world.node), deep=True)
        told = " ".join(f"{each['object']} {each['cause']}" for each in facts["wrong"])
        if kind == "manifest" and way is delete:
            assert facts["backups"] == 1  # the hub's own record tells that it is gone: see below
        else:
            assert not facts["ok"]
            assert target.name in told or kind == "key index", told
        told, damaged = outcome(world, tmp_path / "again")
        if told:
            assert target.name in told or way is delete, told
            assert not (tmp_path / "again").exists()
        else:
            assert (damaged == [target.name]) if kind == "blob" else (kind, way) == ("manifest", delete)
    finally:
        target.write_bytes(before)


def test_a_backup_that_was_deleted_is_missed_by_the_next_one(world: World) -> None:
    target = objects(world, "m")[-1]
    before = target.read_bytes()
    target.unlink()
    try:
        with pytest.raises(EcluseError) as caught:
            world.backup()
        assert caught.value.code == "backup.place-changed"
        assert target.name in caught.value.cause
    finally:
        target.write_bytes(before)


def test_a_manifest_of_another_log_is_not_believed(world: World, tmp_path: Path) -> None:
    with World(tmp_path, settings='rate = "1 GiB"') as stranger:
        stranger.message(b"x" * 20_000)
        stranger.backup()
        target, forged = objects(world, "m")[-1], objects(stranger, "m")[-1]
        before = target.read_bytes()
        try:
            target.write_bytes(forged.read_bytes())
            facts = verify(open_site(world.node))
            assert [each["object"] for each in facts["wrong"]] == [target.name]
            with pytest.raises(EcluseError) as caught:
                world.restore(tmp_path / "again")
            assert caught.value.code == "backup.damaged"
        finally:
            target.write_bytes(before)


def test_nothing_was_wrong_before(world: World) -> None:
    assert vault_module.MAX_WRITING == 12 * 3600
    assert verify(open_site(world.node), deep=True)["wrong"] == []
