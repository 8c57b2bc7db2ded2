"""What every keyring must do, whichever holds the keys."""

from __future__ import annotations

import contextlib
import os
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)
from tests.support.trust import NOW, certificate, key, pem

from ecluse.blobs.keywrap import KeyWrapFailed
from ecluse.trust import CertificateError, FileKeyring, KeyringError, MemoryKeyring, Secret, SecretError
from ecluse.trust.keys.held import HeldKeys
from ecluse.trust.keys.keyfiles import Stretching
from ecluse.trust.keys.making import KINDS
from ecluse.trust.keys.storage import StorageKeys
from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import AlgorithmForbidden, CmsError, DecryptionFailed
from ecluse.wire.cms.events import AlgorithmIdentifier, Content, KeyNeeded, Recipient, RecipientKind
from ecluse.wire.cms.reader import Reader
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.cms.writer import EnvelopedWriter

PASSPHRASE = Secret("correct horse battery")
CHEAP = Stretching(memory_kib=64, passes=1, lanes=1)


@pytest.fixture(params=["memory", "files"])
def ring(request, tmp_path) -> HeldKeys:
    if request.param == "memory":
        return MemoryKeyring(lambda: NOW)
    return FileKeyring.create(tmp_path / "keys", PASSPHRASE, clock=lambda: NOW, stretching=CHEAP)


def code(call, *arguments, **named) -> str:
    with pytest.raises((KeyringError, CertificateError, SecretError)) as caught:
        call(*arguments, **named)
    return caught.value.code


def transport(certificate: x509.Certificate, content_key: bytes) -> Recipient:
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    return Recipient(
        kind=RecipientKind.KEY_TRANSPORT,
        issuer=certificate.issuer.public_bytes(),
        serial=certificate.serial_number,
        key_id=None,
        algorithm=AlgorithmIdentifier(oids.RSA_ENCRYPTION, b"\x05\x00"),
        encrypted_key=public.encrypt(content_key, padding.PKCS1v15()),
    )


def test_a_fresh_keyring(ring):
    assert ring.references() == ()
    assert len(ring.log_public_key) == 32
    assert code(ring.certificate, "main") == "keyring.no-key"
    assert code(ring.signer, "main") == "keyring.no-key"
    assert code(ring.tls_key, "main") == "keyring.no-key"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"rsa-3072", "rsa-4096", "x25519"}))
def test_every_kind_of_key(ring, kind):
    ring.generate("issuer", "ed25519", subject="Issuer")
    kem = kind.startswith("ml-kem")
    made = ring.generate("main", kind, subject="Aster", issuer="issuer" if kem else None)
    assert ring.certificate("main") == made == ring.chain("main")[0]
    assert ring.references() == ("issuer", "main")
    if kem:
        with pytest.raises(CmsError):
            ring.signer("main")
        assert code(ring.generate, "other", kind, subject="A") == "keyring.bad-request"
    else:
        signer = ring.signer("main")
        assert signer.certificate == made
        assert signer.sign(b"data", "sha256") != signer.sign(b"other", "sha256")


def test_rsa_signs_in_two_ways(ring):
    made = ring.generate("main", "rsa-2048", subject="Aster")
    for scheme, pad in (
        ("rsa-pkcs1", padding.PKCS1v15()),
        ("rsa-pss", padding.PSS(padding.MGF1(hashes.SHA256()), 32)),
    ):
        signer = ring.signer("main", scheme)
        assert signer.scheme == scheme
        made.public_key().verify(signer.sign(b"data", "sha256"), b"data", pad, hashes.SHA256())
    with pytest.raises(CmsError):
        ring.signer("main", "ed25519")


@pytest.mark.parametrize("kind", ["rsa-2048", "ec-p256", "ec-p521", "x25519", "ml-kem-768", "ml-kem-1024"])
def test_an_encrypted_message_opens_with_every_kind_of_key(ring, kind):
    ring.generate("issuer", "ec-p256", subject="Issuer")
    ring.generate("stranger", "ec-p256", subject="Stranger")
    issuer = "issuer" if kind.startswith(("x25519", "ml-kem")) else None
    to = [
        ring.generate("other", "rsa-2048", subject="Other"),
        ring.generate("main", kind, subject="A", issuer=issuer),
    ]
    writer = EnvelopedWriter([for_certificate(c) for c in to], "aes-256-gcm", entropy=os.urandom)
    message = writer.start() + writer.feed(b"order 1") + writer.finish()
    for refs in (["stranger", "main"], ["other"]):
        reader = Reader()
        events = reader.feed(message)
        needed = next(event for event in events if isinstance(event, KeyNeeded))
        events += reader.supply_key(ring.unwrap(needed.recipients, refs)) + reader.close()
        assert b"".join(event.data for event in events if isinstance(event, Content)) == b"order 1"
    with pytest.raises(DecryptionFailed):
        ring.unwrap(needed.recipients, ["stranger", "issuer"])


