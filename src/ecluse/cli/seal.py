"""Seals: signatures that stand on a document itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app"]

app = typer.Typer(help="Signatures on documents themselves: make them, check them.", no_args_is_help=True)

Key = Annotated[
    str | None,
    typer.Option(
        "--key", help="Our key, by name; by default the organisation's for sign.", show_default=False
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="A new file; by default beside it.", show_default=False)
]

TimeStamp = Annotated[
    str | None,
    typer.Option("--time-stamp", help="Authority of [[log.authorities]] that stamps it.", show_default=False),
]


def sign(
    frame: Frame,
    file: Annotated[Path, typer.Argument(help="The document.", show_default=False)],
    form: Annotated[
        Literal["auto", "pades", "xades", "cades", "cades-detached"],
        typer.Option(
            "--format",
            help="pades is in a PDF, xades in XML, cades around any document (.p7m), cades-detached beside it (.p7s); "
            "auto takes what fits.",
        ),
    ] = "auto",
    key: Key = None,
    out: Out = None,
    time_stamp: TimeStamp = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for readers of a PDF.", show_default=False)
    ] = None,
) -> None:
    """Put our seal on a document."""
    from ecluse.app.seals import seal_file
    from ecluse.trust.settings.seals import Sealing

    with frame.node() as node:
        facts = seal_file(
            node, file, Sealing(format=form, key=key, reason=reason, time_stamp=time_stamp), out
        )
    frame.show(facts, lambda console: console.print(_made(facts), markup=False, soft_wrap=True))


command(
    app,
    "sign",
    gives="file, format, certificate",
    example="ecluse --hub hub seal sign contract.pdf --reason 'Contract 4711'\n"
    "ecluse --hub hub seal sign invoice.xml --format xades --key seal",
)(sign)


def container(
    frame: Frame,
    files: Annotated[list[Path], typer.Argument(help="The documents.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", help="The container, a new file (.asice).", show_default=False)
    ],
    key: Key = None,
    time_stamp: TimeStamp = None,
) -> None:
    """Put documents into one container with one seal over all of them (ASiC-E)."""
    from ecluse.app.seals import contain_files
    from ecluse.trust.settings.seals import Sealing

    with frame.node() as node:
        facts = contain_files(node, files, Sealing(format="asic-e", key=key, time_stamp=time_stamp), out)
    frame.show(facts, lambda console: console.print(_made(facts), markup=False, soft_wrap=True))


command(
    app,
    "container",
    gives="file, format, certificate",
    example="ecluse --hub hub seal container order.xml contract.pdf --out order-4711.asice",
)(container)


def check(
    frame: Frame,
    what: Annotated[
        str, typer.Argument(metavar="FILE_OR_MESSAGE", help="A file, or a message.", show_default=False)
    ],
    partner: Annotated[
        str | None,
        typer.Option("--partner", help="Of a file: whose certificates are believed.", show_default=False),
    ] = None,
    seal: Annotated[
        Path | None, typer.Option("--seal", help="Of a file: a seal that lies beside it.", show_default=False)
    ] = None,
) -> None:
    """Check the seals on a document. Exit code 1 unless every document has one that passes, and none that fails."""
    from ecluse.app.seals import check_file, check_message

    with frame.node() as node:
        path = Path(what)
        if partner is not None or seal is not None or path.is_file():
            facts = check_file(node, path, partner=partner, seal=seal)
        else:
            facts = check_message(node, what)
    frame.show(facts, lambda console: _draw(console, facts))
    if not facts["passed"]:
        raise typer.Exit(1)


command(
    app,
    "check",
    gives="passed, documents[]{name, passed, seals[]{format, indication, ground, sentence, signer, certificate, "
    "issuer, made, stamped, algorithm, covers, file}}; of a message also message",
    example="ecluse --hub hub seal check invoice.xml --partner birch\necluse --hub hub seal check 4711",
)(check)

_STYLES: Final = {"total-passed": "green", "indeterminate": "yellow", "total-failed": "bold red"}


def _made(facts: dict[str, Any]) -> str:
    return f"{facts['file']} is sealed ({facts['format']}) with certificate {facts['certificate'][:16]}."


def _draw(console: Console, facts: dict[str, Any]) -> None:
    from rich.text import Text

    for document in facts["documents"]:
        console.print(Text(document["name"], "bold"))
        if not document["seals"]:
            console.print(Text("  no seal", "yellow"))
        for each in document["seals"]:
            where = f" {each['file']}" if each["file"] else ""
            console.print(
                Text(
                    f"  {each['format']}{where}: {each['indication']} ({each['ground']})",
                    _STYLES[each["indication"]],
                )
            )
            console.print(Text(f"    {each['sentence']}"), soft_wrap=True)
            if each["signer"]:
                made = f", {each['made']}" if each["made"] else ""
                console.print(Text(f"    {each['signer']}, by {each['issuer']}{made}", "dim"), soft_wrap=True)
            if each["covers"] == "part":
                console.print(Text("    It does not cover the whole document.", "yellow"))
