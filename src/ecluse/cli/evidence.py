"""Evidence packs: made of messages, and looked into."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.filters import OfFlow, Search, States, Way, WithPartner, chosen
from ecluse.cli.frame import Frame, command
from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.model.basics import Instant

__all__ = ["app"]

app = typer.Typer(
    help="Evidence packs: everything that proves what became of messages, for somebody who has no hub.",
    no_args_is_help=True,
)


class WhichMessages(EcluseError):
    """It was not said which messages are meant, or in two ways."""

    code = "evidence.which-messages"
    fault = Fault.USAGE
    remedy = "Name messages, or say --query with the options that choose them."


class BadTime(EcluseError):
    """A day or an instant that can't be understood."""

    code = "evidence.bad-time"
    fault = Fault.USAGE
    remedy = "Write a day (2026-03-02) or an instant (2026-03-02T09:00:00Z); days begin at midnight UTC."


def export(
    frame: Frame,
    out: Annotated[Path, typer.Option("--out", help="A new file, best with the ending .zip.")],
    messages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MESSAGE]...",
            help="Ids; or a reference, Message-ID or file name each.",
            show_default=False,
        ),
    ] = None,
    query: Annotated[
        bool, typer.Option("--query", help="All messages that the options below choose.")
    ] = False,
    direction: Way = None,
    partner: WithPartner = None,
    state: States = None,
    search: Search = "",
    flow: OfFlow = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Recorded on this day (UTC) or at this instant, or later."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Recorded before this day (UTC) or instant.")
    ] = None,
    without_documents: Annotated[
        bool,
        typer.Option(
            "--without-documents",
            help="Leave documents, and octets that hold them, out: their digests prove without disclosing.",
        ),
    ] = False,
) -> None:
    """Write one file that proves what became of messages, each with all that is of the same life.

    The format is open (docs/evidence-pack-format.md); `ecluse-verify` checks it without a hub.
    """
    from ecluse.app.messages.lookup import find_message
    from ecluse.app.packs.choice import Query, find
    from ecluse.app.packs.export import export_pack

    filtered = any(each for each in (direction, partner, state, search, flow, since, until))
    if bool(messages) == query or (filtered and not query):
        raise WhichMessages("It takes either messages, or --query and what chooses them.")
    with frame.node() as node:
        if messages:
            ids = [find_message(node.store, text).id for text in messages]
        else:
            which = chosen(node, direction, partner, state, search, flow)
            ids = find(node, Query(**which, since=_instant(since), until=_instant(until)))
        with frame.progress("Gathering") as progress:
            done = export_pack(
                node, ids, out, actor=frame.actor, documents=not without_documents, progress=progress
            )
    facts = done.as_dict()
    frame.show(facts, lambda console: _draw_export(console, facts))


def _instant(text: str | None) -> Instant | None:
    from datetime import UTC, datetime

    from ecluse.model.basics import Instant

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return Instant(int(moment.timestamp() * 1_000_000))
    except (ValueError, OverflowError):
        raise BadTime(f"{text[:64]!a} is no day and no instant.") from None


command(
    app,
    "export",
    gives="file, size, manifest_sha256, made, origin, checkpoint, messages[], files, notes[]",
    example="ecluse --hub hub evidence export 4711 --out order-4711.zip\n"
    "ecluse --hub hub evidence export --query --partner birch --since 2026-03-01 --until 2026-04-01 "
    "--out birch-march.zip --without-documents",
)(export)


def _draw_export(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    count = len(facts["messages"])
    what = "1 message" if count == 1 else f"{count} messages"
    words = (
        f"{facts['file']} proves {what} by the head of {facts['origin']} at {facts['checkpoint']} records."
    )
    console.print(Text(words, "green"), soft_wrap=True)
    _draw_notes(console, facts["notes"])
    console.print(Text("Whoever checks it needs the log's key from you: `ecluse log key`."), soft_wrap=True)


def _draw_notes(console: Console, notes: list[str]) -> None:
    from rich.text import Text

    for note in notes:
        console.print(Text(f"  {note}", "yellow"), soft_wrap=True)


def show(
    frame: Frame,
    pack: Annotated[Path, typer.Argument(help="The pack.", show_default=False)],
) -> None:
    """Show what a pack says that it holds. Nothing is checked, and no hub is needed: see `ecluse-verify`."""
    from ecluse.app.packs.show import show_pack

    facts = show_pack(pack)
    frame.show(facts, lambda console: _draw_pack(console, facts))


command(
    app,
    "show",
    gives="format, made, origin, notes[], roles{}, files[]{path, role, sha256, size, about, message}, messages[]{id, "
    "direction, partner, protocol, protocol_id, state, reference, created, documents[]{name, type, size, sha256, "
    "path}, mic_equal, events, receipts}",
    example="ecluse evidence show order-4711.zip",
)(show)


def _draw_pack(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    def line(text: str, style: str = "") -> None:
        console.print(Text(text, style), soft_wrap=True)

    line(f"Made {facts['made']} by {facts['origin']}; nothing of it is checked here.", "dim")
    for each in facts["messages"]:
        way = "from" if each["direction"] == "in" else "to"
        line(f"{each['id']}  {way} {each['partner'] or '-'}  {each['protocol']}  {each['state']}")
        line(f"  {each['protocol_id']}  {each['reference']}  {each['created']}")
        for part in each["documents"]:
            kept = "" if part["path"] else "  (not in the pack)"
            line(f"  {part['name'] or part['type']}  {part['size']} octets  {part['sha256']}{kept}")
        line(f"  {each['events']} events, {each['receipts']} receipts", "dim")
    line("files: " + ", ".join(f"{count} {role}" for role, count in facts["roles"].items()))
    _draw_notes(console, facts["notes"])
