"""The inventory: every key, certificate, trust anchor and reference to a secret, ours and the partners'."""

from __future__ import annotations

from typing import Annotated

import typer

from ecluse.cli.credentials import (
    ROW,
    Expiring,
    Export,
    Owner,
    Purpose,
    Unused,
    WeakerThan,
    show_credentials,
)
from ecluse.cli.frame import Frame, command

__all__ = ["app"]

app = typer.Typer(
    help="Everything that trust rests on: keys, certificates, passwords by name.", no_args_is_help=True
)


def _list(
    frame: Frame,
    expiring: Expiring = None,
    owner: Owner = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            help="Only of this kind: certificate, trust-anchor, ssh-key, openpgp-key, password, access-key, "
            "storage-key, log-key; may be repeated.",
            show_default=False,
        ),
    ] = None,
    purpose: Purpose = None,
    weaker_than: WeakerThan = None,
    unused: Unused = None,
    export: Export = None,
) -> None:
    """List every credential: the hub's own, then the partners'. Secrets stand in it by name alone."""
    from ecluse.app.keys.inventory import as_row
    from ecluse.trust.inventory import KINDS

    for each in kind or ():
        if each not in KINDS:
            raise typer.BadParameter(f"--kind takes one of {', '.join(KINDS)}, not {each!r}.")
    show_credentials(
        frame,
        "credentials",
        kinds=kind or (),
        row=lambda node, credential, now: as_row(credential, now),
        expiring=expiring,
        owner=owner,
        purpose=purpose,
        weaker_than=weaker_than,
        unused=unused,
        export=export,
    )


command(
    app,
    "list",
    gives=f"credentials[]{{{ROW}}}; with --export file, count",
    example="ecluse --hub hub key list --kind ssh-key --weaker-than 128\n"
    "ecluse --hub hub key list --expiring 60d --export csv expiring.csv",
)(_list)
