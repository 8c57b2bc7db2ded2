"""Replies of a server (RFC 959 section 4.2, RFC 2389 section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ecluse.wire.ftp.errors import FtpSyntaxError

__all__ = ["Reply", "parse_reply", "quoted"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.

    Attributes:
        code: Three digits.
        text: Of its last line.
        lines: Lines between the first and the last, each of them shown with a space before it.
        first: Of the first line, where there are several.
    """

    code: int
    text: str
    lines: tuple[str, ...] = ()
    first: str = ""

    def encode(self) -> bytes:
        """The octets on the wire. A control character in a text can't end its line."""
        if not self.lines:
            return f"{self.code} {_clean(self.text)}\r\n".encode()
        middle = "".join(f" {_clean(line)}\r\n" for line in self.lines)
        return f"{self.code}-{_clean(self.first)}\r\n{middle}{self.code} {_clean(self.text)}\r\n".encode()


def quoted(path: str) -> str:
    """A path as 257 shows it (RFC 959 appendix II: a quotation mark is doubled)."""
    return '"' + path.replace('"', '""') + '"'


def parse_reply(lines: Iterable[bytes]) -> Reply:
    """The last whole reply among lines of a server.

    Raises:
        FtpSyntaxError: There is none.
    """
    found: tuple[int, str] | None = None
    for line in lines:
        match = re.match(rb"([1-5][0-9]{2}) (.*)", line.rstrip(b"\r\n"))
        if match:
            found = int(match[1]), match[2].decode("utf-8", "replace")
    if found is None:
        raise FtpSyntaxError("The server sent no reply.")
    return Reply(*found)


def _clean(text: str) -> str:
    return _CONTROL.sub("?", text)
