"""The hub and the folders behind the listener of :mod:`benchmarks.sftp_server`."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from tests.support.hubs import bare_hub

from ecluse.app.channels.sftp import SftpService
from ecluse.app.folder import make_hub
from ecluse.app.service import KEPT_FREE, SWITCH_INTERVAL, Service, keep_what_is_made
from ecluse.app.settings import apply_files
from ecluse.channels.guard.bans import Bans
from ecluse.channels.guard.gate import Gate
from ecluse.channels.sftp.keys import KeyringKeyPair
from ecluse.channels.sftp.server.listener import SftpServer
from ecluse.exchange.tree import Denied, Entry, Space
from ecluse.model.basics import Instant, system_clock
from ecluse.model.paths import VirtualPath
from ecluse.trust.configuration import Configuration, read_folder
from ecluse.trust.directory import Directory
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.secrets import Secret
from ecluse.trust.settings.listeners import SftpListener

__all__ = ["site"]

SIZES = {"big-0": 1 << 30, "big": 1 << 30, "far": 256 << 20, "s-1-0-0-0": 4096}
_CHUNK = bytes(256 * 1024)


class Discard:
    """Folders that keep nothing and give zeros."""

    def stat(self, path: VirtualPath) -> Entry:
        return Entry(path.name, path.name not in SIZES, SIZES.get(path.name, 0), Instant(0), True)

    def list(self, folder: VirtualPath, *, after: str = "", limit: int = 500) -> list[Entry]:
        return []

    def read(self, path: VirtualPath) -> Discard:
        self.size = SIZES[path.name]
        return self

    def write(
        self, path: VirtualPath | int, *rest: object, resume: bool = False, exclusive: bool = False
    ) -> Discard:
        if isinstance(path, int):
            self.size = path + len(rest[0])  # type: ignore[arg-type]
            return self
        return Discard()

    def commit(self) -> None: ...
    def sync(self) -> None: ...
    def suspend(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...
    def at_hand(self, offset: int, size: int) -> bool:
        return True

    size = 0
    prompt = 1 << 20

    def begin_commit(self) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def rename(self, path: VirtualPath, to: VirtualPath, *, replace: bool = False) -> None: ...
    def remove(self, path: VirtualPath) -> None: ...
    def make_folder(self, path: VirtualPath) -> None: ...
    def remove_folder(self, path: VirtualPath) -> None: ...
    def set_modified(self, path: VirtualPath, at: Instant) -> None: ...

    def space(self) -> Space:
        return Space(1, 0, 1, 0)


class _Zeros(Discard):
    def read(self, offset: int, size: int) -> bytes:  # type: ignore[override]
        size = min(size, self.size - offset)
        return _CHUNK[:size] if size < len(_CHUNK) else _CHUNK


class DiscardTree(Discard):
    """See :class:`Discard`."""

    def read(self, path: VirtualPath) -> Discard:
        if path.name not in SIZES:
            raise Denied("nothing there")
        reader = _Zeros()
        reader.size = SIZES[path.name]
        return reader


@contextlib.contextmanager
def _hub(folder: Path, line: str) -> Iterator[tuple[SftpService, str]]:
    """A whole hub's folders: digested, sealed, durable."""
    with make_hub(
        folder / "hub", name="Aster", as2_id="ASTER", key_kind="rsa-2048", sftp="127.0.0.1:4022"
    ) as node:
        (node.folder / "partners" / "birch.toml").write_text(
            f'name = "Birch"\n[account]\nuser = "birch"\nkeys = ["{line}"]\nreplace = true\n'
        )
        apply_files(node, read_folder(node.folder), actor="operator:bench", reason="bench")
        service = SftpService(node, SftpListener(address="127.0.0.1:0"))
        service.start()
        try:
            yield service, node.keyring.ssh_public_key("ssh-host")
        finally:
            service.stop(1.0)


@contextlib.contextmanager
def _node(folder: Path, line: str) -> Iterator[tuple[SftpService, str]]:
    """A serving node: what is uploaded is also deposited in the inbox, told of in receipts, and sealed into the log."""
    with make_hub(
        folder / "hub", name="Aster", as2_id="ASTER", key_kind="rsa-2048", sftp="127.0.0.1:0"
    ) as node:
        (node.folder / "partners" / "birch.toml").write_text(
            f'name = "Birch"\n[account]\nuser = "birch"\nkeys = ["{line}"]\nreplace = true\n'
        )
        apply_files(node, read_folder(node.folder), actor="operator:bench", reason="bench")
        service = Service(node, listen="127.0.0.1:0")
        loop = asyncio.new_event_loop()
        running = threading.Thread(target=loop.run_forever, name="http", daemon=True)
        running.start()
        asyncio.run_coroutine_threadsafe(service.start(), loop).result()
        assert service.sftp is not None
        try:
            yield service.sftp, node.keyring.ssh_public_key("ssh-host")
        finally:
            asyncio.run_coroutine_threadsafe(service.stop(), loop).result()


@contextlib.contextmanager
def site(folder: Path, tree: str, line: str) -> Iterator[tuple[SftpServer | SftpService, str]]:
    """A listener for the partner Birch, and its host key."""
    import logging
    import sys

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sys.setswitchinterval(SWITCH_INTERVAL)
    bytearray(KEPT_FREE)
    if tree in ("node", "mailbox"):
        with (_node if tree == "node" else _hub)(folder, line) as found:
            keep_what_is_made()
            yield found
        return
    keyring = MemoryKeyring()
    keyring.generate("main", "ec-p256", subject="Aster")
    keyring.generate("ssh-host", "ed25519", subject="Aster")
    files = {
        "ecluse.toml": '[organisation]\nname = "Aster"\nas2_id = "ASTER"\n'
        '[[organisation.keys]]\nref = "main"\nuse = ["sign"]\n',
        "partners/birch.toml": f'name = "Birch"\n[account]\nuser = "birch"\nkeys = ["{line}"]\n',
    }
    directory = Directory(Configuration.from_files(files), keyring, lambda _: Secret(""))
    with tempfile.TemporaryDirectory(dir=folder) as state:
        hub = bare_hub(Path(state), system_clock)
        settings = SftpListener(address="127.0.0.1:0")
        gate = Gate(settings.guard, Bans(hub.store, hub.clock, hub.entropy, hub.node), "sftp")
        pair = KeyringKeyPair(keyring, "ssh-host")
        server = SftpServer(
            hub, settings, lambda: directory, lambda: [pair], gate, lambda identity, address: DiscardTree()
        )  # type: ignore[arg-type]
        server.start()
        try:
            yield server, keyring.ssh_public_key("ssh-host")
        finally:
            server.stop(1.0)
            hub.store.close()
