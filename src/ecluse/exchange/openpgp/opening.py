"""A message opened: decrypted, verified, and held against what is demanded of the sender."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ecluse.exchange.openpgp.errors import (
    NotEncrypted,
    NotSigned,
    SignatureTime,
    SignedForOthers,
    SignerExpired,
    SignerRevoked,
    UnknownSigner,
)
from ecluse.model.basics import Instant, iso
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.keys.openpgp import seconds
from ecluse.wire.openpgp.certificate import Certificate
from ecluse.wire.openpgp.errors import BadSignature, UnsupportedAlgorithm
from ecluse.wire.openpgp.keys import PublicKey, permit_key
from ecluse.wire.openpgp.limits import Limits
from ecluse.wire.openpgp.names import hash_kind, permit
from ecluse.wire.openpgp.reader import Content, Document, Encrypted, Signatures, SignedBy, read_message
from ecluse.wire.openpgp.signature import check_digest

__all__ = ["Opened", "SignatureFacts", "open_message"]

CLOCK_SKEW: Final = 30 * 60
"""Seconds that a partner's clock may be ahead; Sequoia takes as much."""

EXPIRED: Final = "expired-certificate"
"""The exception that lets a key sign after its end."""

MAX_NAME: Final = 255
"""Octets of a file name (POSIX NAME_MAX on all common file systems)."""


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """A signature that holds.

    Attributes:
        certificate: Fingerprint of the sender's certificate.
        key: Fingerprint of the key of it that signed.
        made: When, as the signature says.
        digest: ``sha256``.
        algorithm: ``RSA 3072``.
    """

    certificate: str
    key: str
    made: Instant
    digest: str
    algorithm: str

    def as_dict(self) -> dict[str, Any]:
        """For the log and ``--json``."""
        return {
            "certificate": self.certificate,
            "key": self.key,
            "made": iso(self.made),
            "digest": self.digest,
            "algorithm": self.algorithm,
        }


