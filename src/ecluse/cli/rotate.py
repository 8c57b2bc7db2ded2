"""Rotations: a key takes the place of another, partner by partner, without an outage."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.node import Node
    from ecluse.model.basics import Instant

__all__ = ["BOARD", "At", "Reason", "SwitchWhen", "When", "app", "moment_of", "show_board"]

app = typer.Typer(help="Replace keys without an outage.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(help="The rotation's id: the successor's name.", show_default=False)]
_Partners = Annotated[
    list[str] | None,
    typer.Option("--partner", help="Only this partner; may be repeated.", show_default=False),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.", show_default=False)]
At = Annotated[
    str | None,
    typer.Option("--at", help="From this moment on; a date, or a date and time.", show_default=False),
]

_FACTS = (
    "id, side, partner, old, new, certificate_sha256, ssh, places[], state, policy, begun, by, reason, switch_at, "
    "in_force, announced, shown, completed, ended, late, stages{}"
)
_PARTNERS = (
    "letters, partners[]{partner, state, late, places[], told, accepted, seen, switched, proven, reverted, reminded, "
    "switch_at, told_by, reminders, refused, why}"
)
BOARD = f"{_FACTS}, {_PARTNERS}"
"""What a command gives that shows a rotation with its partners."""


class When(StrEnum):
    """When a partner is switched."""

    use = "use"
    time = "time"
    hand = "hand"


SwitchWhen = Annotated[
    When,
    typer.Option(
        "--switch",
        help="When a partner is switched: as soon as it is seen to use the successor, at the time of --at, or by "
        "hand alone.",
    ),
]


def moment_of(text: str | None) -> Instant | None:
    """A moment, where one was given."""
    from ecluse.cli.values import moment

    return None if text is None else moment(text)


def begin(
    frame: Frame,
    ref: Annotated[str, typer.Argument(help="The key that is to be replaced.", show_default=False)],
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="Name of the successor; by default the old one's with the year.", show_default=False
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="Kind of the successor; the old one's by default.", show_default=False),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option("--subject", help="Of its certificate; the old one's by default.", show_default=False),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="How long its certificate lasts.")] = 1095,
    file: Annotated[
        Path | None,
        typer.Option("--import", help="Take the successor over from PKCS#12 or PEM.", show_default=False),
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            help="Reference to that file's password: env:NAME or file:PATH.",
            show_default=False,
        ),
    ] = None,
    csr: Annotated[
        Path | None,
        typer.Option(
            "--csr",
            help="Write a certificate request into this new file, for an authority; go on with `certify`.",
            show_default=False,
        ),
    ] = None,
    when: SwitchWhen = When.use,
    at: At = None,
    grace: Annotated[
        str,
        typer.Option("--grace", help="From the last switch to the end of the old one; `never` for by hand."),
    ] = "30d",
    remind: Annotated[str, typer.Option("--remind", help="Between two reminders; `never` for none.")] = "7d",
    refusals: Annotated[
        int,
        typer.Option(
            "--refusals", min=1, max=100, help="Receipts that refuse, before a partner is taken back."
        ),
    ] = 1,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.")] = "",
) -> None:
    """Make a successor for a key of ours, and accept both from here on."""
    from ecluse import durable
    from ecluse.app.partners.views import read_small
    from ecluse.app.rotation.begin import Wanted
    from ecluse.app.rotation.begin import begin as begin_rotation
    from ecluse.app.rotation.board import board
    from ecluse.app.rotation.tend import look
    from ecluse.cli.values import duration

    moment = moment_of(at)
    if when is When.time and moment is None:
        raise typer.BadParameter("give the time with --at.")
    if file is not None and csr is not None:
        raise typer.BadParameter("a key that is taken over has its certificate: leave --csr out.")
    data = read_small(file) if file is not None else None
    locked = data is not None and (b"-----BEGIN" not in data or b"ENCRYPTED" in data)
    with frame.node() as node:
        secret = None
        if data is not None:
            secret = frame.secret(password if locked else None, "Password of the file", optional=not locked)
        wanted = Wanted(
            old=ref,
            new=to,
            kind=kind,
            subject=subject,
            days=days,
            request=csr is not None,
            data=data,
            password=secret,
            policy=when.value,
            switch_at=moment,
            grace=None if grace == "never" else int(duration(grace)),
            remind=0 if remind == "never" else int(duration(remind)),
            refusals=refusals,
            reason=reason,
        )
        begun = begin_rotation(node, wanted, actor=frame.actor, signer=frame.signer(node))
        if csr is not None:
            durable.write_new(csr, [begun.request.encode()], 0o644)
        else:
            look(node, begun.rotation.id)
        if csr is None:
            show_board(frame, node, begun.rotation.id)
            return
        facts = board(node, begun.rotation.id)
    text = f"The request is in {csr}. Go on with: ecluse rotate certify {facts['id']} CERTIFICATE"
    frame.show({**facts, "request": str(csr)}, text)


command(
    app,
    "begin",
    gives=f"{BOARD}; with --csr request",
    example="ecluse --hub hub rotate begin main --to main-2027 --at 2027-02-01 --reason 'ends in March'\n"
    "ecluse --hub hub rotate begin tls --csr tls.csr",
    signs=True,
)(begin)


def certify(
    frame: Frame,
    id: _Id,
    file: Annotated[Path, typer.Argument(help="PEM, DER or PKCS#7, with the chain.", show_default=False)],
) -> None:
    """Give a successor the certificate that an authority made, and accept both from here on."""
    from ecluse.app.partners.views import read_small
    from ecluse.app.rotation.begin import certify as certify_rotation
    from ecluse.app.rotation.tend import look

    data = read_small(file)
    with frame.node() as node:
        certify_rotation(node, id, data, actor=frame.actor, signer=frame.signer(node))
        look(node, id)
        show_board(frame, node, id)


command(
    app,
    "certify",
    gives=BOARD,
    example="ecluse --hub hub rotate certify tls-2027 tls.crt",
    signs=True,
)(certify)


def _list(
    frame: Frame,
    everything: Annotated[bool, typer.Option("--all", help="Also those that ended.")] = False,
) -> None:
    """List rotations that are under way."""
    from ecluse.app.rotation.board import rotation_list

    with frame.node() as node:
        rows = rotation_list(node, everything=everything)

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        if not rows:
            console.print("There are none.")
            return
        table = Table(box=None, pad_edge=False)
        for title in ("id", "in place of", "state", "since", "switch at", "partners", "late"):
            table.add_column(title, overflow="fold")
        for row in rows:
            stages = ", ".join(f"{count} {stage}" for stage, count in row["stages"].items())
            values = [
                row["id"],
                row["old"],
                row["state"],
                row["begun"][:10],
                (row["switch_at"] or "")[:10],
                stages,
            ]
            table.add_row(*map(Text, values), Text(str(row["late"]), "red" if row["late"] else ""))
        console.print(table)

    frame.show({"rotations": rows}, draw)


command(app, "list", gives=f"rotations[]{{{_FACTS}}}", example="ecluse --hub hub rotate list")(_list)


def show(frame: Frame, id: _Id) -> None:
    """Show every partner's state in a rotation."""
    with frame.node() as node:
        show_board(frame, node, id)


