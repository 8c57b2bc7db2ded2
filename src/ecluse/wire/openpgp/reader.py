"""Messages (RFC 9580 s10.3): from octets, pulled as they are needed, to events.

The grammar below reads like that of the RFC: encrypted data hold a message, and so do compressed data; a signed
message is one-pass signatures, the document, and the signatures in reverse. Content streams and is never held.
"""

from __future__ import annotations

import bz2
import hashlib
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ecluse.wire.openpgp._stream import GATHERED, Piece, Stream
from ecluse.wire.openpgp.armor import ArmorKind, armored, dearmor
from ecluse.wire.openpgp.errors import (
    LimitExceeded,
    Malformed,
    NotForUs,
    NotOpenPgp,
    OpenPgpError,
    PasswordOnly,
    Truncated,
    UnsupportedAlgorithm,
    UnsupportedForm,
)
from ecluse.wire.openpgp.limits import COMPRESSIONS, SKIPPED, Limits
from ecluse.wire.openpgp.names import HASHES, SignatureType, Tag, cipher_algorithm, permit
from ecluse.wire.openpgp.packets import Fields, Packet, next_packet
from ecluse.wire.openpgp.pkesk import SessionKey, WrappedKey, read_pkesk
from ecluse.wire.openpgp.protect import read_ocb, read_protected
from ecluse.wire.openpgp.signature import Signature, digest_for, read_signature

__all__ = ["Content", "Document", "Encrypted", "Event", "Signatures", "SignedBy", "Unlock", "read_message"]

_MESSAGE: Final = frozenset({ArmorKind.MESSAGE})
_STARTS: Final = frozenset(
    {
        *(Tag.PKESK, Tag.SKESK, Tag.SEIPD, Tag.SED, Tag.OCB, Tag.ONE_PASS, Tag.SIGNATURE, Tag.COMPRESSED),
        *(Tag.LITERAL, Tag.MARKER, Tag.PADDING, Tag.PUBLIC_KEY, Tag.SECRET_KEY),
    }
)


@dataclass(frozen=True, slots=True)
class Encrypted:
    """The message is encrypted, and a session key was found.

    Attributes:
        recipients: Whom it is for, as it says.
        cipher: For people: ``AES-256``.
        mode: ``mdc``, ``ocb`` or ``gcm``.
    """

    recipients: tuple[WrappedKey, ...]
    cipher: str
    mode: str


@dataclass(frozen=True, slots=True)
class Document:
    """The document begins.

    Attributes:
        name: File name, as the sender's octets; trust it for nothing.
        format: ``b``, ``t`` or ``u``.
        modified: Seconds since 1970; 0 where it does not say.
    """

    name: bytes
    format: str
    modified: int


@dataclass(frozen=True, slots=True)
class Content:
    """Some octets of the document: provisional until the events have ended."""

    data: Piece = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedBy:
    """One signature over the document, not yet checked against any key.

    Attributes:
        signature: The signature.
        digest: The digest that its numbers should fit; ``None`` where its hash is not done here.
    """

    signature: Signature
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Signatures:
    """Every signature over the document."""

    signatures: tuple[SignedBy, ...]


Event = Encrypted | Document | Content | Signatures


class Unlock(Protocol):
    """Whoever holds the private keys."""

    def __call__(self, recipients: Sequence[WrappedKey]) -> SessionKey:
        """The session key. Raises :class:`NotForUs`, :class:`DecryptionFailed`."""


def read_message(
    source: Iterable[Piece],
    unlock: Unlock,
    *,
    limits: Limits | None = None,
    allowed: Collection[str] = (),
) -> Iterator[Event]:
    """Read one message, binary or armoured.

    Events come in this order: ``Encrypted`` where it is; ``Document``; ``Content`` any number of times;
    ``Signatures`` where it is signed. What was given may be believed once the iterator has ended without an
    error: what is encrypted with an MDC is checked by its last octet.

    Inside encrypted data the integrity check is finished before an error is told: where it fails, that is the
    error, so that what a reader says about changed octets tells nobody what they became.

    Args:
        source: Pieces of any size. Whatever it raises comes through.
        unlock: Finds the session key.
        limits: What the message may cost.
        allowed: Names of the exceptions that hold.

    Raises:
        OpenPgpError: What is wrong with the message. Nothing else is raised, whatever the octets.
    """
    return _Reader(unlock, limits or Limits(), allowed).read(source)


