"""What the server promises to well-behaved peers and to its handler."""

import asyncio
import time

import pytest
import structlog
from structlog.testing import capture_logs
from tests.support.http_peer import HOST, count, eventually, serving

from ecluse.channels.http import BodyTooLarge, Limits, Listener, Response, Server
from ecluse.channels.http.errors import ListenFailed, ServerStopped

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /in HTTP/1.1\r\nHost: a\r\n"


def ask(handler, request=GET + b"Connection: close\r\n\r\n", **options):
    with serving(handler, **options) as server, server.dial() as raw:
        return raw.send(request).to_end()


def test_the_request_arrives_as_sent():
    seen = []

    async def handler(request):
        seen.append(request)
        return await count(request)

    ask(handler, b'POST http://a.example/x%2Fy/../z?q=1?2 HTTP/1.0\r\nAS2-From: "A B"\r\nX: \xe9\r\n\r\n')
    (request,) = seen
    assert (request.method, request.path, request.query) == ("POST", "/x%2Fy/../z", "q=1?2")
    assert request.headers == (("as2-from", '"A B"'), ("x", "é"))
    assert request.header("as2-from") == '"A B"'
    assert request.header("none") is None
    assert request.content_length == 0
    assert request.peer.address == HOST
    assert request.peer.tls_version is None


def test_http_1_0_closes():
    answer = ask(count, b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"POST / 2")


