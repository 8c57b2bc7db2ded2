"""Who else vouches for the log's time, and whether that will still convince later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ecluse.model.basics import Instant, iso
from ecluse.posture.facts import HubFacts, StampFacts
from ecluse.posture.rule import Fix, Hit, Moment, Put, Rule, Severity
from ecluse.trust.settings.fields import seconds

__all__ = ["HUB"]

GRACE: Final = 3600 * 1_000_000
"""Microseconds that a time-stamp may be late beyond twice its pace: the hub was restarted, or the line was down."""
DIFFERENCE: Final = 60 * 1_000_000
"""Microseconds by which a clock may differ from an authority's."""
ENDS_DAYS: Final = 60
"""Days before an authority's certificate ends that somebody should ask what comes after it."""
RARE_DAYS: Final = 7
"""Days between two time-stamps: for so long the log's time is vouched for by us alone."""
SHORT_DAYS: Final = 30
"""Days before its end that evidence is renewed: enough to find another authority."""
LATE_DAYS: Final = 7
"""Days that a renewal may be late: it is tried every hour, half a year before it has to be done."""


def _none(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if not any(each.ask for each in facts.settings.log.authorities):
        yield Hit("log.authorities", "no time-stamping authority is asked")


def _overdue(required: bool) -> Callable[[HubFacts, Moment], Iterator[Hit]]:
    def look(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
        for each in facts.log.stamps:
            if each.required is not required:
                continue
            late = each.last is not None and moment.passed(Instant(each.last + 2 * each.every + GRACE))
            never = each.last is None and each.failures > 2
            if late or never:
                yield Hit(f"log.authorities.{each.name}", _last_words(each), since=each.last, fix=_ASK)

    return look


_ASK: Final = Fix(commands=("ecluse log stamp --now",))


def _last_words(each: StampFacts) -> str:
    last = (
        "gave no time-stamp so far" if each.last is None else f"gave its last time-stamp at {iso(each.last)}"
    )
    return f"{each.name} {last}{f' ({each.error})' if each.error else ''}"


def _ends(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for each in facts.log.stamps:
        if each.ends is not None and moment.within(ENDS_DAYS, each.ends):
            yield Hit(
                f"log.authorities.{each.name}", f"certificates of {each.name} end on {iso(each.ends)[:10]}"
            )


def _clock(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for each in facts.log.stamps:
        if each.time is not None and each.time > moment.now + DIFFERENCE:
            words = f"{each.name} stamped the log at {iso(each.time)}, which our clock has not reached"
            yield Hit(f"log.authorities.{each.name}", words)
            moment.passed(each.time)
        elif abs(each.ahead) > DIFFERENCE:
            way = "behind" if each.ahead > 0 else "ahead of"
            words = f"our clock is {abs(each.ahead) // 1_000_000} seconds {way} that of {each.name}"
            yield Hit(f"log.authorities.{each.name}", words)


def _rare(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for number, each in enumerate(facts.settings.log.authorities):
        if each.ask and seconds(each.every) > RARE_DAYS * 86_400:
            put = Put(("log", "authorities", number, "every"), "1d")
            yield Hit(f"log.authorities.{each.name}.every", f'every = "{each.every}"', fix=Fix(puts=(put,)))


def _short(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    before = facts.settings.log.longterm.renew_before
    if facts.settings.log.authorities and seconds(before) < SHORT_DAYS * 86_400:
        put = Put(("log", "longterm", "renew_before"), "180d")
        yield Hit("log.longterm.renew_before", f'renew_before = "{before}"', fix=Fix(puts=(put,)))


def _unproven(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.log.unproven:
        yield Hit(
            "log.evidence", f"{facts.log.unproven} evidence records do not hold, or were renewed too late"
        )


def _renewal(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    since = facts.log.unrenewed
    if since is not None and moment.older(LATE_DAYS, since):
        yield Hit(
            "log.longterm",
            f"evidence records were to be renewed on {iso(since)[:10]}",
            since=since,
            fix=Fix(commands=("ecluse log renew",)),
        )


HUB: Final = (
    Rule[HubFacts](
        "evidence.no-authority",
        Severity.INFO,
        "Nobody else vouches for the log's time",
        "When an event was logged is what our own clock says; who doubts us need not believe it.",
        "a time-stamping authority under [[log.authorities]]",
        "Name one; qualified ones under eIDAS have a presumption of law.",
        _none,
        "RFC 3161; Regulation (EU) 910/2014, article 41",
    ),
    Rule[HubFacts](
        "evidence.stamp-overdue",
        Severity.HIGH,
        "A required time-stamp is overdue",
        "What was logged since the last one is dated by our own clock alone.",
        "a time-stamp at the pace of [[log.authorities]]",
        "Look at `ecluse log stamps`, and ask the authority; `ecluse log stamp --now` asks at once.",
        _overdue(required=True),
    ),
    Rule[HubFacts](
        "evidence.stamp-late",
        Severity.LOW,
        "A time-stamp is overdue",
        "One authority less vouches for the log's time.",
        "a time-stamp at the pace of [[log.authorities]]",
        "Look at `ecluse log stamps`, and ask the authority.",
        _overdue(required=False),
    ),
    Rule[HubFacts](
        "evidence.rare-stamps",
        Severity.LOW,
        "The log is time-stamped seldom",
        "Between two time-stamps its order is proven, and its time is not.",
        'every = "1d"',
        "Ask the authority every day.",
        _rare,
    ),
    Rule[HubFacts](
        "evidence.short-renewal",
        Severity.LOW,
        "Evidence is renewed shortly before its end",
        "An authority that is away or has no younger certificate then leaves no time to find another one.",
        'renew_before = "180d"',
        "Renew half a year before the end.",
        _short,
    ),
    Rule[HubFacts](
        "evidence.authority-ends",
        Severity.LOW,
        "A time-stamping authority's certificate ends soon",
        "An authority has another one by then; where its root changes too, its time-stamps are refused.",
        "an authority whose certificates last",
        "Ask the authority for its next root, and put it into its roots file; or name another authority.",
        _ends,
    ),
    Rule[HubFacts](
        "evidence.clock-differs",
        Severity.HIGH,
        "Our clock and a time-stamping authority's differ",
        "A clock that was set back dates new events before old ones, and outlasts what should have ended.",
        "a clock within a minute of the authority's",
        "Set the clock by NTP; where it was set back, look at the events of that time.",
        _clock,
    ),
    Rule[HubFacts](
        "evidence.record-unproven",
        Severity.HIGH,
        "Evidence records do not hold any more",
        "What they prove rests on an algorithm or a certificate that ended, or on a row that was changed.",
        "every record renewed before what it rests on ends",
        "Look at `ecluse log records list` and `ecluse log stamps --verify`; copies in packs may be older and good.",
        _unproven,
        "RFC 4998, section 5",
    ),
    Rule[HubFacts](
        "evidence.renewal-late",
        Severity.MEDIUM,
        "Evidence records wait to be renewed",
        "When what they rest on ends first, they prove nothing any more.",
        "renewal as soon as it is due",
        "Run `ecluse log renew`: it says what is in the way; most often another authority is needed.",
        _renewal,
        "RFC 4998, section 5",
    ),
)
