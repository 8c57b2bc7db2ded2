"""The inventory of a hub: what is in force, joined with what was observed; shown, filtered and exported in one way."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from ecluse.app.keys.uses import key_uses
from ecluse.model.basics import Instant, iso
from ecluse.trust.certificates import describe
from ecluse.trust.inventory import Credential, Observed, Seen, Use
from ecluse.trust.revocation import every_verdict, shown
from ecluse.trust.sightings import every_sighting

if TYPE_CHECKING:
    from ecluse.app.node import Node
    from ecluse.store.port import View

__all__ = [
    "COLUMNS",
    "as_row",
    "certificate_row",
    "days_left",
    "exported",
    "inventory",
    "last_instant",
]

_DAY: Final = 86_400 * 1_000_000
_KEY_ROLES: Final = frozenset(
    {"verify", "decrypt", "mdn-verify", "tls-server", "tls-client", "host-key", "user-key", "recipient"}
)
"""Roles in which keys are seen; in the others it is algorithms and versions."""


def inventory(node: Node) -> tuple[Credential, ...]:
    """Every credential of the hub and its partners, as of the version in force.

    The node remembers what it found: a second list takes up what changed since.
    """
    return node.inventory.credentials(
        node.directory.configuration,
        node.keyring,
        node.hub.clock(),
        secrets=node.keyring.secrets(),
        observed=_observed(node),
    )


def _observed(node: Node) -> Observed:
    """What the records tell of credentials."""

    def read(view: View) -> Observed:
        seen: dict[str, list[Seen]] = {}
        for partner, sightings in every_sighting(view):
            for one in sightings:
                if one.role in _KEY_ROLES:
                    met = Seen(partner, one.channel, one.role, one.first, one.last, one.count)
                    seen.setdefault(one.value, []).append(met)
        uses: dict[str, Use] = {}
        for use in key_uses(view):
            before = uses.get(use.ref, Use(use.last, 0))
            uses[use.ref] = Use(max(before.last, use.last), before.count + use.count)
        return Observed(
            seen=seen,
            uses=uses,
            revocation={fingerprint: shown(verdict) for fingerprint, verdict in every_verdict(view)},
        )

    return node.store.read(read)


def days_left(credential: Credential, now: Instant) -> int | None:
    """Whole days until it stops being used; ``None`` for never."""
    ends = credential.ends
    return None if ends is None else (ends - now) // _DAY


def last_instant(end: Instant | None) -> str | None:
    """The last instant of a window that closes at ``end``, RFC 3339."""
    return None if end is None else iso(Instant(end - 1))


def as_row(credential: Credential, now: Instant) -> dict[str, Any]:
    """For ``--json`` and for exports."""
    row: dict[str, Any] = msgspec.structs.asdict(credential)
    for name in ("not_before", "not_after", "used"):
        row[name] = _moment(row[name])
    row["owner"] = credential.owner or "us"
    row["from"] = _moment(row.pop("start"))
    row["until"] = last_instant(row.pop("end"))
    row["days_left"] = days_left(credential, now)
    row["state"] = credential.state(now)
    told = credential.revocation
    row["revocation"] = {
        "state": told.state,
        "at": _moment(told.at),
        "since": _moment(told.since),
        "reason": told.reason,
        "source": told.source,
    }
    row["subkeys"] = [
        {**msgspec.structs.asdict(each), "not_after": _moment(each.not_after)} for each in credential.subkeys
    ]
    row["seen"] = [
        {**msgspec.structs.asdict(each), "first": _moment(each.first), "last": _moment(each.last)}
        for each in credential.seen
    ]
    return row


def certificate_row(node: Node, credential: Credential, now: Instant) -> dict[str, Any] | None:
    """The same for lists of certificates; ``None`` for what has none.

    A key of ours that serves SSH has one too, which SSH never looks at.
    """
    if credential.kind == "ssh-key":
        if not (credential.ours and credential.others):
            return None
        info = describe(node.keyring.certificate(credential.name))
        credential = msgspec.structs.replace(
            credential,
            fingerprint=info.fingerprint,
            others=(credential.fingerprint,),
            purpose=("ssh",),
            subject=info.subject,
            issuer=info.issuer,
            serial=info.serial,
            signature=info.signature,
            not_before=info.not_before,
            not_after=info.not_after,
        )
    elif not credential.fingerprint:
        return None
    return {
        **as_row(credential, now),
        "source": credential.name,
        "use": list(credential.purpose),
        "key": credential.algorithm,
        "usable": credential.state(now) == "valid",
    }


def _moment(when: Instant | None) -> str | None:
    return None if when is None else iso(when)


COLUMNS: Final = (
    "owner",
    "kind",
    "name",
    "purpose",
    "channels",
    "algorithm",
    "strength",
    "fingerprint",
    "subject",
    "issuer",
    "serial",
    "not_before",
    "not_after",
    "from",
    "until",
    "days_left",
    "state",
    "replaced",
    "revocation",
    "used",
    "uses",
    "kept",
)
"""Columns of an export as CSV, one line for each credential."""


def exported(credentials: Iterable[Credential], now: Instant, form: Literal["csv", "json"]) -> bytes:
    """A list as a file: CSV with :data:`COLUMNS`, or the JSON that ``--json`` gives."""
    rows = [as_row(each, now) for each in credentials]
    if form == "json":
        return msgspec.json.format(msgspec.json.encode({"credentials": rows}), indent=1) + b"\n"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180 s2
    writer.writerow(COLUMNS)
    for row in rows:
        row["channels"] = list(dict.fromkeys(binding.channel for binding in row["bindings"]))
        row["revocation"] = row["revocation"]["state"]
        writer.writerow([_cell(row[name]) for name in COLUMNS])
    return text.getvalue().encode("utf-8")


def _cell(value: object) -> str:
    """One cell. A text that a spreadsheet would take for a formula is led by an apostrophe (OWASP: CSV injection)."""
    if isinstance(value, list | tuple):
        value = " ".join(str(each) for each in value)
    text = "" if value is None else ("yes" if value is True else "no" if value is False else str(value))
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not isinstance(value, int) else text
