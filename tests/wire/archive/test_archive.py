"""zip and gzip as streams: whatever the pieces, what goes in comes out; bombs, tricks and garbage get our errors."""

from __future__ import annotations

import gzip
import io
import os
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse.wire.archive.gzip import GzipReader, GzipWriter
from ecluse.wire.archive.limits import ArchiveRefused, ArchiveTooLarge, BadArchive, Limits
from ecluse.wire.archive.zip import MAX_NAME, Entry, ZipReader, ZipWriter

Docs = list[tuple[str, bytes]]
DOCS: Docs = [
    ("a.edi", b"UNB+" * 500),
    ("dir/b.bin", bytes(range(256)) * 300),
    ("empty", b""),
    ("z", bytes(70_000)),
]
OURS = (BadArchive, ArchiveRefused, ArchiveTooLarge)


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    return (data[at : at + step] for at in range(0, len(data), step))


def unzip(data: bytes, step: int = 1 << 20, limits: Limits | None = None) -> Docs:
    reader = ZipReader(limits or Limits())
    found: list[tuple[str, bytearray]] = []
    open_ = False
    for piece in (*pieces(data, step), None):
        for event in reader.finish() if piece is None else reader.feed(piece):
            if isinstance(event, Entry):
                assert not open_
                open_ = True
                found.append((event.name, bytearray()))
            elif event is None:
                assert open_
                open_ = False
            else:
                assert open_
                found[-1][1].extend(event)
    assert not open_
    return [(name, bytes(octets)) for name, octets in found]


def gunzip(data: bytes, step: int = 1 << 20, limits: Limits | None = None) -> bytes:
    reader = GzipReader(limits or Limits())
    out = b"".join(each for piece in pieces(data, step) for each in reader.feed(piece))
    return out + b"".join(reader.finish())


def zipped(docs: Docs, method: int = zipfile.ZIP_DEFLATED, *, stream: bool = False, **more: object) -> bytes:
    out = io.BytesIO()
    target: io.RawIOBase | io.BytesIO = out
    if stream:

        class OneWay(io.RawIOBase):
            def writable(self) -> bool:
                return True

            def write(self, data: object) -> int:
                return out.write(data)  # type: ignore[arg-type]

        target = OneWay()
    with zipfile.ZipFile(target, "w", method) as archive:  # type: ignore[arg-type]
        for name, data in docs:
            archive.writestr(name, data, **more)  # type: ignore[arg-type]
    return out.getvalue()


def ours(docs: Docs) -> bytes:
    writer = ZipWriter()
    parts = [writer.begin(name, len(data)) + writer.feed(data) + writer.end() for name, data in docs]
    return b"".join(parts) + writer.finish()


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(zipped(DOCS), id="deflated"),
        pytest.param(zipped(DOCS, zipfile.ZIP_STORED), id="stored"),
        pytest.param(zipped(DOCS, stream=True), id="streamed"),
        pytest.param(ours(DOCS), id="ours"),
    ],
)
def test_what_goes_in_comes_out(data: bytes, step: int) -> None:
    assert unzip(data, step) == DOCS


def test_the_standard_library_reads_ours_and_it_is_always_the_same() -> None:
    docs = [*DOCS, ("caf\u00e9 \u65e5.txt", b"x")]
    archive = zipfile.ZipFile(io.BytesIO(ours(docs)))
    assert archive.testzip() is None
    assert [(name, archive.read(name)) for name in archive.namelist()] == docs
    assert ours(docs) == ours(docs)


def test_zip64_is_written_and_read() -> None:
    writer = ZipWriter()
    data = writer.begin("x", 5 << 30) + writer.feed(b"abc") + writer.end() + writer.finish()
    assert zipfile.ZipFile(io.BytesIO(data)).read("x") == b"abc"
    assert unzip(data, 3) == [("x", b"abc")]
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("y", "w", force_zip64=True) as file,
    ):
        file.write(b"hi")
    assert unzip(out.getvalue(), 2) == [("y", b"hi")]


