"""Approving, refusing and withdrawing: each is a signature of an operator over the text of a proposal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ecluse.app.changes.check import BadApproval, ChangeOver, Replanned, checked, replan, standing
from ecluse.app.changes.expiry import close
from ecluse.app.changes.folder import put_into_folder
from ecluse.app.changes.lookup import Entry, find
from ecluse.app.changes.proposal import KIND, Action, Proposal, Signed, shown, signed_facts
from ecluse.app.changes.recovery import waited
from ecluse.app.node import Node
from ecluse.app.versions import needs_restart, write_version
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso
from ecluse.model.nouns import ConfigVersion
from ecluse.model.records import Record
from ecluse.store.port import Conflict, Tx
from ecluse.trust.operators import EYES, Operator, approvers

__all__ = ["ChangeStale", "Decision", "approve", "refuse", "withdraw"]


class ChangeStale(EcluseError):
    """A proposal would not change what was signed any more, as another version came between."""

    code = "change.stale"
    fault = Fault.PERMANENT
    remedy = "Propose it again from the files as they are."


class ChangeRaced(EcluseError):
    """Another version, or another signature, came in the same moment."""

    code = "change.raced"
    fault = Fault.TRANSIENT
    remedy = "Look at it with `ecluse change show`, and run the command again where it still waits."


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a proposal.

    Attributes:
        proposal: As it is since.
        state: Where it is in its life.
        version: The version that it became; ``None`` where it is not in force.
        written: Files that were brought up to date in the hub's folder.
        left: Files of that folder that were not, as somebody had changed them.
        restart: Whether serving nodes read something of it at their start only.
    """

    proposal: Proposal
    state: str
    version: ConfigVersion | None = None
    written: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    restart: bool = False


def approve(node: Node, id: str, operator: str, armored: str) -> Decision:
    """Take an operator's approval; with the second signature the change is in force.

    Args:
        node: The hub.
        id: Of the proposal.
        operator: Who signed.
        armored: Their signature over :func:`statement` with the action ``approve``.

    Raises:
        NoSuchChange: There is none.
        ChangeOver: It does not wait any more.
        ChangeStale: It would change something else by now; that is written down, and it is over.
        BadApproval, BadSshSignature: The signature does not count: ``change.own`` where it is the proposer's.
        NoRecovery: ``change.too-early``: the proposer of a recovery has to wait.
        ChangeTampered, DamagedChange: What is kept of it is not what was signed.
        ConfigurationError: It can't be put in force today.
        ChangeRaced: Somebody else was at work in the same moment; nothing was done.
    """
    node.reload()
    entry = _waiting(node, id)
    operators = approvers(node.directory.hub.operators)
    now = node.hub.clock()
    signed = checked(entry.proposal, operators, "approve", operator, armored, now)
    before = standing(entry.proposal, operators)
    again = replan(node, entry)
    if again.stale:
        _stale(node, entry, again, now)
    own = any(signed.operator == each.operator or signed.key == each.key for each in before)
    if own and not waited(node, entry.proposal, again.changes, now):
        raise BadApproval(
            f"{operator} signed this change already: the second signature is another person's.",
            code="change.own",
            remedy="Have another operator of role trust approve it.",
        )
    signatures = (*before, signed)
    if len(signatures) < EYES:
        return _signed_once(node, entry, signatures, now)
    return _apply(node, entry, again, signatures, now)


def _waiting(node: Node, id: str) -> Entry:
    entry = find(node, id)
    if entry.state != "pending":
        words = entry.proposal.ended or entry.state
        raise ChangeOver(f"The change {entry.proposal.id} does not wait for approval: {words}.")
    if node.hub.clock() >= entry.proposal.until:
        # Whatever the row says of when it is due: the time is part of what was signed.
        raise ChangeOver(
            f"The time of the change {entry.proposal.id} was over at {iso(entry.proposal.until)}."
        )
    return entry


def _write(node: Node, entry: Entry, work: Callable[[Tx], None]) -> None:
    try:
        node.store.write(work)
    except Conflict:
        node.reload()
        _waiting(node, entry.proposal.id)
        raise ChangeRaced(
            f"Somebody else was at work on {entry.proposal.id}, or applied a version."
        ) from None


def _stale(node: Node, entry: Entry, again: Replanned, now: Instant) -> None:
    """Write down that it is stale, and raise so."""
    proposal = msgspec.structs.replace(entry.proposal, ended=again.stale)

    def work(tx: Tx) -> None:
        close(tx, node, entry.record, proposal, "stale", now)
        facts = {
            "digest": proposal.digest,
            "base": proposal.base,
            "version": node.version,
            "why": again.stale,
        }
        node.hub.event(tx, "change.stale", f"change:{proposal.id}", facts, at=now)

    _write(node, entry, work)
    raise ChangeStale(f"The change {proposal.id} is over: {again.stale}.")


