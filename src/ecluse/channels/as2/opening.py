"""OPEN: the body of an AS2 message, layer by layer, into the chamber's intake."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from hashlib import sha256
from typing import Any, Final

import msgspec

from ecluse.channels.as2.answering import RECEIPT_OF_RECEIPT, negative, positive
from ecluse.channels.as2.relation import Relation
from ecluse.channels.as2.seen import fingerprint, message_roles
from ecluse.exchange.hub import Hub
from ecluse.exchange.intake import Duplicate, Intake, Kept, Reply
from ecluse.wire.as2.disposition import UNEXPECTED_ERROR
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.as2.events import (
    Compressed,
    Encrypted,
    Event,
    Exact,
    KeyNeeded,
    Opened,
    PartData,
    PartEnded,
    PartStarted,
    Signed,
    UnwrapPolicy,
)
from ecluse.wire.as2.headers import As2Request
from ecluse.wire.as2.mdn import Mic
from ecluse.wire.as2.unwrap import Unwrapper
from ecluse.wire.cms.events import Recipient
from ecluse.wire.smime.headers import field_block

__all__ = ["Opening", "UnwrapKey", "begin", "conclude", "header_pairs", "telling_pairs"]

_SECRET_FIELDS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
"""What may open something to whoever reads it (RFC 9110 s11.6.2 and s11.7.2, RFC 6265 s4.2)."""

_TELLING_FIELDS: Final = frozenset(
    {
        "message-id",
        "as2-version",
        "as2-from",
        "as2-to",
        "subject",
        "date",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-length",
        "disposition-notification-to",
        "disposition-notification-options",
        "receipt-delivery-option",
        "ediint-features",
        "user-agent",
        "server",
    }
)
"""What is kept of the header of a rejected message (RFC 4130 s6 and s7.3, RFC 6017)."""
_TELLING_OCTETS: Final = 1000
"""Characters of each of them that are kept; RFC 5322 s2.1.1 has lines of 998."""

UnwrapKey = Callable[[Sequence[Recipient]], bytes]
"""Gives the content-encryption key for one of the recipients; ``b""`` where no key fits."""


class Opening:
    """Drives the protocol core over one body.

    A failure ends the opening and not the reading: the sender may still be sending, and hears of it in the MDN.

    Args:
        intake: Where the documents go.
        request: The AS2 header.
        policy: What the partner may send.
        unwrap_key: The keyring, bound to the keys of this relationship.

    Attributes:
        recipients: Those that the outermost encryption names; empty where there is none.
        opened: What the message is, once it is whole.
        failure: Why it can't be believed, instead.
    """

    def __init__(
        self, intake: Intake, request: As2Request, policy: UnwrapPolicy, unwrap_key: UnwrapKey
    ) -> None:
        self._intake = intake
        self._unwrapper = Unwrapper(request.headers, policy)
        self._unwrap_key = unwrap_key
        self._in_exact = False
        self.recipients: tuple[Recipient, ...] = ()
        self.opened: Opened | None = None
        self.failure: As2Failure | None = None

    def feed(self, data: bytes) -> None:
        """Take octets of the body. Raises what the intake raises (the disk is full...) and what the key raises that
        can't be asked (a key store is away...), nothing else.
        """
        if self.failure is not None:
            return
        try:
            self._take(self._unwrapper.iterate(data))
        except As2Failure as failure:
            self._fail(failure)

    def end(self) -> None:
        """The body is whole: either :attr:`opened` or :attr:`failure` is set then."""
        if self.failure is not None:
            return
        try:
            self._take(self._unwrapper.close())
        except As2Failure as failure:
            self._fail(failure)

    def _fail(self, failure: As2Failure) -> None:
        self.failure = failure
        self._intake.discard()

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, PartData):
                self._intake.document_data(event.data, in_exact=self._in_exact)
            elif isinstance(event, Exact):
                self._intake.exact(event.data)
            elif isinstance(event, PartStarted):
                self._in_exact = event.in_exact
                self._intake.begin_document(event.content_type, event.file_name or "")
            elif isinstance(event, PartEnded):
                self._intake.end_document(event.exact_offset)
            elif isinstance(event, KeyNeeded):
                self.recipients = self.recipients or event.recipients
                self._take(self._unwrapper.supply_key(self._unwrap_key(event.recipients)))
            else:
                self.opened = event


def begin(hub: Hub, intake: Intake, request: As2Request, relation: Relation) -> Opening:
    """Start to open a message of the relation's partner."""
    now = hub.clock()
    policy = relation.policy(request, now)
    opening = Opening(intake, request, policy, lambda recipients: relation.unwrap(recipients, now))
    try:
        request.check()
    except As2Failure as failure:
        opening.failure = failure
    return opening


