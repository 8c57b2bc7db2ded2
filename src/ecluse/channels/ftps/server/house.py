"""The hub's reception: logins judged, connections counted, sessions told of."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Final

import structlog
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.channels.ftps.server.limits import Rate
from ecluse.channels.ftps.server.reception import Guest
from ecluse.channels.guard.accounts import find_account
from ecluse.channels.guard.gate import Gate, Refusal
from ecluse.channels.guard.passwords import password_matches, still_kept
from ecluse.errors import EcluseError
from ecluse.evidence.record import Json
from ecluse.exchange.hub import Hub
from ecluse.exchange.tree import Tree
from ecluse.store.port import Tx
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.secrets import Secret
from ecluse.trust.settings.fields import octets
from ecluse.trust.settings.places import Account

__all__ = ["HubReception", "TreeFactory"]

TreeFactory = Callable[[PartnerView, str, str], Tree]
"""From a partner, its address and what it showed (the fingerprint of a certificate, or ``password``) to its folders."""

TELL_EVERY: Final = 60.0
"""Seconds between two events that tell of refused logins."""
SUSPICION: Final = 3
"""Failed logins that one thing counts for which no proper client does."""

_REASONS: Final = {
    Refusal.BANNED: "Not now.",
    Refusal.FULL: "There are too many connections.",
    Refusal.ADDRESS_FULL: "There are too many connections from your address.",
}
_log = structlog.get_logger("ecluse.ftps")


class HubReception:
    """What all connections of the FTPS listener share.

    Args:
        hub: The chamber.
        gate: Who may connect.
        directory: Gives the one in force.
        hashers: A small pool for passwords: each takes 20 to 40 ms and 19 MiB.
        open_tree: A partner's folders.
        context: Makes a TLS context from what the listener shows and trusts at this moment.
    """

    def __init__(
        self,
        hub: Hub,
        gate: Gate,
        directory: Callable[[], Directory],
        hashers: Executor,
        open_tree: TreeFactory,
        context: Callable[[], ssl.SSLContext],
    ) -> None:
        self.hub = hub
        self.gate = gate
        self.directory = directory
        self.context = context
        self._hashers = hashers
        self._open_tree = open_tree
        self._lock = threading.Lock()
        self._rates: dict[tuple[str, int], Rate] = {}
        self._refused: Counter[str] = Counter()
        self._told = time.monotonic()

    def visit(self, address: str) -> HubVisit:
        """A connection began."""
        refusal = self.gate.connected(address)
        if refusal is not None:
            self.count(refusal.value)
        return HubVisit(self, address, _REASONS[refusal] if refusal is not None else "")

    def account(self, user: str, address: str) -> PartnerView | None:
        """The partner that may try to log in; ``None`` for everybody else, who must not see the difference."""
        view = find_account(self.directory(), user, "ftps", address)
        return None if self.gate.shut(address, user) else view

    def right_password(self, view: PartnerView | None, given: bytes) -> Secret | None:
        """What a password is right by; ``None`` where it is wrong. Takes as long for nobody's."""
        kept: Secret | None = None
        if view is not None:
            try:
                kept = view.account_password
            except EcluseError:
                view = None  # a reference that leads nowhere is told of by doctor, and not by another answer
        right = self._hashers.submit(password_matches, kept, given).result()
        return kept if right and view is not None else None

    def guest(self, view: PartnerView, account: Account, address: str, shown: str) -> Guest:
        """A partner whose login succeeded."""
        rate = None
        if account.rate is not None:
            key = view.id, octets(account.rate)
            with self._lock:
                rate = self._rates.setdefault(key, Rate(key[1]))
        return Guest(view.id, self._open_tree(view, address, shown), account.replace, rate)

    def opened(self, partner: str, facts: dict[str, Json]) -> None:
        """A partner logged in: an event, durable soon after."""

        def work(tx: Tx) -> None:
            self.hub.event(tx, "session.opened", partner, facts, actor=f"partner:{partner}")

        self.hub.store.submit(work).add_done_callback(_reported)

    def count(self, reason: str) -> None:
        """Something was refused: told of by number, in one event a minute at most."""
        with self._lock:
            self._refused[reason] += 1
            if self._refused[reason] > 1 and time.monotonic() - self._told < TELL_EVERY:
                return
        self.tell_refused()

    def tell_refused(self) -> None:
        """Write the event of what was refused since the last one."""
        with self._lock:
            refused, self._refused = self._refused, Counter()
            self._told = time.monotonic()
        if refused:

            def work(tx: Tx) -> None:
                self.hub.event(tx, "session.refused", "ftps", {"protocol": "ftps", **refused})

            self.hub.store.submit(work).add_done_callback(_reported)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a login was proven with.

    Attributes:
        user: The name.
        password: Reference of the password that was right; ``None`` where none was asked for.
        certificate: The certificate that counted (DER).
        kept: What the password was right by.
    """

    user: str
    password: str | None
    certificate: bytes | None
    kept: Secret | None = None


class HubVisit:
    """One connection; see :class:`~ecluse.channels.ftps.server.reception.Visit`."""

    def __init__(self, reception: HubReception, address: str, refused: str) -> None:
        self._reception = reception
        self._address = address
        self._counted = not refused
        self._partner = ""
        self._proof: _Proof | None = None
        self._tls: dict[str, str] = {}
        self.refused = refused

    def login(self, user: str, password: bytes | None, certificate: bytes | None) -> Guest | None:
        """Judge a login. A certificate without a password is enough where the account has no password."""
        reception, began = self._reception, time.monotonic()
        view = reception.account(user, self._address)
        account = view.settings.account if view is not None else None
        by_certificate = view is not None and self._certified(view, certificate)
        if password is None:
            if view is None or account is None or account.password is not None or not by_certificate:
                return None
            return self._admit(view, account, _Proof(user, None, certificate))
        kept = reception.right_password(view, password)
        if view is not None and account is not None and kept is not None:
            needed = account.second_factor or view.shows_tls_client
            if by_certificate or not needed:
                proof = _Proof(user, account.password, certificate if by_certificate else None, kept)
                return self._admit(view, account, proof)
        self._failed(began, user)
        return None

    def _certified(self, view: PartnerView, certificate: bytes | None) -> bool:
        known = view.tls_client_certificates(self._reception.hub.clock())
        return certificate is not None and certificate in {each.public_bytes(Encoding.DER) for each in known}

    def welcome(self) -> bool:
        """See the port. A reference to another password is another password, and so is another one behind it."""
        proof, reception = self._proof, self._reception
        if proof is None:
            return True
        view = find_account(reception.directory(), proof.user, "ftps", self._address)
        account = view.settings.account if view is not None else None
        if view is None or account is None or view.id != self._partner or account.password != proof.password:
            return False
        if proof.kept is not None and not still_kept(proof.kept, lambda: view.account_password):
            return False
        if proof.certificate is not None:
            return self._certified(view, proof.certificate)
        return not (account.second_factor or view.shows_tls_client)

    def _admit(self, view: PartnerView, account: Account, proof: _Proof) -> Guest | None:
        reception = self._reception
        shown = _fingerprint(proof.certificate) or "password"
        reception.gate.succeeded(self._address, proof.user)
        if not reception.gate.opened(view.id):
            reception.count("sessions")
            self.refused = "There are too many sessions."
            return None
        self._partner, self._proof = view.id, proof
        method = "password" if shown == "password" else "certificate" if account.password is None else "both"
        seen = {
            "login": method,
            "tls-version": self._tls.get("tls"),
            "cipher": self._tls.get("cipher"),
            "tls-client": self._tls.get("certificate"),
        }
        reception.hub.sightings.saw_all(view.id, "account-ftps", seen)
        reception.opened(view.id, {"protocol": "ftps", "method": method, "shown": shown, **self._tls})
        return reception.guest(view, account, self._address, shown)

    def _failed(self, began: float, user: str) -> None:
        wait = self._reception.gate.failed(self._address, user)
        self._reception.count("login")
        _log.info("login failed", address=self._address, user=user[:64])
        time.sleep(max(0.0, began + wait - time.monotonic()))

    def secured(self, version: str, cipher: str, certificate: bytes | None) -> None:
        """Keep what was agreed on, for the event of the login."""
        self._tls = {"tls": version, "cipher": cipher, "certificate": _fingerprint(certificate)}

    def suspicious(self, what: str) -> None:
        """Count it as failed logins of the address."""
        _log.warning("suspicious client", address=self._address, what=what)
        self._reception.count(what)
        for _ in range(SUSPICION):
            self._reception.gate.failed(self._address, "")

    def left(self) -> None:
        """The connection ended."""
        if self._partner:
            self._reception.gate.ended(self._partner)
        if self._counted:
            self._reception.gate.closed(self._address)


def _fingerprint(certificate: bytes | None) -> str:
    return hashlib.sha256(certificate).hexdigest() if certificate else ""


def _reported(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        _log.error("event not kept", crash=type(error).__name__)
