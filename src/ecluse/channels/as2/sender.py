"""SEAL and DELIVER over AS2: build the exact bytes once, post them, judge the receipt; and send our own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from ecluse.blobs.vault import VaultReader
from ecluse.channels.as2.opening import Opening
from ecluse.channels.as2.receipts import judge
from ecluse.channels.as2.receiver import begin, conclude
from ecluse.channels.http.client import post
from ecluse.channels.http.egress import Egress
from ecluse.channels.http.exchange import Reply
from ecluse.channels.http.line import Pool
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.intake import Arrival, Intake
from ecluse.exchange.port import Awaiting, Confirmed, Outcome, ReceiptBytes, Sealed
from ecluse.model.basics import Instant
from ecluse.model.nouns import Answer, Delivery, Message
from ecluse.store.port import Conflict
from ecluse.trust.directory import Directory, PartnerView
from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part, ReceiptOptions
from ecluse.wire.as2.headers import As2Request, parse_request
from ecluse.wire.cms.recipients import for_certificate

__all__ = ["As2Channel", "HttpRefused", "NoReceipt", "message_id_for"]

_RETRYABLE: Final = frozenset({408, 429})
"""The 4xx that say "later" (RFC 9110 s15.5.9, RFC 6585 s4); the others say "not like this"."""
_STEP: Final = 1 << 20


class HttpRefused(EcluseError):
    """The partner's server answered with an HTTP status that is no success."""

    code = "as2.http-status"
    fault = Fault.PARTNER
    remedy = "Ask the partner what their server's log says of this Message-ID."


class NoReceipt(EcluseError):
    """The partner's server answered, and not with the receipt that was asked for."""

    code = "as2.no-receipt"
    fault = Fault.PARTNER
    remedy = "Ask the partner whether they send synchronous receipts; the hub sends the same bytes again."


class NoAddress(EcluseError):
    """There is no URL to send to."""

    code = "as2.no-url"
    fault = Fault.OURS
    remedy = "Set [as2] url in the partner's file and apply it; then resend."


class _Wire(msgspec.Struct):
    headers: list[tuple[str, str]]
    mics: dict[str, str] = {}
    receipt: str = "none"
    signed_receipt: bool = False


def message_id_for(id: str, as2_id: str) -> str:
    """The Message-ID of an outbound message: made once, carried by every attempt."""
    host = "".join(c if c.isalnum() or c in "-._" else "-" for c in as2_id)
    return f"<{id}@{host}>"


