"""Hash trees: one time-stamp for many data objects (RFC 4998 s4.2), and the way back from one of them (s4.3).

The tree is binary, so that every reading of the RFC gives one root: hashes are paired, the two of a pair are sorted
octet by octet and hashed together, and one that is left over goes up as it is. A reduced tree is then a first list of
two hashes and lists of one each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from ecluse.wire.ers.errors import BadEvidence

__all__ = ["HashTree", "group_hash", "roots_of"]

Lists = tuple[tuple[bytes, ...], ...]


def group_hash(hash: str, hashes: Iterable[bytes]) -> bytes:
    """The hash of several hashes: sorted, joined and hashed (RFC 4998 s4.2.1, step 3)."""
    return hashlib.new(hash, b"".join(sorted(hashes))).digest()


class HashTree:
    """The tree over some data objects, or groups of them.

    Args:
        hash: Lower-case name of the hash.
        leaves: For each data object its hash alone; for each group the hashes of what is in it. At least one.
    """

    def __init__(self, hash: str, leaves: Sequence[Sequence[bytes]]) -> None:
        if not leaves or not all(leaves):
            raise BadEvidence("A hash tree has no data object.")
        self._leaves = [tuple(sorted(leaf)) for leaf in leaves]
        self._levels = [[leaf[0] if len(leaf) == 1 else group_hash(hash, leaf) for leaf in self._leaves]]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            above = [group_hash(hash, below[n : n + 2]) for n in range(0, len(below) - 1, 2)]
            if len(below) % 2:
                above.append(below[-1])
            self._levels.append(above)

    @property
    def root(self) -> bytes:
        """What the time-stamp has to be over."""
        return self._levels[-1][0]

    def reduced(self, place: int) -> Lists:
        """The reduced hash tree of the leaf at ``place``; empty where it is one data object and the only one."""
        leaf = self._leaves[place]
        siblings = []
        for level in self._levels[:-1]:
            beside = place ^ 1
            if beside < len(level):
                siblings.append((level[beside],))
            place //= 2
        if len(leaf) > 1:
            return (leaf, *siblings)
        if not siblings:
            return ()
        return (tuple(sorted((*leaf, *siblings[0]))), *siblings[1:])


def roots_of(hash: str, tree: Lists) -> set[bytes]:
    """What a reduced hash tree leads up to (RFC 4998 s4.3, step 2).

    RFC 4998 hashes every list, also a first one of a single hash; programs are in use (Bouncy Castle) that take such a
    hash as it is. Both tie the time-stamp to it, so both are given.
    """
    first, *rest = tree
    starts = {group_hash(hash, first)}
    if len(first) == 1:
        starts.add(first[0])
    found = set()
    for root in starts:
        for hashes in rest:
            root = group_hash(hash, (root, *hashes))
        found.add(root)
    return found
