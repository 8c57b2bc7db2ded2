"""Keys in a service that speaks the transit protocol of HashiCorp Vault and OpenBao, over HTTPS.

One request an operation, on connections that are kept. The service signs digests (``prehashed``), and agrees on no key:
EC keys there sign only. It decrypts RSA with OAEP under SHA-256; PKCS#1 v1.5 is read by newer versions of Vault
(``padding_scheme``), and by no OpenBao, which passes over the parameter.

A key there has versions, and a certificate is one version's: a key is named ``name@version``. Rotating it there changes
nothing here until the new version is bound.
"""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ecluse.errors import Fault
from ecluse.trust.errors import KeyringError
from ecluse.trust.keystores.remote import PublicKey
from ecluse.trust.keystores.vault import Login, VaultSession, judge
from ecluse.wire.cms.errors import UnsupportedAlgorithm

__all__ = ["TransitDevice"]

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
_PADDINGS: Final = {"pkcs1": "pkcs1v15", "oaep": "oaep"}


class TransitDevice:
    """A mount of a transit service.

    Args:
        url: The service's address.
        login: What lets us in.
        mount: Where its keys are mounted.
        namespace: The namespace; empty for the root.
        ca: PEM of the authority that its certificate is checked with; empty for the system's.

    Raises:
        KeyringError: ``keystore.bad-authority``.
    """

    def __init__(
        self, url: str, login: Login, mount: str = "transit", namespace: str = "", ca: bytes = b""
    ) -> None:
        self._session = VaultSession(url, login, namespace, ca)
        self._mount = quote(mount.strip("/"))

    def __repr__(self) -> str:
        return f"<TransitDevice {self._session.host}/{self._mount}>"

    def close(self) -> None:
        """Let the connections go. May be called twice."""
        self._session.close()

    def names(self) -> tuple[str, ...]:
        """Names of the keys, in order, without versions."""
        try:
            found = self._ask("GET", "keys?list=true")
        except KeyringError as error:
            if error.code == "keystore.no-key":  # a mount without keys answers 404
                return ()
            raise
        return tuple(sorted(str(name) for name in found.get("keys", [])))

    def pinned(self, key: str) -> str:
        """The name with a version: the latest, where ``key`` names none. Raises ``keystore.no-key``."""
        name, version = _split(key)
        return key if version else f"{name}@{self._read(name).get('latest_version', 1)}"

    def public_key(self, key: str) -> PublicKey:
        """The public key of a version: of the latest, where ``key`` names none. Raises ``keystore.no-key``."""
        name, version = _split(key)
        found = self._read(name)
        versions = found.get("keys")
        held = (
            versions.get(str(version or found.get("latest_version"))) if isinstance(versions, dict) else None
        )
        if held is None:
            raise KeyringError(
                f"The key {name} has no version {version}.",
                code="keystore.no-key",
                remedy="Name one that it has, as in orders@2.",
            )
        text = str(held.get("public_key", "")) if isinstance(held, dict) else ""
        public: object
        try:
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
            key: Its name, without a version.
            kind: ``rsa-2048``, ``rsa-3072``, ``rsa-4096``, ``ec-p256``, ``ec-p384``, ``ec-p521`` or ``ed25519``.

        Raises:
            KeyringError: ``keystore.exists``, ``keystore.refused``.
        """
        if kind not in _KINDS:
            raise _refused(f"A key of the kind {kind} is not made in a key store.")
        if "@" in key:
            raise _refused("A key is made by its name alone; its first version is 1.")
        try:
            self._read(key)
        except KeyringError as error:
            if error.code != "keystore.no-key":
                raise
        else:
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
            raise UnsupportedAlgorithm(
                "The key store opens OAEP with SHA-256 alone.",
                remedy="Ask the partner for OAEP with SHA-256, or keep the key that decrypts in files.",
            )
        own, version = _split(key)
        asked = {
            "ciphertext": f"vault:v{version or 1}:" + base64.b64encode(ciphertext).decode("ascii"),
            "padding_scheme": _PADDINGS[scheme],
        }
        answer = self._session.exchange("POST", self._path(f"decrypt/{quote(own, safe='')}"), asked)
        # A ciphertext that doesn't open is an error of the server's own, by its status.
        if answer.status in (400, 500) and "RSA decrypt" in answer.said:
            raise ValueError("the service could not open it")
        found = judge(answer).data.get("plaintext")
        return _octets(found) if found else b""

    def ec_sign(self, key: str, digest: bytes, name: str) -> bytes:
        """See the port."""
        return self._sign(key, digest, name, {"marshaling_algorithm": "asn1"})

    def ec_agree(self, key: str, point: bytes) -> bytes:
        """Refuse: the service agrees on no key."""
        raise UnsupportedAlgorithm(
            "The key store agrees on no key: an EC key there signs only.",
            remedy="Let partners encrypt to an RSA key, or keep the key that decrypts in files.",
        )

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
        name, version = _split(key)
        found = self._ask("POST", f"sign/{quote(name, safe='')}", {**body, "key_version": version or 1})
        return _octets(str(found.get("signature", "")).rpartition(":")[2])

    def _read(self, name: str) -> dict[str, Any]:
        return self._ask("GET", f"keys/{quote(name, safe='')}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return judge(self._session.exchange(method, self._path(path), body)).data

    def _path(self, path: str) -> str:
        return f"{self._mount}/{path}"


def _split(key: str) -> tuple[str, int]:
    """Name and version; 0 where it has none. No name has that sign in it: the service allows none."""
    name, _, version = key.partition("@")
    if not version:
        return name, 0
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise _refused("The version of a key is a number, as in orders@2.")
    return name, int(version)


def _octets(value: object) -> bytes:
    try:
        made = base64.b64decode(str(value or ""), validate=True)
    except ValueError:
        made = b""
    if not made:
        raise _refused("The service gave an answer that can't be read.")
    return made


def _refused(cause: str) -> KeyringError:
    return KeyringError(cause, code="keystore.refused", remedy="Look at what the key store allows.")
