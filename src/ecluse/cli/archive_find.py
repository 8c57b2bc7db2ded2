"""Finding documents in the archive, and handing it over: search, chains, the yearly list, export and import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from ecluse.cli.archive import ARCHIVED, BadArchiveOption, draw_table
from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.archive.transfer import Checked

__all__ = ["add_to"]

_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.", show_default=False)]
_Partner = Annotated[str, typer.Option("--partner", help="With this partner.", show_default=False)]
_Profile = Annotated[str, typer.Option("--profile", help="By this profile.", show_default=False)]
_Type = Annotated[str, typer.Option("--type", help="Of this type, such as invoice.", show_default=False)]
_Since = Annotated[
    str, typer.Option("--since", metavar="DAY", help="From this day, month or year on.", show_default=False)
]
_Until = Annotated[
    str, typer.Option("--until", metavar="DAY", help="To the end of this one.", show_default=False)
]
_Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Of the export.", show_default=False)]
_LogKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--log-key",
        metavar="KEY",
        help="Verifier key of the log of the hub that made it, had by another way, or a file with it; may be given "
        "again.",
        show_default=False,
    ),
]
_CHECKED: Final = (
    "manifest, origin, key, claimed, made, organisation, messages, documents, destroyed, lacking[], octets, receipts, "
    "foreign, proofs, unproven, profiles[]"
)


def search(
    frame: Frame,
    number: Annotated[
        str,
        typer.Argument(help="A number that it has or names; * at the end for any.", show_default=False),
    ] = "",
    partner: _Partner = "",
    direction: Annotated[str, typer.Option("--direction", help="in or out.", show_default=False)] = "",
    type: _Type = "",
    profile: _Profile = "",
    state: Annotated[
        str, typer.Option("--state", help="kept, damaged or disposed.", show_default=False)
    ] = "",
    currency: Annotated[str, typer.Option("--currency", help="Such as EUR.", show_default=False)] = "",
    reference: Annotated[
        str, typer.Option("--reference", help="Its own number; * at the end for any.", show_default=False)
    ] = "",
    invoice: Annotated[
        str, typer.Option("--invoice", help="That invoice, and what names it.", show_default=False)
    ] = "",
    text: Annotated[
        str,
        typer.Option("--text", help="What a number, or a word in it, begins with.", show_default=False),
    ] = "",
    since: _Since = "",
    until: _Until = "",
    amount: Annotated[
        str,
        typer.Option(
            "--amount", metavar="AMOUNT|FROM..TO", help="In units of the currency.", show_default=False
        ),
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many at most.")] = 50,
    after: Annotated[
        str,
        typer.Option("--after", metavar="PLACE", help="Go on: next of the last page.", show_default=False),
    ] = "",
) -> None:
    """Find archived documents, those of the newest day first."""
    from ecluse.app.archive.views import archived_facts
    from ecluse.archive.search import Place, Query
    from ecluse.archive.search import search as find

    least, most = _amounts(amount, currency.upper())
    query = Query(
        partner=partner,
        direction=direction,
        type=type,
        profile=profile,
        state=state,
        currency=currency.upper(),
        reference=reference,
        number=number,
        invoice=invoice,
        text=text,
        since=since,
        until=until,
        least=least,
        most=most,
    )
    place = Place.parse(after) if after else None
    with frame.node() as node:
        page = node.store.read(lambda view: find(view, query, after=place, limit=limit))
    rows = [archived_facts(row) for row in page.found]
    follows = str(page.next) if page.next is not None else None

    def draw(console: Console) -> None:
        if not rows:
            console.print("Nothing of it is in the archive.")
            return
        _draw_documents(console, rows)
        if follows is not None:
            console.print(f"There is more: --after {follows}", highlight=False)

    frame.show({"archived": rows, "next": follows}, draw)


def _amounts(text: str, currency: str) -> tuple[int | None, int | None]:
    from ecluse.wire.documents.facts import minor_units

    if not text:
        return None, None
    low, dots, high = text.partition("..")
    least = minor_units(low, currency) if low else None
    most = minor_units(high if dots else low, currency) if (high if dots else low) else None
    if (low and least is None) or ((high or not dots) and most is None) or text == "..":
        raise BadArchiveOption(
            f"{text[:40]!a} is no amount.", remedy="Write 4242.00, or 1000..2000, or 1000.. for no end."
        )
    return least, most


def _draw_documents(console: Console, rows: list[dict[str, Any]]) -> None:
    from ecluse.wire.documents.facts import major_units

    draw_table(
        console,
        ("day", "id", "partner", "", "type", "number", "amount", "names", "profile", "state"),
        [
            (
                row["day"] or "",
                row["id"],
                row["partner"],
                row["direction"],
                row["type"] or "",
                row["reference"] or row["name"] or "",
                ""
                if row["amount"] is None
                else f"{major_units(row['amount'], row['currency'] or '')} {row['currency'] or ''}".strip(),
                ", ".join(each["number"] for each in row["refs"][:3])
                + ("..." if len(row["refs"]) > 3 else ""),
                row["profile"],
                row["state"],
            )
            for row in rows
        ],
    )


def chain(
    frame: Frame,
    document: Annotated[
        str, typer.Argument(help="Id or number of an archived document, or its message.", show_default=False)
    ],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page.", show_default=False)
    ] = None,
    language: Annotated[Literal["en", "fr"], typer.Option("--language", help="Of the page.")] = "en",
) -> None:
    """Show the audit trail of a document: order, deliveries, invoices and payments, and what is missing.

    Documents are linked by the numbers that they name. Each link says its ground.
    """
    from ecluse import durable
    from ecluse.app.archive.find import chain_facts, chain_of
    from ecluse.archive.pages import chain_page, document_name, link_sentence
    from ecluse.archive.words import remark_sentence

    with frame.node() as node:
        found = chain_of(node, document)
        hub, at = node.directory.organisation.name, node.hub.clock()
    facts = chain_facts(found)
    if html is not None:
        pieces = (piece.encode() for piece in chain_page(found, language, hub, at))
        durable.write_new(html, pieces, 0o600)
        frame.show({**facts, "file": str(html)}, f"The audit trail is in {html}.")
        return

    def draw(console: Console) -> None:
        from rich.text import Text

        _draw_documents(console, facts["documents"])
        for source, target in dict.fromkeys((link.source, link.target) for link in found.links):
            console.print(Text(f"  {link_sentence(found, source, target, language)}"), soft_wrap=True)
        if found.cut:
            console.print("The chain goes on: only its first documents are shown.")
        for each in found.remarks:
            sentence = remark_sentence(each.code, each.values, language)
            name = document_name(found, each.about, language)
            console.print(Text(f"! {name}: {sentence}"), style="yellow", soft_wrap=True)
        if not found.remarks:
            console.print("Nothing is missing or at odds.", style="green")

    frame.show(facts, draw)


def recap(
    frame: Frame,
    year: Annotated[int, typer.Argument(help="Such as 2026.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to.", show_default=False)],
    language: Annotated[
        Literal["en", "fr", "both"], typer.Option("--language", help="Of the lists.")
    ] = "both",
    all_types: Annotated[
        bool, typer.Option("--all-types", help="Not invoices and credit notes alone.")
    ] = False,
) -> None:
    """Write a year's list of EDI messages with their anomalies, and the file of partners, as CSV and pages."""
    from ecluse.app.archive.find import write_recap
    from ecluse.archive.words import LANGUAGES

    languages = LANGUAGES if language == "both" else (language,)
    with frame.node() as node:
        files, count = write_recap(node, year, out, languages, all_types=all_types)
    facts = {"year": year, "lines": count, "files": [str(path) for path in files]}
    frame.show(facts, f"{count:,} lines; {', '.join(path.name for path in files)} are in {out}.")


