"""Changes to trust that wait for a second operator: looking, approving, refusing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ecluse.cli.frame import Frame, NotConfirmed, command
from ecluse.errors import EcluseError

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.changes import Decision, Entry
    from ecluse.app.node import Node

__all__ = ["app"]

app = typer.Typer(help="Changes to trust that wait for a second operator.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(help="Of the change, or the last letters of it.", show_default=False)]
_SignatureFile = Annotated[
    Path | None,
    typer.Option(
        "--signature",
        metavar="FILE",
        help="A signature that was made elsewhere over what `change show --to-sign` gave.",
        show_default=False,
    ),
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def _list(
    frame: Frame,
    all: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
) -> None:
    """List the changes that wait for approval."""
    from ecluse.app.changes import proposals
    from ecluse.app.changes.proposal import shown

    with frame.node() as node:
        rows = [_facts(entry) for entry in proposals(node, all=all)]

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        if not rows:
            console.print("No change waits for approval.")
            return
        table = Table(box=None, pad_edge=False)
        for title in ("id", "state", "until", "proposed by", "signed by", "trust", "reason"):
            table.add_column(title, overflow="fold", no_wrap=title == "id")
        for row in rows:
            signed = ", ".join(each["operator"] for each in row["signatures"])
            known = (
                row["id"],
                row["state"],
                row["until"],
                row["by"],
                signed,
                str(row["trust"]),
                row["reason"],
            )
            table.add_row(*(Text(shown(each)) for each in known))
        console.print(table)

    frame.show({"changes": rows}, draw)


_GIVES = (
    "id, state, at, until, base, by, proposer, reason, digest, trust, "
    "signatures[]{operator, action, at, fingerprint}, version, ended"
)

command(
    app,
    "list",
    gives=f"changes[]{{{_GIVES}}}",
    example="ecluse --hub hub change list\necluse --hub hub change list --all",
)(_list)


def show(
    frame: Frame,
    id: _Id,
    to_sign: Annotated[
        bool, typer.Option("--to-sign", help="Give only the text that is signed, octet for octet.")
    ] = False,
    action: Annotated[
        Literal["approve", "refuse", "withdraw"], typer.Option("--action", help="What is to be signed.")
    ] = "approve",
    because: Annotated[
        str, typer.Option("--because", help="Why it is refused; part of what is signed.", show_default=False)
    ] = "",
) -> None:
    """Show what a change would do, or give the text that an operator signs elsewhere."""
    from ecluse.app.changes import find
    from ecluse.app.changes.check import replan

    if to_sign and frame.signing.operator is None:
        raise typer.BadParameter("say who signs, with --as.")
    with frame.node() as node:
        entry = find(node, id)
        problem = ""
        if entry.state == "pending":
            try:
                problem = replan(node, entry).stale
            except EcluseError as error:
                if to_sign:
                    raise
                problem = error.cause.rstrip()
    if to_sign:
        text = entry.proposal.statement(action, frame.signing.operator or "", because)
        if frame.json:
            frame.show({"id": entry.proposal.id, "statement": text}, "")
        else:
            sys.stdout.write(text)
        return
    facts = {**_facts(entry), "text": entry.proposal.text, "problem": problem or None}

    def draw(console: Console) -> None:
        _draw(console, entry)
        if problem:
            console.print(f"It can't be approved: {problem}", style="red", markup=False, soft_wrap=True)

    frame.show(facts, draw)


command(
    app,
    "show",
    gives=f"{_GIVES}, text, problem; with --to-sign id, statement",
    example="ecluse --hub hub change show c01m810v4y433vrfka7007ebkw2\n"
    "ecluse --hub hub change show ebkw2 --to-sign --as berta > change.txt",
    signs=True,
)(show)


def approve(frame: Frame, id: _Id, signature: _SignatureFile = None, yes: _Yes = False) -> None:
    """Sign that a change shall be; with the second operator's signature it is in force."""
    from ecluse.app.changes import approve as take

    def decide(node: Node, entry: Entry, operator: str, armored: str) -> Decision:
        return take(node, entry.proposal.id, operator, armored)

    _decide(frame, id, "approve", "Approve this?", decide, signature=signature, yes=yes)


