"""The log and others: witnesses, logs that we cosign, tiles, and breaks."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.errors import EcluseError

__all__ = ["add_to"]


def witness(
    frame: Frame,
    now: Annotated[
        bool, typer.Option("--now", help="Have the newest checkpoint cosigned now, and ask what they know.")
    ] = False,
) -> None:
    """Show how it stands with our witnesses: which checkpoint each cosigned last, and what is wrong.

    Exit code 1 where one does not answer, or does not cosign.
    """
    from ecluse.app.log.sequencing import make_sequencer
    from ecluse.app.log.witnesses import cosign_run, greet, witness_facts

    wrong: dict[str, EcluseError] = {}
    with frame.node() as node:
        if now:
            sequencer = make_sequencer(node)
            greet(node, sequencer, wrong.__setitem__)
            cosign_run(node, sequencer, wrong.__setitem__)
        size = node.store.read(lambda view: view.last_checkpoint())
        facts: dict[str, Any] = {
            "signed": size.size if size is not None else 0,
            "witnesses": witness_facts(node),
            "wrong": [{"witness": name, **error.as_dict()} for name, error in sorted(wrong.items())],
        }
    frame.show(facts, lambda console: _draw_witnesses(console, facts))
    if wrong or any(each["error"] for each in facts["witnesses"]):
        raise typer.Exit(1)


def _draw_witnesses(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    console.print(f"The newest checkpoint has {facts['signed']} records.")
    if not facts["witnesses"]:
        console.print(Text("Nobody cosigns it: name witnesses under [[log.witnesses]] in ecluse.toml."))
    for each in facts["witnesses"]:
        known = (
            f"cosigned {each['size']} records on {each['at']}" if each["at"] else "has cosigned nothing yet"
        )
        console.print(Text(f"{each['name']} ({each['witness']}) {known}"), soft_wrap=True)
        if each["went_back"]:
            words = f"  it had cosigned {each['went_back']} records once, and did not know that later"
            console.print(Text(words, "yellow"), soft_wrap=True)
        if each["error"]:
            console.print(
                Text(f"  {each['error']} since {each['since']}: {each['cause']}", "red"), soft_wrap=True
            )
        for found in facts["wrong"]:
            if found["witness"] == each["name"]:
                if found["code"] != each["error"]:
                    console.print(Text(f"  {found['code']}: {found['cause']}", "red"), soft_wrap=True)
                console.print(Text(f"  {found['remedy']}", "dim"), soft_wrap=True)


def cosign(
    frame: Frame,
    accept: Annotated[
        str | None,
        typer.Option(
            "--accept", metavar="NAME", help="Cosign the head that waits under this name.", show_default=False
        ),
    ] = None,
    refuse: Annotated[
        str | None,
        typer.Option(
            "--refuse", metavar="NAME", help="Don't: the log is cosigned as before.", show_default=False
        ),
    ] = None,
) -> None:
    """Show our keys as a witness, for those whose logs we cosign, and what is known of each of these logs.

    A log that broke goes on under another name. Where no proof leads there from what we cosigned, its first head waits
    until it is accepted or refused: compare size and root with its operator first, over the telephone.
    """
    from ecluse.app.log.witnesses import awaiting_facts, cosigned_facts, decide_awaiting, own_witness_keys

    if accept and refuse:
        raise typer.BadParameter("Accept or refuse, one at a time.")
    with frame.node() as node:
        if accept or refuse:
            decide_awaiting(node, accept or refuse or "", accept=bool(accept), actor=frame.actor)
        keys = [str(key) for key, _ in own_witness_keys(node)]
        facts: dict[str, Any] = {"keys": keys, "logs": cosigned_facts(node), "awaiting": awaiting_facts(node)}

    def draw(console: Console) -> None:
        from rich.text import Text

        console.print("\n".join(keys), markup=False, soft_wrap=True)
        for each in facts["logs"]:
            known = f"{each['size']} records on {each['at']}" if each["at"] else "nothing yet"
            console.print(Text(f"{each['origin']}: {known}"), soft_wrap=True)
            if each["trouble"]:
                words = f"  {each['trouble']}: it showed a head of {each['trouble_size']} records"
                console.print(Text(words, "red"), soft_wrap=True)
        for each in facts["awaiting"]:
            words = (
                f"{each['origin']}: waits since {each['at']} with {each['size']} records, root {each['root']}; no "
                f"proof leads there from the {each['cosigned']} of {each['before']} that we cosigned"
            )
            console.print(Text(words, "yellow"), soft_wrap=True)

    frame.show(facts, draw)


def tiles(
    frame: Frame,
    out: Annotated[Path, typer.Argument(help="A folder; what is there already is left.", show_default=False)],
    entries: Annotated[
        bool, typer.Option("--entries", help="Write the records too: they are the events themselves.")
    ] = False,
) -> None:
    """Write the log as static files (C2SP tlog-tiles), for any web server or for a copy elsewhere."""
    from ecluse.app.log.tiles import write_tiles

    with frame.node() as node, frame.progress("Writing") as progress:
        facts = write_tiles(node, out, entries, progress)
    words = f"{facts['written']} files of a log of {facts['size']} records are new in {out}."
    frame.show(facts, lambda console: console.print(words, markup=False, soft_wrap=True))


def breaks(frame: Frame) -> None:
    """List where the log broke and who decided that it goes on; and whether it is broken now.

    Exit code 1 where it is broken now.
    """
    from ecluse.app.log.breaks import break_facts, damage_facts, look_at
    from ecluse.evidence.errors import NotBroken

    with frame.node() as node:
        found = break_facts(node)
        try:
            damage = damage_facts(look_at(node))
        except NotBroken:
            damage = None
    facts = {"breaks": found, "damage": damage}
    frame.show(facts, lambda console: _draw_breaks(console, facts))
    if damage is not None:
        raise typer.Exit(1)


def _draw_breaks(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    for each in facts["breaks"]:
        lost, by = each["lost"], ", ".join(each["by"])
        words = (
            f"{each['at']}: {each['before']} went on as {each['origin']}, decided by {by}: {each['reason']}"
        )
        console.print(Text(words), soft_wrap=True)
        words = f"  lost: {lost['origin']} up to {lost['size']} records; the same up to {each['common']}"
        console.print(Text(words, "dim"), soft_wrap=True)
        if not each["holds"]:
            console.print(Text("  the log's key did not sign this: it is nobody's decision", "red"))
    if not facts["breaks"]:
        console.print("No break was ever decided on.")
    if facts["damage"] is not None:
        _draw_damage(console, facts["damage"])


def _draw_damage(console: Console, damage: dict[str, Any]) -> None:
    from rich.text import Text

    present, lost = damage["present"], damage["lost"]
    if damage["common"] == lost["size"] == present["size"]:
        what = f"the database was restored, and what {lost['origin']} signed after {lost['size']} records is not known"
    else:
        what = (
            f"{lost['origin']} was signed up to {lost['size']} records, and this database has another log of "
            f"{present['size']}. Both are the same up to {damage['common']}"
        )
    words = (
        f"The log is broken: {what}. Nothing is signed until somebody restores the newest copy, or decides with "
        "`ecluse log continue`."
    )
    console.print(Text(words, "bold red"), soft_wrap=True)


def continue_(
    frame: Frame,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            help="Why, in one line. Without it, what somebody else proposed is approved.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Decide that a broken log goes on, under another name. The break is never erased.

    Where the hub has operators of role trust, one of them signs; where it has two, both do: the first with --reason,
    the second without. Serving nodes sign the log again within seconds.
    """
    from ecluse.app.log.breaks import continue_log
    from ecluse.app.log.sequencing import make_sequencer
    from ecluse.app.log.witnesses import greet
    from ecluse.evidence.errors import RolledBack

    with frame.node() as node:
        if reason is not None:
            # What the witnesses signed after a backup is lost too; a decision that does not name it would not last.
            with suppress(RolledBack):
                greet(node, make_sequencer(node))
        done = continue_log(node, reason, frame.signer(node), frame.actor)
    found = done.found
    facts = {"waits": done.waits, "break": found.as_dict()}
    if done.waits:
        words = (
            f"{found.by[0].operator} proposed it. Another operator of role trust approves it with "
            "`ecluse log continue --as NAME`."
        )
    else:
        words = f"The log goes on as {found.origin}. Give its new verifier keys (`ecluse log key`) to who checks it."
    frame.show(facts, words)


