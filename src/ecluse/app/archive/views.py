"""What the archive shows of itself: a document, its journal, a hold, a disposal, in facts for people and programs."""

from __future__ import annotations

from typing import Any

import msgspec

from ecluse.app.node import Node
from ecluse.archive.care import CARE_SETTING
from ecluse.archive.clock import doubt_of
from ecluse.archive.commitments import revealed
from ecluse.archive.deposit import body_of, refused_messages
from ecluse.archive.disposal import EYES, Disposal, eyes_of, over
from ecluse.archive.holds import Hold, holds_of
from ecluse.archive.room import archived_or_raise
from ecluse.evidence.record import decode_leaf
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.basics import Instant, iso
from ecluse.store.port import View

__all__ = [
    "archive_facts",
    "archived_facts",
    "disposal_facts",
    "full_facts",
    "hold_facts",
    "journal",
    "profile_facts",
]


def _moment(at: Instant | None) -> str | None:
    return None if at is None else iso(at)


def archived_facts(row: Archived) -> dict[str, Any]:
    """A document in one row."""
    body = body_of(row)
    return {
        "id": row.id,
        "message": row.message,
        "document": row.part + 1,
        "partner": row.partner,
        "direction": row.direction.value,
        "flow": row.flow or None,
        "profile": row.profile,
        "type": row.type or None,
        "reference": row.reference or None,
        "refs": [{"type": kind, "number": number} for kind, number in row.refs],
        "day": row.day or None,
        "amount": row.amount,
        "currency": row.currency or None,
        "name": body.name or None,
        "kind": body.kind or None,
        "size": row.size,
        "sha256": row.sha256.hex(),
        "deposited": iso(row.deposited),
        "starts": _moment(row.starts),
        "ends": _moment(row.ends),
        "state": row.state.value,
    }


def full_facts(node: Node, id: str) -> dict[str, Any]:
    """All that is known of a document: what it stands on, holds, and its journal. Raises ``NotArchived``."""

    def look(view: View) -> dict[str, Any]:
        row = archived_or_raise(view, id)
        body = body_of(row)
        kept = [each for blob in view.archive_blobs_of(row.id) if (each := view.archive_bytes(blob))]
        return {
            **archived_facts(row),
            "submitter": body.submitter,
            "waived": body.waived or None,
            "receipt_sha256": body.receipt.digest
            if body.receipt is not None
            else body.receipt_sha256 or None,
            "disposal": body.disposal or None,
            "over": over(node.archive.book(), row, node.hub.clock()),
            "holds": [{"id": each.id, "reference": each.reference} for each in holds_of(view, row)],
            "bytes": [
                {
                    "blob": each.blob,
                    "state": each.state.value,
                    "size": each.size or None,
                    "place": each.place or None,
                    "copied": _moment(each.copied),
                    "locked": _moment(each.locked),
                    "checked": _moment(each.checked),
                    "due": _moment(each.due),
                }
                for each in kept
            ],
            "journal": journal(view, row.id),
        }

    return node.store.read(look)


def journal(view: View, subject: str) -> list[dict[str, Any]]:
    """What the log says of a subject, oldest first, with the place of each record in it."""
    found = []
    for each in view.events(subject):
        event = decode_leaf(each.leaf)
        facts = revealed(each)
        facts.pop("signature", None)
        facts.pop("statement", None)
        found.append(
            {
                "at": iso(event.at),
                "kind": event.kind,
                "actor": event.actor,
                "index": each.index,
                "facts": facts,
            }
        )
    return found


def hold_facts(hold: Hold) -> dict[str, Any]:
    """A hold in one row."""
    criteria: dict[str, Any] = msgspec.to_builtins(hold.criteria)
    ended = hold.released
    return {
        "id": hold.id,
        "placed": iso(hold.at),
        "by": hold.by,
        "reason": hold.reason,
        "reference": hold.reference,
        "criteria": criteria,
        "released": None if ended is None else {"at": iso(ended.at), "by": ended.by, "reason": ended.reason},
    }


def disposal_facts(node: Node, state: str, disposal: Disposal) -> dict[str, Any]:
    """A disposal in one row."""
    counting = eyes_of(node.archive.book(), disposal)
    return {
        "id": disposal.id,
        "state": state,
        "proposed": iso(disposal.at),
        "until": iso(disposal.until),
        "by": disposal.by,
        "reason": disposal.reason,
        "documents": len(disposal.items),
        "list_sha256": disposal.list_sha256,
        "signatures": [
            {"operator": each.operator, "at": iso(each.at), "fingerprint": each.fingerprint}
            for each in counting
        ],
        "needed": EYES,
        "ended": disposal.ended or None,
        "certificate_sha256": disposal.certificate.digest if disposal.certificate is not None else None,
    }


def profile_facts(node: Node) -> list[dict[str, Any]]:
    """The profiles in force, with what is archived by each, also by those that are not in force any more."""
    book = node.archive.book()
    counts = node.store.read(lambda view: view.archive_counts())
    rows = []
    for id in sorted({*book.profiles, *(name for name, _ in counts)}):
        profile = book.profiles.get(id)
        settings: dict[str, Any] = {} if profile is None else msgspec.to_builtins(profile)
        named = [f"flow:{flow}" for flow, name in book.flows.items() if name == id]
        named += [f"partner:{partner}" for partner, name in book.partners.items() if name == id]
        named += ["hub"] if book.settings.profile == id else []
        rows.append(
            {
                "id": id,
                "in_force": profile is not None,
                **settings,
                "named_by": named,
                **{state.value: counts.get((id, state), 0) for state in ArchiveState},
            }
        )
    return rows


def archive_facts(node: Node) -> dict[str, Any]:
    """How the archive is: what is kept, looked at and copied, and what somebody has to decide."""
    now = node.hub.clock()

    def look(view: View) -> dict[str, Any]:
        counts = view.archive_bytes_counts()
        oldest = [each[2] for each in counts.values() if each[2] is not None]
        due = view.archive_bytes_due(now, 1000)
        error = view.setting(CARE_SETTING) or b""
        return {
            "documents": sum(
                n for (_, state), n in view.archive_counts().items() if state is not ArchiveState.DISPOSED
            ),
            "blobs": {state.value: each[0] for state, each in counts.items()},
            "copied": sum(each[1] for each in counts.values()),
            "oldest_look": _moment(min(oldest, default=None)),
            "due": len(due),
            "overdue": _moment(due[0].due) if due else None,
            "place_error": error.decode() or None,
            "refused": [
                {"message": each.message, "profile": each.profile, "reason": each.reason}
                for each in refused_messages(view)
            ],
            "clock_doubt": doubt_of(view, node.archive, now) or None,
        }

    return node.store.read(look)
