"""Messages that are cut, changed, nested, huge or no messages at all: our errors only, in bounded space and time."""

from __future__ import annotations

import bz2
import os
import tracemalloc
import zlib

import pysequoia
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.openpgp import party, pieces

from ecluse.errors import EcluseError
from ecluse.wire.openpgp.armor import ArmorKind, armor, dearmor
from ecluse.wire.openpgp.certificate import read_certificates
from ecluse.wire.openpgp.errors import BadCertificate, NotForUs, OpenPgpError
from ecluse.wire.openpgp.limits import Limits
from ecluse.wire.openpgp.names import CIPHERS, Tag
from ecluse.wire.openpgp.packets import encode_length, packet, partial_packet
from ecluse.wire.openpgp.pkesk import SessionKey
from ecluse.wire.openpgp.protect import _Chunks, encrypt_mdc
from ecluse.wire.openpgp.reader import Content, Document, Encrypted, Signatures, read_message

DATA = os.urandom(3000)
LITERAL = packet(Tag.LITERAL, b"b\0\0\0\0\0" + DATA)
SESSION = SessionKey(9, bytes(range(32)))


def nobody(recipients):
    raise NotForUs("Nobody has a key.")


def known(recipients):
    return SESSION


def read(data: bytes, chunk: int = 1 << 20, unlock=nobody, **named):
    """(document, the other events)."""
    out, others = [], []
    for event in read_message(pieces(data, chunk), unlock, **named):
        if isinstance(event, Content):
            out.append(bytes(event.data))
        else:
            others.append(event)
    return b"".join(out), others


def refused(data: bytes, chunk: int = 1 << 20, unlock=nobody, **named) -> str:
    with pytest.raises(OpenPgpError) as caught:
        read(data, chunk, unlock, **named)
    return caught.value.code


def encrypted(content: bytes) -> bytes:
    wrapped = packet(Tag.PKESK, b"\3" + bytes(8) + b"\1" + bytes(20))
    return wrapped + b"".join(map(bytes, encrypt_mdc([content], SESSION, os.urandom)))


def sealed(version: int, **named) -> bytes:
    aster = party(version=version)
    return aster.seal(DATA, [aster.certificate], filename="order.edi", **named)


# --- the same, however it arrives ---------------------------------------------------------------------------


@given(st.integers(1, 700), st.sampled_from([4, 6]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_chunking_gives_the_same(chunk, version, armored):
    aster = party(version=version)
    out, facts = aster.open(sealed(version, armor=armored), [aster.certificate], chunk=chunk)
    assert out == DATA
    assert facts.name == "order.edi"
    assert len(facts.signatures) == 1


@given(st.binary(max_size=600), st.lists(st.integers(0, 9), max_size=40))
@settings(max_examples=60, deadline=None)
def test_partial_lengths_of_any_size(body, powers):
    data = bytes([0xC0 | Tag.LITERAL])
    rest = b"b\0\0\0\0\0" + body
    for power in powers:
        if len(rest) < 1 << power:
            break
        data += bytes([0xE0 | power]) + rest[: 1 << power]
        rest = rest[1 << power :]
    data += encode_length(len(rest)) + rest
    assert read(data)[0] == body
    assert read(data, 1)[0] == body


def test_old_lengths():
    body = b"b\0\0\0\0\0" + DATA
    for head in (
        b"\xad" + len(body).to_bytes(2, "big"),
        b"\xae" + len(body).to_bytes(4, "big"),
        b"\xaf",
    ):
        assert read(head + body)[0] == DATA
    assert refused(b"\x8b" + b"x") == "openpgp.malformed"  # a signature without a length


# --- cut and changed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("armored", [False, True])
def test_cut_anywhere(version, armored):
    aster = party(version=version)
    message = sealed(version, armor=armored)
    for end in [*range(0, len(message) - 1, 97), len(message) - 30 if armored else len(message) - 1]:
        with pytest.raises(OpenPgpError) as caught:
            aster.open(message[:end], [aster.certificate])
        assert caught.value.code in ("openpgp.truncated", "openpgp.not-openpgp", "openpgp.modified"), end


@pytest.mark.parametrize("version", [4, 6])
def test_changed_anywhere(version):
    """One bit in every 13th octet: never the document without an error, and inside the data always the same one."""
    aster = party(version=version)
    message = sealed(version)
    head = 2 + message[1]
    codes = set()
    for at in range(0, len(message), 13):
        changed = bytearray(message)
        changed[at] ^= 0x10
        with pytest.raises(EcluseError) as caught:
            aster.open(bytes(changed), [aster.certificate])
        if at > head + 60:
            codes.add(caught.value.code)
    assert codes <= {"openpgp.modified", "openpgp.truncated", "openpgp.malformed"}
    assert "openpgp.modified" in codes


def test_what_is_changed_inside_says_nothing_but_that():
    """Every octet of a small message of version 1: whatever it became inside, the check at the end speaks."""
    message = encrypted(packet(Tag.LITERAL, b"b\0\0\0\0\0" + b"order"))
    start = message.index(bytes([0xC0 | Tag.SEIPD])) + 3
    for at in range(start, len(message)):
        changed = bytearray(message)
        changed[at] ^= 0x81
        assert refused(bytes(changed), unlock=known) == "openpgp.modified", at


def test_signed_data_that_changed():
    aster = party()
    message = bytearray(aster.seal(DATA, []))
    message[1500] ^= 1
    with pytest.raises(OpenPgpError) as caught:
        aster.open(bytes(message), [aster.certificate], require_encrypted=False)
    assert caught.value.code == "openpgp.bad-signature"
    # Nor is it taken where no signature is demanded.
    with pytest.raises(OpenPgpError):
        aster.open(bytes(message), [aster.certificate], require_encrypted=False, require_signed=False)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutants_give_our_errors_only(data):
    aster = party(version=data.draw(st.sampled_from([4, 6])))
    base = data.draw(st.sampled_from([sealed(4), sealed(6), sealed(4, armor=True), aster.seal(DATA, [])]))
    changed = bytearray(base)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed) - 1))
        how = data.draw(st.integers(0, 2))
        if how == 0:
            changed[at] = data.draw(st.integers(0, 255))
        elif how == 1:
            del changed[at : at + data.draw(st.integers(1, 50))]
        else:
            changed[at:at] = data.draw(st.binary(max_size=50))
        if not changed:
            break
    try:
        aster.open(bytes(changed), [aster.certificate], require_encrypted=False)
    except EcluseError:
        pass


