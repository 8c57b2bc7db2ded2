"""The blast radius of a finding: which partners and flows depend on what was found, and how many messages a week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import msgspec

from ecluse.model.basics import PartnerId
from ecluse.posture.engine import Found
from ecluse.posture.facts import Facts

__all__ = ["NAMED", "Reach", "Reaches"]

NAMED: Final = 20
"""Partners and flows that are named; of more, the number tells."""


class Reach(msgspec.Struct, frozen=True):
    """Who depends on a subject.

    Attributes:
        partners: How many partners.
        flows: How many flows.
        weekly: Messages of the last seven days, of all of them.
        partner_names: The first of the partners, by messages.
        flow_names: The first of the flows, by name.
    """

    partners: int
    flows: int
    weekly: int
    partner_names: tuple[str, ...]
    flow_names: tuple[str, ...]


class Reaches:
    """Answers for the facts of one moment."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._active = tuple(id for id, partner in facts.partners.items() if partner.active)
        self._flows: dict[str, set[str]] = defaultdict(set)
        for id, flow in facts.flows.items():
            for partner in flow.partners:
                self._flows[partner].add(id)

    def of(self, found: Found) -> Reach:
        """Who depends on what ``found`` is about."""
        kind, _, name = found.subject.partition(":")
        if kind == "flow":
            flow = self._facts.flows.get(name)
            partners = flow.partners if flow is not None else ()
            return self._reach(partners, [name], self._facts.weekly.flows.get(name, 0))
        named = found.hit.partners
        if kind == "partner":
            named = (PartnerId(name),)
        elif named is None:
            weekly = sum(self._facts.weekly.partners.get(id, 0) for id in self._active)
            return self._reach(self._active, self._facts.flows, weekly)
        flows = set().union(*(self._flows.get(id, set()) for id in named))
        return self._reach(named, flows, sum(self._facts.weekly.partners.get(id, 0) for id in named))

    def _reach(self, partners: Iterable[PartnerId], flows: Iterable[str], weekly: int) -> Reach:
        counts = self._facts.weekly.partners
        by_messages = sorted(partners, key=lambda id: (-counts.get(id, 0), id))
        by_name = sorted(flows)
        return Reach(
            len(by_messages), len(by_name), weekly, tuple(by_messages[:NAMED]), tuple(by_name[:NAMED])
        )
