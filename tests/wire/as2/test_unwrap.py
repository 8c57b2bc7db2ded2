from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.as2_world import NOW, Entropy, Result, build, cek, open_message, party

from ecluse.errors import EcluseError
from ecluse.wire import asn1
from ecluse.wire.as2 import disposition as said
from ecluse.wire.as2 import events as as2
from ecluse.wire.as2._layers import SignedLayer
from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part, ReceiptOptions
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.as2.unwrap import Unwrapper
from ecluse.wire.cms import oids, recipients
from ecluse.wire.cms.errors import CmsError
from ecluse.wire.cms.writer import EnvelopedWriter
from ecluse.wire.smime.headers import Headers
from ecluse.wire.smime.mic import Digester

ASTER, BIRCH = party("Aster"), party("Birch")
PAYLOAD = b"UNB+UNOA:2+ASTER+BIRCH'\r\nLIN+1++4000862141404:SRS'\r\n"
POLICY = as2.UnwrapPolicy((ASTER.certificate,))


def options(sign=True, cipher="aes-256-cbc", compression="none") -> BuildOptions:
    return BuildOptions(
        "Aster",
        "Birch",
        signers=(ASTER.signer(),) if sign else (),
        recipients=(recipients.for_certificate(BIRCH.certificate),) if cipher else (),
        cipher=cipher or "aes-256-cbc",
        compression=compression,
    )


MESSAGES = [
    build(options(sign, cipher, compression), PAYLOAD)[:2]
    for sign in (False, True)
    for cipher in ("", "aes-256-cbc", "aes-128-gcm")
    for compression in ("none", "before-signing", "after-signing")
]


def merged(result: Result) -> list[object]:
    """Events with neighbouring octets put together: what must not depend on the chunks."""
    return [
        result.exact,
        [(start, data, end) for start, data, end in result.parts],
        [event for event in result.events if isinstance(event, as2.KeyNeeded | as2.Opened)],
    ]


@given(st.sampled_from(MESSAGES), st.integers(1, 2000))
@settings(max_examples=60, deadline=None)
def test_any_chunking_gives_the_same_events(message, chunk):
    whole = open_message(*message, POLICY, BIRCH)
    assert merged(open_message(*message, POLICY, BIRCH, chunk=chunk)) == merged(whole)


def outcome(headers, body: bytes, chunk: int) -> said.Disposition | tuple[bytes, as2.Opened]:
    """What a message comes to: the answer to it, or its payload and what proves that."""
    try:
        result = open_message(headers, body, POLICY, BIRCH, chunk=chunk)
    except As2Failure as failure:
        return failure.disposition
    return b"".join(data for _, data, _ in result.parts), result.opened


