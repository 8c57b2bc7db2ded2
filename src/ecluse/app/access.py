"""Who can do what with this hub, and the review in which a person says of each whether it stays.

A right is read from the configuration in force: operators, what each partner may send, take and log in with, what
flows pass on to whom. A review is a record with one decision for each right; what was to be taken away and still is
there shows until the configuration says otherwise.
"""

from __future__ import annotations

import pwd
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from ecluse.app.node import Node
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, PartnerId, iso
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.trust.directory import PartnerView
from ecluse.typed import from_json

__all__ = [
    "Decision",
    "Review",
    "ReviewRefused",
    "Right",
    "last_reviews",
    "record_review",
    "right_facts",
    "rights",
    "said_of",
]

KIND: Final = "access-review"
REVIEW_EVERY: Final = 365
"""Days until the next review is due, where nothing else is said: what ISO/IEC 27001 auditors ask for at least."""

TOLD: Final = 100
"""Rights to be taken away that the event names; the record has them all, and the event its digest."""

_DAY: Final = 86_400 * 1_000_000
_PAGE: Final = 500


class ReviewRefused(EcluseError):
    """A review that does not decide on what there is."""

    code = "access.bad-review"
    fault = Fault.USAGE
    remedy = "List the rights again with `ecluse access list --json`, and decide on each of them."


