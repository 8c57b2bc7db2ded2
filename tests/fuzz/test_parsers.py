"""Valid inputs, damaged at random: every parser gives a result or one of our errors, and never hangs.

The seed is fixed: `make test` tries a slice, `make soak` at least 200,000 inputs.
"""

from __future__ import annotations

import bz2
import hashlib
import random
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from tests.support import cms
from tests.support.as2_world import NOW, Entropy, build, open_message, party
from tests.support.certs import make_identity
from tests.support.evidence_records import SAMPLES
from tests.support.openpgp import party as openpgp_party

from ecluse.blobs.sealed import Damaged, Opener, Sealer
from ecluse.blobs.vault import BlobDamaged
from ecluse.errors import EcluseError
from ecluse.evidence.record import decode_leaf
from ecluse.trust.card import read_card
from ecluse.trust.certificates import load_certificates
from ecluse.trust.configuration import Configuration
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.secrets import Secret
from ecluse.wire import asn1
from ecluse.wire.as2.build import BuildOptions, Part, ReceiptOptions
from ecluse.wire.as2.disposition import PROCESSED, parse_disposition
from ecluse.wire.as2.events import UnwrapPolicy
from ecluse.wire.as2.headers import parse_request
from ecluse.wire.as2.mdn import MdnOptions, Mic, build_mdn
from ecluse.wire.as2.mdn_reader import read_mdn
from ecluse.wire.cms.events import KeyNeeded, Signers
from ecluse.wire.cms.reader import Reader
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.cms.verify import verify
from ecluse.wire.ers import read_record, verify_record
from ecluse.wire.http1 import parse_request_head, parse_response_head
from ecluse.wire.http1.chunked import ChunkReader
from ecluse.wire.openpgp.certificate import read_certificates
from ecluse.wire.openpgp.names import Tag
from ecluse.wire.openpgp.packets import packet
from ecluse.wire.openpgp.pkesk import SessionKey
from ecluse.wire.openpgp.protect import encrypt_mdc
from ecluse.wire.openpgp.reader import read_message
from ecluse.wire.smime.filename import file_name
from ecluse.wire.smime.headers import Headers, parse_headers
from ecluse.wire.smime.multipart import MultipartReader
from ecluse.wire.smime.parameters import parse_value
from ecluse.wire.smime.transfer import decoder
from ecluse.wire.tlog.checkpoint import open_checkpoint
from ecluse.wire.tlog.note import NoteKey, parse_note
from ecluse.wire.tlog.proof import parse_proof
from ecluse.wire.tsp import read_response, read_token, verify_token

SLICE = 250
"""Inputs for each parser in an ordinary run."""
SOAK = 12_000
"""The same in a long one; there are 23 parsers."""
TAKES_ANYTHING = {"as2 message 5", "quoted-printable"}
"""A plain message is whatever its octets are; RFC 2045 s6.7 has damaged quoted-printable pass as it stands."""
HANG = 5.0
"""Seconds: no input of these sizes takes a hundredth of it."""

