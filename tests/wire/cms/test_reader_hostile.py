"""What an attacker may send: each gives our error, soon, and without growing."""

from __future__ import annotations

import itertools
import os
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import cms
from tests.support.certs import make_identity

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import (
    AlgorithmForbidden,
    CmsError,
    DecompressionFailed,
    LimitExceeded,
    Malformed,
    Truncated,
    UnsupportedAlgorithm,
)
from ecluse.wire.cms.events import KeyNeeded, Recipient, RecipientKind, Signers
from ecluse.wire.cms.limits import Limits
from ecluse.wire.cms.reader import Reader

TEXT = b"ISA*00*ASTER*00*BIRCH~" * 20
ASTER = make_identity("Aster")
SIGNED = [cms.signer_info(ASTER, TEXT)]
START = asn1.begin(0x30) + asn1.oid(oids.SIGNED_DATA) + asn1.begin(0xA0) + asn1.begin(0x30) + asn1.integer(1)
ENVELOPED = asn1.begin(0x30) + asn1.oid(oids.ENVELOPED_DATA) + asn1.begin(0xA0) + asn1.begin(0x30)


def timed(data: bytes, error: type[CmsError], seconds: float = 2.0, **how: object) -> None:
    started = time.process_time()
    with pytest.raises(error):
        cms.read(data, **how)  # type: ignore[arg-type]
    assert time.process_time() - started < seconds


class TestLimits:
    def test_depth_of_content(self) -> None:
        content = asn1.begin(0x24) * 1000
        data = asn1.begin(0x30) + asn1.oid(oids.DATA) + asn1.begin(0xA0) + content
        timed(data, LimitExceeded)

    def test_depth_of_a_header_field(self) -> None:
        timed(START + asn1.begin(0x31) * 100_000, LimitExceeded)
        nested = b""
        for _ in range(100):
            nested = asn1.encode(0x31, nested)
        signer = asn1.sequence(asn1.integer(1), asn1.explicit(0, nested))
        timed(cms.signed(TEXT, [signer]), CmsError)

    def test_recipients(self) -> None:
        assert cms.read(cms.enveloped(TEXT, recipients=[cms.key_transport(n) for n in range(256)]))
        for count in (257, 10_000):
            many = [cms.key_transport(n, b"") for n in range(count)]
            timed(cms.enveloped(TEXT, recipients=many), LimitExceeded)

    def test_keys_of_one_agreement(self) -> None:
        entry = asn1.sequence(asn1.sequence(asn1.sequence(), asn1.integer(1)), asn1.octets(b"k"))
        agreement = asn1.encode(
            0xA1,
            asn1.integer(3),
            asn1.explicit(0, asn1.encode(0xA1, cms.algorithm(oids.X25519), b"\x03\x01\x00")),
            cms.algorithm(oids.DH_HKDF_SHA256, cms.algorithm(oids.AES256_WRAP)),
            asn1.sequence(*[entry] * 300),
        )
        timed(cms.enveloped(TEXT, recipients=[agreement]), LimitExceeded)

    def test_signers_and_certificates(self) -> None:
        timed(cms.signed(TEXT, SIGNED * 17), LimitExceeded)
        timed(cms.signed(TEXT, SIGNED, certificates=[asn1.sequence()] * 65), LimitExceeded)

    def test_header_size(self) -> None:
        huge = asn1.explicit(0, asn1.octets(bytes(2_000_000)))
        timed(cms.signed(TEXT, SIGNED, certificates=[huge]), LimitExceeded)
        endless = itertools.repeat(asn1.octets(bytes(1000)), 5000)
        timed(START + asn1.begin(0x31) + b"".join(endless), LimitExceeded)

    def test_a_huge_length_is_refused_before_anything_is_held(self) -> None:
        for length in (b"\x84\x7f\xff\xff\xff", b"\x88" + b"\xff" * 8, b"\x87" + b"\xff" * 7):
            timed(START + b"\x31" + length, LimitExceeded)

    def test_overflowing_lengths_of_content(self) -> None:
        head = asn1.begin(0x30) + asn1.oid(oids.DATA) + asn1.begin(0xA0)
        timed(head + b"\x04\x88" + b"\xff" * 8 + TEXT, Truncated)
        timed(head + b"\x04\x89\x01" + bytes(8), Malformed)
        timed(head + b"\x24\x05\x04\x88" + b"\xff" * 8, Malformed)
        timed(head + b"\x24\x80\x04\x89" + b"\xff" * 9, Malformed)
        timed(head + b"\x24\x80\x04\x80", Malformed)
        timed(head + b"\x04\x80", Malformed)

    def test_content_size(self) -> None:
        limits = Limits(content=100)
        for data in (
            cms.enveloped(TEXT),
            cms.signed(TEXT, []),
            cms.compressed(TEXT),
            cms.auth_enveloped(TEXT),
        ):
            timed(data, LimitExceeded, limits=limits)

    def test_input_held_while_a_key_is_awaited(self) -> None:
        reader = Reader(Limits(held=1000))
        data = cms.enveloped(bytes(5000))
        assert isinstance(reader.feed(data[:200])[-1], KeyNeeded)
        reader.feed(data[200:1000])
        with pytest.raises(LimitExceeded):
            reader.feed(data[1000:])

    def test_levels_that_each_look_for_their_end(self) -> None:
        """Thirty levels of indefinite length around many elements: the search is not repeated for ever."""
        nested = asn1.null() * 60_000
        for _ in range(25):
            nested = cms.indefinite(asn1.SEQUENCE, nested)
        info = asn1.sequence(asn1.integer(1), asn1.sequence(), nested, asn1.explicit(0, nested), asn1.null())
        timed(cms.signed(TEXT, [info]), CmsError)
        timed(cms.signed(TEXT, [asn1.null() * 100_000], wrap=cms.indefinite), LimitExceeded)

    def test_elements(self) -> None:
        timed(cms.signed(TEXT, [asn1.null() * 200_000]), LimitExceeded)


