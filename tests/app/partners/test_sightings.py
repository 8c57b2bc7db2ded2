"""Sightings in a node: written while it serves, at its end, and by commands that close it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.hubs import FakeClock, bare_hub
from tests.support.seen import seen

from ecluse.app.folder import make_hub
from ecluse.app.opening import open_node
from ecluse.app.partners import sightings
from ecluse.app.partners.sightings import SightingsWork
from ecluse.model.basics import PartnerId
from ecluse.store.port import StoreUnavailable
from ecluse.trust.sightings import sightings_of

BIRCH = PartnerId("birch")


def written(hub: Any) -> set[str]:
    return {each.value for each in hub.store.read(lambda view: sightings_of(view, BIRCH))}


def until(holds: Any) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_a_thread_writes_while_a_node_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "FLUSH_EVERY", 0.02)
    hub = bare_hub(tmp_path, FakeClock())
    work = SightingsWork(hub)
    work.start()
    hub.sightings.saw(BIRCH, "as2", "verify", "aa")
    until(lambda: written(hub) == {"aa"})
    real, failures = hub.store.write, iter([StoreUnavailable("it is away"), ValueError("a mistake of ours")])

    def fails(work: Any) -> Any:
        for error in failures:
            raise error
        return real(work)

    monkeypatch.setattr(hub.store, "write", fails)
    hub.sightings.saw(BIRCH, "as2", "verify", "bb")
    until(lambda: written(hub) == {"aa", "bb"})
    hub.sightings.saw(BIRCH, "as2", "verify", "bb")
    work.stop()
    assert hub.sightings.waiting == 0
    hub.store.close()


def test_a_thread_that_never_began_is_stopped(tmp_path: Path) -> None:
    hub = bare_hub(tmp_path, FakeClock())
    hub.sightings.saw(BIRCH, "as2", "verify", "aa")
    SightingsWork(hub).stop()
    assert written(hub) == {"aa"}
    hub.store.close()


def test_a_command_writes_what_it_saw_when_it_ends(tmp_path: Path) -> None:
    with make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256") as node:
        node.hub.sightings.saw(BIRCH, "sftp", "host-key", "SHA256:x")
    with open_node(tmp_path / "hub") as node:
        assert seen(node.hub, "birch", "sftp") == {"host-key": {"SHA256:x"}}
