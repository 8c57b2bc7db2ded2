"""The one who is played: keys made for the occasion, and the messages and receipts that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from ecluse.model.basics import Clock, Entropy, Instant, new_id
from ecluse.trust.keys.making import make_certificate, make_key
from ecluse.trust.settings.schema import As2
from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part, ReceiptOptions
from ecluse.wire.as2.disposition import Disposition
from ecluse.wire.as2.headers import As2Request
from ecluse.wire.as2.mdn import BuiltMdn, MdnOptions, Mic, build_mdn, explain
from ecluse.wire.cms.keys import PrivateKey, signer_for
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.cms.sign import Signer

__all__ = ["Identity", "Sender", "StandIn", "Wire", "make_identity"]

_DAY: Final = 86_400 * 1_000_000
DOCUMENT: Final = b"UNB+UNOC:3+REHEARSAL:ZZ+HUB:ZZ+260101:0000+1++ORDERS'UNZ+0+1'"


@dataclass(frozen=True, slots=True)
class Identity:
    """A key with its certificate.

    Attributes:
        private: The key.
        certificate: Self-signed.
    """

    private: PrivateKey
    certificate: x509.Certificate

    def signer(self) -> Signer:
        """Who signs with it."""
        return signer_for(self.private, self.certificate)


def make_identity(
    kind: str, name: str, now: Instant, *, ended: bool = False, names: Sequence[str] = ()
) -> Identity:
    """A fresh one, valid for ten days, or one that ended a year ago; with host names, where it is for TLS."""
    private = make_key(kind)
    begin = Instant(now - 400 * _DAY) if ended else now
    return Identity(private, make_certificate(private, name, now=begin, days=10, names=names))


@dataclass(frozen=True, slots=True)
class Wire:
    """A message as it goes over the wire.

    Attributes:
        id: Its Message-ID, in angle brackets.
        headers: HTTP header fields.
        body: HTTP body.
    """

    id: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Sender:
    """Who makes messages: the one who is played, or ourselves at a partner's test endpoint.

    Attributes:
        as2_from: Their name.
        as2_to: The receiver's.
        own: The key that the receiver knows.
        stranger: One that it does not.
        ended: One that it knew, and that ended; ``None`` where there is none.
        recipient: Whom to encrypt to; ``None`` for no encryption.
        settings: What the channel's file says.
        clock: Time.
        entropy: Randomness.
    """

    as2_from: str
    as2_to: str
    own: Signer
    stranger: Signer
    ended: Signer | None
    recipient: x509.Certificate | None
    settings: As2
    clock: Clock
    entropy: Entropy

    def message(
        self,
        *,
        signer: Signer | None = None,
        signed: bool = True,
        encrypted: bool = True,
        sender: str = "",
        file_name: str = "rehearsal.edi",
        return_to: str | None = None,
        document: bytes = DOCUMENT,
    ) -> Wire:
        """A message, right in everything that is not said otherwise; it asks for a signed receipt.

        Args:
            signer: Who signs, in place of the key that the receiver knows.
            signed: Whether it is signed.
            encrypted: Whether it is encrypted, where there is somebody to encrypt to.
            sender: AS2-From, in place of the right one.
            file_name: Name of the document.
            return_to: Where the receipt shall go; on the same connection by default.
            document: What it holds.
        """
        id = f"<{new_id('r', self.clock(), self.entropy)}@rehearsal>"
        recipient = self.recipient if encrypted else None
        options = BuildOptions(
            as2_from=sender or self.as2_from,
            as2_to=self.as2_to,
            signers=(signer or self.own,) if signed else (),
            recipients=(for_certificate(recipient, padding=self.settings.key_padding),) if recipient else (),
            cipher=self.settings.encrypt if isinstance(self.settings.encrypt, str) else "aes-256-cbc",
            receipt=ReceiptOptions(to="rehearsal@hub.invalid", url=return_to),
            subject="Rehearsal",
        )
        builder = MessageBuilder(
            options,
            Part("application/edifact", file_name),
            message_id=id,
            now=self.clock() // 1_000_000,
            entropy=self.entropy,
        )
        body = builder.start() + builder.feed(document) + builder.finish()
        headers = [pair for pair in builder.headers if pair[0].lower() not in ("content-length", "host")]
        return Wire(id, headers, body)


@dataclass(frozen=True, slots=True)
class StandIn:
    """The partner that is played, as a receiver.

    Attributes:
        own: The key that the hub knows.
        stranger: One that it does not.
        ended: One that it knew, and that ended.
        settings: What the channel's file says.
        clock: Time.
        entropy: Randomness.
    """

    own: Identity
    stranger: Identity
    ended: Identity
    settings: As2
    clock: Clock
    entropy: Entropy

    def receipt(
        self,
        request: As2Request,
        disposition: Disposition,
        mics: Mapping[str, bytes],
        *,
        signer: Signer | None = None,
        signed: bool = True,
    ) -> BuiltMdn:
        """An MDN for a message.

        Args:
            request: What is answered.
            disposition: The answer.
            mics: Digests of what was received, by hash name.
            signer: Who signs, in place of the key that the hub knows.
            signed: Whether it is signed.
        """
        name = next(iter(mics), "")
        return build_mdn(
            request,
            disposition,
            text=explain(disposition),
            mic=Mic(name, mics[name]) if name else None,
            message_id=f"<{new_id('a', self.clock(), self.entropy)}@rehearsal>",
            now=self.clock() // 1_000_000,
            entropy=self.entropy,
            options=MdnOptions(signers=(signer or self.own.signer(),) if signed else ()),
        )
