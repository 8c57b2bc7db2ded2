"""OpenBao, the real one: sealed and unsealed, with a listener that shows a certificate of our making."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import tls_certs
from tests.support.commands import free_port
from tests.support.peers import BAO

from ecluse.trust.keystores.transit import TransitDevice
from ecluse.trust.keystores.vault import Login
from ecluse.trust.secrets import Secret

__all__ = ["OpenBao", "openbao"]

PATIENCE = 60.0
"""Seconds that it may take to start, on a machine that has much else to do."""

POLICY = """
path "transit/keys/*" { capabilities = ["create", "read", "update", "list"] }
path "transit/sign/*" { capabilities = ["update"] }
path "transit/decrypt/*" { capabilities = ["update"] }
"""
"""What a hub may do: make and look at keys, sign and decrypt."""


class OpenBao:
    """A server that keeps everything in memory.

    Attributes:
        url: Its address.
        ca: PEM of what its certificate is checked with.
        root: Its first token, which may do everything.
    """

    def __init__(self, url: str, ca: bytes) -> None:
        self.url = url
        self.ca = ca
        self.root = ""
        self._share = ""
        self._tls = ssl.create_default_context(cadata=ca.decode())

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        namespace: str = "",
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of a request."""
        headers = {"X-Vault-Token": self.root if token is None else token}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=self._tls) as answer:
                status, said = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, said = error.code, error.read()
        return status, json.loads(said) if said else {}

    def must(self, method: str, path: str, body: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
        """The body of a request that succeeds."""
        status, found = self.ask(method, path, body, **more)
        assert status < 300, (path, status, found)
        return found

    def begin(self) -> None:
        """Wait until it answers, and make it ready: unsealed, with transit, AppRole and the hub's policy."""
        wait_for(self._answers)
        made = self.must("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token="")
        self.root, self._share = made["root_token"], made["keys_base64"][0]
        self.unseal()
        self.must("POST", "sys/mounts/transit", {"type": "transit"})
        self.must("POST", "sys/auth/approle", {"type": "approle"})
        self.must("PUT", "sys/policies/acl/hub", {"policy": POLICY})

    def seal(self) -> None:
        """Let it do nothing until it is unsealed."""
        self.must("PUT", "sys/seal", {})

    def unseal(self) -> None:
        """Let it work."""
        self.must("PUT", "sys/unseal", {"key": self._share}, token="")
        wait_for(lambda: self.ask("GET", "sys/health")[0] == 200)

    def token(self, **more: object) -> str:
        """A token under the hub's policy."""
        made = self.must("POST", "auth/token/create", {"policies": ["hub"], "no_parent": True, **more})
        return str(made["auth"]["client_token"])

    def role(self, name: str, **more: object) -> tuple[str, str]:
        """Role id and secret id of an AppRole under the hub's policy."""
        self.must("POST", f"auth/approle/role/{name}", {"token_policies": ["hub"], **more})
        role = self.must("GET", f"auth/approle/role/{name}/role-id")["data"]["role_id"]
        secret = self.must("POST", f"auth/approle/role/{name}/secret-id", {})["data"]["secret_id"]
        return str(role), str(secret)

    def device(
        self, login: Login | str | None = None, mount: str = "transit", namespace: str = ""
    ) -> TransitDevice:
        """Our client of it."""
        if not isinstance(login, Login):
            secret = Secret(login or self.token())
            login = Login(lambda: secret)
        return TransitDevice(self.url, login, mount, namespace, self.ca)

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "sys/seal-status")[0] == 200
        except OSError:
            return False


@contextmanager
def openbao(folder: Path) -> Iterator[OpenBao]:
    """A server, ready, as long as the context lasts; its certificate and log are in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = tls_certs.make("Test authority", authority=True)
    shown = tls_certs.make("127.0.0.1", issuer=authority)
    (folder / "server.pem").write_bytes(shown.pem)
    (folder / "server.key").write_bytes(shown.key_pem)
    port = free_port()
    (folder / "config.hcl").write_text(f"""
storage "inmem" {{}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{folder}/server.pem"
  tls_key_file = "{folder}/server.key"
}}
api_addr = "https://127.0.0.1:{port}"
disable_clustering = true
""")
    program = BAO if os.path.exists(BAO) else shutil.which("bao")
    assert program, "the test is marked with the peer"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [os.path.abspath(program), "server", f"-config={folder}/config.hcl"],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        )
    try:
        server = OpenBao(f"https://127.0.0.1:{port}", authority.pem)
        try:
            server.begin()
        except BaseException:
            print((folder / "log").read_text()[-2000:])
            raise
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
