"""What a configuration only names, and what stands behind the names: keys of ours, authorities' files, places.

A name stays when what it stands for is exchanged. A baseline holds both, so that the exchange is drift: a certificate
that was installed, an OpenPGP key that was extended or revoked, an authority's file that was overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from ecluse.app.keys.openpgp import own_openpgp_entries
from ecluse.app.node import Node
from ecluse.posture.facts import OwnKeyFacts
from ecluse.trust.changes.own_keys import key_words
from ecluse.trust.changes.plan import openpgp_words, plan
from ecluse.trust.changes.sensitive import sensitive
from ecluse.trust.configuration import Configuration
from ecluse.trust.errors import KeyringError

__all__ = ["files_words", "keys_words", "named_files", "started_words"]

MAX_FILE: Final = 1 << 20
"""Octets of an authority's file that are looked at; all of the system's authorities take 230,000."""

_AT_START: Final = ("store", "blobs", "keyring")


def keys_words(node: Node, keys: Iterable[OwnKeyFacts]) -> dict[str, str]:
    """Our keys that are in use, by field."""
    found: dict[str, str] = {}
    for each in keys:
        if each.use:
            try:
                found[f"key {each.ref}"] = key_words(node.keyring, each.ref)
            except KeyringError:
                continue  # it went in this moment
    for entry in own_openpgp_entries(node):
        if entry.use:
            found[f"openpgp key {entry.source}"] = openpgp_words(entry.certificate)
    return found


def named_files(configuration: Configuration) -> tuple[str, ...]:
    """Files of the hub's folder that are believed, or run, and stand in no version: authorities' and modules."""
    tables: list[msgspec.Struct] = [configuration.hub]
    for partner in configuration.partners.values():
        tables += [each for each in (partner.s3, partner.azure, partner.gcs) if each is not None]
    return tuple(sorted({path for table in tables for path in _paths(table)}))


def _paths(value: object) -> Iterator[str]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            inside = getattr(value, name)
            if name in ("ca", "module") and isinstance(inside, str):
                yield inside
            else:
                yield from _paths(inside)
    elif isinstance(value, dict):
        for inside in value.values():
            yield from _paths(inside)
    elif isinstance(value, tuple):
        for inside in value:
            yield from _paths(inside)


def files_words(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """What files hold, by field."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            with (folder / path).open("rb") as file:
                found[f"file {path}"] = f"SHA-256 {sha256(file.read(MAX_FILE)).hexdigest()}"
        except OSError:
            found[f"file {path}"] = "it can't be read"
    return found


def started_words(node: Node, configuration: Configuration) -> tuple[tuple[str, str], ...]:
    """Where this node works with another state, other bytes or keys than is in force: field and words."""
    own, hub = node.bootstrap.hub, configuration.hub
    if not node.version or all(getattr(own, table) == getattr(hub, table) for table in _AT_START):
        return ()
    started = msgspec.structs.replace(hub, store=own.store, blobs=own.blobs, keyring=own.keyring)
    changes = plan(configuration, replace(configuration, hub=started))
    return tuple(
        (
            each.change.field,
            f"{each.change.before or 'nothing'} in force, {each.change.after or 'nothing'} at work",
        )
        for each in sensitive(changes)
    )
