"""Who can do what, and the review in which a person says whether it stays so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ecluse.cli.frame import Frame, NotConfirmed, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.access import Right

__all__ = ["app"]

app = typer.Typer(help="Who can do what with this hub.", no_args_is_help=True)

RIGHT = "id, who, may, where, grounds, partner, decision, reviewed, reviewer"

DECISIONS: Final = 16 << 20
"""Octets of a file with decisions: some hundred thousand of them."""

_Partner = Annotated[
    str | None, typer.Option("--partner", help="Only what this partner can do.", show_default=False)
]


def _list(frame: Frame, partner: _Partner = None) -> None:
    """List who can do what, on which grounds, and what the last review said of it."""
    from ecluse.app.access import last_reviews, right_facts, rights, said_of
    from ecluse.model.basics import PartnerId, iso

    with frame.node() as node:
        reviews = last_reviews(node)
        found = rights(node, PartnerId(partner) if partner is not None else None)
        said = said_of(reviews)
        rows = [right_facts(each, said) for each in found]
        due = next((iso(each.due) for each in reviews if each.partner in ("", partner or "")), None)

    def draw(console: Console) -> None:
        _draw(console, rows)
        console.print(f"The next review is due by {due[:10]}." if due else "No review was made yet.")

    frame.show({"rights": rows, "review_due": due}, draw)


command(
    app,
    "list",
    gives=f"rights[]{{{RIGHT}}}, review_due",
    example="ecluse --hub hub access list\necluse --hub hub access list --partner birch",
)(_list)


def review(
    frame: Frame,
    reason: Annotated[
        str, typer.Option("--reason", help="On which occasion; it is kept in the log.", show_default=False)
    ],
    partner: _Partner = None,
    decisions: Annotated[
        Path | None,
        typer.Option(
            "--decisions",
            help="JSON object: a right's id to keep or revoke; instead of being asked.",
            show_default=False,
        ),
    ] = None,
    keep_all: Annotated[
        bool, typer.Option("--keep-all", help="Keep everything, without being asked.")
    ] = False,
    every: Annotated[int, typer.Option("--every", min=1, max=3660, help="Days until the next one.")] = 365,
) -> None:
    """Decide on every right whether it stays. What is to go is told: apply a configuration without it."""
    from ecluse.app.access import last_reviews, record_review, right_facts, rights, said_of
    from ecluse.model.basics import PartnerId, iso

    whose = PartnerId(partner) if partner is not None else None
    with frame.node() as node:
        present = rights(node, whose)
        before = said_of(last_reviews(node))
        if keep_all:
            keep = {each.id: True for each in present}
        elif decisions is not None:
            keep = _decided(decisions)
        else:
            keep = {each.id: _ask(frame, each, right_facts(each, before)) for each in present}
        done = record_review(
            node, present, keep, partner=whose, every=every, actor=frame.actor, reason=reason
        )
        said = said_of([done])
        rows = [right_facts(each, said) for each in present]
    gone = [row for row in rows if row["decision"] == "revoke"]

    def draw(console: Console) -> None:
        console.print(
            f"Review {done.id} is recorded: {len(rows) - len(gone)} rights stay, {len(gone)} are to go. "
            f"The next is due by {iso(done.due)[:10]}.",
            markup=False,
        )
        for row in gone:
            console.print(f"  take away: {row['who']}: {row['may']} ({row['grounds']})", markup=False)

    facts = {"review": done.id, "review_due": iso(done.due), "rights": rows}
    frame.show(facts, draw)


command(
    app,
    "review",
    gives=f"review, review_due, rights[]{{{RIGHT}}}",
    example="ecluse --hub hub access review --reason 'yearly review'\n"
    "ecluse --hub hub access review --partner birch --keep-all --reason 'contract renewed'",
)(review)


def _ask(frame: Frame, right: Right, facts: dict[str, Any]) -> bool:
    if not frame.interactive:
        raise NotConfirmed(
            "A review asks about every right, and there is no terminal to ask at.",
            remedy="Give --decisions FILE, or --keep-all.",
        )
    told = f" (last time: {facts['decision']}, {facts['reviewed'][:10]})" if facts["decision"] else " (new)"
    frame.err.print(f"{right.who} may {right.may}: {right.where}{told}", markup=False)
    return typer.confirm("Does it stay?", err=True)


def _decided(path: Path) -> dict[str, bool]:
    import msgspec

    from ecluse.app.access import ReviewRefused
    from ecluse.app.partners.views import read_small
    from ecluse.typed import from_json

    try:
        words = from_json(read_small(path, DECISIONS), dict[str, str])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        words = {"": ""}
    if not all(word in ("keep", "revoke") for word in words.values()):
        raise ReviewRefused(
            "The decisions are no JSON object of ids to keep or revoke.",
            remedy='Write them as {"9f8c...": "keep"}; the ids are those of `ecluse access list --json`.',
        )
    return {id: word == "keep" for id, word in words.items()}


def _draw(console: Console, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    titles = ("who", "may", "where", "last review")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        decided = f"{row['decision']}, {row['reviewed'][:10]}" if row["decision"] else "never"
        style = "bold red" if row["decision"] == "revoke" else ""
        table.add_row(
            *(Text(str(value)) for value in (row["who"], row["may"], row["where"], decided)), style=style
        )
    console.print(table)
