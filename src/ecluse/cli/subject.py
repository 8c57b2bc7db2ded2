"""Requests of persons: find what is held about them, hand it out, erase it, or say why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.subjects.requests import Request

__all__ = ["app"]

app = typer.Typer(help="Requests of persons about their data (GDPR, CCPA).", no_args_is_help=True)

REQUEST = (
    "id, law, wants, words[], received, due, days_left, state, extended, refusal, ended, in_time, items, erased, "
    "refused, nothing-left, signed_by[]"
)
_ITEM = "what, id, does, classes[], ground, article, why, reference, until, fields[], outcome"

_Id = Annotated[str, typer.Argument(metavar="REQUEST", help="As `subject find` or `subject list` gives it.")]
_Deep = Annotated[
    bool, typer.Option("--in-documents", help="Look inside of documents and receipts too; that takes long.")
]
_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.", show_default=False)]


def find(
    frame: Frame,
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORD...", help="Names, addresses, numbers that the person is known by."),
    ],
    in_documents: _Deep = False,
    law: Annotated[
        Literal["gdpr", "ccpa"] | None,
        typer.Option("--law", help="Write a request down, under this law.", show_default=False),
    ] = None,
    wants: Annotated[
        Literal["access", "erasure"], typer.Option("--for", help="What the person asks for.")
    ] = "access",
    received: Annotated[
        str,
        typer.Option("--received", metavar="DAY", help="When it came; today by default.", show_default=False),
    ] = "",
) -> None:
    """Find where a person's data is; with --law, write their request down with its last day."""
    from ecluse.app.subjects.deadlines import Law
    from ecluse.app.subjects.requests import check_words, open_request, request_facts
    from ecluse.app.subjects.searching import search

    with frame.node() as node, frame.progress("Looking") as progress:
        request = None
        if law is not None:
            request = open_request(
                node, words, law=Law(law), wants=wants, received=received, actor=frame.actor
            )
        seen = [0]

        def check(where: str, count: int) -> None:
            seen[0] += 1
            progress(seen[0], seen[0])

        found = [
            {"place": each.place, "id": each.id, "field": each.field, "text": each.text, "root": each.root}
            for each in search(node, check_words(words), in_documents=in_documents, check=check)
        ]
        facts = {
            "request": request_facts(request, node.hub.clock()) if request is not None else None,
            "found": found,
        }

    def draw(console: Console) -> None:
        from rich.text import Text

        for each in found:
            console.print(
                Text(f"{each['place']}  {each['id']}  {each['field']}: {each['text']}"), soft_wrap=True
            )
        console.print(f"{len(found)} places.")
        if request is not None:
            console.print(f"Request {request.id}: to be answered by {request.due}.")

    frame.show(facts, draw)


command(
    app,
    "find",
    gives=f"found[]{{place, id, field, text, root}}, request{{{REQUEST}}}",
    example="ecluse --hub hub subject find 'Jane Doe' jane@doe.example\n"
    "ecluse --hub hub subject find 'Jane Doe' --in-documents --law gdpr --for erasure --received 2026-11-20",
)(find)


def export(
    frame: Frame,
    request: _Id,
    out: Annotated[Path, typer.Option("--out", help="A new ZIP file.", show_default=False)],
    in_documents: _Deep = False,
) -> None:
    """Hand out what is held about a person, in one file that programs can read."""
    from ecluse.app.subjects.export import export_request

    with frame.node() as node:
        facts = export_request(node, request, out, in_documents=in_documents, actor=frame.actor)
    frame.show(
        facts,
        lambda console: console.print(f"{facts['found']} places are in {out}.", markup=False, soft_wrap=True),
    )


command(
    app,
    "export",
    gives=f"{REQUEST}, found, file, sha256, size",
    example="ecluse --hub hub subject export q01k9... --in-documents --out answer.zip",
)(export)


