"""Facts of our own keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ecluse.app.keys.openpgp import OpenPgpEntry
from ecluse.app.node import Node
from ecluse.app.posture.openpgp import pgp_facts
from ecluse.app.posture.partners import Material
from ecluse.model.basics import Instant, PartnerId
from ecluse.posture.facts import OwnKeyFacts, PgpFacts
from ecluse.trust.certificates import describe
from ecluse.trust.configuration import Configuration
from ecluse.trust.inventory import Credential
from ecluse.trust.inventory.ours import OwnBindings, own_credentials
from ecluse.trust.settings.schema import Partner

__all__ = ["own_keys", "own_pgp"]


def own_pgp(entry: OpenPgpEntry, now: Instant) -> PgpFacts:
    """One of our OpenPGP keys."""
    return pgp_facts(entry.source, entry.certificate, now)


def own_keys(
    node: Node, configuration: Configuration, materials: Mapping[PartnerId, Material], now: Instant
) -> tuple[OwnKeyFacts, ...]:
    """Our keys, each with the active partners that depend on it."""
    active = {id: each for id, each in configuration.partners.items() if each.state == "active"}
    named = OwnBindings()
    for id in active:
        for ref, binding in materials[id].used:
            named.keys.setdefault(ref, []).append(binding)
    groups = {
        "hub": tuple(id for id, each in active.items() if each.as2 is not None),
        "listen:as2": tuple(id for id, each in active.items() if each.as2 is not None),
        "listen:ftps": _with_account(active, "ftps"),
        "listen:sftp": _with_account(active, "sftp"),
    }
    own = [
        each
        for each in own_credentials(configuration.hub, node.keyring, named, (), now)
        if each.kind in ("certificate", "ssh-key")
    ]
    return tuple(_own_key(node, each, own, groups) for each in own)


def _own_key(
    node: Node, each: Credential, own: Sequence[Credential], groups: Mapping[str, tuple[PartnerId, ...]]
) -> OwnKeyFacts:
    info = describe(node.keyring.certificate(each.name))
    ends = min(info.not_after, each.end) if each.end is not None else info.not_after
    lasting = {
        use
        for other in own
        if other is not each and other.ends is not None and other.ends > ends
        for use in other.purpose
    }
    users: dict[PartnerId, None] = {}
    for binding in each.bindings:
        name = PartnerId(binding.channel.partition(":")[2])
        users |= dict.fromkeys(groups.get(binding.channel, (name,)))
    ssh = each.kind == "ssh-key"
    return OwnKeyFacts(
        ref=each.name,
        use=("ssh",) if ssh else each.purpose,
        info=info,
        ends=ends,
        begins=max(each.start or Instant(0), info.not_before),
        replaced=bool(each.purpose) and set(each.purpose) <= lasting,
        partners=tuple(users),
    )


def _with_account(active: Mapping[PartnerId, Partner], protocol: str) -> tuple[PartnerId, ...]:
    return tuple(
        id for id, each in active.items() if each.account is not None and protocol in each.account.protocols
    )