class TestCompression:
    def test_a_bomb_is_stopped_in_flat_memory(self) -> None:
        packer = zlib.compressobj(9)
        bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
        data = cms.compressed(b"", raw=bomb)
        reader, given = Reader(), 0
        tracemalloc.start()

        def swallow() -> None:
            nonlocal given
            for piece in cms.split(data, 1000):
                given += len(cms.content_of(reader.feed(piece)))

        with pytest.raises(LimitExceeded):
            swallow()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert given <= Limits().inflated_floor
        assert peak < 8 << 20

    def test_the_ratio_counts_above_the_floor_only(self) -> None:
        data = cms.compressed(bytes(1_000_000))
        assert len(cms.content_of(cms.read(data))) == 1_000_000
        timed(data, LimitExceeded, limits=Limits(inflated_floor=900_000))

    def test_what_is_no_zlib_stream(self) -> None:
        whole = zlib.compress(TEXT)
        for raw in (b"", whole[:-1], whole[:-1] + b"\0", whole + b"x", whole + whole, b"PK\3\4", TEXT):
            timed(cms.compressed(b"", raw=raw), DecompressionFailed)
            pieces = cms.split(cms.compressed(b"", raw=raw), 1)
            timed(b"", DecompressionFailed, pieces=pieces)

    def test_another_algorithm(self) -> None:
        data = cms.compressed(TEXT).replace(asn1.oid(oids.ZLIB), asn1.oid("1.2.840.113549.1.9.16.3.9"))
        timed(data, UnsupportedAlgorithm)


