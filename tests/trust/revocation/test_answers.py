"""Answers of authorities: proven ones count, and nothing else ever says "good"."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.openssl_ca import Authority

from ecluse.model.basics import Instant, system_clock
from ecluse.trust.revocation import BadAnswer, Verdict, make_question, newer, read_answer, read_crl

DAY = 86_400 * 1_000_000
AGE = DAY

pytestmark = pytest.mark.peer("openssl")


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("ca") / "mill")
    for name in ("good", "bad", "held"):
        authority.issue(name)
    authority.issue("delegate", "responder")
    authority.revoke("bad")
    authority.revoke("held", "certificateHold")
    return authority


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority that goes by the same name."""
    authority = Authority(tmp_path_factory.mktemp("other") / "mill")
    for name in ("good", "bad", "held"):
        authority.issue(name)
    authority.issue("delegate", "responder")
    return authority


def load(authority: Authority, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((authority.folder / f"{name}.pem").read_bytes())


def private(authority: Authority, name: str = "ca") -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key((authority.folder / f"{name}.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def ask(authority: Authority, name: str, **given: object) -> Verdict:
    certificate = load(authority, name)
    data = given.pop("data", None) or authority.answer(
        make_question(certificate, authority.certificate), str(given.pop("signer", "ca"))
    )
    assert isinstance(data, bytes)
    now = given.pop("now", system_clock())
    nonce = given.pop("nonce", None)
    assert not given
    return read_answer(
        data,
        certificate,
        authority.certificate,
        now,  # type: ignore[arg-type]
        source="here",
        max_age=AGE,
        nonce=nonce,  # type: ignore[arg-type]
    )


def refused(authority: Authority, name: str, **given: object) -> str:
    with pytest.raises(BadAnswer) as caught:
        ask(authority, name, **given)
    return caught.value.cause


# --- OCSP ---------------------------------------------------------------------------------------------------


def test_an_answer_of_the_authority_itself(mill: Authority) -> None:
    good = ask(mill, "good")
    assert (good.state, good.method, good.source) == ("good", "ocsp", "here")
    assert good.ends is not None
    assert good.made is not None
    assert good.made < good.ends <= good.made + DAY // 48
    bad = ask(mill, "bad")
    assert (bad.state, bad.reason) == ("revoked", "key_compromise")
    assert bad.since is not None
    assert bad.since <= system_clock()


def test_an_answer_of_somebody_whom_it_charged(mill: Authority) -> None:
    assert ask(mill, "bad", signer="delegate").state == "revoked"


def test_an_answer_of_somebody_whom_nobody_charged(mill: Authority, other: Authority) -> None:
    assert "charge" in refused(mill, "good", signer="good"), "a certificate without the purpose"
    question = make_question(load(mill, "good"), mill.certificate)
    foreign = other.answer(question, "delegate")
    assert refused(mill, "good", data=foreign)
    forged = other.answer(question)
    assert refused(mill, "good", data=forged), "the name is right, the key is not"


def test_answers_about_others(mill: Authority) -> None:
    about_good = mill.answer(make_question(load(mill, "good"), mill.certificate))
    assert "another certificate" in refused(mill, "bad", data=about_good)


def test_a_nonce_comes_back(mill: Authority) -> None:
    nonce = os.urandom(32)
    answer = mill.answer(make_question(load(mill, "good"), mill.certificate, nonce))
    assert ask(mill, "good", data=answer, nonce=nonce).state == "good"
    assert "nonce" in refused(mill, "good", data=answer, nonce=os.urandom(32))
    without = mill.answer(make_question(load(mill, "good"), mill.certificate))
    assert "nonce" in refused(mill, "good", data=without, nonce=nonce)


def test_answers_out_of_their_time(mill: Authority) -> None:
    answer = mill.answer(make_question(load(mill, "good"), mill.certificate))
    now = system_clock()
    assert "over" in refused(mill, "good", data=answer, now=Instant(now + DAY))
    assert "future" in refused(mill, "good", data=answer, now=Instant(now - DAY))
    endless = mill.answer(make_question(load(mill, "good"), mill.certificate), "ca", "-ignore_err")
    assert ask(mill, "good", data=endless).state == "good"
    assert "over" in refused(mill, "good", data=endless, now=Instant(now + 2 * DAY))


def test_a_responder_that_knows_nothing(mill: Authority) -> None:
    unknown = make_unknown(mill)
    assert "does not know" in refused(mill, "good", data=unknown)
    unauthorised = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    assert "unauthorized" in refused(mill, "good", data=unauthorised.public_bytes(Encoding.DER))


def make_unknown(mill: Authority) -> bytes:
    now = datetime.now(UTC)
    builder = ocsp.OCSPResponseBuilder().add_response(
        load(mill, "good"), mill.certificate, hashes.SHA1(), ocsp.OCSPCertStatus.UNKNOWN, now,
        now + timedelta(hours=1), None, None,
    )  # fmt: skip
    answer = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, mill.certificate).sign(
        private(mill), hashes.SHA256()
    )
    return answer.public_bytes(Encoding.DER)


def test_weak_signatures_prove_nothing(mill: Authority) -> None:
    question = make_question(load(mill, "good"), mill.certificate)
    assert "sha1" in refused(mill, "good", data=mill.answer(question, "ca", "-nmin", "30", "-rmd", "sha1"))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_changed_answer_never_says_good(data: st.DataObject, mill: Authority) -> None:
    answer = bytearray(_kept_answer(mill))
    at = data.draw(st.integers(0, len(answer) - 1))
    answer[at] ^= data.draw(st.integers(1, 255))
    try:
        verdict = ask(mill, "bad", data=bytes(answer))
    except BadAnswer:
        return
    assert verdict.state == "revoked", "what is not covered by the signature changes nothing"


_kept: dict[Path, bytes] = {}


def _kept_answer(mill: Authority) -> bytes:
    if mill.folder not in _kept:
        _kept[mill.folder] = mill.answer(make_question(load(mill, "bad"), mill.certificate))
    return _kept[mill.folder]


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=400))
def test_garbage_is_no_answer(data: bytes, mill: Authority) -> None:
    with pytest.raises(BadAnswer):
        read_answer(data, load(mill, "good"), mill.certificate, system_clock(), source="", max_age=AGE)
    with pytest.raises(BadAnswer):
        read_crl(data, mill.certificate, system_clock(), AGE)


