"""SARIF as its standard demands it, one page of HTML without a way out, and who depends on what."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from tests.support.posture import codes, flow_facts, hub_facts, look, own_key, partner_facts, put

from ecluse.model.basics import PartnerId
from ecluse.posture.facts import Facts, FlowFacts, PartnerFacts, Weekly
from ecluse.posture.finding import Finding, FixFacts
from ecluse.posture.grade import Step
from ecluse.posture.page import page
from ecluse.posture.reach import Reach, Reaches
from ecluse.posture.rules import RULES
from ecluse.posture.sarif import sarif

HOSTILE = "<script>alert('x')</script>\" onload=\"x\u202egnp.exe"


def finding(**more: object) -> Finding:
    base = {
        "code": "crypto.as2-unsigned",
        "severity": "high",
        "domain": "crypto",
        "subject": "partner:birch",
        "place": "as2.sign",
        "title": "What we send over AS2 is not signed",
        "observed": "as2.sign = false",
        "expected": 'sign = "sha-256" or better',
        "why": "Because.",
        "remedy": "Sign.",
        "fix": FixFacts("partners/birch.toml", ['as2.sign = "sha-256"'], []),
        "reach": Reach(1, 1, 70, ("birch",), ("orders",)),
        "first_seen": "2026-06-01T00:00:00.000Z",
        "last_seen": "2026-06-15T00:00:00.000Z",
        "opened": 1,
        "suppression": None,
        "file": "partners/birch.toml",
        "line": 6,
    }
    return Finding(**{**base, **more})  # type: ignore[arg-type]


SUPPRESSED = finding(
    code="transport.unpinned-tls",
    severity="low",
    suppression={
        "reason": "changes weekly",
        "owner": "Ines",
        "by": "operator:x",
        "at": "2026-06-01T00:00:00Z",
        "until": "2026-12-31T00:00:00Z",
    },
)


def test_sarif_has_what_its_schema_demands() -> None:
    """SARIF 2.1.0: the members that sections 3.13 to 3.49 require, their types, and indexes that lead somewhere."""
    log = json.loads(
        json.dumps(
            sarif(RULES.values(), [finding(), SUPPRESSED], version="0.1.0", at="2026-06-15T00:00:00.000Z")
        )
    )
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", driver["semanticVersion"])
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids) == len(RULES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
        assert 0 <= float(rule["properties"]["security-severity"]) <= 10
        assert re.fullmatch(r"[A-Za-z0-9]+", rule["name"])
    assert len(run["results"]) == 2
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["region"]["startLine"] >= 1
        assert not physical["artifactLocation"]["uri"].startswith("/")
        assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in result["partialFingerprints"].values())
    assert "suppressions" not in run["results"][0]
    (held,) = run["results"][1]["suppressions"]
    assert held["kind"] in ("inSource", "external")
    assert held["status"] in ("accepted", "underReview", "rejected")


def test_fingerprints_of_sarif_stay_the_same() -> None:
    def prints(each: Finding) -> object:
        (run,) = sarif(RULES.values(), [each], version="1.0.0", at="")["runs"]
        return run["results"][0]["partialFingerprints"]

    assert prints(finding()) == prints(finding(observed="other", line=9, last_seen="later"))
    assert prints(finding()) != prints(finding(place="as2.encrypt"))


def shown(*findings: Finding, hub: str = "Aster") -> str:
    return page(
        hub=hub,
        at="2026-06-15T00:00:00.000Z",
        release="0.1.0",
        subject="hub",
        letter="B",
        score=80.5,
        steps=[Step("begins with", 100.0), Step("crypto.as2-unsigned: high 15", -15.0)],
        letters={"A": 3, "B": 1},
        findings=[(each, "Depend on it: 1 partner.", ["as2.sign = true"]) for each in findings],
    )


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone() -> None:
    text = shown(finding(), SUPPRESSED)
    tags = Tags(text)
    assert not tags.names & {"script", "link", "img", "iframe", "object", "form", "a"}
    assert not {name for name in tags.attributes if name.startswith("on")} | (
        tags.attributes & {"src", "href"}
    )
    assert "default-src 'none'" in text
    assert "What we send over AS2 is not signed" in text
    assert "Suppressed until 2026-12-31" in text
    assert "80.5 of 100" in text


def test_whatever_a_partner_names_is_escaped() -> None:
    said = dict.fromkeys(("reason", "owner", "by", "at", "until"), HOSTILE)
    text = shown(
        finding(
            observed=HOSTILE, subject=HOSTILE, place=HOSTILE, remedy=HOSTILE, title=HOSTILE, suppression=said
        ),
        hub=HOSTILE,
    )
    tags = Tags(text)
    assert "script" not in tags.names
    assert "onload" not in tags.attributes
    assert "<script>" not in text


def test_an_empty_page_says_so() -> None:
    assert "Nothing was found." in shown()


def two_partners() -> Facts:
    cedar = replace(partner_facts(), id=PartnerId("cedar"))
    idle = replace(
        partner_facts(), id=PartnerId("dogwood"), settings=put(partner_facts().settings, "state", "suspended")
    )
    flow = replace(flow_facts(), settings=put(flow_facts().settings, "state", "paused"))
    other = FlowFacts("invoices", flow_facts().settings, partners=(PartnerId("birch"), PartnerId("cedar")))
    weekly = Weekly({PartnerId("birch"): 70, PartnerId("cedar"): 5}, {"orders": 40})
    partners: dict[PartnerId, PartnerFacts] = {p.id: p for p in (partner_facts(), cedar, idle)}
    hub = replace(
        hub_facts(),
        settings=put(hub_facts().settings, "organisation.email", None),
        keys=(*hub_facts().keys, replace(own_key("left", "tls-client"), ends=hub_facts().keys[0].begins)),
    )
    return Facts(hub, partners, {"orders": flow, "invoices": other}, weekly)


@pytest.mark.parametrize(
    ("code", "partners", "flows", "weekly", "first"),
    [
        ("operations.no-contact", 2, 2, 75, "birch"),
        ("lifecycle.own-certificate-ended", 1, 2, 70, "birch"),
        ("flows.paused", 1, 1, 40, "birch"),
    ],
)
def test_reach(code: str, partners: int, flows: int, weekly: int, first: str) -> None:
    given = two_partners()
    assert code in codes(given)
    found = next(each for each in look(given) if each.rule.code == code)
    reach = Reaches(given).of(found)
    assert (reach.partners, reach.flows, reach.weekly) == (partners, flows, weekly)
    assert reach.partner_names[0] == first


def test_reach_of_a_partner() -> None:
    given = two_partners()
    settings = put(partner_facts().settings, "as2.sign", False)
    birch = replace(partner_facts(), settings=settings)
    given = Facts(given.hub, {**given.partners, birch.id: birch}, given.flows, given.weekly)
    found = next(each for each in look(given) if each.rule.code == "crypto.as2-unsigned")
    assert Reaches(given).of(found) == Reach(1, 2, 70, ("birch",), ("invoices", "orders"))
