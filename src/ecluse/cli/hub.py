"""The hub itself: made, served, tried out, looked over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_to"]

_PANEL = "The hub"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    command(
        app,
        "init",
        gives="folder, name, as2_id, address, url, passphrase, key{ref, kind, fingerprint}, log_origin, "
        "version, sftp{address, fingerprint}",
        panel=_PANEL,
        example="ecluse init hub --name 'Aster Foods' --as2-id ASTER --public-url https://as2.aster.example/as2",
    )(init)
    command(
        app,
        "serve",
        gives="listening, url, public_url, as2_id, sftp, node, pid",
        panel=_PANEL,
        example="ecluse --hub hub serve --listen 0.0.0.0:4080",
    )(serve)
    command(app, "demo", gives="held, folder", panel=_PANEL, example="ecluse demo --keep /tmp/demo")(demo)
    command(
        app,
        "doctor",
        gives="level, findings[]{check, level, observed, remedy}",
        panel=_PANEL,
        example="ecluse --hub hub doctor",
    )(doctor)
    command(app, "migrate", gives="applied[]", panel=_PANEL, example="ecluse --hub hub migrate")(migrate)


def init(
    frame: Frame,
    folder: Annotated[Path, typer.Argument(help="Where; made where it does not exist.", show_default=False)],
    name: Annotated[str, typer.Option("--name", help="The organisation's name.", show_default=False)],
    as2_id: Annotated[
        str, typer.Option("--as2-id", help="Its AS2 id, as partners write it in AS2-To.", show_default=False)
    ],
    address: Annotated[
        str, typer.Option("--address", help="Host and port of the partners' listener.")
    ] = "127.0.0.1:4080",
    public_url: Annotated[
        str | None,
        typer.Option("--public-url", help="The listener's URL as partners see it.", show_default=False),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", help="postgresql://user@host/database instead of the embedded one."),
    ] = None,
    database_password: Annotated[
        str | None,
        typer.Option(
            "--database-password",
            help="Reference to the database's password: env:NAME, or file:PATH (relative to the hub's folder).",
        ),
    ] = None,
    blobs: Annotated[
        str | None, typer.Option("--blobs", help="s3://bucket/prefix instead of the hub's folder.")
    ] = None,
    email: Annotated[str | None, typer.Option("--email", help="A contact for partners.")] = None,
    passphrase: Annotated[
        str | None,
        typer.Option(
            "--passphrase",
            help="Reference to the keyring's passphrase: env:NAME, or file:PATH (relative to the hub's folder). "
            "Without it a random one is written to the file passphrase.",
        ),
    ] = None,
    key_kind: Annotated[
        str, typer.Option("--key-kind", help="Kind of the organisation's first key.")
    ] = "rsa-3072",
    sftp: Annotated[
        str | None,
        typer.Option(
            "--sftp", help="Host and port of a listener for partners' SFTP clients.", show_default=False
        ),
    ] = None,
) -> None:
    """Make a hub: its folder, its keyring with a first key, its database and its first configuration."""
    from rich.markup import escape

    from ecluse.app.folder import make_hub
    from ecluse.trust.certificates import describe
    from ecluse.trust.keys.ssh import fingerprint, key_blob

    with frame.err.status("Making keys and the database"):
        node = make_hub(
            folder,
            name=name,
            as2_id=as2_id,
            address=address,
            public_url=public_url,
            database=database,
            database_password=database_password,
            blobs=blobs,
            email=email,
            passphrase=passphrase,
            key_kind=key_kind,
            sftp=sftp,
            actor=frame.actor,
        )
    with node:
        info = describe(node.keyring.certificate("main"))
        settings = node.bootstrap.hub
        facts = {
            "folder": str(folder),
            "name": name,
            "as2_id": as2_id,
            "address": address,
            "url": settings.listen.as2.public_url,
            "passphrase": settings.keyring.passphrase,
            "key": {"ref": "main", "kind": info.key.name, "fingerprint": info.fingerprint},
            "log_origin": node.directory.hub.log_origin,
            "version": node.version,
            "sftp": None,
        }
        if sftp is not None:
            line = node.keyring.ssh_public_key("ssh-host")
            facts["sftp"] = {"address": sftp, "fingerprint": fingerprint(key_blob(line))}
    lines = [
        f"[green]{escape(name)}[/] has a hub in {escape(str(folder))}.",
        f"  AS2 id {escape(as2_id)}, listening at {address}, known to partners as {facts['url']}",
        f"  key main, {info.key.name}, SHA-256 {info.short}",
    ]
    if sftp is not None:
        lines.append(f"  SFTP at {escape(sftp)}, host key {fingerprint(key_blob(line))}")
    if passphrase is None:
        file = settings.keyring.passphrase.removeprefix("file:")
        lines.append(f"  The keyring opens with the file {file}: back it up apart from the keys.")
    where = escape(str(folder))
    lines += [
        "Next:",
        f"  ecluse --hub {where} partner card --out our.card    give it to a partner",
        f"  ecluse --hub {where} partner add their.card         take theirs",
        f"  ecluse --hub {where} serve",
    ]
    frame.show(facts, "\n".join(lines))


def serve(
    frame: Frame,
    listen: Annotated[
        str | None,
        typer.Option("--listen", help="HOST:PORT instead of the configured one.", show_default=False),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            "--log-level",
            help="debug, info, warning or error; info by default, warning with --quiet.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve the hub: listen to partners, deliver, and keep the log. Ends on SIGTERM or Ctrl-C.

    A second signal ends it at once. With --json the first line of standard output is {"listening": ...}; the log goes
    to standard error, as JSON lines where that is no terminal.
    """
    from ecluse.cli.serving import run_service

    run_service(frame, listen, log_level or ("warning" if frame.quiet else "info"))


