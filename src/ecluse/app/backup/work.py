"""Backups by themselves: the recurring work of a serving hub, and the copy of the keys as erasures have to reach it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from ecluse.app.backup.errors import BackupBusy
from ecluse.app.backup.keep import prune
from ecluse.app.backup.run import last_backup, make_backup, note_failure, open_site
from ecluse.app.node import Node
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError
from ecluse.trust.fields import seconds

__all__ = ["BackupKeys", "backup_work"]

LOOK_EVERY: Final = 60
"""Seconds between two looks whether a backup is due."""
AGAIN: Final = 900_000_000
"""Microseconds after a failure until the next try."""

_log = structlog.get_logger("ecluse.backup")


def backup_work(node: Node) -> Recurring:
    """The recurring work that makes a backup when one is due, and lets go of old ones afterwards."""
    failed_at = [0]

    def work(context: JobContext) -> None:
        settings = node.directory.hub.backup
        if settings is None or not isinstance(settings.every, str):
            return
        last = last_backup(node.store, settings.to.place)
        now = node.hub.clock()
        if now < last.at + seconds(settings.every) * 1_000_000 or 0 <= now - failed_at[0] < AGAIN:
            return
        try:
            site = open_site(node)
            made = make_backup(site)
            prune(site, settings.keep)
            _log.info("backup made", id=made.manifest.id, seconds=round(made.seconds, 1))
        except BackupBusy:
            return
        except EcluseError as error:
            failed_at[0] = now
            note_failure(node, settings.to.place, error)
            raise

    return Recurring("backup.run", Every(LOOK_EVERY), work)


class BackupKeys:
    """The copy of the keys, as a copy that an erasure has to reach (:class:`ecluse.archive.copies.KeyCopy`).

    Args:
        node: The hub.
    """

    name = "backup-keys"

    def __init__(self, node: Node) -> None:
        self._node = node

    def forget(self, ids: Sequence[str]) -> None:
        """Return when the copy has no key of these blobs any more. Nothing is to do where none was ever made.

        Raises:
            EcluseError: The place can't be reached at present.
        """
        settings = self._node.directory.hub.backup
        if settings is None:
            return
        last = last_backup(self._node.store, settings.to.place)
        if not last.keys:
            return
        site = open_site(self._node)
        with site.lease() as lease:
            site.copier(lease.renew).copy("", only=ids)
