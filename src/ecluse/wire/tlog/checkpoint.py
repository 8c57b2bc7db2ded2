"""C2SP tlog-checkpoint: the head of a log (origin, size, root) as the text of a signed note.

Source: <https://c2sp.org/tlog-checkpoint>. A log signs with Ed25519 (type 0x01 of signed-note) and, where it has such
a key, with ML-DSA-44 (type 0x06 of tlog-cosignature, under its own name): a forger then needs to break both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ecluse.wire.tlog.cosignature import CosignerKey, cosign
from ecluse.wire.tlog.errors import BadSignature, Malformed
from ecluse.wire.tlog.head import TreeHead, parse_head
from ecluse.wire.tlog.note import NoteKey, Sign, Verifier, open_note, sign_note

__all__ = ["LogKey", "TreeHead", "log_key", "open_checkpoint", "parse_head", "sign_checkpoint", "sign_head"]


@dataclass(frozen=True, slots=True)
class LogKey:
    """What a log signs with: Ed25519, and ML-DSA-44 where it has such a key.

    Args:
        ed25519: Its name is the origin of the log.
        ml_dsa: Of the same name.

    Raises:
        Malformed: where the two have different names.
    """

    ed25519: NoteKey
    ml_dsa: CosignerKey | None = None

    def __post_init__(self) -> None:
        if self.ml_dsa is not None and self.ml_dsa.name != self.ed25519.name:
            raise Malformed("The two keys of a log have one name.")

    @property
    def name(self) -> str:
        """The origin of the log."""
        return self.ed25519.name

    @property
    def parts(self) -> tuple[Verifier, ...]:
        """The keys."""
        return (self.ed25519,) if self.ml_dsa is None else (self.ed25519, self.ml_dsa)

    def named(self, origin: str) -> LogKey:
        """The same keys for a log of another name."""
        if origin == self.name:
            return self
        second = self.ml_dsa
        return LogKey(
            NoteKey(origin, self.ed25519.public),
            None if second is None else CosignerKey(origin, second.algorithm, second.public),
        )

    def texts(self) -> tuple[str, ...]:
        """The verifier keys as texts, to be given to who verifies."""
        return tuple(str(part) for part in self.parts)


def log_key(texts: Iterable[str]) -> LogKey:
    """The key of a log from its verifier keys: one of Ed25519, and perhaps one of ML-DSA-44.

    Raises:
        Malformed: where they are something else.
    """
    first: NoteKey | None = None
    second: CosignerKey | None = None
    for text in texts:
        if first is None:
            try:
                first = NoteKey.parse(text)
                continue
            except Malformed:
                pass
        key = CosignerKey.parse(text)
        if second is not None or key.algorithm != "ml-dsa-44":
            raise Malformed("A log has one Ed25519 key, and perhaps one ML-DSA-44 key.")
        second = key
    if first is None:
        raise Malformed("There is no Ed25519 key of a log.")
    return LogKey(first, second)


def sign_head(head: TreeHead, key: NoteKey, sign: Sign) -> bytes:
    """The checkpoint of a head, signed. Raise :class:`Malformed` where the head can't be written."""
    text = head.text()
    if parse_head(text) != head:
        raise Malformed("The origin of a log is one line.")
    return sign_note(text, key, sign)


def sign_checkpoint(head: TreeHead, key: LogKey, sign: Sign, sign_ml_dsa: Sign | None, at: int) -> bytes:
    """The checkpoint of a head, signed with every key of the log.

    Args:
        head: What is signed.
        key: The log's.
        sign: Makes Ed25519 signatures.
        sign_ml_dsa: Makes ML-DSA-44 signatures; needed where ``key`` has such a part.
        at: When, in seconds since 1970; the second signature tells it.

    Raises:
        Malformed: where the head can't be written.
        BadSignature: where a signature does not belong to ``key``.
    """
    note = sign_head(head, key.ed25519, sign)
    if key.ml_dsa is None:
        return note
    if sign_ml_dsa is None:
        raise BadSignature("The log's ML-DSA-44 key can't be used.")
    return note + cosign(head, key.ml_dsa, sign_ml_dsa, at).line


def open_checkpoint(
    note: bytes, keys: Iterable[NoteKey | LogKey], origin: str | None = None, *, both: bool = True
) -> TreeHead:
    """The head that a known key signed.

    Args:
        note: The checkpoint, as it was published.
        keys: Keys that the log may sign with. Of a :class:`LogKey` of two parts both have to have signed.
        origin: The log that is meant; ``None`` takes the names of the keys as the origins that are meant.
        both: Let the Ed25519 part suffice where it is false: for what was signed before the log had the other.

    Raises:
        Malformed: where it isn't a checkpoint, or is another log's.
        BadSignature: unless a known key signed it.
    """
    known = tuple(key if isinstance(key, LogKey) else LogKey(key) for key in keys)
    opened = open_note(note, [part for key in known for part in key.parts])
    head = parse_head(opened.text)
    if head.origin not in ({key.name for key in known} if origin is None else {origin}):
        raise Malformed(f"The checkpoint is that of another log, {head.origin}.")
    signed = {(each.name, each.key_id) for each in opened.signatures}
    needed = [key.parts if both else (key.ed25519,) for key in known]
    if not any(all((part.name, part.id) in signed for part in parts) for parts in needed):
        raise BadSignature("The checkpoint lacks the signature of one of the log's two keys.")
    return head
