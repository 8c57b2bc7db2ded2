"""Who vouches for a certificate, and what its issuer says of its revocation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse_verify.certificates import Answers, chain, load_der, load_pem, name_of
from ecluse_verify.mime import documents_in, read_entity
from ecluse_verify.receipts import mic_name, read_receipt, same_id
from ecluse_verify.text import Bad

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)


class Authority:
    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self.issue(name, self.key, ca=True)

    def issue(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        ca: bool = False,
        usage: x509.ObjectIdentifier | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 100 * DAY)
            .not_valid_after(NOW + 100 * DAY)
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def crl(self, revoked: x509.Certificate | None = None) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(NOW - DAY).next_update(NOW + DAY)
        if revoked is not None:
            entry = x509.RevokedCertificateBuilder().serial_number(revoked.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(NOW - 5 * DAY).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def response(
        self,
        certificate: x509.Certificate,
        *,
        revoked: bool,
        by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    ) -> bytes:
        builder = ocsp.OCSPResponseBuilder().add_response(
            certificate,
            self.certificate,
            hashes.SHA256(),
            ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            NOW - DAY,
            NOW + DAY,
            NOW - 5 * DAY if revoked else None,
            None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, by[0]).certificates([by[0]])
        return builder.sign(by[1], hashes.SHA256()).public_bytes(Encoding.DER)


CA, OTHER = Authority("Alder CA"), Authority("Alder CA")
KEY = ec.generate_private_key(ec.SECP256R1())
LEAF = CA.issue("Birch", KEY)


def asked(path: str, data: bytes) -> tuple[int, datetime | None]:
    answers = Answers()
    answers.add(path, data)
    return answers.revoked(LEAF, [CA.certificate])


def test_revocation_lists() -> None:
    assert asked("a.crl", CA.crl()) == (1, None)
    assert asked("a.crl", CA.crl(LEAF)) == (1, NOW - 5 * DAY)
    with pytest.raises(Bad, match="revocation"):
        asked("a.crl", OTHER.crl())
    with pytest.raises(Bad, match="revocation"):
        asked("a.crl", b"no list")


def test_answers_of_a_responder() -> None:
    own = (CA.certificate, CA.key)
    key = ec.generate_private_key(ec.SECP256R1())
    named = (CA.issue("Responder", key, usage=ExtendedKeyUsageOID.OCSP_SIGNING), key)
    unnamed = (CA.issue("Nobody", key), key)
    for by in (own, named):
        assert asked("a.ocsp", CA.response(LEAF, revoked=False, by=by)) == (1, None)
        assert asked("a.ocsp", CA.response(LEAF, revoked=True, by=by)) == (1, NOW - 5 * DAY)
    for by in (unnamed, (OTHER.certificate, OTHER.key)):
        with pytest.raises(Bad, match="revocation"):
            asked("a.ocsp", CA.response(LEAF, revoked=False, by=by))


def test_only_an_authority_issues() -> None:
    assert chain(LEAF, [], [CA.certificate], NOW) == [LEAF, CA.certificate]
    assert chain(LEAF, [CA.certificate], [OTHER.certificate], NOW) is None, (
        "the same name is not the same key"
    )
    mallory = Authority("Mallory")
    mallory.name, mallory.key = LEAF.subject, KEY
    assert chain(mallory.issue("Forged", KEY), [LEAF], [CA.certificate], NOW) is None
    assert chain(LEAF, [], [CA.certificate], NOW + 200 * DAY) is None


def test_names_cannot_play_with_a_terminal() -> None:
    evil = CA.issue("Birch\x1b[2J", KEY)
    assert name_of(evil).isprintable()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_octets_are_refused_in_our_way(data: bytes) -> None:
    for read in (load_der, load_pem, read_entity, read_receipt, lambda octets: list(documents_in(octets))):
        try:
            read(data)
        except Bad:
            continue
    assert name_of(LEAF).startswith("CN=Birch (")


def test_parts_stand_between_their_delimiters() -> None:
    head = b'Content-Type: multipart/mixed; boundary="=x"\r\n\r\npreamble'
    data = head + b"\r\n--=x\r\n\r\none\r\n\r\n--=x\r\nA: b\r\n\r\n\r\n--=x--\r\n"
    assert read_entity(data).parts() == [b"\r\none\r\n", b"A: b\r\n\r\n"]
    assert list(documents_in(data)) == [b"one\r\n", b""]
    with pytest.raises(Bad, match="mime"):
        read_entity(data.replace(b"--=x--", b"")).parts()


def test_algorithms_of_a_mic_as_partners_spell_them() -> None:
    assert [mic_name(name) for name in ("sha1", "SHA-256", "sha512", "sha3-256", "SHA384")] == [
        "sha1",
        "sha256",
        "sha512",
        "sha3_256",
        "sha384",
    ]
    for name in ("md5", "shake_128", "sha-1-2", ""):
        with pytest.raises(Bad):
            mic_name(name)
    assert same_id("<a@b>", "a@b")
    assert not same_id("<>", "")
