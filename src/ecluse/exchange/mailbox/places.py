"""Which folders a partner has, what it may do in them, and which names are not documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import Final

from ecluse.model.paths import VirtualPath
from ecluse.trust.settings.fields import octets, seconds
from ecluse.trust.settings.places import Account

__all__ = ["INBOUND", "OUTBOUND", "RECEIPTS", "Places", "Terms"]

INBOUND: Final = VirtualPath(("inbound",))
OUTBOUND: Final = VirtualPath(("outbound",))
RECEIPTS: Final = VirtualPath(("receipts",))


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed, in numbers: octets, and microseconds.

    Attributes:
        quota: Largest sum of what lies in the folders.
        max_file: Largest file.
        files: Most files, folders among them.
        replace: The partner may write or rename over a document that is there.
        keep_partial: How long what is no document yet is kept.
        keep_uploaded: How long an upload stays listed after it was taken.
        keep_outbound: How long a document, or a receipt, lies to be picked up.
        remove_after_pickup: What was picked up disappears.
    """

    quota: int
    max_file: int
    files: int
    replace: bool
    keep_partial: int
    keep_uploaded: int
    keep_outbound: int
    remove_after_pickup: bool

    @classmethod
    def of(cls, account: Account) -> Terms:
        """Those of an account."""
        return cls(
            quota=octets(account.quota),
            max_file=octets(account.max_file),
            files=account.files,
            replace=account.replace,
            keep_partial=_microseconds(account.keep_partial),
            keep_uploaded=_microseconds(account.keep_uploaded),
            keep_outbound=_microseconds(account.keep_outbound),
            remove_after_pickup=account.remove_after_pickup,
        )


def _microseconds(duration: str) -> int:
    return int(seconds(duration) * 1_000_000)


class Places:
    """The folders that an account has by agreement. Folders that were made since are rows.

    Args:
        account: What was agreed.
    """

    __slots__ = ("_given", "_temporary", "_uploads")

    def __init__(self, account: Account) -> None:
        named = (VirtualPath.parse("/" + folder) for folder in account.folders)
        self._uploads = (INBOUND, *named)
        given = (*self._uploads, OUTBOUND, RECEIPTS)
        self._given = frozenset(
            VirtualPath(folder.names[:depth]) for folder in given for depth in range(len(folder.names) + 1)
        )
        self._temporary = re.compile("|".join(map(translate, account.temporary)) or "(?!)").match

    def given(self, path: VirtualPath) -> bool:
        """Whether it is a folder by agreement (or one that leads to such a folder)."""
        return path in self._given

    def children(self, folder: VirtualPath) -> list[str]:
        """Names of the folders by agreement that are directly in ``folder``, in order."""
        return sorted(path.name for path in self._given if path.names and path.parent == folder)

    def uploads(self, folder: VirtualPath) -> bool:
        """Whether files may be uploaded into ``folder``, and folders made."""
        return any(folder.names[: len(place.names)] == place.names for place in self._uploads)

    def temporary(self, name: str) -> bool:
        """Whether a file of this name is no document until it is renamed."""
        return self._temporary(name) is not None