class _Reader:
    def __init__(self, unlock: Unlock, limits: Limits, allowed: Collection[str]) -> None:
        self._unlock = unlock
        self._limits = limits
        self._allowed = allowed
        self._encrypted = False
        self._compressions = 0
        self._skipped = 0
        self._size = 0

    def read(self, source: Iterable[Piece]) -> Iterator[Event]:
        stream = Stream(source)
        start = stream.peek(3)
        if not start:
            raise NotOpenPgp("The file is empty.")
        if not armored(start):
            tag = start[0] & 0x3F if start[0] & 0x40 else start[0] >> 2 & 0x0F
            if tag not in _STARTS:
                raise NotOpenPgp("The file is not an OpenPGP message.")
        packets = Stream(dearmor(stream.pieces(), _MESSAGE))
        yield from self._message(packets)
        if self._next(packets) is not None:
            raise Malformed(
                "Something follows the message.", remedy="Ask the partner for one message in each file."
            )

    def _next(self, stream: Stream) -> Packet | None:
        """The next packet that says something."""
        while (packet := next_packet(stream)) is not None:
            if packet.tag not in (Tag.MARKER, Tag.PADDING):
                return packet
            packet.body.rest(self._limits.packet)
            self._skipped += 1
            if self._skipped > SKIPPED:
                raise LimitExceeded("The message has too many packets that say nothing.")
        return None

    def _message(self, stream: Stream) -> Iterator[Event]:
        packet = self._next(stream)
        if packet is None:
            raise Truncated("The message has no document.")
        match packet.tag:
            case Tag.PKESK | Tag.SKESK | Tag.SEIPD | Tag.OCB | Tag.SED:
                yield from self._protected(packet, stream)
            case Tag.COMPRESSED:
                yield from self._compressed(packet)
            case Tag.ONE_PASS:
                yield from self._signed(packet, stream)
            case Tag.SIGNATURE:
                yield from self._signed_before(packet, stream)
            case Tag.LITERAL:
                yield from self._literal(packet, [])
            case Tag.PUBLIC_KEY | Tag.SECRET_KEY:
                raise UnsupportedForm(
                    "The file is an OpenPGP key, not a message.",
                    remedy="A key goes into the configuration or the keyring: see `ecluse pgp import`.",
                )
            case _:
                raise Malformed(f"A packet of type {packet.tag} stands where a message should begin.")

    def _inside(self, content: Iterator[Piece]) -> Iterator[Event]:
        """The one message that a container holds."""
        stream = Stream(content)
        yield from self._message(stream)
        if self._next(stream) is not None:
            raise Malformed("There is more than one message inside.")

    # --- encryption -----------------------------------------------------------------------------------------

    def _protected(self, packet: Packet, stream: Stream) -> Iterator[Event]:
        if self._encrypted:
            raise Malformed("The message is encrypted twice.")
        self._encrypted = True
        recipients: list[WrappedKey] = []
        passwords = 0
        current: Packet | None = packet
        while current is not None and current.tag in (Tag.PKESK, Tag.SKESK):
            body = current.body.rest(self._limits.packet)
            if current.tag == Tag.SKESK:
                passwords += 1
            elif (wrapped := read_pkesk(body)) is not None:
                recipients.append(wrapped)
            if len(recipients) + passwords > self._limits.recipients:
                raise LimitExceeded(f"The message has more than {self._limits.recipients} recipients.")
            current = self._next(stream)
        if current is None:
            raise Truncated("The message is cut off.")
        if current.tag == Tag.SED:
            raise UnsupportedForm(
                "The message is encrypted without any check that it was not changed.",
                remedy="Ask the partner to encrypt with integrity protection (MDC), as every program has since 2001.",
            )
        if current.tag not in (Tag.SEIPD, Tag.OCB):
            raise Malformed("No encrypted data follow the session keys.")
        yield from self._opened(current, tuple(recipients), passwords)

    def _opened(self, packet: Packet, recipients: tuple[WrappedKey, ...], passwords: int) -> Iterator[Event]:
        protected = read_protected(packet.body) if packet.tag == Tag.SEIPD else read_ocb(packet.body)
        if not recipients and passwords:
            raise PasswordOnly("The message is encrypted with a password.")
        if not recipients:
            raise NotForUs("The message names no recipient.")
        session = self._unlock(recipients)
        cipher = protected.cipher or cipher_algorithm(session.cipher or 0)
        permit(cipher.name, cipher.weak, self._allowed)
        content = protected.open(session)
        yield Encrypted(recipients, cipher.name, protected.mode)
        try:
            yield from self._inside(content)
        except OpenPgpError:
            for _ in content:
                pass
            raise

    # --- compression ----------------------------------------------------------------------------------------

    def _compressed(self, packet: Packet) -> Iterator[Event]:
        self._compressions += 1
        if self._compressions > COMPRESSIONS:
            raise LimitExceeded("The message is compressed again and again.")
        algorithm = packet.body.octet()
        content: Iterator[Piece]
        match algorithm:
            case 0:
                content = packet.body.pieces()
            case 1:
                content = self._inflated(packet.body, _Inflate(-15))
            case 2:
                content = self._inflated(packet.body, _Inflate(15))
            case 3:
                content = self._inflated(packet.body, _Bunzip())
            case _:
                raise UnsupportedAlgorithm(f"The compression {algorithm} is not done here.")
        yield from self._inside(content)

    def _inflated(self, body: Stream, inflater: _Inflate | _Bunzip) -> Iterator[bytes]:
        taken = given = 0
        while not inflater.eof:
            part = body.some(GATHERED)
            if not part:
                raise Truncated("The compressed data is cut off.")
            taken += len(part)
            for data in inflater.feed(part):
                given += len(data)
                if given > max(self._limits.inflated_floor, taken * self._limits.inflated_ratio):
                    raise LimitExceeded(
                        f"The document inflates more than {self._limits.inflated_ratio} times.",
                        remedy="Ask the partner what they sent: this is how an attack looks.",
                    )
                yield data
        if inflater.unused or not body.at_end():
            raise Malformed("Something follows the compressed data.")

    # --- signatures -----------------------------------------------------------------------------------------

    def _signed(self, packet: Packet, stream: Stream) -> Iterator[Event]:
        announced = [_announcement(packet.body.rest(self._limits.packet))]
        inner = self._next(stream)
        while inner is not None and inner.tag == Tag.ONE_PASS:
            if announced[-1].last or len(announced) >= self._limits.signatures:
                raise LimitExceeded("The message is signed again and again.")
            announced.append(_announcement(inner.body.rest(self._limits.packet)))
            inner = self._next(stream)
        hashing = [_Hashing(each.type, each.hash, each.salt) for each in announced]
        yield from self._signed_document(inner, hashing)
        found = []
        for each, hashed in zip(reversed(announced), reversed(hashing), strict=True):
            last = self._next(stream)
            if last is None:
                raise Truncated("A signature is missing.")
            if last.tag != Tag.SIGNATURE:
                raise Malformed("Something else stands where a signature should.")
            signature = read_signature(last.body.rest(self._limits.packet))
            if not each.announces(signature):
                raise Malformed("A signature is another than the one that was announced.")
            found.append(hashed.by(signature))
        yield Signatures(tuple(found))

    def _signed_before(self, packet: Packet, stream: Stream) -> Iterator[Event]:
        """Signatures that stand before the document, as PGP wrote them; or detached ones, with none."""
        signatures = [read_signature(packet.body.rest(self._limits.packet))]
        inner = self._next(stream)
        while inner is not None and inner.tag == Tag.SIGNATURE:
            if len(signatures) >= self._limits.signatures:
                raise LimitExceeded("The message is signed again and again.")
            signatures.append(read_signature(inner.body.rest(self._limits.packet)))
            inner = self._next(stream)
        if inner is None:
            raise UnsupportedForm("The file is a detached signature, without the document that it signs.")
        hashing = [_Hashing(each.type, each.hash, each.salt) for each in signatures]
        yield from self._signed_document(inner, hashing)
        pairs = zip(signatures, hashing, strict=True)
        yield Signatures(tuple(hashed.by(signature) for signature, hashed in pairs))

    def _signed_document(self, packet: Packet | None, hashing: list[_Hashing]) -> Iterator[Event]:
        if packet is None:
            raise Truncated("The signed document is missing.")
        if packet.tag == Tag.COMPRESSED:
            raise UnsupportedForm("Compressed data are signed, not the document.")
        if packet.tag != Tag.LITERAL:
            raise Malformed("Something else is signed than a document.")
        yield from self._literal(packet, hashing)

    # --- the document ---------------------------------------------------------------------------------------

    def _literal(self, packet: Packet, hashing: list[_Hashing]) -> Iterator[Event]:
        body = packet.body
        format = chr(body.octet())
        if format not in "btumlL1":
            raise Malformed("The document has an unknown format.")
        name = body.exact(body.octet())
        yield Document(name, format, int.from_bytes(body.exact(4), "big"))
        for piece in body.pieces():
            self._size += len(piece)
            if self._size > self._limits.content:
                raise LimitExceeded(f"The document is larger than {self._limits.content} octets.")
            for each in hashing:
                each.update(piece)
            yield Content(piece)


