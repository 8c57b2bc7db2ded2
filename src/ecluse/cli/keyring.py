"""The keyring as a whole: what opens it, and the key stores whose keys it uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app"]

app = typer.Typer(help="The keyring as a whole: what opens it, and its key stores.", no_args_is_help=True)


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
    from ecluse.app.keys.certificates import change_passphrase

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


def stores(frame: Frame) -> None:
    """List the key stores of the configuration, and the keys in each."""
    from ecluse.app.keys.certificates import key_store
    from ecluse.errors import EcluseError

    rows: list[dict[str, Any]] = []
    with frame.node() as node:
        for name, settings in node.bootstrap.hub.keyring.stores.items():
            row: dict[str, Any] = {"name": name, "kind": settings.kind, "keys": [], "error": None}
            try:
                row["keys"] = list(key_store(node, name).names())
            except EcluseError as error:
                row["error"] = error.as_dict()
            rows.append(row)

    def draw(console: Console) -> None:
        if not rows:
            console.print("The configuration has no key stores.")
        for row in rows:
            words = ", ".join(row["keys"]) or "no keys"
            if row["error"] is not None:
                words = f"{row['error']['cause']} {row['error']['remedy']}"
            console.print(f"{row['name']} ({row['kind']}): {words}", markup=False, soft_wrap=True)

    frame.show({"stores": rows}, draw)
    if any(row["error"] is not None for row in rows):
        raise typer.Exit(1)


command(
    app,
    "stores",
    gives="stores[]{name, kind, keys[], error{}}",
    example="ecluse --hub hub keyring stores",
)(stores)


def bind(
    frame: Frame,
    ref: Annotated[str, typer.Argument(help="Name of the key here.", show_default=False)],
    store: Annotated[str, typer.Option("--store", help="The key store.", show_default=False)],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="Name of the key in the store, of transit also with a version (as2@3); as here by default.",
            show_default=False,
        ),
    ] = None,
    make: Annotated[
        str | None,
        typer.Option("--make", help="Make the key there first: rsa-3072, ec-p256...", show_default=False),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate", help="Its certificate; else the key signs one itself.", show_default=False
        ),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject", help="Of that certificate; the organisation by default.", show_default=False
        ),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="How long that lasts.")] = 1095,
) -> None:
    """Use a key that stays in a key store: name it under [[organisation.keys]] as any other afterwards."""
    from ecluse.app.keys.certificates import bind_key, key_store
    from ecluse.app.partners.views import read_small
    from ecluse.trust.certificates import describe

    with frame.node() as node:
        if make is not None:
            key_store(node, store).generate(name or ref, make)
        bound = bind_key(
            node,
            ref,
            store,
            name or ref,
            read_small(certificate) if certificate is not None else b"",
            subject=subject or node.directory.organisation.name,
            days=days,
            actor=frame.actor,
        )
    info = describe(bound.certificate)
    facts = {
        "ref": ref,
        "store": store,
        "key": info.key.name,
        "fingerprint": info.fingerprint,
        "opens": list(bound.opens),
    }
    opens = ", ".join(bound.opens) or "none"
    words = f"{ref} ({info.key.name}) is used where it is, in {store}. Paddings that it decrypts: {opens}."
    frame.show(facts, words)


command(
    app,
    "bind",
    gives="ref, store, key, fingerprint, opens[]",
    example="ecluse --hub hub keyring bind orders-2027 --store hsm --make rsa-3072\n"
    "ecluse --hub hub keyring bind main --store vault --name as2-main --certificate main.pem",
)(bind)