@given(st.sampled_from(MESSAGES), st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_message_is_refused_by_our_errors_or_intact(message, draw):
    headers, body = message
    at = draw.draw(st.integers(0, len(body)))
    noise = draw.draw(st.binary(max_size=40))
    cut = draw.draw(st.sampled_from([0, 0, 1, 40]))
    damaged = body[:at] + noise + body[at + len(noise) + cut :]
    found = outcome(headers, damaged, 65536)
    assert outcome(headers, damaged, draw.draw(st.sampled_from([1, 7, 64]))) == found
    if isinstance(found, said.Disposition):
        assert not found.is_success
    else:
        assert found[1].signed is None or found[0] == PAYLOAD


def enveloped(data: bytes, cipher: str) -> bytes:
    writer = EnvelopedWriter([recipients.for_certificate(BIRCH.certificate)], cipher, entropy=Entropy())
    return writer.start() + writer.feed(data) + writer.finish()


CMS = ("Content-Type", "application/pkcs7-mime")
CMS_HEADER = b"Content-Type: application/pkcs7-mime\r\n\r\n"


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
@pytest.mark.parametrize("chunk", [1, 64, 1000, 65536])
def test_layers_of_encryption_in_any_order(cipher, chunk):
    inner = b"Content-Type: a/b\r\n\r\n" + PAYLOAD
    twice = enveloped(CMS_HEADER + enveloped(CMS_HEADER + enveloped(inner, cipher), cipher), cipher)
    result = open_message([CMS], twice, POLICY, BIRCH, chunk=chunk)
    assert [type(layer) for layer in result.opened.protections] == [as2.Encrypted] * 3
    assert result.exact == inner
    outside = Digester(("sha256",))
    layer = SignedLayer((ASTER.signer(),), "sha256", boundary="b", now=NOW, digester=outside)
    ciphertext = CMS_HEADER + enveloped(inner, cipher)
    body = layer.start() + layer.feed(ciphertext) + layer.finish()
    result = open_message(layer.fields(), body, POLICY, BIRCH, chunk=chunk)
    assert [type(layer) for layer in result.opened.protections] == [as2.Signed, as2.Encrypted]
    assert result.payload == PAYLOAD
    assert result.exact == ciphertext
    assert not result.parts[0][0].in_exact
    broken = body.replace(ciphertext, ciphertext[:-1])
    assert outcome(layer.fields(), broken, chunk) == said.INTEGRITY_CHECK_FAILED


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
@pytest.mark.parametrize("chunk", [64, 65536])
def test_a_fault_in_an_inner_encryption_waits_for_the_outer_one(cipher, chunk):
    signed = b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
    body = enveloped(CMS_HEADER + enveloped(signed, cipher), cipher)
    # Without a tag it may be an attacker's garbage.
    wrong_parts = said.AUTHENTICATION_FAILED if "gcm" in cipher else said.DECRYPTION_FAILED
    assert outcome([CMS], body, chunk) == wrong_parts
    broken = body[:-20] + bytes([body[-20] ^ 1]) + body[-19:]
    assert outcome([CMS], broken, chunk) == said.DECRYPTION_FAILED


_kinds = st.sampled_from(
    [
        "application/pkcs7-mime",
        "multipart/signed; boundary=b",
        "multipart/related; boundary=b",
        "multipart/signed",
        "a/b",
        "",
    ]
)
_pieces = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [
            b"--b\r\n",
            b"\r\n--b--\r\n",
            b"\r\n\r\n",
            b"Content-Type: application/pkcs7-signature\r\n",
            b"Content-Transfer-Encoding: base64\r\n\r\n",
            b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80",
            b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x30\x80",
        ]
    ),
)


@given(
    _kinds, st.sampled_from(["", "base64", "quoted-printable", "x"]), st.lists(_pieces), st.integers(1, 60)
)
@settings(deadline=None)
def test_garbage_gives_our_errors_only(kind, encoding, pieces, chunk):
    headers = [("Content-Type", kind), ("Content-Transfer-Encoding", encoding)]
    with contextlib.suppress(EcluseError):
        assert open_message(headers, b"".join(pieces), POLICY, BIRCH, chunk=chunk).opened.parts


@pytest.mark.parametrize(
    ("sign", "cipher", "policy", "accepted"),
    [
        (True, "aes-256-cbc", {"require_signed": True, "require_encrypted": True}, True),
        (True, "", {"require_signed": True}, True),
        (True, "", {"require_encrypted": True}, False),
        (False, "aes-256-gcm", {"require_signed": True}, False),
        (False, "aes-256-gcm", {"require_encrypted": True}, True),
        (False, "", {"require_signed": True}, False),
        (False, "", {}, True),
    ],
)
def test_what_is_asked_of_a_partner_is_required(sign, cipher, policy, accepted):
    headers, body, _ = build(options(sign, cipher), PAYLOAD)
    wanted = as2.UnwrapPolicy((ASTER.certificate,), **policy)
    if accepted:
        assert open_message(headers, body, wanted, BIRCH).payload == PAYLOAD
        return
    with pytest.raises(As2Failure) as failure:
        open_message(headers, body, wanted, BIRCH)
    assert failure.value.disposition == said.INSUFFICIENT_SECURITY


def test_the_algorithm_and_the_signature_are_told():
    headers, body, _ = build(options(), PAYLOAD)
    opened = open_message(headers, body, POLICY, BIRCH).opened
    outer, inner = opened.protections
    assert isinstance(outer, as2.Encrypted)
    assert outer.algorithm.oid == "2.16.840.1.101.3.4.1.42"
    assert not outer.authenticated
    assert isinstance(inner, as2.Signed)
    assert opened.signed is inner
    assert inner.signature[0] == 0x30
    assert inner.certificate == ASTER.certificate