def add_key(frame: Frame) -> None:
    """Make the ML-DSA-44 key of the log and the keys of our witness, for a hub that an older release made.

    Keys in files, or behind the signer, only: key stores (PKCS#11, Vault) don't make such signatures.
    """
    from ecluse.app.log.keys import add_log_key

    with frame.node() as node:
        made = add_log_key(node, actor=frame.actor)
        keys = list(node.log_keys[-1].texts())
    words = "Both keys sign from here on." if made else "The log has both keys already."
    frame.show({"made": made, "keys": keys}, words)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group ``log``."""
    command(
        app,
        "witness",
        gives="signed, witnesses[]{name, url, witness, size, at, ahead, error, cause, since, went_back}, "
        "wrong[]{witness, code, fault, cause, remedy}",
        example="ecluse --hub hub log witness --now",
    )(witness)
    command(
        app,
        "cosign",
        gives="keys[], logs[]{name, origin, size, root, at, trouble, trouble_size}, awaiting[]{origin, size, root, at, "
        "before, cosigned, cosigned_root}",
        example="ecluse --hub hub log cosign\necluse --hub hub log cosign --accept 'ecluse/aster#2'",
    )(cosign)
    command(
        app,
        "tiles",
        gives="size, written",
        example="ecluse --hub hub log tiles /srv/www/log",
    )(tiles)
    command(
        app,
        "breaks",
        gives="breaks[]{origin, before, lost{origin, size, root}, common, continues{size, root}, at, by[], reason, "
        "index, event, note, signatures[]{operator, key, signature}, holds, signed[]}, damage{present{origin, size, "
        "root}, lost{origin, size, root}, common, heads}",
        example="ecluse --hub hub log breaks",
    )(breaks)
    command(
        app,
        "continue",
        gives="waits, break{}",
        example="ecluse --hub hub log continue --reason 'The disk failed; restored from the copy of Friday.' --as ada\n"
        "ecluse --hub hub log continue --as grace",
        signs=True,
    )(continue_)
    command(app, "add-key", gives="made, keys[]", example="ecluse --hub hub log add-key")(add_key)
