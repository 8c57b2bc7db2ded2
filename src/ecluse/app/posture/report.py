"""What a run found, joined with what is remembered of it: for people, and for programs as a promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from ecluse.app.posture.work import Looked
from ecluse.model.basics import Instant, iso
from ecluse.posture.edits import file_of, line_of
from ecluse.posture.engine import Found
from ecluse.posture.finding import Finding, FixFacts, Standing
from ecluse.posture.grade import Grade
from ecluse.posture.keeping import Keeper, Run, Suppression
from ecluse.posture.looks import dotted
from ecluse.posture.reach import Reaches
from ecluse.posture.rule import Severity, in_words

__all__ = ["Report", "report", "rule_facts", "run_facts"]

PARTNERS: Final = 50
"""Partners whose grades are listed: the worst ones."""


class Report(msgspec.Struct, frozen=True):
    """A report.

    Attributes:
        at: When.
        hub: The hub's name.
        release: Of the program.
        grade: The subject that was asked for: the hub, or one partner.
        standings: The worst partners.
        letters: Partners by letter.
        counts: Findings by severity, of those in the report that nobody suppressed.
        suppressed: How many are suppressed.
        findings: Worst first.
    """

    at: str
    hub: str
    release: str
    grade: Standing
    standings: list[Standing]
    letters: dict[str, int]
    counts: dict[str, int]
    suppressed: int
    findings: list[Finding]

    def worst(self) -> Severity | None:
        """The worst severity that nobody suppressed; ``None`` where nothing was found."""
        return next((severity for severity in Severity if self.counts.get(severity.value)), None)


def report(
    looked: Looked,
    keeper: Keeper,
    files: Mapping[str, str],
    *,
    partner: str = "",
    domain: str = "",
    everything: bool = False,
    explain: bool = False,
) -> Report:
    """Make the report of a run.

    Args:
        looked: The run.
        keeper: What is remembered.
        files: The configuration's files, for the lines.
        partner: Only this partner.
        domain: Only this domain.
        everything: Suppressed findings, and those that only inform, too.
        explain: With the arithmetic.
    """
    subject = f"partner:{partner}" if partner else ""
    reaches = Reaches(looked.facts)
    chosen = [each for each in _chosen(looked, subject) if not domain or each.rule.domain == domain]
    counts = Counter(each.rule.severity.value for each in chosen if looked.suppressed(each) is None)
    suppressed = sum(looked.suppressed(each) is not None for each in chosen)
    shown = [
        each
        for each in chosen
        if everything or (looked.suppressed(each) is None and each.rule.severity is not Severity.INFO)
    ]
    shown.sort(
        key=lambda each: (each.rule.severity.rank, each.subject != "hub", each.rule.code, each.subject)
    )
    findings = [_finding(looked, keeper, reaches, each, files) for each in shown]
    grade = looked.grades.get(subject) if subject else looked.hub
    letters = Counter(g.letter for s, g in looked.grades.items() if s.startswith("partner:"))
    worst = sorted(
        (
            (s, g)
            for s, g in looked.grades.items()
            if s.startswith("partner:") and (not subject or s == subject)
        ),
        key=lambda pair: (pair[1].score, pair[0]),
    )
    return Report(
        at=iso(looked.at),
        hub=looked.facts.hub.settings.organisation.name,
        release=looked.facts.hub.machine.release,
        grade=_standing(subject or "hub", grade, explain),
        standings=[_standing(s, g, explain) for s, g in worst[:PARTNERS]],
        letters=dict(sorted(letters.items())),
        counts={severity.value: counts[severity.value] for severity in Severity},
        suppressed=suppressed,
        findings=findings,
    )


def _chosen(looked: Looked, subject: str) -> Iterator[Found]:
    if subject:
        yield from looked.verdict.found.get(subject, ())
    else:
        yield from looked.verdict


def _standing(subject: str, grade: Grade | None, explain: bool) -> Standing:
    if grade is None:  # nothing is exchanged with a partner in this state
        return Standing(subject, "-", 0.0)
    return Standing(subject, grade.letter, grade.score, grade.steps if explain else ())


def _finding(
    looked: Looked, keeper: Keeper, reaches: Reaches, found: Found, files: Mapping[str, str]
) -> Finding:
    kept = keeper.kept(found)
    rule, hit = found.rule, found.hit
    file = file_of(found.subject)
    suppression = looked.suppressed(found)
    return Finding(
        code=rule.code,
        severity=rule.severity.value,
        domain=rule.domain,
        subject=found.subject,
        place=hit.place,
        title=rule.title,
        observed=hit.observed,
        expected=hit.expected or rule.expected,
        why=rule.why,
        remedy=rule.remedy,
        fix=_fix(found, file),
        reach=reaches.of(found),
        first_seen=iso(kept.first if kept is not None else looked.at),
        last_seen=iso(looked.at),
        opened=kept.times if kept is not None else 1,
        suppression=None if suppression is None else _suppression(suppression),
        file=file,
        line=line_of(files.get(file, ""), hit.place),
    )


def _suppression(suppression: Suppression) -> dict[str, str]:
    return {
        "reason": suppression.reason,
        "owner": suppression.owner,
        "by": suppression.by,
        "at": iso(suppression.at),
        "until": iso(Instant(suppression.until - 1)),
    }


def _fix(found: Found, file: str) -> FixFacts | None:
    fix = found.hit.fix
    if fix is None:
        return None
    edits = [
        f"{dotted(put.path)} = {in_words(put.value)}"
        if put.value is not None
        else f"without {dotted(put.path)}"
        for put in fix.puts
    ]
    return FixFacts(file if edits else "", edits, list(fix.commands))


def rule_facts(rules: Iterable[Any]) -> list[dict[str, str]]:
    """Rules, for programs."""
    return [
        {
            "code": rule.code,
            "domain": rule.domain,
            "severity": rule.severity.value,
            "title": rule.title,
            "why": rule.why,
            "expected": rule.expected,
            "remedy": rule.remedy,
            "source": rule.source,
        }
        for rule in rules
    ]


def run_facts(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """History, for programs."""
    return [{**msgspec.to_builtins(run), "at": iso(run.at)} for run in runs]
