"""What a hardened endpoint does under attack: paths, names, floods, slow readers, and all that is not offered."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import sftp_raw as raw
from tests.support.sftp_raw import Raw, text
from tests.support.sftp_site import Site, serve

from ecluse.channels.sftp.server.operations import MAX_HANDLES
from ecluse.exchange.tree import NoSpace
from ecluse.trust.settings.listeners import Guard

NO_SUCH_FILE, DENIED, FAILURE, BAD_MESSAGE, UNSUPPORTED = 2, 3, 4, 5, 8
READ, NEW, FRESH = 1, 2 | 8 | 16, 2 | 8 | 32


def on_channel(site: Site, work: Callable[[Raw], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        async with site.connect() as connection:
            return await work(await Raw.open(connection))

    return asyncio.run(run())


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


# --- 1, 2, 3: paths, links, renames -------------------------------------------------------------------------------

OUTSIDE = [
    "../../etc/passwd",
    "/etc/passwd",
    "/inbound/../../../etc/passwd",
    "inbound/./../..//etc/passwd",
    "//etc//passwd",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_paths_lead_nowhere_real(site: Site, path: str) -> None:
    async def work(sftp: Raw) -> None:
        for kind in (raw.STAT, raw.LSTAT, raw.OPENDIR, raw.REMOVE, raw.RMDIR):
            reply, code, _ = await sftp.ask(kind, text(path))
            assert (reply, code) == (raw.STATUS, NO_SUCH_FILE), kind
        reply, code, _ = await sftp.ask(raw.OPEN, text(path), struct.pack(">II", READ, 0))
        assert code == NO_SUCH_FILE
        reply, code, _ = await sftp.ask(raw.OPEN, text(path), struct.pack(">II", NEW, 0))
        assert code in (NO_SUCH_FILE, DENIED)
        for pair in ((path, "/inbound/x"), ("/inbound/x", path)):
            reply, code, _ = await sftp.ask(raw.RENAME, text(pair[0]), text(pair[1]))
            assert code in (NO_SUCH_FILE, DENIED)
        _, _, content = await sftp.ask(raw.REALPATH, text(path))
        assert b".." not in content

    on_channel(site, work)
    assert not site.box.files


def test_links_are_refused(site: Site) -> None:
    async def work(sftp: Raw) -> None:
        for kind, parts in (
            (raw.SYMLINK, (text("/etc/passwd"), text("/inbound/x"))),
            (raw.READLINK, (text("/inbound"),)),
            (raw.EXTENDED, (text("hardlink@openssh.com"), text("/inbound/a"), text("/inbound/b"))),
        ):
            assert (await sftp.ask(kind, *parts))[1] == UNSUPPORTED

    on_channel(site, work)


def test_rename_does_not_replace_unless_agreed(site: Site) -> None:
    async def work(sftp: Raw) -> list[int]:
        for name in ("/inbound/a", "/inbound/b.part"):
            handle = await sftp.handle(name, NEW)
            await sftp.ask(raw.WRITE, handle, struct.pack(">Q", 0), text(name))
            await sftp.ask(raw.CLOSE, handle)
        codes = [(await sftp.ask(raw.RENAME, text("/inbound/b.part"), text("/inbound/a")))[1]]
        posix = (text("posix-rename@openssh.com"), text("/inbound/b.part"), text("/inbound/a"))
        codes.append((await sftp.ask(raw.EXTENDED, *posix))[1])
        return codes

    assert on_channel(site, work) == [FAILURE, FAILURE]
    assert site.box.documents == [("/inbound/a", b"/inbound/a")]
    site.accounts["birch"] += "\nreplace = true"
    site.configure()
    site.box.files.clear()
    assert on_channel(site, work)[1] == 0
    assert site.box.documents[-1] == ("/inbound/a", b"/inbound/b.part")


# --- 4, 5: full, and half uploads ---------------------------------------------------------------------------------


def test_quota_is_told_and_nothing_becomes_a_message(site: Site) -> None:
    site.accounts["birch"] += '\nquota = "1 KiB"'
    site.configure()

    async def work(sftp: Raw) -> tuple[bytes, int]:
        handle = await sftp.handle("/inbound/a", NEW)
        _, code, content = await sftp.ask(raw.WRITE, handle, struct.pack(">Q", 0), text(bytes(40_000)))
        assert code == FAILURE
        return content, code

    content, _ = on_channel(site, work)
    assert b"full" in content
    assert not site.box.documents


def test_quota_of_a_small_file_is_told_at_once(site: Site) -> None:
    site.accounts["birch"] += '\nquota = "1 KiB"'
    site.configure()

    async def work(sftp: Raw) -> tuple[int, bytes]:
        handle = await sftp.handle("/inbound/a", NEW)
        _, code, content = await sftp.ask(raw.WRITE, handle, struct.pack(">Q", 0), text(bytes(4096)))
        return code, content

    code, content = on_channel(site, work)
    assert code == FAILURE
    assert b"full" in content
    assert not site.box.files
    assert not site.box.documents


def test_failure_at_the_close_is_told(site: Site) -> None:
    site.box.fault = NoSpace("The disk is full.")

    async def work(sftp: Raw) -> int:
        handle = await sftp.handle("/inbound/a", NEW)
        await sftp.ask(raw.WRITE, handle, struct.pack(">Q", 0), text(b"abc"))
        return (await sftp.ask(raw.CLOSE, handle))[1]

    assert on_channel(site, work) == FAILURE
    assert not site.box.documents


@pytest.mark.parametrize("way", ["channel", "connection"])
def test_half_upload_is_kept_aside(site: Site, way: str) -> None:
    async def run() -> None:
        connection = await site.connect()
        sftp = await Raw.open(connection)
        handle = await sftp.handle("/inbound/a", NEW)
        await sftp.ask(raw.WRITE, handle, struct.pack(">Q", 0), text(b"half"))
        if way == "channel":
            sftp.writer.close()
            await asyncio.sleep(0.3)
        connection.abort()

    asyncio.run(run())
    until = time.monotonic() + 60
    while not site.box.suspended and time.monotonic() < until:
        time.sleep(0.02)
    assert site.box.suspended == ["/inbound/a"]
    assert not site.box.documents


# --- 6: slow clients ----------------------------------------------------------------------------------------------


def test_login_has_to_be_quick(tmp_path: Path) -> None:
    with serve(tmp_path / "site", guard=Guard(login_time="1s")) as site:
        with site.raw() as line:
            line.settimeout(60)
            began = time.monotonic()
            line.sendall(b"SSH-2.0-slow\r\n")
            while line.recv(4096):
                pass
            assert time.monotonic() - began < 25
        assert site.gate.connections == 0


def test_silence_ends_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecluse.channels.sftp.server.connection.CHECK_EVERY", 0.1)
    with serve(tmp_path / "site", guard=Guard(idle_time="1s")) as site:

        async def run() -> None:
            async with site.connect() as connection:
                await Raw.open(connection)
                await asyncio.wait_for(connection.wait_closed(), 60)

        asyncio.run(run())


def test_request_that_never_ends_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecluse.channels.sftp.server.connection.CHECK_EVERY", 0.1)
    monkeypatch.setattr("ecluse.channels.sftp.server.connection.STALL", 1.0)
    with serve(tmp_path / "site") as site:

        async def run() -> None:
            async with site.connect() as connection:
                sftp = await Raw.open(connection)
                sftp.writer.write(struct.pack(">IB", 1000, raw.WRITE) + b"12")
                await asyncio.wait_for(connection.wait_closed(), 60)

        asyncio.run(run())


# --- 11: floods ---------------------------------------------------------------------------------------------------


def test_unread_replies_do_not_pile_up(site: Site) -> None:
    """14 KB of requests would ask for 128 MB; the client has an endless window, and does not read its socket."""
    site.box.offer("big", bytes(8 << 20))

    async def run() -> int:
        connection = await site.connect()
        writer, _, _ = await connection.open_session(subsystem="sftp", encoding=None, window=2**31)
        sftp = Raw(writer, None)  # type: ignore[arg-type]
        sftp.writer.write(struct.pack(">IBI", 5, 1, 3))
        sftp.send(raw.OPEN, text("/outbound/big"), struct.pack(">II", READ, 0))
        await asyncio.sleep(0.5)
        before = resident()
        connection._transport.pause_reading()  # type: ignore[union-attr]
        for number in range(512):
            sftp.send(raw.READ, text(bytes(8)), struct.pack(">QI", number * 1000, 255 * 1024))
        await asyncio.sleep(1.5)
        grown = resident() - before
        connection.abort()
        return grown

    assert asyncio.run(run()) < 40 << 20


def test_unread_answers_of_ssh_do_not_pile_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Global requests are answered by the connection itself: it stops to read where nobody reads its answers."""

    monkeypatch.setattr("ecluse.channels.sftp.server.connection.UNREAD", 64 << 10)

    async def run() -> int:
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", site.port))
        connection = await site.connect(sock=line)
        connection._transport.pause_reading()  # type: ignore[union-attr]
        connection._transport.set_write_buffer_limits(high=1 << 16)  # type: ignore[union-attr]
        for _ in range(25):
            for _ in range(1000):
                connection.send_packet(80, text("keepalive@openssh.com"), b"\1")
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.5)
        server = next(iter(site.server._shared.connections))
        unread = server._transport.get_write_buffer_size()  # type: ignore[union-attr]
        connection.abort()
        return int(unread)

    assert asyncio.run(run()) < 256 << 10


