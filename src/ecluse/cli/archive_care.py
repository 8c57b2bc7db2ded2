"""How the archive is: looks at what is kept, the clock, and the policy in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.archive import BadArchiveOption
from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_to"]


def check(
    frame: Frame,
    now: Annotated[bool, typer.Option("--now", help="Look at what is due.")] = False,
    all: Annotated[bool, typer.Option("--all", help="Look at everything, whenever it is due.")] = False,
) -> None:
    """Show how the archive is; or read what is kept again, compare it, and repair it."""
    from ecluse.app.archive.views import archive_facts
    from ecluse.app.archive.wiring import look_now

    with frame.node() as node:
        looks = list(look_now(node, everything=all)) if now or all else []
        facts = archive_facts(node)
    hurt: list[dict[str, Any]] = [
        {
            "blob": each.blob,
            "primary": each.primary.value,
            "second": each.second.value,
            "repaired": list(each.repaired),
            "lost": each.lost,
        }
        for each in looks
        if each.repaired or each.lost
    ]
    facts = {
        **facts,
        "looked": len(looks),
        "copies_made": sum(each.copied for each in looks),
        "damaged": hurt,
    }

    def draw(console: Console) -> None:
        blobs = facts["blobs"]
        console.print(
            f"{facts['documents']} documents on {blobs.get('sound', 0)} sound blobs, "
            f"{blobs.get('damaged', 0)} damaged; {facts['copied']} have a second copy; {facts['due']} are due."
        )
        if now or all:
            console.print(f"{len(looks)} were read again, {facts['copies_made']} copies were made.")
        for each in hurt:
            where = ", ".join(str(name) for name in each["repaired"])
            what = f"repaired in {where}" if where else "can't be repaired"
            console.print(
                f"{each['blob']}: first {each['primary']}, second {each['second']}; {what}.", style="red"
            )
        for name, said in (("place", facts["place_error"]), ("clock", facts["clock_doubt"])):
            if said:
                console.print(f"{name}: {said}", style="yellow", markup=False, soft_wrap=True)
        for each in facts["refused"]:
            console.print(
                f"{each['message']} waits: {each['reason']}", style="yellow", markup=False, soft_wrap=True
            )

    frame.show(facts, draw)
    if any(each.lost for each in looks):
        raise typer.Exit(1)


def clock(
    frame: Frame,
    confirm: Annotated[bool, typer.Option("--confirm", help="Say that it is right.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="What it was compared with.", show_default=False)
    ] = "",
) -> None:
    """Show whether the clock is believed; or say that it is right, where something spoke against it."""
    from ecluse.archive.clock import confirm_clock, doubt_of
    from ecluse.model.basics import iso

    if confirm and not reason:
        raise BadArchiveOption("Say what the clock was compared with.", remedy="Give --reason.")
    with frame.node() as node:
        if confirm:
            confirm_clock(node.archive, actor=frame.actor, reason=reason)
        now = node.hub.clock()
        doubt = node.store.read(lambda view: doubt_of(view, node.archive, now))
    said = doubt or f"It is {iso(now)}, and nothing speaks against it."
    frame.show({"now": iso(now), "doubt": doubt or None}, said)


def policy(
    frame: Frame,
    out: Annotated[Path | None, typer.Option("--out", help="A new file.", show_default=False)] = None,
) -> None:
    """Write the archiving policy: what the configuration in force amounts to, in words."""
    from ecluse.archive.policy import policy as text_of

    with frame.node() as node:
        text = text_of(
            node.archive.book(),
            organisation=node.directory.organisation.name,
            origin=node.log_key.name,
            verifier=str(node.log_key),
            now=node.hub.clock(),
        )
    frame.hand_out("policy", "policy", text, out, "The archiving policy")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(
        app,
        "check",
        gives="documents, blobs, copied, oldest_look, due, overdue, place_error, refused[]{message, profile, reason}, "
        "clock_doubt, looked, copies_made, damaged[]{blob, primary, second, repaired, lost}",
        example="ecluse --hub hub archive check\necluse --hub hub archive check --now",
    )(check)
    command(
        app,
        "clock",
        gives="now, doubt",
        example="ecluse --hub hub archive clock --confirm --reason 'compared with the time of the bank'",
    )(clock)
    command(
        app,
        "policy",
        gives="ref, policy; with --out ref, file",
        example="ecluse --hub hub archive policy --out archiving-policy.md",
    )(policy)