def export(
    frame: Frame,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="A new one, or that of an export that was cut.", show_default=False
        ),
    ],
    reason: _Reason,
    partner: _Partner = "",
    profile: _Profile = "",
    type: _Type = "",
    since: _Since = "",
    until: _Until = "",
) -> None:
    """Write the archive, or a part of it, into a folder: documents in clear, receipts, journals with their proofs.

    It is a BagIt bag: sha256sum alone checks it. What was cut goes on where it was.
    """
    from ecluse.app.archive.find import owner
    from ecluse.archive.transfer import Scope, export_archive

    scope = Scope(partner, profile, type, since, until if len(until) in (0, 10) else f"{until}-99")
    with frame.node() as node, frame.progress("Exporting") as progress:
        signer = frame.signer(node, "ecluse-archive")
        done = export_archive(
            node.archive,
            folder,
            owner(node),
            scope,
            reason=reason,
            actor=frame.actor,
            operator=frame.signing.operator or "",
            sign=signer.sign if signer is not None else None,
            progress=lambda count: progress(count, max(count, 1)),
        )
    facts = {
        "id": done.id,
        "folder": str(folder),
        "messages": done.messages,
        "documents": done.documents,
        "octets": done.octets,
        "lacking": done.lacking,
        "resumed": done.resumed,
        "manifest": done.manifest,
    }

    def draw(console: Console) -> None:
        console.print(
            f"{done.documents:,} documents of {done.messages:,} messages are in {folder}, in clear: whoever has the "
            "folder can read them.",
            soft_wrap=True,
        )
        console.print(f"Manifest {done.manifest}", highlight=False)
        for each in done.lacking:
            console.print(f"[yellow]could not be read: {each}", highlight=False)

    frame.show(facts, draw)
    if done.lacking:
        raise typer.Exit(1)


