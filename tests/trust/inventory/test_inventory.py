"""Every credential of a configuration and a keyring, with where it is named, and what asks for which."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trust import HUB, NOW, certificate, instant, key, pem

from ecluse.model.basics import Instant, PartnerId
from ecluse.trust import Configuration, MemoryKeyring, Secret
from ecluse.trust.inventory import Credential, Inventory, Observed, Query, Revocation, Seen, Use
from ecluse.trust.inventory.references import secret_references
from ecluse.trust.inventory.ssh import ssh_facts
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.settings.schema import Hub, Partner

DAY = 86_400 * 1_000_000
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 42 + "A="
PINNED = "SHA256:" + "a" * 43

BIRCH = f"""name = "Birch"
[as2]
id = "BIRCH"
url = "https://as2.birch.example/as2"
basic_auth = {{ user = "aster", password = "env:BIRCH" }}
[as2.tls]
client_key = "main"
[account]
user = "birch"
keys = ["{ED25519}"]
password = "keyring:birch"
[sftp]
host = "sftp.birch.example"
user = "aster"
key = "ssh"
password = "env:BIRCH"
host_keys = ["{PINNED}"]
[s3]
bucket = "birch"
access_key = "env:S3_ID"
secret_key = "file:s3.key"
ca = "certificates/s3-ca.pem"
[openpgp]
certificates = ["openpgp/birch.asc"]
key = "pgp"
[[certificates]]
file = "certificates/birch.pem"
[[certificates]]
file = "certificates/birch-next.pem"
use = ["verify"]
from = 2026-09-01
until = 2027-01-31
[[certificates]]
file = "certificates/birch-tls.pem"
use = ["tls"]
"""
HUB_TEXT = (
    HUB
    + f"""[[organisation.keys]]