def test_an_answer_as_large_as_a_book(mill: Authority) -> None:
    assert "octets" in refused(mill, "good", data=bytes(1 << 20))


# --- lists --------------------------------------------------------------------------------------------------


def test_a_list_of_openssl(mill: Authority) -> None:
    now = system_clock()
    crl = read_crl(mill.crl(), mill.certificate, now, AGE)
    assert crl.verdict(load(mill, "good"), now, "list").state == "good"
    bad = crl.verdict(load(mill, "bad"), now, "list")
    assert (bad.state, bad.reason, bad.method) == ("revoked", "key_compromise", "crl")
    assert crl.verdict(load(mill, "held"), now, "list").reason == "certificate_hold"


def list_refused(data: bytes, mill: Authority, now: Instant | None = None) -> str:
    with pytest.raises(BadAnswer) as caught:
        read_crl(data, mill.certificate, now or system_clock(), AGE)
    return caught.value.cause


def test_lists_that_prove_nothing(mill: Authority, other: Authority, tmp_path: Path) -> None:
    data = mill.crl()
    assert "signature" in list_refused(other.crl(), mill), "of the same name, with another key"
    assert "another authority" in list_refused(Authority(tmp_path / "x", "Forge").crl(), mill)
    now = system_clock()
    assert "over" in list_refused(data, mill, Instant(now + 3 * DAY))
    assert "future" in list_refused(data, mill, Instant(now - DAY))
    der = x509.load_pem_x509_crl(data).public_bytes(Encoding.DER)
    assert read_crl(der, mill.certificate, now, AGE).ends > now
    assert list_refused(der[:-1], mill)
    assert list_refused(der[:-4] + bytes(4), mill)
    assert list_refused(b"", mill)
    assert "octets" in list_refused(bytes((32 << 20) + 1), mill)


