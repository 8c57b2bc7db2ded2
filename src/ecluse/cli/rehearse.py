"""Rehearsing with a difficult partner, before a real one is met."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.rehearsal.report import Report

__all__ = ["add_to"]

REPORT = (
    "hub, partner, at, version, against, url, agreed, ready, "
    "plays[]{code, title, expected, observed, verdict, advice}"
)


def rehearse(
    frame: Frame,
    partner: Annotated[str | None, typer.Argument(help="The partner's id.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file for the signed report.", show_default=False)
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", help="Their test endpoint, instead of a copy of our channel.", show_default=False
        ),
    ] = None,
    agreed: Annotated[
        str, typer.Option("--agreed", help="Who there agreed to it, when, and how.", show_default=False)
    ] = "",
    only: Annotated[str, typer.Option("--only", help="Plays whose code is like this: 'receipt.*'.")] = "*",
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Read a signed report of ours instead.", show_default=False),
    ] = None,
) -> None:
    """Play a difficult partner against a copy of a channel's configuration, and sign what came of it.

    Nothing of the hub takes part but its configuration: the copy has keys of its own, and is gone afterwards.
    """
    from ecluse import durable
    from ecluse.app.rehearsal import Agreement, check_report
    from ecluse.app.rehearsal import rehearse as play

    if (partner is None) == (check is None):
        raise typer.BadParameter("give a partner, or --check with a report.")
    with frame.node() as node:
        if check is not None:
            from ecluse.app.partners.views import read_small

            report = check_report(read_small(check), node.log_key)
        else:
            agreement = Agreement(against, agreed) if against is not None else None
            view = node.directory.partner(partner or "")
            with frame.progress("rehearsing") as tell:
                done = play(node, view, agreement=agreement, only=only, actor=frame.actor, tell=tell)
            report = done.report
            if out is not None:
                durable.write_new(out, [done.text], 0o644)
    facts = {name: getattr(report, name) for name in report.__struct_fields__}
    frame.show({**facts, "ready": report.ready}, lambda console: _draw(console, report))
    if not report.ready:
        raise typer.Exit(1)


def _draw(console: Console, report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("", "play", "what was done", "what came of it"):
        table.add_column(title, overflow="fold")
    for played in report.plays:
        failed = played.verdict == "failed"
        table.add_row(
            Text("✗", "bold red") if failed else Text("✓", "green"),
            Text(played.code),
            Text(played.title),
            Text(f"{played.observed}\n{played.advice}" if failed else played.observed),
        )
    console.print(table)
    count = sum(played.verdict == "held" for played in report.plays)
    verdict = "Ready" if report.ready else "Not ready"
    console.print(f"{verdict}: {count} of {len(report.plays)} plays ended as they should.", highlight=False)


def add_to(app: typer.Typer) -> None:
    """Add the command to a group."""
    command(
        app,
        "rehearse",
        gives=REPORT,
        example="ecluse --hub hub rehearse birch --out birch-readiness.txt\n"
        "ecluse --hub hub rehearse birch --against https://test.birch.example/as2 "
        "--agreed 'Ms Ito, by mail of 2026-11-02'\n"
        "ecluse --hub hub rehearse --check birch-readiness.txt",
    )(rehearse)
