"""Our SSH keys, as partners need them."""

from __future__ import annotations

from typing import Annotated

import typer

from ecluse.cli.frame import Frame, command

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add these commands to those about certificates and keys."""
    command(
        app,
        "ssh",
        gives="ref, public_key, fingerprint, known_hosts",
        example="ecluse --hub hub cert ssh ssh-host --host sftp.aster.example:4022",
    )(ssh)


def ssh(
    frame: Frame,
    ref: Annotated[str, typer.Argument(help="The key's name in the keyring.", show_default=False)],
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            help="HOST or HOST:PORT as partners reach the listener; by default its address.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show a key as SSH knows it: public key, fingerprint, and the line for partners' known_hosts."""
    from ecluse.trust.keys.ssh import fingerprint, key_blob

    with frame.node() as node:
        line = node.keyring.ssh_public_key(ref)
        listener = node.bootstrap.hub.listen.sftp
    place = host or (listener.address if listener is not None else "localhost")
    print_ = fingerprint(key_blob(line))
    known = f"{_known_name(place)} {line}"
    facts = {"ref": ref, "public_key": line, "fingerprint": print_, "known_hosts": known}
    text = f"{print_}\n{line} {ref}\n\nFor known_hosts:\n{known}"
    frame.show(facts, lambda console: console.print(text, markup=False, soft_wrap=True))


def _known_name(place: str) -> str:
    """A host as known_hosts has it: the port beside brackets, unless it is SSH's own."""
    host, colon, port = place.rpartition(":")
    if not colon or "]" in port or not port.isdecimal():
        host, port = place, "22"
    host = host.strip("[]")
    return host if port == "22" else f"[{host}]:{port}"