def made(mill: Authority, *extensions: tuple[x509.ExtensionType, bool], entries: int = 0) -> bytes:
    """A list signed by the authority, with extensions."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(mill.certificate.subject)
        .last_update(now)
        .next_update(now + timedelta(hours=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for serial in range(entries):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial + 1).revocation_date(now).build()
        )
    return builder.sign(private(mill), hashes.SHA256()).public_bytes(Encoding.DER)


def scope(**given: object) -> x509.IssuingDistributionPoint:
    usual: dict[str, object] = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False,
        "only_contains_ca_certs": False, "only_some_reasons": None, "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }  # fmt: skip
    return x509.IssuingDistributionPoint(**{**usual, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "counts"),
    [
        ({"only_contains_user_certs": True}, True),
        ({"only_contains_ca_certs": True}, False),
        ({"only_contains_attribute_certs": True}, False),
        ({"indirect_crl": True}, False),
        ({"only_some_reasons": frozenset({x509.ReasonFlags.key_compromise})}, False),
        ({"full_name": [x509.UniformResourceIdentifier("http://crl.example/other-part")]}, False),
    ],
)
def test_a_list_of_one_part_says_nothing_of_the_others(
    mill: Authority, part: dict[str, object], counts: bool
) -> None:
    crl = read_crl(made(mill, (scope(**part), True)), mill.certificate, system_clock(), AGE)
    if counts:
        assert crl.verdict(load(mill, "good"), system_clock(), "").state == "good"
    else:
        with pytest.raises(BadAnswer):
            crl.verdict(load(mill, "good"), system_clock(), "")


def test_lists_of_kinds_that_are_not_done(mill: Authority) -> None:
    assert "changes alone" in list_refused(made(mill, (x509.DeltaCRLIndicator(1), True)), mill)
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert "critical" in list_refused(made(mill, (strange, True)), mill)
    assert read_crl(made(mill, (strange, False)), mill.certificate, system_clock(), AGE)


def test_a_list_by_one_who_may_not_sign_lists(mill: Authority) -> None:
    leaf = load(mill, "good")
    now = datetime.now(UTC)
    data = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(leaf.subject)
        .last_update(now)
        .next_update(now + timedelta(hours=1))
        .sign(private(mill, "good"), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    with pytest.raises(BadAnswer):
        read_crl(data, leaf, system_clock(), AGE)


def test_a_list_with_a_weak_signature(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "Weak")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=2))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    data = (
        x509.CertificateRevocationListBuilder().issuer_name(name).last_update(now)
        .next_update(now + timedelta(hours=1)).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    )  # fmt: skip
    with pytest.raises(BadAnswer, match="RSA 1024"):
        read_crl(data, certificate, system_clock(), AGE)


# --- what holds when more is learned ------------------------------------------------------------------------


@pytest.fixture
def now() -> Instant:
    return Instant(1_790_000_000_000_000)


def verdict(state: str, at: int, made: int = 0, reason: str = "", lasts: int = DAY) -> Verdict:
    if state == "unknown":
        return Verdict("unknown", Instant(at), reason=reason)
    return Verdict(state, Instant(at), Instant(made), Instant(made + lasts), reason=reason)  # type: ignore[arg-type]


def test_a_replay_takes_nothing_back(now: Instant) -> None:
    revoked = verdict("revoked", now, now, "key_compromise")
    old = verdict("good", now + 10, now - 1000)
    assert newer(revoked, old) is revoked
    assert newer(revoked, verdict("good", now + 10, now + 5)) is revoked, "a compromise is never taken back"
    held = verdict("revoked", now, now, "certificate_hold")
    assert newer(held, old) is held
    released = verdict("good", now + 10, now + 5)
    assert newer(held, released) is released


def test_silence_takes_an_answer_away_when_it_ends(now: Instant) -> None:
    good = verdict("good", now, now)
    assert newer(good, verdict("unknown", now + 10)) is good
    late = verdict("unknown", now + 2 * DAY)
    assert newer(good, late) is late
    revoked = verdict("revoked", now, now)
    assert newer(revoked, late) is revoked
    assert newer(None, late) is late
    assert newer(late, good) is good
