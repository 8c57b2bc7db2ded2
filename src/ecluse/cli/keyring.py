"""The keyring as a whole: what opens it."""

from __future__ import annotations

from typing import Annotated

import typer

from ecluse.cli.frame import Frame, command

__all__ = ["app"]

app = typer.Typer(help="The keyring as a whole: what opens it.", no_args_is_help=True)


def passphrase(
    frame: Frame,
    new: Annotated[
        str,
        typer.Option(
            "--new",
            help="Reference to the new passphrase: env:NAME, or file:PATH (relative to the current folder).",
            show_default=False,
        ),
    ],
) -> None:
    """Let another passphrase open the keyring. The present one is read where [keyring] passphrase says.

    Serving nodes go on. Before the next start the new passphrase has to be where [keyring] passphrase says. Old copies
    of the folder still open with the old one.
    """
    from ecluse.app.certificates import change_passphrase

    with frame.node() as node:
        change_passphrase(node, frame.secret(new, "The new passphrase", option="--new"), actor=frame.actor)
        reference = node.bootstrap.hub.keyring.passphrase
    words = f"The new passphrase opens the keyring. Put it where ecluse.toml looks for it: {reference}."
    frame.show({"reference": reference}, lambda console: console.print(words, markup=False, soft_wrap=True))


command(
    app,
    "passphrase",
    gives="reference",
    example="ecluse --hub hub keyring passphrase --new file:new-passphrase",
)(passphrase)
