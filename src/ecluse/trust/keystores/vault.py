"""A conversation with a server of HashiCorp Vault or OpenBao: requests, what its answers mean, a token that stays good.

The server says with one status what is very different (400 for a key that is not there, 500 for a ciphertext that does
not open, 404 for a mount without keys and for no mount at all), so its words are looked at, too.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from ecluse.errors import EcluseError, Fault
from ecluse.trust.errors import KeyringError
from ecluse.trust.secrets import Secret

__all__ = ["Answer", "Login", "VaultSession", "judge"]

TIMEOUT: Final = 15.0
MOST: Final = 1 << 20
"""Octets of an answer that are read."""
_WORDS: Final = 200
"""Characters of the server's own words that go into an error."""

YOUNG: Final = 2.0
"""Seconds after a login within which a refusal is a matter of the policy, and not of the token's age."""
FIRST_LOOK: Final = 10.0
"""Seconds from the first use to the first look at how long a token lives: a command has ended by then."""
LOOK_AGAIN: Final = 3600.0
"""Seconds between looks at a token that has no end."""
SOONEST: Final = 1.0
"""Seconds between renewals at least."""
AWAY: Final = 30.0
"""Seconds to the next renewal where one failed."""

_LATER: Final = frozenset({412, 429, 472, 473, 500, 502, 503, 504})
"""Statuses of a server that is a standby, busy, sealed or broken: another time it may do it."""
_NEVER: Final = ("requested version", "soft-deleted")
"""What it says, with the status of an error of its own, of a key that an administrator took out of use."""


class Login(NamedTuple):
    """How to get in.

    Attributes:
        secret: Reads the token, or the secret id of an AppRole; asked again when what it gave does not let in any more.
        role: Role id of the AppRole; empty for a token.
        mount: Where the AppRoles are.
    """

    secret: Callable[[], Secret]
    role: str = ""
    mount: str = "approle"


class Answer(NamedTuple):
    """What the server answered.

    Attributes:
        status: Of HTTP.
        body: The whole of it.
        said: The server's reason, in one line; empty where it gave none.
        host: Who it is.
    """

    status: int
    body: dict[str, Any]
    said: str
    host: str

    @property
    def data(self) -> dict[str, Any]:
        """What was asked for."""
        found = self.body.get("data")
        return found if isinstance(found, dict) else {}