def test_zip64_where_the_archive_has_very_many_files() -> None:
    writer = ZipWriter()
    parts = [writer.begin(str(n), 0) + writer.end() for n in range(70_000)]
    data = b"".join(parts) + writer.finish()
    assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == 70_000
    assert len(unzip(data, limits=Limits(files=100_000))) == 70_000


def test_folders_are_passed_over_and_names_are_told_as_they_are() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.mkdir("folder")
        archive.writestr("../../etc/passwd", b"x")
        archive.writestr("folder/in.txt", b"y")
    assert unzip(out.getvalue()) == [("../../etc/passwd", b"x"), ("folder/in.txt", b"y")]


def test_old_names_are_read() -> None:
    raw = ours([("0123", b"x")])
    flags = struct.pack("<H", 0x0008)
    raw = raw.replace(b"0123", b"caf\x82").replace(struct.pack("<H", 0x0808), flags)
    assert unzip(raw) == [("caf\u00e9", b"x")]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=20).filter(lambda name: not name.endswith(("/", "\\"))),
            st.binary(max_size=3000),
        ),
        max_size=5,
    ),
    st.integers(1, 500),
)
def test_any_documents_in_any_pieces(docs: Docs, step: int) -> None:
    if not docs:
        with pytest.raises(BadArchive):
            unzip(ours(docs), step)
        return
    safe = [(name.encode("utf-8", "replace").decode(), data) for name, data in docs]
    assert unzip(ours(docs), step) == safe


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=4), st.integers(1, 300), st.integers(0, 20))
def test_gzip_members_in_any_pieces(members: list[bytes], step: int, zeros: int) -> None:
    data = b"".join(map(gzip.compress, members)) + bytes(zeros)
    assert gunzip(data, step) == b"".join(members)
    writer = GzipWriter()
    assert gzip.decompress(b"".join(map(writer.feed, members)) + writer.finish()) == b"".join(members)


# Bombs


def test_bombs_are_cut_off() -> None:
    zeros = bytes(64 << 20)
    small = Limits(size=1 << 30, ratio=100, files=10)
    with pytest.raises(ArchiveTooLarge, match="100 times"):
        gunzip(gzip.compress(zeros), limits=small)
    with pytest.raises(ArchiveTooLarge, match="100 times"):
        unzip(zipped([("bomb", zeros)]), limits=small)
    with pytest.raises(ArchiveTooLarge, match="octets"):
        unzip(zipped([("a", os.urandom(3000))]), limits=Limits(size=2000))
    with pytest.raises(ArchiveTooLarge, match="files"):
        unzip(zipped([(str(n), b"") for n in range(11)]), limits=small)
    with pytest.raises(ArchiveTooLarge, match="files"):
        unzip(zipped([(f"{n}/", b"") for n in range(200)]), limits=small)


def test_the_octets_of_a_bomb_never_come_at_once() -> None:
    bomb = gzip.compress(bytes(200 << 20))
    reader = GzipReader(Limits(ratio=10**9))
    tracemalloc.start()
    try:
        assert sum(map(len, reader.feed(bomb))) == 200 << 20
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.reset_peak()
        zip_reader = ZipReader(Limits(ratio=10**9))
        data = zipped([("bomb", bytes(64 << 20))])
        tracemalloc.reset_peak()
        assert sum(len(each) for each in zip_reader.feed(data) if isinstance(each, bytes)) == 64 << 20
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


# Tricks


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def test_what_is_encrypted_or_packed_otherwise_is_refused() -> None:
    plain = zipped([("a", b"x" * 100)])
    with pytest.raises(ArchiveRefused, match="encrypted"):
        unzip(changed(plain, 6, b"\x01\x00"))
    with pytest.raises(ArchiveRefused, match="deflate64"):
        unzip(changed(plain, 8, b"\x09\x00"))
    with pytest.raises(ArchiveRefused, match="LZMA"):
        unzip(zipped([("a", b"x")], zipfile.ZIP_LZMA))
    with pytest.raises(ArchiveRefused, match="stored"):
        unzip(changed(zipped([("a", b"x" * 100)], zipfile.ZIP_STORED), 6, b"\x08\x00"))


def test_a_link_is_refused() -> None:
    info = zipfile.ZipInfo("link")
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ArchiveRefused, match="link"):
        unzip(out.getvalue())


