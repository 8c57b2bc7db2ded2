"""The register of partners' certifications, agreements and answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app"]

app = typer.Typer(
    help="What partners have shown of how they guard what they are given.", no_args_is_help=True
)

ENTRY = (
    "partner, topic, name, title, state, from, until, due, scope, issuer, reference, answers{}, "
    "files[]{name, size, sha256}"
)

_Partner = Annotated[str, typer.Argument(help="The partner's id.", show_default=False)]
_Topic = Annotated[
    Literal["certification", "questionnaire", "agreement"],
    typer.Argument(help="What kind of assurance.", show_default=False),
]
_Name = Annotated[str, typer.Argument(help="Which, such as iso-27001, soc-2, gdpr.", show_default=False)]
_Reason = Annotated[
    str, typer.Option("--reason", help="Why, or how it was checked; kept in the log.", show_default=False)
]


def _list(
    frame: Frame,
    partner: Annotated[str | None, typer.Argument(help="Only of this partner.", show_default=False)] = None,
    due: Annotated[bool, typer.Option("--due", help="Only what somebody has to look at.")] = False,
    fail: Annotated[
        bool, typer.Option("--fail", help="End with 1 where an entry has ended or is due.")
    ] = False,
) -> None:
    """List the register, the entry that somebody has to look at first at the top."""
    from ecluse.app.partners.audit import entry_facts, register
    from ecluse.model.basics import PartnerId

    with frame.node() as node:
        if partner is not None:
            node.directory.partner(partner)
        now = node.hub.clock()
        entries = register(node, PartnerId(partner) if partner is not None else None)
        never = float("inf")
        entries.sort(key=lambda each: (each.looked_at if each.looked_at is not None else never, each.key))
        rows = [entry_facts(each, now) for each in entries]
    if due:
        rows = [row for row in rows if row["state"] in ("ending", "ended", "due")]

    def draw(console: Console) -> None:
        _draw(console, rows, ("partner", "title", "state", "until", "due", "issuer", "reference"))

    frame.show({"entries": rows}, draw)
    if fail and any(row["state"] in ("ended", "due") for row in rows):
        raise typer.Exit(1)


command(
    app,
    "list",
    gives=f"entries[]{{{ENTRY}}}",
    example="ecluse --hub hub audit list --due\necluse --hub hub audit list birch",
)(_list)


def record(
    frame: Frame,
    partner: _Partner,
    topic: _Topic,
    name: _Name,
    reason: _Reason,
    begins: Annotated[
        str, typer.Option("--from", help="First day, such as 2026-01-31.", show_default=False)
    ] = "",
    ends: Annotated[str, typer.Option("--until", help="Last day.", show_default=False)] = "",
    due: Annotated[
        str, typer.Option("--due", help="Day by which somebody looks at it again.", show_default=False)
    ] = "",
    scope: Annotated[str, typer.Option("--scope", help="What it covers.", show_default=False)] = "",
    issuer: Annotated[
        str, typer.Option("--issuer", help="Who certified, or signed.", show_default=False)
    ] = "",
    reference: Annotated[
        str, typer.Option("--reference", help="Number of the certificate or contract.", show_default=False)
    ] = "",
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", help="A file that proves it; may be given again.", show_default=False),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", help="JSON object: question to answer.", show_default=False),
    ] = None,
) -> None:
    """Record a certification, an agreement or answers, in the place of an older one of the same name."""
    from ecluse.app.partners.audit import entry_facts, keep_file, record_entry
    from ecluse.model.basics import PartnerId
    from ecluse.trust.assurance import Entry, check_entry

    entry = Entry(
        PartnerId(partner), topic, name, begins, ends, due, scope, issuer, reference, _answers(answers)
    )
    check_entry(entry)
    with frame.node() as node:
        node.directory.partner(partner)
        kept = [keep_file(node, path) for path in files or ()]
        import msgspec

        entry = msgspec.structs.replace(entry, files=tuple(file for file, _ in kept))
        entry = record_entry(node, entry, [sealed for _, sealed in kept], actor=frame.actor, reason=reason)
        facts = entry_facts(entry, node.hub.clock())
    frame.show(facts, f"{entry.title} of {partner} is recorded: {facts['state']}.")


command(
    app,
    "record",
    gives=ENTRY,
    example="ecluse --hub hub audit record birch certification iso-27001 --from 2025-03-01 --until 2028-02-29 "
    "--issuer 'Certia' --file iso.pdf --reason 'seen on their portal'\n"
    "ecluse --hub hub audit record birch agreement gdpr --from 2026-01-01 --due 2027-01-01 --file dpa.pdf "
    "--reason 'signed by both'",
)(record)


def _answers(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    import msgspec

    from ecluse.app.partners.views import read_small
    from ecluse.trust.assurance import AssuranceError
    from ecluse.typed import from_json

    try:
        return from_json(read_small(path), dict[str, str])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise AssuranceError(
            "The answers are no JSON object of texts.", remedy='Write them as {"question": "answer"}.'
        ) from None


def file(
    frame: Frame,
    partner: _Partner,
    topic: _Topic,
    name: _Name,
    file_name: Annotated[
        str, typer.Argument(metavar="FILE", help="As the list shows it.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="A new file.", show_default=False)],
) -> None:
    """Give back a file that proves an entry."""
    from ecluse.app.partners.audit import read_file

    with frame.node() as node, out.open("xb") as target:
        found = read_file(node, f"{partner}/{topic}/{name}", file_name, target)
    frame.show(
        {"file": str(out), "size": found.size, "sha256": found.sha256},
        f"{found.size:,} octets are in {out}, SHA-256 {found.sha256}.",
    )


command(
    app,
    "file",
    gives="file, size, sha256",
    example="ecluse --hub hub audit file birch certification iso-27001 iso.pdf --out iso.pdf",
)(file)


def remove(frame: Frame, partner: _Partner, topic: _Topic, name: _Name, reason: _Reason) -> None:
    """Take an entry out of the register, and erase its files."""
    from ecluse.app.partners.audit import entry_facts, remove_entry

    with frame.node() as node:
        entry = remove_entry(node, f"{partner}/{topic}/{name}", actor=frame.actor, reason=reason)
        facts = entry_facts(entry, node.hub.clock())
    frame.show(facts, f"{entry.title} of {partner} is out of the register.")


command(
    app,
    "remove",
    gives=ENTRY,
    example="ecluse --hub hub audit remove birch agreement gdpr --reason 'the contract ended'",
)(remove)


def _draw(console: Console, rows: list[dict[str, Any]], titles: tuple[str, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console.print("There is nothing.")
        return
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(row[title] or "")) for title in titles))
    console.print(table)
