"""Cards: making ours, taking a partner's, and taking a later one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.assure import (
    Anchor,
    Evidence,
    FirstUse,
    Phrase,
    Seal,
    VerifiedBy,
    VerifiedWith,
    draw_card,
    make_sure,
    said,
    sealed,
)
from ecluse.cli.frame import Frame, command
from ecluse.cli.values import duration
from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_to"]

Clear = Annotated[bool, typer.Option("--allow-http", help="Fetch the card without TLS.")]
Private = Annotated[
    bool,
    typer.Option("--allow-private-network", help="Fetch the card from a private network or this machine."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. By itself it makes sure of nothing.")]


class NoPlaceForSeal(EcluseError):
    """A seal is asked for, and there is no file to put it beside."""

    code = "card.no-place-for-seal"
    fault = Fault.USAGE
    remedy = "Give --out FILE; the seal is written to FILE.p7s."


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    command(
        app,
        "card",
        gives="card, phrase; with --out file in place of card, with --seal-with seal",
        example="ecluse --hub hub partner card --out aster.card",
    )(card)
    command(
        app,
        "add",
        gives="id, version, state, verification, card{format, serial, name, names, as2_id, url, sftp, ftps, email, "
        "made, expires, phrase, fingerprint, log_origin, log_keys[], identifiers, certificates[], host_keys[], "
        "ssh_keys[], openpgp[], contacts[], bank, invitation, alarms[]}, changes[]",
        example="ecluse --hub hub partner add birch.card\n"
        "ecluse --hub hub partner add birch.card --id birch --phrase '01234 56789 01234 56789' "
        "--verified-with 'Jo Birch'\n"
        "ecluse --hub hub partner add https://birch.example/ecluse.card --id birch",
        signs=True,
    )(add)
    command(
        app,
        "update",
        gives="id, version, card{...}, comparison{signer, serial, changes[]{kind, action, what, before, after}, "
        "alarms[]{code, text}}, kept[], changes[]",
        example="ecluse --hub hub partner update birch birch-2027.card --reason 'they renewed their certificate'\n"
        "ecluse --hub hub partner update birch birch.card --reason 'new bank' --verified-by call-back "
        "--verified-with 'Jo Birch' --evidence 'number of contract 118'",
        signs=True,
    )(update)


def card(
    frame: Frame,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; standard output by default.", show_default=False)
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long it may be taken.")] = 90,
    invitation: Annotated[
        str | None, typer.Option("--invitation", help="The invitation that it answers.", show_default=False)
    ] = None,
    seal_with: Annotated[
        str | None,
        typer.Option(
            "--seal-with",
            metavar="KEY",
            help="Write FILE.p7s too: a seal by this key of the keyring, which has a qualified certificate.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make our own card: one signed file with everything that a partner needs to know of us."""
    from ecluse import durable
    from ecluse.trust.card import make_card, make_seal, phrase, read_card

    if seal_with is not None and out is None:
        raise NoPlaceForSeal("A seal is a file of its own, beside that of the card.")
    with frame.node() as node:
        text = make_card(node.directory.hub, node.keyring, node.hub.clock(), days=days, invitation=invitation)
        seal = (
            make_seal(text.encode(), node.keyring.signer(seal_with), node.hub.clock()) if seal_with else b""
        )
    words = phrase(read_card(text.encode()))
    if out is not None:
        durable.write_new(out, [text.encode()], 0o644)
        if seal:
            durable.write_new(out.with_name(f"{out.name}.p7s"), [seal], 0o644)
        facts = {"file": str(out), "phrase": words, **({"seal": f"{out}.p7s"} if seal else {})}
        frame.show(
            facts,
            f"The card is in {out}. Its phrase, to be read out to the partner:\n  {words}",
        )
    else:
        frame.show(
            {"card": text, "phrase": words},
            lambda console: console.print(text, end="", markup=False, soft_wrap=True),
        )
        frame.err.print(f"Its phrase, to be read out to the partner: {words}")


def add(
    frame: Frame,
    card_place: Annotated[
        str,
        typer.Argument(metavar="CARD", help="The card that they sent, or its https URL.", show_default=False),
    ],
    id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Name for the partner here; by default made of theirs.", show_default=False
        ),
    ] = None,
    verified_by: VerifiedBy = None,
    verified_with: VerifiedWith = None,
    evidence: Evidence = None,
    phrase: Phrase = None,
    trust_on_first_use: FirstUse = None,
    seal: Seal = None,
    anchor: Anchor = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; it is kept with the version.", show_default=False)
    ] = None,
    hold: Annotated[bool, typer.Option("--hold", help="Do not make them active yet.")] = False,
    account: Annotated[
        str | None,
        typer.Option(
            "--account",
            metavar="USER",
            help="Their user name at our SFTP and FTPS listeners, with the SSH keys of the card.",
            show_default=False,
        ),
    ] = None,
    sftp_user: Annotated[
        str | None,
        typer.Option("--sftp-user", help="Our user name at their SFTP server.", show_default=False),
    ] = None,
    sftp_key: Annotated[
        str | None,
        typer.Option(
            "--sftp-key", help="Our key for it; by default the first of ssh_keys.", show_default=False
        ),
    ] = None,
    allow_http: Clear = False,
    allow_private_network: Private = False,
    yes: Yes = False,
) -> None:
    """Take a partner on from their card: compare its phrase with them by voice, then put it in force.

    Without anybody who made sure of who they are, the partner stays invited, and nothing is exchanged.
    """
    from ecluse.app.partners.onboarding import Sure, join
    from ecluse.app.partners.views import card_facts, card_file
    from ecluse.app.settings import change_files
    from ecluse.trust.card import card_alarms, read_card

    sure = said(verified_by, verified_with, evidence, trust_on_first_use, phrase, seal)
    data = card_file(card_place, clear=allow_http, private=allow_private_network)
    given = read_card(data)
    facts = card_facts(given)
    with frame.node() as node:
        sure = sealed(data, given, seal, anchor, sure, node.hub.clock())
        if not frame.json:
            draw_card(frame.err, facts)
        own = node.directory.organisation.ssh_keys
        key = sftp_key or (own[0] if own else None)
        sftp = {"user": sftp_user, **({"key": key} if key else {})} if sftp_user else None

        def joined(how: Any) -> Any:
            return join(
                node, given, id=id, sure=how, by=frame.answering(node), hold=hold, account=account, sftp=sftp
            )

        joined(sure or Sure())  # what can't be done is said before a person is asked
        needed = [each.text for each in card_alarms(given) if each.severe]
        sure = make_sure(frame, facts["phrase"], phrase, sure, yes=yes, needed=needed)
        plan = joined(sure)
        why = reason or f"{facts['name']} was added from a card"
        version = change_files(node, plan.files, actor=frame.actor, reason=why, signer=frame.signer(node))
    number = version.number if version else None
    text = f"{plan.id} is a partner now, {plan.state}; version {number or '?'} is in force."
    if plan.state == "invited":
        text += f"\nNothing is exchanged until somebody makes sure of them: ecluse partner verify {plan.id}"
    elif plan.state == "verified":
        text += f"\nNothing is exchanged yet: ecluse partner activate {plan.id}"
    frame.show(
        {
            "id": plan.id,
            "version": number,
            "state": plan.state,
            "verification": sure.level,
            "card": facts,
            "changes": plan.changes.changes,
        },
        text,
    )


