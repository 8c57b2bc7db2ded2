"""Every form of BER that a layer may come in."""

from __future__ import annotations

import hashlib
import itertools
import os
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import cms
from tests.support.certs import make_identity

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import CmsError, DecryptionFailed, Malformed, Misuse, Truncated
from ecluse.wire.cms.events import (
    Content,
    ContentKind,
    KeyNeeded,
    LayerEnded,
    LayerStarted,
    RecipientKind,
    Signers,
)
from ecluse.wire.cms.reader import Reader

TEXT = b"UNB+UNOC:3+ASTER+BIRCH+260102:0304+1'" * 9
WRAPS = [cms.definite, cms.indefinite, cms.long_form]
SIZES = [None, 1, 7, 1000]


@pytest.mark.parametrize("wrap,size", list(itertools.product(WRAPS, SIZES)))
class TestForms:
    def test_enveloped(self, wrap: cms.Wrap, size: int | None) -> None:
        events = cms.read(cms.enveloped(TEXT, wrap=wrap, size=size))
        assert cms.content_of(events) == TEXT
        assert events[0] == LayerStarted(ContentKind.ENVELOPED, oids.ENVELOPED_DATA)
        assert events[-1] == LayerEnded(ContentKind.ENVELOPED, len(TEXT), oids.DATA)
        needed = cms.event_of(events, KeyNeeded)
        assert isinstance(needed, KeyNeeded)
        assert needed.key_length == 32
        assert needed.recipients[0].kind is RecipientKind.KEY_TRANSPORT
        assert needed.recipients[0].encrypted_key == b"wrapped"
        assert needed.recipients[0].serial == 1

    def test_auth_enveloped(self, wrap: cms.Wrap, size: int | None) -> None:
        events = cms.read(cms.auth_enveloped(TEXT, wrap=wrap, size=size, unauthenticated=True))
        assert cms.content_of(events) == TEXT
        assert all(event.provisional for event in events if isinstance(event, Content))
        assert events[-1] == LayerEnded(ContentKind.AUTH_ENVELOPED, len(TEXT), oids.DATA)

    def test_compressed(self, wrap: cms.Wrap, size: int | None) -> None:
        events = cms.read(cms.compressed(TEXT, wrap=wrap, size=size))
        assert cms.content_of(events) == TEXT
        assert events[-1] == LayerEnded(ContentKind.COMPRESSED, len(TEXT), oids.DATA)

    def test_signed(self, wrap: cms.Wrap, size: int | None) -> None:
        aster = make_identity("Aster")
        signer = cms.signer_info(aster, TEXT, wrap=wrap)
        data = cms.signed(
            TEXT,
            [signer, signer],
            digests=("sha256", "sha512"),
            certificates=[aster.certificate_der, asn1.implicit(1, b"", constructed=True)],
            wrap=wrap,
            size=size,
        )
        events = cms.read(data)
        assert cms.content_of(events) == TEXT
        signers = cms.event_of(events, Signers)
        assert isinstance(signers, Signers)
        assert len(signers.signers) == 2
        assert signers.certificates == (aster.certificate_der,)
        assert not signers.detached
        assert signers.digests == {
            "sha256": hashlib.sha256(TEXT).digest(),
            "sha512": hashlib.sha512(TEXT).digest(),
        }
        found = signers.signers[0]
        assert found.signed_attributes == asn1.set_of(*cms.usual_attributes(TEXT, "sha256"))
        assert found.content_type == oids.DATA
        assert found.message_digest == hashlib.sha256(TEXT).digest()
        assert found.signing_time == "260102030405Z"
        assert found.serial == aster.certificate.serial_number

    def test_data(self, wrap: cms.Wrap, size: int | None) -> None:
        data = cms.content_info(oids.DATA, cms.octet_string(wrap, TEXT, size), wrap)
        events = cms.read(data)
        assert cms.content_of(events) == TEXT
        assert events[-1] == LayerEnded(ContentKind.DATA, len(TEXT), oids.DATA)


