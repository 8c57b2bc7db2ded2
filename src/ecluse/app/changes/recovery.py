"""When the second person is gone: one operator removes them, announced, after a wait in which anybody may object.

Two operators of role trust, one of whom has left the company with their key, could never change trust again. So the one
who is left may *announce* that the others shall be operators no more, and sign it a second time once the wait
(``[changes] recovery_wait``) is over. It may do nothing else than remove operators, and only where fewer than two
others are left to sign. While it waits, any other operator ends it by refusing; ``doctor`` warns, and the log has it
from the first minute. When the wait began is read from the log, and not from the row of the proposal.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ecluse.app.changes.gate import ChangeHeld, hold
from ecluse.app.changes.proposal import Proposal, Signer
from ecluse.app.node import Node
from ecluse.app.versions import plan_files
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.record import decode_leaf
from ecluse.model.basics import Instant, iso
from ecluse.trust.changes.plan import Plan
from ecluse.trust.changes.sensitive import sensitive
from ecluse.trust.operators import EYES, approvers, four_eyes
from ecluse.trust.settings.fields import seconds

__all__ = ["NoRecovery", "announce", "only_removes", "waited"]


class NoRecovery(EcluseError):
    """One operator alone can't change this, not even after a wait."""

    code = "change.no-recovery"
    fault = Fault.USAGE
    remedy = (
        "Let two operators sign it: `ecluse operator remove NAME --as YOU`, then `ecluse change approve`."
    )


def announce(node: Node, files: Mapping[str, str], *, actor: str, reason: str, signer: Signer) -> Proposal:
    """Announce the removal of operators by one operator alone.

    Args:
        node: The hub.
        files: All files, without them.
        actor: Who, for events.
        reason: Why.
        signer: Signs it.

    Returns:
        What waits; ``recover`` is when its proposer may sign it a second time.

    Raises:
        NoRecovery: It is not allowed here, would change something else, or two others can sign.
        BadApproval, ConfigurationError: As for any proposal.
    """
    hub = node.directory.hub
    wait = hub.changes.recovery_wait
    if not isinstance(wait, str):
        raise NoRecovery("This hub's configuration does not allow it ([changes] recovery_wait).")
    if not four_eyes(hub.operators):
        raise NoRecovery(
            "One person is enough in this hub.", remedy="Remove them with `ecluse operator remove`."
        )
    changes, wanted = plan_files(node, files)
    if not only_removes(changes):
        raise NoRecovery("It would change something else than who is an operator.")
    if len(approvers(wanted.hub.operators)) >= EYES:
        raise NoRecovery("Two other operators can sign it.")
    held: ChangeHeld = hold(
        node,
        files,
        changes,
        sensitive(changes),
        actor=actor,
        reason=reason,
        signer=signer,
        wait=int(seconds(wait) * 1_000_000),
    )
    if held.proposal.recover is None:
        raise NoRecovery(
            f"The same waits for a second operator, as {held.proposal.id}.",
            remedy="Withdraw that with `ecluse change withdraw` first.",
        )
    return held.proposal


def only_removes(changes: Plan) -> bool:
    """Whether a plan removes operators, and does nothing else."""
    return bool(changes) and all(
        each.kind == "remove" and each.subject == "hub" and each.field.startswith("operator ")
        for each in changes.changes
    )


def waited(node: Node, proposal: Proposal, changes: Plan, now: Instant) -> bool:
    """Whether the proposer of a recovery may sign it a second time.

    Raises:
        NoRecovery: ``change.too-early``: the wait is not over.
    """
    wait = node.directory.hub.changes.recovery_wait
    if proposal.recover is None or not isinstance(wait, str) or not only_removes(changes):
        return False
    begun = [
        event.at
        for event in (
            decode_leaf(each.leaf) for each in node.store.read(lambda view: view.events(_subject(proposal)))
        )
        if event.kind == "change.proposed"
        and msgspec.json.decode(event.data).get("digest") == proposal.digest
    ]
    over = max([proposal.recover, *(Instant(at + int(seconds(wait) * 1_000_000)) for at in begun)])
    if not begun or now < over:
        raise NoRecovery(
            f"The wait is over at {iso(over)}.",
            code="change.too-early",
            remedy="Sign it again then; any other operator may approve it at once, or refuse it.",
        )
    return True


def _subject(proposal: Proposal) -> str:
    return f"change:{proposal.id}"
