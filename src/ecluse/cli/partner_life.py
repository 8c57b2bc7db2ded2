"""The life of a partner: invited, verified, active, suspended, retired."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ecluse.cli.assure import (
    Anchor,
    Evidence,
    FirstUse,
    Incomplete,
    Phrase,
    Seal,
    VerifiedBy,
    VerifiedWith,
    make_sure,
    said,
    sealed,
)
from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from ecluse.trust.settings.fields import PartnerState

__all__ = ["add_to"]

_GIVES: Final = "id, version, before, state"

Id = Annotated[str, typer.Argument(help="The partner's id.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the version and in the log.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    command(
        app,
        "invite",
        gives="id, version, invitation, until, phrase, letter, card; with --out files[] in place of card",
        example="ecluse --hub hub partner invite 'Birch Packaging' --id birch --email jo@birch.example --out to-birch",
        signs=True,
    )(invite)
    command(
        app,
        "verify",
        gives="id, version, state, verified",
        example="ecluse --hub hub partner verify birch --phrase '01234 56789 01234 56789' --verified-with 'Jo Birch' "
        "--reason 'called the number of contract 118'",
        signs=True,
    )(verify)
    command(
        app,
        "activate",
        gives=_GIVES,
        example="ecluse --hub hub partner activate birch --reason 'first test went well'",
        signs=True,
    )(activate)
    command(
        app,
        "suspend",
        gives=_GIVES,
        example="ecluse --hub hub partner suspend birch --reason 'they report a breach'",
        signs=True,
    )(suspend)
    command(
        app,
        "resume",
        gives=_GIVES,
        example="ecluse --hub hub partner resume birch --reason 'keys were changed'",
        signs=True,
    )(resume)
    command(
        app,
        "retire",
        gives=_GIVES,
        example="ecluse --hub hub partner retire birch --reason 'contract ended' --yes",
        signs=True,
    )(retire)


def invite(
    frame: Frame,
    name: Annotated[str, typer.Argument(help="The company's name.", show_default=False)],
    id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Name for the partner here; by default made of theirs.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for our card and the letter.", show_default=False),
    ] = None,
    contact: Annotated[
        str | None, typer.Option("--contact", metavar="NAME", help="Whom you write to.", show_default=False)
    ] = None,
    email: Annotated[str | None, typer.Option("--email", help="Their address.", show_default=False)] = None,
    phone: Annotated[
        str | None,
        typer.Option("--phone", help="Their number, from elsewhere than their mail.", show_default=False),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", min=1, max=365, help="How long an answer is waited for.")
    ] = 30,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; it is kept with the version.", show_default=False)
    ] = None,
) -> None:
    """Invite a partner: write our card and a letter for them, and wait for their answer.

    Run again for a partner that has not answered, it writes a fresh letter; the former invitation counts no more.
    """
    from ecluse import durable
    from ecluse.app.partners.letter import invitation_letter
    from ecluse.app.partners.onboarding import invite as invited
    from ecluse.app.settings import change_files
    from ecluse.model.basics import iso
    from ecluse.trust.card import make_card, phrase, read_card
    from ecluse.trust.settings.fields import instant_until

    reach = {
        field: value for field, value in (("name", contact), ("email", email), ("phone", phone)) if value
    }
    with frame.node() as node:
        partner, files, token = invited(node, name=name, id=id, days=days, contact=reach, by=frame.actor)
        why = reason or f"{name} is invited"
        version = change_files(node, files, actor=frame.actor, reason=why, signer=frame.signer(node))
        card = make_card(node.directory.hub, node.keyring, node.hub.clock())
        us = node.directory.hub
        held = node.directory.partner(partner).settings.invitation
        until = instant_until(held.until) if held is not None else None
        own = f"{us.organisation.as2_id.lower()}.card"
        file_name = "".join(each if each.isalnum() or each in "._-" else "-" for each in own)
        letter = invitation_letter(
            us, name=name, token=token, until=until or node.hub.clock(), card_file=file_name
        )
    words = phrase(read_card(card.encode()))
    facts: dict[str, object] = {
        "id": partner,
        "version": version.number if version else None,
        "invitation": token,
        "until": iso(until) if until is not None else None,
        "phrase": words,
        "letter": letter,
    }
    if out is not None:
        durable.make_folder(out)
        durable.replace(out / file_name, card.encode(), 0o644)
        durable.replace(out / "letter.txt", letter.encode(), 0o644)
        facts["files"] = [str(out / file_name), str(out / "letter.txt")]
        text = (
            f"{partner} is invited. Send them {out / file_name} and the text of {out / 'letter.txt'}.\n"
            f"Our card's phrase, to be read out when they call:\n  {words}"
        )
        frame.show(facts, text)
        return
    facts["card"] = card
    frame.show(facts, lambda console: console.print(letter, end="", markup=False, soft_wrap=True))
    frame.err.print(f"With --out FOLDER the card is written too. Its phrase, to be read out: {words}")


def verify(
    frame: Frame,
    id: Id,
    reason: Reason,
    card: Annotated[
        str | None,
        typer.Option("--card", help="The card whose phrase was compared.", show_default=False),
    ] = None,
    verified_by: VerifiedBy = None,
    verified_with: VerifiedWith = None,
    evidence: Evidence = None,
    phrase: Phrase = None,
    trust_on_first_use: FirstUse = None,
    seal: Seal = None,
    anchor: Anchor = None,
) -> None:
    """Write down how a partner's identity was made sure of; an invited one becomes verified."""
    from ecluse.app.partners.onboarding import verify as verified
    from ecluse.app.partners.views import badge, card_file
    from ecluse.app.settings import change_files
    from ecluse.trust.card import phrase as phrase_of
    from ecluse.trust.card import read_card

    sure = said(verified_by, verified_with, evidence, trust_on_first_use, phrase, seal)
    if seal is not None and card is None:
        raise Incomplete("A seal is over a card.", remedy="Give the card with --card.")
    data = card_file(card) if card is not None else b""
    given = read_card(data) if card is not None else None
    with frame.node() as node:
        if given is not None:
            sure = sealed(data, given, seal, anchor, sure, node.hub.clock())
        settings = node.directory.partner(id).settings
        wanted = phrase_of(given) if given is not None else None
        before = settings.verification
        if wanted is None and before is not None and settings.card is not None:
            wanted = before.phrase if before.card == settings.card.digest else None
        if wanted is not None:
            frame.err.print(f"The phrase of their card: {wanted}")
        sure = make_sure(frame, wanted, phrase, sure, yes=False)
        files = verified(node, id, sure, frame.answering(node), given)
        version = change_files(node, files, actor=frame.actor, reason=reason, signer=frame.signer(node))
        view = node.directory.partner(id)
        state, words = view.settings.state, badge(view)
    facts = {"id": id, "version": version.number if version else None, "state": state, "verified": words}
    frame.show(facts, f"{id} is {state}: {words}.")