@dataclass(frozen=True, slots=True)
class Opened:
    """What a message was.

    Attributes:
        size: Octets of the document.
        name: File name inside, made safe; empty where there was none.
        cipher: ``AES-256``; empty where it was not encrypted.
        mode: ``mdc``, ``ocb`` or ``gcm``; empty where it was not encrypted.
        recipients: Key ids or fingerprints that it was encrypted to; one that was not named is left out.
        signatures: Those that hold, of the sender's keys.
        unknown: Key ids or fingerprints of further signers, that prove nothing.
    """

    size: int
    name: str
    cipher: str
    mode: str
    recipients: tuple[str, ...]
    signatures: tuple[SignatureFacts, ...]
    unknown: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For the log and ``--json``."""
        return {
            "size": self.size,
            "name": self.name,
            "encrypted": bool(self.mode),
            "cipher": self.cipher,
            "mode": self.mode,
            "recipients": list(self.recipients),
            "signed": bool(self.signatures),
            "signatures": [signature.as_dict() for signature in self.signatures],
            "unknown_signers": list(self.unknown),
        }


def open_message(
    source: Iterable[bytes],
    write: Callable[[bytes], object],
    *,
    keyring: Keyring,
    keys: Sequence[str],
    senders: Sequence[Certificate],
    now: Instant,
    require_signed: bool = True,
    require_encrypted: bool = True,
    allowed: Collection[str] = (),
    limits: Limits | None = None,
) -> Opened:
    """Decrypt and verify a message.

    What is written is provisional until this returns: keep it only then. A bad signature by a sender is an error
    even where no signature is demanded; one by anybody else proves nothing and hinders nothing.

    Args:
        source: The message, binary or armoured, in pieces of any size.
        write: Takes the document, piece by piece.
        keyring: Holds our keys.
        keys: References of those that may open it.
        senders: Certificates whose signatures count.
        now: The time.
        require_signed: A signature by one of ``senders`` must hold.
        require_encrypted: Refuse clear text, before anything is written.
        allowed: Names of the sender's exceptions: ``openpgp-legacy``, ``expired-certificate``.
        limits: What the message may cost.

    Raises:
        OpenPgpError: Every reason not to take it; nothing else, beyond what ``source`` and ``write`` raise.
    """
    encrypted: Encrypted | None = None
    document: Document | None = None
    signatures: tuple[SignedBy, ...] = ()
    size = 0
    for event in read_message(
        source, partial(keyring.openpgp_unwrap, refs=keys), limits=limits, allowed=allowed
    ):
        match event:
            case Content(data):
                size += len(data)
                write(bytes(data))
            case Encrypted():
                encrypted = event
            case Document():
                if encrypted is None and require_encrypted:
                    raise NotEncrypted("The message is not encrypted.")
                document = event
            case Signatures():
                signatures = event.signatures
    ours = frozenset(
        key.fingerprint
        for ref in keys
        if ref in keyring.openpgp_references()
        for key in keyring.openpgp_certificate(ref).every_key()
    )
    checker = _Checker(senders, ours if encrypted is not None else None, seconds(now), allowed)
    good, unknown = checker.check(signatures)
    if require_signed and not good:
        if not signatures:
            raise NotSigned("The message is not signed.")
        names = ", ".join(unknown) or "nobody who is named"
        raise UnknownSigner(f"The message is signed by a key that is not the partner's: {names}.")
    return Opened(
        size=size,
        name=safe_name(document.name) if document is not None else "",
        cipher=encrypted.cipher if encrypted is not None else "",
        mode=encrypted.mode if encrypted is not None else "",
        recipients=tuple(
            each.recipient.hex().upper()
            for each in (encrypted.recipients if encrypted else ())
            if not each.anonymous
        ),
        signatures=good,
        unknown=unknown,
    )


class _Checker:
    """Holds signatures against the sender's certificates."""

    def __init__(
        self,
        senders: Sequence[Certificate],
        ours: frozenset[bytes] | None,
        now: int,
        allowed: Collection[str],
    ) -> None:
        self._senders = senders
        self._ours = ours
        self._now = now
        self._allowed = allowed

    def check(self, signatures: Sequence[SignedBy]) -> tuple[tuple[SignatureFacts, ...], tuple[str, ...]]:
        """(those that hold, names of signers who are not known)."""
        good: list[SignatureFacts] = []
        unknown: list[str] = []
        for signed in signatures:
            candidates = list(self._candidates(signed))
            if not candidates:
                unknown.append(next((issuer.hex().upper() for issuer in signed.signature.issuers), "?"))
                continue
            certificate, key = self._maker(signed, candidates)
            good.append(self._checked(signed, certificate, key))
        return tuple(good), tuple(unknown)

    def _candidates(self, signed: SignedBy) -> Iterator[tuple[Certificate, PublicKey]]:
        for certificate in self._senders:
            for key in certificate.every_key():
                if key.signs and signed.signature.made_by(key):
                    yield certificate, key

    def _maker(
        self, signed: SignedBy, candidates: Sequence[tuple[Certificate, PublicKey]]
    ) -> tuple[Certificate, PublicKey]:
        """Whose key it is. Raises what the first candidate that is named fails with."""
        if signed.digest is None:
            raise UnsupportedAlgorithm(f"The message is signed with the hash {signed.signature.hash}.")
        failure: BadSignature | None = None
        for certificate, key in candidates:
            try:
                check_digest(signed.signature, key, signed.digest)
            except BadSignature as error:
                failure = failure or error
            else:
                return certificate, key
        raise failure or BadSignature("The signature does not fit.")

    def _checked(self, signed: SignedBy, certificate: Certificate, key: PublicKey) -> SignatureFacts:
        """What a signature that fits says, if it counts."""
        signature = signed.signature
        kind = hash_kind(signature.hash)
        permit(f"The digest {kind.name} of the signature", kind.weak, self._allowed)
        permit_key(key, self._allowed)
        made, expires = signature.created, signature.expires
        if made is None:
            raise BadSignature("The signature does not say when it was made.")
        if made > self._now + CLOCK_SKEW:
            raise SignatureTime(f"The signature is from the future: {_date(made)}.")
        if expires is not None and expires <= self._now:
            raise SignatureTime(f"The signature was good until {_date(expires)} only.")
        self._check_key(certificate, key, made)
        meant = signature.recipients
        if self._ours is not None and meant and not meant & self._ours:
            raise SignedForOthers("The signature says that the document is for somebody else.")
        return SignatureFacts(
            certificate=certificate.fingerprint,
            key=key.fingerprint.hex().upper(),
            made=Instant(made * 1_000_000),
            digest=kind.name,
            algorithm=key.name,
        )

    def _check_key(self, certificate: Certificate, key: PublicKey, made: int) -> None:
        """A key must not have been revoked before it signed, nor have ended before now.

        Whoever finds an old key could date a signature back, so its end counts as of now. A key that was revoked
        because another took its place signed well before; one that was stolen never did.
        """
        name = key.fingerprint.hex().upper()
        if certificate.at(made, self._allowed).revoked(key):
            raise SignerRevoked(f"The key that signed was revoked: {name}.")
        view = certificate.at(self._now + CLOCK_SKEW, self._allowed)
        ends = view.expires(key)
        if ends is not None and ends <= max(made, self._now) and EXPIRED not in self._allowed:
            raise SignerExpired(f"The key that signed ended on {_date(ends)}: {name}.")
        if made < key.created or not view.bound(key) or not view.may_sign(key):
            raise BadSignature(f"The key that signed is not a signing key of the partner's: {name}.")


def _date(when: int) -> str:
    return iso(Instant(when * 1_000_000))[:16].replace("T", " ") + " UTC"


def safe_name(name: bytes) -> str:
    """The file name inside a message as one safe name; empty where there is none.

    GnuPG's ``_CONSOLE`` asks a reader to show the document and keep nothing (RFC 9580 s5.9): no name either.
    """
    text = unicodedata.normalize("NFC", name.decode("utf-8", "replace"))
    text = text.replace("\\", "/").rpartition("/")[2]
    text = "".join(letter for letter in text if letter.isprintable() and letter not in '<>:"|?*').strip(" .")
    while len(text.encode()) > MAX_NAME:
        text = text[:-1]
    return "" if text == "_CONSOLE" else text
