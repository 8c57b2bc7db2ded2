"""Keys in a service that speaks the transit protocol of HashiCorp Vault and OpenBao, over HTTPS.

One request an operation, on connections that are kept. The service signs digests (``prehashed``), decrypts RSA with
OAEP or PKCS#1 v1.5, and agrees on no key: EC keys there sign only.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ecluse.errors import Fault
from ecluse.trust.errors import KeyringError
from ecluse.trust.keystores.remote import PublicKey
from ecluse.trust.secrets import Secret

__all__ = ["TransitDevice"]

TIMEOUT: Final = 15.0
MOST: Final = 1 << 20
"""Octets of an answer that are read."""
_HASHES: Final = {"sha1": "sha1", "sha256": "sha2-256", "sha384": "sha2-384", "sha512": "sha2-512"}
_KINDS: Final = {
    "rsa-2048": "rsa-2048",
    "rsa-3072": "rsa-3072",
    "rsa-4096": "rsa-4096",
    "ec-p256": "ecdsa-p256",
    "ec-p384": "ecdsa-p384",
    "ec-p521": "ecdsa-p521",
    "ed25519": "ed25519",
}


class TransitDevice:
    """A mount of a transit service.

    Args:
        url: The service's address.
        token: What lets us in.
        mount: Where its keys are mounted.
        namespace: The namespace; empty for the root.
        ca: PEM of the authority that its certificate is checked with; empty for the system's.
    """

    def __init__(
        self, url: str, token: Secret, mount: str = "transit", namespace: str = "", ca: bytes = b""
    ) -> None:
        self._place = urlsplit(url)
        self._token = token
        self._mount = mount
        self._namespace = namespace
        self._tls = ssl.create_default_context(cadata=ca.decode("ascii", "replace")) if ca else None
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []

    def __repr__(self) -> str:
        return f"<TransitDevice {self._place.hostname}/{self._mount}>"

    def close(self) -> None:
        """Let the connections go. May be called twice."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def names(self) -> tuple[str, ...]:
        """Names of the keys, in order."""
        try:
            found = self._ask("GET", "keys?list=true", None)
        except KeyringError as error:
            if error.code == "keystore.no-key":  # a mount without keys answers 404
                return ()
            raise
        return tuple(sorted(str(name) for name in found.get("keys", [])))

    def public_key(self, key: str) -> PublicKey:
        """The public key of a key's latest version. Raises ``keystore.no-key``."""
        found = self._ask("GET", f"keys/{quote(key, safe='')}", None)
        latest = found.get("keys", {}).get(str(found.get("latest_version")), {})
        text = str(latest.get("public_key", "")) if isinstance(latest, dict) else ""
        try:
            public: object
            if text.startswith("-----"):
                public = load_pem_public_key(text.encode())
            else:
                public = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(text))
        except ValueError:
            raise _refused("The key has no public part: it is symmetric.") from None
        if not isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            raise _refused("A key of that kind is not used here.")
        return public

    def generate(self, key: str, kind: str) -> PublicKey:
        """Make a key that can't be exported.

        Args:
            key: Its name.
            kind: ``rsa-2048``, ``rsa-3072``, ``rsa-4096``, ``ec-p256``, ``ec-p384``, ``ec-p521`` or ``ed25519``.

        Raises:
            KeyringError: ``keystore.exists``, ``keystore.refused``.
        """
        if kind not in _KINDS:
            raise _refused(f"A key of the kind {kind} is not made in a key store.")
        if key in self.names():
            raise KeyringError(
                f"The key store has a key {key} already.",
                code="keystore.exists",
                remedy="Choose another name: a key is never written over.",
                fault=Fault.USAGE,
            )
        self._ask("POST", f"keys/{quote(key, safe='')}", {"type": _KINDS[kind], "exportable": False})
        return self.public_key(key)

    # --- the port -------------------------------------------------------------------------------------------

    def rsa_sign(self, key: str, digest: bytes, name: str, scheme: str) -> bytes:
        """See the port."""
        algorithm = {"pkcs1": "pkcs1v15", "pss": "pss"}[scheme]
        asked = {"signature_algorithm": algorithm, **({"salt_length": "hash"} if scheme == "pss" else {})}
        return self._sign(key, digest, name, asked)

    def rsa_decrypt(self, key: str, ciphertext: bytes, scheme: str, name: str, mask: str) -> bytes:
        """See the port. OAEP is done with SHA-256 alone there."""
        if scheme == "oaep" and (name, mask) != ("sha256", "sha256"):
            raise ValueError("the service has OAEP with SHA-256 alone")
        asked = {
            "ciphertext": "vault:v1:" + base64.b64encode(ciphertext).decode("ascii"),
            "padding_scheme": {"pkcs1": "pkcs1v15", "oaep": "oaep"}[scheme],
        }
        try:
            found = self._ask("POST", f"decrypt/{quote(key, safe='')}", asked)
        except KeyringError as error:
            if error.code == "keystore.refused":
                raise ValueError("the service could not open it") from None
            raise
        return base64.b64decode(str(found.get("plaintext", "")))

    def ec_sign(self, key: str, digest: bytes, name: str) -> bytes:
        """See the port."""
        return self._sign(key, digest, name, {"marshaling_algorithm": "asn1"})

    def ec_agree(self, key: str, point: bytes) -> bytes:
        """Refuse: the service agrees on no key."""
        raise ValueError("the service agrees on no key")

    def ed25519_sign(self, key: str, data: bytes) -> bytes:
        """See the port."""
        return self._signature(key, {"input": base64.b64encode(data).decode("ascii")})

    # --- inside ---------------------------------------------------------------------------------------------

    def _sign(self, key: str, digest: bytes, name: str, asked: dict[str, Any]) -> bytes:
        body = {
            "input": base64.b64encode(digest).decode("ascii"),
            "prehashed": True,
            "hash_algorithm": _HASHES[name],
            **asked,
        }
        return self._signature(key, body)

    def _signature(self, key: str, body: dict[str, Any]) -> bytes:
        found = self._ask("POST", f"sign/{quote(key, safe='')}", body)
        _, _, value = str(found.get("signature", "")).rpartition(":")
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            raise _refused("The service gave no signature.") from None

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """Ask; once more where a kept connection has ended meanwhile: every request may be asked twice."""
        headers = {"X-Vault-Token": self._token.reveal_text(), "X-Vault-Request": "true"}
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        target = f"{self._place.path.rstrip('/')}/v1/{self._mount}/{path}"
        sent = None if body is None else json.dumps(body).encode()
        for fresh in (False, True):
            connection = self._take(fresh)
            try:
                connection.request(method, target, sent, headers)
                response = connection.getresponse()
                data = response.read(MOST)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if fresh:
                    raise _away(self._place.hostname or "") from error
                continue
            self._give(connection)
            return _judge(response.status, data, self._place.hostname or "")
        raise AssertionError("not reached: the second attempt returns or raises")

    def _take(self, fresh: bool) -> http.client.HTTPConnection:
        if not fresh:
            with self._lock, suppress(IndexError):
                return self._idle.pop()
        host, port = self._place.hostname or "", self._place.port
        if self._place.scheme == "https":
            return http.client.HTTPSConnection(host, port or 443, timeout=TIMEOUT, context=self._tls)
        return http.client.HTTPConnection(host, port or 80, timeout=TIMEOUT)

    def _give(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.append(connection)


def _judge(status: int, data: bytes, host: str) -> dict[str, Any]:
    if status == 404:
        raise KeyringError(
            "The key store has no such key.",
            code="keystore.no-key",
            remedy="Look at `ecluse keyring stores`.",
        )
    if status in (401, 403):
        raise KeyringError(
            f"The key store at {host} does not let us in.",
            code="keystore.denied",
            remedy="Look at what keyring.stores refers to, and at the policy of that token.",
        )
    if status in (429, 500, 502, 503, 504):
        raise _away(host)
    if not 200 <= status < 300:
        raise _refused(f"The key store at {host} refuses (HTTP {status}).")
    try:
        found = json.loads(data) if data else {}
        answer = found.get("data") or {}
    except (ValueError, AttributeError, RecursionError):
        raise _refused(f"The key store at {host} gave an answer that can't be read.") from None
    return answer if isinstance(answer, dict) else {}


def _away(host: str) -> KeyringError:
    return KeyringError(
        f"The key store at {host} can't be reached, or is sealed.",
        code="keystore.away",
        remedy="See whether it runs and is unsealed; what waits is tried again.",
        fault=Fault.TRANSIENT,
    )


def _refused(cause: str) -> KeyringError:
    return KeyringError(cause, code="keystore.refused", remedy="Look at what the key store allows.")
