"""Partners from the first letter to the last day: invited, taken on from a card, made sure of, brought up to date.

Everything here makes files of a configuration, and :mod:`ecluse.app.settings` puts them in force: with every rule,
with the second person where there are two, and with the events that tell of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import tomli_w

from ecluse.app.node import Node
from ecluse.app.settings import plan_files, settled_files
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso
from ecluse.trust.card import (
    Card,
    CardError,
    Comparison,
    Updated,
    check_time,
    compare,
    digest,
    partner_files,
    phrase,
    updated_files,
)
from ecluse.trust.card.joining import slug
from ecluse.trust.changes.plan import Plan
from ecluse.trust.directory import PartnerView
from ecluse.trust.files.tomltext import edited
from ecluse.trust.life import MOVES
from ecluse.trust.settings.fields import PartnerState, instant_until
from ecluse.trust.verification import PROVEN, Level

__all__ = [
    "OVERLAP",
    "Joined",
    "Renewed",
    "Sure",
    "invite",
    "join",
    "move",
    "renew",
    "verify",
]

OVERLAP: Final = "30d"
"""How long what a card replaces stays in force, where nobody says otherwise."""

ANSWER: Final = 30
"""Days that an invitation waits for its answer."""

_DAY: Final = 86_400 * 1_000_000
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class PartnerTaken(EcluseError):
    """There is a partner of that id, or one with the same AS2 id."""

    code = "partner.exists"
    fault = Fault.USAGE
    remedy = "Take the card with `ecluse partner update` if it is theirs, or choose another id with --id."


class BadPartnerId(EcluseError):
    """An id that a partner's file can't have."""

    code = "partner.bad-id"
    fault = Fault.USAGE
    remedy = "Use 1 to 63 lower-case letters, digits and dashes."


class NoInvitation(EcluseError):
    """A card answers an invitation that is not open, or not theirs."""

    code = "partner.no-invitation"
    fault = Fault.PARTNER
    remedy = "Invite them again with `ecluse partner invite`, or ask for a card without an invitation."


class NotVerified(EcluseError):
    """Something is asked for that takes somebody who made sure."""

    code = "partner.not-verified"
    fault = Fault.USAGE
    remedy = "Call them on a number known from before, compare the phrase, and give --verified-by and --verified-with."


class IllegalMove(EcluseError):
    """A partner can't go from its state to the one that is asked for."""

    code = "partner.illegal-move"
    fault = Fault.USAGE
    remedy = "Look at its state with `ecluse partner show`."


@dataclass(frozen=True, slots=True)
class Sure:
    """How somebody made sure of a partner's identity.

    Attributes:
        level: How.
        with_: Whom they spoke to or met.
        evidence: What shows it, or why nobody looked.
    """

    level: Level = "none"
    with_: str | None = None
    evidence: str | None = None

    @property
    def proven(self) -> bool:
        """Whether it makes a partner verified."""
        return self.level in PROVEN

    def table(self, by: str, now: Instant, card: Card | None = None) -> dict[str, object]:
        """The table ``[verification]``."""
        table: dict[str, object] = {"level": self.level, "at": iso(now), "by": by}
        if self.with_:
            table["with"] = self.with_
        if self.evidence:
            table["evidence"] = self.evidence
        if card is not None:
            table["card"] = digest(card)
            table["phrase"] = phrase(card)
        return table


@dataclass(frozen=True, slots=True)
class Joined:
    """What taking a card would do; nothing is changed yet.

    Attributes:
        id: The partner.
        files: All files of the configuration.
        changes: What would change.
        state: The partner's state then.
    """

    id: str
    files: dict[str, str]
    changes: Plan
    state: PartnerState


@dataclass(frozen=True, slots=True)
class Renewed:
    """What taking a later card would do; nothing is changed yet.

    Attributes:
        comparison: The card beside what is held.
        updated: The files, and what stays in force besides the card.
        changes: What would change.
    """

    comparison: Comparison
    updated: Updated
    changes: Plan


