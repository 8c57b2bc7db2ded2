"""Partner cards: what another hub needs to know of an organisation, in one signed file.

    shape      what a card says, second format
    first      the first format, which stays readable
    envelope   the file: readable lines, JSON, signature; and the phrase to compare by voice
    making     our own card, from the configuration and the keyring
    reading    a card of somebody else's, checked
    joining    the files that a card adds to a configuration
    comparing  what a later card changes, and what about it should make people think
    updating   the files of a partner with a later card taken in
    seal       a signature beside a card, by a certificate whose authority made sure of the organisation

The signature (Ed25519, with the key of the organisation's evidence log, which the card carries) says that the card is
whole, and that two cards come from one hand. It does not say whose hand: that is decided by two people who compare
the card's phrase by voice. Reading a card trusts nothing; its files count once they are applied.
"""

from ecluse.trust.card.comparing import Alarm, CardChange, Comparison, card_alarms, compare
from ecluse.trust.card.envelope import MAX_CARD, CardError, digest, phrase
from ecluse.trust.card.joining import partner_files
from ecluse.trust.card.making import make_card
from ecluse.trust.card.reading import check_time, read_card
from ecluse.trust.card.seal import Seal, check_seal, make_seal
from ecluse.trust.card.shape import Card, CardCertificate, Endpoints, Offers
from ecluse.trust.card.updating import Updated, updated_files

__all__ = [
    "MAX_CARD",
    "Alarm",
    "Card",
    "CardCertificate",
    "CardChange",
    "CardError",
    "Comparison",
    "Endpoints",
    "Offers",
    "Seal",
    "Updated",
    "card_alarms",
    "check_seal",
    "check_time",
    "compare",
    "digest",
    "make_card",
    "make_seal",
    "partner_files",
    "phrase",
    "read_card",
    "updated_files",
]