ref = "main"
use = ["sign"]
until = 2026-12-31
[[organisation.keys]]
ref = "main"
use = ["decrypt"]
[listen.sftp]
host_keys = ["ssh"]
[openpgp]
keys = ["pgp"]
[keyring]
passphrase = "file:passphrase"
[[operators]]
name = "ada"
keys = ["{ED25519}"]
roles = ["trust"]
"""
)


@pytest.fixture(scope="module")
def keyring() -> MemoryKeyring:
    ring = MemoryKeyring(lambda: NOW)
    ring.generate("main", "ec-p384", subject="Aster")
    ring.generate("ssh", "ed25519", subject="Aster")
    ring.generate("spare", "rsa-2048", subject="Aster")
    ring.generate_openpgp("pgp", "Aster", kind="curve25519")
    ring.put_secret("birch", Secret("verifier"))
    ring.put_secret("forgotten", Secret("x"))
    return ring


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    root = certificate("Root", "2048")
    return {
        "ecluse.toml": HUB_TEXT,
        "partners/birch.toml": BIRCH,
        "certificates/birch.pem": pem(certificate("Birch", "2048", end=2027)),
        "certificates/birch-next.pem": pem(certificate("Birch next")),
        "certificates/s3-ca.pem": pem(certificate("Store")),
        "certificates/birch-tls.pem": pem(certificate("birch", issuer=("Root", key("2048"))), root),
        "openpgp/birch.asc": armored_certificate(
            MemoryKeyring(lambda: NOW).generate_openpgp("birch", "Birch", kind="curve25519")
        ),
    }


@pytest.fixture(scope="module")
def every(keyring: MemoryKeyring, files: dict[str, str]) -> tuple[Credential, ...]:
    return listed(keyring, files)


def listed(keyring: MemoryKeyring, files: dict[str, str], **given: Any) -> tuple[Credential, ...]:
    configuration = Configuration.from_files(files, NOW)
    return Inventory().credentials(configuration, keyring, NOW, secrets=keyring.secrets(), **given)


def shape(found: tuple[Credential, ...]) -> list[tuple[str, str, str, str]]:
    return [(each.owner, each.kind, each.name, " ".join(each.purpose)) for each in found]


def test_everything_is_listed(every: tuple[Credential, ...]) -> None:
    assert shape(every) == [
        ("", "certificate", "main", "sign"),
        ("", "certificate", "main", "decrypt"),
        ("", "certificate", "main", "tls-client"),
        ("", "certificate", "spare", ""),
        ("", "ssh-key", "ssh", "host-key client-key"),
        ("", "openpgp-key", "pgp", "sign decrypt"),
        ("", "password", "file:passphrase", "passphrase"),
        ("", "password", "keyring:forgotten", ""),
        ("", "storage-key", "storage.keys", "wrap"),
        ("", "log-key", "log.seed", "sign-log"),
        ("", "ssh-key", "operator ada", "operator"),
        ("birch", "certificate", "certificates/birch.pem", "verify encrypt"),
        ("birch", "certificate", "certificates/birch-next.pem", "verify"),
        ("birch", "certificate", "certificates/birch-tls.pem", "tls"),
        ("birch", "certificate", "certificates/birch-tls.pem", "tls"),
        ("birch", "ssh-key", "partners/birch.toml account.keys[0]", "user-key"),
        ("birch", "ssh-key", "partners/birch.toml sftp.host_keys[0]", "host-key"),
        ("birch", "openpgp-key", "openpgp/birch.asc", "encrypt verify"),
        ("birch", "password", "env:BIRCH", "password"),
        ("birch", "password", "keyring:birch", "password"),
        ("birch", "access-key", "env:S3_ID", "access_key"),
        ("birch", "access-key", "file:s3.key", "secret_key"),
        ("birch", "trust-anchor", "certificates/s3-ca.pem", "tls"),
    ]


def named(every: tuple[Credential, ...], name: str, purpose: str | None = None) -> Credential:
    return next(each for each in every if each.name == name and (purpose is None or purpose in each.purpose))


def test_where_they_are_named(every: tuple[Credential, ...]) -> None:
    places = {
        name: [(binding.channel, binding.role, binding.field) for binding in named(every, name).bindings]
        for name in ("ssh", "env:BIRCH", "certificates/birch.pem", "certificates/birch-tls.pem")
    }
    assert places == {
        "ssh": [
            ("listen:sftp", "host-key", "listen.sftp.host_keys[0]"),
            ("sftp:birch", "client-key", "sftp.key"),
        ],
        "env:BIRCH": [
            ("as2:birch", "password", "as2.basic_auth.password"),
            ("sftp:birch", "password", "sftp.password"),
        ],
        "certificates/birch.pem": [
            ("as2:birch", "verify", "certificates[0]"),
            ("as2:birch", "encrypt", "certificates[0]"),
        ],
        "certificates/birch-tls.pem": [("as2:birch", "tls", "certificates[2]")],
    }


def test_how_strong_and_how_long(every: tuple[Credential, ...]) -> None:
    birch = named(every, "certificates/birch.pem")
    assert (birch.algorithm, birch.strength, birch.signature) == ("RSA 2048", 112, "sha256")
    assert (birch.not_after, birch.ends, birch.state(NOW)) == (instant(2027), instant(2027), "valid")
    assert birch.replaced is False, "nothing else is to encrypt to"
    following = named(every, "certificates/birch-next.pem")
    assert (following.strength, following.start, following.end) == (128, instant(2026, 9), instant(2027, 2))
    assert following.ends == following.end
    assert (following.state(NOW), following.state(instant(2026, 10))) == ("not-yet", "valid")
    assert following.state(instant(2027, 2)) == "expired"
    sign, decrypt = named(every, "main", "sign"), named(every, "main", "decrypt")
    assert sign.ends == instant(2027)
    assert decrypt.ends == decrypt.not_after
    leaf, root = (each for each in every if each.name == "certificates/birch-tls.pem")
    assert leaf.chain == (root.fingerprint,)
    assert named(every, "ssh").ends is None
    assert named(every, "partners/birch.toml sftp.host_keys[0]").strength is None
    assert named(every, "openpgp/birch.asc").subkeys


def test_no_secret_stands_in_it(every: tuple[Credential, ...]) -> None:
    text = repr(every) + msgspec.json.encode(every).decode()
    assert "verifier" not in text
    assert "PRIVATE" not in text


def test_queries(every: tuple[Credential, ...]) -> None:
    def names(**given: Any) -> list[str]:
        return [each.name for each in Query(**given).of(every, NOW)]

    assert names(owner="us", kinds=("ssh-key",)) == ["ssh", "operator ada"]
    assert set(names(weaker_than=128)) == {"spare", "certificates/birch.pem", "certificates/birch-tls.pem"}
    assert names(expiring=200 * DAY) == []
    assert names(expiring=220 * DAY) == ["main", "certificates/birch.pem"]
    assert names(purpose="host-key", owner="birch") == ["partners/birch.toml sftp.host_keys[0]"]
    assert names(unused=DAY) == [each.name for each in every]
    assert names(owner="nobody") == []


def test_what_was_observed(keyring: MemoryKeyring, files: dict[str, str]) -> None:
    configuration = Configuration.from_files(files, NOW)
    (first, *_) = configuration.certificates[PartnerId("birch")].entries
    print_ = first.info.fingerprint
    seen = [
        Seen("birch", "as2", "verify", Instant(NOW - 9 * DAY), Instant(NOW - DAY), 7),
        Seen("cedar", "as2", "verify", NOW, NOW, 1),
    ]
    observed = Observed(
        seen={print_: seen},
        uses={"spare": Use(Instant(NOW - 2 * DAY), 3)},
        revocation={print_: Revocation("revoked", NOW, NOW, "key_compromise", "http://crl.example")},
    )
    every = listed(keyring, files, observed=observed)
    birch = named(every, "certificates/birch.pem")
    assert (birch.used, birch.uses, birch.seen) == (NOW - DAY, 7, (seen[0],))
    assert birch.state(NOW) == "revoked"
    assert Query(expiring=DAY).of(every, NOW) == [birch]
    assert named(every, "spare").uses == 3
    assert [
        each.name for each in Query(unused=3 * DAY, kinds=["certificate"], owner="us").of(every, NOW)
    ] == [
        "main",
        "main",
        "main",
    ]


def test_what_did_not_change_is_not_gone_through_again(keyring: MemoryKeyring, files: dict[str, str]) -> None:
    inventory = Inventory()
    more = {**files, "partners/cedar.toml": BIRCH.replace("birch", "cedar").replace("BIRCH", "CEDAR")}
    more |= {path.replace("birch", "cedar"): files[path] for path in files if path.endswith((".pem", ".asc"))}
    before = Configuration.from_files(more, NOW)
    first = inventory.credentials(before, keyring, NOW)
    again = inventory.credentials(before, keyring, NOW)
    assert first == again
    changed = {**more, "partners/cedar.toml": more["partners/cedar.toml"].replace("env:CEDAR", "env:PINE")}
    after = Configuration.from_files(changed, NOW, before=before)
    assert after.partners[PartnerId("birch")] is before.partners[PartnerId("birch")]
    second = inventory.credentials(after, keyring, NOW)
    kept = {id(each) for each in first}
    assert all(id(each) in kept for each in second if each.owner == "birch")
    assert named(second, "env:PINE").owner == "cedar"
    assert second == Inventory().credentials(Configuration.from_files(changed, NOW), keyring, NOW)


def test_every_field_that_names_a_secret_is_found() -> None:
    """Whatever part of the schema holds one: a table is made with a reference in each such field."""

    wanted = {
        field
        for kind in (Partner, Hub)
        for table in msgspec.json.schema(kind)["$defs"].values()
        for field, rule in table["properties"].items()
        if "env:" in str(rule) and "$ref" not in str(rule)
    }
    assert wanted == {"password", "access_key", "secret_key", "passphrase", "secret"}
    configuration = msgspec.convert(
        {
            "name": "Birch",
            "sftp": {
                "host": "h",
                "user": "u",
                "host_keys": [PINNED],
                "password": "env:A",
                "jump": [{"host": "j", "user": "u", "host_keys": [PINNED], "password": "env:B"}],
            },
            "azure": {"bucket": "b", "secret_key": "env:C"},
        },
        Partner,
    )
    assert list(secret_references(configuration)) == [
        ("sftp.password", "env:A"),
        ("sftp.jump[0].password", "env:B"),
        ("azure.secret_key", "env:C"),
    ]


BLOBS = st.binary(max_size=80).map(lambda blob: f"ssh-rsa {base64.b64encode(blob).decode()}")


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=200), BLOBS))
def test_any_line_is_described(line: str) -> None:
    facts = ssh_facts(line)
    assert facts.strength is None or 0 <= facts.strength <= 256