def invite(
    node: Node,
    *,
    name: str,
    id: str | None = None,
    days: int = ANSWER,
    contact: Mapping[str, str] | None = None,
    by: str,
) -> tuple[str, dict[str, str], str]:
    """Files that invite a partner, or invite one again who is still invited.

    Args:
        node: The hub.
        name: The company.
        id: The partner's id; by default made from its name.
        days: How long an answer is waited for.
        contact: Whom to write to: ``name``, ``email``, ``phone``.
        by: Who invites.

    Returns:
        The partner's id, the files, and the invitation's id.

    Raises:
        PartnerTaken, BadPartnerId: It can't be invited.
        PendingChanges: The files on the disk hold something else.
    """
    id = _checked(id if id is not None else slug(name))
    files = settled_files(node)
    path = f"partners/{id}.toml"
    now = node.hub.clock()
    # 100 bits: nobody guesses it, and it can be read out.
    token = _token(node.hub.entropy(13))
    invitation = {"id": token, "sent": iso(now), "until": iso(Instant(now + days * _DAY)), "by": by}
    if path in files:
        if node.directory.partner(id).settings.state != "invited":
            raise PartnerTaken(f"There is a partner {id} already.")
        changed: dict[str, object] = {"invitation": invitation}
        if contact:
            changed["contacts"] = [{"role": "edi", **contact}]
        return id, {**files, path: edited(files[path], changed)}, token
    table: dict[str, object] = {"name": name, "state": "invited", "invitation": invitation}
    if contact:
        table["contacts"] = [{"role": "edi", **contact}]
    return id, {**files, path: tomli_w.dumps(table)}, token


def join(
    node: Node,
    card: Card,
    *,
    id: str | None = None,
    sure: Sure,
    by: str,
    hold: bool = False,
    account: str | None = None,
    sftp: Mapping[str, object] | None = None,
) -> Joined:
    """What taking a partner on from its card would be.

    A card that answers an invitation fills the invited partner's file. The partner becomes active where its identity
    was made sure of, or where it is said by name that nobody did (``trust-on-first-use``); else it stays invited.

    Args:
        node: The hub.
        card: From :func:`~ecluse.trust.card.read_card`.
        id: The partner's id; by default the invited one's, or made from its name.
        sure: How the identity was made sure of.
        by: Who did.
        hold: Leave it verified, to be made active later.
        account: User name for them at our listeners.
        sftp: How we log in at their SFTP server.

    Raises:
        PartnerTaken, BadPartnerId, NoInvitation, CardError, PendingChanges, ConfigurationError: It can't be.
    """
    now = node.hub.clock()
    check_time(card, now)
    invited = _invited(node, card, id, now)
    name = _checked(id if id is not None else invited.id if invited is not None else slug(card.name))
    files = settled_files(node)
    path = f"partners/{name}.toml"
    if path in files and invited is None:
        raise PartnerTaken(f"There is a partner {name} already.")
    _unknown(node, card, invited)
    state: PartnerState = "invited"
    if sure.proven:
        state = "verified" if hold else "active"
    elif sure.level == "trust-on-first-use":
        state = "invited" if hold else "active"
    added = partner_files(
        card,
        name,
        state=state,
        now=now,
        verification=sure.table(by, now, card),
        account=account,
        sftp=sftp,
    )
    if invited is not None:
        fresh = tomllib.loads(added[path])
        fresh.setdefault("contacts", tomllib.loads(files[path]).get("contacts"))
        added[path] = edited(files[path], {**fresh, "invitation": None})
    wanted = {**files, **added}
    changes, _ = plan_files(node, wanted)
    return Joined(name, wanted, changes, state)


def renew(node: Node, id: str, card: Card, *, sure: Sure | None, by: str, overlap: int) -> Renewed:
    """What taking a later card of a partner would be.

    Args:
        node: The hub.
        id: The partner.
        card: From :func:`~ecluse.trust.card.read_card`.
        sure: How the identity behind this card was made sure of, where somebody did.
        by: Who did.
        overlap: Microseconds for which what is replaced stays in force.

    Raises:
        CardError: ``card.older``: a later one was taken already; ``card.expired``...
        PartnerTaken: The card's AS2 id is another partner's.
        PendingChanges, ConfigurationError: It can't be put in force.
    """
    view = node.directory.partner(id)
    if view.settings.state == "retired":
        raise IllegalMove(
            f"{view.name} is retired.",
            remedy="A retired partner does not come back: take the card with `ecluse partner add` and another --id.",
        )
    now = node.hub.clock()
    check_time(card, now)
    configuration = node.directory.configuration
    settings = view.settings.openpgp
    openpgp = configuration.openpgp_certificates(settings.certificates) if settings is not None else ()
    comparison = compare(card, view.settings, view.certificates, openpgp)
    held = view.settings.card
    if comparison.serial == "lower" and held is not None:
        raise CardError(
            f"The card is older than the one of {held.taken[:10]} that was taken last: {card.serial}, and not "
            f"{held.serial} or more.",
            code="card.older",
            remedy="Ask for their present card. An old one that is sent again may carry keys that somebody else has.",
        )
    _unknown(node, card, view)
    files = settled_files(node)
    table = sure.table(by, now, card) if sure is not None else None
    updated = updated_files(files, id, view.settings, card, now, overlap=overlap, verification=table)
    changes, _ = plan_files(node, updated.files)
    return Renewed(comparison, updated, changes)


