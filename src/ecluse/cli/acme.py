"""Certificates for our TLS listeners by ACME."""

from __future__ import annotations

from typing import Annotated

import typer

from ecluse.cli.frame import Frame, command

__all__ = ["app"]

app = typer.Typer(help="Certificates for our TLS listeners by ACME.", no_args_is_help=True)


def status(frame: Frame) -> None:
    """Show the listeners' certificates, and whether a new one is due."""
    from ecluse.app.keys.acme import certified_keys, due
    from ecluse.model.basics import iso
    from ecluse.trust.certificates import describe

    with frame.node() as node:
        settings = node.directory.hub.acme
        rows = []
        for ref in certified_keys(node):
            info = describe(node.keyring.certificate(ref))
            rows.append(
                {
                    "ref": ref,
                    "issuer": info.issuer,
                    "not_after": iso(info.not_after),
                    "due": settings is not None and due(node, ref, settings),
                }
            )
    facts = {"directory": settings.directory if settings is not None else None, "keys": rows}
    lines = [
        f"{row['ref']}: {row['issuer']}, until {row['not_after']}{', due' if row['due'] else ''}"
        for row in rows
    ]
    text = "\n".join(lines) or "No listener speaks TLS."
    frame.show(facts, lambda console: console.print(text, markup=False, soft_wrap=True))


command(
    app,
    "status",
    gives="directory, keys[]{ref, issuer, not_after, due}",
    example="ecluse --hub hub acme status",
)(status)


def renew(
    frame: Frame,
    ref: Annotated[
        str | None, typer.Option("--ref", help="Only this key of the listeners'.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also what is not due yet.")] = False,
) -> None:
    """Order what is due now. A node has to serve: the authority looks for its answer there."""
    from ecluse.app.keys.acme import AcmeNotAgreed, certified_keys, due
    from ecluse.app.keys.acme import renew as renew_certificate
    from ecluse.model.basics import iso
    from ecluse.trust.certificates import describe

    done = []
    with frame.node() as node:
        settings = node.directory.hub.acme
        if settings is None:
            raise AcmeNotAgreed("No authority is configured.")
        for each in certified_keys(node):
            if ref in (None, each) and (force or due(node, each, settings)):
                info = describe(renew_certificate(node, each, actor=frame.actor))
                done.append({"ref": each, "issuer": info.issuer, "not_after": iso(info.not_after)})
    text = "\n".join(f"{each['ref']}: until {each['not_after']}" for each in done) or "Nothing is due."
    frame.show({"renewed": done}, lambda console: console.print(text, markup=False, soft_wrap=True))


command(app, "renew", gives="renewed[]{ref, issuer, not_after}", example="ecluse --hub hub acme renew")(renew)
