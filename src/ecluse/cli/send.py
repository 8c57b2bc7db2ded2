"""Handing in documents for a partner, or for a flow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecluse.cli.frame import Frame, command

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "send",
        gives="id, partner, protocol, flow, protocol_id, repeated, state, reference, documents[]{name, size, sha256, "
        "content_type}; with --wait also confirmed, delivery, attempts, reason_code, reason, remedy",
        panel="Documents",
        example="ecluse --hub hub send birch orders-4711.edi --wait\n"
        "ecluse --hub hub send birch invoice.xml invoice.pdf --subject 'Invoice 12' --key invoice-12\n"
        "ecluse --hub hub send cedar prices.csv --channel sftp\n"
        "ecluse --hub hub send --flow orders order-4711.edi",
    )(send)


def send(
    frame: Frame,
    partner: Annotated[
        str,
        typer.Argument(
            help="The partner's id (its file's name); with --flow a document too.", show_default=False
        ),
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Documents; several travel as one message.", show_default=False),
    ] = None,
    flow: Annotated[
        str | None,
        typer.Option("--flow", help="Hand them in for this flow, which sends them on.", show_default=False),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            "--channel",
            help="Kind of the channel (as2, sftp, s3...); by default the first that leads to the partner.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the receipt; exit code 1 if none confirms.")
    ] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait, such as 90s or 5m.")] = "5m",
    subject: Annotated[
        str, typer.Option("--subject", help="For the partner to read.", show_default=False)
    ] = "",
    content_type: Annotated[
        str | None,
        typer.Option(
            "--content-type", help="Media type; by default by what is in the file.", show_default=False
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            help="A name of your own for this sending: repeated with the same key, the command sends nothing again "
            "and reports the first one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Send documents to a partner or by a flow: kept durably, then delivered by the serving hub."""
    from ecluse.app.messages.follow import Progress, follow
    from ecluse.app.messages.outbox import send_files, send_to_flow
    from ecluse.cli.values import duration

    if flow is None and not files:
        raise typer.BadParameter("Say which files to send.", param_hint="files")
    documents = [*([Path(partner)] if flow is not None else []), *(files or [])]

    patience = duration(timeout)
    with frame.node() as node:
        with frame.progress("Reading", octets=True) as progress:
            if flow is not None:
                sent = send_to_flow(
                    node,
                    flow,
                    documents,
                    subject=subject,
                    content_type=content_type,
                    key=key,
                    actor=frame.actor,
                    progress=progress,
                )
            else:
                sent = send_files(
                    node,
                    partner,
                    documents,
                    subject=subject,
                    content_type=content_type,
                    key=key,
                    channel=channel,
                    actor=frame.actor,
                    progress=progress,
                )
        verb = "was sent before as" if sent.repeated else "is kept as"
        facts = sent.as_dict()
        if not wait:
            names = ", ".join(path.name for path in documents)
            frame.show(
                facts,
                lambda console: console.print(
                    f"{names} {verb} {sent.message.id}", markup=False, soft_wrap=True
                ),
            )
            return
        console = frame.out
        live = not (frame.json or frame.quiet)
        if live:
            console.print(f"{sent.message.id} {verb.split(' as')[0]}", markup=False, highlight=False)

        def tell(progress: Progress) -> None:
            if live:
                console.print(f"{progress.after:8.2f} s  {progress.text}", markup=False, soft_wrap=True)

        end = follow(node, sent.message.id, patience, tell)
    if frame.json:
        frame.show({**facts, **end.as_dict()}, "")
    elif live and not end.confirmed:
        console.print(f"Not confirmed: {end.text}", markup=False, soft_wrap=True, style="red")
        console.print(end.remedy, markup=False, soft_wrap=True, style="cyan")
    if not end.confirmed:
        raise typer.Exit(1)
