"""Messages: which there are, what became of them, and their documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ecluse.cli.filters import OfFlow, Search, States, Way, WithPartner, chosen
from ecluse.cli.frame import Frame, command
from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.exchange.hub import Document
    from ecluse.model.nouns import Part

__all__ = ["MessageId", "app"]

app = typer.Typer(help="Messages: what became of them, and what to do.", no_args_is_help=True)

MessageId = Annotated[
    str,
    typer.Argument(
        metavar="MESSAGE", help="Its id; or a reference, Message-ID or file name.", show_default=False
    ),
]


class NoSuchPart(EcluseError):
    """A message has no such document, or it must be said which."""

    code = "message.no-such-part"
    fault = Fault.USAGE
    remedy = "Look at its documents with `ecluse message show`, and say which with --part."


class NeedsOut(EcluseError):
    """A payload and JSON can't share standard output."""

    code = "message.needs-out"
    fault = Fault.USAGE
    remedy = "Name a file with --out."


def _list(
    frame: Frame,
    direction: Way = None,
    partner: WithPartner = None,
    state: States = None,
    search: Search = "",
    flow: OfFlow = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """List messages, newest first."""
    from ecluse.app.messages.lookup import message_facts

    with frame.node() as node:
        which = chosen(node, direction, partner, state, search, flow)
        messages = node.store.read(lambda view: view.messages(**which, limit=limit))
    rows = [message_facts(message) for message in messages]
    frame.show({"messages": rows}, lambda console: _draw_list(console, rows))


command(
    app,
    "list",
    gives="messages[]{id, direction, partner, state, protocol, protocol_id, reference, subject, "
    "documents[]{name, size, sha256, content_type}, size, created, updated, reason_code, "
    "reason, origin, flow}",
    example="ecluse --hub hub message list --state failed --state quarantined\n"
    "ecluse --hub hub message list --partner birch --search 4711",
)(_list)

STATE_STYLES: Final = {
    "delivered": "green",
    "failed": "bold red",
    "rejected": "red",
    "quarantined": "yellow",
    "given-up": "dim",
}


def _draw_list(console: Console, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console.print("There are none.")
        return
    table = Table(box=None, pad_edge=False)
    flows = any(row["flow"] for row in rows)
    columns = ("created", "id", "", "partner", "state", *(["flow"] if flows else []), "reference", "document")
    for title in columns:
        table.add_column(title, overflow="fold", no_wrap=title in ("created", "id", "state"))
    for row in rows:
        names = ", ".join(part["name"] or part["content_type"] for part in row["documents"])
        table.add_row(
            Text(row["created"][:19].replace("T", " ")),
            Text(row["id"]),
            Text("<-" if row["direction"] == "in" else "->"),
            Text(row["partner"]),
            Text(row["state"], STATE_STYLES.get(row["state"], "")),
            *([Text(row["flow"] or "")] if flows else []),
            Text(row["reference"]),
            Text(names),
        )
    console.print(table)


def show(frame: Frame, id: MessageId) -> None:
    """Show a message: its documents, its deliveries and why it is as it is."""
    from ecluse.app.messages.lookup import find_message
    from ecluse.cli.draw import draw_message
    from ecluse.exchange.trace import trace as gather

    with frame.node() as node:
        found = gather(node.store, find_message(node.store, id).id, whole=False)
    facts = {name: value for name, value in found.as_dict().items() if name != "events"}
    frame.show(facts, lambda console: draw_message(console, found))


command(
    app,
    "show",
    gives="id, direction, partner, protocol, protocol_id, state, subject, reference, created, "
    "updated, reason_code, reason, config_version, origin, flow, shredded, asked, documents[], wire, "
    "deliveries[], receipts[], children[], answer",
    example="ecluse --hub hub message show m01m80crfmpqz4cz72kazja7pz5",
)(show)


def trace(frame: Frame, id: MessageId) -> None:
    """Draw the life of a message: who did what and when, the receipts, and what is proven of it."""
    from ecluse.app.messages.life import life_of
    from ecluse.cli.draw import draw_life

    with frame.node() as node:
        life = life_of(node, id)
    frame.show(life.as_dict(), lambda console: draw_life(console, life))


command(
    app,
    "trace",
    gives="id, direction, partner, protocol, protocol_id, state, subject, reference, created, "
    "updated, reason_code, reason, config_version, origin, flow, shredded, asked, documents[], wire, deliveries[]{id, "
    "channel, flow, state, attempts, updated, receipt_due, reason_code, reason}, receipts[]{kind, "
    "positive, verdict, received, sha256, said{disposition, mic, mic_expected, mic_matches, "
    "text}}, answer{positive, status, created, asynchronous, sha256, said{disposition, mic, "
    "mic_expected, mic_matches, text}}, children[]{id, relay, flow, partner, protocol, protocol_id, state, "
    "reason_code, reason, documents[], deliveries[], receipts[]}, events[]{at, kind, actor, node, data, index, id, "
    "message, proven}",
    example="ecluse --hub hub message trace 4711",
)(trace)


def payload(
    frame: Frame,
    id: MessageId,
    part: Annotated[
        int | None,
        typer.Option("--part", min=1, help="Which document, where there are several.", show_default=False),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", help="A new file, or - for standard output. No file is written over.")
    ] = "-",
) -> None:
    """Get a document of a message, as it was handed in or received."""
    from ecluse import durable
    from ecluse.app.messages.lookup import find_message

    if frame.json and out == "-":
        raise NeedsOut("The document would be mixed with the JSON.")
    with frame.node() as node:
        message = find_message(node.store, id)
        wanted, number = _choose(message.parts, part)
        with node.hub.document(wanted) as document:
            if out == "-":
                _to_stdout(document)
                return
            with frame.progress("Writing", octets=True) as progress:
                durable.write_new(out, _counted(document, progress), 0o600)
    facts = {
        "id": message.id,
        "part": number,
        "file": out,
        "name": wanted.name,
        "size": wanted.size,
        "sha256": wanted.sha256,
        "content_type": wanted.content_type,
    }
    frame.show(facts, lambda console: console.print(f"{wanted.size} octets are in {out}.", markup=False))


command(
    app,
    "payload",
    gives="id, part, file, name, size, sha256, content_type",
    example="ecluse --hub hub message payload 4711 --out orders-4711.edi\n"
    "ecluse --hub hub message payload 4711 | less",
)(payload)


def _choose(parts: Sequence[Part], number: int | None) -> tuple[Part, int]:
    if not parts:
        raise NoSuchPart("The message has no documents: it was not opened, or was refused.")
    if number is None and len(parts) > 1:
        raise NoSuchPart(f"The message has {len(parts)} documents.")
    if number is not None and number > len(parts):
        raise NoSuchPart(f"The message has {len(parts)} documents, and no number {number}.")
    index = (number or 1) - 1
    return parts[index], index + 1


def _counted(document: Document, progress: Callable[[int, int], None]) -> Iterator[bytes]:
    done = 0
    for chunk in document.chunks():
        yield chunk
        done += len(chunk)
        progress(done, document.part.size)


def _to_stdout(document: Document) -> None:
    stream = typer.get_binary_stream("stdout")
    for chunk in document.chunks():
        stream.write(chunk)
    stream.flush()
