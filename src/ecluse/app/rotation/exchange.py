"""Certificate exchange messages with partners over AS2: ours are sent, theirs are kept for a person to decide.

A request of a partner's changes nothing by itself. It becomes an offer; whoever accepts it makes a change to the
partner's file, which waits for a second person where the hub has two, and the answer goes out once it is in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cryptography import x509
from msgspec.structs import replace

from ecluse.app.rotation.shelf import mark, tell
from ecluse.blobs.vault import VaultReader
from ecluse.channels.as2.exchange import exchange_document
from ecluse.channels.as2.sender import message_id_for
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.hub import Document
from ecluse.exchange.port import Confirmed, Outcome, ReceiptBytes, Sealed
from ecluse.model.basics import Instant, PartnerId, iso
from ecluse.model.nouns import Answer, Delivery, Direction, Message
from ecluse.model.records import Record
from ecluse.store.port import Tx
from ecluse.trust.certificates import describe, leaves, load_certificates, to_pem
from ecluse.trust.directory import PartnerView
from ecluse.trust.errors import CertificateError
from ecluse.trust.rotation.facts import (
    PARTNER_KIND,
    Rotation,
    Standing,
    open_rotations,
    read_standing,
    standing_record,
)
from ecluse.trust.rotation.states import STAGES, PartnerStage
from ecluse.trust.rotation.steps import Telling
from ecluse.typed import from_json
from ecluse.wire.as2.exchange import (
    EXCHANGE_TYPE,
    MAX_EXCHANGE,
    BadExchange,
    ExchangeRequest,
    ExchangeResponse,
    TrustRequest,
    TrustResponse,
    Usage,
    read_exchange,
    write_request,
    write_response,
)

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = [
    "OFFER",
    "ExchangeChannel",
    "Offer",
    "answer",
    "join_exchange",
    "offer",
    "read_offer",
    "request_id",
]

OFFER: Final = "certificate-offer"
"""Kind of the records of what partners offer; the key is ``partner:digits``, the state ``open``, ``accepted`` or
``refused``."""
CHANNEL: Final = "trust"
"""Kind of the channel by which such messages go to the hub itself."""
MOST_OPEN: Final = 16
"""Offers of one partner that wait for a person: each is a certificate that somebody has to look at."""

_USES: Final[dict[Usage, tuple[str, ...]]] = {
    "digitalSignature": ("verify",),
    "keyEncipherment": ("encrypt",),
    "tlsServer": ("tls",),
    "tlsClient": ("tls-client",),
}


class OffersFull(EcluseError):
    """A partner offers more certificates than are kept for a decision."""

    code = "rotation.offers-full"
    fault = Fault.PERMANENT
    remedy = "Decide about what is there: `ecluse rotate offers`."


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A certificate that a partner offers.

    Attributes:
        id: ``partner:digits``.
        partner: Whose.
        request: Id of the request that it came in.
        message: The message that it came in.
        use: What it would be for, in the words of a partner's file.
        pem: The certificate and its issuers.
        fingerprint: SHA-256 of the certificate.
        issuer: Its issuer's name, as the request has it.
        serial: Its serial number.
        respond_by: When an answer is wished for, as written.
        received: When it came.
        weak: What of it is below the floor, one sentence each.
    """

    id: str
    partner: str
    request: str
    message: str
    use: tuple[str, ...]
    pem: str
    fingerprint: str
    issuer: str
    serial: str
    respond_by: str = ""
    received: Instant
    weak: tuple[str, ...] = ()


def read_offer(record: Record) -> Offer:
    """From its record."""
    return from_json(record.body, Offer)


def join_exchange(node: Node) -> None:
    """Have a node take certificate exchange messages for itself."""
    node.channels[CHANNEL] = ExchangeChannel(node)
    node.hub.own = _own


def _own(message: Message) -> str:
    if message.direction is not Direction.IN or message.protocol != "as2" or not message.parts:
        return ""
    kind = message.parts[0].content_type.partition(";")[0].strip().lower()
    return f"{CHANNEL}:exchange" if kind == EXCHANGE_TYPE else ""


def request_id(node: Node) -> str:
    """A fresh id for a request."""
    return f"{node.hub.new_id('x')}@ecluse"


