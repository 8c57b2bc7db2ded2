"""The copy of the keys, as a copy that an erasure has to reach (:class:`ecluse.archive.copies.KeyCopy`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecluse.app.backup.records import last_backup

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["BackupKeys", "join_backup"]


class BackupKeys:
    """Lets go of keys by writing the present state of the key store, which has them no more.

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
        # A hub that makes no backups needs nothing of what makes them.
        from ecluse.app.backup.run import open_site

        settings = self._node.directory.hub.backup
        if settings is None:
            return
        last = self._node.store.read(lambda view: last_backup(view, settings.to.place))
        if not last.keys or not ids:
            return
        site = open_site(self._node)
        with site.lease() as lease:
            site.copier(lease.renew).copy("", only=ids)


def join_backup(node: Node) -> None:
    """Have erasures reach the copy of the keys, where the configuration has one."""
    if node.directory.hub.backup is not None:
        node.hub.copies.add(BackupKeys(node))
