"""What of the hub's folder posture looks at: secrets' files, rights, and changes that are not in force."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

from ecluse.app.node import Node
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant, PartnerId
from ecluse.posture.facts import SecretFile
from ecluse.trust.changes.plan import subject_words
from ecluse.trust.configuration import HUB_FILE, Configuration

__all__ = ["Pending", "SecretFiles", "exposed", "modified", "open_folders"]

FOLDERS: Final = {"partners": ".toml", "flows": ".toml", "certificates": ".pem", "openpgp": ".asc"}
"""Folders of the configuration, and how their files end."""


class SecretFiles:
    """The files behind ``file:`` references, each looked at once; and ``keyring:`` references that lead to nothing.

    Args:
        folder: The hub's.
        held: Names of the secrets that the keyring holds.
    """

    def __init__(self, folder: Path, held: Collection[str] = ()) -> None:
        self._folder = folder
        self._held = frozenset(held)
        self._known: dict[str, tuple[Literal["good", "missing", "exposed"], Instant]] = {}

    def of(self, found: Iterable[tuple[str, str]]) -> tuple[SecretFile, ...]:
        """The files behind (field, reference) pairs, and what is missing from the keyring."""
        return tuple(each for field, ref in found if (each := self._one(field, ref)) is not None)

    def _one(self, field: str, reference: str) -> SecretFile | None:
        kind, _, name = reference.partition(":")
        if kind == "file":
            return self._file(field, reference)
        if kind == "keyring" and name not in self._held:
            return SecretFile(reference, field, "missing", Instant(0))
        return None

    def _file(self, field: str, reference: str) -> SecretFile:
        if reference not in self._known:
            self._known[reference] = self._look(self._folder / reference.removeprefix("file:"))
        state, changed = self._known[reference]
        return SecretFile(reference, field, state, changed)

    @staticmethod
    def _look(path: Path) -> tuple[Literal["good", "missing", "exposed"], Instant]:
        try:
            status = path.stat()
        except (OSError, ValueError):
            return "missing", Instant(0)
        return "exposed" if status.st_mode & 0o077 else "good", Instant(status.st_mtime_ns // 1000)


def modified(path: Path) -> Instant | None:
    """When a file was last written; ``None`` where there is none."""
    try:
        return Instant(path.stat().st_mtime_ns // 1000)
    except OSError:
        return None


def exposed(node: Node) -> tuple[str, ...]:
    """Folders of keys and state that others may enter."""
    found = []
    settings = node.bootstrap.hub
    for path in (node.folder / settings.keyring.folder, node.folder / "state"):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & 0o077:
            found.append(os.fspath(path))
    return tuple(found)


def open_folders(node: Node) -> tuple[str, ...]:
    """Folders of ours that everybody may write to, by name."""
    hub = node.directory.hub
    paths = {name: folder.path for name, folder in hub.folders.items()}
    if isinstance(hub.inbox.folder, str):
        paths["inbox"] = hub.inbox.folder
    found = []
    for name, path in paths.items():
        try:
            mode = (node.folder / path).stat().st_mode
        except OSError:
            continue
        if mode & stat.S_IWOTH:
            found.append(name)
    return tuple(found)


class Pending:
    """Counts changes of the hub's files that are not in force; files that nobody touched are not read again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int], str]] = {}

    def count(self, present: Configuration) -> int:
        """Subjects that would change, or certificates that came or went; -1 where the files can't be read.

        Args:
            present: What is in force.
        """
        try:
            found = self._look(present)
            paths = found.keys() | present.files.keys()
            differing = {path for path in paths if found.get(path) != present.files.get(path)}
            if not differing:
                return 0
            wanted = Configuration.from_files(found, before=present)
            return sum(_differs(present, wanted, path) for path in differing)
        except (EcluseError, OSError, UnicodeDecodeError):
            return -1

    def _look(self, present: Configuration) -> dict[str, str]:
        read: dict[str, tuple[tuple[int, int], str]] = {}
        for name, path, status in self._files():
            mark = (status.st_mtime_ns, status.st_size)
            known = self._read.get(name)
            if known is None or known[0] != mark:
                text = Path(path).read_text("utf-8")
                # The text that is in force is in memory already.
                known = (mark, present.files[name] if present.files.get(name) == text else text)
            read[name] = known
        self._read = read
        return {name: text for name, (_, text) in read.items()}

    def _files(self) -> Iterator[tuple[str, str, os.stat_result]]:
        """(relative path, path, what the system says of it) of every file of the configuration."""
        hub = self._folder / HUB_FILE
        yield HUB_FILE, os.fspath(hub), hub.stat()
        for folder, ending in FOLDERS.items():
            if (self._folder / folder).is_dir():
                with os.scandir(self._folder / folder) as entries:
                    for each in entries:
                        if each.name.endswith(ending):
                            yield f"{folder}/{each.name}", each.path, each.stat()


def _differs(present: Configuration, wanted: Configuration, path: str) -> bool:
    """Whether a file whose text differs means something else: comments and order do not."""
    folder, _, name = path.partition("/")
    if folder in ("certificates", "openpgp"):
        return True
    subject = f"{folder[:-1]}:{name.removesuffix('.toml')}" if name else "hub"
    return _there(present, subject) != _there(wanted, subject) or subject_words(
        present, subject
    ) != subject_words(wanted, subject)


def _there(configuration: Configuration, subject: str) -> bool:
    kind, _, name = subject.partition(":")
    if kind == "partner":
        return PartnerId(name) in configuration.partners
    return kind == "hub" or name in configuration.flows
