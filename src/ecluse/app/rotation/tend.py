"""The recurring look at rotations: what is next is done, partner by partner, by whichever node looks first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from ecluse.app.changes.gate import ChangeHeld
from ecluse.app.changes.proposal import KIND as PROPOSAL
from ecluse.app.changes.proposal import Signer
from ecluse.app.rotation.announce import write_letters
from ecluse.app.rotation.begin import apply_edit
from ecluse.app.rotation.exchange import offer, request_id
from ecluse.app.rotation.shelf import Shelf, load, write
from ecluse.app.rotation.theirs import confirm_offer
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant, PartnerId
from ecluse.store.port import Conflict, View
from ecluse.trust.certificates import CertificateSet
from ecluse.trust.rotation.facts import Place, Rotation, Standing, open_rotations
from ecluse.trust.rotation.files import (
    accepts_both,
    concerned,
    put_in_place,
    settle_certificate,
    uses_old,
)
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
        except EcluseError as error:
            _log.warning("rotation waits", rotation=rotation.id, **error.as_dict())


def look(node: Node, id: str) -> None:
    """Do what is next in one rotation, until nothing is.

    Raises:
        EcluseError: A step can't be done.
    """
    node.reload()
    for _ in range(_LOOKS):
        shelf = node.store.read(lambda view: load(view, id))
        with suppress(Conflict):  # another node, or a receipt, was first: what came of it is read
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
        return _retire_in_time(node, shelf)
    return False


def _retire_in_time(node: Node, shelf: Shelf) -> bool:
    """Retire the old key at its time; whether that was done.

    Where the hub has four eyes it is proposed once. Who refuses that, or takes it back, is not asked again.
    """
    rotation = shelf.rotation
    asked = node.store.read(lambda view: view.record(PROPOSAL, rotation.asked)) if rotation.asked else None
    if asked is not None and asked.state in ("pending", "refused", "withdrawn"):
        return False
    try:
        retire(node, shelf, actor="hub", reason="everybody was switched, and the time of grace is over")
    except ChangeHeld as held:
        _log.info("rotation waits for a second person", rotation=rotation.id, change=held.proposal.id)
        write(node, shelf, replace(rotation, asked=held.proposal.id))
        return False
    return True


def announce(node: Node, shelf: Shelf, partners: tuple[str, ...], *, actor: str = "hub") -> None:
    """Tell partners of the successor; of one of theirs, that it is in force here.

    It is written down before a message goes out: of two nodes that look at once, one sends.
    """
    rotation, now = shelf.rotation, node.hub.clock()
    standings = [shelf.standing(partner) for partner in partners]
    if rotation.side == "theirs":
        told = [announced_to(each, now, "message" if rotation.request else "") for each in standings]
    else:
        write_letters(node, rotation, standings, reminder=False)
        told = [
            announced_to(each, now, "message", request_id(node))
            if _exchanges(node, each)
            else announced_to(each, now, "letter")
            for each in standings
        ]
    tellings = [Telling("rotation.announced", each.partner, {"how": each.how}) for each in told]
    write(node, shelf, standings=told, tellings=tellings, actor=actor)
    for each in told:
        try:
            if rotation.side == "theirs":
                confirm_offer(node, rotation)
            elif each.how == "message":
                offer(node, rotation, each)
        except EcluseError as error:
            _log.warning("not told by message", rotation=rotation.id, partner=each.partner, **error.as_dict())


def _exchanges(node: Node, standing: Standing) -> bool:
    """Whether a partner is told by a certificate exchange message."""
    as2 = node.directory.partner(standing.partner).settings.as2
    return as2 is not None and as2.certificate_exchange and as2.url is not None and "as2" in standing.places


def remind(node: Node, shelf: Shelf, partners: tuple[str, ...], *, actor: str = "hub") -> None:
    """Write partners a reminder."""
    standings = [shelf.standing(partner) for partner in partners]
    write_letters(node, shelf.rotation, standings, reminder=True)
    now = node.hub.clock()
    reminded = [replace(each, reminded=now, reminders=each.reminders + 1) for each in standings]
    tellings = [Telling("rotation.reminded", each.partner, {"number": each.reminders}) for each in reminded]
    write(node, shelf, standings=reminded, tellings=tellings, actor=actor)


def retire(
    node: Node, shelf: Shelf, *, actor: str, reason: str, keep: bool = True, signer: Signer | None = None
) -> None:
    """Put the successor in the old key's place.

    Raises:
        EcluseError: The configuration can't be changed, or the change waits for a second person; the rotation ends by
            itself once it is in force.
    """
    rotation = shelf.rotation
    if rotation.side == "theirs":
        apply_edit(
            node,
            lambda files: settle_certificate(
                files, rotation.partner, *rotation.files, keep=rotation.files[1]
            ),
            actor=actor,
            reason=f"{rotation.partner} uses its new certificate: {reason}",
            signer=signer,
        )
    elif uses_old(node.directory.configuration, rotation.old):
        apply_edit(
            node,
            lambda files: put_in_place(files, rotation.old, rotation.new, keep=keep),
            actor=actor,
            reason=f"{rotation.new} takes the place of {rotation.old}: {reason}",
            signer=signer,
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
        certificates = configuration.certificates.get(PartnerId(rotation.partner), CertificateSet())
        in_force = any(entry.info.fingerprint == rotation.new for entry in certificates.entries)
        partner = configuration.partners.get(PartnerId(rotation.partner))
        active = partner is not None and partner.state == "active"
        places, retired = {rotation.partner: ("as2",)} if active else {}, False
    if retired and shelf.standings:
        present = configuration.partners
        places = {name: each.places for name, each in shelf.standings.items() if PartnerId(name) in present}
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
