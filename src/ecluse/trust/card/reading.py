"""A card of somebody else's: whole, plain, and with parts that can be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography import x509

from ecluse.errors import EcluseError
from ecluse.model.basics import Instant, iso
from ecluse.trust.addresses import split_host, split_url
from ecluse.trust.card.envelope import CardError, open_card
from ecluse.trust.card.shape import FIRST, Card, CardCertificate
from ecluse.trust.certificates import load_certificates
from ecluse.trust.company import company_problems
from ecluse.trust.errors import CertificateError
from ecluse.trust.plain import hidden
from ecluse.trust.rules.places import host_key_problem
from ecluse.trust.settings.fields import instant_from, instant_until
from ecluse.typed import convert
from ecluse.wire.openpgp.certificate import Certificate, read_certificates

__all__ = ["MAX_CARD_CERTIFICATES", "MAX_ENTRIES", "card_chain", "card_openpgp", "check_time", "read_card"]

MAX_CARD_CERTIFICATES: Final = 16
"""Certificates on a card: five roles, present and next, and room."""

MAX_ENTRIES: Final = 16
"""Entries of each other list on a card."""

CLOCK: Final = 86_400 * 1_000_000
"""Microseconds that a card may come from the future: clocks differ, and time zones are mistaken for each other."""


def read_card(data: bytes) -> Card:
    """Read a card and check that it is whole and can be used. Who made it, two people can say.

    Raises:
        CardError: ``card.damaged``: it is no card, its signature does not fit, its readable lines say something
            else, or a part of it is none; ``card.weak``: it carries nothing usable, or too much;
            ``card.unknown-format``: it is of a later release.
    """
    card = open_card(data)
    _check_texts(card)
    _check_lists(card)
    _check_endpoints(card)
    for entry in card.certificates:
        card_chain(entry)
    for text in card.openpgp:
        card_openpgp(text)
    for line in (*card.host_keys, *card.ssh_keys):
        problem = host_key_problem(line)
        if problem is not None:
            raise CardError(f"An SSH key on the card can't be used: {problem}", code="card.weak")
    problems = list(
        company_problems(
            "card",
            "",
            identifiers=card.identifiers,
            contacts=card.contacts if card.format != FIRST else (),
            bank=card.bank,
        )
    )
    if problems:
        raise CardError(f"The card's {problems[0].field} is wrong: {problems[0].cause}")
    return card


def check_time(card: Card, now: Instant) -> None:
    """Refuse a card that was made for another time.

    Raises:
        CardError: ``card.expired``, ``card.not-yet``.
    """
    if instant_from(card.made) is None:
        return
    made = instant_from(card.made) or Instant(0)
    if made > now + CLOCK:
        raise CardError(
            f"The card says that it was made on {iso(made)[:16]}, which is yet to come.",
            code="card.not-yet",
            remedy="Look at this machine's clock; if it is right, ask for another card.",
        )
    ends = instant_until(card.expires)
    if ends is not None and ends <= now:
        raise CardError(
            f"The card could be taken until {iso(ends)[:16]}.",
            code="card.expired",
            remedy="Ask for a card that was made lately: keys may have changed since this one.",
        )


def card_chain(certificate: CardCertificate) -> tuple[x509.Certificate, ...]:
    """The certificate and its issuers. Raises :class:`CardError`."""
    try:
        return load_certificates(certificate.pem.encode("utf-8", "surrogatepass"))
    except CertificateError as error:
        raise CardError(f"A certificate on the card can't be used: {error.cause}") from None


def card_openpgp(text: str) -> Certificate:
    """One OpenPGP certificate. Raises :class:`CardError`."""
    try:
        found = read_certificates(text.encode("utf-8", "surrogatepass"))
    except EcluseError as error:
        raise CardError(f"An OpenPGP certificate on the card can't be used: {error.cause}") from None
    if len(found) != 1:
        raise CardError("Several OpenPGP certificates stand in one place on the card.")
    return found[0]


def _check_texts(card: Card) -> None:
    """What the shapes of the fields leave open: texts are plain, and dates are dates."""
    if not all(not hidden(text) and len(text) <= 2000 for text in _texts(card)):
        raise CardError("A field of the card holds something else than plain text.")
    try:
        for entry in card.certificates:
            instant_from(entry.begins)
            instant_until(entry.ends)
        instant_until(card.expires)
        if card.format != FIRST:
            instant_from(convert(card.made, str))
    except (ValueError, OverflowError):
        raise CardError("A date on the card is none.") from None


def _texts(card: Card) -> Iterator[str]:
    yield from (card.name, card.made, card.log_origin, card.as2_id or "", card.expires or "", *card.names)
    yield from (card.endpoints.as2 or "", card.endpoints.sftp or "", card.endpoints.ftps or "")
    for offered in (card.offers.sign, card.offers.encrypt, card.offers.key_padding):
        yield from offered
    for entry in card.certificates:
        yield from (entry.begins or "", entry.ends or "")
    for contact in card.contacts:
        yield from (contact.role, contact.name or "", contact.email or "", contact.phone or "")
    if card.bank is not None:
        yield from (card.bank.iban, card.bank.bic or "", card.bank.holder or "")


def _check_lists(card: Card) -> None:
    if len(card.certificates) > MAX_CARD_CERTIFICATES or (
        not card.certificates and not card.ssh_keys and not card.host_keys and not card.openpgp
    ):
        raise CardError(
            f"A card has a key, and at most {MAX_CARD_CERTIFICATES} certificates; "
            f"this one has {len(card.certificates)}.",
            code="card.weak",
        )
    lists = (card.names, card.host_keys, card.ssh_keys, card.openpgp, card.contacts)
    offers = (card.offers.sign, card.offers.encrypt, card.offers.key_padding)
    if any(len(each) > MAX_ENTRIES for each in (*lists, *offers)):
        raise CardError(f"A list on the card has more than {MAX_ENTRIES} entries.", code="card.weak")
    if any(not entry.use for entry in card.certificates):
        raise CardError("A certificate on the card is for nothing.")


def _check_endpoints(card: Card) -> None:
    if card.endpoints.as2 is not None and split_url(card.endpoints.as2) is None:
        raise CardError("The URL on the card is none.")
    for host in (card.endpoints.sftp, card.endpoints.ftps):
        if host is not None and not 0 < split_host(host, 22)[1] < 65536:
            raise CardError("A port on the card is none.")