def offer(node: Node, rotation: Rotation, standing: Standing) -> None:
    """Offer a partner the successor of a key of ours, by the request that it was noted with.

    Raises:
        EcluseError: It can't be sent to them.
    """
    hub = node.hub
    view = node.directory.check_active(node.directory.partner(standing.partner))
    certificate = node.keyring.certificate(rotation.new)
    content_id = f"certificate.{standing.request}"
    use = {use for key in node.directory.organisation.keys if key.ref == rotation.new for use in key.use}
    usages: list[Usage] = []
    if use & {"sign", "mdn-sign"}:
        usages.append("digitalSignature")
    if "decrypt" in use:
        usages.append("keyEncipherment")
    if "tls" in standing.places:
        usages.append("tlsServer")
    due = standing.switch_at or rotation.switch_at
    trust = TrustRequest(
        tuple(usages),
        certificate.issuer.rfc4514_string(),
        certificate.serial_number,
        content_id,
        iso(due) if due is not None else "",
        node.directory.hub.listen.as2.public_url or "",
    )
    xml = write_request(ExchangeRequest(standing.request, view.our_id, iso(hub.clock()), (trust,)))
    _send(node, view, xml, [(content_id, node.keyring.chain(rotation.new))])


def answer(node: Node, found: Offer, *, accepted: bool, reason: str = "") -> None:
    """Answer a partner's request about one certificate. Raises as :func:`offer` does."""
    view = node.directory.check_active(node.directory.partner(found.partner))
    trust = TrustResponse(found.issuer, int(found.serial), accepted, reason)
    xml = write_response(ExchangeResponse(found.request, view.our_id, iso(node.hub.clock()), (trust,)))
    _send(node, view, xml, [])


def _send(
    node: Node, view: PartnerView, xml: bytes, certificates: Sequence[tuple[str, Sequence[x509.Certificate]]]
) -> None:
    hub = node.hub
    content_type, body = exchange_document(xml, certificates, f"ecluse-{hub.entropy(16).hex()}")
    hand_in(
        hub,
        view.id,
        f"as2:{view.id}",
        [HandIn("", content_type, [body])],
        subject="Certificate exchange",
        protocol="as2",
        protocol_id=message_id_for(hub.new_id("m"), view.our_id),
    )