def test_unwrap_scans_every_recipient_against_every_key(ring):
    content_key = bytes(range(32))
    first = ring.generate("first", "rsa-2048", subject="Same name")
    second = ring.generate("second", "rsa-2048", subject="Same name")
    ring.generate("edwards", "ed25519", subject="Same name")
    stranger = transport(certificate("Stranger", "2048"), content_key)
    for own in (first, second):
        recipients = [stranger, transport(own, content_key)]
        assert ring.unwrap(recipients, ["gone", "edwards", "first", "second"]) == content_key
    with pytest.raises(DecryptionFailed):
        ring.unwrap([transport(second, content_key)], ["first"])


def test_a_failed_unwrap_tells_nothing(ring):
    own = ring.generate("main", "rsa-2048", subject="Aster")
    good = transport(own, bytes(32))
    said = set()
    for recipients, refs in (
        ([], ["main"]),
        ([good], []),
        ([good], ["nobody"]),
        ([transport(certificate("Stranger", "2048"), bytes(32))], ["main"]),
    ):
        with pytest.raises(DecryptionFailed) as caught:
            ring.unwrap(recipients, refs)
        said.add(str(caught.value))
    assert len(said) == 1
    broken = Recipient(**{**{f: getattr(good, f) for f in good.__slots__}, "encrypted_key": bytes(256)})
    with contextlib.suppress(DecryptionFailed):
        assert ring.unwrap([broken], ["main"]) != bytes(32)


def test_old_ways_in_need_their_name(ring):
    own = ring.generate("main", "ec-p256", subject="Aster")
    recipient = Recipient(
        kind=RecipientKind.KEY_AGREEMENT,
        issuer=own.issuer.public_bytes(),
        serial=own.serial_number,
        key_id=None,
        algorithm=AlgorithmIdentifier(oids.DH_STD_SHA1_KDF),
        encrypted_key=bytes(40),
        originator=b"",
        wrap=AlgorithmIdentifier(oids.AES256_WRAP),
    )
    with pytest.raises(AlgorithmForbidden):
        ring.unwrap([recipient], ["main"])
    with pytest.raises(DecryptionFailed):
        ring.unwrap([recipient], ["main"], allowed={"sha-1"})


def test_blob_keys_are_wrapped_under_the_storage_key(ring):
    wrapped = ring.wrap_key(bytes(32))
    assert wrapped != ring.wrap_key(bytes(31) + b"\1")
    assert len(wrapped) == 41
    assert ring.unwrap_key(wrapped) == bytes(32)
    ring.rotate_storage_key()
    again = ring.wrap_key(bytes(32))
    assert again != wrapped
    assert ring.unwrap_key(wrapped) == ring.unwrap_key(again) == bytes(32)
    for wrong in (
        b"",
        b"\0" * 41,
        wrapped[:-1],
        b"\2" + wrapped[1:],
        wrapped[:-1] + bytes([wrapped[-1] ^ 1]),
        b"\3" + wrapped[1:],
    ):
        assert code(ring.unwrap_key, wrong) == "keyring.not-ours"
    assert code(ring.wrap_key, b"short") == "keyring.bad-request"
    keys = StorageKeys(ring)
    assert keys.unwrap(keys.wrap(bytes(32))) == bytes(32)
    with pytest.raises(KeyWrapFailed):
        keys.unwrap(b"x" * 41)


def test_the_log_key_signs(ring):
    Ed25519PublicKey.from_public_bytes(ring.log_public_key).verify(ring.log_sign(b"head"), b"head")


def test_secrets(ring):
    ring.put_secret("db", Secret("swordfish"))
    ring.put_secret("db", Secret("sturgeon"))
    assert ring.secret("db") == Secret("sturgeon")
    assert ring.secrets() == ("db",)
    ring.remove_secret("db")
    assert code(ring.secret, "db") == "secret.missing"
    assert code(ring.put_secret, "../db", Secret("x")) == "keyring.bad-name"


