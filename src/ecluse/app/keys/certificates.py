"""Keys made and taken over, secrets held, partners' certificates added.

Whatever changes the keyring is an event, and a serving node takes it up as it takes up a configuration.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import tomli_w
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from ecluse.app.node import KEYS_SETTING, Node
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import iso
from ecluse.store.port import Tx
from ecluse.trust.certificates import describe, leaves, load_certificates, to_pem
from ecluse.trust.changes.own_keys import named_keys
from ecluse.trust.errors import KeyringError
from ecluse.trust.keys.making import make_certificate
from ecluse.trust.keystores.pkcs11 import Pkcs11Device
from ecluse.trust.keystores.remote import RemoteKey, RemoteRsaKey, remote_key
from ecluse.trust.keystores.settings import AnyStore
from ecluse.trust.keystores.transit import TransitDevice
from ecluse.trust.operators import four_eyes
from ecluse.trust.secrets import Secret

__all__ = [
    "BoundKey",
    "bind_key",
    "change_passphrase",
    "generate_key",
    "import_key",
    "install_certificate",
    "key_store",
    "partner_certificate_files",
    "put_secret",
    "record_keys",
    "remove_secret",
    "take_certificate",
]


_PADDINGS: Final = {
    "oaep-sha256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
    "oaep-sha1": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303  # as a mask only
    "pkcs1": padding.PKCS1v15(),
}


class CertificateTaken(EcluseError):
    """The partner has that certificate already."""

    code = "cert.exists"
    fault = Fault.USAGE
    remedy = "Change its entry under [[certificates]] in the partner's file, then `ecluse apply`."


class SecretInUse(EcluseError):
    """A password that a partner logs in with would become another one by one person alone."""

    code = "secret.needs-two"
    fault = Fault.USAGE
    remedy = (
        "Put the new one under another name, and refer to that in the partner's file: "
        "the change waits for a second operator."
    )


class CertificateInUse(EcluseError):
    """What partners know us by would become another certificate by one person alone."""

    code = "cert.needs-two"
    fault = Fault.USAGE
    remedy = "Hold it under another name with --to, and have two operators sign that it is used."


class NoSuchUse(EcluseError):
    """A certificate can't be added as it was asked."""

    code = "cert.no-such-use"
    fault = Fault.USAGE
    remedy = "Choose among verify, encrypt, mdn-verify, tls and tls-client."


def generate_key(
    node: Node,
    ref: str,
    kind: str,
    *,
    subject: str,
    days: int,
    names: Sequence[str] = (),
    issuer: str | None = None,
    actor: str,
) -> x509.Certificate:
    """Make a key with a certificate of its own. Takes and raises what :meth:`HeldKeys.generate` does."""

    def work() -> x509.Certificate:
        return node.keyfiles.generate(ref, kind, subject=subject, days=days, names=names, issuer=issuer)

    return _changed(node, ref, "key.generated", actor, work)


def import_key(node: Node, ref: str, data: bytes, password: Secret, *, actor: str) -> x509.Certificate:
    """Take over a private key with its certificate, from PKCS#12 or PEM.

    Raises as :meth:`HeldKeys.import_pkcs12` and :meth:`HeldKeys.import_pem` do.
    """

    def work() -> x509.Certificate:
        if b"-----BEGIN" in data:
            return node.keyfiles.import_pem(ref, data, password if password.reveal() else None)
        return node.keyfiles.import_pkcs12(ref, data, password)

    return _changed(node, ref, "key.imported", actor, work)


def install_certificate(node: Node, ref: str, data: bytes, *, actor: str) -> x509.Certificate:
    """Give a key another certificate, whoever looks at it. Raises as :meth:`HeldKeys.install_certificate` does."""
    return _changed(node, ref, "key.certified", actor, lambda: node.keyfiles.install_certificate(ref, data))


