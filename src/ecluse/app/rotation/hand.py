"""What a person decides about a rotation: tell, switch, revert, remind, retire, abandon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from msgspec.structs import replace

from ecluse.app.changes.proposal import Signer
from ecluse.app.rotation.begin import apply_edit
from ecluse.app.rotation.shelf import Shelf, find, write
from ecluse.app.rotation.tend import announce, look, remind, retire
from ecluse.exchange.settle import seal_anew
from ecluse.model.basics import Instant, MessageId
from ecluse.store.port import Conflict, Tx
from ecluse.trust.rotation.facts import Standing
from ecluse.trust.rotation.files import drop_successor, settle_certificate
from ecluse.trust.rotation.states import PartnerStage, RotationState, WrongMoment, check_move
from ecluse.trust.rotation.steps import HUB_PLACES, Telling, revert, switch

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["abandon", "announce_again", "remind_now", "retire_now", "revert_partners", "switch_partners"]

_TRIES: Final = 5
"""Times that a decision is made anew because a serving node looked at the same rotation meanwhile."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


def _tried(work: Callable[_P, _T]) -> Callable[_P, _T]:
    """Read again, and decide again, where somebody else wrote in between."""

    @wraps(work)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        for _ in range(_TRIES - 1):
            with suppress(Conflict):
                return work(*args, **kwargs)
        return work(*args, **kwargs)

    return run


_TELLABLE: Final = (RotationState.OVERLAP, RotationState.ANNOUNCED, RotationState.COMPLETE)


@_tried
def announce_again(node: Node, id: str, partners: Sequence[str], *, actor: str) -> None:
    """Tell partners (all that were not switched, by default), also those who were told before.

    Raises:
        NoSuchRotation: There is none, or a partner is not in it.
        WrongMoment: Both are not accepted yet, or it is over.
    """
    look(node, id)
    shelf = _tellable(node, id)
    chosen = _chosen(shelf, partners, lambda each: not each.switched_now)
    if chosen:
        announce(node, shelf, tuple(each.partner for each in chosen), actor=actor)


@_tried
def remind_now(node: Node, id: str, partners: Sequence[str], *, actor: str) -> list[str]:
    """Write reminders (to all who were told and were not seen to use it, by default); gives to whom.

    Raises as :func:`announce_again` does.
    """
    look(node, id)
    shelf = _tellable(node, id)
    waiting = (PartnerStage.TOLD, PartnerStage.REFUSED, PartnerStage.ACCEPTED)
    chosen = tuple(each.partner for each in _chosen(shelf, partners, lambda each: each.stage in waiting))
    if chosen:
        remind(node, shelf, chosen, actor=actor)
    return list(chosen)


@_tried
def switch_partners(
    node: Node, id: str, partners: Sequence[str], at: Instant | None, *, actor: str, reason: str
) -> None:
    """Use the successor with partners (with all, and on our listeners, by default): now, or from a time on.

    Raises as :func:`announce_again` does; a partner that is named and is switched already is refused.
    """
    look(node, id)
    shelf = _tellable(node, id)
    now = node.hub.clock()
    rotation = shelf.rotation
    if at is not None:
        if partners:
            named = _chosen(shelf, partners, lambda each: True)
            write(node, shelf, standings=[replace(each, switch_at=at) for each in named], actor=actor)
        else:
            write(node, shelf, replace(rotation, switch_at=at), actor=actor)
        look(node, id)
        return
    tellings: list[Telling] = []
    if not partners and HUB_PLACES & set(rotation.places) and rotation.shown is None:
        rotation = replace(rotation, shown=now)
        tellings.append(Telling("rotation.shown", "", {"why": reason}))
    chosen = _chosen(shelf, partners, lambda each: not each.switched_now)
    switched = [switch(each, now, reason) for each in chosen]
    tellings += [Telling("rotation.switched", each.partner, {"why": reason}) for each in switched]
    write(node, shelf, rotation, switched, tellings, actor=actor)
    look(node, id)


