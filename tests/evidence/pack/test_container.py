"""The container is a ZIP that foreign readers read, whatever it holds, and that says everything in one way."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse.errors import EcluseError
from ecluse.evidence.pack.container import PackWriter
from ecluse.evidence.pack.manifest import PATH, Entry, Manifest, new_manifest, read_manifest
from ecluse.model.basics import Instant

SEGMENT = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,10}", fullmatch=True)
PATHS = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
CHUNKS = st.lists(st.binary(max_size=5000), max_size=4)
SIZES = st.sampled_from([0, 1, 5 << 20, 1 << 33])
"""What is expected decides how an entry is written, and not what comes."""


class Memory:
    """A file in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data

    def rewrite(self, offset: int, data: bytes) -> None:
        assert offset + len(data) <= len(self.data)
        self.data[offset : offset + len(data)] = data


class Sparse:
    """A file of which only what is written takes room."""

    def __init__(self, path: Path, start: int) -> None:
        self.file = path.open("w+b")
        self.file.seek(start)

    def write(self, data: bytes) -> None:
        self.file.write(data)

    def rewrite(self, offset: int, data: bytes) -> None:
        here = self.file.tell()
        self.file.seek(offset)
        self.file.write(data)
        self.file.seek(here)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(PATHS, st.tuples(CHUNKS, SIZES), max_size=6))
def test_what_goes_in_comes_out(files: dict[str, tuple[list[bytes], int]]) -> None:
    names: dict[str, str] = {}
    files = {path: each for path, each in files.items() if names.setdefault(path.lower(), path) == path}
    memory = Memory()
    writer = PackWriter(memory)
    for path, (chunks, expected) in files.items():
        entry = writer.stream(path, "x", chunks, expected)
        data = b"".join(chunks)
        assert entry == Entry(path, "x", sha256(data).hexdigest(), len(data))
    assert writer.close([("last", b"1")]) == len(memory.data)
    with zipfile.ZipFile(io.BytesIO(memory.data)) as pack:
        assert pack.testzip() is None
        assert pack.namelist() == [*files, "last"]
        assert all(pack.read(path) == b"".join(chunks) for path, (chunks, _) in files.items())
    agree(bytes(memory.data))


def agree(data: bytes) -> None:
    """Entries follow each other without gaps, and local headers say what the directory says; no flags anywhere."""
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        at = 0
        for info in pack.infolist():
            head = struct.unpack_from("<4s5H3I2H", data, at)
            assert head[0] == b"PK\3\4"
            assert (info.header_offset, info.flag_bits, head[2]) == (at, 0, 0)
            assert (head[3], head[6]) == (info.compress_type, info.CRC)
            packed, size = head[7], head[8]
            body = at + 30 + head[9] + head[10]
            assert data[at + 30 : at + 30 + head[9]].decode() == info.filename
            if size == 0xFFFFFFFF:
                _, _, size, packed = struct.unpack_from("<2H2Q", data, at + 30 + head[9])
            assert (packed, size) == (info.compress_size, info.file_size)
            at = body + packed
        assert pack.start_dir == at
        assert pack.comment == b""


def test_more_entries_than_16_bits_count() -> None:
    memory = Memory()
    writer = PackWriter(memory)
    for number in range(65_600):
        writer.add(str(number), "x", b"")
    writer.close([])
    with zipfile.ZipFile(io.BytesIO(memory.data)) as pack:
        assert len(pack.namelist()) == 65_600


def test_more_octets_than_32_bits_count(tmp_path: Path) -> None:
    path, start = tmp_path / "large.zip", 5 << 30
    sparse = Sparse(path, start)
    writer = PackWriter(sparse)
    writer._at = start  # as if so much had been written
    writer.add("behind", "x", b"found")
    writer.close([("last", b"too")])
    sparse.file.close()
    with zipfile.ZipFile(path) as pack:
        assert (pack.read("behind"), pack.read("last")) == (b"found", b"too")
        assert pack.infolist()[0].header_offset == start
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-qq", "-p", path, "behind"], check=False, capture_output=True)


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "a b", "a\\b", "ä", "a" * 201, "a\n"]
)
def test_names_that_are_none(name: str) -> None:
    assert not PATH.match(name)
    with pytest.raises(ValueError, match="name"):
        PackWriter(Memory()).add(name, "x", b"")


def test_no_name_twice_whatever_its_case() -> None:
    writer = PackWriter(Memory())
    writer.add("Readme", "x", b"")
    with pytest.raises(ValueError, match="README"):
        writer.add("README", "x", b"")


def test_a_small_file_that_grows_past_what_its_header_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecluse.evidence.pack.container._NONE32", 100)
    with pytest.raises(ValueError, match="expected"):
        PackWriter(Memory()).stream("a", "x", [b"x" * 101] * 100, 0)


def manifest() -> Manifest:
    entries = [Entry("b", "x", "0" * 64, 1), Entry("a", "document", "1" * 64, 2, "name", "m1")]
    return new_manifest(
        entries, "ecluse/aster", ["m1"], ["Nothing is missing."], Instant(1_760_000_000_123_456)
    )


def test_a_manifest_is_canonical() -> None:
    data = manifest().encode()
    assert read_manifest(data) == manifest()
    assert [entry.path for entry in read_manifest(data).files] == ["a", "b"]
    assert data.startswith(
        b'{"files":[{"about":"name","message":"m1","path":"a","role":"document","sha256":"1'
    )
    assert b'"made":"2025-10-09T08:53:20.123Z"' in data


@given(st.one_of(st.binary(max_size=300), st.integers(0, 200).map(lambda at: manifest().encode()[:at])))
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(EcluseError):
        read_manifest(data)


@pytest.mark.parametrize(
    ("old", "new"), [(b"pack/1", b"pack/2"), (b'"files"', b' "files"'), (b"Nothing", b"\\u004eothing")]
)
def test_another_spelling_or_format_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(EcluseError):
        read_manifest(manifest().encode().replace(old, new))


def test_unknown_members_are_passed_over() -> None:
    data = manifest().encode().replace(b'"format"', b'"folder":1,"format"')
    assert read_manifest(data) == manifest()
