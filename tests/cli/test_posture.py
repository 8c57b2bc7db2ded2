"""`ecluse posture`: the report for people and programs, its exit code, and what a person decides."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.commands import say

from ecluse.posture.rule import DOMAINS
from ecluse.posture.rules import RULES


def later(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def weaken(hub: Path) -> None:
    """A folder whose files replace each other: low; and a listener in clear: high."""
    path = hub / "ecluse.toml"
    text = path.read_text().replace('address = "127.0.0.1:1"', 'address = "192.0.2.1:4080"')
    path.write_text(f'{text}\n[folders.orders]\npath = "orders"\nreplace = true\n')
    say("apply", "--yes", "--reason", "weaker", hub=hub)


def test_the_report(hub: Path) -> None:
    data = say("posture", "report", "--json", hub=hub).data
    assert data["grade"]["subject"] == "hub"
    assert data["grade"]["grade"] in "ABCDEF"
    assert data["counts"]["critical"] == 0
    codes = [each["code"] for each in data["findings"]]
    assert "operations.not-serving" in codes
    assert "operations.no-contact" not in codes  # it only informs
    ranks = [list(data["counts"]).index(each["severity"]) for each in data["findings"]]
    assert ranks == sorted(ranks)
    for each in data["findings"]:
        assert each["why"]
        assert each["remedy"]
        assert each["first_seen"] <= each["last_seen"]
    every = say("posture", "report", "--all", "--json", hub=hub).data
    assert "operations.no-contact" in [each["code"] for each in every["findings"]]


def test_without_a_command_it_is_the_report(hub: Path) -> None:
    text = say("posture", "--hub", hub).text
    assert "operations.not-serving" in text
    assert "hub: grade" in text
    explained = say("posture", "--explain", "--hub", hub).text
    assert "begins with" in explained
    assert "operations.not-serving: medium 5" in explained
    assert "Usage" in say("posture", "--help").text


def test_the_arithmetic_adds_up(hub: Path) -> None:
    weaken(hub)
    grade = say("posture", "report", "--explain", "--json", hub=hub).data["grade"]
    assert round(sum(step["points"] for step in grade["steps"]), 1) == grade["score"]


def test_pipelines_fail_on_what_they_ask_for(hub: Path) -> None:
    say("posture", "report", "--fail-on", "high", hub=hub)
    say("posture", "report", "--fail-on", "low", hub=hub, code=1)
    say("posture", "report", "--fail-on", "low", "--domain", "crypto", hub=hub)
    weaken(hub)
    say("posture", "report", "--fail-on", "high", "-q", hub=hub, code=1)
    say("posture", "report", "--fail-on", "critical", hub=hub)


@pytest.mark.parametrize(
    "words",
    [["--domain", "nonsense"], ["--fail-on", "sometimes"]],
)
def test_options_that_there_are_not(hub: Path, words: list[str]) -> None:
    assert "posture.bad-option" in say("posture", "report", *words, hub=hub, code=2).err


def test_a_partner_that_there_is_not(hub: Path) -> None:
    assert "trust.unknown-partner" in say("posture", "report", "--partner", "x", hub=hub, code=2).err


def test_sarif(hub: Path) -> None:
    weaken(hub)
    log = json.loads(say("posture", "report", "--sarif", "--fail-on", "high", hub=hub, code=1).text)
    (run,) = log["runs"]
    listener = next(each for each in run["results"] if each["ruleId"] == "transport.plain-listener")
    physical = listener["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "ecluse.toml"
    line = (hub / "ecluse.toml").read_text().splitlines()[physical["region"]["startLine"] - 1]
    assert line == "[listen.as2]"


def test_html(hub: Path, tmp_path: Path) -> None:
    page = tmp_path / "posture.html"
    say("posture", "report", "--html", page, "--all", hub=hub)
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "Posture of Cedar" in text
    assert page.stat().st_mode & 0o077 == 0


def test_rules_and_one_of_them(hub: Path) -> None:
    listed = say("posture", "rules", "--json").data["rules"]
    assert [each["code"] for each in listed] == list(RULES)
    for domain in DOMAINS:
        assert say("posture", "rules", "--domain", domain, "--json").data["rules"]
    assert "transport.cleartext-ftp" in say("posture", "rules").text
    shown = say("posture", "show", "operations.no-backup", "--json", hub=hub).data
    assert shown["rule"]["severity"] == "low"
    (found,) = shown["findings"]
    assert found["subject"] == "hub"
    text = say("posture", "show", "operations.no-backup", hub=hub).text
    assert "First seen" in text
    assert "It finds nothing." in say("posture", "show", "crypto.weak-key", hub=hub).text
    assert "posture.no-such-rule" in say("posture", "show", "nothing.at-all", hub=hub, code=2).err


def test_a_fix_is_shown_and_then_applied(hub: Path) -> None:
    weaken(hub)
    words = ["posture", "fix", "flows.folder-overwrites", "hub"]
    shown = say(*words, "--json", hub=hub).data
    assert not shown["applied"]
    assert [each["field"] for each in shown["changes"]] == ["folders.orders.replace"]
    assert "replace = true" in (hub / "ecluse.toml").read_text()
    done = say(*words, "--apply", "--yes", "--json", hub=hub).data
    assert done["applied"]
    assert "replace = true" not in (hub / "ecluse.toml").read_text()
    assert "posture.not-found" in say(*words, hub=hub, code=2).err
    told = say("posture", "fix", "operations.not-serving", "hub", hub=hub)
    assert "ecluse serve" in told.text


def test_suppressions(hub: Path) -> None:
    words = ["posture", "suppress", "operations.no-backup", "hub"]
    given = ["--reason", "a lab", "--owner", "Ines Roux", "--until", later(20)]
    key = say(*words, *given, "--json", hub=hub).data["key"]
    assert key == "operations.no-backup/hub"
    codes = {each["code"] for each in say("posture", "report", "--json", hub=hub).data["findings"]}
    assert "operations.no-backup" not in codes
    every = say("posture", "report", "--all", "--json", hub=hub).data
    (held,) = [each for each in every["findings"] if each["code"] == "operations.no-backup"]
    assert held["suppression"]["owner"] == "Ines Roux"
    assert held["suppression"]["until"].startswith(later(20))
    assert "suppressed until" in say("posture", "report", "--all", hub=hub).text
    say("posture", "unsuppress", "operations.no-backup", "hub", hub=hub)
    assert "operations.no-backup" in say("posture", "report", hub=hub).text


@pytest.mark.parametrize("missing", ["--reason", "--owner", "--until"])
def test_a_suppression_needs_all_three(hub: Path, missing: str) -> None:
    given = {"--reason": "x", "--owner": "y", "--until": later(5)}
    words = [each for name, value in given.items() if name != missing for each in (name, value)]
    assert missing in say("posture", "suppress", "operations.no-backup", "hub", *words, hub=hub, code=2).err


@pytest.mark.parametrize("until", ["soon", "2020-01-01", "2999-01-01"])
def test_a_suppression_ends(hub: Path, until: str) -> None:
    words = ["--reason", "x", "--owner", "y", "--until", until]
    say("posture", "suppress", "operations.no-backup", "hub", *words, hub=hub, code=2)


def test_the_baseline(hub: Path) -> None:
    assert say("posture", "baseline", "diff", "--json", hub=hub).data["approved"] is False
    assert "posture.no-such-subject" in say("posture", "baseline", "show", hub=hub, code=2).err
    say("posture", "baseline", "approve", "--reason", "first", "--yes", hub=hub)
    shown = say("posture", "baseline", "show", "--json", hub=hub).data
    assert shown["words"]["organisation.name"] == "Cedar"
    assert shown["reason"] == "first"
    assert say("posture", "baseline", "diff", "--json", hub=hub).data["findings"] == []
    weaken(hub)
    found = say("posture", "baseline", "diff", "--json", hub=hub, code=1).data["findings"]
    assert {each["place"] for each in found} >= {"listen.as2.address", "folders.orders.path"}
    say("posture", "baseline", "approve", "--reason", "agreed", "--yes", hub=hub)
    assert "Nothing differs" in say("posture", "baseline", "diff", hub=hub).text


def test_history(hub: Path) -> None:
    assert say("posture", "history", "--json", hub=hub).data["runs"] == []
    say("posture", "report", hub=hub)
    (run,) = say("posture", "history", "--json", hub=hub).data["runs"]
    assert run["grade"] in "ABCDEF"
    assert run["counts"]["medium"] >= 1
    assert f"{datetime.now(UTC):%Y-%m-%d}" in say("posture", "history", hub=hub).text