ASTER = make_identity("Aster")
LAYERS = {
    "enveloped": cms.enveloped(TEXT, wrap=cms.indefinite, size=50),
    "enveloped-der": cms.enveloped(TEXT),
    "auth-enveloped": cms.auth_enveloped(
        TEXT, wrap=cms.indefinite, size=33, attributes=[cms.attribute("1.2.3", asn1.octets(b"x"))]
    ),
    "compressed": cms.compressed(TEXT, wrap=cms.indefinite, size=9),
    "signed": cms.signed(
        TEXT,
        [cms.signer_info(ASTER, TEXT, wrap=cms.indefinite)],
        certificates=[ASTER.certificate_der],
        wrap=cms.indefinite,
        size=40,
    ),
    "detached": cms.signed(b"", [cms.signer_info(ASTER, TEXT)], detached=True),
    "data": cms.content_info(oids.DATA, asn1.octets(TEXT)),
}
WHOLE = {name: cms.merged(cms.read(data)) for name, data in LAYERS.items()}


@pytest.mark.parametrize("name", LAYERS)
def test_one_octet_at_a_time(name: str) -> None:
    assert cms.merged(cms.read(b"", pieces=cms.split(LAYERS[name], 1))) == WHOLE[name]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(LAYERS)), st.lists(st.integers(0, 1500), max_size=12), st.booleans())
def test_any_chunking_gives_the_same_events(name: str, cuts: list[int], views: bool) -> None:
    data = LAYERS[name]
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:stop] for start, stop in itertools.pairwise(edges)]
    if not views:
        assert cms.merged(cms.read(b"", pieces=pieces)) == WHOLE[name]
        return

    scratch = bytearray(len(data))

    def reused():
        for piece in pieces:
            scratch[:] = os.urandom(len(scratch))
            scratch[: len(piece)] = piece
            yield memoryview(scratch)[: len(piece)]

    assert cms.merged(cms.read(b"", pieces=reused())) == WHOLE[name]


@pytest.mark.parametrize("name", LAYERS)
def test_every_cut_is_truncation(name: str) -> None:
    data = LAYERS[name]
    for size in range(0, len(data), 7):
        with pytest.raises(Truncated):
            cms.read(data[:size])


@pytest.mark.parametrize("name", LAYERS)
def test_padding_may_follow_and_nothing_else(name: str) -> None:
    assert cms.merged(cms.read(LAYERS[name] + b"\r\n\0\0 \t")) == WHOLE[name]
    assert cms.merged(cms.read(b"", pieces=[LAYERS[name], b"\r", b"\n"])) == WHOLE[name]
    for extra in (b"\r\n.", LAYERS[name]):
        with pytest.raises(Malformed):
            cms.read(LAYERS[name] + extra)
    reader_pieces = [LAYERS[name], b"x"]
    with pytest.raises(Malformed):
        cms.read(b"", pieces=reader_pieces)


def test_empty_contents() -> None:
    for data in (
        cms.enveloped(b""),
        cms.enveloped(b"", wrap=cms.indefinite, size=3),
        cms.auth_enveloped(b""),
        cms.compressed(b""),
        cms.signed(b"", []),
    ):
        assert cms.content_of(cms.read(data)) == b""


@pytest.mark.parametrize("size", [1, 15, 16, 17, 31, 32, 65535, 65536, 65537, 200_000])
def test_sizes_around_blocks_and_chunks(size: int) -> None:
    content = os.urandom(size)
    for data in (cms.enveloped(content), cms.auth_enveloped(content), cms.compressed(content)):
        assert cms.content_of(cms.read(data)) == content
        assert cms.content_of(cms.read(b"", pieces=cms.split(data, 4099))) == content


@pytest.mark.parametrize("length", [16, 24, 32])
def test_every_aes_key_length(length: int) -> None:
    key = os.urandom(length)
    assert cms.content_of(cms.read(cms.enveloped(TEXT, key=key), key)) == TEXT
    assert cms.content_of(cms.read(cms.auth_enveloped(TEXT, key=key), key)) == TEXT


@pytest.mark.parametrize("tag_length", range(12, 17))
def test_tags_of_every_length(tag_length: int) -> None:
    attributes = [cms.attribute("1.2.3", asn1.octets(b"x" * 40)), cms.attribute("1.2.4", asn1.null())]
    for extra in ([], attributes):
        data = cms.auth_enveloped(TEXT, tag_length=tag_length, attributes=extra)
        assert cms.content_of(cms.read(data)) == TEXT
    assert cms.content_of(cms.read(cms.auth_enveloped(TEXT, tag_length=12, state_length=False))) == TEXT


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=100), st.binary(max_size=70))
def test_attributes_after_the_content_are_authenticated(content: bytes, value: bytes) -> None:
    attributes = [cms.attribute("1.2.3", asn1.octets(value))]
    data = cms.auth_enveloped(content, attributes=attributes)
    assert cms.content_of(cms.read(data)) == content
    other = data.replace(asn1.oid("1.2.3"), asn1.oid("1.2.4"))
    with pytest.raises(DecryptionFailed):
        cms.read(other)


