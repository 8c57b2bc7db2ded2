"""What is remembered of findings: when they were first and last seen, who suppressed them, and how it was before.

Findings, suppressions and the days' runs are records. A finding that opens or closes is an event, but for those that
only inform. Several processes may keep the same findings: what is written is decided on what the transaction reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.posture.engine import Found, Verdict
from ecluse.posture.rule import DAY, Severity
from ecluse.store.port import Store, Tx, View
from ecluse.typed import from_json

__all__ = [
    "HISTORY_DAYS",
    "SUPPRESSION",
    "BadSuppression",
    "Keeper",
    "Kept",
    "Run",
    "Suppression",
    "every_record_of",
    "history",
    "keep_run",
    "suppress",
    "suppressions",
    "unsuppress",
]

FINDING: Final = "finding"
SUPPRESSION: Final = "suppression"
RUN: Final = "posture-run"

HISTORY_DAYS: Final = 400
"""Days of history, one entry each: a year and a bit to compare with."""
FORGET_DAYS: Final = 400
"""Days after which a closed finding is forgotten; its events stay."""
AT_ONCE: Final = 250
"""Findings in one transaction: each is a row and an event."""
PAGE: Final = 2000
LONGEST: Final = 366
"""Days that a suppression may last: what is accepted for longer is a decision to be taken again."""

Tell = Callable[[Tx, str, str, Mapping[str, Any]], None]
"""Writes an event: transaction, kind, subject, facts."""


class BadSuppression(EcluseError):
    """A suppression lacks what it needs, or would hold for too long."""

    code = "posture.bad-suppression"
    fault = Fault.USAGE
    remedy = f"Give a reason, an owner, and an end within {LONGEST} days."


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a finding.

    Attributes:
        severity: As its rule says.
        observed: What was seen when it was last written.
        first: When it was first seen.
        opened: When it was opened last.
        times: How often it was opened.
        closed: When it was closed; ``None`` while it is open.
    """

    severity: str
    observed: str
    first: Instant
    opened: Instant
    times: int = 1
    closed: Instant | None = None


class Suppression(msgspec.Struct, frozen=True):
    """A finding that somebody answers for.

    Attributes:
        reason: Why it is accepted.
        owner: Who answers for it.
        by: Who suppressed it.
        at: When.
        until: When it comes back.
    """

    reason: str
    owner: str
    by: str
    at: Instant
    until: Instant


class Run(msgspec.Struct, frozen=True):
    """How a day ended.

    Attributes:
        at: When the last run was that changed anything.
        score: The hub's points.
        grade: The hub's letter.
        counts: Open findings by severity.
        suppressed: Suppressed ones.
        partners: Partners by letter.
    """

    at: Instant
    score: float
    grade: str
    counts: dict[str, int]
    suppressed: int
    partners: dict[str, int]


def every_record_of(view: View, kind: str, state: str | None = None) -> Iterator[Record]:
    """Records of a kind in order of key, read page by page."""
    after = ""
    while page := view.records(kind, state=state, after=after, limit=PAGE):
        yield from page
        after = page[-1].key


# --- findings -----------------------------------------------------------------------------------------------------


