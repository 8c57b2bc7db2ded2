"""Posture: what is weak, why it matters, the fix; for people and for pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ecluse.cli import posture_baseline
from ecluse.cli.frame import Frame, Group, command, write_json
from ecluse.cli.posture_baseline import FINDING, look
from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ecluse.app.posture.report import Report
    from ecluse.posture.finding import Finding

__all__ = ["app"]


class _Default(Group):
    """A group whose first command is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """With ``report`` before options that stand alone."""
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["report", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Default,
    help="Posture: what is weak in the hub, why it matters, and the fix. Without a command, the report. `ecluse "
    "doctor` says what does not work; posture says what works and could be misused or will break.",
)
app.add_typer(posture_baseline.app, name="baseline", cls=Group)

SEVERITIES: Final = ("critical", "high", "medium", "low", "info")
STYLES: Final = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "blue",
    "info": "dim",
}


class BadOption(EcluseError):
    """An option has a value that it can't have."""

    code = "posture.bad-option"
    fault = Fault.USAGE
    remedy = "Look at the command's --help."


def _check(name: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise BadOption(f"There is no {name} {value[:40]!a}.", remedy=f"Choose among {', '.join(known)}.")


def report(
    frame: Frame,
    partner: Annotated[
        str | None, typer.Option("--partner", help="Only this partner.", show_default=False)
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option(
            "--domain",
            help="Only crypto, lifecycle, transport, authentication, secrets, flows, evidence or operations.",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            help="Exit code 1 where a finding is that severe, or worse: critical, high, medium, low or info.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Suppressed findings, and those that only inform, too.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show the arithmetic of the grades.")] = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="SARIF 2.1.0 on standard output.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one page of HTML.", show_default=False)
    ] = None,
) -> None:
    """What is weak, worst first, with a grade. The findings are kept, so that first and last seen are known."""
    from ecluse.app.posture.report import report as make
    from ecluse.posture.rule import DOMAINS, Severity

    _check("domain", domain, DOMAINS)
    _check("severity", fail_on, SEVERITIES)
    with frame.node() as node:
        if partner is not None:
            node.directory.partner(partner)
        work, looked = look(frame, node)
        made = make(
            looked,
            work.keeper,
            node.directory.configuration.files,
            partner=partner or "",
            domain=domain or "",
            everything=everything,
            explain=explain,
        )
    if html is not None:
        _write_page(html, made)
    if sarif:
        from ecluse.posture.rules import RULES
        from ecluse.posture.sarif import sarif as as_sarif

        write_json(as_sarif(RULES.values(), made.findings, version=made.release, at=made.at))
    else:
        frame.show(made, lambda console: _draw(console, made, explain))
    worst = made.worst()
    if fail_on is not None and worst is not None and worst.reaches(Severity(fail_on)):
        raise typer.Exit(1)


command(
    app,
    "report",
    gives="at, hub, release, grade{subject, grade, score, steps[]{words, points}}, standings[]{subject, grade, score, "
    f"steps[]}}, letters, counts, suppressed, findings[]{FINDING}",
    example="ecluse --hub hub posture\necluse --hub hub posture --partner birch --explain\n"
    "ecluse --hub hub posture --fail-on high --sarif > posture.sarif",
)(report)


def _write_page(path: Path, made: Report) -> None:
    from ecluse import durable
    from ecluse.posture.page import page

    text = page(
        hub=made.hub,
        at=made.at,
        release=made.release,
        subject=made.grade.subject,
        letter=made.grade.grade,
        score=made.grade.score,
        steps=made.grade.steps,
        letters=made.letters,
        findings=[(each, _reach(each), _fix_lines(each)) for each in made.findings],
    )
    durable.replace(path, text.encode(), 0o600)


def _reach(each: Finding) -> str:
    reach = each.reach
    names = ", ".join(reach.partner_names[:5]) + (", ..." if reach.partners > 5 else "")
    flows = f", {reach.flows} flow{'s'[: reach.flows != 1]}" if reach.flows else ""
    shown = f" ({names})" if names and not each.subject.startswith("partner:") else ""
    return (
        f"Depend on it: {reach.partners} partner{'s'[: reach.partners != 1]}{shown}{flows}, "
        f"{reach.weekly} messages a week."
    )


def _fix_lines(each: Finding) -> list[str]:
    if each.fix is None:
        return []
    lines = [f"{each.fix.file}: {edit}" for edit in each.fix.edits] + each.fix.commands
    if each.fix.edits:
        lines.append(f"ecluse posture fix {each.code} {each.subject} --apply")
    return lines


