"""What ends, what should have ended, and what nobody verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ecluse.model.basics import Instant, iso
from ecluse.posture.facts import HubFacts, OwnKeyFacts, PartnerFacts, PgpFacts
from ecluse.posture.looks import all_of, being, longer, weak
from ecluse.posture.rule import DAY, Fix, Hit, Moment, Put, Rule, Severity
from ecluse.posture.rules.crypto import excepted
from ecluse.trust.certificates import Dated
from ecluse.trust.fields import instant_until

__all__ = ["HUB", "PARTNER"]

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


def _between(moment: Moment, end: Instant, first: int, last: int) -> bool:
    """Whether an end is at most ``first`` days away and more than ``last``."""
    return moment.within(first, end) and not moment.within(last, end)


def _theirs(first: int, last: int) -> Callable[[PartnerFacts, Moment], Iterator[Hit]]:
    def look(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
        entries = facts.certificates.entries
        for entry in entries:
            if _between(moment, _end(entry), first, last) and not _lasting(entries, entry):
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


def _ours_revoked(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for key in facts.keys:
        if key.revoked and key.use:
            yield _own(key, "was revoked by its authority")


def _long(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for entry in facts.certificates.entries:
        years = (entry.info.not_after - entry.info.not_before) / (365.25 * DAY)
        if years > LONG_YEARS and entry.end is None:
            yield Hit(entry.info.short, f"{entry.info.subject} is valid for {years:.0f} years")


def _ours(first: int, last: int) -> Callable[[HubFacts, Moment], Iterator[Hit]]:
    def look(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
        for key in _ending_keys(facts):
            if _between(moment, key.ends, first, last) and not key.replaced:
                yield _own(key, f"ends on {iso(key.ends)[:10]}")

    return look


def _ours_ended(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for key in _ending_keys(facts):
        if moment.passed(key.ends) and not key.replaced:
            yield _own(key, f"ended on {iso(key.ends)[:10]}")


def _ours_early(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    present = {
        use
        for key in facts.keys
        for use in key.use
        if moment.passed(key.begins) and not moment.passed(key.ends)
    }
    for key in facts.keys:
        lacking = [use for use in key.use if use not in present]
        if lacking and not moment.passed(key.begins):
            yield Hit(
                f"key.{key.ref}.begins",
                f"{', '.join(lacking)}: our key {key.ref} holds from {iso(key.begins)[:10]} on",
                partners=key.partners,
            )


def _no_key(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    uses = {use for key in facts.keys for use in key.use}
    for use in ("sign", "decrypt") if facts.as2 else ():
        if use not in uses:
            yield Hit(f"organisation.keys.{use}", f"no key is named to {use} with", partners=facts.as2)


def _ending_keys(facts: HubFacts) -> Iterator[OwnKeyFacts]:
    """Keys whose certificates matter: SSH looks at the key alone."""
    return (key for key in facts.keys if key.use and key.use != ("ssh",))


def _own(key: OwnKeyFacts, words: str) -> Hit:
    use = ", ".join(key.use)
    commands = (f"ecluse cert request {key.ref}", f"ecluse cert install {key.ref} NEW.pem")
    return Hit(
        f"key.{key.ref}.{'-'.join(key.use)}",
        f"our key {key.ref} ({use}) {words}",
        fix=Fix(commands=commands),
        partners=key.partners,
    )


def _unused_keys(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for key in facts.keys:
        if not key.use:
            yield Hit(f"key.{key.ref}", f"nothing names the key {key.ref}", partners=())


def _pgp(first: int, last: int | None) -> Callable[[HubFacts | PartnerFacts, Moment], Iterator[Hit]]:
    """OpenPGP certificates that end within ``first`` days; with ``last`` ``None`` those that ended or were revoked."""

    def look(facts: HubFacts | PartnerFacts, moment: Moment) -> Iterator[Hit]:
        for each in facts.openpgp:
            if last is None:
                if each.state != "valid" or (each.ends is not None and moment.passed(each.ends)):
                    state = each.state if each.state != "valid" else "expired"
                    yield Hit(each.fingerprint[-16:], f"{each.label} is {state}")
            elif each.state == "valid" and each.ends is not None and _between(moment, each.ends, first, last):
                yield Hit(each.fingerprint[-16:], f"{each.label} ends on {iso(each.ends)[:10]}")

    return look


def _endless(facts: HubFacts | PartnerFacts, moment: Moment) -> Iterator[Hit]:
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
_RENEW_OURS: Final = (
    "Renew it with `ecluse cert request` and `ecluse cert install`, and tell partners before it ends."
)
_NO_END: Final = "Ask the partner for the next one, and put it in force with `ecluse pgp import --partner`."
_EXTEND: Final = "Extend it with `ecluse pgp extend`, and send partners its certificate again."

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
        _pgp(0, None),
    ),
    Rule[PartnerFacts](
        "lifecycle.openpgp-ending",
        Severity.MEDIUM,
        "An OpenPGP certificate of theirs ends within a month",
        "When it ends, nothing can be encrypted to them.",
        "a successor, or a longer life",
        _NO_END,
        _pgp(MONTH, 0),
    ),
    Rule[PartnerFacts](
        "lifecycle.openpgp-endless",
        Severity.INFO,
        "An OpenPGP certificate of theirs has no end",
        "A key that was lost or forgotten is good for ever.",
        "a certificate that ends",
        "Ask the partner for one that ends in a year or two.",
        _endless,
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

HUB: Final = (
    Rule[HubFacts](
        "lifecycle.own-certificate-ended",
        Severity.CRITICAL,
        "A certificate of ours has ended",
        "Partners refuse what we sign, can't encrypt to us, or can't connect.",
        "a certificate that holds",
        _RENEW_OURS,
        _ours_ended,
    ),
    Rule[HubFacts](
        "lifecycle.own-certificate-ending-week",
        Severity.CRITICAL,
        "A certificate of ours ends within a week",
        "All partners that know it stop exchanging when it ends, at the same time.",
        "a successor that partners know before the end",
        _RENEW_OURS,
        _ours(WEEK, 0),
    ),
    Rule[HubFacts](
        "lifecycle.own-certificate-ending",
        Severity.HIGH,
        "A certificate of ours ends within a month",
        "Every partner has to be told, and partners take weeks.",
        "a successor that partners know before the end",
        _RENEW_OURS,
        _ours(MONTH, WEEK),
    ),
    Rule[HubFacts](
        "lifecycle.own-certificate-ending-quarter",
        Severity.LOW,
        "A certificate of ours ends within three months",
        "It is time to make its successor and to tell partners.",
        "a successor that partners know before the end",
        _RENEW_OURS,
        _ours(QUARTER, MONTH),
    ),
    Rule[HubFacts](
        "lifecycle.own-certificate-revoked",
        Severity.CRITICAL,
        "A certificate of ours was revoked",
        "Partners who ask its authority refuse what we sign, and its key may be in other hands.",
        "a certificate that was not revoked",
        "Make another key with `ecluse cert generate`, and send it to partners at once.",
        _ours_revoked,
        "RFC 5280, section 3.3",
    ),
    Rule[HubFacts](
        "lifecycle.revocation-off",
        Severity.LOW,
        "Nobody asks whether certificates were revoked",
        "A partner's key that was stolen is trusted until its certificate ends.",
        'revocation.mode = "soft" or "hard"',
        "Ask the authorities of partners' certificates, where they have one.",
        weak("revocation.mode", test=being("off"), better="soft"),
        "RFC 6960",
    ),
    Rule[HubFacts](
        "lifecycle.revocation-soft",
        Severity.INFO,
        "Certificates are trusted when their authority can't be asked",
        "Who can steal a key can often also keep the answer away.",
        'revocation.mode = "hard"',
        "Demand an answer, once all authorities have been seen to give one.",
        weak("revocation.mode", test=being("soft"), better="hard"),
        "RFC 6960",
    ),
    Rule[HubFacts](
        "lifecycle.revocation-late",
        Severity.LOW,
        "Answers on revocation may be old, or come late",
        "As long as an old answer counts, a revoked key does too.",
        'refresh = "1d", max_age = "7d", timeout = "1m", or less',
        "Lower it: an answer costs a request.",
        all_of(
            weak("revocation.refresh", test=longer("1d"), better="6h"),
            weak("revocation.max_age", test=longer("7d"), better="1d"),
            weak("revocation.timeout", test=longer("1m"), better="10s"),
        ),
        "RFC 6960, section 4.2.2.1",
    ),
    Rule[HubFacts](
        "lifecycle.revocation-replay",
        Severity.INFO,
        "An answer of before may be given again",
        "Without a nonce whoever stands between can show the answer of a day on which the key was still good.",
        "revocation.nonce = true",
        "Demand it, where the authorities give it back; many make their answers ahead.",
        weak("revocation.nonce", test=being(False), better=True),
        "RFC 8954",
    ),
    Rule[HubFacts](
        "lifecycle.own-key-not-yet",
        Severity.HIGH,
        "No key of ours holds for a use until later",
        "Until then nothing is signed, or can be opened.",
        "windows that overlap",
        "Let the old key hold until the new one begins, or let the new one begin earlier.",
        _ours_early,
    ),
    Rule[HubFacts](
        "lifecycle.no-own-key",
        Severity.HIGH,
        "We have no key for what partners expect of us",
        "Nothing that is sent over AS2 is signed, or nothing that comes can be opened.",
        "a key to sign and one to decrypt",
        "Name one under [[organisation.keys]].",
        _no_key,
    ),
    Rule[HubFacts](
        "lifecycle.unused-key",
        Severity.INFO,
        "A key in the keyring is used for nothing",
        "It can still sign and decrypt in our name for whoever gets it.",
        "keys that are in use",
        "Name it where it belongs, or remove it.",
        _unused_keys,
    ),
    Rule[HubFacts](
        "lifecycle.own-openpgp-ended",
        Severity.HIGH,
        "An OpenPGP key of ours has ended or was revoked",
        "Partners refuse what it signs, and can't encrypt to it.",
        "a valid key",
        _EXTEND,
        _pgp(0, None),
    ),
    Rule[HubFacts](
        "lifecycle.own-openpgp-ending",
        Severity.MEDIUM,
        "An OpenPGP key of ours ends within a month",
        "Partners need its certificate again before it ends.",
        "a key that lasts",
        _EXTEND,
        _pgp(MONTH, 0),
    ),
    Rule[HubFacts](
        "lifecycle.own-openpgp-endless",
        Severity.INFO,
        "An OpenPGP key of ours has no end",
        "If it is lost, partners go on encrypting to it for ever.",
        "a key that ends in a year or two",
        _EXTEND,
        _endless,
    ),
)
