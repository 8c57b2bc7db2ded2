"""The roles of TLS that several channels share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ecluse.trust.roles.facts import Case, Difference, RoleValue
from ecluse.trust.roles.judging import (
    is_authority,
    other_than_newest,
    our_certificate,
    their_certificates,
)

__all__ = ["FLOOR", "SYSTEM", "client_key", "other_server", "server_anchors"]

FLOOR: Final = "TLS 1.2 with forward secrecy and authenticated encryption"
SYSTEM: Final = "system"
"""Value of a server's role where the operating system's authorities vouch for it."""


def server_anchors(case: Case, url: str | None, *, clear: bool = False) -> list[RoleValue]:
    """What a partner's server is trusted by: certificates of its file, or the system's authorities.

    Args:
        case: Whose, and when.
        url: Where it is; ``https`` counts.
        clear: There is no TLS.
    """
    if clear or not (url or "").lower().startswith("https:"):
        return []
    return their_certificates(case, "tls") or [RoleValue(SYSTEM, "the system's authorities")]


def client_key(case: Case, ref: str | None) -> list[RoleValue]:
    """The key that we show to a partner's server."""
    return [] if ref is None else [our_certificate(case, ref, "tls-client", current=True)]


def other_server(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    """Say where a server showed last what is not of record; an authority that vouches for it can't be told so."""
    named = [entry for entry in case.view.certificates.entries if "tls" in entry.use]
    if any(is_authority(each) for entry in named for each in entry.chain):
        return
    yield from other_than_newest(case, "tls-server", values if named else (), "Their server shows")
