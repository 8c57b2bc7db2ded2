"""C2SP tlog-proof: one file that proves offline that a record stands in a log.

Source: <https://c2sp.org/tlog-proof>. Who verifies needs the record, the log's verifier key and this file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ecluse.wire.tlog import merkle
from ecluse.wire.tlog._text import decode_base64, decode_decimal, encode_base64
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, open_checkpoint
from ecluse.wire.tlog.errors import Malformed
from ecluse.wire.tlog.note import MAX_NOTE, NoteKey

__all__ = ["HEADER", "MAX_HASHES", "MAX_PROOF", "TlogProof", "parse_proof", "verify_proof"]

HEADER: Final = "c2sp.org/tlog-proof@v1"

MAX_HASHES: Final = 63
"""An index has at most 63 bits, so no path is longer (RFC 6962 section 2.1.1)."""

MAX_PROOF: Final = 2 * MAX_NOTE
"""Octets of a proof: a checkpoint of the largest size and as much extra data."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A parsed proof: nothing in it is believed until :func:`verify_proof`.

    Attributes:
        index: The record's place, from 0.
        hashes: The audit path, from the sibling up (RFC 6962 section 2.1.1).
        checkpoint: The signed checkpoint, verbatim.
        extra: What helps to find or rebuild the record; not protected by anything.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """The file, UTF-8."""
        lines = [HEADER]
        if self.extra:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += map(encode_base64, self.hashes)
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint


def parse_proof(data: bytes) -> TlogProof:
    """Read a proof. Raise :class:`Malformed` where it isn't one."""
    if len(data) > MAX_PROOF:
        raise Malformed(f"The proof is longer than {MAX_PROOF} octets.")
    head, gap, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("The proof is not plain text.") from None
    if not gap or lines.pop(0) != HEADER:
        raise Malformed(f"A proof begins with {HEADER} and has an empty line before its checkpoint.")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0)[6:], "extra data of the proof")
    if not lines or not lines[0].startswith("index "):
        raise Malformed("The proof does not say the index of its record.")
    index = decode_decimal(lines.pop(0)[6:], "index of the proof")
    if len(lines) > MAX_HASHES:
        raise Malformed("The proof holds more hashes than any tree has levels.")
    hashes = tuple(decode_base64(line, "hash of the proof") for line in lines)
    if any(len(value) != merkle.HASH_SIZE for value in hashes):
        raise Malformed("A hash of the proof has not 32 octets.")
    return TlogProof(index, hashes, checkpoint, extra)


def verify_proof(
    proof: TlogProof, leaf: bytes, keys: Iterable[NoteKey | LogKey], origin: str | None = None
) -> TreeHead:
    """Check that a record stands in the log whose checkpoint a known key signed.

    Args:
        proof: The proof.
        leaf: The record itself, byte for byte.
        keys: Keys of the log that is trusted; of one of two parts both have to have signed.
        origin: The log that is meant; ``None`` takes the names of the keys.

    Returns:
        The signed head in which the record was found.

    Raises:
        Malformed, BadSignature, BadProof: where anything does not fit.
    """
    head = open_checkpoint(proof.checkpoint, keys, origin)
    merkle.verify_inclusion(proof.index, head.size, merkle.leaf_hash(leaf), proof.hashes, head.root)
    return head