command(
    app,
    "approve",
    gives=f"{_GIVES}, written[], left[], restart",
    example="ecluse --hub hub change approve ebkw2 --as berta\n"
    "ecluse --hub hub change approve ebkw2 --as berta --key ~/.ssh/id_ed25519\n"
    "ecluse --hub hub change approve ebkw2 --signature change.txt.sig",
    signs=True,
)(approve)


def refuse(
    frame: Frame,
    id: _Id,
    because: Annotated[str, typer.Option("--because", help="Why; it is signed too.", show_default=False)],
    signature: _SignatureFile = None,
    yes: _Yes = False,
) -> None:
    """Sign that a change shall not be: it is over."""
    from ecluse.app.changes import refuse as take

    def decide(node: Node, entry: Entry, operator: str, armored: str) -> Decision:
        return take(node, entry.proposal.id, operator, armored, because)

    _decide(frame, id, "refuse", "Refuse this?", decide, signature=signature, yes=yes, because=because)


command(
    app,
    "refuse",
    gives=f"{_GIVES}, written[], left[], restart",
    example="ecluse --hub hub change refuse ebkw2 --as berta --because 'Birch knows nothing of it'",
    signs=True,
)(refuse)


def withdraw(frame: Frame, id: _Id, signature: _SignatureFile = None, yes: _Yes = False) -> None:
    """Take back a change that one proposed and signed."""
    from ecluse.app.changes import withdraw as take

    def decide(node: Node, entry: Entry, operator: str, armored: str) -> Decision:
        return take(node, entry.proposal.id, operator, armored)

    _decide(frame, id, "withdraw", "Take this back?", decide, signature=signature, yes=yes)


command(
    app,
    "withdraw",
    gives=f"{_GIVES}, written[], left[], restart",
    example="ecluse --hub hub change withdraw ebkw2 --as ada",
    signs=True,
)(withdraw)


def evidence(
    frame: Frame,
    id: _Id,
    folder: Annotated[Path, typer.Argument(help="Where to; made where it is missing.", show_default=False)],
) -> None:
    """Write everything that was signed about a change into files that ssh-keygen -Y verify takes."""
    from ecluse import durable
    from ecluse.app.changes import NAMESPACE, find
    from ecluse.app.changes import evidence as gather
    from ecluse.app.changes.lookup import NoSuchChange

    with frame.node() as node:
        try:
            id = find(node, id).proposal.id
        except NoSuchChange:
            pass  # an old one is only in the log, under its whole id
        files = gather(node, id)
    durable.make_folder(folder)
    for name, text in files.items():
        durable.replace(folder / name, text.encode(), 0o644)
    lines = [
        f"ssh-keygen -Y verify -f allowed_signers -I {name.removesuffix('.txt').split('-', 2)[2]} -n {NAMESPACE} "
        f"-s {name}.sig < {name}"
        for name in files
        if name.endswith(".txt")
    ]
    facts = {"id": id, "folder": str(folder), "files": sorted(files), "commands": lines}
    frame.show(
        facts,
        lambda console: console.print(
            f"{len(files)} files are in {folder}. Compare allowed_signers with keys that you got elsewhere, then run "
            "there:\n  " + "\n  ".join(lines),
            markup=False,
            soft_wrap=True,
        ),
    )


command(
    app,
    "evidence",
    gives="id, folder, files[], commands[]",
    example="ecluse --hub hub change evidence ebkw2 /tmp/evidence",
)(evidence)


def verify(
    frame: Frame,
    since: Annotated[int, typer.Option("--since", min=1, help="The first version that is checked.")] = 1,
) -> None:
    """Check by the log that every version came into force as it had to. Exit code 1 where one did not."""
    from ecluse.app.changes import check_versions

    with frame.node() as node:
        rows = [verdict.as_dict() for verdict in check_versions(node, since)]
    wrong = [row for row in rows if row["problem"]]

    def draw(console: Console) -> None:
        for row in wrong:
            console.print(f"Version {row['version']}: {row['problem']}.", style="red", soft_wrap=True)
        two = sum(row["eyes"] > 1 for row in rows)
        console.print(
            f"{len(rows) - len(wrong)} of {len(rows)} versions came into force as they had to; two operators signed "
            f"{two}.",
            soft_wrap=True,
        )

    frame.show({"ok": not wrong, "versions": rows}, draw)
    if wrong:
        raise typer.Exit(1)


