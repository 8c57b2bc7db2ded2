"""Versions of the configuration: what is in force, what would change, and who changed it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ecluse import durable
from ecluse.app.changes.gate import hold, must_hold
from ecluse.app.changes.proposal import Signer
from ecluse.app.node import Node
from ecluse.app.versions import needs_restart, plan_files, write_version
from ecluse.errors import EcluseError, Fault
from ecluse.model.nouns import ConfigVersion
from ecluse.trust.changes.plan import plan
from ecluse.trust.changes.sensitive import sensitive
from ecluse.trust.configuration import Configuration, export, read_folder

__all__ = [
    "NoSuchVersion",
    "PendingChanges",
    "apply_files",
    "change_files",
    "export_files",
    "needs_restart",
    "plan_files",
    "settled_files",
    "write_files",
]


class NoSuchVersion(EcluseError):
    """The configuration has no version of that number."""

    code = "app.no-such-version"
    fault = Fault.USAGE
    remedy = "List the versions with `ecluse export --history`."


def apply_files(
    node: Node, files: Mapping[str, str], *, actor: str, reason: str, signer: Signer | None = None
) -> ConfigVersion | None:
    """Put ``files`` in force, as a new version.

    Args:
        node: The hub.
        files: Relative path to text, for every file.
        actor: Who.
        reason: Why.
        signer: Signs for an operator, should a second one have to approve it.

    Returns:
        The version; ``None`` where nothing would change.

    Raises:
        ChangeHeld: It changes trust, and the hub has four eyes: nothing of it is in force, and it waits.
        ConfigurationError: With every problem there is; nothing was applied.
        Conflict: Somebody applied another version meanwhile.
    """
    changes, wanted = plan_files(node, files)
    if node.version and not changes:
        return None
    found = must_hold(node, changes)
    if found:
        raise hold(node, wanted.files, changes, found, actor=actor, reason=reason, signer=signer)
    now = node.hub.clock()
    version = ConfigVersion(node.version + 1, now, actor, reason, dict(wanted.files))
    facts = {"eyes": 1, "trust": len(sensitive(changes))}
    node.store.write(lambda tx: write_version(tx, node, version, wanted, changes, facts))
    node.reload()
    return version


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
    present = node.directory.configuration
    if node.version and plan(present, Configuration.from_files(files, before=present)):
        raise PendingChanges("The hub's files hold changes that are not in force yet.")
    return files


def change_files(
    node: Node, files: Mapping[str, str], *, actor: str, reason: str, signer: Signer | None = None
) -> ConfigVersion | None:
    """Put ``files`` in force and write them into the hub's folder. Takes and raises what :func:`apply_files` does.

    A change that is held leaves the folder as it is; its approval writes it.
    """
    changes, wanted = plan_files(node, files)
    found = must_hold(node, changes)
    if found:
        raise hold(node, wanted.files, changes, found, actor=actor, reason=reason, signer=signer)
    export(files, node.folder, _write)
    return apply_files(node, files, actor=actor, reason=reason, signer=signer)


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


def write_files(node: Node, files: Mapping[str, str]) -> list[str]:
    """Write a configuration's files into the hub's folder; give the paths of those that changed."""
    return export(files, node.folder, _write)


def _write(path: Path, data: bytes) -> None:
    durable.make_folder(path.parent)
    durable.replace(path, data, 0o600)