class TestStructure:
    @pytest.mark.parametrize(
        "data",
        [
            asn1.octets(TEXT),
            asn1.encode(0x31, asn1.oid(oids.DATA)),
            asn1.sequence(asn1.oid(oids.DATA)),
            asn1.sequence(asn1.oid(oids.DATA), asn1.octets(TEXT)),
            asn1.sequence(asn1.integer(1), asn1.explicit(0, asn1.octets(TEXT))),
            cms.content_info(oids.DATA, asn1.octets(TEXT) + asn1.null()),
            cms.content_info(oids.DATA, asn1.encode(0x24, asn1.null())),
            cms.content_info(oids.DATA, asn1.encode(0x24, b"\0\0")),
            cms.content_info(oids.SIGNED_DATA, asn1.sequence(asn1.null())),
            cms.signed(TEXT, [asn1.sequence(asn1.integer(1))]),
            cms.enveloped(TEXT, recipients=[asn1.null()]),
            cms.enveloped(TEXT, recipients=[asn1.encode(0xA1)]),
            cms.enveloped(TEXT, recipients=[asn1.encode(0xA3, asn1.null())]),
            cms.enveloped(TEXT, recipients=[asn1.encode(0xA4, asn1.oid(oids.ORI_KEM), asn1.sequence())]),
            cms.enveloped(TEXT).replace(asn1.octets(cms.IV), asn1.octets(b"x" * 15) + b"\x05"),
            b"-----BEGIN PKCS7-----",
            b"MIAGCSqGSIb3DQEHA6CAMIACAQAxggFI",
        ],
    )
    def test_what_is_malformed(self, data: bytes) -> None:
        timed(data, CmsError)
        with pytest.raises(CmsError):
            cms.read(b"", pieces=cms.split(data, 1))

    def test_a_child_longer_than_its_parent(self) -> None:
        good = cms.content_info(oids.DATA, asn1.octets(TEXT))
        inner = good.index(asn1.octets(TEXT)) + 3
        timed(good[:inner] + bytes((good[inner] + 1,)) + good[inner + 1 :] + b"x" * 9, Malformed)

    def test_content_types_that_are_not_read(self) -> None:
        timed(cms.content_info("1.2.840.113549.1.7.6", asn1.sequence()), UnsupportedAlgorithm)

    def test_attributes_said_twice(self) -> None:
        usual = cms.usual_attributes(TEXT, "sha256")
        for attributes in ([*usual, usual[1]], [*usual[:2], cms.attribute(oids.SIGNING_TIME)]):
            timed(cms.signed(TEXT, [cms.signer_info(ASTER, TEXT, attributes=attributes)]), Malformed)

    def test_cbc_in_auth_enveloped_data_and_the_reverse(self) -> None:
        data = cms.auth_enveloped(TEXT).replace(
            asn1.oid(oids.AUTH_ENVELOPED_DATA), asn1.oid(oids.ENVELOPED_DATA).ljust(13, b"\0")
        )
        timed(data, CmsError)
        pasted = ENVELOPED + asn1.integer(0) + asn1.set_of(cms.key_transport()) + asn1.begin(0x30)
        parameters = asn1.sequence(asn1.octets(bytes(12)))
        timed(pasted + asn1.oid(oids.DATA) + cms.algorithm(oids.AES256_GCM, parameters), Malformed)

    @pytest.mark.parametrize(
        "parameters", [(), (asn1.null(),), (asn1.sequence(),), (asn1.sequence(asn1.octets(bytes(8))),)]
    )
    def test_unusual_gcm_parameters(self, parameters: tuple[bytes, ...]) -> None:
        start = cms.auth_enveloped(TEXT)
        old = asn1.sequence(asn1.octets(cms.IV[:12]), asn1.integer(16))
        filler = asn1.octets(bytes(len(old) - 2))
        assert old in start
        timed(start.replace(old, filler), CmsError)
        head = asn1.begin(0x30) + asn1.oid(oids.AUTH_ENVELOPED_DATA) + asn1.begin(0xA0) + asn1.begin(0x30)
        head += asn1.integer(0) + asn1.set_of(cms.key_transport()) + asn1.begin(0x30) + asn1.oid(oids.DATA)
        timed(head + cms.algorithm(oids.AES256_GCM, *parameters), CmsError)


