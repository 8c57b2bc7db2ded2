"""Certificates and keys: ours in the keyring, the partners' in the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.credentials import (
    ROW,
    Expiring,
    Export,
    Owner,
    Purpose,
    Unused,
    WeakerThan,
    show_credentials,
)
from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from cryptography import x509
    from rich.console import Console

__all__ = ["app"]

app = typer.Typer(help="Certificates and keys, ours and the partners'.", no_args_is_help=True)

_Ref = Annotated[str, typer.Argument(help="The key's name in the keyring.", show_default=False)]


def _list(
    frame: Frame,
    expiring: Expiring = None,
    owner: Owner = None,
    purpose: Purpose = None,
    weaker_than: WeakerThan = None,
    unused: Unused = None,
    export: Export = None,
) -> None:
    """List every certificate: our keys', then the partners'. For other keys see `ecluse key list`."""
    from ecluse.app.keys.inventory import certificate_row

    show_credentials(
        frame,
        "certificates",
        kinds=("certificate", "trust-anchor", "ssh-key"),
        row=certificate_row,
        expiring=expiring,
        owner=owner,
        purpose=purpose,
        weaker_than=weaker_than,
        unused=unused,
        export=export,
    )


command(
    app,
    "list",
    gives=f"certificates[]{{{ROW}, source, use[], key, usable}}; with --export file, count",
    example="ecluse --hub hub cert list --expiring 60d",
)(_list)


def check(
    frame: Frame,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A partner, a key of ours, a file, or the beginning of a fingerprint; all by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Ask the authorities whether certificates were revoked, now. Exits with 1 where one was."""
    from ecluse.app.keys.revocation import check_certificates, is_named
    from ecluse.model.basics import iso

    with frame.node() as node:
        wanted = None if name is None else is_named(node, name)
        found = list(check_certificates(node, everything=True, wanted=wanted))
    rows = [
        {
            "owner": each.candidate.owner or "us",
            "name": each.candidate.name,
            "subject": each.candidate.certificate.subject.rfc4514_string(),
            "fingerprint": each.candidate.fingerprint,
            "state": "unchecked" if each.verdict is None else each.verdict.state,
            "since": iso(each.verdict.since) if each.verdict is not None and each.verdict.since else None,
            "reason": "Nobody can be asked." if each.verdict is None else each.verdict.reason,
            "source": "" if each.verdict is None else each.verdict.source,
        }
        for each in found
    ]
    frame.show({"certificates": rows}, lambda console: _draw_checked(console, rows))
    if any(row["state"] == "revoked" for row in rows):
        raise typer.Exit(1)


command(
    app,
    "check",
    gives="certificates[]{owner, name, subject, fingerprint, state, since, reason, source}",
    example="ecluse --hub hub cert check\necluse --hub hub cert check birch",
)(check)


