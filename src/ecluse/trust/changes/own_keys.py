"""Keys of ours in the words of a plan: a name in the keyring does not say which key has it.

Whoever approves that a name is used approves the key behind it, and no other: its fingerprint stands beside the name in
what is signed. A key that was exchanged under its name meanwhile makes other words, which nobody signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from ecluse.trust.certificates import describe
from ecluse.trust.changes.plan import Change, Plan
from ecluse.trust.changes.sensitive import normal
from ecluse.trust.configuration import Configuration
from ecluse.trust.errors import KeyringError
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.rules.places import used_keys

__all__ = ["NAMED", "NAMED_OPENPGP", "key_words", "named_keys", "with_own_keys"]

NAMED: Final[Mapping[str, frozenset[str]]] = {
    "hub": frozenset(
        {
            "organisation.keys[].ref",
            "organisation.keys[].succeeds",
            "organisation.ssh_keys",
            "listen.as2.tls.key",
            "listen.as2.tls.successor",
            "listen.ftps.key",
            "listen.ftps.successor",
            "listen.log.key",
            "listen.sftp.host_keys",
        }
    ),
    "partner": frozenset(
        {
            *(
                f"{place}.tls.{name}"
                for place in ("as2", "ftps", "webdav")
                for name in ("client_key", "successor")
            ),
            "sftp.key",
            "sftp.successor",
            "sftp.jump[].key",
        }
    ),
    "flow": frozenset({"to[].seal.key"}),
    "archive": frozenset(),
}
"""Fields that name keys of the keyring, by kind of subject."""

NAMED_OPENPGP: Final[Mapping[str, frozenset[str]]] = {
    "hub": frozenset({"openpgp.keys"}),
    "partner": frozenset({"openpgp.key"}),
}
"""Fields that name OpenPGP keys of the keyring."""


def key_words(keyring: Keyring, ref: str) -> str:
    """A key and its certificate, in words. Raises :class:`KeyringError` where there is none of that name."""
    info = describe(keyring.certificate(ref))
    return f"{info.key.name}, SHA-256 {info.fingerprint}"


def _openpgp_words(keyring: Keyring, ref: str) -> str:
    """An OpenPGP key, in words. Raises :class:`KeyringError` where there is none of that name."""
    certificate = keyring.openpgp_certificate(ref)
    return f"{certificate.primary.name}, {certificate.fingerprint}"


def named_keys(configuration: Configuration) -> frozenset[str]:
    """Names of the keys (OpenPGP's apart) that a configuration puts to use."""
    organisation, listen = configuration.hub.organisation, configuration.hub.listen
    found: set[str | None] = {*(each.ref for each in organisation.keys), *organisation.ssh_keys}
    for door in (listen.as2.tls, listen.ftps):
        if door is not None:
            found |= {door.key, door.successor}
    if listen.sftp is not None:
        found.update(listen.sftp.host_keys)
    if listen.log is not None:
        found.add(listen.log.key)
    for partner in configuration.partners.values():
        found.update(ref for _, ref in used_keys(partner))
    for flow in configuration.flows.values():
        found.update(target.seal.key for target in flow.to if target.seal is not None)
    return frozenset(each for each in found if each is not None)


def with_own_keys(plan: Plan, keyring: Keyring) -> Plan:
    """The same plan, with which key is meant beside each name of one that comes into use."""
    return Plan(tuple(_told(change, keyring) for change in plan.changes))


def _told(change: Change, keyring: Keyring) -> Change:
    kind, field = change.subject.partition(":")[0], normal(change.field)
    words: Callable[[Keyring, str], str]
    if field in NAMED.get(kind, ()):
        words = key_words
    elif field in NAMED_OPENPGP.get(kind, ()):
        words = _openpgp_words
    else:
        return change
    # A field of several names has them with a comma between; no name has one.
    after = ", ".join(_one(words, keyring, ref) for ref in change.after.split(", ")) if change.after else ""
    return replace(change, after=after)


def _one(words: Callable[[Keyring, str], str], keyring: Keyring, ref: str) -> str:
    try:
        return f"{ref} ({words(keyring, ref)})"
    except KeyringError:
        return f"{ref} (not in the keyring)"
