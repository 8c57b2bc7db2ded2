"""Time-stamps: what is asked, what is answered, and what an answer may not get away with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tsa import POLICY, SIGNING_CERTIFICATE_V2, OpensslAuthority, PlayedAuthority

from ecluse.errors import EcluseError, Fault
from ecluse.wire import asn1
from ecluse.wire.tsp import (
    TimeStampRequest,
    TstInfo,
    check_answer,
    read_info,
    read_response,
    read_token,
    verify_token,
)
from ecluse.wire.tsp.errors import BadTimeStamp, MalformedTimeStamp, TimeStampRefused, UntrustedAuthority

DATA = b"alder.example/log\n7\nq8w=\n"
NOW = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)
REQUEST = TimeStampRequest("sha512", hashlib.sha512(DATA).digest(), 4711)


def stamped(authority: PlayedAuthority, request: TimeStampRequest = REQUEST, at: datetime = NOW) -> bytes:
    return read_response(authority.answer(request.encode(), at))


def test_an_answer_to_our_request_holds() -> None:
    authority = PlayedAuthority()
    token = read_token(stamped(authority))
    check_answer(token, REQUEST)
    verified = verify_token(token, [authority.root], data=DATA)
    assert (verified.hash, verified.time, verified.signature) == ("sha512", NOW, "ecdsa-256")
    assert [x509.load_der_x509_certificate(each) for each in verified.chain] == [
        authority.certificate,
        authority.root,
    ]
    assert verified.ends == authority.certificate.not_valid_after_utc
    assert token.info.accuracy is not None
    assert token.info.accuracy.as_delta() == timedelta(seconds=1)


def test_a_post_quantum_authority_holds() -> None:
    authority = PlayedAuthority(post_quantum=True, hash="sha512")
    assert verify_token(read_token(stamped(authority)), [authority.root], data=DATA).signature == "ml-dsa-65"


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_openssl_answers_and_verifies(tmp_path: Path, name: str) -> None:
    authority = OpensslAuthority(tmp_path / "tsa")
    request = TimeStampRequest(name, hashlib.new(name, DATA).digest(), 1 << 62, f"{POLICY}.2")
    token = read_token(read_response(authority(request.encode())))
    check_answer(token, request)
    roots = x509.load_pem_x509_certificates(authority.root.read_bytes())
    verified = verify_token(token, roots, data=DATA)
    assert verified.hash == name
    assert token.info.policy == f"{POLICY}.2"
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "token").write_bytes(token.der)
    assert "Verification: OK" in authority.verify(tmp_path / "data", tmp_path / "token")


@pytest.mark.peer("openssl")
def test_openssl_says_why_it_refuses(tmp_path: Path) -> None:
    authority = OpensslAuthority(tmp_path, digests="sha512")
    request = TimeStampRequest("sha256", bytes(32), 1)
    with pytest.raises(TimeStampRefused, match="badAlg") as caught:
        read_response(authority(request.encode()))
    assert caught.value.fault is Fault.PARTNER


def test_another_library_reads_and_verifies_ours() -> None:
    client = pytest.importorskip("rfc3161_client")
    authority = PlayedAuthority()
    response = client.decode_timestamp_response(authority.answer(REQUEST.encode(), NOW))
    verifier = (
        client.VerifierBuilder()
        .add_root_certificate(authority.root)
        .tsa_certificate(authority.certificate)
        .build()
    )
    assert verifier.verify_message(response, DATA)
    assert response.tst_info.gen_time.replace(microsecond=0) == NOW.replace(microsecond=0)


def test_a_request_asks_for_certificates_and_repeats_what_it_was_given() -> None:
    request = TimeStampRequest("sha3_512", bytes(64), 255, "1.2.3")
    fields = asn1.parse(request.encode()).children
    assert [field.tag for field in fields] == [
        asn1.INTEGER,
        asn1.SEQUENCE,
        asn1.OID,
        asn1.INTEGER,
        asn1.BOOLEAN,
    ]
    assert (fields[2].as_oid(), fields[3].as_int(), fields[4].content) == ("1.2.3", 255, b"\xff")


# --- refusals -----------------------------------------------------------------------------------------------


def refusal(*parts: bytes) -> bytes:
    return asn1.sequence(asn1.sequence(*parts))


@pytest.mark.parametrize(
    ("response", "words", "fault"),
    [
        (refusal(asn1.integer(2), asn1.encode(asn1.BIT_STRING, b"\x00\x80")), "badAlg", Fault.PARTNER),
        (refusal(asn1.integer(3)), "waiting", Fault.TRANSIENT),
        (
            refusal(asn1.integer(2), asn1.encode(asn1.BIT_STRING, b"\x01\x00\x02")),
            "timeNotAvailable",
            Fault.TRANSIENT,
        ),
        (
            refusal(asn1.integer(2), asn1.sequence(asn1.encode(0x0C, b"pay first\x1b[31m"))),
            'in its words "pay first\\[31m"',
            Fault.PARTNER,
        ),
        (refusal(asn1.integer(99)), "status 99", Fault.PARTNER),
    ],
)
def test_a_refusal_is_told_in_words(response: bytes, words: str, fault: Fault) -> None:
    with pytest.raises(TimeStampRefused, match=words) as caught:
        read_response(response)
    assert caught.value.fault is fault


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"<html>",
        refusal(),
        refusal(asn1.integer(0)),
        asn1.sequence(),
        asn1.sequence(asn1.integer(0)),
        bytes(300_000),
    ],
)
def test_what_is_no_answer_is_malformed(response: bytes) -> None:
    with pytest.raises(MalformedTimeStamp):
        read_response(response)


# --- answers that lie ---------------------------------------------------------------------------------------


def replacing(place: int, value: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda fields: [*fields[:place], value, *fields[place + 1 :]]


IMPRINT = asn1.sequence(
    asn1.sequence(asn1.oid("2.16.840.1.101.3.4.2.3"), asn1.null()),
    asn1.octets(hashlib.sha512(b"other").digest()),
)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (replacing(2, IMPRINT), "something else"),
        (replacing(6, asn1.integer(4712)), "nonce"),
        (replacing(6, b""), "nonce"),
        (replacing(1, asn1.oid("1.2.3.4")), "policy"),
    ],
)
def test_an_answer_to_another_request_is_refused(
    spoil: Callable[[list[bytes]], list[bytes]], words: str
) -> None:
    request = TimeStampRequest("sha512", REQUEST.digest, REQUEST.nonce, POLICY)
    token = read_token(stamped(PlayedAuthority(spoil=spoil), request))
    with pytest.raises(BadTimeStamp, match=words):
        check_answer(token, request)


def test_a_token_of_other_data_is_refused() -> None:
    authority = PlayedAuthority()
    with pytest.raises(BadTimeStamp, match="not the digest of the data"):
        verify_token(read_token(stamped(authority)), [authority.root], data=b"other")


def test_a_stranger_is_not_trusted() -> None:
    authority = PlayedAuthority()
    with pytest.raises(UntrustedAuthority, match="No trusted root"):
        verify_token(read_token(stamped(authority)), [PlayedAuthority().root])


@pytest.mark.parametrize(
    ("usage", "critical"),
    [
        ((ExtendedKeyUsageOID.SERVER_AUTH,), True),
        ((ExtendedKeyUsageOID.TIME_STAMPING,), False),
        ((ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING), True),
    ],
)
def test_a_certificate_for_other_things_stamps_nothing(
    usage: tuple[x509.ObjectIdentifier, ...], critical: bool
) -> None:
    authority = PlayedAuthority(usage=usage, critical=critical)
    with pytest.raises(BadTimeStamp, match="time-stamps"):
        verify_token(read_token(stamped(authority)), [authority.root])


def test_another_certificate_of_the_same_root_does_not_sign_for_the_authority() -> None:
    """The certificate is taken whose digest is signed, never another one that came along and would pass."""
    honest = PlayedAuthority()
    rogue = PlayedAuthority(usage=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    rogue.root, rogue.root_key = honest.root, honest.root_key
    rogue.certificate = rogue._certificate("Rogue", rogue.key.public_key(), ca=False)
    token = stamped(rogue)
    der = rogue.certificate.public_bytes(serialization_der())
    both = honest.certificate.public_bytes(serialization_der()) + der
    parsed = read_token(token)
    assert parsed.certificates == (der,)
    inner = asn1.parse(token).children[1].children[0].children
    data = asn1.sequence(*(e.raw for e in inner[:3]), asn1.implicit(0, both, constructed=True), inner[4].raw)
    forged = asn1.sequence(asn1.oid("1.2.840.113549.1.7.2"), asn1.explicit(0, data))
    with pytest.raises(BadTimeStamp, match=r"not say|not, critically"):
        verify_token(read_token(forged), [honest.root])


def serialization_der() -> object:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


def attribute_of(value: bytes) -> bytes:
    return asn1.sequence(asn1.oid(SIGNING_CERTIFICATE_V2), asn1.set_of(value))


@pytest.mark.parametrize(
    "attributes",
    [
        lambda given: given[:2],
        lambda given: [
            *given[:2],
            attribute_of(asn1.sequence(asn1.sequence(asn1.sequence(asn1.octets(bytes(32)))))),
        ],
        lambda given: [*given[:2], attribute_of(asn1.sequence(asn1.sequence()))],
        lambda given: [*given[:2], attribute_of(asn1.sequence())],
        lambda given: [*given, given[2]],
        lambda given: [
            *given[:2],
            asn1.sequence(asn1.oid("1.2.840.113549.1.9.16.2.12"), asn1.set_of(asn1.null())),
        ],
    ],
)
def test_the_signer_has_to_be_named_in_what_is_signed(
    attributes: Callable[[list[bytes]], list[bytes]],
) -> None:
    authority = PlayedAuthority(attributes=attributes)
    with pytest.raises((BadTimeStamp, MalformedTimeStamp)):
        verify_token(read_token(stamped(authority)), [authority.root])


@pytest.mark.parametrize(("more", "good"), [(0, True), (1, False)])
def test_a_serial_number_beside_the_digest_has_to_be_the_signers(more: int, good: bool) -> None:
    authority = PlayedAuthority()
    digest = hashlib.sha256(authority.certificate.public_bytes(serialization_der())).digest()
    serial = asn1.integer(authority.certificate.serial_number + more)
    named = asn1.sequence(asn1.octets(digest), asn1.sequence(asn1.sequence(), serial))
    authority.attributes = lambda given: [*given[:2], attribute_of(asn1.sequence(asn1.sequence(named)))]
    token = read_token(stamped(authority))
    if good:
        assert verify_token(token, [authority.root])
        return
    with pytest.raises(BadTimeStamp, match="two different"):
        verify_token(token, [authority.root])


def test_every_flipped_octet_of_a_token_is_noticed() -> None:
    authority = PlayedAuthority()
    der = stamped(authority)
    good = read_token(der)
    noticed = 0
    for place in range(0, len(der), 3):
        changed = der[:place] + bytes((der[place] ^ 0x55,)) + der[place + 1 :]
        try:
            token = read_token(changed)
            check_answer(token, REQUEST)
            verify_token(token, [authority.root], data=DATA)
        except EcluseError:
            noticed += 1
            continue
        # Versions, and the signature on a certificate whose digest is signed elsewhere, are all that is left.
        assert token.content == good.content
        assert token.signer.signature == good.signer.signature
    assert noticed >= len(der) // 3 - 8


def test_a_chain_is_of_its_time() -> None:
    authority = PlayedAuthority(begins=datetime(2026, 1, 1, tzinfo=UTC), years=1)
    with pytest.raises(UntrustedAuthority, match="not one of 2025"):
        verify_token(read_token(stamped(authority, at=datetime(2025, 6, 1, tzinfo=UTC))), [authority.root])
    token = read_token(stamped(authority))
    assert verify_token(token, [authority.root], at=datetime(2026, 12, 1, tzinfo=UTC))
    with pytest.raises(UntrustedAuthority, match="not one of 2027"):
        verify_token(token, [authority.root], at=datetime(2027, 6, 1, tzinfo=UTC))


# --- hostile octets -----------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_octets_make_our_errors_only(data: bytes) -> None:
    for read in (read_response, read_token, read_info):
        try:
            read(data)  # type: ignore[operator]
        except EcluseError:
            pass


@given(st.data())
def test_a_spoiled_token_makes_our_errors_only(data: st.DataObject) -> None:
    der = bytearray(_KEPT)
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        verify_token(read_token(bytes(der)), [_AUTHORITY.root])
    except EcluseError:
        pass


_AUTHORITY = PlayedAuthority()
_KEPT = stamped(_AUTHORITY)


def info(*fields: bytes, time: bytes = b"20261122100000Z") -> bytes:
    return asn1.sequence(
        asn1.integer(1),
        asn1.oid("1.2.3"),
        IMPRINT,
        asn1.integer(9),
        asn1.encode(asn1.GENERALIZED_TIME, time),
        *fields,
    )


def test_the_optional_fields_of_an_info_are_read() -> None:
    accuracy = asn1.sequence(asn1.integer(2), asn1.implicit(0, b"\x05"), asn1.implicit(1, b"\x07"))
    read = read_info(
        info(accuracy, asn1.encode(asn1.BOOLEAN, b"\xff"), asn1.integer(77), asn1.explicit(0, asn1.null()))
    )
    assert isinstance(read, TstInfo)
    assert read.accuracy is not None
    assert read.accuracy.as_delta() == timedelta(seconds=2, milliseconds=5, microseconds=7)
    assert (read.nonce, read.time) == (77, datetime(2026, 11, 22, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    "data",
    [
        info(asn1.integer(1), asn1.sequence()),
        info(asn1.integer(1), asn1.integer(1)),
        info(asn1.sequence(asn1.implicit(0, b"\x7f\xff"))),
        info(
            asn1.encode(
                0xA1, asn1.sequence(asn1.oid("1.2.3"), asn1.encode(asn1.BOOLEAN, b"\xff"), asn1.octets(b""))
            )
        ),
        info(time=b"20261122100000"),
        info(time=b"20261122100000+0100"),
        info(time=b"20261322100000Z"),
        info(time="２０２６１１２２１０００００Z".encode()),
        info(asn1.integer(1 << 600)),
    ],
)
def test_an_info_that_is_none_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedTimeStamp):
        read_info(data)
