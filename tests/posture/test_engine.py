"""The engine looks at what changed, and again when a moment passes that a rule asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.support.posture import DAY, NOW, facts, flow_facts, hub_facts, partner_facts, put, seen

from ecluse.model.basics import Instant
from ecluse.posture.engine import Engine
from ecluse.posture.facts import Approved, Facts, PartnerFacts
from ecluse.posture.rule import Hit, Moment, Rule, Severity


class Counting:
    """A rule that counts its looks, and finds partners that nobody signs to."""

    def __init__(self) -> None:
        self.looks = 0

    @property
    def rule(self) -> Rule[PartnerFacts]:
        def look(given: PartnerFacts, moment: Moment) -> Iterator[Hit]:
            self.looks += 1
            moment.passed(Instant(NOW + 10 * DAY))
            if given.settings.as2 is not None and given.settings.as2.sign is False:
                yield Hit("as2.sign", "unsigned")

        return Rule("crypto.test", Severity.HIGH, "Test", "Why.", "signed", "Sign.", look)


def unsigned() -> PartnerFacts:
    return replace(partner_facts(), settings=put(partner_facts().settings, "as2.sign", False))


def test_what_did_not_change_is_not_looked_at_again() -> None:
    counting = Counting()
    engine = Engine(partners=[counting.rule])
    first = engine.run(facts(), NOW)
    assert counting.looks == 1
    assert first.changed == {"hub", "partner:birch", "flow:orders"}
    second = engine.run(facts(), Instant(NOW + DAY))
    assert counting.looks == 1
    assert second.changed == frozenset()
    # Facts that are equal are the same, whoever made them.
    engine.run(facts(partner=replace(partner_facts())), Instant(NOW + DAY))
    assert counting.looks == 1


def test_what_changed_is() -> None:
    counting = Counting()
    engine = Engine(partners=[counting.rule])
    engine.run(facts(), NOW)
    verdict = engine.run(facts(partner=unsigned()), NOW)
    assert verdict.changed == {"partner:birch"}
    assert [each.key for each in verdict] == ["crypto.test/partner:birch/as2.sign"]
    assert [each.key for each in engine.run(facts(), NOW)] == []
    assert counting.looks == 3


def test_a_moment_that_passes_is_a_change() -> None:
    counting = Counting()
    engine = Engine(partners=[counting.rule])
    engine.run(facts(), NOW)
    engine.run(facts(), Instant(NOW + 10 * DAY - 1))
    assert counting.looks == 1
    assert engine.run(facts(), Instant(NOW + 10 * DAY)).changed == {"partner:birch"}
    assert counting.looks == 2


def test_who_is_gone_is_told_of_once() -> None:
    engine = Engine()
    engine.run(facts(), NOW)
    without = Facts(hub_facts(), {}, {flow_facts().id: flow_facts()})
    assert engine.run(without, NOW).changed == {"partner:birch"}
    assert engine.run(without, NOW).changed == frozenset()


def test_a_certificate_is_found_on_the_day_that_it_begins_to_end() -> None:
    engine = Engine()
    ends = partner_facts().certificates.entries[0].info.not_after

    def codes(days: int) -> set[str]:
        found = engine.run(facts(), Instant(ends - days * DAY)).found["partner:birch"]
        return {each.rule.code for each in found if each.rule.code.startswith("lifecycle.certificate")}

    assert codes(91) == set()
    assert codes(90) == {"lifecycle.certificate-ending-quarter"}
    assert codes(31) == {"lifecycle.certificate-ending-quarter"}
    assert codes(30) == {"lifecycle.certificate-ending"}
    assert codes(6) == {"lifecycle.certificate-ending-week"}
    assert codes(0) == {"lifecycle.certificate-ended"}


def test_the_worst_comes_first() -> None:
    settings = put(put(partner_facts().settings, "ftps.mode", "clear"), "as2.encrypt", "aes-256-cbc")
    found = list(Engine().run(facts(partner=replace(partner_facts(), settings=settings)), NOW))
    ranks = [each.rule.severity.rank for each in found]
    assert len(found) >= 2
    assert ranks == sorted(ranks)


def test_a_sighting_of_a_new_host_key_drifts_from_the_baseline() -> None:
    approved = Approved(Instant(NOW - 10 * DAY), "operator:ines")
    old = seen("sftp", "host-key", "SHA256:old", first=100)
    engine = Engine()
    base = replace(partner_facts(), approved=approved, seen=(old,))
    assert list(engine.run(facts(partner=base), NOW)) == []
    swapped = replace(base, seen=(old, seen("sftp", "host-key", "SHA256:new")))
    (found,) = engine.run(facts(partner=swapped), NOW)
    assert found.rule.code == "transport.server-drift"
    assert "SHA256:new" in found.hit.observed
