"""SEAL and DELIVER over AS2: build the exact bytes once, post them, judge the receipt; and send our own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Final

import msgspec

from ecluse.blobs.vault import VaultReader
from ecluse.channels.as2.opening import begin, conclude
from ecluse.channels.as2.receipts import SealedFacts, judge
from ecluse.channels.as2.relation import Relation
from ecluse.channels.http.client import post
from ecluse.channels.http.exchange import Reply
from ecluse.channels.http.line import Pool
from ecluse.channels.http.seen import as_server
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.intake import Arrival, Duplicate, Intake
from ecluse.exchange.port import Awaiting, Confirmed, Outcome, ReceiptBytes, Sealed
from ecluse.model.basics import Instant
from ecluse.model.nouns import Answer, Delivery, Message
from ecluse.store.port import Conflict
from ecluse.trust.directory import Directory
from ecluse.trust.settings.fields import seconds
from ecluse.typed import from_json
from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part, ReceiptOptions
from ecluse.wire.as2.headers import parse_request
from ecluse.wire.cms.recipients import RecipientKey, for_certificate
from ecluse.wire.smime.headers import Headers, field_block

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
        relation = self._relation(message)
        settings = relation.partner.as2
        now = self._hub.clock()
        options = self._options(relation, message, now)
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
        wire = SealedFacts(
            headers=builder.headers,
            mics={name: base64.b64encode(mic).decode("ascii") for name, mic in builder.mics.items()},
            receipt=settings.receipt,
            signed_receipt=settings.receipt_signed,
            signed=bool(options.signers),
            signer=relation.signer_sha256(now) if options.signers else "",
            recipient=relation.recipient_sha256(now) if options.recipients else "",
            signature=base64.b64encode(builder.signature).decode("ascii"),
            related=builder.entity.related,
            layered=builder.entity.layered,
            compressed=builder.entity.compressed,
        )
        facts: dict[str, object] = {
            "sign": options.digest if options.signers else False,
            "encrypt": options.cipher if options.recipients else False,
            "compress": options.compression,
            "mic": wire.mics.get(options.digest, ""),
            "mic_algorithm": options.digest,
            "entity_sha256": builder.mics["sha256"].hex(),
            "headers_sha256": sha256(field_block(wire.headers)).hexdigest(),
            **({"signature_sha256": sha256(builder.signature).hexdigest()} if builder.signature else {}),
            **({"signer_sha256": wire.signer} if wire.signer else {}),
            **({"recipient_sha256": wire.recipient} if wire.recipient else {}),
        }
        return Sealed(msgspec.json.encode(wire), facts)

    def _relation(self, message: Message) -> Relation:
        directory = self._directory()
        return Relation(directory, directory.check_active(directory.partner(message.partner)))

    def _options(self, relation: Relation, message: Message, now: Instant) -> BuildOptions:
        partner = relation.partner
        settings = partner.as2
        receipt = None
        if settings.receipt != "none":
            if settings.receipt == "async" and not self._receipt_url:
                raise NoAddress(
                    "Asynchronous receipts need an address of ours.",
                    remedy="Set [listen.as2] public_url in ecluse.toml and apply it; then resend.",
                )
            receipt = ReceiptOptions(
                to=relation.contact,
                signed=settings.receipt_signed,
                micalgs=(relation.digest.replace("sha", "sha-") if relation.dashed else relation.digest,),
                url=self._receipt_url if settings.receipt == "async" else None,
            )
        recipients: tuple[RecipientKey, ...] = ()
        if isinstance(settings.encrypt, str):
            certificate = partner.encrypt_certificate(now)
            recipients = (for_certificate(certificate, padding=settings.key_padding),)
        return BuildOptions(
            as2_from=partner.our_id,
            as2_to=partner.their_id,
            signers=relation.signers(now) if isinstance(settings.sign, str) else (),
            digest=relation.digest,
            recipients=recipients,
            cipher=settings.encrypt if isinstance(settings.encrypt, str) else "aes-256-cbc",
            compression=settings.compress,
            receipt=receipt,
            subject=message.subject or settings.subject or "AS2 message",
            version="1.3" if settings.version == "1.3" else "1.2",
            dashed_micalg=relation.dashed,
            algorithm_protection=settings.algorithm_protection,
        )

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """Post the sealed bytes, and judge what comes back."""
        assert sealed is not None, "AS2 messages are sealed before they are delivered"
        relation = self._relation(message)
        settings = relation.partner.as2
        wire = from_json(message.wire, SealedFacts)
        reply = self._post(relation, settings.url, wire.headers, _Chunks(sealed), sealed.size)
        self._check_status(reply)
        if wire.receipt == "async":
            return Awaiting(Instant(int(self._hub.clock() + seconds(settings.receipt_timeout) * 1_000_000)))
        if wire.receipt == "none":
            return Confirmed(ReceiptBytes("http", "accepted", f"HTTP {reply.status}".encode()))
        if not reply.body.strip():
            raise NoReceipt(f"The answer was HTTP {reply.status} without a receipt.")
        return judge(
            message, relation, self._hub.clock(), Headers.of(reply.headers), reply.body, self._hub.sightings
        )

    def _post(
        self,
        relation: Relation,
        url: str | None,
        headers: list[tuple[str, str]],
        body: bytes | Iterable[bytes],
        size: int,
    ) -> Reply:
        if not url:
            raise NoAddress(f"{relation.partner.name} has no AS2 URL.")
        reply = post(
            url,
            headers,
            body,
            egress=relation.egress(url),
            length=size,
            chunked=not relation.partner.as2.content_length,
            tls=relation.tls(url, self._hub.clock()),
            basic=relation.basic(),
            limits=relation.limits(),
            pool=self._pool,
            idempotent=True,
        )
        if url == relation.partner.as2.url:  # receipts may go to another server of theirs
            self._hub.sightings.saw_all(relation.partner.id, "as2", as_server(reply.peer))
        return reply

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
        directory = self._directory()
        relation = Relation(directory, directory.partner(message.partner))
        kept = from_json(message.wire, SealedFacts)
        request = parse_request(kept.headers)
        arrival = Arrival(message.partner, "as2", message.protocol_id, message.subject)
        intake = Intake(hub, arrival, message)
        try:
            opening = begin(hub, intake, request, relation)
            with hub.blob(message.wire_blob) as reader:
                for chunk in reader.chunks():
                    opening.feed(chunk)
            future, _ = conclude(hub, opening, intake, request, relation, kept.connection)
            try:
                outcome = future.result()
            except Conflict:
                outcome = intake.again().result()
            if isinstance(outcome, Duplicate):
                intake.discard()
        except BaseException:
            intake.discard()
            raise

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Post an asynchronous MDN: the stored bytes, to an address that was agreed."""
        relation = self._relation(message)
        if not relation.may_answer_to(answer.return_to):
            raise HttpRefused("The address for the receipt is not agreed any more.", fault=Fault.PERMANENT)
        self._check_status(
            self._post(relation, answer.return_to, list(answer.headers), answer.body, len(answer.body))
        )


class _Chunks:
    """The sealed bytes, to be iterated again by a retry on a fresh connection."""

    def __init__(self, reader: VaultReader) -> None:
        self._reader = reader

    def __iter__(self) -> Iterator[bytes]:
        return self._reader.chunks()
