"""What stands at a path of the log: the checkpoint, tiles of the tree, and entries where they are served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ecluse.evidence.witness import cosignatures
from ecluse.store.port import Store, View
from ecluse.wire.tlog.errors import Malformed
from ecluse.wire.tlog.tiles import Tile, encode_bundle, parse_tile_path

__all__ = ["CHECKPOINT", "Page", "Pages"]

CHECKPOINT: Final = "checkpoint"

_TEXT: Final = "text/plain; charset=utf-8"
_OCTETS: Final = "application/octet-stream"
_FRESH: Final = "no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
"""A year: what a path below ``tile/`` says never changes."""


@dataclass(frozen=True, slots=True)
class Page:
    """What stands at a path.

    Attributes:
        content_type: Of the body.
        cache: The Cache-Control header.
        body: All of it; a full tile has 8 KiB, a full bundle of entries 16 MiB at most.
    """

    content_type: str
    cache: str
    body: bytes


class Pages:
    """The log's pages.

    Args:
        store: The database of the log.
        entries: Whether entries are served: they are the events themselves.
    """

    def __init__(self, store: Store, entries: Callable[[], bool]) -> None:
        self._store = store
        self._entries = entries

    def page(self, path: str) -> Page | None:
        """What stands at a path under the log's prefix, such as ``tile/0/000``; ``None`` where nothing does.

        Only what a checkpoint was signed for is shown. Raises :class:`StoreUnavailable`.
        """
        if path == CHECKPOINT:
            return self._store.read(_checkpoint)
        try:
            tile = parse_tile_path(path)
        except Malformed:
            return None
        if tile.level is None and not self._entries():
            return None
        body = self._store.read(lambda view: _tile(view, tile))
        return None if body is None else Page(_OCTETS, _FOR_EVER, body)


def _checkpoint(view: View) -> Page | None:
    checkpoint = view.last_checkpoint()
    if checkpoint is None:
        return None
    return Page(_TEXT, _FRESH, checkpoint.note + b"".join(cosignatures(view, checkpoint.size)))


def _tile(view: View, tile: Tile) -> bytes | None:
    checkpoint = view.last_checkpoint()
    if checkpoint is None or not tile.within(checkpoint.size):
        return None
    wanted = tile.nodes()
    if tile.level is not None:
        nodes = view.log_nodes(wanted)
        return b"".join(nodes[node] for node in wanted) if len(nodes) == len(wanted) else None
    first = wanted[0][1]
    found = view.events_from(first, tile.width)
    if [each.index for each in found] != list(range(first, first + tile.width)):
        return None
    return encode_bundle(each.leaf for each in found)
