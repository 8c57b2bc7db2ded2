"""Lists of certificates and keys: the filters, the table and the export that `cert list` and `key list` share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

import typer

from ecluse.cli.frame import Frame

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.node import Node
    from ecluse.model.basics import Instant
    from ecluse.trust.inventory import Credential

__all__ = [
    "ROW",
    "Expiring",
    "Export",
    "Owner",
    "Purpose",
    "Unused",
    "WeakerThan",
    "show_credentials",
]

Expiring = Annotated[
    str | None,
    typer.Option(
        "--expiring",
        help="Only those that have ended, were revoked, or end within this time, such as 60d.",
        show_default=False,
    ),
]
Owner = Annotated[
    str | None,
    typer.Option("--owner", help="Only those of this partner; us for our own.", show_default=False),
]
Purpose = Annotated[
    str | None,
    typer.Option(
        "--purpose", help="Only those for this: verify, encrypt, tls, host-key, ...", show_default=False
    ),
]
WeakerThan = Annotated[
    int | None,
    typer.Option(
        "--weaker-than",
        min=1,
        max=257,
        help="Only those with fewer bits of security: RSA 2048 has 112, RSA 3072 and P-256 have 128.",
        show_default=False,
    ),
]
Unused = Annotated[
    str | None,
    typer.Option(
        "--unused",
        help="Only those not used, and not seen on the wire, for this time, such as 90d.",
        show_default=False,
    ),
]
Export = Annotated[
    tuple[str, Path] | None,
    typer.Option(
        "--export",
        metavar="csv|json FILE",
        help="Write the list into a new file, as CSV or JSON.",
        show_default=False,
    ),
]

ROW: Final = (
    "owner, kind, name, purpose[], bindings[]{channel, role, file, field}, algorithm, strength, fingerprint, "
    "others[], subject, issuer, serial, signature, chain[], not_before, not_after, from, until, days_left, state, "
    "replaced, revocation{state, at, since, reason, source}, "
    "subkeys[]{fingerprint, algorithm, strength, purpose[], not_after, state}, "
    "seen[]{partner, channel, role, first, last, count}, used, uses, kept"
)
"""Members of one credential."""


def show_credentials(
    frame: Frame,
    title: str,
    *,
    kinds: Iterable[str],
    row: Callable[[Node, Credential, Instant], dict[str, Any] | None],
    expiring: str | None,
    owner: str | None,
    purpose: str | None,
    weaker_than: int | None,
    unused: str | None,
    export: tuple[str, Path] | None,
) -> None:
    """List what the filters leave.

    Args:
        frame: The command.
        title: Name of the list in JSON.
        kinds: Which kinds of credentials are listed.
        row: A credential for JSON; ``None`` where the list leaves it out.
        expiring: As the options above, and so the rest.
        owner: ...
        purpose: ...
        weaker_than: ...
        unused: ...
        export: ...
    """
    from ecluse import durable
    from ecluse.app.keys.inventory import exported, inventory
    from ecluse.cli.values import duration
    from ecluse.trust.inventory import Query

    if export is not None and export[0] not in ("csv", "json"):
        raise typer.BadParameter(f"--export takes csv or json, not {export[0]!r}.")
    query = Query(
        expiring=None if expiring is None else int(duration(expiring) * 1_000_000),
        owner=owner,
        kinds=tuple(kinds),
        purpose=purpose,
        weaker_than=weaker_than,
        unused=None if unused is None else int(duration(unused) * 1_000_000),
    )
    with frame.node() as node:
        now = node.hub.clock()
        if owner is not None and owner != "us":
            node.directory.partner(owner)
        pairs = [(each, row(node, each, now)) for each in query.of(inventory(node), now)]
    found = [each for each, made in pairs if made is not None]
    rows = [made for _, made in pairs if made is not None]
    if export is not None:
        form, path = export
        durable.write_new(path, [exported(found, now, cast('Literal["csv", "json"]', form))], 0o600)
        frame.show({"file": str(path), "count": len(found)}, f"{len(found)} are in {path}.")
        return
    frame.show({title: rows}, lambda console: _draw(console, found, now))


def _draw(console: Console, credentials: list[Credential], now: Instant) -> None:
    from rich.table import Table
    from rich.text import Text

    from ecluse.app.keys.inventory import days_left
    from ecluse.model.basics import iso

    if not credentials:
        console.print("There are none.")
        return
    table = Table(box=None, pad_edge=False)
    for title in (
        "owner",
        "kind",
        "name",
        "for",
        "algorithm",
        "bits",
        "until",
        "days",
        "state",
        "fingerprint",
    ):
        table.add_column(title, overflow="fold", no_wrap=title == "fingerprint")
    for each in credentials:
        days, ends, state = days_left(each, now), each.ends, each.state(now)
        style = "red" if state != "valid" else "yellow" if days is not None and days < 30 else ""
        hexadecimal = each.fingerprint[:16] if ":" not in each.fingerprint else each.fingerprint
        table.add_row(
            Text(each.owner or "us"),
            Text(each.kind),
            Text(f"{each.name} {each.subject}".rstrip()),
            Text(", ".join(each.purpose) or "nothing"),
            Text(each.algorithm),
            Text("" if each.strength is None else str(each.strength)),
            Text("" if ends is None else iso(ends)[:10]),
            Text("" if days is None else str(days), style),
            Text(state if each.revocation.state in ("good", "unchecked") else each.revocation.state, style),
            Text(hexadecimal),
        )
    console.print(table)
