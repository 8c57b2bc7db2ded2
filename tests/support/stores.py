"""Further stores out of ``build/peers``: rclone (S3 and WebDAV), WsgiDAV, moto and Azurite, started once per run.

``make peers`` installs them; where one is missing, its tests are skipped by name.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.dying import with_parent

__all__ = [
    "AZURITE",
    "STORES",
    "DavServer",
    "Store",
    "azurite",
    "moto",
    "rclone_s3",
    "rclone_webdav",
    "stores_python",
    "wsgidav",
]

ROOT: Final = Path(__file__).parents[2]
STORES: Final = ROOT / "build" / "peers" / "stores" / "bin"
AZURITE: Final = ROOT / "build" / "peers" / "azurite" / "node_modules" / ".bin" / "azurite-blob"


class Store(NamedTuple):
    """Where one listens, and the folder that it keeps its files in."""

    endpoint: str
    folder: Path


def stores_python() -> str:
    """The interpreter of the peers' environment."""
    return str(STORES / "python")


def free_port() -> int:
    """A port that nothing listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str], port: int, folder: str) -> Store:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, preexec_fn=with_parent
    )
    atexit.register(lambda: (process.kill(), process.wait(10)))
    until = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return Store(f"http://127.0.0.1:{port}", Path(folder))
        except OSError:
            assert process.poll() is None, command
            assert time.monotonic() < until, command
            time.sleep(0.05)


def _folder(name: str) -> str:
    folder = tempfile.TemporaryDirectory(prefix=f"{name}-peer-")
    atexit.register(folder.cleanup)
    return folder.name


def rclone_s3_at(folder: str, key: str = "test", secret: str = "testing") -> Store:
    """A server of its own over a folder; a folder below it is a bucket."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = [
        str(STORES / "rclone"),
        "serve",
        "s3",
        "--auth-key",
        f"{key},{secret}",
        "--addr",
        address,
        folder,
    ]
    return _run(command, port, folder)


@functools.cache
def rclone_s3() -> Store:
    """Access key ``test``, secret ``testing``."""
    return rclone_s3_at(_folder("rclone"))


@functools.cache
def rclone_webdav(*login: str) -> Store:
    """Everybody may do everything, or (with ``--user``, ``--pass``) one user; that hashes slowly at each request."""
    folder, port = _folder("rclone-dav"), free_port()
    command = [str(STORES / "rclone"), "serve", "webdav", "--addr", f"127.0.0.1:{port}", *login, folder]
    return _run(command, port, folder)


@functools.cache
def wsgidav() -> Store:
    """Everybody may do everything."""
    folder, port = _folder("wsgidav"), free_port()
    command = [str(STORES / "wsgidav"), "--host", "127.0.0.1", "--port", str(port), "--root", folder]
    return _run([*command, "--auth", "anonymous", "--server", "cheroot", "--quiet"], port, folder)


@functools.cache
def moto() -> Store:
    """It takes any key and any secret."""
    folder, port = _folder("moto"), free_port()
    return _run([str(STORES / "moto_server"), "-H", "127.0.0.1", "-p", str(port)], port, folder)


@functools.cache
def azurite() -> Store:
    """Account ``devstoreaccount1`` with the key that is every Azurite's."""
    folder, port = _folder("azurite"), free_port()
    command = [str(AZURITE), "--silent", "--skipApiVersionCheck", "--blobHost", "127.0.0.1"]
    return _run([*command, "--blobPort", str(port), "--location", folder], port, folder)


class DavServer:
    """A WebDAV server of its own, which may be killed and come back. Closes as a context.

    Args:
        peer: ``wsgidav`` or ``rclone``.
        folder: What it serves.
    """

    def __init__(self, peer: str, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        if peer == "rclone":
            self._command = [
                str(STORES / "rclone"),
                "serve",
                "webdav",
                "--addr",
                f"127.0.0.1:{self.port}",
                str(folder),
            ]
        else:
            self._command = [str(STORES / "wsgidav"), "--host", "127.0.0.1", "--port", str(self.port)]
            self._command += ["--root", str(folder), "--auth", "anonymous", "--server", "cheroot", "--quiet"]
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Listen, on the same port each time."""
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            preexec_fn=with_parent,
        )
        until = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, self._command
                assert time.monotonic() < until, self._command
                time.sleep(0.02)

    def kill(self) -> None:
        """As a power switch does, but for the disk."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait(10)
                self._process = None

    def __enter__(self) -> DavServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
