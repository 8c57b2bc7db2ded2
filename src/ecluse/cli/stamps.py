"""Time-stamps on the log and evidence records over it: asked for, listed, renewed, given away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, Group, command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_to"]

Out = Annotated[Path, typer.Option("--out", help="A folder; made where it is missing.", show_default=False)]
Size = Annotated[
    int | None,
    typer.Option("--size", min=0, help="Of the checkpoint, by the size of the log.", show_default=False),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to those of the log."""
    command(
        app,
        "stamp",
        gives="stamped[]{authority, stamp{size, authority, time, accuracy, ahead, kept, hash, policy, serial, "
        "signature, ends}, error{code, fault, cause, remedy}}",
        example="ecluse --hub hub log stamp --now",
    )(stamp)
    command(
        app,
        "stamps",
        gives="authorities[]{name, asked, required, last, size, ahead, ends, failures, error}, stamps[]{size, "
        "authority, time, accuracy, ahead, kept, hash, policy, serial, signature, ends}; with --verify "
        "verified{stamps, records, problems[]{code, cause, index, event, differs}}; with --out files[]",
        example="ecluse --hub hub log stamps --verify\necluse --hub hub log stamps --out stamps",
    )(stamps)
    command(
        app,
        "renew",
        gives="renewed[]{kind, count, authority, hash, ends}",
        example="ecluse --hub hub log renew",
    )(renew)
    records = typer.Typer(help="Evidence records (RFC 4998) over the log.", no_args_is_help=True)
    command(
        records,
        "list",
        gives="records[]{source, reference, authority, time, renewed, renewals, by, hash, signature, ends, "
        "holds_until, due, state}",
        example="ecluse --hub hub log records list",
    )(list_records)
    command(
        records,
        "export",
        gives="files[]",
        example="ecluse --hub hub log records export --out evidence-records",
    )(export)
    app.add_typer(records, name="records", cls=Group)


def stamp(
    frame: Frame,
    authority: Annotated[
        str | None, typer.Argument(help="Only this authority, by our name for it.", show_default=False)
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Also authorities that are not due.")] = False,
) -> None:
    """Have the newest checkpoint time-stamped. Exit code 1 where an authority gave none."""
    from ecluse.app.log.stamp_views import stamp_facts
    from ecluse.app.log.stamps import stamp_log

    with frame.node() as node:
        done = stamp_log(node, name=authority, now=now, actor=frame.actor)
    rows = [
        {
            "authority": each.authority,
            "stamp": stamp_facts(each.stamp) if each.stamp is not None else None,
            "error": each.error.as_dict() if each.error is not None else None,
        }
        for each in done
    ]

    def draw(console: Console) -> None:
        from rich.text import Text

        if not rows:
            console.print(Text("No authority is due; --now asks all the same."))
        for row in rows:
            made, error = row["stamp"], row["error"]
            if isinstance(made, dict):
                words = f"{row['authority']}: {made['size']} records existed at {made['time']}"
                console.print(Text(f"{words} ({made['signature']}, until {made['ends'][:10]})", "green"))
            elif isinstance(error, dict):
                console.print(
                    Text(f"{row['authority']}: {error['cause']} {error['remedy']}", "red"), soft_wrap=True
                )

    frame.show({"stamped": rows}, draw)
    if any(each.error is not None for each in done):
        raise typer.Exit(1)


def stamps(
    frame: Frame,
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify all of them, and all evidence records.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="A folder for the files of one checkpoint, as `openssl ts -verify` takes them.",
            show_default=False,
        ),
    ] = None,
    size: Size = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many are shown.")] = 20,
) -> None:
    """Show the time-stamps on the log and how it stands with the authorities. With --verify, 1 where one is wrong."""
    from ecluse.app.log.stamp_views import (
        authority_facts,
        export_stamps,
        list_stamps,
        stamp_facts,
        verify_stamps,
    )

    with frame.node() as node:
        facts: dict[str, Any] = {
            "authorities": authority_facts(node),
            "stamps": [stamp_facts(each) for each in list_stamps(node, limit)],
        }
        if verify:
            facts["verified"] = verify_stamps(node)
        if out is not None:
            facts["files"] = [str(out / name) for name in export_stamps(node, out, size)]
    frame.show(facts, lambda console: _draw_stamps(console, facts))
    if verify and facts["verified"]["problems"]:
        raise typer.Exit(1)


def _draw_stamps(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    for each in facts["authorities"]:
        if not each["asked"]:
            words, style = "is not asked any more", "dim"
        elif each["failures"]:
            words, style = f"failed {each['failures']} times: {each['error']}", "red"
        elif each["last"] is None:
            words, style = "has not been asked yet", "yellow"
        else:
            words, style = f"last at {each['last']}, certificates until {each['ends'][:10]}", ""
        console.print(Text(f"{each['name']} {words}", style), soft_wrap=True)
    for each in facts["stamps"]:
        console.print(Text(f"{each['time']}  {each['size']:>10}  {each['authority']}  {each['hash']}"))
    for name in facts.get("files", ()):
        console.print(Text(name), soft_wrap=True)
    verified = facts.get("verified")
    if verified is not None:
        for each in verified["problems"]:
            console.print(Text(f"{each['code']}: {each['cause']}", "red"), soft_wrap=True)
        words = f"{verified['stamps']} time-stamps and {verified['records']} evidence records verified"
        wrong = len(verified["problems"])
        console.print(Text(f"{words}: {wrong or 'nothing'} wrong.", "red" if wrong else "green"))


def renew(
    frame: Frame,
    now: Annotated[bool, typer.Option("--now", help="Renew also what is not due.")] = False,
) -> None:
    """Renew the evidence records that are due, with one time-stamp for all that need the same."""
    from ecluse.app.log.stamps import renew_evidence
    from ecluse.model.basics import iso

    with frame.node() as node:
        done = renew_evidence(node, everything=now, actor=frame.actor)
    rows = [
        {
            "kind": each.kind,
            "count": each.count,
            "authority": each.authority,
            "hash": each.hash,
            "ends": iso(each.ends),
        }
        for each in done
    ]
    lines = [
        f"{row['count']} renewed by {row['authority']} ({row['kind']}, {row['hash']}), until {row['ends']}"
        for row in rows
    ]
    text = "\n".join(lines) or "Nothing is due."
    frame.show({"renewed": rows}, lambda console: console.print(text, markup=False, soft_wrap=True))


def list_records(frame: Frame) -> None:
    """Show the evidence records: since when what is proven, by whom, and until when that holds."""
    from ecluse.app.log.stamp_views import list_records as read

    with frame.node() as node:
        rows = read(node)

    def draw(console: Console) -> None:
        from rich.text import Text

        for row in rows:
            what = f"{row['source']} {row['reference']} ({row['authority']})"
            words = f"{what}: since {row['time']}, holds until {row['holds_until'][:10]}, {row['renewals']} renewals"
            style = "red" if row["state"] in ("lapsed", "broken") else ""
            console.print(Text(f"{words} {row['state']}".rstrip(), style), soft_wrap=True)
        if not rows:
            console.print(Text("There is none: the first time-stamp of a day begins one."))

    frame.show({"records": rows}, draw)


def export(frame: Frame, out: Out, size: Size = None) -> None:
    """Write evidence records as files, each with its data and the certificates that it rests on."""
    from ecluse.app.log.stamp_views import export_records

    with frame.node() as node:
        names = [str(out / name) for name in export_records(node, out, size)]
    text = "\n".join(names)
    frame.show({"files": names}, lambda console: console.print(text, markup=False, soft_wrap=True))