def _draw(console: Console, made: Report, explain: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for title in ("severity", "subject", "finding"):
        table.add_column(title, overflow="fold", no_wrap=title == "severity")
    for each in made.findings:
        text = Text(each.title)
        text.append(f"  {each.code}\n", style="dim")
        text.append(each.observed)
        if each.suppression is not None:
            until, owner = each.suppression["until"][:10], each.suppression["owner"]
            text.append(f"\nsuppressed until {until} ({owner})", style="dim")
        else:
            text.append(f"\n{each.remedy}", style="cyan")
        table.add_row(Text(each.severity, STYLES[each.severity]), Text(each.subject, "bold"), text)
    if made.findings:
        console.print(table)
    counts = (
        ", ".join(f"{count} {name}" for name, count in made.counts.items() if count) or "nothing was found"
    )
    held = f"; {made.suppressed} suppressed" if made.suppressed else ""
    console.print(
        Text.assemble((f"{made.grade.subject}: grade ", ""), (made.grade.grade, "bold"))
        + Text(f", {made.grade.score:g} of 100 ({counts}{held}).")
    )
    if made.letters and made.grade.subject == "hub":
        console.print(
            "Partners: " + ", ".join(f"{letter} {count}" for letter, count in made.letters.items()) + "."
        )
    if explain:
        for standing in (
            made.grade,
            *(each for each in made.standings if each.subject != made.grade.subject),
        ):
            console.print(_arithmetic(standing.subject, standing.grade, standing.score, standing.steps))


def _arithmetic(subject: str, letter: str, score: float, steps: Any) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, title=f"{subject}: {letter}, {score:g}", title_justify="left")
    table.add_column("")
    table.add_column("points", justify="right")
    for step in steps:
        table.add_row(Text(step.words), f"{step.points:+g}")
    return table


def show(
    frame: Frame,
    code: Annotated[str, typer.Argument(help="Of a rule.", show_default=False)],
) -> None:
    """One rule: why it matters, what is expected, and where it finds something."""
    from ecluse.app.posture.report import report as make
    from ecluse.app.posture.report import rule_facts
    from ecluse.app.posture.work import NoSuchRule
    from ecluse.posture.rules import RULES

    rule = RULES.get(code)
    if rule is None:
        raise NoSuchRule(f"There is no rule {code[:80]!a}.")
    with frame.node() as node:
        work, looked = look(frame, node)
        made = make(looked, work.keeper, node.directory.configuration.files, everything=True)
    found = [each for each in made.findings if each.code == code]

    def draw(console: Console) -> None:
        from rich.text import Text

        console.print(Text.assemble((rule.code, "bold"), "  ", (rule.severity.value, STYLES[rule.severity])))
        console.print(Text(f"{rule.title}.\n{rule.why}"), soft_wrap=True)
        console.print(Text(f"Expected: {rule.expected}"), soft_wrap=True)
        console.print(Text(rule.remedy, "cyan"), soft_wrap=True)
        if rule.source:
            console.print(Text(f"Source: {rule.source}", "dim"), soft_wrap=True)
        for each in found:
            lines = [f"\n{each.subject} {each.place}", f"  {each.observed}", f"  {_reach(each)}"]
            lines.append(f"  First seen {each.first_seen}, last {each.last_seen}.")
            if each.suppression is not None:
                said = each.suppression
                lines.append(f"  Suppressed until {said['until'][:10]}: {said['reason']} ({said['owner']})")
            lines += [f"  {line}" for line in _fix_lines(each)]
            console.print(Text("\n".join(lines)), soft_wrap=True)
        if not found:
            console.print("\nIt finds nothing.")

    frame.show({"rule": rule_facts([rule])[0], "findings": found}, draw)


command(
    app,
    "show",
    gives=f"rule{{code, domain, severity, title, why, expected, remedy, source}}, findings[]{FINDING}",
    example="ecluse --hub hub posture show transport.cleartext-ftp",
)(show)


def rules(
    frame: Frame,
    domain: Annotated[
        str | None, typer.Option("--domain", help="Only this domain.", show_default=False)
    ] = None,
) -> None:
    """List every rule."""
    from ecluse.app.posture.report import rule_facts
    from ecluse.posture.rule import DOMAINS
    from ecluse.posture.rules import RULES

    _check("domain", domain, DOMAINS)
    chosen = [rule for rule in RULES.values() if domain is None or rule.domain == domain]

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for title in ("code", "severity", "what it finds"):
            table.add_column(title, overflow="fold")
        for rule in chosen:
            table.add_row(rule.code, Text(rule.severity.value, STYLES[rule.severity]), Text(rule.title))
        console.print(table)

    frame.show({"rules": rule_facts(chosen)}, draw)


command(
    app,
    "rules",
    gives="rules[]{code, domain, severity, title, why, expected, remedy, source}",
    example="ecluse posture rules --domain crypto",
)(rules)