class Keeper:
    """Keeps the findings of one process's runs.

    Args:
        store: Where the records are.
        tell: Writes events.
    """

    def __init__(self, store: Store, tell: Tell) -> None:
        self._store = store
        self._tell = tell
        self._open: dict[str, dict[str, Kept]] | None = None

    def kept(self, found: Found) -> Kept | None:
        """What is remembered of an open finding; ``None`` where it was not kept yet."""
        return (self._open or {}).get(found.subject, {}).get(found.key)

    def settle(self, verdict: Verdict, now: Instant) -> tuple[list[str], list[str]]:
        """Open what was found anew, and close what is gone.

        Returns:
            Keys of findings that were opened and that were closed.
        """
        if self._open is None:
            self._open = self._load()
            subjects: Iterable[str] = {*verdict.found, *self._open}
        else:
            subjects = verdict.changed
        appeared: list[Found] = []
        gone: list[tuple[str, str]] = []
        for subject in subjects:
            known = self._open.get(subject, {})
            found = {each.key: each for each in verdict.found.get(subject, ())}
            appeared += [each for key, each in found.items() if key not in known or _stale(known[key], each)]
            gone += [(subject, key) for key in known.keys() - found.keys()]
        opened: list[str] = []
        for at in range(0, len(appeared), AT_ONCE):
            for each, kept, new in self._store.write(
                partial(self._see_all, appeared[at : at + AT_ONCE], now)
            ):
                self._open.setdefault(each.subject, {})[each.key] = kept
                opened += [each.key] if new else []
        closed: list[str] = []
        for at in range(0, len(gone), AT_ONCE):
            some = gone[at : at + AT_ONCE]
            self._store.write(partial(self._close_all, some, now))
            for subject, key in some:
                del self._open[subject][key]
                closed.append(key)
        return opened, closed

    def _load(self) -> dict[str, dict[str, Kept]]:
        loaded: dict[str, dict[str, Kept]] = {}
        for record in self._store.read(lambda view: list(every_record_of(view, FINDING, "open"))):
            subject = record.key.split("/", 2)[1]
            loaded.setdefault(subject, {})[record.key] = from_json(record.body, Kept)
        return loaded

    def _see_all(self, found: Iterable[Found], now: Instant, tx: Tx) -> list[tuple[Found, Kept, bool]]:
        return [self._see(tx, each, now) for each in found]

    def _close_all(self, gone: Iterable[tuple[str, str]], now: Instant, tx: Tx) -> None:
        for subject, key in gone:
            self._close(tx, subject, key, now)

    def _see(self, tx: Tx, found: Found, now: Instant) -> tuple[Found, Kept, bool]:
        before = tx.record(FINDING, found.key)
        first = found.hit.since if found.hit.since is not None else now
        kept = Kept(found.rule.severity.value, found.hit.observed, min(first, now), now)
        new = True
        if before is not None:
            past = from_json(before.body, Kept)
            new = before.state != "open"
            kept = msgspec.structs.replace(
                kept,
                first=past.first,
                opened=now if new else past.opened,
                times=past.times + 1 if new else past.times,
            )
        owner = found.subject.removeprefix("partner:") if found.subject.startswith("partner:") else ""
        tx.put_record(Record(FINDING, found.key, now, msgspec.json.encode(kept), owner, "open"))
        if new and found.rule.severity is not Severity.INFO:
            facts = {
                "code": found.rule.code,
                "severity": found.rule.severity.value,
                "place": found.hit.place,
                "observed": found.hit.observed[:2000],
            }
            self._tell(tx, "posture.finding-opened", found.subject, facts)
        return found, kept, new

    def _close(self, tx: Tx, subject: str, key: str, now: Instant) -> None:
        record = tx.record(FINDING, key)
        if record is None or record.state != "open":
            return
        kept = msgspec.structs.replace(from_json(record.body, Kept), closed=now)
        due = Instant(now + FORGET_DAYS * DAY)
        tx.put_record(Record(FINDING, key, now, msgspec.json.encode(kept), record.owner, "closed", due))
        if kept.severity != Severity.INFO:
            code, _, place = key.split("/", 2)
            facts = {"code": code, "severity": kept.severity, "place": place, "opened": kept.opened}
            self._tell(tx, "posture.finding-closed", subject, facts)

    def forget(self, now: Instant) -> None:
        """Drop closed findings whose time is over."""
        while due := self._store.read(lambda view: view.records_due(FINDING, now, AT_ONCE)):
            self._store.write(partial(_drop_all, [record.key for record in due]))


def _drop_all(keys: Iterable[str], tx: Tx) -> None:
    for key in keys:
        tx.drop_record(FINDING, key)


def _stale(kept: Kept, found: Found) -> bool:
    return kept.observed != found.hit.observed or kept.severity != found.rule.severity.value


# --- suppressions -------------------------------------------------------------------------------------------------


def suppressions(view: View) -> dict[str, Suppression]:
    """Every suppression by its key: ``code/subject`` or ``code/subject/place``; ended ones too."""
    return {record.key: from_json(record.body, Suppression) for record in every_record_of(view, SUPPRESSION)}


def suppress(tx: Tx, tell: Tell, key: str, suppression: Suppression) -> None:
    """Suppress a finding, or all of a rule at a subject.

    Raises:
        BadSuppression: Reason, owner or end are missing, or the end is past or too far.
    """
    if not suppression.reason.strip() or not suppression.owner.strip():
        raise BadSuppression("A suppression has a reason and an owner.")
    if suppression.until <= suppression.at:
        raise BadSuppression("The suppression would have ended already.")
    if suppression.until > suppression.at + LONGEST * DAY:
        raise BadSuppression(f"The suppression would hold for more than {LONGEST} days.")
    tx.put_record(
        Record(
            SUPPRESSION,
            key,
            suppression.at,
            msgspec.json.encode(suppression),
            state="holds",
            due=suppression.until,
        )
    )
    facts = {"key": key, "reason": suppression.reason, "owner": suppression.owner, "until": suppression.until}
    tell(tx, "posture.suppressed", key.split("/")[1], facts)


def unsuppress(tx: Tx, tell: Tell, key: str, *, ended: bool = False) -> bool:
    """Let a finding count again; false where nothing was suppressed under that key."""
    if tx.record(SUPPRESSION, key) is None:
        return False
    tx.drop_record(SUPPRESSION, key)
    tell(tx, "posture.unsuppressed", key.split("/")[1], {"key": key, "ended": ended})
    return True


# --- history ------------------------------------------------------------------------------------------------------


def _day(at: Instant) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)


def keep_run(tx: Tx, run: Run) -> None:
    """Keep a day's last run, and let those of long ago go."""
    today = _day(run.at)
    tx.put_record(Record(RUN, f"{today:%Y-%m-%d}", run.at, msgspec.json.encode(run)))
    cut = f"{today - timedelta(days=HISTORY_DAYS):%Y-%m-%d}"
    for record in tx.records(RUN, limit=HISTORY_DAYS):
        if record.key >= cut:
            break
        tx.drop_record(RUN, record.key)


def history(view: View) -> list[Run]:
    """The days' runs, oldest first."""
    return [from_json(record.body, Run) for record in every_record_of(view, RUN)]
