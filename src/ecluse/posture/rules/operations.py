"""What keeps the hub running: backups, clock, disk, updates; and that nobody changes it unseen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from ecluse.model.basics import Instant, iso
from ecluse.posture.facts import FlowFacts, HubFacts, PartnerFacts
from ecluse.posture.looks import empty, larger, longer, weak
from ecluse.posture.rule import DAY, Fix, Hit, Moment, Rule, Severity

__all__ = ["FLOW", "HUB", "PARTNER"]

LITTLE_SPACE: Final = 5 << 30
"""Octets below which the disk holds a handful of the largest messages."""
NO_SPACE: Final = 256 << 20
"""Octets below which the hub refuses messages."""
SKEW: Final = 5 * 1_000_000
"""Microseconds by which clocks that are kept by NTP may differ, and generously."""
REHEARSE_DAYS: Final = 183
"""Days after which a backup should be restored on trial again."""
ANSWER_DAYS: Final = 7
"""A person's request is told of so many days before its last one."""
BACKUP_DAYS: Final = 2
RELEASE_DAYS: Final = 270
"""Days after which a release without a successor would be a surprise."""


def _day(year: int, month: int, day: int = 1) -> Instant:
    return Instant(int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000)


PYTHON_ENDS: Final = {
    (3, 11): _day(2027, 11),
    (3, 12): _day(2028, 11),
    (3, 13): _day(2029, 11),
    (3, 14): _day(2030, 11),
}
"""When the interpreter gets no security fixes any more (PEP 664, 693, 719, 745)."""


