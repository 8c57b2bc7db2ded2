"""The hub's own credentials: keys of the keyring, references of ``ecluse.toml``, the authorities of the system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ecluse.model.basics import Instant, PartnerId
from ecluse.trust.certificates import Dated, describe
from ecluse.trust.errors import KeyringError
from ecluse.trust.inventory.credential import Binding, Credential
from ecluse.trust.inventory.openpgp import openpgp_credential
from ecluse.trust.inventory.references import kept_in, kind_of, secret_references
from ecluse.trust.inventory.ssh import ssh_facts
from ecluse.trust.inventory.theirs import certificate_credential, tls_channels
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.rules.places import used_keys
from ecluse.trust.settings.fields import instant_from, instant_until
from ecluse.trust.settings.schema import Hub, Partner

__all__ = ["OwnBindings", "operator_credentials", "own_credentials"]

HUB_FILE: Final = "ecluse.toml"
_SSH_ROLES: Final = frozenset({"host-key", "client-key"})


class OwnBindings:
    """Where partners' files name our keys: collected while the partners are gone through.

    Attributes:
        keys: By name in the keyring.
        openpgp: The same of OpenPGP keys.
        system: Channels whose server is checked with the system's authorities.
    """

    def __init__(self) -> None:
        self.keys: dict[str, list[Binding]] = {}
        self.openpgp: dict[str, list[Binding]] = {}
        self.system: list[Binding] = []

    def add(self, name: PartnerId, partner: Partner) -> None:
        """Take up what a partner's file names."""
        file = f"partners/{name}.toml"
        for field, ref in used_keys(partner):
            place = field.partition(".")[0]
            role = "client-key" if place == "sftp" else "tls-client"
            self.keys.setdefault(ref, []).append(Binding(f"{place}:{name}", role, file, field))
        if partner.openpgp is not None and partner.openpgp.key is not None:
            for role in ("sign", "decrypt"):
                binding = Binding(f"openpgp:{name}", role, file, "openpgp.key")
                self.openpgp.setdefault(partner.openpgp.key, []).append(binding)
        if not any("tls" in entry.use for entry in partner.certificates):
            self.system += [Binding(f"{kind}:{name}", "tls", file, kind) for kind in tls_channels(partner)]
        for kind in ("s3", "azure", "gcs"):
            bucket = getattr(partner, kind)
            if bucket is not None and bucket.ca is None and not (bucket.endpoint or "").startswith("http:"):
                self.system.append(Binding(f"{kind}:{name}", "tls", file, kind))


def own_credentials(
    hub: Hub, keyring: Keyring, named: OwnBindings, secrets: tuple[str, ...], now: Instant
) -> Iterator[Credential]:
    """Everything of the hub's own.

    Args:
        hub: ``ecluse.toml``.
        keyring: Our keys.
        named: Where partners' files name them.
        secrets: Names of the secrets that the keyring holds and no partner's file names.
        now: When OpenPGP keys are looked at.
    """
    listeners = _listeners(hub)
    for ref in keyring.references():
        yield from _key(hub, keyring, ref, [*listeners.get(ref, ()), *named.keys.get(ref, ())])
    for ref in keyring.openpgp_references():
        bindings = [
            *(
                Binding("hub", role, HUB_FILE, f"openpgp.keys[{number}]")
                for number, each in enumerate(hub.openpgp.keys)
                if each == ref
                for role in (("sign", "decrypt") if number == 0 else ("decrypt",))
            ),
            *named.openpgp.get(ref, ()),
        ]
        yield openpgp_credential("", ref, keyring.openpgp_certificate(ref), bindings, now, kept="keyring")
    yield from _references(hub, secrets)
    if hub.blobs.ca is not None:
        binding = Binding("hub", "tls", HUB_FILE, "blobs.ca")
        yield Credential(
            owner="",
            kind="trust-anchor",
            name=hub.blobs.ca,
            purpose=("tls",),
            bindings=(binding,),
            kept="file",
        )
    if named.system:
        yield Credential(
            owner="",
            kind="trust-anchor",
            name="the system's authorities",
            purpose=("tls",),
            bindings=tuple(named.system),
            kept="system",
        )
    yield Credential(
        owner="",
        kind="storage-key",
        name="storage.keys",
        purpose=("wrap",),
        bindings=(Binding("hub", "wrap", HUB_FILE, "blobs"),),
        algorithm="AES-256",
        strength=256,
        kept="keyring",
    )
    yield Credential(
        owner="",
        kind="log-key",
        name="log.seed",
        purpose=("sign-log",),
        bindings=(Binding("hub", "sign-log", HUB_FILE, "log"),),
        algorithm="Ed25519",
        strength=128,
        fingerprint=keyring.log_public_key.hex(),
        kept="keyring",
    )


