"""Partners' folders with us: what lies in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.model.files import FileRow

__all__ = ["app"]

app = typer.Typer(help="Partners' folders with us.", no_args_is_help=True)

_Partner = Annotated[str, typer.Argument(help="The partner's id.", show_default=False)]


def _facts(row: FileRow) -> dict[str, object]:
    from ecluse.model.basics import iso

    return {
        "path": row.path,
        "state": row.state.value,
        "size": row.size,
        "modified": iso(row.modified),
        "message": row.message,
        "expires": None if row.expires is None else iso(row.expires),
    }


def files(
    frame: Frame,
    partner: _Partner,
    folder: Annotated[str, typer.Option("--folder", help="Only what lies there and below.")] = "/",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 1000,
) -> None:
    """List what lies in a partner's folders, and how much of its quota that takes."""
    from itertools import islice

    from ecluse.app.channels.accounts import account_of
    from ecluse.exchange.mailbox.keeping import files_below
    from ecluse.exchange.mailbox.places import Places, Terms
    from ecluse.model.paths import VirtualPath

    with frame.node() as node:
        view, account = account_of(node, partner)
        terms = Terms.of(account)
        used, count = node.store.read(lambda read: read.file_usage(view.id))
        found = files_below(node.hub, view.id, Places(account), VirtualPath.parse(folder))
        rows = [_facts(row) for row in islice(found, limit)]
    space = {"octets": used, "quota": terms.quota, "files": count, "most_files": terms.files}

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for title in ("path", "state", "octets", "modified", "message", "until"):
            table.add_column(title, justify="right" if title == "octets" else "left", overflow="fold")
        for row in rows:
            size = f"{row['size']:,}"
            values = [row["path"], row["state"], size, row["modified"], row["message"], row["expires"] or ""]
            table.add_row(*(Text(str(value)) for value in values))
        if rows:
            console.print(table)
        console.print(
            f"{used:,} of {terms.quota:,} octets, {count:,} of {terms.files:,} files and folders.",
            highlight=False,
            markup=False,
        )

    frame.show({"partner": view.id, "space": space, "files": rows}, draw)


command(
    app,
    "files",
    gives="partner, space{octets, quota, files, most_files}, files[]{path, state, size, modified, message, expires}",
    example="ecluse --hub hub account files birch --folder /outbound",
)(files)


def remove(
    frame: Frame,
    partner: _Partner,
    path: Annotated[str, typer.Argument(help="As the list shows it.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.", show_default=False)],
) -> None:
    """Remove a file or an empty folder from a partner's folders. The message of an upload stays."""
    from ecluse.app.channels.accounts import account_of
    from ecluse.exchange.mailbox.keeping import remove_file
    from ecluse.model.paths import VirtualPath

    with frame.node() as node:
        view, _ = account_of(node, partner)
        row = remove_file(node.hub, view.id, VirtualPath.parse(path), actor=frame.actor, reason=reason)
    frame.show({"partner": view.id, **_facts(row)}, f"{row.path} ({row.state.value}) was removed.")


command(
    app,
    "remove",
    gives="partner, path, state, size, modified, message, expires",
    example="ecluse --hub hub account remove birch /inbound/big.zip.part --reason 'they send it by post'",
)(remove)
