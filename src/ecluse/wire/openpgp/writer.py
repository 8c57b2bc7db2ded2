"""Messages made: a document signed, encrypted, or both, octets pulled through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ecluse.wire.openpgp._stream import GATHERED, Piece, regroup
from ecluse.wire.openpgp.armor import ArmorKind, armor
from ecluse.wire.openpgp.certificate import View
from ecluse.wire.openpgp.keys import PublicKey
from ecluse.wire.openpgp.names import CIPHERS, CipherAlgorithm, SignatureType, Tag
from ecluse.wire.openpgp.packets import packet, partial_packet
from ecluse.wire.openpgp.pkesk import Entropy, SessionKey, wrap
from ecluse.wire.openpgp.protect import encrypt_aead, encrypt_mdc
from ecluse.wire.openpgp.secret import Signer
from ecluse.wire.openpgp.signature import Draft, Sub, Subpacket, draft_signature

__all__ = ["Protection", "protection_for", "write_message"]

_WRITTEN: Final = (9, 8, 7)
"""AES, longest key first: nothing else is written."""


@dataclass(frozen=True, slots=True)
class Protection:
    """How a message is encrypted.

    Attributes:
        cipher: The cipher.
        aead: Version 2 of encrypted data (RFC 9580), or version 1 with an MDC (RFC 4880).
    """

    cipher: CipherAlgorithm
    aead: bool

    @property
    def mode(self) -> str:
        """``ocb`` or ``mdc``."""
        return "ocb" if self.aead else "mdc"


def protection_for(recipients: Sequence[View], *, rfc4880: bool) -> Protection:
    """What every recipient reads: AEAD where all say that they do, else AES with the longest key all prefer.

    A certificate without preferences, or with none for AES, still gets AES: whoever can't read it is told so by
    the partner, while Triple DES would be a weakness for ever.
    """
    if recipients and not rfc4880 and all(view.reads_aead() for view in recipients):
        return Protection(CIPHERS[9], aead=True)
    for number in _WRITTEN:
        if all(number in (view.ciphers() or bytes(_WRITTEN)) for view in recipients):
            return Protection(CIPHERS[number], aead=False)
    return Protection(CIPHERS[7], aead=False)


def write_message(
    source: Iterable[Piece],
    *,
    recipients: Sequence[PublicKey],
    meant_for: Sequence[PublicKey] = (),
    protection: Protection | None,
    signer: Signer | None,
    now: int,
    entropy: Entropy,
    name: bytes = b"",
    armored: bool = False,
) -> Iterator[Piece]:
    """A message, piece by piece.

    Args:
        source: The document.
        recipients: Keys that it is encrypted to; none for a message that is only signed.
        meant_for: Primary keys of those who may read it: the signature names them, so that none of them can pass
            the document on as if it had been signed for somebody else.
        protection: How it is encrypted; ``None`` with no recipients.
        signer: Who signs, if anybody.
        now: Seconds since 1970.
        entropy: Gives the session key, salts and the first block.
        name: File name inside, at most 255 octets.
        armored: In ASCII armour.

    Raises:
        UnsupportedAlgorithm: A key can't be used.
    """
    draft = None
    if signer is not None:
        stated = [Subpacket(Sub.RECIPIENT, bytes([key.version]) + key.fingerprint) for key in meant_for]
        draft = draft_signature(SignatureType.BINARY, signer, now, entropy, stated=stated)
    content = _signed(source, name[:255], draft)
    if protection is not None:
        content = _encrypted(content, recipients, protection, entropy)
    if not armored:
        return content
    modern = protection.aead if protection is not None else signer is not None and signer.key.version == 6
    return armor(content, ArmorKind.MESSAGE, checksum=not modern)


def _literal(source: Iterable[Piece], name: bytes) -> Iterator[Piece]:
    # No date: the file's own is nobody's business, and that of signing stands in the signature.
    yield b"b" + bytes([len(name)]) + name + bytes(4)
    yield from source


def _signed(source: Iterable[Piece], name: bytes, draft: Draft | None) -> Iterator[Piece]:
    if draft is None:
        yield from partial_packet(Tag.LITERAL, _literal(source, name))
        return
    context = draft.context()

    def hashed() -> Iterator[Piece]:
        for piece in regroup(source, GATHERED):
            context.update(piece)
            yield piece

    yield packet(Tag.ONE_PASS, _one_pass(draft))
    yield from partial_packet(Tag.LITERAL, _literal(hashed(), name))
    yield draft.sign(context).packet()


def _one_pass(draft: Draft) -> bytes:
    """The announcement of the one signature there is (s5.4)."""
    unsigned, key = draft.unsigned, draft.signer.key
    head = bytes([unsigned.type, unsigned.hash, unsigned.algorithm])
    if key.version == 6:
        return b"\6" + head + bytes([len(unsigned.salt)]) + unsigned.salt + key.fingerprint + b"\1"
    return b"\3" + head + key.key_id + b"\1"


def _encrypted(
    content: Iterable[Piece], recipients: Sequence[PublicKey], protection: Protection, entropy: Entropy
) -> Iterator[Piece]:
    cipher = protection.cipher
    session = SessionKey(None if protection.aead else cipher.id, entropy(cipher.key))
    for key in recipients:
        yield wrap(session, key)
    if protection.aead:
        yield from encrypt_aead(content, session, entropy)
    else:
        yield from encrypt_mdc(content, session, entropy)
