"""What a flow would do with a document, and why: the same steps as in earnest, of which nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ecluse.blobs.vault import Sealed
from ecluse.errors import EcluseError
from ecluse.exchange.flows.plan import FlowPlan, TargetPlan
from ecluse.exchange.flows.ports import Leaving, Protection, Seals
from ecluse.exchange.flows.relay import bundles, named
from ecluse.exchange.flows.state import is_paused
from ecluse.exchange.flows.workshop import Piece, Workshop, digest_of
from ecluse.exchange.hub import Hub
from ecluse.model.basics import Instant
from ecluse.model.nouns import Message
from ecluse.model.states import MessageState
from ecluse.store.port import View

__all__ = ["Trial", "Way", "try_out"]


class Way(msgspec.Struct, frozen=True):
    """What one target would get.

    Attributes:
        channel: Which target.
        folder: Folder below the channel's own.
        names: Names of the files, for each message that would be made.
        subject: Subject of the first.
        protections: What would be done to the documents: gzip, zip, openpgp encrypt...
        problem: Why nothing would be sent; empty where it would.
    """

    channel: str
    folder: str
    names: list[list[str]]
    subject: str
    protections: list[str]
    problem: str = ""


class Trial(msgspec.Struct, frozen=True):
    """What a flow would do with a document.

    Attributes:
        name: Its name.
        taken: Whether the flow takes it.
        why: Why not, or why not yet; empty where it does.
        opened: What would be opened, in order.
        documents: (name, kind, octets) of each document inside.
        duplicate: Message that had the same content, and what would follow; empty where there is none.
        order_key: What it would be in order with; empty where order does not matter.
        ways: What each target would get.
    """

    name: str
    taken: bool
    why: str = ""
    opened: list[str] = []
    documents: list[tuple[str, str, int]] = []
    duplicate: str = ""
    order_key: str = ""
    ways: list[Way] = []


def try_out(
    hub: Hub,
    plan: FlowPlan,
    message: Message,
    protection: Protection,
    leaving: Leaving,
    *,
    why: str = "",
    made: Sequence[Sealed] = (),
    seals: Seals | None = None,
) -> Trial:
    """Try a message that is kept, or stands for one that would be: its parts have their octets in the vault.

    Args:
        hub: What the chamber shares.
        plan: The flow.
        message: The message.
        protection: OpenPGP.
        leaving: What channels know of a message.
        why: Why the flow does not take it as far as is known; then it is only told.
        made: Blobs of its parts that no row has; they are thrown away.
        seals: Signatures on documents.
    """
    shop = Workshop(hub, protection, seals=seals)
    shop.adopt(made)
    try:
        return _try(hub, plan, message, shop, leaving, why)
    finally:
        shop.clear()


def _try(hub: Hub, plan: FlowPlan, message: Message, shop: Workshop, leaving: Leaving, why: str) -> Trial:
    name = message.parts[0].name if message.parts else ""
    why = why or plan.refusal(message)
    if why:
        return Trial(name, taken=False, why=why)
    opened = []
    if plan.settings.open.openpgp:
        opened.append("openpgp")
    if plan.settings.open.unpack != "none":
        opened.append(plan.settings.open.unpack)
    if plan.settings.open.seals != "ignore":
        opened.append(f"seals {plan.settings.open.seals}")
    try:
        pieces = shop.open(plan, message)
    except EcluseError as error:
        return Trial(name, taken=True, why=f"{error.code}: {error.cause}", opened=opened)
    now = hub.clock()
    counts = [0]
    ways = [_way(plan, target, message, shop, pieces, leaving, now, counts, name) for target in plan.targets]
    why = "the flow is paused: it would wait" if hub.store.read(lambda view: is_paused(view, plan)) else ""
    if shop.problem is not None:
        why = f"it would go into quarantine: {shop.problem.reason}"
    return Trial(
        name,
        taken=True,
        why=why,
        opened=opened,
        documents=[(piece.name, piece.part.kind, piece.part.size) for piece in pieces],
        duplicate=_duplicate(hub, plan, message, pieces, now),
        order_key=plan.order_key(message),
        ways=ways,
    )


def _way(
    plan: FlowPlan,
    target: TargetPlan,
    message: Message,
    shop: Workshop,
    pieces: list[Piece],
    leaving: Leaving,
    now: Instant,
    counts: list[int],
    name: str,
) -> Way:
    settings = target.settings
    protections = [f"seal {settings.seal.format}"] if settings.seal is not None else []
    if settings.pack != "none":
        protections.append(settings.pack)
    if settings.openpgp != "none":
        protections.append(f"openpgp {settings.openpgp}")

    def number() -> int:
        counts[0] += 1
        return counts[0]

    names: list[list[str]] = []
    subject, problem = "", ""
    try:
        made = bundles(
            leaving,
            "trial",
            target,
            shop.close(target, pieces, pieces[0].name if len(pieces) == 1 else name or "documents"),
        )
        for bundle in made:
            parts, subject_of = named(plan, target, message, bundle, now, number)
            names.append([part.name for part in parts])
            subject = subject or subject_of
    except EcluseError as error:
        problem = f"{error.code}: {error.cause}"
    return Way(target.channel, settings.folder or "", names, subject, protections, problem)


def _duplicate(hub: Hub, plan: FlowPlan, message: Message, pieces: list[Piece], now: Instant) -> str:
    settings = plan.settings.duplicates
    if settings is None:
        return ""
    digest = digest_of(pieces)

    def look(view: View) -> str:
        first = view.digest_seen(plan.id, digest)
        if first is None or first[0] == message.id or first[1] <= now - plan.window:
            return ""
        other = view.message(first[0])
        if other is None or other.state is MessageState.GIVEN_UP:
            return ""
        return f"the same content came as {first[0]}: {settings.action}"

    return hub.store.read(look)
