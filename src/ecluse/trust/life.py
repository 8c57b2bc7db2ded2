"""The life of a partner.

    invited ──► verified ──► active ◄──► suspended
       │            │           │            │
       └────────────┴───────────┴────────────┴──► retired

A partner is *invited* when we wrote to them, *verified* when somebody made sure of who they are, *active* while
documents are exchanged, *suspended* while they are not for a time, and *retired* for good: one that comes back is a
new partner, made sure of anew. Its state stands in its file, so every change of it is a version of the
configuration, with who and why, and an event of its own. A partner that is new may stand anywhere: it was here
before this hub was.

Documents are exchanged with nobody whose identity nobody looked at: an invited partner becomes active only with
``[verification]`` in its file, be it one that says by name that it is trusted on first use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ecluse.model.basics import PartnerId
from ecluse.trust.configuration import Configuration
from ecluse.trust.errors import Problem
from ecluse.trust.settings.fields import PartnerState
from ecluse.trust.settings.schema import Partner
from ecluse.trust.verification import PROVEN

__all__ = ["GONE", "MOVES", "Fact", "life_facts", "life_problems"]

MOVES: Final[Mapping[PartnerState, frozenset[PartnerState]]] = MappingProxyType(
    {
        "invited": frozenset({"verified", "active", "retired"}),
        "verified": frozenset({"invited", "active", "retired"}),
        "active": frozenset({"suspended", "retired"}),
        "suspended": frozenset({"active", "invited", "verified", "retired"}),
        "retired": frozenset(),
    }
)
"""From which state to which others."""

GONE: Final = "none"
"""In events: the partner has no file (yet, or any more)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a version of the configuration means for one partner: an event to be written with it.

    Attributes:
        kind: ``partner.state-changed``, ``partner.verified``, ``partner.invited``, ``partner.card-taken``.
        partner: Whose.
        data: The event's own facts.
    """

    kind: str
    partner: PartnerId
    data: Mapping[str, Any]


def life_problems(old: Configuration | None, new: Configuration) -> Iterator[Problem]:
    """Moves that a partner can't make, from what is in force to what would be."""
    for id, partner in new.partners.items():
        before = old.partners.get(id) if old is not None else None
        file = f"partners/{id}.toml"
        if before is None:
            # A first version is history written down; afterwards a new partner keeps to the rules.
            if old is not None and partner.state == "verified":
                yield from _unverified(file, partner)
            continue
        if partner.state == before.state:
            continue
        if partner.state not in MOVES[before.state]:
            allowed = ", ".join(sorted(MOVES[before.state]))
            yield Problem(
                "partner.illegal-move",
                file,
                "state",
                f"A partner that is {before.state} does not become {partner.state}.",
                f"From {before.state} it can become: {allowed}."
                if allowed
                else "A retired partner does not come back: make a new one, under another id.",
            )
        elif partner.state == "verified":
            yield from _unverified(file, partner)
        elif partner.state == "active" and before.state == "invited" and not _looked_at(partner):
            yield Problem(
                "partner.not-verified",
                file,
                "state",
                "Nobody has made sure of this partner's identity.",
                f"Run `ecluse partner verify {id}`, or say by name with --trust-on-first-use that nobody will.",
            )


def life_facts(old: Configuration | None, new: Configuration) -> Iterator[Fact]:
    """What changes in the lives of partners, in order of partner; each is an event of its own."""
    for id in sorted({*new.partners, *(old.partners if old is not None else ())}):
        before = old.partners.get(id) if old is not None else None
        after = new.partners.get(id)
        was = before.state if before is not None else GONE
        will = after.state if after is not None else GONE
        if after is not None:
            yield from _introduced(id, before, after)
        if was != will:
            yield Fact("partner.state-changed", id, {"from": was, "to": will})


def _introduced(id: PartnerId, before: Partner | None, after: Partner) -> Iterator[Fact]:
    held = before.invitation if before is not None else None
    if after.invitation is not None and after.invitation != held:
        invitation = after.invitation
        yield Fact("partner.invited", id, {"invitation": invitation.id, "until": invitation.until})
    card = before.card if before is not None else None
    if after.card is not None and after.card != card:
        signer = "unknown" if card is None else "same" if card.log_key == after.card.log_key else "other"
        answered = {"invitation": held.id} if held is not None and after.invitation is None else {}
        facts = {"digest": after.card.digest, "serial": after.card.serial, "log_key": after.card.log_key}
        yield Fact("partner.card-taken", id, {**facts, "signer": signer, **answered})
    verification = before.verification if before is not None else None
    if after.verification is not None and after.verification != verification:
        said = after.verification
        facts = {
            name: value
            for name, value in (
                ("level", said.level),
                ("verified_by", said.by),
                ("verified_at", said.at),
                ("card", said.card),
                ("phrase", said.phrase),
            )
            if value is not None
        }
        # Whom they spoke to stands in the version; the log, which forgets nothing, commits to it.
        table = hashlib.sha256(msgspec.json.encode(said)).hexdigest()
        yield Fact("partner.verified", id, {**facts, "proven": said.level in PROVEN, "table_sha256": table})


def _looked_at(partner: Partner) -> bool:
    return partner.verification is not None and partner.verification.level != "none"


def _unverified(file: str, partner: Partner) -> Iterator[Problem]:
    if partner.verification is None or partner.verification.level not in PROVEN:
        yield Problem(
            "partner.not-verified",
            file,
            "state",
            "It says verified, and not how.",
            "Run `ecluse partner verify`, which writes [verification] with who made sure of it, and how.",
        )
