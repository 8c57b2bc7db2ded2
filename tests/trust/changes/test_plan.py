"""Plans say what would change, in words."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from tests.support.trust import HUB, NOW, PARTNER, certificate, files, key, pem

from ecluse.trust import Configuration, MemoryKeyring, plan
from ecluse.trust.changes.plan import Change, Plan
from ecluse.trust.changes.sensitive import sensitive
from ecluse.trust.changes.sensitive_fields import SENSITIVE
from ecluse.trust.errors import ConfigurationError
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.keys.ssh import fingerprint, public_line
from ecluse.trust.operators import public_key
from ecluse.trust.rules.authorities import _walk as walk


def configuration(*arguments: str, **named: str) -> Configuration:
    return Configuration.from_files(files(*arguments, **named))


def test_nothing_changes_where_only_the_text_does():
    other = configuration("# a comment\n" + PARTNER.replace('"Birch"', "'Birch'"))
    none = plan(configuration(), other)
    assert not none
    assert none.text() == "Nothing would change.\n"
    assert none.json() == b"[]"


def test_the_first_plan_shows_what_is_said_and_no_defaults():
    text = plan(None, configuration()).text()
    assert text.startswith("hub\n  + organisation.name: Aster\n")
    assert "partner:birch\n  + name: Birch\n  + state: active\n" in text
    assert "retry" not in text
    assert "+ certificate " in text
    assert "BEGIN" not in text


def test_changes():
    old = configuration()
    new = configuration(PARTNER.replace("url =", 'encrypt = "aes-256-gcm"\nsubject = "Orders"\nurl ='))
    found = plan(old, new)
    assert [(c.kind, c.subject, c.field, c.before, c.after) for c in found.changes] == [
        ("change", "partner:birch", "as2.encrypt", "aes-256-cbc", "aes-256-gcm"),
        ("add", "partner:birch", "as2.subject", "", "Orders"),
    ]
    assert "~ as2.encrypt: aes-256-cbc -> aes-256-gcm" in found.text()
    back = plan(new, old)
    assert [c.kind for c in back.changes] == ["change", "remove"]
    assert msgspec.json.decode(found.json())[0]["field"] == "as2.encrypt"


def test_partners_come_and_go():
    alone = Configuration.from_files({"ecluse.toml": HUB})
    assert {c.kind for c in plan(alone, configuration()).changes} == {"add"}
    (gone,) = plan(configuration(), alone).changes
    assert (gone.kind, gone.subject, gone.before) == ("remove", "partner:birch", "Birch")


def test_certificates_are_compared_by_what_they_are():
    first, second = certificate("Birch 2026"), certificate("Birch 2027")
    old = Configuration.from_files(files() | {"certificates/birch.pem": pem(first)})
    new = Configuration.from_files(files() | {"certificates/birch.pem": pem(second)})
    added, removed = sorted(plan(old, new).changes, key=lambda change: change.kind)
    assert added.field.startswith("certificate ")
    assert "CN=Birch 2027, EC P-256, valid 2020-01-01 to 2050-01-01, for encrypt, verify" in added.after
    assert "CN=Birch 2026" in removed.before
    spaced = Configuration.from_files(files() | {"certificates/birch.pem": "bag\n" + pem(first)})
    assert not plan(old, spaced)


def test_windows_and_exceptions_show():
    new = configuration(
        PARTNER
        + "until = 2026-12-31\n"
        + '[[exceptions]]\nalgorithm = "sha-1"\nreason = "old server"\nuntil = 2026-12-31\n'
    )
    text = plan(configuration(), new).text()
    assert "used until 2027-01-01T00:00:00.000Z" in text
    assert "+ exceptions[0].algorithm: sha-1" in text
    assert "+ exceptions[0].reason: old server" in text


def test_an_authority_behind_a_certificate_that_stays_shows():
    """All certificates of a file are anchors of TLS: who adds the authority of the leaf widens what is trusted."""
    authority = certificate("Public CA")
    leaf = certificate("Birch", issuer=("Public CA", key()))
    old = Configuration.from_files(files() | {"certificates/birch.pem": pem(leaf)})
    new = Configuration.from_files(files() | {"certificates/birch.pem": pem(leaf, authority)})
    (change,) = plan(old, new).changes
    assert (change.kind, change.field[:12]) == ("change", "certificate ")
    assert "with 1 more (SHA-256 " in change.after


def test_another_root_under_the_same_name_shows():
    """Whoever may write a file may not exchange in silence whom the hub believes."""
    toml = (
        HUB + '\n[seals]\nroots = ["certificates/root.pem"]\n'
        '\n[[log.authorities]]\nname = "alder"\nurl = "https://tsa.example/"\nroots = "certificates/root.pem"\n'
    )
    old, new = (
        Configuration.from_files(
            {**files(), "ecluse.toml": toml, "certificates/root.pem": pem(certificate(name))}
        )
        for name in ("Alder", "Mallory")
    )
    changes = plan(old, new).changes
    assert {change.field for change in changes} == {"seals.roots", "log.authorities[0].roots"}
    assert len(sensitive(plan(old, new))) == 2


def test_a_long_key_is_told_by_its_ends_and_its_fingerprint():
    """And whole in JSON. The fingerprint is that of ``ssh-keygen -l``."""
    line = public_line(rsa.generate_private_key(65537, 4096))
    short = public_line(ed25519.Ed25519PrivateKey.generate())
    verifier = f"birch.example/log+0a1b2c3d+{base64.b64encode(bytes([6]) + bytes(1312)).decode()}"
    keys = f'keys = ["{line} ada@aster", "{short}"]\n'
    account = PARTNER.replace("[[cert", f'[account]\nuser = "birch"\n{keys}[[cert', 1)
    found = plan(configuration(), configuration(account))
    text = found.text()
    printed = fingerprint(public_key(line).blob)
    kind, encoded = line.split()[:2]
    assert f"{kind} {encoded[:12]}...{encoded[-8:]} ({printed}) ada@aster, {short}" in text
    assert encoded not in text
    assert max(map(len, text.splitlines())) < 300
    assert encoded in found.json().decode()
    change = Change("change", "hub", "log.witnesses[0].keys", verifier, "nothing")
    told = Plan((change,)).text()
    assert "birch.example/log+0a1b2c3d+BgAAAAAAAAAA...AAAAAAA= (SHA256:" in told
    assert str(change).count("A") > 1700


def test_another_authority_of_a_server_under_the_same_name_shows():
    """Whoever has that authority is taken for the server."""
    path = "certificates/server.pem"
    toml = HUB + f'[blobs]\nplace = "s3://blobs/a"\nca = "{path}"\n'
    bucket = PARTNER.replace(
        "[[cert", f'[s3]\nbucket = "b"\naccess_key = "env:A"\nsecret_key = "env:B"\nca = "{path}"\n[[cert', 1
    )
    first = {**files(), "ecluse.toml": toml, "partners/birch.toml": bucket, path: pem(certificate("Alder"))}
    old = Configuration.from_files(first)
    mallory = pem(certificate("Mallory"))
    new = Configuration.from_files({**first, path: mallory}, before=old)
    assert new.partners["birch"] is old.partners["birch"]
    changes = plan(old, new).changes
    assert {(change.subject, change.field) for change in changes} == {
        ("hub", "blobs.ca"),
        ("partner:birch", "s3.ca"),
    }
    assert len(sensitive(plan(old, new))) == 2
    assert new.authority(path, Path("nowhere")) == mallory.encode()
    with pytest.raises(ConfigurationError) as caught:
        Configuration.from_files({name: text for name, text in first.items() if name != path}, NOW)
    assert {(each.file, each.field) for each in caught.value.problems} >= {
        ("ecluse.toml", "blobs.ca"),
        ("partners/birch.toml", "s3.ca"),
    }


def test_every_field_of_an_authority_is_told_with_what_is_in_the_file():
    """By the table that says of every field of a configuration what it decides."""
    named = [field for field in SENSITIVE["hub"] if field.endswith((".ca", ".roots", ".certificate"))]
    assert len(named) > 8
    for field in named:
        table: object = "certificates/a.pem"
        for part in reversed(field.replace("*", "some").split(".")):
            table = {part.removesuffix("[]"): [table] if part.endswith("[]") else table}
        assert [path for path, _ in walk("", table)] == [field.replace("[]", "[0]").replace("*", "some")]


def openpgp(name: str) -> str:
    ring = MemoryKeyring(lambda: NOW)
    ring.generate_openpgp("own", name, kind="curve25519", days=365)
    return armored_certificate(ring.openpgp_certificate("own"))


def test_another_recipient_of_backups_under_the_same_name_shows():
    toml = (
        HUB + '\n[backup]\nrecipients = ["openpgp/safe.asc"]\n'
        '[backup.to]\nplace = "/mnt/a"\n[backup.keys_to]\nplace = "/mnt/b"\n'
    )
    old, new = (
        Configuration.from_files({**files(), "ecluse.toml": toml, "openpgp/safe.asc": openpgp(name)})
        for name in ("Aster's safe", "Mallory")
    )
    (change,) = plan(old, new).changes
    assert change.field == "backup.recipients"
    assert "Mallory" in change.after
    assert sensitive(plan(old, new))


def test_a_certificate_that_stands_twice_shows_with_all_its_uses():
    entry = '[[certificates]]\nfile = "certificates/birch.pem"\nuse = ["tls"]\n'
    (change,) = plan(configuration(), configuration(PARTNER + "\n" + entry)).changes
    assert "for encrypt, verify; " in change.after
    assert change.after.endswith("for tls")
