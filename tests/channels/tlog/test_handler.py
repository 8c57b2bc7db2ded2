"""The log's listener over HTTP: what is served, what is refused, and that a failure cosigns nothing."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest
import structlog
from tests.support.http_peer import Running, serving
from tests.support.logs import FakeClock
from tests.support.witnesses import FakeLog, FakeWitness

from ecluse.channels.http.limits import Limits
from ecluse.channels.tlog.handler import LogHandler
from ecluse.channels.tlog.pages import Pages
from ecluse.store.port import StoreUnavailable
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.tiles import parse_bundle
from ecluse.wire.tlog.witness import MAX_REQUEST, AddCheckpoint

ORIGIN = "aster.example/log"


class Place:
    """A listener for Birch, who cosigns Aster's log and shows its own; entries as they are asked for."""

    def __init__(self, folder) -> None:
        clock = FakeClock()
        (folder / "own").mkdir()
        self.own = FakeLog("birch.example/log", folder / "own", clock)
        self.own.grow(300)
        self.aster = FakeLog(ORIGIN, folder, clock)
        self.aster.grow(5)
        self.witness = FakeWitness("birch.example/witness", clock)
        self.witness.logs = [self.aster.key]
        self.entries = self.tiles = True
        pages = Pages(self.own.store, lambda: self.entries)  # type: ignore[arg-type]
        self.handler = LogHandler(
            lambda: pages if self.tiles else None, lambda: self.witness.service, structlog.get_logger("tests")
        )

    def body(self) -> bytes:
        return AddCheckpoint(0, (), self.aster.store.heads[-1].note).encode()


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def served(place) -> Iterator[Running]:
    with serving(place.handler, Limits(body_bytes=MAX_REQUEST)) as running:
        yield running


def ask(served: Running, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: birch.example\r\nConnection: close\r\n{length}\r\n"
    with served.dial() as line:
        answer = line.send(head.encode() + body).to_end()
    top, _, content = answer.partition(b"\r\n\r\n")
    status, *fields = top.decode().split("\r\n")
    headers = dict(each.lower().split(": ", 1) for each in fields)
    return int(status.split()[1]), headers, content


def test_tiles_and_entries(place, served):
    nodes = place.own.store.tree
    status, headers, body = ask(served, "GET", "/tile/0/000")
    assert (status, body) == (200, b"".join(nodes[0, index] for index in range(256)))
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"] == "application/octet-stream"
    assert ask(served, "GET", "/tile/0/001.p/44")[2] == b"".join(nodes[0, index] for index in range(256, 300))
    assert ask(served, "GET", "/tile/1/000.p/1")[2] == nodes[8, 0]
    entries = parse_bundle(ask(served, "GET", "/tile/entries/001.p/44")[2])
    assert [merkle.leaf_hash(each) for each in entries] == [nodes[0, index] for index in range(256, 300)]
    status, headers, body = ask(served, "HEAD", "/checkpoint")
    assert (status, body) == (200, b"")
    assert headers["content-type"].startswith("text/plain")


def test_what_nobody_asked_to_be_served_is_not(place, served):
    place.entries = False
    assert ask(served, "GET", "/tile/entries/000")[0] == 404
    place.tiles = False
    assert ask(served, "GET", "/tile/0/000")[0] == 404
    assert ask(served, "GET", "/checkpoint")[0] == 404


def test_what_is_not_signed_for_is_not_shown(place, served):
    place.own.grow(10, sign=False)
    assert ask(served, "GET", "/tile/0/001.p/44")[0] == 200
    assert ask(served, "GET", "/tile/0/001.p/45")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/tile/0/0", 404),
        ("GET", "/tile/0/000?x=1", 200),
        ("GET", "/" + "0" * 64 + "/checkpoint", 404),
        ("GET", "/add-checkpoint", 404),
        ("POST", "/checkpoint", 404),
        ("PUT", "/add-checkpoint", 405),
        ("DELETE", "/tile/0/000", 405),
    ],
)
def test_other_requests(served, method, path, status):
    assert ask(served, method, path)[0] == status


def test_a_cosignature_and_where_it_is_shown(place, served):
    status, _, body = ask(served, "POST", "/add-checkpoint", place.body())
    assert (status, body.count(b"birch.example/witness")) == (200, 2)
    path = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    status, headers, shown = ask(served, "GET", path)
    assert (status, headers["cache-control"]) == (200, "no-cache")
    assert shown == place.aster.store.heads[-1].note + body
    status, headers, body = ask(served, "POST", "/add-checkpoint", place.body())
    assert (status, headers["content-type"], body) == (409, "text/x.tlog.size", b"5\n")
    assert ask(served, "POST", "/add-checkpoint", b"nonsense")[0] == 400
    assert ask(served, "POST", "/add-checkpoint", b"x" * (MAX_REQUEST + 1))[0] == 413


def test_nothing_is_cosigned_that_could_not_be_kept(place, served):
    """The head is written before anybody sees the cosignature: a database that is away says so."""
    write = place.witness.store.write

    def away(work):
        raise StoreUnavailable("The database is away.")

    place.witness.store.write = away
    status, _, body = ask(served, "POST", "/add-checkpoint", place.body())
    assert (status, b"birch.example" in body) == (503, False)
    place.witness.store.write = write
    assert ask(served, "POST", "/add-checkpoint", place.body())[0] == 200


def test_where_nothing_is_cosigned_nobody_is_answered(place, served):
    place.handler._witness = lambda: None
    assert ask(served, "POST", "/add-checkpoint", place.body())[0] == 404
