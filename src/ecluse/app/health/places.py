"""Whether partners' own servers can be reached, where files are exchanged on those."""

from __future__ import annotations

import time

from ecluse.app.health.finding import Finding, failed, ok, warning
from ecluse.app.node import Node
from ecluse.channels.sftp.client.probe import reach
from ecluse.channels.sftp.client.relation import Relation
from ecluse.errors import EcluseError, Fault
from ecluse.trust.directory import PartnerView

__all__ = ["sftp"]


def sftp(node: Node, view: PartnerView) -> Finding:
    """Connect to a partner's SFTP server as a delivery does, check its host key, log in and look at the folder."""
    check = f"sftp:{view.id}"
    begun = time.monotonic()
    try:
        relation = Relation(node.directory, view, node.resolver, node.hub.clock())
        spoken = reach(relation)
    except EcluseError as error:
        level = warning if error.fault is Fault.TRANSIENT else failed
        return level(check, error.cause, error.remedy)
    return ok(
        check,
        f"{relation.settings.host} answers and lets us in ({spoken.kex}, {spoken.cipher}, host key "
        f"{spoken.host_key}, {(time.monotonic() - begun) * 1000:.0f} ms).",
    )