def test_handles_are_few(site: Site) -> None:
    async def work(sftp: Raw) -> list[int]:
        return [(await sftp.ask(raw.OPENDIR, text("/")))[1] for _ in range(MAX_HANDLES + 5)]

    codes = on_channel(site, work)
    assert codes.count(-1) == MAX_HANDLES
    assert codes[-1] == FAILURE


def test_channels_are_few(site: Site) -> None:
    async def run() -> int:
        async with site.connect() as connection:
            opened = 0
            for _ in range(20):
                try:
                    await Raw.open(connection)
                    opened += 1
                except asyncssh.ChannelOpenError:
                    pass
            return opened

    assert asyncio.run(run()) == 10


def test_connections_and_sessions_are_few(tmp_path: Path) -> None:
    with serve(tmp_path / "site", guard=Guard(connections_per_address=3, sessions_per_partner=2)) as site:

        async def run() -> None:
            held = [await site.connect() for _ in range(2)]
            with pytest.raises((asyncssh.Error, OSError)):
                await site.connect()
            lines = [site.raw() for _ in range(3)]
            for line in lines:
                line.settimeout(60)
            assert [bool(line.recv(1)) for line in lines].count(True) <= 1
            for line in lines:
                line.close()
            for each in held:
                each.close()
                await each.wait_closed()
            await asyncio.sleep(0.3)
            async with site.connect():
                pass

        asyncio.run(run())


