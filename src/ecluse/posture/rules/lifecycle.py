"""What ends of partners, what should have ended, and who is not there any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ecluse.model.basics import Instant, iso
from ecluse.posture.facts import HubFacts, PartnerFacts, PgpFacts
from ecluse.posture.rule import DAY, Fix, Hit, Moment, Put, Rule, Severity
from ecluse.posture.rules.permitted import excepted
from ecluse.trust.certificates import Dated
from ecluse.trust.settings.fields import instant_until

__all__ = ["IDLE", "MONTH", "PARTNER", "QUARTER", "WEEK", "between", "endless", "openpgp_ends"]

WEEK: Final = 7
MONTH: Final = 30
QUARTER: Final = 90
"""Days before an end: a week is an emergency, a month is what a partner takes, a quarter is time to plan."""
LONG_YEARS: Final = 5
"""Years beyond which nobody remembers who holds a key."""
LONG_EXCEPTION: Final = 366
"""Days ahead at which an exception is not one any more."""
QUIET_DAYS: Final = 180
"""Days after which a partner that was seen before is taken to have left."""


def _end(entry: Dated) -> Instant:
    return min(entry.info.not_after, entry.end) if entry.end is not None else entry.info.not_after


def _lasting(entries: Sequence[Dated], entry: Dated) -> bool:
    """Whether others last longer for everything that this one is for."""
    later = {
        use for other in entries if other is not entry and _end(other) > _end(entry) for use in other.use
    }
    return entry.use <= later


def between(moment: Moment, end: Instant, first: int, last: int) -> bool:
    """Whether an end is at most ``first`` days away and more than ``last``."""
    return moment.within(first, end) and not moment.within(last, end)


def _theirs(first: int, last: int) -> Callable[[PartnerFacts, Moment], Iterator[Hit]]:
    def look(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
        entries = facts.certificates.entries
        for entry in entries:
            if between(moment, _end(entry), first, last) and not _lasting(entries, entry):
                yield Hit(
                    entry.info.short,
                    f"{', '.join(sorted(entry.use))}: {entry.info.subject} ends on {iso(_end(entry))[:10]}",
                )

    return look


def _theirs_ended(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    entries = facts.certificates.entries
    for entry in entries:
        if moment.passed(_end(entry)) and not _lasting(entries, entry):
            yield Hit(
                entry.info.short,
                f"{', '.join(sorted(entry.use))}: {entry.info.subject} ended on {iso(_end(entry))[:10]}",
                since=_end(entry),
            )


def _theirs_left_over(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    entries = facts.certificates.entries
    files = facts.settings.certificates
    for number, entry in enumerate(entries):
        if moment.older(MONTH, _end(entry)) and _lasting(entries, entry):
            fix = Fix((Put(("certificates", number), None),)) if len(files) == len(entries) else None
            yield Hit(entry.info.short, f"{entry.info.subject} ended on {iso(_end(entry))[:10]}", fix=fix)


def _theirs_early(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for entry in facts.certificates.entries:
        begins = max(entry.start or Instant(0), entry.info.not_before)
        if moment.passed(begins):
            continue
        for use in sorted(entry.use):
            others = [
                other for other in facts.certificates.entries if other is not entry and use in other.use
            ]
            if all(_end(other) < begins for other in others):
                yield Hit(
                    f"{entry.info.short}.{use}",
                    f"{use}: {entry.info.subject} holds from {iso(begins)[:10]} on",
                )


def _revoked(state: str) -> Callable[[PartnerFacts, Moment], Iterator[Hit]]:
    def look(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
        told = {each.fingerprint: each for each in facts.revoked if each.state == state}
        for entry in facts.certificates.entries if told else ():
            if entry.info.fingerprint in told and not moment.passed(_end(entry)):
                reason = told[entry.info.fingerprint].reason
                yield Hit(
                    entry.info.short, f"{entry.info.subject}: {state}{f' ({reason})' if reason else ''}"
                )

    return look


def _long(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for entry in facts.certificates.entries:
        years = (entry.info.not_after - entry.info.not_before) / (365.25 * DAY)
        if years > LONG_YEARS and entry.end is None:
            yield Hit(entry.info.short, f"{entry.info.subject} is valid for {years:.0f} years")


def openpgp_ends(first: int, last: int | None) -> Callable[[HubFacts | PartnerFacts, Moment], Iterator[Hit]]:
    """OpenPGP certificates that end within ``first`` days; with ``last`` ``None`` those that ended or were revoked."""

    def look(facts: HubFacts | PartnerFacts, moment: Moment) -> Iterator[Hit]:
        for each in facts.openpgp:
            if last is None:
                if each.state != "valid" or (each.ends is not None and moment.passed(each.ends)):
                    state = each.state if each.state != "valid" else "expired"
                    yield Hit(each.fingerprint[-16:], f"{each.label} is {state}")
            elif each.state == "valid" and each.ends is not None and between(moment, each.ends, first, last):
                yield Hit(each.fingerprint[-16:], f"{each.label} ends on {iso(each.ends)[:10]}")

    return look


def endless(facts: HubFacts | PartnerFacts, moment: Moment) -> Iterator[Hit]:
    """OpenPGP certificates without an end."""
    for each in _valid(facts.openpgp):
        if each.ends is None:
            yield Hit(each.fingerprint[-16:], f"{each.label} has no end")


def _valid(openpgp: tuple[PgpFacts, ...]) -> Iterator[PgpFacts]:
    return (each for each in openpgp if each.state == "valid")


def _expired_exception(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    yield from excepted(facts, moment, "expired-certificate")


def _long_exception(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for entry in facts.settings.exceptions:
        end = instant_until(entry.until)
        if end is not None and not moment.within(LONG_EXCEPTION, end):
            yield Hit(
                f"exceptions.{entry.algorithm}.until", f"{entry.algorithm} is allowed until {entry.until}"
            )


def _ending_exception(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for entry in facts.settings.exceptions:
        end = instant_until(entry.until)
        if end is not None and moment.within(2 * WEEK, end):
            state = "ended" if moment.passed(end) else "ends"
            yield Hit(
                f"exceptions.{entry.algorithm}.until",
                f"{entry.algorithm}: the exception {state} on {entry.until}",
            )


def _quiet(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    if facts.seen and moment.older(QUIET_DAYS, max(each.last for each in facts.seen)):
        yield Hit("state", f"not seen for {QUIET_DAYS} days", fix=Fix((Put(("state",), "suspended"),)))


def _left_over(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    settings = facts.settings
    if settings.state != "retired":
        return
    left = [
        name
        for name in ("account", "sftp", "ftps", "s3", "azure", "gcs", "webdav")
        if getattr(settings, name)
    ]
    if left:
        yield Hit("state", f"retired, and its file still has {', '.join(f'[{name}]' for name in left)}")


_RENEW: Final = "Ask the partner for the next one, and add it with `ecluse cert import --partner`."
_NO_END: Final = "Ask the partner for the next one, and put it in force with `ecluse pgp import --partner`."

PARTNER: Final = (
    Rule[PartnerFacts](
        "lifecycle.certificate-ended",
        Severity.HIGH,
        "A certificate of theirs has ended, and no other takes its place",
        "What it was for fails, or goes on under an exception only.",
        "a certificate that holds",
        _RENEW,
        _theirs_ended,
    ),
    Rule[PartnerFacts](
        "lifecycle.certificate-ending-week",
        Severity.HIGH,
        "A certificate of theirs ends within a week, and no other follows",
        "When it ends, documents stop: what they send is refused, or nothing can be encrypted to them.",
        "a successor, known before the end",
        _RENEW,
        _theirs(WEEK, 0),
    ),
    Rule[PartnerFacts](
        "lifecycle.certificate-ending",
        Severity.MEDIUM,
        "A certificate of theirs ends within a month, and no other follows",
        "Partners take weeks to send the next one, and an end on a weekend is found on Monday.",
        "a successor, known before the end",
        _RENEW,
        _theirs(MONTH, WEEK),
    ),
    Rule[PartnerFacts](
        "lifecycle.certificate-ending-quarter",
        Severity.INFO,
        "A certificate of theirs ends within three months",
        "It is time to ask when the next one comes.",
        "a successor, known before the end",
        _RENEW,
        _theirs(QUARTER, MONTH),
    ),
    Rule[PartnerFacts](
        "lifecycle.certificate-revoked",
        Severity.CRITICAL,
        "A certificate of theirs was revoked",
        "Its authority says that its key may be in other hands: what it signs may be anybody's.",
        "a certificate that was not revoked",
        "Call the partner by a number known from before, and take the next one in its place.",
        _revoked("revoked"),
        "RFC 5280, section 3.3",
    ),
    Rule[PartnerFacts](
        "lifecycle.revocation-unknown",
        Severity.LOW,
        "Whether a certificate of theirs was revoked can't be found out",
        "A key that was stolen would go on being trusted.",
        "an authority that answers",
        "Look with `ecluse cert list`; name the authority's responder or list under [[revocation.authorities]].",
        _revoked("unknown"),
        "RFC 6960",
    ),
    Rule[PartnerFacts](
        "lifecycle.certificate-left-over",
        Severity.LOW,
        "A certificate of theirs that ended long ago still stands in their file",
        "It makes the file harder to judge, and is trusted again the moment an exception allows it.",
        "certificates that are in use",
        "Take the entry out.",
        _theirs_left_over,
    ),
    Rule[PartnerFacts](
        "lifecycle.certificate-not-yet",
        Severity.MEDIUM,
        "A use of their certificates has a gap",
        "Until the next one begins, nothing can be encrypted to them or checked.",
        "windows that overlap",
        "Let the old one hold until the next begins, or ask for one that begins earlier.",
        _theirs_early,
    ),
    Rule[PartnerFacts](
        "lifecycle.certificate-long",
        Severity.INFO,
        "A certificate of theirs is valid for more than five years",
        "Whoever holds its key holds it longer than most people hold their post.",
        "a certificate of two or three years",
        "Set until in its [[certificates]] entry, and ask for a shorter one next time.",
        _long,
    ),
    Rule[PartnerFacts](
        "lifecycle.openpgp-ended",
        Severity.HIGH,
        "An OpenPGP certificate of theirs has ended or was revoked",
        "Nothing can be encrypted to it any more, and its owner may have said that it is in other hands.",
        "a valid certificate",
        _NO_END,
        openpgp_ends(0, None),
    ),
    Rule[PartnerFacts](
        "lifecycle.openpgp-ending",
        Severity.MEDIUM,
        "An OpenPGP certificate of theirs ends within a month",
        "When it ends, nothing can be encrypted to them.",
        "a successor, or a longer life",
        _NO_END,
        openpgp_ends(MONTH, 0),
    ),
    Rule[PartnerFacts](
        "lifecycle.openpgp-endless",
        Severity.INFO,
        "An OpenPGP certificate of theirs has no end",
        "A key that was lost or forgotten is good for ever.",
        "a certificate that ends",
        "Ask the partner for one that ends in a year or two.",
        endless,
    ),
    Rule[PartnerFacts](
        "lifecycle.expired-exception",
        Severity.MEDIUM,
        "Certificates that ended are taken from them by an exception",
        "An end is the only thing that stops a key nobody watches any more.",
        "no exception",
        _RENEW,
        _expired_exception,
    ),
    Rule[PartnerFacts](
        "lifecycle.exception-long",
        Severity.MEDIUM,
        "An exception is to last more than a year",
        "What lasts that long is a rule, and nobody asks again whether it is still needed.",
        "an end within a year",
        "Give it an earlier end, and look at it again then.",
        _long_exception,
    ),
    Rule[PartnerFacts](
        "lifecycle.exception-ending",
        Severity.MEDIUM,
        "An exception ends within two weeks",
        "From then on what it allowed is refused, whether the partner has changed or not.",
        "a partner that does not need it any more",
        "Ask the partner how far they are; give it a later end only with a reason that still holds.",
        _ending_exception,
    ),
    Rule[PartnerFacts](
        "lifecycle.partner-quiet",
        Severity.LOW,
        "An active partner was not seen for half a year",
        "Its keys and its account stay open, and nobody would notice that somebody else uses them.",
        'state = "suspended", until it is needed again',
        "Ask, then suspend the partner: its file and its history stay.",
        _quiet,
    ),
)

IDLE: Final = (
    Rule[PartnerFacts](
        "lifecycle.retired-left-over",
        Severity.LOW,
        "A retired partner still has channels in its file",
        "One word would bring all of them back, with keys and passwords that nobody looks after.",
        "a retired partner without channels",
        "Take the tables out; versions of the configuration keep what they were.",
        _left_over,
    ),
)
"""Rules over partners that nothing is exchanged with."""
