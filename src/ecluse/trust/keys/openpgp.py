"""Our OpenPGP keys, held in this process: the part of a keyring that signs and opens session keys with them.

The secret parts are sealed as ``<ref>.openpgp``; the certificate lies in the open beside them as ``<ref>.asc``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from ecluse.errors import Fault
from ecluse.model.basics import Clock, Instant, system_entropy
from ecluse.trust.errors import KeyringError
from ecluse.trust.keys.names import check_name
from ecluse.trust.keystores.uses import Uses
from ecluse.trust.secrets import Secret
from ecluse.wire.openpgp.armor import ArmorKind, armor
from ecluse.wire.openpgp.certificate import Certificate, assemble, read_certificates, read_packets
from ecluse.wire.openpgp.errors import BadSecretKey, DecryptionFailed, NotForUs, OpenPgpError
from ecluse.wire.openpgp.keys import PublicKey, permit_key
from ecluse.wire.openpgp.making import REASONS, make_key, renewed, revoked
from ecluse.wire.openpgp.names import LEGACY, HashKind, Tag
from ecluse.wire.openpgp.pkesk import DecryptionKey, SessionKey, WrappedKey, unwrap
from ecluse.wire.openpgp.secret import SecretKey, Signer, read_secret_key

__all__ = ["END_OF_TIME", "HeldOpenPgp", "OpenPgpKeys", "armored_certificate", "seconds"]

_DAY: Final = 86_400
_SECRET: Final = frozenset({ArmorKind.PRIVATE_KEY})
END_OF_TIME: Final = (1 << 32) - 1
"""The last second that OpenPGP can write, in 2106."""


def seconds(now: Instant) -> int:
    """An instant as OpenPGP counts."""
    return min(now // 1_000_000, END_OF_TIME)


def armored_certificate(certificate: Certificate) -> str:
    """A certificate as a partner takes it."""
    parts = armor([certificate.encoded], ArmorKind.PUBLIC_KEY, checksum=certificate.primary.version == 4)
    return b"".join(parts).decode("ascii")


@dataclass(frozen=True, slots=True)
class HeldOpenPgp:
    """A key with its certificate.

    Attributes:
        certificate: The public part.
        keys: Those of its private keys that are held.
    """

    certificate: Certificate
    keys: tuple[SecretKey, ...] = field(repr=False)

    def find(self, key: PublicKey) -> SecretKey | None:
        """The private key of a public one."""
        return next((held for held in self.keys if held.key.fingerprint == key.fingerprint), None)


@dataclass(frozen=True, slots=True)
class _Signer:
    """A key bound to the one thing that may be done with it."""

    key: PublicKey
    _sign: Callable[[bytes, HashKind], bytes] = field(repr=False)

    def sign(self, digest: bytes, kind: HashKind) -> bytes:
        return self._sign(digest, kind)


class OpenPgpKeys:
    """What a keyring whose keys are in this process does with OpenPGP keys."""

    uses: Uses
    _clock: Clock
    _openpgp: dict[str, HeldOpenPgp]

    def _keep(self, name: str, data: bytes | None, *, sealed: bool) -> None:
        raise NotImplementedError

    def _changing(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    # --- using keys: the port -------------------------------------------------------------------------------

    def openpgp_references(self) -> tuple[str, ...]:
        """See the port."""
        return tuple(sorted(self._openpgp))

    def openpgp_certificate(self, ref: str) -> Certificate:
        """See the port."""
        return self._held_openpgp(ref).certificate

    def openpgp_signer(self, ref: str) -> Signer:
        """See the port."""
        held = self._held_openpgp(ref)
        for key in held.certificate.at(seconds(self._clock())).signing_keys():
            secret = held.find(key)
            if secret is not None:
                return _Signer(key, partial(self._sign, ref, secret))
        raise KeyringError(
            f"The OpenPGP key {ref} can't sign: it has ended, was revoked, or its signing part is not held.",
            code="keyring.cannot-sign",
            remedy=f"Look at it with `ecluse pgp show {ref}`; `ecluse pgp extend {ref}` lets it last longer.",
        )

    def _sign(self, ref: str, secret: SecretKey, digest: bytes, kind: HashKind) -> bytes:
        self.uses.add(ref, "openpgp-sign")
        return secret.sign(digest, kind)

    def openpgp_unwrap(self, recipients: Sequence[WrappedKey], refs: Sequence[str]) -> SessionKey:
        """See the port."""
        ours = [
            (ref, key) for ref in refs if (held := self._openpgp.get(ref)) is not None for key in held.keys
        ]
        named = sorted(recipients, key=lambda recipient: recipient.anonymous)
        meant = False
        for recipient in named:
            for ref, secret in ours:
                if not secret.key.encrypts or not recipient.meant_for(secret.key):
                    continue
                if not isinstance(secret.private, DecryptionKey):
                    continue
                meant = meant or not recipient.anonymous
                try:
                    session = unwrap(recipient, secret.key, secret.private)
                except OpenPgpError:
                    continue
                self.uses.add(ref, "openpgp-decrypt")
                return session
        if meant:
            raise DecryptionFailed
        named = [recipient for recipient in named if not recipient.anonymous]
        ids = ", ".join(recipient.recipient[-8:].hex().upper() for recipient in named[:8])
        raise NotForUs(
            f"The message is not encrypted to a key of ours; it is for {ids or 'somebody unnamed'}."
        )

    # --- managing them --------------------------------------------------------------------------------------

    def generate_openpgp(
        self, ref: str, user_id: str, *, kind: str = "rsa-3072", version: int = 4, days: int = 1095
    ) -> Certificate:
        """Make a key that signs and decrypts.

        Args:
            ref: Its name here.
            user_id: Its name for others: ``Aster Foods <edi@aster.example>``.
            kind: One of :data:`ecluse.wire.openpgp.making.KINDS`.
            version: 4, which everybody reads, or 6 (RFC 9580).
            days: How long it lasts.

        Raises:
            KeyringError: ``keyring.exists``, ``keyring.bad-name``, ``keyring.bad-request``.
            UnsupportedAlgorithm: No such kind.
        """
        self._free_openpgp(ref)
        now = seconds(self._clock())
        if not user_id.strip() or not user_id.isprintable() or len(user_id.encode()) > 200:
            raise _bad_request("A key's name is one printable line of up to 200 octets.")
        if version not in (4, 6) or not 0 < days * _DAY <= END_OF_TIME - now:
            raise _bad_request("A key has version 4 or 6 and ends before 2106.")
        made = make_key(kind, user_id, version=version, now=now, lifetime=days * _DAY, entropy=system_entropy)
        return self._add_openpgp(ref, HeldOpenPgp(*made))

    def import_openpgp(self, ref: str, data: bytes, passphrase: Secret | None = None) -> Certificate:
        """Take over a private key that another program exported.

        Args:
            ref: Its name here.
            data: The export, armoured or not, with one key.
            passphrase: What it is locked with.

        Raises:
            KeyringError: ``keyring.exists``, ``keyring.bad-name``.
            OpenPgpError: ``openpgp.bad-key``, ``openpgp.wrong-passphrase``, ``openpgp.weak-algorithm``...
        """
        check_name(ref)
        try:
            packets = list(read_packets(data, _SECRET))
        except OpenPgpError as error:
            raise BadSecretKey(f"The file holds no private OpenPGP key: {error.cause}") from None
        if sum(tag in (Tag.SECRET_KEY, Tag.PUBLIC_KEY) for tag, _ in packets) != 1:
            raise BadSecretKey("The file does not hold one private key.", remedy="Export one key at a time.")
        certificate = next(assemble(packets))
        secret = passphrase.reveal() if passphrase is not None else None
        found = [
            read_secret_key(body, tag, secret)
            for tag, body in packets
            if tag in (Tag.SECRET_KEY, Tag.SECRET_SUBKEY)
        ]
        keys = tuple(key for key in found if key is not None)
        if not keys:
            raise BadSecretKey("The file holds the public part of a key only.")
        bound = {key.fingerprint for key in certificate.every_key()}
        keys = tuple(key for key in keys if key.key.fingerprint in bound)
        if not certificate.at(END_OF_TIME, (LEGACY,)).bound(certificate.primary):
            raise BadSecretKey("The key has no signature on itself that could be checked.")
        for key in keys:
            permit_key(key.key, ())
        return self._add_openpgp(ref, HeldOpenPgp(certificate, keys))

    def extend_openpgp(self, ref: str, days: int) -> Certificate:
        """Let a key last so many days from now. Partners need its certificate again.

        Raises:
            KeyringError: ``keyring.no-key``, ``keyring.bad-request``, ``keyring.cannot-certify``.
        """
        now = seconds(self._clock())
        if not 0 < days * _DAY <= END_OF_TIME - now:
            raise _bad_request("A key ends before 2106.")
        return self._replace_openpgp(
            ref, lambda held, primary: renewed(held, primary, now, now + days * _DAY, system_entropy)
        )

    def revoke_openpgp(self, ref: str, reason: str, text: str = "") -> Certificate:
        """Revoke a key for good. Partners need its certificate again; it still decrypts.

        Raises:
            KeyringError: ``keyring.no-key``, ``keyring.bad-request``, ``keyring.cannot-certify``.
        """
        if reason not in REASONS:
            raise _bad_request(f"A key is revoked for one of these reasons: {', '.join(REASONS)}.")
        now = seconds(self._clock())
        return self._replace_openpgp(
            ref, lambda held, primary: revoked(held, primary, now, reason, text, system_entropy)
        )

    def remove_openpgp(self, ref: str) -> None:
        """Forget a key for good: what was encrypted to it alone can't be read any more."""
        with self._changing():
            self._held_openpgp(ref)
            self._keep(f"{ref}.openpgp", None, sealed=True)
            self._keep(f"{ref}.asc", None, sealed=False)
            self._openpgp = {name: held for name, held in self._openpgp.items() if name != ref}

    # --- inside ---------------------------------------------------------------------------------------------

    def _held_openpgp(self, ref: str) -> HeldOpenPgp:
        held = self._openpgp.get(ref)
        if held is None:
            others = ", ".join(self.openpgp_references()) or "none"
            raise KeyringError(
                f"The keyring has no OpenPGP key {ref[:63]!a}.",
                code="keyring.no-key",
                remedy=f"Make it with `ecluse pgp generate`; held: {others}.",
            )
        return held

    def _free_openpgp(self, ref: str) -> None:
        check_name(ref)
        if ref in self._openpgp:
            raise KeyringError(
                f"The keyring has an OpenPGP key {ref} already.",
                code="keyring.exists",
                remedy="Choose another name: a key is never written over.",
                fault=Fault.USAGE,
            )

    def _add_openpgp(self, ref: str, held: HeldOpenPgp) -> Certificate:
        with self._changing():
            self._free_openpgp(ref)
            # The secret file comes last: a certificate alone is nothing yet.
            self._keep(f"{ref}.asc", armored_certificate(held.certificate).encode(), sealed=False)
            self._keep(f"{ref}.openpgp", _encoded(held), sealed=True)
            self._openpgp = {**self._openpgp, ref: held}
        return held.certificate

    def _replace_openpgp(
        self, ref: str, change: Callable[[Certificate, SecretKey], Certificate]
    ) -> Certificate:
        with self._changing():
            held = self._held_openpgp(ref)
            primary = held.find(held.certificate.primary)
            if primary is None:
                raise KeyringError(
                    f"The primary part of the OpenPGP key {ref} is not held, and only it can change the key.",
                    code="keyring.cannot-certify",
                    remedy="Change the key where its primary part is, and import it again under another name.",
                )
            certificate = change(held.certificate, primary)
            self._keep(f"{ref}.asc", armored_certificate(certificate).encode(), sealed=False)
            self._openpgp = {**self._openpgp, ref: HeldOpenPgp(certificate, held.keys)}
        return certificate

    def _check_openpgp(self, ref: str, certificate: bytes, secret: bytes) -> HeldOpenPgp:
        """A key as it was kept, checked again."""
        try:
            (public,) = read_certificates(certificate)
            found = [read_secret_key(body, tag, None) for tag, body in read_packets(secret, _SECRET)]
        except (OpenPgpError, ValueError):
            raise KeyringError(f"The OpenPGP key {ref} is damaged.", code="keyring.damaged") from None
        return HeldOpenPgp(public, tuple(key for key in found if key is not None))


def _encoded(held: HeldOpenPgp) -> bytes:
    primary = held.certificate.primary.fingerprint
    return b"".join(
        key.packet(Tag.SECRET_KEY if key.key.fingerprint == primary else Tag.SECRET_SUBKEY)
        for key in held.keys
    )


def _bad_request(cause: str) -> KeyringError:
    return KeyringError(
        cause, code="keyring.bad-request", remedy="Ask for something else.", fault=Fault.USAGE
    )
