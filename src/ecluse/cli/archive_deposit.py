"""Putting documents into the archive, their receipts, and the events that begin their retention."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecluse.cli.archive import ARCHIVED, ArchivedArgument, day_of, hand_out_statement
from ecluse.cli.frame import Frame, command
from ecluse.cli.message import MessageId

__all__ = ["add_to"]

_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.", show_default=False)]


def deposit(
    frame: Frame,
    message: MessageId,
    profile: Annotated[
        str, typer.Option("--profile", help="By which profile; its own by default.", show_default=False)
    ] = "",
    waive: Annotated[
        str,
        typer.Option(
            "--waive",
            metavar="REASON",
            help="Also a format that the profile leaves out; why.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Put a message's documents into the archive by hand."""
    from ecluse.app.archive.views import archived_facts
    from ecluse.app.messages.lookup import find_message
    from ecluse.archive.deposit import deposit as put

    with frame.node() as node:
        found = find_message(node.store, message)
        rows = [
            archived_facts(row)
            for row in put(node.archive, found.id, profile, actor=frame.actor, waive=waive)
        ]
    ids = ", ".join(row["id"] for row in rows)
    frame.show({"archived": rows}, f"{found.id} is in the archive: {ids}.")


def decline(frame: Frame, message: MessageId, reason: _Reason) -> None:
    """Decide that a message that its profile does not take is not archived."""
    from ecluse.app.messages.lookup import find_message
    from ecluse.archive.deposit import decline as leave

    with frame.node() as node:
        found = find_message(node.store, message)
        leave(node.archive, found.id, actor=frame.actor, reason=reason)
    frame.show({"message": found.id, "archived": False}, f"{found.id} is not archived.")


def receipt(
    frame: Frame,
    id: ArchivedArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A new folder for receipt.json and receipt.note.", show_default=False),
    ] = None,
) -> None:
    """Give the signed deposit receipt of a document."""
    from ecluse.archive.deposit import body_of
    from ecluse.archive.room import NotArchived, archived_or_raise

    with frame.node() as node:
        row = node.store.read(lambda view: archived_or_raise(view, id))
        found = body_of(row).receipt
        key = str(node.log_key)
    if found is None:
        raise NotArchived(
            f"The receipt of {id} went with the document; its digest stands in the log.",
            remedy="Look at `ecluse archive show` for the disposal, whose certificate is kept.",
        )
    hand_out_statement(frame, "receipt", found.text, found.note, key, out)


def start(
    frame: Frame,
    id: ArchivedArgument,
    reason: _Reason,
    on: Annotated[
        str,
        typer.Option("--on", metavar="DAY", help="When it happened; today by default.", show_default=False),
    ] = "",
) -> None:
    """Tell of the event that a document's retention begins with, such as the end of a contract."""
    from ecluse.app.archive.views import archived_facts
    from ecluse.archive.deposit import begin_retention
    from ecluse.model.archive import ArchiveId
    from ecluse.model.basics import iso

    with frame.node() as node:
        day = day_of(on) if on else iso(node.hub.clock())[:10]
        row = begin_retention(node.archive, ArchiveId(id), day, actor=frame.actor, reason=reason)
    facts = archived_facts(row)
    frame.show(facts, f"{row.id} is kept until {(facts['ends'] or 'for ever')[:10]}.")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(
        app,
        "deposit",
        gives=f"archived[]{{{ARCHIVED}}}",
        example="ecluse --hub hub archive deposit 4711 --profile contracts",
    )(deposit)
    command(
        app,
        "decline",
        gives="message, archived",
        example="ecluse --hub hub archive decline 4711 --reason 'a drawing, kept with the project'",
    )(decline)
    command(
        app,
        "receipt",
        gives="text, note, key; with --out files",
        example="ecluse --hub hub archive receipt a01m8dpxg4wjtc0qrd4m6k9x3s2b --out receipt-4711",
    )(receipt)
    command(
        app,
        "start",
        gives=ARCHIVED,
        example="ecluse --hub hub archive start a01m8dpxg4wjtc0qrd4m6k9x3s2b --on 2028-06-30 --reason 'lease ended'",
    )(start)
