"""The Merkle tree of RFC 6962 section 2.1 (the same in RFC 9162 section 2.1), with SHA-256.

A tree is kept as its *complete* nodes only: the node ``(level, index)`` is the hash over the leaves from
``index << level`` up to ``(index + 1) << level``. Such a node never changes once its last leaf is there, so a
log that grows only ever adds nodes. Every other hash that a root or a proof asks for stands over a range that
begins on a multiple of its largest complete part; it is folded from the complete nodes that cover the range.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

from ecluse.wire.tlog.errors import BadProof

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "Frontier",
    "Node",
    "completed",
    "consistency_nodes",
    "consistency_proof",
    "cover",
    "inclusion_nodes",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "root",
    "verify_consistency",
    "verify_inclusion",
]

Node = tuple[int, int]
"""(level, index in the level) of a complete node."""

HASH_SIZE: Final = 32

EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962 section 2.1)."""

_Range = tuple[int, int]
"""Leaves from the first up to, not including, the second."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one record: SHA-256 of 0x00 and its bytes."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two hashes: SHA-256 of 0x01, left and right."""
    return sha256(b"\x01" + left + right).digest()


def cover(start: int, end: int) -> list[Node]:
    """The complete nodes, left to right, under the subtree over leaves ``start`` to ``end`` (exclusive).

    ``cover(0, size)`` is the right edge of a tree: what must be read to append to it or to give its root.
    """
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def completed(start: int, end: int) -> list[Node]:
    """The nodes that become complete as a tree grows from ``start`` to ``end`` leaves, level by level."""
    nodes = []
    level = 0
    while end >> level:
        nodes += [(level, index) for index in range(start >> level, end >> level)]
        level += 1
    return nodes


class Frontier:
    """The right edge of a growing tree: all that appending needs, log2(size) hashes.

    Args:
        size: Leaves so far.
        nodes: Holds at least the nodes of ``cover(0, size)``.

    Raises:
        BadProof: where a node is missing.
    """

    __slots__ = ("_edge", "size")

    def __init__(self, size: int = 0, nodes: Mapping[Node, bytes] | None = None) -> None:
        self.size = size
        self._edge = _pick(cover(0, size), nodes or {})

    def extend(self, leaf_hashes: Iterable[bytes]) -> dict[Node, bytes]:
        """Append leaves; give every node that became complete, to be stored (leaf hashes are level 0)."""
        edge = self._edge
        grown: dict[Node, bytes] = {}
        for value in leaf_hashes:
            level, index = 0, self.size
            grown[0, index] = value
            while index & 1:
                value = sha256(b"\x01" + edge.pop() + value).digest()
                level += 1
                index >>= 1
                grown[level, index] = value
            edge.append(value)
            self.size += 1
        return grown

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        return _fold(self._edge)


def root(size: int, nodes: Mapping[Node, bytes]) -> bytes:
    """The root of the first ``size`` leaves, from the nodes of ``cover(0, size)``."""
    return _fold(_pick(cover(0, size), nodes))


def inclusion_nodes(index: int, size: int) -> list[Node]:
    """What must be read to prove leaf ``index`` in a tree of ``size`` leaves."""
    return [node for first, end in _inclusion_ranges(index, size) for node in cover(first, end)]


def inclusion_proof(index: int, size: int, nodes: Mapping[Node, bytes]) -> list[bytes]:
    """The audit path of RFC 6962 section 2.1.1, from the leaf's sibling up to the root's child."""
    return [_fold(_pick(cover(first, end), nodes)) for first, end in _inclusion_ranges(index, size)]


def consistency_nodes(old: int, new: int) -> list[Node]:
    """What must be read to prove that the tree of ``old`` leaves is the beginning of that of ``new``."""
    return [node for first, end in _consistency_ranges(old, new) for node in cover(first, end)]


def consistency_proof(old: int, new: int, nodes: Mapping[Node, bytes]) -> list[bytes]:
    """The proof of RFC 6962 section 2.1.2; empty where one of the two is empty or they are the same."""
    return [_fold(_pick(cover(first, end), nodes)) for first, end in _consistency_ranges(old, new)]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], tree_root: bytes) -> None:
    """Check an audit path (RFC 9162 section 2.1.3.2).

    Args:
        index: The leaf's place, from 0.
        size: Leaves in the tree.
        leaf: The leaf's *hash*.
        proof: Hashes from the sibling up.
        tree_root: The root to be reached.

    Raises:
        BadProof: unless the path leads to the root.
    """
    if not 0 <= index < size:
        raise BadProof(f"Record {index} can't be in a log of {size} records.")
    place, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("The proof holds more hashes than the tree has levels.")
        if place & 1 or place == last:
            value = node_hash(sibling, value)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        place >>= 1
        last >>= 1
    if last != 0 or value != tree_root:
        raise BadProof(f"The proof of record {index} does not lead to the root of the log at size {size}.")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree ``new`` begins with the tree ``old`` (RFC 9162 section 2.1.4.2).

    Raises:
        BadProof: unless the proof leads to both roots.
    """
    failure = f"The log at size {new} does not continue the log at size {old}."
    if not 0 <= old <= new:
        raise BadProof(failure)
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if proof or old_root != expected:
            raise BadProof(failure)
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise BadProof(failure)
    place, last = old - 1, new - 1
    while place & 1:
        place >>= 1
        last >>= 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof(failure)
        if place & 1 or place == last:
            before = node_hash(sibling, before)
            after = node_hash(sibling, after)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            after = node_hash(after, sibling)
        place >>= 1
        last >>= 1
    if last != 0 or before != old_root or after != new_root:
        raise BadProof(failure)


def _inclusion_ranges(index: int, size: int) -> list[_Range]:
    if not 0 <= index < size:
        raise BadProof(f"Record {index} can't be in a log of {size} records.")
    ranges = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def _consistency_ranges(old: int, new: int) -> list[_Range]:
    if not 0 <= old <= new:
        raise BadProof(f"A log of {new} records can't continue one of {old}.")
    if old in (0, new):
        return []
    ranges = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:  # the verifier holds the old root itself, so it is left out where it is one of the parts
        ranges.append((start, end))
    return ranges[::-1]


def _split(leaves: int) -> int:
    """The largest power of two smaller than ``leaves``, which is at least 2."""
    return 1 << ((leaves - 1).bit_length() - 1)


def _pick(wanted: Sequence[Node], nodes: Mapping[Node, bytes]) -> list[bytes]:
    found = [nodes[node] for node in wanted if node in nodes]
    if len(found) != len(wanted):
        level, index = next(node for node in wanted if node not in nodes)
        raise BadProof(f"The log has lost the hash at level {level}, place {index} of its tree.")
    return found


def _fold(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    value = hashes[-1]
    for left in hashes[-2::-1]:
        value = node_hash(left, value)
    return value