@given(st.binary(max_size=400))
@example(b"\xd2\x01\x01")
@example(b"\xc1\xff\xff\xff\xff\xff")
@settings(max_examples=300, deadline=None)
def test_garbage_gives_our_errors_only(data):
    for start in (b"", b"\xd2", b"\xc1", b"\xc4", b"\xc8", b"\xcb", b"\xd4", b"\xc2"):
        try:
            read(start + data, unlock=known)
        except OpenPgpError:
            pass
    try:
        read_certificates(data)
    except OpenPgpError:
        pass


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 4, 8, 9, 10, 11, 18, 20, 21, 40]), st.binary(max_size=80)),
        max_size=6,
    )
)
@settings(max_examples=300, deadline=None)
def test_packets_of_garbage_give_our_errors_only(packets):
    data = b"".join(bytes([0xC0 | tag]) + encode_length(len(body)) + body for tag, body in packets)
    for message in (data, encrypted(data) if data else b"\xd2"):
        try:
            read(message, unlock=known, allowed={"openpgp-legacy"})
        except OpenPgpError:
            pass


# --- bombs and nesting --------------------------------------------------------------------------------------


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS = {1: raw_deflate, 2: zlib.compress, 3: bz2.compress}


@pytest.mark.parametrize("algorithm", PACKERS)
def test_a_bomb_is_stopped_in_little_memory(algorithm):
    size = 96 << 20
    document = packet(Tag.LITERAL, b"b\0\0\0\0\0" + bytes(size))
    bomb = packet(Tag.COMPRESSED, bytes([algorithm]) + PACKERS[algorithm](document))
    del document
    sizes: list[int] = []

    def consume() -> None:
        sizes.extend(len(event.data) for event in read_message([bomb], nobody) if isinstance(event, Content))

    tracemalloc.start()
    with pytest.raises(OpenPgpError) as caught:
        consume()
    assert caught.value.code == "openpgp.limit"
    assert sum(sizes) <= 64 << 20
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("algorithm", PACKERS)
def test_compressed(algorithm):
    packed = packet(Tag.COMPRESSED, bytes([algorithm]) + PACKERS[algorithm](LITERAL))
    assert read(packed)[0] == DATA
    assert read(packed, 7)[0] == DATA
    assert read(encrypted(packed), unlock=known)[0] == DATA
    assert refused(packed[:-20] if algorithm != 3 else packet(Tag.COMPRESSED, packed[3:-20])) in (
        "openpgp.truncated",
        "openpgp.malformed",
    )
    extra = packet(Tag.COMPRESSED, bytes([algorithm]) + PACKERS[algorithm](LITERAL) + b"more")
    assert refused(extra) == "openpgp.malformed"


def test_a_flood_of_tiny_parts_is_stopped():
    tiny = b"\xcb" + b"\xe9" + (b"b" + bytes(511)) + b"\xe0a" * 70_000 + b"\1a"
    assert refused(tiny) == "openpgp.limit"
    assert len(read(b"\xcb" + b"\xe9" + (b"b" + bytes(511)) + b"\xe0a" * 60_000 + b"\1a")[0]) == 60_507