def verify(frame: Frame, folder: _Folder, keys: _LogKeys = None) -> None:
    """Check an export whole, without a hub: every file, every deposit receipt, every proof of the journals.

    Without the log's key, what is signed is checked with the key that the export itself names, and is only claimed.
    """
    from ecluse.app.archive.find import verifier_keys
    from ecluse.archive.transfer import check_export

    with frame.progress("Checking") as progress:
        checked = check_export(
            folder, verifier_keys(keys or []), progress=lambda count: progress(count, max(count, 1))
        )
    frame.show(checked.as_dict(), lambda console: _draw_checked(console, checked))


def _draw_checked(console: Console, checked: Checked) -> None:
    console.print(
        f"[green]Every file is as it was exported[/]: {checked.documents:,} documents of {checked.messages:,} "
        f"messages, {checked.destroyed:,} of them destroyed before.",
        soft_wrap=True,
    )
    who = (
        "the key that the export names: ask for it by another way"
        if checked.claimed
        else "the key that was given"
    )
    console.print(
        f"Made {checked.made} by {checked.origin}, signed with {who}.", highlight=False, soft_wrap=True
    )
    console.print(
        f"{checked.receipts:,} deposit receipts and {checked.proofs:,} records of the log are proven; "
        f"{checked.unproven:,} records have no proof, {checked.foreign:,} receipts are of a log whose key is "
        "not known.",
        soft_wrap=True,
    )
    for each in checked.lacking:
        console.print(f"[yellow]without its octets: {each}", highlight=False)


def load(frame: Frame, folder: _Folder, reason: _Reason, keys: _LogKeys = None) -> None:
    """Take an export of another hub into this archive, after all of it was checked.

    Ids, retention, holds and deposit receipts stay as they are. What was cut goes on where it was.
    """
    from ecluse.app.archive.find import verifier_keys
    from ecluse.archive.transfer import load_export

    with frame.node() as node, frame.progress("Importing") as progress:
        done = load_export(
            node.archive,
            folder,
            verifier_keys(keys or []),
            reason=reason,
            actor=frame.actor,
            progress=lambda step, count: progress(count, max(count, 1)),
        )
    facts = {
        "messages": done.messages,
        "documents": done.documents,
        "there": done.there,
        "holds": done.holds,
        "left_out": done.left_out,
        "export": done.checked.as_dict(),
    }

    def draw(console: Console) -> None:
        _draw_checked(console, done.checked)
        console.print(
            f"{done.documents:,} documents of {done.messages:,} messages and {done.holds:,} holds were taken; "
            f"{done.there:,} messages were there already.",
            soft_wrap=True,
        )

    frame.show(facts, draw)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group of the archive."""
    command(
        app,
        "search",
        gives=f"archived[]{{{ARCHIVED}}}, next",
        example="ecluse --hub hub archive search 4711\n"
        "ecluse --hub hub archive search --partner birch --type invoice --since 2026-01 --until 2026-03\n"
        "ecluse --hub hub archive search --amount 4000..5000 --currency EUR",
    )(search)
    command(
        app,
        "chain",
        gives=f"start, documents[]{{{ARCHIVED}}}, links[]{{source, target, kind, number, parties}}, "
        "remarks[]{code, about, values, sentence}, cut; with --html also file",
        example="ecluse --hub hub archive chain 2026-118\n"
        "ecluse --hub hub archive chain 2026-118 --html trail.html --language fr",
    )(chain)
    command(
        app,
        "recap",
        gives="year, lines, files[]",
        example="ecluse --hub hub archive recap 2026 --out recap-2026",
    )(recap)
    command(
        app,
        "export",
        gives="id, folder, messages, documents, octets, lacking[], resumed, manifest",
        example="ecluse --hub hub archive export /media/handover --reason 'change of provider' --as anne",
        signs=True,
    )(export)
    command(
        app,
        "verify-export",
        gives=_CHECKED,
        example="ecluse archive verify-export /media/handover --log-key aster.vkey",
    )(verify)
    command(
        app,
        "import",
        gives=f"messages, documents, there, holds, left_out[], export{{{_CHECKED}}}",
        example="ecluse --hub hub archive import /media/handover --reason 'taken over from Aster' --log-key aster.vkey",
    )(load)
