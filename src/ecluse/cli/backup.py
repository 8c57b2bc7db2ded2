"""Backups: made, listed, verified, let go, rehearsed; and the hub restored from one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.frame import Frame, command
from ecluse.cli.restore import (
    RESTORED,
    Database,
    DatabasePassword,
    Key,
    KeyPassphrase,
    Keyring,
    Passphrase,
    Sample,
    Secrets,
    draw_restored,
    held,
    private_keys,
    reference_of,
    release,
    secret_of,
    size_text,
    told,
)

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app"]

app = typer.Typer(help="Backups of the hub: sealed, incremental, while it serves.", no_args_is_help=True)

To = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="FOLDER", help="A folder instead of the configured place.", show_default=False
    ),
]


def _place(to: str | None) -> str | None:
    return to if to is None or to.startswith("s3://") else str(Path(to).absolute())


def run(
    frame: Frame,
    to: To = None,
    full: Annotated[
        bool, typer.Option("--full", help="Write everything anew, and compare every document.")
    ] = False,
) -> None:
    """Make a backup now, while the hub serves.

    What lies in the place already is not written again. Exit code 1 where documents of the hub are missing.
    """
    from ecluse.app.backup.run import make_backup, open_site

    with frame.node() as node, frame.progress("Backing up", octets=True) as progress:
        site = open_site(node, _place(to))
        made = make_backup(site, full=full, progress=progress)
        facts = made.as_dict(site.place)

    def draw(console: Console) -> None:
        console.print(
            f"[bold]{facts['id']}[/] of {facts['made']}, in {facts['seconds']:.1f} s", soft_wrap=True
        )
        console.print(
            f"{size_text(facts['octets'])}, of which {size_text(facts['written'])} were written; "
            f"{facts['copied']} of {facts['blobs']} blobs were copied (small documents lie in the database).",
            soft_wrap=True,
        )
        for each in facts["left_out"]:
            console.print(f"Not in it: {each}. A restore needs it.", style="yellow", markup=False)
        for each in facts["missing"]:
            console.print(f"{each} is missing or cut off in the hub's own place.", style="red", markup=False)

    frame.show(facts, draw)
    if facts["missing"]:
        raise typer.Exit(1)


command(
    app,
    "run",
    gives="id, made, place, log, octets, written, blobs, copied, keys, seconds, missing[], left_out[]",
    example="ecluse --hub hub backup run",
)(run)


def list_(frame: Frame, to: To = None) -> None:
    """List the backups, the newest first."""
    from ecluse.app.backup.keep import list_backups
    from ecluse.app.backup.run import open_site

    with frame.node() as node:
        rows = list_backups(open_site(node, _place(to)))

    def draw(console: Console) -> None:
        from rich.table import Table

        table = Table("backup", "made", "records", "blobs", "size", "written", box=None)
        for each in rows:
            table.add_row(
                each["id"],
                each["made"],
                str(each["log"]),
                str(each["blobs"]),
                size_text(each["octets"]),
                size_text(each["written"]),
            )
        console.print(table if rows else "There is none.")

    frame.show({"backups": rows}, draw)


command(
    app,
    "list",
    gives="backups[]{id, made, log, version, octets, blobs, written, database, release, left_out[]}",
    example="ecluse --hub hub backup list",
)(list_)


def verify(
    frame: Frame,
    backup: Annotated[
        str, typer.Argument(metavar="[BACKUP]", help="Which; all by default.", show_default=False)
    ] = "",
    deep: Annotated[bool, typer.Option("--deep", help="Read every octet, instead of sizes.")] = False,
    to: To = None,
) -> None:
    """Verify backups where they lie, without any private key: every object is there, and the one that was written.

    Exit code 1 where something is wrong; it is named.
    """
    from ecluse.app.backup.check import verify as check
    from ecluse.app.backup.run import open_site

    with frame.node() as node, frame.progress("Verifying", octets=True) as progress:
        facts = check(open_site(node, _place(to)), backup, deep=deep, progress=progress)

    def draw(console: Console) -> None:
        console.print(
            f"{facts['backups']} backups, {facts['objects']} objects, {facts['blobs']} blobs looked at."
        )
        for each in facts["wrong"]:
            console.print(f"{each['object']}: {each['cause']}", style="red", markup=False, soft_wrap=True)
        if facts["ok"]:
            console.print("Nothing is wrong.", style="green")

    frame.show(facts, draw)
    if not facts["ok"]:
        raise typer.Exit(1)


command(
    app,
    "verify",
    gives="ok, backups, objects, blobs, octets, deep, wrong[]{object, cause}",
    example="ecluse --hub hub backup verify --deep",
)(verify)


def prune(
    frame: Frame,
    last: Annotated[int | None, typer.Option("--keep-last", min=0, show_default=False)] = None,
    daily: Annotated[int | None, typer.Option("--keep-daily", min=0, show_default=False)] = None,
    weekly: Annotated[int | None, typer.Option("--keep-weekly", min=0, show_default=False)] = None,
    monthly: Annotated[int | None, typer.Option("--keep-monthly", min=0, show_default=False)] = None,
    yearly: Annotated[int | None, typer.Option("--keep-yearly", min=0, show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell.")] = False,
    to: To = None,
) -> None:
    """Let go of old backups, and of what only they needed; what is not said stands in backup.keep of ecluse.toml.

    The newest backup always stays. Bytes of documents go whose keys the hub has erased: nothing opens them.
    """
    import msgspec

    from ecluse.app.backup.keep import prune as let_go
    from ecluse.app.backup.run import open_site

    said = {"last": last, "daily": daily, "weekly": weekly, "monthly": monthly, "yearly": yearly}
    with frame.node() as node, frame.progress("Pruning") as progress:
        site = open_site(node, _place(to))
        keep = msgspec.structs.replace(
            site.settings.keep, **{name: value for name, value in said.items() if value is not None}
        )
        facts = let_go(site, keep, dry_run=dry_run, progress=progress)
    would = "would go" if dry_run else "went"
    frame.show(
        facts,
        f"{len(facts['kept'])} backups stay, {len(facts['dropped'])} {would}; {facts['objects']} objects and the bytes "
        f"of {facts['blobs']} erased documents {would}.",
    )


command(
    app,
    "prune",
    gives="kept[], dropped[], objects, blobs, dry_run",
    example="ecluse --hub hub backup prune --keep-daily 7 --keep-weekly 4",
)(prune)


def rehearse(
    frame: Frame,
    key: Key,
    key_passphrase: KeyPassphrase = None,
    backup: Annotated[str, typer.Option("--backup", help="Which backup.")] = "newest",
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where there is room for it.", show_default=False)
    ] = None,
    passphrase: Passphrase = None,
    keyring: Keyring = None,
    secrets: Secrets = None,
    database: Database = None,
    database_password: DatabasePassword = None,
    sample: Sample = False,
    to: To = None,
) -> None:
    """Restore a backup on trial: check everything, measure it, leave nothing.

    Tells how long a restore takes, and what would have been lost. Exit code 1 where it did not succeed.
    """
    from ecluse.app.backup.rehearse import rehearse as play
    from ecluse.app.backup.run import open_site

    private = private_keys(frame, key, key_passphrase)
    with frame.node() as node, told(frame) as progress:
        facts = play(
            open_site(node, _place(to)),
            private,
            backup=backup,
            folder=folder,
            passphrase=secret_of(frame, passphrase),
            keyring=keyring,
            secrets=secrets,
            database=database,
            database_password=reference_of(database_password),
            sample=sample,
            progress=progress,
        )

    def draw(console: Console) -> None:
        if facts["failure"]:
            console.print(f"The restore failed: {facts['failure']}", style="bold red", markup=False)
        else:
            draw_restored(console, facts)
        console.print(
            f"A restore takes {facts['seconds']:.1f} s. Lost would be {facts['lost_seconds']:.0f} s of work: "
            f"{facts['lost_records']} records of the log.",
            soft_wrap=True,
        )

    frame.show(facts, draw)
    if not facts["ok"]:
        raise typer.Exit(1)


command(
    app,
    "rehearse",
    gives=f"{RESTORED}, lost_seconds, lost_records, message, failure",
    example="ecluse --hub hub backup rehearse --key safe.key --key-passphrase file:safe.txt",
)(rehearse)


command(
    app,
    "held",
    gives="backup, made, restored, messages[]{id, direction, partner, reference, state, created}, more, flows[]",
    example="ecluse --hub hub backup held",
)(held)

command(
    app,
    "release",
    gives="released[], failed[]{id, reason}, flows[]",
    example="ecluse --hub hub backup release m01m81ccf9kk7z4rps5vwxjhh11 --reason 'Birch has not got it'",
)(release)
