"""The client against our server, the standard library's, and servers that misbehave on purpose."""

import http.server
import itertools
import socket
import threading
import time
from contextlib import contextmanager
from ipaddress import ip_network

import pytest
from tests.support.http_peer import HOST, Raw, eventually, serving
from tests.support.tls_certs import make

from ecluse.channels.http import (
    ClientLimits,
    Doubtful,
    Egress,
    EgressDenied,
    Interrupted,
    Limits,
    Pool,
    ReplyMalformed,
    ReplyTooLarge,
    RequestInvalid,
    Response,
    Unreachable,
    client_tls,
    post,
)
from ecluse.errors import Fault

LOOPBACK = Egress(None, (ip_network("127.0.0.0/8"),))
SHORT = ClientLimits(connect=1, stall=0.5, reply_time=0.5, continue_wait=0.2)


@contextmanager
def scripted(*scripts):
    """A server that plays one script (a function of the socket) for each connection, then closes it."""
    listening = socket.create_server((HOST, 0))
    listening.settimeout(1)
    errors = []

    def run():
        for script in scripts:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(60)
                try:
                    script(Raw(sock))
                except Exception as error:
                    errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{listening.getsockname()[1]}/in"
    finally:
        listening.close()
        thread.join(60)
    assert not errors


def says(answer, after=b"hello"):
    def script(raw):
        raw.until(after)
        raw.send(answer)

    return script


def send(url, body=b"hello", **options):
    return post(url, options.pop("headers", []), body, **{"egress": LOOPBACK, "limits": SHORT, **options})


def test_what_is_sent():
    seen = []

    def script(raw):
        seen.append(raw.until(b"hello"))
        raw.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    headers = [("AS2-From", '"Aster Co"'), ("AS2-To", "birch"), ("X-Long", "a" * 5000)]
    with scripted(script) as url:
        reply = send(url + "?a=b#c", headers=headers, basic=("user", "pässword"))
    authority = url.split("/")[2]
    assert (
        seen[0]
        == (
            f"POST /in?a=b HTTP/1.1\r\nHost: {authority}\r\n"
            f'AS2-From: "Aster Co"\r\nAS2-To: birch\r\nX-Long: {"a" * 5000}\r\n'
            "Authorization: Basic dXNlcjpww6Rzc3dvcmQ=\r\nContent-Length: 5\r\n\r\nhello"
        ).encode()
    )
    assert (reply.status, reply.reason, reply.body) == (200, "OK", b"ok")
    assert reply.header("content-length") == "2"


@pytest.mark.parametrize("body", [b"x" * 1000, b"x" * 3_000_000, b""])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("pieces", [None, 10, 100_000])
def test_bodies_of_all_kinds_arrive(echo, body, chunked, pieces):
    whole = body
    if pieces == 10:
        body = body[:5000]
    given = body if pieces is None else [body[at : at + pieces] for at in range(0, len(body), pieces)]
    length = len(body) if not chunked else None
    reply = send(echo.url(), given, length=length, chunked=chunked)
    assert reply.body == b"POST / %d" % len(body)
    assert len(whole) >= len(body)


@pytest.fixture(scope="module")
def echo():
    with serving() as server:
        yield server


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ftp://birch.example/", {}),
        ("http:///x", {}),
        ("birch.example", {}),
        ("http://user:pw@birch.example/", {}),
        ("http://birch.example/a b", {}),
        ("http://birch.example/\r\nX: y", {}),
        ("http://bïrch.example/", {}),
        ("http://birch.example:99999/", {}),
        ("http://[::1/", {}),
        ("", {}),
        ("https://birch.example/", {}),
        ("http://birch.example/", {"headers": [("X", "a\r\nY: b")]}),
        ("http://birch.example/", {"headers": [("X\r\nY", "b")]}),
        ("http://birch.example/", {"headers": [("X", "a\0")]}),
        ("http://birch.example/", {"headers": [("X", "a\n b")]}),
        ("http://birch.example/", {"headers": [("Content-Length", "3")]}),
        ("http://birch.example/", {"headers": [("transfer-encoding", "chunked")]}),
        ("http://birch.example/", {"basic": ("a:b", "c")}),
        ("http://birch.example/", {"length": 3}),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(url, options):
    with pytest.raises(RequestInvalid):
        send(url, **options)


