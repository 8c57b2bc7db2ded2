"""Every rule, by what it looks at. Codes are stable: none changes its meaning, and none is used again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ecluse.posture.facts import FlowFacts, HubFacts, PartnerFacts
from ecluse.posture.rule import Rule
from ecluse.posture.rules import (
    archive,
    assurance,
    authentication,
    crypto,
    evidence,
    flows,
    lifecycle,
    lifecycle_ours,
    operations,
    permitted,
    places,
    secrets,
    stamps,
    transport,
)

__all__ = ["FLOW_RULES", "HUB_RULES", "IDLE_RULES", "PARTNER_RULES", "RULES"]

HUB_RULES: Final[tuple[Rule[HubFacts], ...]] = (
    *crypto.HUB,
    *lifecycle_ours.HUB,
    *transport.HUB,
    *authentication.HUB,
    *assurance.HUB,
    *secrets.HUB,
    *flows.HUB,
    *evidence.HUB,
    *archive.HUB,
    *stamps.HUB,
    *operations.HUB,
)
PARTNER_RULES: Final[tuple[Rule[PartnerFacts], ...]] = (
    *crypto.PARTNER,
    *permitted.PARTNER,
    *lifecycle.PARTNER,
    *assurance.PARTNER,
    *transport.PARTNER,
    *authentication.PARTNER,
    *secrets.PARTNER,
    *places.PARTNER,
    *evidence.PARTNER,
    *operations.PARTNER,
)
IDLE_RULES: Final[tuple[Rule[PartnerFacts], ...]] = (*lifecycle.IDLE, *operations.PARTNER)
"""Rules over partners that nothing is exchanged with: what their files allow harms nobody as long as it lasts."""
FLOW_RULES: Final[tuple[Rule[FlowFacts], ...]] = (*crypto.FLOW, *flows.FLOW, *operations.FLOW)

RULES: Final[Mapping[str, Rule[Any]]] = {
    rule.code: rule for rules in (HUB_RULES, PARTNER_RULES, IDLE_RULES, FLOW_RULES) for rule in rules
}
"""Every rule by its code; one that looks at several kinds of subjects stands here once."""
