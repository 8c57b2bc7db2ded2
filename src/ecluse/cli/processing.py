"""The record of processing activities, as the configuration tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ecluse.cli.frame import Frame, command

__all__ = ["add_to"]


def processing(
    frame: Frame,
    form: Annotated[Literal["markdown", "html"], typer.Option("--format", help="Of the page.")] = "markdown",
    language: Annotated[Literal["en", "fr"], typer.Option("--language", help="Of the page.")] = "en",
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; standard output by default.", show_default=False)
    ] = None,
) -> None:
    """Write the record of processing activities (GDPR, article 30) from the configuration in force."""
    from ecluse.app.processing.page import as_html, as_markdown
    from ecluse.app.processing.record import processing_record

    with frame.node() as node:
        record = processing_record(node)
    if frame.json and out is None:
        frame.show(record, "")
        return
    page = (as_html if form == "html" else as_markdown)(record, language)
    frame.hand_out("processing", "page", page, out, "The record of processing activities")


def add_to(app: typer.Typer) -> None:
    """Add the command to the tree."""
    command(
        app,
        "processing",
        gives="format, made, version, organisation{name, email, role, controller, officer, contacts[]{role, name}}, "
        "activities[]{id, name, purpose, basis, persons[], data[], documents[], source, recipients[], retention{}, "
        "archive}, recipients[]{id, name, state, channels[], places[], country, transfer}, "
        "archive[]{profile, name, retention, basis}, measures[]{measure, value}, gaps[]; with --out: ref, file",
        example="ecluse --hub hub processing --language fr --format html --out registre.html",
    )(processing)
