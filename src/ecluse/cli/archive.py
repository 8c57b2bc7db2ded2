"""The archive: what is in it, putting documents there, and reading them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command
from ecluse.cli.message import MessageId
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
    from ecluse.app.archive_views import profile_facts

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


def deposit(
    frame: Frame,
    message: MessageId,
    profile: Annotated[
        str, typer.Option("--profile", help="By which profile; its own by default.", show_default=False)
    ] = "",
    waive: Annotated[
        str,
        typer.Option(
            "--waive",
            metavar="REASON",
            help="Also a format that the profile leaves out; why.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Put a message's documents into the archive by hand."""
    from ecluse.app.archive_views import archived_facts
    from ecluse.app.lookup import find_message
    from ecluse.archive.deposit import deposit as put

    with frame.node() as node:
        found = find_message(node.store, message)
        rows = [
            archived_facts(row)
            for row in put(node.archive, found.id, profile, actor=frame.actor, waive=waive)
        ]
    ids = ", ".join(row["id"] for row in rows)
    frame.show({"archived": rows}, f"{found.id} is in the archive: {ids}.")


command(
    app,
    "deposit",
    gives=f"archived[]{{{ARCHIVED}}}",
    example="ecluse --hub hub archive deposit 4711 --profile contracts",
)(deposit)


def decline(frame: Frame, message: MessageId, reason: _Reason) -> None:
    """Decide that a message that its profile does not take is not archived."""
    from ecluse.app.lookup import find_message
    from ecluse.archive.deposit import decline as leave

    with frame.node() as node:
        found = find_message(node.store, message)
        leave(node.archive, found.id, actor=frame.actor, reason=reason)
    frame.show({"message": found.id, "archived": False}, f"{found.id} is not archived.")


command(
    app,
    "decline",
    gives="message, archived",
    example="ecluse --hub hub archive decline 4711 --reason 'a drawing, kept with the project'",
)(decline)


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
    from ecluse.app.archive_views import archived_facts
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
    if row["amount"] is None:
        return ""
    return f"{row['amount']} {row['currency'] or ''}".strip()


def show(frame: Frame, id: ArchivedArgument) -> None:
    """Show a document: what it is, where its copies are, what holds it, and its journal."""
    from ecluse.app.archive_views import full_facts

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
    from ecluse.archive.consult import consult
    from ecluse.blobs import durable

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


def receipt(
    frame: Frame,
    id: ArchivedArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A new folder for receipt.json and receipt.note.", show_default=False),
    ] = None,
) -> None:
    """Give the signed deposit receipt of a document."""
    from ecluse.archive.deposit import body_of
    from ecluse.archive.room import NotArchived, archived_or_raise

    with frame.node() as node:
        row = node.store.read(lambda view: archived_or_raise(view, id))
        found = body_of(row).receipt
        key = str(node.log_key)
    if found is None:
        raise NotArchived(
            f"The receipt of {id} went with the document; its digest stands in the log.",
            remedy="Look at `ecluse archive show` for the disposal, whose certificate is kept.",
        )
    hand_out_statement(frame, "receipt", found.text, found.note, key, out)


command(
    app,
    "receipt",
    gives="text, note, key; with --out files",
    example="ecluse --hub hub archive receipt a01m8dpxg4wjtc0qrd4m6k9x3s2b --out receipt-4711",
)(receipt)


def hand_out_statement(frame: Frame, name: str, text: str, note: str, key: str, out: Path | None) -> None:
    """Give a statement with its note: into a new folder, or on standard output."""
    from ecluse.blobs import durable

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


def start(
    frame: Frame,
    id: ArchivedArgument,
    reason: _Reason,
    on: Annotated[
        str,
        typer.Option("--on", metavar="DAY", help="When it happened; today by default.", show_default=False),
    ] = "",
) -> None:
    """Tell of the event that a document's retention begins with, such as the end of a contract."""
    from ecluse.app.archive_views import archived_facts
    from ecluse.archive.deposit import begin_retention
    from ecluse.model.archive import ArchiveId
    from ecluse.model.basics import iso

    with frame.node() as node:
        day = day_of(on) if on else iso(node.hub.clock())[:10]
        row = begin_retention(node.archive, ArchiveId(id), day, actor=frame.actor, reason=reason)
    facts = archived_facts(row)
    frame.show(facts, f"{row.id} is kept until {(facts['ends'] or 'for ever')[:10]}.")


