"""A document sealed: signed, encrypted, or both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ecluse.exchange.openpgp.errors import NotConfigured, RecipientUnusable
from ecluse.model.basics import Entropy, Instant, system_entropy
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.keys.openpgp import seconds
from ecluse.trust.rules.openpgp import encryption_problem
from ecluse.wire.openpgp.certificate import Certificate
from ecluse.wire.openpgp.writer import protection_for, write_message

__all__ = ["Sealed", "seal_message"]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a message was made as.

    Attributes:
        size: Octets of the message.
        cipher: ``AES-256``; empty where it is not encrypted.
        mode: ``mdc`` or ``ocb``; empty where it is not encrypted.
        recipients: Fingerprints of the certificates that it is encrypted to.
        keys: Key ids of their keys that open it.
        signed_by: Fingerprint of the key that signed; empty where it is not signed.
        suffix: Ending of the file's name: ``.pgp`` or ``.asc``.
    """

    size: int
    cipher: str
    mode: str
    recipients: tuple[str, ...]
    keys: tuple[str, ...]
    signed_by: str
    suffix: str

    def as_dict(self) -> dict[str, Any]:
        """For the log and ``--json``."""
        return {
            "size": self.size,
            "cipher": self.cipher,
            "mode": self.mode,
            "recipients": list(self.recipients),
            "keys": list(self.keys),
            "signed_by": self.signed_by,
            "suffix": self.suffix,
        }


def seal_message(
    source: Iterable[bytes],
    write: Callable[[bytes], object],
    *,
    keyring: Keyring,
    recipients: Sequence[Certificate],
    signer: str | None,
    now: Instant,
    armor: bool = False,
    filename: str = "",
    format: Literal["auto", "rfc4880"] = "auto",
    allowed: Collection[str] = (),
    entropy: Entropy = system_entropy,
) -> Sealed:
    """Sign, encrypt, or both.

    Args:
        source: The document, in pieces of any size.
        write: Takes the message, piece by piece.
        keyring: Holds our keys.
        recipients: Certificates that it is encrypted to; none for a message that is only signed.
        signer: Reference of the key that signs; ``None`` for a message that is only encrypted.
        now: The time.
        armor: In ASCII armour: a third larger.
        filename: Name inside.
        format: ``auto`` writes AEAD (RFC 9580) where every certificate says that it is read; ``rfc4880`` never.
        allowed: Names of exceptions: ``openpgp-legacy`` lets certificates be old.
        entropy: Gives session keys and salts.

    Raises:
        RecipientUnusable: A certificate has ended, was revoked, or has no key to encrypt to.
        NotConfigured: There is neither a recipient nor a signer.
        KeyringError: The signing key is not held, or can't sign.
    """
    if not recipients and signer is None:
        raise NotConfigured("A message is to be neither encrypted nor signed.")
    when = seconds(now)
    views = [certificate.at(when, allowed) for certificate in recipients]
    for certificate in recipients:
        problem = encryption_problem(certificate, when, allowed)
        if problem is not None:
            raise RecipientUnusable(problem.cause)
    keys = tuple(key for view in views for key in view.encryption_keys())
    protection = protection_for(views, rfc4880=format == "rfc4880") if recipients else None
    signing = keyring.openpgp_signer(signer) if signer is not None else None
    size = 0
    for piece in write_message(
        source,
        recipients=keys,
        meant_for=[certificate.primary for certificate in recipients],
        protection=protection,
        signer=signing,
        now=when,
        entropy=entropy,
        name=filename.encode("utf-8", "replace"),
        armored=armor,
    ):
        size += len(piece)
        write(bytes(piece))
    return Sealed(
        size=size,
        cipher=protection.cipher.name if protection is not None else "",
        mode=protection.mode if protection is not None else "",
        recipients=tuple(certificate.fingerprint for certificate in recipients),
        keys=tuple(key.key_id.hex().upper() for key in keys),
        signed_by=signing.key.fingerprint.hex().upper() if signing is not None else "",
        suffix=".asc" if armor else ".pgp",
    )
