"""Whether every version that is or was in force came there as it had to: by the log's own evidence.

The database says which version is in force; whoever can write to it can say another one. The log says how each came
there: its files by digest, and where the hub had four eyes, what two operators signed. Each version is compared with
the one before it, and what was signed has to name exactly the files that differ: a version without its event, with
other files than its event's, or with changes to trust that two operators in force did not sign, is told. That the log
itself is whole is for ``ecluse log verify`` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ecluse.app.changes.check import BadApproval, checked
from ecluse.app.changes.proposal import Action, Delta, Proposal, binds, delta, digest_of, header
from ecluse.app.changes.recovery import only_removes
from ecluse.app.node import Node
from ecluse.app.versions import files_digest
from ecluse.archive.commitments import revealed
from ecluse.evidence.record import decode_leaf
from ecluse.model.basics import Instant
from ecluse.model.nouns import ConfigVersion
from ecluse.store.port import View
from ecluse.trust.changes.plan import plan
from ecluse.trust.changes.sensitive import sensitive
from ecluse.trust.configuration import Configuration
from ecluse.trust.operators import EYES, Operator, approvers, four_eyes
from ecluse.trust.settings.fields import seconds
from ecluse.wire.sshsig import BadSshSignature

__all__ = ["Verdict", "check_versions"]

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one version.

    Attributes:
        version: Its number.
        trust: How many changes to trust it has, beside the one before it.
        eyes: How many operators signed it; one where nobody had to.
        problem: What is wrong, in words; empty where all is well.
    """

    version: int
    trust: int
    eyes: int
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "version": self.version,
            "trust": self.trust,
            "eyes": self.eyes,
            "problem": self.problem or None,
        }


def check_versions(node: Node, since: int = 1) -> Iterator[Verdict]:
    """Check versions, the oldest first.

    Args:
        node: The hub.
        since: The first that is checked, against the one before it.

    Raises:
        ConfigurationError: A version can't be read by this release.
    """
    before: ConfigVersion | None = None
    former: Configuration | None = None
    for number in range(max(1, since - 1), node.version + 1):
        version = node.store.read(lambda view, number=number: view.config(number))  # type: ignore[misc]
        if version is None:
            yield Verdict(number, 0, 1, "the version is missing")
            before = former = None
            continue
        present = Configuration.from_files(version.files)
        if number >= since:
            yield _verdict(node, before, former, version, present)
        before, former = version, present


def _verdict(
    node: Node,
    before: ConfigVersion | None,
    former: Configuration | None,
    version: ConfigVersion,
    present: Configuration,
) -> Verdict:
    changes = plan(former, present)
    trust = len(sensitive(changes))
    told = node.store.read(lambda view: _facts(view, f"config:{version.number}", "config.applied"))
    if len(told) != 1:
        words = "the log does not say that it was put in force" if not told else "the log has it twice"
        return Verdict(version.number, trust, 1, words)
    if told[0].get("files_sha256") != files_digest(version.files):
        return Verdict(version.number, trust, 1, "its files are not those that were put in force")
    if before is None or former is None or not trust or not four_eyes(former.hub.operators):
        return Verdict(version.number, trust, 1)
    id = str(told[0].get("change", ""))
    if not id:
        return Verdict(version.number, trust, 1, "it changes trust, and no operator signed it")
    applied = node.store.read(lambda view: _facts(view, f"change:{id}", "change.applied"))
    if [each.get("version") for each in applied] != [version.number]:
        # What two signed once is done once: the same change may have been taken back since.
        words = "it changes trust, and the change that it names was not applied as this version alone"
        return Verdict(version.number, trust, 1, words)
    events = node.store.read(
        lambda view: [
            *_facts(view, f"change:{id}", "change.proposed"),
            *_facts(view, f"change:{id}", "change.approved"),
        ]
    )
    files = delta(before.files, version.files)
    signatures = list(_signed(id, events, files, approvers(former.hub.operators)))
    signed = set(signatures)
    recovery = len(signatures) >= EYES and only_removes(changes) and _waited(former, events[0], told[0])
    if len(signed) < EYES and not recovery:
        words = f"it changes trust, and {len(signed)} of {EYES} operators in force signed exactly that"
        return Verdict(version.number, trust, len(signed), words)
    return Verdict(version.number, trust, len(signed))


def _facts(view: View, subject: str, kind: str) -> list[Facts]:
    found = ((decode_leaf(each.leaf), revealed(each)) for each in view.events(subject))
    return [{**data, "at": each.at} for each, data in found if each.kind == kind and each.subject == subject]


def _waited(former: Configuration, proposed: Facts, applied: Facts) -> bool:
    """Whether one operator alone waited as long as the configuration said."""
    wait = former.hub.changes.recovery_wait
    return isinstance(wait, str) and applied["at"] - proposed["at"] >= seconds(wait) * 1_000_000


def _signed(id: str, events: list[Facts], files: Delta, operators: tuple[Operator, ...]) -> Iterator[str]:
    """The operators whose signatures the events hold, over a text about exactly these files."""
    at = Instant(0)
    text = ""
    for number, facts in enumerate(events):
        action: Action = "approve" if number else "propose"
        name, signature, statement = (
            str(facts.get(each, "")) for each in ("operator", "signature", "statement")
        )
        if not signature:
            continue
        said = statement.removeprefix(header(action, name))
        if said == statement or not binds(said, id, files) or said != (text or said):
            continue
        proposal = Proposal(id, at, at, 0, "", "", "", "", said, digest_of(said), 0)
        try:
            checked(proposal, operators, action, name, signature, at)
        except (BadApproval, BadSshSignature):
            continue
        text = said
        yield name