class TestForbidden:
    @pytest.mark.parametrize("oid", [oids.DES_CBC, oids.RC2_CBC, oids.RC4])
    def test_ciphers_that_nothing_allows(self, oid: str) -> None:
        head = ENVELOPED + asn1.integer(0) + asn1.set_of(cms.key_transport()) + asn1.begin(0x30)
        data = head + asn1.oid(oids.DATA) + cms.algorithm(oid, asn1.octets(bytes(8)))
        timed(data, AlgorithmForbidden, allowed=frozenset({"des", "rc2", "rc4", "3des"}))

    def test_triple_des_needs_its_name(self) -> None:
        head = ENVELOPED + asn1.integer(0) + asn1.set_of(cms.key_transport()) + asn1.begin(0x30)
        data = head + asn1.oid(oids.DATA) + cms.algorithm(oids.DES_EDE3_CBC, asn1.octets(bytes(8)))
        timed(data, AlgorithmForbidden)
        reader = Reader(allowed=frozenset({"3des"}))
        needed = reader.feed(data)[-1]
        assert isinstance(needed, KeyNeeded)
        assert needed.key_length == 24

    def test_sha1_is_computed_only_where_allowed(self) -> None:
        data = cms.signed(TEXT, [], digests=("sha1", "sha256"))
        for allowed, names in ((frozenset(), {"sha256"}), (frozenset({"sha-1"}), {"sha1", "sha256"})):
            signers = cms.event_of(cms.read(data, allowed=allowed), Signers)
            assert isinstance(signers, Signers)
            assert set(signers.digests) == names


class TestRecipients:
    def read(self, info: bytes) -> tuple[Recipient, ...]:
        needed = cms.event_of(cms.read(cms.enveloped(TEXT, recipients=[info])), KeyNeeded)
        assert isinstance(needed, KeyNeeded)
        return needed.recipients

    def test_key_identifier(self) -> None:
        for identifier in (asn1.implicit(0, b"kid"), asn1.explicit(0, asn1.octets(b"kid"))):
            algorithm = cms.algorithm(oids.RSAES_OAEP, asn1.sequence())
            info = asn1.sequence(asn1.integer(2), identifier, algorithm, asn1.octets(b"k"))
            (found,) = self.read(info)
            assert (found.issuer, found.serial, found.key_id) == (None, None, b"kid")
            assert found.algorithm.oid == oids.RSAES_OAEP
            assert found.algorithm.parameters == asn1.sequence()

    @pytest.mark.parametrize("ukm", [None, b"ukm"])
    def test_key_agreement(self, ukm: bytes | None) -> None:
        public = cms.algorithm(oids.X25519) + b"\x03\x03\x00ab"
        issuer = asn1.sequence()
        entries = [
            asn1.sequence(asn1.sequence(issuer, asn1.integer(7)), asn1.octets(b"k1")),
            asn1.sequence(asn1.encode(0xA0, asn1.octets(b"kid")), asn1.octets(b"k2")),
        ]
        info = asn1.encode(
            0xA1,
            asn1.integer(3),
            asn1.explicit(0, asn1.encode(0xA1, public)),
            b"" if ukm is None else asn1.explicit(1, asn1.octets(ukm)),
            cms.algorithm(oids.DH_HKDF_SHA256, cms.algorithm(oids.AES256_WRAP)),
            asn1.sequence(*entries),
        )
        one, two = self.read(info)
        assert one.kind is two.kind is RecipientKind.KEY_AGREEMENT
        assert (one.issuer, one.serial, one.encrypted_key) == (issuer, 7, b"k1")
        assert (two.key_id, two.encrypted_key) == (b"kid", b"k2")
        assert one.originator == asn1.sequence(public)
        assert one.ukm == ukm
        assert one.wrap is not None
        assert one.wrap.oid == oids.AES256_WRAP

    @pytest.mark.parametrize("ukm", [None, b"ukm"])
    def test_kem(self, ukm: bytes | None) -> None:
        value = asn1.sequence(
            asn1.integer(0),
            asn1.implicit(0, b"kid"),
            cms.algorithm(oids.ML_KEM_768),
            asn1.octets(b"ciphertext"),
            cms.algorithm(oids.HKDF_SHA256),
            asn1.integer(32),
            b"" if ukm is None else asn1.explicit(0, asn1.octets(ukm)),
            cms.algorithm(oids.AES256_WRAP),
            asn1.octets(b"key"),
        )
        (found,) = self.read(asn1.encode(0xA4, asn1.oid(oids.ORI_KEM), value))
        assert found.kind is RecipientKind.KEM
        assert (found.key_id, found.kem_ciphertext, found.encrypted_key) == (b"kid", b"ciphertext", b"key")
        assert (found.kek_length, found.ukm) == (32, ukm)
        assert found.kdf is not None
        assert found.wrap is not None
        assert (found.algorithm.oid, found.kdf.oid, found.wrap.oid) == (
            oids.ML_KEM_768,
            oids.HKDF_SHA256,
            oids.AES256_WRAP,
        )

    def test_others_are_listed_and_named_so(self) -> None:
        kek = asn1.encode(
            0xA2,
            asn1.integer(4),
            asn1.sequence(asn1.octets(b"kid")),
            cms.algorithm(oids.AES256_WRAP),
            asn1.octets(b"k"),
        )
        password = asn1.encode(0xA3, asn1.integer(0), cms.algorithm("1.2.3"), asn1.octets(b"k"))
        unknown = asn1.encode(0xA4, asn1.oid("1.2.3"), asn1.null())
        for info in (kek, password, unknown):
            (found,) = self.read(info)
            assert found.kind is RecipientKind.OTHER