def test_a_secret_does_not_show_in_the_error():
    with pytest.raises(RequestInvalid) as caught:
        send("http://birch.example/", headers=[("X-Api-Key", "hunter2\n")])
    assert "hunter2" not in repr(caught.value) + str(caught.value)


def test_nothing_listens():
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        send(f"http://{HOST}:{port}/")
    assert (caught.value.code, caught.value.fault) == ("http.unreachable", Fault.TRANSIENT)


def test_a_handshake_that_never_ends():
    tls = client_tls(pinned=[make("a").pem])
    with scripted(lambda raw: time.sleep(0.6)) as url, pytest.raises(Unreachable, match="timed out"):
        send(url.replace("http", "https"), tls=tls, limits=ClientLimits(connect=0.3))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
@pytest.mark.parametrize("wait", [0, 0.7])
def test_a_connection_lost_after_the_request_leaves_a_doubt(answer, wait):
    def script(raw):
        raw.until(b"hello")
        raw.send(answer)
        time.sleep(wait)

    with scripted(script) as url, pytest.raises(Doubtful) as caught:
        send(url)
    assert (caught.value.code, caught.value.fault) == ("http.doubtful", Fault.TRANSIENT)


def test_an_answer_that_drips_is_given_up():
    def script(raw):
        raw.until(b"hello")
        try:
            for byte in itertools.cycle(b"HTTP/1.1 200 OK\r\nX: "):
                raw.send(bytes([byte]))
                time.sleep(0.02)
        except OSError:
            pass

    start = time.monotonic()
    with scripted(script) as url, pytest.raises(Doubtful, match="time"):
        send(url)
    assert time.monotonic() - start < 25


def test_a_connection_lost_while_sending():
    def script(raw):
        raw.until(b"\r\n\r\n")

    with scripted(script) as url, pytest.raises(Interrupted):
        send(url, itertools.repeat(b"x" * 100_000, 1000), length=100_000_000)


def test_a_server_that_reads_nothing():
    with scripted(lambda raw: time.sleep(2)) as url, pytest.raises(Interrupted, match="time"):
        send(url, itertools.repeat(b"x" * 100_000, 1000), length=100_000_000)


def test_an_answer_before_the_end_of_the_request_is_taken():
    def script(raw):
        raw.until(b"\r\n\r\n")
        raw.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.3)

    with scripted(script, script) as url:
        pool = Pool()
        for body, length in ((itertools.repeat(b"x" * 100_000), 10**9), (b"x" * 10_000_000, 10_000_000)):
            assert send(url, body, length=length, pool=pool).status == 413


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"\x00" * 100 + b"\r\n\r\n",
    ],
)
def test_an_answer_that_is_not_http(answer):
    with scripted(says(answer)) as url, pytest.raises(ReplyMalformed):
        send(url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"9c40\r\n%b\r\n" % (b"x" * 40000) * 5,
    ],
)
def test_an_answer_that_is_too_large(answer):
    with scripted(says(answer)) as url, pytest.raises(ReplyTooLarge):
        send(url, limits=ClientLimits(reply_bytes=100_000))


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nokay", 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 202, b""),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\nT: v\r\n\r\n", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", 500, b""),
    ],
)
def test_answers_of_all_kinds(answer, status, body):
    with scripted(says(answer)) as url:
        reply = send(url)
    assert (reply.status, reply.body) == (status, body)


@pytest.mark.parametrize("behaviour", ["continue", "refuse", "silent"])
def test_expect_continue(behaviour):
    seen = []

    def script(raw):
        raw.until(b"\r\n\r\n")
        if behaviour == "continue":
            raw.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if behaviour == "refuse":
            raw.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            seen.append(raw.to_end())
        else:
            raw.until(b"hello")
            raw.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with scripted(script) as url:
        assert send(url, expect_continue=True).status == (403 if behaviour == "refuse" else 200)
    assert not any(b"hello" in each for each in seen)