@_tried
def revert_partners(node: Node, id: str, partners: Sequence[str], *, actor: str, reason: str) -> None:
    """Use the old key with partners again (with all, and on our listeners, by default).

    What they refused for the successor's sake is sealed anew and sent again.

    Raises as :func:`announce_again` does; a partner that is named and was not switched is refused.
    """
    shelf = _tellable(node, id)
    now = node.hub.clock()
    rotation = shelf.rotation
    tellings: list[Telling] = []
    if not partners and rotation.shown is not None:
        rotation = replace(rotation, shown=None)
        tellings.append(Telling("rotation.hidden", "", {"why": reason}))
    chosen = _chosen(shelf, partners, lambda each: each.switched_now)
    reverted = [revert(each, now, reason) for each in chosen]
    tellings += [Telling("rotation.reverted", each.partner, {"why": reason}) for each in reverted]
    if rotation.state is RotationState.COMPLETE:
        rotation = replace(rotation, state=RotationState.ANNOUNCED, completed=None)
    write(node, shelf, rotation, reverted, tellings, actor=actor)
    _send_again(node, reverted, id)


@_tried
def retire_now(
    node: Node,
    id: str,
    *,
    actor: str,
    reason: str,
    keep: bool = True,
    force: bool = False,
    signer: Signer | None = None,
) -> None:
    """Put the successor in the old key's place.

    Args:
        node: The hub.
        id: The rotation.
        actor: Who.
        reason: Why.
        keep: Leave the old key to decrypt what is still encrypted to it.
        force: Even though partners are left who were not switched.
        signer: Signs the proposal, where the hub has four eyes.

    Raises:
        NoSuchRotation: There is none.
        WrongMoment: Partners are left.
        EcluseError: The configuration can't be changed.
    """
    look(node, id)
    shelf = _tellable(node, id)
    left = [each.partner for each in shelf.standings.values() if not each.switched_now]
    if shelf.rotation.state is not RotationState.COMPLETE and not force:
        raise WrongMoment(
            f"Not everybody uses the successor: {', '.join(left[:10]) or 'our listeners show the old one'}.",
            remedy="Switch them, or retire the old key in spite of them with --force.",
        )
    if shelf.rotation.state is RotationState.OVERLAP:
        raise WrongMoment("Nobody was told yet.")
    retire(node, shelf, actor=actor, reason=reason, keep=keep, signer=signer)


@_tried
def abandon(node: Node, id: str, *, actor: str, reason: str, signer: Signer | None = None) -> None:
    """Keep the old key after all. A successor that partners know stays, to decrypt what they encrypt to it.

    Raises:
        NoSuchRotation: There is none.
        WrongMoment: It is over.
        EcluseError: The configuration can't be changed.
    """
    shelf = find(node, id)
    rotation = shelf.rotation
    check_move(rotation.state, RotationState.ABANDONED)
    now = node.hub.clock()
    told = any(each.told is not None for each in shelf.standings.values())
    reverted = [revert(each, now, reason) for each in shelf.standings.values() if each.switched_now]
    ended = replace(rotation, state=RotationState.ABANDONED, ended=now)
    telling = Telling("rotation.abandoned", "", {"reason": reason})
    if not rotation.over:
        write(node, shelf, ended, reverted, [telling], actor=actor)
        _send_again(node, reverted, id)
    if rotation.side == "theirs":
        apply_edit(
            node,
            lambda files: settle_certificate(
                files, rotation.partner, *rotation.files, keep=rotation.files[0]
            ),
            actor=actor,
            reason=f"the rotation {id} was abandoned: {reason}",
            signer=signer,
        )
    elif rotation.state is not RotationState.REQUESTED:
        apply_edit(
            node,
            lambda files: drop_successor(files, rotation.old, rotation.new, keep=told),
            actor=actor,
            reason=f"the rotation {id} was abandoned: {reason}",
            signer=signer,
        )


def _send_again(node: Node, reverted: Sequence[Standing], id: str) -> None:
    for standing in reverted:
        for message in standing.refused:
            why = f"rotation {id}: taken back"
            node.store.write(partial(_again, node, MessageId(message), why))


def _again(node: Node, message: MessageId, why: str, tx: Tx) -> None:
    seal_anew(node.hub, tx, message, why)


def _tellable(node: Node, id: str) -> Shelf:
    shelf = find(node, id)
    if shelf.rotation.state not in _TELLABLE:
        raise WrongMoment(f"The rotation {id} is {shelf.rotation.state.value}.")
    return shelf


def _chosen(shelf: Shelf, partners: Sequence[str], usual: Callable[[Standing], bool]) -> list[Standing]:
    """Those that are named, or those for whom ``usual`` holds."""
    if partners:
        return [shelf.standing(name) for name in dict.fromkeys(partners)]
    return [each for each in shelf.standings.values() if usual(each)]
