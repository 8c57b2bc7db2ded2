"""C2SP tlog-witness: how a log asks a witness for its cosignature.

Source: <https://c2sp.org/tlog-witness>. Bodies of requests and answers as facts and back; who sends them is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ecluse.wire.tlog._text import decode_base64, decode_decimal, encode_base64
from ecluse.wire.tlog.errors import Malformed
from ecluse.wire.tlog.merkle import HASH_SIZE
from ecluse.wire.tlog.note import MAX_NOTE, Signature, parse_note

__all__ = [
    "ADD_CHECKPOINT",
    "MAX_ANSWER",
    "MAX_HASHES",
    "MAX_REQUEST",
    "SIZE_TYPE",
    "AddCheckpoint",
    "checkpoint_path",
    "encode_size",
    "parse_request",
    "parse_signatures",
    "parse_size",
]

ADD_CHECKPOINT: Final = "add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
"""Content type of an answer that tells the size that was cosigned last."""

MAX_HASHES: Final = 63
"""Hashes of a consistency proof; the specification's own limit."""

MAX_REQUEST: Final = 256 * 1024
"""Octets of a request: 63 hashes take 3,000, and a checkpoint with 50 ML-DSA-44 cosignatures 160,000."""

MAX_ANSWER: Final = 64 * 1024
"""Octets of an answer: a witness signs with one key, or a few while it changes them."""

_OLD: Final = "old "


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request for a cosignature: nothing in it is believed yet.

    Attributes:
        old: Size of the checkpoint that the witness cosigned last, as the log believes.
        proof: Consistency proof from there (RFC 6962 section 2.1.2).
        checkpoint: The signed note, verbatim.
    """

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """The body of the request."""
        lines = [f"{_OLD}{self.old}", *map(encode_base64, self.proof), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint


def parse_request(body: bytes) -> AddCheckpoint:
    """Read the body of a request. Raise :class:`Malformed` where it isn't one."""
    if len(body) > MAX_REQUEST:
        raise Malformed(f"The request is longer than {MAX_REQUEST} octets.")
    head, gap, checkpoint = body.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("The request is not plain text.") from None
    if not gap or not lines[0].startswith(_OLD):
        raise Malformed("The request does not begin with the old size.")
    old = decode_decimal(lines.pop(0)[len(_OLD) :], "old size")
    if len(lines) > MAX_HASHES:
        raise Malformed(f"A consistency proof has {MAX_HASHES} hashes at most.")
    proof = tuple(decode_base64(line, "hash of the proof") for line in lines)
    if any(len(value) != HASH_SIZE for value in proof):
        raise Malformed("A hash of the proof has not 32 octets.")
    if not checkpoint:
        raise Malformed("The request has no checkpoint.")
    return AddCheckpoint(old, proof, checkpoint)


def encode_size(size: int) -> bytes:
    """The body of an answer 409: the size that was cosigned last."""
    return f"{size}\n".encode()


def parse_size(body: bytes) -> int:
    """The size in an answer 409. Raise :class:`Malformed` where it isn't one."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("The witness's answer is not plain text.") from None
    if not text.endswith("\n"):
        raise Malformed("The witness's answer does not end its line.")
    return decode_decimal(text[:-1], "size that the witness tells")


def parse_signatures(body: bytes) -> tuple[Signature, ...]:
    """The signature lines of an answer 200, not verified. Raise :class:`Malformed` where they are something else."""
    if len(body) > min(MAX_ANSWER, MAX_NOTE - 3):
        raise Malformed(f"The witness's answer is longer than {MAX_ANSWER} octets.")
    if b"\n\n" in body:
        raise Malformed("The witness's answer has an empty line.")
    return parse_note(b"-\n\n" + body).signatures


def checkpoint_path(origin: str) -> str:
    """Where a witness shows the newest checkpoint of a log that it cosigned, under its monitoring prefix."""
    return f"{sha256(origin.encode()).hexdigest()}/checkpoint"
