"""What partners, and we with them, are seen to use on the wire: keys, algorithms, versions.

Whoever holds a connection says what it saw (:meth:`Sightings.saw`), once the other side has proven who it is. That is
a change to a table in memory, some microseconds; every few seconds what is new is written to the records, and what was
seen again once a minute: one record for each partner and channel, to which every node adds its own.

A crash loses no more than what was not written yet: a value that is used shows itself again, with the next connection.
What a message itself was protected with stands in its events, which are written with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ecluse.model.basics import Clock, Instant, PartnerId
from ecluse.model.records import Record
from ecluse.store.port import Conflict, Store, Tx, View
from ecluse.typed import json_decoder

__all__ = [
    "KIND",
    "MOST_VALUES",
    "ROLES",
    "Seen",
    "Sighting",
    "Sightings",
    "every_sighting",
    "sightings_of",
    "unfold",
]

KIND: Final = "sighting"
"""Kind of the records; the key is ``partner/channel``, the owner the partner."""

MOST_VALUES: Final = 16
"""Values kept of a role. A key overlaps with one other during a rotation, and a company's gateways are few."""
MOST_CHARACTERS: Final = 160
"""Of a value. A SHA-256 in hex has 64; RFC 4253 s4.2 gives an SSH version 255, of which the beginning tells."""
MOST_SETTLED: Final = 8192
"""Channels of partners whose present values this node remembers: some kilobytes each."""
REFRESH: Final = 60
"""Seconds after which it is written that a known value was seen again."""
CROWDED_AGAIN: Final = 30 * 86_400
"""Seconds after which it is told once more that a role shows ever new values."""
AT_ONCE: Final = 100
"""Channels of partners in one transaction."""
_TRIES: Final = 3

ROLES: Final[dict[str, str]] = {
    "verify": "the certificate that they sign messages with",
    "decrypt": "the certificate of ours that they encrypt to",
    "mdn-verify": "the certificate that they sign receipts with",
    "signature-algorithm": "how they sign messages",
    "encryption-algorithm": "how they encrypt content",
    "key-algorithm": "how they send the content's key",
    "mdn-signature-algorithm": "how they sign receipts",
    "receipt": "what receipts they give: signed or unsigned",
    "receipt-asked": "what receipts they ask for: signed, unsigned or none",
    "tls-server": "the certificate that their server shows",
    "tls-client": "the certificate that they show to our server",
    "tls-version": "the TLS version",
    "cipher": "the cipher of the connection",
    "tls-client-version": "the TLS version of their connections to our AS2 listener",
    "tls-client-cipher": "the cipher of their connections to our AS2 listener",
    "host-key": "the SSH host key that they, or we, prove the server with",
    "host-key-algorithm": "how the host key signs",
    "host-key-kept": "SSH host keys of ours that their client had us prove, to keep them",
    "user-key": "the SSH key that the login is proven with",
    "login": "what a login is proven with: key, certificate, password, or several",
    "kex": "the SSH key exchange",
    "mac": "the SSH message authentication code",
    "version": "the other side's program, as it says itself",
    "recipient": "another OpenPGP key that content is encrypted to",
}
"""Roles that are seen, in words; a channel shows some of them."""


class Sighting(msgspec.Struct, frozen=True):
    """A value that was seen in a role.

    Attributes:
        partner: With whom.
        channel: ``as2``, ``sftp`` and ``ftps`` (their servers), ``account-sftp`` and ``account-ftps`` (they log in at
            ours), ``s3``, ``azure``, ``gcs``, ``webdav``, ``openpgp``.
        role: One of :data:`ROLES`.
        value: SHA-256 of a certificate in hex, ``SHA256:`` and base 64 of an SSH key, or a name.
        first: When it was first seen.
        last: When it was last seen, to the minute.
        count: How often.
    """

    partner: PartnerId
    channel: str
    role: str
    value: str
    first: Instant
    last: Instant
    count: int


class _Tally(msgspec.Struct, array_like=True):
    """A value as a record's body has it, and as it is gathered."""

    first: int
    last: int
    count: int


class _Body(msgspec.Struct, omit_defaults=True):
    """A record's body: tallies by role and value, and when roles were told to be crowded."""

    roles: dict[str, dict[str, _Tally]] = {}
    crowded: dict[str, int] = {}


_Gathered = dict[str, dict[str, _Tally]]
_Place = tuple[PartnerId, str]

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = json_decoder(_Body).decode

WriteEvent = Callable[[Tx, str, str, dict[str, Any]], None]
"""Writes an event in a transaction: kind, subject, data."""


