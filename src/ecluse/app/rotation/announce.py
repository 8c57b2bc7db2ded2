"""Partners are told of a successor: a letter with our card, ready to be sent.

The hub sends no mail itself. It writes each letter as a file (RFC 5322, with the card attached) into the folder
``letters`` of its own, one folder for each rotation; whoever sends the company's mail takes it from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ecluse import durable
from ecluse.model.basics import iso
from ecluse.trust.card import make_card
from ecluse.trust.certificates import describe, to_pem
from ecluse.trust.rotation.facts import Rotation, Standing

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["LETTERS", "letters_folder", "write_letters"]

LETTERS: Final = "letters"
"""Folder of the hub's that letters are written into."""

_PLACES: Final = {
    "as2": "It signs the messages and receipts that we send you over AS2, and you encrypt to it.",
    "tls": "It is the certificate that our server shows over TLS.",
    "host-key": "It proves our SFTP server to you.",
    "user-key": "We log in with it at your SFTP server.",
    "client": "We show it to your server over TLS.",
}


def letters_folder(node: Node, rotation: Rotation) -> Path:
    """Where the letters of a rotation are."""
    return node.folder / LETTERS / rotation.id.replace(":", "-")


def write_letters(node: Node, rotation: Rotation, standings: Iterable[Standing], *, reminder: bool) -> None:
    """Write a letter for each of the partners; one of the same kind that is there is written again."""
    folder = letters_folder(node, rotation)
    durable.make_folder(folder)
    card = make_card(node.directory.hub, node.keyring, node.hub.clock())
    for standing in standings:
        number = standing.reminders + 1 if reminder else 0
        name = f"{standing.partner}-reminder-{number}.eml" if reminder else f"{standing.partner}.eml"
        durable.replace(folder / name, bytes(_letter(node, rotation, standing, card, number)), 0o600)


def _letter(node: Node, rotation: Rotation, standing: Standing, card: str, reminder: int) -> EmailMessage:
    organisation = node.directory.organisation
    partner = node.directory.partner(standing.partner)
    letter = EmailMessage(policy=SMTP)
    about = "Our new key" if set(standing.places) <= {"host-key", "user-key"} else "Our new certificate"
    letter["Subject"] = f"{'Reminder: ' if reminder else ''}{about} ({_one_line(organisation.name)})"
    letter["Date"] = formatdate(node.hub.clock() // 1_000_000, usegmt=True)
    if organisation.email is not None and "@" in organisation.email and organisation.email.isascii():
        local, _, domain = organisation.email.rpartition("@")
        letter["From"] = Address(_one_line(organisation.name), local, domain)
    letter.set_content(_text(node, rotation, standing, partner.name, reminder))
    letter.add_attachment(card.encode(), maintype="text", subtype="plain", filename="card.txt")
    pem = to_pem(node.keyring.chain(rotation.new))
    letter.add_attachment(
        pem.encode(), maintype="application", subtype="x-pem-file", filename=f"{rotation.new}.pem"
    )
    return letter


def _text(node: Node, rotation: Rotation, standing: Standing, name: str, reminder: int) -> str:
    old = describe(node.keyring.certificate(rotation.old))
    new = describe(node.keyring.certificate(rotation.new))
    due = standing.switch_at or rotation.switch_at
    lines = [
        f"To {_one_line(name)}",
        "",
        f"We replace a key of ours. This is reminder {reminder}."
        if reminder
        else "We replace a key of ours.",
        *(_PLACES[place] for place in standing.places),
        "",
        f"New: {new.subject}, {new.key.name}, until {iso(new.not_after)[:10]}",
        f"     SHA-256 {new.fingerprint}",
        f"Old: {old.subject}, {old.key.name}, until {iso(old.not_after)[:10]}",
        f"     SHA-256 {old.fingerprint}",
        *(
            [f"SSH: {node.keyring.ssh_public_key(rotation.new)}", f"     {rotation.ssh}"]
            if rotation.ssh
            else []
        ),
        "",
        "Please take up the new one beside the old one. We take both from now on: there is no moment at which",
        "you have to change.",
    ]
    if "as2" in standing.places:
        lines.append("We sign with the new one as soon as the first message of yours is encrypted to it.")
    if due is not None:
        lines.append(f"At the latest we use the new one alone from {iso(due)} on.")
    lines += ["", "Compare the fingerprint by telephone, at a number that you knew before this letter.", ""]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