class Right(msgspec.Struct, frozen=True):
    """One thing that somebody can do.

    Attributes:
        who: ``operator:alice``, ``partner:birch``, ``account:ecluse``, ``flow:orders``.
        may: What.
        where: What it reaches.
        grounds: File and field that say so.
        partner: The partner that it is about; empty where it is about none.
        channel: Kind of the channel that it is used by; empty where it is used by none.
    """

    who: str
    may: str
    where: str
    grounds: str
    partner: str = ""
    channel: str = ""

    @property
    def id(self) -> str:
        """Another one as soon as anything of it changes: what was confirmed is just what was read."""
        return sha256(msgspec.json.encode([self.who, self.may, self.where, self.grounds])).hexdigest()[:16]


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was said of one right.

    Attributes:
        id: The right's.
        keep: Whether it stays.
        words: What the right was, where it is to go; what stays is read from the configuration of that time.
    """

    id: str
    keep: bool
    words: str = ""


class Review(msgspec.Struct, frozen=True):
    """A review of access.

    Attributes:
        id: The hub's id.
        at: When.
        actor: Who decided.
        reason: Why, or on which occasion.
        partner: The partner that it was about; empty for the whole hub.
        due: When the next one is.
        decisions: One for each right that there was.
        version: Number of the configuration version that gave these rights.
    """

    id: str
    at: Instant
    actor: str
    reason: str
    partner: str
    due: Instant
    decisions: tuple[Decision, ...]
    version: int = 0


def rights(node: Node, partner: PartnerId | None = None) -> list[Right]:
    """Who can do what, or what one partner can. Raises ``trust.unknown-partner``."""
    views = node.directory.partners if partner is None else (node.directory.partner(partner),)
    found = [] if partner is not None else [*_machine(node), *_operators(node)]
    for view in views:
        found += _partner(view)
    found += _flows(node, partner)
    return found


def _machine(node: Node) -> Iterator[Right]:
    state = node.folder.stat()
    try:
        account = pwd.getpwuid(state.st_uid).pw_name
    except KeyError:
        account = str(state.st_uid)
    yield Right(
        f"account:{account}",
        "run every command, with the passphrase of the keyring",
        "everything",
        f"owner of the hub's folder, mode {state.st_mode & 0o777:03o}",
    )


def _operators(node: Node) -> Iterator[Right]:
    for number, operator in enumerate(getattr(node.directory.hub, "operators", ())):
        yield Right(
            f"operator:{operator.name}",
            f"act as {', '.join(operator.roles)}, with {len(operator.keys)} keys",
            "everything",
            f"ecluse.toml: operators[{number}]",
        )


def _partner(view: PartnerView) -> Iterator[Right]:
    who, file = f"partner:{view.id}", f"partners/{view.id}.toml"
    settings = view.settings
    if settings.state in ("suspended", "retired", "invited"):
        return
    if settings.as2 is not None:
        needs = [word for word, asked in _asked(settings.as2) if asked]
        yield Right(
            who,
            f"send documents as {settings.as2.id}"
            + (f", {' and '.join(needs)}" if needs else ", unprotected"),
            "our inbox and flows",
            f"{file}: as2",
            view.id,
            "as2",
        )
        if settings.as2.url is not None:
            yield Right(who, "receive what we send", settings.as2.url, f"{file}: as2.url", view.id, "as2")
    account = settings.account
    if account is not None:
        ways = [f"{len(account.keys)} keys"] if account.keys else []
        ways += [f"{len(account.authorities)} authorities"] if account.authorities else []
        ways += ["a password"] if account.password is not None else []
        ways += ["always a second factor"] if account.second_factor else []
        places = ", ".join(account.addresses) or "any address"
        yield Right(
            who,
            f"log in by {' and '.join(account.protocols)} as {account.user} with {', '.join(ways) or 'nothing'}",
            f"its own folders, from {places}",
            f"{file}: account",
            view.id,
            "account",
        )
    for kind in ("sftp", "ftps", "s3", "azure", "gcs", "webdav"):
        place = getattr(settings, kind)
        if place is None:
            continue
        name = next(
            (str(value) for field in ("host", "url", "bucket") if (value := getattr(place, field, None))),
            kind,
        )
        yield Right(who, f"receive what we deliver by {kind}", name, f"{file}: {kind}", view.id, kind)
    for number, exception in enumerate(settings.exceptions):
        yield Right(
            who,
            f"use {exception.algorithm} until {exception.until}",
            exception.reason,
            f"{file}: exceptions[{number}]",
            view.id,
        )


def _asked(as2: Any) -> tuple[tuple[str, bool], ...]:
    return ("signed", as2.require_signed), ("encrypted", as2.require_encrypted)


def _flows(node: Node, partner: PartnerId | None) -> Iterator[Right]:
    for id, flow in node.directory.configuration.flows.items():
        source = flow.from_.channel or "applications"
        reached = sorted({target.channel for target in flow.to})
        if partner is not None and not any(_is_of(place, partner) for place in (source, *reached)):
            continue
        yield Right(f"flow:{id}", f"pass on what comes from {source}", ", ".join(reached), f"flows/{id}.toml")


def _is_of(channel: str, partner: PartnerId) -> bool:
    kind, _, name = channel.partition(":")
    return kind != "folder" and name in (partner, "*")


def last_reviews(node: Node) -> list[Review]:
    """Every review, newest first."""

    def read(view: View) -> list[Review]:
        found: list[Record] = []
        while True:
            page = view.records(KIND, after=found[-1].key if found else "", limit=_PAGE)
            found += page
            if len(page) < _PAGE:
                return [from_json(each.body, Review) for each in reversed(found)]

    return node.store.read(read)


def record_review(
    node: Node,
    present: Sequence[Right],
    keep: Mapping[str, bool],
    *,
    partner: PartnerId | None,
    every: int,
    actor: str,
    reason: str,
) -> Review:
    """Record a review: one decision for each right there is at present.

    Args:
        node: The hub.
        present: As :func:`rights` gave them.
        keep: Right's id to whether it stays.
        partner: The partner that it is about; ``None`` for the whole hub.
        every: Days until the next one is due.
        actor: Who decides.
        reason: Why.

    Raises:
        ReviewRefused: A right is not decided on, or was changed since it was read.
    """
    now = node.hub.clock()
    there = {right.id for right in rights(node, partner)}
    if there != {right.id for right in present} or not there <= set(keep):
        raise ReviewRefused("The decisions are not about the rights that there are at present.")
    decisions = tuple(
        Decision(each.id, True) if keep[each.id] else Decision(each.id, False, f"{each.who}: {each.may}")
        for each in present
    )
    due = Instant(now + every * _DAY)
    review = Review(node.hub.new_id("r"), now, actor, reason, partner or "", due, decisions, node.version)
    body = msgspec.json.encode(review)

    def work(tx: Tx) -> None:
        tx.add_record(Record(KIND, review.id, now, body, partner or "", "done", review.due))
        facts = {
            "review": review.id,
            "reason": reason,
            "kept": sum(each.keep for each in decisions),
            "to_revoke": [each.words for each in decisions if not each.keep][:TOLD],
            "due": iso(review.due),
            "sha256": sha256(body).hexdigest(),
        }
        subject = f"partner:{partner}" if partner else "access"
        node.hub.event(tx, "access.reviewed", subject, facts, actor=actor, at=now)

    node.store.write(work)
    return review


Said = Mapping[str, tuple[Review, Decision]]
"""What the newest review that has a right said of it, by the right's id."""


def said_of(reviews: Sequence[Review]) -> Said:
    """What reviews, newest first, come to: made once for all rights, of which a large hub has tens of thousands."""
    said: dict[str, tuple[Review, Decision]] = {}
    for review in reviews:
        for decision in review.decisions:
            said.setdefault(decision.id, (review, decision))
    return said


def right_facts(right: Right, said: Said) -> dict[str, Any]:
    """A right with what was said of it: confirmed, to be revoked, or never looked at."""
    told = said.get(right.id)
    return {
        "id": right.id,
        "who": right.who,
        "may": right.may,
        "where": right.where,
        "grounds": right.grounds,
        "partner": right.partner or None,
        "decision": None if told is None else "keep" if told[1].keep else "revoke",
        "reviewed": None if told is None else iso(told[0].at),
        "reviewer": None if told is None else told[0].actor,
    }
