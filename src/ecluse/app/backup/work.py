"""Backups by themselves: the recurring work of a serving hub."""

from __future__ import annotations

from typing import Final

import structlog

from ecluse.app.backup.aftermath import restored_from
from ecluse.app.backup.errors import BackupBusy
from ecluse.app.backup.keep import prune
from ecluse.app.backup.records import last_backup, note_failure
from ecluse.app.backup.run import make_backup, open_site
from ecluse.app.node import Node
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError
from ecluse.trust.settings.fields import seconds

__all__ = ["backup_work"]

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
        last, restored = node.store.read(
            lambda view: (last_backup(view, settings.to.place), restored_from(view))
        )
        if restored is not None and not last.id:
            return  # the first one after a restore is a person's: the hub that it was restored from may be alive
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
