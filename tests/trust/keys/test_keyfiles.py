"""The keyring of files: passphrase, damage, permissions, and what is on the disk."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.trust import NOW, pem

from ecluse import durable
from ecluse.trust import FileKeyring, KeyringError, Secret
from ecluse.trust.keys.keyfiles import Stretching
from ecluse.trust.keys.making import make_certificate

PASSPHRASE = Secret("correct horse battery")
CHEAP = Stretching(memory_kib=64, passes=1, lanes=1)


@pytest.fixture
def folder(tmp_path):
    ring = FileKeyring.create(tmp_path / "keys", PASSPHRASE, clock=lambda: NOW, stretching=CHEAP)
    ring.generate("main", "ec-p256", subject="Aster")
    ring.generate("next", "rsa-2048", subject="Aster")
    ring.put_secret("db", Secret("swordfish"))
    return tmp_path / "keys"


def code(call, *arguments, **named) -> str:
    with pytest.raises(KeyringError) as caught:
        call(*arguments, **named)
    assert "correct horse" not in str(caught.value)
    return caught.value.code


def test_everything_is_there_again(folder):
    first = FileKeyring.open(folder, PASSPHRASE)
    wrapped = first.wrap_key(bytes(32))
    first.rotate_storage_key()
    second = FileKeyring.open(folder, PASSPHRASE)
    assert second.references() == ("main", "next")
    assert second.certificate("main") == first.certificate("main")
    assert second.unwrap_key(wrapped) == bytes(32)
    assert second.log_public_key == first.log_public_key
    assert second.secret("db") == Secret("swordfish")
    second.signer("next", "rsa-pss").sign(b"x", "sha256")


def test_another_process_s_keys_are_seen_after_a_reload(folder):
    one, two = FileKeyring.open(folder, PASSPHRASE), FileKeyring.open(folder, PASSPHRASE)
    made = two.generate("third", "ed25519", subject="A")
    two.remove("next")
    one.reload()
    assert one.references() == ("main", "third")
    assert one.certificate("third") == made


def test_former_certificates_are_kept(folder):
    ring = FileKeyring.open(folder, PASSPHRASE)
    former = ring.certificate("main")
    private = ring._held("main").private
    renewed = make_certificate(private, "Aster again", now=NOW, days=10)
    ring.install_certificate("main", pem(renewed).encode())
    again = FileKeyring.open(folder, PASSPHRASE)
    assert again.certificate("main") == renewed
    assert again._held("main").former == (former,)
    again.install_certificate("main", pem(former).encode())
    assert FileKeyring.open(folder, PASSPHRASE)._held("main").former == (renewed,)


def test_two_processes_change_one_after_the_other(folder):
    one, two = FileKeyring.open(folder, PASSPHRASE), FileKeyring.open(folder, PASSPHRASE)
    one.rotate_storage_key()
    wrapped = one.wrap_key(bytes(32))
    two.rotate_storage_key()
    two.generate("third", "ed25519", subject="A")
    assert two.unwrap_key(wrapped) == bytes(32)
    assert code(one.generate, "third", "ed25519", subject="A") == "keyring.exists"
    assert FileKeyring.open(folder, PASSPHRASE).unwrap_key(wrapped) == bytes(32)


def test_a_reload_is_all_or_nothing(folder):
    ring = FileKeyring.open(folder, PASSPHRASE)
    (folder / "next.key").write_bytes(b"x")
    assert code(ring.reload) == "keyring.damaged"
    assert ring.references() == ("main", "next")
    ring.signer("next").sign(b"x", "sha256")


def test_nothing_on_the_disk_is_in_clear(folder):
    ring = FileKeyring.open(folder, PASSPHRASE)
    private = ring._held("main").private.private_numbers().private_value.to_bytes(32, "big")
    for path in folder.iterdir():
        data = path.read_bytes()
        assert private not in data
        assert b"swordfish" not in data
        assert b"PRIVATE" not in data
        assert ring._master not in data
        assert ring._storage[0] not in data
        assert path.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "main.pem").read_text() == pem(ring.certificate("main"))


@pytest.mark.parametrize("wrong", ["", "Correct horse battery", "correct horse battery ", "x"])
def test_a_wrong_passphrase(folder, wrong):
    assert code(FileKeyring.open, folder, Secret(wrong)) == "keyring.wrong-passphrase"


def test_a_new_passphrase(folder):
    ring = FileKeyring.open(folder, PASSPHRASE)
    ring.change_passphrase(Secret("another good one"), stretching=CHEAP)
    assert code(FileKeyring.open, folder, PASSPHRASE) == "keyring.wrong-passphrase"
    assert FileKeyring.open(folder, Secret("another good one")).references() == ("main", "next")
    assert code(ring.change_passphrase, Secret("short")) == "keyring.weak-passphrase"


def test_creating(folder, tmp_path):
    assert code(FileKeyring.create, folder, PASSPHRASE) == "keyring.exists"
    (folder / "keyring.json").unlink()
    assert code(FileKeyring.create, folder, PASSPHRASE) == "keyring.exists", "never over somebody's keys"
    assert code(FileKeyring.open, folder, PASSPHRASE) == "keyring.missing"
    assert code(FileKeyring.open, tmp_path / "none", PASSPHRASE) == "keyring.missing"
    assert code(FileKeyring.create, tmp_path / "new", Secret("short")) == "keyring.weak-passphrase"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["keyring.json", "main.key", "storage.keys", "log.seed", "db.secret"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_files_that_others_may_use(folder, name, mode):
    (folder / name).chmod(mode)
    assert code(FileKeyring.open, folder, PASSPHRASE) == "keyring.exposed"


def test_a_folder_that_others_may_change(folder):
    folder.chmod(0o770)
    assert code(FileKeyring.open, folder, PASSPHRASE) == "keyring.exposed"


@pytest.mark.parametrize("name", ["main.key", "main.pem", "storage.keys", "log.seed", "db.secret"])
def test_damaged_and_missing_files_are_named(folder, name):
    path = folder / name
    data = path.read_bytes()
    damage = [b"", data[:40], b"x" * (2 << 20)]
    if name != "main.pem":  # PEM forgives what stands around it
        damage += [data[:-1], b"x" + data[1:], data[:40] + bytes([data[40] ^ 1]) + data[41:]]
    for wrong in damage:
        path.write_bytes(wrong)
        with pytest.raises(KeyringError) as caught:
            FileKeyring.open(folder, PASSPHRASE)
        assert caught.value.code == "keyring.damaged"
        assert name.split(".")[0] in caught.value.cause
    path.write_bytes(data)
    assert FileKeyring.open(folder, PASSPHRASE).references() == ("main", "next")
    if name != "db.secret":
        path.unlink()
        if name == "main.key":
            assert FileKeyring.open(folder, PASSPHRASE).references() == ("next",)
        else:
            assert code(FileKeyring.open, folder, PASSPHRASE) == "keyring.damaged"


def test_a_file_cannot_stand_in_for_another(folder):
    (folder / "main.key").write_bytes((folder / "next.key").read_bytes())
    assert code(FileKeyring.open, folder, PASSPHRASE) == "keyring.damaged"


def test_a_certificate_of_another_key_is_noticed(folder):
    (folder / "main.pem").write_bytes((folder / "next.pem").read_bytes())
    assert code(FileKeyring.open, folder, PASSPHRASE) == "keyring.damaged"


def test_a_certificate_without_its_key_is_nothing_yet(folder):
    (folder / "half.pem").write_bytes((folder / "main.pem").read_bytes())
    ring = FileKeyring.open(folder, PASSPHRASE)
    assert "half" not in ring.references()
    ring.generate("half", "ed25519", subject="A")
    assert "half" in FileKeyring.open(folder, PASSPHRASE).references()


@pytest.mark.parametrize(
    "changed",
    [
        {"argon2id": {"memory_kib": 1 << 30, "passes": 1, "lanes": 1}},
        {"argon2id": {"memory_kib": 64, "passes": 10**9, "lanes": 1}},
        {"argon2id": {"memory_kib": 64, "passes": 1, "lanes": 10**6}},
        {"argon2id": {"memory_kib": 0, "passes": 0, "lanes": 0}},
        {"argon2id": {"memory_kib": -1, "passes": 1, "lanes": -1}},
        {"argon2id": {"memory_kib": 65, "passes": 1, "lanes": 1}, "code": "keyring.wrong-passphrase"},
        {"format": "ecluse.keyring/2"},
        {"salt": "AAAA"},
        {"salt": "!"},
        {"master": "", "code": "keyring.wrong-passphrase"},
        {"extra": 1},
    ],
)
def test_a_hostile_header_costs_nothing(folder, changed):
    expected = changed.pop("code", "keyring.damaged")
    header = json.loads((folder / "keyring.json").read_bytes())
    (folder / "keyring.json").write_text(json.dumps({**header, **changed}))
    begun = time.monotonic()
    assert code(FileKeyring.open, folder, PASSPHRASE) == expected
    assert time.monotonic() - begun < 25


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_gives_our_errors_only(folder, data):
    names = ["keyring.json", "main.key", "main.pem", "storage.keys", "log.seed"]
    path = folder / data.draw(st.sampled_from(names))
    before = path.read_bytes()
    changed = bytearray(before)
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    if path.name == "keyring.json" and b'"memory_kib": 64' not in changed:
        return  # more memory is allowed, and only slow
    path.write_bytes(changed)
    try:
        with contextlib.suppress(KeyringError):
            assert FileKeyring.open(folder, PASSPHRASE).references() == ("main", "next")
    finally:
        path.write_bytes(before)


def test_a_full_disk_leaves_the_keyring_as_it_was(folder, monkeypatch):
    ring = FileKeyring.open(folder, PASSPHRASE)

    def full(path, data, mode=0o600):
        raise durable.DiskError("The disk is full.")

    monkeypatch.setattr(durable, "replace", full)
    with pytest.raises(durable.DiskError):
        ring.generate("third", "ed25519", subject="A")
    with pytest.raises(durable.DiskError):
        ring.rotate_storage_key()
    assert ring.references() == ("main", "next")
    wrapped = ring.wrap_key(bytes(32))
    monkeypatch.undo()
    again = FileKeyring.open(folder, PASSPHRASE)
    assert again.references() == ("main", "next")
    assert again.unwrap_key(wrapped) == bytes(32)


def test_the_passphrase_is_stretched_once_and_as_much_as_said(tmp_path, monkeypatch):
    ring = FileKeyring.create(tmp_path / "keys", PASSPHRASE)
    for number in range(5):
        ring.generate(f"k{number}", "ed25519", subject="A")
    count = []
    stretch = Stretching.key

    def counted(self, passphrase, salt):
        count.append(self)
        return stretch(self, passphrase, salt)

    monkeypatch.setattr(Stretching, "key", counted)
    FileKeyring.open(tmp_path / "keys", PASSPHRASE)
    assert count == [Stretching(memory_kib=65536, passes=3, lanes=4)]