def _signed_once(node: Node, entry: Entry, signatures: tuple[Signed, ...], now: Instant) -> Decision:
    proposal = msgspec.structs.replace(entry.proposal, signatures=signatures)

    def work(tx: Tx) -> None:
        record = entry.record
        body = msgspec.json.encode(proposal)
        after = Record(KIND, record.key, now, body, record.owner, "pending", proposal.until)
        tx.replace_record(record, after)
        _approved(tx, node, proposal, now)

    _write(node, entry, work)
    return Decision(proposal, "pending")


def _apply(
    node: Node, entry: Entry, again: Replanned, signatures: tuple[Signed, ...], now: Instant
) -> Decision:
    wanted = again.wanted
    assert wanted is not None, "what is not stale was planned"
    actor = f"operator:{signatures[-1].operator}"
    files = dict(wanted.files)
    version = ConfigVersion(node.version + 1, now, actor, entry.proposal.reason, files)
    people = list(dict.fromkeys(each.operator for each in signatures))
    recovered = len(people) < EYES
    names = f"{people[0]} alone, after the wait," if recovered else " and ".join(people)
    proposal = msgspec.structs.replace(
        entry.proposal,
        signatures=signatures,
        version=version.number,
        ended=f"{names} signed it, and it is version {version.number}",
    )

    def work(tx: Tx) -> None:
        close(tx, node, entry.record, proposal, "applied", now)
        _approved(tx, node, proposal, now)
        facts = {
            "digest": proposal.digest,
            "version": version.number,
            "operators": people,
            **({"recovery": True} if recovered else {}),
            "fingerprints": [each.fingerprint for each in signatures],
        }
        node.hub.event(tx, "change.applied", f"change:{proposal.id}", facts, actor=actor, at=now)
        facts = {"eyes": len(people), "trust": proposal.trust, "change": proposal.id}
        write_version(tx, node, version, wanted, again.changes, facts)

    _write(node, entry, work)
    node.reload()
    written, left = put_into_folder(node, again.files)
    return Decision(proposal, "applied", version, written, left, needs_restart(again.changes))


def _approved(tx: Tx, node: Node, proposal: Proposal, now: Instant) -> None:
    signed = proposal.signatures[-1]
    facts = {
        "digest": proposal.digest,
        "signatures": len(proposal.signatures),
        "statement": proposal.statement("approve", signed.operator),
        **signed_facts(signed),
    }
    by = f"operator:{signed.operator}"
    node.hub.event(tx, "change.approved", f"change:{proposal.id}", facts, actor=by, at=now)


def refuse(node: Node, id: str, operator: str, armored: str, because: str) -> Decision:
    """Take an operator's refusal: the change is over.

    Args:
        node: The hub.
        id: Of the proposal.
        operator: Who signed.
        armored: Their signature over :func:`statement` with the action ``refuse`` and the same ``because``.
        because: Why.

    Raises:
        NoSuchChange, ChangeOver, BadApproval, BadSshSignature, ChangeRaced: As :func:`approve` does.
    """
    return _ended(node, id, operator, armored, "refuse", because)


def withdraw(node: Node, id: str, operator: str, armored: str) -> Decision:
    """Let who proposed a change take it back. Raises as :func:`refuse` does; ``change.not-own`` of another."""
    return _ended(node, id, operator, armored, "withdraw", "")


def _ended(node: Node, id: str, operator: str, armored: str, action: Action, because: str) -> Decision:
    node.reload()
    entry = _waiting(node, id)
    operators: tuple[Operator, ...] = approvers(node.directory.hub.operators)
    now = node.hub.clock()
    if action == "withdraw" and operator != entry.proposal.proposer:
        raise BadApproval(
            f"{operator[:64]!a} did not propose this change.",
            code="change.not-own",
            remedy="Refuse it with `ecluse change refuse`.",
        )
    signed = checked(entry.proposal, operators, action, operator, armored, now, because)
    refused = action == "refuse"
    words = f"{operator} refused it: {shown(because)}" if refused else f"{operator} took it back"
    proposal = msgspec.structs.replace(entry.proposal, ended=words)
    state = "refused" if refused else "withdrawn"
    facts = {
        "digest": proposal.digest,
        **({"because": because} if refused else {}),
        "statement": proposal.statement(action, operator, because),
        **signed_facts(signed),
    }
    subject, by = f"change:{proposal.id}", f"operator:{operator}"

    def work(tx: Tx) -> None:
        close(tx, node, entry.record, proposal, state, now)
        if refused:
            node.hub.event(tx, "change.refused", subject, facts, actor=by, at=now)
        else:
            node.hub.event(tx, "change.withdrawn", subject, facts, actor=by, at=now)

    _write(node, entry, work)
    return Decision(proposal, state)
