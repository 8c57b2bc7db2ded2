"""Keys held in this process: what every keyring whose keys are in memory does with them.

A subclass only says where the bytes are kept (:meth:`HeldKeys._keep`). Changes replace whole tables, so that
a reader in another thread sees the old state or the new one.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ecluse.errors import Fault
from ecluse.model.basics import Clock, system_clock, system_entropy
from ecluse.trust.certificates import load_certificates, to_pem
from ecluse.trust.errors import CertificateError, KeyringError, SecretError
from ecluse.trust.keys.importing import Identity, check_pair, load_pem_identity, load_pkcs12
from ecluse.trust.keys.making import make_certificate, make_key, make_request, subject_name
from ecluse.trust.keys.names import check_name
from ecluse.trust.keys.notes import NOTE_SEEDS, NoteKeys, NoteUse, no_note_keys
from ecluse.trust.keys.openpgp import HeldOpenPgp, OpenPgpKeys
from ecluse.trust.keys.ssh import public_line, ssh_algorithms, ssh_sign
from ecluse.trust.keystores.remote import RemoteKey
from ecluse.trust.keystores.uses import CountedSigner, Uses
from ecluse.trust.secrets import Secret
from ecluse.wire.cms.errors import AlgorithmForbidden, CmsError, DecryptionFailed, UnsupportedAlgorithm
from ecluse.wire.cms.events import Recipient
from ecluse.wire.cms.keys import PrivateKey, matches, signer_for, unwrap
from ecluse.wire.cms.sign import Signer

__all__ = ["NOTE_FILE", "STORAGE_KEY", "Held", "HeldKeys"]

NOTE_FILE: Final = "notes.seeds"
"""Where the seeds of :mod:`ecluse.trust.keys.notes` are kept."""

STORAGE_KEY: Final = 32
"""Octets of a storage key: AES-256."""

MAX_STORAGE_KEYS: Final = 255
"""The octet before a wrapped key names one of these."""


@dataclass(frozen=True, slots=True)
class Held:
    """A key with its certificates.

    Attributes:
        private: The key.
        chain: Its certificate, followed by its issuers.
        former: Certificates that it had before: a partner may still encrypt to one of them.
        signers: What signs with it, by the scheme that was asked for: made once, for it takes some checks.
    """

    private: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]
    former: tuple[x509.Certificate, ...] = ()
    signers: dict[str | None, Signer] = field(default_factory=dict, init=False, repr=False, compare=False)

    def private_bytes(self, encoding: Encoding) -> bytes:
        """PKCS#8, not encrypted."""
        return self.private.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())


