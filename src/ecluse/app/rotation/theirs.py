"""A partner replaces a certificate: both verify from here on, and the new one is encrypted to once they use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ecluse.app.changes.proposal import Signer
from ecluse.app.rotation.begin import Begun, NothingToRotate, apply_edit
from ecluse.app.rotation.exchange import OFFER, Offer, answer, read_offer
from ecluse.app.rotation.shelf import mark, tell
from ecluse.app.settings import plan_files
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, PartnerId, iso
from ecluse.model.records import Record
from ecluse.store.port import Tx
from ecluse.trust.certificates import describe, leaves, load_certificates, to_pem
from ecluse.trust.rotation.facts import Policy, Rotation, find_rotation, rotation_record
from ecluse.trust.rotation.files import take_certificate
from ecluse.trust.rotation.steps import Telling

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["NoSuchOffer", "accept_offer", "offer_list", "refuse_offer", "take"]


class NoSuchOffer(EcluseError):
    """No partner offers that certificate, or it was decided about."""

    code = "rotation.no-such-offer"
    fault = Fault.USAGE
    remedy = "Look at `ecluse rotate offers`."


def take(
    node: Node,
    partner: str,
    data: bytes,
    *,
    use: Sequence[str] = ("verify", "encrypt"),
    policy: Policy = "use",
    switch_at: Instant | None = None,
    grace: int | None = 30 * 86_400,
    actor: str,
    reason: str,
    request: str = "",
    signer: Signer | None = None,
) -> Begun:
    """Take a partner's new certificate up beside the old one.

    Args:
        node: The hub.
        partner: Whose.
        data: PEM, DER or PKCS#7, with or without its issuers.
        use: What for. Where ``encrypt`` is among it, the old one is encrypted to until they were seen to use the new
            one, or until ``switch_at``.
        policy: When the new one is encrypted to.
        switch_at: The set time.
        grace: Seconds from then until the old one is taken out; ``None`` for by hand.
        actor: Who takes it.
        reason: Why.
        request: Id of the request by which they offered it.
        signer: Signs the proposal, where the hub has four eyes.

    Raises:
        PartnerRefused: There is no such partner.
        CertificateError: It can't be read.
        NothingToRotate: They have it already.
        EcluseError: The configuration can't be changed, or the change waits for a second person; the rotation goes on
            by itself once it is in force.
    """
    view = node.directory.partner(partner)
    chain = load_certificates(data)
    info = describe(leaves(chain)[0])
    if any(entry.info.fingerprint == info.fingerprint for entry in view.certificates.entries):
        raise NothingToRotate(
            f"{view.name} has this certificate already.", remedy="Look at `ecluse cert list`."
        )
    now = node.hub.clock()
    old, old_file = "", ""
    if "encrypt" in use:
        present = view.certificates.at("encrypt", now, view.exceptions_at(now))
        if present:
            old = describe(view.encrypt_certificate(now)).fingerprint
            old_file = _file_of(node, view.id, old)
    name = f"certificates/{view.id}-{info.short}.pem"
    rotation = Rotation(
        id=f"{view.id}:{info.short}",
        side="theirs",
        old=old,
        new=info.fingerprint,
        fingerprint=info.fingerprint,
        places=("as2",),
        begun=now,
        actor=actor,
        reason=reason,
        policy=policy,
        switch_at=switch_at,
        grace=grace,
        remind=0,
        partner=view.id,
        files=(old_file, name),
        request=request,
    )

    def edit(files: Mapping[str, str]) -> dict[str, str]:
        return take_certificate(files, view.id, to_pem(chain), name, use=use, succeeds=old_file)

    plan_files(node, edit(node.directory.configuration.files))

    def work(tx: Tx) -> None:
        before = find_rotation(tx, rotation.id)
        if before is not None and not before.over:
            raise NothingToRotate(f"The rotation {rotation.id} is under way.")
        tx.put_record(rotation_record(rotation, now))
        facts = {"old": old, "new": rotation.new, "use": list(use), "reason": reason}
        tell(node.hub, tx, rotation, [Telling("rotation.begun", view.id, facts)], actor=actor)
        mark(node.hub, tx)

    node.store.write(work)
    node.reload()
    version = apply_edit(
        node, edit, actor=actor, reason=f"a new certificate of {view.name}: {reason}", signer=signer
    )
    return Begun(rotation, version=version.number if version is not None else None)


def offer_list(node: Node, *, everything: bool = False) -> list[dict[str, Any]]:
    """What partners offer."""
    records = node.store.read(lambda view: view.records(OFFER, state=None if everything else "open"))
    return [_facts(record) for record in records]


def accept_offer(
    node: Node,
    id: str,
    *,
    policy: Policy = "use",
    switch_at: Instant | None = None,
    actor: str,
    reason: str,
    signer: Signer | None = None,
) -> Begun:
    """Take up what a partner offers; the answer goes out once the configuration that has it is in force.

    Raises:
        NoSuchOffer: There is none.
        EcluseError: As :func:`take`.
    """
    record, found = _open(node, id)
    _decide(node, record, found, "accepted", actor, reason)
    try:
        return take(
            node,
            found.partner,
            found.pem.encode(),
            use=found.use,
            policy=policy,
            switch_at=switch_at,
            actor=actor,
            reason=reason,
            request=found.request,
            signer=signer,
        )
    except EcluseError:
        if node.store.read(lambda view: find_rotation(view, found.id)) is None:
            _decide(
                node, node.store.read(lambda view: view.record(OFFER, id)) or record, found, "open", actor, ""
            )
        raise


def refuse_offer(node: Node, id: str, *, actor: str, reason: str) -> None:
    """Refuse what a partner offers, and tell them.

    Raises:
        NoSuchOffer: There is none.
        EcluseError: The answer can't be sent.
    """
    record, found = _open(node, id)
    _decide(node, record, found, "refused", actor, reason)
    answer(node, found, accepted=False, reason=reason)


def confirm_offer(node: Node, rotation: Rotation) -> None:
    """Tell a partner that what it offered is in force here. Raises as :func:`ecluse.app.rotation.exchange.answer`."""
    record = node.store.read(lambda view: view.record(OFFER, rotation.id))
    if record is not None and rotation.request:
        answer(node, replace(read_offer(record), request=rotation.request), accepted=True)


def _open(node: Node, id: str) -> tuple[Record, Offer]:
    record = node.store.read(lambda view: view.record(OFFER, id))
    if record is None or record.state != "open":
        raise NoSuchOffer(f"No offer {id} waits for a decision.")
    return record, read_offer(record)


def _decide(node: Node, before: Record, found: Offer, state: str, actor: str, reason: str) -> None:
    hub = node.hub

    def work(tx: Tx) -> None:
        after = Record(before.kind, before.key, hub.clock(), before.body, before.owner, state)
        tx.replace_record(before, after)
        facts = {
            "offer": found.id,
            "certificate_sha256": found.fingerprint,
            "decision": state,
            "reason": reason,
        }
        hub.event(tx, "partner.certificate-decided", f"partner:{found.partner}", facts, actor=actor)

    node.store.write(work)


def _file_of(node: Node, partner: str, fingerprint: str) -> str:
    """The path of the file that holds a partner's certificate."""
    configuration = node.directory.configuration
    for entry in configuration.partners[PartnerId(partner)].certificates:
        chain = load_certificates(configuration.files[entry.file].encode())
        if any(describe(each).fingerprint == fingerprint for each in leaves(chain)):
            return entry.file
    return ""


def _facts(record: Record) -> dict[str, Any]:
    found = read_offer(record)
    info = describe(leaves(load_certificates(found.pem.encode()))[0])
    return {
        "id": found.id,
        "partner": found.partner,
        "state": record.state,
        "received": iso(found.received),
        "respond_by": found.respond_by or None,
        "use": list(found.use),
        "subject": info.subject,
        "issuer": info.issuer,
        "key": info.key.name,
        "not_before": iso(info.not_before),
        "not_after": iso(info.not_after),
        "certificate_sha256": found.fingerprint,
        "weak": list(found.weak),
        "message": found.message,
    }
