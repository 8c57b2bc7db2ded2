"""The recurring look at rotations: what is next is done, partner by partner, by whichever node looks first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from ecluse.app.rotation.announce import write_letters
from ecluse.app.rotation.begin import apply_edit
from ecluse.app.rotation.shelf import Shelf, load, write
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant, PartnerId
from ecluse.store.port import Conflict, View
from ecluse.trust.rotation.facts import Place, Rotation, open_rotations
from ecluse.trust.rotation.files import accepts_both, concerned, put_in_place, uses_old
from ecluse.trust.rotation.states import RotationState
from ecluse.trust.rotation.steps import Facts, Telling, advance, announced_to
from ecluse.trust.sightings import Seen, sightings_of

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["look", "rotation_work", "tend"]

LOOK_EVERY: Final = 5
"""Seconds between two looks: what a partner is seen to use is acted upon this soon, and sightings take two more."""
_LOOKS: Final = 8
"""Looks in a row, each after the last one changed something: a rotation has fewer states."""

_log = structlog.get_logger("ecluse.rotation")


def rotation_work(node: Node) -> Recurring:
    """What a serving node does for rotations."""
    return Recurring("rotations.tend", Every(LOOK_EVERY), lambda context: tend(node, context))


def tend(node: Node, context: JobContext | None = None) -> None:
    """Look at every rotation that is under way."""
    for rotation in node.store.read(open_rotations):
        if context is not None:
            context.check()
        try:
            look(node, rotation.id)
        except Conflict:
            pass  # another node, or a receipt, was first: the next look sees what came of it
        except EcluseError as error:
            _log.warning("rotation waits", rotation=rotation.id, **error.as_dict())


def look(node: Node, id: str) -> None:
    """Do what is next in one rotation, until nothing is.

    Raises:
        Conflict: Somebody else wrote meanwhile; what was done is kept.
        EcluseError: A step can't be done.
    """
    node.reload()
    for _ in range(_LOOKS):
        shelf = node.store.read(lambda view: load(view, id))
        if shelf is None or shelf.rotation.over or not _once(node, shelf):
            return


def _once(node: Node, shelf: Shelf) -> bool:
    """One look; whether anything changed."""
    moved = advance(shelf.rotation, shelf.standings, _facts(node, shelf))
    rotation = moved.rotation
    changed = {each.partner: each for each in moved.standings}
    if rotation != shelf.rotation or changed:
        write(node, shelf, rotation, changed.values(), moved.tell)
        return True
    if moved.announce:
        announce(node, shelf, moved.announce)
        return True
    if rotation.state is RotationState.OVERLAP:
        now = node.hub.clock()
        announced = replace(rotation, state=RotationState.ANNOUNCED, announced=now)
        write(node, shelf, announced)
        return True
    if moved.remind:
        remind(node, shelf, moved.remind)
        return True
    if moved.retire:
        retire(node, shelf, actor="hub", reason="everybody was switched, and the time of grace is over")
        return True
    return False


def announce(node: Node, shelf: Shelf, partners: tuple[str, ...], *, actor: str = "hub") -> None:
    """Tell partners of the successor."""
    standings = [shelf.standing(partner) for partner in partners]
    write_letters(node, shelf.rotation, standings, reminder=False)
    now = node.hub.clock()
    told = [announced_to(each, now, "letter") for each in standings]
    tellings = [Telling("rotation.announced", each.partner, {"how": each.how}) for each in told]
    write(node, shelf, standings=told, tellings=tellings, actor=actor)


def remind(node: Node, shelf: Shelf, partners: tuple[str, ...], *, actor: str = "hub") -> None:
    """Write partners a reminder."""
    standings = [shelf.standing(partner) for partner in partners]
    write_letters(node, shelf.rotation, standings, reminder=True)
    now = node.hub.clock()
    reminded = [replace(each, reminded=now, reminders=each.reminders + 1) for each in standings]
    tellings = [Telling("rotation.reminded", each.partner, {"number": each.reminders}) for each in reminded]
    write(node, shelf, standings=reminded, tellings=tellings, actor=actor)


def retire(node: Node, shelf: Shelf, *, actor: str, reason: str, keep: bool = True) -> None:
    """Put the successor in the old key's place.

    Raises:
        EcluseError: The configuration can't be changed, or the change waits for a second person; the rotation ends by
            itself once it is in force.
    """
    rotation = shelf.rotation
    if uses_old(node.directory.configuration, rotation.old):
        apply_edit(
            node,
            lambda files: put_in_place(files, rotation.old, rotation.new, keep=keep),
            actor=actor,
            reason=f"{rotation.new} takes the place of {rotation.old}: {reason}",
        )
    now = node.hub.clock()
    ended = replace(rotation, state=RotationState.RETIRED, ended=now)
    telling = Telling("rotation.retired", "", {"old": rotation.old, "reason": reason})
    write(node, shelf, ended, tellings=[telling], actor=actor)


def _facts(node: Node, shelf: Shelf) -> Facts:
    rotation, configuration = shelf.rotation, node.directory.configuration
    places: Mapping[str, tuple[Place, ...]]
    if rotation.side == "ours":
        in_force = accepts_both(configuration, rotation.old, rotation.new)
        places = concerned(configuration, rotation.old)
        retired = not uses_old(configuration, rotation.old)
    else:
        in_force, places, retired = True, {rotation.partner: ("as2",)}, False
    if retired and shelf.standings:
        places = {name: each.places for name, each in shelf.standings.items()}
    seen, kept = _seen(node, shelf, places)
    return Facts(node.hub.clock(), in_force, retired, places, seen, kept)


def _seen(
    node: Node, shelf: Shelf, places: Mapping[str, tuple[Place, ...]]
) -> tuple[dict[str, Instant], dict[str, Instant]]:
    """Who was first seen to use the successor, and to keep it, among those of whom it is not known yet."""
    open_ones = [
        partner
        for partner in places
        if (standing := shelf.standings.get(partner)) is None or standing.seen is None
    ]
    used: dict[str, Instant] = {}
    kept: dict[str, Instant] = {}
    if not open_ones:
        return used, kept

    def read(view: View) -> None:
        for partner in open_ones:
            settings = node.directory.partner(partner).settings
            # Whoever knows our certificate can encrypt to it: only what came signed says who did.
            signs = settings.as2 is not None and settings.as2.require_signed
            seen = Seen(sightings_of(view, PartnerId(partner)))
            roles = _OURS if shelf.rotation.side == "ours" else _THEIRS
            for found, wanted in ((used, roles), (kept, _KEPT)):
                first = _first(shelf.rotation, seen, [role for role in wanted if signs or role != _DECRYPT])
                if first is not None:
                    found[partner] = first

    node.store.read(read)
    return used, kept


_DECRYPT: Final = ("as2", "decrypt")
_OURS: Final = (_DECRYPT, ("account-sftp", "host-key"), ("sftp", "user-key"))
_KEPT: Final = (("account-sftp", "host-key-kept"),)
_THEIRS: Final = (("as2", "verify"), ("as2", "mdn-verify"))


def _first(rotation: Rotation, seen: Seen, roles: Sequence[tuple[str, str]]) -> Instant | None:
    """When the successor was first seen in one of these channels and roles."""
    names = {rotation.fingerprint, rotation.ssh} - {""}
    moments = [
        each.first for channel, role in roles for each in seen.values(channel, role) if each.value in names
    ]
    return min(moments, default=None)
