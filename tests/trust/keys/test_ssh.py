"""SSH signatures and public keys that the keyring makes, checked by asyncssh."""

from __future__ import annotations

import asyncssh
import pytest

from ecluse.trust.errors import KeyringError
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.keys.ssh import fingerprint, key_blob


@pytest.fixture(scope="module")
def keyring() -> MemoryKeyring:
    made = MemoryKeyring()
    for kind in ("ed25519", "ec-p256", "ec-p384", "ec-p521", "rsa-2048"):
        made.generate(kind, kind, subject="Aster")
    made.generate("kem", "x25519", subject="Aster", issuer="ed25519")
    return made


@pytest.mark.parametrize("ref", ["ed25519", "ec-p256", "ec-p384", "ec-p521", "rsa-2048"])
def test_signatures_verify_elsewhere(keyring: MemoryKeyring, ref: str) -> None:
    public = asyncssh.import_public_key(keyring.ssh_public_key(ref))
    for algorithm in keyring.ssh_algorithms(ref):
        for round in range(8):  # the first octet of an ECDSA number may or may not need a zero before it
            data = bytes([round]) * 100
            signature = keyring.ssh_sign(ref, data, algorithm)
            assert public.verify(data, signature)
            assert not public.verify(data + b"!", signature)


def test_fingerprint_is_openssh_s(keyring: MemoryKeyring) -> None:
    line = keyring.ssh_public_key("ed25519")
    assert fingerprint(key_blob(line)) == asyncssh.import_public_key(line).get_fingerprint()


def test_sha1_is_never_made(keyring: MemoryKeyring) -> None:
    assert keyring.ssh_algorithms("rsa-2048") == ("rsa-sha2-512", "rsa-sha2-256")
    with pytest.raises(KeyringError, match="bad-request"):
        keyring.ssh_sign("rsa-2048", b"", "ssh-rsa")


def test_key_that_ssh_does_not_have(keyring: MemoryKeyring) -> None:
    for use in (keyring.ssh_public_key, keyring.ssh_algorithms):
        with pytest.raises(KeyringError, match="bad-request"):
            use("kem")