def _draw_checked(console: Console, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console.print("No certificate in use was issued by somebody who could be asked.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("owner", "subject", "state", "since", "reason", "SHA-256"):
        table.add_column(title, overflow="fold", no_wrap=title == "SHA-256")
    colours = {"good": "green", "revoked": "bold red", "unknown": "yellow"}
    for row in rows:
        table.add_row(
            Text(row["owner"]),
            Text(row["subject"]),
            Text(row["state"], colours.get(row["state"], "")),
            Text((row["since"] or "")[:10]),
            Text(row["reason"]),
            Text(row["fingerprint"][:16]),
        )
    console.print(table)


def import_(
    frame: Frame,
    file: Annotated[Path, typer.Argument(help="PKCS#12, PEM, DER or PKCS#7.", show_default=False)],
    ref: Annotated[
        str | None, typer.Option("--ref", help="Take over a private key under this name.", show_default=False)
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            "--password", help="Reference to the file's password: env:NAME or file:PATH.", show_default=False
        ),
    ] = None,
    partner: Annotated[
        str | None, typer.Option("--partner", help="Add a certificate to this partner.", show_default=False)
    ] = None,
    use: Annotated[
        list[str] | None,
        typer.Option(
            "--use",
            help="What for: verify, encrypt, mdn-verify, tls, tls-client; may be repeated. "
            "By default verify and encrypt.",
            show_default=False,
        ),
    ] = None,
    begins: Annotated[
        str | None,
        typer.Option("--from", help="Not used before; a date, or a date and time.", show_default=False),
    ] = None,
    ends: Annotated[
        str | None, typer.Option("--until", help="Not used after; a date counts whole.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take over a private key (--ref), or add a partner's certificate (--partner) and put it in force."""
    if (ref is None) == (partner is None):
        raise typer.BadParameter("give --ref for a key of ours, or --partner for a certificate of theirs.")
    if ref is not None:
        _import_key(frame, file, ref, password)
    else:
        assert partner is not None, "one of the two was given"
        _import_certificate(frame, file, partner, use or [], begins, ends, yes=yes)


command(
    app,
    "import",
    gives="ref, subject, key, not_after, fingerprint, in_use; with --partner partner, version, changes[]",
    example="ecluse --hub hub cert import our-key.p12 --ref main-2027 --password file:password.txt\n"
    "ecluse --hub hub cert import birch-2027.pem --partner birch --use verify --from 2027-01-01",
    signs=True,
)(import_)


def _import_key(frame: Frame, file: Path, ref: str, password: str | None) -> None:
    from ecluse.app.keys.certificates import import_key
    from ecluse.app.partners.views import read_small

    data = read_small(file)
    with frame.node() as node:
        locked = b"-----BEGIN" not in data or b"ENCRYPTED" in data
        secret = frame.secret(
            password if locked or password is not None else None, "Password of the file", optional=not locked
        )
        certificate = import_key(node, ref, data, secret, actor=frame.actor)
        named = ref in {key.ref for key in node.directory.organisation.keys}
    _show_key(frame, ref, certificate, "is in the keyring", named=named)


def _import_certificate(
    frame: Frame, file: Path, partner: str, use: list[str], begins: str | None, ends: str | None, *, yes: bool
) -> None:
    from ecluse.app.keys.certificates import partner_certificate_files
    from ecluse.app.partners.views import read_small
    from ecluse.app.settings import change_files, plan_files, settled_files
    from ecluse.cli.configuration import draw_plan

    data = read_small(file)
    with frame.node() as node:
        view = node.directory.partner(partner)
        files = partner_certificate_files(
            settled_files(node), view.id, data, use=use, begins=begins, ends=ends
        )
        changes, _ = plan_files(node, files)
        if not yes and not frame.json:
            draw_plan(frame.err, changes)
        frame.confirm("Apply this?", yes=yes)
        version = change_files(
            node,
            files,
            actor=frame.actor,
            reason=f"a certificate of {view.name} was added",
            signer=frame.signer(node),
        )
    number = version.number if version is not None else None
    text = (
        f"Version {number} is in force."
        if version is not None
        else "The partner has this certificate already."
    )
    frame.show({"partner": partner, "version": number, "changes": changes.changes}, text)


def generate(
    frame: Frame,
    ref: _Ref,
    kind: Annotated[str, typer.Option("--kind", help="Such as rsa-3072, ec-p256 or ml-dsa-65.")] = "rsa-3072",
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject", help="A name, or RFC 4514 text; the organisation's by default.", show_default=False
        ),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="How long its certificate lasts.")] = 1095,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="DNS name or IP address, for TLS; may be repeated.", show_default=False),
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            "--issuer",
            help="A key of ours that signs its certificate, where it can't itself (x25519, ml-kem-768).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a key with a certificate, signed by the key itself or by another of ours."""
    from ecluse.app.keys.certificates import generate_key

    with frame.node() as node:
        organisation = node.directory.organisation
        certificate = generate_key(
            node,
            ref,
            kind,
            subject=subject or organisation.name,
            days=days,
            names=name or [],
            issuer=issuer,
            actor=frame.actor,
        )
        named = ref in {key.ref for key in organisation.keys}
    _show_key(frame, ref, certificate, "is in the keyring", named=named)


command(
    app,
    "generate",
    gives="ref, subject, key, not_after, fingerprint, in_use",
    example="ecluse --hub hub cert generate main-2027 --kind rsa-3072 --subject 'CN=Aster AS2,O=Aster Foods'\n"
    "ecluse --hub hub cert generate kem-2027 --kind ml-kem-768 --issuer main-2027",
)(generate)


def request(
    frame: Frame,
    ref: _Ref,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Its certificate's by default.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; standard output by default.", show_default=False)
    ] = None,
) -> None:
    """Make a certificate request (PKCS#10, PEM) for a key, to be signed by an authority."""
    with frame.node() as node:
        text = node.keyfiles.request(ref, subject)
    frame.hand_out(ref, "request", text, out, "The request")


command(
    app,
    "request",
    gives="ref, request; with --out file in place of request",
    example="ecluse --hub hub cert request main --out main.csr",
)(request)


def install(
    frame: Frame,
    ref: _Ref,
    file: Annotated[Path, typer.Argument(help="PEM, DER or PKCS#7, with the chain.", show_default=False)],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Hold the key under this further name with it, and leave the certificate that it has: for "
            "`ecluse rotate begin`. A hub of four eyes takes the certificate of a key in use so alone.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Give a key the certificate that an authority made; what was encrypted to the former one still opens."""
    from ecluse.app.keys.certificates import take_certificate
    from ecluse.app.partners.views import read_small

    data = read_small(file)
    with frame.node() as node:
        certificate = take_certificate(node, ref, data, new=to, actor=frame.actor)
        ref = to or ref
        named = ref in {key.ref for key in node.directory.organisation.keys}
    _show_key(frame, ref, certificate, "has its certificate", named=named)


command(
    app,
    "install",
    gives="ref, subject, key, not_after, fingerprint, in_use",
    example="ecluse --hub hub cert install main main.crt\n"
    "ecluse --hub hub cert install main main-2027.crt --to main-2027",
)(install)


def export(
    frame: Frame,
    ref: _Ref,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; standard output by default.", show_default=False)
    ] = None,
) -> None:
    """Write a key's certificate, followed by its issuers, as PEM: for partners with other software."""
    from ecluse.trust.certificates import to_pem

    with frame.node() as node:
        text = to_pem(node.keyring.chain(ref))
    frame.hand_out(ref, "certificate", text, out, "The certificate")


command(
    app,
    "export",
    gives="ref, certificate; with --out file in place of certificate",
    example="ecluse --hub hub cert export main --out aster.pem",
)(export)


def _show_key(frame: Frame, ref: str, certificate: x509.Certificate, verb: str, *, named: bool) -> None:
    from ecluse.model.basics import iso
    from ecluse.trust.certificates import describe

    info = describe(certificate)
    facts = {
        "ref": ref,
        "subject": info.subject,
        "key": info.key.name,
        "not_after": iso(info.not_after),
        "fingerprint": info.fingerprint,
        "in_use": named,
    }
    text = f"{ref} {verb}: {info.subject}, {info.key.name}, until {iso(info.not_after)[:10]}, SHA-256 {info.short}"
    if not named:
        text += "\nTo use it, name it under [[organisation.keys]] or a listener, then `ecluse apply`."
    frame.show(facts, lambda console: console.print(text, markup=False, soft_wrap=True))
