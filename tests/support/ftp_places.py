"""Places for the FTPS client to go to, and documents for it to deliver."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support import ftp_servers
from tests.support.outbound import Sender
from tests.support.tls_certs import Identity, make

from ecluse.channels.ftps.client import channel as channel_module
from ecluse.channels.ftps.client.channel import FtpsChannel
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.place import Place, _pin
from ecluse.channels.ftps.client.remote import FtpsRemote
from ecluse.exchange.remote import Remote
from ecluse.model.basics import system_clock
from ecluse.model.nouns import Delivery

__all__ = ["Far", "changed", "foreign", "identity", "place", "sending"]

_identity: list[Identity] = []


def identity() -> Identity:
    if not _identity:
        _identity.append(make("127.0.0.1"))
    return _identity[0]


def place(port: int, **changes: Any) -> Place:
    """A server on this machine, whose certificate is pinned."""
    usual: dict[str, Any] = {
        "partner": "birch",
        "host": "127.0.0.1",
        "port": port,
        "addresses": ("127.0.0.1",),
        "mode": "explicit",
        "user": ftp_servers.USER,
        "password": ftp_servers.PASSWORD.encode(),
        "anchors": identity().pem,
        "pins": (_pin(identity().certificate),),
        "timeout": 10.0,
    }
    return Place(**(usual | changes))


@dataclass
class Far:
    """A foreign server as the conformance suite of remotes sees it."""

    server: ftp_servers.ForeignServer
    place: Place
    odd_names: tuple[str, ...] = ("a b", "\u00e9t\u00e9", "semi;colon=1;", "100%", "back\\slash", "#x?y")
    many: int = 3_000

    def open(self) -> Remote:
        return FtpsRemote(Line(self.place), system_clock)

    def put(self, path: str, data: bytes) -> None:
        target = self.server.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        for each in (target, *target.parents):
            if each == self.server.folder:
                break
            each.chmod(0o777 if each.is_dir() else 0o666)

    def content(self, path: str) -> bytes | None:
        target = self.server.folder / path
        return target.read_bytes() if target.is_file() else None


@contextlib.contextmanager
def foreign(kind: str, tmp: Path, **options: Any) -> Iterator[Far]:
    """A foreign server (``vsftpd``, ``proftpd``) and the place that it is."""
    implicit = bool(options.get("implicit"))
    changes: dict[str, Any] = {"mode": "implicit" if implicit else "explicit"}
    if kind == "vsftpd":
        changes |= {"user": "anonymous", "password": b"aster@example", "folder": "in"}
        if options.get("tls") is False:
            changes |= {"mode": "clear", "anchors": b"", "pins": ()}
    with getattr(ftp_servers, kind)(tmp, identity(), **options) as server:
        yield Far(server, place(server.port, **changes))


@dataclass
class Sending:
    """One outbound message, attempted as often as asked."""

    sender: Sender
    channel: FtpsChannel
    message: Any
    data: bytes
    attempts: int = 0

    @property
    def delivery(self) -> Delivery:
        """Its delivery, as the last attempt left it."""
        return self.sender.begin("ftps:birch", self.message, self.attempts)

    def attempt(self) -> Any:
        self.attempts += 1
        return self.sender.deliver(self.channel, "ftps:birch", self.message, self.attempts)


@contextlib.contextmanager
def sending(
    patch: Any, where: Place, data: bytes, *, name: str = "order.xml", **target: Any
) -> Iterator[Sending]:
    """A document on its way to ``where``."""
    directory = SimpleNamespace(partner=lambda _: None)
    patch.setattr(channel_module, "place_of", lambda *_: where)
    with tempfile.TemporaryDirectory() as folder:
        sender = Sender(Path(folder))
        message = sender.message((name, data), **target)
        yield Sending(sender, FtpsChannel(sender.hub, lambda: directory), message, data)  # type: ignore[arg-type, return-value]
        sender.hub.store.close()


def changed(where: Place, **changes: Any) -> Place:
    return replace(where, **changes)
