"""How we came to know a partner: who made sure of it and how, the card that it sent, and an open invitation.

A key that comes along with a name proves nothing about the name. What does is a person who called a number known
from before, met somebody, or checked a certificate of an authority that had; which of them it was, when, and with
whom, is kept in the partner's file and in the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta

from ecluse.model.basics import Instant
from ecluse.trust.errors import Problem
from ecluse.trust.settings.fields import Moment, Name, Strict, instant_from

__all__ = ["PROVEN", "HeldCard", "Invitation", "Level", "Verification", "verification_problems"]

Level = Literal["none", "trust-on-first-use", "call-back", "in-person", "qualified-certificate"]

PROVEN: Final[frozenset[str]] = frozenset({"call-back", "in-person", "qualified-certificate"})
"""Levels that make a partner verified: somebody else than the sender of the keys vouches for them."""

_Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", extra={"expected": "a SHA-256 digest of 64 digits"})]
_Key = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=$", extra={"expected": "an Ed25519 public key in base 64"})
]
_Text = Annotated[str, Meta(min_length=1, max_length=2000, extra={"expected": "a text"})]


class Verification(Strict, frozen=True, kw_only=True, omit_defaults=True, rename={"with_": "with"}):
    """How a partner's identity was made sure of.

    Attributes:
        level: How: a call to a number known from before, a meeting, a certificate of an authority that looked;
            trust-on-first-use and none are not verified.
        at: When.
        by: Who of us.
        with_: Whom they spoke to or met.
        evidence: What shows it.
        card: SHA-256 of the card that was compared.
        phrase: The phrase that was compared.
    """

    level: Level
    at: Moment
    by: Name
    with_: Name | None = None
    evidence: _Text | None = None
    card: _Digest | None = None
    phrase: Name | None = None


class HeldCard(Strict, frozen=True, kw_only=True, omit_defaults=True):
    """The last card that was taken from a partner: the next one is compared with it.

    Attributes:
        digest: SHA-256 of what it says.
        serial: Its number; later cards have higher ones, and 0 is one of the first format.
        log_key: The key that signed it, and that signs the partner's log.
        log_origin: Name of that log.
        taken: When.
    """

    digest: _Digest
    serial: Annotated[int, Meta(ge=0, le=(1 << 62), extra={"expected": "a whole number"})]
    log_key: _Key
    log_origin: Name
    taken: Moment


class Invitation(Strict, frozen=True, kw_only=True, omit_defaults=True):
    """An invitation that was not answered yet.

    Attributes:
        id: Its name, which the answer repeats; it is good for one answer.
        sent: When it was made.
        until: The last day for an answer.
        by: Who of us invited.
    """

    id: Annotated[str, Meta(pattern=r"^[a-z0-9]{8,64}$", extra={"expected": "an id of letters and digits"})]
    sent: Moment
    until: Moment
    by: Name


def verification_problems(
    file: str,
    verification: Verification | None,
    card: HeldCard | None,
    invitation: Invitation | None,
) -> Iterator[Problem]:
    """Everything wrong with these tables of a partner's file."""
    moments: list[tuple[str, str]] = []
    if verification is not None:
        moments.append(("verification.at", verification.at))
    if card is not None:
        moments.append(("card.taken", card.taken))
    if invitation is not None:
        moments += [("invitation.sent", invitation.sent), ("invitation.until", invitation.until)]
    for field, moment in moments:
        if not _is_moment(moment):
            yield Problem("config.bad-value", file, field, "There is no such day.", "Write a real date.")
    if verification is None:
        return
    needed = {"call-back": "with", "in-person": "with", "qualified-certificate": "evidence"}
    needed["trust-on-first-use"] = "evidence"
    field = needed.get(verification.level, "")
    if field and getattr(verification, "with_" if field == "with" else field) is None:
        yield Problem(
            "config.missing-field",
            file,
            f"verification.{field}",
            f"The level {verification.level} says nothing without it.",
            "Say whom you spoke to." if field == "with" else "Say what shows it, or why it was not checked.",
        )


def _is_moment(moment: str) -> Instant | None:
    try:
        return instant_from(moment) or Instant(1)
    except (ValueError, OverflowError):
        return None