def update(
    frame: Frame,
    id: Annotated[str, typer.Argument(help="The partner's id.", show_default=False)],
    card_place: Annotated[
        str,
        typer.Argument(metavar="CARD", help="The card that they sent, or its https URL.", show_default=False),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the version.")],
    overlap: Annotated[
        str, typer.Option("--overlap", help="How long replaced certificates stay in force; 0 for not at all.")
    ] = "30d",
    verified_by: VerifiedBy = None,
    verified_with: VerifiedWith = None,
    evidence: Evidence = None,
    phrase: Phrase = None,
    trust_on_first_use: FirstUse = None,
    seal: Seal = None,
    anchor: Anchor = None,
    allow_http: Clear = False,
    allow_private_network: Private = False,
    yes: Yes = False,
) -> None:
    """Take a later card of a partner: look at what it changes, and put it in force beside what it replaces.

    A card that is signed by another key, or that changes bank details, takes more than a yes: somebody has to make
    sure that it is theirs.
    """
    from ecluse.app.partners.onboarding import renew
    from ecluse.app.partners.views import card_facts, card_file
    from ecluse.app.settings import change_files
    from ecluse.trust.card import read_card

    sure = said(verified_by, verified_with, evidence, trust_on_first_use, phrase, seal)
    lasting = 0 if overlap in ("0", "0d", "0s") else int(duration(overlap) * 1_000_000)
    data = card_file(card_place, clear=allow_http, private=allow_private_network)
    given = read_card(data)
    facts = card_facts(given)
    with frame.node() as node:
        sure = sealed(data, given, seal, anchor, sure, node.hub.clock())
        plan = renew(node, id, given, sure=sure, by=frame.answering(node), overlap=lasting)
        comparison = plan.comparison
        said_facts = {
            "signer": comparison.signer,
            "serial": comparison.serial,
            "changes": comparison.changes,
            "alarms": [{"code": each.code, "text": each.text} for each in comparison.alarms],
        }
        if not frame.json:
            draw_card(frame.err, facts)
            _draw_comparison(frame.err, comparison, plan.updated.kept)
        result = {
            "id": id,
            "version": None,
            "card": facts,
            "comparison": said_facts,
            "kept": plan.updated.kept,
        }
        if not comparison.changes and comparison.serial == "same":
            frame.show({**result, "changes": []}, "This card was taken already, and changes nothing.")
            return
        needed = [each.text for each in comparison.alarms if each.severe]
        if needed or sure is not None or phrase is not None:
            sure = make_sure(frame, facts["phrase"], phrase, sure, yes=yes, needed=needed)
            plan = renew(node, id, given, sure=sure, by=frame.answering(node), overlap=lasting)
        else:
            frame.confirm("Take this card?", yes=yes)
        # Whoever approves it elsewhere is told too.
        why = (
            f"{reason} (the card: {', '.join(each.code for each in comparison.alarms)})" if needed else reason
        )
        version = change_files(
            node, plan.updated.files, actor=frame.actor, reason=why, signer=frame.signer(node)
        )
    number = version.number if version else None
    frame.show(
        {**result, "version": number, "changes": plan.changes.changes},
        f"The card of {id} is taken; version {number or '?'} is in force.",
    )


def _draw_comparison(console: Console, comparison: Any, kept: tuple[str, ...]) -> None:
    from rich.text import Text

    signers = {
        "same": ("signed by the key that signed their last card", "green"),
        "other": ("signed by ANOTHER key than their last card", "bold red"),
        "unknown": ("no card of theirs was taken before", "yellow"),
    }
    words, style = signers[comparison.signer]
    console.print(Text.assemble("The card is ", (words, style), "."))
    styles = {"add": "green", "remove": "red", "replace": "yellow"}
    for change in comparison.changes:
        console.print(Text(f"  {change}", styles[change.action]), soft_wrap=True)
    for line in kept:
        console.print(Text(f"  stays: {line}", "dim"), soft_wrap=True)
    for alarm in comparison.alarms:
        console.print(Text.assemble(("  BEWARE ", "bold red"), (alarm.text, "red")), soft_wrap=True)
