"""What a hub was told of partners on the wire, for tests."""

from __future__ import annotations

from ecluse.exchange.hub import Hub
from ecluse.model.basics import PartnerId
from ecluse.trust.sightings import sightings_of

__all__ = ["seen"]


def seen(hub: Hub, partner: str, channel: str) -> dict[str, set[str]]:
    """Values by role, of those that are written by now: all of them."""
    hub.note_sightings(everything=True)
    found: dict[str, set[str]] = {}
    for each in hub.store.read(lambda view: sightings_of(view, PartnerId(partner))):
        if each.channel == channel:
            found.setdefault(each.role, set()).add(each.value)
    return found
