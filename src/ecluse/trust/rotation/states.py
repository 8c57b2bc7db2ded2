"""The life of a rotation, and of one partner within it, as tables.

A rotation is ``requested`` while an authority makes the successor's certificate, ``prepared`` once the successor can be
used, in ``overlap`` as soon as the configuration in force accepts both, ``announced`` when partners were told. It is
``complete`` when nobody is left with the old one, and ``retired`` when the old one is out of use, a while after that.
``abandoned``: the old one stays.

A partner is ``untold``, then ``told``; it may have ``accepted`` (or ``refused``) the successor in so many words, and is
``seen`` once it uses it. It is ``switched`` when the successor is what we use with it, and ``reverted`` when that was
taken back: by a person, or because its receipts said that it does not know the successor.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ecluse.errors import EcluseError, Fault

__all__ = [
    "ENDED",
    "MOVES",
    "STAGES",
    "PartnerStage",
    "RotationState",
    "WrongMoment",
    "check_move",
    "check_stage",
]


class RotationState(StrEnum):
    """Where a rotation is."""

    REQUESTED = "requested"
    PREPARED = "prepared"
    OVERLAP = "overlap"
    ANNOUNCED = "announced"
    COMPLETE = "complete"
    RETIRED = "retired"
    ABANDONED = "abandoned"


class PartnerStage(StrEnum):
    """Where one partner is in a rotation."""

    UNTOLD = "untold"
    TOLD = "told"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SEEN = "seen"
    SWITCHED = "switched"
    REVERTED = "reverted"


_R, _P = RotationState, PartnerStage

MOVES: Final[dict[RotationState, frozenset[RotationState]]] = {
    _R.REQUESTED: frozenset({_R.PREPARED, _R.ABANDONED}),
    _R.PREPARED: frozenset({_R.OVERLAP, _R.ABANDONED}),
    _R.OVERLAP: frozenset({_R.ANNOUNCED, _R.COMPLETE, _R.ABANDONED}),
    _R.ANNOUNCED: frozenset({_R.COMPLETE, _R.RETIRED, _R.ABANDONED}),
    _R.COMPLETE: frozenset({_R.ANNOUNCED, _R.RETIRED, _R.ABANDONED}),
    _R.RETIRED: frozenset(),
    _R.ABANDONED: frozenset(),
}
"""A complete one is announced again where a partner was taken back, or another one came."""

STAGES: Final[dict[PartnerStage, frozenset[PartnerStage]]] = {
    _P.UNTOLD: frozenset({_P.TOLD, _P.ACCEPTED, _P.REFUSED, _P.SEEN, _P.SWITCHED}),
    _P.TOLD: frozenset({_P.ACCEPTED, _P.REFUSED, _P.SEEN, _P.SWITCHED}),
    _P.ACCEPTED: frozenset({_P.REFUSED, _P.SEEN, _P.SWITCHED}),
    _P.REFUSED: frozenset({_P.TOLD, _P.ACCEPTED, _P.SEEN, _P.SWITCHED}),
    _P.SEEN: frozenset({_P.SWITCHED}),
    _P.SWITCHED: frozenset({_P.REVERTED}),
    _P.REVERTED: frozenset({_P.SWITCHED}),
}
"""Only a person moves what was taken back: whatever took it back would do so again."""

ENDED: Final = frozenset({_R.RETIRED, _R.ABANDONED})


class WrongMoment(EcluseError):
    """A rotation, or a partner within it, is not where a step begins."""

    code = "rotation.not-now"
    fault = Fault.USAGE
    remedy = "Look at it with `ecluse rotate show`, and choose a step that fits."


def check_move(before: RotationState, after: RotationState) -> None:
    """Raise :class:`WrongMoment` unless the table allows it (staying put is allowed)."""
    if before is not after and after not in MOVES[before]:
        raise WrongMoment(f"A rotation that is {before.value} can't become {after.value}.")


def check_stage(before: PartnerStage, after: PartnerStage) -> None:
    """The same for a partner."""
    if before is not after and after not in STAGES[before]:
        raise WrongMoment(f"A partner that is {before.value} can't become {after.value}.")
