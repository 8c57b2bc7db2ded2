"""Places for the FTPS client to go to, and documents for it to deliver."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support import ftp_servers, nouns
from tests.support.tls_certs import Identity, make

from ecluse.channels.ftps.client import channel as channel_module
from ecluse.channels.ftps.client.channel import FtpsChannel
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.place import Place, _pin
from ecluse.channels.ftps.client.remote import FtpsRemote
from ecluse.exchange.remote import Remote
from ecluse.exchange.target import Target
from ecluse.model.basics import system_clock
from ecluse.model.nouns import Direction, Part
from ecluse.trust.sightings import Sightings

__all__ = ["FakeHub", "Far", "changed", "foreign", "identity", "place", "sending"]

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
class FakeHub:
    """Documents in memory, as far as a channel looks."""

    content: dict[str, bytes] = field(default_factory=dict)
    clock: Any = system_clock
    sightings: Any = field(default_factory=lambda: Sightings(system_clock))

    @contextlib.contextmanager
    def document(self, part: Part) -> Iterator[Any]:
        data = self.content[part.blob]

        class Reader:
            @staticmethod
            def chunks(offset: int, size: int, step: int = 1 << 20) -> Iterator[bytes]:
                for at in range(offset, offset + size, step):
                    yield data[at : min(at + step, offset + size)]

        yield SimpleNamespace(part=part, reader=Reader())


@dataclass
class Sending:
    """One outbound message, attempted as often as asked."""

    channel: FtpsChannel
    message: Any
    attempts: int = 0

    def attempt(self) -> Any:
        self.attempts += 1
        delivery = nouns.delivery(attempts=self.attempts, message=self.message.id)
        return self.channel.deliver(self.message, delivery, None)


@contextlib.contextmanager
def sending(
    patch: Any,
    where: Place,
    data: bytes,
    *,
    name: str = "order.xml",
    id: str = "m0123456789abcdef",
    **target: Any,
) -> Iterator[Sending]:
    """A document on its way to ``where``."""
    hub = FakeHub({"b1": data})
    directory = SimpleNamespace(partner=lambda _: None)
    patch.setattr(channel_module, "place_of", lambda *_: where)
    part = Part("b1", 0, len(data), hashlib.sha256(data).hexdigest(), "application/xml", name)
    message = nouns.message(
        id, direction=Direction.OUT, protocol="ftps", parts=(part,), wire=Target(**target).encode()
    )
    yield Sending(FtpsChannel(hub, lambda: directory), message)  # type: ignore[arg-type]


def changed(where: Place, **changes: Any) -> Place:
    return replace(where, **changes)
