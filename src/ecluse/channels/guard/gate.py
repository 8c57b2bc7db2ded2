"""The gate: what a listener asks about every connection, login and session."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from ecluse.channels.guard.bans import Bans, address_subject, user_subject
from ecluse.channels.guard.scores import Scores
from ecluse.trust.settings.fields import seconds
from ecluse.trust.settings.listeners import Guard

__all__ = ["Gate", "Refusal"]

ANSWER_AFTER: Final = 0.5
"""Seconds from a login attempt to the answer that it failed: longer than any of the ways to find that out."""
SLOWER_BY: Final = 0.25
"""Seconds more for each failure that is remembered of the address."""
SLOWEST: Final = 4.0
"""Seconds of the latest answer; with four attempts it fits into the time of a login."""
KNOWN_USERS: Final = 4096
KNOWN_ADDRESSES: Final = 16
"""Users, and addresses of each, that are remembered as theirs."""


class Refusal(StrEnum):
    """Why a connection is not taken."""

    BANNED = "banned"
    FULL = "full"
    ADDRESS_FULL = "address-full"


class Gate:
    """Counts and judges for one listener. May be used from any thread; nothing here waits.

    Args:
        limits: From the listener's configuration.
        bans: Shared by all listeners and nodes, through the store.
        listener: Its name: ``sftp`` or ``ftps``.
        now: Seconds that only go forward.
    """

    def __init__(
        self, limits: Guard, bans: Bans, listener: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self.bans = bans
        self._listener = listener
        self._now = now
        self._lock = threading.Lock()
        self._connections = 0
        self._by_address: Counter[str] = Counter()
        self._sessions: Counter[str] = Counter()
        self._scores = Scores(limits.ban_score, seconds(limits.ban_window))
        self._known: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()

    def connected(self, address: str) -> Refusal | None:
        """A connection came; ``None`` where it is taken, and then :meth:`closed` must follow."""
        subject = address_subject(address)
        if self.bans.banned(subject):
            return Refusal.BANNED
        with self._lock:
            if self._connections >= self.limits.connections:
                return Refusal.FULL
            if self._by_address[subject] >= self.limits.connections_per_address:
                return Refusal.ADDRESS_FULL
            self._connections += 1
            self._by_address[subject] += 1
        return None

    def closed(self, address: str) -> None:
        """A connection that was taken is gone."""
        subject = address_subject(address)
        with self._lock:
            self._connections -= 1
            self._by_address[subject] -= 1
            if not self._by_address[subject]:
                del self._by_address[subject]

    def shut(self, address: str, user: str) -> bool:
        """Whether a login must fail whatever is shown. Answer it as a wrong password is answered.

        A user is not kept out from addresses that it logged in from before: nobody can lock a partner out by
        guessing its password from elsewhere.
        """
        subject = address_subject(address)
        if self.bans.banned(subject):
            return True
        if not self.bans.banned(user_subject(user)):
            return False
        with self._lock:
            return subject not in self._known.get(user, ())

    def failed(self, address: str, user: str) -> float:
        """A login failed. Gives the seconds that are to pass between the attempt and its answer."""
        subject, name = address_subject(address), user_subject(user)
        now = self._now()
        with self._lock:
            score = self._scores.score(subject, now)
            theirs = subject in self._known.get(user, ())
            too_many = [
                each
                for each in (subject, name)
                if not (each == name and theirs) and self._scores.add(each, now)
            ]
        for each in too_many:
            if not self.bans.banned(each):
                self.bans.add(each, seconds(self.limits.ban_time), self._listener)
        return min(SLOWEST, ANSWER_AFTER + SLOWER_BY * int(score))

    def succeeded(self, address: str, user: str) -> None:
        """A login succeeded: its address is the user's, and its failures are forgiven."""
        subject = address_subject(address)
        with self._lock:
            self._scores.forget(subject)
            addresses = self._known.setdefault(user, OrderedDict())
            addresses[subject] = None
            addresses.move_to_end(subject)
            self._known.move_to_end(user)
            if len(addresses) > KNOWN_ADDRESSES:
                addresses.popitem(last=False)
            if len(self._known) > KNOWN_USERS:
                self._known.popitem(last=False)

    def opened(self, partner: str) -> bool:
        """A partner's session begins; false where it has as many as it may. Else :meth:`ended` must follow."""
        with self._lock:
            if self._sessions[partner] >= self.limits.sessions_per_partner:
                return False
            self._sessions[partner] += 1
            return True

    def ended(self, partner: str) -> None:
        """A partner's session is over."""
        with self._lock:
            self._sessions[partner] -= 1
            if not self._sessions[partner]:
                del self._sessions[partner]

    @property
    def connections(self) -> int:
        """How many there are."""
        return self._connections
