"""A finding's fix as a plan, and put in force the way every change of the configuration is."""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.app.changes import Signer
from ecluse.app.node import Node
from ecluse.app.posture.work import Looked, NoSuchRule
from ecluse.app.settings import change_files, plan_files, settled_files
from ecluse.errors import EcluseError, Fault
from ecluse.model.nouns import ConfigVersion
from ecluse.posture.edits import file_of, with_puts
from ecluse.posture.engine import Found
from ecluse.posture.rules import RULES
from ecluse.trust.changes.plan import Plan

__all__ = ["FixPlan", "NotFound", "apply_fix", "plan_fix"]


class NotFound(EcluseError):
    """The rule finds nothing there."""

    code = "posture.not-found"
    fault = Fault.USAGE
    remedy = "Look at `ecluse posture --all`."


@dataclass(frozen=True, slots=True)
class FixPlan:
    """What would be done about a finding.

    Attributes:
        found: What it is about.
        files: Every file of the configuration as it would be; ``None`` where no edit helps.
        plan: What applying them would change.
        commands: What to run besides, or instead.
        remedy: What to do, in words.
    """

    found: tuple[Found, ...]
    files: dict[str, str] | None
    plan: Plan
    commands: tuple[str, ...]
    remedy: str


def plan_fix(node: Node, looked: Looked, code: str, subject: str, place: str = "") -> FixPlan:
    """The fix of what a rule found at a subject.

    Args:
        node: The hub.
        looked: A run.
        code: Of the rule.
        subject: ``hub``, ``partner:birch`` or ``flow:orders``.
        place: One finding of several.

    Raises:
        NoSuchRule: There is no such rule.
        NotFound: It finds nothing there.
        PendingChanges: The hub's files hold changes that are not in force.
        ConfigurationError: The fix alone does not make a configuration that holds together.
    """
    if code not in RULES:
        raise NoSuchRule(f"There is no rule {code[:80]!a}.")
    found = tuple(
        each
        for each in looked.verdict.found.get(subject, ())
        if each.rule.code == code and (not place or each.hit.place == place)
    )
    if not found:
        raise NotFound(f"{code} finds nothing at {subject}{f' ({place})' if place else ''}.")
    fixes = [each.hit.fix for each in found if each.hit.fix is not None]
    puts = list({put.path: put for fix in fixes for put in fix.puts}.values())
    commands = tuple(dict.fromkeys(command for fix in fixes for command in fix.commands))
    remedy = found[0].rule.remedy
    if not puts:
        return FixPlan(found, None, Plan(()), commands, remedy)
    files = settled_files(node)
    path = file_of(subject)
    files = {**files, path: with_puts(files[path], puts)}
    changes, _ = plan_files(node, files)
    return FixPlan(found, files, changes, commands, remedy)


def apply_fix(
    node: Node, fix: FixPlan, *, actor: str, reason: str = "", signer: Signer | None = None
) -> ConfigVersion | None:
    """Put a fix in force.

    Args:
        node: The hub.
        fix: The plan; it has files.
        actor: Who.
        reason: Why; by default that it is this fix.
        signer: Signs for an operator, should a second one have to approve it.

    Raises:
        ChangeHeld: It changes trust, and the hub has four eyes: it waits for the second person.
        ConfigurationError, Conflict: As :func:`ecluse.app.settings.change_files` says.
    """
    assert fix.files is not None, "there is something to apply"
    codes = ", ".join(dict.fromkeys(each.rule.code for each in fix.found))
    return change_files(node, fix.files, actor=actor, reason=reason or f"fix of {codes}", signer=signer)