def _disk(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if NO_SPACE <= facts.machine.free < LITTLE_SPACE:
        yield Hit("disk", f"less than {(facts.machine.free >> 30) + 1} GiB are free")


def _full(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.machine.free < NO_SPACE:
        yield Hit("disk", f"{facts.machine.free >> 20} MiB are free")


def _clock(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.machine.behind > SKEW:
        yield Hit(
            "clock",
            f"it is {facts.machine.behind / 1_000_000:.0f} s behind what was recorded or another node says",
        )


def _not_serving(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if not facts.machine.alive:
        yield Hit("nodes", "no node gave a sign of life", fix=Fix(commands=("ecluse serve",)))


def _no_backup(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.machine.backup is None:
        yield Hit("backup", "no backup was ever told of")


def _old_backup(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    at = facts.machine.backup
    if at is not None and moment.older(BACKUP_DAYS, at):
        yield Hit("backup", f"the last one is of {iso(at)[:10]}", since=Instant(at + BACKUP_DAYS * DAY))


def _backup_failed(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.machine.backup_error:
        yield Hit("backup.failed", facts.machine.backup_error, fix=Fix(commands=("ecluse backup run",)))


def _never_rehearsed(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.settings.backup is not None and facts.machine.rehearsed is None:
        yield Hit("backup.rehearsal", "there was none")


def _rehearsed_long_ago(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    at = facts.machine.rehearsed
    if at is not None and moment.older(REHEARSE_DAYS, at):
        yield Hit(
            "backup.rehearsal", f"the last one was on {iso(at)[:10]}", since=Instant(at + REHEARSE_DAYS * DAY)
        )


def _old_release(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    at = facts.machine.released
    if at is not None and moment.older(RELEASE_DAYS, at):
        yield Hit("release", f"{facts.machine.release} was installed on {iso(at)[:10]}")


def _python(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    end = PYTHON_ENDS.get(facts.machine.python)
    if end is not None and moment.within(180, end):
        version = ".".join(map(str, facts.machine.python))
        yield Hit("python", f"Python {version} gets no security fixes from {iso(end)[:10]} on")


def _exposed(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for path in facts.machine.exposed:
        yield Hit(
            f"path.{path}", f"{path} may be read by others", fix=Fix(commands=(f"chmod go-rwx {path}",))
        )


def _open_folders(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for name in facts.machine.open_folders:
        yield Hit(f"folders.{name}", f"everybody on this machine may write to {name}")


def _pending(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.machine.pending:
        words = (
            f"{facts.machine.pending} changes" if facts.machine.pending > 0 else "changes that can't be read"
        )
        yield Hit(
            "configuration", f"the files hold {words}", fix=Fix(commands=("ecluse plan", "ecluse apply"))
        )


def _asked(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for id, due in facts.asked:
        if moment.passed(Instant(due - ANSWER_DAYS * DAY)):
            late = "its last day has passed" if moment.passed(Instant(due + DAY)) else "its last day is near"
            yield Hit(id, late, fix=Fix(commands=("ecluse subject list",)))


def _dead_jobs(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.counts.dead_jobs:
        yield Hit(
            "jobs", f"{facts.counts.dead_jobs} ended without success", fix=Fix(commands=("ecluse doctor",))
        )


def _drift(facts: HubFacts | PartnerFacts | FlowFacts, moment: Moment) -> Iterator[Hit]:
    if facts.approved is None:
        return
    for change in facts.approved.drift:
        yield Hit(
            change.field or "file",
            str(change),
            f"as approved on {iso(facts.approved.at)[:10]} by {facts.approved.by}",
        )


_DRIFT: Final = (
    "operations.drift",
    Severity.MEDIUM,
    "The configuration is not the one that was approved",
    "Small changes add up, and each was reasonable to whoever made it; the baseline says what was agreed.",
    "the approved baseline",
    "Look with `ecluse posture baseline diff`; change it back, or approve it with `ecluse posture baseline approve`.",
)

PARTNER: Final = (Rule[PartnerFacts](*_DRIFT, _drift),)
FLOW: Final = (Rule[FlowFacts](*_DRIFT, _drift),)

HUB: Final = (
    Rule[HubFacts](*_DRIFT, _drift),
    Rule[HubFacts](
        "operations.disk-full",
        Severity.CRITICAL,
        "The disk is full",
        "The hub refuses messages that it can't keep.",
        "5 GiB or more",
        "Free space, or move the hub to a larger disk.",
        _full,
    ),
    Rule[HubFacts](
        "operations.disk-low",
        Severity.HIGH,
        "The disk is nearly full",
        "A handful of large messages fill it, and then the hub refuses all of them.",
        "5 GiB or more",
        "Free space, or move the hub to a larger disk.",
        _disk,
    ),
    Rule[HubFacts](
        "operations.clock",
        Severity.HIGH,
        "The clock is wrong",
        "Certificates, leases and the order of evidence hang on it.",
        "a clock that is kept by NTP",
        "Set the clock by NTP before anything is exchanged.",
        _clock,
    ),
    Rule[HubFacts](
        "operations.not-serving",
        Severity.MEDIUM,
        "No node of the hub serves",
        "Partners find it closed, deliveries wait, and nothing watches.",
        "a node that serves",
        "Start it with `ecluse serve`.",
        _not_serving,
    ),
    Rule[HubFacts](
        "operations.no-backup",
        Severity.LOW,
        "Nothing tells of a backup",
        "A backup that nobody looks at is found missing on the day that it is needed.",
        "[backup] in ecluse.toml; or state/last-backup, touched by a job of your own",
        "Add [backup] to ecluse.toml; or let your own job end with `touch state/last-backup` in the hub's folder.",
        _no_backup,
    ),
    Rule[HubFacts](
        "operations.old-backup",
        Severity.HIGH,
        "The last backup is more than two days old",
        "A lost disk would take everything since then with it.",
        "a backup every day",
        "Run `ecluse backup run` and see what it says; or look at the job that makes backups.",
        _old_backup,
    ),
    Rule[HubFacts](
        "operations.backup-failed",
        Severity.HIGH,
        "Backups fail",
        "The last one grows old, and the copy of the keys with it.",
        "a place that takes them",
        "Run `ecluse backup run` and see what it says.",
        _backup_failed,
    ),
    Rule[HubFacts](
        "operations.never-rehearsed",
        Severity.LOW,
        "No backup was ever restored on trial",
        "Whether it can be restored, and how long that takes, is not known before somebody did.",
        "a rehearsal twice a year",
        "Run `ecluse backup rehearse` with a recipient's private key.",
        _never_rehearsed,
    ),
    Rule[HubFacts](
        "operations.rehearsed-long-ago",
        Severity.LOW,
        "No backup was restored on trial for half a year",
        "Keys, passphrases and the people who know where they are change.",
        "a rehearsal twice a year",
        "Run `ecluse backup rehearse` with a recipient's private key.",
        _rehearsed_long_ago,
    ),
    Rule[HubFacts](
        "operations.old-release",
        Severity.LOW,
        "The installed release is old",
        "What was found and mended since then is known to everybody.",
        "a release of this year",
        "Read the changelog, and install the newest release.",
        _old_release,
    ),
    Rule[HubFacts](
        "operations.old-python",
        Severity.MEDIUM,
        "The interpreter gets no security fixes soon, or any more",
        "TLS, archives and parsers of the standard library are the hub's outer wall.",
        "a Python with a year of fixes before it",
        "Install the hub under a newer Python.",
        _python,
        "PEP 602",
    ),
    Rule[HubFacts](
        "operations.exposed-files",
        Severity.HIGH,
        "Others on this machine may read the hub's keys or state",
        "Names, receipts and sealed keys are open to every account on the machine.",
        "folders for the hub's user alone (mode 700)",
        "Run chmod go-rwx on it.",
        _exposed,
    ),
    Rule[HubFacts](
        "operations.open-folder",
        Severity.HIGH,
        "Everybody on this machine may write to a folder that documents are collected from or put into",
        "Whoever can write there sends documents in our name, or changes those on their way.",
        "a folder for the hub and the application alone",
        "Run chmod o-w on it, and give it to a group of the two.",
        _open_folders,
    ),
    Rule[HubFacts](
        "operations.pending-changes",
        Severity.LOW,
        "The hub's files hold changes that are not in force",
        "The next `ecluse apply`, whoever's it is, puts them in force too.",
        "files that say what is in force",
        "Look with `ecluse plan`; apply them, or put the files back with `ecluse export`.",
        _pending,
    ),
    Rule[HubFacts](
        "operations.request-due",
        Severity.HIGH,
        "A person's request is to be answered within days, or is late",
        "The law gives a month (GDPR, article 12(3)) or 45 days (Civ. Code 1798.130).",
        "an answer in time",
        "Answer it: `ecluse subject export`, `ecluse subject erase` or `ecluse subject refuse`.",
        _asked,
        "Regulation (EU) 2016/679, article 12(3)",
    ),
    Rule[HubFacts](
        "operations.dead-jobs",
        Severity.LOW,
        "Work besides deliveries ended without success",
        "A receipt that was not sent has a partner send its document again.",
        "none",
        "Look with `ecluse doctor`.",
        _dead_jobs,
    ),
    Rule[HubFacts](
        "operations.large-requests",
        Severity.LOW,
        "AS2 requests of more than 200 GiB are taken",
        "A stranger's body is read, as far as it goes, before its sender is known.",
        'listen.as2.max_size = "200 GiB" or less',
        "Lower it to a few times of the largest document.",
        weak("listen.as2.max_size", test=larger("200 GiB"), better="20 GiB"),
    ),
    Rule[HubFacts](
        "operations.large-inline",
        Severity.LOW,
        "Large documents are kept inside the database",
        "It grows with every one, and with it each backup, check and restore.",
        'blobs.inline_limit = "1 MiB" or less',
        "Lower it; larger documents go to the place of the blobs.",
        weak("blobs.inline_limit", test=larger("1 MiB"), better="16 KiB"),
    ),
    Rule[HubFacts](
        "operations.slow-stop",
        Severity.INFO,
        "The hub takes more than ten minutes to stop",
        "An update in a hurry is put off, or ends in a kill.",
        'shutdown_grace = "10m" or less',
        "Lower it: work that was cut off goes on at the next start.",
        weak("listen.as2.shutdown_grace", test=longer("10m"), better="30s"),
    ),
    Rule[HubFacts](
        "operations.no-contact",
        Severity.INFO,
        "Partners are told of nobody to write to",
        "Whoever sees something wrong on the partner's side does not know whom to tell.",
        "organisation.email",
        "Name a mailbox that is read.",
        weak("organisation.email", test=empty),
    ),
)
