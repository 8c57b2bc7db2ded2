"""Exports or imports an archive in a process of its own, to be killed.

``python -m tests.support.transfer_worker export|import HUB BAG``
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.support import documents as samples
from tests.support.archives import ArchiveWorld

from ecluse.archive.transfer import export_archive, load_export
from ecluse.archive.transfer.export import Owner
from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.local import LocalPlace
from ecluse.blobs.vault import Vault
from ecluse.evidence.sequencer import Sequencer
from ecluse.model.basics import system_entropy

DOCUMENTS = (samples.ORDERS, samples.UBL_DESPATCH, samples.UBL_INVOICE)


def opened(folder: Path) -> ArchiveWorld:
    """A hub whose bytes and keys are there again in the next process."""
    folder.mkdir(exist_ok=True)
    world = ArchiveWorld(folder, seed=b"one log")
    (folder / "blobs").mkdir(exist_ok=True)
    world.hub.vault = Vault(
        LocalPlace(folder / "blobs"), AesKeyWrap(bytes(32)), system_entropy, world.clock, 1024
    )
    return world


def filled(folder: Path) -> None:
    """Documents in the archive and in the log."""
    world = opened(folder)
    for data in DOCUMENTS:
        world.ended(world.archived(data))
    sequencer = Sequencer(world.hub.store, world.clock, world.note_key, world.log_sign)
    while sequencer.seal():
        pass
    sequencer.checkpoint()
    world.close()


def export(world: ArchiveWorld, bag: Path) -> Any:
    """Export all of it."""
    owner = Owner("Aster", (str(world.note_key),), "test")
    signing = {"operator": "anne", "sign": world.anne.sign}
    return export_archive(world.room, bag, owner, reason="hand over", actor="operator:os", **signing)  # type: ignore[arg-type]


def main(what: str, folder: str, bag: str) -> None:
    world = opened(Path(folder))
    if what == "export":
        export(world, Path(bag))
    else:
        load_export(world.room, Path(bag), reason="taken over", actor="operator:os")
    world.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
