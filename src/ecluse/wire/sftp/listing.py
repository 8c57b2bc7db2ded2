"""The line that people see of a file: what ``ls -l`` of an SFTP client prints as it came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

__all__ = ["long_name"]

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HALF_A_YEAR: Final = 182 * 86_400


def long_name(
    name: str, owner: str, *, folder: bool, writable: bool, size: int, modified: int, now: int
) -> str:
    """One line of ``ls -l`` (draft-ietf-secsh-filexfer-02 s7 recommends its form).

    Args:
        name: The file's name.
        owner: Who is shown as owner and group.
        folder: Whether it is a folder.
        writable: Whether it may be written.
        size: Octets.
        modified: Seconds since 1970.
        now: The same: what is older than half a year is shown with its year, in UTC.
    """
    kind = "d" if folder else "-"
    search = "x" if folder else "-"
    write = "w" if writable else "-"
    moment = datetime.fromtimestamp(min(max(modified, 0), 0xFFFFFFFF), UTC)
    lately = -86_400 < now - modified < _HALF_A_YEAR
    when = f"{moment:%H:%M}" if lately else f" {moment.year}"
    date = f"{_MONTHS[moment.month - 1]} {moment.day:2}"
    return f"{kind}r{write}{search}------    1 {owner:8} {owner:8} {size:8} {date} {when} {name}"
