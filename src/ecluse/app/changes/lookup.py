"""Finding proposals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ecluse.app.changes.expiry import expire
from ecluse.app.changes.proposal import FILES, KIND, Action, Delta, Proposal, unpack
from ecluse.app.node import Node
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import iso
from ecluse.model.records import Record
from ecluse.store.port import View
from ecluse.typed import from_json

__all__ = [
    "Entry",
    "NoSuchChange",
    "facts_of",
    "files_of",
    "find",
    "pending",
    "proposals",
    "read",
    "statement",
]

_PAGE: Final = 200


class NoSuchChange(EcluseError):
    """There is no proposal of that id."""

    code = "change.not-found"
    fault = Fault.USAGE
    remedy = "List them with `ecluse change list --all`; what is older is in the log."


class DamagedChange(EcluseError):
    """What is kept of a proposal can't be read."""

    code = "change.damaged"
    remedy = "Propose it again, and look at who may write to the database: nothing of it was put in force."


@dataclass(frozen=True, slots=True)
class Entry:
    """A proposal as it is kept.

    Attributes:
        record: Its row: ``state`` is where it is in its life.
        proposal: What it says.
    """

    record: Record
    proposal: Proposal

    @property
    def state(self) -> str:
        """``pending``, ``applied``, ``refused``, ``withdrawn``, ``expired`` or ``stale``."""
        return self.record.state


def read(record: Record) -> Entry:
    """A proposal of a row. Raises :class:`DamagedChange`."""
    try:
        proposal = from_json(record.body, Proposal)
    except msgspec.DecodeError:
        raise DamagedChange(f"The change {record.key} can't be read.") from None
    if proposal.id != record.key:
        raise DamagedChange(f"The change {record.key} says that it is another one.")
    return Entry(record, proposal)


def pending(view: View) -> Iterator[Record]:
    """The rows of those that wait."""
    return _rows(view, "pending")


def _rows(view: View, state: str | None) -> Iterator[Record]:
    after = ""
    while True:
        page = view.records(KIND, state=state, after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].key


def proposals(node: Node, *, all: bool = False) -> list[Entry]:
    """Those that wait; with ``all`` those too that are over and still kept. Oldest first."""
    expire(node)

    def look(view: View) -> list[Record]:
        return list(_rows(view, None if all else "pending"))

    return sorted(map(read, node.store.read(look)), key=lambda entry: entry.proposal.at)


def find(node: Node, id: str) -> Entry:
    """One of them: by its id, or by the last letters of it.

    Raises:
        NoSuchChange: There is none, or more than one.
    """
    expire(node)
    record = node.store.read(lambda view: view.record(KIND, id))
    if record is not None:
        return read(record)
    close = [each for each in proposals(node, all=True) if len(id) >= 4 and each.record.key.endswith(id)]
    if len(close) != 1:
        raise NoSuchChange(
            f"There is no change {id[:60]!a}." if not close else f"Several changes end in {id!a}."
        )
    return close[0]


def files_of(view: View, id: str) -> Delta | None:
    """The files that a proposal would change; ``None`` where they are not kept any more.

    Raises:
        DamagedChange: They can't be read.
    """
    record = view.record(FILES, id)
    if record is None:
        return None
    try:
        return unpack(from_json(record.body, bytes))
    except (ValueError, msgspec.DecodeError):
        raise DamagedChange(f"The files of the change {id} can't be read.") from None


def facts_of(proposal: Proposal, state: str) -> dict[str, Any]:
    """A proposal without its text, for ``--json``."""
    return {
        "id": proposal.id,
        "state": state,
        "at": iso(proposal.at),
        "until": iso(proposal.until),
        "base": proposal.base,
        "by": proposal.by,
        "proposer": proposal.proposer or None,
        "reason": proposal.reason,
        "digest": proposal.digest,
        "trust": proposal.trust,
        "signatures": [
            {
                "operator": each.operator,
                "action": each.action,
                "at": iso(each.at),
                "fingerprint": each.fingerprint,
            }
            for each in proposal.signatures
        ],
        "version": proposal.version,
        "ended": proposal.ended or None,
    }


def statement(node: Node, id: str, action: Action, operator: str, because: str = "") -> str:
    """The text that an operator signs. Raises as :func:`find` does."""
    return find(node, id).proposal.statement(action, operator, because)
