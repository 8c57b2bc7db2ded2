"""The copy of the keys, as a copy that an erasure has to reach (:class:`ecluse.archive.copies.KeyCopy`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ecluse.app.backup.erased import Erased
from ecluse.app.backup.records import last_backup
from ecluse.archive.copies import pending_erasures
from ecluse.evidence.record import decode_leaf
from ecluse.model.basics import MessageId
from ecluse.store.port import View
from ecluse.typed import from_json

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["BackupKeys", "join_backup"]


_SHREDDED: Final = "message.shredded"


class _Facts(msgspec.Struct, frozen=True):
    classes: tuple[str, ...] = ()
    reason: str = ""
    because: str = ""


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
        if not last.keys:
            return
        site = open_site(self._node)
        with site.lease() as lease:
            erased = list(self._node.store.read(self._erased))
            site.copier(lease.renew).copy("", only=ids, erased=erased)

    def _erased(self, view: View) -> list[Erased]:
        """What waits for this copy, as the log tells of it: backups that are older have to be told."""
        found: list[Erased] = []
        after = ""
        while page := pending_erasures(view, after):
            after = page[-1][0]
            for _, erasure in page:
                if self.name in erasure.waiting:
                    found += [each for message in erasure.messages for each in _told(view, message)]
        return found


def _told(view: View, message: MessageId) -> Iterator[Erased]:
    for logged in view.events(message):
        if logged.event.kind == _SHREDDED:
            facts = from_json(decode_leaf(logged.leaf).data, _Facts)
            yield Erased(message, logged.event.at, facts.classes, facts.reason, facts.because)


def join_backup(node: Node) -> None:
    """Have erasures reach the copy of the keys, where the configuration has one."""
    if node.directory.hub.backup is not None:
        node.hub.copies.add(BackupKeys(node), rows=True)