# --- 12, 13: listings and names -----------------------------------------------------------------------------------


def test_listing_of_many_names_is_paged(site: Site) -> None:
    for number in range(3000):
        site.box.offer(f"document-{number:05}.edi", b"")

    async def work(sftp: Raw) -> tuple[int, int]:
        _, _, handle = await sftp.ask(raw.OPENDIR, text("/outbound"))
        names, largest = 0, 0
        while True:
            kind, _, content = await sftp.ask(raw.READDIR, handle)
            if kind == raw.STATUS:
                return names, largest
            names += struct.unpack(">I", content[:4])[0]
            largest = max(largest, len(content))

    names, largest = on_channel(site, work)
    assert names == 3000
    assert largest < 128 * 1024


BAD = [
    "a\0b", "a\nb", "a" * 300, "nul", "CON.txt", "a.", "a ", " a", "a\u202eb", "a\\b", "x" * 5000,
    "a\x7f", "a\x1b[31m", b"\xff\xfe",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_names_are_refused(site: Site, name: str | bytes) -> None:
    path = b"/inbound/" + name if isinstance(name, bytes) else f"/inbound/{name}"

    async def work(sftp: Raw) -> None:
        assert (await sftp.ask(raw.OPEN, text(path), struct.pack(">II", NEW, 0)))[1] == FAILURE
        assert (await sftp.ask(raw.STAT, text(path)))[1] == NO_SUCH_FILE

    on_channel(site, work)
    assert not site.box.files


def test_both_normal_forms_are_one_name(site: Site) -> None:
    async def work(sftp: Raw) -> None:
        handle = await sftp.handle("/inbound/cafe\u0301", NEW)
        await sftp.ask(raw.CLOSE, handle)
        assert (await sftp.ask(raw.STAT, text("/inbound/caf\u00e9")))[0] == raw.ATTRS

    on_channel(site, work)


# --- 14: nothing else is offered ----------------------------------------------------------------------------------


def test_environment_terminal_and_agent_are_refused(site: Site) -> None:
    async def run() -> list[bool]:
        async with site.connect() as connection:
            channel, _ = await connection.create_session(
                asyncssh.SSHClientSession, subsystem="sftp", encoding=None
            )
            return [
                bool(await channel._make_request(request, *parts))
                for request, parts in (
                    (b"env", (text("A"), text("b"))),
                    (b"pty-req", (text("xterm"), bytes(16), text(b""))),
                    (b"auth-agent-req@openssh.com", ()),
                    (b"x11-req", (b"\0", text("m"), text("00"), bytes(4))),
                    (b"subsystem", (text("sftp"),)),
                )
            ]

    assert asyncio.run(run()) == [False] * 5


def test_compression_is_not_offered(site: Site) -> None:
    async def run() -> None:
        with pytest.raises(asyncssh.Error):
            await site.connect(compression_algs=["zlib@openssh.com"])

    asyncio.run(run())


# --- garbage ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serve(tmp_path_factory.mktemp("fuzz") / "site") as site:
        site.box.offer("doc", b"content")
        yield site


@given(packets=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=30))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_requests_are_all_answered(shared: Site, packets: list[tuple[int, bytes]]) -> None:
    async def work(sftp: Raw) -> None:
        for kind, content in packets:
            sftp.send(kind, content)
        last = sftp.send(raw.REALPATH, text("."))
        for _ in range(len(packets) + 1):
            _, content = await sftp.packet()
        assert content[:4] == struct.pack(">I", last)

    on_channel(shared, work)


