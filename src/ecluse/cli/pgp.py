"""OpenPGP: our keys in the keyring, the partners' certificates in the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.cli.frame import Frame, command

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.wire.openpgp.certificate import Certificate

__all__ = ["app"]

app = typer.Typer(help="OpenPGP keys and certificates, ours and the partners'.", no_args_is_help=True)

_Ref = Annotated[str, typer.Argument(help="The key's name in the keyring.", show_default=False)]
_GIVES = "ref, fingerprint, user_ids[], key, expires, state, in_use"


def _list(
    frame: Frame,
    expiring: Annotated[
        str | None,
        typer.Option(
            "--expiring",
            help="Only those that have ended, were revoked, or end within this time, such as 60d.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """List every OpenPGP key of ours, then the partners' certificates."""
    from ecluse.app.keys.openpgp import is_ending, openpgp_entries
    from ecluse.cli.values import duration

    days = duration(expiring) // 86_400 if expiring is not None else None
    with frame.node() as node:
        now = node.hub.clock()
        rows = [
            entry.as_dict(now)
            for entry in openpgp_entries(node)
            if days is None or is_ending(entry, now, int(days))
        ]
    frame.show({"certificates": rows}, lambda console: _draw(console, rows))


_CERTIFICATE = (
    "owner, source, use[], user_ids[], fingerprint, version, key, created, expires, days_left, state, "
    "reads_aead, keys[]{fingerprint, key_id, key, signs, encrypts, expires, state}"
)
command(
    app,
    "list",
    gives=f"certificates[]{{{_CERTIFICATE}}}",
    example="ecluse --hub hub pgp list --expiring 60d",
)(_list)