def test_two_readers_see_the_same_documents() -> None:
    """A file that stands in the stream and not in the directory, or otherwise there, or the other way round."""
    docs = [("a", b"one"), ("b", b"two")]
    data = zipped(docs, zipfile.ZIP_STORED)
    directory = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", directory + 4)
    end = data.index(b"PK\x05\x06")
    shorter = data[:second] + changed(data[end:], 8, struct.pack("<HH", 1, 1))
    with pytest.raises(BadArchive, match="directory"):
        unzip(shorter)
    renamed = changed(data, directory + 46, b"c")
    with pytest.raises(BadArchive, match="directory"):
        unzip(renamed)
    twice = data[:second] + data[directory:second] + data[end:]
    with pytest.raises(BadArchive, match="directory"):
        unzip(twice)
    with pytest.raises(BadArchive, match="counts"):
        unzip(changed(data, end + 10, b"\x07\x00"))
    with pytest.raises(BadArchive, match="behind"):
        unzip(data + b"more")
    with pytest.raises(BadArchive, match="not zip"):
        unzip(b"MZ program" + data)
    with pytest.raises(BadArchive, match="no file"):
        unzip(zipped([]))


@pytest.mark.parametrize(
    "make", [lambda: zipped(DOCS), lambda: zipped(DOCS, stream=True), lambda: ours(DOCS)]
)
def test_a_damaged_octet_of_a_document_is_found(make: Callable[[], bytes]) -> None:
    data = bytearray(make())
    data[200] ^= 1
    with pytest.raises(BadArchive):
        unzip(bytes(data))


def test_names_are_bounded() -> None:
    with pytest.raises(BadArchive, match="name"):
        unzip(zipped([("x" * (MAX_NAME + 1), b"")]))


def test_gzip_that_is_none() -> None:
    good = gzip.compress(b"x" * 1000)
    for bad in (b"", b"\x1f", b"plain text", good[:-1], good + b"garbage", good + b"\0\0x", bytes(20)):
        with pytest.raises(BadArchive):
            gunzip(bad)
    with pytest.raises(BadArchive):
        gunzip(changed(good, len(good) - 8, b"\0\0\0\0"))
    with pytest.raises(BadArchive):
        gunzip(zlib.compress(b"x"))


# Garbage

SAMPLES = [zipped(DOCS[:3]), zipped(DOCS[:3], stream=True), ours(DOCS), zipped(DOCS[:2], zipfile.ZIP_STORED)]


@settings(max_examples=300)
@given(st.sampled_from(SAMPLES), st.data())
def test_garbage_gets_our_errors_alike_in_any_pieces(sample: bytes, data: st.DataObject) -> None:
    mutant = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutant) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                mutant[at] = data.draw(st.integers(0, 255))
            case 1:
                del mutant[at : at + data.draw(st.integers(1, 30))]
            case _:
                mutant[at:at] = data.draw(st.binary(max_size=20))
        if not mutant:
            break
    outcomes = []
    for step in (1 << 20, data.draw(st.integers(1, 64))):
        try:
            outcomes.append(unzip(bytes(mutant), step))
        except OURS as error:
            outcomes.append(error.code)  # type: ignore[arg-type]
    assert outcomes[0] == outcomes[1]


@given(st.binary(max_size=200), st.integers(1, 50))
def test_anything_is_read_or_refused(data: bytes, step: int) -> None:
    for head in (b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\x00"):
        for read in (unzip, gunzip):
            try:
                read(head + data, step)  # type: ignore[operator]
            except OURS:
                continue


def test_an_archive_of_nothing_but_ends_costs_no_more_in_one_piece() -> None:
    """Twenty octets a member, each followed by all of the rest."""
    octets = gzip.compress(b"") * 50_000

    def cost(piece: int) -> float:
        reader = GzipReader(Limits())
        began = time.process_time()
        for at in range(0, len(octets), piece):
            assert b"".join(reader.feed(octets[at : at + piece])) == b""
        assert b"".join(reader.finish()) == b""
        return time.process_time() - began

    assert cost(len(octets)) < 8 * cost(1 << 14)  # it was 38 times as much
