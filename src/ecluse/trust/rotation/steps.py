"""What is to be done next in a rotation: facts in, the next state and what to do out. Nothing is done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from ecluse.model.basics import Instant
from ecluse.trust.rotation.facts import Place, Rotation, Standing
from ecluse.trust.rotation.states import (
    STAGES,
    PartnerStage,
    RotationState,
    WrongMoment,
    check_move,
    check_stage,
)

__all__ = [
    "BLAMED",
    "HUB_PLACES",
    "Facts",
    "Judged",
    "Moved",
    "Telling",
    "advance",
    "announced_to",
    "judge_receipt",
    "late",
    "revert",
    "switch",
]

_SECOND: Final = 1_000_000

HUB_PLACES: Final[frozenset[Place]] = frozenset({"tls", "host-key"})
"""Where one key is shown to everybody: who comes is known only afterwards."""

BLAMED: Final = frozenset(
    {"authentication-failed", "integrity-check-failed", "insufficient-message-security"}
)
"""What a receipt says (RFC 4130 s7.5.3) where the signature was not verified: the successor is not known there."""
BLAMED_THEIRS: Final = frozenset({"decryption-failed", "authentication-failed", "integrity-check-failed"})
"""The same where we encrypted to a certificate that they can't use."""
BLAMED_ON_TRIAL: Final = frozenset({"unexpected-processing-error", "unexpected processing error"})
"""What some programs say instead. Believed only while nothing of the successor's was accepted since the switch."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the next steps depend on, besides what is kept.

    Attributes:
        now: The moment.
        in_force: The configuration in force accepts both.
        retired: The configuration in force does not use the old one any more.
        concerned: In which places the key is used, by partner that exchanges at present.
        seen: When a partner was first seen to use the successor.
        kept: When its client first took the successor up without using it yet.
    """

    now: Instant
    in_force: bool
    retired: bool
    concerned: Mapping[str, tuple[Place, ...]]
    seen: Mapping[str, Instant] = field(default_factory=dict)
    kept: Mapping[str, Instant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Telling:
    """An event to write: its kind, the partner that it is about (or none), and facts."""

    kind: str
    partner: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moved:
    """What comes of looking at a rotation.

    Attributes:
        rotation: As it stands then.
        standings: The partners that changed.
        tell: Events.
        announce: Partners that are to be told.
        remind: Partners that are to be reminded.
        retire: The old one is to be put out of use.
    """

    rotation: Rotation
    standings: tuple[Standing, ...] = ()
    tell: tuple[Telling, ...] = ()
    announce: tuple[str, ...] = ()
    remind: tuple[str, ...] = ()
    retire: bool = False


def late(rotation: Rotation, standing: Standing, now: Instant) -> bool:
    """Whether a partner should have been switched by now, and could not be."""
    due = standing.switch_at or rotation.switch_at
    return due is not None and due <= now and not standing.switched_now and not rotation.over


def advance(rotation: Rotation, standings: Mapping[str, Standing], facts: Facts) -> Moved:
    """Look at a rotation once. Looking again gives nothing more until a fact changes, or what is to be done was done.

    Args:
        rotation: As it is kept.
        standings: Its partners, by id.
        facts: The rest.
    """
    if rotation.over or rotation.state is RotationState.REQUESTED:
        return Moved(rotation)
    work = _Work(rotation, dict(standings), facts)
    if rotation.state is RotationState.PREPARED and facts.in_force:
        work.move(RotationState.OVERLAP, in_force=facts.now)
        work.say("rotation.overlapped")
    if work.rotation.state is RotationState.PREPARED:
        return Moved(work.rotation)
    work.join()
    work.see()
    for _ in ("the set times", "what these complete"):
        work.show()
        work.switch_due()
    work.settle()
    return work.moved()


class _Work:
    """One look, piece by piece."""

    def __init__(self, rotation: Rotation, standings: dict[str, Standing], facts: Facts) -> None:
        self.rotation = rotation
        self._standings = standings
        self._facts = facts
        self._changed: dict[str, Standing] = {}
        self._tell: list[Telling] = []

    def say(self, kind: str, partner: str = "", **facts: Any) -> None:
        self._tell.append(Telling(kind, partner, facts))

    def move(self, state: RotationState, **fields: Any) -> None:
        check_move(self.rotation.state, state)
        self.rotation = replace(self.rotation, state=state, **fields)

    def _put(self, standing: Standing) -> None:
        self._standings[standing.partner] = self._changed[standing.partner] = standing

    @property
    def _present(self) -> list[Standing]:
        """The partners that it still concerns."""
        return [each for name, each in self._standings.items() if name in self._facts.concerned]

    def join(self) -> None:
        """A partner that exchanges since the rotation began is in it too."""
        for name, places in self._facts.concerned.items():
            known = self._standings.get(name)
            if known is None:
                self._put(Standing(rotation=self.rotation.id, partner=name, places=places))
            elif known.places != places:
                self._put(replace(known, places=places))

    def see(self) -> None:
        """Take up who was seen to keep the successor, or to use it."""
        for standing in self._present:
            first = self._facts.kept.get(standing.partner)
            if first is not None and standing.accepted is None:
                accepted = replace(standing, accepted=first)
                if PartnerStage.ACCEPTED in STAGES[standing.stage]:
                    accepted = replace(
                        accepted, stage=PartnerStage.ACCEPTED, why="Its client keeps the successor."
                    )
                self._put(accepted)
                self.say("rotation.accepted", standing.partner, how="its client keeps it")
        for standing in self._present:
            first = self._facts.seen.get(standing.partner)
            if first is None or standing.seen is not None:
                continue
            if standing.stage in (PartnerStage.SWITCHED, PartnerStage.REVERTED):
                self._put(replace(standing, seen=first))
            else:
                check_stage(standing.stage, PartnerStage.SEEN)
                self._put(
                    replace(standing, stage=PartnerStage.SEEN, seen=first, why="It uses the successor.")
                )
            self.say("rotation.seen", standing.partner)

    def show(self) -> None:
        """Let our listeners show the successor: at the set time, or once everybody has it."""
        rotation = self.rotation
        if rotation.shown is not None or not HUB_PLACES & set(rotation.places) or rotation.policy == "hand":
            return
        coming = [each for each in self._present if HUB_PLACES & set(each.places)]
        has_it = (PartnerStage.ACCEPTED, PartnerStage.SEEN, PartnerStage.SWITCHED)
        at_time = rotation.switch_at is not None and rotation.switch_at <= self._facts.now
        everybody = rotation.policy == "use" and bool(coming) and all(each.stage in has_it for each in coming)
        if at_time or everybody:
            self.rotation = replace(rotation, shown=self._facts.now)
            self.say("rotation.shown", why="the set time" if at_time else "everybody has the successor")

    def switch_due(self) -> None:
        """Switch each partner whose moment has come."""
        now = self._facts.now
        for standing in self._present:
            why = _why_now(self.rotation, standing, now)
            if why:
                self._put(switch(standing, now, why))
                self.say("rotation.switched", standing.partner, why=why)

    def settle(self) -> None:
        """Whether anybody is left, and whether the old one has had its time."""
        rotation, now = self.rotation, self._facts.now
        hidden = bool(HUB_PLACES & set(rotation.places)) and rotation.shown is None
        complete = not hidden and all(each.switched_now for each in self._present)
        if complete and rotation.state in (RotationState.OVERLAP, RotationState.ANNOUNCED):
            self.move(RotationState.COMPLETE, completed=now)
            self.say("rotation.completed", partners=len(self._present))
        elif not complete and rotation.state is RotationState.COMPLETE:
            self.move(RotationState.ANNOUNCED, completed=None)

    def moved(self) -> Moved:
        rotation, now = self.rotation, self._facts.now
        untold = [each.partner for each in self._present if each.stage is PartnerStage.UNTOLD]
        waiting = (PartnerStage.TOLD, PartnerStage.REFUSED)
        remind = [
            each.partner
            for each in self._present
            if each.stage in waiting
            and rotation.remind > 0
            and now >= (each.reminded or each.told or now) + rotation.remind * _SECOND
        ]
        grace = rotation.grace
        retire = (
            rotation.state is RotationState.COMPLETE
            and grace is not None
            and now >= (rotation.completed or now) + grace * _SECOND
        )
        return Moved(
            rotation,
            tuple(self._changed.values()),
            tuple(self._tell),
            tuple(untold) if rotation.state is not RotationState.COMPLETE else (),
            tuple(remind),
            retire,
        )


def _why_now(rotation: Rotation, standing: Standing, now: Instant) -> str:
    """Why a partner is switched at this moment; empty where it is not."""
    stage = standing.stage
    if stage in (PartnerStage.SWITCHED, PartnerStage.REVERTED, PartnerStage.REFUSED, PartnerStage.UNTOLD):
        return ""
    if rotation.shown is not None and set(standing.places) <= HUB_PLACES:
        return "our listeners show the successor"
    if rotation.policy == "use" and set(standing.places) - HUB_PLACES:
        if stage is PartnerStage.SEEN:
            return "it was seen to use the successor"
        if stage is PartnerStage.ACCEPTED:
            return "it accepted the successor"
    due = standing.switch_at or rotation.switch_at
    if due is not None and due <= now and (rotation.policy != "hand" or standing.switch_at is not None):
        return "the set time"
    return ""


def announced_to(standing: Standing, now: Instant, how: str, request: str = "") -> Standing:
    """A partner that was told (again)."""
    stage = standing.stage
    if stage in (PartnerStage.UNTOLD, PartnerStage.REFUSED):
        stage = PartnerStage.TOLD
    return replace(standing, stage=stage, told=now, how=how, request=request or standing.request, why="")


def switch(standing: Standing, now: Instant, why: str) -> Standing:
    """A partner with whom the successor is used from here on. Raises ``rotation.not-now`` where it is already."""
    if standing.switched_now:
        raise WrongMoment(f"{standing.partner} is switched already.")
    check_stage(standing.stage, PartnerStage.SWITCHED)
    return replace(
        standing, stage=PartnerStage.SWITCHED, switched=now, switch_at=None, proven=None, refused=(), why=why
    )


def revert(standing: Standing, now: Instant, why: str) -> Standing:
    """A partner with whom the old one is used again. Raises ``rotation.not-now`` where it was not switched."""
    if not standing.switched_now:
        raise WrongMoment(f"{standing.partner} is not switched.")
    check_stage(standing.stage, PartnerStage.REVERTED)
    return replace(standing, stage=PartnerStage.REVERTED, reverted=now, why=why)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a receipt for something that the successor was used for comes to.

    Attributes:
        standing: The partner's place then; ``None`` where it does not change.
        reverted: It was taken back.
        again: Messages that are to be sealed anew and sent again.
    """

    standing: Standing | None = None
    reverted: bool = False
    again: tuple[str, ...] = ()


MOST_REFUSED: Final = 1000
"""Messages remembered for a partner on trial; more are found by their state."""


def judge_receipt(
    rotation: Rotation, standing: Standing, *, message: str, said: str, positive: bool, now: Instant
) -> Judged:
    """Judge a receipt for a message that the successor was used for.

    Args:
        rotation: The rotation.
        standing: The partner's place.
        message: The message's id.
        said: What a receipt that refuses says (``authentication-failed``).
        positive: The receipt confirms.
        now: The moment.
    """
    if positive:
        if standing.switched_now and standing.proven is None:
            return Judged(replace(standing, proven=now))
        return Judged()
    word = said.lower()
    blamed = BLAMED if rotation.side == "ours" else BLAMED_THEIRS
    if word not in blamed and not (word in BLAMED_ON_TRIAL and standing.proven is None):
        return Judged()
    if standing.stage is PartnerStage.REVERTED:
        return Judged(again=(message,))
    if not standing.switched_now:
        return Judged()
    refused = (*standing.refused, message)[-MOST_REFUSED:]
    if len(refused) < rotation.refusals:
        return Judged(replace(standing, refused=refused))
    why = f"its receipt says {word}"
    return Judged(revert(replace(standing, refused=refused), now, why), True, refused)
