"""Certificates that partners replace: taken up beside the old one, or offered by certificate exchange messages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.frame import Frame, command
from ecluse.cli.rotate import BOARD, At, Reason, SwitchWhen, When, app, moment_of, show_board

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app"]


def take(
    frame: Frame,
    partner: Annotated[str, typer.Argument(help="The partner's id.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="PEM, DER or PKCS#7.", show_default=False)],
    reason: Reason,
    use: Annotated[
        list[str] | None,
        typer.Option(
            "--use",
            help="What for: verify, encrypt, mdn-verify, tls, tls-client; may be repeated. "
            "By default verify and encrypt.",
            show_default=False,
        ),
    ] = None,
    when: SwitchWhen = When.use,
    at: At = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take up a partner's new certificate beside the old one, and encrypt to it once they are seen to use it."""
    from ecluse.app.partners.views import read_small
    from ecluse.app.rotation.tend import look
    from ecluse.app.rotation.theirs import take as take_certificate
    from ecluse.trust.certificates import describe, leaves, load_certificates

    data = read_small(file)
    info = describe(leaves(load_certificates(data))[0])
    with frame.node() as node:
        if not frame.json:
            text = f"{info.subject}, {info.key.name}, SHA-256 {info.fingerprint}"
            frame.err.print(text, markup=False, soft_wrap=True)
        frame.confirm("Did somebody of theirs whom you know read you this fingerprint?", yes=yes)
        begun = take_certificate(
            node,
            partner,
            data,
            use=tuple(use or ("verify", "encrypt")),
            policy=when.value,
            switch_at=moment_of(at),
            actor=frame.actor,
            reason=reason,
            signer=frame.signer(node),
        )
        look(node, begun.rotation.id)
        show_board(frame, node, begun.rotation.id)


command(
    app,
    "take",
    gives=BOARD,
    example="ecluse --hub hub rotate take birch birch-2027.pem --reason 'read out by Ms Moreau' --yes",
    signs=True,
)(take)


def offers(
    frame: Frame,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were decided about.")] = False,
) -> None:
    """List certificates that partners offer by certificate exchange messages."""
    from ecluse.app.rotation.theirs import offer_list

    with frame.node() as node:
        rows = offer_list(node, everything=everything)

    def draw(console: Console) -> None:
        from rich.table import Table
        from rich.text import Text

        if not rows:
            console.print("There are none.")
            return
        table = Table(box=None, pad_edge=False)
        for title in ("id", "state", "for", "subject", "key", "until", "SHA-256"):
            table.add_column(title, overflow="fold")
        for row in rows:
            values = [row["id"], row["state"], ", ".join(row["use"]), row["subject"], row["key"]]
            table.add_row(*map(Text, [*values, row["not_after"][:10], row["certificate_sha256"]]))
        console.print(table)

    frame.show({"offers": rows}, draw)


command(
    app,
    "offers",
    gives="offers[]{id, partner, state, received, respond_by, use[], subject, issuer, key, not_before, not_after, "
    "certificate_sha256, weak[], message}",
    example="ecluse --hub hub rotate offers",
)(offers)

_Offer = Annotated[str, typer.Argument(help="The offer's id.", show_default=False)]


def accept(
    frame: Frame,
    id: _Offer,
    reason: Reason,
    when: SwitchWhen = When.use,
    at: At = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take up a certificate that a partner offers; they are told once it is in force."""
    from ecluse.app.rotation.tend import look
    from ecluse.app.rotation.theirs import accept_offer

    with frame.node() as node:
        frame.confirm("Did somebody of theirs whom you know read you its fingerprint?", yes=yes)
        begun = accept_offer(
            node,
            id,
            policy=when.value,
            switch_at=moment_of(at),
            actor=frame.actor,
            reason=reason,
            signer=frame.signer(node),
        )
        look(node, begun.rotation.id)
        show_board(frame, node, begun.rotation.id)


command(
    app,
    "accept",
    gives=BOARD,
    example="ecluse --hub hub rotate accept birch:0a1b2c3d4e5f6071 --reason 'read out by Ms Moreau' --yes",
    signs=True,
)(accept)


def refuse(frame: Frame, id: _Offer, reason: Reason) -> None:
    """Refuse a certificate that a partner offers, and tell them why."""
    from ecluse.app.rotation.theirs import refuse_offer

    with frame.node() as node:
        refuse_offer(node, id, actor=frame.actor, reason=reason)
    frame.show({"id": id, "state": "refused"}, f"{id} is refused; the partner is told.")


command(
    app,
    "refuse",
    gives="id, state",
    example="ecluse --hub hub rotate refuse birch:0a1b2c3d4e5f6071 --reason 'nobody there knows of it'",
)(refuse)
