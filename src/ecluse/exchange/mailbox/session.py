"""One login of a partner: what its tree, its uploads and its downloads share."""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.exchange.hub import Hub
from ecluse.exchange.mailbox.places import Places, Terms
from ecluse.model.basics import Instant, PartnerId

__all__ = ["Session", "SessionFacts"]


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a server knows of who logged in; it goes into events and receipts.

    Attributes:
        protocol: ``sftp`` or ``ftps``.
        address: Where from.
        user: The user name.
        credential: Fingerprint of the key or the certificate; ``password`` for one.
    """

    protocol: str
    address: str
    user: str
    credential: str = ""

    def as_dict(self) -> dict[str, str]:
        """For an event."""
        return {
            "via": self.protocol,
            "address": self.address,
            "user": self.user,
            "credential": self.credential,
        }


@dataclass(frozen=True, slots=True)
class Session:
    """See above. It keeps the rules that it began under.

    Attributes:
        hub: What the chamber shares.
        partner: Who.
        facts: What the server knows.
        places: The folders by agreement.
        terms: What was agreed.
        began: When.
        behind: Whether uploads are sealed and written on threads of their own; see
            :meth:`ecluse.blobs.vault.Vault.create`.
    """

    hub: Hub
    partner: PartnerId
    facts: SessionFacts
    places: Places
    terms: Terms
    began: Instant
    behind: bool = True

    @property
    def actor(self) -> str:
        """For events of what the partner did."""
        return f"partner:{self.partner}"
