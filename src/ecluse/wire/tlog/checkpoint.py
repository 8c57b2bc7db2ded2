"""C2SP tlog-checkpoint: the head of a log (origin, size, root) as the text of a signed note.

Source: <https://c2sp.org/tlog-checkpoint>.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ecluse.wire.tlog._text import decode_base64, decode_decimal, encode_base64
from ecluse.wire.tlog.errors import Malformed
from ecluse.wire.tlog.merkle import HASH_SIZE
from ecluse.wire.tlog.note import NoteKey, Sign, open_note, sign_note

__all__ = ["TreeHead", "open_checkpoint", "parse_head", "sign_head"]


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


def sign_head(head: TreeHead, key: NoteKey, sign: Sign) -> bytes:
    """The checkpoint of a head, signed. Raise :class:`Malformed` where the head can't be written."""
    text = head.text()
    if parse_head(text) != head:
        raise Malformed("The origin of a log is one line.")
    return sign_note(text, key, sign)


def open_checkpoint(note: bytes, keys: Iterable[NoteKey], origin: str | None = None) -> TreeHead:
    """The head that a known key signed.

    Args:
        note: The checkpoint, as it was published.
        keys: Keys that the log may sign with.
        origin: The log that is meant; ``None`` takes the names of the keys as the origins that are meant.

    Raises:
        Malformed: where it isn't a checkpoint, or is another log's.
        BadSignature: unless a known key signed it.
    """
    keys = tuple(keys)
    head = parse_head(open_note(note, keys).text)
    if head.origin not in ({key.name for key in keys} if origin is None else {origin}):
        raise Malformed(f"The checkpoint is that of another log, {head.origin}.")
    return head
