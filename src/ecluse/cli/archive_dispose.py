"""Disposal: proposing, signing, running, and its certificate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.archive import BadArchiveOption, draw_table, hand_out_statement
from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.node import Node
    from ecluse.archive.disposal import Disposal

__all__ = ["app"]

app = typer.Typer(help="Destroying what is over: proposed, signed by two, certified.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(metavar="DISPOSAL", help="Of the disposal (z...).", show_default=False)]
_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.", show_default=False)]
_GIVES = (
    "id, state, proposed, until, by, reason, documents, list_sha256, signatures[]{operator, at, fingerprint}, needed, "
    "ended, certificate_sha256"
)


def _show(frame: Frame, node: Node, disposal: Disposal, said: str) -> None:
    from ecluse.app.archive.views import disposal_facts
    from ecluse.archive.disposal import find_disposal

    record, _ = node.store.read(lambda view: find_disposal(view, disposal.id))
    frame.show(disposal_facts(node, record.state, disposal), said)


def _list(frame: Frame) -> None:
    """List disposals, oldest first."""
    from ecluse.app.archive.views import disposal_facts
    from ecluse.archive.disposal import disposals

    with frame.node() as node:
        rows = [disposal_facts(node, state, each) for state, each in node.store.read(disposals)]

    def draw(console: Console) -> None:
        if not rows:
            console.print("Nothing was proposed for destruction.")
            return
        draw_table(
            console,
            ("id", "state", "proposed", "documents", "signed by", "reason", "ended"),
            [
                (
                    row["id"],
                    row["state"],
                    row["proposed"][:10],
                    str(row["documents"]),
                    ", ".join(each["operator"] for each in row["signatures"]),
                    row["reason"],
                    row["ended"] or "",
                )
                for row in rows
            ],
        )

    frame.show({"disposals": rows}, draw)


command(app, "list", gives=f"disposals[]{{{_GIVES}}}", example="ecluse --hub hub archive dispose list")(_list)


def propose(
    frame: Frame,
    reason: _Reason,
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]...", help="Archived documents; all that are over by default.", show_default=False
        ),
    ] = None,
    profile: Annotated[str, typer.Option("--profile", help="By this profile.", show_default=False)] = "",
) -> None:
    """Propose what is over for destruction. Nothing is destroyed by it."""
    from ecluse.archive.disposal import propose as make

    with frame.node() as node:
        made = make(node.archive, actor=frame.actor, reason=reason, profile=profile, ids=ids or ())
        _show(frame, node, made, f"{made.id}: {len(made.items)} documents wait for two signatures.")


command(
    app,
    "propose",
    gives=_GIVES,
    example="ecluse --hub hub archive dispose propose --reason 'yearly disposal 2036'",
)(propose)


def show(
    frame: Frame,
    id: _Id,
    items: Annotated[bool, typer.Option("--list", help="The list itself, as it is digested.")] = False,
    to_sign: Annotated[
        bool, typer.Option("--to-sign", help="Give only the text that is signed, octet for octet.")
    ] = False,
) -> None:
    """Show a disposal, its list, or the text that an administrator signs elsewhere."""
    from ecluse.app.archive.views import disposal_facts
    from ecluse.archive.disposal import find_disposal

    with frame.node() as node:
        record, found = node.store.read(lambda view: find_disposal(view, id))
        facts = disposal_facts(node, record.state, found)
    if to_sign:
        if frame.signing.operator is None:
            raise BadArchiveOption("It has to be said who signs.", remedy="Give --as NAME.")
        text = found.statement(frame.signing.operator)
        frame.show({"id": found.id, "statement": text}, lambda console: sys.stdout.write(text))
        return
    if items:
        frame.show({**facts, "list": found.list_text}, lambda console: sys.stdout.write(found.list_text))
        return

    def draw(console: Console) -> None:
        from rich.text import Text

        for name in [
            "id",
            "state",
            "proposed",
            "until",
            "by",
            "reason",
            "documents",
            "list_sha256",
            "ended",
            "certificate_sha256",
        ]:
            if facts[name] is not None:
                console.print(Text(f"{name:20}{facts[name]}"), soft_wrap=True)
        for each in facts["signatures"]:
            console.print(
                Text(f"{'signed':20}{each['operator']} {each['at']} {each['fingerprint']}"), soft_wrap=True
            )

    frame.show(facts, draw)


command(
    app,
    "show",
    gives=f"{_GIVES}; with --list list too; with --to-sign id, statement",
    example="ecluse --hub hub archive dispose show z01m8dpxg4wjtc0qrd4m6k9x3s2b --list\n"
    "ecluse --hub hub archive dispose show z01m8dpxg4wjtc0qrd4m6k9x3s2b --to-sign --as anne > disposal.txt",
    signs=True,
)(show)


def approve(
    frame: Frame,
    id: _Id,
    signature: Annotated[
        Path | None,
        typer.Option(
            "--signature",
            metavar="FILE",
            help="A signature that was made elsewhere over what --to-sign gave "
            "(ssh-keygen -Y sign -n ecluse-archive).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Sign a disposal as an archive administrator; it takes two of them."""
    from ecluse.archive.disposal import EYES, find_disposal
    from ecluse.archive.disposal import approve as take

    name = frame.signing.operator
    if name is None:
        raise BadArchiveOption("It has to be said who signs.", remedy="Give --as NAME.")
    with frame.node() as node:
        _, found = node.store.read(lambda view: find_disposal(view, id))
        if signature is not None:
            armored = signature.read_text(errors="replace")
        else:
            signer = frame.signer(node, "ecluse-archive")
            assert signer is not None, "an operator was named"
            armored = signer.sign(found.statement(name))
        after = take(node.archive, id, name, armored)
        left = EYES - len(after.signatures)
        said = (
            f"{id} is approved: `ecluse archive dispose run {id}`."
            if left <= 0
            else f"{id} needs {left} more."
        )
        _show(frame, node, after, said)