class VaultSession:
    """Requests to one server. Used from any thread; connections are kept.

    A token that is about to end is renewed by a thread of its own, which starts with the first use.

    Args:
        url: The server's address.
        login: How to get in.
        namespace: The namespace; empty for the root.
        ca: PEM of the authority that its certificate is checked with; empty for the system's.

    Raises:
        KeyringError: ``keystore.bad-authority``.
    """

    def __init__(self, url: str, login: Login, namespace: str = "", ca: bytes = b"") -> None:
        self._place = urlsplit(url)
        self.host = self._place.hostname or ""
        self._login = login
        self._namespace = namespace
        self._tls = _context(ca) if self._place.scheme == "https" else None
        self._lock = threading.Lock()
        self._entering = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._token: Secret | None = None
        self._since = 0.0
        self._closed = threading.Event()
        self._keeper: threading.Thread | None = None

    def close(self) -> None:
        """Let the connections go, and renew nothing more. May be called twice."""
        self._closed.set()
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def exchange(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Ask ``/v1/<path>``. Every request has to be one that may be asked twice.

        Raises:
            KeyringError: ``keystore.away``, ``keystore.denied``.
        """
        token = self._token or self._enter(None)
        answer = self._send(method, path, body, token)
        if answer.status in (401, 403):
            other = self._enter(token)
            if other != token:
                answer = self._send(method, path, body, other)
        elif answer.status < 300:
            self._keep()
        return answer

    # --- the token ------------------------------------------------------------------------------------------

    def _enter(self, refused: Secret | None) -> Secret:
        """A token other than the one that was refused; the same where there is no other."""
        with self._entering:
            if self._token is not None and self._token != refused:
                return self._token  # another thread was faster
            if refused is not None and self._login.role and time.monotonic() - self._since < YOUNG:
                return refused
            try:
                secret = self._login.secret()
            except EcluseError as error:
                raise _denied(self.host, error.cause) from None
            self._token = self._by_role(secret) if self._login.role else secret
            self._since = time.monotonic()
            return self._token

    def _by_role(self, secret: Secret) -> Secret:
        asked = {"role_id": self._login.role, "secret_id": _text(secret, self.host)}
        answer = self._send("POST", f"auth/{self._login.mount}/login", asked, None)
        if answer.status in (400, 404):
            raise _denied(self.host, answer.said)
        given = judge(answer).body.get("auth")
        token = given.get("client_token") if isinstance(given, dict) else None
        if not isinstance(token, str) or not token:
            raise _denied(self.host, "it gave no token")
        return Secret(token)

    def _keep(self) -> None:
        """See that the token is renewed, where it is not of a role: that one is logged in again."""
        if self._login.role or self._keeper is not None:
            return
        with self._lock:
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._renewing, name="vault-token", daemon=True)
                self._keeper.start()

    def _renewing(self) -> None:
        wait = FIRST_LOOK
        while not self._closed.wait(wait):
            try:
                wait = max(self._renew(), SOONEST)
            except EcluseError:
                wait = AWAY

    def _renew(self) -> float:
        """Seconds until the next time."""
        found = judge(self.exchange("GET", "auth/token/lookup-self")).data
        left = _seconds(found.get("ttl"))
        if left == 0:
            return LOOK_AGAIN
        if found.get("renewable") is True:
            given = judge(self.exchange("POST", "auth/token/renew-self", {})).body.get("auth")
            left = _seconds(given.get("lease_duration")) if isinstance(given, dict) else left
        return min(left / 3, LOOK_AGAIN)

    # --- the line -------------------------------------------------------------------------------------------

    def _send(self, method: str, path: str, body: dict[str, Any] | None, token: Secret | None) -> Answer:
        """Ask; once more where a kept connection has ended meanwhile."""
        headers = {"X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = _text(token, self.host)
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        target = f"{self._place.path.rstrip('/')}/v1/{path}"
        sent = None if body is None else json.dumps(body).encode()
        while True:
            connection, kept = self._take()
            try:
                connection.request(method, target, sent, headers)
                response = connection.getresponse()
                data = response.read(MOST)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if kept and not isinstance(error, TimeoutError):
                    continue
                raise _away(self.host, _reason(error)) from error
            if response.isclosed():
                self._give(connection)
            else:  # there is more to it
                connection.close()
            return _answer(response.status, data, self.host)

    def _take(self) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock, suppress(IndexError):
            return self._idle.pop(), True
        port = self._place.port
        if self._tls is not None:
            made = http.client.HTTPSConnection(self.host, port or 443, timeout=TIMEOUT, context=self._tls)
            return made, False
        return http.client.HTTPConnection(self.host, port or 80, timeout=TIMEOUT), False

    def _give(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._idle.append(connection)
                return
        connection.close()


def judge(answer: Answer) -> Answer:
    """The answer, where it is one to what was asked.

    Raises:
        KeyringError: ``keystore.no-key``, ``keystore.denied``, ``keystore.sealed``, ``keystore.away``,
            ``keystore.refused``.
    """
    status, said, host = answer.status, answer.said, answer.host
    if 200 <= status < 300:
        return answer
    if (status == 404 and not said) or (status == 400 and said.endswith("key not found")):
        raise KeyringError(
            "The key store has no such key.",
            code="keystore.no-key",
            remedy="Look at `ecluse keyring stores`.",
        )
    if status in (401, 403):
        raise _denied(host, said)
    if status == 503 and "sealed" in said.lower():
        raise KeyringError(
            f"The key store at {host} is sealed.",
            code="keystore.sealed",
            remedy="Unseal it; what waits is tried again.",
            fault=Fault.TRANSIENT,
        )
    if status in (307, 308):
        raise _away(host, "it is a standby, and sends us to another server")
    if status in _LATER and not any(words in said for words in _NEVER):
        raise _away(host, said or f"HTTP {status}")
    raise KeyringError(
        f"The key store at {host} refuses: {said or f'HTTP {status}'}.",
        code="keystore.refused",
        remedy="Look at what the key store allows, and at what keyring.stores says of it.",
    )


def _answer(status: int, data: bytes, host: str) -> Answer:
    try:
        body = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        body = {}
        if 200 <= status < 300:
            status = 502  # something between us and the server answers for it
    if not isinstance(body, dict):
        body = {}
    errors = body.get("errors")
    said = str(errors[0]) if isinstance(errors, list) and errors else ""
    lines = [line.strip().removeprefix("* ") for line in said.splitlines() if line.strip()]
    # Where it lists several, a line that counts them stands before.
    words = " ".join(lines[1:] if len(lines) > 1 else lines)
    printable = "".join(c if c.isascii() and c.isprintable() else "?" for c in words)
    return Answer(status, body, printable[:_WORDS].rstrip(". "), host)


def _context(ca: bytes) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=ca.decode("ascii") if ca else None)
    except (ssl.SSLError, ValueError):
        raise KeyringError(
            "The authority of a key store is not given as PEM.",
            code="keystore.bad-authority",
            remedy="Look at ca under [keyring.stores].",
            fault=Fault.USAGE,
        ) from None


def _text(secret: Secret, host: str) -> str:
    """A secret that fits into one line."""
    text = secret.reveal_text()
    if not text.isascii() or not text.isprintable():
        raise _denied(host, "the secret is not one line of ASCII")
    return text


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "it gives no answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the connection ended"


def _denied(host: str, said: str) -> KeyringError:
    return KeyringError(
        f"The key store at {host} does not let us in: {said or 'it gives no reason'}.",
        code="keystore.denied",
        remedy="Look at what keyring.stores refers to, whether it has expired, and at its policy.",
    )


def _away(host: str, why: str) -> KeyringError:
    return KeyringError(
        f"The key store at {host} can't be used at present: {why}.",
        code="keystore.away",
        remedy="See whether it runs and can be reached; what waits is tried again.",
        fault=Fault.TRANSIENT,
    )
