"""Requests and answers of the signer: four octets of length, then JSON of one of these shapes.

JSON, for serial numbers of certificates are larger than binary formats have room for; octets are base 64 in it.
"""

from __future__ import annotations

import socket
from typing import Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.trust.errors import KeyringError, SecretError
from ecluse.trust.keys.notes import NoteUse
from ecluse.wire.cms import errors as cms
from ecluse.wire.cms.events import Recipient
from ecluse.wire.openpgp import errors as openpgp
from ecluse.wire.openpgp.pkesk import SessionKey, WrappedKey

__all__ = [
    "MAX_FRAME",
    "Answer",
    "Description",
    "Failure",
    "HeldKey",
    "Request",
    "raise_failure",
    "receive",
    "send",
]

MAX_FRAME: Final = 4 << 20
"""Octets of a frame: the description of a thousand keys with their chains."""


class _Frame(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A request."""


class Describe(_Frame, frozen=True):
    """All that is not secret."""


class Sign(_Frame, frozen=True):
    """A signature of CMS."""

    ref: str
    scheme: str | None
    data: bytes
    digest: str


class Unwrap(_Frame, frozen=True):
    """A content-encryption key."""

    recipients: tuple[Recipient, ...]
    refs: tuple[str, ...]
    allowed: tuple[str, ...]


class OpenPgpSign(_Frame, frozen=True):
    """A signature of OpenPGP, by the key that signs at present."""

    ref: str
    fingerprint: bytes
    digest: bytes
    kind: int


class OpenPgpUnwrap(_Frame, frozen=True):
    """A session key."""

    recipients: tuple[WrappedKey, ...]
    refs: tuple[str, ...]


class WrapKey(_Frame, frozen=True):
    """The wrapped key of a blob."""

    key: bytes


class UnwrapKey(_Frame, frozen=True):
    """The reverse."""

    wrapped: bytes


class LogSign(_Frame, frozen=True):
    """A signature of the evidence log."""

    data: bytes


class NoteSign(_Frame, frozen=True):
    """A signature of the log's second key, or of the witness."""

    use: NoteUse
    data: bytes


class SshSign(_Frame, frozen=True):
    """A signature of SSH."""

    ref: str
    data: bytes
    algorithm: str


class NamedSecret(_Frame, frozen=True):
    """A secret."""

    name: str


class TlsKey(_Frame, frozen=True):
    """The key that a TLS listener shows."""

    ref: str


Request = (
    Describe
    | Sign
    | Unwrap
    | OpenPgpSign
    | OpenPgpUnwrap
    | WrapKey
    | UnwrapKey
    | LogSign
    | NoteSign
    | SshSign
    | NamedSecret
    | TlsKey
)


class HeldKey(msgspec.Struct, frozen=True):
    """What may be known of a key.

    Attributes:
        chain: Its certificate and the issuers', PEM.
        former: Certificates that it had before, PEM; may be empty.
        ssh: Its line for SSH, or empty where SSH has no use for it.
        algorithms: Signatures that it makes in SSH.
    """

    chain: bytes
    former: bytes
    ssh: str
    algorithms: tuple[str, ...]


class Description(msgspec.Struct, frozen=True):
    """All that is not secret.

    Attributes:
        keys: By name.
        openpgp: Certificates, by name.
        secrets: Names of secrets.
        log: The raw public key of the evidence log.
        notes: Further public keys for notes, by use.
    """

    keys: dict[str, HeldKey]
    openpgp: dict[str, bytes]
    secrets: tuple[str, ...]
    log: bytes
    notes: dict[str, bytes] = {}


class Failure(msgspec.Struct, frozen=True):
    """Why a request was not done.

    Attributes:
        kind: Name of the error's class.
        code: Its code.
        cause: One sentence.
        remedy: One sentence.
        fault: Whose fault.
    """

    kind: str
    code: str
    cause: str
    remedy: str
    fault: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a request; one of them is set.

    Attributes:
        data: Octets.
        session: A session key.
        description: What may be known.
        failure: Why not.
    """

    data: bytes | None = None
    session: SessionKey | None = None
    description: Description | None = None
    failure: Failure | None = None


_ERRORS: Final[dict[str, type[EcluseError]]] = {
    each.__name__: each
    for each in (
        KeyringError,
        SecretError,
        cms.AlgorithmForbidden,
        cms.UnsupportedAlgorithm,
        cms.Malformed,
        cms.CertificateMismatch,
    )
} | {f"OpenPgp{each.__name__}": each for each in (openpgp.NotForUs, openpgp.UnsupportedAlgorithm)}


def failure_of(error: EcluseError) -> Failure:
    """An error as it goes over the socket."""
    name = type(error).__name__
    if isinstance(error, openpgp.OpenPgpError):
        name = f"OpenPgp{name}"
    return Failure(name, error.code, error.cause, error.remedy, error.fault.value)


def raise_failure(failure: Failure) -> None:
    """Raise what the signer did."""
    if failure.kind == "DecryptionFailed":
        raise cms.DecryptionFailed
    if failure.kind == "OpenPgpDecryptionFailed":
        raise openpgp.DecryptionFailed
    kind = _ERRORS.get(failure.kind, KeyringError)
    raise kind(failure.cause, code=failure.code, remedy=failure.remedy, fault=Fault(failure.fault))


def send(line: socket.socket, frame: bytes) -> None:
    """Send one frame."""
    line.sendall(len(frame).to_bytes(4, "big") + frame)


def receive(line: socket.socket) -> bytes | None:
    """One frame; ``None`` at the end of the connection.

    Raises:
        ValueError: It is larger than a frame may be, or ends inside.
    """
    head = _exactly(line, 4)
    if head is None:
        return None
    size = int.from_bytes(head, "big")
    if size > MAX_FRAME:
        raise ValueError("a frame is too large")
    body = _exactly(line, size)
    if body is None:
        raise ValueError("a frame ends inside")
    return body


def _exactly(line: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = line.recv(size - len(data))
        if not piece:
            if data:
                raise ValueError("a frame ends inside")
            return None
        data += piece
    return bytes(data)
