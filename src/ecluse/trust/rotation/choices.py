"""Which of two keys is used for whom, while a rotation is under way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ecluse.store.port import View
from ecluse.trust.rotation.facts import open_rotations, rotations_in, standings
from ecluse.trust.rotation.states import PartnerStage, RotationState

__all__ = ["NOBODY", "SETTING", "Choices", "in_turn", "load_choices"]

SETTING: Final = "rotations.changed"
"""Setting in the store that changes with the choices, so that every node reads them again."""

_EMPTY: Final[Mapping[str, frozenset[str]]] = MappingProxyType({})
_NONE: Final[frozenset[str]] = frozenset()


def _empty() -> Mapping[str, frozenset[str]]:
    return _EMPTY


@dataclass(frozen=True, slots=True)
class Choices:
    """For whom a successor is used; for all others, what it succeeds.

    Without a word here, the old key is used: a hub whose records were lost is one that has switched nobody.

    Attributes:
        ours: Names of the successors that are used with a partner, by partner.
        theirs: SHA-256 of the certificates of theirs that we encrypt to in place of what they succeed, by partner.
        shown: Names of the successors that our listeners show.
        offered: Names of the successors that may be tried first where both can be: partners were told of them.
        watched: Rotations under way or abandoned, by the SHA-256 of the successor's certificate: a receipt for what it
            was used for counts for the rotation.
        trial: (rotation, partner) of those that are switched, and of whom no receipt has proven the successor yet.
        on_trial: The partners among them.
    """

    ours: Mapping[str, frozenset[str]] = field(default_factory=_empty)
    theirs: Mapping[str, frozenset[str]] = field(default_factory=_empty)
    shown: frozenset[str] = _NONE
    offered: Mapping[str, frozenset[str]] = field(default_factory=_empty)
    watched: Mapping[str, str] = field(default_factory=dict)
    trial: frozenset[tuple[str, str]] = frozenset()
    on_trial: frozenset[str] = _NONE

    def ours_for(self, partner: str) -> frozenset[str]:
        """Names of the successors that are used with a partner."""
        return self.ours.get(partner, _NONE)

    def proven_for(self, partner: str) -> frozenset[str]:
        """Those of them that a receipt of the partner's has proven."""
        return frozenset(name for name in self.ours_for(partner) if (name, partner) not in self.trial)

    def theirs_for(self, partner: str) -> frozenset[str]:
        """SHA-256 of the certificates of a partner's that are encrypted to before their predecessors."""
        return self.theirs.get(partner, _NONE)

    def offered_to(self, partner: str) -> frozenset[str]:
        """Names of the successors that a partner's server is offered first."""
        return self.offered.get(partner, _NONE)


def in_turn(
    names: tuple[str, ...], succeeds: Mapping[str, Collection[str]], chosen: Collection[str]
) -> tuple[str, ...]:
    """The names in order, but successors that were chosen first, and those that wait for it behind all others.

    Args:
        names: In order of preference.
        succeeds: What each successor is to succeed. Where none of that is among the names, it waits for nothing.
        chosen: Successors whose turn it is.
    """
    first = [name for name in names if name in chosen and name in succeeds]
    behind = [
        name for name in names if name not in first and any(old in names for old in succeeds.get(name, ()))
    ]
    return (*first, *(name for name in names if name not in first and name not in behind), *behind)


NOBODY: Final = Choices()
"""No rotation is under way, or nobody is switched."""

_OFFERED: Final = (
    PartnerStage.TOLD,
    PartnerStage.ACCEPTED,
    PartnerStage.SEEN,
    PartnerStage.SWITCHED,
)


def load_choices(view: View) -> Choices:
    """As the records have it."""
    ours: dict[str, set[str]] = {}
    theirs: dict[str, set[str]] = {}
    offered: dict[str, set[str]] = {}
    shown: set[str] = set()
    watched: dict[str, str] = {}
    trial: set[tuple[str, str]] = set()
    for ended in rotations_in(view, RotationState.ABANDONED):
        if ended.fingerprint:
            watched[ended.fingerprint] = ended.id
    rotations = open_rotations(view)
    for rotation in rotations:
        if rotation.fingerprint:
            watched[rotation.fingerprint] = rotation.id
        if rotation.shown is not None:
            shown.add(rotation.new)
        chosen = ours if rotation.side == "ours" else theirs
        for standing in standings(view, rotation.id, stage=PartnerStage.SWITCHED):
            chosen.setdefault(standing.partner, set()).add(rotation.new)
            if standing.proven is None:
                trial.add((rotation.id, standing.partner))
        if "user-key" in rotation.places:
            for stage in _OFFERED:
                for standing in standings(view, rotation.id, stage=stage):
                    offered.setdefault(standing.partner, set()).add(rotation.new)
    if not watched and not rotations:
        return NOBODY
    return Choices(
        _frozen(ours),
        _frozen(theirs),
        frozenset(shown),
        _frozen(offered),
        MappingProxyType(watched),
        frozenset(trial),
        frozenset(partner for _, partner in trial),
    )


def _frozen(sets: dict[str, set[str]]) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({name: frozenset(values) for name, values in sets.items()})
