"""Two hubs that cosign each other's checkpoints over HTTP; one of them is put back as a whole, and both notice."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.operators import four_eyed, person
from tests.support.pair import free_port, wait_for

from ecluse.app.changes.check import BadApproval
from ecluse.app.folder import make_hub
from ecluse.app.health.work import log as look_at_log
from ecluse.app.health.work import witnesses as look_at_witnesses
from ecluse.app.log.breaks import NothingProposed, break_facts, continue_log, look_at
from ecluse.app.log.keys import add_log_key
from ecluse.app.log.proofs import verify_evidence
from ecluse.app.log.sequencing import BROKEN, make_sequencer
from ecluse.app.log.tiles import write_tiles
from ecluse.app.log.witnesses import (
    awaiting_facts,
    cosigned_facts,
    decide_awaiting,
    own_witness_keys,
    witness_facts,
)
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.service import Service
from ecluse.app.settings import apply_files
from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.stream import request
from ecluse.errors import EcluseError
from ecluse.evidence.errors import NotBroken, RolledBack
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.witness import cosignatures
from ecluse.evidence.witness.awaiting import NothingAwaits
from ecluse.store.port import View
from ecluse.trust.configuration import read_folder
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import TreeHead, open_checkpoint, sign_checkpoint
from ecluse.wire.tlog.note import open_note
from ecluse.wire.tlog.tiles import tiles_of


def quiet(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def cause_events(node: Node, count: int = 1) -> None:
    for number in range(count):
        node.store.write(
            lambda tx, n=number: node.hub.event(tx, "flow.paused", "flow:orders", {"reason": f"{n}"})
        )


class Town:
    """Aster and Birch, each with a listener for its log, each other's witness."""

    def __init__(self, base: Path) -> None:
        self.ports = {name: free_port() for name in ("aster", "birch")}
        self.folders = {name: base / name for name in self.ports}
        made = {
            name: make_hub(folder, name=name.title(), as2_id=name.upper(), key_kind="ec-p256")
            for name, folder in self.folders.items()
        }
        for name, other in (("aster", "birch"), ("birch", "aster")):
            keys = [str(key) for key, _ in own_witness_keys(made[other])]
            toml = self.folders[name] / "ecluse.toml"
            more = f"""
[listen.log]
address = "127.0.0.1:{self.ports[name]}"

[log]
pace = "1s"

[[log.witnesses]]
name = "{other}"
url = "http://127.0.0.1:{self.ports[other]}/"
keys = {keys}
allow_private_network = true

[[log.cosigns]]
name = "{other}"
keys = {list(made[other].log.texts())}
"""
            toml.write_text(toml.read_text() + more.replace("'", '"'))
            apply_files(
                made[name], read_folder(self.folders[name]), actor="operator:test", reason="witnesses"
            )
            made[name].close()
        self.nodes: dict[str, Node] = {}
        self.services: dict[str, Service] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, name: str) -> Node:
        node = self.nodes[name] = open_node(self.folders[name])
        service = self.services[name] = Service(node, listen="127.0.0.1:0")
        asyncio.run_coroutine_threadsafe(service.start(), self._loop).result(20)
        return node

    def stop(self, name: str) -> None:
        asyncio.run_coroutine_threadsafe(self.services.pop(name).stop(), self._loop).result(60)
        self.nodes.pop(name).close()

    def close(self) -> None:
        for name in list(self.services):
            self.stop(name)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def get(self, name: str, path: str) -> tuple[int, bytes, dict[str, str]]:
        egress = Egress(hosts=frozenset({"127.0.0.1"}), networks=PRIVATE_NETWORKS)
        url = f"http://127.0.0.1:{self.ports[name]}/{path}"
        with request("GET", url, egress=egress) as answer:
            return answer.status, answer.read(), dict(answer.headers)


