"""A row of the table: what is configured for a role, what that is worth, and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from ecluse.model.basics import Instant, PartnerId, iso
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.sightings import Seen, Sighting

__all__ = [
    "DIFFERENCES",
    "STATES",
    "Case",
    "Difference",
    "RoleRow",
    "RoleSpec",
    "RoleValue",
    "State",
    "ValueState",
]

State = Literal["set", "expiring", "weak", "expired", "wrong", "missing", "not-needed"]
"""What a role is in."""
ValueState = Literal["set", "not-yet", "expiring", "weak", "expired", "wrong"]
"""What one value of a role is in."""

STATES: Final[dict[State, str]] = {
    "set": "there is what the role needs",
    "expiring": "what it has ends soon, and nothing takes its place",
    "weak": "what it has is below the floor",
    "expired": "what it had has ended",
    "wrong": "what it has can't serve the role",
    "missing": "it needs something, and has nothing",
    "not-needed": "nothing is asked of it",
}


class RoleValue(msgspec.Struct, frozen=True):
    """One key, certificate or secret of a role.

    Attributes:
        value: What a sighting of it says: fingerprint of a certificate or key; else its name.
        label: For people: subject of a certificate, comment of a key, reference of a secret.
        state: What it is worth.
        ref: Its name in our keyring; empty for what is not ours.
        algorithm: Of its key; empty where nothing is known of it.
        why: Why it is in that state, one sentence; empty where it is set.
        not_before: Its own first instant.
        not_after: Its own last instant.
        start: Not used before, as configured.
        end: Not used from here on, as configured.
        current: It counts at this moment.
    """

    value: str
    label: str
    state: ValueState = "set"
    ref: str = ""
    algorithm: str = ""
    why: str = ""
    not_before: Instant | None = None
    not_after: Instant | None = None
    start: Instant | None = None
    end: Instant | None = None
    current: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "value": self.value,
            "label": self.label,
            "ref": self.ref or None,
            "algorithm": self.algorithm or None,
            "state": self.state,
            "why": self.why,
            "not_before": _iso(self.not_before),
            "not_after": _iso(self.not_after),
            "from": _iso(self.start),
            "until": None if self.end is None else iso(Instant(self.end - 1)),
            "current": self.current,
        }


class Difference(msgspec.Struct, frozen=True):
    """Where what was seen does not fit what is configured.

    Attributes:
        code: A stable word; one of :data:`DIFFERENCES`.
        text: One sentence.
    """

    code: str
    text: str


DIFFERENCES: Final[dict[str, str]] = {
    "older-key": "a key of record that has a newer one beside it is still used",
    "unknown-key": "a key was used that is not of record any more",
    "unsigned": "what they send is not signed",
    "unencrypted": "what they send is not encrypted",
    "unauthenticated": "their encryption is not authenticated, though they read one that is",
    "older-padding": "content keys come with an older padding than they read",
    "below-floor": "an algorithm below the floor is used",
    "receipts-unsigned": "their receipts are not signed",
    "no-receipts-asked": "they ask for no receipts",
    "unsigned-receipts-asked": "they ask for receipts that are not signed",
    "password": "a password is used where a key could be",
    "one-factor": "one factor was enough, where two are asked for now",
    "no-certificate": "no client certificate is shown, though one is of record",
    "clear-text": "a connection had no TLS",
}
"""Every code, in words."""


class RoleRow(msgspec.Struct, frozen=True):
    """One role of one channel with a partner.

    Attributes:
        partner: Whose channel.
        channel: As sightings have it: ``as2``, ``sftp``, ``account-sftp``...
        role: Its name; see the tables of this package.
        whose: Whose key or secret it is.
        about: For people, to be read with what is configured.
        state: What it is in.
        why: Why, one sentence; empty where it is set.
        floor: What is asked of its keys and algorithms.
        values: What is configured, that which counts now first.
        used: What was seen last, of each thing that can be seen of the role.
        differs: Where that does not fit what is configured.
    """

    partner: PartnerId
    channel: str
    role: str
    whose: Literal["ours", "theirs"]
    about: str
    state: State
    why: str = ""
    floor: str = ""
    values: tuple[RoleValue, ...] = ()
    used: tuple[Sighting, ...] = ()
    differs: tuple[Difference, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "partner": self.partner,
            "channel": self.channel,
            "role": self.role,
            "whose": self.whose,
            "about": self.about,
            "state": self.state,
            "why": self.why,
            "floor": self.floor,
            "values": [value.as_dict() for value in self.values],
            "used": [
                {"what": each.role, "value": each.value, "last": iso(each.last), "count": each.count}
                for each in self.used
            ],
            "differs": [{"code": each.code, "text": each.text} for each in self.differs],
        }


@dataclass(frozen=True, slots=True)
class Case:
    """One channel with one partner, at one moment.

    Attributes:
        directory: Everyone.
        view: The partner.
        channel: Which channel.
        seen: What was seen.
        now: The moment.
        allowed: Exceptions that hold, each with the last day of it.
        secret: Why a referenced secret can't be had; empty where it can be, or nobody looks.
    """

    directory: Directory
    view: PartnerView
    channel: str
    seen: Seen
    now: Instant
    allowed: dict[str, str]
    secret: Callable[[str], str]

    def last(self, what: str) -> str:
        """The value that was seen last; empty where none was."""
        found = self.seen.last(self.channel, what)
        return found.value if found is not None else ""


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role, as data.

    Attributes:
        role: Its name.
        whose: Whose key or secret it is.
        about: For people.
        values: Gives what is configured, that which counts now first.
        needless: Why nothing is asked of it; empty where something is.
        floor: What is asked of keys and algorithms, in words.
        one: Only the first value is used; else every one that counts is taken.
        used: What can be seen of it (:data:`ecluse.trust.sightings.ROLES`).
        differs: Gives where what was seen does not fit.
    """

    role: str
    whose: Literal["ours", "theirs"]
    about: str
    values: Callable[[Case], Sequence[RoleValue]]
    needless: Callable[[Case], str] = lambda case: ""
    floor: str = ""
    one: bool = False
    used: tuple[str, ...] = ()
    differs: Callable[[Case, Sequence[RoleValue]], Iterator[Difference]] = lambda case, values: iter(())


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else iso(instant)