command(
    app,
    "verify",
    gives="ok, versions[]{version, trust, eyes, problem}",
    example="ecluse --hub hub change verify\necluse --hub hub change verify --since 120",
)(verify)


def _decide(
    frame: Frame,
    id: str,
    action: Literal["approve", "refuse", "withdraw"],
    question: str,
    decide: Callable[[Node, Entry, str, str], Decision],
    *,
    signature: Path | None,
    yes: bool,
    because: str = "",
) -> None:
    """Show a change, ask, sign, and do it."""
    from ecluse.app.changes import find
    from ecluse.app.changes.check import replan

    with frame.node() as node:
        entry = find(node, id)
        # What is shown has to be what is signed: it is made again from the files before anybody looks.
        if entry.state == "pending" and action == "approve":
            replan(node, entry)
        if signature is not None:
            operator, armored = _made_elsewhere(frame, node, signature)
        else:
            signer = frame.signer(node)
            if signer is None:
                raise typer.BadParameter("say who signs with --as, or give --signature.")
            if not yes and not frame.json:
                _draw(frame.err, entry)
            try:
                frame.confirm(question, yes=yes)
            except NotConfirmed as error:
                raise NotConfirmed(
                    error.cause, remedy="Look with `ecluse change show`, then run it again with --yes."
                ) from None
            operator = signer.operator
            armored = signer.sign(entry.proposal.statement(action, operator, because))
        decision = decide(node, entry, operator, armored)
    _tell(frame, decision)


def _made_elsewhere(frame: Frame, node: Node, path: Path) -> tuple[str, str]:
    """Whose signature is in a file, by its key where ``--as`` does not say."""
    from ecluse.app.partners.views import read_small
    from ecluse.trust.operators import operator_keys
    from ecluse.wire.sshsig import MAX_ARMOR, read_signature

    armored = read_small(path, MAX_ARMOR).decode("ascii", "replace")
    if frame.signing.operator is not None:
        return frame.signing.operator, armored
    blob = read_signature(armored).key.blob
    for operator in node.directory.hub.operators:
        if any(key.blob == blob for key in operator_keys(operator)):
            return operator.name, armored
    return "", armored


def _tell(frame: Frame, decision: Decision) -> None:
    from ecluse.app.changes.lookup import facts_of

    proposal = decision.proposal
    facts = {
        **facts_of(proposal, decision.state),
        "written": list(decision.written),
        "left": list(decision.left),
        "restart": decision.restart,
    }
    if decision.version is not None:
        text = f"Version {decision.version.number} is in force: {_names(proposal.signatures)} signed it."
        if decision.left:
            left = ", ".join(decision.left)
            text += f"\nThese files hold something else and were left: {left}. Look with `ecluse plan`."
        if decision.restart:
            text += (
                "\nRestart the hub: where it listens and what it keeps its state in are read at its start."
            )
    elif decision.state == "pending":
        text = "It is signed, and takes effect once one other operator signs it."
    else:
        text = f"It is over: {proposal.ended}."
    frame.show(facts, lambda console: console.print(text, markup=False, soft_wrap=True))


def _names(signatures: Any) -> str:
    return " and ".join(each.operator for each in signatures)


def _facts(entry: Entry) -> dict[str, Any]:
    from ecluse.app.changes.lookup import facts_of

    return facts_of(entry.proposal, entry.state)


def _draw(console: Console, entry: Entry) -> None:
    """The text of a change, as it is signed: nothing in it can move the cursor or end a line."""
    from rich.text import Text

    styles = {"  hub": "yellow", "  par": "yellow", "  flo": "yellow"}
    for line in entry.proposal.text.splitlines():
        console.print(Text(line, styles.get(line[:5], "")), soft_wrap=True)
    words = entry.proposal.ended or (
        f"signed by {_names(entry.proposal.signatures)}" if entry.proposal.signatures else "not signed yet"
    )
    console.print(Text(f"{entry.state}: {words}", "bold"), soft_wrap=True)