@pytest.fixture
def town(tmp_path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.close()


def is_cosigned(node: Node) -> Callable[[], bool]:
    """Whether everything that the log has is signed, and cosigned."""

    def look(view: View) -> bool:
        last = view.last_checkpoint()
        if last is None or view.unsealed(1) or view.log_size() != last.size:
            return False
        return bool(cosignatures(view, last.size))

    return lambda: node.store.read(look)


def levels(findings: Any) -> dict[str, str]:
    return {each.check: each.level for each in findings}


def test_two_hubs_cosign_each_other_and_show_their_trees(town):
    nodes = {name: town.start(name) for name in town.folders}
    for name, node in nodes.items():
        cause_events(node, 300)
        wait_for(is_cosigned(node), 120)
        other = nodes["birch" if name == "aster" else "aster"]
        status, body, headers = town.get(name, "checkpoint")
        assert (status, headers["cache-control"]) == (200, "no-cache")
        witness = [key for key, _ in own_witness_keys(other)]
        head = open_checkpoint(body, [node.log])

        def both(name: str = name, node: Node = node, witness: Any = witness) -> bool:
            _, note, _ = town.get(name, "checkpoint")
            return len(open_note(note, [*node.log.parts, *witness]).signatures) == 4

        wait_for(both, 120)
        leaves = []
        for tile in tiles_of(head.size):
            status, data, headers = town.get(name, tile.path)
            assert (status, len(data)) == (200, 32 * tile.width)
            assert "immutable" in headers["cache-control"]
            if tile.level == 0:
                leaves += [data[place : place + 32] for place in range(0, len(data), 32)]
        tree = merkle.Frontier()
        tree.extend(leaves)
        assert tree.root() == head.root
        for path in ("tile/entries/000", "tile/0/900", "", "tile/0/000/", "../ecluse.toml", "metrics"):
            assert town.get(name, path)[0] == 404
        assert levels(look_at_witnesses(node)) == {f"witness:{witness_facts(node)[0]['name']}": "ok"}
    for node in nodes.values():
        wait_for(lambda node=node: cosigned_facts(node)[0]["size"] > 300, 120)  # type: ignore[misc]
        assert not cosigned_facts(node)[0]["trouble"]


def test_a_hub_put_back_as_a_whole_is_noticed_at_its_start_and_goes_on_when_a_person_says_so(town, tmp_path):
    birch = town.start("birch")
    aster = town.start("aster")
    wait_for(is_cosigned(aster), 120)
    town.stop("aster")
    backup = tmp_path / "backup"
    shutil.copytree(town.folders["aster"], backup)
    aster = town.start("aster")
    cause_events(aster, 5)
    wait_for(is_cosigned(aster), 120)
    wait_for(lambda: cosigned_facts(birch)[0]["size"] == aster.store.read(lambda view: view.log_size()), 120)
    lost = aster.store.read(lambda view: view.last_checkpoint())
    town.stop("aster")
    assert lost is not None

    shutil.rmtree(town.folders["aster"])
    shutil.copytree(backup, town.folders["aster"])  # database, held file, keys: everything
    aster = town.start("aster")
    signed = aster.store.read(lambda view: view.last_checkpoint())
    cause_events(aster, 30)
    wait_for(lambda: bool(aster.store.read(lambda view: view.setting(BROKEN))), 120)
    wait_for(lambda: not aster.store.read(lambda view: view.unsealed(1)), 120)  # sealing goes on
    assert aster.store.read(lambda view: view.last_checkpoint()) == signed  # signing does not
    assert levels(look_at_log(aster)) == {"log": "failed"}
    assert not verify_evidence(aster, quiet)["ok"]
    assert look_at(aster).lost.size == lost.size

    done = continue_log(aster, "Restored from the copy of Friday.", None, "operator:ada")
    assert not done.waits
    assert done.found.origin == "ecluse/aster#2"
    wait_for(lambda: aster.log_key.name == "ecluse/aster#2", 120)
    # Birch had cosigned some of what was lost: somebody there looks, and accepts it.
    wait_for(lambda: bool(awaiting_facts(birch)), 120)
    wait_for(lambda: witness_facts(aster)[0]["error"] == "witness.awaits", 120)
    (waits,) = awaiting_facts(birch)
    assert (waits["origin"], waits["before"]) == ("ecluse/aster#2", "ecluse/aster")
    assert levels(look_at_witnesses(birch))["cosigned:ecluse/aster#2"] == "warning"
    with pytest.raises(NothingAwaits):
        decide_awaiting(birch, "ecluse/aster", accept=True, actor="operator:ben")
    decide_awaiting(birch, "ecluse/aster#2", accept=True, actor="operator:ben")
    wait_for(is_cosigned(aster), 120)
    verdict = verify_evidence(aster, quiet)
    assert verdict["problem"] is None
    assert [each["reason"] for each in verdict["breaks"]] == ["Restored from the copy of Friday."]
    assert levels(look_at_log(aster)) == {"log": "ok"}
    assert [each["origin"] for each in cosigned_facts(birch)] == ["ecluse/aster", "ecluse/aster#2"]
    assert break_facts(aster)[0]["holds"]
    with pytest.raises(NotBroken):
        continue_log(aster, "Again.", None, "operator:ada")


class TestDecisions:
    """Who may decide that a broken log goes on."""

    def broken(self, node: Node) -> None:
        """A log whose held file has a head that the database does not."""
        sequencer = make_sequencer(node)
        while sequencer.seal():
            pass
        sequencer.checkpoint()
        head = TreeHead(node.log.name, 500, b"\7" * 32)
        held = HeldCheckpoints(node.checkpoint_file)
        held.append(
            sign_checkpoint(
                head,
                node.log,
                node.keyring.log_sign,
                lambda data: node.keyring.note_sign("log-ml-dsa", data),
                1,
            )
        )
        with pytest.raises(RolledBack):
            make_sequencer(node).checkpoint()

    def test_two_operators_sign_the_same_text(self, tmp_path):
        ada, grace = person("ada"), person("grace")
        with four_eyed(tmp_path / "hub", ["ada", "grace"]) as node:
            self.broken(node)
            with pytest.raises(BadApproval):
                continue_log(node, "Why not.", None, "operator:root")
            with pytest.raises(NothingProposed):
                continue_log(node, None, grace.signer(), "operator:root")
            first = continue_log(node, "The disk failed.", ada.signer(), "operator:root")
            assert first.waits
            with pytest.raises(BadApproval) as caught:
                continue_log(node, None, ada.signer(), "operator:root")
            assert caught.value.code == "change.own"
            with pytest.raises(BadApproval):
                continue_log(node, None, person("eve").signer("grace"), "operator:root")
            cause_events(node, 3)  # it goes on meanwhile
            sequencer = make_sequencer(node)
            while sequencer.seal():
                pass
            second = continue_log(node, None, grace.signer(), "operator:root")
            assert not second.waits
            while sequencer.seal():
                pass
            assert sequencer.checkpoint() is not None
            (found,) = break_facts(node)
            assert (found["by"], found["signed"]) == (["ada", "grace"], ["ada", "grace"])
            assert found["reason"] == "The disk failed."
            assert verify_evidence(node, quiet)["problem"] is None


def test_an_older_hub_gets_the_keys_and_both_sign_from_then_on(tmp_path):
    with make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256") as made:
        keyring = made.keyfiles
    (tmp_path / "hub" / "keys" / "notes.seeds").unlink()
    with open_node(tmp_path / "hub") as node:
        keyring = node.keyfiles
        assert keyring.note_public("log-ml-dsa") is None
        assert node.log.ml_dsa is None
        with pytest.raises(EcluseError) as caught:
            own_witness_keys(node)
        assert caught.value.code == "keyring.no-note-keys"
        sequencer = make_sequencer(node)
        while sequencer.seal():
            pass
        first = sequencer.checkpoint()
        assert first is not None
        assert add_log_key(node, actor="operator:ada")
        assert not add_log_key(node, actor="operator:ada")
        while sequencer.seal():
            pass
        second = sequencer.checkpoint()
        assert second is not None
        assert [note.count(b"\n\xe2\x80\x94 ") for note in (first.note, second.note)] == [1, 2]
        assert verify_evidence(node, quiet)["problem"] is None
        out = tmp_path / "tiles"
        facts = write_tiles(node, out, True, quiet)
        assert facts["size"] == second.size
        assert (out / "checkpoint").read_bytes() == second.note
        assert (out / f"tile/entries/000.p/{second.size}").exists()
        assert write_tiles(node, out, True, quiet)["written"] == 1
