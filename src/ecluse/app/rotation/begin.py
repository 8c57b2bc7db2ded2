"""A rotation begins: a successor is made, taken over or asked of an authority, and stands beside the old key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from msgspec.structs import replace

from ecluse.app.changes.proposal import Signer
from ecluse.app.keys.certificates import generate_key, import_key, install_certificate
from ecluse.app.rotation.shelf import find, mark, tell, write
from ecluse.app.settings import apply_files, plan_files, settled_files, write_files
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant
from ecluse.model.nouns import ConfigVersion
from ecluse.store.port import Tx
from ecluse.trust.certificates import describe
from ecluse.trust.keys.ssh import fingerprint, key_blob
from ecluse.trust.rotation.facts import (
    Policy,
    Rotation,
    find_rotation,
    open_rotations,
    rotation_record,
)
from ecluse.trust.rotation.files import places_of, put_beside, uses_old
from ecluse.trust.rotation.states import RotationState, WrongMoment, check_move
from ecluse.trust.rotation.steps import Telling
from ecluse.trust.secrets import Secret

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["Begun", "Wanted", "apply_edit", "begin", "certify"]

_LEAST_RSA: Final = 3072
"""Bits of an RSA key that is made in the place of a shorter one (NIST SP 800-57 part 1: 128 bits of security)."""


class NothingToRotate(EcluseError):
    """The key is used nowhere, or has a successor already."""

    code = "rotation.not-rotatable"
    fault = Fault.USAGE
    remedy = "Look at `ecluse cert list` and `ecluse rotate list`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a key is to be replaced.

    Attributes:
        old: Name of the key.
        new: Name of the successor; made of the old one's and the year by default. One that is in the keyring is used.
        kind: Kind of a key that is made; that of the old one by default, RSA of 3072 bits at least.
        subject: Subject of its certificate; the old one's by default.
        days: How long its certificate lasts.
        request: Have an authority make its certificate.
        data: A private key with its certificate to take over, PKCS#12 or PEM.
        password: What opens it.
        policy: When a partner is switched.
        switch_at: When whoever is left is switched.
        grace: Seconds from the last switch to the end of the old one; ``None`` to retire it by hand.
        remind: Seconds between reminders; 0 for none.
        refusals: How many receipts that refuse take a partner back.
        reason: Why.
    """

    old: str
    new: str | None = None
    kind: str | None = None
    subject: str | None = None
    days: int = 1095
    request: bool = False
    data: bytes | None = None
    password: Secret | None = None
    policy: Policy = "use"
    switch_at: Instant | None = None
    grace: int | None = 30 * 86_400
    remind: int = 7 * 86_400
    refusals: int = 1
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """A rotation that began.

    Attributes:
        rotation: It.
        request: The certificate request (PEM), where an authority makes the certificate.
        version: The version of the configuration that accepts both, where that is in force.
    """

    rotation: Rotation
    request: str = ""
    version: int | None = None


def begin(node: Node, wanted: Wanted, *, actor: str, signer: Signer | None = None) -> Begun:
    """Begin to replace a key of ours. Where the hub has four eyes, ``signer`` signs the proposal.

    Raises:
        NothingToRotate: It is used nowhere, or is in a rotation.
        KeyringError, CertificateError: The successor can't be made or taken over.
        EcluseError: The configuration can't be changed, or the change waits for a second person; the rotation goes on
            by itself once it is in force.
    """
    old = wanted.old
    places = places_of(node.directory.configuration, old)
    if not places:
        raise NothingToRotate(f"No key {old} of ours is used anywhere.")
    for other in node.store.read(open_rotations):
        if other.side == "ours" and {old, wanted.new} & {other.old, other.new}:
            raise NothingToRotate(f"The rotation {other.id} is under way with one of these keys.")
    new = wanted.new or _free_name(node, old)
    if uses_old(node.directory.configuration, new):
        raise NothingToRotate(f"The key {new} is in use already.", remedy="Give the successor another name.")
    _make(node, wanted, new, actor)
    now = node.hub.clock()
    rotation = Rotation(
        id=new,
        old=old,
        new=new,
        places=places,
        state=RotationState.REQUESTED if wanted.request else RotationState.PREPARED,
        begun=now,
        actor=actor,
        reason=wanted.reason,
        policy=wanted.policy,
        switch_at=wanted.switch_at,
        refusals=wanted.refusals,
        remind=wanted.remind,
        grace=wanted.grace,
    )
    if not wanted.request:
        rotation = _identified(node, rotation)
        _check(node, rotation)

    def work(tx: Tx) -> None:
        before = find_rotation(tx, rotation.id)
        if before is not None and not before.over:
            raise NothingToRotate(f"The rotation {rotation.id} is under way.")
        tx.put_record(rotation_record(rotation, now))
        facts = {"old": old, "new": new, "places": list(places), "reason": wanted.reason}
        if rotation.fingerprint:
            facts["certificate_sha256"] = rotation.fingerprint
        tell(node.hub, tx, rotation, [Telling("rotation.begun", "", facts)], actor=actor)
        mark(node.hub, tx)

    node.store.write(work)
    node.reload()
    if wanted.request:
        return Begun(rotation, node.keyfiles.request(new, wanted.subject))
    version = _put_beside(node, rotation, actor, signer)
    return Begun(rotation, version=version.number if version is not None else None)


