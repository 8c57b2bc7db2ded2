"""Listings that are huge, endless, or not read: in bounded memory on both sides, with an end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from tests.support.ftp_places import place
from tests.support.ftp_talker import Talker
from tests.support.ftps_server import serving

from ecluse.channels.ftps.client import remote as remote_module
from ecluse.channels.ftps.client.errors import ListingTooLong
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.remote import HELD_LISTING, FtpsRemote
from ecluse.channels.ftps.server import SessionLimits
from ecluse.channels.ftps.server.files import PAGE
from ecluse.exchange.tree import Entry
from ecluse.model.basics import system_clock
from ecluse.model.paths import VirtualPath
from ecluse.wire.ftp import MAX_ENTRY

MANY = 30_000
NOW = system_clock()
FLAT = 4 << 20
"""Octets that either side may take for a listing beside what it holds on purpose."""


class ManyNames:
    """A tree with one huge folder, in front of another tree."""

    def __init__(self, tree) -> None:
        self._tree = tree
        self.pages: list[int] = []

    def __getattr__(self, name: str):
        return getattr(self._tree, name)

    def list(self, folder: VirtualPath, *, after: str = "", limit: int) -> list[Entry]:
        self.pages.append(limit)
        begin = int(after[:8]) + 1 if after else 0
        return [
            Entry(f"{number:08}-{'n' * 40}.xml", False, 1, NOW, True)
            for number in range(begin, min(begin + limit, MANY))
        ]


@pytest.mark.parametrize("command", ["MLSD outbound", "LIST outbound", "NLST outbound"])
def test_a_huge_folder_is_told_of_in_flat_memory(command: str) -> None:
    trees: list[ManyNames] = []

    def wrap(tree):
        trees.append(ManyNames(tree))
        return trees[-1]

    with serving(wrap=wrap) as server, Talker(server.port) as talker:
        port = talker.port()
        tracemalloc.start()
        try:
            assert talker.cmd(command).startswith("150")
            lines = 0
            with talker.connect(port) as data:
                while block := data.recv(1 << 16):
                    lines += block.count(b"\n")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert talker.reply().startswith("226")
    assert lines == MANY
    assert set(trees[0].pages) == {PAGE}
    assert peak < FLAT


def test_a_client_that_does_not_read_its_listing_is_let_go() -> None:
    limits = SessionLimits(idle_time=1.0, data_time=1.0)
    with serving(limits, wrap=ManyNames) as server, Talker(server.port) as talker:
        port = talker.port()
        talker.cmd("MLSD outbound")
        with talker.connect(port):
            assert talker.reply().startswith("426")


@dataclass
class Flood:
    """An FTP server in clear that answers a listing with what it is told to, for as long as it is taken.

    Attributes:
        blocks: What it sends.
        sent: Octets that it could send.
    """

    blocks: Callable[[], Iterator[bytes]]
    sent: int = 0
    port: int = 0
    _socks: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Flood:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._socks.append(listener)
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._socks:
            sock.close()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            control, _ = listener.accept()
            self._socks.append(control)
            control.sendall(b"220 ready\r\n")
            data = None
            for line in control.makefile("rb"):
                verb = line.split()[0].upper()
                if verb == b"EPSV":
                    data = socket.create_server(("127.0.0.1", 0))
                    control.sendall(b"229 ok (|||%d|)\r\n" % data.getsockname()[1])
                elif verb in (b"MLSD", b"LIST"):
                    self._send(control, data)
                else:
                    control.sendall(_ANSWERS.get(verb, b"200 ok") + b"\r\n")

    def _send(self, control: socket.socket, data: socket.socket | None) -> None:
        assert data is not None
        with data:
            sock, _ = data.accept()
        control.sendall(b"150 here it comes\r\n")
        with sock, contextlib.suppress(OSError):
            for block in self.blocks():
                sock.sendall(block)
                self.sent += len(block)
        control.sendall(b"226 done\r\n")


_ANSWERS = {
    b"USER": b"331 password",
    b"PASS": b"230 in",
    b"PWD": b'257 "/"',
    b"FEAT": b"211-Features:\r\n MLST type*;size*;modify*;\r\n MLSD\r\n211 End",
}


def names(size: int) -> Iterator[bytes]:
    """Entries for ever."""
    number = 0
    while True:
        block = b"".join(
            b"type=file;size=1;modify=20260101000000; %09d%s\r\n" % (each, b"n" * size)
            for each in range(number, number + 500)
        )
        number += 500
        yield block


@pytest.mark.parametrize(
    ("blocks", "limit"),
    [
        pytest.param(lambda: names(60), 8 << 20, id="names"),
        pytest.param(lambda: iter(lambda: b"x" * 65536, None), 8 << 20, id="one line"),
        pytest.param(lambda: iter(lambda: b"\r\n" * 30_000, None), 1 << 20, id="empty lines"),
    ],
)
def test_a_listing_without_end_comes_to_one(monkeypatch: pytest.MonkeyPatch, blocks, limit: int) -> None:
    monkeypatch.setattr(remote_module, "MAX_LISTING", limit)
    with Flood(blocks) as flood:
        where = place(flood.port, mode="clear", anchors=b"", pins=(), timeout=5.0)
        remote = FtpsRemote(Line(where), system_clock)
        began = time.monotonic()
        tracemalloc.start()
        try:
            with remote, pytest.raises(ListingTooLong):
                list(remote.files(""))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert time.monotonic() - began < 60
        assert peak < HELD_LISTING * 2 + FLAT
        assert flood.sent < limit + (32 << 20), "what the sockets hold comes on top"


def test_a_line_that_no_name_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    long = b"type=file;size=1; " + b"n" * MAX_ENTRY + b"\r\n"
    with Flood(lambda: iter([long])) as flood:
        where = place(flood.port, mode="clear", anchors=b"", pins=(), timeout=5.0)
        with FtpsRemote(Line(where), system_clock) as remote, pytest.raises(ListingTooLong):
            list(remote.files(""))


def test_a_huge_listing_is_taken_in_flat_memory() -> None:
    def many() -> Iterator[bytes]:
        for _, block in zip(range(MANY // 500), names(60), strict=False):
            yield block

    with Flood(many) as flood:
        where = place(flood.port, mode="clear", anchors=b"", pins=(), timeout=5.0)
        with FtpsRemote(Line(where), system_clock) as remote:
            tracemalloc.start()
            try:
                count = sum(1 for _ in remote.files(""))
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
    assert count == MANY
    assert peak < HELD_LISTING * 2 + FLAT
