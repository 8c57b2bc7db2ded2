"""The archive: what is in it, putting documents there, and reading them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command
from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "ARCHIVED",
    "ArchivedArgument",
    "BadArchiveOption",
    "app",
    "day_of",
    "draw_table",
    "hand_out_statement",
]

app = typer.Typer(
    help="The archive: kept unchanged, as long as they must be, and provably.", no_args_is_help=True
)

ArchivedArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Of the archived document (a...).", show_default=False)
]
_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.", show_default=False)]

_SHOWN = (
    *(
        "id",
        "message",
        "document",
        "partner",
        "direction",
        "profile",
        "type",
        "reference",
        "day",
        "name",
        "kind",
    ),
    *("size", "sha256", "deposited", "submitter", "starts", "ends", "over", "state", "waived", "disposal"),
)
ARCHIVED = (
    "id, message, document, partner, direction, flow, profile, type, reference, refs[]{type, number}, day, amount, "
    "currency, name, kind, size, sha256, deposited, starts, ends, state"
)
"""What a document has in JSON."""


class BadArchiveOption(EcluseError):
    """An option that says nothing the archive knows."""

    code = "archive.bad-option"
    fault = Fault.USAGE
    remedy = "Look at the command's --help."


def day_of(text: str) -> str:
    """A day as it was given. Raises :class:`BadArchiveOption`."""
    from datetime import date

    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            pass
    raise BadArchiveOption(f"{text[:40]!a} is no day.", remedy="Write it as 2026-12-31.")


def profiles(frame: Frame) -> None:
    """List the archive profiles, and how much is archived by each."""
    from ecluse.app.archive.views import profile_facts

    with frame.node() as node:
        rows = profile_facts(node)

    def draw(console: Console) -> None:
        if not rows:
            console.print("There is no archive profile: write archive/NAME.toml, then `ecluse apply`.")
            return
        draw_table(
            console,
            ("profile", "retention", "begins", "at end", "copy", "kept", "damaged", "disposed", "named by"),
            [
                (
                    row["id"] if row["in_force"] else f"{row['id']} (gone)",
                    row.get("retention", ""),
                    row.get("begins", ""),
                    row.get("at_end", ""),
                    row.get("copy") or "",
                    str(row["kept"]),
                    str(row["damaged"]),
                    str(row["disposed"]),
                    ", ".join(row["named_by"]),
                )
                for row in rows
            ],
        )

    frame.show({"profiles": rows}, draw)


command(
    app,
    "profiles",
    gives="profiles[]{id, in_force, name, retention, begins, counts_from, year_ends, timezone, formats, read, dispose, "
    "at_end, copy, write_once, basis, named_by, kept, damaged, disposed}",
    example="ecluse --hub hub archive profiles",
)(profiles)


def _list(
    frame: Frame,
    profile: Annotated[
        str | None, typer.Option("--profile", help="By this profile.", show_default=False)
    ] = None,
    partner: Annotated[
        str | None, typer.Option("--partner", help="With this partner.", show_default=False)
    ] = None,
    type: Annotated[
        str | None, typer.Option("--type", help="Of this type, such as invoice.", show_default=False)
    ] = None,
    state: Annotated[
        str | None, typer.Option("--state", help="kept, damaged or disposed.", show_default=False)
    ] = None,
    ended: Annotated[
        bool, typer.Option("--ended", help="Whose retention is over, the longest first.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """List archived documents, newest first."""
    from ecluse.app.archive.views import archived_facts
    from ecluse.model.archive import ArchiveState
    from ecluse.model.basics import Instant, PartnerId

    if state is not None and state not in [each.value for each in ArchiveState]:
        raise BadArchiveOption(
            f"There is no state {state[:40]!a}.", remedy="Choose kept, damaged or disposed."
        )
    with frame.node() as node:
        if ended:
            found = node.store.read(
                lambda view: view.archive_ending(node.hub.clock(), (Instant(-(2**62)), ""), limit)
            )
        else:
            found = node.store.read(
                lambda view: view.archive_list(
                    profile=profile,
                    partner=PartnerId(partner) if partner is not None else None,
                    type=type,
                    state=ArchiveState(state) if state is not None else None,
                    limit=limit,
                )
            )
    rows = [archived_facts(row) for row in found]

    def draw(console: Console) -> None:
        if not rows:
            console.print("Nothing of it is in the archive.")
            return
        draw_table(
            console,
            ("deposited", "id", "partner", "type", "reference", "day", "amount", "profile", "until", "state"),
            [
                (
                    row["deposited"][:10],
                    row["id"],
                    row["partner"],
                    row["type"] or "",
                    row["reference"] or row["name"] or "",
                    row["day"] or "",
                    _amount(row),
                    row["profile"],
                    (row["ends"] or "")[:10],
                    row["state"],
                )
                for row in rows
            ],
        )

    frame.show({"archived": rows}, draw)


command(
    app,
    "list",
    gives=f"archived[]{{{ARCHIVED}}}",
    example="ecluse --hub hub archive list --partner birch --type invoice\necluse --hub hub archive list --ended",
)(_list)


def _amount(row: dict[str, Any]) -> str:
    from ecluse.wire.documents.facts import major_units

    if row["amount"] is None:
        return ""
    currency = row["currency"] or ""
    return f"{major_units(row['amount'], currency)} {currency}".strip()


def show(frame: Frame, id: ArchivedArgument) -> None:
    """Show a document: what it is, where its copies are, what holds it, and its journal."""
    from ecluse.app.archive.views import full_facts

    with frame.node() as node:
        facts = full_facts(node, id)

    def draw(console: Console) -> None:
        from rich.text import Text

        for name in _SHOWN:
            if facts[name] not in (None, ""):
                console.print(Text(f"{name:12}{facts[name]}"), soft_wrap=True)
        for each in facts["bytes"]:
            copy = f"copied to {each['place']} {each['copied']}" if each["place"] else "no second copy"
            lock = f", locked until {each['locked']}" if each["locked"] else ""
            console.print(
                Text(f"{'bytes':12}{each['blob']}: {each['state']}, {copy}{lock}, checked {each['checked']}"),
                soft_wrap=True,
            )
        for each in facts["holds"]:
            console.print(
                Text(f"{'held':12}{each['id']} for {each['reference']}"), style="yellow", soft_wrap=True
            )
        console.print("journal")
        for each in facts["journal"]:
            place = "" if each["index"] is None else f"  #{each['index']}"
            console.print(Text(f"  {each['at']}  {each['kind']}  {each['actor']}{place}"), soft_wrap=True)

    frame.show(facts, draw)


command(
    app,
    "show",
    gives=f"{ARCHIVED}, submitter, waived, receipt_sha256, disposal, over, holds[]{{id, reference}}, "
    "bytes[]{blob, state, size, place, copied, locked, checked, due}, journal[]{at, kind, actor, index, facts}",
    example="ecluse --hub hub archive show a01m8dpxg4wjtc0qrd4m6k9x3s2b",
)(show)


def get(
    frame: Frame,
    id: ArchivedArgument,
    reason: _Reason,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; standard output by default.", show_default=False)
    ] = None,
) -> None:
    """Read a document. The log has who and why before the first octet goes out."""
    from ecluse import durable
    from ecluse.archive.consult import consult

    if out is None and frame.json:
        raise BadArchiveOption(
            "A document and JSON can't share standard output.", remedy="Name a file with --out."
        )
    with frame.node() as node:
        signer = frame.signer(node, "ecluse-archive")
        with consult(
            node.archive,
            id,
            reason=reason,
            actor=frame.actor,
            operator=frame.signing.operator or "",
            sign=signer.sign if signer is not None else None,
        ) as (row, chunks):
            if out is None:
                for chunk in chunks():
                    sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
                return
            durable.write_new(out, chunks(), 0o600)
    frame.show(
        {"id": row.id, "file": str(out), "size": row.size, "sha256": row.sha256.hex()},
        f"{row.id} is in {out}.",
    )


command(
    app,
    "get",
    gives="id, file, size, sha256",
    example="ecluse --hub hub archive get a01m8dpxg4wjtc0qrd4m6k9x3s2b --reason 'tax audit 2026' --out invoice.xml",
    signs=True,
)(get)


def hand_out_statement(frame: Frame, name: str, text: str, note: str, key: str, out: Path | None) -> None:
    """Give a statement with its note: into a new folder, or on standard output."""
    from ecluse import durable

    if out is None:
        frame.show(
            {"text": text, "note": note, "key": key}, lambda console: sys.stdout.write(f"{text}\n{note}")
        )
        return
    durable.make_folder(out)
    files = {f"{name}.json": text, f"{name}.note": note}
    for file, content in files.items():
        durable.write_new(out / file, [content.encode()], 0o644)
    paths = [str(out / file) for file in files]
    frame.show({"files": paths, "key": key}, f"{' and '.join(paths)}: check them with the log's key {key}.")


def draw_table(console: Console, titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Show rows in columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title == "id")
    for row in rows:
        table.add_row(*(Text(each) for each in row))
    console.print(table)
