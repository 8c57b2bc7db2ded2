"""Learning a partner's SSH host key without trusting it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_to"]


def scan(
    frame: Frame,
    host: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="The SFTP server.", show_default=False)],
) -> None:
    """Show the host keys of an SFTP server. Nothing is trusted: compare a fingerprint with the partner by voice."""
    from ecluse.channels.sftp.client.probe import scan as look
    from ecluse.trust.addresses import split_host

    name, port = split_host(host, 22)
    keys = look(name, port)
    facts = {
        "host": name,
        "port": port,
        "keys": [
            {"kind": key.kind, "algorithm": key.algorithm, "fingerprint": key.fingerprint, "line": key.line}
            for key in keys
        ],
    }

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for title in ("kind", "algorithm", "fingerprint"):
            table.add_column(title, overflow="fold", no_wrap=title == "fingerprint")
        for key in keys:
            table.add_row(Text(key.kind), Text(key.algorithm), Text(key.fingerprint))
        console.print(table)
        console.print(
            "Whoever answers at that address showed these. Ask the partner to read theirs out; only then put it "
            "into sftp.host_keys.",
            markup=False,
        )

    frame.show(facts, draw)


def add_to(app: typer.Typer) -> None:
    """Make it a command about partners."""
    command(
        app,
        "scan-host-key",
        gives="host, port, keys[]{kind, algorithm, fingerprint, line}",
        example="ecluse partner scan-host-key sftp.birch.example\n"
        "ecluse --json partner scan-host-key sftp.birch.example:2222",
    )(scan)
