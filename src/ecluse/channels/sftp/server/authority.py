"""Who a client is: the one place that gives an identity, and only after it was proven."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from asyncssh import SSHKey
from asyncssh.public_key import (
    CERT_TYPE_USER,
    SSHOpenSSHCertificate,
    decode_ssh_certificate,
    decode_ssh_public_key,
)

from ecluse.channels.guard.accounts import find_account
from ecluse.channels.guard.passwords import password_matches, still_kept
from ecluse.channels.sftp.server.algorithms import LEGACY_SIGNATURES, SIGNATURES
from ecluse.errors import EcluseError
from ecluse.model.basics import Clock, Instant
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.keys.ssh import MIN_RSA, fingerprint, key_blob
from ecluse.trust.secrets import Secret
from ecluse.trust.settings.places import Account

__all__ = ["Authority", "Grounds", "Identity"]

LEGACY: Final = "ssh-legacy"
"""The exception (:mod:`ecluse.trust.settings.fields`) by which a partner may come with old algorithms."""


_FOREVER: Final = 253_402_300_799_000_000  # the end of the year 9999: "forever" is 2**64 - 1


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a login leans on beside the account as it is configured, and what may end while the session goes on.

    Attributes:
        until: When its certificate expires.
        legacy: Old algorithms were negotiated, or signed with: by an exception that ends.
        password: What its password was right by.
    """

    until: Instant | None = None
    legacy: bool = False
    password: Secret | None = None

    def and_then(self, second: Grounds) -> Grounds:
        """Both together."""
        return Grounds(
            self.until or second.until, self.legacy or second.legacy, self.password or second.password
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """A partner that proved who it is.

    Attributes:
        view: The partner, under the configuration of its login.
        user: Its user name.
        method: ``key``, ``certificate``, ``password``, or two of them with ``+`` between.
        shown: Fingerprint of the key, or of the authority that signed its certificate; empty for a password.
        complete: Whether nothing more is asked for.
        grounds: What it was proven by.
    """

    view: PartnerView
    user: str
    method: str
    shown: str
    complete: bool
    grounds: Grounds = Grounds()

    def and_then(self, second: Identity) -> Identity:
        """Both factors together."""
        return Identity(
            second.view,
            self.user,
            f"{self.method}+{second.method}",
            self.shown or second.shown,
            complete=True,
            grounds=self.grounds.and_then(second.grounds),
        )


@dataclass(frozen=True, slots=True)
class _Shown:
    """A key, what it came as, and the fingerprint that the configuration knows it by."""

    key: SSHKey
    method: str
    print: str
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    directory: Directory
    passwords: bool
    legacy: tuple[tuple[str, PartnerView], ...]


class Authority:
    """Decides about keys, certificates and passwords.

    Args:
        directory: Gives the one in force.
        hashers: A small pool for passwords: each takes 20 to 40 ms and 19 MiB.
        clock: Time.
        shut: Says of an address and a user whether a login must fail whatever is shown.
    """

    def __init__(
        self,
        directory: Callable[[], Directory],
        hashers: Executor,
        clock: Clock,
        shut: Callable[[str, str], bool],
    ) -> None:
        self._directory = directory
        self._hashers = hashers
        self._clock = clock
        self._shut = shut
        self._cache: _Known | None = None

    def takes_passwords(self) -> bool:
        """Whether anybody may log in with a password: the same answer for every user."""
        return self._known().passwords

    def legacy_from(self, address: str) -> bool:
        """Whether a partner that may come with old algorithms could come from an address."""
        known, now = self._known(), self._clock()
        return any(
            LEGACY in view.exceptions_at(now)
            and find_account(known.directory, user, "sftp", address) is not None
            for user, view in known.legacy
        )

    def _known(self) -> _Known:
        """What every connection asks of the directory, looked up once for each directory."""
        directory, known = self._directory(), self._cache
        if known is None or known.directory is not directory:
            accounts = [(view.settings.account, view) for view in directory.partners]
            known = self._cache = _Known(
                directory,
                any(account is not None and account.password is not None for account, _ in accounts),
                tuple(
                    (account.user, view)
                    for account, view in accounts
                    if account is not None
                    and any(each.algorithm == LEGACY for each in view.settings.exceptions)
                ),
            )
        return known

    def key(
        self, user: str, address: str, blob: bytes, signed: bytes, signature: bytes, *, legacy: bool
    ) -> Identity | None:
        """The identity that a key or certificate proves, or would prove where there is no signature yet.

        Args:
            user: The user name.
            address: Where the client comes from.
            blob: The key or certificate as it was sent.
            signed: What the signature is over; empty for an offer, which proves nothing.
            signature: The signature.
            legacy: Whether old algorithms were negotiated.
        """
        view = self._find(user, address, legacy=legacy)
        account = (
            Account(user="nobody") if view is None or view.settings.account is None else view.settings.account
        )
        try:
            shown = self._shown(account, user, address, blob)
        except ValueError:  # asyncssh's errors of keys and certificates are such
            return None
        if shown is None or view is None:
            return None
        if signed and not self._signed(view, shown.key, signed, signature):
            return None
        old = legacy or _first_string(signature).decode("ascii", "replace") in LEGACY_SIGNATURES
        grounds = Grounds(shown.until, old)
        return Identity(
            view, user, shown.method, shown.print, complete=not account.second_factor, grounds=grounds
        )

    async def password(self, user: str, address: str, password: bytes, *, legacy: bool) -> Identity | None:
        """The identity that a password proves."""
        view = self._find(user, address, legacy=legacy)
        kept: Secret | None = None
        if view is not None:
            try:
                kept = view.account_password
            except EcluseError:
                view = None  # a reference that leads nowhere is told of by doctor, and not by another answer
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._hashers, password_matches, kept, password)
        if view is None or not right:
            return None
        account = view.settings.account
        assert account is not None, "found by it"
        grounds = Grounds(legacy=legacy, password=kept)
        return Identity(view, user, "password", "", complete=not account.second_factor, grounds=grounds)

    def still(self, identity: Identity, address: str) -> bool:
        """Whether what an identity was proven with would prove it at present."""
        view = find_account(self._directory(), identity.user, "sftp", address)
        if view is None or view.id != identity.view.id or view.settings.account is None:
            return False
        account = view.settings.account
        if not self._stand(identity.grounds, view):
            return False
        methods = identity.method.split("+")
        prints = {fingerprint(key_blob(line)) for line in (*account.keys, *account.authorities)}
        if "password" in methods and account.password != getattr(
            identity.view.settings.account, "password", None
        ):
            return False
        return (identity.shown in prints or methods == ["password"]) and (
            len(methods) == 2 or not account.second_factor
        )

    def _stand(self, grounds: Grounds, view: PartnerView) -> bool:
        now = self._clock()
        if grounds.until is not None and now >= grounds.until:
            return False
        if grounds.legacy and LEGACY not in view.exceptions_at(now):
            return False
        return grounds.password is None or still_kept(grounds.password, lambda: view.account_password)

    def _find(self, user: str, address: str, *, legacy: bool) -> PartnerView | None:
        view = find_account(self._directory(), user, "sftp", address)
        if self._shut(address, user):
            return None
        if legacy and view is not None and LEGACY not in view.exceptions_at(self._clock()):
            return None
        return view

    def _shown(self, account: Account, user: str, address: str, blob: bytes) -> _Shown | None:
        """What was shown, where the configuration knows it."""
        if blob in {key_blob(line) for line in account.keys}:
            key = decode_ssh_public_key(blob)
            return _Shown(key, "key", fingerprint(blob)) if _strong(blob) else None
        if b"-cert-v01@openssh.com" not in blob[:64]:
            return None
        certificate = decode_ssh_certificate(blob)
        if not isinstance(certificate, SSHOpenSSHCertificate):
            return None
        authority = certificate.signing_key.public_data
        if authority not in {key_blob(line) for line in account.authorities}:
            return None
        if user not in certificate.principals or "force-command" in certificate.options:
            return None
        if not (_strong(authority) and _strong(certificate.key.public_data)):
            return None
        if _authority_algorithm(blob, authority) not in SIGNATURES:
            return None
        certificate.validate(CERT_TYPE_USER, user)
        networks = certificate.options.get("source-address")
        if isinstance(networks, list) and not any(ipaddress.ip_address(address) in each for each in networks):
            return None
        return _Shown(certificate.key, "certificate", fingerprint(authority), _end_of(certificate))

    def _signed(self, view: PartnerView, key: SSHKey, signed: bytes, signature: bytes) -> bool:
        algorithm = _first_string(signature).decode("ascii", "replace")
        allowed = algorithm in SIGNATURES or (
            algorithm in LEGACY_SIGNATURES and LEGACY in view.exceptions_at(self._clock())
        )
        key.set_touch_required(True)
        return allowed and key.verify(signed, signature)


def _end_of(certificate: SSHOpenSSHCertificate) -> Instant | None:
    """When it expires; ``None`` where it never does (PROTOCOL.certkeys of OpenSSH)."""
    before = certificate._valid_before
    return None if before >= _FOREVER // 1_000_000 else Instant(before * 1_000_000)


def _first_string(data: bytes) -> bytes:
    return data[4 : 4 + int.from_bytes(data[:4], "big")]


def _authority_algorithm(blob: bytes, authority: bytes) -> str:
    """The algorithm of the signature that ends a certificate, right behind the key that made it."""
    key = len(authority).to_bytes(4, "big") + authority
    return _first_string(blob[blob.rindex(key) + len(key) + 4 :]).decode("ascii", "replace")


def _strong(blob: bytes) -> bool:
    """Whether a key is long enough: an RSA modulus of :data:`ecluse.trust.keys.ssh.MIN_RSA` bits."""
    if _first_string(blob) != b"ssh-rsa":
        return True
    exponent = 4 + len(b"ssh-rsa")
    modulus = exponent + 4 + len(_first_string(blob[exponent:]))
    return int.from_bytes(_first_string(blob[modulus:]), "big").bit_length() >= MIN_RSA