def _draw(console: Console, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        console.print("There are none.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("owner", "use", "name", "key", "until", "state", "fingerprint"):
        table.add_column(title, overflow="fold", no_wrap=title == "fingerprint")
    for row in rows:
        owner = f"us: {row['source']}" if row["owner"] == "us" else row["owner"]
        soon = row["days_left"] is not None and row["days_left"] < 30
        style = "red" if row["state"] != "valid" else "yellow" if soon else ""
        table.add_row(
            Text(owner),
            Text(", ".join(row["use"]) or "nothing"),
            Text(next(iter(row["user_ids"]), "")),
            Text(row["key"]),
            Text((row["expires"] or "for ever")[:10]),
            Text(row["state"], style),
            Text(row["fingerprint"][:16]),
        )
    console.print(table)


def show(
    frame: Frame,
    name: Annotated[
        str,
        typer.Argument(
            help="A key of ours, a partner, a file, or part of a fingerprint.", show_default=False
        ),
    ],
) -> None:
    """Show one key or certificate, with its fingerprint in groups to be compared by voice."""
    from ecluse.app.keys.openpgp import find_entry

    with frame.node() as node:
        row = find_entry(node, name).as_dict(node.hub.clock())
    frame.show(row, lambda console: _draw_one(console, row))


command(app, "show", gives=_CERTIFICATE, example="ecluse --hub hub pgp show birch")(show)


def _draw_one(console: Console, row: dict[str, Any]) -> None:
    from ecluse.app.keys.openpgp import grouped

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    say(f"{'us' if row['owner'] == 'us' else row['owner']}: {row['source']}")
    for user in row["user_ids"]:
        say(f"  {user}")
    say(f"  fingerprint  {grouped(row['fingerprint'])}")
    say(
        f"  {row['key']}, version {row['version']}, {row['state']}, until {(row['expires'] or 'for ever')[:10]}"
    )
    say(f"  used to {', '.join(row['use']) or 'do nothing'}")
    for key in row["keys"]:
        able = [word for word, can in (("signs", key["signs"]), ("encrypts", key["encrypts"])) if can]
        ends = (key["expires"] or "for ever")[:10]
        say(
            f"  key {key['key_id']}  {key['key']}  {', '.join(able) or 'certifies'}  {key['state']}  until {ends}"
        )


def generate(
    frame: Frame,
    ref: _Ref,
    kind: Annotated[
        str, typer.Option("--kind", help="rsa-3072, rsa-4096, curve25519, ec-p256, ec-p384 or ec-p521.")
    ] = "rsa-3072",
    user_id: Annotated[
        str | None,
        typer.Option("--user-id", help="Such as 'Aster <edi@aster.example>'.", show_default=False),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="How long it lasts.")] = 1095,
    version: Annotated[
        int, typer.Option("--key-version", help="4, which everybody reads, or 6 (RFC 9580).")
    ] = 4,
) -> None:
    """Make a key that signs and decrypts."""
    from ecluse.app.keys.openpgp import generate_key

    with frame.node() as node:
        organisation = node.directory.organisation
        address = f" <{organisation.email}>" if organisation.email else ""
        made = generate_key(
            node,
            ref,
            user_id or f"{organisation.name}{address}",
            kind=kind,
            version=version,
            days=days,
            actor=frame.actor,
        )
        named = _named(node, ref)
    _show_key(frame, ref, made, "is in the keyring", named=named)


command(
    app,
    "generate",
    gives=_GIVES,
    example="ecluse --hub hub pgp generate pgp-2027 --user-id 'Aster Foods <edi@aster.example>'",
)(generate)


def import_(
    frame: Frame,
    file: Annotated[
        Path, typer.Argument(help="A private key, or a partner's certificate.", show_default=False)
    ],
    ref: Annotated[
        str | None, typer.Option("--ref", help="Take over a private key under this name.", show_default=False)
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            "--password", help="Reference to the key's passphrase: env:NAME or file:PATH.", show_default=False
        ),
    ] = None,
    partner: Annotated[
        str | None, typer.Option("--partner", help="Add a certificate to this partner.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take over a private key (--ref), or put a partner's certificate (--partner) in force."""
    from ecluse.app.keys.openpgp import import_key
    from ecluse.app.partners.views import read_small
    from ecluse.wire.openpgp.errors import WrongPassphrase

    if (ref is None) == (partner is None):
        raise typer.BadParameter("give --ref for a key of ours, or --partner for a certificate of theirs.")
    data = read_small(file)
    if partner is not None:
        _import_certificate(frame, data, partner, yes=yes)
        return
    assert ref is not None, "one of the two was given"
    with frame.node() as node:
        secret = frame.secret(password, "Passphrase of the key") if password is not None else None
        try:
            made = import_key(node, ref, data, secret, actor=frame.actor)
        except WrongPassphrase:
            if secret is not None:
                raise
            secret = frame.secret(None, "Passphrase of the key")
            made = import_key(node, ref, data, secret, actor=frame.actor)
        named = _named(node, ref)
    _show_key(frame, ref, made, "is in the keyring", named=named)


command(
    app,
    "import",
    gives=f"{_GIVES}; with --partner partner, version, changes[]",
    example="ecluse --hub hub pgp import our-key.asc --ref pgp-2027 --password file:passphrase.txt\n"
    "ecluse --hub hub pgp import birch.asc --partner birch",
    signs=True,
)(import_)


def _import_certificate(frame: Frame, data: bytes, partner: str, *, yes: bool) -> None:
    from ecluse.app.keys.openpgp import grouped, partner_files
    from ecluse.app.settings import change_files, plan_files, settled_files
    from ecluse.cli.configuration import draw_plan
    from ecluse.wire.openpgp.certificate import read_certificates

    with frame.node() as node:
        view = node.directory.partner(partner)
        files = partner_files(settled_files(node), view.id, data)
        changes, _ = plan_files(node, files)
        if not yes and not frame.json:
            draw_plan(frame.err, changes)
            shown = grouped(read_certificates(data)[0].fingerprint)
            frame.err.print(f"Compare its fingerprint with the partner, by voice: {shown}", soft_wrap=True)
        frame.confirm("Apply this?", yes=yes)
        reason = f"an OpenPGP certificate of {view.name} was added"
        version = change_files(node, files, actor=frame.actor, reason=reason, signer=frame.signer(node))
    number = version.number if version is not None else None
    text = (
        f"Version {number} is in force."
        if version is not None
        else "The partner has this certificate already."
    )
    frame.show({"partner": partner, "version": number, "changes": changes.changes}, text)


def export(
    frame: Frame,
    ref: _Ref,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file; standard output by default.", show_default=False)
    ] = None,
) -> None:
    """Write the certificate of a key of ours in ASCII armour: for partners."""
    from ecluse.trust.keys.openpgp import armored_certificate

    with frame.node() as node:
        text = armored_certificate(node.keyring.openpgp_certificate(ref))
    frame.hand_out(ref, "certificate", text, out, "The certificate")


command(
    app,
    "export",
    gives="ref, certificate; with --out file in place of certificate",
    example="ecluse --hub hub pgp export pgp-2027 --out aster.asc",
)(export)


def extend(
    frame: Frame,
    ref: _Ref,
    days: Annotated[int, typer.Option("--days", min=1, help="How long it lasts from now.")] = 1095,
) -> None:
    """Let a key of ours last longer. Partners need its certificate again."""
    from ecluse.app.keys.openpgp import extend_key

    with frame.node() as node:
        made = extend_key(node, ref, days, actor=frame.actor)
        named = _named(node, ref)
    _show_key(frame, ref, made, "lasts longer", named=named)


command(app, "extend", gives=_GIVES, example="ecluse --hub hub pgp extend pgp-2027 --days 730")(extend)


def revoke(
    frame: Frame,
    ref: _Ref,
    reason: Annotated[
        str, typer.Option("--reason", help="superseded, retired, compromised or none.", show_default=False)
    ],
    text: Annotated[str, typer.Option("--text", help="What partners read about it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Revoke a key of ours for good: it signs no more, and still decrypts. Partners need its certificate again."""
    from ecluse.app.keys.openpgp import revoke_key

    with frame.node() as node:
        node.keyring.openpgp_certificate(ref)
        frame.confirm(f"Revoke {ref} for good?", yes=yes)
        made = revoke_key(node, ref, reason, text, actor=frame.actor)
        named = _named(node, ref)
    _show_key(frame, ref, made, "is revoked", named=named)


command(
    app,
    "revoke",
    gives=_GIVES,
    example="ecluse --hub hub pgp revoke pgp-2024 --reason superseded --text 'See pgp-2027'",
)(revoke)


def remove(
    frame: Frame,
    ref: _Ref,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget a key of ours for good: what was encrypted to it alone can't be read any more."""
    from ecluse.app.keys.openpgp import remove_key

    with frame.node() as node:
        node.keyring.openpgp_certificate(ref)
        frame.confirm(f"Forget {ref} for good?", yes=yes)
        remove_key(node, ref, actor=frame.actor)
    frame.show({"ref": ref}, f"{ref} is forgotten.")


command(app, "remove", gives="ref", example="ecluse --hub hub pgp remove pgp-2019")(remove)


def _named(node: Any, ref: str) -> bool:
    partners = (view.settings.openpgp for view in node.directory.partners)
    named = {settings.key for settings in partners if settings is not None}
    return ref in node.directory.hub.openpgp.keys or ref in named


def _show_key(frame: Frame, ref: str, certificate: Certificate, verb: str, *, named: bool) -> None:
    from ecluse.app.keys.openpgp import OpenPgpEntry, grouped
    from ecluse.model.basics import system_clock

    row = OpenPgpEntry(None, ref, (), certificate).as_dict(system_clock())
    facts = {
        "ref": ref,
        "fingerprint": row["fingerprint"],
        "user_ids": row["user_ids"],
        "key": row["key"],
        "expires": row["expires"],
        "state": row["state"],
        "in_use": named,
    }
    name = next(iter(row["user_ids"]), "")
    until = (row["expires"] or "for ever")[:10]
    text = f"{ref} {verb}: {name}, {row['key']}, until {until}\n  fingerprint  {grouped(row['fingerprint'])}"
    if not named:
        text += "\nTo use it, name it in keys under [openpgp] in ecluse.toml, then `ecluse apply`."
    frame.show(facts, lambda console: console.print(text, markup=False, soft_wrap=True))