def demo(
    frame: Frame,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Keep both hubs in this folder.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A document of your own to exchange.", show_default=False)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Mebibytes instead of a gibibyte.")] = False,
) -> None:
    """Two companies exchange real documents over AS2 on this machine, and prove it."""
    from rich.console import Console

    from ecluse.demo.run import run
    from ecluse.demo.screen import Screen

    screen = Screen(Console(stderr=True, highlight=False)) if frame.json else None
    code = run(keep, file, quick, screen=screen)
    if frame.json:
        frame.show({"held": code == 0, "folder": str(keep) if keep is not None else None}, "")
    if code:
        raise typer.Exit(code)


def doctor(frame: Frame) -> None:
    """Look whether the hub works at present; say what does not, and how to mend it. Exit code 1 where something failed.

    It tries things out: it connects to partners' servers, writes test files, opens blobs. What works and is weak, or
    will end soon, is what `ecluse posture` is for.
    """
    from ecluse.app.health import check_hub, worst

    findings = []
    with frame.err.status("Looking") as status:
        for finding in check_hub(frame.folder):
            status.update(f"Looking at {finding.check}")
            findings.append(finding)
    level = worst(findings)

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        marks = {
            "ok": Text("ok", "green"),
            "warning": Text("warning", "yellow"),
            "failed": Text("FAILED", "bold red"),
        }
        for each in findings:
            text = Text(each.observed)
            if each.remedy:
                text.append(f"\n{each.remedy}", style="cyan")
            table.add_row(marks[each.level], Text(each.check, "bold"), text)
        console.print(table)

    frame.show({"level": level, "findings": findings}, draw)
    if level == "failed":
        raise typer.Exit(1)


def migrate(frame: Frame) -> None:
    """Bring the database of an older release up to date. Back it up before."""
    from ecluse.app.unlocking import migrate as migrate_hub

    names = migrate_hub(frame.folder)
    text = f"Applied {', '.join(names)}." if names else "The database is up to date."
    frame.show({"applied": names}, text)