def test_compression_in_compression_is_bounded():
    message = LITERAL
    for _ in range(2):
        message = packet(Tag.COMPRESSED, b"\2" + zlib.compress(message))
    assert read(message)[0] == DATA
    assert refused(packet(Tag.COMPRESSED, b"\2" + zlib.compress(message))) == "openpgp.limit"


def test_structures_that_are_refused():
    assert refused(LITERAL + LITERAL) == "openpgp.malformed"
    assert refused(encrypted(LITERAL + LITERAL), unlock=known) == "openpgp.malformed"
    assert refused(encrypted(encrypted(LITERAL)), unlock=known) == "openpgp.malformed"
    assert refused(encrypted(b""), unlock=known) == "openpgp.truncated"
    assert refused(packet(Tag.PKESK, b"\3" + bytes(30)) + LITERAL) == "openpgp.malformed"
    assert refused(packet(Tag.SED, bytes(50)), unlock=known) == "openpgp.unsupported-form"
    assert refused(packet(Tag.SEIPD, b"\1" + bytes(50))) == "openpgp.no-key"
    announced = packet(Tag.ONE_PASS, b"\3\0\x08\1" + bytes(8) + b"\1")
    assert refused(announced + LITERAL) == "openpgp.truncated"
    assert refused(announced + LITERAL + LITERAL) == "openpgp.malformed"
    assert refused(announced + encrypted(LITERAL), unlock=known) == "openpgp.malformed"
    assert refused(announced + announced + LITERAL) == "openpgp.limit"
    many = packet(Tag.ONE_PASS, b"\3\0\x08\1" + bytes(8) + b"\0")
    assert refused(many * 20 + LITERAL) == "openpgp.limit"
    assert refused(packet(Tag.MARKER, b"PGP") * 2000 + LITERAL) == "openpgp.limit"
    assert refused(packet(Tag.PKESK, b"\3" + bytes(30)) * 300 + LITERAL) == "openpgp.limit"
    assert refused(b"\xd2\xff\xff\xff\xff\xff\1" + bytes(40), unlock=known) == "openpgp.no-key"
    assert refused(packet(Tag.PKESK, bytes(300_000))) == "openpgp.limit"
    assert refused(LITERAL, limits=Limits(content=2999)) == "openpgp.limit"


def test_markers_and_padding_are_passed_over():
    quiet = packet(Tag.MARKER, b"PGP") + packet(Tag.PADDING, b"x" * 40)
    assert read(quiet + LITERAL + quiet)[0] == DATA
    assert read(encrypted(quiet + LITERAL + quiet), unlock=known)[0] == DATA


def test_what_gnupg_2_3_writes_is_read():
    """Packet 20: OCB with an IV of its own (draft-ietf-openpgp-rfc4880bis-10 s5.16)."""
    head = bytes([0xC0 | Tag.OCB, 1, 9, 2, 4])
    iv = os.urandom(15)
    seal = _Chunks(
        2,
        SESSION.key,
        lambda index: iv[:-8] + (int.from_bytes(iv[-8:], "big") ^ index).to_bytes(8, "big"),
        lambda index: head + index.to_bytes(8, "big"),
        None,
    )
    body = head[1:] + iv + b"".join(seal.encrypt([LITERAL], 10))
    wrapped = packet(Tag.PKESK, b"\3" + bytes(8) + b"\1" + bytes(20))
    out, events = read(wrapped + b"".join(map(bytes, partial_packet(Tag.OCB, [body]))), unlock=known)
    assert out == DATA
    assert isinstance(events[0], Encrypted)
    assert events[0].mode == "ocb"
    for at in (-1, -20, 100, 1500):
        changed = bytearray(body)
        changed[at] ^= 1
        assert refused(wrapped + packet(Tag.OCB, bytes(changed)), unlock=known) == "openpgp.modified"
    # Whole chunks that are missing at the end.
    assert refused(wrapped + packet(Tag.OCB, body[: 19 + 1040]), unlock=known) == "openpgp.modified"


def test_a_wrong_session_key_is_told_as_a_change():
    wrong = SessionKey(9, bytes(32))
    assert refused(encrypted(LITERAL), unlock=lambda _: wrong) == "openpgp.modified"


def test_the_events_of_a_message():
    aster = party()
    events = list(read_message([aster.seal(DATA, [], filename="o.edi")], nobody))
    assert [type(event) for event in events] == [Document, Content, Signatures]
    assert events[0] == Document(b"o.edi", "b", 0)


# --- armour -------------------------------------------------------------------------------------------------


