"""The format at rest: against the C2SP text written down a second time, and against whoever tampers."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ecluse.blobs.sealed import CHUNK, HEADER_SIZE, SEALED_CHUNK, Damaged, Opener, Sealer, sealed_size

KEY, SALT, BLOB = bytes(range(32)), bytes(range(24)), "b01example"
WRITTEN_BY_VERSION_1 = (
    "000102030405060708090a0b0c0d0e0f1011121314151617ad0487331b797656fb66503e19b535865b51c9c1ea404940"
    "3dbf53139eb755378155d2b8168491f5d50923994dd84e3b3928f038eae6d0a355bea02c1d"
)


def seal(data: bytes, *, key: bytes = KEY, salt: bytes = SALT, blob: str = BLOB) -> bytes:
    sealer = Sealer(key, salt, blob)
    return sealer.header + bytes(sealer.seal(data)) + sealer.finish()


def by_the_book(data: bytes, context: bytes) -> bytes:
    """C2SP chunked-encryption@v1, as its text says it, with nothing of ours."""
    info = b"c2sp.org/chunked-encryption@v1+" + b"AEAD_AES_256_GCM" + b"\0" + SALT + context
    okm, block = b"", b""
    for counter in range(1, 4):
        block = hmac.digest(KEY, block + info + bytes([counter]), "sha256")
        okm += block
    key, base, commitment = okm[:32], okm[32:44], okm[44:76]
    out, number = SALT + commitment, 0
    while True:
        chunk, data = data[:16384], data[16384:]
        nonce = bytes(a ^ b for a, b in zip(base, number.to_bytes(12, "big"), strict=True))
        out += AESGCM(key).encrypt(nonce, chunk, None)
        number += 1
        if len(chunk) < 16384:
            return out


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 5 * CHUNK + 77])
def test_it_is_the_published_format(size: int) -> None:
    data = hashlib.shake_128(b"clear").digest(size)
    sealed = seal(data)
    assert sealed == by_the_book(data, b"ecluse/blob/1/b01example")
    assert len(sealed) == sealed_size(size)


def test_bytes_written_by_version_1_stay_readable() -> None:
    sealed = bytes.fromhex(WRITTEN_BY_VERSION_1)
    assert seal(b"kept for good") == sealed
    assert Opener(KEY, sealed[:HEADER_SIZE], BLOB).open(0, sealed[HEADER_SIZE:]) == b"kept for good"


@given(st.binary(max_size=3 * CHUNK), st.lists(st.integers(0, 2 * CHUNK), max_size=6))
def test_any_chunking_of_writes_gives_the_same_bytes(data: bytes, cuts: list[int]) -> None:
    sealer = Sealer(KEY, SALT, BLOB)
    out, rest = sealer.header, data
    for cut in cuts:
        out += sealer.seal(memoryview(rest)[:cut])
        rest = rest[cut:]
    out += sealer.seal(rest) + sealer.finish()
    assert out == seal(data)


def test_any_run_of_chunks_opens_by_itself() -> None:
    data = hashlib.shake_128(b"x").digest(4 * CHUNK + 5)
    sealed = seal(data)
    opener = Opener(KEY, sealed[:HEADER_SIZE], BLOB)
    for first in range(5):
        for past in range(first + 1, 6):
            span = sealed[HEADER_SIZE + first * SEALED_CHUNK : HEADER_SIZE + past * SEALED_CHUNK]
            assert opener.open(first, span) == data[first * CHUNK : past * CHUNK]


@pytest.mark.parametrize("other", [{"key": bytes(32)}, {"blob": "b01other"}])
def test_another_key_or_blob_id_does_not_commit(other: dict) -> None:
    header = seal(b"x", **other)[:HEADER_SIZE]
    with pytest.raises(Damaged):
        Opener(KEY, header, BLOB)


@pytest.mark.parametrize("size", [0, 7, HEADER_SIZE - 1])
def test_a_short_header_is_damaged(size: int) -> None:
    with pytest.raises(Damaged):
        Opener(KEY, seal(b"x")[:size], BLOB)


@given(st.data())
def test_every_single_bit_counts(data: st.DataObject) -> None:
    sealed = bytearray(seal(b"some text"))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged):
        Opener(KEY, bytes(sealed[:HEADER_SIZE]), BLOB).open(0, sealed[HEADER_SIZE:])


def test_moved_cut_and_extended_chunks_do_not_open() -> None:
    sealed = seal(bytes(3 * CHUNK + 9))
    opener = Opener(KEY, sealed[:HEADER_SIZE], BLOB)
    chunks = [sealed[at : at + SEALED_CHUNK] for at in range(HEADER_SIZE, len(sealed), SEALED_CHUNK)]
    for wrong in (
        [chunks[1], chunks[0]],
        [chunks[0], chunks[2]],
        [*chunks, chunks[3]],
        [chunks[0], chunks[1][:-1]],
        [*chunks[:3], chunks[3][:12]],
    ):
        with pytest.raises(Damaged):
            opener.open(0, b"".join(wrong))
