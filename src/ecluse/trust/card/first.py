"""The first format of cards: read for ever, and not written any more."""

from __future__ import annotations

import msgspec

from ecluse.trust.card.shape import FIRST, Card, CardCertificate, Endpoints, Offers
from ecluse.trust.company import Contact
from ecluse.trust.settings.fields import As2Id, Name, Url

__all__ = ["FirstCard", "as_first", "from_first"]


class FirstCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a card of the first format says; the order of the fields is that of its JSON.

    Attributes:
        format: ``ecluse.card/1``.
        name: The company.
        as2_id: Its AS2 id.
        made: When, RFC 3339.
        certificates: Its certificates.
        log_key: Raw Ed25519 public key of its evidence log, base64.
        log_origin: Name of that log.
        url: Where messages to it go.
        email: Where people write.
        offers: What its hub takes.
    """

    format: str
    name: Name
    as2_id: As2Id
    made: str
    certificates: tuple[CardCertificate, ...]
    log_key: str
    log_origin: str
    url: Url | None = None
    email: Name | None = None
    offers: Offers = Offers()


def from_first(first: FirstCard) -> Card:
    """The same as a card of the second shape."""
    return Card(
        format=FIRST,
        name=first.name,
        made=first.made,
        log_key=first.log_key,
        log_origin=first.log_origin,
        as2_id=first.as2_id,
        endpoints=Endpoints(as2=first.url),
        certificates=first.certificates,
        offers=first.offers,
        # Free text in the first format: whoever puts it into a file looks at its shape first.
        contacts=(Contact(role="edi", email=first.email),) if first.email is not None else (),
    )


def as_first(card: Card) -> FirstCard:
    """The reverse, for a card that was read from the first format: nothing is lost on the way."""
    assert card.as2_id is not None, "a card of the first format has an AS2 id"
    return FirstCard(
        format=card.format,
        name=card.name,
        as2_id=card.as2_id,
        made=card.made,
        certificates=card.certificates,
        log_key=card.log_key,
        log_origin=card.log_origin,
        url=card.endpoints.as2,
        email=card.email,
        offers=card.offers,
    )
