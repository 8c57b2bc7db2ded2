"""What would change: two configurations compared by what they mean, not by their text."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.model.basics import Instant, PartnerId, iso
from ecluse.trust.certificates import Dated, describe
from ecluse.trust.company import Bank, masked_iban
from ecluse.trust.configuration import Configuration
from ecluse.trust.keys.openpgp import END_OF_TIME
from ecluse.trust.operators import operator_words
from ecluse.trust.rules.authorities import bucket_authorities, hub_authorities
from ecluse.trust.settings.archive import ArchiveProfile
from ecluse.trust.settings.fields import Strict
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.places import Account, Bucket, Ftps, OpenPgp, Sftp, WebDav
from ecluse.trust.settings.schema import As2, Hub, Organisation, Partner
from ecluse.wire.openpgp.certificate import Certificate

__all__ = ["Change", "Plan", "differences", "openpgp_words", "plan", "subject_words"]

_BARE_HUB: Final = Hub(organisation=Organisation(name="", as2_id=""))
_BARE_PARTNER: Final = Partner(
    name="",
    state="invited",
    as2=As2(id=""),
    account=Account(user=""),
    sftp=Sftp(host="", user="", host_keys=()),
    ftps=Ftps(host="", user="", password=""),
    s3=Bucket(bucket=""),
    azure=Bucket(bucket=""),
    gcs=Bucket(bucket=""),
    webdav=WebDav(url=""),
    openpgp=OpenPgp(),
)
_BARE_FLOW: Final = Flow(name="", to=())
_BARE_PROFILE: Final = ArchiveProfile(name="", retention="", basis="")
"""What is not worth a line in the plan of something new. A partner's state always is."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: What happens to the field (or to all of the subject, where ``field`` is empty).
        subject: ``hub``, ``partner:birch``, ``flow:orders`` or ``archive:invoices``.
        field: Dotted path, or ``certificate <fingerprint>``, ``openpgp certificate <fingerprint>``,
            ``operator <name>``.
        before: As it was, in words; empty where it was not.
        after: As it will be; empty where it won't be.
    """

    kind: Literal["add", "change", "remove"]
    subject: str
    field: str
    before: str
    after: str

    def __str__(self) -> str:
        sign = {"add": "+", "change": "~", "remove": "-"}[self.kind]
        if self.kind == "change":
            return f"{sign} {self.field}: {self.before} -> {self.after}"
        value = self.after or self.before
        return f"{sign} {self.field}{': ' if self.field and value else ''}{value}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The differences between two configurations, in order of subject.

    Attributes:
        changes: Empty where both mean the same.
    """

    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def text(self) -> str:
        """For people: a block for each subject. Of a long key it has both ends and the fingerprint."""
        if not self.changes:
            return "Nothing would change.\n"
        lines: list[str] = []
        subject = ""
        for change in self.changes:
            if change.subject != subject:
                subject = change.subject
                lines.append(subject)
            lines.append(f"  {_LONG.sub(_shortened, str(change))}")
        return "\n".join(lines) + "\n"

    def json(self) -> bytes:
        """For programs: an array of objects with the attributes of :class:`Change`."""
        return msgspec.json.encode(self.changes)


_LONG: Final = re.compile(r"(?<![A-Za-z0-9+/=])([^\s,+]{1,255}\+[0-9a-f]{8}\+)?([A-Za-z0-9+/]{120,}={0,2})")
"""A key in base64, perhaps behind the name and the id of a verifier key. An Ed25519 or ECDSA key is shorter, and an RSA
or ML-DSA one is not."""


def _shortened(found: re.Match[str]) -> str:
    """A long key as it can be compared: both of its ends, and its fingerprint as ``ssh-keygen -l`` shows it."""
    name, key = found[1] or "", found[2]
    try:
        digest = sha256(base64.b64decode(key, validate=True)).digest()
    except ValueError:
        return found[0]
    return f"{name}{key[:12]}...{key[-8:]} (SHA256:{base64.b64encode(digest).decode().rstrip('=')})"


