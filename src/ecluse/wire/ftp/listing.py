"""Lines of directory listings: facts (RFC 3659 section 7), and the texts of LIST, which no standard describes.

A server writes them, a client reads them. Times are microseconds since 1970, UTC.
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from ecluse.wire.ftp.errors import FtpSyntaxError

__all__ = [
    "FACTS",
    "MAX_ENTRY",
    "Listed",
    "fact_line",
    "list_line",
    "parse_facts",
    "parse_list",
    "parse_time",
    "time_text",
]

FACTS: Final = ("type", "size", "modify", "perm")
"""The facts that our server knows, in the order in which they are shown."""
MAX_ENTRY: Final = 8192
"""Octets of one line that is read: the longest path and its facts."""
_MAX_SIZE: Final = 1 << 63

Kind = Literal["file", "folder", "other"]

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME: Final = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})(?:\.([0-9]{1,6})[0-9]*)?"
)
_UNIX: Final = re.compile(
    r"([-dlbcpsD])[-rwxsStTlL]{9}[.+@]? +[0-9]+ +\S+ +(?:\S+ +)?([0-9]{1,19}) +"
    r"([A-Za-z]{3}) +([0-9]{1,2}) +(?:([0-9]{4})|([0-9]{1,2}):([0-9]{2})) (.+)"
)
_DOS: Final = re.compile(
    r"([0-9]{2})[-/]([0-9]{2})[-/]([0-9]{2}|[0-9]{4}) +([0-9]{1,2}):([0-9]{2})([AaPp][Mm])? +"
    r"(?:(<[A-Z]+>)|([0-9]{1,19})) +(.+)"
)
_KINDS: Final[dict[str, Kind]] = {"file": "file", "dir": "folder", "-": "file", "d": "folder"}


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a folder.

    Attributes:
        name: Its last name.
        kind: What it is. ``other`` is a link, a device, the folder itself, or unknown.
        size: Octets; 0 where the line does not say.
        modified: When it was last written; ``None`` where the line does not say. LIST tells minutes, in the server's
            own time zone.
        writable: Whether it may be written.
    """

    name: str
    kind: Kind
    size: int
    modified: int | None
    writable: bool = True


def time_text(at: int) -> str:
    """A time as facts and MDTM show it, to the second."""
    moment = datetime.fromtimestamp(at // 1_000_000, UTC)
    return f"{moment:%Y%m%d%H%M%S}".rjust(14, "0")


def parse_time(text: str) -> int:
    """The reverse. Raises :class:`FtpSyntaxError`."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise FtpSyntaxError("That is no time.", 501)
    year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
    return _instant(year, month, day, hour, minute, min(second, 59)) + int((match[7] or "0").ljust(6, "0"))


def fact_line(entry: Listed, facts: tuple[str, ...] = FACTS) -> str:
    """A line of MLSD or MLST, without its end."""
    folder = entry.kind == "folder"
    known = {
        "type": "dir" if folder else "file",
        "size": None if folder else str(entry.size),
        "modify": None if entry.modified is None else time_text(entry.modified),
        # RFC 3659 section 7.5.5: enter, list, create, make folders, purge; read, append, write, delete, rename.
        "perm": ("elcmp" if entry.writable else "el") if folder else ("radfw" if entry.writable else "rdf"),
    }
    shown = "".join(f"{name}={known[name]};" for name in facts if known.get(name) is not None)
    return f"{shown} {entry.name}"


def list_line(entry: Listed, now: int) -> str:
    """A line of LIST in the form of ``ls -l``, without its end."""
    modified = entry.modified or 0
    moment = datetime.fromtimestamp(modified // 1_000_000, UTC)
    month = _MONTHS[moment.month - 1].capitalize()
    recent = 0 <= now - modified < 180 * 86_400_000_000
    when = f"{moment:%H:%M}" if recent else f"{moment.year:5d}"
    mode = ("d" if entry.kind == "folder" else "-") + ("rw" if entry.writable else "r-")
    mode += "x------" if entry.kind == "folder" else "-------"
    return f"{mode} 1 owner group {entry.size:>12} {month} {moment.day:2d} {when} {entry.name}"


def parse_facts(line: str) -> Listed:
    """An entry from a line of MLSD or MLST.

    Raises:
        FtpSyntaxError: It is none.
    """
    shown, space, name = line.partition(" ")
    if not space or not name or "=" not in shown:
        raise FtpSyntaxError("A line of the listing has no facts.")
    facts = {key.lower(): value for key, _, value in (part.partition("=") for part in shown.split(";"))}
    size = facts.get("size", "0")
    if not (size.isascii() and size.isdigit() and len(size) < 20 and int(size) < _MAX_SIZE):
        raise FtpSyntaxError("A line of the listing has a size that is none.")
    modified = parse_time(facts["modify"]) if "modify" in facts else None
    writable = "perm" not in facts or bool(set("aw") & set(facts["perm"].lower()))
    return Listed(name, _KINDS.get(facts.get("type", "").lower(), "other"), int(size), modified, writable)


def parse_list(line: str, now: int) -> Listed | None:
    """An entry from a line of LIST, in the form of Unix or of DOS; ``None`` for a line that is no entry.

    Args:
        line: Without its end.
        now: Decides the year of a line that has none: the latest that is not after tomorrow.

    Raises:
        FtpSyntaxError: It is in neither form.
    """
    if not line.strip() or re.fullmatch(r"total [0-9]+", line.strip()):
        return None
    unix = _UNIX.fullmatch(line)
    if unix is not None:
        size = int(unix[2])
        if unix[3].lower() not in _MONTHS or size >= _MAX_SIZE:
            raise FtpSyntaxError("A line of the listing has a date or size that is none.")
        month, day = _MONTHS.index(unix[3].lower()) + 1, int(unix[4])
        if unix[5] is not None:
            modified = _instant(int(unix[5]), month, day, 0, 0, 0)
        else:
            modified = _latest(month, day, int(unix[6]), int(unix[7]), now)
        kind = _KINDS.get(unix[1], "other")
        return Listed(unix[8], kind, size if kind == "file" else 0, modified, "w" in line[1:4])
    dos = _DOS.fullmatch(line)
    if dos is None:
        raise FtpSyntaxError("A line of the listing is in a form that is not known.")
    year, hour = int(dos[3]), int(dos[4])
    if len(dos[3]) == 2:
        year += 2000 if year < 70 else 1900
    if dos[6] is not None:
        hour = hour % 12 + (12 if dos[6].lower() == "pm" else 0)
    modified = _instant(year, int(dos[1]), int(dos[2]), hour, int(dos[5]), 0)
    if dos[7] is not None:
        return Listed(dos[9], "folder" if dos[7] == "<DIR>" else "other", 0, modified)
    if int(dos[8]) >= _MAX_SIZE:
        raise FtpSyntaxError("A line of the listing has a size that is none.")
    return Listed(dos[9], "file", int(dos[8]), modified)


def _latest(month: int, day: int, hour: int, minute: int, now: int) -> int:
    tomorrow = now + 86_400_000_000
    this_year = datetime.fromtimestamp(tomorrow // 1_000_000, UTC).year
    for year in range(this_year, this_year - 9, -1):  # 29 February may be eight years away
        try:
            at = _instant(year, month, day, hour, minute, 0)
        except FtpSyntaxError:
            continue
        if at <= tomorrow:
            return at
    raise FtpSyntaxError("A line of the listing has a date that is none.")


def _instant(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    try:
        return timegm(datetime(year, month, day, hour, minute, second).timetuple()) * 1_000_000
    except ValueError:
        raise FtpSyntaxError("That is no date.", 501) from None
