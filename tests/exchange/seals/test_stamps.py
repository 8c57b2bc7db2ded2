"""Time-stamps in seals: they say when, and carry a seal over the end of its certificate."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from cryptography import x509
from tests.support.sealed import NOW, certificate, pdf, signer
from tests.support.tsa import OpensslAuthority

from ecluse.evidence.stamps.asking import Authority, ask_over
from ecluse.exchange.seals import cades, pades
from ecluse.exchange.seals.trust import Anchors
from ecluse.model.basics import Instant, system_entropy

pytestmark = pytest.mark.peer("openssl")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> OpensslAuthority:
    return OpensslAuthority(tmp_path_factory.mktemp("tsa"))


def root_of(authority: OpensslAuthority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.root.read_bytes())


def stamper(authority: OpensslAuthority):
    who = Authority("mill", authority, (root_of(authority),), "sha256")
    return lambda digest: ask_over(who, "sha256", digest, system_entropy).token.der


def late() -> Instant:
    """A time after the sealing certificate's end."""
    end = certificate("rsa-2048").not_valid_after_utc + timedelta(days=2)
    return Instant(int(end.timestamp()) * 1_000_000)


@pytest.mark.parametrize("form", ["cades", "pades"])
def test_a_stamp_carries_a_seal_over_its_certificate_s_end(form: str, authority: OpensslAuthority) -> None:
    def made(stamp):
        if form == "pades":
            return pades.seal_pdf(pdf(), signer("rsa-2048"), now=NOW, stamp=stamp)
        return cades.seal_beside([b"order"], signer("rsa-2048"), now=NOW, stamp=stamp)

    def checked(seal: bytes, anchors: Anchors, now: Instant):
        if form == "pades":
            (facts,) = pades.check_pdf(seal, anchors, now=now)
        else:
            (facts,) = cades.check_beside(seal, [b"order"], anchors, now=now)
        return facts

    stamped, plain = made(stamper(authority)), made(None)
    pinned = (certificate("rsa-2048"),)
    believed = Anchors(pinned, authorities=(root_of(authority),))
    assert abs(checked(stamped, believed, NOW).stamped - time.time() * 1e6) < 60_000_000
    assert checked(stamped, believed, late()).verdict.passed
    assert checked(plain, believed, late()).verdict.ground == "out-of-bounds-no-poe"
    assert checked(stamped, Anchors(pinned), late()).verdict.ground == "out-of-bounds-no-poe"


def test_a_stamp_of_another_signature_does_not_count(authority: OpensslAuthority) -> None:
    stamp = stamper(authority)
    other = stamp(b"\0" * 32)
    seal = cades.seal_beside([b"order"], signer("rsa-2048"), now=NOW, stamp=lambda digest: other)
    believed = Anchors((certificate("rsa-2048"),), authorities=(root_of(authority),))
    (facts,) = cades.check_beside(seal, [b"order"], believed, now=NOW)
    assert facts.stamped is None
    assert facts.verdict.passed
