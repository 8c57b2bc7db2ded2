"""Peers that are broken, slow or hostile, over raw sockets."""

import asyncio
import resource
import socket
import time

import pytest
from tests.support.http_peer import count, eventually, serving

from ecluse.channels.http import BodyTruncated, Limits, Response

POST = b"POST /in HTTP/1.1\r\nHost: a\r\n"
QUICK = Limits(
    head_time=0.3, keep_alive=0.3, body_idle=0.3, body_window=0.4, body_rate=1000, send_idle=0.4, linger=0.2
)


@pytest.fixture(scope="module")
def running():
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def quick():
    with serving(limits=QUICK) as server:
        yield server


def test_a_request_split_at_every_byte(running):
    whole = POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n"
    with running.dial() as raw:
        for byte in whole:
            raw.send(bytes([byte]))
            time.sleep(0.0005)
        assert raw.until(b"POST /in 8").startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("at", range(1, len(POST) + 28, 4))
def test_a_request_in_two_packets(running, at):
    whole = POST + b"Content-Length: 5\r\n\r\nhello"
    with running.dial() as raw:
        raw.send(whole[:at])
        time.sleep(0.002)
        raw.send(whole[at:]).until(b"POST /in 5")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", 400),
        (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
        (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (POST + b"Expect: a miracle\r\nContent-Length: 5\r\n\r\n", 417),
        (POST + b"Content-Length: 999999999999999\r\n\r\n", 413),
        (POST + b"A: b\r\n" * 200 + b"\r\n", 431),
        (POST + b"A: " + b"b" * 70000, 431),
        (b"POST / HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_closed(running, request_bytes, status):
    with running.dial() as raw:
        raw.send(request_bytes + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = raw.to_end()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer
    assert b"smuggled" not in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert b"server:" not in answer.lower()


def test_an_endless_head_costs_bounded_memory(running):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    block = b"X" * (1 << 20)
    sent = 0
    with running.dial() as raw:
        raw.send(POST + b"A: ")
        try:
            for _ in range(200):
                raw.send(block)
                sent += len(block)
        except OSError:
            pass
    assert sent < 64 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def test_an_endless_trailer_is_cut(running):
    with running.dial() as raw:
        try:
            raw.send(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
            for _ in range(1000):
                raw.send(b"A: b\r\n" * 100)
        except OSError:
            pass
        assert raw.to_end()[:12] in {b"HTTP/1.1 400", b""}


def test_a_head_held_open_is_answered_408(quick):
    with quick.dial() as raw:
        start = time.monotonic()
        raw.send(POST)
        assert raw.to_end().startswith(b"HTTP/1.1 408 ")
        assert 0.2 < time.monotonic() - start < 25


def test_a_head_that_drips_is_answered_408(quick):
    with quick.dial() as raw:
        try:
            for byte in POST * 100:
                raw.send(bytes([byte]))
                time.sleep(0.01)
        except OSError:
            pass
        assert raw.to_end()[:12] in {b"HTTP/1.1 408", b""}


def test_silence_is_closed_in_silence(quick):
    with quick.dial() as raw:
        assert raw.to_end() == b""
    with quick.dial() as raw:
        raw.send(POST + b"Content-Length: 0\r\n\r\n").until(b"POST /in 0")
        size = len(raw.seen)
        assert len(raw.to_end()) == size
    with quick.dial() as raw:
        try:
            while True:
                raw.send(b"\r\n")
                time.sleep(0.02)
        except OSError:
            pass
        assert raw.to_end() == b""


@pytest.mark.parametrize("first", [b"", b"hello"])
def test_a_body_that_stalls_is_answered_408(quick, first):
    with quick.dial() as raw:
        raw.send(POST + b"Content-Length: 10\r\n\r\n" + first)
        assert raw.to_end().startswith(b"HTTP/1.1 408 ")


def test_a_body_that_drips_is_answered_408(quick):
    with quick.dial() as raw:
        raw.send(POST + b"Content-Length: 100000\r\n\r\n" + b"x" * 5000)
        raw.sock.settimeout(0.02)
        start = time.monotonic()
        while time.monotonic() - start < 25:
            try:
                raw.send(b"x")
                raw.seen += raw.sock.recv(1000)
                break
            except TimeoutError:
                pass
            except OSError:
                break
        assert raw.seen.startswith(b"HTTP/1.1 408 ")


def test_a_slow_handler_is_not_the_peers_fault():
    async def handler(request):
        size = 0
        async for chunk in request:
            size += len(chunk)
            await asyncio.sleep(0.2)
        return Response(200, body=str(size).encode())

    with serving(handler, QUICK) as server, server.dial() as raw:
        raw.send(POST + b"Content-Length: 1500000\r\n\r\n" + b"x" * 1500000)
        assert raw.until(b"1500000").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 10\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\nff\r\nhello"]
)
@pytest.mark.parametrize("how", ["close", "shutdown", "reset"])
def test_a_body_that_stops_tells_the_handler(framing, how):
    seen = []

    async def handler(request):
        try:
            return await count(request)
        except BodyTruncated as error:
            seen.append(error)
            raise

    with serving(handler) as server, server.dial() as raw:
        raw.send(POST + framing)
        assert eventually(lambda: server.server.requests == 1)
        if how == "shutdown":
            raw.sock.shutdown(socket.SHUT_WR)
            raw.to_end()
        else:
            if how == "reset":
                raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raw.close()
        assert eventually(lambda: len(seen) == 1)
        assert eventually(lambda: server.server.connections == 0)
    assert seen[0].code == "http.body-truncated"


def test_a_peer_that_takes_no_answer_is_cut():
    async def handler(_request):
        async def endless():
            while True:
                yield b"x" * 65536

        return Response(200, body=endless())

    with serving(handler, QUICK) as server, server.dial() as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert eventually(lambda: server.server.connections == 1)
        assert eventually(lambda: server.server.connections == 0)
        assert eventually(lambda: server.server.requests == 0)


def test_pipelined_requests_are_answered_one_by_one_in_order():
    running_now, most = 0, 0

    async def handler(request):
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await asyncio.sleep(0.001)
        running_now -= 1
        return await count(request)

    requests = b"".join(
        b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" % number for number in range(50)
    )
    with serving(handler) as server, server.dial() as raw:
        raw.send(requests[:-3]).until(b"POST /48 5")
        raw.send(requests[-3:])
        raw.sock.shutdown(socket.SHUT_WR)
        answers = raw.to_end()
    found = [int(part.split(b" ")[0]) for part in answers.split(b"POST /")[1:]]
    assert found == list(range(50))
    assert most == 1


def test_a_flood_of_pipelined_requests_costs_bounded_memory():
    release = asyncio.Event()

    async def handler(request):
        await release.wait()
        return await count(request)

    with serving(handler) as server, server.dial(timeout=0.3) as raw:
        sent = 0
        try:
            while sent < 64 << 20:
                sent += raw.sock.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 4000)
        except TimeoutError:
            pass
        assert sent < 32 << 20
        assert server.server.requests == 1
        server.loop.call_soon_threadsafe(release.set)


def test_connections_beyond_the_limit_are_turned_away():
    limits = Limits(connections_per_address=3)
    with serving(limits=limits) as server:
        kept = [server.dial() for _ in range(3)]
        for raw in kept:
            raw.send(POST + b"Content-Length: 0\r\n\r\n").until(b"POST /in 0")
        with server.dial() as raw:
            assert raw.to_end().startswith(b"HTTP/1.1 503 ")
        kept.pop().close()
        assert eventually(lambda: server.server.connections == 2)
        with server.dial() as raw:
            raw.send(POST + b"Content-Length: 0\r\n\r\n").until(b"POST /in 0")
        for raw in kept:
            raw.close()
        assert eventually(lambda: server.server.connections == 0)


def test_requests_beyond_the_limit_are_answered_503():
    release = asyncio.Event()

    async def handler(request):
        await release.wait()
        return await count(request)

    with serving(handler, Limits(requests=1)) as server, server.dial() as first, server.dial() as second:
        first.send(POST + b"Content-Length: 0\r\n\r\n")
        assert eventually(lambda: server.server.requests == 1)
        answer = second.send(POST + b"Content-Length: 0\r\n\r\n").to_end()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After" in answer
        server.loop.call_soon_threadsafe(release.set)
        first.until(b"POST /in 0")


def test_a_chunked_body_beyond_the_limit_is_answered_413():
    with serving(limits=Limits(body_bytes=100_000)) as server, server.dial() as raw:
        raw.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(30):
                raw.send(b"2710\r\n" + b"x" * 10000 + b"\r\n")
        except OSError:
            pass
        assert raw.to_end().startswith(b"HTTP/1.1 413 ")