@given(
    st.binary(max_size=500), st.integers(1, 100), st.sampled_from([b"\n", b"\r\n", b" \r\n"]), st.booleans()
)
@settings(max_examples=80, deadline=None)
def test_armour_there_and_back(data, chunk, ending, checksum):
    text = b"".join(armor([data], ArmorKind.MESSAGE, checksum=checksum)).replace(b"\n", ending)
    for lead in (b"", b"Dear partner,\n\n", b"\xef\xbb\xbf"):
        for headers in (b"", b"Version: 1\nComment: hello\n"):
            full = lead + text.replace(ending + ending, ending + headers + ending, 1)
            taken = dearmor(pieces(full, chunk), frozenset({ArmorKind.MESSAGE}))
            assert b"".join(map(bytes, taken)) == data


@given(st.integers(1, 300_000), st.integers(1000, 100_000))
@settings(max_examples=15, deadline=None)
def test_the_checksum_of_armour(size, chunk):
    """Over the edges of what is armoured at once."""
    data = (b"order 4711 " * (size // 11 + 1))[:size][:200_000]
    text = b"".join(armor(pieces(data, chunk), ArmorKind.MESSAGE, checksum=True))
    assert (
        text.splitlines()[-2].decode() == pysequoia.armor(data, pysequoia.ArmorKind.Message).splitlines()[-2]
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"-----BEGIN PGP MESSAGE-----\n\nyxQ", "openpgp.truncated"),
        (b"-----BEGIN PGP MESSAGE-----\n", "openpgp.truncated"),
        (b"-----BEGIN PGP MESSAGE-----\n\nyx=A\n-----END PGP MESSAGE-----\n", "openpgp.malformed"),
        (b"-----BEGIN PGP MESSAGE-----\n\ny*xQ\n-----END PGP MESSAGE-----\n", "openpgp.malformed"),
        (b"-----BEGIN PGP MESSAGE-----\n\nyxQA\n-----END PGP SIGNATURE-----\n", "openpgp.malformed"),
        (b"-----BEGIN PGP MESSAGE-----\n\nyxQA=abcde\n-----END PGP MESSAGE-----\n", "openpgp.malformed"),
        (b"-----BEGIN PGP MESSAGE-----\n\nyxQA" + b"=" * 600, "openpgp.malformed"),
        (b"-----BEGIN PGP MESSAGE-----\n" + b"a: b\n" * 9 + b"x:" + b"y" * 400_000, "openpgp.malformed"),
        (b"text without any armour at all" * 2000, "openpgp.not-openpgp"),
        (b"-----BEGIN PGP MESSAGE, PART 1/2-----\n\nyxQA\n", "openpgp.unsupported-form"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nyxQA\n", "openpgp.unsupported-form"),
    ],
)
def test_armour_that_is_damaged(text, code):
    for chunk in (5, 1 << 20):
        assert refused(text, chunk) == code


def test_nothing_follows_the_armour():
    text = b"".join(armor([LITERAL], ArmorKind.MESSAGE, checksum=True))
    assert read(text + b"\n\r\n ")[0] == DATA
    assert refused(text + b"more") == "openpgp.malformed"
    assert refused(text + text) == "openpgp.malformed"


def test_every_cipher_that_is_known_can_be_keyed():
    for cipher in CIPHERS.values():
        session = SessionKey(cipher.id, os.urandom(cipher.key))
        message = packet(Tag.PKESK, b"\3" + bytes(8) + b"\1" + bytes(20))
        message += b"".join(map(bytes, encrypt_mdc([LITERAL], session, os.urandom)))
        out, _ = read(message, unlock=lambda _, session=session: session, allowed={"openpgp-legacy"})
        assert out == DATA


def test_certificates_that_are_none():
    for data, code in (
        (b"", "openpgp.not-openpgp"),
        (LITERAL, "openpgp.bad-certificate"),
        (packet(Tag.USER_ID, b"Birch"), "openpgp.bad-certificate"),
        (bytes(2 << 20), "openpgp.limit"),
        (packet(Tag.PUBLIC_KEY, b"\3" + bytes(20)), "openpgp.unsupported-algorithm"),
        (packet(Tag.PUBLIC_KEY, b"\4" + bytes(4) + b"\1\xff\xff"), "openpgp.limit"),
        (packet(Tag.PUBLIC_KEY, b"\4" + bytes(4) + b"\1\0\x09\1"), "openpgp.malformed"),
    ):
        with pytest.raises(OpenPgpError) as caught:
            read_certificates(data)
        assert caught.value.code == code, data[:20]
    with pytest.raises(BadCertificate) as caught_private:
        read_certificates(b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nyxQA\n")
    assert caught_private.value.code == "openpgp.private-key"
