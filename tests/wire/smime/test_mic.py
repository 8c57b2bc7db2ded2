from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.mic import ALL_DIGESTS, WHOLE_SET_SIZE, Digester, digest_name, micalg_name


def fed(data: bytes, chunks: list[int], **options) -> Digester:
    digester = Digester(("sha256",), **options)
    at = 0
    for size in chunks:
        digester.update(data[at : at + size])
        at += size
    digester.update(data[at:])
    return digester


def canonical(data: bytes) -> bytes:
    return re.sub(rb"(?<!\r)\n", b"\r\n", data)


_text = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"UNB'"])).map(b"".join)


@given(_text, st.lists(st.integers(1, 4)))
def test_exact_and_canonical_digests_in_any_chunking(data, chunks):
    digester = fed(data, chunks)
    assert digester.digests()["sha256"] == hashlib.sha256(data).digest()
    found = digester.canonical_digests()
    if canonical(data) == data:
        assert found is None
    else:
        assert found is not None
        assert found["sha256"] == hashlib.sha256(canonical(data)).digest()


def test_binary_has_no_canonical_form():
    assert fed(b"a\nb\0c\n", []).canonical_digests() is None


def test_a_big_text_with_its_line_ends_whole_is_looked_through_no_further():
    digester = Digester(("sha256",))
    line = b"x" * 1022 + b"\r\n"
    for _ in range(WHOLE_SET_SIZE // 1024 + 1):
        digester.update(line)
    digester.update(b"bare\n")
    assert digester.canonical_digests() is None


def test_all_digests_are_kept_of_what_is_small_and_the_needed_ones_of_what_is_big():
    digester = Digester(("sha384",), extra=ALL_DIGESTS)
    digester.update(b"x\n")
    assert set(digester.digests()) == set(ALL_DIGESTS)
    digester.update(b"y" * WHOLE_SET_SIZE)
    assert set(digester.digests()) == {"sha384"}
    assert digester.canonical_digests() == {
        "sha384": hashlib.sha384(b"x\r\n" + b"y" * WHOLE_SET_SIZE).digest()
    }


@pytest.mark.parametrize("name", ["sha1", "sha-1", "SHA1", "rsa-sha1", "Sha_1", ' "SHA-1" '])
def test_every_spelling_of_sha_1(name):
    assert digest_name(name) == "sha1"


@pytest.mark.parametrize("name", ["sha256", "sha-256", "SHA_256", "sha2-256", "rsa-sha256"])
def test_every_spelling_of_sha_256(name):
    assert digest_name(name) == "sha256"
    assert micalg_name("sha256") == "sha-256"
    assert micalg_name("sha256", dashed=False) == "sha256"


@pytest.mark.parametrize("name", ["md5", "", "sha3-256", "unknown", "sha257"])
def test_what_is_not_supported_has_no_name(name):
    assert digest_name(name) is None


def test_an_unknown_digest_is_refused():
    with pytest.raises(MimeError):
        Digester(("md5",))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\0\n"])
@pytest.mark.parametrize("piece", [1_000, 70_000])
def test_a_digest_that_is_not_begun_before_it_is_asked_for_is_the_same(size, line_end, piece):
    data = (b"x" * 60 + line_end) * (size // 60 + 1)
    data = data[:size]
    digester = Digester(["sha256"], extra=ALL_DIGESTS)
    for at in range(0, size, piece):
        digester.update(data[at : at + piece])
    assert digester.digests(["sha256"])["sha256"] == hashlib.sha256(data).digest()
    for name in ("sha512", "sha1"):
        assert digester.digests([name])[name] == hashlib.new(name, data).digest()
    assert digester.digests() == {name: hashlib.new(name, data).digest() for name in ALL_DIGESTS}
    canonical = digester.canonical_digests()
    if canonical is not None:
        text = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        assert canonical == {name: hashlib.new(name, text).digest() for name in ALL_DIGESTS}
