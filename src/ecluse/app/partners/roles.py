"""The table of roles of partners: what is configured for each, what that is worth, and what was seen on the wire."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache

from ecluse.app.node import Node
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import PartnerId
from ecluse.trust.directory import PartnerView
from ecluse.trust.roles import STATES, RoleRow, role_table
from ecluse.trust.sightings import Seen, Sighting, every_sighting, sightings_of

__all__ = ["NoSuchState", "every_role", "roles_of", "states_named"]


class NoSuchState(EcluseError):
    """A state was named that no role has."""

    code = "roles.no-such-state"
    fault = Fault.USAGE
    remedy = f"Choose among {', '.join(STATES)}."


def states_named(text: str) -> frozenset[str]:
    """States as a person lists them, with commas between. Raises :class:`NoSuchState`."""
    named = frozenset(word.strip() for word in text.split(",") if word.strip())
    unknown = named - set(STATES)
    if unknown:
        raise NoSuchState(f"There is no state {min(unknown)[:40]!a} of a role.")
    return named


def roles_of(node: Node, view: PartnerView) -> tuple[RoleRow, ...]:
    """Every role of a partner's channels."""
    seen = Seen(node.store.read(lambda found: sightings_of(found, view.id)))
    return role_table(node.directory, view, seen, node.hub.clock(), secret=_secrets(node))


def every_role(node: Node, states: Collection[str] = ()) -> Iterator[RoleRow]:
    """Every role of every partner that is not retired, in order of partner.

    Args:
        node: The hub.
        states: Those that are wanted; all of them where there are none.
    """
    found: dict[PartnerId, list[Sighting]] = {}
    for partner, sightings in node.store.read(lambda view: list(every_sighting(view))):
        found.setdefault(partner, []).extend(sightings)
    directory, now, secret = node.directory, node.hub.clock(), _secrets(node)
    for view in directory.partners:
        if view.settings.state == "retired":
            continue
        for row in role_table(directory, view, Seen(tuple(found.get(view.id, ()))), now, secret=secret):
            if not states or row.state in states:
                yield row


def _secrets(node: Node) -> Callable[[str], str]:
    """Says why a reference leads to no secret; each is looked up once."""

    @cache
    def problem(reference: str) -> str:
        try:
            node.resolver(reference)
        except EcluseError as error:
            return error.cause
        return ""

    return problem
