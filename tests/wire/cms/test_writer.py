"""The stages: what they write, however the content is cut, and what openssl makes of it."""

from __future__ import annotations

import hashlib
import itertools
import os
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.cms_keys import NOW, Openssl, certificate, needs_openssl, private_key

from ecluse.wire import asn1
from ecluse.wire.cms import oids, writer
from ecluse.wire.cms._segments import SEGMENT_SIZE
from ecluse.wire.cms.errors import AlgorithmForbidden, LimitExceeded, UnsupportedAlgorithm
from ecluse.wire.cms.keys import signer_for
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.cms.writer import CIPHERS, CompressedWriter, EnvelopedWriter, Nested, SignedWriter

CONTENT = hashlib.shake_128(b"content").digest(3 * SEGMENT_SIZE + 1000)


SIZES = st.builds(
    lambda segments, more: max(0, min(segments * SEGMENT_SIZE + more, len(CONTENT))),
    st.integers(0, 3),
    st.integers(-40, 1000),
)
"""Near the segments' bounds, where a mistake would be."""


class FixedRecipient:
    """A recipient whose RecipientInfo never changes."""

    version = 0

    def recipient_info(self, cek: bytes) -> bytes:
        return asn1.sequence(asn1.octets(cek))


def fixed_entropy(count: int) -> bytes:
    return bytes(range(count))


def written(stage, *pieces: bytes) -> bytes:
    return stage.start() + b"".join(map(stage.feed, pieces)) + stage.finish()


def ed25519_writer() -> SignedWriter:
    return SignedWriter([signer_for(private_key("ed25519"), certificate("ed25519"))], now=NOW)


STAGES = {
    "cbc": lambda: EnvelopedWriter([FixedRecipient()], "aes-256-cbc", entropy=fixed_entropy),
    "gcm": lambda: EnvelopedWriter([FixedRecipient()], "aes-128-gcm", entropy=fixed_entropy),
    "compressed": CompressedWriter,
    "signed": ed25519_writer,
    "nested": lambda: Nested(
        ed25519_writer(),
        CompressedWriter(),
        EnvelopedWriter([FixedRecipient()], "aes-256-gcm", entropy=fixed_entropy),
    ),
}


@pytest.mark.parametrize("stage", STAGES)
@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(SIZES, max_size=8), end=SIZES)
def test_the_cutting_of_the_content_changes_nothing(stage, cuts, end):
    content = CONTENT[:end]
    bounds = [0, *sorted(cut for cut in cuts if cut <= end), end]
    pieces = [content[a:b] for a, b in itertools.pairwise(bounds)]
    assert written(STAGES[stage](), *pieces) == written(STAGES[stage](), content)


@pytest.mark.parametrize("stage", STAGES)
def test_a_memoryview_is_as_good_as_bytes(stage):
    view = memoryview(bytearray(CONTENT))
    assert written(STAGES[stage](), view[:70_000], view[70_000:]) == written(STAGES[stage](), CONTENT)


@pytest.mark.parametrize("stage", ["cbc", "gcm", "signed"])
@pytest.mark.parametrize("size", [0, 1, 15, 16, SEGMENT_SIZE - 1, SEGMENT_SIZE, SEGMENT_SIZE + 1])
def test_no_segment_is_longer_than_the_constant(stage, size):
    content_info = asn1.parse(written(STAGES[stage](), CONTENT[:size]))
    segments = _segments(content_info)
    assert all(len(segment.content) == SEGMENT_SIZE for segment in segments[:-1])
    assert sum(len(segment.content) for segment in segments) - size in range(17)
    assert all(0 < len(segment.content) <= SEGMENT_SIZE + 16 for segment in segments)


def _segments(content_info: asn1.Element):
    body = content_info.children[1].children[0].children
    if body[2].children[0].tag == asn1.OID:
        inner = body[2].children
    content = inner[-1]
    while content.children and content.children[0].constructed:
        content = content.children[0]
    return content.children


def test_nothing_is_held_back_beyond_a_segment():
    stage = STAGES["cbc"]()
    out = len(stage.start())
    for fed in range(1, 40):
        out += len(stage.feed(CONTENT[:10_000]))
        assert fed * 10_000 - out < SEGMENT_SIZE


def test_compressed_data_is_one_zlib_stream():
    layer = asn1.parse(written(CompressedWriter(9), CONTENT)).children[1].children[0]
    version, algorithm, encapsulated = layer.children
    assert version.as_int() == 0
    assert algorithm.children[0].as_oid() == oids.ZLIB
    assert zlib.decompress(encapsulated.children[1].children[0].as_octets()) == CONTENT


def test_the_versions_are_those_of_the_rfc():
    for kind, version in {"rsa": 0, "p256": 2, "x25519": 2, "ml-kem-768": 3}.items():
        both = [for_certificate(certificate("rsa")), for_certificate(certificate(kind))]
        for cipher, expected in {"aes-128-cbc": version, "aes-128-gcm": 0}.items():
            layer = asn1.parse(written(EnvelopedWriter(both, cipher, entropy=os.urandom)))
            assert layer.children[1].children[0].children[0].as_int() == expected


