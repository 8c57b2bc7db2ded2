"""Our OpenPGP keys and the partners' certificates: listed, made, taken over, extended, revoked.

Whatever changes the keyring is an event, and a serving node takes it up as it takes up a configuration.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import tomli_w

from ecluse.app.keys.certificates import record_keys
from ecluse.app.node import Node
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, PartnerId, iso
from ecluse.trust.keys.openpgp import armored_certificate, seconds
from ecluse.trust.rules.openpgp import load_openpgp
from ecluse.trust.secrets import Secret
from ecluse.wire.openpgp.certificate import Certificate, KeyState, read_certificates

__all__ = [
    "OpenPgpEntry",
    "extend_key",
    "find_entry",
    "generate_key",
    "grouped",
    "import_key",
    "is_ending",
    "openpgp_entries",
    "own_openpgp_entries",
    "partner_files",
    "remove_key",
    "revoke_key",
]

_DAY: Final = 86_400


class NoSuchCertificate(EcluseError):
    """There is no key or certificate of that name."""

    code = "openpgp.no-such-key"
    fault = Fault.USAGE
    remedy = "Look at `ecluse pgp list`."


@dataclass(frozen=True, slots=True)
class OpenPgpEntry:
    """A certificate with whose it is.

    Attributes:
        partner: Whose; ``None`` for our own.
        source: Name of our key in the keyring, or the file.
        use: What the configuration names it for: ``sign``, ``decrypt``, ``encrypt``, ``verify``, ``also-read``.
        certificate: The certificate.
    """

    partner: PartnerId | None
    source: str
    use: tuple[str, ...]
    certificate: Certificate

    def as_dict(self, now: Instant) -> dict[str, Any]:
        """For ``--json``."""
        when = seconds(now)
        view = self.certificate.at(when)
        ends = view.expires()
        return {
            "owner": self.partner or "us",
            "source": self.source,
            "use": list(self.use),
            "user_ids": [user.text for user in view.user_ids or self.certificate.user_ids],
            "fingerprint": self.certificate.fingerprint,
            "version": self.certificate.primary.version,
            "key": self.certificate.primary.name,
            "created": _iso(self.certificate.primary.created),
            "expires": _iso(ends),
            "days_left": (ends - when) // _DAY if ends is not None else None,
            "state": view.state().value,
            "reads_aead": view.reads_aead(),
            "keys": [
                {
                    "fingerprint": key.fingerprint.hex().upper(),
                    "key_id": key.key_id.hex().upper(),
                    "key": key.name,
                    "signs": view.may_sign(key),
                    "encrypts": key in view.encryption_keys(),
                    "expires": _iso(view.expires(key)),
                    "state": view.state(key).value,
                }
                for key in self.certificate.every_key()
            ],
        }


def _iso(when: int | None) -> str | None:
    return iso(Instant(when * 1_000_000)) if when is not None else None


def grouped(fingerprint: str) -> str:
    """A fingerprint in groups of four, to be compared by voice."""
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


def openpgp_entries(node: Node) -> list[OpenPgpEntry]:
    """Our keys in order of name, then the partners' certificates in order of partner."""
    return [*_own(node), *_theirs(node)]


def own_openpgp_entries(node: Node) -> list[OpenPgpEntry]:
    """Our keys alone, in order of name."""
    return list(_own(node))


def _own(node: Node) -> Iterator[OpenPgpEntry]:
    ours = node.directory.hub.openpgp.keys
    named = {
        view.settings.openpgp.key for view in node.directory.partners if view.settings.openpgp is not None
    }
    for ref in node.keyring.openpgp_references():
        signs = ref in named or ours[:1] == (ref,)
        decrypts = ref in named or ref in ours
        use = (*(["sign"] if signs else []), *(["decrypt"] if decrypts else []))
        yield OpenPgpEntry(None, ref, use, node.keyring.openpgp_certificate(ref))


def _theirs(node: Node) -> Iterator[OpenPgpEntry]:
    configuration = node.directory.configuration
    for name, partner in configuration.partners.items():
        if partner.openpgp is None:
            continue
        uses = (("encrypt", "verify"), ("also-read",))
        for paths, use in zip((partner.openpgp.certificates, partner.openpgp.recipients), uses, strict=True):
            for path in paths:
                for certificate in configuration.openpgp[path]:
                    yield OpenPgpEntry(name, path, use, certificate)


def find_entry(node: Node, text: str) -> OpenPgpEntry:
    """The entry of a name in the keyring, a file, a partner, or the beginning or end of a fingerprint.

    Raises:
        NoSuchCertificate: There is none.
    """
    wanted = text.replace(" ", "").upper()
    for entry in openpgp_entries(node):
        fingerprint = entry.certificate.fingerprint
        hexadecimal = len(wanted) >= 8 and (fingerprint.startswith(wanted) or fingerprint.endswith(wanted))
        if text in (entry.source, entry.partner) or hexadecimal:
            return entry
    raise NoSuchCertificate(f"There is no OpenPGP key or certificate {text[:80]!a}.")