@dataclass(slots=True)
class _Waiting:
    """What is gathered of a place and not written yet.

    Attributes:
        since: When the first of it was seen.
        roles: Tallies by role and value.
    """

    since: int
    roles: _Gathered = field(default_factory=dict)


class Sightings:
    """Gathers what is seen, and writes it. Any thread may call any method.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._waiting: dict[_Place, _Waiting] = {}
        self._urgent: set[_Place] = set()
        self._settled: dict[_Place, dict[str, str]] = {}

    def saw(self, partner: PartnerId, channel: str, role: str, value: str | None) -> None:
        """Note one value; nothing where it is empty. Never raises, and never waits for the store."""
        self.saw_all(partner, channel, {role: value})

    def saw_all(self, partner: PartnerId, channel: str, values: Mapping[str, str | None]) -> None:
        """Note what one connection or message showed, by role; those without a value are passed over."""
        now = self._clock()
        place = partner, channel
        with self._lock:
            waiting = self._waiting.get(place)
            if waiting is None:
                if not any(values.values()):
                    return
                waiting = self._waiting[place] = _Waiting(now)
            roles = waiting.roles
            for role, value in values.items():
                if not value:
                    continue
                tallies = roles.get(role)
                if tallies is None:
                    tallies = roles[role] = {}
                tally = tallies.get(value)
                if tally is None:
                    tally = self._first(place, role, value, tallies, now)
                tally.last = now
                tally.count += 1

    def _first(self, place: _Place, role: str, value: str, tallies: dict[str, _Tally], now: int) -> _Tally:
        """The tally of a value that is not waiting yet. It is urgent where the role showed another one last."""
        value = value[:MOST_CHARACTERS]
        tally = tallies.get(value)
        if tally is None:
            _make_room(tallies, MOST_VALUES - 1)
            tally = tallies[value] = _Tally(now, 0, 0)
            settled = self._settled.get(place)
            if settled is None or settled.get(role) != value:
                self._urgent.add(place)
        return tally

    def flush(self, store: Store, event: WriteEvent, *, everything: bool = False) -> int:
        """Write what is due: values that are new or took another's place, and what waited for a minute.

        Args:
            store: Where.
            event: Writes events (``partner.seen-new``, ``partner.seen-many``).
            everything: What is not due yet too; at the end.

        Returns:
            How many records were written.

        Raises:
            StoreUnavailable: What is not written is kept for the next time.
        """
        with self._flushing:
            places = self._due(everything)
            for start in range(0, len(places), AT_ONCE):
                taken = self._take(places[start : start + AT_ONCE])
                try:
                    latest = _write(store, event, taken, self._clock())
                except BaseException:
                    self._give_back(taken)
                    raise
                with self._lock:
                    for place, values in latest.items():
                        self._settled.pop(place, None)
                        self._settled[place] = values
                    while len(self._settled) > MOST_SETTLED:
                        del self._settled[next(iter(self._settled))]
        return len(places)

    @property
    def waiting(self) -> int:
        """Channels of partners of which something is not written yet."""
        return len(self._waiting)

    def _due(self, everything: bool) -> list[_Place]:
        with self._lock:
            if everything:
                return list(self._waiting)
            due = [place for place in self._urgent if place in self._waiting]
            old = self._clock() - REFRESH * 1_000_000
            for place, waiting in self._waiting.items():  # the longest waiting come first
                if waiting.since > old:
                    break
                if place not in self._urgent:
                    due.append(place)
            return due

    def _take(self, places: list[_Place]) -> dict[_Place, _Gathered]:
        with self._lock:
            self._urgent.difference_update(places)
            return {place: self._waiting.pop(place).roles for place in places}

    def _give_back(self, taken: dict[_Place, _Gathered]) -> None:
        with self._lock:
            for place, roles in taken.items():
                waiting = self._waiting.setdefault(place, _Waiting(self._clock()))
                self._urgent.add(place)
                for role, tallies in roles.items():
                    _merge(waiting.roles.setdefault(role, {}), tallies)


def _write(
    store: Store, event: WriteEvent, gathered: dict[_Place, _Gathered], now: Instant
) -> dict[_Place, dict[str, str]]:
    """Add what was gathered to the records; give the latest value of each role in them."""

    def work(tx: Tx) -> dict[_Place, dict[str, str]]:
        # In one order on every node, so that two of them never wait for each other.
        return {place: _add(tx, event, place, gathered[place], now) for place in sorted(gathered)}

    for _ in range(_TRIES - 1):
        with suppress(Conflict):  # another node was first: its values are read, and ours added to them
            return store.write(work)
    return store.write(work)


def _make_room(tallies: dict[str, _Tally], most: int) -> bool:
    """Drop what was seen longest ago until there are ``most``; whether anything was."""
    dropped = False
    while len(tallies) > most:
        del tallies[min(tallies, key=lambda value: tallies[value].last)]
        dropped = True
    return dropped


def _merge(into: dict[str, _Tally], more: Mapping[str, _Tally]) -> None:
    for value, tally in more.items():
        known = into.get(value)
        if known is None:
            into[value] = _Tally(tally.first, tally.last, tally.count)
        else:
            known.first = min(known.first, tally.first)
            known.last = max(known.last, tally.last)
            known.count += tally.count


def _add(tx: Tx, event: WriteEvent, place: _Place, gathered: _Gathered, now: Instant) -> dict[str, str]:
    """Add to the record of ``place``; give the latest value of each role in it."""
    partner, channel = place
    key = f"{partner}/{channel}"
    before = tx.record(KIND, key)
    body = _decode(before.body) if before is not None else _Body()
    for role, found in gathered.items():
        tallies = body.roles.setdefault(role, {})
        more: dict[str, _Tally] = {}
        for value, tally in found.items():
            _merge(more, {_clean(value): tally})
        known = sorted(tallies, key=lambda value: -tallies[value].last)
        fresh = [value for value in more if value not in tallies]
        _merge(tallies, more)
        crowded = body.crowded.get(role)
        quiet = crowded is not None and now - crowded < CROWDED_AGAIN * 1_000_000
        facts: dict[str, Any] = {"channel": channel, "role": role}
        if _make_room(tallies, MOST_VALUES) and not quiet:
            body.crowded[role] = now
            event(tx, "partner.seen-many", f"partner:{partner}", {**facts, "values": MOST_VALUES})
        elif not quiet:
            for value in fresh if known else ():
                data = {**facts, "value": value, "before": known[:3]}
                event(tx, "partner.seen-new", f"partner:{partner}", data)
    record = Record(KIND, key, now, _encode(body), owner=partner)
    if before is None:
        tx.add_record(record)
    else:
        tx.replace_record(before, record)
    return {role: max(tallies, key=lambda value: tallies[value].last) for role, tallies in body.roles.items()}


def _clean(value: str) -> str:
    """As people and both databases can have it: a client's version is whatever the client says."""
    return "".join(each if each.isprintable() else "�" for each in value[:MOST_CHARACTERS])


