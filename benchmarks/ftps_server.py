"""An FTPS server under measurement: over folders that hold nothing, or a hub. Prints its port.

``nowhere`` keeps no octet of an upload and makes those of a download up: what is left is FTP, TLS and the copying.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from pathlib import Path

import structlog
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.support.ftps_server import FakeGate, identity
from tests.support.tls_certs import Identity

from ecluse.app.opening import open_node
from ecluse.app.service import Service
from ecluse.channels.ftps.server import Door, FtpsServer, SessionLimits
from ecluse.exchange.tree import Entry
from ecluse.model.basics import system_clock

_BLOCK = bytes(1 << 20)


class Nothing:
    """A file of a size, and of no content."""

    def __init__(self, size: int = 0) -> None:
        self.size = size

    def write(self, offset: int, data: bytes) -> None:
        self.size = max(self.size, offset + len(data))

    def read(self, offset: int, size: int) -> bytes:
        return _BLOCK[: max(0, min(size, self.size - offset))]

    def nothing(self) -> None:
        return

    sync = commit = suspend = abort = close = abandon = nothing


class Nowhere:
    """A tree of files whose names are their sizes."""

    def stat(self, path):
        return Entry(path.name, not path.name.split("-")[0].isdigit(), 0, system_clock(), True)

    def set_modified(self, path, at):
        return

    make_folder = remove = rename = remove_folder = lambda *_, **__: None

    def list(self, folder, *, after="", limit=500):
        return []

    def read(self, path):
        return Nothing(int(path.name.split("-")[0]))

    def write(self, path, *, resume=False, exclusive=False):
        return Nothing()


def nowhere(folder: Path) -> None:
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    own = Identity(x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes()), key)  # type: ignore[arg-type]
    gate = FakeGate(own or identity())
    gate.open = lambda: Nowhere()  # type: ignore[assignment,method-assign,return-value]
    server = FtpsServer([Door("127.0.0.1", 0)], gate, SessionLimits())
    print(server.start()[0], flush=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()
    server.stop(0)


async def hub(folder: Path) -> None:
    node = open_node(folder)
    service = Service(node, listen="127.0.0.1:0")
    await service.start()
    assert service.ftps is not None
    print(service.ftps.ports[0], flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await service.stop()
    node.close()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    if sys.argv[1] == "nowhere":
        nowhere(Path(sys.argv[2]))
    else:
        uvloop.run(hub(Path(sys.argv[2])))
