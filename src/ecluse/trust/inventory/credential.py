"""One key, certificate or reference to a secret: whose, what for, where it is named, how strong, how long."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from ecluse.model.basics import Instant

__all__ = [
    "KINDS",
    "NO_REVOCATION",
    "Binding",
    "Credential",
    "Kind",
    "Revocation",
    "Seen",
    "State",
    "Subkey",
]

Kind = Literal[
    "certificate",
    "trust-anchor",
    "ssh-key",
    "openpgp-key",
    "password",
    "access-key",
    "storage-key",
    "log-key",
]
KINDS: Final[tuple[Kind, ...]] = (
    "certificate",
    "trust-anchor",
    "ssh-key",
    "openpgp-key",
    "password",
    "access-key",
    "storage-key",
    "log-key",
)
"""Every kind, in the order of lists."""

State = Literal["valid", "not-yet", "expired", "revoked"]


class Binding(msgspec.Struct, frozen=True, gc=False):
    """One place where the configuration names a credential.

    Attributes:
        channel: ``as2:birch``, ``account:birch``, a listener (``listen:sftp``), or ``hub``.
        role: What it does there: ``verify``, ``encrypt``, ``tls``, ``host-key``, ``login``...
        file: Path of the file.
        field: Dotted path of the field.
    """

    channel: str
    role: str
    file: str
    field: str


class Seen(msgspec.Struct, frozen=True, gc=False):
    """That it was met on the wire.

    Attributes:
        partner: With whom.
        channel: Kind of the channel.
        role: In which role.
        first: When first.
        last: When last.
        count: How often.
    """

    partner: str
    channel: str
    role: str
    first: Instant
    last: Instant
    count: int


class Revocation(msgspec.Struct, frozen=True, gc=False):
    """What its authority says of it.

    Attributes:
        state: ``unchecked`` (nobody asked), ``good``, ``revoked``, ``unknown`` (no answer that counts).
        at: When it was asked; ``None`` for never.
        since: Since when it is revoked.
        reason: Why it is revoked, or why nothing is known.
        source: Which answer says so: a URL or a file.
    """

    state: Literal["unchecked", "good", "revoked", "unknown"] = "unchecked"
    at: Instant | None = None
    since: Instant | None = None
    reason: str = ""
    source: str = ""


NO_REVOCATION: Final = Revocation()


class Subkey(msgspec.Struct, frozen=True, gc=False):
    """A key within an OpenPGP certificate.

    Attributes:
        fingerprint: Upper-case hexadecimal.
        algorithm: For people.
        strength: Bits of security.
        purpose: ``sign``, ``encrypt``; empty for one that certifies alone.
        not_after: Its end.
        state: As of the moment when it was looked at.
    """

    fingerprint: str
    algorithm: str
    strength: int | None
    purpose: tuple[str, ...]
    not_after: Instant | None
    state: str


class Credential(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One credential. It never holds a secret: at most the name of one.

    Attributes:
        owner: The partner's id; empty for the hub's own.
        kind: What it is.
        name: What people know it by: its name in the keyring, its file, or the reference.
        purpose: What it is for; empty where the configuration names it for nothing.
        bindings: Where the configuration names it.
        algorithm: For people (``RSA 3072``); empty where nobody can tell.
        strength: Bits of security (NIST SP 800-57); ``None`` where nobody can tell.
        fingerprint: Certificates: SHA-256, lower-case hexadecimal. SSH: ``SHA256:`` and base 64. OpenPGP: upper-case
            hexadecimal. Empty for what has none.
        others: Further fingerprints: an own SSH key's certificate.
        subject: Subject, or first user id.
        issuer: Issuer of a certificate.
        serial: Lower-case hexadecimal.
        signature: Digest or scheme of the signature on it.
        chain: Fingerprints of the issuers that came with it, the nearest first.
        not_before: Its own first instant.
        not_after: Its own last instant.
        start: Not used before, as configured.
        end: Not used from here on, as configured.
        replaced: Another one of its owner for the same purposes lasts longer.
        revocation: What its authority says of it.
        subkeys: Of an OpenPGP key.
        seen: Where and when it was met on the wire.
        used: When it was last used or met.
        uses: How often it was used, as far as that is counted.
        kept: Where it is kept: ``keyring``, ``configuration``, ``environment``, ``file``, ``system``.
    """

    owner: str
    kind: Kind
    name: str
    purpose: tuple[str, ...] = ()
    bindings: tuple[Binding, ...] = ()
    algorithm: str = ""
    strength: int | None = None
    fingerprint: str = ""
    others: tuple[str, ...] = ()
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    signature: str = ""
    chain: tuple[str, ...] = ()
    not_before: Instant | None = None
    not_after: Instant | None = None
    start: Instant | None = None
    end: Instant | None = None
    replaced: bool = False
    revocation: Revocation = NO_REVOCATION
    subkeys: tuple[Subkey, ...] = ()
    seen: tuple[Seen, ...] = ()
    used: Instant | None = None
    uses: int = 0
    kept: str = "configuration"

    @property
    def ends(self) -> Instant | None:
        """When it stops being used: the configured end or its own, whichever is first; ``None`` for never."""
        if self.end is None:
            return self.not_after
        return self.end if self.not_after is None else min(self.not_after, self.end)

    @property
    def ours(self) -> bool:
        """Whether it is the hub's own."""
        return not self.owner

    def state(self, now: Instant) -> State:
        """What it is at a moment."""
        if self.revocation.state == "revoked":
            return "revoked"
        # RFC 5280 s4.1.2.5: both ends are inclusive, and count whole seconds.
        if self.not_after is not None and now >= self.not_after + 1_000_000:
            return "expired"
        if self.end is not None and now >= self.end:
            return "expired"
        begins = max(self.start or 0, self.not_before or 0)
        return "not-yet" if now < begins else "valid"