def operator_credentials(hub: Hub) -> Iterator[Credential]:
    """The keys that operators sign changes to trust with."""
    for number, operator in enumerate(hub.operators):
        for at, line in enumerate(operator.keys):
            facts = ssh_facts(line)
            field = f"operators[{number}].keys[{at}]"
            yield Credential(
                owner="",
                kind="ssh-key",
                name=f"operator {operator.name}"
                if len(operator.keys) == 1
                else f"operator {operator.name} {at + 1}",
                purpose=("operator",),
                bindings=(Binding("hub", "operator", HUB_FILE, field),),
                algorithm=facts.algorithm,
                strength=facts.strength,
                fingerprint=facts.fingerprint,
                kept="configuration",
            )


def _listeners(hub: Hub) -> Mapping[str, list[Binding]]:
    """Where ``ecluse.toml`` names keys beside ``[[organisation.keys]]``."""
    found: dict[str, list[Binding]] = {}
    for kind, key in (("as2", hub.listen.as2.tls), ("ftps", hub.listen.ftps)):
        if key is not None:
            field = "listen.as2.tls.key" if kind == "as2" else "listen.ftps.key"
            found.setdefault(key.key, []).append(Binding(f"listen:{kind}", "tls", HUB_FILE, field))
            if key.successor is not None:
                binding = Binding(f"listen:{kind}", "tls", HUB_FILE, field.replace(".key", ".successor"))
                found.setdefault(key.successor, []).append(binding)
    if hub.listen.sftp is not None:
        for number, ref in enumerate(hub.listen.sftp.host_keys):
            binding = Binding("listen:sftp", "host-key", HUB_FILE, f"listen.sftp.host_keys[{number}]")
            found.setdefault(ref, []).append(binding)
    return found


def _key(hub: Hub, keyring: Keyring, ref: str, connecting: list[Binding]) -> Iterator[Credential]:
    """A key once for each window that it is named with, once for what connects, once for SSH."""
    chain = keyring.chain(ref)
    dated = Dated(chain[0], describe(chain[0]), frozenset(), chain=chain)
    rows = 0
    for number, key in enumerate(hub.organisation.keys):
        if key.ref == ref:
            rows += 1
            bindings = tuple(Binding("hub", use, HUB_FILE, f"organisation.keys[{number}]") for use in key.use)
            start, end = instant_from(key.from_), instant_until(key.until)
            yield certificate_credential("", ref, dated, tuple(key.use), bindings, start, end, kept="keyring")
    tls = tuple(binding for binding in connecting if binding.role not in _SSH_ROLES)
    ssh = tuple(binding for binding in connecting if binding.role in _SSH_ROLES)
    if tls or (not rows and not ssh):
        roles = {binding.role for binding in tls}
        purpose = tuple(role for role in ("tls", "tls-client") if role in roles)
        yield certificate_credential("", ref, dated, purpose, tls, kept="keyring")
    if ssh:
        yield _ssh(keyring, ref, dated, ssh)


def _ssh(keyring: Keyring, ref: str, dated: Dated, bindings: tuple[Binding, ...]) -> Credential:
    """SSH looks at the key alone, and never at its certificate: that has no say in when it ends."""
    try:
        print_ = ssh_facts(keyring.ssh_public_key(ref)).fingerprint
    except KeyringError:
        print_ = ""
    made = certificate_credential("", ref, dated, (), bindings)
    roles = {binding.role for binding in bindings}
    return Credential(
        owner="",
        kind="ssh-key",
        name=ref,
        purpose=tuple(role for role in ("host-key", "client-key") if role in roles),
        bindings=bindings,
        algorithm=made.algorithm,
        strength=made.strength,
        fingerprint=print_,
        others=(made.fingerprint,),
        kept="keyring",
    )


def _references(hub: Hub, secrets: tuple[str, ...]) -> Iterator[Credential]:
    named: dict[str, list[Binding]] = {}
    for field, reference in secret_references(hub):
        named.setdefault(reference, []).append(Binding("hub", field.rpartition(".")[2], HUB_FILE, field))
    for reference, bindings in named.items():
        yield Credential(
            owner="",
            kind=kind_of(bindings[0].field),
            name=reference,
            purpose=tuple(dict.fromkeys(binding.role for binding in bindings)),
            bindings=tuple(bindings),
            kept=kept_in(reference),
        )
    for name in secrets:
        if f"keyring:{name}" not in named:
            yield Credential(owner="", kind="password", name=f"keyring:{name}", kept="keyring")
