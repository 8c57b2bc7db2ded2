"""WebDAV servers at test peers, as the hub opens them; their owner sees their folders."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.stores import rclone_webdav, wsgidav

from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Pool
from ecluse.channels.webdav.client import DavAccess, DavClient
from ecluse.channels.webdav.remote import WebDavRemote
from ecluse.exchange.remote import Remote

__all__ = ["DavFar", "dav_access", "dav_far"]

POOL = Pool()


def dav_access(url: str, basic: tuple[str, str] | None = None, **more: object) -> DavAccess:
    """How the hub reaches a local server."""
    access = DavAccess(
        url=url,
        egress=Egress(hosts=frozenset({"127.0.0.1"}), networks=PRIVATE_NETWORKS),
        tls=None,
        basic=basic,
        limits=ClientLimits(connect=5, stall=10, reply_time=20),
    )
    return replace(access, **more)  # type: ignore[arg-type]


@dataclass
class DavFar:
    """A folder of a server's as a far side of the suite: its owner works in the file system."""

    access: DavAccess
    folder: Path
    odd_names: tuple[str, ...] = ()
    many: int = 0
    peer: str = ""

    def open(self) -> Remote:
        """See the port."""
        return WebDavRemote(DavClient(self.access, POOL))

    def put(self, path: str, data: bytes) -> None:
        """See the port. rclone does not see what is done behind its back."""
        if self.peer == "rclone":
            client = DavClient(self.access, POOL)
            client.make_folders(path.rpartition("/")[0])
            client.put(path, "text/plain", len(data), [data])
            return
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "wb") as out:
            out.write(data)

    def content(self, path: str) -> bytes | None:
        """See the port."""
        file = self.folder / path
        return file.read_bytes() if file.exists() else None


def dav_far(peer: str, **more: object) -> DavFar:
    """A fresh folder at ``wsgidav`` or ``rclone``."""
    store = wsgidav() if peer == "wsgidav" else rclone_webdav()
    name = f"d {secrets.token_hex(6)}"
    folder = store.folder / name
    DavClient(dav_access(store.endpoint), POOL).make_folders(name)
    url = f"{store.endpoint}/{name.replace(' ', '%20')}"
    return DavFar(dav_access(url), folder, peer=peer, **more)  # type: ignore[arg-type]