def test_expect_continue_with_our_server(echo):
    assert send(echo.url(), expect_continue=True).body == b"POST / 5"


@pytest.mark.parametrize("pieces", [[b"abc"], [b"abcdefgh"], []])
def test_a_body_of_another_length_than_announced(echo, pieces):
    with pytest.raises(RequestInvalid) as caught:
        send(echo.url(), pieces, length=5)
    assert caught.value.fault is Fault.OURS


def test_a_body_that_fails_cuts_the_request(echo):
    def pieces():
        yield b"x"
        raise KeyError("blob")

    with pytest.raises(KeyError):
        send(echo.url(), pieces())
    assert eventually(lambda: echo.server.requests == 0)


def test_connections_are_reused():
    with serving() as server:
        pool = Pool()
        for number in range(5):
            assert send(server.url(f"/{number}"), pool=pool).body == b"POST /%d 5" % number
            assert eventually(lambda: server.server.connections == 1)
        with pytest.raises(EgressDenied):
            send(server.url(), pool=pool, egress=Egress(None))
        with pytest.raises(EgressDenied):
            send(server.url(), pool=pool, egress=Egress(frozenset({"birch.example"})))
        send(server.url(), pool=pool)
        pool.close()
        assert eventually(lambda: server.server.connections == 0)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used():
    with serving(limits=Limits(keep_alive=0.1)) as server:
        pool = Pool()
        for _ in range(3):
            assert send(server.url(), pool=pool).status == 200
            assert eventually(lambda: server.server.connections == 0)


def test_an_idle_connection_expires_and_the_pool_is_bounded():
    with serving() as first, serving() as second:
        pool = Pool(size=1)
        send(first.url(), pool=pool)
        send(second.url(), pool=pool)
        assert eventually(lambda: first.server.connections == 0)
        assert second.server.connections == 1
        send(second.url(), pool=pool, limits=ClientLimits(idle=0))
        assert eventually(lambda: second.server.connections == 1)


def dies_on_the_second(raw):
    says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(raw)
    raw.seen = b""
    raw.until(b"hello")


OK = says(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")


def test_a_reused_connection_that_dies_is_replaced_once_for_an_idempotent_request():
    for body in (b"hello", [b"hel", b"lo"]):
        with scripted(dies_on_the_second, OK) as url:
            pool = Pool()
            assert send(url, body, length=5, pool=pool).status == 200
            assert send(url, body, length=5, pool=pool, idempotent=True).status == 201


@pytest.mark.parametrize("case", ["not idempotent", "not repeatable", "answered"])
def test_a_reused_connection_that_dies_is_not_replaced(case):
    def answers_in_part(raw):
        dies_on_the_second(raw)
        raw.send(b"HTTP/1.1 2")

    first = answers_in_part if case == "answered" else dies_on_the_second
    body = iter([b"hello"]) if case == "not repeatable" else b"hello"
    with scripted(first, OK) as url:
        pool = Pool()
        send(url, pool=pool)
        with pytest.raises(Doubtful):
            send(url, body, length=5, pool=pool, idempotent=case != "not idempotent")


def test_a_pool_serves_threads():
    async def handler(request):
        return Response(200, body=await request.read(100))

    with serving(handler) as server:
        pool, wrong = Pool(), []

        def work(number):
            for turn in range(50):
                body = b"%d-%d" % (number, turn)
                if send(server.url(), body, pool=pool, idempotent=True).body != body:
                    wrong.append(body)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert wrong == []
        assert server.server.connections <= 6


def test_the_proxies_of_the_environment_are_ignored(monkeypatch, echo):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert send(echo.url()).status == 200


class _Foreign(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


def test_the_server_of_the_standard_library():
    server = http.server.ThreadingHTTPServer((HOST, 0), _Foreign)
    url = f"http://{HOST}:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        pool = Pool()
        for _ in range(3):
            reply = send(url, b"y" * 50_000, pool=pool, expect_continue=True)
            assert reply.body == b"y" * 50_000
        pool.close()
    finally:
        server.shutdown()
        server.server_close()
