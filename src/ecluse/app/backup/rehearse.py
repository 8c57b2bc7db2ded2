"""A restore on trial: the newest backup in a temporary folder, checked, measured, and gone again; what a rehearsal left
that was killed goes with the next one.

Two figures come of it. How long a restore takes (the recovery time), and how much would have been lost had the hub
burnt down at this moment: the time since the backup's moment, and the records that the log has got since.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ecluse import durable
from ecluse.app.backup.manifest import find_backup
from ecluse.app.backup.records import Rehearsed, note_rehearsal
from ecluse.app.backup.restore import Progress, Request, restore
from ecluse.app.backup.run import Site
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.errors import EcluseError
from ecluse.model.basics import iso
from ecluse.store.open import trial_database
from ecluse.store.port import View
from ecluse.trust.secrets import Secret, SecretResolver
from ecluse.wire.openpgp.reader import Unlock

__all__ = ["rehearse"]

_NAMES: Final = 200


def rehearse(
    site: Site,
    unlock: Unlock,
    *,
    backup: str = "newest",
    folder: Path | None = None,
    passphrase: Secret | None = None,
    keyring: Path | None = None,
    database: str | None = None,
    database_password: str | None = None,
    secrets: Path | None = None,
    environ: Mapping[str, str] | None = None,
    sample: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Restore a backup on trial, and tell how it went; nothing of it is left.

    Args:
        site: Where the backups are.
        unlock: A recipient's private keys.
        backup: Which.
        folder: Where there is room for it; the system's temporary folder by default.
        passphrase: As of :class:`~ecluse.app.backup.restore.Request`, and so are the others.
        keyring: Likewise.
        database: URL of an empty database, for a hub on PostgreSQL; what was put into it is dropped again.
        database_password: Reference to its password.
        secrets: As of :class:`~ecluse.app.backup.restore.Request`.
        environ: Likewise.
        sample: Likewise.
        progress: Likewise.

    Returns:
        ``ok``, ``backup``, ``seconds`` (the whole restore), ``lost_seconds`` and ``lost_records``, what was checked,
        and ``failure`` where it came to none.

    Raises:
        EcluseError: The rehearsal can't begin: there is no backup, or a hub on PostgreSQL and no database for it.
    """
    node = site.node
    manifest = find_backup(site.place, backup, [site.key])
    if manifest.database == "sqlite":
        database = "sqlite:state/rehearsal.db"
    facts: dict[str, Any] = {"ok": False, "backup": manifest.id, "made": manifest.made, "failure": None}
    began = time.monotonic()
    now = node.hub.clock()
    facts["lost_seconds"] = round((now - manifest.at) / 1_000_000, 3)
    facts["lost_records"] = max(0, node.store.read(_records) - manifest.log)
    request = Request(
        place=site.place,
        keys=site.keys,
        backup=manifest.id,
        into=Path(),
        unlock=unlock,
        environ=environ,
        passphrase=passphrase,
        keyring=keyring,
        database=database,
        database_password=database_password,
        secrets=secrets,
        blobs="state/blobs",
        sample=sample,
        digests=not sample,
        clock=node.hub.clock,
        trial=True,
    )
    try:
        with (
            durable.scratch_folder("ecluse-rehearsal-", folder) as parent,
            trial_database(database, password=_reveal(node, database_password)),
        ):
            request = replace(request, into=parent / "hub")
            result = restore(request, progress)
            facts.update(result.as_dict())
            facts["message"] = _one_message(request)
            facts["ok"] = result.ok and facts["message"] != "damaged"
    except EcluseError as error:
        facts["failure"] = f"{error.code}: {error.cause}"
    facts.pop("into", None)
    facts["seconds"] = round(time.monotonic() - began, 3)
    _note(site, facts)
    return facts


def _reveal(node: Node, reference: str | None) -> str | None:
    return SecretResolver(node.folder)(reference).reveal_text() if reference is not None else None


def _records(view: View) -> int:
    """Records of the log, those included that wait for their place."""
    return view.log_size() + len(view.unsealed(10_000))


def _one_message(request: Request) -> str | None:
    """The newest message whose documents open, to their ends; ``None`` where no message has any."""
    with open_node(request.into, environ=request.environ, passphrase=request.passphrase) as node:
        for message in node.store.read(lambda view: view.messages(limit=_NAMES)):
            if message.shredded or not message.parts:
                continue
            try:
                for document in node.hub.documents(message):
                    for _ in document.chunks():
                        pass
            except EcluseError:
                return "damaged"
            return message.id
    return None


def _note(site: Site, facts: dict[str, Any]) -> None:
    node = site.node
    now = node.hub.clock()
    fact = Rehearsed(now, bool(facts["ok"]), facts["backup"], facts["failure"] or "")
    told = {
        name: facts.get(name)
        for name in ("ok", "backup", "made", "seconds", "lost_seconds", "lost_records", "blobs")
    }
    # The code alone: what a sentence names may be anything.
    told["failure"] = fact.error.partition(":")[0]

    def work(tx: Any) -> None:
        note_rehearsal(tx, fact)
        node.hub.event(tx, "backup.rehearsed", "hub", {**told, "at": iso(now)}, at=now)

    node.store.write(work)