def fix(
    frame: Frame,
    code: Annotated[str, typer.Argument(help="Of the rule.", show_default=False)],
    subject: Annotated[str, typer.Argument(help="hub, partner:ID or flow:ID.", show_default=False)],
    place: Annotated[
        str, typer.Option("--place", help="One finding of several there.", show_default=False)
    ] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Put it in force.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; it is kept with the version.", show_default=False)
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """The fix of a finding as a plan; with --apply it is put in force, as every change of the configuration is."""
    from ecluse.app.posture.fixes import apply_fix, plan_fix
    from ecluse.cli.configuration import draw_plan

    version = None
    with frame.node() as node:
        _, looked = look(frame, node)
        planned = plan_fix(node, looked, code, subject, place)
        if apply and planned.files is not None and planned.plan:
            if not yes and not frame.json:
                draw_plan(frame.err, planned.plan)
            frame.confirm("Apply this?", yes=yes)
            version = apply_fix(node, planned, actor=frame.actor, reason=reason, signer=frame.signer(node))

    def draw(console: Console) -> None:
        from rich.text import Text

        if version is not None:
            console.print(f"Version {version.number} is in force.")
        elif planned.plan:
            draw_plan(console, planned.plan)
            console.print("Put it in force with --apply.")
        else:
            console.print(Text(planned.remedy), soft_wrap=True)
        for line in planned.commands:
            console.print(Text(f"  {line}", "cyan"), soft_wrap=True)

    facts = {
        "applied": version is not None,
        "version": version.number if version is not None else None,
        "changes": planned.plan.changes,
        "commands": planned.commands,
        "remedy": planned.remedy,
    }
    frame.show(facts, draw)


command(
    app,
    "fix",
    gives="applied, version, changes[]{kind, subject, field, before, after}, commands[], remedy",
    example="ecluse --hub hub posture fix crypto.accepts-unsigned partner:birch\n"
    "ecluse --hub hub posture fix crypto.accepts-unsigned partner:birch --apply",
    signs=True,
)(fix)


def history(frame: Frame) -> None:
    """How posture was, day by day: grades, and findings by severity."""
    from ecluse.app.posture.report import run_facts
    from ecluse.posture.keeping import history as read

    with frame.node() as node:
        runs = node.store.read(read)

    def draw(console: Console) -> None:
        from rich.table import Table

        if not runs:
            console.print("Nothing is remembered yet: run `ecluse posture`, or serve the hub.")
            return
        table = Table(box=None, pad_edge=False)
        for title in ("day", "grade", "points", "trend", *SEVERITIES, "suppressed", "partners"):
            table.add_column(title, justify="left" if title in ("day", "partners", "trend") else "right")
        before = None
        for facts, run in zip(run_facts(runs), runs, strict=True):
            trend = "" if before is None or before == run.score else f"{run.score - before:+.1f}"
            before = run.score
            numbers = [str(run.counts.get(name, 0)) for name in SEVERITIES]
            partners = ", ".join(f"{letter} {count}" for letter, count in run.partners.items())
            table.add_row(
                facts["at"][:10], run.grade, f"{run.score:g}", trend, *numbers, str(run.suppressed), partners
            )
        console.print(table)

    frame.show({"runs": run_facts(runs)}, draw)


command(
    app,
    "history",
    gives="runs[]{at, score, grade, counts, suppressed, partners}",
    example="ecluse --hub hub posture history",
)(history)


def suppress(
    frame: Frame,
    code: Annotated[str, typer.Argument(help="Of the rule.", show_default=False)],
    subject: Annotated[
        str, typer.Argument(help="hub, partner:ID, flow:ID, or * for all.", show_default=False)
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why it is accepted.", show_default=False)],
    owner: Annotated[str, typer.Option("--owner", help="Who answers for it.", show_default=False)],
    until: Annotated[
        str, typer.Option("--until", help="The last day, such as 2026-12-31.", show_default=False)
    ],
    place: Annotated[
        str, typer.Option("--place", help="One finding of several there.", show_default=False)
    ] = "",
) -> None:
    """Accept a finding until a day. It stays in the list with --all, and comes back after its end."""
    from ecluse.app.posture.work import PostureWork
    from ecluse.trust.settings.fields import instant_until

    try:
        end = instant_until(until)
    except (ValueError, OverflowError):
        end = None
    if end is None:
        raise BadOption("There is no such day.", remedy="Write it as 2026-12-31.")
    with frame.node() as node:
        key = PostureWork(node).suppress(
            code, subject, place, reason=reason, owner=owner, until=end, actor=frame.actor
        )
    frame.show({"key": key, "until": until}, f"{key} is suppressed until {until}.")


command(
    app,
    "suppress",
    gives="key, until",
    example="ecluse --hub hub posture suppress transport.unpinned-tls partner:birch --reason 'changes weekly' "
    "--owner 'Ines Roux' --until 2027-03-31",
)(suppress)


def unsuppress(
    frame: Frame,
    code: Annotated[str, typer.Argument(help="Of the rule.", show_default=False)],
    subject: Annotated[
        str, typer.Argument(help="hub, partner:ID, flow:ID, or * for all.", show_default=False)
    ],
    place: Annotated[
        str, typer.Option("--place", help="One finding of several there.", show_default=False)
    ] = "",
) -> None:
    """Let a finding count again."""
    from ecluse.app.posture.work import PostureWork

    with frame.node() as node:
        key = PostureWork(node).unsuppress(code, subject, place, actor=frame.actor)
    frame.show({"key": key}, f"{key} counts again.")


command(
    app,
    "unsuppress",
    gives="key",
    example="ecluse --hub hub posture unsuppress transport.unpinned-tls partner:birch",
)(unsuppress)
