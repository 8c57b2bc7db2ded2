"""What is read of a place: whatever stands there, it is what was written or an error of ours."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.backups import recipient

from ecluse.app.backup.chunks import ChunkReader, ChunkWriter, keep_table, read_table
from ecluse.app.backup.errors import BackupDamaged, NoPrivateKey
from ecluse.app.backup.files import HubFile, pack_files, unpack_files
from ecluse.app.backup.manifest import FORMAT, Manifest, read
from ecluse.app.backup.places import Place
from ecluse.app.backup.sealing import MAGIC, PrivateKeys, Recipients, open_object
from ecluse.blobs.memory import MemoryPlace
from ecluse.model.basics import system_clock, system_entropy
from ecluse.trust.rules.openpgp import load_openpgp

UNLOCK = PrivateKeys(recipient()[1])
SAFE = Recipients(load_openpgp(recipient()[0]), system_clock, system_entropy)
PATHS = st.from_regex(r"[a-z]{1,8}(/[a-z.]{1,8}[a-z]){0,2}", fullmatch=True)
FILES = st.builds(
    HubFile, PATHS, st.integers(0, 0o700).map(lambda mode: mode & 0o700), st.binary(max_size=300)
)


@given(st.lists(FILES, max_size=6), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_files_come_back_however_they_are_cut(files: list[HubFile], cuts: list[int]) -> None:
    data = b"".join(pack_files(files))
    chunks = []
    at = number = 0
    while at < len(data):
        size = cuts[number % len(cuts)]
        chunks.append(data[at : at + size])
        at += size
        number += 1
    assert list(unpack_files(chunks)) == files


@given(st.binary(min_size=1, max_size=400))
def test_files_of_garbage(data: bytes) -> None:
    try:
        for file in unpack_files([data]):
            assert ".." not in file.path.split("/")
    except BackupDamaged:
        pass


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", "a\0b", "x" * 2000])
def test_no_file_leaves_the_folder(path: str) -> None:
    with pytest.raises(BackupDamaged):
        list(unpack_files(pack_files([HubFile(path, 0o600, b"x")])))


@given(st.binary(max_size=40_000))
def test_an_object_opens_under_its_own_id_alone(data: bytes) -> None:
    sealed = SAFE.seal("p1", data)
    assert open_object("p1", sealed, UNLOCK) == data
    with pytest.raises(BackupDamaged):
        open_object("p2", sealed, UNLOCK)


@given(st.binary(max_size=300), st.booleans())
def test_an_object_of_garbage(data: bytes, begins: bool) -> None:
    with pytest.raises(BackupDamaged):
        open_object("p1", MAGIC + data if begins else data, UNLOCK)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_an_object_with_another_octet(at: int, change: int) -> None:
    sealed = bytearray(SAFE.seal("p1", b"a document of the hub"))
    # What comes before the object's key may change without the rest of it becoming something else.
    sealed[at % len(sealed)] ^= change
    try:
        opened = open_object("p1", bytes(sealed), UNLOCK)
    except (BackupDamaged, NoPrivateKey):
        return
    assert opened == b"a document of the hub"


def place() -> Place:
    return Place(MemoryPlace(), "memory")


@given(st.binary(max_size=300), st.booleans())
def test_a_table_of_garbage(data: bytes, packed: bool) -> None:
    where = place()
    data = zlib.compress(data) if packed else data
    where.put("t1", data)
    with pytest.raises(BackupDamaged):
        read_table(where, "t1", hashlib.sha256(data).hexdigest())


@given(st.binary(max_size=300))
def test_a_manifest_of_garbage(data: bytes) -> None:
    where = place()
    where.put("m1", data)
    with pytest.raises(BackupDamaged):
        read(where, "m1", FORMAT, Manifest, None)


@given(st.lists(st.lists(st.binary(min_size=1, max_size=3000), max_size=6), min_size=1, max_size=4))
def test_streams_come_back_and_are_kept_once(runs: list[list[bytes]]) -> None:
    where = place()
    before = None
    for number, chunks in enumerate(runs):
        writer = ChunkWriter(where, SAFE, bytes(32), before, lambda read, written: None)
        writer.add("stream", chunks)
        writer.add("again", chunks)
        table = writer.finish()
        size, digest = keep_table(where, table, f"t{number}")
        assert size == where.size(f"t{number}")
        found = read_table(where, f"t{number}", digest)
        reader = ChunkReader(where, found, UNLOCK)
        for name in ("stream", "again"):
            assert list(reader.chunks(name)) == chunks
        before = found
    last = [b"new"] + runs[-1]
    writer = ChunkWriter(where, SAFE, bytes(32), before, lambda read, written: None)
    writer.add("stream", last)
    table = writer.finish()
    assert list(ChunkReader(where, table, UNLOCK).chunks("stream")) == last
