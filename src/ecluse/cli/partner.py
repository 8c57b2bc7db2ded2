"""Partners: who we exchange with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command
from ecluse.cli.roles import draw_roles

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app"]

app = typer.Typer(help="Partners: who we exchange with.", no_args_is_help=True)


def _list(frame: Frame) -> None:
    """List the partners."""
    from ecluse.app.partners.views import partner_summary

    with frame.node() as node:
        rows = [partner_summary(node, view) for view in node.directory.partners]

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        if not rows:
            console.print("There are no partners yet: `ecluse partner add CARD`.", markup=False)
            return
        table = Table(box=None, pad_edge=False)
        for title in (
            "id",
            "name",
            "state",
            "identity",
            "channels",
            "AS2 id",
            "URL",
            "receipt",
            "certificate until",
        ):
            table.add_column(title, overflow="fold")
        for row in rows:
            receipt = row["receipt"] if "as2" in row["channels"] else ""
            until = (row["certificate_until"] or "")[:10]
            channels = ", ".join(row["channels"])
            known = (
                row["id"],
                row["name"],
                row["state"],
                row["verified"],
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
    gives="partners[]{id, name, state, verified, as2_id, url, receipt, channels, certificate_until}",
    example="ecluse --hub hub partner list",
)(_list)


def show(
    frame: Frame,
    id: Annotated[str, typer.Argument(help="The partner's id.", show_default=False)],
) -> None:
    """Show a partner: how documents are exchanged, and whose key does what, and when."""
    from ecluse.app.partners.views import partner_facts

    with frame.node() as node:
        facts = partner_facts(node, node.directory.partner(id))
    frame.show(facts, lambda console: _draw_partner(console, facts))


command(
    app,
    "show",
    gives="id, name, state, verified, as2_id, url, receipt, channels, certificate_until, verification, card, "
    "invitation, identifiers, contacts[], bank, our_id, exceptions[]{algorithm, "
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
    for title, text in (*_identity(facts), *lines):
        grid.add_row(Text(title, "dim"), Text(text))
    for entry in facts["exceptions"]:
        grid.add_row(
            Text("exception", "yellow"),
            Text(f"{entry['algorithm']} until {entry['until']}: {entry['reason']}"),
        )
    console.print(grid)
    draw_roles(console, facts["role_table"])


def _identity(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Who they are, and how that is known."""
    said = facts["verification"] or {}
    more = [f"{word} {said[word]}" for word in ("by", "with") if said.get(word)]
    lines = [("identity", ", ".join([facts["verified"], *more]))]
    if said.get("evidence"):
        lines.append(("evidence", said["evidence"]))
    if facts["card"]:
        lines.append(("card", f"{facts['card']['serial']}, taken {facts['card']['taken'][:10]}"))
    lines += [(name.upper(), value) for name, value in facts["identifiers"].items()]
    for contact in facts["contacts"]:
        lines.append((contact["role"], ", ".join(value for name, value in contact.items() if name != "role")))
    if facts["bank"]:
        lines.append(("bank", ", ".join(value for value in facts["bank"].values() if value)))
    return lines


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
