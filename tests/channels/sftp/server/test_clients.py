"""Habits of WinSCP, FileZilla and other programs, replayed; asyncssh's own client; many files at once."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from pathlib import Path
from types import FunctionType

import asyncssh
import pytest
from tests.support import sftp_raw as raw
from tests.support.sftp_raw import Raw, text
from tests.support.sftp_site import Site, serve
from tests.support.trees import MemoryTree

from ecluse.channels.sftp import hotpath
from ecluse.channels.sftp.server import windows
from ecluse.store.port import StoreUnavailable


def test_winscp_uploads_under_filepart_and_renames(site: Site) -> None:
    data = os.urandom(700_000)

    async def run() -> None:
        async with site.connect() as connection, connection.start_sftp_client() as sftp:
            await sftp.realpath(".")
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await sftp.stat("/inbound/order.xml.filepart")
            async with sftp.open("/inbound/order.xml.filepart", "wb") as file:
                await file.write(data[:400_000])
                await file.utime((1_700_000_000, 1_700_000_000))
            assert (await sftp.stat("/inbound/order.xml.filepart")).size == 400_000
            assert not site.box.documents

    asyncio.run(run())
    assert not site.box.documents


def test_winscp_goes_on_after_a_cut(site: Site) -> None:
    data = os.urandom(700_000)

    async def run() -> None:
        connection = await site.connect()
        sftp = await connection.start_sftp_client()
        file = await sftp.open("/inbound/order.xml.filepart", "wb")
        await file.write(data[:300_000])
        connection.abort()
        while not site.box.suspended:
            await asyncio.sleep(0.02)
        async with site.connect() as again, again.start_sftp_client() as sftp:
            size = (await sftp.stat("/inbound/order.xml.filepart")).size
            assert size == 300_000
            flags = asyncssh.FXF_WRITE
            async with sftp.open("/inbound/order.xml.filepart", flags, encoding=None) as file:
                await file.write(data[size:], size)
            await sftp.setstat(
                "/inbound/order.xml.filepart", asyncssh.SFTPAttrs(permissions=0o644, atime=5, mtime=5)
            )
            await sftp.rename("/inbound/order.xml.filepart", "/inbound/order.xml")

    asyncio.run(run())
    assert site.box.documents == [("/inbound/order.xml", data)]


def test_filezilla_appends_to_resume(site: Site) -> None:
    data = os.urandom(300_000)

    async def run() -> None:
        connection = await site.connect()
        sftp = await connection.start_sftp_client()
        file = await sftp.open("/inbound/a", "wb")
        await file.write(data[:100_000])
        connection.abort()
        while not site.box.suspended:
            await asyncio.sleep(0.02)
        async with site.connect() as again, again.start_sftp_client() as sftp:
            file = await sftp.open(
                "/inbound/a", asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_APPEND, encoding=None
            )
            await file.write(data[100_000:])
            await file.close()
            await sftp.utime("/inbound/a", (1_700_000_000, 1_700_000_000))
            await sftp.chmod("/inbound/a", 0o644)

    asyncio.run(run())
    assert site.box.documents == [("/inbound/a", data)]


@pytest.mark.parametrize(
    ("writes", "measured", "becomes"),
    [
        ([], None, b"old"),
        ([(0, b"ne")], None, b"refused"),
        ([(0, b"ne")], 2, b"ne"),
        ([(0, b"ne")], 1, b"refused"),
        ([(0, b"new")], None, b"new"),
        ([(0, b"longer than old")], None, b"longer than old"),
        ([(3, b"end")], None, b"refused"),
        ([], 3, b"old"),
        ([], 1, b"old, and told"),
        ([], 0, b""),
    ],
)
def test_a_document_that_is_opened_in_place(
    tmp_path: Path, writes: list[tuple[int, bytes]], measured: int | None, becomes: bytes
) -> None:
    """It is replaced by all of another, or it stays: nobody's mixture becomes a document."""

    async def run(site: Site) -> None:
        async with site.connect() as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("/inbound/a", "wb") as file:
                await file.write(b"old")
            file = await sftp.open("/inbound/a", asyncssh.FXF_WRITE | asyncssh.FXF_CREAT, encoding=None)
            told = 0
            try:
                for offset, data in writes:
                    await file.write(data, offset)
                if measured is not None:
                    await file.setstat(asyncssh.SFTPAttrs(size=measured))
            except asyncssh.SFTPError:
                told += 1
            try:
                await file.close()
            except asyncssh.SFTPError:
                told += 1
            assert bool(told) is (becomes in (b"refused", b"old, and told"))

    with serve(tmp_path, account="replace = true") as site:
        asyncio.run(run(site))
        new = [("/inbound/a", becomes)] if not becomes.startswith((b"old", b"refused")) else []
        assert site.box.documents == [("/inbound/a", b"old"), *new]


