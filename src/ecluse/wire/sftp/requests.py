"""What a client asks, taken out of the stream as it arrives."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final, cast

import msgspec

from ecluse.wire.sftp.attributes import Attributes, read_attributes
from ecluse.wire.sftp.errors import BrokenStream

__all__ = [
    "APPEND",
    "CREATE",
    "EXCLUSIVE",
    "MAX_PACKET",
    "MAX_TRANSFER",
    "READ",
    "TRUNCATE",
    "WRITE",
    "Close",
    "HandleAttributes",
    "Init",
    "Limits",
    "Link",
    "ListFolder",
    "MakeFolder",
    "Malformed",
    "Open",
    "OpenFolder",
    "PathAttributes",
    "Read",
    "ReadLink",
    "RealPath",
    "Remove",
    "RemoveFolder",
    "Rename",
    "Request",
    "RequestReader",
    "SetHandle",
    "SetPath",
    "Space",
    "Stretch",
    "Sync",
    "Unsupported",
    "Write",
]

MAX_PACKET: Final = 256 * 1024
"""Octets of a packet (SFTP_MAX_MSG_LENGTH of OpenSSH, which clients that ask for limits take as the most)."""
MAX_TRANSFER: Final = MAX_PACKET - 1024
"""Octets of one read or write: a packet less its head, as OpenSSH tells its clients."""
MAX_HANDLE: Final = 256
"""Octets of a handle (draft-ietf-secsh-filexfer-02 s6.2)."""

READ: Final = 0x01
WRITE: Final = 0x02
APPEND: Final = 0x04
CREATE: Final = 0x08
TRUNCATE: Final = 0x10
EXCLUSIVE: Final = 0x20


_MUCH: Final = 64 * 1024
"""Octets of which less is copied, rather than that all it came with is kept because of it."""


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """A request.

    Attributes:
        id: The client's number for it, which the reply bears.
    """

    id: int


class Init(_Asked, frozen=True, gc=False):
    """The first packet. ``id`` is the version that the client speaks."""


class Open(_Asked, frozen=True, gc=False):
    """SSH_FXP_OPEN."""

    path: bytes
    flags: int
    attributes: Attributes


class Close(_Asked, frozen=True, gc=False):
    """SSH_FXP_CLOSE."""

    handle: bytes


class Read(_Asked, frozen=True, gc=False):
    """SSH_FXP_READ."""

    handle: bytes
    offset: int
    size: int


class Write(_Asked, frozen=True, gc=False):
    """SSH_FXP_WRITE. A view as data is read-only, and what is behind it does not change."""

    handle: bytes
    offset: int
    data: bytes | memoryview


class PathAttributes(_Asked, frozen=True, gc=False):
    """SSH_FXP_STAT or SSH_FXP_LSTAT: there are no links between which they could differ."""

    path: bytes


class HandleAttributes(_Asked, frozen=True, gc=False):
    """SSH_FXP_FSTAT."""

    handle: bytes


class SetPath(_Asked, frozen=True, gc=False):
    """SSH_FXP_SETSTAT, or lsetstat@openssh.com."""

    path: bytes
    attributes: Attributes


class SetHandle(_Asked, frozen=True, gc=False):
    """SSH_FXP_FSETSTAT."""

    handle: bytes
    attributes: Attributes


class OpenFolder(_Asked, frozen=True, gc=False):
    """SSH_FXP_OPENDIR."""

    path: bytes


class ListFolder(_Asked, frozen=True, gc=False):
    """SSH_FXP_READDIR."""

    handle: bytes


class Remove(_Asked, frozen=True, gc=False):
    """SSH_FXP_REMOVE."""

    path: bytes


class MakeFolder(_Asked, frozen=True, gc=False):
    """SSH_FXP_MKDIR."""

    path: bytes


class RemoveFolder(_Asked, frozen=True, gc=False):
    """SSH_FXP_RMDIR."""

    path: bytes


class RealPath(_Asked, frozen=True, gc=False):
    """SSH_FXP_REALPATH, or expand-path@openssh.com."""

    path: bytes


class Rename(_Asked, frozen=True, gc=False):
    """SSH_FXP_RENAME, or posix-rename@openssh.com, which takes the place of what is there."""

    path: bytes
    to: bytes
    replace: bool


class ReadLink(_Asked, frozen=True, gc=False):
    """SSH_FXP_READLINK."""

    path: bytes


class Link(_Asked, frozen=True, gc=False):
    """SSH_FXP_SYMLINK, or hardlink@openssh.com."""

    path: bytes
    to: bytes


class Sync(_Asked, frozen=True, gc=False):
    """fsync@openssh.com."""

    handle: bytes


class Space(_Asked, frozen=True, gc=False):
    """statvfs@openssh.com or fstatvfs@openssh.com: one answer for every place."""


class Limits(_Asked, frozen=True, gc=False):
    """limits@openssh.com."""


class Unsupported(_Asked, frozen=True, gc=False):
    """Anything else."""


class Malformed(_Asked, frozen=True, gc=False):
    """A packet whose frame is right and whose content is not."""


Request = (
    Init
    | Open
    | Close
    | Read
    | Write
    | PathAttributes
    | HandleAttributes
    | SetPath
    | SetHandle
    | OpenFolder
    | ListFolder
    | Remove
    | MakeFolder
    | RemoveFolder
    | RealPath
    | Rename
    | ReadLink
    | Link
    | Sync
    | Space
    | Limits
    | Unsupported
    | Malformed
)

_PATHS: Final = {
    7: PathAttributes,
    11: OpenFolder,
    13: Remove,
    15: RemoveFolder,
    16: RealPath,
    17: PathAttributes,
    19: ReadLink,
}
_HANDLES: Final = {4: Close, 8: HandleAttributes, 12: ListFolder}
_SET_PATH, _SET_HANDLE, _MKDIR, _RENAME, _SYMLINK, _EXTENDED = 9, 10, 14, 18, 20, 200
_INIT, _OPEN, _READ, _WRITE = 1, 3, 5, 6


class Stretch:
    """Octets that lie in a buffer, which is written once, from its front to its end.

    Attributes:
        buffer: Where.
        start: First of them.
        end: Behind the last of them.
    """

    __slots__ = ("buffer", "end", "start")

    def __init__(self, buffer: bytearray, start: int, end: int) -> None:
        self.buffer, self.start, self.end = buffer, start, end

    def __len__(self) -> int:
        return self.end - self.start


class RequestReader:
    """Takes requests out of the octets of one channel.

    It keeps what was fed and parses nothing before :meth:`next` is called, so that a flood of tiny requests costs
    its octets and not an object each.
    """

    __slots__ = ("_at", "_begun", "_chunks", "_last", "pending")

    def __init__(self) -> None:
        self._chunks: deque[bytes | memoryview] = deque()
        self._at = 0
        self._begun = False
        self._last: Stretch | None = None
        self.pending = 0

    def feed(self, data: bytes | memoryview | Stretch) -> None:
        """Add what arrived. A view or stretch is not copied: what is behind it must not change."""
        if not data:
            return
        self.pending += len(data)
        if not isinstance(data, Stretch):
            self._chunks.append(data)
            self._last = None
            return
        last, start = self._last, data.start
        if last is not None and self._chunks and last.buffer is data.buffer and last.end == start:
            start = last.start
            self._chunks.pop()
        self._last = Stretch(data.buffer, start, data.end)
        self._chunks.append(memoryview(data.buffer)[start : data.end].toreadonly())

    def next(self) -> Request | None:
        """The next request; ``None`` where it has not arrived whole. The first one is :class:`Init`.

        Raises:
            BrokenStream: A packet is larger than :data:`MAX_PACKET`, or empty, or the first one is no Init.
        """
        if self.pending < 4:
            return None
        length = int.from_bytes(self._peek(4), "big")
        if length > MAX_PACKET or length < 5:
            raise BrokenStream("A packet of SFTP has an impossible length.")
        if self.pending < 4 + length:
            return None
        head = self._take(9)
        kind, id = head[4], int.from_bytes(head[5:], "big")
        rest = length - 5
        if not self._begun:
            if kind != _INIT:
                raise BrokenStream("The first packet of SFTP is not Init.")
            self._begun = True
            self._take(rest)  # the client's extensions: there are none that change what we do
            return Init(id)
        if kind == _WRITE:
            return self._write(id, rest)
        try:
            return _parse(kind, id, self._take(rest))
        except IndexError:
            return Malformed(id)

    def _write(self, id: int, rest: int) -> Request:
        """A write apart, since its data is to be copied once."""
        if rest < 4:
            self._take(rest)
            return Malformed(id)
        size = int.from_bytes(self._peek(4), "big")
        if size > MAX_HANDLE or rest < 4 + size + 12:
            self._take(rest)
            return Malformed(id)
        head = self._take(4 + size + 12)
        rest -= len(head)
        data = self._take_data(rest)
        if int.from_bytes(head[-4:], "big") != rest:
            return Malformed(id)
        return Write(id, head[4:-12], int.from_bytes(head[-12:-4], "big"), data)

    def _take_data(self, size: int) -> bytes | memoryview:
        """As :meth:`_take`, but much is not copied where it lies together."""
        if size >= _MUCH:
            first, end = self._chunks[0], self._at + size
            if isinstance(first, memoryview) and len(first) >= end:
                self.pending -= size
                data = first[self._at : end]
                self._at = end
                if len(first) == end:
                    self._chunks.popleft()
                    self._at = 0
                return data
        return self._take(size)

    def _peek(self, size: int) -> bytes:
        found = bytes(self._chunks[0][self._at : self._at + size])
        if len(found) == size:
            return found
        for chunk in islice(self._chunks, 1, None):
            if len(found) == size:
                break
            found += chunk[: size - len(found)]
        return found

    def _take(self, size: int) -> bytes:
        chunks = self._chunks
        self.pending -= size
        if not size:
            return b""
        first, at = chunks[0], self._at
        end = at + size
        if len(first) > end:
            self._at = end
            return bytes(first[at:end])
        if len(first) == end:
            chunks.popleft()
            self._at = 0
            return bytes(first[at:])
        pieces = []
        while size:
            first = chunks[0]
            end = self._at + size
            if len(first) > end:
                pieces.append(first[self._at : end])
                self._at = end
                break
            piece = first[self._at :] if self._at else first
            pieces.append(piece)
            size -= len(piece)
            chunks.popleft()
            self._at = 0
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)


def _parse(kind: int, id: int, data: bytes) -> Request:
    """The request of a packet; raises IndexError where it is cut short or goes on."""
    fields = _Fields(data)
    if kind == _READ:
        request: Request = Read(id, fields.handle(), fields.number(8), fields.number(4))
    elif kind in _HANDLES:
        request = cast("Request", _HANDLES[kind](id, fields.handle()))
    elif kind in _PATHS:
        request = cast("Request", _PATHS[kind](id, fields.text()))
    elif kind == _OPEN:
        request = Open(id, fields.text(), fields.number(4), fields.attributes())
    elif kind == _SET_PATH:
        request = SetPath(id, fields.text(), fields.attributes())
    elif kind == _SET_HANDLE:
        request = SetHandle(id, fields.handle(), fields.attributes())
    elif kind == _MKDIR:
        request = MakeFolder(id, fields.text())
        fields.attributes()
    elif kind == _RENAME:
        request = Rename(id, fields.text(), fields.text(), replace=False)
    elif kind == _SYMLINK:
        request = Link(id, fields.text(), fields.text())
    elif kind == _EXTENDED:
        return _extended(fields.text(), id, fields)
    else:
        return Unsupported(id)
    fields.end()
    return request


def _extended(name: bytes, id: int, fields: _Fields) -> Request:
    if name == b"posix-rename@openssh.com":
        request: Request = Rename(id, fields.text(), fields.text(), replace=True)
    elif name == b"fsync@openssh.com":
        request = Sync(id, fields.handle())
    elif name in (b"statvfs@openssh.com", b"fstatvfs@openssh.com"):
        fields.text()
        request = Space(id)
    elif name == b"limits@openssh.com":
        request = Limits(id)
    elif name == b"hardlink@openssh.com":
        request = Link(id, fields.text(), fields.text())
    elif name == b"lsetstat@openssh.com":
        request = SetPath(id, fields.text(), fields.attributes())
    elif name == b"expand-path@openssh.com":
        request = RealPath(id, fields.text())
    else:
        return Unsupported(id)
    fields.end()
    return request


class _Fields:
    """The fields of a packet, one after the other; raises IndexError where there are no more."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, width: int) -> int:
        end = self._at + width
        if end > len(self._data):
            raise IndexError
        value = int.from_bytes(self._data[self._at : end], "big")
        self._at = end
        return value

    def text(self) -> bytes:
        size = self.number(4)
        end = self._at + size
        if end > len(self._data):
            raise IndexError
        value = self._data[self._at : end]
        self._at = end
        return value

    def handle(self) -> bytes:
        value = self.text()
        if len(value) > MAX_HANDLE:
            raise IndexError
        return value

    def attributes(self) -> Attributes:
        value, self._at = read_attributes(self._data, self._at)
        return value

    def end(self) -> None:
        if self._at != len(self._data):
            raise IndexError