def _move(frame: Frame, id: str, state: PartnerState, reason: str) -> None:
    from ecluse.app.partners.onboarding import move
    from ecluse.app.settings import change_files

    with frame.node() as node:
        before = node.directory.partner(id).settings.state
        version = change_files(
            node, move(node, id, state), actor=frame.actor, reason=reason, signer=frame.signer(node)
        )
        after = node.directory.partner(id).settings.state
    frame.show(
        {"id": id, "version": version.number if version else None, "before": before, "state": after},
        f"{id} is {after}; it was {before}.",
    )


def activate(frame: Frame, id: Id, reason: Reason) -> None:
    """Begin to exchange with a partner that is verified."""
    _move(frame, id, "active", reason)


def suspend(frame: Frame, id: Id, reason: Reason) -> None:
    """Exchange nothing with a partner for a time: their messages are refused, and nothing is sent."""
    _move(frame, id, "suspended", reason)


def resume(frame: Frame, id: Id, reason: Reason) -> None:
    """Exchange with a suspended partner again."""
    _move(frame, id, "active", reason)


def retire(
    frame: Frame,
    id: Id,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """End it with a partner for good: one that comes back is a new partner."""
    frame.confirm(f"Retire {id}? A retired partner does not come back.", yes=yes)
    _move(frame, id, "retired", reason)
