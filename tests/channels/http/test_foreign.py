"""Foreign programs and long bodies against the server, and memory that stays flat."""

import asyncio
import http.client
import shutil
import subprocess
import sys
import textwrap

import pytest
from tests.support.http_peer import HOST, serving
from tests.support.tls_certs import make

from ecluse.channels.http import Listener, Response, server_context

curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def run_curl(*arguments, data=b""):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *arguments], input=data, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def echo():
    with serving() as server:
        yield server


@pytest.mark.peer("curl")
@curl
@pytest.mark.parametrize(
    "how",
    [
        (),
        ("-H", "Expect: 100-continue"),
        ("-H", "Transfer-Encoding: chunked"),
        ("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"),
        ("--http1.0",),
        ("-H", "Expect:"),
    ],
)
def test_curl_sends(echo, how):
    # curl 7.88 forgets the last chunk of an empty body that it asked for leave to send.
    for size in (4096, 3_000_000) if len(how) == 4 else (0, 4096, 3_000_000):
        out = run_curl("--data-binary", "@-", *how, echo.url("/in"), data=b"x" * size)
        assert out == b"POST /in %d" % size


@pytest.mark.peer("curl")
@curl
def test_curl_asks_again_on_one_connection(echo):
    assert run_curl(echo.url("/a"), echo.url("/b")) == b"GET /a 0GET /b 0"
    assert b"Content-Length: " in run_curl("-I", echo.url("/"))


@pytest.mark.peer("curl")
@curl
def test_curl_over_tls_with_a_client_certificate(tmp_path):
    ca = make("Aster Root", authority=True)
    server_id, partner = make("127.0.0.1", issuer=ca), make("birch.example")
    files = {"ca": ca.pem, "cert": partner.pem, "key": partner.key_pem}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    async def handler(request):
        size = len(await request.read(10_000_000))
        known = "known" if request.peer.certificate == partner.der else "unknown"
        return Response(200, body=f"{known} {size}".encode())

    context = server_context(
        server_id.pem, server_id.key_pem, client_ca=[partner.der], client_auth="required"
    )
    with serving(handler, listeners=[Listener(HOST, 0, context)]) as server:
        for version in ("--tls-max=1.2", "--tlsv1.3"):
            out = run_curl(
                *version.split("="),
                *("--cacert", str(tmp_path / "ca"), "--cert", str(tmp_path / "cert")),
                *("--key", str(tmp_path / "key"), "--data-binary", "@-"),
                f"https://{HOST}:{server.port}/",
                data=b"x" * 2_000_000,
            )
            assert out == b"known 2000000"


def test_the_client_of_the_standard_library(echo):
    connection = http.client.HTTPConnection(HOST, echo.port, timeout=5)
    for body in (b"hello", iter([b"hel", b"lo"])):
        connection.request("POST", "/x", body)
        assert connection.getresponse().read() == b"POST /x 5"
    connection.close()


# In a process of its own, so that the high-water mark of memory is this exchange's alone.
FLAT = textwrap.dedent(
    """
    import asyncio, resource, sys
    from ipaddress import ip_network
    from ecluse.channels.http import ClientLimits, Egress, Limits, Response, post
    from tests.support.http_peer import serving

    pause, chunked, size = float(sys.argv[1]), sys.argv[2] == "chunked", 64 << 20

    async def handler(request):
        got = 0
        async for chunk in request:
            got += len(chunk)
            if pause:
                await asyncio.sleep(pause)
        async def back():
            for _ in range(64):
                yield bytes(1 << 20)
        return Response(200, body=back() if request.path == "/back" else str(got).encode())

    def send(url, size):
        block = bytes(1 << 20)
        pieces = (block for _ in range(size >> 20))
        egress = Egress(None, (ip_network("127.0.0.0/8"),))
        return post(url, [], pieces, length=None if chunked else size, egress=egress)

    with serving(handler) as server:
        send(server.url(), 1 << 20)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert send(server.url(), size).body == str(size).encode()
        with server.dial() as raw:
            raw.send(b"GET /back HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
            got = 0
            while data := raw.sock.recv(65536):
                got += len(data)
            assert got > size
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
)


@pytest.mark.parametrize(("pause", "framing"), [("0", "length"), ("0", "chunked"), ("0.001", "length")])
def test_64_mib_in_flat_memory(pause, framing):
    done = subprocess.run(
        [sys.executable, "-c", FLAT, pause, framing], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) < 12 * 1024


def test_many_peers_at_once(echo):
    async def one(number):
        reader, writer = await asyncio.open_connection(HOST, echo.port)
        for turn in range(5):
            body = b"x" * (number * 100 + turn)
            writer.write(b"POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            expected = b"POST /n %d" % len(body)
            assert await reader.readexactly(len(expected)) == expected
        writer.close()

    async def all_of_them():
        await asyncio.gather(*(one(number) for number in range(80)))

    asyncio.run(all_of_them())