def test_other_content_has_its_type_authenticated():
    stage = EnvelopedWriter(
        [FixedRecipient()], "aes-128-gcm", entropy=fixed_entropy, content_type=oids.SIGNED_DATA
    )
    layer = asn1.parse(written(stage, b"x")).children[1].children[0]
    assert layer.children[2].children[0].as_oid() == oids.SIGNED_DATA
    (attribute,) = layer.children[3].expect(0xA1).children
    assert attribute.children[0].as_oid() == oids.CONTENT_TYPE
    assert attribute.children[1].children[0].as_oid() == oids.SIGNED_DATA


@pytest.mark.parametrize("cipher", ["des-ede3-cbc", "3des", "rc2-cbc", "aes-256-ecb", ""])
def test_nothing_weaker_is_written(cipher):
    with pytest.raises(AlgorithmForbidden) as caught:
        EnvelopedWriter([FixedRecipient()], cipher, entropy=fixed_entropy)
    assert "aes-256-gcm" in str(caught.value)


def test_a_layer_without_a_recipient_or_a_signer_is_a_mistake():
    with pytest.raises(ValueError, match="recipient"):
        EnvelopedWriter([], "aes-256-cbc", entropy=fixed_entropy)
    with pytest.raises(ValueError, match="signer"):
        SignedWriter([], now=NOW)


def test_an_unknown_scheme_or_digest_is_refused():
    class Odd:
        certificate = certificate("rsa")
        scheme = "rsa-md5"

    with pytest.raises(UnsupportedAlgorithm):
        SignedWriter([Odd()], now=NOW)
    with pytest.raises(AlgorithmForbidden):
        SignedWriter([signer_for(private_key("rsa"), certificate("rsa"))], digest="sha1", now=NOW)


def test_gcm_stops_before_its_bound(monkeypatch):
    monkeypatch.setattr(writer, "GCM_MAX_CONTENT", 100)
    stage = STAGES["gcm"]()
    stage.feed(bytes(100))
    with pytest.raises(LimitExceeded):
        stage.feed(b"x")


# --- openssl ------------------------------------------------------------------------------------------------

RECIPIENTS = [
    ("rsa", "pkcs1"),
    ("rsa", "oaep-sha1"),
    ("rsa", "oaep-sha256"),
    ("p256", "pkcs1"),
    ("p384", "pkcs1"),
    ("p521", "pkcs1"),
]


@needs_openssl
@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("kind, padding", RECIPIENTS)
def test_openssl_decrypts(tmp_path, kind, padding, cipher):
    openssl = Openssl(tmp_path)
    openssl.give(kind)
    recipients = [
        for_certificate(certificate("rsa-other")),
        for_certificate(certificate(kind), padding=padding),
    ]
    stage = EnvelopedWriter(recipients, cipher, entropy=os.urandom)
    openssl.write("message", written(stage, CONTENT[:100], CONTENT[100:]))
    arguments = ["-inform", "DER", "-in", "message", "-recip", f"{kind}.pem", "-inkey", f"{kind}.key"]
    assert openssl.cms("-decrypt", *arguments) == CONTENT


SIGNERS = [("rsa", "rsa-pkcs1"), ("rsa", "rsa-pss"), ("p256", "ecdsa"), ("p521", "ecdsa")]


@needs_openssl
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("kind, scheme", SIGNERS)
def test_openssl_verifies_an_opaque_signature(tmp_path, kind, scheme, digest):
    openssl = Openssl(tmp_path)
    signer = signer_for(private_key(kind), certificate(kind), scheme)
    openssl.write("message", written(SignedWriter([signer], digest=digest, now=NOW), CONTENT))
    arguments = ["-inform", "DER", "-in", "message", "-CAfile", "authority.pem", "-purpose", "any"]
    assert openssl.cms("-verify", *arguments) == CONTENT


@needs_openssl
def test_openssl_reads_what_is_signed_and_then_encrypted(tmp_path):
    openssl = Openssl(tmp_path)
    openssl.give("p256")
    stage = Nested(
        SignedWriter([signer_for(private_key("rsa"), certificate("rsa"))], now=NOW),
        EnvelopedWriter([for_certificate(certificate("p256"))], "aes-256-gcm", entropy=os.urandom),
    )
    openssl.write("outer", written(stage, CONTENT))
    inner = openssl.cms(
        "-decrypt", "-inform", "DER", "-in", "outer", "-recip", "p256.pem", "-inkey", "p256.key"
    )
    openssl.write("inner", inner)
    arguments = ["-inform", "DER", "-in", "inner", "-CAfile", "authority.pem", "-purpose", "any"]
    assert openssl.cms("-verify", *arguments) == CONTENT