def take_certificate(
    node: Node, ref: str, data: bytes, *, new: str | None = None, actor: str
) -> x509.Certificate:
    """Take the certificate that a person brings for a key.

    Args:
        node: The hub.
        ref: The key.
        data: PEM, DER or PKCS#7, with the chain.
        new: Hold the key under this further name with it; what has the first name stays.
        actor: Who.

    Raises:
        CertificateInUse: The hub has four eyes, and partners know us by the certificate whose place it would take.
        CertificateError, KeyringError: As :meth:`HeldKeys.install_certificate` and :meth:`HeldKeys.certify_as` do.
    """
    if new is not None:
        return _changed(node, new, "key.certified", actor, lambda: node.keyfiles.certify_as(ref, new, data))
    node.reload()
    configuration = node.directory.configuration
    if four_eyes(configuration.hub.operators) and ref in named_keys(configuration):
        raise CertificateInUse(
            f"The key {ref} is in use, and the hub has four eyes.",
            remedy=f"Give the key a further name with `ecluse cert install {ref} FILE --to NAME`, then replace {ref} "
            f"by that with `ecluse rotate begin {ref} --to NAME`: two sign it.",
        )
    return install_certificate(node, ref, data, actor=actor)


def _changed(
    node: Node, ref: str, kind: str, actor: str, work: Callable[[], x509.Certificate]
) -> x509.Certificate:
    certificate = work()
    info = describe(certificate)
    facts = {
        "subject": info.subject,
        "key": info.key.name,
        "certificate_sha256": info.fingerprint,
        "not_after": iso(info.not_after),
    }

    record_keys(node, kind, f"key:{ref}", facts, actor)
    return certificate


def record_keys(node: Node, kind: str, subject: str, facts: dict[str, Any], actor: str) -> None:
    """Write the event, and let every node read the keyring again."""

    def write(tx: Tx) -> None:
        tx.put_setting(KEYS_SETTING, node.hub.new_id("k").encode())
        node.hub.event(tx, kind, subject, facts, actor=actor)

    node.store.write(write)
    node.reload()


def change_passphrase(node: Node, passphrase: Secret, *, actor: str) -> None:
    """Let another passphrase open the keyring. Raises ``keyring.weak-passphrase``."""
    node.keyfiles.change_passphrase(passphrase)
    node.store.write(lambda tx: node.hub.event(tx, "keyring.passphrase-changed", "keyring", {}, actor=actor))


def put_secret(node: Node, name: str, secret: Secret, *, actor: str) -> None:
    """Hold a secret in the keyring.

    Raises:
        KeyringError: ``keyring.bad-name``.
        SecretInUse: The hub has four eyes, and a partner logs in with the one that it would take the place of.
    """
    if name in node.keyring.secrets():
        _check_login(node, name)
    node.keyfiles.put_secret(name, secret)
    record_keys(node, "secret.put", f"secret:{name}", {}, actor)


def remove_secret(node: Node, name: str, *, actor: str) -> None:
    """Forget a secret. Raises ``secret.missing`` where there is none of that name, and as :func:`put_secret` does."""
    node.keyring.secret(name)
    _check_login(node, name)
    node.keyfiles.remove_secret(name)
    record_keys(node, "secret.removed", f"secret:{name}", {}, actor)


def _check_login(node: Node, name: str) -> None:
    """Raise :class:`SecretInUse` where two operators are to look at what becomes of a secret."""
    node.reload()
    if not four_eyes(node.directory.hub.operators):
        return
    for view in node.directory.partners:
        account = view.settings.account
        if account is not None and account.password == f"keyring:{name}":
            raise SecretInUse(f"{view.name} logs in with the secret {name}, and the hub has four eyes.")


