"""Deciding that a broken log goes on, and the breaks that there were.

Where the hub has operators who may change trust, one of them signs the statement of the break; where it has four
eyes, a second one signs the same text before anything happens. The log's key signs it last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from ecluse.app.changes.check import BadApproval
from ecluse.app.changes.proposal import NAMESPACE, Signer
from ecluse.app.log.sequencing import BROKEN
from ecluse.app.node import Node
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.breaks import RESTORED, SUBJECT, Break, Decider, breaks, parse_break
from ecluse.evidence.continuing import Damage, assess, propose
from ecluse.evidence.errors import BadBreak
from ecluse.evidence.held import HeldCheckpoints
from ecluse.model.basics import iso
from ecluse.model.records import Record
from ecluse.store.port import Tx
from ecluse.trust.keys.ssh import fingerprint
from ecluse.trust.operators import Operator, approvers, four_eyes, public_key
from ecluse.typed import from_json
from ecluse.wire.sshsig import BadSshSignature, read_signature
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.errors import BadProof

__all__ = [
    "Continued",
    "NothingProposed",
    "break_facts",
    "continue_log",
    "damage_facts",
    "look_at",
    "signed_by",
]

_PENDING: Final = "log-continuing"
"""Kind of the record of a decision that waits for a second person; there is one at most."""


class NothingProposed(EcluseError):
    """Somebody approves, and nobody proposed."""

    code = "log.nothing-proposed"
    fault = Fault.USAGE
    remedy = "Propose it with `ecluse log continue --reason ... --as NAME`."


class _Pending(msgspec.Struct, frozen=True):
    statement: str
    operator: str
    key: str
    signature: str


@dataclass(frozen=True, slots=True)
class Continued:
    """What came of a decision.

    Attributes:
        found: The break.
        waits: Whether a second person has to approve it first.
    """

    found: Break
    waits: bool


def look_at(node: Node) -> Damage:
    """How the log differs from what was signed. Raises what :func:`~ecluse.evidence.continuing.assess` does."""
    return assess(node.store, node.log, HeldCheckpoints(node.checkpoint_file))


def continue_log(node: Node, reason: str | None, signer: Signer | None, actor: str) -> Continued:
    """Decide that the log goes on, or approve that.

    Args:
        node: The hub.
        reason: Why, in one line; ``None`` approves what somebody else proposed.
        signer: Signs as an operator; needed where the hub has operators of role trust.
        actor: Who is at work, where there are none.

    Raises:
        NotBroken: There is nothing to decide.
        BadBreak: The reason is none, or the database can't go on.
        NothingProposed: There is nothing to approve.
        BadApproval: Nobody signs who may; ``change.own``: the same person proposed it.
        EcluseError: What the signer raises.
    """
    damage = look_at(node)
    people = approvers(node.directory.hub.operators)
    if reason is None:
        return _approve(node, damage, people, signer)
    name = signer.operator if signer is not None else actor.removeprefix("operator:")
    found = propose(damage, at=iso(node.hub.clock()), by=(Decider(name),), reason=reason.strip())
    text = found.statement()
    if not people:
        _write(node, found, actor)
        return Continued(found, False)
    first = _signature(people, signer, text)
    found = replace(found, by=(first,))
    if not four_eyes(node.directory.hub.operators):
        _write(node, found, f"operator:{first.operator}")
        return Continued(found, False)
    waiting = _Pending(text, first.operator, first.key, first.signature)

    def work(tx: Tx) -> None:
        now = node.hub.clock()
        tx.put_record(Record(_PENDING, "pending", now, msgspec.json.encode(waiting), state="pending"))
        facts = {"statement": text, **_signed(first)}
        node.hub.event(tx, "log.continuing-proposed", SUBJECT, facts, actor=f"operator:{first.operator}")

    node.store.write(work)
    return Continued(found, True)


def _approve(node: Node, damage: Damage, people: Sequence[Operator], signer: Signer | None) -> Continued:
    record = node.store.read(lambda view: view.record(_PENDING, "pending"))
    if record is None:
        raise NothingProposed("Nobody proposed that the log goes on.")
    try:
        waiting = from_json(record.body, _Pending)
        found = parse_break(waiting.statement)
    except (msgspec.DecodeError, UnicodeDecodeError, BadBreak) as error:
        raise NothingProposed("What was proposed can't be read any more.") from error
    first = _checked(people, waiting.operator, waiting.signature, waiting.statement)
    if (found.before, found.lost, found.common) != (damage.present.origin, damage.lost, damage.common):
        raise NothingProposed("The log is broken in another way by now than what was proposed.")
    _still_there(node, found, damage)
    second = _signature(people, signer, waiting.statement)
    if second.operator == first.operator or second.key == first.key:
        raise BadApproval(
            f"{second.operator} proposed this: the second signature is another person's.",
            code="change.own",
            remedy="Have another operator of role trust run the command.",
        )
    found = replace(found, by=(first, second))
    _write(node, found, f"operator:{second.operator}")
    return Continued(found, False)


def _still_there(node: Node, found: Break, damage: Damage) -> None:
    """Whether the tree begins with the one from which it was proposed to go on."""
    present = damage.present
    wanted = merkle.consistency_nodes(found.size, present.size) if found.size <= present.size else []
    try:
        nodes = node.store.read(lambda view: view.log_nodes(wanted))
        proof = merkle.consistency_proof(found.size, present.size, nodes)
        merkle.verify_consistency(found.size, found.root, present.size, present.root, proof)
    except BadProof as error:
        raise NothingProposed("The log is another one by now than what was proposed.") from error


def _write(node: Node, found: Break, actor: str) -> None:
    signed = found.signed(node.log, node.keyring.log_sign)

    def work(tx: Tx) -> None:
        node.hub.event(tx, "log.continued", SUBJECT, signed.data(), actor=actor)
        tx.drop_record(_PENDING, "pending")
        tx.put_setting(BROKEN, b"")
        tx.put_setting(RESTORED, b"")

    node.store.write(work)


def _signature(people: Sequence[Operator], signer: Signer | None, text: str) -> Decider:
    if signer is None:
        raise BadApproval(
            "An operator of role trust has to sign this, and none was named.",
            remedy="Name who signs with --as; `ecluse operator list` has them.",
        )
    return _checked(people, signer.operator, signer.sign(text), text)


def _checked(people: Sequence[Operator], name: str, armored: str, text: str) -> Decider:
    person = next((each for each in people if each.name == name), None)
    if person is None:
        raise BadApproval(f"{name[:64]!a} is no operator in force of role trust.")
    signature = read_signature(armored)
    line = next((line for line in person.keys if public_key(line).blob == signature.key.blob), None)
    if line is None:
        raise BadApproval(
            f"The key {fingerprint(signature.key.blob)} is none of {name}'s.", code="change.wrong-key"
        )
    signature.check(text.encode(), NAMESPACE)
    return Decider(name, " ".join(line.split()[:2]), signature.armored())


def _signed(decider: Decider) -> dict[str, Any]:
    return {"operator": decider.operator, "key": decider.key, "signature": decider.signature}


def damage_facts(damage: Damage) -> dict[str, Any]:
    """For ``--json``."""
    present, lost = damage.present, damage.lost
    return {
        "present": {"origin": present.origin, "size": present.size, "root": present.root.hex()},
        "lost": {"origin": lost.origin, "size": lost.size, "root": lost.root.hex()},
        "common": damage.common,
        "heads": damage.heads,
    }


def break_facts(node: Node) -> list[dict[str, Any]]:
    """Every break of the log: its facts, whether the log's key signed it, and whose signatures hold."""
    key = node.log
    found = node.store.read(breaks)
    return [
        {
            **each.as_dict(),
            "holds": each.holds(key),
            "signed": signed_by(each),
        }
        for each in found
    ]


def signed_by(found: Break) -> list[str]:
    """Who decided it whose signature is over it, and is of the key that stands beside it."""
    return [by.operator for by in found.by if by.signature and _fits(by, found)]


def _fits(by: Decider, found: Break) -> bool:
    try:
        signature = read_signature(by.signature)
        signature.check(found.statement().encode(), NAMESPACE)
        return signature.key.blob == public_key(by.key).blob
    except (BadSshSignature, BadBreak):
        return False