def failure(data: bytes, key: bytes = cms.KEY) -> tuple[type, str]:
    with pytest.raises(CmsError) as caught:
        cms.read(data, key)
    return type(caught.value), str(caught.value)


def test_no_decryption_error_can_be_told_from_another() -> None:
    good = cms.enveloped(TEXT)
    sealed = cms.auth_enveloped(TEXT)
    found = {
        failure(good, os.urandom(16)),
        failure(good, b""),
        failure(good, os.urandom(48)),
        failure(good, cms.KEY[:-1] + b"\0"),
        failure(cms.enveloped(b"", padded=TEXT[:32])),
        failure(cms.enveloped(b"", padded=b"a" * 15 + b"\0")),
        failure(cms.enveloped(b"", padded=b"a" * 15 + b"\x11")),
        failure(cms.enveloped(b"", padded=b"a" * 14 + b"\x01\x02")),
        failure(cms.enveloped(b"", padded=b"")),
        failure(sealed, os.urandom(32)),
        failure(sealed, os.urandom(5)),
        failure(cms.auth_enveloped(TEXT, tag=bytes(16))),
        failure(cms.auth_enveloped(TEXT, tag=bytes(3))),
        failure(cms.auth_enveloped(TEXT, tag=bytes(17))),
    }
    assert len(found) == 1
    assert found.pop()[0] is DecryptionFailed


def test_a_stand_in_key_never_opens_anything() -> None:
    """Content encrypted under the stand-in itself still fails."""
    data = cms.enveloped(TEXT, key=bytes(32))
    assert failure(data, b"short")[0] is DecryptionFailed
    assert failure(cms.auth_enveloped(TEXT, key=bytes(32)), b"short")[0] is DecryptionFailed


def test_ciphertext_that_is_no_whole_number_of_blocks() -> None:
    data = cms.enveloped(TEXT, size=20)
    cut = data.replace(cms.segments(b"", 1), b"")
    assert cms.content_of(cms.read(data)) == TEXT
    assert cut != data
    plain = cms.enveloped(b"a" * 15)
    assert failure(plain[:-1].replace(b"\x80\x10", b"\x80\x0f"))[0] in (
        DecryptionFailed,
        Truncated,
        Malformed,
    )


@pytest.mark.parametrize("size", [1000, 65536])
@pytest.mark.parametrize("make", [cms.enveloped, cms.auth_enveloped])
def test_memory_stays_flat(make: Callable[..., bytes], size: int) -> None:
    data = memoryview(make(bytes(24_000_000), wrap=cms.indefinite, size=size))
    reader, given = Reader(), 0
    tracemalloc.start()
    for start in range(0, len(data), 50_000):
        events = reader.feed(data[start : start + 50_000])
        if isinstance(events[-1], KeyNeeded):
            events = reader.supply_key(cms.KEY)
        given += len(cms.content_of(events))
        del events
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reader.close() == []
    assert given == 24_000_000
    assert peak < 1_000_000


class TestOrder:
    def test_a_key_nobody_asked_for(self) -> None:
        with pytest.raises(Misuse):
            Reader().supply_key(cms.KEY)

    def test_input_is_held_until_the_key_comes(self) -> None:
        data = cms.enveloped(TEXT)
        reader = Reader()
        seen = []
        for piece in cms.split(data, 20):
            seen += reader.feed(piece)
        assert isinstance(seen[-1], KeyNeeded)
        assert cms.content_of(reader.supply_key(cms.KEY)) == TEXT
        assert reader.close() == []

    def test_closing_before_the_key_comes(self) -> None:
        reader = Reader()
        reader.feed(cms.enveloped(TEXT))
        with pytest.raises(Misuse):
            reader.close()

    def test_an_error_is_final(self) -> None:
        reader = Reader()
        with pytest.raises(Malformed) as first:
            reader.feed(b"\x04\x00")
        for again in (lambda: reader.feed(TEXT), reader.close, lambda: reader.supply_key(cms.KEY)):
            with pytest.raises(Malformed) as other:
                again()
            assert other.value is first.value

    def test_no_key_in_the_repr(self) -> None:
        reader = Reader()
        reader.feed(cms.enveloped(TEXT))
        reader.supply_key(cms.KEY)
        assert cms.KEY.hex() not in repr(vars(reader))
        assert repr(cms.KEY) not in repr(vars(reader))