def generate_key(
    node: Node, ref: str, user_id: str, *, kind: str, version: int, days: int, actor: str
) -> Certificate:
    """Make a key. Takes and raises what :meth:`OpenPgpKeys.generate_openpgp` does."""

    def work() -> Certificate:
        return node.keyfiles.generate_openpgp(ref, user_id, kind=kind, version=version, days=days)

    return _changed(node, ref, "openpgp.generated", actor, work)


def import_key(node: Node, ref: str, data: bytes, passphrase: Secret | None, *, actor: str) -> Certificate:
    """Take over a private key. Raises as :meth:`OpenPgpKeys.import_openpgp` does."""
    return _changed(
        node, ref, "openpgp.imported", actor, lambda: node.keyfiles.import_openpgp(ref, data, passphrase)
    )


def extend_key(node: Node, ref: str, days: int, *, actor: str) -> Certificate:
    """Let a key last so many days from now. Raises as :meth:`OpenPgpKeys.extend_openpgp` does."""
    return _changed(node, ref, "openpgp.extended", actor, lambda: node.keyfiles.extend_openpgp(ref, days))


def revoke_key(node: Node, ref: str, reason: str, text: str, *, actor: str) -> Certificate:
    """Revoke a key for good. Raises as :meth:`OpenPgpKeys.revoke_openpgp` does."""
    return _changed(
        node, ref, "openpgp.revoked", actor, lambda: node.keyfiles.revoke_openpgp(ref, reason, text)
    )


def remove_key(node: Node, ref: str, *, actor: str) -> None:
    """Forget a key for good.

    Raises:
        KeyringError: ``keyring.no-key``.
        KeyInUse: The configuration names it.
    """
    entry = next((each for each in _own(node) if each.source == ref), None)
    if entry is not None and entry.use:
        raise KeyInUse(f"The configuration names the OpenPGP key {ref}.")
    certificate = node.keyring.openpgp_certificate(ref)
    node.keyfiles.remove_openpgp(ref)
    record_keys(node, "openpgp.removed", f"key:{ref}", {"fingerprint": certificate.fingerprint}, actor)


class KeyInUse(EcluseError):
    """A key that is named can't be removed."""

    code = "openpgp.key-in-use"
    fault = Fault.USAGE
    remedy = "Take it out of [openpgp] first, then `ecluse apply`."


def _changed(node: Node, ref: str, kind: str, actor: str, work: Callable[[], Certificate]) -> Certificate:
    certificate = work()
    view = certificate.at(seconds(node.hub.clock()))
    facts = {
        "fingerprint": certificate.fingerprint,
        "user_ids": [user.text for user in view.user_ids],
        "key": certificate.primary.name,
        "expires": _iso(view.expires()),
        "state": view.state().value,
    }
    record_keys(node, kind, f"key:{ref}", facts, actor)
    return certificate


def partner_files(files: dict[str, str], partner: str, data: bytes) -> dict[str, str]:
    """The files of a configuration with a further OpenPGP certificate of a partner.

    One of the same fingerprint takes the place of the one that is there: it was extended or revoked.

    Args:
        files: As they are.
        partner: Its id; its file is there.
        data: One certificate, armoured or not.

    Raises:
        OpenPgpError: It can't be read, or is a private key.
        NoSuchCertificate: It has several.
    """
    certificates = read_certificates(data)
    if len(certificates) != 1:
        raise NoSuchCertificate("The file holds several certificates.", remedy="Export them one by one.")
    (certificate,) = certificates
    text = armored_certificate(certificate)
    path = f"partners/{partner}.toml"
    table = tomllib.loads(files[path])
    settings = table.get("openpgp", {})
    for known in settings.get("certificates", []):
        if known in files and [each.fingerprint for each in load_openpgp(files[known])] == [
            certificate.fingerprint
        ]:
            return {**files, known: text}
    name = f"openpgp/{partner}-{certificate.fingerprint[:16].lower()}.asc"
    if "openpgp" not in table:
        added = f'{files[path].rstrip()}\n\n[openpgp]\ncertificates = ["{name}"]\n'
        return {**files, name: text, path: added}
    settings["certificates"] = [*settings.get("certificates", []), name]
    return {**files, name: text, path: tomli_w.dumps(table)}


def is_ending(entry: OpenPgpEntry, now: Instant, days: int) -> bool:
    """Whether it has ended, was revoked, or ends within so many days."""
    when = seconds(now)
    view = entry.certificate.at(when)
    ends = view.expires()
    return view.state() is not KeyState.VALID or (ends is not None and ends - when < days * _DAY)