def certify(node: Node, id: str, data: bytes, *, actor: str, signer: Signer | None = None) -> Begun:
    """Give a successor the certificate that an authority made, and let it stand beside the old key.

    Raises:
        NoSuchRotation: There is none.
        WrongMoment: It does not wait for a certificate.
        CertificateError: It can't be read, or is another key's.
        EcluseError: As :func:`begin`.
    """
    shelf = find(node, id)
    check_move(shelf.rotation.state, RotationState.PREPARED)
    if shelf.rotation.state is not RotationState.REQUESTED:
        raise WrongMoment(f"The rotation {id} does not wait for a certificate.")
    install_certificate(node, shelf.rotation.new, data, actor=actor)
    rotation = _identified(node, shelf.rotation, state=RotationState.PREPARED)
    _check(node, rotation)
    telling = Telling("rotation.certified", "", {"certificate_sha256": rotation.fingerprint})
    write(node, shelf, rotation, tellings=[telling], actor=actor)
    version = _put_beside(node, rotation, actor, signer)
    return Begun(rotation, version=version.number if version is not None else None)


def apply_edit(
    node: Node,
    edit: Callable[[Mapping[str, str]], dict[str, str]],
    *,
    actor: str,
    reason: str,
    signer: Signer | None = None,
) -> ConfigVersion | None:
    """Change the configuration in force; the hub's folder follows where it said the same before.

    What somebody is at work on in the folder stays as it is, and keeps nobody else from going on.

    Raises as :func:`ecluse.app.settings.apply_files` does.
    """
    try:
        settled = bool(settled_files(node))
    except EcluseError:
        settled = False
    files = edit(node.directory.configuration.files)
    plan_files(node, files)
    version = apply_files(node, files, actor=actor, reason=reason, signer=signer)
    if settled and version is not None:
        write_files(node, files)
    return version


def _put_beside(node: Node, rotation: Rotation, actor: str, signer: Signer | None) -> ConfigVersion | None:
    reason = f"{rotation.new} is to succeed {rotation.old}"
    if rotation.reason:
        reason = f"{reason}: {rotation.reason}"
    return apply_edit(
        node,
        lambda files: put_beside(files, rotation.old, rotation.new),
        actor=actor,
        reason=reason,
        signer=signer,
    )


def _check(node: Node, rotation: Rotation) -> None:
    """What applying would be refused for is said before anything is written."""
    plan_files(node, put_beside(node.directory.configuration.files, rotation.old, rotation.new))


def _identified(node: Node, rotation: Rotation, state: RotationState = RotationState.PREPARED) -> Rotation:
    """With the fingerprints by which the successor is known on the wire."""
    ssh = ""
    if {"host-key", "user-key"} & set(rotation.places):
        ssh = fingerprint(key_blob(node.keyring.ssh_public_key(rotation.new)))
    certificate = describe(node.keyring.certificate(rotation.new))
    return replace(rotation, state=state, fingerprint=certificate.fingerprint, ssh=ssh)


def _free_name(node: Node, old: str) -> str:
    """The old name with the year in it, and a number where that is taken."""
    year = datetime.fromtimestamp(node.hub.clock() / 1_000_000, UTC).year
    stem = old
    head, dash, tail = old.rpartition("-")
    if dash and tail.isdigit() and len(tail) == 4:
        stem = head
    held = node.keyring.references()
    names = [f"{stem}-{year}", *(f"{stem}-{year}-{number}" for number in range(2, 100))]
    return next(name for name in names if name not in held)


def _make(node: Node, wanted: Wanted, new: str, actor: str) -> None:
    if wanted.data is not None:
        import_key(node, new, wanted.data, wanted.password or Secret(""), actor=actor)
        return
    if new in node.keyring.references():
        return
    certificate = node.keyring.certificate(wanted.old)
    info = describe(certificate)
    kind = wanted.kind or info.key.name.lower().replace("ec p-", "ec-p").replace(" ", "-")
    if wanted.kind is None and info.key.kind == "rsa" and info.key.bits < _LEAST_RSA:
        kind = f"rsa-{_LEAST_RSA}"
    generate_key(
        node,
        new,
        kind,
        subject=wanted.subject or _text(certificate),
        days=wanted.days,
        names=_names(certificate),
        actor=actor,
    )


def _text(certificate: x509.Certificate) -> str:
    """A subject as a new certificate takes it."""
    return certificate.subject.rfc4514_string() or "Ecluse"


def _names(certificate: x509.Certificate) -> Sequence[str]:
    """The DNS names and addresses of a certificate for TLS."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *(str(each) for each in names.get_values_for_type(x509.IPAddress)),
    )
