"""What every place for blobs must do, over all of them."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.s3 import ACCESS_KEY, REGION, SECRET, missing_s3, s3_server
from tests.support.vaults import make_vault

from ecluse.blobs.local import LocalPlace
from ecluse.blobs.memory import MemoryPlace
from ecluse.blobs.port import BlobExists, BlobMissing, BlobPlace
from ecluse.blobs.s3 import S3Place

BIG = bytes(range(256)) * 80_000  # 20 MB: several parts of an upload


@pytest.fixture(params=["memory", "local", pytest.param("s3", marks=[pytest.mark.peer("s3"), missing_s3])])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobPlace]:
    if request.param == "memory":
        yield MemoryPlace()
    elif request.param == "local":
        yield LocalPlace(tmp_path / "blobs")
    else:
        server, bucket = s3_server(), f"b{secrets.token_hex(6)}"
        server.make_bucket(bucket)
        yield S3Place(
            bucket,
            prefix="hub",
            endpoint=server.endpoint,
            region=REGION,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET,
        )


def put(place: BlobPlace, id: str, *pieces: bytes) -> None:
    writer = place.create(id)
    for piece in pieces:
        writer.write(piece)
    writer.commit()


@pytest.mark.parametrize("pieces", [(), (b"",), (b"one",), (b"one", b"", b"two"), (BIG[:7_000_000],) * 3])
def test_what_was_committed_is_read_back(place: BlobPlace, pieces: tuple[bytes, ...]) -> None:
    put(place, "b1", *pieces)
    whole = b"".join(pieces)
    reader = place.open("b1")
    assert reader.size == len(whole)
    assert reader.read(0, len(whole)) == whole
    reader.close()


def test_ranges(place: BlobPlace) -> None:
    put(place, "b1", BIG)
    reader = place.open("b1")
    for offset, size in (
        (0, 10),
        (10, 10),
        (20, 9_000_000),
        (9_000_020, 100),
        (5, 5),
        (len(BIG) - 3, 3),
        (len(BIG) - 3, 9),
        (len(BIG), 1),
        (len(BIG) + 5, 1),
        (7, 0),
    ):
        assert reader.read(offset, size) == BIG[offset : offset + size]
    reader.close()
    reader.close()


def test_writers_take_any_buffer(place: BlobPlace) -> None:
    put(place, "b1", bytearray(b"ab"), memoryview(b"cdef")[::1][1:3])
    assert place.open("b1").read(0, 9) == b"abde"


def test_a_buffer_may_be_used_again_after_the_write(place: BlobPlace) -> None:
    writer = place.create("b1")
    buffer = bytearray(b"first")
    writer.write(buffer)
    buffer[:] = b"other"
    writer.commit()
    assert place.open("b1").read(0, 9) == b"first"


@pytest.mark.parametrize("data", [b"small", BIG])
def test_nothing_is_visible_before_the_commit_or_after_an_abort(place: BlobPlace, data: bytes) -> None:
    writer = place.create("b1")
    writer.write(data)
    assert list(place.ids()) == []
    with pytest.raises(BlobMissing):
        place.open("b1")
    writer.abort()
    writer.abort()
    assert list(place.ids()) == []
    put(place, "b1", data)
    assert place.open("b1").size == len(data)


@pytest.mark.parametrize("data", [b"small", BIG])
def test_a_taken_id_is_left_as_it_is(place: BlobPlace, data: bytes) -> None:
    slow = place.create("b1")
    slow.write(data)
    put(place, "b1", b"first")
    with pytest.raises(BlobExists):
        slow.commit()
    slow.abort()
    assert place.open("b1").read(0, 9) == b"first"


def test_delete(place: BlobPlace) -> None:
    put(place, "b1", b"x")
    put(place, "b2", b"y")
    place.delete("b1")
    place.delete("b1")
    place.delete("never")
    with pytest.raises(BlobMissing):
        place.open("b1")
    assert list(place.ids()) == ["b2"]
    put(place, "b1", b"again")
    assert place.open("b1").read(0, 9) == b"again"


def test_ids_come_in_order_from_anywhere(place: BlobPlace) -> None:
    ids = [
        "b",
        "b0",
        "b0000",
        "b00000",
        "b000000",
        "b0000000z",
        "b000001",
        "b01abcdefgh",
        "b01abczefgh",
        "bz",
        "c",
    ]
    for id in reversed(ids):
        put(place, id, b"x")
    assert list(place.ids()) == ids
    for after in [*ids, "a", "b00", "b01abcdzz", "d"]:
        assert list(place.ids(after)) == [id for id in ids if id > after]


def test_a_sweep_drops_unfinished_writers_only(place: BlobPlace) -> None:
    put(place, "b1", b"kept")
    writer = place.create("b2")
    writer.write(b"left behind")
    assert place.sweep(3600) == 0
    place.sweep(0)
    assert list(place.ids()) == ["b1"]
    assert place.sweep(0) == 0


@pytest.mark.parametrize("id", ["", "../b", "b/1", "B1", "b.1", "b\n"])
def test_what_is_no_id_is_missing(place: BlobPlace, id: str) -> None:
    with pytest.raises(BlobMissing):
        place.open(id)


def test_a_vault_over_it(place: BlobPlace) -> None:
    vault = make_vault(place)
    with vault.create() as writer:
        for _ in range(3):
            writer.write(BIG[:3_333_333])
        row, key = writer.finish()
    with vault.open(row, key) as reader:
        assert b"".join(reader.chunks()) == BIG[:3_333_333] * 3
        assert reader.read(5_000_000, 70_000) == (BIG[:3_333_333] * 3)[5_000_000:5_070_000]
