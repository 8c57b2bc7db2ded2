"""A partner's credentials, and ours that its file alone refers to, from what the configuration says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ecluse.model.basics import Instant
from ecluse.trust.certificates import CertificateSet, Dated, describe
from ecluse.trust.inventory.credential import Binding, Credential
from ecluse.trust.inventory.openpgp import openpgp_credential
from ecluse.trust.inventory.references import kept_in, kind_of, secret_references
from ecluse.trust.inventory.ssh import ssh_facts, ssh_window
from ecluse.trust.inventory.strength import strength_of
from ecluse.trust.settings.fields import instant_from, instant_until
from ecluse.trust.settings.schema import Partner
from ecluse.wire.openpgp.certificate import Certificate

__all__ = ["certificate_credential", "partner_credentials", "tls_channels"]

_USES: Final = {
    "verify": ("as2",),
    "encrypt": ("as2",),
    "mdn-verify": ("as2",),
    "tls-client": ("as2", "account"),
}
_TLS: Final = ("as2", "ftps", "webdav")
"""Channels whose server is checked with a partner's certificates for "tls"."""


def partner_credentials(
    name: str,
    partner: Partner,
    certificates: CertificateSet,
    openpgp: Mapping[str, tuple[Certificate, ...]],
    now: Instant,
) -> Iterator[Credential]:
    """Everything that a partner's file names except keys of our keyring.

    Args:
        name: The partner's id.
        partner: Its file.
        certificates: Its certificates.
        openpgp: OpenPGP certificates by file.
        now: When OpenPGP certificates are looked at.
    """
    file = f"partners/{name}.toml"
    yield from _certificates(name, partner, certificates, file)
    yield from _ssh(name, partner, file)
    yield from _openpgp(name, partner, openpgp, file, now)
    yield from _references(name, partner, file)
    for kind in ("s3", "azure", "gcs"):
        bucket = getattr(partner, kind)
        if bucket is not None and bucket.ca is not None:
            binding = Binding(f"{kind}:{name}", "tls", file, f"{kind}.ca")
            yield Credential(
                owner=name,
                kind="trust-anchor",
                name=bucket.ca,
                purpose=("tls",),
                bindings=(binding,),
                kept="file",
            )


def tls_channels(partner: Partner) -> Iterator[str]:
    """Kinds of the channels whose server shows a certificate that is checked with those for "tls"."""
    if partner.as2 is not None and (partner.as2.url or "").lower().startswith("https:"):
        yield "as2"
    if partner.ftps is not None and partner.ftps.mode != "clear":
        yield "ftps"
    if partner.webdav is not None and partner.webdav.url.lower().startswith("https:"):
        yield "webdav"


def _certificates(
    name: str, partner: Partner, certificates: CertificateSet, file: str
) -> Iterator[Credential]:
    at = 0
    for number, entry in enumerate(partner.certificates):
        start, end = instant_from(entry.from_), instant_until(entry.until)
        while at < len(certificates.entries) and certificates.entries[at].entry == number:
            dated = certificates.entries[at]
            at += 1
            bindings = tuple(_bindings(name, partner, entry.use, file, f"certificates[{number}]"))
            yield certificate_credential(name, entry.file, dated, entry.use, bindings, start, end)
            if "tls" in entry.use:
                tls = tuple(binding for binding in bindings if binding.role == "tls")
                for issuer in dated.chain:
                    if issuer == dated.certificate:
                        continue
                    above = Dated(issuer, describe(issuer), frozenset(("tls",)))
                    yield certificate_credential(name, entry.file, above, ("tls",), tls, start, end)


def _bindings(name: str, partner: Partner, uses: tuple[str, ...], file: str, field: str) -> Iterator[Binding]:
    for use in uses:
        kinds = tuple(tls_channels(partner)) if use == "tls" else _USES[use]
        for kind in kinds:
            if getattr(partner, kind) is not None:
                yield Binding(f"{kind}:{name}", use, file, field)


