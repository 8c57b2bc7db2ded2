"""How long what of a document is kept: a flow's ``[retention]``, and the hub's for what no flow has said of."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ecluse.trust.settings.fields import Strict

__all__ = ["HubRetention", "Retention", "Term"]

Term = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]{0,7}(ms|s|m|h|d)|delivered|archive|forever)$",
        extra={
            "expected": 'a duration such as "30d", "delivered" (as soon as all of it is confirmed), "archive" (it goes '
            'by disposal from the archive alone) or "forever"'
        },
    ),
]


class Retention(Strict, frozen=True, kw_only=True):
    """How long what of the flow's documents is kept. Events stay in any case.

    What is not given follows ``[retention]`` of ecluse.toml.

    Attributes:
        payload: The documents: how long after everything about them has ended.
        wire: The bytes as they were signed and sent. Of what came by AS2 they hold the documents, which then
            stay as long. As payload by default.
        receipts: The bytes of receipts, ours and theirs.
        names: Subject, reference and file names, and what the log's commitments stand for.
        undelivered: Documents that were refused or given up. As payload by default, and 30d where that is
            delivered.
    """

    payload: Term = "30d"
    wire: Term | None = None
    receipts: Term | None = None
    names: Term | None = None
    undelivered: Term | None = None


class HubRetention(Strict, frozen=True, kw_only=True):
    """How long what of documents is kept where no flow says it.

    Attributes:
        relayed: Documents that flows pass on, where the flow's file has no [retention].
        payload: Documents that no flow takes.
        wire: The bytes as they were signed and sent; as the documents by default.
        receipts: The bytes of receipts, ours and theirs.
        names: Subject, reference and file names, and what the log's commitments stand for, also in events about no
            message (addresses, users, comments).
        undelivered: Documents that were refused or given up; as the documents by default, and 30d where these
            go once delivered.
        quarantined: Documents in quarantine that nobody decides about: they are given up then, and deleted.
    """

    relayed: Term = "forever"
    payload: Term = "forever"
    wire: Term | None = None
    receipts: Term = "forever"
    names: Term = "forever"
    undelivered: Term | None = None
    quarantined: Term = "forever"
