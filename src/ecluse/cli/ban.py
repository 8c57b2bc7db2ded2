"""Who is kept out after failed logins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.node import Node
    from ecluse.channels.guard.bans import Bans

__all__ = ["app"]

app = typer.Typer(help="Addresses and users that are kept out after failed logins.", no_args_is_help=True)


def _bans(node: Node) -> Bans:
    from ecluse.channels.guard.bans import Bans

    return Bans(node.store, node.hub.clock, node.hub.entropy, node.name)


def _list(frame: Frame) -> None:
    """List the bans in force, the one that ends first at the top."""
    from ecluse.model.basics import iso

    with frame.node() as node:
        bans = _bans(node).active()
    rows = [
        {
            "subject": ban.subject,
            "until": iso(ban.until),
            "since": iso(ban.at),
            "times": ban.times,
            "listener": ban.listener,
        }
        for ban in bans
    ]

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        if not rows:
            console.print("Nobody is banned.")
            return
        table = Table(box=None, pad_edge=False)
        for title in ("subject", "until", "since", "times", "listener"):
            table.add_column(title)
        for row in rows:
            table.add_row(*(Text(str(value)) for value in row.values()))
        console.print(table)

    frame.show({"bans": rows}, draw)


command(
    app,
    "list",
    gives="bans[]{subject, until, since, times, listener}",
    example="ecluse --hub hub ban list",
)(_list)


def lift(
    frame: Frame,
    kind: Annotated[str, typer.Argument(help="address or user.", show_default=False)],
    name: Annotated[str, typer.Argument(help="Which, as the list shows it.", show_default=False)],
) -> None:
    """End a ban at once, on every node."""
    from ecluse.channels.guard.bans import address_subject, user_subject

    if kind not in ("address", "user"):
        raise typer.BadParameter("give address or user, and which.")
    subject = user_subject(name) if kind == "user" else address_subject(name.partition("/")[0])
    with frame.node() as node:
        _bans(node).lift(subject, frame.actor)
    frame.show({"subject": subject}, f"{subject} is not banned any more.")


command(
    app,
    "lift",
    gives="subject",
    example="ecluse --hub hub ban lift address 192.0.2.7\necluse --hub hub ban lift user birch",
)(lift)
