"""A report as SARIF 2.1.0 (OASIS, 27 March 2020), which code hosts and security dashboards read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from ecluse.posture.finding import Finding
from ecluse.posture.rule import Rule, Severity

__all__ = ["SCHEMA", "sarif"]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVELS: Final[Mapping[str, str]] = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
"""Section 3.27.10: what fails a build, what should be looked at, and the rest."""
_SCORES: Final[Mapping[str, str]] = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "0.0",
}
"""The property security-severity, by which code hosts sort; the middles of CVSS's bands."""


def sarif(rules: Iterable[Rule[Any]], results: Iterable[Finding], *, version: str, at: str) -> dict[str, Any]:
    """The log file as an object.

    Args:
        rules: Every rule.
        results: Findings of these rules.
        version: Of the program.
        at: When the run was, RFC 3339.
    """
    listed = list(rules)
    places = {rule.code: number for number, rule in enumerate(listed)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Ecluse posture",
                        "semanticVersion": version,
                        "rules": [_rule(rule) for rule in listed],
                    }
                },
                "automationDetails": {"id": "ecluse-posture/"},
                "invocations": [{"executionSuccessful": True, "endTimeUtc": at}],
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, places[each.code]) for each in results],
            }
        ],
    }


def _rule(rule: Rule[Any]) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.code.replace(".", "-").split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {
            "text": f"Expected: {rule.expected}\n{rule.remedy}"
            + (f"\nSource: {rule.source}" * bool(rule.source))
        },
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {
            "tags": ["security", rule.domain],
            "security-severity": _SCORES[rule.severity],
            "precision": "high",
        },
    }


def _result(each: Finding, index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": each.code,
        "ruleIndex": index,
        "level": _LEVELS[each.severity],
        "message": {"text": f"{each.subject}: {each.observed}. Expected: {each.expected}. {each.remedy}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": each.file, "uriBaseId": "HUB"},
                    "region": {"startLine": each.line},
                },
                "logicalLocations": [{"fullyQualifiedName": f"{each.subject}/{each.place}"}],
            }
        ],
        "partialFingerprints": {"ecluse/1": sha256(each.key.encode()).hexdigest()},
        "properties": {"firstSeen": each.first_seen},
    }
    if each.suppression is not None:
        said = each.suppression
        words = f"{said['reason']} ({said['owner']}, until {said['until'][:10]})"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": words}]
    return result
