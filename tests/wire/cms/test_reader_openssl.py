"""What the OpenSSL command makes is read; the expected bytes are its input."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.support import cms
from tests.support.certs import Identity, make_identity

from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import AlgorithmForbidden, DecryptionFailed
from ecluse.wire.cms.events import ContentKind, KeyNeeded, LayerStarted, Recipient, RecipientKind, Signers
from ecluse.wire.cms.verify import names_certificate, verify

pytestmark = [
    pytest.mark.peer("openssl"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]

TEXT = b"Content-Type: application/edifact\r\n\r\n" + bytes(range(256)) * 700
NAMES = {"aster": "rsa", "birch": "rsa", "cedar": "ec-p256", "dogwood": "ec-p384"}
OpenSSL = Callable[..., bytes]


def identity(name: str) -> Identity:
    return make_identity(name.title(), NAMES[name])


@pytest.fixture(scope="session")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpenSSL:
    folder: Path = tmp_path_factory.mktemp("openssl")
    (folder / "text").write_bytes(TEXT)
    for name in NAMES:
        (folder / f"{name}.pem").write_bytes(identity(name).certificate_pem)
        (folder / f"{name}.key").write_bytes(identity(name).key_pem)

    def run(*arguments: str) -> bytes:
        command = ["openssl", "cms", *arguments, "-binary", "-in", "text", "-outform", "DER"]
        if arguments[0] == "-encrypt" and not any(entry == "-recip" for entry in arguments):
            command.append("aster.pem")
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        problem = done.stderr.decode(errors="replace")
        if done.returncode and "unsupported compression algorithm" in problem:
            pytest.skip("this openssl is built without zlib")
        assert done.returncode == 0, problem
        return done.stdout

    return run


def signing(*names: str) -> list[str]:
    return [word for name in names for word in ("-signer", f"{name}.pem", "-inkey", f"{name}.key")]


def unwrap(name: str, pad: padding.AsymmetricPadding | None = None) -> Callable[[Sequence[Recipient]], bytes]:
    own = identity(name)
    assert isinstance(own.private_key, rsa.RSAPrivateKey)
    key = own.private_key

    def take(recipients: Sequence[Recipient]) -> bytes:
        for recipient in recipients:
            if names_certificate(recipient, own.certificate):
                return key.decrypt(recipient.encrypted_key, pad or padding.PKCS1v15())
        raise AssertionError("not a recipient")

    return take


def verified(data: bytes, *names: str, allowed: frozenset[str] = frozenset(), step: int = 5000) -> Signers:
    """Read, and verify every signer against the certificate that it names."""
    events = cms.read(b"", pieces=cms.split(data, step), allowed=allowed)
    signers = cms.event_of(events, Signers)
    assert isinstance(signers, Signers)
    assert len(signers.signers) == len(names)
    if not signers.detached:
        assert cms.content_of(events) == TEXT
    for signer in signers.signers:
        (certificate,) = [
            identity(name).certificate
            for name in names
            if names_certificate(signer, identity(name).certificate)
        ]
        digests = signers.digests
        if signers.detached:
            assert digests == {}
            digests = {name: hashlib.new(name, TEXT).digest() for name in cms.DIGEST_OIDS}
        verify(signer, signers.content_type, digests, certificate, allowed=allowed)
    return signers


class TestSigned:
    @pytest.mark.parametrize("stream", [[], ["-stream"]])
    @pytest.mark.parametrize("place", [[], ["-nodetach"]])
    @pytest.mark.parametrize(
        "options",
        [
            [],
            ["-keyid"],
            ["-nosmimecap"],
            ["-noattr"],
            ["-nocerts"],
            ["-cades"],
            ["-md", "sha384"],
            ["-md", "sha512", "-noattr"],
        ],
        ids=" ".join,
    )
    def test_rsa(self, openssl: OpenSSL, stream: list[str], place: list[str], options: list[str]) -> None:
        data = openssl("-sign", *place, *stream, *signing("aster"), *options)
        signers = verified(data, "aster")
        assert signers.detached == (not place and not stream)  # a stream in DER always carries its content
        assert signers.certificates == (() if "-nocerts" in options else (identity("aster").certificate_der,))
        assert (signers.signers[0].signed_attributes is None) == ("-noattr" in options)
        assert (signers.signers[0].key_id is not None) == ("-keyid" in options)

    @pytest.mark.parametrize("place", [[], ["-nodetach"]])
    @pytest.mark.parametrize(
        "options", [[], ["-keyopt", "rsa_pss_saltlen:20", "-md", "sha384"]], ids=" ".join
    )
    def test_pss(self, openssl: OpenSSL, place: list[str], options: list[str]) -> None:
        signers = verified(
            openssl("-sign", *place, *signing("aster"), "-keyopt", "rsa_padding_mode:pss", *options), "aster"
        )
        assert signers.signers[0].signature_algorithm.oid == oids.RSASSA_PSS

    @pytest.mark.parametrize("name", ["cedar", "dogwood"])
    @pytest.mark.parametrize("options", [[], ["-noattr"], ["-keyid", "-md", "sha512"]], ids=" ".join)
    def test_ecdsa(self, openssl: OpenSSL, name: str, options: list[str]) -> None:
        assert verified(openssl("-sign", *options, *signing(name)), name).detached
        assert not verified(openssl("-sign", "-nodetach", "-stream", *options, *signing(name)), name).detached

    def test_several_signers(self, openssl: OpenSSL) -> None:
        names = ("aster", "birch", "cedar")
        signers = verified(openssl("-sign", "-nodetach", "-stream", *signing(*names)), *names, step=1)
        assert len(signers.certificates) == 3

    def test_sha1(self, openssl: OpenSSL) -> None:
        data = openssl("-sign", "-md", "sha1", *signing("aster"))
        assert verified(data, "aster", allowed=frozenset({"sha-1"})).detached
        with pytest.raises(AlgorithmForbidden):
            verified(data, "aster")


class TestEnveloped:
    @pytest.mark.parametrize(
        "cipher", [f"-aes-{bits}-{mode}" for bits in (128, 192, 256) for mode in ("cbc", "gcm")]
    )
    @pytest.mark.parametrize("stream", [[], ["-stream"]])
    @pytest.mark.parametrize("step", [100, 65536, 1 << 20])
    def test_aes(self, openssl: OpenSSL, cipher: str, stream: list[str], step: int) -> None:
        data = openssl("-encrypt", cipher, *stream)
        events = cms.read(b"", unwrap("aster"), pieces=cms.split(data, step))
        assert cms.content_of(events) == TEXT
        started = events[0]
        assert isinstance(started, LayerStarted)
        assert started.kind is (ContentKind.AUTH_ENVELOPED if "gcm" in cipher else ContentKind.ENVELOPED)

    def test_triple_des(self, openssl: OpenSSL) -> None:
        data = openssl("-encrypt", "-des3", "-stream")
        assert cms.content_of(cms.read(data, unwrap("aster"), allowed=frozenset({"3des"}))) == TEXT
        with pytest.raises(AlgorithmForbidden):
            cms.read(data, unwrap("aster"))

    def test_key_identifier(self, openssl: OpenSSL) -> None:
        data = openssl("-encrypt", "-aes-128-cbc", "-keyid")
        assert cms.content_of(cms.read(data, unwrap("aster"))) == TEXT

    def test_several_recipients(self, openssl: OpenSSL) -> None:
        recipients = ["-recip", "birch.pem", "-recip", "cedar.pem", "-recip", "aster.pem"]
        data = openssl("-encrypt", "-aes-256-cbc", "-stream", *recipients)
        for name in ("aster", "birch"):
            events = cms.read(data, unwrap(name))
            assert cms.content_of(events) == TEXT
        needed = cms.event_of(events, KeyNeeded)
        assert isinstance(needed, KeyNeeded)
        kinds = [recipient.kind for recipient in needed.recipients]
        assert kinds.count(RecipientKind.KEY_TRANSPORT) == 2
        assert kinds.count(RecipientKind.KEY_AGREEMENT) == 1
        (agreed,) = [one for one in needed.recipients if one.kind is RecipientKind.KEY_AGREEMENT]
        assert agreed.wrap is not None
        assert agreed.originator is not None
        assert agreed.serial == identity("cedar").certificate.serial_number
        assert agreed.issuer == identity("cedar").certificate.issuer.public_bytes()

    @pytest.mark.parametrize("digest", ["sha1", "sha256"])
    def test_oaep(self, openssl: OpenSSL, digest: str) -> None:
        options = ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", f"rsa_oaep_md:{digest}"]
        data = openssl("-encrypt", "-aes-256-cbc", "-recip", "aster.pem", *options)
        pad = padding.OAEP(padding.MGF1(cms.HASHES[digest]), cms.HASHES[digest], None)
        assert isinstance(cms.HASHES[digest], hashes.HashAlgorithm)
        events = cms.read(data, unwrap("aster", pad))
        assert cms.content_of(events) == TEXT
        needed = cms.event_of(events, KeyNeeded)
        assert isinstance(needed, KeyNeeded)
        assert needed.recipients[0].algorithm.oid == oids.RSAES_OAEP

    def test_a_wrong_key(self, openssl: OpenSSL) -> None:
        data = openssl("-encrypt", "-aes-256-gcm")
        with pytest.raises(DecryptionFailed):
            cms.read(data, bytes(32))


def test_compressed(openssl: OpenSSL) -> None:
    events = cms.read(openssl("-compress"))
    assert cms.content_of(events) == TEXT


def test_data(openssl: OpenSSL) -> None:
    assert cms.content_of(cms.read(openssl("-data_create"))) == TEXT
    assert cms.content_of(cms.read(openssl("-data_create", "-stream"))) == TEXT