command(app, "show", gives=BOARD, example="ecluse --hub hub rotate show main-2027")(show)


def announce(frame: Frame, id: _Id, partner: _Partners = None) -> None:
    """Tell partners (all that are not switched, by default) of the successor, again."""
    from ecluse.app.rotation.hand import announce_again

    with frame.node() as node:
        announce_again(node, id, partner or [], actor=frame.actor)
        show_board(frame, node, id)


command(
    app,
    "announce",
    gives=BOARD,
    example="ecluse --hub hub rotate announce main-2027 --partner birch",
)(announce)


def switch(frame: Frame, id: _Id, reason: Reason, partner: _Partners = None, at: At = None) -> None:
    """Use the successor with partners (with all, and on our listeners, by default): now, or from a time on."""
    from ecluse.app.rotation.hand import switch_partners

    with frame.node() as node:
        switch_partners(node, id, partner or [], moment_of(at), actor=frame.actor, reason=reason)
        show_board(frame, node, id)


command(
    app,
    "switch",
    gives=BOARD,
    example="ecluse --hub hub rotate switch main-2027 --partner birch --reason 'agreed by telephone'",
)(switch)


def revert(frame: Frame, id: _Id, reason: Reason, partner: _Partners = None) -> None:
    """Use the old key with partners again (with all, and on our listeners, by default)."""
    from ecluse.app.rotation.hand import revert_partners

    with frame.node() as node:
        revert_partners(node, id, partner or [], actor=frame.actor, reason=reason)
        show_board(frame, node, id)


