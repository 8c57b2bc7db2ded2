"""What a server answers, taken out of the stream as it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.wire.sftp.attributes import FOLDER, PLAIN, read_attributes

__all__ = [
    "MAX_ANSWER",
    "Answer",
    "AnswerReader",
    "BrokenAnswer",
    "Data",
    "Entry",
    "Facts",
    "FileFacts",
    "Handle",
    "More",
    "Names",
    "Status",
    "Version",
]

MAX_ANSWER: Final = 1 << 20
"""Octets of one answer. OpenSSH's limit is 256 KiB (SFTP_MAX_MSG_LENGTH); some servers list a folder in more."""
MAX_HANDLE: Final = 256
"""Octets of a handle (draft-ietf-secsh-filexfer-02 s6.2)."""
MAX_EXTENSIONS: Final = 256
"""Pairs that are read of a server's first answer; OpenSSH has ten."""

_S_IFMT: Final = 0o170000


class BrokenAnswer(EcluseError):
    """A server's answer can't be read: the connection is of no more use."""

    code = "sftp.broken-answer"
    fault = Fault.PARTNER
    remedy = "Ask the partner which SFTP server it is: it does not keep to version 3 of the protocol."


class FileFacts(msgspec.Struct, frozen=True, gc=False):
    """What a server tells of a file. ``None`` where it does not tell.

    Attributes:
        size: Octets.
        mode: POSIX mode, with the kind of file.
        modified: Seconds since 1970.
    """

    size: int | None = None
    mode: int | None = None
    modified: int | None = None

    @property
    def plain(self) -> bool:
        """Whether it is a file; a server that does not say is believed to name one."""
        return self.mode is None or self.mode & _S_IFMT in (0, PLAIN)

    @property
    def folder(self) -> bool:
        """Whether it is a folder."""
        return self.mode is not None and self.mode & _S_IFMT == FOLDER


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One name of a listing.

    Attributes:
        name: As the server sent it.
        facts: Its attributes.
    """

    name: bytes
    facts: FileFacts


class _Answered(msgspec.Struct, frozen=True, gc=False):
    """An answer.

    Attributes:
        id: The number of the request.
    """

    id: int


class Version(_Answered, frozen=True, gc=False):
    """The first answer. ``id`` is the version that the server speaks."""

    extensions: dict[bytes, bytes]


class Status(_Answered, frozen=True, gc=False):
    """SSH_FXP_STATUS: code 0 is success, 1 the end of a file or a listing."""

    code: int
    text: bytes


class Handle(_Answered, frozen=True, gc=False):
    """SSH_FXP_HANDLE."""

    handle: bytes


class Data(_Answered, frozen=True, gc=False):
    """SSH_FXP_DATA. The octets may be a view."""

    octets: bytes | memoryview


class Names(_Answered, frozen=True, gc=False):
    """SSH_FXP_NAME."""

    entries: tuple[Entry, ...]


class Facts(_Answered, frozen=True, gc=False):
    """SSH_FXP_ATTRS."""

    facts: FileFacts


class More(_Answered, frozen=True, gc=False):
    """SSH_FXP_EXTENDED_REPLY: what follows the number, as it is."""

    octets: bytes


Answer = Version | Status | Handle | Data | Names | Facts | More

_VERSION, _STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED = 2, 101, 102, 103, 104, 105, 201


class AnswerReader:
    """Takes answers out of the octets of one channel, at most :data:`MAX_ANSWER` of them held."""

    __slots__ = ("_begun", "_body", "_filled", "_head")

    def __init__(self) -> None:
        self._head = b""
        self._body: bytearray | None = None
        self._filled = 0
        self._begun = False

    def feed(self, data: bytes | memoryview) -> Iterator[Answer]:
        """The answers that ``data`` completes.

        Raises:
            BrokenAnswer: What came is none, or the first one is no :class:`Version`.
        """
        view = memoryview(data)
        at, end = 0, len(data)
        while at < end:
            if self._body is None:
                need = 4 - len(self._head)
                self._head += data[at : at + need]
                at += need
                if len(self._head) < 4:
                    return
                length = int.from_bytes(self._head, "big")
                self._head = b""
                if not 5 <= length <= MAX_ANSWER:
                    raise BrokenAnswer("An SFTP answer has an impossible length.")
                if end - at >= length:
                    yield self._parse(view[at : at + length])
                    at += length
                    continue
                self._body, self._filled = bytearray(length), 0
            take = min(len(self._body) - self._filled, end - at)
            self._body[self._filled : self._filled + take] = view[at : at + take]
            self._filled += take
            at += take
            if self._filled == len(self._body):
                body, self._body = self._body, None
                yield self._parse(memoryview(body))

    def _parse(self, body: memoryview) -> Answer:
        kind, id = body[0], int.from_bytes(body[1:5], "big")
        if not self._begun:
            if kind != _VERSION:
                raise BrokenAnswer("The server's first answer is not its version.")
            self._begun = True
        elif kind == _VERSION:
            raise BrokenAnswer("The server told its version twice.")
        if kind == _DATA:
            if len(body) < 9 or int.from_bytes(body[5:9], "big") != len(body) - 9:
                raise BrokenAnswer("An SFTP answer with data is not as long as it says.")
            return Data(id, body[9:])
        try:
            return _parse(kind, id, bytes(body))
        except IndexError:
            raise BrokenAnswer("An SFTP answer is cut short.") from None


def _parse(kind: int, id: int, body: bytes) -> Answer:
    if kind == _STATUS:
        code = _number(body, 5, 4)
        # The text and its language are missing with servers of version 2 and older ones of 3.
        return Status(id, code, _text(body, 9)[0][:1000] if len(body) >= 13 else b"")
    if kind == _HANDLE:
        handle, _ = _text(body, 5)
        if not handle or len(handle) > MAX_HANDLE:
            raise BrokenAnswer("The server gave a handle of an impossible length.")
        return Handle(id, handle)
    if kind == _NAME:
        entries = []
        at = 9
        for _ in range(_number(body, 5, 4)):  # ends with the data: each takes twelve octets at least
            name, at = _text(body, at)
            _, at = _text(body, at)
            facts, at = _facts(body, at)
            entries.append(Entry(name, facts))
        return Names(id, tuple(entries))
    if kind == _ATTRS:
        return Facts(id, _facts(body, 5)[0])
    if kind == _EXTENDED:
        return More(id, body[5:])
    if kind == _VERSION:
        return Version(id, _extensions(body))
    raise BrokenAnswer("The server answers with a packet of an unknown kind.")


def _extensions(body: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    at = 5
    while at < len(body) and len(found) < MAX_EXTENSIONS:
        name, at = _text(body, at)
        found[name], at = _text(body, at)
    return found


def _facts(body: bytes, at: int) -> tuple[FileFacts, int]:
    told, at = read_attributes(body, at)
    return FileFacts(told.size, told.mode, told.modified), at


def _number(body: bytes, at: int, width: int) -> int:
    if at + width > len(body):
        raise IndexError
    return int.from_bytes(body[at : at + width], "big")


def _text(body: bytes, at: int) -> tuple[bytes, int]:
    end = at + 4 + _number(body, at, 4)
    if end > len(body):
        raise IndexError
    return body[at + 4 : end], end
