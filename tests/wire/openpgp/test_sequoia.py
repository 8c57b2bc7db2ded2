"""Messages to and from Sequoia: every key kind of RFC 4880 and RFC 9580 that it makes."""

from __future__ import annotations

from datetime import UTC, datetime

import pysequoia
import pytest
from tests.support.openpgp import Party

from ecluse.model.basics import system_clock
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.wire.openpgp.certificate import read_certificates
from ecluse.wire.openpgp.making import KINDS

SUITES = ("Cv25519", "Cv448", "P256", "P384", "P521", "RSA2k")
PROFILES = {"v4": pysequoia.Profile.RFC4880, "v6": pysequoia.Profile.RFC9580}
DATA = bytes(range(256)) * 2000


@pytest.mark.parametrize("armor", [False, True])
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("profile", PROFILES)
def test_keys_of_sequoia(profile, suite, armor):
    secret = pysequoia.Tsk.generate(
        "Birch <edi@birch.example>",
        profile=PROFILES[profile],
        cipher_suite=getattr(pysequoia.CipherSuite, suite),
    )
    public = secret.extract_certificate()
    birch = Party.imported(bytes(secret))
    sealed = birch.seal(DATA, [birch.certificate], armor=armor)
    opened = pysequoia.decrypt(sealed, secret.decryptor(), lambda ids: [public])
    assert opened.bytes == DATA
    assert len(opened.valid_sigs) == 1
    out, facts = birch.open(
        pysequoia.encrypt(DATA, [public], secret.signer(), armor=armor), [birch.certificate]
    )
    assert out == DATA
    assert facts.signatures[0].certificate == public.fingerprint.upper()
    signed = pysequoia.sign(secret.signer(), DATA, armor=armor)
    assert birch.open(signed, [birch.certificate], require_encrypted=False)[0] == DATA
    assert pysequoia.verify(birch.seal(DATA, [], armor=armor), lambda ids: [public]).bytes == DATA


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_ours(kind, version):
    keyring = MemoryKeyring()
    made = keyring.generate_openpgp("own", "Aster <edi@aster.example>", kind=kind, version=version, days=30)
    aster = Party(keyring, made, system_clock)
    public = pysequoia.Cert.from_bytes(armored_certificate(made).encode())
    assert public.fingerprint.upper() == made.fingerprint
    assert [str(each) for each in public.user_ids] == ["Aster <edi@aster.example>"]
    out, _ = aster.open(pysequoia.encrypt(DATA, [public], armor=False), [], require_signed=False)
    assert out == DATA
    assert pysequoia.verify(aster.seal(DATA, []), lambda ids: [public]).bytes == DATA
    extended = pysequoia.Cert.from_bytes(keyring.extend_openpgp("own", 900).encoded)
    assert (extended.expiration - public.expiration).days >= 865
    assert pysequoia.Cert.from_bytes(keyring.revoke_openpgp("own", "retired").encoded).is_revoked


def test_aead_is_written_where_everybody_reads_it():
    new = Party.imported(bytes(pysequoia.Tsk.generate("new", profile=pysequoia.Profile.RFC9580)))
    sealed = new.seal(DATA, [new.certificate])
    assert new.open(sealed, [new.certificate])[1].mode == "ocb"
    sealed = new.seal(DATA, [new.certificate], format="rfc4880")
    assert new.open(sealed, [new.certificate])[1].mode == "mdc"


def test_a_certificate_that_was_extended_by_sequoia():
    secret = pysequoia.Tsk.generate("Birch", validity_seconds=3600)
    longer = secret.extract_certificate().set_expiration(datetime(2060, 1, 1, tzinfo=UTC), secret.certifier())
    (certificate,) = read_certificates(bytes(longer))
    assert certificate.at(2_000_000_000).state() == "valid"
    (before,) = read_certificates(bytes(secret.extract_certificate()))
    assert before.at(2_000_000_000).state() == "expired"
