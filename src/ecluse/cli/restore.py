"""The hub restored from a backup, and what waits for a person since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.backup.restore import Progress
    from ecluse.app.backup.sealing import PrivateKeys
    from ecluse.trust.secrets import Secret

__all__ = [
    "RESTORED",
    "Database",
    "DatabasePassword",
    "Key",
    "KeyPassphrase",
    "Keyring",
    "Passphrase",
    "Sample",
    "Secrets",
    "add_to",
    "draw_restored",
    "held",
    "private_keys",
    "reference_of",
    "release",
    "secret_of",
    "size_text",
    "told",
]

Key = Annotated[
    Path,
    typer.Option(
        "--key",
        metavar="FILE",
        help="The private OpenPGP key of a recipient, as other programs export it.",
        show_default=False,
    ),
]
KeyPassphrase = Annotated[
    str | None,
    typer.Option(
        "--key-passphrase",
        metavar="REFERENCE",
        help="What that key is locked with: env:NAME or file:PATH.",
        show_default=False,
    ),
]
Passphrase = Annotated[
    str | None,
    typer.Option(
        "--passphrase",
        metavar="REFERENCE",
        help="The keyring's passphrase, where ecluse.toml will not lead to it here.",
        show_default=False,
    ),
]
Keyring = Annotated[
    Path | None,
    typer.Option(
        "--keyring", metavar="FOLDER", help="The keyring, where the backup has none.", show_default=False
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="An empty database instead of the configured one.",
        show_default=False,
    ),
]
Secrets = Annotated[
    Path | None,
    typer.Option(
        "--secrets",
        metavar="FOLDER",
        help="Files that file: references name, such as that of the passphrase, where the backup has none.",
        show_default=False,
    ),
]
DatabasePassword = Annotated[
    str | None,
    typer.Option("--database-password", metavar="REFERENCE", help="Its password.", show_default=False),
]
Sample = Annotated[
    bool, typer.Option("--sample", help="Open every document at its beginning only, not to its end.")
]


RESTORED: Final = (
    "ok, backup, made, files, blobs, octets, keys, erased, held{messages, deliveries, answers, flows}, log, "
    "damaged[], left_out[], seconds"
)


def restore(
    frame: Frame,
    source: Annotated[
        str, typer.Argument(metavar="PLACE", help="Folder of the backups, or s3://bucket/prefix.")
    ],
    into: Annotated[
        Path, typer.Option("--into", help="The hub's folder to be; empty, or not there.", show_default=False)
    ],
    keys: Annotated[
        str,
        typer.Option(
            "--keys-from", metavar="PLACE", help="Place of the copy of the keys.", show_default=False
        ),
    ],
    key: Key,
    key_passphrase: KeyPassphrase = None,
    backup: Annotated[str, typer.Option("--backup", help="Which backup: its name, or newest.")] = "newest",
    passphrase: Passphrase = None,
    keyring: Keyring = None,
    secrets: Secrets = None,
    database: Database = None,
    database_password: DatabasePassword = None,
    blobs: Annotated[
        str | None,
        typer.Option("--blobs", help="A folder for the documents instead of the place.", show_default=False),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            "--checkpoints",
            metavar="FILE",
            help="Signed heads of the log that were kept elsewhere, newer than the backup's.",
            show_default=False,
        ),
    ] = None,
    log_key: Annotated[
        str | None,
        typer.Option("--log-key", help="The log's verifier key, where you have it.", show_default=False),
    ] = None,
    accept_older_keys: Annotated[
        bool,
        typer.Option("--accept-older-keys", help="Take a copy of the keys that is older than the backup."),
    ] = False,
    sample: Sample = False,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="URL of the object store.", show_default=False)
    ] = None,
    region: Annotated[str | None, typer.Option("--region", show_default=False)] = None,
    access_key: Annotated[
        str | None, typer.Option("--access-key", metavar="REFERENCE", show_default=False)
    ] = None,
    secret_key: Annotated[
        str | None, typer.Option("--secret-key", metavar="REFERENCE", show_default=False)
    ] = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", help="PEM of the store's authority.", show_default=False)
    ] = None,
) -> None:
    """Make a hub of a backup, in an empty folder and an empty database.

    What was on its way when the backup was taken waits for a person; see `ecluse backup held`. Exit code 1 where
    something is missing or wrong; the hub is there, and the rest of it can be used.
    """
    import os

    from ecluse.app.backup.places import open_place
    from ecluse.app.backup.restore import Request
    from ecluse.app.backup.restore import restore as make
    from ecluse.trust.secrets import SecretResolver
    from ecluse.trust.settings.backup import BackupPlace
    from ecluse.wire.tlog.note import NoteKey

    resolver = SecretResolver(Path.cwd(), os.environ)

    def place(text: str) -> BackupPlace:
        return BackupPlace(
            place=text if text.startswith("s3://") else str(Path(text).absolute()),
            endpoint=endpoint,
            region=region,
            access_key=access_key,
            secret_key=secret_key,
            ca=str(ca) if ca is not None else None,
        )

    with told(frame) as progress:
        request = Request(
            place=open_place(Path.cwd(), place(source), resolver),
            keys=open_place(Path.cwd(), place(keys), resolver),
            into=into,
            unlock=private_keys(frame, key, key_passphrase),
            backup=backup,
            passphrase=secret_of(frame, passphrase),
            keyring=keyring,
            secrets=secrets,
            database=database,
            database_password=reference_of(database_password),
            blobs=blobs,
            checkpoints=checkpoints,
            log_key=NoteKey.parse(log_key) if log_key is not None else None,
            accept_older_keys=accept_older_keys,
            sample=sample,
        )
        result = make(request, progress)
    facts = result.as_dict()

    def draw(console: Console) -> None:
        draw_restored(console, facts)
        console.print(
            f"The hub is in {into}. Before it serves: `ecluse --hub {into} backup held`.", soft_wrap=True
        )

    frame.show(facts, draw)
    if not result.ok:
        raise typer.Exit(1)


def held(frame: Frame) -> None:
    """List what a restore stopped: what was on its way when the backup was taken, and flows that collect."""
    from ecluse.app.backup.aftermath import held as find

    with frame.node() as node:
        facts = find(node)

    def draw(console: Console) -> None:
        from rich.table import Table

        if facts["backup"] is None:
            console.print("This hub was not restored.")
            return
        console.print(f"Restored from {facts['backup']} of {facts['made']}.")
        table = Table("message", "", "partner", "reference", "created", box=None)
        for each in facts["messages"]:
            table.add_row(each["id"], each["direction"], each["partner"], each["reference"], each["created"])
        console.print(table if facts["messages"] else "Nothing waits.")
        if facts["more"]:
            console.print(f"...and {facts['more']} more.")
        if facts["flows"]:
            console.print(f"Paused: {', '.join(facts['flows'])}.")

    frame.show(facts, draw)


def release(
    frame: Frame,
    messages: Annotated[
        list[str] | None, typer.Argument(metavar="[MESSAGE]...", help="Which.", show_default=False)
    ] = None,
    partner: Annotated[
        str | None, typer.Option("--partner", help="All of a partner's.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them, and the flows.")] = False,
    flows: Annotated[bool, typer.Option("--flows", help="The flows that collect.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="What was compared; for the log.")] = "compared",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Let go on what a restore stopped, after comparing it with what the other side has.

    What has arrived already is not released but given up, with `ecluse message give-up`.
    """
    from ecluse.app.backup.aftermath import release as let_go
    from ecluse.model.basics import MessageId

    if everything:
        frame.confirm("Send all of it, whatever has arrived already?", yes=yes)
    with frame.node() as node:
        facts = let_go(
            node,
            messages=[MessageId(each) for each in messages or ()],
            partner=partner,
            everything=everything,
            flows=flows,
            actor=frame.actor,
            reason=reason,
        )

    def draw(console: Console) -> None:
        console.print(f"{len(facts['released'])} messages go on, and {len(facts['flows'])} flows.")
        for each in facts["failed"]:
            console.print(f"{each['id']}: {each['reason']}", style="red", markup=False)

    frame.show(facts, draw)
    if facts["failed"]:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "restore",
        gives=f"{RESTORED}, into",
        example="ecluse restore /mnt/backup --keys-from /mnt/keys --into hub --key safe.key",
    )(restore)


