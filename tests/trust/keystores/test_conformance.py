"""What every key store does, wherever the private keys are: files, a PKCS#11 device, a service, another process."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import asyncssh
import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.support.keystores import served_signer, soft_hsm, transit_service, with_token
from tests.support.openbao import openbao

from ecluse.errors import EcluseError
from ecluse.model.basics import system_clock
from ecluse.trust.certificates import to_pem
from ecluse.trust.errors import KeyringError, SecretError
from ecluse.trust.keys.keyfiles import FileKeyring, Stretching
from ecluse.trust.keys.making import make_certificate
from ecluse.trust.keystores.remote import remote_key
from ecluse.trust.keystores.transit import TransitDevice
from ecluse.trust.secrets import Secret
from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import DecryptionFailed, UnsupportedAlgorithm
from ecluse.wire.cms.events import AlgorithmIdentifier, Content, KeyNeeded, Recipient, RecipientKind
from ecluse.wire.cms.reader import Reader
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.cms.writer import EnvelopedWriter
from ecluse.wire.openpgp.names import HASHES
from ecluse.wire.openpgp.pkesk import SessionKey, WrappedKey, read_pkesk
from ecluse.wire.openpgp.pkesk import wrap as wrap_session

PASSPHRASE = Secret("correct horse battery")
CHEAP = Stretching(memory_kib=64, passes=1, lanes=1)
KINDS = ("files", "pkcs11", "transit", "bao", "signer", "signer-pkcs11", "signer-bao")
STORES = ("pkcs11", "transit", "bao")

LACKS = {
    "pkcs11": {"oaep-sha256"},  # SoftHSM has SHA-1 alone there
    "transit": {"oaep-sha1", "ecdh"},
    "bao": {"pkcs1", "oaep-sha1", "ecdh"},
}
"""Ways to a content key that a key store does not go."""

PEERS = {"pkcs11": "softhsm2-util", "bao": "bao"}


class Rings:
    """A keyring of each kind, with the keys ``rsa`` and ``ec``; made once."""

    def __init__(self, folder: Any) -> None:
        self.folder = folder
        self.stores: dict[str, Any] = {}
        self.made: dict[str, Any] = {}
        self.closing: list[Any] = []

    def ring(self, kind: str) -> Any:
        if kind not in self.made:
            self.made[kind] = self._make(kind)
        return self.made[kind]

    def _make(self, kind: str) -> Any:
        if kind.startswith("signer"):
            held = self.ring(_store(kind) or "files")
            signer = served_signer(held, self.folder / f"{kind}.sock")
            self.closing.append(signer)
            return signer.__enter__()
        ring = FileKeyring.create(self.folder / kind, PASSPHRASE, stretching=CHEAP)
        ring.put_secret("mail", Secret("hunter2"))
        ring.generate_openpgp("pgp", "Aster <edi@aster.example>", kind="rsa-3072")
        if kind == "files":
            ring.generate("rsa", "rsa-2048", subject="Aster")
            ring.generate("ec", "ec-p256", subject="Aster")
            return ring
        if kind == "pkcs11":
            device: Any = soft_hsm(self.folder / "hsm")
        elif kind == "bao":
            server = openbao(self.folder / "bao-server")
            self.closing.append(server)
            device = server.__enter__().device()
        else:
            service = transit_service()
            self.closing.append(service)
            _, url = service.__enter__()
            device = TransitDevice(url, with_token())
        self.stores[kind] = device
        ring.stores = {"store": device}
        for ref, made in (("rsa", "rsa-2048"), ("ec", "ec-p256")):
            public = device.generate(f"key-{ref}", made)
            name = device.pinned(f"key-{ref}")
            private = remote_key(public, device, name)
            own = make_certificate(private, "Aster", now=system_clock(), days=30)
            ring.bind(ref, f"store/{name}", private, to_pem([own]).encode())
        return FileKeyring.open(self.folder / kind, PASSPHRASE, stores={"store": device})


def _store(kind: str) -> str:
    """The key store behind a keyring; empty where it has files."""
    return next((store for store in STORES if kind.endswith(store)), "")


@pytest.fixture(scope="module")
def rings(tmp_path_factory) -> Iterator[Rings]:
    made = Rings(tmp_path_factory.mktemp("rings"))
    yield made
    for each in reversed(made.closing):
        each.__exit__(None, None, None)


@pytest.fixture(
    params=[
        pytest.param(kind, marks=[pytest.mark.peer(PEERS[_store(kind)])] if _store(kind) in PEERS else [])
        for kind in KINDS
    ]
)
def kind(request) -> str:
    return str(request.param)


@pytest.fixture
def ring(kind: str, rings: Rings) -> Any:
    return rings.ring(kind)


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("scheme", ["rsa-pkcs1", "rsa-pss"])
def test_rsa_signatures_verify(ring: Any, scheme: str, digest: str) -> None:
    made = ring.signer("rsa", scheme)
    algorithm = getattr(hashes, digest.upper())()
    pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
    chosen = pss if scheme == "rsa-pss" else padding.PKCS1v15()
    for data in (b"", b"attributes" * 100):
        ring.certificate("rsa").public_key().verify(made.sign(data, digest), data, chosen, algorithm)
    assert made.scheme == scheme
    assert made.certificate == ring.certificate("rsa")


@pytest.mark.parametrize("digest", ["sha256", "sha384"])
def test_ecdsa_signatures_verify(ring: Any, digest: str) -> None:
    algorithm = ec.ECDSA(getattr(hashes, digest.upper())())
    for _ in range(5):
        made = ring.signer("ec").sign(b"attributes", digest)
        ring.certificate("ec").public_key().verify(made, b"attributes", algorithm)


def test_a_scheme_that_does_not_fit_is_refused(ring: Any) -> None:
    with pytest.raises(UnsupportedAlgorithm):
        ring.signer("ec", "rsa-pss")
    with pytest.raises(KeyringError) as caught:
        ring.signer("nobody")
    assert caught.value.code == "keyring.no-key"


def opened(ring: Any, ref: str, padding: str = "pkcs1") -> bytes:
    """A message to the key, opened with it."""
    to = for_certificate(ring.certificate(ref), padding=padding)  # type: ignore[arg-type]
    writer = EnvelopedWriter([to], "aes-256-gcm", entropy=os.urandom)
    message = writer.start() + writer.feed(b"order 1") + writer.finish()
    reader = Reader()
    events = reader.feed(message)
    needed = next(event for event in events if isinstance(event, KeyNeeded))
    events += reader.supply_key(ring.unwrap(needed.recipients, [ref])) + reader.close()
    return b"".join(event.data for event in events if isinstance(event, Content))


@pytest.mark.parametrize("way", ["pkcs1", "oaep-sha1", "oaep-sha256", "ecdh"])
def test_what_is_encrypted_opens_where_the_store_can(ring: Any, kind: str, way: str) -> None:
    ref, padding = ("ec", "pkcs1") if way == "ecdh" else ("rsa", way)
    if way not in LACKS.get(_store(kind), ()):
        assert opened(ring, ref, padding) == b"order 1"
    else:  # a device tells of a mechanism that it lacks as it tells of bad padding
        with pytest.raises(DecryptionFailed if _store(kind) == "pkcs11" else UnsupportedAlgorithm):
            opened(ring, ref, padding)


def test_bad_padding_is_not_seen(ring: Any, kind: str) -> None:
    """A content key comes, and comes again: the reader finds out at the end of the content (RFC 3218 s2.3)."""
    if "pkcs1" in LACKS.get(_store(kind), ()):
        pytest.skip("the store has none of this padding")
    own = ring.certificate("rsa")
    recipient = transported(own, b"\1" * 256)
    first = ring.unwrap([recipient], ["rsa"])
    assert first == ring.unwrap([recipient], ["rsa"])
    assert first != ring.unwrap([transported(own, b"\2" * 256)], ["rsa"])


def transported(own: Any, sealed: bytes) -> Recipient:
    """A content key under PKCS#1 v1.5."""
    return Recipient(
        kind=RecipientKind.KEY_TRANSPORT,
        issuer=own.issuer.public_bytes(),
        serial=own.serial_number,
        key_id=None,
        algorithm=AlgorithmIdentifier(oids.RSA_ENCRYPTION, b"\x05\x00"),
        encrypted_key=sealed,
    )