def erase(
    frame: Frame,
    request: _Id,
    in_documents: _Deep = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything", help="Erase documents and receipts too of messages that only name the person."
        ),
    ] = False,
    carry_out: Annotated[bool, typer.Option("--carry-out", help="Do what the plan says.")] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="With --carry-out: why; it is kept.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Plan the erasure of a person's data; sign the plan with --as; with --carry-out, do it.

    Without --as and --carry-out the plan is made anew. Where two operators may sign, two have to.
    """
    from ecluse.app.subjects import erasing
    from ecluse.app.subjects.requests import BadRequest, request_facts

    with frame.node() as node:
        signer = frame.signer(node, "ecluse-archive")
        if carry_out:
            if reason is None:
                raise BadRequest("Nobody said why.", remedy="Give --reason.")
            frame.confirm(f"Erase what the plan of {request} says, for good?", yes=yes)
            done = erasing.carry_out(node, request, actor=frame.actor, reason=reason)
        elif signer is not None:
            done = erasing.sign_plan(node, request, signer)
        else:
            done = erasing.plan_erasure(node, request, in_documents=in_documents, everything=everything)
        facts = {
            **request_facts(done, node.hub.clock()),
            "plan": _items(done),
            "plan_sha256": done.plan_sha256,
            "eyes": erasing.eyes(node),
        }
    frame.show(facts, lambda console: _draw(console, facts))


command(
    app,
    "erase",
    gives=f"{REQUEST}, plan[]{{{_ITEM}}}, plan_sha256, eyes",
    example="ecluse --hub hub subject erase q01k9... --in-documents\n"
    "ecluse --hub hub subject erase q01k9... --as ada\n"
    "ecluse --hub hub subject erase q01k9... --carry-out --reason 'checked by legal' --yes",
    signs=True,
)(erase)


def _items(request: Request) -> list[dict[str, Any]]:
    from ecluse.app.subjects.deadlines import GROUNDS, Ground
    from ecluse.model.basics import iso

    return [
        {
            "what": item.what,
            "id": item.id,
            "does": item.does,
            "classes": list(item.classes),
            "ground": item.ground or None,
            "article": GROUNDS[request.law][Ground(item.ground)] if item.ground else None,
            "why": item.why,
            "reference": item.reference,
            "until": iso(item.until) if item.until is not None else None,
            "fields": list(item.fields),
            "outcome": item.outcome or None,
        }
        for item in request.plan
    ]


def refuse(frame: Frame, request: _Id, reason: _Reason) -> None:
    """Refuse all of a request, with the legal reason that the person will read."""
    from ecluse.app.subjects.requests import refuse as refuse_all
    from ecluse.app.subjects.requests import request_facts

    with frame.node() as node:
        facts = request_facts(refuse_all(node, request, actor=frame.actor, reason=reason), node.hub.clock())
    frame.show(facts, lambda console: console.print(f"{request} is refused.", markup=False))


command(
    app,
    "refuse",
    gives=REQUEST,
    example="ecluse --hub hub subject refuse q01k9... "
    "--reason 'We can not tell who you are: article 11(2) of the GDPR.'",
)(refuse)


def extend(frame: Frame, request: _Id, reason: _Reason) -> None:
    """Answer later, as the law allows once; the person has to be told why before the first period ends."""
    from ecluse.app.subjects.requests import extend as answer_later
    from ecluse.app.subjects.requests import request_facts

    with frame.node() as node:
        facts = request_facts(answer_later(node, request, actor=frame.actor, reason=reason), node.hub.clock())
    frame.show(
        facts, lambda console: console.print(f"{request} is to be answered by {facts['due']}.", markup=False)
    )


command(
    app,
    "extend",
    gives=REQUEST,
    example="ecluse --hub hub subject extend q01k9... --reason 'It concerns ten years of invoices.'",
)(extend)


def letter(
    frame: Frame,
    request: _Id,
    language: Annotated[Literal["en", "fr"], typer.Option("--language", help="Of the letter.")] = "en",
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; standard output by default.", show_default=False)
    ] = None,
) -> None:
    """Write the letter to the person: what was done, what was refused, and why."""
    from ecluse.app.subjects.letters import letter as write
    from ecluse.app.subjects.requests import find_request

    with frame.node() as node:
        _, found = node.store.read(lambda view: find_request(view, request))
        text = write(found, node.directory.organisation, node.hub.clock(), language)
    frame.hand_out(request, "letter", text, out, "The letter")


command(
    app,
    "letter",
    gives="ref, letter (with --out: file)",
    example="ecluse --hub hub subject letter q01k9... --language fr --out answer.txt",
)(letter)


def _list(frame: Frame) -> None:
    """List requests, with their last days."""
    from ecluse.app.subjects.requests import all_requests, request_facts

    with frame.node() as node:
        rows = [request_facts(each, node.hub.clock()) for each in node.store.read(all_requests)]

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for title in ("request", "law", "for", "received", "due", "state"):
            table.add_column(title)
        for row in rows:
            late = row["days_left"] is not None and row["days_left"] < 0
            cells = (row["id"], row["law"], row["wants"], row["received"], row["due"], row["state"])
            table.add_row(*(Text(cell) for cell in cells), style="bold red" if late else "")
        console.print(table)

    frame.show({"requests": rows}, draw)


command(app, "list", gives=f"requests[]{{{REQUEST}}}", example="ecluse --hub hub subject list")(_list)


def _draw(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    for item in facts["plan"]:
        done = item["outcome"] or ("would go" if item["does"] == "erase" else "stays")
        what = ", ".join(item["classes"])
        why = f": {item['why']}" if item["why"] else ""
        article = f" ({item['article']})" if item["article"] else ""
        until = f", until {item['until']}" if item["until"] else ""
        style = "yellow" if item["does"] == "refuse" or item["outcome"] == "refused" else ""
        console.print(
            Text(f"{done}  {item['what']} {item['id']} {what}{why}{until}{article}", style), soft_wrap=True
        )
    signed = f"; signed by {', '.join(facts['signed_by'])}" if facts["signed_by"] else ""
    needs = f" of {facts['eyes']} that have to" if facts["eyes"] else ""
    console.print(Text(f"plan {facts['plan_sha256'][:16]}{signed} ({len(facts['signed_by'])}{needs})."))
    if facts["ended"]:
        console.print(f"{facts['erased']} erased, {facts['refused']} refused.")
