"""What a server answers. Each function gives one whole packet, its length in front."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from ecluse.wire.sftp.attributes import Attributes
from ecluse.wire.sftp.requests import MAX_PACKET, MAX_TRANSFER

__all__ = [
    "EXTENSIONS",
    "Status",
    "attributes",
    "data",
    "handle",
    "limits",
    "names",
    "space",
    "status",
    "version",
]


class Status(IntEnum):
    """Codes of SSH_FXP_STATUS (draft-ietf-secsh-filexfer-02 s7). Version 3 has no finer ones."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


EXTENSIONS: Final = (
    (b"posix-rename@openssh.com", b"1"),
    (b"statvfs@openssh.com", b"2"),
    (b"fstatvfs@openssh.com", b"2"),
    (b"fsync@openssh.com", b"1"),
    (b"lsetstat@openssh.com", b"1"),
    (b"limits@openssh.com", b"1"),
    (b"expand-path@openssh.com", b"1"),
)
"""What clients look for (OpenSSH's PROTOCOL, section 4). Links are not among them: there are none."""

_VERSION, _STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED_REPLY = 2, 101, 102, 103, 104, 105, 201
_OK_TAIL: Final = bytes(4) + b"\x00\x00\x00\x07Success" + bytes(4)
_NAME_MAX: Final = 255
_BLOCK: Final = 4096
_NO_SETUID: Final = 2
"""SSH_FXE_STATVFS_ST_NOSUID: nothing runs here."""


def _packet(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return (len(body) + 1).to_bytes(4, "big") + bytes((kind,)) + body


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def version() -> bytes:
    """SSH_FXP_VERSION: 3, with our extensions."""
    return _packet(
        _VERSION, (3).to_bytes(4, "big"), *(_text(name) + _text(value) for name, value in EXTENSIONS)
    )


def status(id: int, code: Status, text: str = "") -> bytes:
    """SSH_FXP_STATUS. Clients show the text to people."""
    if code is Status.OK:
        return b"\x00\x00\x00\x18\x65" + id.to_bytes(4, "big") + _OK_TAIL
    return _packet(
        _STATUS, id.to_bytes(4, "big"), code.to_bytes(4, "big"), _text(text.encode()), _text(b"en")
    )


def handle(id: int, value: bytes) -> bytes:
    """SSH_FXP_HANDLE."""
    return _packet(_HANDLE, id.to_bytes(4, "big"), _text(value))


def data(id: int, octets: bytes | memoryview) -> tuple[bytes, bytes | memoryview]:
    """SSH_FXP_DATA in two pieces: the head, and the octets as they were given."""
    size = len(octets)
    return (
        (size + 9).to_bytes(4, "big") + bytes((_DATA,)) + id.to_bytes(4, "big") + size.to_bytes(4, "big"),
        octets,
    )


def names(id: int, entries: Sequence[tuple[str, str, Attributes]]) -> bytes:
    """SSH_FXP_NAME of (name, line for people, attributes)."""
    parts = [id.to_bytes(4, "big"), len(entries).to_bytes(4, "big")]
    for name, line, attrs in entries:
        parts += [_text(name.encode()), _text(line.encode()), attrs.encode()]
    return _packet(_NAME, *parts)


def attributes(id: int, attrs: Attributes) -> bytes:
    """SSH_FXP_ATTRS."""
    return _packet(_ATTRS, id.to_bytes(4, "big"), attrs.encode())


def limits(id: int, handles: int) -> bytes:
    """The answer to limits@openssh.com: octets of a packet, a read and a write, and open handles."""
    values = (MAX_PACKET, MAX_TRANSFER, MAX_TRANSFER, handles)
    return _packet(_EXTENDED_REPLY, id.to_bytes(4, "big"), *(value.to_bytes(8, "big") for value in values))


def space(id: int, *, total: int, free: int, files: int, files_free: int) -> bytes:
    """The answer to statvfs@openssh.com.

    Args:
        id: The request's.
        total: Octets that are agreed.
        free: Octets of them that are not used.
        files: The same of files.
        files_free: The same of files.
    """
    blocks, blocks_free = total // _BLOCK, free // _BLOCK
    values = (
        _BLOCK,
        _BLOCK,
        blocks,
        blocks_free,
        blocks_free,
        files,
        files_free,
        files_free,
        0,
        _NO_SETUID,
        _NAME_MAX,
    )
    return _packet(_EXTENDED_REPLY, id.to_bytes(4, "big"), *(value.to_bytes(8, "big") for value in values))
