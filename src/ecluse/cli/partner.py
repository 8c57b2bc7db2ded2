"""Partners: who we exchange with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, NotConfirmed, command
from ecluse.cli.roles import draw_roles
from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app"]

app = typer.Typer(help="Partners: who we exchange with.", no_args_is_help=True)


class WrongPhrase(EcluseError):
    """The phrase that was given is not the card's."""

    code = "card.wrong-phrase"
    fault = Fault.PERMANENT
    remedy = "Somebody changed the card on its way, or it is another one: ask for it again, by another way."


def _list(frame: Frame) -> None:
    """List the partners."""
    from ecluse.app.partners import partner_summary

    with frame.node() as node:
        rows = [partner_summary(node, view) for view in node.directory.partners]

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        if not rows:
            console.print("There are no partners yet: `ecluse partner add CARD`.", markup=False)
            return
        table = Table(box=None, pad_edge=False)
        for title in ("id", "name", "state", "channels", "AS2 id", "URL", "receipt", "certificate until"):
            table.add_column(title, overflow="fold")
        for row in rows:
            receipt = row["receipt"] if "as2" in row["channels"] else ""
            until = (row["certificate_until"] or "")[:10]
            channels = ", ".join(row["channels"])
            known = (
                row["id"],
                row["name"],
                row["state"],
                channels,
                row["as2_id"],
                row["url"],
                receipt,
                until,
            )
            table.add_row(*(Text(value or "") for value in known))
        console.print(table)

    frame.show({"partners": rows}, draw)


command(
    app,
    "list",
    gives="partners[]{id, name, state, as2_id, url, receipt, channels, certificate_until}",
    example="ecluse --hub hub partner list",
)(_list)


def show(
    frame: Frame,
    id: Annotated[str, typer.Argument(help="The partner's id.", show_default=False)],
) -> None:
    """Show a partner: how documents are exchanged, and whose key does what, and when."""
    from ecluse.app.partners import partner_facts

    with frame.node() as node:
        facts = partner_facts(node, node.directory.partner(id))
    frame.show(facts, lambda console: _draw_partner(console, facts))


command(
    app,
    "show",
    gives="id, name, state, as2_id, url, receipt, channels, certificate_until, our_id, exceptions[]{algorithm, "
    "reason, until}, with [as2] sign, encrypt, key_padding, compress, receipt_signed, receipt_timeout, "
    "require_signed, require_encrypted, account{user, protocols[], keys[], authorities[], password, "
    "second_factor, addresses[]} or null, roles{sign[], verify[], "
    "encrypt[], decrypt[], mdn-sign[], mdn-verify[], tls[], tls-client[]}, role_table[] as `partner roles` gives them",
    example="ecluse --hub hub partner show birch",
)(show)


def _draw_partner(console: Console, facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(Text.assemble((facts["name"], "bold"), f" ({facts['id']}), {facts['state']}"))
    by_as2 = "as2" in facts["channels"]
    lines = [("channels", ", ".join(facts["channels"]) or "none")]
    if by_as2:
        ids = f"{facts['our_id']} (we) - {facts['as2_id']} (they)"
        lines += [
            ("AS2", f"{ids}, {facts['url'] or 'no URL: they only send'}"),
            ("we send", _sending(facts)),
            ("they must", _must(facts)),
        ]
    if facts["account"] is not None:
        lines.append(("account", _logging_in(facts["account"])))
    grid = Table.grid(padding=(0, 2))
    for title, text in lines:
        grid.add_row(Text(title, "dim"), Text(text))
    for entry in facts["exceptions"]:
        grid.add_row(
            Text("exception", "yellow"),
            Text(f"{entry['algorithm']} until {entry['until']}: {entry['reason']}"),
        )
    console.print(grid)
    draw_roles(console, facts["role_table"])


def _logging_in(account: dict[str, Any]) -> str:
    shown = [f"key {each}" for each in account["keys"]]
    shown += [f"certificates of {each}" for each in account["authorities"]]
    shown += ["a password"] if account["password"] else []
    words = f"{account['user']} by {' and '.join(account['protocols'])}: {', '.join(shown) or 'no key or password'}"
    if account["second_factor"]:
        words += ", always with a second factor"
    return words + (f"; from {', '.join(account['addresses'])}" if account["addresses"] else "")


def _sending(facts: dict[str, Any]) -> str:
    words = [
        f"signed with {facts['sign']}" if facts["sign"] else "not signed",
        f"encrypted with {facts['encrypt']}" if facts["encrypt"] else "not encrypted",
    ]
    if facts["compress"] != "none":
        words.append(f"compressed {facts['compress']}")
    signed = "signed " if facts["receipt_signed"] else ""
    words.append(
        "no receipt asked for" if facts["receipt"] == "none" else f"{signed}{facts['receipt']} receipt"
    )
    return ", ".join(words)


def _must(facts: dict[str, Any]) -> str:
    words = [word for word in ("signed", "encrypted") if facts[f"require_{word}"]]
    return f"send {' and '.join(words)}" if words else "nothing"


def card(
    frame: Frame,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; standard output by default.", show_default=False)
    ] = None,
) -> None:
    """Make our own card: one signed file with everything that a partner needs to know of us."""
    from ecluse.blobs import durable
    from ecluse.trust.card import make_card, read_card

    with frame.node() as node:
        text = make_card(node.directory.hub, node.keyring, node.hub.clock())
    phrase = read_card(text.encode()).phrase
    if out is not None:
        durable.write_new(out, [text.encode()], 0o644)
        frame.show(
            {"file": str(out), "phrase": phrase},
            f"The card is in {out}. Its phrase, to be read out to the partner:\n  {phrase}",
        )
    else:
        frame.show(
            {"card": text, "phrase": phrase},
            lambda console: console.print(text, end="", markup=False, soft_wrap=True),
        )
        frame.err.print(f"Its phrase, to be read out to the partner: {phrase}")


