"""What is kept for how long, what would go when, and letting it go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app"]

app = typer.Typer(help="How long documents are kept, and what keeps them.", no_args_is_help=True)

_CLASSES = ("payload", "wire", "receipts", "names", "undelivered", "quarantined")


def show(
    frame: Frame,
    message: Annotated[
        str | None, typer.Argument(metavar="[MESSAGE]", help="A message's id.", show_default=False)
    ] = None,
) -> None:
    """Show what is kept for how long; of a message, when what of it goes, and what keeps it."""
    from ecluse.app.archive.retention import message_retention, overview

    with frame.node() as node:
        facts = overview(node) if message is None else message_retention(node, message)
    frame.show(facts, lambda console: (_draw_all if message is None else _draw_one)(console, facts))


command(
    app,
    "show",
    gives="at, terms[]{flow, payload, wire, receipts, names, undelivered, quarantined}, copies[], "
    "pending[]{messages[], since, reason, blobs, waiting[], error{}}; "
    "of a message: id, messages[], outcome, ended, shredded, goes{}, given_up, now[], "
    "kept_by[]{kind, reference, reason, until}",
    example="ecluse --hub hub retention show\necluse --hub hub retention show m01k9...",
)(show)


def run(
    frame: Frame,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; delete nothing.")] = False,
) -> None:
    """Delete what was kept for long enough, at once; a serving hub does it by itself every hour."""
    from ecluse.app.archive.retention import due_now, run_retention

    with frame.node() as node:
        if dry_run:
            with frame.progress("Looking") as progress:
                facts = due_now(node, lambda looked: progress(looked, looked))
        else:
            facts = run_retention(node)
    frame.show(facts, lambda console: (_draw_due if dry_run else _draw_done)(console, facts))


command(
    app,
    "run",
    gives="looked, deleted, kept, given_up, values, erased_everywhere, pending; with --dry-run: looked, goes, kept, "
    "messages[]{id, flow, partner, messages, size, ended, classes[], gives_up, goes, kept, kept_by[]}, "
    "held[]{likewise}",
    example="ecluse --hub hub retention run --dry-run\necluse --hub hub retention run",
)(run)


def _forsake(
    frame: Frame,
    name: Annotated[str, typer.Argument(metavar="COPY", help="As `retention show` names it.")],
    reason: Annotated[
        str, typer.Option("--reason", help="How it was destroyed, and who says so.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Wait no longer for a copy that was destroyed: deletions that only it had not followed are complete then."""
    from ecluse.archive.copies import forsake

    frame.confirm(f"Is {name} destroyed, with all keys and bytes that it held?", yes=yes)
    with frame.node() as node:
        hub = node.hub
        count = forsake(hub, node.store, hub.copies, name, actor=frame.actor, reason=reason)
    frame.show(
        {"copy": name, "deletions": count},
        lambda console: console.print(f"{count} deletions wait for {name} no longer.", markup=False),
    )


command(
    app,
    "forsake",
    gives="copy, deletions",
    example="ecluse --hub hub retention forsake vault-b --reason 'disks shredded, certificate 4711' --yes",
)(_forsake)


def _draw_all(console: Console, facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("flow", *_CLASSES):
        table.add_column(title)
    for row in facts["terms"]:
        table.add_row(Text(row["flow"] or "(none)"), *(Text(row[name]) for name in _CLASSES))
    console.print(table)
    for each in facts["pending"]:
        why = "; ".join(each["error"].values())
        console.print(
            Text(
                f"{each['messages'][0]}: deleted {each['since']}; {', '.join(each['waiting'])} still to follow. {why}"
            )
        )
    if not facts["pending"]:
        console.print("Every copy has let go of what was deleted.")


def _draw_one(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    state = f"{facts['outcome']} since {facts['ended']}" if facts["outcome"] else "under way"
    console.print(Text(f"{facts['id']} and {len(facts['messages']) - 1} made of it: {state}."))
    for name, at in facts["goes"].items():
        console.print(Text(f"  {name}: {at}"))
    if facts["given_up"]:
        console.print(Text(f"  given up {facts['given_up']}, unless somebody decides"))
    if facts["shredded"]:
        console.print(Text(f"  its bytes were deleted {facts['shredded']}"))
    for each in facts["kept_by"]:
        until = f" until {each['until']}" if each["until"] else ""
        console.print(
            Text(f"  kept by {each['kind']} {each['reference']}{until}: {each['reason']}", "yellow")
        )


def _draw_due(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    for row in facts["messages"]:
        what = ", ".join(row["classes"]) or "given up"
        console.print(
            Text(f"{row['id']}  {row['flow'] or '-'}  {row['partner']}  {what}  (ended {row['ended']})")
        )
    for row in facts["held"]:
        why = "; ".join(f"{each['kind']} {each['reference']}: {each['reason']}" for each in row["kept_by"])
        console.print(Text(f"{row['id']}  kept: {why}", "yellow"))
    console.print(f"{facts['looked']} looked at: {facts['goes']} would go, {facts['kept']} are kept.")


def _draw_done(console: Console, facts: dict[str, Any]) -> None:
    console.print(
        f"{facts['looked']} looked at: of {facts['deleted']} something was deleted, {facts['kept']} are kept, "
        f"{facts['given_up']} were given up. {facts['erased_everywhere']} deletions are complete in every copy, "
        f"{facts['pending']} wait for one."
    )