def draw_restored(console: Console, facts: dict[str, Any]) -> None:
    """Show what a restore did and found."""
    console.print(
        f"[bold]{facts['backup']}[/] of {facts['made']}: {facts['files']} files, {facts['blobs']} blobs "
        f"({size_text(facts['octets'])}), {facts['keys']} keys; in {facts['seconds']:.1f} s.",
        soft_wrap=True,
    )
    log = facts["log"]
    console.print(
        f"{log['verified']} of {log['size']} records of the log verified, {log['checkpoints']} checkpoints."
    )
    if log["problem"]:
        console.print(f"{log['problem']['code']}: {log['problem']['cause']}", style="bold red", markup=False)
    for state in log["states"]:
        console.print(f"{state['code']}: {state['cause']}", style="red", markup=False)
    if facts["erased"]:
        console.print(f"{facts['erased']} messages were erased after the backup: their documents stay gone.")
    stopped = facts["held"]
    console.print(
        f"Waiting for a person: {stopped['deliveries']} deliveries of {stopped['messages']} messages, "
        f"{stopped['answers']} answers, {stopped['flows']} flows."
    )
    for each in facts["damaged"]:
        console.print(f"{each} is missing or damaged.", style="red", markup=False)
    for each in facts["left_out"]:
        console.print(f"Not in the backup: {each}.", style="yellow", markup=False)
    if facts["ok"]:
        console.print("Everything else is there, and as it was.", style="green")


def private_keys(frame: Frame, key: Path, passphrase: str | None) -> PrivateKeys:
    """The private keys of a file."""
    from ecluse.app.backup.sealing import PrivateKeys

    return PrivateKeys(key.read_bytes(), secret_of(frame, passphrase))


def secret_of(frame: Frame, reference: str | None) -> Secret | None:
    """A secret that an option refers to."""
    return None if reference is None else frame.secret(reference, "", option="--passphrase")


def told(frame: Frame) -> AbstractContextManager[Progress]:
    """Shows how far a restore is, while it is about octets."""

    @contextmanager
    def shown() -> Iterator[Progress]:
        with frame.progress("Restoring", octets=True) as progress:
            yield lambda what, done, total: progress(done, total) if what in ("state", "blobs") else None

    return shown()


def reference_of(reference: str | None) -> str | None:
    """A reference to a secret that means the same wherever it is read: files are named absolutely."""
    kind, _, place = (reference or "").partition(":")
    return f"file:{Path(place).absolute()}" if kind == "file" else reference


def size_text(octets: int) -> str:
    """Octets for people."""
    value = float(octets)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
