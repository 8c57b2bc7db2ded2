"""How a person says that a partner's identity was made sure of: options, and the question at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, NotConfirmed
from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.partners.onboarding import Sure
    from ecluse.model.basics import Instant
    from ecluse.trust.card import Card

__all__ = [
    "Anchor",
    "Evidence",
    "FirstUse",
    "How",
    "Incomplete",
    "Phrase",
    "Seal",
    "VerifiedBy",
    "VerifiedWith",
    "WrongPhrase",
    "draw_card",
    "make_sure",
    "said",
    "sealed",
]


class How(StrEnum):
    """Ways to make sure of an identity."""

    CALL_BACK = "call-back"
    IN_PERSON = "in-person"
    QUALIFIED = "qualified-certificate"
    NONE = "none"


VerifiedBy = Annotated[
    How | None,
    typer.Option(
        "--verified-by",
        help="How you made sure of who they are: a call to a number known from before, a meeting, a certificate of "
        "an authority that looked; none for not at all.",
        show_default=False,
    ),
]
VerifiedWith = Annotated[
    str | None,
    typer.Option("--verified-with", metavar="NAME", help="Whom you spoke to or met.", show_default=False),
]
Evidence = Annotated[
    str | None,
    typer.Option(
        "--evidence",
        metavar="TEXT",
        help="What shows it: the number called, a file, a certificate.",
        show_default=False,
    ),
]
Phrase = Annotated[
    str | None,
    typer.Option(
        "--phrase", help="The phrase that they read out; instead of the question.", show_default=False
    ),
]
FirstUse = Annotated[
    str | None,
    typer.Option(
        "--trust-on-first-use",
        metavar="REASON",
        help="Trust what came without making sure of who sent it, and say why. They are not verified by that.",
        show_default=False,
    ),
]


Seal = Annotated[
    Path | None,
    typer.Option(
        "--seal",
        metavar="FILE",
        help="A signature over the card's file by a qualified certificate (CMS, DER), with --anchor.",
        show_default=False,
    ),
]
Anchor = Annotated[
    list[Path] | None,
    typer.Option(
        "--anchor",
        metavar="FILE",
        help="An authority that you believe (PEM), for --seal.",
        show_default=False,
    ),
]


class WrongPhrase(EcluseError):
    """The phrase that was given is not the card's."""

    code = "card.wrong-phrase"
    fault = Fault.PERMANENT
    remedy = "Somebody changed the card on its way, or it is another one: ask for it again, by another way."


class Incomplete(EcluseError):
    """It is said that somebody made sure, and not all that belongs to it."""

    code = "partner.incomplete-verification"
    fault = Fault.USAGE
    remedy = "Say whom you spoke to with --verified-with, and what shows it with --evidence."


def said(
    how: How | None,
    with_: str | None,
    evidence: str | None,
    first_use: str | None,
    phrase: str | None,
    seal: Path | None = None,
) -> Sure | None:
    """What the options say; ``None`` where they say nothing.

    Raises:
        Incomplete: Something that belongs to it is missing, or two of them don't go together.
    """
    from ecluse.app.partners.onboarding import Sure

    if first_use is not None:
        if how is not None or phrase is not None:
            raise Incomplete(
                "What is trusted on first use was not made sure of.",
                remedy="Give --trust-on-first-use, or --verified-by and what belongs to it.",
            )
        if len(first_use.strip()) < 3:
            raise Incomplete(
                "There is no reason in --trust-on-first-use.", remedy="Say why nobody can make sure."
            )
        return Sure("trust-on-first-use", with_, first_use)
    if how is None and phrase is None:
        if (with_ is not None or evidence is not None) and seal is None:
            raise Incomplete("It is not said how it was made sure of.", remedy="Add --verified-by.")
        return None
    level = how or How.CALL_BACK
    if level in (How.CALL_BACK, How.IN_PERSON) and not with_:
        raise Incomplete(f"The level {level.value} says nothing without whom you spoke to.")
    if level is How.QUALIFIED and not evidence and seal is None:
        raise Incomplete(f"The level {level.value} says nothing without what shows it.")
    return Sure(level.value, with_, evidence)