def test_keys_are_never_written_over(ring):
    made = ring.generate("main", "ec-p256", subject="Aster")
    assert code(ring.generate, "main", "ec-p256", subject="Aster") == "keyring.exists"
    own = certificate("Own")
    data = pkcs12.serialize_key_and_certificates(b"x", key(), own, None, BestAvailableEncryption(b"p"))
    assert code(ring.import_pkcs12, "main", data, Secret("p")) == "keyring.exists"
    assert ring.certificate("main") == made
    assert ring.import_pkcs12("imported", data, Secret("p")) == own
    assert code(ring.import_pkcs12, "other", data, Secret("q")) == "trust.wrong-password"
    assert ring.references() == ("imported", "main")


@pytest.mark.parametrize("name", ["", "Main", "../x", "a/b", "-a", "a" * 64, "a\n", "é"])
def test_names(ring, name):
    assert code(ring.generate, name, "ed25519", subject="A") == "keyring.bad-name"


def test_bad_requests(ring):
    assert code(ring.generate, "a", "rsa-1024", subject="A") == "keyring.bad-request"
    assert code(ring.generate, "a", "ed25519", subject="CN=") == "keyring.bad-request"
    assert code(ring.generate, "a", "ed25519", subject="") == "keyring.bad-request"
    assert code(ring.generate, "a", "ed25519", subject="A", days=0) == "keyring.bad-request"
    assert code(ring.generate, "a", "ed25519", subject="A", names=["é.example"]) == "keyring.bad-request"
    assert code(ring.generate, "a", "ed25519", subject="A", issuer="b") == "keyring.no-key"
    assert ring.references() == ()


def test_a_renewed_certificate_still_opens_what_was_encrypted_to_the_former(ring):
    former = ring.generate("main", "rsa-2048", subject="Aster")
    request = x509.load_pem_x509_csr(ring.request("main", "CN=Aster,O=Aster").encode())
    assert request.is_signature_valid
    root = key("2048")
    renewed = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(certificate("Root", "2048").subject)
        .public_key(request.public_key())
        .serial_number(77)
        .not_valid_before(former.not_valid_before_utc)
        .not_valid_after(former.not_valid_after_utc)
        .sign(root, hashes.SHA256())
    )
    installed = ring.install_certificate("main", pem(certificate("Root", "2048"), renewed).encode())
    assert installed == renewed == ring.certificate("main")
    assert len(ring.chain("main")) == 2
    assert ring.signer("main").certificate == renewed
    for own in (former, renewed):
        assert ring.unwrap([transport(own, bytes(16))], ["main"]) == bytes(16)
    assert code(ring.install_certificate, "main", pem(certificate()).encode()) == "trust.bad-certificate"
    assert code(ring.install_certificate, "none", pem(certificate()).encode()) == "keyring.no-key"


def test_removed_keys_are_gone(ring):
    ring.generate("main", "ed25519", subject="A")
    ring.remove("main")
    assert ring.references() == ()
    assert code(ring.remove, "main") == "keyring.no-key"


def test_nothing_of_a_key_is_shown(ring):
    ring.generate("main", "ec-p256", subject="Aster")
    ring.put_secret("db", Secret("swordfish"))
    number = str(key().private_numbers().private_value)
    shown = (
        repr(ring)
        + repr(vars(ring).get("_keys"))
        + repr(vars(ring).get("_secrets"))
        + repr(ring.signer("main"))
    )
    assert "swordfish" not in shown
    assert "PrivateKey" not in repr(ring._keys)
    assert number not in shown


def test_tls_takes_the_key(ring):
    made = ring.generate("tls", "ec-p256", subject="localhost", names=["localhost"])
    private = load_pem_private_key(ring.tls_key("tls"), None)
    assert private.public_key() == made.public_key()


def test_readers_and_a_writer_in_threads(ring):
    ring.generate("main", "ec-p256", subject="A")
    failures: list[BaseException] = []

    def read():
        try:
            for _ in range(100):
                ring.signer("main").sign(b"x", "sha256")
                assert "main" in ring.references()
                ring.unwrap_key(ring.wrap_key(bytes(32)))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        ring.generate(f"k{number}", "ed25519", subject="A")
    ring.rotate_storage_key()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(ring.references()) == 11
