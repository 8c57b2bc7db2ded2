"""What the layers of a message share while it is being opened, and how their faults are answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol

from msgspec import Struct

from ecluse.errors import EcluseError
from ecluse.wire.as2.disposition import (
    AUTHENTICATION_FAILED,
    DECOMPRESSION_FAILED,
    DECRYPTION_FAILED,
    INSUFFICIENT_SECURITY,
    UNEXPECTED_ERROR,
    Disposition,
)
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.as2.events import Event, Exact, Protection, UnwrapPolicy
from ecluse.wire.cms.errors import (
    AlgorithmForbidden,
    DecompressionFailed,
    DecryptionFailed,
    LimitExceeded,
    Malformed,
    Truncated,
)
from ecluse.wire.cms.events import ContentKind
from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.mic import DEFAULT_DIGEST, Digester

__all__ = ["Inner", "KeyHolder", "Layer", "Place", "Run", "as_failure", "fail", "undecryptable"]


class Layer(Protocol):
    """Something that octets go into. Both methods raise ``EcluseError``."""

    def feed(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class Inner(Layer, Protocol):
    """A layer that is an entity."""

    @property
    def has_header(self) -> bool: ...


class KeyHolder(Protocol):
    """A layer that waits for a content-encryption key."""

    def supply_key(self, cek: bytes) -> None: ...


class Place(Struct, frozen=True):
    """Where in the message an entity stands.

    Attributes:
        depth: How many protections are around it.
        in_scope: Its octets are in the scope of the MIC already.
        origin: Where its first octet stands in the exact stream; ``None`` unless it stands there unchanged.
        malleable: It was decrypted without authentication: what is wrong with it may be an attacker's doing.
        in_container: It is one document of several: it holds no further layers.
    """

    depth: int = 0
    in_scope: bool = False
    origin: int | None = None
    malleable: bool = False
    in_container: bool = False


class Run:
    """The state of one message.

    Args:
        policy: What is asked of it.
        entity: Makes the layer for an entity at a place; the flag says whether a header must be there.
    """

    def __init__(self, policy: UnwrapPolicy, entity: Callable[[Run, Place, bool], Inner]) -> None:
        self.policy = policy
        self.events: list[Event] = []
        self.protections: list[Protection | None] = []
        self.warnings: list[str] = []
        self.waiting: KeyHolder | None = None
        self.late: As2Failure | None = None
        self.digester: Digester | None = None
        self.mics: Mapping[str, bytes] | None = None
        self.canonical = False
        self.signature_digest: str | None = None
        self.exact_size = 0
        self.parts = 0
        self.is_mdn = False
        self.signed = self.encrypted = self.compressed = False
        self._entity = entity

    def entity(self, place: Place, *, header_required: bool) -> Inner:
        """The layer for an entity at ``place``."""
        return self._entity(self, place, header_required)

    def enter(self, place: Place) -> int:
        """Note a protection, in its order from outside; gives its index."""
        if place.depth >= self.policy.max_layers:
            fail("The message has too many layers.", UNEXPECTED_ERROR, "Send it with fewer layers.")
        self.protections.append(None)
        return len(self.protections) - 1

    def begin_scope(self, digester: Digester) -> int:
        """The scope of the MIC begins; gives where in the exact stream."""
        self.digester = digester
        return self.exact_size

    def exact(self, data: bytes) -> None:
        """Octets in scope."""
        if data:
            self.exact_size += len(data)
            self.events.append(Exact(data))

    def digests_wanted(self) -> list[str]:
        """What a digester must give for the receipt, whatever the size."""
        return [DEFAULT_DIGEST, *([self.policy.mic_digest] if self.policy.mic_digest else [])]

    def check_security(self) -> None:
        """The innermost content was reached: everything around it is known."""
        missing = []
        if self.policy.require_signed and not self.signed:
            missing.append("signed")
        if self.policy.require_encrypted and not self.encrypted:
            missing.append("encrypted")
        if missing:
            fail(
                f"The message is not {' and not '.join(missing)}, as is asked of this partner.",
                INSUFFICIENT_SECURITY,
                f"Send messages {' and '.join(missing)}.",
            )


def fail(cause: str, disposition: Disposition, remedy: str) -> NoReturn:
    """Raise the failure."""
    raise As2Failure(cause, disposition=disposition, remedy=remedy)


def undecryptable() -> As2Failure:
    """The one answer to whatever is wrong with a decryption."""
    error = DecryptionFailed()
    remedy = f"{error.remedy} Where it is, see that the content is whole, and signed where that was agreed."
    return As2Failure(error.cause, disposition=DECRYPTION_FAILED, remedy=remedy)


def as_failure(error: EcluseError, place: Place, kind: ContentKind | None = None) -> As2Failure:
    """What to answer to ``error``, met at ``place``, in a CMS layer of ``kind`` where it was in one.

    In content that was decrypted without authentication, a fault of structure is the fault of the
    decryption: both are answered alike, so that a forger learns nothing from the difference.
    """
    if isinstance(error, As2Failure):
        return error
    structural = isinstance(error, MimeError | Malformed | Truncated)
    if isinstance(error, DecryptionFailed) or (structural and place.malleable):
        return undecryptable()
    disposition = UNEXPECTED_ERROR
    if isinstance(error, DecompressionFailed) or kind is ContentKind.COMPRESSED:
        disposition = DECOMPRESSION_FAILED
    elif isinstance(error, AlgorithmForbidden):
        disposition = INSUFFICIENT_SECURITY
    elif kind in (ContentKind.ENVELOPED, ContentKind.AUTH_ENVELOPED) and not isinstance(error, LimitExceeded):
        disposition = DECRYPTION_FAILED
    elif kind is ContentKind.SIGNED:
        disposition = AUTHENTICATION_FAILED
    return As2Failure(error.cause, disposition=disposition, remedy=error.remedy, code=error.code)
