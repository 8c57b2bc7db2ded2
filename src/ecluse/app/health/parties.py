"""Our keys, the partners' certificates, and whether the partners' servers can be reached."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from ecluse.app.health import places
from ecluse.app.health.finding import Finding, failed, ok, warning
from ecluse.app.keys.inventory import days_left, inventory
from ecluse.app.keys.openpgp import openpgp_entries
from ecluse.app.node import Node
from ecluse.channels.as2.relation import Relation
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import connect
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso
from ecluse.trust.directory import PartnerView
from ecluse.trust.inventory import Credential

__all__ = ["certificates", "keys", "openpgp", "partners"]

SOON: Final = 30
"""Days before its end in which a certificate has to be renewed: partners take weeks."""
CONNECT: Final = 5.0
"""Seconds to connect to a partner's server, TLS included."""


def keys(node: Node) -> Iterator[Finding]:
    """Whether the organisation can sign, decrypt and answer, and for how long."""
    now = node.hub.clock()
    lacking = [use for use in ("sign", "mdn-sign") if not node.directory.keys.at(use, now)]
    if not node.directory.keys.decrypt():
        lacking.append("decrypt")
    for use in lacking:
        yield failed(
            "keys",
            f"The organisation has no key to {use} with at this time.",
            "Name one under [[organisation.keys]], or renew its certificate: `ecluse cert request`.",
        )
    own = [each for each in inventory(node) if each.ours and each.kind == "certificate" and each.purpose]
    ending = list(_ending("keys", own, now, "Renew it with `ecluse cert request` and `ecluse cert install`."))
    yield from ending
    if not lacking and not ending:
        yield ok("keys", f"{len(own)} in use; none ends within {SOON} days.")


def certificates(node: Node) -> Iterator[Finding]:
    """Whether every active partner has certificates for what is exchanged with them, and for how long."""
    now = node.hub.clock()
    active = [view for view in node.directory.partners if view.active]
    count = 0
    for view in active:
        for finding in _lacking(view, now):
            count += 1
            yield finding
    names = {view.id for view in active}
    theirs = [each for each in inventory(node) if each.owner in names and each.not_after is not None]
    theirs = [each for each in theirs if each.kind in ("certificate", "trust-anchor")]
    remedy = "Ask the partner for the next one, and add it with `ecluse cert import --partner`."
    for finding in _ending("certificates", theirs, now, remedy):
        count += 1
        yield finding
    if not count:
        yield ok(
            "certificates", f"{len(theirs)} of {len(active)} active partners; none ends within {SOON} days."
        )


def openpgp(node: Node) -> Iterator[Finding]:
    """Whether our OpenPGP keys and the active partners' certificates last."""
    now = node.hub.clock()
    entries = [
        entry
        for entry in openpgp_entries(node)
        if entry.use and (entry.partner is None or node.directory.partner(entry.partner).active)
    ]
    count = 0
    for entry in entries:
        row = entry.as_dict(now)
        left, ours = row["days_left"], entry.partner is None
        whose = f"{'our key ' if ours else ''}{row['source']} ({row['fingerprint'][-16:]})"
        remedy = (
            f"Extend it with `ecluse pgp extend {row['source']}`, and send partners its certificate again."
            if ours
            else "Ask the partner for the next one, and put it in force with `ecluse pgp import --partner`."
        )
        signs = not ours or "sign" in entry.use
        if row["state"] != "valid" and signs:
            yield failed("openpgp", f"{whose} is {row['state']}.", remedy)
        elif left is not None and left < SOON and signs:
            yield warning("openpgp", f"{whose} ends in {left} days.", remedy)
        else:
            continue
        count += 1
    if entries and not count:
        yield ok("openpgp", f"{len(entries)} in use; none ends within {SOON} days.")


def _lacking(view: PartnerView, now: Instant) -> Iterator[Finding]:
    remedy = "Ask the partner for it, and add it with `ecluse cert import --partner`."
    settings = view.settings.as2
    if settings is None:
        return
    if settings.require_signed and not view.verify_certificates(now):
        yield failed("certificates", f"{view.name} has none at this time to verify messages with.", remedy)
    if isinstance(settings.encrypt, str) and settings.url and not view.certificates.at("encrypt", now):
        yield failed("certificates", f"{view.name} has none at this time to encrypt to.", remedy)


def _ending(check: str, entries: list[Credential], now: Instant, remedy: str) -> Iterator[Finding]:
    for entry in entries:
        left, ends = days_left(entry, now), entry.ends
        label = entry.owner or f"our key {entry.name}"
        whose = f"{label} ({', '.join(entry.purpose)}, {entry.fingerprint[:16]})"
        if entry.revocation.state == "revoked":
            yield failed(check, f"{whose} was revoked ({entry.revocation.reason}).", remedy)
        elif left is None or ends is None or entry.replaced:
            continue
        elif left < 0:
            yield failed(check, f"{whose} ended on {iso(ends)[:10]}.", remedy)
        elif left < SOON:
            yield warning(check, f"{whose} ends in {left} days, on {iso(ends)[:10]}.", remedy)


def partners(node: Node) -> Iterator[Finding]:
    """Connect to the server of every active partner, under the rules of a delivery."""
    active = [view for view in node.directory.partners if view.active]
    looks: list[tuple[places.Look, PartnerView]] = [
        (_reach, view) for view in active if view.settings.as2 is not None and view.as2.url
    ]
    looks += [(look, view) for view in active for look in places.looks(view)]
    if not looks:
        yield ok("partners", "There is no active partner with a server of its own.")
        return
    with ThreadPoolExecutor(min(16, len(looks)), thread_name_prefix="doctor") as pool:
        yield from pool.map(lambda look: look[0](node, look[1]), looks)


def _reach(node: Node, view: PartnerView) -> Finding:
    check, url = f"partner:{view.id}", view.as2.url or ""
    begun = time.monotonic()
    try:
        relation = Relation(node.directory, view)
        tls = relation.tls(url, node.hub.clock())
        place = urlsplit(url)
        port = place.port or (443 if tls is not None else 80)
        limits = ClientLimits(connect=CONNECT, stall=CONNECT, reply_time=CONNECT, total=CONNECT)
        line = connect(place.hostname or "", port, tls, relation.egress(url), limits, begun + CONNECT)
        spoken = line.peer.tls_version or "no TLS"
        line.close()
    except EcluseError as error:
        level = warning if error.fault is Fault.TRANSIENT else failed
        return level(check, error.cause, error.remedy)
    return ok(check, f"{url} answers ({spoken}, {(time.monotonic() - begun) * 1000:.0f} ms).")
