"""What facts of partners are made of, made anew only for a partner whose file or certificates changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ecluse.app.posture.openpgp import pgp_facts
from ecluse.model.basics import Instant, PartnerId
from ecluse.posture.facts import PgpFacts, Shared
from ecluse.posture.rules.secrets import PARTNER_REFERENCES, references
from ecluse.trust.certificates import CertificateSet
from ecluse.trust.configuration import Configuration
from ecluse.trust.inventory import Binding
from ecluse.trust.inventory.ours import OwnBindings
from ecluse.trust.keys.ssh import fingerprint, key_blob
from ecluse.trust.settings.schema import Partner
from ecluse.wire.openpgp.certificate import Certificate

__all__ = ["Material", "materials", "shared_things"]

_find = references(PARTNER_REFERENCES)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """One partner, worked up.

    Attributes:
        settings: Its file.
        certificates: Its certificates.
        raw: Its OpenPGP certificates.
        openpgp: The same as facts.
        files: (field, reference) of its secrets that are files, or in the keyring.
        used: Our keys that its file names: name in the keyring, and where.
        holds: (kind, name) of what no other partner should have.
    """

    settings: Partner
    certificates: CertificateSet
    raw: tuple[tuple[Certificate, ...], ...]
    openpgp: tuple[PgpFacts, ...]
    files: tuple[tuple[str, str], ...]
    used: tuple[tuple[str, Binding], ...]
    holds: tuple[tuple[str, str], ...]


def materials(
    configuration: Configuration, before: Mapping[PartnerId, Material], now: Instant
) -> dict[PartnerId, Material]:
    """Every partner worked up; those of ``before`` that did not change are the same objects."""
    found: dict[PartnerId, Material] = {}
    for id, settings in configuration.partners.items():
        certificates = configuration.certificates[id]
        paths = settings.openpgp.certificates if settings.openpgp is not None else ()
        raw = tuple(configuration.openpgp[path] for path in paths)
        known = before.get(id)
        if (
            known is None
            or known.settings is not settings
            or known.certificates is not certificates
            or known.raw != raw
        ):
            known = _material(id, settings, certificates, paths, raw, now)
        found[id] = known
    return found


def _material(
    id: PartnerId,
    settings: Partner,
    certificates: CertificateSet,
    paths: Iterable[str],
    raw: tuple[tuple[Certificate, ...], ...],
    now: Instant,
) -> Material:
    named = tuple(_find(settings))
    holds = [("certificate", each.info.short) for each in certificates.entries if each.use - {"tls"}]
    if settings.account is not None:
        holds += [("ssh-key", _ssh_name(line)) for line in settings.account.keys]
    holds += [("secret", reference) for _, reference in named]
    openpgp = tuple(
        pgp_facts(path, certificate, now)
        for path, certificates_ in zip(paths, raw, strict=True)
        for certificate in certificates_
    )
    bindings = OwnBindings()
    bindings.add(id, settings)
    return Material(
        settings=settings,
        certificates=certificates,
        raw=raw,
        openpgp=openpgp,
        files=tuple(each for each in named if each[1].startswith(("file:", "keyring:"))),
        used=tuple((ref, binding) for ref, found in bindings.keys.items() for binding in found),
        holds=tuple(dict.fromkeys(holds)),
    )


def shared_things(found: Mapping[PartnerId, Material]) -> tuple[Shared, ...]:
    """Keys, certificates and secrets that more than one active partner has."""
    holders: dict[tuple[str, str], list[PartnerId]] = defaultdict(list)
    for id, material in found.items():
        if material.settings.state == "active":
            for thing in material.holds:
                holders[thing].append(id)
    return tuple(
        Shared(kind, name, tuple(partners))
        for (kind, name), partners in sorted((thing, ids) for thing, ids in holders.items() if len(ids) > 1)
    )


def _ssh_name(line: str) -> str:
    try:
        return fingerprint(key_blob(line))
    except ValueError:
        return line[:80]