command(
    app,
    "card",
    gives="card, phrase; with --out file in place of card",
    example="ecluse --hub hub partner card --out aster.card",
)(card)


def add(
    frame: Frame,
    card_file: Annotated[
        Path, typer.Argument(metavar="CARD", help="The card that they sent.", show_default=False)
    ],
    id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Name for the partner here; by default made of theirs.", show_default=False
        ),
    ] = None,
    phrase: Annotated[
        str | None,
        typer.Option(
            "--phrase", help="The phrase that they read out; instead of the question.", show_default=False
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Trust the card without comparing its phrase.")
    ] = False,
) -> None:
    """Take a partner on from their card: compare its phrase with them by voice, then put it in force."""
    from ecluse.app.partners import card_facts, load_card, partner_from_card
    from ecluse.app.settings import change_files

    given = load_card(card_file)
    facts = card_facts(given)
    with frame.node() as node:
        name, files, changes = partner_from_card(node, given, id)
        if not frame.json:
            _draw_card(frame.err, facts)
        _compare(frame, given.phrase, phrase, yes=yes)
        version = change_files(
            node,
            files,
            actor=frame.actor,
            reason=f"{facts['name']} was added from a card",
            signer=frame.signer(node),
        )
    frame.show(
        {
            "id": name,
            "version": version.number if version else None,
            "card": facts,
            "changes": changes.changes,
        },
        f"{name} is a partner now; version {version.number if version else '?'} is in force.",
    )


command(
    app,
    "add",
    gives="id, version, card{name, as2_id, url, email, made, phrase, log_origin, certificates[]}, changes[]",
    example="ecluse --hub hub partner add birch.card\n"
    "ecluse --hub hub partner add birch.card --id birch --phrase '01234 56789 01234 56789'",
    signs=True,
)(add)


def _compare(frame: Frame, wanted: str, given: str | None, *, yes: bool) -> None:
    if given is not None:
        if "".join(given.split()) != "".join(wanted.split()):
            raise WrongPhrase("The phrase is not this card's.")
        return
    try:
        frame.confirm("Did they read out this phrase?", yes=yes)
    except NotConfirmed as error:
        raise NotConfirmed(
            error.cause,
            remedy="Compare the phrase with them by voice; then give it with --phrase, or --yes to trust the file.",
        ) from None


def _draw_card(console: Console, facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for title in ("name", "as2_id", "url", "email", "made"):
        if facts[title]:
            grid.add_row(Text(title.replace("_", " "), "dim"), Text(str(facts[title])))
    for entry in facts["certificates"]:
        text = f"{', '.join(entry['use'])}: {entry['key']}, until {entry['not_after'][:10]}\n{entry['fingerprint']}"
        grid.add_row(Text("certificate", "dim"), Text(text))
    grid.add_row(Text("phrase", "dim"), Text(facts["phrase"], "bold"))
    console.print(grid)
