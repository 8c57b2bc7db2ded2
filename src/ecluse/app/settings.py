"""Versions of the configuration: what is in force, what would change, and who changed it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from ecluse.app.node import Node
from ecluse.blobs import durable
from ecluse.errors import EcluseError, Fault
from ecluse.model.nouns import ConfigVersion
from ecluse.store.port import Tx
from ecluse.trust.configuration import Configuration, export, read_folder
from ecluse.trust.directory import Directory
from ecluse.trust.errors import ConfigurationError
from ecluse.trust.life import life_facts, life_problems
from ecluse.trust.plan import Plan, plan

__all__ = [
    "NoSuchVersion",
    "PendingChanges",
    "apply_files",
    "change_files",
    "export_files",
    "needs_restart",
    "plan_files",
    "settled_files",
]

RECORDED: Final = 32_768
"""Octets of changes that one event has room for; a first version of many partners has more."""
_AT_START: Final = ("store.", "blobs.", "keyring.", "listen.", "inbox.")
"""Fields of ``ecluse.toml`` that a node reads at its start only."""
_FOLLOWED: Final = "listen.as2.tls."
"""Among them those that it follows, where the listener spoke TLS from the start."""


class NoSuchVersion(EcluseError):
    """The configuration has no version of that number."""

    code = "app.no-such-version"
    fault = Fault.USAGE
    remedy = "List the versions with `ecluse export --history`."


def plan_files(node: Node, files: Mapping[str, str]) -> tuple[Plan, Configuration]:
    """What applying ``files`` would change.

    Raises:
        ConfigurationError: With every problem there is; nothing would be applied.
    """
    wanted = Configuration.from_files(files, node.hub.clock())
    Directory(wanted, node.keyring, node.resolver)
    present = node.directory.configuration if node.version else None
    problems = list(life_problems(present, wanted))
    if problems:
        raise ConfigurationError(problems)
    return plan(present, wanted), wanted


def apply_files(node: Node, files: Mapping[str, str], *, actor: str, reason: str) -> ConfigVersion | None:
    """Put ``files`` in force, as a new version.

    Args:
        node: The hub.
        files: Relative path to text, for every file.
        actor: Who.
        reason: Why.

    Returns:
        The version; ``None`` where nothing would change.

    Raises:
        ConfigurationError: With every problem there is; nothing was applied.
        Conflict: Somebody applied another version meanwhile.
    """
    changes, wanted = plan_files(node, files)
    if node.version and not changes:
        return None
    now = node.hub.clock()
    lives = tuple(life_facts(node.directory.configuration if node.version else None, wanted))
    version = ConfigVersion(node.version + 1, now, actor, reason, dict(wanted.files))

    def work(tx: Tx) -> None:
        tx.add_config(version)
        facts = {"version": version.number, "reason": reason, **_recorded(changes, version)}
        node.hub.event(tx, "config.applied", f"config:{version.number}", facts, actor=actor, at=now)
        for fact in lives:
            data = {**fact.data, "reason": reason, "version": version.number}
            node.hub.event(tx, fact.kind, f"partner:{fact.partner}", data, actor=actor, at=now)

    node.store.write(work)
    node.reload()
    return version


def _recorded(changes: Plan, version: ConfigVersion) -> dict[str, object]:
    """What the log says of a version: all of its files by their digest, and in words as much as has room."""
    lines: list[str] = []
    room = RECORDED
    for change in changes.changes:
        line = f"{change.subject}: {change}"
        room -= len(msgspec.json.encode(line))
        if room < 0:
            break
        lines.append(line)
    digest = sha256(msgspec.json.encode(version.files, order="deterministic")).hexdigest()
    left_out = len(changes.changes) - len(lines)
    return {"changes": lines, **({"left_out": left_out} if left_out else {}), "files_sha256": digest}


def needs_restart(changes: Plan) -> bool:
    """Whether something changes that a serving node reads at its start only."""
    return any(
        change.subject == "hub"
        and change.field.startswith(_AT_START)
        and not (change.kind == "change" and change.field.startswith(_FOLLOWED))
        for change in changes.changes
    )


class PendingChanges(EcluseError):
    """The hub's files hold changes of somebody's that are not in force."""

    code = "app.pending-changes"
    fault = Fault.USAGE
    remedy = "Look with `ecluse plan`; then `ecluse apply`, or `ecluse export` to put the files back."


def settled_files(node: Node) -> dict[str, str]:
    """The hub's files, which mean the same as what is in force.

    Raises:
        PendingChanges: They do not: a command that adds to them would put more in force than it says.
    """
    files = read_folder(node.folder)
    if node.version and plan(node.directory.configuration, Configuration.from_files(files)):
        raise PendingChanges("The hub's files hold changes that are not in force yet.")
    return files


def change_files(node: Node, files: Mapping[str, str], *, actor: str, reason: str) -> ConfigVersion | None:
    """Write ``files`` into the hub's folder and put them in force. Raises as :func:`apply_files` does."""
    plan_files(node, files)
    export(files, node.folder, _write)
    return apply_files(node, files, actor=actor, reason=reason)


def export_files(node: Node, folder: Path, number: int | None = None) -> list[str]:
    """Write a version (the one in force by default) back to files; give their paths.

    Raises:
        NoSuchVersion: There is none of that number.
    """
    files = node.directory.configuration.files
    if number is not None:
        version = node.store.read(lambda view: view.config(number))
        if version is None:
            raise NoSuchVersion(f"There is no version {number} of the configuration.")
        files = version.files
    return export(files, folder, _write)


def _write(path: Path, data: bytes) -> None:
    durable.make_folder(path.parent)
    durable.replace(path, data, 0o600)
