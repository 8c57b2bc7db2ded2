"""The port of a keyring: keys are used behind references, and not read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from cryptography import x509

from ecluse.trust.keys.notes import NoteUse
from ecluse.trust.secrets import Secret
from ecluse.wire.cms.events import Recipient
from ecluse.wire.cms.sign import Signer
from ecluse.wire.openpgp.certificate import Certificate
from ecluse.wire.openpgp.pkesk import SessionKey, WrappedKey
from ecluse.wire.openpgp.secret import Signer as OpenPgpSigner

__all__ = ["Keyring"]


class Keyring(Protocol):
    """Whoever holds the private keys: files, memory, a device or a service. Used from any thread.

    Unless it says otherwise, a method raises :class:`~ecluse.trust.errors.KeyringError` with the code
    ``keyring.no-key`` for a reference that is not held.
    """

    def references(self) -> tuple[str, ...]:
        """The keys that are held, in order of name."""

    def elsewhere(self, refs: Collection[str]) -> bool:
        """Whether one of the keys is used outside this process, so that using it may take as long as a network does."""

    def certificate(self, ref: str) -> x509.Certificate:
        """The certificate of a key."""

    def chain(self, ref: str) -> tuple[x509.Certificate, ...]:
        """The certificate of a key, followed by those of its issuers that are known."""

    def former(self, ref: str) -> tuple[x509.Certificate, ...]:
        """Certificates that a key had before, the latest first: what was encrypted to one of them still opens."""

    def signer(self, ref: str, scheme: str | None = None) -> Signer:
        """Who signs with a key.

        Args:
            ref: Which key.
            scheme: ``rsa-pkcs1`` or ``rsa-pss`` for an RSA key; ``None`` for the key's usual one.

        Raises:
            CmsError: The key does not sign in this way, or is too short to.
        """

    def unwrap(
        self, recipients: Sequence[Recipient], refs: Sequence[str], *, allowed: Collection[str] = ()
    ) -> bytes:
        """The content-encryption key of an encrypted message.

        Every recipient is tried against every key of ``refs`` whose certificate it names. What comes back may
        be a wrong key (implicit rejection): the reader finds that out at the end of the content.

        Args:
            recipients: As the reader gave them.
            refs: Which keys may be tried. One that is not held is passed over.
            allowed: Old algorithms that are let through, by name.

        Raises:
            DecryptionFailed: No key fits: one error with one text, whatever was wrong.
            AlgorithmForbidden: The only way in is an old algorithm that is not allowed.
            UnsupportedAlgorithm: The only way in is one that is not done here.
            KeyringError: Whoever has the key can't be asked: nothing is known of the message.
        """

    def openpgp_references(self) -> tuple[str, ...]:
        """The OpenPGP keys that are held, in order of name: names of their own, beside the others'."""

    def openpgp_certificate(self, ref: str) -> Certificate:
        """The certificate of an OpenPGP key."""

    def openpgp_signer(self, ref: str) -> OpenPgpSigner:
        """Who signs with an OpenPGP key.

        Raises:
            KeyringError: ``keyring.no-key``; ``keyring.cannot-sign``: it has ended or was revoked.
        """

    def openpgp_unwrap(self, recipients: Sequence[WrappedKey], refs: Sequence[str]) -> SessionKey:
        """The session key of an OpenPGP message. Keys that ended or were revoked still open.

        Args:
            recipients: As the reader gave them; one that names nobody is tried with every key.
            refs: Which keys may be tried. One that is not held is passed over.

        Raises:
            NotForUs: None of the keys is meant.
            DecryptionFailed: One is, and does not open it: one error with one text, whatever was wrong.
        """

    def wrap_key(self, key: bytes) -> bytes:
        """A 32-octet key of a blob, wrapped under the storage key: one octet that names the storage key,
        then AES-KW (RFC 3394).
        """

    def unwrap_key(self, wrapped: bytes) -> bytes:
        """The reverse. Raises ``keyring.not-ours`` where it was wrapped elsewhere or changed."""

    def log_sign(self, data: bytes) -> bytes:
        """Ed25519 signature (64 octets) of the evidence log."""

    @property
    def log_public_key(self) -> bytes:
        """The raw Ed25519 public key (32 octets) of the evidence log."""

    def note_public(self, use: NoteUse) -> bytes | None:
        """A raw public key of :mod:`ecluse.trust.keys.notes`; ``None`` where a keyring of an older release has none."""

    def note_sign(self, use: NoteUse, data: bytes) -> bytes:
        """A signature with that key. Raises ``keyring.no-note-keys`` where there is none."""

    def ssh_public_key(self, ref: str) -> str:
        """The public key as a line of an authorized_keys file: its kind and base 64, without a comment.

        Raises:
            KeyringError: ``keyring.bad-request``: SSH has no use for a key of that kind.
        """

    def ssh_algorithms(self, ref: str) -> tuple[str, ...]:
        """Names of the signatures that the key makes in SSH, the preferred one first. Raises as above."""

    def ssh_sign(self, ref: str, data: bytes, algorithm: str) -> bytes:
        """An SSH signature (RFC 4253 s6.6: the algorithm's name, then the signature, each with its length).

        Args:
            ref: Which key.
            data: What is signed, whole.
            algorithm: One of :meth:`ssh_algorithms`.

        Raises:
            KeyringError: ``keyring.bad-request``: the key does not make such signatures.
        """

    def secret(self, name: str) -> Secret:
        """A named secret. Raises :class:`~ecluse.trust.errors.SecretError` (``secret.missing``)."""

    def tls_key(self, ref: str) -> bytes:
        """The private key as unencrypted PKCS#8 PEM: the one way out of the keyring.

        Python's ``ssl`` can't ask another for a signature, so it must have the key itself. Hand the bytes
        to a TLS context at once; nothing else should call this.
        """
