"""What a client asks (draft-ietf-secsh-filexfer-02). Each function gives one whole packet, its length in front."""

from __future__ import annotations

from typing import Final

__all__ = [
    "about_handle",
    "about_path",
    "extended",
    "init",
    "make_folder",
    "open_file",
    "read",
    "rename",
    "set_times",
    "text",
    "write_head",
]

_INIT, _OPEN, _READ, _WRITE, _SETSTAT, _MKDIR, _RENAME, _EXTENDED = 1, 3, 5, 6, 9, 14, 18, 200
_HANDLES: Final = {"close": 4, "fstat": 8, "readdir": 12}
_PATHS: Final = {"lstat": 7, "opendir": 11, "remove": 13, "realpath": 16, "stat": 17}
_NO_ATTRIBUTES: Final = bytes(4)
_TIMES: Final = (8).to_bytes(4, "big")  # SSH_FILEXFER_ATTR_ACMODTIME (s5)


def text(value: bytes) -> bytes:
    """A string with its length in front."""
    return len(value).to_bytes(4, "big") + value


def _packet(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return (len(body) + 1).to_bytes(4, "big") + bytes((kind,)) + body


def init() -> bytes:
    """SSH_FXP_INIT for version 3."""
    return _packet(_INIT, (3).to_bytes(4, "big"))


def open_file(id: int, path: bytes, flags: int) -> bytes:
    """SSH_FXP_OPEN; the server chooses the permissions of a new file."""
    return _packet(_OPEN, id.to_bytes(4, "big"), text(path), flags.to_bytes(4, "big"), _NO_ATTRIBUTES)


def about_handle(what: str, id: int, handle: bytes) -> bytes:
    """``close``, ``fstat`` or ``readdir``."""
    return _packet(_HANDLES[what], id.to_bytes(4, "big"), text(handle))


def about_path(what: str, id: int, path: bytes) -> bytes:
    """``lstat``, ``stat``, ``opendir``, ``remove`` or ``realpath``."""
    return _packet(_PATHS[what], id.to_bytes(4, "big"), text(path))


def make_folder(id: int, path: bytes) -> bytes:
    """SSH_FXP_MKDIR."""
    return _packet(_MKDIR, id.to_bytes(4, "big"), text(path), _NO_ATTRIBUTES)


def set_times(id: int, path: bytes, modified: int) -> bytes:
    """SSH_FXP_SETSTAT of the times alone: of last access and of last change, both ``modified`` (seconds since 1970)."""
    times = modified.to_bytes(4, "big") * 2
    return _packet(_SETSTAT, id.to_bytes(4, "big"), text(path), _TIMES, times)


def rename(id: int, path: bytes, to: bytes) -> bytes:
    """SSH_FXP_RENAME: an error where there is a file named ``to`` (s6.5)."""
    return _packet(_RENAME, id.to_bytes(4, "big"), text(path), text(to))


def read(id: int, handle: bytes, offset: int, size: int) -> bytes:
    """SSH_FXP_READ."""
    return _packet(
        _READ, id.to_bytes(4, "big"), text(handle), offset.to_bytes(8, "big"), size.to_bytes(4, "big")
    )


def write_head(id: int, handle: bytes, offset: int, size: int) -> bytes:
    """SSH_FXP_WRITE up to its data, which the caller sends behind it: so it is not copied."""
    head = id.to_bytes(4, "big") + text(handle) + offset.to_bytes(8, "big") + size.to_bytes(4, "big")
    return (len(head) + 1 + size).to_bytes(4, "big") + bytes((_WRITE,)) + head


def extended(id: int, name: bytes, *fields: bytes) -> bytes:
    """SSH_FXP_EXTENDED, the fields as they are."""
    return _packet(_EXTENDED, id.to_bytes(4, "big"), text(name), *fields)
