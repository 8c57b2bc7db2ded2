"""Worlds in which one partner's folders are tried: in memory, and the real ones on both databases."""

from __future__ import annotations

from typing import Any, Protocol

from tests.support.trees import MemoryMailbox

from ecluse.exchange.tree import Tree
from ecluse.trust.places import Account

__all__ = ["MemoryWorld", "World"]


class World(Protocol):
    """One partner, and what became of its files."""

    def open(self, **account: Any) -> Tree:
        """A session; what is given is agreed from here on."""

    def documents(self) -> list[tuple[str, bytes]]:
        """What became a message: the path that it was uploaded as, and its octets, in order."""

    def offer(self, name: str, data: bytes, folder: str = "outbound") -> None:
        """Put a document out to be picked up."""

    def put_receipt(self, name: str, data: bytes) -> None: ...
    def picked_up(self) -> list[str]:
        """Names of the documents that were picked up, in order."""


class MemoryWorld:
    """The twin's world."""

    def __init__(self) -> None:
        self.box = MemoryMailbox()
        self._agreed: dict[str, Any] = {}
        self.offer = self.box.offer
        self.put_receipt = self.box.put_receipt

    def open(self, **account: Any) -> Tree:
        self._agreed |= account
        self.box.account = Account(user="birch", **self._agreed)
        return self.box.open()

    def documents(self) -> list[tuple[str, bytes]]:
        return list(self.box.documents)

    def picked_up(self) -> list[str]:
        return list(self.box.picked_up)