ORDER = b"UNB+UNOC:3+ASTER+BIRCH'UNH+1+ORDERS'BGM+220+4711+9'UNZ+1+1'\r\n" * 20
TOKENS = (
    b"\x00",
    b"\xff",
    b"\x30\x80",
    b"\x00\x00",
    b"\r\n",
    b"--",
    b'"',
    b"=",
    b";",
    b"%",
    b"\x24\x80",
    b"\x84\xff\xff\xff\xff",
)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """``data`` with one to four things wrong with it."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(7)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at : at + rng.randint(1, 40)]
        elif kind == 2:
            out[at:at] = rng.randbytes(rng.randint(1, 20))
        elif kind == 3:
            out[at:at] = rng.choice(TOKENS) * rng.randint(1, 30)
        elif kind == 4:
            start = rng.randrange(len(out) + 1)
            out[at:at] = out[start : start + rng.randint(1, 200)]
        elif kind == 5:
            del out[at:]
        elif out:
            out[at % len(out)] = rng.randrange(256)
    return bytes(out)


def pieces(data: bytes, rng: random.Random) -> list[bytes]:
    size = (
        rng.choice([1, 3, 17, 255, 4096, 1 << 20]) if len(data) < 6000 else rng.choice([255, 4096, 1 << 20])
    )
    return [data[at : at + size] for at in range(0, len(data), size)]


def corpus() -> dict[str, tuple[list[bytes], Callable[[bytes, random.Random], object]]]:
    aster, birch = party("Aster"), party("Birch")
    policy = UnwrapPolicy(certificates=(aster.certificate,))

    def message(**options):
        options = BuildOptions("ASTER", "BIRCH", receipt=ReceiptOptions("x@aster.example"), **options)
        several = options.compression == "after-signing"
        return build(options, ORDER, Part("application/edifact", "ördér 1.edi"), several=several)[:2]

    sign = {"signers": (aster.signer(),)}
    encrypt = {"recipients": (for_certificate(birch.certificate),)}
    messages = [
        message(**sign),
        message(**sign, compression="after-signing"),
        message(**encrypt),
        message(**sign, **encrypt, compression="before-signing"),
        message(**sign, **encrypt, cipher="aes-256-gcm"),
        message(),
    ]
    requests = [
        b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers) + b"\r\n"
        for headers, _ in messages
    ]

    def open_body(index: int) -> Callable[[bytes, random.Random], object]:
        headers = messages[index][0]
        return lambda data, rng: open_message(
            headers, data, policy, birch, chunk=rng.choice([7, 1000, 1 << 20])
        )

    def open_cms(data: bytes, rng: random.Random) -> None:
        reader = Reader()
        for piece in pieces(data, rng):
            events = reader.feed(piece)
            while events and isinstance(events[-1], KeyNeeded):
                events = reader.supply_key(bytes(events[-1].key_length))
            check_signers(events)
        check_signers(reader.close())

    identity = make_identity("Fuzz", "ec-p256")

    def check_signers(events) -> None:
        for event in events:
            if isinstance(event, Signers):
                for signer in event.signers:
                    verify(signer, event.content_type, event.digests, identity.certificate)

    as2_request = parse_request(messages[0][0])
    mdn = build_mdn(
        as2_request,
        PROCESSED,
        text="Ça va.",
        mic=Mic("sha256", bytes(32)),
        message_id="<2@birch>",
        now=NOW,
        entropy=Entropy(),
        options=MdnOptions(signers=(birch.signer(),)),
    )

    def multipart(data: bytes, rng: random.Random) -> None:
        reader = MultipartReader("b")
        for piece in pieces(data, rng):
            reader.feed(piece)
        reader.close()

    def transfer(encoding: str) -> Callable[[bytes, random.Random], None]:
        def run(data: bytes, rng: random.Random) -> None:
            decode = decoder(encoding)
            for piece in pieces(data, rng):
                decode.feed(piece)
            decode.finish()

        return run

    def text_fields(data: bytes, rng: random.Random) -> None:
        headers = parse_headers(data)
        for _, value in headers:
            parse_value(value)
            parse_disposition(value)
        file_name(headers)

    def chunked(data: bytes, rng: random.Random) -> None:
        reader = ChunkReader()
        for piece in pieces(data, rng):
            reader.feed(piece)

    sealer = Sealer(bytes(32), bytes(24), "b1")
    sealed = sealer.header + bytes(sealer.seal(ORDER * 20)) + sealer.finish()

    def unseal(data: bytes, rng: random.Random) -> None:
        try:
            Opener(bytes(32), data[:56], "b1").open(0, data[56:])
        except Damaged:
            raise BlobDamaged("This is what the vault makes of it.") from None

    key = NoteKey("example/log", bytes(32))
    note = b"example/log\n3\n" + b"A" * 43 + b"=\n\n\xe2\x80\x94 example/log " + b"A" * 92 + b"\n"
    leaf = (
        b'{"actor":"hub","at":1,"data":{"a":[1,null]},"format":"ecluse.event/1","id":"e1","kind":"message.accepted",'
        b'"node":"n","salt":"' + b"0" * 32 + b'","subject":"m1"}'
    )
    proof = b"c2sp.org/tlog-proof@v1\nindex 1\n" + b"A" * 43 + b"=\n\n" + note
    toml = b'[organisation]\nname = "Aster"\nas2_id = "ASTER"\n[listen.as2]\naddress = "127.0.0.1:4080"\n'

    signer = cms.signer_info(identity, ORDER)
    layers = [
        build(ORDER, wrap=wrap, size=size)
        for wrap, size in ((cms.definite, None), (cms.indefinite, 100))
        for build in (
            cms.enveloped,
            cms.auth_enveloped,
            cms.compressed,
            lambda content, **form: cms.signed(content, [signer], **form),
        )
    ]
    opened = {f"as2 message {index}": ([body], open_body(index)) for index, (_, body) in enumerate(messages)}
    return {
        **opened,
        "cms": (layers, open_cms),
        "as2 request": (requests, lambda data, rng: parse_request(parse_headers(data))),
        "mdn": (
            [mdn.body],
            lambda data, rng: read_mdn(Headers.of(mdn.headers), data, certificates=(birch.certificate,)),
        ),
        "mime header": (requests, text_fields),
        "multipart": ([b"--b\r\nA: b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n"], multipart),
        "base64": ([b"QUJD\r\n" * 50], transfer("base64")),
        "quoted-printable": ([b"a=3D=\r\nb=C3=A9 \r\n" * 20], transfer("quoted-printable")),
        "http head": (
            [b"POST /as2 HTTP/1.1\r\n" + requests[0], b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"],
            lambda data, rng: rng.choice([parse_request_head, parse_response_head])(data),
        ),
        "http chunks": ([b"5\r\nhello\r\n10;a=b\r\n0123456789abcdef\r\n0\r\nT: x\r\n\r\n"], chunked),
        "sealed blob": ([sealed], unseal),
        "log": (
            [note, proof, leaf],
            lambda data, rng: rng.choice(
                [parse_note, parse_proof, decode_leaf, lambda found: open_checkpoint(found, [key])]
            )(data),
        ),
        "files": (
            [toml, aster.pem_certificate()],
            lambda data, rng: rng.choice([_configuration, load_certificates, read_card])(data),
        ),
        **openpgp(),
        **time_stamps(),
    }


def time_stamps() -> dict[str, tuple[list[bytes], Callable[[bytes, random.Random], object]]]:
    """Answers of authorities, and evidence records that rest on them."""
    samples = {path.name: path.read_bytes() for path in SAMPLES.iterdir()}
    roots = x509.load_pem_x509_certificates(samples["decades.pem"] + samples["openssl.pem"])
    token, note, now = samples["openssl.tsr"], samples["note"], datetime(2030, 1, 1, tzinfo=UTC)
    answers = [asn1.sequence(asn1.sequence(asn1.integer(0)), token)]

    def stamp(data: bytes, rng: random.Random) -> None:
        found = read_response(data) if data[:1] == b"\x30" and rng.random() < 0.5 else data
        verify_token(read_token(found), roots, data=note)

    def record(data: bytes, rng: random.Random) -> None:
        verify_record(read_record(data), lambda name: hashlib.new(name, note).digest(), roots, now)

    return {
        "time-stamp": ([token, *answers], stamp),
        "evidence record": ([samples["first.ers"], samples["decades.ers"]], record),
    }


def openpgp() -> dict[str, tuple[list[bytes], Callable[[bytes, random.Random], object]]]:
    """Messages as they come, what an honest cipher hides, and keys."""
    four, six = openpgp_party("Aster"), openpgp_party("Birch", version=6)
    senders = [four.certificate, six.certificate]
    session = SessionKey(9, bytes(32))

    def read(data: bytes, rng: random.Random) -> None:
        own, chunk = rng.choice([four, six]), rng.choice([7, 1000, 1 << 20])
        own.open(data, senders, chunk=chunk, require_encrypted=False, require_signed=rng.random() < 0.5)

    def inside(data: bytes, rng: random.Random) -> None:
        head = packet(Tag.PKESK, b"\3" + bytes(30))
        body = b"".join(map(bytes, encrypt_mdc([data], session, rng.randbytes)))
        for _ in read_message(pieces(head + body, rng), lambda recipients: session):
            pass

    def keys(data: bytes, rng: random.Random) -> None:
        if rng.random() < 0.5:
            read_certificates(data)
        else:
            MemoryKeyring().import_openpgp("own", data, rng.choice([None, Secret("x")]))

    literal = packet(Tag.LITERAL, b"b\0\0\0\0\0" + ORDER)
    held = [each.keyring._openpgp["own"].keys for each in (four, six)]
    return {
        "openpgp message": (
            [
                four.seal(ORDER, senders),
                four.seal(ORDER, senders, armor=True),
                six.seal(ORDER, [six.certificate], armor=True),
                four.seal(ORDER, []),
                six.seal(ORDER, []),
            ],
            read,
        ),
        "openpgp inside": (
            [
                literal,
                four.seal(ORDER, []),
                packet(Tag.COMPRESSED, b"\2" + zlib.compress(literal)),
                packet(Tag.COMPRESSED, b"\3" + bz2.compress(six.seal(ORDER, []))),
            ],
            inside,
        ),
        "openpgp keys": (
            [
                four.certificate.encoded,
                six.certificate.encoded,
                armored_certificate(four.certificate).encode(),
                *(keys[0].packet(Tag.SECRET_KEY) + keys[1].packet(Tag.SECRET_SUBKEY) for keys in held),
            ],
            keys,
        ),
    }


def _configuration(data: bytes) -> object:
    return Configuration.from_files({"ecluse.toml": data.decode("utf-8", "replace")})


NAMES = [
    *(f"as2 message {index}" for index in range(6)),
    "cms",
    "as2 request",
    "mdn",
    "mime header",
    "multipart",
    "base64",
    "quoted-printable",
    "http head",
    "http chunks",
    "sealed blob",
    "log",
    "files",
    "openpgp message",
    "openpgp inside",
    "openpgp keys",
    "time-stamp",
    "evidence record",
]


@pytest.fixture(scope="module")
def parsers():
    found = corpus()
    assert sorted(found) == sorted(NAMES)
    return found


def fuzz(parsers, name: str, count: int) -> tuple[int, int]:
    rng = random.Random(f"ecluse {name}")
    valid, parse = parsers[name]
    taken = refused = 0
    for _ in range(count):
        data = damaged(rng.choice(valid), rng)
        began = time.monotonic()
        try:
            parse(data, rng)
            taken += 1
        except EcluseError as error:
            refused += bool(error.code and error.remedy)
        assert time.monotonic() - began < HANG, data
    return taken, refused


@pytest.mark.parametrize("name", NAMES)
def test_damaged_input_gives_our_errors_only(parsers, name):
    taken, refused = fuzz(parsers, name, SLICE)
    assert taken + refused == SLICE
    assert refused or name in TAKES_ANYTHING, "some of it must have been noticed"


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_soak(parsers, name):
    taken, refused = fuzz(parsers, name, SOAK)
    print(f"{name}: {taken} taken, {refused} refused")
    assert SOAK * len(NAMES) >= 200_000
    assert taken + refused == SOAK
