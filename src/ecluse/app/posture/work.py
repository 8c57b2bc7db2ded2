"""One process's posture: the rules run over what changed, findings settled, suppressions and baselines kept."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ecluse.app.node import Node
from ecluse.app.posture.gather import Gatherer
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant
from ecluse.posture.baseline import approve
from ecluse.posture.engine import Engine, Found, Verdict
from ecluse.posture.facts import Facts
from ecluse.posture.grade import Grade, grade_of, hub_grade
from ecluse.posture.keeping import (
    SUPPRESSION,
    Keeper,
    Run,
    Suppression,
    keep_run,
    suppress,
    suppressions,
    unsuppress,
)
from ecluse.posture.rule import DAY, Severity
from ecluse.posture.rules import RULES
from ecluse.store.port import Tx

__all__ = ["Looked", "NoSuchRule", "NoSuchSubject", "NotSuppressed", "PostureWork", "suppressed_by"]

AT_ONCE: Final = 200


class NoSuchRule(EcluseError):
    """There is no rule of that code."""

    code = "posture.no-such-rule"
    fault = Fault.USAGE
    remedy = "Look at `ecluse posture rules`."


class NoSuchSubject(EcluseError):
    """There is no such partner or flow."""

    code = "posture.no-such-subject"
    fault = Fault.USAGE
    remedy = "Write hub, partner:ID or flow:ID."


class NotSuppressed(EcluseError):
    """Nothing is suppressed there."""

    code = "posture.not-suppressed"
    fault = Fault.USAGE
    remedy = "Look at `ecluse posture --all`."


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """One run.

    Attributes:
        at: When.
        facts: What was looked at.
        verdict: What was found.
        suppressions: Those that hold.
        grades: Grade of every active partner and every flow, by subject.
        hub: The hub's grade.
        opened: Keys of findings that are new.
        closed: Keys of findings that are gone.
    """

    at: Instant
    facts: Facts
    verdict: Verdict
    suppressions: Mapping[str, Suppression]
    grades: Mapping[str, Grade]
    hub: Grade
    opened: tuple[str, ...]
    closed: tuple[str, ...]

    def suppressed(self, found: Found) -> Suppression | None:
        """Who answers for a finding; ``None`` where nobody does."""
        return suppressed_by(self.suppressions, found)


def suppressed_by(holding: Mapping[str, Suppression], found: Found) -> Suppression | None:
    """The suppression that covers a finding: of it alone, of its rule there, or of its rule everywhere."""
    if not holding:
        return None
    code = found.rule.code
    for key in (found.key, f"{code}/{found.subject}", f"{code}/*"):
        if key in holding:
            return holding[key]
    return None


class PostureWork:
    """Runs the engine for one process; any thread may ask, one at a time is answered.

    Args:
        node: The hub.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.gatherer = Gatherer(node)
        self._engine = Engine()
        self.keeper = Keeper(node.store, self._tell())
        self._lock = threading.Lock()
        self._grades: dict[str, tuple[object, Mapping[str, Suppression], Grade]] = {}
        self._held: Mapping[str, Suppression] = {}
        self._last: Run | None = None

    def _tell(self, actor: str = "hub") -> Callable[[Tx, str, str, Mapping[str, Any]], None]:
        def tell(tx: Tx, kind: str, subject: str, facts: Mapping[str, Any]) -> None:
            self._node.hub.event(tx, kind, subject, facts, actor=actor)

        return tell

    def run(self) -> Looked:
        """Look at what changed, and keep what comes of it."""
        with self._lock:
            now = self._node.hub.clock()
            facts = self.gatherer.gather()
            verdict = self._engine.run(facts, now)
            opened, closed = self.keeper.settle(verdict, now)
            held = self._suppressions(now)
            grades = self._grade(facts, verdict, held)
            own = [each for each in verdict.found["hub"] if suppressed_by(held, each) is None]
            hub = hub_grade(
                own,
                [grades[each.subject] for each in facts.partners.values() if each.active],
                [grades[each.subject] for each in facts.flows.values()],
            )
            looked = Looked(now, facts, verdict, held, grades, hub, tuple(opened), tuple(closed))
            self._keep(looked)
            return looked

    def _suppressions(self, now: Instant) -> Mapping[str, Suppression]:
        store = self._node.store
        ended = [r.key for r in store.read(lambda view: view.records_due(SUPPRESSION, now, AT_ONCE))]
        if ended:
            store.write(lambda tx: [unsuppress(tx, self._tell(), key, ended=True) for key in ended])
        held = store.read(suppressions)
        if held != self._held:
            self._held = held
        return self._held

    def _grade(self, facts: Facts, verdict: Verdict, held: Mapping[str, Suppression]) -> dict[str, Grade]:
        grades: dict[str, tuple[object, Mapping[str, Suppression], Grade]] = {}
        subjects: Iterable[str] = (
            *(each.subject for each in facts.partners.values() if each.active),
            *(each.subject for each in facts.flows.values()),
        )
        for subject in subjects:
            found = verdict.found[subject]
            known = self._grades.get(subject)
            if known is None or known[0] is not found or known[1] is not held:
                grade = grade_of([each for each in found if suppressed_by(held, each) is None])
                known = (found, held, grade)
            grades[subject] = known
        self._grades = grades
        return {subject: known[2] for subject, known in grades.items()}

    def _keep(self, looked: Looked) -> None:
        """Remember the day, where it is another one than it was."""
        counts = Counter({severity.value: 0 for severity in Severity})
        suppressed = 0
        for each in looked.verdict:
            if looked.suppressed(each) is None:
                counts[each.rule.severity.value] += 1
            else:
                suppressed += 1
        letters = Counter(
            grade.letter for subject, grade in looked.grades.items() if subject.startswith("partner:")
        )
        run = Run(
            looked.at,
            looked.hub.score,
            looked.hub.letter,
            dict(counts),
            suppressed,
            dict(sorted(letters.items())),
        )
        last = self._last
        same_day = last is not None and last.at // DAY == run.at // DAY
        if last is not None and same_day and _same(last, run):
            return
        self._last = run

        def work(tx: Tx) -> None:
            keep_run(tx, run)

        self._node.store.write(work)
        if not same_day:
            self.keeper.forget(looked.at)

    # --- what a person decides ------------------------------------------------------------------------------------

    def suppress(
        self, code: str, subject: str, place: str, *, reason: str, owner: str, until: Instant, actor: str
    ) -> str:
        """Suppress a rule at a subject (``*`` for all), or one finding of it. Gives its key.

        Raises:
            NoSuchRule, NoSuchSubject: There is none.
            BadSuppression: Reason, owner or end are not as they should be.
        """
        self._check(code, subject)
        key = "/".join(filter(None, (code, subject, place)))
        suppression = Suppression(reason, owner, actor, self._node.hub.clock(), until)
        self._node.store.write(lambda tx: suppress(tx, self._tell(actor), key, suppression))
        return key

    def unsuppress(self, code: str, subject: str, place: str, *, actor: str) -> str:
        """Let it count again. Raises :class:`NotSuppressed` where it was not suppressed."""
        key = "/".join(filter(None, (code, subject, place)))
        if not self._node.store.write(lambda tx: unsuppress(tx, self._tell(actor), key)):
            raise NotSuppressed(f"Nothing is suppressed under {key}.")
        return key

    def _check(self, code: str, subject: str) -> None:
        if code not in RULES:
            raise NoSuchRule(f"There is no rule {code[:80]!a}.")
        configuration = self._node.directory.configuration
        kind, _, name = subject.partition(":")
        known: dict[str, Collection[str]] = {"partner": configuration.partners, "flow": configuration.flows}
        if subject not in ("hub", "*") and name not in known.get(kind, ()):
            raise NoSuchSubject(f"There is no {subject[:80]!a}.")

    def approve(self, *, reason: str, actor: str, only: str = "") -> int:
        """Approve the present state, of everything or of one subject; give how many subjects.

        Raises:
            NoSuchSubject: There is none.
        """
        facts = self.gatherer.gather()
        subjects = ["hub", *(each.subject for each in facts.partners.values())]
        subjects += [each.subject for each in facts.flows.values()]
        if only:
            if only not in subjects:
                raise NoSuchSubject(f"There is no {only[:80]!a}.")
            subjects = [only]
        seen = {each.subject: each.seen for each in facts.partners.values()}
        now = self._node.hub.clock()

        def work(tx: Tx) -> int:
            found = ((each, *self.gatherer.present(each), seen.get(each, ())) for each in subjects)
            return approve(tx, self._tell(actor), found, now=now, by=actor, reason=reason, whole=not only)

        return self._node.store.write(work)


def _same(one: Run, other: Run) -> bool:
    return (one.score, one.counts, one.suppressed, one.partners) == (
        other.score,
        other.counts,
        other.suppressed,
        other.partners,
    )
