"""The approved state of a hub, and how it differs from that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.posture.work import Looked, PostureWork

__all__ = ["FINDING", "app", "look"]

app = typer.Typer(help="The approved state that drift is told from.", no_args_is_help=True)

FINDING: Final = (
    "{code, severity, domain, subject, place, title, observed, expected, why, remedy, fix{file, edits[], commands[]}, "
    "reach{partners, flows, weekly, partner_names[], flow_names[]}, first_seen, last_seen, opened, suppression{reason, "
    "owner, by, at, until}, file, line}"
)
"""The members of a finding."""


def look(frame: Frame, node: Any) -> tuple[PostureWork, Looked]:
    """What posture is at this moment, and the work that keeps what comes of it."""
    from ecluse.app.posture.work import PostureWork

    work = PostureWork(node)
    with frame.err.status("Looking"):
        return work, work.run()


def approve(
    frame: Frame,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.", show_default=False)],
    only: Annotated[
        str, typer.Option("--only", help="Only hub, partner:ID or flow:ID.", show_default=False)
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Approve the present configuration, and what partners were seen to use, as what drift is told from."""
    from ecluse.app.posture.work import PostureWork

    with frame.node() as node:
        frame.confirm("Approve the present state as the baseline?", yes=yes)
        count = PostureWork(node).approve(reason=reason, actor=frame.actor, only=only)
    frame.show({"subjects": count}, f"The baseline has {count} subjects.")


command(
    app,
    "approve",
    gives="subjects",
    example="ecluse --hub hub posture baseline approve --reason 'quarterly review'",
)(approve)


def show_baseline(
    frame: Frame,
    subject: Annotated[str, typer.Argument(help="hub, partner:ID or flow:ID.")] = "hub",
) -> None:
    """What was approved of a subject: by whom, when, why, and in which words."""
    from ecluse.app.posture.work import NoSuchSubject
    from ecluse.model.basics import iso
    from ecluse.posture.baseline import entry_of

    with frame.node() as node:
        entry = node.store.read(lambda view: entry_of(view, subject))
    if entry is None:
        raise NoSuchSubject(
            f"Nothing was approved of {subject[:80]!a}.",
            remedy="Approve it with `ecluse posture baseline approve`.",
        )

    def draw(console: Console) -> None:
        from rich.text import Text

        console.print(
            Text(f"{subject}: approved on {iso(entry.at)[:10]} by {entry.by}: {entry.reason}", "bold")
        )
        for field, value in entry.words.items():
            console.print(Text(f"  {field}: {value}"), soft_wrap=True)
        for role, values in entry.seen.items():
            console.print(Text(f"  seen {role}: {', '.join(values)}"), soft_wrap=True)

    facts = {
        "subject": subject,
        "at": iso(entry.at),
        "by": entry.by,
        "reason": entry.reason,
        "digest": entry.digest,
        "words": entry.words,
        "seen": entry.seen,
    }
    frame.show(facts, draw)


command(
    app,
    "show",
    gives="subject, at, by, reason, digest, words, seen",
    example="ecluse --hub hub posture baseline show partner:birch",
)(show_baseline)


def diff(frame: Frame) -> None:
    """How the hub differs from the baseline, in its configuration and on the wire. Exit code 1 where it does."""
    from ecluse.app.posture.report import report as make

    with frame.node() as node:
        work, looked = look(frame, node)
        made = make(looked, work.keeper, node.directory.configuration.files, everything=True)
    approved = looked.facts.hub.approved is not None
    found = [each for each in made.findings if each.code.endswith("drift")]

    def draw(console: Console) -> None:
        from rich.text import Text

        if not approved:
            console.print("No baseline was approved yet: `ecluse posture baseline approve`.")
            return
        for each in found:
            console.print(Text(f"{each.subject}: {each.observed}  [{each.expected}]"), soft_wrap=True)
        if not found:
            console.print("Nothing differs from the baseline.")

    frame.show({"approved": approved, "findings": found}, draw)
    if found:
        raise typer.Exit(1)


command(
    app,
    "diff",
    gives=f"approved, findings[]{FINDING}",
    example="ecluse --hub hub posture baseline diff",
)(diff)
