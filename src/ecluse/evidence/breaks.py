r"""Breaks of the log: where what was signed once is not what the log holds, and a person decided that it goes on.

A log that was rolled back, forked or restored from an old copy can't sign on under its name: two of its heads would
contradict each other. It goes on under a name of its own, ``NAME#2``, ``NAME#3``... (its epochs), from a record
``log.continued`` on, which tells what was lost, from where it goes on, who decided and why. That statement is signed
by the log's key, and by the operators who decided::

    ecluse.log.continued/1
    origin NAME#2
    before NAME
    lost NAME 15 ROOT
    common 10
    continues 12 ROOT
    at 2026-11-22T10:00:00Z
    by ada
    reason The database was restored from the copy of Friday.

``by`` is who proposed it; where the hub has four eyes, somebody else signed the same text. ``lost`` is the newest
head that was signed and is not continued, ``common`` the size of the largest signed head that is, ``continues`` the
tree from which it goes on; roots are in hexadecimal. Nothing erases a break: its record is in the tree like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from ecluse.errors import EcluseError
from ecluse.evidence.errors import BadBreak
from ecluse.evidence.record import Json, decode_leaf
from ecluse.store.port import View
from ecluse.typed import json_decoder
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead
from ecluse.wire.tlog.errors import BadSignature, Malformed
from ecluse.wire.tlog.note import Sign, open_note, parse_note, sign_note

__all__ = [
    "CONTINUED",
    "MAX_NUMBER",
    "RESTORED",
    "SUBJECT",
    "Break",
    "Decider",
    "base_of",
    "breaks",
    "epoch_of",
    "log_names",
    "origin_of",
    "parse_break",
    "present_origin",
    "read_break",
    "sealed_breaks",
]

CONTINUED: Final = "log.continued"
"""Kind of the record that begins an epoch."""

RESTORED: Final = "log.restored"
"""Setting: of when the backup is that the database was restored from, until a person decided that the log goes on.
What was signed after it is not known here."""

SUBJECT: Final = "log:epochs"
"""Subject of those records."""

MAX_EPOCHS: Final = 9999
"""A log that breaks more often has other troubles."""

MAX_REASON: Final = 2000

MAX_NUMBER: Final = 2**63 - 1
"""Sizes fit a signed 64-bit integer."""

_FORMAT: Final = "ecluse.log.continued/1"
_HEAD: Final = re.compile(r"(0|[1-9][0-9]{0,18}) ([0-9a-f]{64})", re.ASCII)
_FIELDS: Final = ("origin", "before", "lost", "common", "continues", "at", "by", "reason")


@dataclass(frozen=True, slots=True)
class Decider:
    """Somebody who decided.

    Attributes:
        operator: Name.
        key: Their public key, a line of a ``.pub`` file; empty where there are no operators with keys.
        signature: Their armoured SSHSIG over the statement; empty likewise.
    """

    operator: str
    key: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Break:
    """A break, and the decision to go on.

    Attributes:
        origin: The log's name from here on.
        before: Its name until here.
        lost: The newest head that was signed under a former name and is not continued.
        common: Size of the largest signed head that is continued; 0 where there is none.
        size: Records in the tree when it was decided.
        root: Root of that tree.
        at: When it was decided, RFC 3339.
        by: Who decided: who proposed it, then who approved it.
        reason: Why.
        index: Place of its record; ``None`` until it is in the tree.
        event: Id of the record's event.
        note: The statement, signed by the log's key.
    """

    origin: str
    before: str
    lost: TreeHead
    common: int
    size: int
    root: bytes
    at: str
    by: tuple[Decider, ...]
    reason: str
    index: int | None = None
    event: str = ""
    note: bytes = b""

    def statement(self) -> str:
        """The text that is signed. Raise :class:`BadBreak` where it would not be read as it is meant."""
        values = (
            self.origin,
            self.before,
            f"{self.lost.origin} {self.lost.size} {self.lost.root.hex()}",
            str(self.common),
            f"{self.size} {self.root.hex()}",
            self.at,
            self.by[0].operator,
            self.reason,
        )
        text = "".join(f"{name} {value}\n" for name, value in zip(_FIELDS, values, strict=True))
        text = f"{_FORMAT}\n{text}"
        read = parse_break(text)
        plain = (Decider(self.by[0].operator),)
        if replace(self, by=plain, index=None, event="", note=b"") != read:
            raise BadBreak("The reason of a break is one line, and so are the names of who decides.")
        return text

    def signed(self, key: LogKey, sign: Sign) -> Break:
        """The same with its statement signed by the log's Ed25519 key, under the name until here."""
        return replace(self, note=sign_note(self.statement(), key.named(self.before).ed25519, sign))

    def data(self) -> dict[str, Json]:
        """Data of its event."""
        return {
            "statement": self.note.decode(),
            "lost": self.lost.size,
            "signatures": [
                {"operator": each.operator, "key": each.key, "signature": each.signature}
                for each in self.by
                if each.signature
            ],
        }

    def holds(self, key: LogKey) -> bool:
        """Whether its statement is signed by the log's own key: without it, it is nobody's."""
        try:
            opened = open_note(self.note, [key.named(self.before).ed25519])
            return opened.text == self.statement()
        except (BadSignature, Malformed, BadBreak):
            return False

    def covers(self, head: TreeHead) -> bool:
        """Whether a signed head that does not fit the tree is of the branch that was lost here."""
        base = base_of(self.before)
        epoch, first, last = (epoch_of(base, name) for name in (head.origin, self.before, self.lost.origin))
        if epoch is None or not min(first or 0, last or 0) <= epoch <= max(first or 0, last or 0):
            return False
        if not self.common < head.size <= self.lost.size:
            return False
        return head.size < self.lost.size or head.root == self.lost.root

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` and packs."""
        return {
            "origin": self.origin,
            "before": self.before,
            "lost": {"origin": self.lost.origin, "size": self.lost.size, "root": self.lost.root.hex()},
            "common": self.common,
            "continues": {"size": self.size, "root": self.root.hex()},
            "at": self.at,
            "by": [each.operator for each in self.by],
            "reason": self.reason,
            "index": self.index,
            "event": self.event,
            "note": self.note.decode("utf-8", "replace"),
            "signatures": [
                {"operator": each.operator, "key": each.key, "signature": each.signature}
                for each in self.by
                if each.signature
            ],
        }


class _Signed(msgspec.Struct, frozen=True):
    operator: str
    key: str
    signature: str


class _Data(msgspec.Struct, frozen=True):
    statement: str
    signatures: tuple[_Signed, ...] = ()


_read_data = json_decoder(_Data).decode


def parse_break(text: str) -> Break:
    """Read a statement. Raise :class:`BadBreak` where it isn't one."""
    lines = text.split("\n")
    if len(lines) != len(_FIELDS) + 2 or lines[0] != _FORMAT or lines[-1]:
        raise BadBreak("That is no statement of a break.")
    values = []
    for name, line in zip(_FIELDS, lines[1:-1], strict=True):
        found, gap, value = line.partition(" ")
        if found != name or not gap or not value:
            raise BadBreak(f"The statement of a break lacks its line {name!r}.")
        values.append(value)
    origin, before, lost, common, continues, at, by, reason = values
    name, gap, lost = lost.partition(" ")
    if not gap or epoch_of(base_of(before), name) is None or epoch_of(base_of(before), origin) is None:
        raise BadBreak("The statement of a break names another log.")
    lost_size, lost_root = _head(lost)
    size, root = _head(continues)
    shared, _ = _head(f"{common} {lost[-64:]}")
    if len(reason) > MAX_REASON:
        raise BadBreak(f"The reason of a break has {MAX_REASON} characters at most.")
    deciders = (Decider(by),)
    return Break(
        origin, before, TreeHead(name, lost_size, lost_root), shared, size, root, at, deciders, reason
    )


def read_break(leaf: bytes, index: int | None = None) -> Break:
    """The break that a record tells of.

    Raises:
        BadRecord, BadBreak: where it tells of something else.
    """
    event = decode_leaf(leaf)
    if event.kind != CONTINUED:
        raise BadBreak(f"The record {event.id} is no break of the log.")
    try:
        data = _read_data(event.data)
        note = data.statement.encode()
        found = parse_break(parse_note(note).text)
    except (msgspec.DecodeError, UnicodeError, RecursionError, Malformed) as error:
        raise BadBreak(f"The record {event.id} can't be read as a break.") from error
    signed = tuple(Decider(each.operator, each.key, each.signature) for each in data.signatures)
    by = signed if signed and signed[0].operator == found.by[0].operator else (*found.by, *signed)
    return replace(found, by=by, index=index, event=event.id, note=note)


def breaks(view: View) -> list[Break]:
    """Every break of the log, oldest first, as its records say; see :meth:`Break.holds` for whether to believe one.

    Records that can't be read are left out: ``verify_log`` names those.
    """
    found = []
    for logged in view.events(SUBJECT):
        try:
            found.append(read_break(logged.leaf, logged.index))
        except EcluseError:
            continue
    return found


def sealed_breaks(view: View, key: LogKey) -> list[Break]:
    """Those that are in the tree and signed by the log's key: they say what the log is called at present."""
    return [each for each in breaks(view) if each.index is not None and each.holds(key)]


def base_of(origin: str) -> str:
    """The first name of a log, from any of its names."""
    return origin.partition("#")[0]


def origin_of(base: str, epoch: int) -> str:
    """The name of an epoch: ``NAME`` for the first, ``NAME#2``..."""
    return base if epoch <= 1 else f"{base}#{epoch}"


def epoch_of(base: str, origin: str) -> int | None:
    """Which epoch of the log ``base`` has this name; ``None`` for another log's."""
    if origin == base:
        return 1
    name, mark, number = origin.rpartition("#")
    if not mark or name != base or not number.isascii() or not number.isdigit() or number[0] == "0":
        return None
    epoch = int(number) if len(number) <= len(str(MAX_EPOCHS)) else 0
    return epoch if 2 <= epoch <= MAX_EPOCHS else None


def log_names(view: View, key: LogKey) -> tuple[LogKey, ...]:
    """The log's key under every name that it ever had, the present one last; ``key`` has its first name."""
    return (key, *(key.named(each.origin) for each in sealed_breaks(view, key)))


def present_origin(view: View, key: LogKey) -> str:
    """What the log is called at present; ``key`` has its first name."""
    found = sealed_breaks(view, key)
    return found[-1].origin if found else key.name


def _head(text: str) -> tuple[int, bytes]:
    found = _HEAD.fullmatch(text)
    if found is None or int(found[1]) > MAX_NUMBER:
        raise BadBreak("A head in the statement of a break is a size and a root in hexadecimal.")
    return int(found[1]), bytes.fromhex(found[2])
