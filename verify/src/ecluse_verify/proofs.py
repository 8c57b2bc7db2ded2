"""Checkpoints and inclusion proofs (C2SP tlog-checkpoint and tlog-proof; RFC 6962 s2.1, RFC 9162 s2.1.3.2).

A checkpoint says that a log has so many records and that their tree has this root. A proof carries a record's place and
the hashes beside its way up: whoever hashes the record with them arrives at the root, or the record is not in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ecluse_verify.text import Bad, base64_octets, decimal

__all__ = ["Head", "Proof", "check_inclusion", "leaf_hash", "read_head", "read_proof"]

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_MAX_PROOF: Final = 2_000_000
_MAX_HASHES: Final = 63
_HASH_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class Head:
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof taken apart; ``leaf`` is the record that it carries, ``checkpoint`` the note, verbatim."""

    index: int
    leaf: bytes
    hashes: tuple[bytes, ...]
    checkpoint: bytes


def read_head(text: str) -> Head:
    """The checkpoint of a note's text. Raises :class:`Bad`."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise Bad("checkpoint")
    root = base64_octets(lines[2])
    if len(root) != _HASH_SIZE:
        raise Bad("checkpoint")
    return Head(lines[0], decimal(lines[1]), root)


def read_proof(data: bytes) -> Proof:
    """Take a proof apart. Raises :class:`Bad` where it isn't one, or carries no record."""
    head, gap, checkpoint = data.partition(b"\n\n")
    if len(data) > _MAX_PROOF or not gap or not head.isascii():
        raise Bad("proof")
    lines = head.decode("ascii").split("\n")
    if len(lines) < 3 or lines[0] != _HEADER or not lines[1].startswith("extra "):
        raise Bad("proof")
    if not lines[2].startswith("index ") or len(lines) > 3 + _MAX_HASHES:
        raise Bad("proof")
    hashes = tuple(map(base64_octets, lines[3:]))
    if any(len(value) != _HASH_SIZE for value in hashes):
        raise Bad("proof")
    return Proof(decimal(lines[2][6:]), base64_octets(lines[1][6:]), hashes, checkpoint)


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962 s2.1: a record's hash, which no inner node's can be."""
    return sha256(b"\x00" + leaf).digest()


def check_inclusion(proof: Proof, head: Head) -> None:
    """RFC 9162 s2.1.3.2, step by step. Raises :class:`Bad` where the record is not in the tree."""
    if proof.index >= head.size:
        raise Bad("inclusion")
    node, last, value = proof.index, head.size - 1, leaf_hash(proof.leaf)
    for sibling in proof.hashes:
        if last == 0:
            raise Bad("inclusion")
        if node & 1 or node == last:
            value = sha256(b"\x01" + sibling + value).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = sha256(b"\x01" + value + sibling).digest()
        node, last = node >> 1, last >> 1
    if last != 0 or value != head.root:
        raise Bad("inclusion")