def conclude(
    hub: Hub,
    opening: Opening,
    intake: Intake,
    request: As2Request,
    relation: Relation,
    connection: Mapping[str, str | None],
) -> tuple[Future[Kept | Duplicate], Reply]:
    """End the opening: build the answer, and submit message and answer together.

    Args:
        hub: What the chamber shares.
        opening: Of the whole body.
        intake: Where the documents went.
        request: The AS2 header.
        relation: With whom.
        connection: What was seen of the connection that it came by, by role; noted where the message is accepted.

    Returns:
        The future of the transaction, and the answer to send once that is done.
    """
    opening.end()
    options = relation.mdn_options(hub.clock())
    opened, failure = opening.opened, opening.failure
    if failure is None and opened is not None and opened.is_mdn:
        failure = As2Failure(
            "It is a receipt that asks for a receipt.",
            disposition=UNEXPECTED_ERROR,
            remedy="Send receipts without Disposition-Notification-To.",
            code=RECEIPT_OF_RECEIPT,
        )
    if failure is not None:
        reply = negative(request, options, failure, hub.clock, hub.entropy)
        wire = msgspec.json.encode({"headers": telling_pairs(request)})
        return intake.reject(wire, {}, reply, failure.code, failure.cause), reply
    assert opened is not None, "an opening without a failure has opened"
    roles = message_roles(relation, request, opened, opening.recipients)
    hub.sightings.saw_all(relation.partner.id, "as2", {**roles, **connection})
    mic = Mic(opened.mic_digest, opened.mic) if opened.mics else None
    reply = positive(request, options, mic, hub.clock, hub.entropy)
    return intake.accept(
        wire_of(request, opened), {**facts_of(opened), **digests_of(request, opened)}, reply
    ), reply


def facts_of(opened: Opened) -> dict[str, Any]:
    """What of an opened message belongs into the log."""
    facts: dict[str, Any] = {"protections": [_protection(found) for found in opened.protections]}
    if opened.mics:
        facts["mic"] = f"{base64.b64encode(opened.mic).decode('ascii')}, {opened.mic_digest}"
    if opened.warnings:
        facts["warnings"] = list(opened.warnings)
    return facts


def digests_of(request: As2Request, opened: Opened) -> dict[str, Any]:
    """What binds the octets that are kept of an opened message to the log."""
    facts: dict[str, Any] = {
        "headers_sha256": sha256(field_block(header_pairs(request))).hexdigest(),
        "entity_sha256": opened.exact_sha256.hex(),
    }
    if opened.canonical:
        facts["mic_canonical"] = True
    if opened.signed is not None and opened.signed.signature:
        facts["signature_sha256"] = sha256(opened.signed.signature).hexdigest()
    return facts


def wire_of(request: As2Request, opened: Opened) -> bytes:
    """The protocol's facts to keep with the message: header, protections, the detached signature, the MIC."""
    wire: dict[str, Any] = {"headers": header_pairs(request), **facts_of(opened)}
    if opened.signed is not None:
        wire["signature"] = base64.b64encode(opened.signed.signature).decode("ascii")
    return msgspec.json.encode(wire)


def header_pairs(request: As2Request) -> list[tuple[str, str]]:
    """The request's header without what must not be kept."""
    return [(name, value) for name, value in request.headers if name.lower() not in _SECRET_FIELDS]


def telling_pairs(request: As2Request) -> list[tuple[str, str]]:
    """What of the header helps to see why a message was rejected: anybody may have sent it, as often as they like."""
    found = {
        name.lower(): (name, value[:_TELLING_OCTETS])
        for name, value in request.headers
        if name.lower() in _TELLING_FIELDS
    }
    return list(found.values())


def _protection(found: Encrypted | Compressed | Signed) -> dict[str, Any]:
    if isinstance(found, Encrypted):
        return {"encrypted": found.algorithm.oid, "authenticated": found.authenticated}
    if isinstance(found, Signed):
        return {
            "signed": found.signer.signature_algorithm.oid,
            "certificate_sha256": fingerprint(found.certificate),
        }
    return {"compressed": True}
