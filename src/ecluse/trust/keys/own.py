"""The organisation's own keys: what the configuration names, joined with what the keyring holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ecluse.model.basics import Instant
from ecluse.trust.certificates import CertificateSet, Dated, describe
from ecluse.trust.configuration import HUB_FILE, Configuration
from ecluse.trust.errors import ConfigurationError, Problem
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.rotation.choices import in_turn
from ecluse.trust.rules.general import used_keys
from ecluse.trust.settings.fields import instant_from, instant_until
from ecluse.trust.settings.schema import Hub

__all__ = ["OwnKeys", "client_key_problems", "openpgp_key_problems", "own_keys", "seal_key_problems"]


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The organisation's keys, chosen by use and time."""

    _entries: tuple[tuple[str, Dated], ...]
    _succeeds: Mapping[str, str] = field(default_factory=dict)

    def at(self, use: str, now: Instant, chosen: Collection[str] = ()) -> tuple[str, ...]:
        """References of the keys for ``use`` at ``now``, newest first. Their certificates' end counts too.

        A successor comes after what it is to succeed, unless it is among the ``chosen``.
        """
        found = CertificateSet(tuple(entry for _, entry in self._entries)).entries_at(use, now)
        by_identity = {id(entry): ref for ref, entry in self._entries}
        refs = tuple(dict.fromkeys(by_identity[id(entry)] for entry in found))
        if not self._succeeds:
            return refs
        return in_turn(refs, {ref: {old} for ref, old in self._succeeds.items()}, chosen)

    def named(self, use: str) -> tuple[tuple[str, Dated], ...]:
        """Every key that the configuration names for ``use``, with its certificate, whatever its window."""
        named = tuple(entry for entry in self._entries if use in entry[1].use)
        if not named and use.startswith("mdn-"):
            return self.named(use.removeprefix("mdn-"))
        return named

    def decrypt(self) -> tuple[str, ...]:
        """Every key that decrypts, whatever its window: what was in flight at a change of keys must open."""
        return tuple(dict.fromkeys(ref for ref, entry in self._entries if "decrypt" in entry.use))


def own_keys(hub: Hub, keyring: Keyring) -> OwnKeys:
    """The keys of ``ecluse.toml``, each with its certificate.

    A key that was renewed in place keeps its former certificates inside the keyring; only the present one
    counts here.
    """
    held = set(keyring.references())
    problems: list[Problem] = []
    entries: list[tuple[str, Dated]] = []
    for number, key in enumerate(hub.organisation.keys):
        field = f"organisation.keys[{number}]"
        if key.ref not in held:
            problems.append(_missing(HUB_FILE, f"{field}.ref", key.ref))
            continue
        certificate = keyring.certificate(key.ref)
        info = describe(certificate)
        for use in key.use:
            capable = info.key.encrypts if use == "decrypt" else info.key.signs
            if not capable:
                cause = f"A key of the kind {info.key.name} can't be used to {use}."
                remedy = "Name only the uses that the key can serve."
                problems.append(Problem("trust.wrong-use", HUB_FILE, f"{field}.use", cause, remedy))
        start, end = instant_from(key.from_), instant_until(key.until)
        entries.append((key.ref, Dated(certificate, info, frozenset(key.use), start, end)))
    if hub.listen.sftp is not None:
        for number, ref in enumerate(hub.listen.sftp.host_keys):
            if ref not in held:
                problems.append(
                    Problem(
                        "trust.no-key",
                        HUB_FILE,
                        f"listen.sftp.host_keys[{number}]",
                        f'The keyring has no key "{ref}" to prove our SFTP server with.',
                        f"Make it with `ecluse cert generate {ref} --kind ed25519`.",
                    )
                )
    for name, listener in (("listen.as2.tls", hub.listen.as2.tls), ("listen.ftps", hub.listen.ftps)):
        if listener is not None and listener.key not in held:
            problems.append(_missing(HUB_FILE, f"{name}.key", listener.key))
        if listener is not None and listener.successor is not None and listener.successor not in held:
            problems.append(_missing(HUB_FILE, f"{name}.successor", listener.successor))
    if problems:
        raise ConfigurationError(problems)
    succeeds = {key.ref: key.succeeds for key in hub.organisation.keys if key.succeeds is not None}
    return OwnKeys(tuple(entries), succeeds)


def client_key_problems(configuration: Configuration, keyring: Keyring) -> list[Problem]:
    """Keys that partners' files name and the keyring does not hold."""
    held = set(keyring.references())
    return [
        _missing(f"partners/{name}.toml", field, ref)
        for name, partner in configuration.partners.items()
        for field, ref in used_keys(partner)
        if ref not in held
    ]


def openpgp_key_problems(configuration: Configuration, keyring: Keyring) -> list[Problem]:
    """The same of OpenPGP keys."""
    held = set(keyring.openpgp_references())
    named = [
        (HUB_FILE, f"openpgp.keys[{number}]", ref)
        for number, ref in enumerate(configuration.hub.openpgp.keys)
    ]
    for name, partner in configuration.partners.items():
        if partner.openpgp is not None and partner.openpgp.key is not None:
            named.append((f"partners/{name}.toml", "openpgp.key", partner.openpgp.key))
    return [
        Problem(
            "trust.no-key",
            file,
            field,
            f'The keyring has no OpenPGP key "{ref}".',
            "Make it with `ecluse pgp generate`, or import it with `ecluse pgp import`.",
        )
        for file, field, ref in named
        if ref not in held
    ]


def seal_key_problems(configuration: Configuration, keyring: Keyring) -> list[Problem]:
    """Keys that flows seal documents with and the keyring does not hold."""
    held = set(keyring.references())
    return [
        _missing(f"flows/{name}.toml", f"to[{number}].seal.key", target.seal.key)
        for name, flow in configuration.flows.items()
        for number, target in enumerate(flow.to)
        if target.seal is not None and target.seal.key is not None and target.seal.key not in held
    ]


def _missing(file: str, field: str, ref: str) -> Problem:
    cause = f'The keyring has no key "{ref}".'
    return Problem("trust.no-key", file, field, cause, "Make it with `ecluse cert generate`, or import it.")
