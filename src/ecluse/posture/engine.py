"""The rules over the facts of every subject, looked at again only where something changed.

What a subject's rules found holds while its facts are the same, and until the first moment that one of the rules asked
about: the end of a certificate, less thirty days, for one. With nothing changed a run compares, and looks at nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ecluse.model.basics import Instant
from ecluse.posture.facts import Facts, FlowFacts, HubFacts, PartnerFacts
from ecluse.posture.rule import Hit, Moment, Rule
from ecluse.posture.rules import FLOW_RULES, HUB_RULES, IDLE_RULES, PARTNER_RULES

__all__ = ["Engine", "Found", "Verdict"]

Subject = HubFacts | PartnerFacts | FlowFacts


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule hit at a subject.

    Attributes:
        rule: Which rule.
        subject: ``hub``, ``partner:birch`` or ``flow:orders``.
        hit: Where, and what.
    """

    rule: Rule[Any]
    subject: str
    hit: Hit

    @property
    def key(self) -> str:
        """Names the finding for good."""
        return f"{self.rule.code}/{self.subject}/{self.hit.place}"


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What a run found.

    Attributes:
        at: When.
        found: By subject, worst first; a subject without findings is there too.
        changed: Subjects that were looked at again, or are gone.
    """

    at: Instant
    found: Mapping[str, tuple[Found, ...]]
    changed: frozenset[str]

    def __iter__(self) -> Iterator[Found]:
        for each in self.found.values():
            yield from each


@dataclass(frozen=True, slots=True)
class _Memory:
    facts: Subject
    until: Instant
    found: tuple[Found, ...]


class Engine:
    """Runs the rules, and remembers.

    Args:
        hub: Rules over the hub.
        partners: Rules over each partner that something is exchanged with.
        idle: Rules over the others.
        flows: Rules over each flow.
    """

    def __init__(
        self,
        hub: Sequence[Rule[HubFacts]] = HUB_RULES,
        partners: Sequence[Rule[PartnerFacts]] = PARTNER_RULES,
        idle: Sequence[Rule[PartnerFacts]] = IDLE_RULES,
        flows: Sequence[Rule[FlowFacts]] = FLOW_RULES,
    ) -> None:
        self._hub: Final = hub
        self._partners: Final = partners
        self._idle: Final = idle
        self._flows: Final = flows
        self._memory: dict[str, _Memory] = {}

    def run(self, facts: Facts, now: Instant) -> Verdict:
        """Look at everything that changed since the last run."""
        before = self._memory
        memory: dict[str, _Memory] = {}
        changed: set[str] = set()
        subjects: list[Subject] = [facts.hub, *facts.partners.values(), *facts.flows.values()]
        for subject in subjects:
            name = subject.subject
            known = before.get(name)
            if known is None or now >= known.until or (known.facts is not subject and known.facts != subject):
                known = self._look(subject, name, now)
                changed.add(name)
            memory[name] = known
        changed.update(before.keys() - memory.keys())
        self._memory = memory
        return Verdict(now, {name: known.found for name, known in memory.items()}, frozenset(changed))

    def _look(self, facts: Subject, name: str, now: Instant) -> _Memory:
        moment = Moment(now)
        found = [Found(rule, name, hit) for rule in self._rules(facts) for hit in rule.look(facts, moment)]
        found.sort(key=lambda each: (each.rule.severity.rank, each.rule.code, each.hit.place))
        return _Memory(facts, moment.until, tuple(found))

    def _rules(self, facts: Subject) -> Sequence[Rule[Any]]:
        if isinstance(facts, PartnerFacts):
            return self._partners if facts.active else self._idle
        return self._hub if isinstance(facts, HubFacts) else self._flows