class ExchangeChannel:
    """Takes certificate exchange messages that came, once each: as a channel that ends within the hub."""

    kind = CHANNEL

    def __init__(self, node: Node) -> None:
        self._node = node

    def seal(
        self, message: Message, documents: Iterator[Document], write: Callable[[bytes], None]
    ) -> Sealed | None:
        """Nothing: they come."""
        return None

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """Keep what a message offers, or take up what it answers.

        Raises:
            BadExchange: It can't be understood, or is not signed: it stays for a person to look at.
            CertificateError: A certificate can't be read.
            OffersFull: Too many wait already.
        """
        try:
            self._take(message)
        except (BadExchange, CertificateError, OffersFull) as error:
            error.fault = Fault.PERMANENT  # the same bytes say the same the next time
            raise
        return Confirmed(ReceiptBytes("trust", "taken"))

    def _take(self, message: Message) -> None:
        facts = from_json(message.wire, dict[str, Any])
        if not any("signed" in each for each in facts.get("protections", ())):
            raise BadExchange("A certificate exchange message is not signed: anybody may have sent it.")
        documents = [self._whole(message, number) for number in range(len(message.parts))]
        found = read_exchange(documents[0])
        if found.name != self._node.directory.partner(message.partner).their_id:
            raise BadExchange("A certificate exchange message names another sender than it came from.")
        if isinstance(found, ExchangeRequest):
            self._offers(message, found, documents[1:])
        else:
            self._answers(message, found)

    def _whole(self, message: Message, number: int) -> bytes:
        part = message.parts[number]
        if part.size > MAX_EXCHANGE:
            raise BadExchange(
                f"A part of a certificate exchange message is larger than {MAX_EXCHANGE} octets."
            )
        with self._node.hub.document(part) as document:
            return b"".join(document.chunks())

    def _offers(self, message: Message, request: ExchangeRequest, parts: Sequence[bytes]) -> None:
        chains = [load_certificates(part) for part in parts]
        now = self._node.hub.clock()
        offers = [_offered(message, request, trust, chains, now) for trust in request.trust]
        hub = self._node.hub

        def work(tx: Tx) -> None:
            waiting = {each.key for each in tx.records(OFFER, owner=message.partner, state="open")}
            if len(waiting | {each.id for each in offers}) > MOST_OPEN:
                raise OffersFull(f"{MOST_OPEN} certificates of {message.partner} wait for a decision.")
            for each in offers:
                body = msgspec.json.encode(each)
                tx.put_record(Record(OFFER, each.id, now, body, each.partner, "open"))
                data = {
                    "offer": each.id,
                    "certificate_sha256": each.fingerprint,
                    "use": list(each.use),
                    "message": message.id,
                }
                hub.event(tx, "partner.certificate-offered", f"partner:{message.partner}", data)

        hub.store.write(work)

    def _answers(self, message: Message, response: ExchangeResponse) -> None:
        node, hub = self._node, self._node.hub
        now = hub.clock()
        accepted = all(each.accepted for each in response.trust)
        reason = next((each.reason for each in response.trust if not each.accepted), "")

        def work(tx: Tx) -> None:
            for rotation in open_rotations(tx):
                before = tx.record(PARTNER_KIND, f"{rotation.id}/{message.partner}")
                if before is None:
                    continue
                standing = read_standing(before)
                if rotation.side != "ours" or standing.request != response.request_id:
                    continue
                serial = node.keyring.certificate(rotation.new).serial_number
                if any(each.serial != serial for each in response.trust):
                    continue
                after = _answered(standing, now, accepted=accepted, reason=reason)
                tx.replace_record(before, standing_record(after, now))
                how = {
                    "how": "certificate exchange",
                    "message": message.id,
                    **({"why": reason} if reason else {}),
                }
                telling = (
                    Telling("rotation.accepted", message.partner, how)
                    if accepted
                    else Telling("rotation.refused", message.partner, how)
                )
                tell(hub, tx, rotation, [telling])
                mark(hub, tx)
                return
            raise BadExchange(
                "It answers no request of ours that is open.",
                remedy="Look at `ecluse rotate list`; the rotation may be over.",
            )

        hub.store.write(work)

    def open_received(self, message: Message) -> None:
        """Nothing: AS2 opens them."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Nothing: AS2 answers them."""


def _answered(standing: Standing, now: Instant, *, accepted: bool, reason: str) -> Standing:
    stage = PartnerStage.ACCEPTED if accepted else PartnerStage.REFUSED
    moved = stage if stage in STAGES[standing.stage] else standing.stage
    why = (
        "It says that it has the successor."
        if accepted
        else f"It refuses the successor: {reason or 'no reason'}."
    )
    return replace(standing, stage=moved, accepted=now if accepted else standing.accepted, why=why[:500])


def _offered(
    message: Message,
    request: ExchangeRequest,
    trust: TrustRequest,
    chains: Sequence[Sequence[x509.Certificate]],
    now: Instant,
) -> Offer:
    """An offer with its certificate, found among the parts by its serial number."""
    matching = [
        (leaf, chain) for chain in chains for leaf in leaves(chain) if leaf.serial_number == trust.serial
    ]
    if len(matching) != 1:
        raise BadExchange("The certificate that a request names is not among its parts, or more than once.")
    leaf, chain = matching[0]
    use = tuple(use for usage in trust.usages for use in _USES[usage])
    if not use:
        raise BadExchange("A request does not say what its certificate is for.")
    info = describe(leaf)
    weak = tuple(each.cause for each in info.weaknesses)
    return Offer(
        id=f"{message.partner}:{info.short}",
        partner=PartnerId(message.partner),
        request=request.request_id,
        message=message.id,
        use=use,
        pem=to_pem([leaf, *(each for each in chain if each != leaf)]),
        fingerprint=info.fingerprint,
        issuer=trust.issuer,
        serial=str(trust.serial),
        respond_by=trust.respond_by,
        received=now,
        weak=weak,
    )
