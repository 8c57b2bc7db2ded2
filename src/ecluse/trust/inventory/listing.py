"""The inventory as a whole: what the configuration and the keyring hold, joined with what was observed.

Going through ten thousand partners takes seconds the first time. What a partner's file and certificates gave is
kept beside them, and a partner that did not change is not gone through again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from ecluse.model.basics import Instant, PartnerId
from ecluse.trust.certificates import CertificateSet
from ecluse.trust.configuration import Configuration
from ecluse.trust.inventory.credential import Credential, Revocation, Seen
from ecluse.trust.inventory.ours import OwnBindings, operator_credentials, own_credentials
from ecluse.trust.inventory.theirs import partner_credentials
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.settings.schema import Partner
from ecluse.wire.openpgp.certificate import Certificate

__all__ = ["Inventory", "Observed", "Use"]

_DAY = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Use:
    """That a key was used.

    Attributes:
        last: When last.
        count: How often.
    """

    last: Instant
    count: int


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed of credentials.

    Attributes:
        seen: Where keys were met on the wire, by fingerprint.
        uses: Uses of our keys, by name in the keyring.
        revocation: What authorities say of certificates, by fingerprint.
    """

    seen: Mapping[str, Sequence[Seen]] = field(default_factory=dict)
    uses: Mapping[str, Use] = field(default_factory=dict)
    revocation: Mapping[str, Revocation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What a partner gave, and what it was made of."""

    settings: Partner
    certificates: CertificateSet
    openpgp: tuple[tuple[Certificate, ...], ...]
    day: int
    found: tuple[Credential, ...]


class Inventory:
    """Lists credentials, and remembers what it found in partners that did not change. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[PartnerId, _Part] = {}

    def credentials(
        self,
        configuration: Configuration,
        keyring: Keyring,
        now: Instant,
        *,
        secrets: tuple[str, ...] = (),
        observed: Observed | None = None,
    ) -> tuple[Credential, ...]:
        """Every credential: the hub's own in order of name, then those of each partner in order of partner.

        Args:
            configuration: What is in force.
            keyring: Our keys.
            now: When OpenPGP certificates are looked at.
            secrets: Names of the secrets that the keyring holds.
            observed: What was observed of them.
        """
        with self._lock:
            every = self._every(configuration, keyring, now, secrets)
        return every if observed is None else tuple(_observed(every, observed))

    def _every(
        self, configuration: Configuration, keyring: Keyring, now: Instant, secrets: tuple[str, ...]
    ) -> tuple[Credential, ...]:
        day = now // _DAY
        named = OwnBindings()
        theirs: list[Credential] = []
        ours: list[Credential] = []
        parts: dict[PartnerId, _Part] = {}
        for name, partner in configuration.partners.items():
            named.add(name, partner)
            part = self._parts.get(name)
            if part is None or not _same(part, configuration, name, partner, day):
                part = _part(configuration, name, partner, now, day)
            parts[name] = part
            for each in part.found:
                (theirs if each.owner else ours).append(each)
        self._parts = parts
        held = {each.name for each in theirs if each.kept == "keyring"}
        unnamed = tuple(name for name in secrets if f"keyring:{name}" not in held)
        hub = configuration.hub
        kept = own_credentials(hub, keyring, named, unnamed, now)
        own = _judged([*kept, *operator_credentials(hub), *ours])
        return (*own, *theirs)


def _same(part: _Part, configuration: Configuration, name: PartnerId, partner: Partner, day: int) -> bool:
    if part.settings is not partner or part.certificates is not configuration.certificates[name]:
        return False
    # OpenPGP certificates change what they are as days go by.
    return not part.openpgp or (
        part.day == day
        and all(a is b for a, b in zip(part.openpgp, _openpgp(configuration, partner), strict=True))
    )


def _openpgp(configuration: Configuration, partner: Partner) -> tuple[tuple[Certificate, ...], ...]:
    settings = partner.openpgp
    if settings is None:
        return ()
    return tuple(configuration.openpgp[path] for path in (*settings.certificates, *settings.recipients))


def _part(configuration: Configuration, name: PartnerId, partner: Partner, now: Instant, day: int) -> _Part:
    certificates = configuration.certificates[name]
    found = partner_credentials(name, partner, certificates, configuration.openpgp, now)
    return _Part(partner, certificates, _openpgp(configuration, partner), day, tuple(_judged(list(found))))


def _judged(credentials: Sequence[Credential]) -> list[Credential]:
    """The same (all of one owner), with whether others of the same kind last longer for all that each is for."""
    return [
        msgspec.structs.replace(each, replaced=True) if _is_replaced(each, credentials) else each
        for each in credentials
    ]


def _is_replaced(credential: Credential, others: Collection[Credential]) -> bool:
    ends = credential.ends
    if ends is None or not credential.purpose:
        return False
    later = {
        purpose
        for other in others
        if other is not credential
        and other.kind == credential.kind
        and (other.ends is None or other.ends > ends)
        for purpose in other.purpose
    }
    return later.issuperset(credential.purpose)


def _met(credential: Credential, seen: Mapping[str, Sequence[Seen]]) -> tuple[Seen, ...]:
    """Where it was met: a partner's with that partner, ours with whoever used it."""
    if not seen:
        return ()
    found: Sequence[Seen] = seen.get(credential.fingerprint, ())
    for other in credential.others:
        found = [*found, *seen.get(other, ())]
    return tuple(one for one in found if credential.ours or one.partner == credential.owner)


def _observed(credentials: Sequence[Credential], observed: Observed) -> list[Credential]:
    joined: list[Credential] = []
    for each in credentials:
        seen = _met(each, observed.seen)
        use = observed.uses.get(each.name) if each.ours and each.kept == "keyring" else None
        told = observed.revocation.get(each.fingerprint)
        if not seen and use is None and told is None:
            joined.append(each)
            continue
        moments = [one.last for one in seen] + ([use.last] if use is not None else [])
        joined.append(
            msgspec.structs.replace(
                each,
                seen=seen,
                used=max(moments, default=None),
                uses=use.count if use is not None else sum(one.count for one in seen),
                revocation=told if told is not None else each.revocation,
            )
        )
    return joined