def partner_certificate_files(
    files: dict[str, str],
    partner: str,
    data: bytes,
    *,
    use: Sequence[str] = (),
    begins: str | None = None,
    ends: str | None = None,
) -> dict[str, str]:
    """The files of a configuration with a further certificate of a partner.

    Args:
        files: As they are.
        partner: Its id; its file is there.
        data: PEM, DER or PKCS#7, with or without the chain.
        use: What for; by default verify and encrypt.
        begins: Not used before.
        ends: Not used after.

    Raises:
        CertificateError: It can't be read, or holds a private key.
        NoSuchUse: Of a use.
        CertificateTaken: It is among the partner's already.
    """
    for each in use:
        if each not in ("verify", "encrypt", "mdn-verify", "tls", "tls-client"):
            raise NoSuchUse(f"There is no use {each!r} of a partner's certificate.")
    chain = load_certificates(data)
    own = leaves(chain)[0]
    path = f"partners/{partner}.toml"
    for known in tomllib.loads(files[path]).get("certificates", []):
        if own in load_certificates(files[known["file"]].encode()):
            raise CertificateTaken(f"The partner has this certificate already, in {known['file']}.")
    name = f"certificates/{partner}-{describe(own).short}.pem"
    entry: dict[str, object] = {"file": name}
    if use:
        entry["use"] = list(use)
    if begins is not None:
        entry["from"] = begins
    if ends is not None:
        entry["until"] = ends
    return {**files, name: to_pem(chain), path: _with_entry(files[path], entry)}


def _with_entry(text: str, entry: dict[str, object]) -> str:
    """A partner's file with one more ``[[certificates]]``; its comments stay where that can be."""
    # A JSON string of ASCII is a TOML string too.
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items()]
    added = "\n".join([text.rstrip("\n"), "", "[[certificates]]", *lines, ""])
    wanted = tomllib.loads(text)
    wanted["certificates"] = [*wanted.get("certificates", []), entry]
    try:
        if tomllib.loads(added) == wanted:
            return added
    except tomllib.TOMLDecodeError:
        pass
    return tomli_w.dumps(wanted)


class BoundKey(NamedTuple):
    """A key that is used where it is.

    Attributes:
        certificate: Its certificate.
        opens: Paddings of content keys that it opens, by the names that a partner's ``key_padding`` has: each was
            tried. Empty where it is no RSA key, or may not decrypt.
    """

    certificate: x509.Certificate
    opens: tuple[str, ...]


def bind_key(
    node: Node, ref: str, store: str, name: str, data: bytes, *, subject: str, days: int, actor: str
) -> BoundKey:
    """Use a key that stays in a key store.

    Args:
        node: The hub.
        ref: Its name in the keyring.
        store: Name of the key store.
        name: Name of the key in it; of one that has versions, with one (``orders@2``) or without, for the latest.
        data: Its certificate with its chain; empty to make one that the key signs itself.
        subject: Of a certificate that is made, as :meth:`HeldKeys.generate` takes it.
        days: How long that lasts.
        actor: Who does it.

    Raises:
        KeyringError: ``keystore.unknown``, ``keystore.no-key``, ``keystore.away``, ``keyring.exists``.
        CertificateError: The certificate can't be read, or belongs to another key.
    """
    device = key_store(node, store)
    pinned = device.pinned(name)
    private = remote_key(device.public_key(pinned), device, pinned)

    def work() -> x509.Certificate:
        made = data
        if not made:
            made = to_pem([make_certificate(private, subject, now=node.hub.clock(), days=days)]).encode()
        return node.keyfiles.bind(ref, f"{store}/{pinned}", private, made)

    certificate = _changed(node, ref, "key.bound", actor, work)
    return BoundKey(certificate, _opened(private))


def _opened(private: RemoteKey) -> tuple[str, ...]:
    if not isinstance(private, RemoteRsaKey):
        return ()
    opened = []
    for name, scheme in _PADDINGS.items():
        with suppress(KeyringError):  # a policy may let it sign alone
            if private.opens(scheme):
                opened.append(name)
    return tuple(opened)


def key_store(node: Node, name: str) -> AnyStore:
    """A key store of the configuration. Raises ``keystore.unknown``."""
    found = node.keyfiles.stores.get(name)
    if not isinstance(found, Pkcs11Device | TransitDevice):
        raise KeyringError(
            f"There is no key store {name[:63]!a}.",
            code="keystore.unknown",
            remedy="Add it under [keyring.stores] in ecluse.toml.",
            fault=Fault.USAGE,
        )
    return found