def test_the_mic_is_given_in_the_digest_that_was_asked_for():
    headers, body, builder = build(
        BuildOptions("Aster", "Birch", receipt=ReceiptOptions("x", micalgs=("sha-512",))), PAYLOAD
    )
    opened = open_message(headers, body, as2.UnwrapPolicy(mic_digest="sha512")).opened
    assert opened.mic_digest == "sha512"
    assert opened.mic == builder.mics["sha512"]


@pytest.mark.parametrize("allowed", [frozenset(), frozenset({"3des"})])
def test_an_old_algorithm_is_refused_unless_it_is_allowed_by_name(allowed):
    aes, triple = oids.AES192_CBC, oids.DES_EDE3_CBC
    target = [recipients.for_certificate(BIRCH.certificate)]
    body = EnvelopedWriter(target, "aes-192-cbc", entropy=Entropy()).start()
    assert asn1.oid(aes) in body
    # The head alone decides; its lengths hold because they are indefinite or fixed up below.
    old, new = asn1.oid(aes) + asn1.octets(bytes(16))[:2], asn1.oid(triple) + asn1.octets(bytes(8))[:2]
    at = body.index(old)
    vector = body[at + len(old) : at + len(old) + 16]
    head = body[: at - 2] + bytes([0x30, len(new) + 8]) + new + vector[:8] + body[at + len(old) + 16 :]
    unwrapper = Unwrapper(
        Headers.of([("Content-Type", "application/pkcs7-mime")]), as2.UnwrapPolicy(allowed=allowed)
    )
    if allowed:
        assert isinstance(unwrapper.feed(head)[-1], as2.KeyNeeded)
        return
    with pytest.raises(As2Failure) as failure:
        unwrapper.feed(head)
    assert failure.value.disposition == said.INSUFFICIENT_SECURITY


def test_a_failure_is_raised_again_by_every_later_call():
    unwrapper = Unwrapper(Headers.of([("Content-Type", "multipart/signed")]), POLICY)
    for call in (lambda: unwrapper.feed(b"x"), lambda: unwrapper.feed(b"y"), unwrapper.close):
        with pytest.raises(As2Failure):
            call()


def test_a_key_is_supplied_when_it_is_asked_for():
    headers, body, _ = build(options(), PAYLOAD)
    unwrapper = Unwrapper(Headers.of(headers), POLICY)
    with pytest.raises(CmsError):
        unwrapper.supply_key(b"x" * 32)
    events = unwrapper.feed(body)
    assert isinstance(events[-1], as2.KeyNeeded)
    with pytest.raises(CmsError):
        unwrapper.close()
    events = unwrapper.supply_key(cek(events[-1], BIRCH)) + unwrapper.close()
    assert isinstance(events[-1], as2.Opened)


# The first is plain: only the transport knows where that ends.
@pytest.mark.parametrize("message", range(1, len(MESSAGES)))
def test_a_message_that_is_cut_short_is_refused(message):
    headers, body = MESSAGES[message]
    with pytest.raises(As2Failure):
        open_message(headers, body[:-30], POLICY, BIRCH)


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
def test_memory_does_not_grow_with_the_message(cipher):
    def peak(size: int) -> int:
        chunk = b"LIN+1++4000862141404:SRS'\r\n" * 2400
        made = MessageBuilder(
            options(cipher=cipher, compression="after-signing"),
            Part(),
            message_id="<1@x>",
            now=NOW,
            entropy=Entropy(),
        )
        unwrapper = Unwrapper(Headers.of(made.headers), POLICY)

        def through(data: bytes) -> None:
            for event in unwrapper.iterate(data):
                if isinstance(event, as2.KeyNeeded):
                    unwrapper.supply_key(cek(event, BIRCH))

        tracemalloc.start()
        through(made.start())
        for _ in range(size // len(chunk)):
            through(made.feed(chunk))
        through(made.finish())
        assert isinstance(unwrapper.close()[-1], as2.Opened)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(24_000_000) < peak(2_000_000) + 2_000_000