class As2Channel:
    """The AS2 channel as the chamber sees it.

    Args:
        hub: What the chamber shares.
        directory: Gives the partners as they stand now.
        receipt_url: Where partners send asynchronous receipts to; empty where that is not set.
        pool: Connections kept for reuse.
    """

    kind = "as2"

    def __init__(
        self, hub: Hub, directory: Callable[[], Directory], receipt_url: str, pool: Pool | None = None
    ) -> None:
        self._hub = hub
        self._directory = directory
        self._receipt_url = receipt_url
        self._pool = pool

    def seal(
        self, message: Message, documents: Iterator[Document], write: Callable[[bytes], None]
    ) -> Sealed | None:
        """Compress, sign and encrypt in one pass, as the partner's file says at this moment."""
        partner = self._directory().partner(message.partner)
        now = self._hub.clock()
        options = self._options(partner, message, now)
        parts = [Part(part.content_type, part.name or None) for part in message.parts]
        builder = MessageBuilder(
            options,
            parts[0],
            message_id=message.protocol_id,
            now=now // 1_000_000,
            entropy=self._hub.entropy,
            several=len(parts) > 1,
        )
        write(builder.start())
        for number, document in enumerate(documents):
            if number:
                write(builder.next_part(parts[number]))
            for chunk in document.chunks(_STEP):
                sealed = builder.feed(chunk)
                if sealed:
                    write(sealed)
        write(builder.finish())
        wire = _Wire(
            headers=builder.headers,
            mics={name: base64.b64encode(mic).decode("ascii") for name, mic in builder.mics.items()},
            receipt=partner.as2.receipt,
            signed_receipt=partner.as2.receipt_signed,
        )
        facts = {
            "sign": options.digest if options.signers else False,
            "encrypt": options.cipher if options.recipients else False,
            "compress": options.compression,
            "mic": wire.mics.get(options.digest, ""),
        }
        return Sealed(msgspec.json.encode(wire), facts)

    def _options(self, partner: PartnerView, message: Message, now: Instant) -> BuildOptions:
        settings = partner.as2
        dashed = settings.micalg == "rfc5751"
        digest = settings.sign.replace("-", "") if isinstance(settings.sign, str) else "sha256"
        receipt = None
        if settings.receipt != "none":
            receipt = ReceiptOptions(
                to=partner.our_email or "mdn@ecluse.invalid",
                signed=settings.receipt_signed,
                micalgs=(digest.replace("sha", "sha-") if dashed else digest,),
                url=self._receipt_url if settings.receipt == "async" else None,
            )
        recipients = ()
        if isinstance(settings.encrypt, str):
            recipients = (for_certificate(partner.encrypt_certificate(now), padding=settings.key_padding),)
        return BuildOptions(
            as2_from=partner.our_as2_id,
            as2_to=settings.id,
            signers=partner.signers(now) if isinstance(settings.sign, str) else (),
            digest=digest,
            recipients=recipients,
            cipher=settings.encrypt if isinstance(settings.encrypt, str) else "aes-256-cbc",
            compression=settings.compress,
            receipt=receipt,
            subject=message.subject or settings.subject or "AS2 message",
            version="1.3" if settings.version == "1.3" else "1.2",
            dashed_micalg=dashed,
            algorithm_protection=settings.algorithm_protection,
        )

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """Post the sealed bytes, and judge what comes back."""
        assert sealed is not None, "AS2 messages are sealed before they are delivered"
        partner = self._directory().partner(message.partner)
        wire = msgspec.json.decode(message.wire, type=_Wire)
        reply = self._post(partner, partner.as2.url, wire.headers, _Chunks(sealed), sealed.size)
        self._check_status(reply)
        if wire.receipt == "async":
            due = self._hub.clock() + partner.receipt_timeout * 1_000_000
            return Awaiting(Instant(int(due)))
        if wire.receipt == "none":
            return Confirmed(ReceiptBytes("http", "accepted", f"HTTP {reply.status}".encode()))
        if not reply.body.strip():
            raise NoReceipt(f"The answer was HTTP {reply.status} without a receipt.")
        return judge(message, wire.mics, wire.signed_receipt, partner, self._hub.clock(), reply.headers, reply.body)

    def _post(
        self, partner: PartnerView, url: str | None, headers: list[tuple[str, str]], body: Any, size: int
    ) -> Reply:
        if not url:
            raise NoAddress(f"{partner.id} has no AS2 URL.")
        return post(
            url,
            headers,
            body,
            egress=Egress(allow_private=partner.as2.allow_private_network),
            length=size,
            chunked=not partner.as2.content_length,
            tls=partner.client_tls(url, self._hub.clock()),
            basic=partner.basic_auth(),
            pool=self._pool,
            idempotent=True,
        )

    @staticmethod
    def _check_status(reply: Reply) -> None:
        if 200 <= reply.status < 300:
            return
        later = reply.status >= 500 or reply.status in _RETRYABLE
        raise HttpRefused(
            f"The partner's server answered HTTP {reply.status}.",
            fault=Fault.TRANSIENT if later else Fault.PERMANENT,
        )

    def open_received(self, message: Message) -> None:
        """Open what was kept when an asynchronous receipt was asked for."""
        hub = self._hub
        partner = self._directory().partner(message.partner)
        request = _request_of(message)
        arrival = Arrival(message.partner, "as2", message.protocol_id, message.subject)
        intake = Intake(hub, arrival, message)
        try:
            opening: Opening = begin(hub, intake, request, partner)
            with hub.blob(message.wire_blob) as reader:
                for chunk in reader.chunks():
                    opening.feed(chunk)
            future, _ = conclude(hub, opening, intake, request, partner)
            try:
                future.result()
            except Conflict:
                intake.again().result()
        except BaseException:
            intake.discard()
            raise

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Post an asynchronous MDN: the stored bytes, to an address that was agreed."""
        partner = self._directory().partner(message.partner)
        if not partner.may_answer_to(answer.return_to):
            raise HttpRefused("The address for the receipt is not agreed any more.", fault=Fault.PERMANENT)
        reply = self._post(partner, answer.return_to, list(answer.headers), answer.body, len(answer.body))
        self._check_status(reply)


class _Chunks:
    """The sealed bytes, to be iterated again by a retry on a fresh connection."""

    def __init__(self, reader: VaultReader) -> None:
        self._reader = reader

    def __iter__(self) -> Iterator[bytes]:
        return self._reader.chunks()


def _request_of(message: Message) -> As2Request:
    return parse_request(msgspec.json.decode(message.wire, type=_Wire).headers)
