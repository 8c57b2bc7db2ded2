"""The log of evidence: verified, proven, checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command, show_error
from ecluse.errors import EcluseError

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.wire.tlog.checkpoint import LogKey

__all__ = ["app"]

app = typer.Typer(help="The log of evidence: verify it, prove what it says.", no_args_is_help=True)


def verify(
    frame: Frame,
    contents: Annotated[
        bool, typer.Option("--bytes", help="Read the bytes of every document too, and compare their digests.")
    ] = False,
) -> None:
    """Verify every record, hash and signature of the log, and that messages, receipts and answers agree with it.

    Names the first record that is wrong. Exit code 1 where something is.
    """
    from ecluse.app.log.proofs import verify_evidence

    with frame.node() as node, frame.progress("Verifying") as progress:
        facts = verify_evidence(node, progress, contents=contents)
    frame.show(facts, lambda console: _draw_verdict(console, facts))
    if not facts["ok"]:
        if frame.quiet and not frame.json:
            _draw_verdict(frame.out, facts)
        raise typer.Exit(1)


command(
    app,
    "verify",
    gives="ok, size, verified, root, checkpoints, signed, pending, problem{code, cause, index, "
    "event, differs}, states[]{code, cause, index, event, differs}, breaks[]{}, lost, stamped{stamps, records, "
    "problems[]{code, cause, index, event, differs}}",
    example="ecluse --hub hub log verify\necluse --hub hub log verify --bytes",
)(verify)


def _draw_verdict(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    signed = f"{facts['checkpoints']} checkpoints, signed up to {facts['signed']}"
    console.print(Text(f"{facts['verified']} of {facts['size']} records verified; {signed}."))
    if facts["pending"]:
        console.print(Text(f"{facts['pending']} wait for their place in the tree.", "yellow"))
    console.print(Text(f"root {facts['root']}", "dim"), soft_wrap=True)
    for each in facts["breaks"]:
        words = f"{each['before']} went on as {each['origin']} on {each['at']}: {each['reason']}"
        console.print(Text(f"A break: {words}", "yellow"), soft_wrap=True)
    problem = facts["problem"]
    if problem is not None:
        where = f" (record {problem['index']}{', ' + problem['event'] if problem['event'] else ''})"
        text = f"{problem['code']}{where if problem['index'] is not None else ''}: {problem['cause']}"
        console.print(Text(text, "bold red"), soft_wrap=True)
    for state in facts["states"]:
        console.print(Text(f"{state['code']}: {state['cause']}", "red"), soft_wrap=True)
    stamped = facts["stamped"]
    if stamped["stamps"]:
        words = f"{stamped['stamps']} time-stamps and {stamped['records']} evidence records looked at."
        console.print(Text(words))
    for each in stamped["problems"]:
        console.print(Text(f"{each['code']}: {each['cause']}", "red"), soft_wrap=True)
    if facts["ok"]:
        console.print(Text("Nothing is wrong.", "green"))


def proof(
    frame: Frame,
    record: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE_OR_EVENT",
            help="A message, an event's id, or a record's place in the log.",
            show_default=False,
        ),
    ],
    event: Annotated[
        str | None,
        typer.Option(
            "--event",
            help="Which event of a message, such as delivery.confirmed; by default that it was accepted.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; standard output by default.", show_default=False)
    ] = None,
) -> None:
    """Prove one record to somebody who has no hub (C2SP tlog-proof, with the record itself)."""
    from ecluse import durable
    from ecluse.app.log.proofs import find_record, make_proof

    with frame.node() as node:
        text, facts = make_proof(node, find_record(node, record, event))
    if out is None:
        frame.show(
            {**facts, "proof": text},
            lambda console: console.print(text, end="", markup=False, soft_wrap=True),
        )
        return
    durable.write_new(out, [text.encode()], 0o644)
    words = (
        f"{out} proves {facts['event']['kind']} of {facts['event']['subject']} (record {facts['index']}).\n"
        f"Whoever checks it needs this key, from you: {facts['key']}"
    )
    frame.show(
        {**facts, "file": str(out)}, lambda console: console.print(words, markup=False, soft_wrap=True)
    )


command(
    app,
    "proof",
    gives="index, event{id, at, kind, subject, actor, node, data}, key, keys[], values{}, proof; with --out file "
    "in place of proof",
    example="ecluse --hub hub log proof 4711 --out 4711.tlog-proof",
)(proof)


def check_proof(
    frame: Frame,
    file: Annotated[Path, typer.Argument(help="The proof.", show_default=False)],
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            help="The log's verifier key (see `ecluse log key`), for another hub's proof; no hub is needed then. "
            "Twice, or both lines at once, for a log with two keys: both have to have signed.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check a proof. Exit code 1 where it does not hold."""
    from ecluse.app.log.proofs import event_facts
    from ecluse.app.partners.views import read_small
    from ecluse.evidence.proof import check_proof as check
    from ecluse.wire.tlog.checkpoint import log_key

    data = read_small(file)
    known: list[LogKey]
    if key:
        known = [log_key(line for word in key for line in word.splitlines() if line.strip())]
    else:
        with frame.node() as node:
            known = list(node.log_keys)
    try:
        event, head = check(data, None, known)
    except EcluseError as error:
        # The command was right, whoever's fault the proof is.
        show_error(error, as_json=frame.json)
        raise typer.Exit(1) from None
    facts = {"holds": True, "origin": head.origin, "size": head.size, "event": event_facts(event)}

    def draw(console: Console) -> None:
        from rich.json import JSON
        from rich.text import Text

        console.print(
            Text(f"The proof holds: {head.origin} signed for this among {head.size} records.", "green")
        )
        words = f"{facts_of['at']}  {facts_of['kind']}  {facts_of['subject']}  by {facts_of['actor']}"
        console.print(Text(words), soft_wrap=True)
        console.print(JSON.from_data(facts_of["data"]), soft_wrap=True)

    facts_of = event_facts(event)
    frame.show(facts, draw)


command(
    app,
    "check-proof",
    gives="holds, origin, size, event{id, at, kind, subject, actor, node, data}",
    example="ecluse --hub hub log check-proof 4711.tlog-proof\n"
    "ecluse log check-proof 4711.tlog-proof --key 'ecluse/aster+1f2e3d4c+AQ...'",
)(check_proof)


def key(frame: Frame) -> None:
    """Show the verifier keys of this hub's log, for those who check its proofs: Ed25519, and ML-DSA-44.

    Whoever has both asks for both signatures. After a break the log has another name, and its keys with it.
    """
    with frame.node() as node:
        names = [list(each.texts()) for each in node.log_keys]
    facts = {"key": names[-1][0], "keys": names[-1], "former": names[:-1]}
    frame.show(facts, lambda console: console.print("\n".join(names[-1]), markup=False, soft_wrap=True))


command(app, "key", gives="key, keys[], former[][]", example="ecluse --hub hub log key")(key)
