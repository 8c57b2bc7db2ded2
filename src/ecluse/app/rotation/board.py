"""The campaign's board: every partner's state in a rotation, in words and for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from ecluse.app.rotation.announce import letters_folder
from ecluse.app.rotation.shelf import Shelf, find
from ecluse.model.basics import Instant, iso
from ecluse.store.port import View
from ecluse.trust.rotation.facts import Rotation, Standing, every_rotation, standings
from ecluse.trust.rotation.steps import late

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["board", "rotation_list"]

_MOMENTS: Final = ("told", "accepted", "seen", "switched", "proven", "reverted", "reminded", "switch_at")


def rotation_list(node: Node, *, everything: bool = False) -> list[dict[str, Any]]:
    """Rotations, those that did not end first."""
    now = node.hub.clock()

    def read(view: View) -> list[tuple[Rotation, list[Standing]]]:
        return [
            (each, list(standings(view, each.id)))
            for each in every_rotation(view)
            if everything or not each.over
        ]

    found = node.store.read(read)
    found.sort(key=lambda pair: (pair[0].over, -pair[0].begun))
    return [_rotation(rotation, places, now) for rotation, places in found]


def board(node: Node, id: str) -> dict[str, Any]:
    """A rotation with every partner. Raises :class:`~ecluse.app.rotation.shelf.NoSuchRotation`."""
    shelf: Shelf = find(node, id)
    now = node.hub.clock()
    rotation = shelf.rotation
    return {
        **_rotation(rotation, list(shelf.standings.values()), now),
        "letters": str(letters_folder(node, rotation)),
        "partners": [_standing(rotation, each, now) for each in shelf.standings.values()],
    }


def _rotation(rotation: Rotation, places: list[Standing], now: Instant) -> dict[str, Any]:
    stages = Counter(each.stage.value for each in places)
    return {
        "id": rotation.id,
        "side": rotation.side,
        "partner": rotation.partner or None,
        "old": rotation.old,
        "new": rotation.new,
        "certificate_sha256": rotation.fingerprint or None,
        "ssh": rotation.ssh or None,
        "places": list(rotation.places),
        "state": rotation.state.value,
        "policy": rotation.policy,
        "begun": iso(rotation.begun),
        "by": rotation.actor,
        "reason": rotation.reason,
        "switch_at": _moment(rotation.switch_at),
        "in_force": _moment(rotation.in_force),
        "announced": _moment(rotation.announced),
        "shown": _moment(rotation.shown),
        "completed": _moment(rotation.completed),
        "ended": _moment(rotation.ended),
        "late": sum(late(rotation, each, now) for each in places),
        "stages": dict(sorted(stages.items())),
    }


def _standing(rotation: Rotation, standing: Standing, now: Instant) -> dict[str, Any]:
    return {
        "partner": standing.partner,
        "state": standing.stage.value,
        "late": late(rotation, standing, now),
        "places": list(standing.places),
        **{name: _moment(getattr(standing, name)) for name in _MOMENTS},
        "told_by": standing.how or None,
        "reminders": standing.reminders,
        "refused": len(standing.refused),
        "why": standing.why,
    }


def _moment(instant: Instant | None) -> str | None:
    return None if instant is None else iso(instant)
