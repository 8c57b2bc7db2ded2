"""Key stores for tests: a token of SoftHSM, a transit service of our own, a signer in a thread."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ecluse.trust.keys.held import HeldKeys
from ecluse.trust.keys.making import make_key
from ecluse.trust.keystores.pkcs11 import Pkcs11Device
from ecluse.trust.keystores.signer import SignerKeyring, SignerService
from ecluse.trust.keystores.vault import Login
from ecluse.trust.secrets import Secret

__all__ = ["MODULE", "TOKEN", "Transit", "served_signer", "soft_hsm", "transit_service", "with_token"]

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234"
TOKEN = "hvs.test-token"
GATE = 120.0
"""Seconds that a gate holds at most."""


def soft_hsm(folder: Path, label: str = "ecluse") -> Pkcs11Device:
    """A fresh token. The library reads its configuration once in a process: one folder serves all tests."""
    configuration = Path(os.environ.get("SOFTHSM2_CONF", ""))
    if not configuration.is_file():
        (folder / "tokens").mkdir(parents=True)
        configuration = folder / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(configuration)
    words = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN]
    subprocess.run(words, check=True, capture_output=True, timeout=30)
    return Pkcs11Device(MODULE, label, Secret(PIN))


@contextmanager
def served_signer(keyring: HeldKeys, path: Path) -> Iterator[SignerKeyring]:
    """A signer for ``keyring`` in a thread, and the keyring that asks it."""
    service = SignerService(keyring, path)
    thread = threading.Thread(target=service.serve, daemon=True)
    thread.start()
    asking = SignerKeyring(path)
    try:
        yield asking
    finally:
        asking.close()
        service.close()
        thread.join(10)


class Transit:
    """What the service holds: keys by name.

    It does what OpenBao 2.6 was seen to do with the requests that are made here (:mod:`tests.support.openbao` is the
    real one), and what that one can't be brought to: to answer late, or with a status of choice.

    Attributes:
        keys: Versions of each key, by name; the first is 1.
        reads_pkcs1: Whether it opens PKCS#1 v1.5, as newer versions of Vault do.
        broken: Status that it answers everything with, and why.
        gate: It answers while this is set.
        asked: Set as soon as it was asked something.
    """

    def __init__(self, *, reads_pkcs1: bool) -> None:
        self.keys: dict[str, list[Any]] = {}
        self.reads_pkcs1 = reads_pkcs1
        self.sealed = False
        self.broken: tuple[int, str] | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()
        self.requests: list[str] = []

    def answer(self, method: str, path: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.requests.append(f"{method} {path}")
        self.asked.set()
        self.gate.wait(GATE)
        if self.broken is not None:
            return self.broken[0], {"errors": [self.broken[1]]}
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if token != TOKEN:
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        verb, _, name = path.removeprefix("/v1/transit/").partition("/")
        if verb.startswith("keys?list"):
            return (200, {"data": {"keys": sorted(self.keys)}}) if self.keys else (404, {"errors": []})
        if verb == "keys" and method == "POST":
            kind = body["type"].replace("ecdsa-", "ec-")
            self.keys[name] = [make_key(kind)]
            return 200, {}
        versions = self.keys.get(name)
        if verb == "keys":
            if versions is None:
                return 404, {"errors": []}
            public = {str(number): {"public_key": _public(key)} for number, key in enumerate(versions, 1)}
            return 200, {"data": {"latest_version": len(versions), "keys": public}}
        if versions is None:
            return 400, {"errors": [f"{'signing' if verb == 'sign' else 'encryption'} key not found"]}
        try:
            return 200, {"data": getattr(self, f"_{verb}")(versions, body)}
        except ValueError:
            said = "1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n"
            return 500, {"errors": [said]}

    @staticmethod
    def _sign(versions: list[Any], body: dict[str, Any]) -> dict[str, Any]:
        data = base64.b64decode(body["input"])
        version = body["key_version"] or len(versions)
        key = versions[version - 1]
        if isinstance(key, ed25519.Ed25519PrivateKey):
            made = key.sign(data)
        else:
            digest = getattr(hashes, body["hash_algorithm"].replace("sha2-", "SHA").replace("sha1", "SHA1"))()
            assert body["prehashed"] is True
            if isinstance(key, ec.EllipticCurvePrivateKey):
                assert body["marshaling_algorithm"] == "asn1"
                made = key.sign(data, ec.ECDSA(Prehashed(digest)))
            else:
                pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
                scheme = {"pkcs1v15": padding.PKCS1v15(), "pss": pss}[body["signature_algorithm"]]
                made = key.sign(data, scheme, Prehashed(digest))
        return {"signature": f"vault:v{version}:" + base64.b64encode(made).decode()}

    def _decrypt(self, versions: list[Any], body: dict[str, Any]) -> dict[str, Any]:
        digest = hashes.SHA256()
        oaep = padding.OAEP(padding.MGF1(digest), digest, None)
        pkcs1 = self.reads_pkcs1 and body["padding_scheme"] == "pkcs1v15"
        _, version, sealed = body["ciphertext"].split(":")
        key: rsa.RSAPrivateKey = versions[int(version.removeprefix("v")) - 1]
        opened = key.decrypt(base64.b64decode(sealed), padding.PKCS1v15() if pkcs1 else oaep)
        return {"plaintext": base64.b64encode(opened).decode()}


def with_token(text: str = TOKEN) -> Login:
    """A login by a token that stays the same."""
    return Login(lambda: Secret(text))


def _public(key: Any) -> str:
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return base64.b64encode(public.public_bytes_raw()).decode()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@contextmanager
def transit_service(*, reads_pkcs1: bool = True) -> Iterator[tuple[Transit, str]]:
    """The service, and its address."""
    transit = Transit(reads_pkcs1=reads_pkcs1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._do("POST")

        def do_GET(self) -> None:
            self._do("GET")

        def _do(self, method: str) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(sent) if sent else {}
            status, given = transit.answer(method, self.path, self.headers.get("X-Vault-Token", ""), body)
            data = json.dumps(given).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield transit, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