LAYERS = [
    cms.enveloped(TEXT, wrap=cms.indefinite, size=50),
    cms.enveloped(TEXT),
    cms.auth_enveloped(TEXT, attributes=[cms.attribute("1.2.3", asn1.null())]),
    cms.compressed(TEXT, wrap=cms.indefinite, size=30),
    cms.signed(TEXT, SIGNED, certificates=[ASTER.certificate_der], wrap=cms.indefinite, size=60),
    cms.signed(TEXT, SIGNED, detached=True),
]


def survives(data: bytes) -> bool:
    try:
        return isinstance(cms.read(data, limits=Limits(content=1 << 20)), list)
    except CmsError as error:
        return error.code.startswith("cms.")


@settings(max_examples=400, deadline=5000)
@given(
    st.sampled_from(LAYERS),
    st.sampled_from(["flip", "cut", "insert", "duplicate"]),
    st.integers(0, 4000),
    st.integers(1, 60),
    st.integers(0, 255),
)
def test_mutations_give_our_errors(data: bytes, what: str, at: int, size: int, value: int) -> None:
    at %= len(data)
    if what == "flip":
        data = data[:at] + bytes((data[at] ^ (value or 1),)) + data[at + 1 :]
    elif what == "cut":
        data = data[:at] + data[at + size :]
    elif what == "insert":
        data = data[:at] + bytes((value,)) * size + data[at:]
    else:
        data = data[: at + size] + data[at:]
    assert survives(data)


@settings(max_examples=100, deadline=5000)
@given(st.binary(max_size=400), st.sampled_from([b"", START, ENVELOPED, LAYERS[0][:60], LAYERS[4][:90]]))
def test_garbage_gives_our_errors(data: bytes, start: bytes) -> None:
    assert survives(start + data)


def test_every_octet_of_the_headers_changed() -> None:
    for data in LAYERS:
        for at in range(min(len(data), 260)):
            for value in (0x00, 0x80, 0xFF, data[at] ^ 0x20):
                assert survives(data[:at] + bytes((value,)) + data[at + 1 :])


def test_one_octet_at_a_time_costs_no_more_for_a_large_header() -> None:
    certificate = asn1.sequence(asn1.octets(os.urandom(200_000)))
    data = cms.signed(b"", SIGNED, detached=True, certificates=[certificate], wrap=cms.indefinite)
    started = time.process_time()
    assert cms.read(b"", pieces=cms.split(data, 1))
    assert time.process_time() - started < 3
