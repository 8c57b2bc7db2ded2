"""Whether a signature counts, and whether a proposal still is what was signed.

The row of a proposal is believed for nothing. Its text is made again from its files and the configuration in force;
signatures are checked over that text with the keys of the operators in force; whoever changed the row, in whichever
way, finds that nothing fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ecluse.app.changes.lookup import DamagedChange, Entry, files_of
from ecluse.app.changes.proposal import (
    KIND,
    NAMESPACE,
    Action,
    Delta,
    Proposal,
    Signed,
    describe,
    digest_of,
    onto,
)
from ecluse.app.node import Node
from ecluse.app.versions import plan_files
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.record import decode_leaf
from ecluse.model.basics import Instant
from ecluse.model.nouns import LoggedEvent
from ecluse.model.records import Record
from ecluse.store.port import View
from ecluse.trust.changes.plan import Plan
from ecluse.trust.configuration import Configuration
from ecluse.trust.keys.ssh import fingerprint
from ecluse.trust.operators import Operator, public_key
from ecluse.wire.sshsig import BadSshSignature, read_signature

__all__ = ["BadApproval", "ChangeOver", "ChangeTampered", "Replanned", "checked", "replan", "standing"]


class BadApproval(EcluseError):
    """A signature that does not count: of somebody who may not sign, or of a key that is not theirs."""

    code = "change.not-approver"
    fault = Fault.USAGE
    remedy = "Let an operator of role trust sign, with a key of theirs: `ecluse operator list`."


class ChangeOver(EcluseError):
    """The proposal does not wait any more."""

    code = "change.not-pending"
    fault = Fault.USAGE
    remedy = "Look at it with `ecluse change show`; propose it again where it is still wanted."


class ChangeTampered(EcluseError):
    """What is kept of a proposal is not what was signed."""

    code = "change.tampered"
    fault = Fault.PERMANENT
    remedy = (
        "Propose it again where the hub was upgraded, or a key of ours got another certificate since; else first "
        "find out who writes to the database."
    )


@dataclass(frozen=True, slots=True)
class Replanned:
    """What a proposal would do to the configuration in force.

    Attributes:
        files: Those that change.
        wanted: The configuration that it makes.
        changes: What would change; empty, and ``text`` another one, where it is stale.
        text: The text made again.
        stale: Why it is not what was signed any more, in words; empty where it is.
    """

    files: Delta
    wanted: Configuration | None
    changes: Plan
    text: str
    stale: str = ""


def checked(
    proposal: Proposal,
    operators: Sequence[Operator],
    action: Action,
    operator: str,
    armored: str,
    now: Instant,
    because: str = "",
) -> Signed:
    """A signature that counts.

    Args:
        proposal: Its text is what was signed.
        operators: Those who may sign.
        action: What was signed.
        operator: Who says that they signed.
        armored: The signature.
        now: When it was taken.
        because: The reason in what was signed.

    Raises:
        BadApproval: ``change.not-approver``: they may not sign; ``change.wrong-key``: the key is not theirs.
        BadSshSignature: It is no signature, or not over this text.
    """
    person = next((each for each in operators if each.name == operator), None)
    if person is None:
        raise BadApproval(f"{operator[:64]!a} is no operator in force of role trust.")
    signature = read_signature(armored)
    blob = signature.key.blob
    line = next((line for line in person.keys if public_key(line).blob == blob), None)
    if line is None:
        raise BadApproval(f"The key {fingerprint(blob)} is none of {person.name}'s.", code="change.wrong-key")
    signature.check(proposal.statement(action, operator, because).encode(), NAMESPACE)
    return Signed(operator, action, now, " ".join(line.split()[:2]), fingerprint(blob), signature.armored())


def standing(proposal: Proposal, operators: Sequence[Operator]) -> tuple[Signed, ...]:
    """The signatures of a proposal that count today: of operators in force, each of another person and key.

    Raises:
        ChangeTampered: One is of an operator and key in force, and not over this text.
    """
    counting: list[Signed] = []
    for signed in proposal.signatures:
        if signed.action not in ("propose", "approve"):
            continue
        try:
            again = checked(proposal, operators, signed.action, signed.operator, signed.signature, signed.at)
        except BadApproval:
            continue  # they are no operator any more, or have another key: their word counts no more
        except BadSshSignature:
            raise ChangeTampered(
                f"The signature of {signed.operator[:64]!a} does not fit {proposal.id}."
            ) from None
        if all(again.operator != each.operator and again.key != each.key for each in counting):
            counting.append(again)
    return tuple(counting)


def kept(node: Node, proposal: Proposal) -> Delta:
    """The files of a proposal that waits, by its row and by the log, as both are in one moment.

    A row that is over may have been put back, with signatures that once were given: the log has the last word.

    Raises:
        ChangeOver: It was decided meanwhile.
        ChangeTampered: The log says otherwise.
        DamagedChange: The files are not there, or can't be read.
    """

    def look(view: View) -> tuple[list[LoggedEvent], Record | None, Delta | None]:
        id = proposal.id
        return view.events(f"change:{id}"), view.record(KIND, id), files_of(view, id)

    leaves, record, files = node.store.read(look)
    if record is None or record.state != "pending":
        raise ChangeOver(f"The change {proposal.id} was decided in this moment.")
    events = [decode_leaf(each.leaf) for each in leaves]
    proposed = [each for each in events if each.kind == "change.proposed"]
    if len(proposed) != 1 or msgspec.json.decode(proposed[0].data).get("digest") != proposal.digest:
        raise ChangeTampered(f"The log does not have {proposal.id} as it is kept.")
    ended = next((each for each in events if each.kind in _ENDS), None)
    if ended is not None:
        raise ChangeTampered(f"By the log {proposal.id} is over ({ended.kind}), and yet it waits.")
    if files is None:
        raise DamagedChange(f"The files of the change {proposal.id} are not kept.")
    return files


_ENDS: Final = frozenset(
    {"change.applied", "change.refused", "change.withdrawn", "change.expired", "change.stale"}
)


def replan(node: Node, entry: Entry) -> Replanned:
    """Plan a proposal against what is in force.

    Raises:
        ChangeOver: It was decided meanwhile.
        ChangeTampered: It is not what its text or the log says, and no other version came between.
        DamagedChange: Its files are not there, or can't be read.
        ConfigurationError: It can't be put in force today: something ran out meanwhile, for one.
    """
    proposal = entry.proposal
    files = kept(node, proposal)
    if digest_of(proposal.text) != proposal.digest:
        raise ChangeTampered(f"The text of {proposal.id} is not the one that was proposed.")
    after = onto(node.directory.configuration.files, files)
    moved = node.version != proposal.base
    if after is None:
        if not moved:
            raise ChangeTampered(f"The files of {proposal.id} are not those that it was made from.")
        return Replanned(files, None, Plan(()), "", "a file that it changes was changed by another version")
    changes, wanted = plan_files(node, after)
    text = describe(
        id=proposal.id,
        hub=node.directory.hub.log_origin,
        base=proposal.base,
        until=proposal.until,
        by=proposal.by,
        reason=proposal.reason,
        files=files,
        changes=changes,
        recover=proposal.recover,
    )
    if text == proposal.text:
        return Replanned(files, wanted, changes, text)
    if not moved:
        raise ChangeTampered(f"{proposal.id} would change something else than its text says.")
    return Replanned(
        files, wanted, changes, text, "it would change something else since another version came"
    )
