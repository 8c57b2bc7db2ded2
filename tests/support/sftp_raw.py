"""SFTP packets by hand, over asyncssh's client."""

from __future__ import annotations

import asyncio
import struct

import asyncssh

__all__ = ["Raw", "text"]

OPEN, CLOSE, READ, WRITE, LSTAT, OPENDIR, READDIR = 3, 4, 5, 6, 7, 11, 12
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK, EXTENDED = (
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    200,
)
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105


def text(value: str | bytes) -> bytes:
    """A string of the protocol."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


class Raw:
    """One channel of SFTP; replies are read when they are asked for."""

    def __init__(self, writer: asyncssh.SSHWriter[bytes], reader: asyncssh.SSHReader[bytes]) -> None:
        self.writer, self.reader = writer, reader
        self._id = 0

    @classmethod
    async def open(cls, connection: asyncssh.SSHClientConnection, *, init: bool = True) -> Raw:
        """Start SFTP on a channel of its own."""
        writer, reader, _ = await connection.open_session(subsystem="sftp", encoding=None)
        raw = cls(writer, reader)
        if init:
            raw.writer.write(struct.pack(">IBI", 5, 1, 3))
            await raw.packet()
        return raw

    def send(self, kind: int, *parts: bytes) -> int:
        """Ask; gives the request's id."""
        self._id += 1
        body = struct.pack(">BI", kind, self._id) + b"".join(parts)
        self.writer.write(struct.pack(">I", len(body)) + body)
        return self._id

    async def packet(self) -> tuple[int, bytes]:
        """Kind and content of the next reply."""
        size = struct.unpack(">I", await asyncio.wait_for(self.reader.readexactly(4), 20))[0]
        data = await asyncio.wait_for(self.reader.readexactly(size), 20)
        return data[0], data[1:]

    async def ask(self, kind: int, *parts: bytes) -> tuple[int, int, bytes]:
        """Ask and wait: kind of the reply, its status code (or -1), its content."""
        id = self.send(kind, *parts)
        reply, content = await self.packet()
        assert struct.unpack(">I", content[:4])[0] == id
        code = struct.unpack(">I", content[4:8])[0] if reply == STATUS else -1
        return reply, code, content[4:]

    async def handle(self, path: str, flags: int) -> bytes:
        """Open a file."""
        kind, code, content = await self.ask(OPEN, text(path), struct.pack(">II", flags, 0))
        assert kind == HANDLE, code
        return content

    async def closed(self) -> bool:
        """Whether the server ended the channel."""
        try:
            while await asyncio.wait_for(self.reader.read(65536), 20):
                pass
        except (OSError, asyncssh.Error):
            return True
        return self.reader.at_eof()
