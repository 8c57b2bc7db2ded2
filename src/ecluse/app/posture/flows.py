"""Whom a flow concerns, and what it misses."""

from __future__ import annotations

from ecluse.exchange.flows.expect import standings
from ecluse.exchange.flows.plan import FlowPlan
from ecluse.model.basics import Instant, PartnerId
from ecluse.model.calendars import local
from ecluse.store.port import View
from ecluse.trust.configuration import Configuration

__all__ = ["missed", "partners_of", "with_openpgp"]


def _named(flow: FlowPlan) -> tuple[str, ...]:
    """Names behind the channels of a flow."""
    channels = [flow.settings.from_.channel or "", *(target.channel for target in flow.settings.to)]
    return tuple(
        dict.fromkeys(
            name for kind, _, name in (c.partition(":") for c in channels) if kind != "folder" and name
        )
    )


def partners_of(flow: FlowPlan, configuration: Configuration) -> tuple[PartnerId, ...]:
    """Partners whose documents it moves, as far as its file names them."""
    names: dict[PartnerId, None] = {}
    for name in _named(flow):
        if name == "*":
            source = flow.settings.from_
            kind = (source.channel or "").partition(":")[0]
            every = source.partners or [
                id
                for id, each in configuration.partners.items()
                if each.state == "active" and getattr(each, kind) is not None
            ]
            names |= dict.fromkeys(PartnerId(each) for each in every)
        elif name in configuration.partners:
            names[PartnerId(name)] = None
    return tuple(names)


def with_openpgp(flow: FlowPlan, configuration: Configuration) -> frozenset[str]:
    """Partners that its file names and whose files have OpenPGP certificates."""
    found = []
    for name in _named(flow):
        partner = configuration.partners.get(PartnerId(name))
        if partner is not None and partner.openpgp is not None and partner.openpgp.certificates:
            found.append(name)
    return frozenset(found)


def missed(view: View, flow: FlowPlan, now: Instant) -> tuple[str, ...]:
    """Names of expectations that were not met today."""
    found = []
    for expected, standing in zip(flow.expected, standings(view, flow, now), strict=True):
        last = standing.last
        today = local(now, expected.deadline.zone).date().isoformat()
        if last is not None and last.state == "missed" and last.day == today:
            found.append(standing.name)
    return tuple(found)
