"""What goes where by itself: what is taken, how long it is kept, and what nobody would miss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ecluse.posture.facts import FlowFacts, HubFacts
from ecluse.posture.looks import (
    above,
    all_of,
    being,
    larger,
    longer,
    places,
    shorter,
    weak,
)
from ecluse.posture.rule import Fix, Hit, Moment, Put, Rule, Severity
from ecluse.trust.settings.fields import instant_from

__all__ = ["FLOW", "HUB"]

STALE_DAYS: Final = 2
"""Days in quarantine after which a document is somebody's problem."""
PAUSED_DAYS: Final = 7
"""Days after which a pause is forgotten rather than meant."""
ALL_NAMES: Final = frozenset((("*",), ("*.*",)))
"""Patterns that leave nothing out."""


def _collects(facts: FlowFacts) -> bool:
    kind = (facts.settings.from_.channel or "").partition(":")[0]
    return kind not in ("", "as2", "account")


def _running(facts: FlowFacts) -> bool:
    return facts.settings.state == "active"


def _any_partner(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    source = facts.settings.from_
    if (source.channel or "").endswith(":*") and not source.partners:
        yield Hit("from.channel", f'from.channel = "{source.channel}", for every partner')


def _anything(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    source = facts.settings.from_
    if source.names in ALL_NAMES and not source.types:
        yield Hit("from.names", "every name and every kind of document")


def _paused(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    if facts.settings.state == "paused":
        waiting = f", {facts.waiting} deliveries wait" if facts.waiting else ""
        yield Hit("state", f'state = "paused"{waiting}', fix=Fix((Put(("state",), "active"),)))
    elif facts.paused is not None and moment.older(PAUSED_DAYS, facts.paused):
        yield Hit(
            "paused",
            f"paused for {PAUSED_DAYS} days or more, {facts.waiting} deliveries wait",
            fix=Fix(commands=(f"ecluse flow resume {facts.id}",)),
            since=facts.paused,
        )


def _failing(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    if facts.failures >= 3:
        yield Hit(
            "run",
            f"its runs fail: {facts.cause}",
            fix=Fix(commands=(f"ecluse flow show {facts.id}", f"ecluse flow run {facts.id}")),
            since=facts.failing,
        )


def _by_hand(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    if facts.settings.trigger == "command" and _running(facts):
        yield Hit("trigger", 'trigger = "command"', fix=Fix((Put(("trigger",), "arrival"),)))


def _since_later(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    since = instant_from(facts.settings.since)
    if since is not None and not moment.passed(since):
        yield Hit("since", f"since = {facts.settings.since}", fix=Fix((Put(("since",), None),)))


def _missed(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    for name in facts.missed:
        yield Hit(f"expect.{name}", f"{name} did not come today")


def _no_expectation(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    if _running(facts) and not facts.settings.expect:
        yield Hit("expect", "nothing is expected at any time")


def _weak_expectation(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    for number, expectation in enumerate(facts.settings.expect):
        if not set(expectation.days) >= {"mon", "tue", "wed", "thu", "fri"}:
            yield Hit(f"expect[{number}].days", f"{expectation.name}: on {', '.join(expectation.days)} only")


def _no_duplicates(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    if facts.settings.duplicates is None:
        yield Hit(
            "duplicates",
            "the same content may go out any number of times",
            fix=Fix((Put(("duplicates", "action"), "quarantine"),)),
        )


def _no_retention(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    if facts.settings.retention is None and facts.relayed == "forever":
        yield Hit(
            "retention", "documents are kept for ever", fix=Fix((Put(("retention", "payload"), "30d"),))
        )


def _for_longer(limit: str) -> Callable[[object], bool]:
    """A term of so many days or more; words are no durations."""
    test = longer(limit)
    return lambda found: isinstance(found, str) and found[:1].isdigit() and test(found)


def _bombs(facts: FlowFacts) -> bool:
    return facts.settings.open.unpack != "none" or facts.settings.open.openpgp


def _quarantine(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    oldest = facts.counts.oldest_quarantine
    if oldest is not None and moment.older(STALE_DAYS, oldest):
        yield Hit(
            "quarantine",
            f"{facts.counts.quarantined} documents, the oldest for {STALE_DAYS} days or more",
            fix=Fix(commands=("ecluse message list --state quarantined", "ecluse message release ID")),
            since=oldest,
        )


def _dead(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.counts.failed:
        yield Hit(
            "deliveries.failed",
            f"{facts.counts.failed} messages failed and wait for a person",
            fix=Fix(commands=("ecluse message list --state failed", "ecluse message resend ID")),
        )


def _overdue(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.counts.overdue:
        yield Hit(
            "deliveries.overdue",
            f"{facts.counts.overdue} messages have no receipt in time",
            fix=Fix(commands=("ecluse message list --state sealed", "ecluse message resend ID")),
        )


def _ours_replace(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for at, value in places(facts.settings, "folders{}.replace"):
        if value is True:
            yield Hit(f"folders.{at[1]}.replace", f"{at[1]}: replace = true", fix=Fix((Put(at, False),)))


FLOW: Final = (
    Rule[FlowFacts](
        "flows.no-expectation",
        Severity.LOW,
        "Nobody would notice that nothing comes",
        "A file that does not come makes no error: it is found out when somebody asks for the goods.",
        "[[expect]] with the time that documents come by",
        "Look at `ecluse flow show` when documents come, and say so under [[expect]].",
        _no_expectation,
    ),
    Rule[FlowFacts](
        "flows.narrow-expectation",
        Severity.INFO,
        "What is expected leaves out working days",
        "On the other days nobody would notice that nothing comes.",
        "all days on which documents come",
        "Name the other days too, or leave days out.",
        _weak_expectation,
    ),
    Rule[FlowFacts](
        "flows.no-retention",
        Severity.LOW,
        "Documents are kept for ever",
        "Personal data must not be kept longer than it is needed, and what is not there can't be stolen.",
        "[retention] payload",
        "Say how long documents are needed; events and receipts stay.",
        _no_retention,
        "Regulation (EU) 2016/679, article 5(1)(e)",
    ),
    Rule[FlowFacts](
        "flows.long-retention",
        Severity.INFO,
        "Documents are kept for more than ten years",
        "That is longer than the law asks for invoices, and personal data may not be.",
        '[retention] payload = "3650d" or less',
        "Lower it, or put documents that must stay into an archive.",
        weak("retention.payload", test=_for_longer("3660d"), better="3650d"),
        "Regulation (EU) 2016/679, article 5(1)(e)",
    ),
    Rule[FlowFacts](
        "flows.no-duplicate-check",
        Severity.LOW,
        "The same content is not noticed",
        "A sender that repeats itself orders twice, and pays twice.",
        "[duplicates] with quarantine or skip",
        "Have repeated content kept for a person.",
        _no_duplicates,
    ),
    Rule[FlowFacts](
        "flows.duplicates-delivered",
        Severity.LOW,
        "The same content is noticed, and goes on all the same",
        "The event tells of it afterwards, when it is ordered twice.",
        'duplicates.action = "quarantine" or "skip"',
        "Have it kept for a person.",
        weak("duplicates.action", test=being("deliver"), better="quarantine"),
    ),
    Rule[FlowFacts](
        "flows.duplicates-dropped",
        Severity.INFO,
        "The same content is left out without anybody looking",
        "Two orders of the same goods on one day look like one.",
        'duplicates.action = "quarantine"',
        "Have it kept for a person, unless the sender is known to repeat itself.",
        weak("duplicates.action", test=being("skip"), better="quarantine"),
    ),
    Rule[FlowFacts](
        "flows.short-memory",
        Severity.LOW,
        "The same content is noticed within a day only",
        "A sender that repeats itself after a night or a weekend is not.",
        'duplicates.window = "3d" or more',
        "Let the window hold a weekend.",
        weak("duplicates.window", test=shorter("3d"), better="7d"),
    ),
    Rule[FlowFacts](
        "flows.every-partner",
        Severity.LOW,
        "Documents of every partner are taken",
        "A partner that is added tomorrow gets its documents into this application without anybody having said so.",
        "from.partners, or a channel of one partner",
        "Name the partners.",
        _any_partner,
    ),
    Rule[FlowFacts](
        "flows.anything",
        Severity.INFO,
        "Documents of every name and kind are taken",
        "A program or a picture goes where orders are expected.",
        "from.names or from.types",
        'Say what is expected, such as types = ["edifact"].',
        _anything,
    ),
    Rule[FlowFacts](
        "flows.large-documents",
        Severity.LOW,
        "Documents larger than 200 GiB are taken",
        "One document can take the disk of everybody.",
        'max_size = "200 GiB" or less',
        "Lower it to a few times of the largest document.",
        weak("from.max_size", test=larger("200 GiB"), better="20 GiB"),
    ),
    Rule[FlowFacts](
        "flows.bombs",
        Severity.MEDIUM,
        "An archive or message may grow a thousandfold when it is opened",
        "A few kilobytes can be made to fill the disk.",
        'max_ratio = 1000, max_files = 1000, max_size = "200 GiB", or less',
        "Lower the limit: real documents seldom grow more than a hundredfold.",
        all_of(
            weak("open.max_ratio", test=above(1000), better=200, only=_bombs),
            weak("open.max_files", test=above(1000), better=1000, only=_bombs),
            weak("open.max_size", test=larger("200 GiB"), better="20 GiB", only=_bombs),
        ),
    ),
    Rule[FlowFacts](
        "flows.left-behind",
        Severity.LOW,
        "Collected documents are left where they were",
        "They stay readable on a server that is not ours, and it fills until somebody clears it by hand.",
        'after = "delete" or "move"',
        "Delete them once they are kept, if nobody else collects there.",
        weak("from.after", test=being("leave"), better="delete", only=_collects),
    ),
    Rule[FlowFacts](
        "flows.hasty",
        Severity.MEDIUM,
        "A file is taken although it may still be written",
        "Half a document is worse than none: it is taken for a whole one.",
        'stable = "2s" or more, or a marker',
        "Wait longer, or agree on a marker file.",
        weak(
            "from.stable",
            test=shorter("2s"),
            better="5s",
            only=lambda facts: _collects(facts) and facts.settings.from_.marker is None,
        ),
    ),
    Rule[FlowFacts](
        "flows.slow-look",
        Severity.INFO,
        "The source is looked at less than once an hour",
        "What came just after the last look waits as long, and whoever sent it may send it again.",
        'every = "1h" or less',
        "Look more often; a look costs a listing.",
        weak("from.every", test=longer("1h"), better="1m", only=_collects),
    ),
    Rule[FlowFacts](
        "flows.by-hand",
        Severity.INFO,
        "The flow runs only when somebody has it run",
        "It stops when that person is on leave.",
        'trigger = "arrival" or "timetable"',
        "Let it run by itself, unless a job of yours runs it.",
        _by_hand,
    ),
    Rule[FlowFacts](
        "flows.since-later",
        Severity.MEDIUM,
        "The flow leaves everything that is there today",
        "Files older than a day in the future are never collected, and nobody is told.",
        "since in the past, or not set",
        "Mend the date, or take it out.",
        _since_later,
    ),
    Rule[FlowFacts](
        "flows.overtaking",
        Severity.INFO,
        "A document may overtake one that failed before it",
        "A change can arrive before the order that it changes.",
        'order.on_failure = "wait"',
        "Let the next one wait for a person.",
        weak("order.on_failure", test=being("continue"), better="wait"),
    ),
    Rule[FlowFacts](
        "flows.paused",
        Severity.LOW,
        "The flow is paused",
        "What comes for it waits, and is easily forgotten.",
        "a flow that runs, or none",
        "Let it go on, or take its file out.",
        _paused,
    ),
    Rule[FlowFacts](
        "flows.failing",
        Severity.MEDIUM,
        "Its runs fail",
        "Nothing is collected as long as they do.",
        "runs that end well",
        "Look at the cause with `ecluse flow show`.",
        _failing,
    ),
    Rule[FlowFacts](
        "flows.expectation-missed",
        Severity.MEDIUM,
        "What was expected did not come",
        "Somebody waits for it.",
        "documents by their time",
        "Ask who should have sent it; look with `ecluse flow show`.",
        _missed,
    ),
)

HUB: Final = (
    Rule[HubFacts](
        "flows.folder-overwrites",
        Severity.LOW,
        "A document may take the place of another in a folder of ours",
        "Two documents of one name become one, and the application never sees the other.",
        "replace = false",
        "Leave replace out, and give documents names of their own.",
        _ours_replace,
    ),
    Rule[HubFacts](
        "flows.failed-deliveries",
        Severity.MEDIUM,
        "Deliveries failed and wait for a person",
        "The partner does not have these documents, and the application believes that it does.",
        "none",
        "Look with `ecluse message list --state failed`; resend them or give them up.",
        _dead,
    ),
    Rule[HubFacts](
        "flows.overdue-receipts",
        Severity.MEDIUM,
        "Receipts did not come in time",
        "Whether the partner has these documents is not known.",
        "none",
        "Ask the partner, then resend: the same bytes under the same id can't become a second order.",
        _overdue,
    ),
    Rule[HubFacts](
        "flows.stale-quarantine",
        Severity.MEDIUM,
        "Documents are in quarantine for days",
        "The partner was told that we have them.",
        "a decision within two days",
        "Look with `ecluse message trace`, then release them or give them up.",
        _quarantine,
    ),
)
