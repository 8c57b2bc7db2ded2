"""How much an archive may hold, and what is raised where it holds more or is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ecluse.errors import EcluseError, Fault

__all__ = ["ArchiveRefused", "ArchiveTooLarge", "BadArchive", "Limits", "Meter"]

SLACK: Final = 1 << 20
"""Octets that any archive may grow to, whatever its ratio: small files of zeros are no attack."""


class BadArchive(EcluseError):
    """It is no archive, or a damaged one."""

    code = "archive.malformed"
    fault = Fault.PERMANENT
    remedy = "Ask the sender to pack the documents anew."


class ArchiveRefused(EcluseError):
    """An archive that is sound, and of a kind that is not opened."""

    code = "archive.refused"
    fault = Fault.PERMANENT
    remedy = "Ask the sender for a zip archive of plain files, deflated or stored, without a password."


class ArchiveTooLarge(EcluseError):
    """What is inside is more than the flow takes, or grows as only a bomb does."""

    code = "archive.too-large"
    fault = Fault.PERMANENT
    remedy = "Raise the limits of the flow's [open] if that is expected; else ask the sender what it is."


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken out of one archive at most.

    Attributes:
        size: Octets of all documents together.
        ratio: Octets out for each octet in.
        files: Documents.
    """

    size: int = 20 << 30
    ratio: int = 200
    files: int = 1000


class Meter:
    """Counts what goes in and comes out.

    Args:
        limits: What is too much.
    """

    __slots__ = ("_limits", "read", "written")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.read = self.written = 0

    def out(self, size: int) -> None:
        """So many octets came out. Raises :class:`ArchiveTooLarge`."""
        self.written += size
        if self.written > self._limits.size:
            raise ArchiveTooLarge(f"There are more than {self._limits.size} octets in it.")
        if self.written > max(SLACK, self.read * self._limits.ratio):
            raise ArchiveTooLarge(f"It grows to more than {self._limits.ratio} times its size.")
