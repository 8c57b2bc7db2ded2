"""Receipts coming in: what an MDN says, and whether the partner's pinned certificate vouches for it."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509

from ecluse.wire.as2.disposition import Disposition, parse_disposition
from ecluse.wire.as2.errors import As2Failure, MdnError
from ecluse.wire.as2.events import Event, Opened, PartData, PartStarted, Signed, UnwrapPolicy
from ecluse.wire.as2.unwrap import Unwrapper
from ecluse.wire.cms.events import KeyNeeded
from ecluse.wire.cms.limits import Limits
from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.headers import Headers, parse_headers
from ecluse.wire.smime.mic import digest_name
from ecluse.wire.smime.parameters import parse_value

__all__ = ["MAX_MDN", "Mdn", "ReadMdn", "read_mdn"]

MAX_MDN = 1_048_576
"""Octets of a receipt. A signed one with a certificate chain has about 10 KiB."""
_LIMITS = Limits(content=MAX_MDN, inflated_floor=MAX_MDN)
"""A receipt is held whole before anybody vouches for it: compressed, it may become no larger than one that is not."""
_MAX_TEXT = 16_384
"""Characters of the text for people that are kept."""


@dataclass(frozen=True, slots=True)
class Mdn:
    """What a receipt says (RFC 3798 s3.1).

    Attributes:
        disposition: The answer.
        original_message_id: The message that is answered, as written; ``None`` where it is not said.
        mic: Octets of Received-content-MIC, or ``None``.
        mic_digest: Hash name of the MIC; ``None`` where there is none or it is not supported.
        final_recipient: Who received, without the address type; ``None`` where it is not said.
        reporting_ua: The partner's program, or ``None``.
        text: What it says to people.
        fields: Every field of the notification.
    """

    disposition: Disposition
    original_message_id: str | None
    mic: bytes | None
    mic_digest: str | None
    final_recipient: str | None
    reporting_ua: str | None
    text: str
    fields: Headers


@dataclass(frozen=True, slots=True)
class ReadMdn:
    """A receipt, and how far it can be believed.

    Attributes:
        mdn: What it says.
        signed: The signature that was verified; ``None`` where it is unsigned or ``failure`` is set.
        failure: Why its signature, or another layer of it, can't be believed.
        message_id: Of the receipt itself; ``None`` where it has none.
        warnings: What was tolerated, one sentence each.
    """

    mdn: Mdn
    signed: Signed | None = None
    failure: As2Failure | None = None
    message_id: str | None = None
    warnings: tuple[str, ...] = field(default=())


def read_mdn(
    headers: Headers,
    body: bytes,
    *,
    certificates: tuple[x509.Certificate, ...] = (),
    allowed: frozenset[str] = frozenset(),
    recipient: str | None = None,
    unlock: Callable[[KeyNeeded], bytes] | None = None,
) -> ReadMdn:
    """Read a receipt, signed or not, whether it came as the answer to a request or in one of its own.

    Args:
        headers: The HTTP header that came with it.
        body: The HTTP body.
        certificates: The partner's pinned certificates, valid at this time.
        allowed: Old algorithms that are allowed by name.
        recipient: The partner's AS2 name; another Final-Recipient gives a warning.
        unlock: Gives the content-encryption key where a partner encrypts receipts.

    Raises:
        MdnError: It holds no disposition notification, or one that can't be read.
    """
    if len(body) > MAX_MDN:
        raise MdnError(f"The receipt is larger than {MAX_MDN} octets.", code="as2.mdn-too-large")
    policy = UnwrapPolicy(certificates=certificates, allowed=allowed, limits=_LIMITS)
    events, failure = _open(headers, body, policy, unlock)
    text, notification = _parts(events)
    if notification is None:
        if failure is not None:
            raise MdnError(f"The receipt can't be opened: {failure.cause}") from failure
        raise MdnError("The answer holds no message/disposition-notification.")
    mdn, warnings = _notification(notification, text, recipient)
    opened = next((event for event in events if isinstance(event, Opened)), None)
    if opened is not None:
        warnings += opened.warnings
    signed = opened.signed if opened is not None else None
    return ReadMdn(mdn, signed, failure, headers.get("message-id"), warnings)


def _open(
    headers: Headers,
    body: bytes,
    policy: UnwrapPolicy,
    unlock: Callable[[KeyNeeded], bytes] | None,
) -> tuple[list[Event], As2Failure | None]:
    unwrapper = Unwrapper(headers, policy)
    events: list[Event] = []
    try:
        found = unwrapper.feed(body)
        while found and isinstance(found[-1], KeyNeeded):
            events += found
            found = unwrapper.supply_key(unlock(found[-1]) if unlock else b"")
        events += found
        events += unwrapper.close()
    except As2Failure as failure:
        return events + unwrapper.unproven, failure
    return events, None


def _parts(events: list[Event]) -> tuple[str, bytes | None]:
    """The text for people, and the notification."""
    text, notification = bytearray(), None
    kind = ""
    for event in events:
        if isinstance(event, PartStarted):
            kind = parse_value(event.content_type).value
            if kind == "message/disposition-notification":
                notification = bytearray()
        elif isinstance(event, PartData):
            if kind == "message/disposition-notification" and notification is not None:
                notification += event.data
            elif kind == "text/plain" and len(text) < _MAX_TEXT:
                text += event.data
    said = bytes(text[:_MAX_TEXT]).decode("utf-8", "replace")
    return said, None if notification is None else bytes(notification)


def _notification(raw: bytes, text: str, recipient: str | None) -> tuple[Mdn, tuple[str, ...]]:
    try:
        fields = parse_headers(raw)
    except MimeError as error:
        raise MdnError(f"The disposition notification can't be read: {error.cause}") from error
    written = fields.get("disposition")
    disposition = parse_disposition(written or "")
    if disposition is None:
        raise MdnError("The disposition notification has no Disposition field that can be read.")
    warnings: list[str] = []
    mic, mic_digest = _mic(fields.get("received-content-mic"), warnings)
    final = fields.get("final-recipient")
    if final is not None:
        final = final.rpartition(";")[2].strip().strip('"')
        if recipient is not None and final != recipient:
            warnings.append("The receipt's Final-Recipient is not the partner's AS2 name.")
    return (
        Mdn(
            disposition,
            fields.get("original-message-id"),
            mic,
            mic_digest,
            final,
            fields.get("reporting-ua"),
            text,
            fields,
        ),
        tuple(warnings),
    )


def _mic(text: str | None, warnings: list[str]) -> tuple[bytes | None, str | None]:
    """Digest and hash name of a Received-content-MIC; spaces may stand anywhere in it."""
    if not text:
        return None, None
    value, _, name = text.partition(",")
    packed = "".join(value.split()).encode("utf-8", "replace")
    try:
        mic = binascii.a2b_base64(packed + b"=" * (-len(packed) % 4), strict_mode=True)
    except binascii.Error:
        warnings.append("The receipt's MIC is no base64.")
        return None, None
    digest = digest_name(name)
    if digest is None:
        warnings.append(f"The receipt's MIC algorithm is not supported: {name.strip()[:40] or 'none named'}.")
    return mic, digest
