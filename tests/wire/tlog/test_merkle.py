"""The tree against the RFC's recursive definitions, the published vectors, and every single-bit lie."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.errors import BadProof

# The eight leaves and roots that the implementations of RFC 6962 share as their test vectors.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
SIZES = 70


def hashes(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"record %d" % number) for number in range(count)]


def mth(values: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not values:
        return sha256(b"").digest()
    if len(values) == 1:
        return values[0]
    k = 1
    while k * 2 < len(values):
        k *= 2
    return merkle.node_hash(mth(values[:k]), mth(values[k:]))


def path(m: int, values: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1."""
    if len(values) == 1:
        return []
    k = 1
    while k * 2 < len(values):
        k *= 2
    if m < k:
        return [*path(m, values[:k]), mth(values[k:])]
    return [*path(m - k, values[k:]), mth(values[:k])]


def subproof(m: int, values: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2."""
    if m == len(values):
        return [] if whole else [mth(values)]
    k = 1
    while k * 2 < len(values):
        k *= 2
    if m <= k:
        return [*subproof(m, values[:k], whole), mth(values[k:])]
    return [*subproof(m - k, values[k:], False), mth(values[:k])]


ALL = hashes(SIZES)
NODES = merkle.Frontier().extend(ALL)


def test_the_published_vectors():
    frontier = merkle.Frontier()
    assert frontier.root() == merkle.EMPTY_ROOT == sha256(b"").digest()
    for leaf, expected in zip(LEAVES, ROOTS, strict=True):
        frontier.extend([merkle.leaf_hash(leaf)])
        assert frontier.root().hex() == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=8))
def test_any_split_into_batches_gives_the_tree_from_scratch(batches):
    nodes: dict[merkle.Node, bytes] = {}
    size = 0
    for count in batches:
        edge = {node: nodes[node] for node in merkle.cover(0, size)}
        frontier = merkle.Frontier(size, edge)
        grown = frontier.extend(hashes(size + count)[size:])
        assert not grown.keys() & nodes.keys()
        assert sorted(grown) == sorted(merkle.completed(size, size + count))
        nodes.update(grown)
        size += count
        assert frontier.size == size
        assert frontier.root() == merkle.root(size, nodes) == mth(hashes(size))
    assert nodes == merkle.Frontier().extend(hashes(size))


def test_proofs_are_those_of_the_rfc_and_read_only_the_nodes_they_name():
    for size in range(1, SIZES + 1):
        tree_root = mth(ALL[:size])
        for index in range(size):
            read = {node: NODES[node] for node in merkle.inclusion_nodes(index, size)}
            proof = merkle.inclusion_proof(index, size, read)
            assert proof == path(index, ALL[:size])
            merkle.verify_inclusion(index, size, ALL[index], proof, tree_root)
        for old in range(size + 1):
            read = {node: NODES[node] for node in merkle.consistency_nodes(old, size)}
            proof = merkle.consistency_proof(old, size, read)
            assert proof == (subproof(old, ALL[:size], True) if old else [])
            merkle.verify_consistency(old, mth(ALL[:old]), size, tree_root, proof)


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(len(value), "big")


@settings(deadline=None)
@given(st.data())
def test_a_lie_of_one_bit_fails_an_inclusion_proof(data):
    size = data.draw(st.integers(1, SIZES))
    index = data.draw(st.integers(0, size - 1))
    bit = data.draw(st.integers(0, 255))
    tree_root = merkle.root(size, NODES)
    proof = merkle.inclusion_proof(index, size, NODES)
    lies = [
        (index, flipped(ALL[index], bit), proof, tree_root),
        (index, ALL[index], proof, flipped(tree_root, bit)),
        (index, ALL[index], [*proof, ALL[0]], tree_root),
        *[(other, ALL[index], proof, tree_root) for other in range(-1, size + 2) if other != index],
        *[(index, ALL[index], proof[:at] + proof[at + 1 :], tree_root) for at in range(len(proof))],
        *[
            (index, ALL[index], [*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]], tree_root)
            for at in range(len(proof))
        ],
    ]
    for where, leaf, hashes_, expected in lies:
        with pytest.raises(BadProof):
            merkle.verify_inclusion(where, size, leaf, hashes_, expected)


@settings(deadline=None)
@given(st.data())
def test_a_lie_of_one_bit_fails_a_consistency_proof(data):
    new = data.draw(st.integers(1, SIZES))
    old = data.draw(st.integers(1, new))
    bit = data.draw(st.integers(0, 255))
    old_root, new_root = merkle.root(old, NODES), merkle.root(new, NODES)
    proof = merkle.consistency_proof(old, new, NODES)
    lies = [
        (flipped(old_root, bit), new_root, proof),
        (old_root, flipped(new_root, bit), proof),
        (old_root, new_root, [*proof, ALL[0]]),
        *[(old_root, new_root, proof[:at] + proof[at + 1 :]) for at in range(len(proof))],
        *[
            (old_root, new_root, [*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]])
            for at in range(len(proof))
        ],
    ]
    for before, after, hashes_ in lies:
        with pytest.raises(BadProof):
            merkle.verify_consistency(old, before, new, after, hashes_)


def test_every_bit_of_one_proof_counts():
    proof = merkle.inclusion_proof(37, 70, NODES)
    for at, value in enumerate(proof):
        for bit in range(256):
            lie = [*proof[:at], flipped(value, bit), *proof[at + 1 :]]
            with pytest.raises(BadProof):
                merkle.verify_inclusion(37, 70, ALL[37], lie, merkle.root(70, NODES))


@settings(deadline=None)
@given(st.integers(-5, 80), st.integers(-5, 80), st.lists(st.binary(min_size=32, max_size=32), max_size=9))
def test_made_up_proofs_are_refused(one, other, proof):
    with pytest.raises(BadProof):
        merkle.verify_inclusion(one, other, ALL[0], proof, b"\x11" * 32)
    with pytest.raises(BadProof):
        merkle.verify_consistency(one, b"\x11" * 32, other, b"\x12" * 32, proof)


def test_a_proof_between_small_trees_proves_nothing_of_a_large_one():
    proof = merkle.consistency_proof(4, 5, NODES)
    with pytest.raises(BadProof):
        merkle.verify_consistency(4, merkle.root(4, NODES), 16, merkle.root(5, NODES), proof)


def test_an_empty_log_begins_every_log():
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 5, merkle.root(5, NODES), [])
    with pytest.raises(BadProof):
        merkle.verify_consistency(0, b"\x11" * 32, 5, merkle.root(5, NODES), [])


def test_a_lost_node_is_named():
    with pytest.raises(BadProof, match="level 2, place 2 "):
        merkle.root(12, {(3, 0): ALL[0]})
    with pytest.raises(BadProof, match="level 1, place 2 "):
        merkle.Frontier(6, {(2, 0): ALL[0]})
