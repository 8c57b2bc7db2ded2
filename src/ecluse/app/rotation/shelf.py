"""A rotation with its partners, read at one moment and written as one; with what they amount to by then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Hub
from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.trust.rotation.choices import SETTING
from ecluse.trust.rotation.facts import KIND as ROTATION
from ecluse.trust.rotation.facts import (
    Rotation,
    Standing,
    read_rotation,
    read_standing,
    rotation_record,
    standing_record,
    standing_records,
)
from ecluse.trust.rotation.steps import Telling

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["NoSuchRotation", "Shelf", "find", "load", "mark", "tell", "write"]


class NoSuchRotation(EcluseError):
    """No rotation has that id, or a partner is in none."""

    code = "rotation.unknown"
    fault = Fault.USAGE
    remedy = "Look at `ecluse rotate list`."


@dataclass(frozen=True, slots=True)
class Shelf:
    """A rotation as it was read.

    Attributes:
        rotation: The rotation.
        standings: Its partners, by id.
    """

    rotation: Rotation
    standings: Mapping[str, Standing]
    _records: Mapping[str, Record]

    def standing(self, partner: str) -> Standing:
        """A partner's place. Raises :class:`NoSuchRotation`."""
        found = self.standings.get(partner)
        if found is None:
            raise NoSuchRotation(f"{partner} is not in the rotation {self.rotation.id}.")
        return found

    def save(
        self, tx: Tx, now: Instant, rotation: Rotation | None = None, standings: Iterable[Standing] = ()
    ) -> None:
        """Write what changed.

        Raises:
            Conflict: Somebody else wrote one of them since it was read: nothing is written.
        """
        if rotation is not None and rotation != self.rotation:
            tx.replace_record(self._records[""], rotation_record(rotation, now))
        for standing in standings:
            before = self._records.get(standing.partner)
            record = standing_record(standing, now)
            if before is None:
                tx.add_record(record)
            else:
                tx.replace_record(before, record)


def load(view: View, id: str) -> Shelf | None:
    """A rotation with its partners."""
    record = view.record(ROTATION, id)
    if record is None:
        return None
    records = {each.owner: each for each in standing_records(view, id)}
    standings = {name: read_standing(each) for name, each in records.items()}
    return Shelf(read_rotation(record), standings, {"": record, **records})


def find(node: Node, id: str) -> Shelf:
    """The same of a node. Raises :class:`NoSuchRotation`."""
    found = node.store.read(lambda view: load(view, id))
    if found is None:
        raise NoSuchRotation(f"There is no rotation {id}.")
    return found


def mark(hub: Hub, tx: Tx) -> None:
    """Let every node read the choices again."""
    tx.put_setting(SETTING, hub.new_id("k").encode())


def tell(hub: Hub, tx: Tx, rotation: Rotation, tellings: Iterable[Telling], *, actor: str = "hub") -> None:
    """Write events, about the rotation."""
    for each in tellings:
        facts: dict[str, Any] = {**({"partner": each.partner} if each.partner else {}), **each.facts}
        hub.event(tx, each.kind, f"rotation:{rotation.id}", facts, actor=actor)


def write(
    node: Node,
    shelf: Shelf,
    rotation: Rotation | None = None,
    standings: Iterable[Standing] = (),
    tellings: Iterable[Telling] = (),
    *,
    actor: str = "hub",
) -> None:
    """Write what changed with its events, in one transaction, and have every node take it up.

    Raises:
        Conflict: Somebody else wrote one of them since it was read: nothing is written.
    """
    kept = tuple(standings)
    told = tuple(tellings)

    def work(tx: Tx) -> None:
        shelf.save(tx, node.hub.clock(), rotation, kept)
        tell(node.hub, tx, rotation or shelf.rotation, told, actor=actor)
        mark(node.hub, tx)

    node.store.write(work)
    node.reload()
