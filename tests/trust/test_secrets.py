"""References to secrets, and nothing that shows one."""

from __future__ import annotations

import copy
import os
import pickle  # to show that a secret refuses it
import traceback

import msgspec
import pytest

from ecluse.trust import Secret, SecretError, SecretResolver
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.secrets import MAX_SECRET


def code(call, *arguments) -> str:
    with pytest.raises(SecretError) as caught:
        call(*arguments)
    assert "swordfish" not in str(caught.value)
    return caught.value.code


def test_nothing_shows_a_secret():
    secret = Secret("swordfish")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r}", repr({"a": [secret]})]
    assert not any("swordfish" in text for text in shown)
    assert secret.reveal() == b"swordfish"
    assert secret.reveal_text() == "swordfish"
    assert secret == Secret(b"swordfish")
    assert secret != Secret("other")
    assert secret != "swordfish"
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode({"secret": secret})
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(SecretError):
            copying(secret)
    try:
        raise RuntimeError(secret)
    except RuntimeError:
        assert "swordfish" not in traceback.format_exc()


def test_a_secret_that_is_no_text():
    assert code(Secret(b"\xff").reveal_text) == "secret.unavailable"


def test_environment(tmp_path):
    resolve = SecretResolver(tmp_path, {"DB": "swordfish", "EMPTY": ""})
    assert resolve("env:DB").reveal_text() == "swordfish"
    assert code(resolve, "env:OTHER") == "secret.missing"
    assert code(resolve, "env:EMPTY") == "secret.empty"


@pytest.mark.parametrize(
    "literal", ["swordfish", "", "env:", "env:A B", "keyring:../x", "vault:x", "env:A\n"]
)
def test_literals_are_refused_and_not_repeated(tmp_path, literal):
    assert code(SecretResolver(tmp_path, {"A": "x"}), literal) == "secret.literal"


def test_files(tmp_path):
    resolve = SecretResolver(tmp_path, {})
    path = tmp_path / "secrets" / "db"
    path.parent.mkdir()
    path.write_bytes(b"swordfish\n")
    path.chmod(0o600)
    assert resolve("file:secrets/db").reveal() == b"swordfish"
    assert resolve(f"file:{path}").reveal() == b"swordfish"
    for mode in (0o640, 0o604, 0o660, 0o602, 0o610):
        path.chmod(mode)
        assert code(resolve, "file:secrets/db") == "secret.exposed", oct(mode)
    path.chmod(0o400)
    path.unlink()
    assert code(resolve, "file:secrets/db") == "secret.missing"
    assert code(resolve, "file:secrets") == "secret.unreadable"
    assert code(resolve, "file:a\0b") == "secret.unreadable"


def test_strange_files(tmp_path):
    resolve = SecretResolver(tmp_path, {})
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert code(resolve, "file:pipe") == "secret.unreadable"
    big = tmp_path / "big"
    big.write_bytes(b"x" * (MAX_SECRET + 1))
    big.chmod(0o600)
    assert code(resolve, "file:big") == "secret.unavailable"


def test_keyring(tmp_path):
    ring = MemoryKeyring()
    ring.put_secret("db", Secret("swordfish"))
    resolve = SecretResolver(tmp_path, {}, ring.secret)
    assert resolve("keyring:db").reveal_text() == "swordfish"
    assert code(resolve, "keyring:other") == "secret.missing"
    assert code(SecretResolver(tmp_path, {}), "keyring:db") == "secret.missing"
