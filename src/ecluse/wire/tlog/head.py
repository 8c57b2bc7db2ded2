"""The text of a checkpoint (C2SP tlog-checkpoint): origin, size and root of a log.

Source: <https://c2sp.org/tlog-checkpoint>.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.wire.tlog._text import decode_base64, decode_decimal, encode_base64
from ecluse.wire.tlog.errors import Malformed
from ecluse.wire.tlog.merkle import HASH_SIZE

__all__ = ["TreeHead", "parse_head"]


@dataclass(frozen=True, slots=True)
class TreeHead:
    """A log at one size.

    Attributes:
        origin: Which log: not empty, best a URL without its scheme.
        size: Leaves.
        root: 32 octets (RFC 6962 section 2.1).
        extensions: Lines after the root; the hub writes none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text that is signed."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_head(text: str) -> TreeHead:
    """Read the text of a checkpoint. Raise :class:`Malformed` where it isn't one."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise Malformed("A checkpoint has at least three lines, and none is empty.")
    origin, size, root, *extensions = lines[:-1]
    digest = decode_base64(root, "root of the checkpoint")
    if len(digest) != HASH_SIZE:
        raise Malformed("The root of a checkpoint has 32 octets.")
    return TreeHead(origin, decode_decimal(size, "size of the checkpoint"), digest, tuple(extensions))
