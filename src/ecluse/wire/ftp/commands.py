"""Commands from a client: octets in, commands out (RFC 959 section 5.3, RFC 2640 section 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from ecluse.wire.ftp.errors import FtpSyntaxError

__all__ = ["MAX_LINE", "Command", "CommandReader"]

MAX_LINE: Final = 4096 + 64
"""Octets of one line: the longest path (Linux PATH_MAX), its command, and a time (MFMT)."""

_TELNET: Final = re.compile(rb"\xff[\xf0-\xfe]?")
"""What clients put before ABOR (RFC 959 section 4.1.3): Telnet's interrupt and mark. No UTF-8 text has a 0xFF."""
_VERB: Final = re.compile(rb"[A-Za-z]{3,4}")


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        verb: In upper case.
        argument: What stands behind the first space, to the end of the line; empty where there is nothing. It may be
            a password, so that no representation shows it.
    """

    verb: str
    argument: str = field(default="", repr=False)


class CommandReader:
    """From octets to commands, in any chunking, holding at most one line that is too long and what follows it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._passing = False
        """The rest of a line that is too long goes by."""

    def feed(self, data: bytes) -> None:
        """Take octets. Call :meth:`next` until it gives ``None`` before more are fed."""
        self._buffer += data

    def next(self) -> Command | None:
        """The next command; ``None`` where there is no whole line.

        Raises:
            FtpSyntaxError: A line is no command. It is passed over: the one behind it comes next.
        """
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > MAX_LINE:
                self._buffer.clear()
                self._passing = True
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if self._passing or len(line) > MAX_LINE:
            self._passing = False
            raise FtpSyntaxError("The line is too long.")
        return _parse(line)

    def drop(self) -> int:
        """Forget what was not read yet, as a change to TLS demands (RFC 4217 section 4.1 leaves nothing to be
        read); give how many octets that were.
        """
        dropped = len(self._buffer)
        self._buffer.clear()
        self._passing = False
        return dropped


def _parse(line: bytes) -> Command:
    verb, _, argument = _TELNET.sub(b"", line.removesuffix(b"\r")).partition(b" ")
    if not _VERB.fullmatch(verb):
        raise FtpSyntaxError("That is no command.")
    try:
        return Command(verb.decode("ascii").upper(), argument.decode("utf-8"))
    except UnicodeDecodeError:
        raise FtpSyntaxError("The argument is not UTF-8.", 501) from None
