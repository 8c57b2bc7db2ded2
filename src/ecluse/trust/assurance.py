"""What a partner has shown of how it guards what it is given: certifications, agreements, answers, and reviews.

A register entry is a fact that a person recorded, with its validity and the file that proves it. Nothing is judged
here but time: whether an entry counts at a moment, and when somebody has to look again.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, PartnerId
from ecluse.model.records import Record
from ecluse.trust.settings.fields import instant_from, instant_until
from ecluse.typed import from_json

__all__ = [
    "KIND",
    "STANDARDS",
    "AssuranceError",
    "Entry",
    "EntryState",
    "EvidenceFile",
    "Standard",
    "Topic",
    "check_entry",
    "entry_from",
    "entry_record",
]

KIND: Final = "assurance"
"""Kind of the records that hold the register."""

NOTICE_DAYS: Final = 60
"""Days before its end in which an entry counts as ending: auditors are booked two months ahead."""

_DAY: Final = 86_400 * 1_000_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ANSWERS: Final = 500
_TEXT: Final = 2000

Topic = Literal["certification", "questionnaire", "agreement"]
"""``agreement``: data-processing agreement (GDPR art. 28)."""

EntryState = Literal["valid", "ending", "ended", "not-begun", "due"]
"""``due``: it counts still, and its date to be looked at again has passed."""


class Standard(msgspec.Struct, frozen=True):
    """A certification that is known by name.

    Attributes:
        title: As its owner writes it.
        days: The longest that a certificate of it lasts, in days; 0 where that is not fixed.
        source: Who says so.
    """

    title: str
    days: int
    source: str


STANDARDS: Final[dict[str, Standard]] = {
    "iso-27001": Standard("ISO/IEC 27001", 3 * 366, "ISO/IEC 27006-1: a cycle of three years"),
    "iso-27701": Standard("ISO/IEC 27701", 3 * 366, "ISO/IEC 27006-2: a cycle of three years"),
    "iso-22301": Standard("ISO 22301", 3 * 366, "ISO/IEC 17021-1: a cycle of three years"),
    "secnumcloud": Standard("SecNumCloud", 3 * 366, "ANSSI: qualified for three years"),
    "hds": Standard("HDS (hébergeur de données de santé)", 3 * 366, "ANS: certified for three years"),
    "soc-2": Standard("SOC 2 type II", 0, "AICPA: reports on a past period; read yearly"),
    "pci-dss": Standard("PCI DSS", 366, "PCI SSC: attested yearly"),
    "tisax": Standard("TISAX", 3 * 366, "ENX: labels of three years"),
}
"""What ``--name`` completes; any other name is taken too."""


class AssuranceError(EcluseError):
    """An entry that can't be recorded."""

    code = "assurance.bad-entry"
    fault = Fault.USAGE
    remedy = "Look at the command's --help."


class EvidenceFile(msgspec.Struct, frozen=True):
    """A file that proves an entry; the hub keeps it sealed.

    Attributes:
        name: As it was called.
        size: Octets.
        sha256: Digest, hex.
        blob: The blob that holds it.
    """

    name: str
    size: int
    sha256: str
    blob: str


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a partner's register.

    Attributes:
        partner: Whose.
        topic: What kind of assurance.
        name: Which: ``iso-27001``, ``gdpr``, ``vendor-2026``. One entry a topic and name; a newer takes its place.
        begins: First day, ISO 8601; empty where it is not stated.
        ends: Last day; empty where it has no end.
        due: Day by which somebody looks again; empty where only the end counts.
        scope: What it covers.
        issuer: Who certified, or signed.
        reference: Number of the certificate or contract.
        answers: Of a questionnaire: question to answer.
        files: What proves it.
    """

    partner: PartnerId
    topic: Topic
    name: str
    begins: str = ""
    ends: str = ""
    due: str = ""
    scope: str = ""
    issuer: str = ""
    reference: str = ""
    answers: dict[str, str] = {}
    files: tuple[EvidenceFile, ...] = ()

    @property
    def key(self) -> str:
        """Its name among all entries."""
        return f"{self.partner}/{self.topic}/{self.name}"

    @property
    def title(self) -> str:
        """For people."""
        known = STANDARDS.get(self.name) if self.topic == "certification" else None
        return known.title if known is not None else f"{self.topic} {self.name}"

    @property
    def looked_at(self) -> Instant | None:
        """When somebody has to act at the latest; ``None`` where nobody has to."""
        ends, due = instant_until(self.ends or None), instant_until(self.due or None)
        return min((moment for moment in (ends, due) if moment is not None), default=None)

    def state(self, now: Instant) -> EntryState:
        """How it stands at a moment."""
        begins, ends = instant_from(self.begins or None), instant_until(self.ends or None)
        due = instant_until(self.due or None)
        if begins is not None and now < begins:
            return "not-begun"
        if ends is not None and now >= ends:
            return "ended"
        if due is not None and now >= due:
            return "due"
        soon = now + NOTICE_DAYS * _DAY
        return "ending" if any(moment is not None and soon >= moment for moment in (ends, due)) else "valid"


def check_entry(entry: Entry) -> Entry:
    """Give an entry back that can be recorded.

    Raises:
        AssuranceError: A date is none, the window is turned round or longer than its standard allows, a text is too
            long or not printable.
    """
    if not _NAME.fullmatch(entry.name):
        raise AssuranceError(
            "An entry can't have that name.", remedy="Use lower-case letters, digits and dashes."
        )
    texts = [entry.scope, entry.issuer, entry.reference, *entry.answers, *entry.answers.values()]
    if len(entry.answers) > _ANSWERS or any(len(text) > _TEXT or not text.isprintable() for text in texts):
        raise AssuranceError(
            "A text of the entry is too long, or holds something else than plain text.",
            remedy=f"Give at most {_ANSWERS} answers, of {_TEXT} printable characters each; attach the rest as a file.",
        )
    try:
        begins, ends = instant_from(entry.begins or None), instant_until(entry.ends or None)
        instant_until(entry.due or None)
    except (ValueError, OverflowError):
        raise AssuranceError("A date of the entry is none.", remedy="Write dates as 2026-12-31.") from None
    if begins is not None and ends is not None and ends <= begins:
        raise AssuranceError("The entry ends before it begins.", remedy="Look at --from and --until.")
    standard = STANDARDS.get(entry.name) if entry.topic == "certification" else None
    if standard is not None and standard.days:
        if ends is None:
            raise AssuranceError(
                f"A certificate of {standard.title} has an end.",
                remedy="Give it with --until, as it is printed.",
            )
        if begins is not None and ends - begins > standard.days * _DAY:
            raise AssuranceError(
                f"No certificate of {standard.title} lasts that long ({standard.source}).",
                remedy="Look at the dates that are printed on it.",
            )
    return entry


def entry_record(entry: Entry, now: Instant) -> Record:
    """An entry as the store keeps it; it is due when somebody has to act."""
    return Record(
        KIND, entry.key, now, msgspec.json.encode(entry), str(entry.partner), entry.topic, entry.looked_at
    )


def entry_from(record: Record) -> Entry:
    """The inverse of :func:`entry_record`."""
    return from_json(record.body, Entry)
