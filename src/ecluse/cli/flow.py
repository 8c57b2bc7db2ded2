"""Flows: what goes where, how it stands, and what would happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.exchange.flows.collect import Collected

__all__ = ["app"]

app = typer.Typer(help="Flows: what goes where, how it stands, and what would happen.", no_args_is_help=True)

_Flow = Annotated[str, typer.Argument(help="The flow's id (its file's name).", show_default=False)]
_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.", show_default=False)]

_ROW = (
    "id, name, state, paused{by, at, reason}, source, targets[], trigger, running, last_run{began, ended, node, seen, "
    "kept, repeated, left, waiting, failed, error, cause, failures}, next_run, under_way, delivered, failed"
)


def _list(frame: Frame) -> None:
    """List the flows: where they lead, their last and next run, and what waits or failed."""
    from ecluse.app.flows.views import flow_rows

    with frame.node() as node:
        rows = flow_rows(node)
    frame.show({"flows": rows}, lambda console: _draw_list(console, rows))


command(app, "list", gives=f"flows[]{{{_ROW}}}", example="ecluse --hub hub flow list")(_list)


def show(frame: Frame, id: _Flow) -> None:
    """Show a flow: its settings, how it stands, what is expected, and its last documents."""
    from ecluse.app.flows.views import flow_facts

    with frame.node() as node:
        facts = flow_facts(node, id)
    frame.show(facts, lambda console: _draw_flow(console, facts))


command(
    app,
    "show",
    gives=f"{_ROW}, settings, said, expectations[]{{name, by, at_least, today, next, last{{day, state, count}}}}, "
    "documents[]",
    example="ecluse --hub hub flow show orders",
)(show)


def run(
    frame: Frame,
    id: _Flow,
    patience: Annotated[
        str,
        typer.Option(
            "--patience",
            help="How long to wait at most, for another run to end and for files to stay as they are.",
        ),
    ] = "60s",
) -> None:
    """Collect for a flow now, in this process; what was collected is sent on by the serving hub."""
    from ecluse.app.flows.views import run_flow
    from ecluse.cli.values import duration

    with frame.node() as node, frame.progress("Collecting") as progress:

        def told(so_far: Collected, name: str) -> None:
            progress(so_far.kept + so_far.repeated + so_far.failed, max(so_far.seen - so_far.left, 1))

        facts = run_flow(node, id, patience=duration(patience), told=told)
    frame.show(facts, lambda console: _draw_run(console, facts))
    if facts["failed"]:
        raise typer.Exit(1)


command(
    app,
    "run",
    gives="id, seen, kept, repeated, left, waiting, failed, octets, messages[], failure{code, fault, cause, remedy}",
    example="ecluse --hub hub flow run orders\necluse --hub hub flow run orders --json",
)(run)


def pause(frame: Frame, id: _Flow, reason: _Reason) -> None:
    """Let a flow take nothing and send nothing on; what comes for it is kept and waits."""
    from ecluse.app.flows.views import pause_flow

    with frame.node() as node:
        facts = pause_flow(node, id, actor=frame.actor, reason=reason)
    frame.show(facts, f"{id} is paused.")


command(
    app,
    "pause",
    gives="id, state",
    example="ecluse --hub hub flow pause orders --reason 'Birch moves its warehouse'",
)(pause)


def resume(frame: Frame, id: _Flow, reason: _Reason) -> None:
    """Let a paused flow go on, with what waited for it."""
    from ecluse.app.flows.views import resume_flow

    with frame.node() as node:
        facts = resume_flow(node, id, actor=frame.actor, reason=reason)
    waited = f"; {facts['woken']} deliveries waited" if facts["woken"] else ""
    frame.show(facts, f"{id} goes on{waited}.")


command(
    app,
    "resume",
    gives="id, state, woken",
    example="ecluse --hub hub flow resume orders --reason 'the move is over'",
)(resume)


def _test(
    frame: Frame,
    id: _Flow,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE|MESSAGE",
            help="A file here, or a message by its id, reference or file name; by default what lies at the source, "
            "or came by it last.",
            show_default=False,
        ),
    ] = None,
    partner: Annotated[
        str | None,
        typer.Option(
            "--partner",
            help="Whom a file is taken to come from, where the flow's channel does not say.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 20,
) -> None:
    """Say what a flow would do, and why. Nothing is kept, sent, moved or deleted."""
    from ecluse.app.flows.views import try_flow

    with frame.node() as node:
        facts = try_flow(node, id, what, partner=partner, limit=limit)
    frame.show(facts, lambda console: _draw_trials(console, facts))


command(
    app,
    "test",
    gives="id, files[]{name, taken, why, opened[], documents[], duplicate, order_key, ways[]{channel, folder, names[], "
    "subject, protections[], problem}}",
    example="ecluse --hub hub flow test orders\necluse --hub hub flow test orders order-4711.edi",
)(_test)


# Drawing


def _at(text: str | None) -> str:
    return text[:19].replace("T", " ") if text else "-"


def _draw_list(console: Console, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console.print("There are none.")
        return
    table = Table(box=None, pad_edge=False)
    for title in (
        "id",
        "state",
        "from",
        "to",
        "last run",
        "",
        "next run",
        "under way",
        "delivered",
        "failed",
    ):
        table.add_column(
            title, overflow="fold", justify="right" if title[:3] in ("und", "del", "fai") else "left"
        )
    for row in rows:
        last = row["last_run"]
        outcome = "running" if row["running"] else _outcome(last) if last is not None else ""
        table.add_row(
            Text(row["id"], "bold"),
            Text(row["state"], "yellow" if row["state"] == "paused" else "green"),
            Text(row["source"]),
            Text(", ".join(row["targets"])),
            Text(_at(last["ended"]) if last is not None else "-"),
            Text(outcome, "red" if last is not None and last["error"] else ""),
            Text(_at(row["next_run"])),
            Text(str(row["under_way"])),
            Text(str(row["delivered"])),
            Text(str(row["failed"]), "bold red" if row["failed"] else ""),
        )
    console.print(table)


def _outcome(run: dict[str, Any]) -> str:
    if run["error"]:
        times = f", {run['failures']} times" if run["failures"] > 1 else ""
        return f"{run['error']}{times}"
    return f"{run['kept']} kept" + (f", {run['waiting']} wait" if run["waiting"] else "")


def _draw_flow(console: Console, facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    style = "yellow" if facts["state"] == "paused" else "green"
    console.print(Text.assemble((facts["name"], "bold"), "  ", (facts["state"], style)))
    grid = Table.grid(padding=(0, 2))
    rows = [("id", facts["id"]), ("from", facts["source"]), ("trigger", facts["trigger"])]
    if facts["paused"] is not None:
        by = facts["paused"]
        rows.insert(1, ("paused", f"by {by['by']} on {_at(by['at'])}: {by['reason']}"))
    rows += [("to", channel) for channel in facts["targets"]]
    last = facts["last_run"]
    if last is not None:
        rows.append(
            ("last run", f"{_at(last['ended'])}  {last['seen']} seen, {_outcome(last)}  on {last['node']}")
        )
        if last["error"]:
            rows.append(("", last["cause"]))
    if facts["next_run"] is not None:
        rows.append(("next run", _at(facts["next_run"])))
    rows.append(
        (
            "deliveries",
            f"{facts['under_way']} under way, {facts['delivered']} delivered, {facts['failed']} failed",
        )
    )
    for each in facts["expectations"]:
        rows.append(("expected", _expectation(each)))
    rows += [("setting", line) for line in _settings(facts["said"])]
    for document in facts["documents"]:
        names = ", ".join(part["name"] for part in document["documents"])
        rows.append(
            ("document", f"{_at(document['created'])}  {document['state']}  {document['id']}  {names}")
        )
    for name, text in rows:
        grid.add_row(Text(name, "dim"), Text(text, overflow="fold"))
    console.print(grid)


def _expectation(each: dict[str, Any]) -> str:
    text = f"{each['name']}: at least {each['at_least']} by {each['by']}; {each['today']} came today"
    if each["last"] is not None:
        text += f"; {each['last']['day']} was {each['last']['state']}"
    return text + (f"; next {_at(each['next'])}" if each["next"] else "")


def _settings(settings: dict[str, Any], prefix: str = "") -> list[str]:
    """What a flow's file says, one field in a line; what stands above already is left out."""
    lines: list[str] = []
    for name, value in settings.items():
        path = f"{prefix}{name}"
        if path in ("name", "state", "trigger", "expect", "from.channel"):
            continue
        if isinstance(value, dict):
            lines += _settings(value, f"{path}.")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
            for number, each in enumerate(value):
                lines += _settings(each, f"{path}[{number}].")
        else:
            lines.append(
                f"{path} = {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}"
            )
    return lines