command(
    app,
    "approve",
    gives=_GIVES,
    example="ecluse --hub hub archive dispose approve z01m8dpxg4wjtc0qrd4m6k9x3s2b --as anne --key ~/.ssh/id_ed25519",
    signs=True,
)(approve)


def refuse(frame: Frame, id: _Id, reason: _Reason) -> None:
    """End a disposal before anything is destroyed by it."""
    from ecluse.archive.disposal import refuse as end

    with frame.node() as node:
        after = end(node.archive, id, actor=frame.actor, reason=reason)
        _show(frame, node, after, f"{id} is refused.")


command(
    app,
    "refuse",
    gives=_GIVES,
    example="ecluse --hub hub archive dispose refuse z01m8dpxg4wjtc0qrd4m6k9x3s2b --reason 'not before the audit'",
)(refuse)


def run(
    frame: Frame, id: _Id, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Destroy what two administrators signed, as far as nothing stands against it today. It can't be undone."""
    from ecluse.archive.destroying import run as destroy
    from ecluse.archive.disposal import find_disposal

    with frame.node() as node:
        _, found = node.store.read(lambda view: find_disposal(view, id))
        frame.confirm(f"Destroy {len(found.items)} documents for good?", yes=yes)
        done = destroy(node.archive, id, actor=frame.actor)
        _show(frame, node, done, f"{id}: {done.ended}.")


command(
    app,
    "run",
    gives=_GIVES,
    example="ecluse --hub hub archive dispose run z01m8dpxg4wjtc0qrd4m6k9x3s2b --yes",
)(run)


def certificate(
    frame: Frame,
    id: _Id,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="A new folder for certificate.json and certificate.note.", show_default=False
        ),
    ] = None,
) -> None:
    """Give the signed certificate of destruction."""
    from ecluse.archive.disposal import DisposalOver, find_disposal

    with frame.node() as node:
        _, found = node.store.read(lambda view: find_disposal(view, id))
        key = str(node.log_key)
    if found.certificate is None:
        raise DisposalOver(f"Nothing was destroyed by {id} yet.")
    hand_out_statement(frame, "certificate", found.certificate.text, found.certificate.note, key, out)


command(
    app,
    "certificate",
    gives="text, note, key; with --out files",
    example="ecluse --hub hub archive dispose certificate z01m8dpxg4wjtc0qrd4m6k9x3s2b --out destroyed-2036",
)(certificate)
