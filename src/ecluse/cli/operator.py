"""Operators: who may change whom the hub trusts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app"]

app = typer.Typer(help="Operators: who may change whom the hub trusts.", no_args_is_help=True)


def _list(frame: Frame) -> None:
    """List the operators in force, with the fingerprints of their keys."""
    from ecluse.app.operators import eyes, operator_facts

    with frame.node() as node:
        operators = node.directory.hub.operators
        rows = [operator_facts(each) for each in operators]
        facts = {"eyes": eyes(operators), "operators": rows}

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        if rows:
            table = Table(box=None, pad_edge=False)
            for title in ("name", "roles", "email", "keys"):
                table.add_column(title, overflow="fold")
            for row in rows:
                known = (row["name"], ", ".join(row["roles"]), row["email"] or "", "\n".join(row["keys"]))
                table.add_row(*(Text(each) for each in known))
            console.print(table)
        console.print(
            "Changes to trust take effect once two of role trust have signed them."
            if facts["eyes"] == 2
            else "One person is enough for changes to trust: there are no two operators of role trust.",
            soft_wrap=True,
        )

    frame.show(facts, draw)


command(
    app,
    "list",
    gives="eyes, operators[]{name, email, roles[], keys[]}",
    example="ecluse --hub hub operator list",
)(_list)


def add(
    frame: Frame,
    name: Annotated[str, typer.Argument(help="What the person is called here.", show_default=False)],
    public_key: Annotated[
        list[Path],
        typer.Option(
            "--public-key", metavar="FILE", help="A .pub file of theirs; may be repeated.", show_default=False
        ),
    ],
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role", help="trust, run, audit or archive; may be repeated. trust and run by default."
        ),
    ] = None,
    email: Annotated[str | None, typer.Option("--email", help="Of theirs.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Add an operator. From the third on, and wherever two are there, another operator approves it."""
    from ecluse.app.operators import with_operator

    with frame.node() as node:
        files = with_operator(node, name, public_key, tuple(role or ("trust", "run")), email)
        _change(frame, node, files, f"{name} became an operator", yes=yes)


command(
    app,
    "add",
    gives="version, changes[]{kind, subject, field, before, after}, eyes",
    example="ecluse --hub hub operator add ada --public-key ada.pub --email ada@aster.example\n"
    "ecluse --hub hub operator add carl --public-key carl.pub --role audit --as ada",
    signs=True,
)(add)


def remove(
    frame: Frame,
    name: Annotated[str, typer.Argument(help="Of the operator.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove an operator; what they signed before counts no more for what still waits."""
    from ecluse.app.operators import without_operators

    with frame.node() as node:
        files = without_operators(node, [name])
        _change(frame, node, files, f"{name} is no operator any more", yes=yes)


command(
    app,
    "remove",
    gives="version, changes[]{kind, subject, field, before, after}, eyes",
    example="ecluse --hub hub operator remove carl --as ada",
    signs=True,
)(remove)


def recover(
    frame: Frame,
    name: Annotated[list[str], typer.Argument(help="Of the operators who are gone.", show_default=False)],
    because: Annotated[str, typer.Option("--because", help="Why; it is signed too.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Announce that operators are gone, where you alone are left to sign. After the wait, approve it yourself."""
    from ecluse.app.changes import announce
    from ecluse.app.operators import without_operators
    from ecluse.model.basics import iso

    with frame.node() as node:
        signer = frame.signer(node)
        if signer is None:
            raise typer.BadParameter("say who signs, with --as.")
        files = without_operators(node, name)
        frame.confirm(f"Announce that {' and '.join(name)} can't sign any more?", yes=yes)
        proposal = announce(node, files, actor=frame.actor, reason=because, signer=signer)
    assert proposal.recover is not None, "a recovery has its time"
    facts = {"change": proposal.id, "from": iso(proposal.recover), "until": iso(proposal.until)}
    frame.show(
        facts,
        f"It is announced, in the log and to doctor. From {facts['from']} on run `ecluse change approve {proposal.id} "
        f"--as {signer.operator}`; until then any other operator may refuse it.",
    )


command(
    app,
    "recover",
    gives="change, from, until",
    example="ecluse --hub hub operator recover berta --as ada --because 'Berta left on 3 November'",
    signs=True,
)(recover)


def _change(frame: Frame, node: Any, files: dict[str, str], reason: str, *, yes: bool) -> None:
    from ecluse.app.operators import eyes
    from ecluse.app.settings import change_files, plan_files
    from ecluse.cli.configuration import draw_plan

    changes, _ = plan_files(node, files)
    if not yes and not frame.json:
        draw_plan(frame.err, changes)
    frame.confirm("Apply this?", yes=yes)
    version = change_files(node, files, actor=frame.actor, reason=reason, signer=frame.signer(node))
    facts = {
        "version": version.number if version is not None else None,
        "changes": changes.changes,
        "eyes": eyes(node.directory.hub.operators),
    }
    frame.show(facts, f"Version {facts['version']} is in force.")


def allowed_signers(frame: Frame) -> None:
    """Give the operators' keys as the file that ssh-keygen -Y verify checks signatures with."""
    from ecluse.app.changes.evidence import allowed_signers as lines

    with frame.node() as node:
        text = lines({each.name: list(each.keys) for each in node.directory.hub.operators})
    frame.show(
        {"allowed_signers": text},
        lambda console: console.print(text, end="", markup=False, soft_wrap=True),
    )


command(
    app,
    "allowed-signers",
    gives="allowed_signers",
    example="ecluse --hub hub operator allowed-signers > allowed_signers",
)(allowed_signers)