def sealed(
    data: bytes,
    card: Card,
    seal: Path | None,
    anchors: Sequence[Path] | None,
    sure: Sure | None,
    now: Instant,
) -> Sure | None:
    """What a seal says, where there is one; else ``sure`` as it is.

    Raises:
        Incomplete: There is no anchor, or it is said that somebody made sure in another way too.
        CardError: The seal does not hold.
    """
    from ecluse.app.partners.onboarding import Sure
    from ecluse.app.partners.views import read_small
    from ecluse.trust.card import check_seal
    from ecluse.trust.certificates import load_certificates

    if seal is None:
        return sure
    if not anchors or (sure is not None and sure.level != How.QUALIFIED.value):
        raise Incomplete(
            "A seal is worth what its authority is, and stands for itself.",
            remedy="Give --anchor FILE with the authority's certificate, and no other --verified-by.",
        )
    trusted = [each for path in anchors for each in load_certificates(read_small(path))]
    found = check_seal(data, read_small(seal), card, trusted, now)
    more = f"; {sure.evidence}" if sure is not None and sure.evidence else ""
    return Sure("qualified-certificate", sure.with_ if sure is not None else None, found.words + more)


def make_sure(
    frame: Frame,
    wanted: str | None,
    given: str | None,
    sure: Sure | None,
    *,
    yes: bool,
    needed: Sequence[str] = (),
) -> Sure:
    """Compare the phrase, or ask a person who did.

    Args:
        frame: The command's.
        wanted: The card's phrase; ``None`` where there is no card to compare.
        given: What was read out, if it was given.
        sure: What the options say.
        yes: Whether nobody is to be asked.
        needed: Why a yes is not enough, in words; empty where it is.

    Raises:
        WrongPhrase: It is another phrase.
        NotConfirmed: The answer is no, or there is nobody to ask.
        NotVerified: It takes somebody who made sure, and nobody did.
    """
    from ecluse.app.partners.onboarding import NotVerified, Sure

    if given is not None and (wanted is None or "".join(given.split()) != "".join(wanted.split())):
        raise WrongPhrase(
            "The phrase is not this card's."
            if wanted is not None
            else "There is no card at hand whose phrase it could be."
        )
    if sure is not None:
        if needed and sure.level == "none":
            raise NotVerified(" ".join(needed))
        return sure
    if yes or not frame.interactive:
        if needed:
            raise NotVerified(" ".join(needed))
        if yes:
            return Sure()
        raise NotConfirmed(
            "This asks first, and there is no terminal to ask at.",
            remedy="Compare the phrase with them by voice; then give it with --phrase and --verified-with. "
            "--yes takes the card without trusting it, --trust-on-first-use REASON trusts it unseen.",
        )
    frame.confirm("Did they read out this phrase, on a number that you had before?", yes=False)
    whom = str(typer.prompt("Whom did you speak to?", err=True)).strip()
    return Sure("call-back", whom or "not said", None)


def draw_card(console: Console, facts: dict[str, Any]) -> None:
    """Show what a person compares."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    shown = [
        (title.replace("_", " "), facts[title])
        for title in ("name", "as2_id", "url", "sftp", "ftps", "email")
    ]
    shown += [(name, value) for name, value in facts["identifiers"].items()]
    for title, value in shown:
        if value:
            grid.add_row(Text(title, "dim"), Text(str(value)))
    for entry in facts["certificates"]:
        text = f"{', '.join(entry['use'])}: {entry['key']}, until {entry['not_after'][:10]}\n{entry['fingerprint']}"
        grid.add_row(Text("certificate", "dim"), Text(text))
    for title, name in (("host key", "host_keys"), ("SSH key", "ssh_keys"), ("OpenPGP", "openpgp")):
        for value in facts[name]:
            grid.add_row(Text(title, "dim"), Text(value))
    if facts["bank"]:
        grid.add_row(Text("bank", "dim"), Text(", ".join(part for part in facts["bank"].values() if part)))
    number = f"{facts['serial']}, " if facts["serial"] else ""
    until = f", to be taken until {facts['expires'][:10]}" if facts["expires"] else ""
    grid.add_row(Text("card", "dim"), Text(f"{number}made {facts['made']}{until}"))
    grid.add_row(Text("fingerprint", "dim"), Text(facts["fingerprint"]))
    grid.add_row(Text("phrase", "dim"), Text(facts["phrase"], "bold"))
    for text in facts["alarms"]:
        grid.add_row(Text("beware", "bold red"), Text(text, "red"))
    console.print(grid)
