"""Pebble, an ACME server for tests, with a name server of its own that knows every name as 127.0.0.1."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ecluse.model.basics import system_clock
from ecluse.trust.keys.making import make_certificate, make_key


@dataclass(frozen=True)
class Pebble:
    """A running one."""

    directory: str
    ca: Path


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextlib.contextmanager
def pebble(folder: Path, http_port: int, *, reject: int = 0) -> Iterator[Pebble]:
    """Serve; challenges are looked for at ``http_port``. ``reject``: percent of nonces that are refused."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = make_key("ec-p256")
    certificate = make_certificate(
        key, "pebble", now=system_clock(), days=2, names=["localhost", "127.0.0.1"]
    )
    (folder / "pebble.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "pebble.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    port, management, dns = _free(), _free(), _free()
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "pebble.pem"),
        "privateKey": str(folder / "pebble.key"),
        "httpPort": http_port,
        "tlsPort": _free(),
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    names = [
        "pebble-challtestsrv",
        *("-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""),
        *("-http01", "", "-https01", "", "-tlsalpn01", ""),
        *("-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{_free()}"),
    ]
    server = ["pebble", "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"]
    env = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(reject)}
    with (folder / "pebble.log").open("wb") as log, contextlib.ExitStack() as stack:
        for words in (names, server):
            process = subprocess.Popen(words, stdout=log, stderr=log, env=env)
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
        url = f"https://127.0.0.1:{port}/dir"
        _wait(url, folder / "pebble.pem")
        yield Pebble(url, folder / "pebble.pem")


def _wait(url: str, ca: Path) -> None:
    context = ssl.create_default_context(cafile=str(ca))
    end = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, context=context, timeout=2):
                return
        except OSError:
            assert time.monotonic() < end, "pebble does not answer"
            time.sleep(0.05)
