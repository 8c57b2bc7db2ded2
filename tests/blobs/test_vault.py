"""The vault over the twin: what goes in comes out, nothing is in clear, what is damaged is named."""

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.vaults import FakeClock, make_vault

from ecluse.blobs.keywrap import AesKeyWrap, KeyWrapFailed
from ecluse.blobs.memory import MemoryPlace
from ecluse.blobs.port import BlobMissing, BlobUnavailable
from ecluse.blobs.sealed import CHUNK, SEALED_CHUNK
from ecluse.blobs.vault import INLINE_LIMIT, LOOK_AGAIN, MAX_WRITING, ORPHAN_GRACE, BlobDamaged, Sealed, Vault

BIG = hashlib.shake_128(b"big").digest(INLINE_LIMIT + 5 * CHUNK + 321)


def keep(vault: Vault, data: bytes) -> Sealed:
    writer = vault.create()
    writer.write(data)
    return writer.finish()


class TestAKeyThatIsDeletedMeanwhile:
    """An open reader asks again, and reads no further."""

    @pytest.mark.parametrize("limit", [0, INLINE_LIMIT * 100])
    def test_ends_the_reading(self, limit: int) -> None:
        clock = FakeClock()
        vault = make_vault(MemoryPlace(), inline_limit=limit, clock=clock)
        sealed = keep(vault, BIG)
        asked: list[bool] = []
        there = [True]

        def kept() -> bool:
            asked.append(there[0])
            return there[0]

        with vault.open(*sealed, kept) as reader:
            assert b"".join(reader.chunks(step=CHUNK)) == BIG
            assert asked == []
            there[0] = False
            assert reader.read(0, 10) == BIG[:10]
            clock.now += int(LOOK_AGAIN * 1_000_000)
            assert not reader.at_hand(0, 10)
            for _ in range(2):
                with pytest.raises(BlobMissing, match="deleted while") as caught:
                    reader.read(0, 10)
                assert caught.value.code == "blobs.deleted"
            assert reader._key == b""
            assert reader._opener is None

    def test_is_asked_for_once_in_a_while(self) -> None:
        clock = FakeClock()
        vault = make_vault(MemoryPlace(), clock=clock)
        sealed = keep(vault, BIG)
        asked: list[int] = []
        with vault.open(*sealed, lambda: asked.append(clock.now) or True) as reader:  # type: ignore[func-returns-value]
            for _ in range(40):
                clock.now += 1_000_000
                reader.read(0, 10)
            clock.now -= 3_600_000_000  # a clock that is put back does not end the asking
            reader.read(0, 10)
        assert len(asked) == 40 // 5 + 1


