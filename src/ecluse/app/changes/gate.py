"""Holding a change to trust until a second person approved it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ecluse.app.changes.check import checked
from ecluse.app.changes.lookup import pending, read
from ecluse.app.changes.proposal import (
    FILES,
    KIND,
    MAX_REASON,
    Delta,
    Proposal,
    Signer,
    delta,
    describe,
    digest_of,
    pack,
    shown,
    signed_facts,
)
from ecluse.app.node import Node
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.trust.changes.plan import Plan
from ecluse.trust.changes.sensitive import Sensitive, sensitive
from ecluse.trust.operators import approvers, four_eyes
from ecluse.trust.settings.fields import seconds

__all__ = ["MAX_PENDING", "ChangeHeld", "TooManyChanges", "hold", "must_hold"]

MAX_PENDING: Final = 1000
"""Proposals that wait at once: nobody reads more, and a program that proposes in a circle ends here."""
_WHY: Final = 20
"""Changes to trust that the event tells the reasons of, each cut to :data:`_WORDS`; its statement tells the rest."""
_WORDS: Final = 120


class ChangeHeld(EcluseError):
    """A change to trust was not put in force: it waits for a second person.

    Attributes:
        proposal: What waits.
        fresh: Whether it was proposed by this; false where the same waits already.
    """

    code = "change.held"
    fault = Fault.PERMANENT
    remedy = "Have another operator look at it with `ecluse change show` and approve it with `ecluse change approve`."

    def __init__(self, proposal: Proposal, *, fresh: bool) -> None:
        """Say which, and how many signatures it lacks."""
        self.proposal = proposal
        self.fresh = fresh
        lacking = "one other operator signs" if proposal.signatures else "two operators sign"
        count = f"{proposal.trust} change{'s'[: proposal.trust != 1]} to trust"
        begin = "It holds" if fresh else "The same waits already: it holds"
        super().__init__(
            f"{begin} {count}, and takes effect once {lacking} {proposal.id}. What was in force goes on.",
            remedy=f"Have another operator look with `ecluse change show {proposal.id}`, and approve with "
            f"`ecluse change approve {proposal.id} --as NAME`.",
        )

    @property
    def details(self) -> dict[str, object]:
        """For ``--json``, beside code and cause."""
        return {"change": self.proposal.id, "until": iso(self.proposal.until), "fresh": self.fresh}


class TooManyChanges(EcluseError):
    """So many proposals wait that no further one is taken."""

    code = "change.too-many"
    fault = Fault.USAGE
    remedy = "Decide about those that wait: `ecluse change list`."


def must_hold(node: Node, changes: Plan) -> tuple[Sensitive, ...]:
    """The changes to trust of a plan that need a second person; empty where it may take effect at once."""
    if not node.version or not four_eyes(node.directory.hub.operators):
        return ()
    return sensitive(changes)


def hold(
    node: Node,
    files: Mapping[str, str],
    changes: Plan,
    found: Sequence[Sensitive],
    *,
    actor: str,
    reason: str,
    signer: Signer | None,
    wait: int | None = None,
) -> ChangeHeld:
    """Keep a change as a proposal.

    Args:
        node: The hub.
        files: All files, as they would be.
        changes: What that would change.
        found: The changes to trust among them.
        actor: Who, for events.
        reason: Why.
        signer: Signs the proposal as an operator.
        wait: Microseconds after which the same operator may sign a second time; see :mod:`.recovery`.

    Returns:
        What the caller raises.

    Raises:
        BadApproval: ``signer`` is none who may sign.
        ChangeTooLarge, TooManyChanges: It can't be kept.
    """
    reason = reason[:MAX_REASON]
    present = node.directory.configuration.files
    changed = delta(present, files)
    packed = pack(changed)
    waiting = node.store.read(lambda view: list(pending(view)))
    same = _same(node, waiting, packed)
    if same is not None:
        return ChangeHeld(same, fresh=False)
    if len(waiting) >= MAX_PENDING:
        raise TooManyChanges(f"{len(waiting)} changes wait for approval.")
    now = node.hub.clock()
    proposal = _proposal(node, changed, changes, found, actor, reason, signer, now, wait)
    if signer is not None:
        armored = signer.sign(proposal.statement("propose", signer.operator))
        operators = approvers(node.directory.hub.operators)
        signed = checked(proposal, operators, "propose", signer.operator, armored, now)
        proposal = msgspec.structs.replace(proposal, signatures=(signed,))

    def work(tx: Tx) -> None:
        body = msgspec.json.encode(proposal)
        tx.add_record(Record(KIND, proposal.id, now, body, "", "pending", proposal.until))
        tx.add_record(Record(FILES, proposal.id, now, msgspec.json.encode(packed)))
        facts = _facts(proposal, found)
        by = f"operator:{proposal.proposer}" if proposal.proposer else actor
        node.hub.event(tx, "change.proposed", f"change:{proposal.id}", facts, actor=by, at=now)

    node.store.write(work)
    return ChangeHeld(proposal, fresh=True)


def _same(node: Node, waiting: Sequence[Record], packed: bytes) -> Proposal | None:
    """One that waits and would change the same files in the same way."""
    body = msgspec.json.encode(packed)

    def look(view: View) -> Record | None:
        for record in waiting:
            kept = view.record(FILES, record.key)
            if kept is not None and kept.body == body:
                return record
        return None

    found = node.store.read(look)
    return None if found is None else read(found).proposal


def _proposal(
    node: Node,
    changed: Delta,
    changes: Plan,
    found: Sequence[Sensitive],
    actor: str,
    reason: str,
    signer: Signer | None,
    now: Instant,
    wait: int | None,
) -> Proposal:
    hub = node.directory.hub
    recover = None if wait is None else Instant(now + wait)
    until = Instant((recover or now) + int(seconds(hub.changes.time_limit) * 1_000_000))
    id = node.hub.new_id("c")
    by = signer.operator if signer is not None else f"{actor}, unsigned"
    text = describe(
        id=id,
        hub=hub.log_origin,
        base=node.version,
        until=until,
        by=by,
        reason=reason,
        files=changed,
        changes=changes,
        recover=recover,
    )
    return Proposal(
        id=id,
        at=now,
        until=until,
        base=node.version,
        actor=actor,
        proposer=signer.operator if signer is not None else "",
        by=by,
        reason=reason,
        text=text,
        digest=digest_of(text),
        trust=len(found),
        recover=recover,
    )


def _facts(proposal: Proposal, found: Sequence[Sensitive]) -> dict[str, object]:
    signature = [signed_facts(each) for each in proposal.signatures]
    return {
        "digest": proposal.digest,
        "base": proposal.base,
        "until": proposal.until,
        "trust": proposal.trust,
        "why": [
            {name: shown(value)[:_WORDS] for name, value in each.as_dict().items()} for each in found[:_WHY]
        ],
        "by": proposal.by,
        **({"recover": proposal.recover} if proposal.recover is not None else {}),
        "reason": proposal.reason,
        "statement": proposal.statement("propose", proposal.proposer) if proposal.proposer else proposal.text,
        **(signature[0] if signature else {}),
    }
