"""What AS2 adds to a pack: the octets that a MIC is over, who signed them, and what receipts and answers say."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from ecluse.app.node import Node
from ecluse.channels.as2.receipts import SealedFacts
from ecluse.errors import EcluseError
from ecluse.model.nouns import Answer, Message, Receipt
from ecluse.trust.floor import LEGACY
from ecluse.typed import from_json
from ecluse.wire.as2.build import EntityShape, Part, entity_again
from ecluse.wire.as2.mdn_reader import ReadMdn, read_mdn
from ecluse.wire.cms.limits import Limits
from ecluse.wire.cms.reader import read_detached
from ecluse.wire.smime.headers import Headers, parse_headers
from ecluse.wire.smime.mic import digest_name

__all__ = ["Said", "Wire", "built_again", "read_answer", "read_receipt", "wire_of"]


@dataclass(frozen=True, slots=True)
class Wire:
    """What is kept of a message's way over the wire.

    Attributes:
        headers: Fields of the transfer.
        opened: Inbound: what is kept is what the MIC is over, and not the body as received.
        signature: The detached signature; empty where none is kept.
        mics: Base64 by hash name.
        mic_algorithm: Which of them was compared or returned; empty where none was.
        protections: From the outermost, as the format has them.
        signer: SHA-256 of the certificate that signed; empty without a signature.
        recipient: Outbound: SHA-256 of the certificate that it is encrypted to; empty where that is not kept.
        shape: Outbound: how what the MIC is over was made.
    """

    headers: list[tuple[str, str]] = field(default_factory=list)
    opened: bool = False
    signature: bytes = b""
    mics: dict[str, str] = field(default_factory=dict)
    mic_algorithm: str = ""
    protections: list[dict[str, Any]] = field(default_factory=list)
    signer: str = ""
    recipient: str = ""
    shape: EntityShape = field(default_factory=EntityShape)

    def certificates(self) -> tuple[bytes, ...]:
        """DER of the certificates that came along with the signature."""
        with suppress(EcluseError):
            found = read_detached(self.signature, Limits()) if self.signature else None
            return found.certificates if found is not None else ()
        return ()


@dataclass(frozen=True, slots=True)
class Said:
    """What a receipt or an answer says.

    Attributes:
        mic: Base64; empty where it says none.
        algorithm: Hash name of it; empty likewise.
        disposition: Its answer.
        signer: The certificate that verified its signature, or ``None``.
        certificates: DER of those that came along.
    """

    mic: str = ""
    algorithm: str = ""
    disposition: str = ""
    signer: x509.Certificate | None = None
    certificates: tuple[bytes, ...] = ()

    @property
    def signer_sha256(self) -> str:
        """Of :attr:`signer`; empty where there is none."""
        return self.signer.fingerprint(SHA256()).hex() if self.signer is not None else ""


def wire_of(message: Message) -> Wire:
    """What a message's wire facts say; nothing of one that did not come or go by AS2."""
    if message.protocol != "as2":
        return Wire()
    return _outbound(message) if message.direction.value == "out" else _inbound(message)


def _outbound(message: Message) -> Wire:
    try:
        sealed = from_json(message.wire, SealedFacts)
    except (msgspec.DecodeError, UnicodeError):
        return Wire()  # it was not sealed yet
    protections: list[dict[str, Any]] = []
    if sealed.recipient:
        protections.append({"encrypted": "", "recipient_sha256": sealed.recipient})
    if sealed.signer:
        protections.append({"signed": "", "certificate_sha256": sealed.signer})
    return Wire(
        headers=sealed.headers,
        opened=bool(sealed.mics),
        signature=_octets(sealed.signature),
        mics=sealed.mics,
        protections=protections,
        signer=sealed.signer,
        recipient=sealed.recipient,
        shape=EntityShape(sealed.related, sealed.layered, sealed.compressed),
    )


def _inbound(message: Message) -> Wire:
    facts: dict[str, Any] = msgspec.json.decode(message.wire)
    protections = facts.get("protections", [])
    signer = next((each["certificate_sha256"] for each in protections if "signed" in each), "")
    mic, _, name = str(facts.get("mic", "")).partition(", ")
    return Wire(
        headers=[(name, value) for name, value in facts.get("headers", [])],
        opened="protections" in facts,
        signature=_octets(facts.get("signature", "")),
        mics={name: mic} if name else {},
        mic_algorithm=name,
        protections=protections,
        signer=signer,
    )


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def built_again(node: Node, message: Message, wire: Wire) -> Iterator[bytes]:
    """What the MIC of an outbound message is over, made of its documents once more.

    Raises:
        BlobMissing: They are not kept any more.
    """
    with ExitStack() as stack:
        documents = (
            (
                Part(part.content_type, part.name or None),
                stack.enter_context(node.hub.document(part)).chunks(),
            )
            for part in message.parts
        )
        yield from entity_again(wire.shape, documents)


def comes_out(node: Node, message: Message, wire: Wire) -> int | None:
    """How many octets :func:`built_again` gives; ``None`` where they are not those that the MIC is over."""
    wanted = wire.mics.get("sha256")
    digest, size = sha256(), 0
    for chunk in built_again(node, message, wire):
        digest.update(chunk)
        size += len(chunk)
    return size if wanted is not None and base64.b64encode(digest.digest()).decode() == wanted else None


def read_receipt(receipt: Receipt, certificates: tuple[x509.Certificate, ...]) -> Said | None:
    """What a partner's receipt says; ``None`` where it is no MDN that can be read."""
    if receipt.kind != "mdn":
        return None
    try:
        headers = parse_headers(receipt.headers)
    except EcluseError:
        return None
    return _said(headers, receipt.body, certificates)


def read_answer(answer: Answer, certificates: tuple[x509.Certificate, ...]) -> Said | None:
    """What our own answer says, likewise."""
    return _said(Headers.of(answer.headers), answer.body, certificates) if answer.body else None


def _said(headers: Headers, body: bytes, certificates: tuple[x509.Certificate, ...]) -> Said | None:
    try:
        # Who signed is looked for among all that were theirs: whether it was good enough was decided when it came.
        read = read_mdn(headers, body, certificates=certificates, allowed=frozenset(LEGACY))
    except EcluseError:
        return None
    return _what_is_said(read)


def _what_is_said(read: ReadMdn) -> Said:
    mdn, signed = read.mdn, read.signed
    named = mdn.mic is not None and mdn.mic_digest is not None
    return Said(
        base64.b64encode(mdn.mic).decode("ascii") if named and mdn.mic is not None else "",
        (digest_name(mdn.mic_digest or "") or "") if named else "",
        str(mdn.disposition),
        signed.certificate if signed is not None else None,
        signed.certificates if signed is not None else (),
    )
