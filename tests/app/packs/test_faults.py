"""An export that is killed, or finds the disk full, leaves no half pack, and no pack that the log was not told of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.children import Call, injected, needs_strace, run_child, traced
from tests.support.pack_files import check
from tests.support.pair import Pair, wait_for

from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import PartnerId
from ecluse.trust.keys.keyfiles import FileKeyring, Stretching
from ecluse.trust.secrets import Secret

WORKER = "tests.support.pack_worker"
SMALL, LARGE = 1_000, 300 << 20
FLAT = 64 << 10
"""KiB that a pack of any size may cost more than a small one."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[int, str]]]:
    """A hub that is not served, with a small and a large message that were delivered, and its log signed."""
    base = tmp_path_factory.mktemp("hubs")
    pair = Pair(base)
    node = pair.nodes["aster"]
    ids = {}
    for size in (SMALL, LARGE):
        chunk = bytes(min(size, 1 << 20))
        made = hand_in(
            node.hub,
            PartnerId("birch"),
            "as2:birch",
            [HandIn(f"{size}.bin", "application/octet-stream", [chunk] * (size // len(chunk)))],
            protocol="as2",
            protocol_id=f"<{size}@ASTER>",
        )
        ids[size] = made.id
    pair.settle(120)
    wait_for(lambda: signed(node), 120)
    pair.close()
    passphrase = Secret((base / "aster" / "passphrase").read_text().strip())
    FileKeyring.open(base / "aster" / "keys", passphrase).change_passphrase(
        passphrase, stretching=Stretching(memory_kib=64, passes=1, lanes=1)
    )
    shutil.rmtree(base / "birch")
    yield base / "aster", ids
    shutil.rmtree(base)


def signed(node: Node) -> bool:
    newest = node.store.read(lambda view: view.last_checkpoint())
    size, waiting = node.store.read(lambda view: (view.log_size(), view.unsealed(1)))
    return newest is not None and newest.size == size and not waiting


def exports(hub: Path) -> int:
    """How many exports the log was told of."""
    with open_node(hub) as node:
        found = [leaf for _, leaf in node.store.read(lambda view: view.unsealed(1000))]
        found += [each.leaf for each in node.store.read(lambda view: view.events_from(0, 1000))]
        return sum(b'"kind":"evidence.exported"' in leaf for leaf in found)


def points(calls: list[Call]) -> list[Call]:
    """All calls but the writes, and of these one in the middle and the last; each takes two seconds."""
    writes = [call for call in calls if call.name == "write"]
    others = [call for call in calls if call.name not in ("openat", "write", "acknowledge")]
    return [*others, writes[len(writes) // 2], writes[-1]]


@needs_strace
def test_killed_at_any_call(hub: tuple[Path, dict[int, str]], tmp_path: Path) -> None:
    folder, ids = hub
    whole = tmp_path / "whole"
    whole.mkdir()
    calls = traced(whole, WORKER, str(folder), ids[SMALL], str(whole / "pack.zip"))
    assert {"openat", "write", "fsync", "link", "unlink", "acknowledge"} <= {call.name for call in calls}
    told = exports(folder)
    with open_node(folder) as node:
        key = node.log_key
    seen = set()
    for number, call in enumerate(points(calls)):
        out = tmp_path / str(number)
        out.mkdir()
        injected("signal=KILL", call, WORKER, str(folder), ids[SMALL], str(out / "pack.zip"))
        visible = [path.name for path in out.iterdir() if not path.name.startswith(".")]
        now = exports(folder)
        if visible:
            assert visible == ["pack.zip"]
            check(out / "pack.zip", key)
            assert now == told + 1, f"{call} left a pack that the log was not told of"
        seen.add(bool(visible))
        told = now
    assert seen == {True, False}


@needs_strace
def test_the_mutant_that_names_first_is_found(hub: tuple[Path, dict[int, str]], tmp_path: Path) -> None:
    folder, ids = hub
    out = tmp_path / "whole"
    out.mkdir()
    words = (WORKER, str(folder), ids[SMALL], str(out / "pack.zip"))
    calls = traced(out, *words, MUTANT="name-first")
    unlink = next(call for call in calls if call.name == "unlink")
    told = exports(folder)
    (out / "pack.zip").unlink()
    run_child(
        *words,
        strace=(
            *("strace", "-qq", "-o", "/dev/null", "-e", f"trace={unlink.name}"),
            *("-e", f"inject={unlink.name}:signal=KILL:when={unlink.number}"),
        ),
        MUTANT="name-first",
    )
    assert (out / "pack.zip").exists()
    assert exports(folder) == told, "the test above would not see it"


@needs_strace
def test_a_disk_that_is_full_or_fails(hub: tuple[Path, dict[int, str]], tmp_path: Path) -> None:
    folder, ids = hub
    whole = tmp_path / "whole"
    whole.mkdir()
    calls = traced(whole, WORKER, str(folder), ids[SMALL], str(whole / "pack.zip"))
    writes = [call for call in calls if call.name == "write"]
    synced = next(call for call in calls if call.name == "fsync")
    told = exports(folder)
    faults = [("error=ENOSPC", writes[len(writes) // 2]), ("error=EIO", synced)]
    for number, (fault, call) in enumerate(faults):
        out = tmp_path / str(number)
        out.mkdir()
        done = injected(fault, call, WORKER, str(folder), ids[SMALL], str(out / "pack.zip"))
        assert "durable" not in done.stdout
        assert list(out.iterdir()) == []
    assert exports(folder) == told


def test_memory_is_flat(hub: tuple[Path, dict[int, str]], tmp_path: Path) -> None:
    folder, ids = hub
    peak = {}
    for size in (SMALL, LARGE):
        done = run_child(WORKER, str(folder), ids[size], str(tmp_path / f"{size}.zip"))
        assert done.stdout.startswith("durable"), done.stderr
        peak[size] = int(done.stdout.split()[1])
    assert (tmp_path / f"{LARGE}.zip").stat().st_size > 2 * LARGE
    assert peak[LARGE] - peak[SMALL] < FLAT, peak