def test_a_time_that_can_t_be_kept_fails_no_upload(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document is kept by then: who is told of a failure sends it again."""

    def away(*_: object) -> None:
        raise StoreUnavailable("The database is away.")

    async def run() -> None:
        async with (
            site.connect() as connection,
            connection.start_sftp_client() as sftp,
            sftp.open("/inbound/a", "wb") as file,
        ):
            await file.write(b"order")
            await file.utime((1_700_000_000, 1_700_000_000))
            monkeypatch.setattr(MemoryTree, "set_modified", away)

    asyncio.run(run())
    assert site.box.documents == [("/inbound/a", b"order")]


def test_extensions_that_clients_look_for(site: Site) -> None:
    async def run() -> None:
        async with site.connect() as connection, connection.start_sftp_client() as sftp:
            assert sftp.version == 3
            assert sftp.limits.max_write_len == 261_120
            async with sftp.open("/inbound/t.tmp", "wb") as file:
                await file.write(b"x")
                await file.fsync()
            await sftp.posix_rename("/inbound/t.tmp", "/inbound/t")
            space = await sftp.statvfs("/")
            assert space.bsize * space.blocks == 50 << 30
            attrs = await sftp.stat("/inbound")
            assert attrs.permissions == 0o040700
            with pytest.raises(asyncssh.SFTPOpUnsupported):
                await sftp.truncate("/inbound/t", 0)
            with pytest.raises(asyncssh.SFTPOpUnsupported):
                await sftp.link("/inbound/t", "/inbound/u")

    asyncio.run(run())
    assert site.box.documents == [("/inbound/t", b"x")]


def test_many_files_at_once_over_one_connection(site: Site) -> None:
    async def run() -> None:
        async with site.connect() as connection, connection.start_sftp_client() as sftp:

            async def put(number: int) -> None:
                async with sftp.open(f"/inbound/f{number}", "wb") as file:
                    await file.write(b"%d" % number * 100)

            await asyncio.gather(*(put(number) for number in range(50)))

    asyncio.run(run())
    assert dict(site.box.documents) == {f"/inbound/f{n}": b"%d" % n * 100 for n in range(50)}


def test_pipelined_close_and_rename_keep_their_order(site: Site) -> None:
    async def run() -> None:
        async with site.connect() as connection:
            sftp = await Raw.open(connection)
            for number in range(20):
                handle = await sftp.handle(f"/inbound/{number}.part", 2 | 8 | 16)
                sftp.send(raw.WRITE, handle, struct.pack(">Q", 0), text(b"abc"))
                sftp.send(raw.CLOSE, handle)
                last = sftp.send(raw.RENAME, text(f"/inbound/{number}.part"), text(f"/inbound/{number}"))
                codes = {}
                while last not in codes:
                    kind, content = await sftp.packet()
                    codes[struct.unpack(">I", content[:4])[0]] = content[4:8]
                assert kind == raw.STATUS
                assert set(codes.values()) == {bytes(4)}

    asyncio.run(run())
    assert len(site.box.documents) == 20


def test_download_from_any_offset(site: Site) -> None:
    data = os.urandom(600_000)
    site.box.offer("doc", data)

    async def run() -> None:
        async with (
            site.connect() as connection,
            connection.start_sftp_client() as sftp,
            sftp.open("/outbound/doc", "rb") as file,
        ):
            assert await file.read(1000, 599_500) == data[599_500:]
            assert await file.read(10, 700_000) == b""
            assert await file.read(300_000, 5) == data[5:300_005]

    asyncio.run(run())


def test_nothing_is_picked_up_that_was_not_read(site: Site) -> None:
    site.box.offer("doc", bytes(600_000))

    async def run() -> None:
        async with site.connect() as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("/outbound/doc", "rb") as file:
                await file.read(1000, 0)
            connection.abort()

    asyncio.run(run())
    time.sleep(0.1)
    assert site.box.picked_up == []


def test_rate_of_a_partner(site: Site) -> None:
    site.accounts["birch"] += '\nrate = "500 KiB"'
    site.configure()

    async def run() -> None:
        async with (
            site.connect() as connection,
            connection.start_sftp_client() as sftp,
            sftp.open("/inbound/a", "wb") as file,
        ):
            await file.write(bytes(1_000_000))

    began = time.monotonic()
    asyncio.run(run())
    assert 0.7 < time.monotonic() - began < 25


def test_stock_packets_do_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in for the hot path under another version of asyncssh."""
    from ecluse.channels.sftp.server import channel, connection

    for fast in (hotpath.FastPackets, hotpath.FastChannel):
        for name in [
            name for name, member in vars(fast).items() if isinstance(member, FunctionType | property)
        ]:
            monkeypatch.delattr(fast, name)
    assert issubclass(connection.Connection, hotpath.PlainPackets)
    assert issubclass(channel.SftpChannel, hotpath.PlainChannel)
    data = os.urandom(3_000_000)
    with serve(tmp_path / "site") as site:
        (site.folder / "a").write_bytes(data)
        site.sftp("put a inbound/a\nget inbound/a b\n", "-c", "aes256-gcm@openssh.com")
        assert (site.folder / "b").read_bytes() == data


def test_changed_packet_ends_the_connection(site: Site) -> None:
    async def run() -> None:
        async with site.connect(encryption_algs=["aes256-gcm@openssh.com"]) as connection:
            sftp = await Raw.open(connection)
            write = connection._transport.write  # type: ignore[union-attr]
            connection._send = lambda data: write(bytes(data[:-1]) + bytes([data[-1] ^ 1]))
            sftp.send(raw.STAT, text("/"))
            await asyncio.wait_for(connection.wait_closed(), 60)

    asyncio.run(run())
    site.sftp("pwd\n")


def test_windows_by_the_round_trip() -> None:
    budget = windows.Windows()
    assert budget.give(None) == budget.give(0.0001) == windows.USUAL
    assert budget.give(0.05) == 30_000_000
    assert budget.give(10) == windows.LARGEST
    while (given := budget.give(10)) == windows.LARGEST:
        pass
    assert given == windows.SMALLEST
    for _ in range(40):
        budget.take_back(windows.LARGEST)
    assert budget.give(10) == windows.LARGEST


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 32 * 1024 + 1])
def test_small_files_of_every_size(site: Site, size: int) -> None:
    data = os.urandom(size)

    async def run() -> None:
        async with site.connect() as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("/inbound/a", "wb") as file:
                await file.write(data)
                assert (await file.stat()).size == size
                await file.write(b"more")
            async with sftp.open("/inbound/b", "wb") as file:
                if data:
                    await file.write(data)
            assert (await sftp.stat("/inbound/b")).size == size

    asyncio.run(run())
    assert site.box.documents == [("/inbound/a", data + b"more"), ("/inbound/b", data)]


