"""The keyring that the hub holds while another process has the keys."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509

from ecluse.errors import Fault
from ecluse.model.basics import Clock, system_clock
from ecluse.trust.certificates import load_certificates
from ecluse.trust.errors import KeyringError, SecretError
from ecluse.trust.keys.notes import NoteUse
from ecluse.trust.keys.openpgp import seconds
from ecluse.trust.keystores.signer import frames
from ecluse.trust.keystores.signer.frames import Answer, Description, HeldKey, Request
from ecluse.trust.keystores.uses import CountedSigner, Uses
from ecluse.trust.secrets import Secret
from ecluse.typed import json_decoder
from ecluse.wire.cms.events import Recipient
from ecluse.wire.cms.keys import matches, signing_scheme
from ecluse.wire.cms.sign import Signer
from ecluse.wire.openpgp.certificate import Certificate, read_certificates
from ecluse.wire.openpgp.keys import PublicKey
from ecluse.wire.openpgp.names import HashKind
from ecluse.wire.openpgp.pkesk import SessionKey, WrappedKey
from ecluse.wire.openpgp.secret import Signer as OpenPgpSigner

__all__ = ["SignerKeyring"]

TIMEOUT: Final = 30.0
"""Seconds for an answer: an RSA-4096 signature takes milliseconds, a smart card a second."""
IDLE: Final = 16
"""Connections that are kept."""

_decode: Final = json_decoder(Answer).decode


class SignerKeyring:
    """A keyring (:class:`ecluse.trust.keys.keyring.Keyring`) whose keys are in another process. Used from any thread.

    Args:
        path: The signer's socket.
        clock: At what time a signing key has to be valid.

    Raises:
        KeyringError: ``keyring.signer-away``: nobody answers there.
    """

    def __init__(self, path: Path, clock: Clock = system_clock) -> None:
        self._path = path
        self._clock = clock
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self.uses = Uses()
        self._known = _Known.of(Description({}, {}, (), b""))
        self.reload()

    def __repr__(self) -> str:
        return f"<SignerKeyring with {len(self._known.keys)} keys>"

    def reload(self) -> None:
        """Ask again what is held."""
        description = self._ask(frames.Describe()).description
        if description is not None:
            self._known = _Known.of(description)

    def close(self) -> None:
        """Let the connections go."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    # --- the port -------------------------------------------------------------------------------------------

    def references(self) -> tuple[str, ...]:
        """See the port."""
        return tuple(sorted(self._known.keys))

    def elsewhere(self, refs: Collection[str]) -> bool:
        """See the port."""
        return True

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
        found = held.signers.get(scheme)
        if found is None:
            chosen = signing_scheme(held.chain[0], scheme)
            found = CountedSigner(
                _RemoteSigner(
                    held.chain[0], chosen, lambda data, digest: self._sign(ref, chosen, data, digest)
                ),
                lambda: self.uses.add(ref, "sign"),
            )
            held.signers[scheme] = found
        return found

    def _sign(self, ref: str, scheme: str, data: bytes, digest: str) -> bytes:
        asked = scheme if scheme.startswith("rsa-") else None
        return self._data(frames.Sign(ref, asked, data, digest))

    def unwrap(
        self, recipients: Sequence[Recipient], refs: Sequence[str], *, allowed: Collection[str] = ()
    ) -> bytes:
        """See the port."""
        key = self._data(frames.Unwrap(tuple(recipients), tuple(refs), tuple(sorted(allowed))))
        keys = self._known.keys
        for ref in (
            ref for recipient in recipients for ref in refs if ref in keys and keys[ref].has(recipient)
        ):
            self.uses.add(ref, "decrypt")
            break
        return key

    def openpgp_references(self) -> tuple[str, ...]:
        """See the port."""
        return tuple(sorted(self._known.openpgp))

    def openpgp_certificate(self, ref: str) -> Certificate:
        """See the port."""
        found = self._known.openpgp.get(ref)
        if found is None:
            raise _no_key(ref)
        return found

    def openpgp_signer(self, ref: str) -> OpenPgpSigner:
        """See the port."""
        keys = self.openpgp_certificate(ref).at(seconds(self._clock())).signing_keys()
        for key in keys:
            return _RemoteOpenPgpSigner(
                key,
                lambda digest, kind, key=key: self._openpgp_sign(ref, key, digest, kind),  # type: ignore[misc]
            )
        raise KeyringError(
            f"The OpenPGP key {ref} can't sign: it has ended or was revoked.", code="keyring.cannot-sign"
        )

    def _openpgp_sign(self, ref: str, key: PublicKey, digest: bytes, kind: HashKind) -> bytes:
        self.uses.add(ref, "openpgp-sign")
        return self._data(frames.OpenPgpSign(ref, key.fingerprint, digest, kind.id))

    def openpgp_unwrap(self, recipients: Sequence[WrappedKey], refs: Sequence[str]) -> SessionKey:
        """See the port."""
        session = self._ask(frames.OpenPgpUnwrap(tuple(recipients), tuple(refs))).session
        assert session is not None, "the signer answers with what it was asked for"
        meant = sorted(recipients, key=lambda recipient: recipient.anonymous)
        for ref in (ref for recipient in meant for ref in refs if self._is_for(recipient, ref)):
            self.uses.add(ref, "openpgp-decrypt")
            break
        return session

    def _is_for(self, recipient: WrappedKey, ref: str) -> bool:
        certificate = self._known.openpgp.get(ref)
        return certificate is not None and any(map(recipient.meant_for, certificate.every_key()))

    def wrap_key(self, key: bytes) -> bytes:
        """See the port."""
        return self._data(frames.WrapKey(key))

    def unwrap_key(self, wrapped: bytes) -> bytes:
        """See the port."""
        return self._data(frames.UnwrapKey(wrapped))

    def log_sign(self, data: bytes) -> bytes:
        """See the port."""
        return self._data(frames.LogSign(data))

    @property
    def log_public_key(self) -> bytes:
        """See the port."""
        return self._known.log

    def note_public(self, use: NoteUse) -> bytes | None:
        """See the port."""
        return self._known.notes.get(use)

    def note_sign(self, use: NoteUse, data: bytes) -> bytes:
        """See the port."""
        return self._data(frames.NoteSign(use, data))

    def ssh_public_key(self, ref: str) -> str:
        """See the port."""
        line = self._held(ref).ssh
        if not line:
            raise KeyringError("SSH has no use for a key of that kind.", code="keyring.bad-request")
        return line

    def ssh_algorithms(self, ref: str) -> tuple[str, ...]:
        """See the port."""
        self.ssh_public_key(ref)
        return self._held(ref).algorithms

    def ssh_sign(self, ref: str, data: bytes, algorithm: str) -> bytes:
        """See the port."""
        self.uses.add(ref, "ssh")
        return self._data(frames.SshSign(ref, data, algorithm))

    def secret(self, name: str) -> Secret:
        """See the port."""
        if name not in self._known.secrets:
            raise SecretError(
                "The keyring has no such secret.",
                code="secret.missing",
                remedy=f"Put it in with `ecluse secret put`; held: {', '.join(self.secrets()) or 'none'}.",
            )
        return Secret(self._data(frames.NamedSecret(name)))

    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that are held."""
        return self._known.secrets

    def tls_key(self, ref: str) -> bytes:
        """See the port."""
        return self._data(frames.TlsKey(ref))

    # --- inside ---------------------------------------------------------------------------------------------

    def _held(self, ref: str) -> _Key:
        held = self._known.keys.get(ref)
        if held is None:
            raise _no_key(ref)
        return held

    def _data(self, request: Request) -> bytes:
        data = self._ask(request).data
        assert data is not None, "the signer answers with what it was asked for"
        return data

    def _ask(self, request: Request) -> Answer:
        """Ask; once more where a kept connection has ended meanwhile: every request may be asked twice."""
        sent = msgspec.json.encode(request)
        for fresh in (False, True):
            try:
                with self._line(fresh) as line:
                    frames.send(line, sent)
                    data = frames.receive(line)
                    if data is None:
                        raise ConnectionResetError
                    answer = _decode(data)
                    break
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                if fresh:
                    raise KeyringError(
                        f"The signer does not answer at {self._path}.",
                        code="keyring.signer-away",
                        remedy="Start it with `ecluse signer`; what waits is tried again.",
                        fault=Fault.TRANSIENT,
                    ) from error
        if answer.failure is not None:
            frames.raise_failure(answer.failure)
        return answer

    @contextmanager
    def _line(self, fresh: bool) -> Iterator[socket.socket]:
        line = None
        if not fresh:
            with self._lock, suppress(IndexError):
                line = self._idle.pop()
        if line is None:
            line = socket.socket(socket.AF_UNIX)
            line.settimeout(TIMEOUT)
            try:
                line.connect(str(self._path))
            except OSError:
                line.close()
                raise
        try:
            yield line
        except BaseException:
            line.close()
            raise
        with self._lock:
            if len(self._idle) < IDLE:
                self._idle.append(line)
                return
        line.close()


@dataclass(frozen=True, slots=True)
class _Key:
    chain: tuple[x509.Certificate, ...]
    former: tuple[x509.Certificate, ...]
    ssh: str
    algorithms: tuple[str, ...]
    signers: dict[str | None, Signer] = field(default_factory=dict, compare=False)

    def has(self, recipient: Recipient) -> bool:
        """Whether it is what ``recipient`` names."""
        return any(matches(recipient, own) for own in (self.chain[0], *self.former))

    @classmethod
    def of(cls, held: HeldKey) -> _Key:
        former = load_certificates(held.former) if held.former else ()
        return cls(load_certificates(held.chain), former, held.ssh, held.algorithms)


@dataclass(frozen=True, slots=True)
class _Known:
    keys: dict[str, _Key]
    openpgp: dict[str, Certificate]
    secrets: tuple[str, ...]
    log: bytes
    notes: dict[str, bytes]

    @classmethod
    def of(cls, description: Description) -> _Known:
        return cls(
            {ref: _Key.of(held) for ref, held in description.keys.items()},
            {ref: next(iter(read_certificates(data))) for ref, data in description.openpgp.items()},
            description.secrets,
            description.log,
            description.notes,
        )


@dataclass(frozen=True, slots=True)
class _RemoteSigner:
    certificate: x509.Certificate
    scheme: str
    _sign: Callable[[bytes, str], bytes] = field(repr=False)

    def sign(self, data: bytes, digest: str) -> bytes:
        return self._sign(data, digest)


@dataclass(frozen=True, slots=True)
class _RemoteOpenPgpSigner:
    key: PublicKey
    _sign: Callable[[bytes, HashKind], bytes] = field(repr=False)

    def sign(self, digest: bytes, kind: HashKind) -> bytes:
        return self._sign(digest, kind)


def _no_key(ref: str) -> KeyringError:
    return KeyringError(f"The keyring has no key {ref[:63]!a}.", code="keyring.no-key")
