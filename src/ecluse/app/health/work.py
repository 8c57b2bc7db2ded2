"""What waits for a person, and whether the log still is what was signed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ecluse.app.health.finding import Finding, failed, ok, warning
from ecluse.app.log.sequencing import make_sequencer
from ecluse.app.log.witnesses import awaiting_facts, cosigned_facts, witness_facts
from ecluse.app.node import Node
from ecluse.errors import EcluseError
from ecluse.evidence.breaks import breaks
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.witness.client import SKEW
from ecluse.exchange.route import DELIVERY_KINDS
from ecluse.model.basics import iso
from ecluse.model.nouns import Direction, Job, JobState, Message
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import View

__all__ = [
    "Waiting",
    "dead_jobs",
    "deliveries",
    "jobs",
    "log",
    "payloads",
    "quarantine",
    "waiting",
    "witnesses",
]

_LOOKED_AT: Final = 500
"""Newest messages under way whose deliveries are looked at; a doctor is not a report."""
_OPENED: Final = 50
"""Newest messages whose blobs are opened; each may be a request to an object store."""
_NAMED: Final = 5
_OVERDUE: Final = frozenset({DeliveryState.OVERDUE})


class _Witness(HeldCheckpoints):
    """The checkpoints held outside, to look at: a serving node writes them, a doctor does not."""

    def append(self, note: bytes) -> None:
        """Leave it to the serving node."""


def log(node: Node) -> Iterator[Finding]:
    """Whether the log continues what was signed, in the database and outside of it."""
    held = _Witness(node.checkpoint_file)
    sequencer = make_sequencer(node, held)
    try:
        head, last = sequencer.check()
    except EcluseError as error:
        yield failed("log", error.cause, error.remedy)
        return
    for each in node.store.read(breaks):
        if each.holds(node.log):
            words = f"{each.before} went on as {each.origin} on {each.at}: {each.reason}"
            yield ok("log", f"A break: {words} See `ecluse log breaks`.")
    waiting = len(node.store.read(lambda view: view.unsealed(1000)))
    signed = f"signed up to {last.size} on {iso(last.at)}" if last else "nothing is signed yet"
    text = f"{head.size} records, {signed}; {waiting} wait for their place."
    if last is not None and held.newest() is None:
        yield warning(
            "log",
            f"{text} No checkpoint is held outside the database.",
            f"Restore {node.checkpoint_file} from its backup; the next checkpoint begins another.",
        )
    else:
        yield ok("log", f"{text} The whole of it is verified by `ecluse log verify`.")


def witnesses(node: Node) -> Iterator[Finding]:
    """Whether witnesses cosign our log, and whether the logs that we cosign behave."""
    facts = witness_facts(node)
    for each in facts:
        name = f"witness:{each['name']}"
        known = (
            f"cosigned {each['size']} records on {each['at']}" if each["at"] else "has cosigned nothing yet"
        )
        if each["error"]:
            remedy = "Look with `ecluse log witness --now`; ask its operator where it lasts."
            yield warning(name, f"It {known}; since {each['since']}: {each['cause']}", remedy)
        elif each["went_back"]:
            remedy = "Ask its operator what happened: until then its word is worth less."
            yield warning(name, f"It {known}, after it knew of {each['went_back']} before.", remedy)
        elif abs(each["ahead"]) > SKEW:
            remedy = "Set the clock that is wrong by NTP."
            yield warning(name, f"It {known}; its clock is ahead of ours by {each['ahead']} seconds.", remedy)
        else:
            yield ok(name, f"It {known}.")
    if not facts:
        yield ok("witnesses", "Nobody cosigns our log: [[log.witnesses]] in ecluse.toml names who does.")
    for each in cosigned_facts(node):
        if each["trouble"]:
            words = f"It is {each['trouble']}: it showed a signed head of {each['trouble_size']} records; "
            words += f"we cosigned {each['size']}."
            remedy = "Call its operator; our log has both heads (`ecluse log cosign`)."
            level = failed if each["trouble"] == "forked" else warning
            yield level(f"cosigned:{each['origin']}", words, remedy)
    for each in awaiting_facts(node):
        words = f"The log {each['before']} came under this name with {each['size']} records, and no proof leads there "
        words += f"from the {each['cosigned']} that we cosigned: neither is cosigned until a person decides."
        remedy = "Call its operator; then `ecluse log cosign --accept` or `--refuse` with this name."
        yield warning(f"cosigned:{each['origin']}", words, remedy)


class Waiting(NamedTuple):
    """Deliveries that wait for a person, up to some hundreds of each.

    Attributes:
        failed: Messages that failed.
        late: Messages whose receipt is overdue.
    """

    failed: list[Message]
    late: list[Message]


def waiting(view: View) -> Waiting:
    """What waits for a person; doctor and posture tell of the same."""
    under_way = view.messages(direction=Direction.OUT, states=[MessageState.SEALED], limit=_LOOKED_AT)
    late = [m for m in under_way if any(d.state in _OVERDUE for d in view.deliveries(m.id))]
    failed = view.messages(states=[MessageState.FAILED], limit=_LOOKED_AT)
    # What a flow made of another message failed with it.
    return Waiting([each for each in failed if not each.origin], late)


def dead_jobs(view: View) -> list[Job]:
    """Work besides deliveries that ended without success, up to some hundreds."""
    found = view.jobs(limit=_LOOKED_AT)
    return [job for job in found if job.state is JobState.DEAD and job.kind not in DELIVERY_KINDS]


def deliveries(node: Node) -> Iterator[Finding]:
    """Deliveries that were refused, are dead or overdue."""
    dead, late = node.store.read(waiting)
    if dead:
        yield warning("deliveries", f"{_count(dead)} failed: {_names(dead)}.", _PERSON)
    if late:
        yield warning("deliveries", f"{_count(late)} without a receipt in time: {_names(late)}.", _PERSON)
    if not dead and not late:
        yield ok("deliveries", "None is refused, dead or overdue.")


_PERSON: Final = "Look with `ecluse message trace`; then `ecluse message resend` or `ecluse message give-up`."


def quarantine(node: Node) -> Iterator[Finding]:
    """Documents that somebody has to look at."""
    states = [MessageState.QUARANTINED]
    found = node.store.read(lambda view: view.messages(states=states, limit=_LOOKED_AT))
    if found:
        remedy = (
            "Look with `ecluse message trace`; then `ecluse message release` or `ecluse message give-up`."
        )
        yield warning("quarantine", f"{_count(found)} in quarantine: {_names(found)}.", remedy)
    else:
        yield ok("quarantine", "Nothing is in it.")


def payloads(node: Node) -> Iterator[Finding]:
    """Whether the bytes of the newest messages are there and open under this keyring."""
    messages = [
        each for each in node.store.read(lambda view: view.messages(limit=_OPENED)) if not each.shredded
    ]
    blobs = {part.blob: message for message in messages for part in message.parts}
    blobs |= {message.wire_blob: message for message in messages if message.wire_blob}
    lost = []
    for blob, message in blobs.items():
        try:
            with node.hub.blob(blob) as reader:
                reader.read(0, 1)
        except EcluseError as error:
            lost.append(f"{blob} of {message.id}: {error.code}")
    if lost:
        remedy = "Restore the blob store, and the keys of blobs, from their backups."
        names = ", ".join(lost[:_NAMED]) + (", ..." if len(lost) > _NAMED else "")
        yield failed("payloads", f"{len(lost)} of {len(blobs)} blobs can't be read: {names}.", remedy)
    else:
        yield ok("payloads", f"All {len(blobs)} blobs of the newest {len(messages)} messages open.")


def jobs(node: Node) -> Iterator[Finding]:
    """Work besides deliveries that ended without success: receipts of ours that could not be sent..."""
    found = node.store.read(dead_jobs)
    for job in found[:_NAMED]:
        remedy = "Read the hub's log around this time."
        if job.kind == "answer":
            remedy = "Look with `ecluse message trace`; then `ecluse message resend`."
        yield warning("jobs", f"{job.key} ended without success: {job.error}", remedy)
    if not found:
        yield ok("jobs", "None ended without success.")


def _count(messages: list[Message]) -> str:
    number = f"{_LOOKED_AT} or more" if len(messages) == _LOOKED_AT else str(len(messages))
    return f"{number} message{'s'[: len(messages) != 1]}"


def _names(messages: list[Message]) -> str:
    names = [f"{m.id} ({m.reference or m.partner})" for m in messages[:_NAMED]]
    return ", ".join(names) + (", ..." if len(messages) > _NAMED else "")
