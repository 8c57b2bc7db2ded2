"""Bans: in memory for every question, in the store for other nodes and after a restart."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from ecluse.archive.commitments import tell
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Clock, Entropy, Instant
from ecluse.store.port import Store, Tx
from ecluse.typed import json_decoder

__all__ = ["LONGEST", "Ban", "Bans", "NoSuchBan", "address_subject", "user_subject"]

LONGEST: Final = 86_400.0
"""Seconds of the longest ban: a day."""
REMEMBERED: Final = 86_400
"""Seconds for which an ended ban makes the next one twice as long."""
MAX_BANS: Final = 10_000
"""Bans that are kept; those that end first go first."""
REFRESH: Final = 2.0
"""Seconds after which another node's bans are in force here."""

_SETTING: Final = "guard.bans"
_log = structlog.get_logger("ecluse.guard")


class NoSuchBan(EcluseError):
    """Nothing of that name is banned."""

    code = "guard.no-such-ban"
    fault = Fault.USAGE
    remedy = "Look at `ecluse ban list`."


class Ban(msgspec.Struct, frozen=True):
    """One subject that is kept out.

    Attributes:
        subject: ``address 192.0.2.1``, ``address 2001:db8::/64`` or ``user birch``.
        until: When it ends.
        at: When it began.
        times: How often within :data:`REMEMBERED` of one another.
        listener: Where the failures were.
    """

    subject: str
    until: Instant
    at: Instant
    times: int
    listener: str


_encode = msgspec.json.Encoder().encode
_decode = json_decoder(list[Ban]).decode


def address_subject(address: str) -> str:
    """The subject of an address: IPv6 by its /64, which one customer has whole; IPv4 within IPv6 as IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"address {address[:64]}"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return f"address {ipaddress.ip_network((int(parsed) >> 64 << 64, 64))}"
        parsed = parsed.ipv4_mapped
    return f"address {parsed}"


def user_subject(user: str) -> str:
    """The subject of a user name, whether there is such a user or not."""
    return f"user {user[:64]}"


class Bans:
    """All bans of a hub. May be used from any thread; no method but :meth:`refresh` waits for the store.

    Args:
        store: Where they are kept.
        clock: Time.
        entropy: For the events.
        node: Who records them.
    """

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, node: str) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._node = node
        self._lock = threading.Lock()
        self._bans: dict[str, Ban] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take up what other nodes and operators changed."""
        bans = {ban.subject: ban for ban in _read(self._store.read(lambda view: view.setting(_SETTING)))}
        with self._lock:
            self._bans = bans

    def active(self) -> list[Ban]:
        """Those in force, in order of their end."""
        now = self._clock()
        with self._lock:
            return sorted((ban for ban in self._bans.values() if ban.until > now), key=lambda ban: ban.until)

    def banned(self, subject: str) -> bool:
        """Whether a subject is kept out at this moment."""
        ban = self._bans.get(subject)
        return ban is not None and ban.until > self._clock()

    def add(self, subject: str, seconds: float, listener: str) -> Ban:
        """Keep a subject out: for ``seconds``, doubled for every ban that it had lately.

        In force when this returns; durable soon after.
        """
        now = self._clock()
        with self._lock:
            before = self._bans.get(subject)
            times = 1
            if before is not None and now - before.until < REMEMBERED * 1_000_000:
                times = before.times + 1
            length = min(LONGEST, seconds * 2 ** min(times - 1, 30))
            ban = Ban(subject, Instant(now + int(length * 1_000_000)), now, times, listener)
            self._bans[subject] = ban

        def work(tx: Tx) -> None:
            _change(tx, now, lambda bans: bans.__setitem__(subject, ban))
            self._event(tx, "guard.banned", ban, "hub")

        self._store.submit(work).add_done_callback(_reported)
        _log.warning("banned", subject=subject, seconds=int(length), times=times, listener=listener)
        return ban

    def lift(self, subject: str, actor: str) -> Ban:
        """End a ban; durable when this returns. It does not make the next one longer.

        Raises:
            NoSuchBan: There is none in force.
        """
        now = self._clock()

        def work(tx: Tx) -> Ban:
            bans = {ban.subject: ban for ban in _read(tx.setting(_SETTING))}
            ban = bans.get(subject)
            if ban is None or ban.until <= now:
                raise NoSuchBan(f"{subject!r} is not banned.")
            _change(tx, now, lambda bans: bans.pop(subject))
            self._event(tx, "guard.lifted", ban, actor)
            return ban

        ban = self._store.write(work)
        with self._lock:
            self._bans.pop(subject, None)
        return ban

    def _event(self, tx: Tx, kind: str, ban: Ban, actor: str) -> None:
        # An address may be a person's: the log never forgets, the table of bans does.
        kept_out = ban.subject if ban.subject.startswith("user ") else "address"
        tell(
            tx,
            kind=kind,
            subject=ban.listener,
            at=self._clock(),
            data={"subject": kept_out, "until": ban.until, "times": ban.times},
            entropy=self._entropy,
            actor=actor,
            node=self._node,
        )


def _read(value: bytes | None) -> list[Ban]:
    try:
        return _decode(value) if value else []
    except msgspec.DecodeError:
        _log.error("the table of bans can't be read; it begins anew")
        return []


def _change(tx: Tx, now: Instant, change: Callable[[dict[str, Ban]], object]) -> None:
    remembered = now - REMEMBERED * 1_000_000
    bans = {ban.subject: ban for ban in _read(tx.setting(_SETTING)) if ban.until > remembered}
    change(bans)
    kept = sorted(bans.values(), key=lambda ban: ban.until)[-MAX_BANS:]
    tx.put_setting(_SETTING, _encode(kept))


def _reported(done: object) -> None:
    error = done.exception()  # type: ignore[attr-defined]  # a Future
    if error is not None:
        _log.error("a ban was not kept", crash=type(error).__name__)
