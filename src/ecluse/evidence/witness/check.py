"""Checking what was kept of witnesses: that every cosignature still holds over its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ecluse.errors import EcluseError
from ecluse.evidence.verify import Problem
from ecluse.evidence.witness import COSIGNATURE, Cosignature, kept_cosignatures
from ecluse.evidence.witness.client import states
from ecluse.model.records import Record
from ecluse.store.port import Store, View
from ecluse.typed import from_json
from ecluse.wire.tlog.cosignature import CosignerKey
from ecluse.wire.tlog.note import open_note

__all__ = ["verify_cosignatures"]

_PAGE: Final = 500


def verify_cosignatures(store: Store, keys: Sequence[CosignerKey]) -> Iterator[Problem]:
    """Every kept cosignature of the witnesses whose keys are given that does not hold, or is not what its row says.

    What other witnesses signed (former ones, whose keys are not configured any more) is passed over.
    """
    names = {key.name for key in keys}
    for name, state in store.read(states).items():
        known = store.read(lambda view, size=state.size: kept_cosignatures(view, size)) if state.size else []  # type: ignore[misc]
        if state.size and not known:
            cause = f"The witness {name} cosigned {state.size} records, and its cosignature is not there."
            yield Problem("cosignature-missing", cause, state.size, differs="row")
    after = ""
    while True:
        page = store.read(lambda view, after=after: view.records(COSIGNATURE, after=after, limit=_PAGE))  # type: ignore[misc]
        for record in page:
            problem = store.read(lambda view, record=record: _check(view, record, keys, names))  # type: ignore[misc]
            if problem is not None:
                yield problem
        if len(page) < _PAGE:
            return
        after = page[-1].key


def _check(view: View, record: Record, keys: Sequence[CosignerKey], names: set[str]) -> Problem | None:
    try:
        kept = from_json(record.body, Cosignature)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Problem("cosignature-bad", f"The cosignature {record.key} can't be read.", differs="body")
    if record.key != f"{kept.size:020d}:{kept.witness}":
        return Problem(
            "cosignature-bad", f"The cosignature {record.key} is of another checkpoint.", differs="key"
        )
    if kept.witness not in names:
        return None
    found = [each for each in view.checkpoints_from(kept.size, 1) if each.size == kept.size]
    if not found:
        return Problem(
            "cosignature-bad",
            f"{kept.witness} cosigned a checkpoint of {kept.size} records, which is not there.",
            kept.size,
            differs="row",
        )
    try:
        text, _, _ = found[0].note.rpartition(b"\n\n")
        wanted = [key for key in keys if key.name == kept.witness]
        opened = open_note(text + b"\n\n" + "".join(kept.lines).encode(), wanted)
        if len(opened.signatures) == len(kept.lines) == len(wanted):
            return None
        cause = "it lacks a signature"
    except EcluseError as error:
        cause = error.cause
    return Problem(
        "cosignature-bad",
        f"The cosignature of {kept.witness} over {kept.size} records does not hold: {cause}",
        kept.size,
        differs="body",
    )
