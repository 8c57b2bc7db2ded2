"""The configuration: what would change, putting it in force, writing a version back to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.trust.changes.plan import Plan

__all__ = ["add_to", "draw_plan"]

_PANEL = "The configuration"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    command(
        app,
        "plan",
        gives="version, changes[]{kind, subject, field, before, after}, trust[]{subject, field, kind, why}, held",
        panel=_PANEL,
        example="ecluse --hub hub plan",
    )(plan)
    command(
        app,
        "apply",
        gives="version, applied, changes[]{kind, subject, field, before, after}, restart",
        panel=_PANEL,
        example="ecluse --hub hub apply --reason 'Birch renewed its certificate'\n"
        "ecluse --hub hub apply --as ada --reason 'Birch renewed its certificate'",
        signs=True,
    )(apply)
    command(
        app,
        "export",
        gives="version, folder, written[]; with --history versions[]{version, at, actor, reason}",
        panel=_PANEL,
        example="ecluse --hub hub export --history\necluse --hub hub export /tmp/version-3 --version 3",
    )(export)


def plan(frame: Frame) -> None:
    """Say what applying the hub's files would change, and what of it changes trust."""
    from ecluse.app.changes.gate import must_hold
    from ecluse.app.settings import plan_files
    from ecluse.trust.changes.sensitive import sensitive
    from ecluse.trust.configuration import read_folder

    with frame.node() as node:
        changes, _ = plan_files(node, read_folder(node.folder))
        held = bool(must_hold(node, changes))
        facts = {
            "version": node.version,
            "changes": changes.changes,
            "trust": [each.as_dict() for each in sensitive(changes)],
            "held": held,
        }

    def draw(console: Console) -> None:
        draw_plan(console, changes)
        if held:
            console.print(
                "It changes trust: it would wait for a second operator's signature.", soft_wrap=True
            )

    frame.show(facts, draw)


def apply(
    frame: Frame,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; it is kept with the version.")
    ] = "applied from the command line",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put the hub's files in force, as a new version. A serving hub takes it up within a second."""
    from ecluse.app.settings import apply_files, needs_restart, plan_files
    from ecluse.trust.configuration import read_folder

    with frame.node() as node:
        files = read_folder(node.folder)
        changes, _ = plan_files(node, files)
        if changes or not node.version:
            if not yes and not frame.json:
                draw_plan(frame.err, changes)
            frame.confirm("Apply this?", yes=yes)
        version = apply_files(node, files, actor=frame.actor, reason=reason, signer=frame.signer(node))
        facts = {
            "version": node.version,
            "applied": version is not None,
            "changes": changes.changes,
            "restart": needs_restart(changes),
        }
    if version is None:
        frame.show(facts, f"Nothing would change: version {facts['version']} is in force.")
        return
    text = f"Version {version.number} is in force ({len(changes.changes)} changes)."
    if facts["restart"]:
        text += "\nRestart the hub: where it listens and what it keeps its state in are read at its start."
    frame.show(facts, text)


def export(
    frame: Frame,
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; the hub's own folder by default.", show_default=False)
    ] = None,
    version: Annotated[
        int | None,
        typer.Option("--version", min=1, help="Which; the one in force by default.", show_default=False),
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="List the versions instead.")] = False,
) -> None:
    """Write a version of the configuration back to files, or list the versions."""
    from ecluse.app.settings import export_files
    from ecluse.model.basics import iso

    with frame.node() as node:
        if history:
            versions = node.store.read(lambda view: view.config_history(1000))
            rows = [
                {"version": each.number, "at": iso(each.at), "actor": each.actor, "reason": each.reason}
                for each in versions
            ]
            frame.show({"versions": rows}, lambda console: _draw_history(console, rows))
            return
        target = folder if folder is not None else node.folder
        written = export_files(node, target, version)
        number = version or node.version
    text = (
        f"Version {number}: {len(written)} files written to {target}."
        if written
        else "Every file is the same already."
    )
    frame.show({"version": number, "folder": str(target), "written": written}, text)


def draw_plan(console: Console, plan: Plan) -> None:
    """A block for each subject, a line for each change."""
    from rich.text import Text

    styles = {"+": "green", "-": "red", "~": "yellow"}
    for line in plan.text().splitlines():
        console.print(Text(line, styles.get(line.strip()[:1], "bold")), soft_wrap=True)


def _draw_history(console: Console, rows: list[dict[str, object]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("version", "at", "actor", "reason"):
        table.add_column(title)
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    console.print(table)
