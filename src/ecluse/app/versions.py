"""What a version of the configuration is made with: what it would change, and the write that puts it in force."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final

import msgspec

from ecluse.app.node import Node
from ecluse.model.nouns import ConfigVersion
from ecluse.store.port import Tx
from ecluse.trust.changes.own_keys import with_own_keys
from ecluse.trust.changes.plan import Change, Plan, plan
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.errors import ConfigurationError
from ecluse.trust.life import life_facts, life_problems

__all__ = [
    "file_digests",
    "files_digest",
    "files_set_digest",
    "needs_restart",
    "plan_files",
    "told",
    "write_version",
]

RECORDED: Final = 32_768
"""Octets of changes that one event has room for; a first version of many partners has more."""


_PERSONAL: Final = re.compile(
    r"(organisation\.)?contacts\[\d+\]\.(name|email|phone)|verification\.(with|evidence)"
    r"|processing\.(officer|controller)"
)
"""Fields that name people."""

_AT_START: Final = ("store.", "blobs.", "keyring.", "listen.", "inbox.", "acme.listen")
"""Fields of ``ecluse.toml`` that a node reads at its start only."""
_FOLLOWED: Final = ("listen.as2.tls.", "listen.sftp.host_keys", "listen.ftps.key")
"""Among them those that it follows, where the listener was there, and spoke TLS, from the start."""
_SUCCESSORS: Final = ("listen.as2.tls.successor", "listen.ftps.successor")
"""Those that may also come and go meanwhile."""


def plan_files(node: Node, files: Mapping[str, str]) -> tuple[Plan, Configuration]:
    """What applying ``files`` would change.

    Raises:
        ConfigurationError: With every problem there is; nothing would be applied.
    """
    before = node.planned or node.directory.configuration
    wanted = node.planned = Configuration.from_files(files, node.hub.clock(), before=before)
    Directory(wanted, node.keyring, node.resolver)
    present = node.directory.configuration if node.version else None
    problems = list(life_problems(present, wanted))
    if problems:
        raise ConfigurationError(problems)
    return with_own_keys(plan(present, wanted), node.keyring), wanted


def write_version(
    tx: Tx,
    node: Node,
    version: ConfigVersion,
    wanted: Configuration,
    changes: Plan,
    facts: Mapping[str, object],
) -> None:
    """Put a version in force, with its event, and with those of the partners whose lives it changes.

    Args:
        tx: The transaction.
        node: The hub.
        version: The version.
        wanted: The same, read.
        changes: What it changes.
        facts: What the event says besides.

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
        "files_set_sha256": files_set_digest(version.files),
    }
    subject = f"config:{version.number}"
    node.hub.event(tx, "config.applied", subject, data, actor=version.actor, at=version.at)
    present = node.directory.configuration if node.version else None
    for fact in life_facts(present, wanted):
        data = {**fact.data, "reason": version.reason, "version": version.number}
        node.hub.event(tx, fact.kind, f"partner:{fact.partner}", data, actor=version.actor, at=version.at)


def files_digest(files: Mapping[str, str]) -> str:
    """SHA-256 of all files as canonical JSON, hexadecimal."""
    return sha256(msgspec.json.encode(dict(files), order="deterministic")).hexdigest()


def file_digests(files: Mapping[str, str]) -> list[str]:
    """One digest for each file, in ascending order: a file can be shown to be one of them without naming the others.

    Each is the SHA-256 of the path, a zero octet and the text, hexadecimal.
    """
    return sorted(sha256(f"{path}\0{text}".encode()).hexdigest() for path, text in files.items())


def files_set_digest(files: Mapping[str, str]) -> str:
    """SHA-256 of :func:`file_digests`, each followed by LF, hexadecimal."""
    return sha256("".join(f"{each}\n" for each in file_digests(files)).encode()).hexdigest()


def told(lines: list[str], room: int) -> list[str]:
    """As many of some lines as have room, in octets of JSON."""
    for number, line in enumerate(lines):
        room -= len(msgspec.json.encode(line))
        if room < 0:
            return lines[:number]
    return lines


def _recorded(changes: Plan) -> dict[str, object]:
    """What the log says of a version in words: as much as has room."""
    lines = [f"{change.subject}: {_impersonal(change)}" for change in changes.changes]
    shown = told(lines, RECORDED)
    left_out = len(lines) - len(shown)
    return {"changes": shown, **({"left_out": left_out} if left_out else {})}


def _impersonal(change: Change) -> Change:
    """A change without the people in it: the log forgets nothing, and the version has their names."""
    if not _PERSONAL.fullmatch(change.field):
        return change
    before, after = ("(a person)" if value else "" for value in (change.before, change.after))
    return replace(change, before=before, after=after)


def needs_restart(changes: Plan) -> bool:
    """Whether something changes that a serving node reads at its start only."""
    return any(
        change.subject == "hub"
        and change.field.startswith(_AT_START)
        and not (change.kind == "change" and change.field.startswith(_FOLLOWED))
        and change.field not in _SUCCESSORS
        for change in changes.changes
    )
