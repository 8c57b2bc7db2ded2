"""What attempts at a delivery tell those that follow them, in the log."""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.archive.commitments import revealed
from ecluse.exchange.hub import Hub
from ecluse.exchange.once import KEPT_FOR, Memory, Staged
from ecluse.model.nouns import Delivery, Message
from ecluse.store.port import Lost, Tx, View
from ecluse.typed import convert

__all__ = ["Remembered"]

_UPLOADED: Final = "delivery.uploaded"
_WITHDRAWN: Final = "delivery.withdrawn"
_RESENT: Final = "message.resent"


class _Facts(msgspec.Struct):
    delivery: str = ""
    deliveries: tuple[str, ...] = ()
    place: str = ""
    path: str = ""
    temporary: str = ""
    synced: bool = False
    checked: str = ""


class Remembered:
    """The log as :class:`~ecluse.exchange.once.Memory` of one attempt.

    Args:
        hub: What the chamber shares.
        message: Whose documents.
        delivery: As the attempt began it.
        place: Which server or folder: what another one was told, before the configuration changed, says nothing here.
    """

    def __init__(self, hub: Hub, message: Message, delivery: Delivery, place: str) -> None:
        self._hub = hub
        self._message = message
        self._delivery = delivery
        self._place = place

    def remember(self, path: str, staged: Staged) -> None:
        """See the port."""
        delivery = self._delivery

        def work(tx: Tx) -> None:
            current = tx.delivery(delivery.id)
            if current is None or current.attempts != delivery.attempts:
                raise Lost("Another attempt at this delivery has begun meanwhile.")
            facts = {
                **self._where(path),
                "temporary": staged.mark,
                "synced": staged.safe,
                "checked": staged.checked,
            }
            self._hub.event(tx, _UPLOADED, self._message.id, facts)

        self._hub.store.write(work)

    def withdraw(self, path: str, mark: str) -> None:
        """See the port."""
        facts = {**self._where(path), "temporary": mark}
        self._hub.store.write(lambda tx: self._hub.event(tx, _WITHDRAWN, self._message.id, facts))

    def left(self, path: str) -> Staged | None:
        """See the port."""
        return self._hub.store.read(lambda view: self._last(view, path, resent=True))

    def appeared(self, path: str) -> bool:
        """See the port."""
        return self._hub.store.read(lambda view: self._last(view, path, resent=False)) is not None

    def _where(self, path: str) -> dict[str, str]:
        return {"delivery": self._delivery.id, "place": self._place, "path": path}

    def _last(self, view: View, path: str, *, resent: bool) -> Staged | None:
        """What was uploaded to a path and not withdrawn; ``resent``: nor sent again by a person since."""
        found: Staged | None = None
        for logged in view.events(self._message.id):
            kind = logged.event.kind
            if kind not in (_UPLOADED, _WITHDRAWN, _RESENT):
                continue
            facts = convert(revealed(logged), _Facts)
            if kind == _RESENT:
                # A person wants it there again: that it was fetched once does not end this.
                if resent and self._delivery.id in facts.deliveries:
                    found = None
            elif (facts.delivery, facts.place, facts.path) == (self._delivery.id, self._place, path):
                old = self._hub.clock() - logged.event.at > KEPT_FOR
                uploaded = kind == _UPLOADED
                found = Staged(facts.temporary, facts.synced, facts.checked, old=old) if uploaded else None
        return found


_: type[Memory] = Remembered
