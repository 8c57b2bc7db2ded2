"""What a version of the configuration is made with: what it would change, and the write that puts it in force."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from ecluse.app.node import Node
from ecluse.model.nouns import ConfigVersion
from ecluse.store.port import Tx
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.plan import Plan, plan

__all__ = ["files_digest", "needs_restart", "plan_files", "told", "write_version"]

RECORDED: Final = 32_768
"""Octets of changes that one event has room for; a first version of many partners has more."""


_AT_START: Final = ("store.", "blobs.", "keyring.", "listen.", "inbox.")
"""Fields of ``ecluse.toml`` that a node reads at its start only."""
_FOLLOWED: Final = "listen.as2.tls."
"""Among them those that it follows, where the listener spoke TLS from the start."""


def plan_files(node: Node, files: Mapping[str, str]) -> tuple[Plan, Configuration]:
    """What applying ``files`` would change.

    Raises:
        ConfigurationError: With every problem there is; nothing would be applied.
    """
    before = node.planned or node.directory.configuration
    wanted = node.planned = Configuration.from_files(files, node.hub.clock(), before=before)
    Directory(wanted, node.keyring, node.resolver)
    present = node.directory.configuration if node.version else None
    return plan(present, wanted), wanted


def write_version(
    tx: Tx, node: Node, version: ConfigVersion, changes: Plan, facts: Mapping[str, object]
) -> None:
    """Put a version in force, with its event.

    Raises:
        Conflict: Its number is taken: somebody applied another one meanwhile.
    """
    tx.add_config(version)
    data = {
        "version": version.number,
        "reason": version.reason,
        **facts,
        **_recorded(changes),
        "files_sha256": files_digest(version.files),
    }
    subject = f"config:{version.number}"
    node.hub.event(tx, "config.applied", subject, data, actor=version.actor, at=version.at)


def files_digest(files: Mapping[str, str]) -> str:
    """SHA-256 of all files as canonical JSON, hexadecimal."""
    return sha256(msgspec.json.encode(dict(files), order="deterministic")).hexdigest()


def told(lines: list[str], room: int) -> list[str]:
    """As many of some lines as have room, in octets of JSON."""
    for number, line in enumerate(lines):
        room -= len(msgspec.json.encode(line))
        if room < 0:
            return lines[:number]
    return lines


def _recorded(changes: Plan) -> dict[str, object]:
    """What the log says of a version in words: as much as has room."""
    lines = [f"{change.subject}: {change}" for change in changes.changes]
    shown = told(lines, RECORDED)
    left_out = len(lines) - len(shown)
    return {"changes": shown, **({"left_out": left_out} if left_out else {})}


def needs_restart(changes: Plan) -> bool:
    """Whether something changes that a serving node reads at its start only."""
    return any(
        change.subject == "hub"
        and change.field.startswith(_AT_START)
        and not (change.kind == "change" and change.field.startswith(_FOLLOWED))
        for change in changes.changes
    )
