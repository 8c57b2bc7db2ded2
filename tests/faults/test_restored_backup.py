"""A hub burns down and is restored from its backup: nothing goes twice unasked, and the log tells of it for ever."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.support.backups import World, recipient
from tests.support.pair import Pair, wait_for

from ecluse.app.backup.aftermath import held, release
from ecluse.app.backup.errors import NewerThere
from ecluse.app.backup.places import open_place
from ecluse.app.backup.restore import Request, restore
from ecluse.app.backup.run import make_backup, open_site
from ecluse.app.backup.sealing import PrivateKeys
from ecluse.app.log.breaks import continue_log, look_at
from ecluse.app.log.proofs import verify_evidence
from ecluse.app.log.sequencing import BROKEN, make_sequencer
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.service import Service
from ecluse.app.settings import apply_files
from ecluse.evidence.breaks import breaks
from ecluse.evidence.errors import NotBroken, RolledBack
from ecluse.evidence.held import HeldCheckpoints
from ecluse.exchange.actions import give_up
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import View
from ecluse.trust.configuration import read_folder
from ecluse.trust.secrets import SecretResolver

BACKUP = """
[backup]
recipients = ["openpgp/safe.asc"]
every = false
secrets = true
[backup.to]
place = "../to"
[backup.keys_to]
place = "../keys"
"""


def configure(node: Node) -> None:
    """Give a hub places for its backups."""
    (node.folder / "openpgp").mkdir(exist_ok=True)
    (node.folder / "openpgp" / "safe.asc").write_text(recipient()[0])
    with (node.folder / "ecluse.toml").open("a") as file:
        file.write(BACKUP)
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="backups")


def rebuild(base: Path, into: Path, **given: object) -> Request:
    resolver = SecretResolver(base, {})
    return Request(
        place=open_place(base, str(base / "to"), resolver),
        keys=open_place(base, str(base / "keys"), resolver),
        into=into,
        unlock=PrivateKeys(recipient()[1]),
        **given,  # type: ignore[arg-type]
    )


def came(folder: Path) -> Counter[bytes]:
    """What lies in an application's inbox."""
    files = [
        each for each in (folder / "inbox").rglob("*") if each.is_file() and not each.name.startswith(".")
    ]
    return Counter(each.read_bytes() for each in files)


def test_the_scene(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    loop = pair._loop

    def stop(name: str) -> None:
        asyncio.run_coroutine_threadsafe(pair.services[name].stop(), loop).result(60)

    def start(name: str) -> None:
        pair.services[name] = Service(pair.nodes[name])
        asyncio.run_coroutine_threadsafe(pair.services[name].start(), loop).result(20)

    try:
        configure(pair.nodes["aster"])
        pair.send("aster", "before")
        pair.settle()
        stop("birch")
        second, third = pair.send("aster", "second"), pair.send("aster", "third")
        made = make_backup(open_site(pair.nodes["aster"]))
        # What happens next is in no backup: both arrive, and something else is sent and arrives.
        start("birch")
        pair.settle()
        pair.send("aster", "after")
        pair.settle()
        arrived = came(pair.folders["birch"])
        assert sum(arrived.values()) == 4

        stop("aster")
        lost_heads = list(HeldCheckpoints(pair.nodes["aster"].checkpoint_file))
        pair.nodes["aster"].close()
        pair.folders["aster"].rename(tmp_path / "burnt")
        result = restore(rebuild(tmp_path, pair.folders["aster"]))
        assert result.ok, result.as_dict()
        assert result.manifest.id == made.manifest.id
        assert result.held["deliveries"] == 2

        node = pair.nodes["aster"] = open_node(pair.folders["aster"], serving=True)
        start("aster")
        signed = node.store.read(lambda view: view.last_checkpoint())
        time.sleep(3)  # three times what a retry waits for
        assert came(pair.folders["birch"]) == arrived, "nothing was sent again"
        # It takes part in the business at once; only its log is not signed.
        pair.send("birch", "news")
        wait_for(lambda: sum(came(pair.folders["aster"]).values()) == 1, 120)
        wait_for(lambda: node.store.read(lambda view: view.setting(BROKEN)) is not None, 120)
        cause = node.store.read(lambda view: view.setting(BROKEN))
        assert cause is not None
        assert result.manifest.made in cause.decode()
        assert node.store.read(lambda view: view.last_checkpoint()) == signed

        # Two people compare, and decide: the one is given up, as it arrived; the other one goes on.
        assert {each["id"] for each in held(node)["messages"]} == {second.id, third.id}
        give_up(node.hub, second.id, actor="operator:ines", reason="Birch has it")
        release(node, messages=[third.id], actor="operator:ines", reason="to be sure")

        def state(view: View) -> DeliveryState:
            (delivery,) = view.deliveries(third.id)
            return delivery.state

        wait_for(lambda: node.store.read(state) is DeliveryState.CONFIRMED, 120)
        assert came(pair.folders["birch"]) == arrived, (
            "Birch knows its Message-ID, and gave the stored answer"
        )
        given = node.store.read(lambda view: view.message(second.id))
        assert given is not None
        assert given.state is MessageState.GIVEN_UP
        assert held(node)["messages"] == []

        continue_log(node, "The disk was lost", None, "operator:ines")
        wait_for(lambda: _head(node) == "ecluse/aster#2", 120)
        verdict = verify_evidence(node, lambda done, total: None)
        assert verdict["ok"], verdict
        (told,) = node.store.read(breaks)
        assert (told.before, told.origin, told.reason) == (
            "ecluse/aster",
            "ecluse/aster#2",
            "The disk was lost",
        )
        # A head of the burnt hub turns up later: it is noticed, whatever was decided.
        with pytest.raises(RolledBack):
            make_sequencer(node).confront(lost_heads[-1])
    finally:
        pair.close()


def _head(node: Node) -> str:
    checkpoint = node.store.read(lambda view: view.last_checkpoint())
    return checkpoint.note.decode().partition("\n")[0] if checkpoint is not None else ""


def test_heads_that_were_kept_elsewhere_say_what_is_lost(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.message(b"kept" * 100)
        world.seal()
        world.backup()
        world.message(b"lost" * 100)
        world.seal()
        kept = tmp_path / "witnessed"
        shutil.copy(world.node.checkpoint_file, kept)
        newest = world.node.store.read(lambda view: view.last_checkpoint())
        assert newest is not None
        world.restore(tmp_path / "again", checkpoints=kept)
        with open_node(tmp_path / "again") as node:
            sequencer = make_sequencer(node)
            sequencer.seal()
            with pytest.raises(RolledBack):
                sequencer.checkpoint()
            damage = look_at(node)
            assert (damage.lost.size, damage.lost.root) == (newest.size, newest.root)
            assert damage.common < newest.size
            continue_log(node, "restored", None, "operator:ines")
            sequencer = make_sequencer(node)
            sequencer.seal()
            assert sequencer.checkpoint() is not None
            assert verify_evidence(node, lambda done, total: None)["ok"]
            with pytest.raises(NotBroken):
                look_at(node)


def test_a_restored_hub_does_not_write_over_backups_of_what_came_after(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.message(b"first" * 9_000)
        old = world.backup().manifest
        world.message(b"second" * 9_000)
        world.backup()
        world.restore(tmp_path / "again", backup=old.id)
        with open_node(tmp_path / "again") as node, pytest.raises(NewerThere):
            make_backup(open_site(node))
            # Restored from the newest one it goes on where that ended.
        world.restore(tmp_path / "newest")
        with open_node(tmp_path / "newest") as node:
            assert make_backup(open_site(node)).copied == 0