def certificate_credential(
    owner: str,
    name: str,
    dated: Dated,
    purpose: tuple[str, ...],
    bindings: tuple[Binding, ...],
    start: Instant | None = None,
    end: Instant | None = None,
    *,
    kept: str = "configuration",
) -> Credential:
    """Describe a certificate."""
    info = dated.info
    anchor = info.authority and set(purpose) <= {"tls"} and bool(purpose)
    return Credential(
        owner=owner,
        kind="trust-anchor" if anchor else "certificate",
        name=name,
        purpose=purpose,
        bindings=bindings,
        algorithm=info.key.name,
        strength=strength_of(info.key.name),
        fingerprint=info.fingerprint,
        subject=info.subject,
        issuer=info.issuer,
        serial=info.serial,
        signature=info.signature,
        chain=dated.issuers,
        not_before=info.not_before,
        not_after=info.not_after,
        start=start,
        end=end,
        kept=kept,
    )


def _ssh(name: str, partner: Partner, file: str) -> Iterator[Credential]:
    if partner.account is not None:
        channel = f"account:{name}"
        for number, line in enumerate(partner.account.keys):
            yield _line(name, channel, "user-key", file, f"account.keys[{number}]", line)
        for number, line in enumerate(partner.account.authorities):
            yield _line(name, channel, "authority", file, f"account.authorities[{number}]", line)
    if partner.sftp is None:
        return
    channel = f"sftp:{name}"
    for number, line in enumerate(partner.sftp.host_keys):
        yield _line(name, channel, "host-key", file, f"sftp.host_keys[{number}]", line)
    for hop, jump in enumerate(partner.sftp.jump):
        for number, line in enumerate(jump.host_keys):
            yield _line(name, channel, "host-key", file, f"sftp.jump[{hop}].host_keys[{number}]", line)
    if partner.sftp.certificate is not None:
        begins, ends = ssh_window(partner.sftp.certificate)
        made = _line("", channel, "client-certificate", file, "sftp.certificate", partner.sftp.certificate)
        yield Credential(
            owner="",
            kind="ssh-key",
            name=f"{file} sftp.certificate",
            purpose=made.purpose,
            bindings=made.bindings,
            fingerprint=made.fingerprint,
            algorithm=made.algorithm,
            not_before=begins,
            not_after=ends,
        )


def _line(owner: str, channel: str, role: str, file: str, field: str, line: str) -> Credential:
    facts = ssh_facts(line)
    role = "authority" if facts.authority else role
    return Credential(
        owner=owner,
        kind="ssh-key",
        name=f"{file} {field}",
        purpose=(role,),
        bindings=(Binding(channel, role, file, field),),
        algorithm=facts.algorithm,
        strength=facts.strength,
        fingerprint=facts.fingerprint,
    )


def _openpgp(
    name: str, partner: Partner, loaded: Mapping[str, tuple[Certificate, ...]], file: str, now: Instant
) -> Iterator[Credential]:
    settings = partner.openpgp
    if settings is None:
        return
    channel = f"openpgp:{name}"
    for field, roles, paths in (
        ("certificates", ("encrypt", "verify"), settings.certificates),
        ("recipients", ("also-read",), settings.recipients),
    ):
        for number, path in enumerate(paths):
            bindings = [Binding(channel, role, file, f"openpgp.{field}[{number}]") for role in roles]
            for certificate in loaded[path]:
                yield openpgp_credential(name, path, certificate, bindings, now)


def _references(name: str, partner: Partner, file: str) -> Iterator[Credential]:
    named: dict[str, list[Binding]] = {}
    for field, reference in secret_references(partner):
        place, _, role = field.partition(".")
        named.setdefault(reference, []).append(
            Binding(f"{place}:{name}", role.rpartition(".")[2], file, field)
        )
    for reference, bindings in named.items():
        yield Credential(
            owner=name,
            kind=kind_of(bindings[0].field),
            name=reference,
            purpose=tuple(dict.fromkeys(binding.role for binding in bindings)),
            bindings=tuple(bindings),
            kept=kept_in(reference),
        )