@dataclass(frozen=True, slots=True)
class _Announcement:
    """A one-pass signature (s5.4)."""

    version: int
    type: int
    hash: int
    algorithm: int
    salt: bytes
    last: bool

    def announces(self, signature: Signature) -> bool:
        return (self.type, self.hash, self.algorithm, self.salt) == (
            signature.type,
            signature.hash,
            signature.algorithm,
            signature.salt,
        ) and (self.version == 6) == (signature.version == 6)


def _announcement(body: bytes) -> _Announcement:
    fields = Fields(body, "one-pass signature")
    version = fields.number(1)
    if version not in (3, 6):
        raise UnsupportedAlgorithm(f"The signature is announced in version {version}; 3 and 6 are done here.")
    kind, digest, algorithm = fields.number(1), fields.number(1), fields.number(1)
    salt = fields.take(fields.number(1)) if version == 6 else b""
    fields.take(32 if version == 6 else 8)
    last = fields.number(1) != 0
    fields.end()
    return _Announcement(version, kind, digest, algorithm, salt, last)


class _Hashing:
    """The document on its way into one signature."""

    def __init__(self, type: int, hash: int, salt: bytes) -> None:
        if type not in (SignatureType.BINARY, SignatureType.TEXT):
            raise Malformed("The document has a signature that is not over a document.")
        kind = HASHES.get(hash)
        self._context: hashlib._Hash | None = kind.new() if kind is not None else None
        self._text = type == SignatureType.TEXT
        self._return = False
        if self._context is not None:
            self._context.update(salt)

    def update(self, piece: Piece) -> None:
        if self._context is None:
            return
        self._context.update(self._lines(bytes(piece)) if self._text else piece)

    def _lines(self, data: bytes) -> bytes:
        """Every line end as CR LF (s5.2.4), over the edges of pieces too."""
        begins = self._return and data.startswith(b"\n")
        self._return = data.endswith(b"\r")
        if begins:
            return b"\n" + _crlf(data[1:])
        return _crlf(data)

    def by(self, signature: Signature) -> SignedBy:
        digest = digest_for(signature, self._context) if self._context is not None else None
        return SignedBy(signature, digest)


def _crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class _Inflate:
    """Deflate, raw (``window`` negative) or zlib, in bounded steps."""

    def __init__(self, window: int) -> None:
        self._inflater = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused(self) -> bytes:
        return self._inflater.unused_data

    def feed(self, part: Piece) -> Iterator[bytes]:
        while True:
            try:
                data = self._inflater.decompress(part, GATHERED)
            except zlib.error:
                raise Malformed("The compressed data is damaged.") from None
            if data:
                yield data
            part = self._inflater.unconsumed_tail
            # A full step may have more behind it in the inflater, without any input left.
            if self._inflater.eof or (not part and len(data) < GATHERED):
                return


class _Bunzip:
    """bzip2, in bounded steps."""

    def __init__(self) -> None:
        self._inflater = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused(self) -> bytes:
        return self._inflater.unused_data

    def feed(self, part: Piece) -> Iterator[bytes]:
        while True:
            try:
                data = self._inflater.decompress(part, GATHERED)
            except (OSError, ValueError):
                raise Malformed("The compressed data is damaged.") from None
            if data:
                yield data
            part = b""
            if self._inflater.eof or self._inflater.needs_input:
                return