@given(stream=st.binary(min_size=5, max_size=2000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_streams_end_the_channel(shared: Site, stream: bytes) -> None:
    async def run() -> None:
        async with shared.connect() as connection:
            sftp = await Raw.open(connection, init=False)
            sftp.writer.write(b"\x7f" + stream)
            assert await sftp.closed()
            again = await Raw.open(connection)
            assert (await again.ask(raw.STAT, text("/")))[0] == raw.ATTRS

    asyncio.run(run())


def test_garbage_before_ssh(site: Site) -> None:
    for data in (
        b"\0" * 5000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-1.5-old\r\n",
        b"SSH-2.0-x\r\n" + os.urandom(4000),
        b"A" * 100_000,
    ):
        with site.raw() as line:
            line.settimeout(1)
            try:
                line.sendall(data)
                while line.recv(4096):
                    pass
            except (ConnectionError, TimeoutError):
                pass
    site.sftp("pwd\n")


def test_slow_transfer_that_moves_is_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes little at a time, with a small window, is above the minimum rate all the same."""
    monkeypatch.setattr("ecluse.channels.sftp.server.connection.CHECK_EVERY", 0.1)
    monkeypatch.setattr("ecluse.channels.sftp.server.connection.STALL", 0.5)
    with serve(tmp_path / "site", guard=Guard(minimum_rate="20 KiB")) as site:
        site.box.offer("big", bytes(1 << 20))

        async def run() -> int:
            async with site.connect() as connection:
                writer, reader, _ = await connection.open_session(
                    subsystem="sftp", encoding=None, window=64 << 10, max_pktsize=16 << 10
                )
                sftp = Raw(writer, reader)
                sftp.writer.write(struct.pack(">IBI", 5, 1, 3))
                await sftp.packet()
                handle = await sftp.handle("/outbound/big", READ)
                for number in range(4):
                    sftp.send(raw.READ, handle, struct.pack(">QI", number * 250_000, 250_000))
                taken = 0
                while taken < 800_000:
                    taken += len(await asyncio.wait_for(reader.read(16 << 10), 5))
                    await asyncio.sleep(0.04)
                return taken

        assert asyncio.run(run()) >= 800_000
