"""Statements of the archive that stand by themselves: a text, and a note that the log's key signed over its digest.

The text of a statement is JSON (RFC 8259) in UTF-8. Its signed note (C2SP signed-note) has these lines::

    ecluse.archive/1
    <what it states: deposit, destruction>
    <id of what it is about>
    <SHA-256 of the text, in hexadecimal>
    <time, RFC 3339>

Whoever has both and the log's verifier key checks the note, digests the text, and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso
from ecluse.typed import from_json
from ecluse.wire.tlog.note import NoteKey, open_note

__all__ = ["DEPOSIT", "DESTRUCTION", "FORMAT", "BadStatement", "Statement", "check_statement", "state"]

FORMAT: Final = "ecluse.archive/1"
DEPOSIT: Final = "deposit"
DESTRUCTION: Final = "destruction"


class BadStatement(EcluseError):
    """A statement and its note do not belong together."""

    code = "archive.bad-statement"
    fault = Fault.PERMANENT
    remedy = "Ask for both again, from who archived it; one of the two was changed."


class Statement(msgspec.Struct, frozen=True):
    """A statement with its note.

    Attributes:
        text: JSON.
        note: The signed note.
    """

    text: str
    note: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal; it stands in the log."""
        return sha256(self.text.encode()).hexdigest()


def state(
    kind: str, id: str, facts: Mapping[str, Any], at: Instant, sign: Callable[[str], bytes]
) -> Statement:
    """Make a statement.

    Args:
        kind: What is stated: :data:`DEPOSIT` or :data:`DESTRUCTION`.
        id: What it is about.
        facts: What JSON holds.
        at: When.
        sign: Signs a text as a note.
    """
    body = msgspec.json.encode({"format": FORMAT, "states": kind, "id": id, "at": iso(at), **facts})
    text = msgspec.json.format(body, indent=2).decode() + "\n"
    digest = sha256(text.encode()).hexdigest()
    return Statement(text, sign(f"{FORMAT}\n{kind}\n{id}\n{digest}\n{iso(at)}\n").decode())


def check_statement(statement: Statement, key: NoteKey) -> dict[str, Any]:
    """What a statement says, once its note is the key's and over this text.

    Raises:
        Malformed, BadSignature: The note is not the key's.
        BadStatement: The text is not the one that was signed.
    """
    lines = open_note(statement.note.encode(), [key]).text.splitlines()
    if len(lines) != 5 or lines[0] != FORMAT or lines[3] != statement.digest:
        raise BadStatement("The text is not the one that was signed.")
    try:
        facts = from_json(statement.text, dict[str, Any])
    except msgspec.MsgspecError:
        raise BadStatement("The text of the statement is no JSON.") from None
    if (facts.get("states"), facts.get("id"), facts.get("at")) != (lines[1], lines[2], lines[4]):
        raise BadStatement("The text says something else than its note.")
    return facts