def plan(old: Configuration | None, new: Configuration) -> Plan:
    """Say what would change from ``old`` (``None``: nothing is there yet) to ``new``."""
    changes: list[Change] = []
    if old is None:
        changes.extend(_additions("hub", _hub_fields(new), _fields(_BARE_HUB)))
    else:
        changes.extend(_differences("hub", _hub_fields(old), _hub_fields(new)))
    names = sorted({*new.partners, *(old.partners if old is not None else ())})
    for name in names:
        subject = f"partner:{name}"
        was = old.partners.get(name) if old is not None else None
        will = new.partners.get(name)
        if old is not None and was is not None and was is will and _same_files(old, new, name, was):
            # Read from the same texts: an OpenPGP file that changed gives its partner another set too.
            continue
        if will is None and was is not None:
            changes.append(Change("remove", subject, "", was.name, ""))
        elif was is None:
            changes.extend(_additions(subject, _partner_fields(new, name), _settings(_BARE_PARTNER)))
        else:
            changes.extend(_differences(subject, _partner_fields(old, name), _partner_fields(new, name)))
    flows = sorted({*new.flows, *(old.flows if old is not None else ())})
    for name in flows:
        subject = f"flow:{name}"
        before = old.flows.get(name) if old is not None else None
        after = new.flows.get(name)
        if after is None and before is not None:
            changes.append(Change("remove", subject, "", before.name, ""))
        elif after is not None and before is None:
            changes.extend(_additions(subject, _fields(after), _fields(_BARE_FLOW)))
        else:
            changes.extend(_differences(subject, _fields(before), _fields(after)))
    for name in sorted({*new.archive, *(old.archive if old is not None else ())}):
        subject = f"archive:{name}"
        then = old.archive.get(name) if old is not None else None
        now = new.archive.get(name)
        if now is None and then is not None:
            changes.append(Change("remove", subject, "", then.name, ""))
        elif now is not None and then is None:
            changes.extend(_additions(subject, _fields(now), _fields(_BARE_PROFILE)))
        else:
            changes.extend(_differences(subject, _fields(then), _fields(now)))
    return Plan(tuple(changes))


def subject_words(configuration: Configuration, subject: str) -> dict[str, str]:
    """What a configuration says of a subject (``hub``, ``partner:birch``, ``archive:invoices``) beyond the defaults.

    Certificates are told by what they are. Empty where there is no such subject.
    """
    kind, _, name = subject.partition(":")
    if kind == "hub":
        fields, usual = _fields(configuration.hub), _fields(_BARE_HUB)
    elif kind == "partner":
        fields, usual = _partner_fields(configuration, PartnerId(name)), _settings(_BARE_PARTNER)
    elif kind == "archive":
        fields, usual = _fields(configuration.archive.get(name)), _fields(_BARE_PROFILE)
    else:
        fields, usual = _fields(configuration.flows.get(name)), _fields(_BARE_FLOW)
    tables = {field.rpartition(".")[0] for field in fields}
    emptied = {
        field: "nothing" for field in usual if field not in fields and field.rpartition(".")[0] in tables
    }
    return {**{field: value for field, value in fields.items() if usual.get(field) != value}, **emptied}


