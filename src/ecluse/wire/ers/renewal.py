"""What a renewing time-stamp has to be over (RFC 4998 s5.2).

What these functions give is a leaf, and goes into a :class:`~ecluse.wire.ers.tree.HashTree`, alone or with those of
any number of other records: one time-stamp renews them all.
"""

from __future__ import annotations

import hashlib

from ecluse.wire.ers.structure import Chain, EvidenceRecord, encode_chains

__all__ = ["chain_digest", "rehashed_leaf", "renewal_leaf"]


def renewal_leaf(record: EvidenceRecord) -> tuple[str, tuple[bytes, ...]]:
    """Time-stamp renewal: the hash of the last chain, which the new time-stamp must use, and those of its tokens.

    RFC 4998 asks for the last token. All of the chain go in, as a group: Bouncy Castle looks for every one of them in
    the newest time-stamp, and who does as the RFC says finds the last there too.
    """
    hash = record.last.hash
    return hash, tuple(hashlib.new(hash, stamp.token).digest() for stamp in record.chains[-1])


def chain_digest(hash: str, chains: tuple[Chain, ...]) -> bytes:
    """``ha``: the hash of an ArchiveTimeStampSequence in DER."""
    return hashlib.new(hash, encode_chains(chains)).digest()


def rehashed_leaf(hash: str, data: bytes, chains: tuple[Chain, ...]) -> tuple[bytes]:
    """Hash-tree renewal: ``H(h || ha)``, of the data's digest by the new hash and all chains so far.

    Args:
        hash: Lower-case name of the new hash.
        data: Digest of the data object by that hash.
        chains: The record's chains until then.
    """
    return (hashlib.new(hash, data + chain_digest(hash, chains)).digest(),)
