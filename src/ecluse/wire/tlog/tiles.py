"""C2SP tlog-tiles: the tree and its entries as files of 256, under paths that never change their meaning.

Source: <https://c2sp.org/tlog-tiles>. Paths to facts and back, and which hashes of the tree a tile is made of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ecluse.wire.tlog.errors import BadProof, Malformed
from ecluse.wire.tlog.head import TreeHead
from ecluse.wire.tlog.merkle import HASH_SIZE, Frontier, Node, root

__all__ = [
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "Tile",
    "encode_bundle",
    "parse_bundle",
    "parse_tile_path",
    "tiles_of",
    "verify_tiles",
]

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
"""Hashes, or entries, of a full tile."""

MAX_LEVEL: Final = 63
MAX_ENTRY: Final = 65_535
"""Octets of an entry: its length has 16 bits."""

_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)
"""Seven groups of three digits hold every index of 63 bits."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of the tree, or a bundle of entries.

    Attributes:
        level: 0 to 63; ``None`` for entries.
        index: Its place in the level.
        width: Hashes or entries in it: 256 where it is full.
    """

    level: int | None
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The path under the log's prefix."""
        groups = [self.index % 1000]
        rest = self.index // 1000
        while rest:
            groups.append(rest % 1000)
            rest //= 1000
        last, *before = groups
        place = "".join(f"x{each:03}/" for each in reversed(before)) + f"{last:03}"
        level = "entries" if self.level is None else str(self.level)
        part = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{place}{part}"

    def within(self, size: int) -> bool:
        """Whether a log of ``size`` entries has it."""
        return ((self.index << TILE_HEIGHT) + self.width) << (TILE_HEIGHT * (self.level or 0)) <= size

    def nodes(self) -> list[Node]:
        """The complete nodes of the tree whose hashes it holds, in order (of entries: their leaf hashes)."""
        first = self.index << TILE_HEIGHT
        level = TILE_HEIGHT * (self.level or 0)
        return [(level, place) for place in range(first, first + self.width)]


def parse_tile_path(path: str) -> Tile:
    """Read a path as :attr:`Tile.path` writes it. Raise :class:`Malformed` for every other spelling."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise Malformed("That is no path of a tile.")
    level = None if found[1] == "entries" else int(found[1])
    index = int(found[2].replace("x", "").replace("/", ""))
    width = TILE_WIDTH if found[3] is None else int(found[3])
    tile = Tile(level, index, width)
    if (level or 0) > MAX_LEVEL or (found[3] is not None and width >= TILE_WIDTH) or tile.path != path:
        raise Malformed("That is no path of a tile.")
    return tile


def tiles_of(size: int) -> list[Tile]:
    """The tiles of the tree, full and partial, level by level, that a log of ``size`` entries has."""
    tiles = []
    level = 0
    while hashes := size >> (TILE_HEIGHT * level):
        full, rest = divmod(hashes, TILE_WIDTH)
        tiles += [Tile(level, index) for index in range(full)]
        if rest:
            tiles.append(Tile(level, full, rest))
        level += 1
    return tiles


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries, each after its length in 16 bits. Raise :class:`Malformed` where one is too long."""
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise Malformed(f"An entry has more than {MAX_ENTRY} octets.")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def parse_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raise :class:`Malformed` where it ends inside one."""
    entries = []
    place = 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 2], "big")
        entry = data[place + 2 : place + 2 + size]
        if len(data) < place + 2 or len(entry) != size:
            raise Malformed("The bundle ends inside an entry.")
        entries.append(entry)
        place += 2 + size
        if len(entries) > TILE_WIDTH:
            raise Malformed(f"A bundle has {TILE_WIDTH} entries at most.")
    return entries


def verify_tiles(head: TreeHead, read: Callable[[str], bytes | None]) -> None:
    """Check that a log's tiles are those of a signed head, in memory for one level of the tree.

    Args:
        head: The head, verified.
        read: Gives what stands at a path under the log's prefix; ``None`` where nothing does.

    Raises:
        BadProof: where a tile is missing, or its hashes are not those of the tree; the first one is named.
    """
    below: list[bytes] = []
    roots: dict[Node, bytes] = {}
    for level, tiles in groupby(tiles_of(head.size), key=lambda tile: tile.level or 0):
        above: list[bytes] = []
        for tile in tiles:
            data = read(tile.path)
            if data is None or len(data) != HASH_SIZE * tile.width:
                raise BadProof(f"{tile.path} is missing, or has another length.")
            values = [data[place : place + HASH_SIZE] for place in range(0, len(data), HASH_SIZE)]
            first = tile.index << TILE_HEIGHT
            if level and values != below[first : first + tile.width]:
                raise BadProof(f"{tile.path} is not made of the tiles below it.")
            nodes = Frontier().extend(values)
            for (height, place), value in nodes.items():
                roots[TILE_HEIGHT * level + height, (first >> height) + place] = value
            if tile.width == TILE_WIDTH:
                above.append(nodes[TILE_HEIGHT, 0])
        below = above
    if root(head.size, roots) != head.root:
        raise BadProof("The tiles are those of another tree.")
