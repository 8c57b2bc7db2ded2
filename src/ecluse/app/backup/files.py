"""The files of a hub that a backup has: its configuration, its keyring, and the secrets that it refers to by file.

What a folder of ours holds for partners or applications is none of them: documents are backed up as the blobs that they
are, so that erasing them reaches their copies too.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from ecluse import durable
from ecluse.app.backup.errors import BackupDamaged
from ecluse.trust.configuration import HUB_FILE, Configuration
from ecluse.trust.files.shape import special_fields
from ecluse.typed import from_msgpack

__all__ = [
    "CHECKPOINTS",
    "FILES",
    "HubFile",
    "hub_files",
    "pack_files",
    "put_files",
    "put_secrets",
    "unpack_files",
]

FILES: Final = "files"
"""Stream of the files."""
CHECKPOINTS: Final = "checkpoints"
"""Stream of the file of signed heads that is kept outside the database."""

MAX_FILE: Final = 16 << 20
"""Octets of one file: those of a configuration and a keyring have a mebibyte at most."""

_KINDS: Final = frozenset({".toml", ".pem", ".asc", ".crl", ".crt", ".cer", ".der", ".pub"})
"""Files that a configuration is made of, by their endings."""
_DEPTH: Final = 3
_LENGTH: Final = 4


class HubFile(msgspec.Struct, frozen=True):
    """One file.

    Attributes:
        path: Relative to the hub's folder, with ``/``.
        mode: Permissions.
        data: Content.
    """

    path: str
    mode: int
    data: bytes


def hub_files(
    folder: Path, configuration: Configuration, *, keyring: bool, secrets: bool
) -> tuple[Iterator[HubFile], list[str]]:
    """The files, in order of their paths, and what a restored hub needs besides, in words.

    Args:
        folder: The hub's.
        configuration: With the partners.
        keyring: Whether the keyring's files are among them.
        secrets: Whether files that ``file:`` references name are.
    """
    hub = configuration.hub
    left_out: list[str] = []
    paths = set(_of_configuration(folder, _others(configuration)))
    if keyring:
        paths |= set(_below(folder, hub.keyring.folder))
    else:
        left_out.append(f"the keyring ({hub.keyring.folder})")
    for reference in sorted(_references(configuration)):
        kind, _, place = reference.partition(":")
        if kind == "env":
            left_out.append(f"the secret {reference}")
        elif kind == "file":
            if secrets and not Path(place).is_absolute() and ".." not in PurePosixPath(place).parts:
                paths.add(place)
            else:
                left_out.append(f"the secret {reference}")
    return _read(folder, sorted(paths)), left_out


def _read(folder: Path, paths: Iterable[str]) -> Iterator[HubFile]:
    for path in paths:
        file = folder / path
        try:
            facts = file.stat()
            if stat.S_ISREG(facts.st_mode) and facts.st_size <= MAX_FILE:
                yield HubFile(path, stat.S_IMODE(facts.st_mode), file.read_bytes())
        except FileNotFoundError:
            continue  # it went while we looked; who refers to it learns that without us


def put_secrets(folder: Path, configuration: Configuration, source: Path) -> None:
    """Copy the files that ``file:`` references name, where they are in ``source`` and not in the hub's folder."""
    for reference in sorted(_references(configuration)):
        kind, _, place = reference.partition(":")
        path = PurePosixPath(place)
        if kind != "file" or path.is_absolute() or ".." in path.parts:
            continue
        if (source / path).is_file() and not (folder / path).exists():
            durable.make_folder((folder / path).parent)
            durable.write_new(folder / path, [(source / path).read_bytes()], 0o600)


def _references(configuration: Configuration) -> set[str]:
    tables = [configuration.hub, *configuration.partners.values(), *configuration.flows.values()]
    return {
        value
        for table in tables
        for form, _, value in special_fields(table)
        if form == "secret" and isinstance(value, str)
    }


def _others(configuration: Configuration) -> set[str]:
    """First names below the hub's folder where state or documents are."""
    hub = configuration.hub
    inbox = [hub.inbox.folder] if isinstance(hub.inbox.folder, str) else []
    places = [each.path for each in hub.folders.values()]
    kept = [hub.blobs.place, hub.keyring.folder]
    if hub.backup is not None:
        kept += [hub.backup.to.place, hub.backup.keys_to.place]
    return {"state", *(PurePosixPath(each).parts[0] for each in (*inbox, *places, *kept) if each.strip("./"))}


def _of_configuration(folder: Path, others: set[str], below: str = "", depth: int = 0) -> Iterator[str]:
    with durable.disk_errors(folder):
        entries = sorted((folder / below).iterdir())
    for entry in entries:
        path = f"{below}{entry.name}"
        if entry.name.startswith(".") or (not below and entry.name in others) or entry.is_symlink():
            continue
        if entry.is_dir():
            if depth < _DEPTH:
                yield from _of_configuration(folder, others, f"{path}/", depth + 1)
        elif entry.suffix in _KINDS:
            yield path


def _below(folder: Path, name: str) -> Iterator[str]:
    with durable.disk_errors(folder / name):
        for entry in sorted((folder / name).iterdir()):
            if entry.is_file() and not durable.is_part(entry.name):
                yield f"{name.rstrip('/')}/{entry.name}"


def pack_files(files: Iterable[HubFile]) -> Iterator[bytes]:
    """Each file as a row: its length (4, big-endian) and MessagePack of path, mode and content."""
    for file in files:
        data = msgspec.msgpack.encode((file.path, file.mode, file.data))
        yield len(data).to_bytes(_LENGTH, "big") + data


def unpack_files(chunks: Iterable[bytes]) -> Iterator[HubFile]:
    """The inverse. Raises :class:`BackupDamaged`, also where a path leads out of the hub's folder."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= _LENGTH:
            end = _LENGTH + int.from_bytes(held[:_LENGTH], "big")
            if end > MAX_FILE + (1 << 16):
                raise BackupDamaged("A file of the backup is larger than any that was written.")
            if len(held) < end:
                break
            yield _file(bytes(held[_LENGTH:end]))
            del held[:end]
    if held:
        raise BackupDamaged("The files of the backup are cut off.")


def _file(data: bytes) -> HubFile:
    try:
        path, mode, content = from_msgpack(data, tuple[str, int, bytes])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BackupDamaged("A file of the backup can't be read.") from None
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or "\0" in path or ".." in parts or len(path) > 1000:
        raise BackupDamaged("A file of the backup has a path that leads out of the hub.")
    return HubFile(path, mode & 0o700, content)


def put_files(folder: Path, files: Iterable[HubFile]) -> tuple[int, HubFile | None]:
    """Write the files, but ``ecluse.toml``, which makes a folder a hub; give their number, and that one."""
    hub_file = None
    count = 0
    for file in files:
        count += 1
        if file.path == HUB_FILE:
            hub_file = file
            continue
        path = folder / file.path
        durable.make_folder(path.parent)
        durable.write_new(path, [file.data], file.mode & 0o600)
    return count, hub_file
