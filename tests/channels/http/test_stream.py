"""Requests whose answers are read as they come: whole, in pieces, over kept connections, within bounds."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.errors import Doubtful, EgressDenied, ReplyTooLarge, RequestInvalid
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Pool
from ecluse.channels.http.stream import request

EGRESS = Egress(hosts=frozenset({"127.0.0.1"}), networks=PRIVATE_NETWORKS)
LIMITS = ClientLimits(connect=3, stall=3, reply_time=3, reply_bytes=1000)


class Peer:
    """Answers each request of a connection with the next of its replies; an empty one closes it."""

    def __init__(self, *replies: bytes) -> None:
        self._replies = list(replies)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/x"
        self.connections = 0
        self.heads: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.connections += 1
                with client, contextlib.suppress(OSError):
                    while data := client.recv(1 << 16):
                        self.heads.append(data)
                        reply = self._replies.pop(0) if self._replies else b""
                        if not reply:
                            break
                        client.sendall(reply)
                        if b"Connection: close" in reply[:100]:
                            break

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    made: list[Peer] = []
    yield made
    for each in made:
        each.close()


def serve(peers: list[Peer], *replies: bytes) -> Peer:
    peers.append(Peer(*replies))
    return peers[-1]


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: x\r\n\r\n" % len(body) + body


BIG = bytes(range(256)) * 20_000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (BIG[:7], BIG[7:100_000], BIG[100_000:])
)


@pytest.mark.parametrize(
    "answer",
    [ok(BIG), CHUNKED + b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BIG],
    ids=["length", "chunked", "to-the-end"],
)
def test_an_answer_of_any_length_is_read_in_pieces(peers: list[Peer], answer: bytes) -> None:
    peer = serve(peers, answer, b"")
    with request("GET", peer.url, egress=EGRESS, limits=LIMITS) as answered:
        assert answered.status == 200
        pieces = list(answered.chunks())
    assert b"".join(pieces) == BIG
    assert max(map(len, pieces)) <= 1 << 20


@pytest.mark.parametrize("answer", [ok(BIG)[:-1], CHUNKED], ids=["length", "chunked"])
def test_one_that_ends_too_early_is_never_taken_for_whole(peers: list[Peer], answer: bytes) -> None:
    peer = serve(peers, answer)
    limits = ClientLimits(stall=0.5, reply_time=0.5)
    with request("GET", peer.url, egress=EGRESS, limits=limits) as answered, pytest.raises(Doubtful):
        list(answered.chunks())


def test_what_is_read_whole_is_bounded(peers: list[Peer]) -> None:
    peer = serve(peers, ok(bytes(1001)))
    with request("GET", peer.url, egress=EGRESS, limits=LIMITS) as answered, pytest.raises(ReplyTooLarge):
        answered.read()


def test_a_connection_is_kept_only_once_all_was_read(peers: list[Peer]) -> None:
    pool = Pool()
    peer = serve(peers, ok(b"one"), ok(b"two"), ok(b"three"), ok(b"four"))
    for body in (b"one", b"two"):
        with request("GET", peer.url, egress=EGRESS, limits=LIMITS, pool=pool) as answered:
            assert answered.read() == body
    assert peer.connections == 1
    with request("GET", peer.url, egress=EGRESS, limits=LIMITS, pool=pool) as answered:
        assert answered.header("etag") == "x"
    with request("GET", peer.url, egress=EGRESS, limits=LIMITS, pool=pool) as answered:
        assert answered.read() == b"four"
    assert peer.connections == 2
    pool.close()


def test_a_kept_connection_that_died_is_tried_once_more(peers: list[Peer]) -> None:
    pool = Pool()
    peer = serve(peers, ok(b"one"), b"", ok(b"two"))
    with request("GET", peer.url, egress=EGRESS, limits=LIMITS, pool=pool) as answered:
        answered.read()
    with request("PUT", peer.url, [], b"body", egress=EGRESS, limits=LIMITS, pool=pool) as answered:
        assert answered.read() == b"two"
    assert peer.connections == 2
    pool.close()


def test_head_has_no_content_and_get_says_nothing_of_any(peers: list[Peer]) -> None:
    peer = serve(peers, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    with request("HEAD", peer.url, egress=EGRESS, limits=LIMITS) as answered:
        assert (answered.read(), answered.header("content-length")) == (b"", "99")
    assert peer.heads[0].startswith(b"HEAD /x HTTP/1.1\r\n")
    assert b"Content-Length" not in peer.heads[0]


def test_nothing_is_sent_where_it_may_not(peers: list[Peer]) -> None:
    peer = serve(peers, ok(b""))
    with pytest.raises(EgressDenied), request("GET", peer.url, egress=Egress()):
        pass
    with pytest.raises(RequestInvalid), request("GET", "ftp://127.0.0.1/", egress=EGRESS):
        pass
    assert peer.connections == 0