command(
    app,
    "revert",
    gives=BOARD,
    example="ecluse --hub hub rotate revert main-2027 --partner birch --reason 'they restored a backup'",
)(revert)


def remind(frame: Frame, id: _Id, partner: _Partners = None) -> None:
    """Write reminders (to all who were told and were not seen to use the successor, by default)."""
    from ecluse.app.rotation.board import board
    from ecluse.app.rotation.hand import remind_now

    with frame.node() as node:
        reminded = remind_now(node, id, partner or [], actor=frame.actor)
        letters = board(node, id)["letters"]
    text = f"{len(reminded)} reminders are in {letters}." if reminded else "Nobody is to be reminded."
    frame.show({"id": id, "letters": letters, "reminded": reminded}, text)


command(
    app,
    "remind",
    gives="id, letters, reminded[]",
    example="ecluse --hub hub rotate remind main-2027",
)(remind)


def retire(
    frame: Frame,
    id: _Id,
    reason: Reason,
    forget: Annotated[
        bool, typer.Option("--forget", help="Don't even decrypt with the old key any more.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Though partners are left who don't use it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put the successor in the old key's place. The old one stays in the keyring."""
    from ecluse.app.rotation.hand import retire_now

    with frame.node() as node:
        if forget or force:
            frame.confirm("Is nobody left who uses the old key?", yes=yes)
        retire_now(
            node,
            id,
            actor=frame.actor,
            reason=reason,
            keep=not forget,
            force=force,
            signer=frame.signer(node),
        )
        show_board(frame, node, id)


command(
    app,
    "retire",
    gives=BOARD,
    example="ecluse --hub hub rotate retire main-2027 --reason 'everybody has it'",
    signs=True,
)(retire)


def abandon(
    frame: Frame,
    id: _Id,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Keep the old key after all, with everybody."""
    from ecluse.app.rotation.hand import abandon as abandon_rotation

    with frame.node() as node:
        frame.confirm("Use the old key with everybody again?", yes=yes)
        abandon_rotation(node, id, actor=frame.actor, reason=reason, signer=frame.signer(node))
        show_board(frame, node, id)


command(
    app,
    "abandon",
    gives=BOARD,
    example="ecluse --hub hub rotate abandon main-2027 --reason 'the key was made on the wrong machine'",
    signs=True,
)(abandon)

_COLOURS = {"switched": "green", "seen": "green", "reverted": "red", "refused": "red", "untold": "yellow"}


def show_board(frame: Frame, node: Node, id: str) -> None:
    """Give a rotation with its partners as the result."""
    from ecluse.app.rotation.board import board

    facts = board(node, id)
    frame.show(facts, lambda console: _draw_board(console, facts))


def _draw_board(console: Console, facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    places = ", ".join(facts["places"])
    console.print(
        f"{facts['new']} in place of {facts['old']} ({places}): {facts['state']}",
        markup=False,
        soft_wrap=True,
    )
    if facts["switch_at"]:
        console.print(f"Whoever is left is switched at {facts['switch_at']}.", markup=False)
    if facts["partners"] and facts["announced"] and facts["side"] == "ours":
        console.print(f"Letters are in {facts['letters']}.", markup=False, soft_wrap=True)
    if not facts["partners"]:
        return
    table = Table(box=None, pad_edge=False)
    for title in ("partner", "state", "told", "seen", "switched", "why"):
        table.add_column(title, overflow="fold")
    for row in facts["partners"]:
        state = f"{row['state']}, late" if row["late"] else row["state"]
        style = "red" if row["late"] else _COLOURS.get(row["state"], "")
        days = [(row[name] or "")[:10] for name in ("told", "seen", "switched")]
        table.add_row(Text(row["partner"]), Text(state, style), *map(Text, days), Text(row["why"]))
    console.print(table)