def test_small_half_upload_is_kept_aside_with_what_was_taken(site: Site) -> None:
    async def run() -> None:
        connection = await site.connect()
        sftp = await Raw.open(connection)
        handle = await sftp.handle("/inbound/a", 2 | 8 | 16)
        assert (await sftp.ask(raw.WRITE, handle, struct.pack(">Q", 0), text(b"half")))[1] == 0
        connection.abort()
        while not site.box.suspended:
            await asyncio.sleep(0.02)

    asyncio.run(run())
    assert [file.data for file in site.box.files.values()] == [b"half"]
    assert not site.box.documents


def test_two_channels_of_one_connection_do_not_mix(site: Site) -> None:
    """Packets of both arrive one after the other, and so do the grants of their windows."""
    one, two = os.urandom(5_000_003), os.urandom(4_000_001)

    async def run() -> None:
        async with (
            site.connect(encryption_algs=["aes256-gcm@openssh.com"], rekey_bytes=3_000_000) as connection,
            connection.start_sftp_client() as first,
            connection.start_sftp_client() as second,
        ):

            async def move(client: asyncssh.SFTPClient, name: str, data: bytes) -> None:
                async with client.open(f"inbound/{name}.part", "wb") as file:
                    for at in range(0, len(data), 300_000):
                        await file.write(data[at : at + 300_000])
                async with client.open(f"inbound/{name}.part", "rb") as file:
                    assert await file.read() == data

            await asyncio.wait_for(asyncio.gather(move(first, "one", one), move(second, "two", two)), 60)

    asyncio.run(run())