command(
    app,
    "start",
    gives=ARCHIVED,
    example="ecluse --hub hub archive start a01m8dpxg4wjtc0qrd4m6k9x3s2b --on 2028-06-30 --reason 'the lease ended'",
)(start)


def check(
    frame: Frame,
    now: Annotated[bool, typer.Option("--now", help="Look at what is due.")] = False,
    all: Annotated[bool, typer.Option("--all", help="Look at everything, whenever it is due.")] = False,
) -> None:
    """Show how the archive is; or read what is kept again, compare it, and repair it."""
    from ecluse.app.archive import look_now
    from ecluse.app.archive_views import archive_facts

    with frame.node() as node:
        looks = list(look_now(node, everything=all)) if now or all else []
        facts = archive_facts(node)
    hurt: list[dict[str, Any]] = [
        {
            "blob": each.blob,
            "primary": each.primary.value,
            "second": each.second.value,
            "repaired": list(each.repaired),
            "lost": each.lost,
        }
        for each in looks
        if each.repaired or each.lost
    ]
    facts = {
        **facts,
        "looked": len(looks),
        "copies_made": sum(each.copied for each in looks),
        "damaged": hurt,
    }

    def draw(console: Console) -> None:
        blobs = facts["blobs"]
        console.print(
            f"{facts['documents']} documents on {blobs.get('sound', 0)} sound blobs, "
            f"{blobs.get('damaged', 0)} damaged; {facts['copied']} have a second copy; {facts['due']} are due."
        )
        if now or all:
            console.print(f"{len(looks)} were read again, {facts['copies_made']} copies were made.")
        for each in hurt:
            where = ", ".join(str(name) for name in each["repaired"])
            what = f"repaired in {where}" if where else "can't be repaired"
            console.print(
                f"{each['blob']}: first {each['primary']}, second {each['second']}; {what}.", style="red"
            )
        for name, said in (("place", facts["place_error"]), ("clock", facts["clock_doubt"])):
            if said:
                console.print(f"{name}: {said}", style="yellow", markup=False, soft_wrap=True)
        for each in facts["refused"]:
            console.print(
                f"{each['message']} waits: {each['reason']}", style="yellow", markup=False, soft_wrap=True
            )

    frame.show(facts, draw)
    if any(each.lost for each in looks):
        raise typer.Exit(1)


command(
    app,
    "check",
    gives="documents, blobs, copied, oldest_look, due, overdue, place_error, refused[]{message, profile, reason}, "
    "clock_doubt, looked, copies_made, damaged[]{blob, primary, second, repaired, lost}",
    example="ecluse --hub hub archive check\necluse --hub hub archive check --now",
)(check)


def clock(
    frame: Frame,
    confirm: Annotated[bool, typer.Option("--confirm", help="Say that it is right.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="What it was compared with.", show_default=False)
    ] = "",
) -> None:
    """Show whether the clock is believed; or say that it is right, where something spoke against it."""
    from ecluse.archive.clock import confirm_clock, doubt_of
    from ecluse.model.basics import iso

    if confirm and not reason:
        raise BadArchiveOption("Say what the clock was compared with.", remedy="Give --reason.")
    with frame.node() as node:
        if confirm:
            confirm_clock(node.archive, actor=frame.actor, reason=reason)
        now = node.hub.clock()
        doubt = node.store.read(lambda view: doubt_of(view, node.archive, now))
    said = doubt or f"It is {iso(now)}, and nothing speaks against it."
    frame.show({"now": iso(now), "doubt": doubt or None}, said)


command(
    app,
    "clock",
    gives="now, doubt",
    example="ecluse --hub hub archive clock --confirm --reason 'compared with the time of the bank'",
)(clock)


def policy(
    frame: Frame,
    out: Annotated[Path | None, typer.Option("--out", help="A new file.", show_default=False)] = None,
) -> None:
    """Write the archiving policy: what the configuration in force amounts to, in words."""
    from ecluse.archive.policy import policy as text_of

    with frame.node() as node:
        text = text_of(
            node.archive.book(),
            organisation=node.directory.organisation.name,
            origin=node.log_key.name,
            verifier=str(node.log_key),
            now=node.hub.clock(),
        )
    frame.hand_out("policy", "policy", text, out, "The archiving policy")


command(
    app,
    "policy",
    gives="ref, policy; with --out ref, file",
    example="ecluse --hub hub archive policy --out archiving-policy.md",
)(policy)


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
