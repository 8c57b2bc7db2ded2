"""Secrets inside the keyring, which the configuration refers to as ``keyring:NAME``."""

from __future__ import annotations

from typing import Annotated

import typer

from ecluse.cli.frame import Frame, command

__all__ = ["app"]

app = typer.Typer(help="Secrets inside the keyring (keyring:NAME).", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="The secret's name.", show_default=False)]


def put(
    frame: Frame,
    name: _Name,
    source: Annotated[
        str | None,
        typer.Option("--from", help="env:NAME or file:PATH; asked for without it.", show_default=False),
    ] = None,
) -> None:
    """Put a secret into the keyring, in place of one of the same name."""
    from ecluse.app.keys.certificates import put_secret

    with frame.node() as node:
        put_secret(node, name, frame.secret(source, "The secret", option="--from"), actor=frame.actor)
    frame.show({"name": name}, f"Refer to it as keyring:{name}.")


command(app, "put", gives="name", example="ecluse --hub hub secret put birch-http --from file:password.txt")(
    put
)


def _list(frame: Frame) -> None:
    """List the names of the secrets."""
    with frame.node() as node:
        names = node.keyring.secrets()
    frame.show({"secrets": names}, "\n".join(names) or "There are none.")


command(app, "list", gives="secrets[]", example="ecluse --hub hub secret list")(_list)


def remove(frame: Frame, name: _Name) -> None:
    """Forget a secret."""
    from ecluse.app.keys.certificates import remove_secret

    with frame.node() as node:
        remove_secret(node, name, actor=frame.actor)
    frame.show({"name": name}, f"The keyring has no secret {name} any more.")


command(app, "remove", gives="name", example="ecluse --hub hub secret remove birch-http")(remove)
