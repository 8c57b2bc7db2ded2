"""Flat memory on the channels that files come and go by: one document all the way through them, leg after leg.

    a folder of ours > WebDAV (rclone) > S3 (OpenStack Swift) > FTPS (vsftpd) > a folder of ours

Each leg is a hub of its own, a serving process that collects the document by one channel and delivers it by the next;
what it has collected it deletes. The first document is a file with nothing in it (sparse), which costs no disk; of the
others there are two at a time, the hub's and the far side's. Besides, curl takes the document to a hub's own FTPS
server and fetches it again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks import ftps, sftp_server
from benchmarks.hubs import PATIENCE, Serving, make, place
from tests.support import ftp_servers
from tests.support.buckets import access_to, make_bucket, s3_objects
from tests.support.ftp_places import identity
from tests.support.s3 import ACCESS_KEY, SECRET, s3_server
from tests.support.stores import DavServer

from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.model.nouns import Direction
from ecluse.model.states import DeliveryState
from ecluse.trust.configuration import read_folder

__all__ = ["LEGS", "ftps_server_peaks", "leg_peaks"]

MIB: Final = 1 << 20
LEGS: Final = ("folder-to-webdav", "webdav-to-s3", "s3-to-ftps", "ftps-to-folder")
ENDS: Final = (
    ("folder:in", "webdav:birch"),
    ("webdav:birch", "s3:birch"),
    ("s3:birch", "ftps:birch"),
    ("ftps:birch", "folder:out"),
)
NAME: Final = "document.bin"


def leg_peaks(size: int) -> list[tuple[float, float]]:
    """For each of :data:`LEGS`: MiB of the hub's process at its start, and the most until it was delivered."""
    with ExitStack() as stack:
        base = stack.enter_context(place())
        far = _far(base, stack)
        (base / "in").mkdir()
        (base / "out").mkdir()
        _sparse(base / "in" / NAME, size)
        found = [_leg(base, far, source, target) for source, target in ENDS]
        assert (base / "out" / NAME).stat().st_size == size
        return found


def _far(base: Path, stack: ExitStack) -> str:
    """Birch's file: all of its servers, at work."""
    (base / "dav").mkdir()
    dav = stack.enter_context(DavServer("rclone", base / "dav"))
    store = s3_server()
    make_bucket(access_to(store.endpoint, "flat", ACCESS_KEY, SECRET))
    stack.callback(_empty, store.endpoint)
    (base / "vsftpd").mkdir()
    server = stack.enter_context(ftp_servers.vsftpd(base / "vsftpd", identity()))
    return f"""name = "Birch"
[webdav]
url = "http://127.0.0.1:{dav.port}"
allow_private_network = true
[s3]
bucket = "flat"
endpoint = "{store.endpoint}"
path_style = true
access_key = "file:secrets/access"
secret_key = "file:secrets/secret"
allow_private_network = true
[ftps]
host = "127.0.0.1:{server.port}"
user = "anonymous"
password = "file:secrets/ftps"
folder = "in"
timeout = "10m"
allow_private_network = true
[[certificates]]
file = "certificates/birch.pem"
use = ["tls"]
"""


def _empty(endpoint: str) -> None:
    store = s3_objects(access_to(endpoint, "flat", ACCESS_KEY, SECRET))
    for each in list(store.list("", deep=True)):
        store.delete(each.key, each.etag)


def _leg(base: Path, far: str, source: str, target: str) -> tuple[float, float]:
    folder = base / "hub"
    node = make(folder, "Aster")
    try:
        secrets = node.folder / "secrets"
        secrets.mkdir(exist_ok=True)
        for name, value in (("access", ACCESS_KEY), ("secret", SECRET), ("ftps", "bench@example")):
            (secrets / name).write_text(value)
            (secrets / name).chmod(0o600)
        toml = node.folder / "ecluse.toml"
        toml.write_text(
            toml.read_text()
            + f'\n[folders.in]\npath = "{base / "in"}"\n[folders.out]\npath = "{base / "out"}"\n'
        )
        (node.folder / "certificates" / "birch.pem").write_bytes(identity().pem)
        (node.folder / "partners" / "birch.toml").write_text(far)
        (node.folder / "flows").mkdir(exist_ok=True)
        (node.folder / "flows" / "leg.toml").write_text(
            f'name = "Leg"\n[from]\nchannel = "{source}"\nevery = "1s"\nstable = "1s"\nafter = "delete"\n'
            f'[[to]]\nchannel = "{target}"\n'
        )
        apply_files(node, read_folder(node.folder), actor="operator:bench", reason="bench")
        with Serving(node.folder) as serving:
            start = serving.peak_memory()
            serving.forget_peak()
            _wait(node)
            return start, serving.peak_memory()
    finally:
        node.close()
        shutil.rmtree(folder)


def _wait(node: Node) -> None:
    """Until the document was delivered."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        for message in node.store.read(lambda view: view.messages(direction=Direction.OUT, limit=10)):
            for each in node.store.read(lambda view, id=message.id: view.deliveries(id)):
                if each.state is DeliveryState.CONFIRMED:
                    return
                if each.reason_code:
                    raise RuntimeError(f"not delivered: {each.reason_code} {each.reason}")
        time.sleep(0.2)
    raise TimeoutError(f"the document did not arrive: {node.store.read(lambda view: view.jobs(limit=10))}")


def ftps_server_peaks(size: int) -> list[tuple[float, float]]:
    """The same two figures of a process that serves FTPS, for an upload and for the download of what was uploaded."""
    with place() as work:
        file = work / "file"
        _sparse(file, size)
        with ftps.hub(work) as server:
            curl = ("curl", "-sS", "--cacert", str(server.ca), "--ssl-reqd", "-u", server.login)
            url = f"ftp://127.0.0.1:{server.port}/inbound"
            found = []
            for command in (("-T", str(file), f"{url}/{size}-up"), ("-o", os.devnull, f"{url}/{size}-up")):
                start = sftp_server.memory([server.pid]) / MIB
                sftp_server.forget_memory([server.pid])
                subprocess.run((*curl, *command), check=True, stdout=subprocess.DEVNULL)
                found.append((start, sftp_server.memory([server.pid]) / MIB))
            return found


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)