@settings(max_examples=60)
@given(
    size=st.integers(0, 6 * CHUNK),
    limit=st.sampled_from([0, 10, CHUNK, 3 * CHUNK]),
    cuts=st.lists(st.integers(0, 3 * CHUNK), max_size=8),
    ranges=st.lists(st.tuples(st.integers(0, 7 * CHUNK), st.integers(0, 7 * CHUNK)), max_size=8),
    step=st.integers(1, 3 * CHUNK),
)
def test_any_writes_and_any_ranges_read_back_equal(
    size: int, limit: int, cuts: list[int], ranges: list[tuple[int, int]], step: int
) -> None:
    data = hashlib.shake_128(b"data").digest(size)
    place = MemoryPlace()
    vault = make_vault(place, inline_limit=limit)
    writer = vault.create()
    at = 0
    for cut in cuts:
        writer.write(memoryview(data)[at : at + cut])
        at += cut
    writer.write(data[at:])
    row, key = writer.finish()
    assert (row.size, row.sha256) == (size, hashlib.sha256(data).digest())
    assert (row.inline is None) == (size > limit) == bool(place.blobs)
    with vault.open(row, key) as reader:
        for offset, count in ranges:
            assert reader.read(offset, count) == data[offset : offset + count]
        offset, count = ranges[0] if ranges else (0, size)
        pieces = list(reader.chunks(offset, count, max(step, size // 50)))
        assert b"".join(pieces) == data[offset : offset + count]
        assert all(pieces)


def test_a_write_larger_than_a_span() -> None:
    vault = make_vault()
    data = bytes(3 * 1024 * 1024 + 17)
    row, key = keep(vault, data)
    assert b"".join(vault.open(row, key).chunks()) == data


def test_nothing_is_in_clear_and_no_key_is_bare() -> None:
    place = MemoryPlace()
    vault = make_vault(place)
    small, small_key = keep(vault, b"attack at dawn" * 10)
    big, big_key = keep(vault, b"attack at dawn" * 10_000)
    assert small.inline is not None
    assert list(place.blobs) == [big.id]
    assert b"attack" not in small.inline + place.blobs[big.id]
    assert len(small_key) == len(big_key) == 40
    assert vault.wrap.unwrap(small_key) not in small_key


def test_equal_documents_look_nothing_alike() -> None:
    vault = make_vault()
    first, second = keep(vault, b"same"), keep(vault, b"same")
    assert first.row.id != second.row.id
    assert first.row.inline != second.row.inline


@pytest.mark.parametrize("place", [0, 23, 24, 55, 56, 5000, SEALED_CHUNK + 56, -17, -1])
def test_a_wrong_byte_is_found_and_the_blob_named(place: int) -> None:
    memory = MemoryPlace()
    vault = make_vault(memory)
    row, key = keep(vault, BIG)
    sealed = bytearray(memory.blobs[row.id])
    sealed[place] ^= 0x40
    memory.blobs[row.id] = bytes(sealed)
    with pytest.raises(BlobDamaged, match=row.id) as caught:
        list(vault.open(row, key).chunks())
    assert caught.value.code == "blobs.damaged"


def test_what_lies_beside_a_wrong_byte_is_still_given() -> None:
    memory = MemoryPlace()
    vault = make_vault(memory)
    row, key = keep(vault, BIG)
    sealed = memory.blobs[row.id]
    memory.blobs[row.id] = sealed[:-1] + bytes([sealed[-1] ^ 1])
    reader = vault.open(row, key)
    assert reader.read(0, 4 * CHUNK) == BIG[: 4 * CHUNK]
    with pytest.raises(BlobDamaged):
        reader.read(row.size - 1, 1)


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s[: 56 + 3 * SEALED_CHUNK], lambda s: s + b"x"]
)
def test_cut_and_extended_blobs_do_not_open(change) -> None:
    memory = MemoryPlace()
    vault = make_vault(memory)
    row, key = keep(vault, BIG)
    memory.blobs[row.id] = change(memory.blobs[row.id])
    with pytest.raises(BlobDamaged):
        vault.open(row, key)


def test_a_place_that_gives_too_little_is_damaged() -> None:
    memory = MemoryPlace()
    vault = make_vault(memory)
    row, key = keep(vault, BIG)
    reader = vault.open(row, key)
    reader._place._data = b""
    with pytest.raises(BlobDamaged):
        reader.read(0, 10)


def test_swapped_blobs_do_not_open_even_under_one_key() -> None:
    memory = MemoryPlace()
    vault = make_vault(memory)
    first, second = keep(vault, BIG), keep(vault, BIG)
    memory.blobs[first.row.id] = memory.blobs[second.row.id]
    for key in (first.wrapped_key, second.wrapped_key):
        with pytest.raises(BlobDamaged):
            vault.open(first.row, key).read(0, 1)


def test_a_damaged_inline_blob() -> None:
    vault = make_vault()
    row, key = keep(vault, b"small")
    wrong = msgspec.structs.replace(row, inline=row.inline[:-1] + bytes([row.inline[-1] ^ 1]))
    with pytest.raises(BlobDamaged, match=row.id):
        vault.open(wrong, key).read(0, 5)


def test_another_key_encryption_key_does_not_open_it() -> None:
    vault = make_vault()
    row, key = keep(vault, b"small")
    with pytest.raises(KeyWrapFailed):
        make_vault(wrap=AesKeyWrap(b"o" * 32)).open(row, key)
    with pytest.raises(KeyWrapFailed):
        vault.open(row, b"short")


def test_a_missing_blob_says_so() -> None:
    memory = MemoryPlace()
    vault = make_vault(memory)
    row, key = keep(vault, BIG)
    memory.blobs.clear()
    with pytest.raises(BlobMissing):
        vault.open(row, key)


@pytest.mark.parametrize("step", ["create", "write", "commit"])
def test_a_failing_place_leaves_nothing(step: str) -> None:
    def fault(name: str, id: str) -> None:
        if name == step:
            raise BlobUnavailable("The disk is full.")

    memory = MemoryPlace(fault)
    writer = make_vault(memory).create()

    def write() -> None:
        with writer:
            writer.write(BIG)
            writer.finish()

    with pytest.raises(BlobUnavailable):
        write()
    assert not memory.blobs
    assert not memory.unfinished


def test_abort_leaves_nothing_and_may_come_at_any_time() -> None:
    memory = MemoryPlace()
    vault = make_vault(memory)
    writer = vault.create()
    writer.abort()
    writer.write(BIG)
    writer.abort()
    writer.abort()
    assert not memory.blobs
    assert not memory.unfinished
    done = vault.create()
    done.write(BIG)
    row, _ = done.finish()
    done.abort()
    assert list(memory.blobs) == [row.id]


def test_a_blob_that_was_too_long_in_coming_is_refused() -> None:
    clock = FakeClock()
    memory = MemoryPlace()
    vault = make_vault(memory, clock=clock)
    writer = vault.create()
    writer.write(BIG)
    clock.forward(MAX_WRITING + 1)
    with pytest.raises(BlobUnavailable):
        writer.finish()
    assert not memory.blobs
    assert MAX_WRITING * 2 <= ORPHAN_GRACE


def test_the_sweep_deletes_orphans_after_their_grace_and_nothing_else() -> None:
    clock = FakeClock()
    memory = MemoryPlace()
    vault = make_vault(memory, clock=clock)
    rows: list[str] = []
    orphans: list[str] = []
    for number in range(1500):
        clock.forward(0.5)
        inline = number % 3 == 0
        row, _ = keep(vault, b"x" if inline else BIG[: INLINE_LIMIT + 1])
        (orphans if number % 7 == 1 and not inline else rows).append(row.id)
    asked = []

    def page(after: str, limit: int) -> list[str]:
        asked.append(after)
        return [id for id in rows if id > after][:limit]

    kept = set(memory.blobs)
    assert vault.sweep(page) == 0
    clock.forward(ORPHAN_GRACE + 1)
    young, _ = keep(vault, BIG)
    assert vault.sweep(page) == len(orphans)
    assert set(memory.blobs) == kept - set(orphans) | {young.id}
    assert len(asked) < 10
    rows.clear()
    assert vault.sweep(page) == len(kept) - len(orphans)
    assert set(memory.blobs) == {young.id}


def test_no_secret_shows_in_a_repr() -> None:
    wrap = AesKeyWrap(b"k" * 32)
    vault = make_vault(wrap=wrap)
    writer = vault.create()
    assert "kkkk" not in repr((wrap, vault, writer, writer._sealer))