def move(node: Node, id: str, state: PartnerState) -> dict[str, str]:
    """Files with a partner in another state.

    Raises:
        IllegalMove: Its state does not lead there.
        PendingChanges: The files on the disk hold something else.
    """
    view = node.directory.partner(id)
    now = view.settings.state
    if now == state:
        raise IllegalMove(f"{view.name} is {state} already.")
    if state not in MOVES[now]:
        allowed = ", ".join(sorted(MOVES[now])) or "nothing: a retired partner does not come back"
        raise IllegalMove(
            f"{view.name} is {now}, and does not become {state}.",
            remedy=f"From there it can become: {allowed}.",
        )
    files = settled_files(node)
    path = f"partners/{id}.toml"
    return {**files, path: edited(files[path], {"state": state})}


def verify(node: Node, id: str, sure: Sure, by: str, card: Card | None = None) -> dict[str, str]:
    """Files in which a partner's identity is made sure of; an invited one becomes verified.

    Args:
        node: The hub.
        id: The partner.
        sure: How.
        by: Who did.
        card: The card that was compared; it has to be the one that was taken last.

    Raises:
        CardError: ``card.other``: it is another card than the one that was taken.
        IllegalMove: The partner is retired.
        PendingChanges: The files on the disk hold something else.
    """
    view = node.directory.partner(id)
    if view.settings.state == "retired":
        raise IllegalMove(f"{view.name} is retired.")
    held = view.settings.card
    if card is not None and (held is None or held.digest != digest(card)):
        raise CardError(
            f"This is not the card that was taken from {view.name}.",
            code="card.other",
            fault=Fault.USAGE,
            remedy=f"Take it first, with `ecluse partner update {id} CARD`, or give the one that was.",
        )
    files = settled_files(node)
    path = f"partners/{id}.toml"
    table = sure.table(by, node.hub.clock(), card)
    if card is None and held is not None:
        before = view.settings.verification
        table["card"] = held.digest
        if before is not None and before.card == held.digest and before.phrase is not None:
            table["phrase"] = before.phrase
    changes: dict[str, object] = {"verification": table}
    if view.settings.state == "invited" and sure.proven:
        changes["state"] = "verified"
    return {**files, path: edited(files[path], changes)}


def _checked(id: str) -> str:
    if not _ID.fullmatch(id):
        raise BadPartnerId("A partner can't have that id.")
    return id


def _invited(node: Node, card: Card, id: str | None, now: Instant) -> PartnerView | None:
    """The partner whose invitation the card answers, or whom the operator says that it is."""
    if card.invitation is not None:
        for view in node.directory.partners:
            open_ = view.settings.invitation
            if open_ is not None and open_.id == card.invitation:
                ends = instant_until(open_.until)
                if ends is not None and ends <= now:
                    raise NoInvitation(f"The invitation of {view.name} ended on {open_.until[:10]}.")
                if id is not None and id != view.id:
                    raise NoInvitation(f"The card answers the invitation of {view.name} ({view.id}).")
                return view
        raise NoInvitation(
            "The card answers an invitation that is not open here: it was answered, or is another's."
        )
    if id is None:
        return None
    found = next((view for view in node.directory.partners if view.id == id), None)
    return found if found is not None and found.settings.state == "invited" else None


def _unknown(node: Node, card: Card, own: PartnerView | None) -> None:
    """Refuse a card whose AS2 id is another partner's."""
    if card.as2_id is None:
        return
    for view in node.directory.partners:
        mine = own is not None and view.id == own.id
        if view.their_id == card.as2_id and not mine and view.settings.state != "retired":
            raise PartnerTaken(f"{card.as2_id} is the AS2 id of {view.name} ({view.id}) already.")


def _token(octets: bytes) -> str:
    digits = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter looks like a digit
    number = int.from_bytes(octets, "big")
    return "".join(digits[(number >> (5 * place)) & 31] for place in range(20))