def _draw_run(console: Console, facts: dict[str, Any]) -> None:
    console.print(
        f"{facts['seen']} files were seen: {facts['kept']} kept ({facts['octets']:,} octets), "
        f"{facts['repeated']} kept before, {facts['left']} not for this flow, {facts['waiting']} not yet, "
        f"{facts['failed']} failed.",
        markup=False,
        soft_wrap=True,
    )
    if facts["failure"] is not None:
        error = facts["failure"]
        console.print(f"{error['code']}: {error['cause']}", markup=False, soft_wrap=True, style="red")
        console.print(error["remedy"], markup=False, soft_wrap=True, style="cyan")


def _draw_trials(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    if not facts["files"]:
        console.print("There is nothing to try: nothing lies there, or came.")
    for trial in facts["files"]:
        verdict = ("would be taken", "green") if trial["taken"] else ("is left", "yellow")
        console.print(Text.assemble((trial["name"], "bold"), "  ", verdict))
        if trial["why"]:
            console.print(Text(f"  why       {trial['why']}"))
        if trial["opened"]:
            console.print(Text(f"  opened    {', '.join(trial['opened'])}"))
        for name, kind, size in trial["documents"]:
            console.print(Text(f"  document  {name}  {kind}  {size:,} octets"))
        if trial["order_key"]:
            console.print(Text(f"  in order  with others of {trial['order_key']}"))
        if trial["duplicate"]:
            console.print(Text(f"  duplicate {trial['duplicate']}", "yellow"))
        for way in trial["ways"]:
            names = "; ".join(", ".join(group) for group in way["names"])
            how = f"  ({', '.join(way['protections'])})" if way["protections"] else ""
            folder = f"{way['folder']}/" if way["folder"] else ""
            if way["problem"]:
                console.print(Text(f"  to        {way['channel']}  {way['problem']}", "red"))
            else:
                console.print(Text(f"  to        {way['channel']}  {folder}{names}{how}"))