def differences(subject: str, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """What changed of a subject, as :func:`subject_words` gave it before and gives it now."""
    return tuple(_differences(subject, before, after))


def _same_files(old: Configuration, new: Configuration, name: PartnerId, partner: Partner) -> bool:
    """Whether the files that a partner's file names say the same in both."""
    if old.certificates.get(name) is not new.certificates.get(name):
        return False
    named = list(bucket_authorities(partner))
    return not named or _contents(old, named) == _contents(new, named)


def _additions(subject: str, fields: Mapping[str, str], usual: Mapping[str, str]) -> Iterator[Change]:
    """A subject that is new: only what its file says beyond the defaults."""
    for field, value in fields.items():
        if usual.get(field) != value:
            yield Change("add", subject, field, "", value)


def _differences(subject: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for field in dict.fromkeys((*before, *after)):
        was, will = before.get(field), after.get(field)
        if was is None and will is not None:
            yield Change("add", subject, field, "", will)
        elif will is None and was is not None:
            yield Change("remove", subject, field, was, "")
        elif was is not None and will is not None and was != will:
            yield Change("change", subject, field, was, will)


def _fields(table: Strict | None) -> dict[str, str]:
    return dict(_flatten("", msgspec.to_builtins(table)))


def _hub_fields(configuration: Configuration) -> dict[str, str]:
    """The hub's fields, with its operators by name (whoever joins or goes moves no other).

    A file that somebody is believed by, or sealed for, is told with what is in it: another key under the same name is
    another key.
    """
    hub = configuration.hub
    fields = _fields(msgspec.structs.replace(hub, operators=()))
    for operator in hub.operators:
        fields[f"operator {operator.name}"] = operator_words(operator)
    fields |= _contents(configuration, hub_authorities(hub))
    if hub.backup is not None:
        fields["backup.recipients"] = ", ".join(
            word
            for path in hub.backup.recipients
            for word in (path, *map(openpgp_words, configuration.openpgp.get(path, ())))
        )
    return {**fields, **_bank("organisation.", hub.organisation.bank)}


def _contents(configuration: Configuration, named: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, str]:
    """Fields that name files of authorities, with what is in these."""
    return {
        field: ", ".join(
            word
            for path in paths
            for word in (
                path,
                *(f"SHA-256 {describe(each).short}" for each in configuration.certificates_in(path)),
            )
        )
        for field, paths in named
    }


def _partner_fields(configuration: Configuration | None, name: PartnerId) -> dict[str, str]:
    if configuration is None or name not in configuration.partners:
        return {}
    fields = _settings(configuration.partners[name])
    fields |= _contents(configuration, bucket_authorities(configuration.partners[name]))
    for entry in configuration.certificates[name].entries:
        _told(fields, f"certificate {entry.info.short}", _certificate(entry))
    openpgp = configuration.partners[name].openpgp
    if openpgp is not None:
        own = {each.fingerprint for each in configuration.openpgp_certificates(openpgp.certificates)}
        for certificate in configuration.openpgp_certificates((*openpgp.certificates, *openpgp.recipients)):
            words = openpgp_words(certificate) + (
                "" if certificate.fingerprint in own else ", as a recipient"
            )
            fields[f"openpgp certificate {certificate.fingerprint}"] = words
    return fields


def _told(fields: dict[str, str], field: str, words: str) -> None:
    """Add to what is said of a field: a certificate may stand there twice, for different uses."""
    fields[field] = f"{fields[field]}; {words}" if field in fields else words


def openpgp_words(certificate: Certificate) -> str:
    """In words that don't depend on the moment; the digest tells what words don't."""
    view = certificate.at(END_OF_TIME)
    ends = view.expires()
    lasting = f"until {iso(Instant(ends * 1_000_000))[:10]}" if ends is not None else "without an end"
    state = "revoked, " if view.revoked(certificate.primary) else ""
    name = next((f"{user.text}, " for user in certificate.user_ids), "")
    digest = sha256(certificate.encoded).hexdigest()[:16]
    return f"{name}{certificate.primary.name}, {state}{lasting}, SHA-256 {digest}"


def _settings(partner: Partner) -> dict[str, str]:
    """A partner's fields without its certificates, which are compared by what they are."""
    return {**_fields(msgspec.structs.replace(partner, certificates=())), **_bank("", partner.bank)}


def _bank(prefix: str, bank: Bank | None) -> dict[str, str]:
    """An account number never stands in a plan or in the log whole."""
    return {} if bank is None else {f"{prefix}bank.iban": masked_iban(bank.iban)}


def _certificate(entry: Dated) -> str:
    info = entry.info
    text = (
        f"{info.subject}, {info.key.name}, valid {iso(info.not_before)[:10]} to {iso(info.not_after)[:10]}, "
        f"for {', '.join(sorted(entry.use))}"
    )
    if entry.start is not None:
        text += f", used from {iso(entry.start)}"
    if entry.end is not None:
        text += f", used until {iso(entry.end)}"
    if entry.succeeds:
        text += f", to succeed {', '.join(sorted(each[:16] for each in entry.succeeds))}"
    if len(entry.chain) > 1:
        # For TLS all of them are trusted: none may be exchanged behind a certificate that stays.
        encoded = b"".join(each.public_bytes(Encoding.DER) for each in entry.chain[1:])
        text += f", with {len(entry.chain) - 1} more (SHA-256 {sha256(encoded).hexdigest()[:16]})"
    return text


def _flatten(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Dotted paths and values; fields that are not set are left out."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flatten(f"{path}.{name}" if path else str(name), item)
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from _flatten(f"{path}[{number}]", item)
    elif isinstance(value, list | tuple):
        if value:
            yield path, ", ".join(str(item) for item in value)
    elif value is not None:
        yield path, "yes" if value is True else "no" if value is False else str(value)