def test_what_can_not_be_opened_is_one_error_whatever_is_wrong(ring: Any) -> None:
    recipient = transported(ring.certificate("rsa"), b"\1" * 255)
    texts = set()
    stranger = msgspec.structs.replace(recipient, serial=4711)
    for each in (recipient, stranger):
        with pytest.raises(DecryptionFailed) as caught:
            ring.unwrap([each], ["rsa", "nobody"])
        texts.add(str(caught.value))
    assert len(texts) == 1


def test_ssh_signatures_are_made(ring: Any) -> None:
    for ref in ("rsa", "ec"):
        line = ring.ssh_public_key(ref)
        key = asyncssh.import_public_key(line)
        for algorithm in ring.ssh_algorithms(ref):
            signature = ring.ssh_sign(ref, b"data", algorithm)
            assert key.verify(b"data", signature), algorithm
    with pytest.raises(KeyringError):
        ring.ssh_sign("rsa", b"data", "ssh-ed25519")


def test_the_rest_of_a_keyring_is_there(ring: Any) -> None:
    wrapped = ring.wrap_key(b"k" * 32)
    assert ring.unwrap_key(wrapped) == b"k" * 32
    with pytest.raises(KeyringError) as caught:
        ring.unwrap_key(wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    assert caught.value.code == "keyring.not-ours"
    Ed25519PublicKey.from_public_bytes(ring.log_public_key).verify(ring.log_sign(b"data"), b"data")
    public = ring.note_public("witness")
    Ed25519PublicKey.from_public_bytes(public).verify(ring.note_sign("witness", b"data"), b"data")
    assert len(ring.note_public("log-ml-dsa")) == 1312
    assert len(ring.note_sign("log-ml-dsa", b"data")) == 2420
    assert ring.secret("mail").reveal() == b"hunter2"
    assert ring.secrets() == ("mail",)
    with pytest.raises(SecretError):
        ring.secret("nothing")
    assert ring.references() == ("ec", "rsa")
    assert ring.former("rsa") == ()
    assert ring.chain("rsa") == (ring.certificate("rsa"),)


def test_openpgp_is_signed_and_opened(ring: Any) -> None:
    signer = ring.openpgp_signer("pgp")
    kind = HASHES[8]
    signature = signer.sign(kind.new().digest(), kind)
    assert len(signature) > 64
    assert ring.openpgp_references() == ("pgp",)
    with pytest.raises(EcluseError) as caught:
        ring.openpgp_unwrap([WrappedKey(3, b"12345678", 1, b"data")], ["pgp"])
    assert caught.value.code == "openpgp.no-key"


def test_uses_are_counted(ring: Any, kind: str) -> None:
    ring.uses.take()
    for _ in range(3):
        ring.signer("rsa").sign(b"data", "sha256")
    opened(ring, "rsa", way(kind))
    ring.ssh_sign("rsa", b"data", ring.ssh_algorithms("rsa")[0])
    sha256 = HASHES[8]
    ring.openpgp_signer("pgp").sign(sha256.new().digest(), sha256)
    public = next(key for key in ring.openpgp_certificate("pgp").every_key() if key.encrypts)
    # A packet of the old kind has a tag, a length of two octets and its body.
    found = read_pkesk(wrap_session(SessionKey(9, b"k" * 32), public)[3:])
    assert found is not None
    ring.openpgp_unwrap([found], ["gone", "pgp"])
    counts = ring.uses.take()
    assert counts == {
        ("rsa", "sign"): 3,
        ("rsa", "decrypt"): 1,
        ("rsa", "ssh"): 1,
        ("pgp", "openpgp-sign"): 1,
        ("pgp", "openpgp-decrypt"): 1,
    }
    assert ring.uses.take() == {}
    ring.uses.give_back(counts)
    assert ring.uses.take() == counts


def way(kind: str) -> str:
    """A padding that the store opens."""
    return "oaep-sha256" if kind.endswith("bao") else "pkcs1"


def test_many_threads_use_it_at_once(ring: Any, kind: str) -> None:
    failed: list[object] = []
    public = ring.certificate("rsa").public_key()

    def work() -> None:
        try:
            for number in range(5):
                data = b"%d" % number
                made = ring.signer("rsa").sign(data, "sha256")
                public.verify(made, data, padding.PKCS1v15(), hashes.SHA256())
                assert opened(ring, "rsa", way(kind)) == b"order 1"
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


def test_private_keys_do_not_leave(ring: Any, kind: str, rings: Rings) -> None:
    assert "PRIVATE" not in repr(ring)
    if not _store(kind):
        return
    with pytest.raises(KeyringError) as caught:
        ring.tls_key("rsa")
    assert caught.value.code == "keystore.stays"
    if kind.startswith("signer"):
        return
    key = ring._keys["rsa"].private
    for way in (pickle.dumps, lambda each: each.private_numbers(), lambda each: each.private_bytes()):
        with pytest.raises(KeyringError):
            way(key)
    assert copy.deepcopy(key) is key
    assert "key-rsa" in repr(key)


def test_a_certificate_is_renewed_and_requested(kind: str, rings: Rings) -> None:
    if kind.startswith("signer"):
        return
    ring = rings.ring(kind)
    assert "BEGIN CERTIFICATE REQUEST" in ring.request("ec")
    before = ring.certificate("ec")
    renewed = make_certificate(ring._keys["ec"].private, "Aster", now=system_clock(), days=60)
    ring.install_certificate("ec", to_pem([renewed]).encode())
    assert (ring.certificate("ec"), ring.former("ec")) == (renewed, (before,))


def test_what_is_in_a_store_is_found_again(kind: str, rings: Rings) -> None:
    if kind not in STORES:
        return
    device = rings.stores[kind] if rings.ring(kind) else None
    assert device.names() == ("key-ec", "key-rsa")
    assert device.public_key("key-rsa") == rings.ring(kind).certificate("rsa").public_key()
    for call, code in (
        (lambda: device.public_key("nothing"), "keystore.no-key"),
        (lambda: device.generate("key-rsa", "rsa-2048"), "keystore.exists"),
        (lambda: device.generate("x", "ml-dsa-65"), "keystore.refused"),
    ):
        with pytest.raises(KeyringError) as caught:
            call()
        assert caught.value.code == code
    with pytest.raises(KeyringError) as caught:
        FileKeyring.open(rings.folder / kind, PASSPHRASE)
    assert caught.value.code == "keystore.unknown"