class HeldKeys(OpenPgpKeys):
    """A keyring (:class:`ecluse.trust.keys.keyring.Keyring`) whose keys are in this process.

    Args:
        clock: When certificates that are made begin.
    """

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, Held] = {}
        self._openpgp: dict[str, HeldOpenPgp] = {}
        self._secrets: dict[str, Secret] = {}
        self._storage: tuple[bytes, ...] = ()
        self._log: ed25519.Ed25519PrivateKey | None = None
        self._notes: NoteKeys | None = None
        self.uses = Uses()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {len(self._keys)} keys>"

    # --- where the bytes are kept ---------------------------------------------------------------------------

    def _keep(self, name: str, data: bytes | None, *, sealed: bool) -> None:
        """Keep ``data`` durably under ``name``, or forget it where it is ``None``."""
        raise NotImplementedError

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time, made to the present state."""
        with self._lock:
            yield

    # --- using keys: the port -------------------------------------------------------------------------------

    def references(self) -> tuple[str, ...]:
        """See the port."""
        return tuple(sorted(self._keys))

    def elsewhere(self, refs: Collection[str]) -> bool:
        """See the port."""
        keys = self._keys
        return any(
            (held := keys.get(ref)) is not None and isinstance(held.private, RemoteKey) for ref in refs
        )

    def certificate(self, ref: str) -> x509.Certificate:
        """See the port."""
        return self._held(ref).chain[0]

    def chain(self, ref: str) -> tuple[x509.Certificate, ...]:
        """See the port."""
        return self._held(ref).chain

    def former(self, ref: str) -> tuple[x509.Certificate, ...]:
        """See the port."""
        return self._held(ref).former

    def signer(self, ref: str, scheme: str | None = None) -> Signer:
        """See the port."""
        held = self._held(ref)
        signer = held.signers.get(scheme)
        if signer is None:
            made = signer_for(held.private, held.chain[0], scheme)
            signer = held.signers[scheme] = CountedSigner(made, lambda: self.uses.add(ref, "sign"))
        return signer

    def unwrap(
        self, recipients: Sequence[Recipient], refs: Sequence[str], *, allowed: Collection[str] = ()
    ) -> bytes:
        """See the port."""
        names = frozenset(allowed)
        refusal: CmsError | None = None
        held_keys = [(ref, held) for ref in refs if (held := self._keys.get(ref)) is not None]
        for recipient in recipients:
            for ref, held in held_keys:
                if not any(matches(recipient, own) for own in (held.chain[0], *held.former)):
                    continue
                self.uses.add(ref, "decrypt")
                try:
                    return unwrap(recipient, held.private, allowed=names)
                except (AlgorithmForbidden, UnsupportedAlgorithm) as error:
                    # The sender chose it in the clear, so naming it tells nothing about a key.
                    refusal = refusal or error
                except CmsError:
                    continue
        raise refusal if refusal is not None else DecryptionFailed()

    def wrap_key(self, key: bytes) -> bytes:
        """See the port."""
        if len(key) != STORAGE_KEY:
            raise KeyringError(f"A blob's key has {STORAGE_KEY} octets.", code="keyring.bad-request")
        return bytes([len(self._storage)]) + aes_key_wrap(self._storage[-1], key)

    def unwrap_key(self, wrapped: bytes) -> bytes:
        """See the port."""
        number = wrapped[0] if wrapped else 0
        storage = self._storage
        if 1 <= number <= len(storage):
            try:
                return aes_key_unwrap(storage[number - 1], wrapped[1:])
            except (InvalidUnwrap, ValueError):
                pass
        raise KeyringError(
            "The wrapped key of a blob does not open under this keyring.",
            code="keyring.not-ours",
            remedy="Open the hub with the keyring that its blobs were written under.",
        )

    def log_sign(self, data: bytes) -> bytes:
        """See the port."""
        return self._log_key().sign(data)

    @property
    def log_public_key(self) -> bytes:
        """See the port."""
        return self._log_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def note_public(self, use: NoteUse) -> bytes | None:
        """See the port."""
        return None if self._notes is None else self._notes.public(use)

    def note_sign(self, use: NoteUse, data: bytes) -> bytes:
        """See the port."""
        if self._notes is None:
            raise no_note_keys()
        return self._notes.sign(use, data)

    def ssh_public_key(self, ref: str) -> str:
        """See the port."""
        return public_line(self._held(ref).private)

    def ssh_algorithms(self, ref: str) -> tuple[str, ...]:
        """See the port."""
        return ssh_algorithms(self._held(ref).private)

    def ssh_sign(self, ref: str, data: bytes, algorithm: str) -> bytes:
        """See the port."""
        self.uses.add(ref, "ssh")
        return ssh_sign(self._held(ref).private, data, algorithm)

    def secret(self, name: str) -> Secret:
        """See the port."""
        secret = self._secrets.get(name)
        if secret is None:
            raise SecretError(
                "The keyring has no such secret.",
                code="secret.missing",
                remedy=f"Put it in with `ecluse secret put`; held: {', '.join(self.secrets()) or 'none'}.",
            )
        return secret

    def tls_key(self, ref: str) -> bytes:
        """See the port."""
        return self._held(ref).private_bytes(Encoding.PEM)

    # --- managing them --------------------------------------------------------------------------------------

    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that are held."""
        return tuple(sorted(self._secrets))

    def put_secret(self, name: str, secret: Secret) -> None:
        """Hold a secret, in place of one of the same name."""
        check_name(name)
        with self._changing():
            self._keep(f"{name}.secret", secret.reveal(), sealed=True)
            self._secrets = {**self._secrets, name: secret}

    def remove_secret(self, name: str) -> None:
        """Forget a secret, where it is held."""
        check_name(name)
        with self._changing():
            self._keep(f"{name}.secret", None, sealed=True)
            self._secrets = {held: secret for held, secret in self._secrets.items() if held != name}

    def generate(
        self,
        ref: str,
        kind: str = "rsa-3072",
        *,
        subject: str,
        days: int = 1095,
        names: Sequence[str] = (),
        issuer: str | None = None,
    ) -> x509.Certificate:
        """Make a key with a certificate of its own.

        Args:
            ref: Its name.
            kind: One of :data:`ecluse.trust.keys.making.KINDS`.
            subject: Common name, or an RFC 4514 text.
            days: How long the certificate lasts.
            names: DNS names and IP addresses, for TLS.
            issuer: A key of the keyring that signs the certificate, where the key can't (X25519, ML-KEM).

        Raises:
            KeyringError: ``keyring.exists``, ``keyring.bad-name``, ``keyring.bad-request``.
        """
        self._free(ref)
        signing = self._held(issuer) if issuer is not None else None
        private = make_key(kind)
        certificate = make_certificate(
            private,
            subject,
            now=self._clock(),
            days=days,
            names=names,
            issuer=None if signing is None else (signing.private, signing.chain[0]),
        )
        self._add(ref, (private, (certificate, *(signing.chain if signing is not None else ()))))
        return certificate

    def import_pkcs12(self, ref: str, data: bytes, password: Secret) -> x509.Certificate:
        """Take over a key from a PKCS#12 file. Raises as :func:`ecluse.trust.keys.importing.load_pkcs12` does."""
        return self._add(ref, load_pkcs12(data, password))

    def import_pem(self, ref: str, data: bytes, password: Secret | None = None) -> x509.Certificate:
        """Take over a key and its certificate from PEM.

        Raises as :func:`ecluse.trust.keys.importing.load_pem_identity` does.
        """
        return self._add(ref, load_pem_identity(data, password))

    def request(self, ref: str, subject: str | None = None, names: Sequence[str] = ()) -> str:
        """A certificate request (PEM) for a key; by default with the subject that its certificate has.

        Args:
            ref: Which key.
            subject: Common name, or an RFC 4514 text; empty for none.
            names: DNS names and IP addresses, for TLS.
        """
        held = self._held(ref)
        if subject is None:
            return make_request(held.private, held.chain[0].subject, names)
        return make_request(held.private, subject_name(subject) if subject else x509.Name([]), names)

    def bind(self, ref: str, place: str, private: PrivateKey, data: bytes) -> x509.Certificate:
        """Hold a key that stays in a key store, with its certificate.

        Args:
            ref: Its name here.
            place: Name of the key store and of the key in it, as ``hsm/orders``.
            private: The key as the store gives it.
            data: Its certificate (PEM, DER or PKCS#7, with its chain).

        Raises:
            KeyringError: ``keyring.exists``, ``keyring.bad-name``.
            CertificateError: It can't be read, or belongs to another key.
        """
        _, chain = check_pair(private, load_certificates(data))
        with self._changing():
            self._free(ref)
            self._keep(f"{ref}.former", None, sealed=False)
            self._keep(f"{ref}.pem", to_pem(chain).encode(), sealed=False)
            self._keep(f"{ref}.bound", place.encode(), sealed=True)
            self._keys = {**self._keys, ref: Held(private, chain)}
        return chain[0]

    def install_certificate(self, ref: str, data: bytes) -> x509.Certificate:
        """Give a key another certificate (PEM, DER or PKCS#7, with its chain). The former ones still decrypt.

        Raises:
            CertificateError: It can't be read, or belongs to another key.
        """
        chain = load_certificates(data)
        with self._changing():
            held = self._held(ref)
            private, ordered = check_pair(held.private, chain)
            own = ordered[0]
            former = tuple(c for c in dict.fromkeys((held.chain[0], *held.former)) if c != own)
            self._keep(f"{ref}.former", to_pem(former).encode(), sealed=False)
            self._keep(f"{ref}.pem", to_pem(ordered).encode(), sealed=False)
            self._keys = {**self._keys, ref: Held(private, ordered, former)}
        return own

    def certify_as(self, ref: str, new: str, data: bytes) -> x509.Certificate:
        """Hold a key a second time, under another name and with another certificate; what has the first name stays.

        Args:
            ref: The name that the key has.
            new: The name that it gets beside that.
            data: The certificate, as :meth:`install_certificate` takes it.

        Raises:
            CertificateError: It can't be read, or belongs to another key.
            KeyringError: ``keyring.exists``, ``keyring.bad-name``, ``keyring.no-key``; and for a key that stays in a
                key store, which is bound a second time instead.
        """
        return self._add(new, check_pair(self._held(ref).private, load_certificates(data)))

    def remove(self, ref: str) -> None:
        """Forget a key for good: what was encrypted to it alone can't be read any more."""
        with self._changing():
            self._held(ref)
            for ending in ("key", "bound", "pem", "former"):
                self._keep(f"{ref}.{ending}", None, sealed=ending in ("key", "bound"))
            self._keys = {name: held for name, held in self._keys.items() if name != ref}

    def rotate_storage_key(self) -> None:
        """Wrap from here on under a fresh storage key; what the others wrapped still opens."""
        with self._changing():
            if len(self._storage) >= MAX_STORAGE_KEYS:
                raise KeyringError(f"There are {MAX_STORAGE_KEYS} storage keys already.")
            storage = (*self._storage, system_entropy(STORAGE_KEY))
            self._keep("storage.keys", b"".join(storage), sealed=True)
            self._storage = storage

    def make_note_keys(self) -> bool:
        """Make the keys of :mod:`ecluse.trust.keys.notes` where there are none; false where they are there."""
        with self._changing():
            if self._notes is not None:
                return False
            self._make_note_keys()
            return True

    # --- inside ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make what a fresh keyring has from the start: a storage key and the log's key."""
        self.rotate_storage_key()
        log = ed25519.Ed25519PrivateKey.generate()
        seed = log.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        self._keep("log.seed", seed, sealed=True)
        self._log = log
        self._make_note_keys()

    def _make_note_keys(self) -> None:
        seeds = system_entropy(NOTE_SEEDS)
        notes = NoteKeys(seeds)
        self._keep(NOTE_FILE, seeds, sealed=True)
        self._notes = notes

    def _held(self, ref: str) -> Held:
        held = self._keys.get(ref)
        if held is None:
            raise KeyringError(
                f"The keyring has no key {ref[:63]!a}.",
                code="keyring.no-key",
                remedy=f"Make it with `ecluse cert generate`; held: {', '.join(self.references()) or 'none'}.",
            )
        return held

    def _log_key(self) -> ed25519.Ed25519PrivateKey:
        if self._log is None:
            raise KeyringError("The keyring has no key for the log.", code="keyring.damaged")
        return self._log

    def _free(self, ref: str) -> None:
        check_name(ref)
        if ref in self._keys:
            raise KeyringError(
                f"The keyring has a key {ref} already.",
                code="keyring.exists",
                remedy="Choose another name: a key is never written over.",
                fault=Fault.USAGE,
            )

    def _add(self, ref: str, identity: Identity) -> x509.Certificate:
        private, chain = identity
        held = Held(private, chain)
        with self._changing():
            self._free(ref)
            # The key's file comes last: a certificate alone is nothing yet.
            self._keep(f"{ref}.former", None, sealed=False)
            self._keep(f"{ref}.pem", to_pem(chain).encode(), sealed=False)
            self._keep(f"{ref}.key", held.private_bytes(Encoding.DER), sealed=True)
            self._keys = {**self._keys, ref: held}
        return chain[0]

    def _check_held(self, ref: str, private: object, chain: bytes, former: bytes) -> Held:
        """A key as it was kept, checked again."""
        try:
            key, ordered = check_pair(private, load_certificates(chain))
            past = load_certificates(former) if former else ()
        except CertificateError as error:
            raise KeyringError(f"The key {ref} is damaged: {error.cause}", code="keyring.damaged") from error
        return Held(key, ordered, past)