def test_head_gets_the_headers_alone():
    async def handler(_request):
        return Response(200, [("Content-Type", "text/plain")], b"hello")

    answer = ask(handler, b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_204_has_no_length():
    async def handler(_request):
        return Response(204)

    assert b"ontent-" not in ask(handler)


def test_many_requests_on_one_connection():
    with serving() as server, server.dial() as raw:
        for number in range(20):
            raw.seen = b""
            raw.send(POST + b"Content-Length: %d\r\n\r\n" % number + b"x" * number)
            raw.until(b"POST /in %d" % number)
        assert server.server.connections == 1


def test_continue_is_sent_when_the_handler_reads():
    go = asyncio.Event()

    async def handler(request):
        await go.wait()
        return await count(request)

    with serving(handler) as server, server.dial(timeout=0.2) as raw:
        raw.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        with pytest.raises(TimeoutError):
            raw.until(b"HTTP")
        server.loop.call_soon_threadsafe(go.set)
        raw.sock.settimeout(60)
        assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(b"hello").until(b"POST /in 5")
        raw.send(GET + b"\r\n").until(b"GET / 0")


def test_no_continue_where_the_handler_refuses_or_the_body_is_there():
    async def refuse(_request):
        return Response(403)

    expecting = POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with serving(refuse) as server, server.dial() as raw:
        answer = raw.send(expecting).to_end()
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"Connection: close" in answer
    with serving() as server, server.dial() as raw:
        assert raw.send(expecting + b"hello").until(b"POST /in 5").startswith(b"HTTP/1.1 200 ")


def test_an_early_answer_reaches_a_peer_that_is_still_sending():
    async def refuse(_request):
        return Response(401, body=b"no")

    with serving(refuse) as server, server.dial() as raw:
        raw.send(POST + b"Content-Length: 3000000\r\n\r\n" + b"x" * 2_000_000)
        assert raw.to_end().endswith(b"no")


def test_an_exception_shows_nothing_to_the_peer_and_all_to_the_log():
    async def handler(_request):
        raise RuntimeError("the database password is hunter2")

    with capture_logs() as logs:
        answer = ask(handler)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"hunter2" not in answer
    assert b"Traceback" not in answer
    assert any(entry["event"] == "http.handler-failed" for entry in logs)


@pytest.mark.parametrize(
    "response",
    [
        Response(200, [("X", "a\r\nSet-Cookie: b")]),
        Response(200, [("X\n", "a")]),
        Response(200, [("Transfer-Encoding", "chunked")]),
        Response(200, [("Content-Length", "x")]),
        Response(100),
        Response(200, [("X", "€")]),
    ],
)
def test_a_response_that_cannot_be_sent_is_a_500(response):
    async def handler(_request):
        return response

    answer = ask(handler)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"Cookie" not in answer


def test_streamed_answers():
    async def handler(request):
        async def pieces():
            for piece in (b"ab", b"", b"c"):
                yield piece
                await asyncio.sleep(0)

        if request.path == "/sync":
            return Response(200, body=[b"ab", b"c"])
        if request.path == "/length":
            return Response(200, [("content-length", "3")], pieces())
        if request.path == "/long":
            return Response(200, [("content-length", "2")], pieces())
        return Response(200, body=pieces())

    with serving(handler) as server:
        with server.dial() as raw:
            raw.send(GET + b"\r\n").until(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
            assert b"Transfer-Encoding: chunked\r\n" in raw.seen
            raw.seen = b""
            raw.send(b"GET /sync HTTP/1.1\r\nHost: a\r\n\r\n").until(b"\r\n0\r\n\r\n")
            raw.seen = b""
            raw.send(b"GET /length HTTP/1.1\r\nHost: a\r\n\r\n").until(b"\r\n\r\nabc")
        with server.dial() as raw:
            assert raw.send(b"GET / HTTP/1.0\r\n\r\n").to_end().endswith(b"\r\n\r\nabc")
        with server.dial() as raw:
            assert b"abc" not in raw.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n").to_end()


def test_a_streamed_answer_that_fails_is_cut_and_not_ended():
    async def handler(_request):
        async def pieces():
            yield b"ab"
            raise RuntimeError("disk")

        return Response(200, body=pieces())

    answer = ask(handler)
    assert b"0\r\n\r\n" not in answer


def test_read_is_bounded():
    errors = []

    async def handler(request):
        try:
            return Response(200, body=await request.read(5))
        except BodyTooLarge as error:
            errors.append(error)
            raise

    with serving(handler) as server:
        with server.dial() as raw:
            raw.send(POST + b"Content-Length: 5\r\n\r\nhello").until(b"hello")
        with server.dial() as raw:
            answer = raw.send(POST + b"Content-Length: 6\r\n\r\nhello!").to_end()
            assert answer.startswith(b"HTTP/1.1 413 ")
        with server.dial() as raw:
            answer = raw.send(POST + b"Transfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n").to_end()
            assert answer.startswith(b"HTTP/1.1 413 ")
    assert len(errors) == 2


def test_a_handler_outlives_its_peer():
    done = []

    async def handler(request):
        await request.read(10)
        await asyncio.sleep(0.1)
        done.append(request)
        return Response(200)

    with serving(handler) as server, server.dial() as raw:
        raw.send(GET + b"\r\n")
        assert eventually(lambda: server.server.requests == 1)
        raw.close()
        assert eventually(lambda: len(done) == 1)


def test_a_handler_that_is_cancelled_cuts_its_connection():
    async def handler(_request):
        raise asyncio.CancelledError

    assert ask(handler) == b""


def test_stop_finishes_what_is_under_way_and_closes_what_is_idle():
    async def handler(request):
        await asyncio.sleep(0.2)
        return await count(request)

    with serving(handler) as server, server.dial() as busy, server.dial() as idle:
        busy.send(GET + b"\r\n")
        assert eventually(lambda: server.server.requests == 1)
        assert eventually(lambda: server.server.connections == 2)
        start = time.monotonic()
        server.call(server.server.stop(5))
        assert time.monotonic() - start < 25
        answer = busy.to_end()
        assert answer.endswith(b"GET / 0")
        assert b"Connection: close" in answer
        assert idle.to_end() == b""
        with pytest.raises(ConnectionRefusedError):
            server.dial()


def test_stop_does_not_wait_for_connections_that_came_with_it():
    for delay in (0, 0.001, 0.002, 0.005):
        with serving() as server:
            # While the loop is held, the kernel takes the connection: it and the stop are seen together.
            server.loop.call_soon_threadsafe(time.sleep, 0.2)
            server.dial().close()

            async def stop(server=server, delay=delay):
                await asyncio.sleep(delay)
                await server.server.stop(5)

            start = time.monotonic()
            server.call(stop())
            assert time.monotonic() - start < 25


def test_stop_gives_up_after_its_grace():
    ends = []

    async def handler(request):
        try:
            await request.read(100)
        except ServerStopped as error:
            ends.append(error.code)
            await asyncio.sleep(60)
        return Response(200)

    with serving(handler) as server, server.dial() as raw:
        raw.send(POST + b"Content-Length: 5\r\n\r\n")
        assert eventually(lambda: server.server.requests == 1)
        start = time.monotonic()
        server.call(server.server.stop(0.1))
        assert time.monotonic() - start < 25
    assert ends == ["http.server-stopped"]


def test_a_port_in_use_is_said_so():
    with serving() as server:
        taken = [Listener(HOST, 0), Listener(HOST, server.port)]
        second = Server(count, taken, Limits(), structlog.get_logger())
        with pytest.raises(ListenFailed, match="Can't listen"):
            server.call(second.start())


def test_the_loop_of_the_standard_library_serves_too():
    with serving(loop_factory=asyncio.new_event_loop) as server, server.dial() as raw:
        raw.send(POST + b"Content-Length: 5\r\n\r\nhello").until(b"POST /in 5")
        raw.send(b"bogus\r\n\r\n").to_end()
        assert eventually(lambda: server.server.connections == 0)


def test_the_tick_follows_the_shortest_limit():
    assert Limits().tick == 0.5
    assert Limits(head_time=0.2).tick == pytest.approx(0.05)
