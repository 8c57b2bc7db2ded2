"""A hub whose posture leaves nothing to be said, as facts: what tests weaken one thing of."""

from __future__ import annotations

import base64
import functools
from dataclasses import replace
from typing import Any

import msgspec
from tests.support.trust import certificate, instant

from ecluse.model.basics import Instant, PartnerId
from ecluse.posture.engine import Engine, Found
from ecluse.posture.facts import (
    AccessFacts,
    Facts,
    FlowFacts,
    HubFacts,
    LogFacts,
    MachineFacts,
    OwnKeyFacts,
    PartnerFacts,
    PgpFacts,
    Seen,
)
from ecluse.trust.certificates import CertificateSet, Dated, describe
from ecluse.trust.files.reading import read_toml
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.schema import Hub, Partner

NOW = instant(2026, 6, 15, 12)
DAY = 86_400 * 1_000_000


def _ssh(kind: str, *fields: bytes) -> str:
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


ED25519 = _ssh("ssh-ed25519", b"\x07" * 32)
OTHER_ED25519 = _ssh("ssh-ed25519", b"\x08" * 32)


def ssh_rsa(bits: int) -> str:
    """The line of an RSA key of that length."""
    number = (1 << (bits - 1)) | 1
    return _ssh("ssh-rsa", b"\x01\x00\x01", number.to_bytes(bits // 8 + 1, "big"))


HUB = """
[organisation]
name = "Aster"
as2_id = "ASTER"
email = "exchange@aster.example"
keys = [{ref = "sign", use = ["sign", "mdn-sign"]}, {ref = "open", use = ["decrypt"]}]
[store]
database = "postgresql://ecluse@db.aster.example/ecluse?sslmode=verify-full"
password = "keyring:database"
[blobs]
place = "s3://aster-blobs"
endpoint = "https://s3.aster.example"
access_key = "keyring:s3-access"
secret_key = "keyring:s3-secret"
[keyring]
passphrase = "file:/run/secrets/ecluse"
signer = "state/signer.sock"
[keyring.stores.vault]
kind = "transit"
secret = "file:/run/secrets/vault"
url = "https://vault.aster.example:8200"
[listen.as2]
address = "192.0.2.1:4080"
public_url = "https://as2.aster.example/as2"
[listen.as2.tls]
key = "tls"
client_auth = "required"
min_version = "1.3"
[listen.sftp]
address = "192.0.2.1:4022"
[listen.sftp.guard]
[listen.ftps]
address = "192.0.2.1:4021"
implicit = "192.0.2.1:990"
client_auth = "required"
min_version = "1.3"
passive_ports = "50000-50099"
external_address = "192.0.2.1"
[listen.ftps.guard]
[log]
origin = "aster.example/ecluse"
[folders.orders]
path = "orders"
[calendars.work]
country = "FR"
[openpgp]
keys = ["pgp"]
[acme]
directory = "https://acme.example/directory"
names = ["as2.aster.example"]
agree = true
email = "exchange@aster.example"
listen = "192.0.2.1:80"
[revocation]
mode = "hard"
nonce = true
[changes]
recovery_wait = "7d"
[[operators]]
name = "ines"
email = "ines@aster.example"
keys = ["ED25519"]
roles = ["trust"]
[[operators]]
name = "jules"
email = "jules@aster.example"
keys = ["OTHER_ED25519"]
roles = ["trust", "run"]
[[log.authorities]]
name = "alder"
url = "https://tsa.alder.example/"
roots = "certificates/alder-tsa.pem"
""".replace("OTHER_ED25519", OTHER_ED25519).replace("ED25519", ED25519)

PARTNER = f"""
name = "Birch"
[as2]
id = "BIRCH"
url = "https://as2.birch.example/as2"
sign_scheme = "pss"
encrypt = "aes-256-gcm"
key_padding = "oaep-sha256"
[as2.tls]
client_key = "tls-client"
min_version = "1.3"
[as2.basic_auth]
user = "aster"
password = "keyring:birch-as2"
[as2.retry]
[account]
user = "birch"
keys = ["{ED25519}"]
password = "keyring:birch-login"
second_factor = true
addresses = ["198.51.100.0/24"]
remove_after_pickup = true
[sftp]
host = "sftp.birch.example"
user = "aster"
host_keys = ["{OTHER_ED25519}"]
key = "ssh-client"
verify = "digest"
[[sftp.jump]]
host = "jump.birch.example"
user = "aster"
host_keys = ["SHA256:{"A" * 43}"]
key = "ssh-client"
[sftp.retry]
[ftps]
host = "ftps.birch.example"
user = "aster"
password = "keyring:birch-ftps"
[ftps.tls]
client_key = "tls-client"
min_version = "1.3"
[ftps.retry]
[s3]
bucket = "birch"
endpoint = "https://s3.birch.example"
access_key = "keyring:birch-s3-access"
secret_key = "keyring:birch-s3"
[s3.retry]
[azure]
bucket = "birch"
account = "birch"
endpoint = "https://azure.birch.example"
secret_key = "keyring:birch-azure"
[azure.retry]
[gcs]
bucket = "birch"
endpoint = "https://gcs.birch.example"
secret_key = "keyring:birch-gcs"
[gcs.retry]
[webdav]
url = "https://dav.birch.example/in"
user = "aster"
password = "keyring:birch-dav"
[webdav.tls]
client_key = "tls-client"
min_version = "1.3"
[webdav.retry]
[openpgp]
certificates = ["openpgp/birch.asc"]
[verification]
level = "call-back"
at = 2026-06-01
by = "operator:ines"
with = "Jo Birch"
[[certificates]]
file = "certificates/birch.pem"
use = ["verify", "encrypt", "mdn-verify", "tls-client"]
[[certificates]]
file = "certificates/birch-tls.pem"
use = ["tls"]
"""

FLOW = """
name = "Orders"
[from]
channel = "sftp:birch"
names = ["*.edi"]
types = ["edifact"]
[open]
openpgp = true
unpack = "zip"
[[to]]
channel = "s3:birch"
openpgp = "sign-and-encrypt"
[[expect]]
name = "the morning's orders"
by = "09:00"
[order]
[duplicates]
[retention]
"""


def read(text: str, kind: Any) -> Any:
    """A file's Struct; the test fails where it is refused."""
    problems: list[Any] = []
    found = read_toml(text, kind, "test.toml", problems)
    assert not problems, problems
    return found


@functools.cache
def _certificates() -> CertificateSet:
    def dated(name: str, *use: str) -> Dated:
        made = certificate(name, begin=2025, end=2028)
        return Dated(made, describe(made), frozenset(use), chain=(made,))

    return CertificateSet(
        (dated("Birch", "verify", "encrypt", "mdn-verify", "tls-client"), dated("as2.birch.example", "tls"))
    )


def own_key(ref: str, *use: str, kind: str = "ec", end: int = 2028) -> OwnKeyFacts:
    """A key of ours, with its certificate."""
    info = describe(certificate("Aster", kind, begin=2025, end=end))
    return OwnKeyFacts(ref, use, info, info.not_after, partners=(PartnerId("birch"),))


def pgp(label: str, ends: int | None = NOW + 400 * DAY, state: str = "valid", weak: str = "") -> PgpFacts:
    """An OpenPGP certificate."""
    return PgpFacts(label, "AB" * 20, "Ed25519", ends, state, weak)  # type: ignore[arg-type]


def seen(channel: str, role: str, value: str, *, first: int = 0, last: int = 0) -> Seen:
    """What was seen, so many days ago."""
    return Seen(channel, role, value, NOW - first * DAY, NOW - last * DAY)  # type: ignore[arg-type]


@functools.cache
def partner_facts() -> PartnerFacts:
    """A partner without a weakness."""
    return PartnerFacts(
        PartnerId("birch"), read(PARTNER, Partner), _certificates(), openpgp=(pgp("openpgp/birch.asc"),)
    )


@functools.cache
def flow_facts() -> FlowFacts:
    """A flow without one."""
    return FlowFacts(
        "orders", read(FLOW, Flow), openpgp=frozenset(("birch",)), partners=(PartnerId("birch"),)
    )


@functools.cache
def hub_facts() -> HubFacts:
    """A hub without one."""
    return HubFacts(
        read(HUB, Hub),
        keys=(
            own_key("sign", "sign", "mdn-sign"),
            own_key("open", "decrypt"),
            own_key("tls", "tls"),
            own_key("ssh-host", "ssh"),
        ),
        openpgp=(pgp("pgp"),),
        operators=("ines", "jules"),
        as2=(PartnerId("birch"),),
        access=AccessFacts(due=Instant(NOW + 3650 * DAY)),
        log=LogFacts(
            size=10,
            checkpoint=NOW,
            checkpoint_size=10,
            newest=NOW,
            verified=NOW,  # type: ignore[arg-type]
        ),
        machine=MachineFacts(released=NOW, release="1.0", backup=NOW),  # type: ignore[arg-type]
    )


def facts(
    hub: HubFacts | None = None, partner: PartnerFacts | None = None, flow: FlowFacts | None = None
) -> Facts:
    """All three together."""
    partner = partner or partner_facts()
    flow = flow or flow_facts()
    return Facts(hub or hub_facts(), {partner.id: partner}, {flow.id: flow})


def look(given: Facts, now: int = NOW) -> list[Found]:
    """Everything that the rules find."""
    return list(Engine().run(given, now))  # type: ignore[arg-type]


def codes(given: Facts, now: int = NOW) -> set[str]:
    """Codes of it."""
    return {each.rule.code for each in look(given, now)}


def put(settings: msgspec.Struct, path: str, value: object) -> Any:
    """The same settings with one field changed: ``as2.tls.min_version``, ``to.0.openpgp``."""
    name, _, rest = path.partition(".")
    name = f"{name}_" if name in ("from", "with") else name
    inner = getattr(settings, name)
    if isinstance(inner, tuple) and rest:
        number, _, deeper = rest.partition(".")
        item = put(inner[int(number)], deeper, value) if deeper else value
        value = (*inner[: int(number)], item, *inner[int(number) + 1 :])
    elif isinstance(inner, dict) and rest:
        key, _, deeper = rest.partition(".")
        value = {**inner, key: put(inner[key], deeper, value)}
    elif rest:
        value = put(inner, rest, value)
    return msgspec.structs.replace(settings, **{name: value})


def with_hub(path: str, value: object) -> Facts:
    """The healthy hub with one field of ``ecluse.toml`` changed."""
    return facts(hub=replace(hub_facts(), settings=put(hub_facts().settings, path, value)))


def with_partner(path: str, value: object) -> Facts:
    """The same of the partner's file."""
    return facts(partner=replace(partner_facts(), settings=put(partner_facts().settings, path, value)))


def with_flow(path: str, value: object) -> Facts:
    """The same of the flow's."""
    return facts(flow=replace(flow_facts(), settings=put(flow_facts().settings, path, value)))
