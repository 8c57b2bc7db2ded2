"""Legal holds: placing, listing, releasing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.archive import day_of, draw_table
from ecluse.cli.frame import Frame, command
from ecluse.model.basics import PartnerId

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.store.port import View

__all__ = ["add_to"]

_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.", show_default=False)]
_HOLD = (
    "id, placed, by, reason, reference, criteria{ids, partner, direction, flow, profile, type, reference, since, "
    "until, text}, released{at, by, reason}"
)


def hold(
    frame: Frame,
    reason: _Reason,
    matter: Annotated[
        str,
        typer.Option(
            "--for", metavar="MATTER", help="Whose matter it is: a file number.", show_default=False
        ),
    ],
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Archived documents, or messages.", show_default=False),
    ] = None,
    partner: Annotated[str, typer.Option("--partner", help="With this partner.", show_default=False)] = "",
    direction: Annotated[str, typer.Option("--direction", help="in or out.", show_default=False)] = "",
    flow: Annotated[str, typer.Option("--flow", help="Of this flow.", show_default=False)] = "",
    profile: Annotated[str, typer.Option("--profile", help="By this profile.", show_default=False)] = "",
    type: Annotated[
        str, typer.Option("--type", help="Of this type, such as invoice.", show_default=False)
    ] = "",
    reference: Annotated[
        str, typer.Option("--reference", help="Its number, or one that it refers to.", show_default=False)
    ] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="DAY", help="From this day on.", show_default=False)
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="DAY", help="To this day.", show_default=False)
    ] = "",
    text: Annotated[
        str, typer.Option("--text", help="A piece of subject, number or file name.", show_default=False)
    ] = "",
) -> None:
    """Hold documents: nothing of them is deleted until it is released.

    Named, or by what they have in common: what comes later and fits is held too.
    """
    from ecluse.app.archive.views import hold_facts
    from ecluse.archive.holding import held, place_hold
    from ecluse.archive.holds import Criteria

    criteria = Criteria(
        ids=tuple(ids or ()),
        partner=partner,
        direction=direction,
        flow=flow,
        profile=profile,
        type=type,
        reference=reference,
        since=day_of(since) if since else "",
        until=day_of(until) if until else "",
        text=text,
    )
    with frame.node() as node:
        if partner and not node.store.read(lambda view: _has_documents(view, PartnerId(partner))):
            node.directory.partner(partner)  # a word that is nobody's name would hold nothing
        placed = place_hold(node.archive, criteria, reason=reason, reference=matter, actor=frame.actor)
        count = len(node.store.read(lambda view: held(view, placed)))
    facts = {**hold_facts(placed), "documents": count}
    more = " or more" if count >= 1000 else ""
    frame.show(facts, f"{placed.id} holds {count}{more} archived documents, and what comes and fits.")


def _has_documents(view: View, partner: PartnerId) -> bool:
    """Whether anything of a partner is here: what was exchanged outlives whom the configuration names."""
    return bool(view.archive_list(partner=partner, limit=1) or view.messages(partner=partner, limit=1))


def release(
    frame: Frame,
    id: Annotated[str, typer.Argument(metavar="HOLD", help="Of the hold (h...).", show_default=False)],
    reason: _Reason,
) -> None:
    """Release a hold. What it held goes when its retention says so."""
    from ecluse.app.archive.views import hold_facts
    from ecluse.archive.holding import release_hold

    with frame.node() as node:
        ended = release_hold(node.archive, id, reason=reason, actor=frame.actor)
    frame.show(hold_facts(ended), f"{ended.id} is released.")


def holds(
    frame: Frame, all: Annotated[bool, typer.Option("--all", help="Also those released.")] = False
) -> None:
    """List the holds that stand."""
    from ecluse.app.archive.views import hold_facts
    from ecluse.archive.holding import all_holds

    with frame.node() as node:
        rows = [hold_facts(each) for each in node.store.read(lambda view: all_holds(view, released=all))]

    def draw(console: Console) -> None:
        if not rows:
            console.print("No hold stands.")
            return
        draw_table(
            console,
            ("id", "placed", "for", "reason", "what", "released"),
            [
                (
                    row["id"],
                    row["placed"][:10],
                    row["reference"],
                    row["reason"],
                    _what(row["criteria"]),
                    row["released"]["at"][:10] if row["released"] else "",
                )
                for row in rows
            ],
        )

    frame.show({"holds": rows}, draw)


def _what(criteria: dict[str, Any]) -> str:
    words = [f"{name} {value}" for name, value in criteria.items() if name != "ids" and value]
    ids = criteria.get("ids") or ()
    return ", ".join(words + ([f"{len(ids)} by id"] if ids else []))


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(
        app,
        "hold",
        gives=f"{_HOLD}, documents",
        example="ecluse --hub hub archive hold --partner birch --type invoice --since 2025-01-01 --for 'TC 26/17' "
        "--reason 'dispute over deliveries'\n"
        "ecluse --hub hub archive hold a01m8dpxg4wjtc0qrd4m6k9x3s2b --for 'audit 2026' --reason 'tax audit'",
    )(hold)
    command(
        app,
        "release",
        gives=_HOLD,
        example="ecluse --hub hub archive release h01m8dpxg4wjtc0qrd4m6k9x3s2b --reason 'judgement of 12 March'",
    )(release)
    command(
        app,
        "holds",
        gives=f"holds[]{{{_HOLD}}}",
        example="ecluse --hub hub archive holds\necluse --hub hub archive holds --all",
    )(holds)
