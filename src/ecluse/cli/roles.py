"""A partner's table of roles: whose key does what, what it is worth, and what was seen on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ecluse.cli.frame import Frame, command
from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_to", "draw_roles"]

_COLOURS: Final = {
    "set": "green",
    "expiring": "yellow",
    "weak": "yellow",
    "expired": "red",
    "wrong": "red",
    "missing": "red",
    "not-needed": "dim",
}


_NONE: Final = {
    "tls-version": "no TLS",
    "signature-algorithm": "not signed",
    "mdn-signature-algorithm": "not signed",
    "encryption-algorithm": "not encrypted",
    "receipt-asked": "none asked for",
}


class NoPartnerNamed(EcluseError):
    """It was not said of which partner."""

    code = "roles.no-partner"
    fault = Fault.USAGE
    remedy = "Give a partner's id, or --all."


def roles(
    frame: Frame,
    id: Annotated[str | None, typer.Argument(help="The partner's id.", show_default=False)] = None,
    all: Annotated[bool, typer.Option("--all", help="Of every partner that is not retired.")] = False,
    state: Annotated[
        str | None,
        typer.Option("--state", help="Only roles in these states, with commas between.", metavar="STATE,..."),
    ] = None,
) -> None:
    """Show the table of roles: what is configured, what it is worth, and what was used last."""
    from ecluse.app.partners.roles import every_role, roles_of, states_named

    if (id is None) != all:
        raise NoPartnerNamed("Either one partner or all of them can be shown.")
    states = states_named(state) if state is not None else frozenset()
    with frame.node() as node:
        if id is None:
            rows = list(every_role(node, states))
        else:
            found = roles_of(node, node.directory.partner(id))
            rows = [row for row in found if not states or row.state in states]
        facts = [row.as_dict() for row in rows]
    frame.show({"roles": facts}, lambda console: draw_roles(console, facts, named=all))


def add_to(app: typer.Typer) -> None:
    """Put the command into the group of those about partners."""
    command(
        app,
        "roles",
        gives="roles[]{partner, channel, role, whose, about, state, why, floor, values[]{value, label, ref, "
        "algorithm, state, why, not_before, not_after, from, until, current}, used[]{what, value, last, count}, "
        "differs[]{code, text}}",
        example="ecluse --hub hub partner roles birch\n"
        "ecluse --hub hub partner roles --all --state missing,expiring",
    )(roles)


def draw_roles(console: Console, rows: list[dict[str, Any]], *, named: bool = False) -> None:
    """The table for people: what is configured stands beside what was used, and what to look at below it.

    Args:
        console: Where.
        rows: As :meth:`RoleRow.as_dict` gives them.
        named: Say whose each row is.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    titles = ("channel", "role", "state", "configured", "valid", "used last")
    for title in ("partner", *titles) if named else titles:
        table.add_column(title, overflow="fold")
    before = ""
    for row in rows:
        place = f"{row['partner']}/{row['channel']}" if named else row["channel"]
        values = [each for each in row["values"] if each["current"]] or row["values"]
        first, *others = values or [None]
        cells = [
            Text(row["partner"] if named and place != before else ""),
            Text(row["channel"] if place != before else "", "bold"),
            Text(row["about"]),
            Text(row["state"], _COLOURS[row["state"]]),
            Text(_configured(first)),
            Text(_valid(first)),
            Text(_used(row["used"])),
        ]
        table.add_row(*(cells if named else cells[1:]))
        for other in others:
            cells = [*[Text("")] * 4, Text(_configured(other)), Text(_valid(other)), Text("")]
            table.add_row(*(cells if named else cells[1:]))
        before = place
    if table.row_count:
        console.print(table)
    else:
        console.print("There are no such roles.", markup=False)
    for row in rows:
        whose = f"{row['partner']} " if named else ""
        said = [] if row["state"] in ("set", "not-needed") else [row["why"]]
        for sentence in (*said, *(each["text"] for each in row["differs"])):
            head = f"{whose}{row['channel']} {row['role']}: "
            console.print(Text.assemble((head, "yellow"), sentence), soft_wrap=True)


def _configured(value: dict[str, Any] | None) -> str:
    if value is None:
        return ""
    words = value["ref"] or value["label"]
    if value["algorithm"]:
        words += f", {value['algorithm']}"
    shown = _shown(value["value"])
    return words if shown in words else f"{words} {shown}"


def _valid(value: dict[str, Any] | None) -> str:
    if value is None or value["not_after"] is None:
        return ""
    window = f"{value['not_before'][:10]} to {value['not_after'][:10]}"
    for word in ("from", "until"):
        if value[word]:
            window += f", {word} {value[word][:10]}"
    return window


def _used(used: list[dict[str, Any]]) -> str:
    if not used:
        return ""
    last = max(each["last"] for each in used)
    words = (
        _NONE.get(each["what"], "none") if each["value"] == "none" else _shown(each["value"]) for each in used
    )
    return ", ".join(words) + f" ({last[:16].replace('T', ' ')})"


def _shown(value: str) -> str:
    if len(value) in (40, 64) and all(letter in "0123456789abcdefABCDEF" for letter in value):
        return value[:16]
    return value
