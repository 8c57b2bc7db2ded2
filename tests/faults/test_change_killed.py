"""An approval is killed at calls by which it changes the disk: it is in force with all of its evidence, or waits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.children import ROOT, child_env, needs_strace
from tests.support.operators import four_eyed, person, propose, put_field

from ecluse.app.changes import approve, find, statement
from ecluse.app.opening import open_node
from ecluse.evidence.record import decode_leaf
from ecluse.trust.keys.keyfiles import FileKeyring, Stretching
from ecluse.trust.secrets import Secret

SAMPLE = 5
"""Writes of the log of the database that are the last one, of some thirty; each takes a second."""


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A hub with a change that waits for its second signature."""
    folder = tmp_path_factory.mktemp("changes") / "hub"
    with four_eyed(folder) as node:
        proposal = propose(node, put_field(node, 'name = "Aster"', 'name = "Aster & Co"'), person("ada"))
    secret = Secret((folder / "passphrase").read_text().strip())
    keyring = FileKeyring.open(folder / "keys", secret)
    keyring.change_passphrase(secret, stretching=Stretching(memory_kib=64, passes=1, lanes=1))
    return folder, proposal.id


def approve_under_strace(origin: Path, folder: Path, id: str, *inject: str) -> list[str]:
    """Approve in a process of its own; give the calls that changed the database's log or the hub's file."""
    shutil.copytree(origin, folder)
    log = folder.with_suffix(".strace")
    watched = [word for name in ("state/ecluse.db-wal", "ecluse.toml") for word in ("-P", str(folder / name))]
    worker = [sys.executable, "-m", "tests.support.approve_worker"]
    calls = ["-e", "trace=pwrite64,fdatasync,rename", *(("-e", f"inject={inject[0]}") if inject else ())]
    subprocess.run(
        ["strace", "-f", "-qq", *watched, "-o", str(log), *calls, *worker, str(folder), id, "berta"],
        env=child_env(),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    return [line.split(maxsplit=1)[1].partition("(")[0] for line in log.read_text().splitlines()]


def look(folder: Path, id: str) -> str:
    """The state that the killed process left; the name in force and the evidence have to fit it."""
    with open_node(folder) as node:
        entry = find(node, id)
        name = node.directory.organisation.name
        kinds = [each.event.kind for each in node.store.read(lambda view: view.events(f"change:{id}"))]
        if entry.state == "pending":
            assert (kinds, name, node.version) == (["change.proposed"], "Aster", 2)
            assert len(entry.proposal.signatures) == 1
            armored = person("berta").sign(statement(node, id, "approve", "berta"))
            assert approve(node, id, "berta", armored).state == "applied"
        else:
            assert kinds == ["change.proposed", "change.approved", "change.applied"]
            assert (name, node.version) == ("Aster & Co", 3)
            (event,) = node.store.read(lambda view: view.events("config:3"))
            assert json.loads(decode_leaf(event.leaf).data)["change"] == id
        assert node.directory.organisation.name == "Aster & Co"
        return entry.state


@needs_strace
def test_killed_while_it_is_written(waiting: tuple[Path, str], tmp_path: Path) -> None:
    origin, id = waiting
    calls = approve_under_strace(origin, tmp_path / "whole", id)
    assert look(tmp_path / "whole", id) == "applied"
    writes = calls.count("pwrite64")
    assert writes > SAMPLE
    points = [f"pwrite64:signal=KILL:when={1 + writes * each // SAMPLE}" for each in range(SAMPLE)]
    points += [f"fdatasync:signal=KILL:when={calls.count('fdatasync')}", "rename:signal=KILL:when=1"]
    states = []
    for number, point in enumerate(points):
        folder = tmp_path / f"killed-{number}"
        approve_under_strace(origin, folder, id, point)
        states.append(look(folder, id))
    assert set(states[:SAMPLE]) == {"pending"}, "what was not written whole is not in force"
    assert states[-1] == "applied", "the folder comes after the commit"
