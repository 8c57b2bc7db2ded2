"""The log as static files, for any web server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecluse import durable
from ecluse.app.node import Node
from ecluse.channels.tlog.pages import CHECKPOINT, Pages
from ecluse.evidence.errors import NotProvable
from ecluse.wire.tlog.tiles import Tile, tiles_of

__all__ = ["write_tiles"]


def write_tiles(
    node: Node, folder: Path, entries: bool, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Write what is not there yet; the checkpoint comes last, so that a reader never misses a tile.

    Args:
        node: The hub.
        folder: Where; it is made where it is not there.
        entries: The records too.
        progress: Called with (tiles done, tiles in all).

    Returns:
        ``size`` of the log, and how many files were ``written``.

    Raises:
        NotProvable: Nothing was signed yet.
        BlobUnavailable: The disk does not take it.
    """
    checkpoint = node.store.read(lambda view: view.last_checkpoint())
    if checkpoint is None:
        raise NotProvable("No checkpoint was signed yet.")
    pages = Pages(node.store, lambda: entries)
    wanted = tiles_of(checkpoint.size)
    if entries:
        wanted += [Tile(None, each.index, each.width) for each in wanted if each.level == 0]
    written = 0
    for number, tile in enumerate(wanted):
        written += _write(folder, tile.path, pages, fresh=False)
        progress(number + 1, len(wanted))
    written += _write(folder, CHECKPOINT, pages, fresh=True)
    return {"size": checkpoint.size, "written": written}


def _write(folder: Path, name: str, pages: Pages, *, fresh: bool) -> bool:
    path = folder / name
    if path.exists() and not fresh:
        return False
    page = pages.page(name)
    if page is None:
        raise NotProvable(f"The log has lost what {name} is made of.")
    durable.make_folder(path.parent, 0o755)
    durable.replace(path, page.body, 0o644)
    return True
