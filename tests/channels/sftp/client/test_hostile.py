"""A server that is hostile or broken: bounded memory and time, and our errors only."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
import tracemalloc

import pytest
from tests.support.fake_sftp import FakeSsh, answer, ask, attributes, status, string, version
from tests.support.sftp_world import World

from ecluse.channels.sftp.client import source
from ecluse.channels.sftp.client.errors import ServerSilent
from ecluse.channels.sftp.client.source import EndlessListing, SftpSource
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.remote import FileGone, RemoteFile
from ecluse.model.states import DeliveryState
from ecluse.wire.sftp.answers import BrokenAnswer

INIT, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, OPENDIR, READDIR = 1, 3, 4, 5, 6, 7, 8, 11, 12
REMOVE, REALPATH, STAT, RENAME = 13, 16, 17, 18


def scripted(**answers):
    """A script that behaves, but for the requests whose answers a test gives: ``f(id, body)`` to octets."""

    async def script(reader, writer):
        await ask(reader)
        writer.write(answers.get("version", version)())
        while True:
            kind, id, body = await ask(reader)
            name = {v: k for k, v in globals().items() if isinstance(v, int) and k.isupper()}.get(kind, "")
            own = answers.get(name.lower())
            given = own(id, body) if own is not None else usual(kind, id)
            if given is None:
                continue
            for piece in [given] if isinstance(given, bytes) else given:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    return script


def usual(kind: int, id: int) -> bytes:
    if kind == REALPATH:
        return answer(104, id, (1).to_bytes(4, "big"), string(b"/"), string(b""), bytes(4))
    if kind in (OPEN, OPENDIR):
        return answer(102, id, string(b"h"))
    if kind == READDIR:
        return status(id, 1)
    if kind == FSTAT:
        return answer(105, id, attributes(4))
    if kind in (LSTAT, STAT):
        return status(id, 2)
    if kind == READ:
        return status(id, 1)
    return status(id, 0)


def names(id: int, *entries: bytes, size: int = 4, mode: int = 0o100644) -> bytes:
    each = b"".join(string(name) + string(b"") + attributes(size, mode) for name in entries)
    return answer(104, id, len(entries).to_bytes(4, "big"), each)


@pytest.fixture
def serve(tmp_path):
    opened = []

    def make(timeout: str = "2s", **answers):
        world = World(tmp_path / f"hub{len(opened)}")
        server = FakeSsh(script=scripted(**answers))
        opened.extend((world, server))
        server.__enter__()
        world.reach(server, f'timeout = "{timeout}"')
        world.source = SftpSource(world.hub, lambda: world.directory, world.secret, world.links)
        return world

    yield make
    for each in opened:
        each.__exit__(None, None, None)


def refused(world: World) -> str:
    message = world.send(("orders.edi", b"ordr"))
    world.run(1)
    delivery = world.delivery(message)
    assert delivery.state is not DeliveryState.CONFIRMED
    return delivery.reason_code


BROKEN = {
    "a huge packet": lambda id, body: b"\xff\xff\xff\xff",
    "an empty packet": lambda id, body: bytes(4),
    "an unknown kind": lambda id, body: answer(77, id),
    "another's answer": lambda id, body: status(id + 1, 0),
    "the version again": lambda id, body: version(),
    "a cut status": lambda id, body: answer(101, id, b"\0"),
    "an empty handle": lambda id, body: answer(102, id, string(b"")),
    "a huge handle": lambda id, body: answer(102, id, string(b"h" * 257)),
    "a handle longer than its packet": lambda id, body: answer(102, id, b"\x7f\xff\xff\xff"),
    "names without end": lambda id, body: answer(104, id, b"\xff\xff\xff\xff"),
    "data with a wrong length": lambda id, body: answer(103, id, b"\xff\xff\xff\xff"),
    "data": lambda id, body: answer(103, id, string(b"data")),
    "attributes": lambda id, body: answer(105, id, attributes(1)),
    "attributes with endless extensions": lambda id, body: answer(105, id, b"\x80\0\0\0\xff\xff\xff\xff"),
    "success without a handle": lambda id, body: status(id, 0),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_answer_is_told(serve, what):
    world = serve(open=BROKEN[what])
    assert refused(world) == "sftp.broken-answer"


@pytest.mark.parametrize("request_", ["realpath", "open", "write", "fstat", "close", "rename"])
def test_a_server_that_never_answers(serve, request_):
    world = serve(timeout="300ms", **{request_: lambda id, body: None})
    begun = time.monotonic()
    assert refused(world) == ("sftp.doubtful" if request_ == "rename" else "sftp.silent")
    assert time.monotonic() - begun < 25


def test_another_version(serve):
    assert refused(serve(version=lambda: answer(2, 6))) == "sftp.unsupported"
    assert refused(serve(version=lambda: status(3, 0))) == "sftp.broken-answer"


def test_words_of_the_server_are_made_harmless(serve):
    world = serve(open=lambda id, body: status(id, 4, b"\x1b[31mno\n\xff" + b"x" * 5000))
    message = world.send(("orders.edi", b"ordr"))
    world.run(1)
    reason = world.delivery(message).reason
    assert "\x1b" not in reason
    assert len(reason) < 600


@pytest.mark.parametrize(
    ("code", "text", "expected", "fault"),
    [
        (3, b"Permission denied", "sftp.no-permission", Fault.PARTNER),
        (4, b"No space left on device", "sftp.no-space", Fault.PARTNER),
        (4, b"Disk quota exceeded", "sftp.no-space", Fault.PARTNER),
        (14, b"", "sftp.no-space", Fault.PARTNER),
        (4, b"Failure", "sftp.refused", Fault.PARTNER),
        (8, b"", "sftp.unsupported", Fault.PARTNER),
    ],
)
@pytest.mark.parametrize("request_", ["open", "write", "close"])
def test_refusals_say_whose_fault_they_are(serve, request_, code, text, expected, fault):
    removed = []

    def remove(id, body):
        removed.append(body)
        return status(id, 0)

    world = serve(remove=remove, **{request_: lambda id, body: status(id, code, text)})
    assert refused(world) == expected
    assert any(b".orders.edi." in path for path in removed), "the temporary file is removed"


def test_a_size_that_is_not_what_was_sent(serve):
    assert refused(serve(fstat=lambda id, body: answer(105, id, attributes(3)))) == "sftp.size-differs"


# --- collecting -----------------------------------------------------------------------------------------------


def test_names_that_are_none(serve):
    bad = [b"a/b", b"../x", b"/etc/passwd", b"", b"..", b".", b"nul\0", b"\xff", b"new\nline", b"n" * 256]
    pages = iter([bad, [b"good.txt"]])
    world = serve(readdir=lambda id, body: names(id, *page) if (page := next(pages, None)) else status(id, 1))
    with world.source.open("birch") as remote:
        assert [file.path for file in remote.files("")] == ["good.txt"]
    [(_, facts)] = world.events("birch")
    assert facts["count"] == 8
    assert all(name.isprintable() for name in facts["names"])


@pytest.mark.parametrize("page", [0, 30, 500])
def test_a_listing_without_end(serve, monkeypatch, page):
    monkeypatch.setattr(source, "MAX_NAMES", 10 * page or 300)
    count = itertools.count()
    world = serve(readdir=lambda id, body: names(id, *(b"%d" % next(count) for _ in range(page))))
    tracemalloc.start()
    try:
        with world.source.open("birch") as remote, pytest.raises(EndlessListing):
            for _ in remote.files(""):
                pass
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_folders_within_themselves(serve):
    world = serve()
    left = {"n": 0}

    def readdir(id, body):
        left["n"] += 1
        return names(id, b"again", mode=0o040755) if left["n"] % 2 else status(id, 1)

    world = serve(readdir=readdir)
    with world.source.open("birch") as remote:
        assert list(remote.files("", recursive=True)) == []
    assert left["n"] < 100


FILE = RemoteFile("x.bin", 4, None)


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda id, body: answer(103, id, string(b"12345")), BrokenAnswer),
        (lambda id, body: answer(103, id, string(b"")), BrokenAnswer),
        (lambda id, body: answer(102, id, string(b"h")), BrokenAnswer),
        (lambda id, body: status(id, 1), FileGone),
        (lambda id, body: status(id, 4, b"Failure"), EcluseError),
        (lambda id, body: None, ServerSilent),
    ],
)
def test_reads_that_go_wrong(serve, read, error):
    world = serve(timeout="300ms", read=read, lstat=lambda id, body: answer(105, id, attributes(4)))
    with world.source.open("birch") as remote, pytest.raises(error):
        b"".join(remote.read(FILE))


def test_octets_one_by_one_are_a_file_too(serve):
    data = b"abcd"

    def read(id, body):
        at = int.from_bytes(body[5:13], "big")
        return answer(103, id, string(data[at : at + 1]))

    world = serve(read=read, lstat=lambda id, body: answer(105, id, attributes(4)))
    with world.source.open("birch") as remote:
        assert b"".join(remote.read(FILE)) == data


def test_a_size_that_is_a_lie_costs_no_memory(serve):
    world = serve(fstat=lambda id, body: answer(105, id, attributes(1 << 50)))
    tracemalloc.start()
    try:
        with world.source.open("birch") as remote, pytest.raises(FileGone):
            list(remote.read(RemoteFile("x.bin", 1 << 50, None)))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


# --- before SFTP ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-1.5-old\r\n",
        b"SSH-2.0-x\r\n" + b"\xff" * 5000,
        b"x" * 100_000,
        b"line\r\n" * 5000,
        b"SSH-2.0-\xff\xfe\r\n",
        b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14" + bytes(20),
    ],
)
@pytest.mark.parametrize("stays", [True, False])
def test_what_is_no_ssh_server(tmp_path, greeting, stays):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
                peer.sendall(greeting)
                if not stays:
                    peer.close()
                else:
                    kept.append(peer)
            except OSError:
                return

    kept = []
    threading.Thread(target=serve, daemon=True).start()
    with World(tmp_path / "hub") as world:
        port = listener.getsockname()[1]
        world.configure(
            f'host = "127.0.0.1:{port}"\nuser = "aster"\nkey = "ssh"\ntimeout = "400ms"\n'
            f'host_keys = ["SHA256:{"A" * 43}"]'
        )
        begun = time.monotonic()
        with pytest.raises(EcluseError) as caught:
            world.links.take(world.relation().key, world.relation().route)
        assert caught.value.code.startswith("sftp.")
        assert time.monotonic() - begun < 25
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for peer in kept:
        peer.close()
