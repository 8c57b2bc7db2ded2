"""``[log]`` and ``[listen.log]``: keys of witnesses and of logs are read strictly, and the keyring has ours."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from tests.support.trust import HUB
from tests.support.witnesses import log_keys, witness_keys

from ecluse.trust import Configuration, ConfigurationError, FileKeyring, KeyringError, MemoryKeyring, Secret
from ecluse.trust.keys.keyfiles import Stretching
from ecluse.trust.keys.notes import NOTE_SEEDS, NOTE_USES, NoteKeys
from ecluse.trust.settings.log import cosigned_key
from ecluse.trust.settings.log import witness_keys as keys_of

KEYS = [str(key) for key, _ in witness_keys("birch.example/witness")]
LOG = list(log_keys("birch.example/log")[0].texts())
CHEAP = Stretching(memory_kib=64, passes=1, lanes=1)


def listed(keys: list[str]) -> str:
    return "[" + ", ".join(f'"{key}"' for key in keys) + "]"


def witness(keys: list[str], url: str = "https://log.birch.example/", name: str = "birch") -> str:
    return f'\n[[log.witnesses]]\nname = "{name}"\nurl = "{url}"\nkeys = {listed(keys)}\n'


def cosigned(keys: list[str], name: str = "birch") -> str:
    return f'\n[[log.cosigns]]\nname = "{name}"\nkeys = {listed(keys)}\n'


def test_a_whole_configuration():
    text = HUB + '\n[listen.log]\naddress = "0.0.0.0:4086"\n' + witness(KEYS) + cosigned(LOG)
    hub = Configuration.from_files({"ecluse.toml": text}).hub
    assert [key.algorithm for key in keys_of(hub.log.witnesses[0])] == ["ed25519", "ml-dsa-44"]
    assert cosigned_key(hub.log.cosigns[0]) == log_keys("birch.example/log")[0]
    assert hub.listen.log is not None
    assert not hub.listen.log.entries, "events are shown to nobody who was not meant to see them"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (witness([]), "log.witnesses[0].keys"),
        (witness(LOG[:1]), "log.witnesses[0].keys"),
        (witness([KEYS[0], str(witness_keys("cedar")[0][0])]), "log.witnesses[0].keys"),
        (witness([KEYS[0][:-4] + "AAA="]), "log.witnesses[0].keys"),
        (witness(KEYS, url="http://"), "log.witnesses[0].url"),
        (witness(KEYS) + witness(KEYS), "log.witnesses[1].name"),
        (cosigned(KEYS), "log.cosigns[0].keys"),
        (cosigned(LOG[1:]), "log.cosigns[0].keys"),
        (cosigned(list(log_keys("birch.example/log#2")[0].texts())), "log.cosigns[0].keys"),
        (cosigned(LOG) + cosigned(LOG, "cedar"), "log.cosigns[1].keys"),
        ('\n[listen.log]\naddress = "0.0.0.0:99999"\n', "listen.log.address"),
        ('\n[log]\npace = "10ms"\n', "log.pace"),
    ],
)
def test_what_is_wrong_is_named(more, field):
    with pytest.raises(ConfigurationError) as caught:
        Configuration.from_files({"ecluse.toml": HUB + more})
    assert field in {problem.field for problem in caught.value.problems}


def test_every_use_has_a_key_of_its_own(tmp_path):
    made = FileKeyring.create(tmp_path / "keys", Secret("correct horse"), stretching=CHEAP)
    again = FileKeyring.open(tmp_path / "keys", Secret("correct horse"))
    for ring in (made, again, MemoryKeyring()):
        publics = [ring.note_public(use) for use in NOTE_USES]
        assert len({*publics, ring.log_public_key}) == 4
        Ed25519PublicKey.from_public_bytes(publics[1] or b"").verify(ring.note_sign("witness", b"x"), b"x")
        for use, public in (("log-ml-dsa", publics[0]), ("witness-ml-dsa", publics[2])):
            MLDSA44PublicKey.from_public_bytes(public or b"").verify(ring.note_sign(use, b"x"), b"x")  # type: ignore[arg-type]
    assert [made.note_public(use) for use in NOTE_USES] == [again.note_public(use) for use in NOTE_USES]


def test_an_older_keyring_has_none_until_they_are_made(tmp_path):
    FileKeyring.create(tmp_path / "keys", Secret("correct horse"), stretching=CHEAP)
    (tmp_path / "keys" / "notes.seeds").unlink()
    ring, other = (FileKeyring.open(tmp_path / "keys", Secret("correct horse")) for _ in range(2))
    assert ring.note_public("witness") is None
    with pytest.raises(KeyringError) as caught:
        ring.note_sign("witness", b"x")
    assert caught.value.code == "keyring.no-note-keys"
    assert ring.make_note_keys()
    assert not other.make_note_keys(), "another process made them"
    assert other.note_public("witness") == ring.note_public("witness")


def test_seeds_of_another_length_are_damaged():
    with pytest.raises(KeyringError):
        NoteKeys(b"x" * (NOTE_SEEDS - 1))
    with pytest.raises(KeyringError):
        NoteKeys(b"x" * NOTE_SEEDS).sign("log", b"x")  # type: ignore[arg-type]