class Seen:
    """Sightings of one partner, to be asked by channel and role.

    Args:
        sightings: From :func:`sightings_of`.
    """

    def __init__(self, sightings: tuple[Sighting, ...] = ()) -> None:
        self._by_role: dict[tuple[str, str], list[Sighting]] = {}
        for each in sightings:
            self._by_role.setdefault((each.channel, each.role), []).append(each)
        for found in self._by_role.values():
            found.sort(key=lambda each: -each.last)

    def values(self, channel: str, role: str) -> tuple[Sighting, ...]:
        """What was seen in a role, the latest first."""
        return tuple(self._by_role.get((channel, role), ()))

    def last(self, channel: str, role: str) -> Sighting | None:
        """What was seen last."""
        found = self._by_role.get((channel, role))
        return found[0] if found else None


def sightings_of(view: View, partner: PartnerId) -> tuple[Sighting, ...]:
    """Everything that is kept of what a partner was seen to use, by channel and role."""
    return tuple(unfold(view.records(KIND, owner=partner, limit=100)))


def every_sighting(view: View, page: int = 500) -> Iterator[tuple[PartnerId, tuple[Sighting, ...]]]:
    """The same of every partner and channel, in order of both; a partner comes once for each of its channels."""
    after = ""
    while True:
        records = view.records(KIND, after=after, limit=page)
        for record in records:
            yield PartnerId(record.owner), tuple(unfold([record]))
        if len(records) < page:
            return
        after = records[-1].key


def unfold(records: Iterable[Record]) -> Iterator[Sighting]:
    """What is in some records."""
    for record in records:
        channel = record.key.partition("/")[2]
        for role, tallies in _decode(record.body).roles.items():
            for value, tally in tallies.items():
                yield Sighting(
                    PartnerId(record.owner),
                    channel,
                    role,
                    value,
                    Instant(tally.first),
                    Instant(tally.last),
                    tally.count,
                )
