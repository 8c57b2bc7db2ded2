"""The inventory of 10,000 partners with 60,000 keys: CPU seconds to load it, to list it, to ask for what expires.

Every partner has three certificates, an account key, a pinned host key and an OpenPGP certificate with a subkey,
beside a password by reference. The keys of the certificates are a few hundred real ones; each certificate is
distinct. Each partner was seen on two channels, and each certificate asked about, so that lists join 50,000 records.
What is measured runs in a process of its own, so that what made the configuration does not count.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.limits import Row, row
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ecluse.app.folder import make_hub
from ecluse.app.keys.inventory import exported, inventory
from ecluse.app.node import KNOWN_FILE, Node
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files, plan_files
from ecluse.model.basics import Instant, system_clock
from ecluse.store.port import Tx
from ecluse.trust.certificates import describe
from ecluse.trust.configuration import read_folder
from ecluse.trust.inventory import Query
from ecluse.trust.keys.making import make_key
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.revocation import Verdict, record_of
from ecluse.wire.openpgp.making import make_key as make_openpgp_key

PARTNERS: Final = int(os.environ.get("BENCH_PARTNERS", "10000"))
REAL_KEYS: Final = 200
"""RSA keys that are made; a second each on a slow core, two for the whole on a fast one."""
LIMIT: Final = 1.0
"""Seconds of CPU for a list or a query, after the first."""
MEMORY: Final = 1024.0
"""MiB in all, with the whole configuration twice in memory while one version takes the other's place."""

T = TypeVar("T")


def run() -> list[Row]:
    """Measure; one row for each figure."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name) / "hub"
        make(folder)
        figures: dict[str, float] = {}
        for step in ("apply", "load", "use"):
            figures.update(_in_a_process(step, folder))
    rows = []
    keys = f"{PARTNERS:,} partners, {PARTNERS * 6:,} keys"
    for what, value in figures.items():
        if what.endswith("memory"):
            rows.append(row(f"inventory.{what}", value, "MiB", MEMORY, f"the bound for {keys}", 1.0))
        elif what in GOALS:
            rows.append(row(f"inventory.{what}", value, "s", LIMIT, f"CPU for {keys}", 1.0))
        else:
            rows.append(row(f"inventory.{what}", value, "s", LIMIT, f"CPU for {keys}"))
    return rows


GOALS: Final = ("list-again", "expiring", "weaker-than", "list-after-a-change", "reload-after-a-change")
"""What has to be done within :data:`LIMIT`."""


def _in_a_process(step: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.inventory", step, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


# --- what it is measured on ---------------------------------------------------------------------------------


def make(folder: Path) -> None:
    """A hub whose folder holds the partners; nothing of them is applied yet."""
    make_hub(folder, name="Aster", as2_id="ASTER", key_kind="ec-p256").close()
    for name in ("partners", "certificates", "openpgp"):
        (folder / name).mkdir(exist_ok=True)
    publics = [make_key("rsa-2048").public_key() for _ in range(REAL_KEYS)]
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mill Authority")])
    now = datetime.now(UTC).replace(microsecond=0)
    seconds = int(now.timestamp())
    for number in range(PARTNERS):
        for kind, days in (("a", 20 + number % 700), ("b", 800 + number % 700), ("t", 60 + number % 300)):
            certificate = (
                x509.CertificateBuilder()
                .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Mill {number} {kind}")]))
                .issuer_name(issuer)
                .public_key(publics[(number * 3 + ord(kind)) % len(publics)])
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(days=1))
                .not_valid_after(now + timedelta(days=days))
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(_usage(), critical=True)
                .sign(authority, hashes.SHA256())
            )
            (folder / f"certificates/mill{number}-{kind}.pem").write_bytes(
                certificate.public_bytes(Encoding.PEM)
            )
        openpgp, _ = make_openpgp_key(
            "curve25519",
            f"Mill {number} <edi@mill{number}.example>",
            version=4,
            now=seconds - 86_400,
            lifetime=(30 + number % 1000) * 86_400,
            entropy=os.urandom,
        )
        (folder / f"openpgp/mill{number}.asc").write_text(armored_certificate(openpgp))
        (folder / f"partners/mill{number}.toml").write_text(partner(number))


def partner(number: int, subject: str = "Order") -> str:
    """A partner's file."""
    return f"""name = "Mill {number}"

[as2]
id = "MILL{number}"
url = "https://as2.mill{number}.example/as2"
subject = "{subject}"

[account]
user = "mill{number}"
keys = ["{_ssh_key()} mill{number}"]

[sftp]
host = "sftp.mill{number}.example"
user = "aster"
host_keys = ["{_ssh_key()}"]
password = "env:MILL{number}"

[openpgp]
certificates = ["openpgp/mill{number}.asc"]

[[certificates]]
file = "certificates/mill{number}-a.pem"

[[certificates]]
file = "certificates/mill{number}-b.pem"
from = "2027-01-01"

[[certificates]]
file = "certificates/mill{number}-t.pem"
use = ["tls"]
"""


def _ssh_key() -> str:
    name = b"ssh-ed25519"
    blob = len(name).to_bytes(4, "big") + name + (32).to_bytes(4, "big") + os.urandom(32)
    return f"ssh-ed25519 {base64.b64encode(blob).decode('ascii')}"


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


# --- measuring ----------------------------------------------------------------------------------------------


def _apply(folder: Path) -> Iterator[tuple[str, float]]:
    with open_node(folder) as node:
        files, spent = _timed(lambda: read_folder(folder))
        yield "read-folder", spent
        yield "first-apply", _timed(lambda: apply_files(node, files, actor="bench", reason="all"))[1]
        _observe(node)
    yield "first-apply-memory", _peak()


def _observe(node: Node) -> None:
    """What a serving hub would have learned: each partner seen on two channels, each certificate asked about."""
    sightings, now = node.hub.sightings, node.hub.clock()
    configuration = node.directory.configuration
    ours = node.directory.configuration.hub.organisation.keys[0].ref
    decrypt = describe(node.keyring.certificate(ours)).fingerprint
    records = []
    for name, certificates in configuration.certificates.items():
        verify = certificates.entries[0].info.fingerprint
        sightings.saw_all(name, "as2", {"verify": verify, "decrypt": decrypt, "tls-version": "TLSv1.3"})
        sightings.saw_all(name, "account-sftp", {"user-key": f"SHA256:{name}", "kex": "curve25519-sha256"})
        for entry in certificates.entries:
            verdict = Verdict("good", now, now, Instant(now + 10**12), source="http://ocsp.mill.example/")
            records.append(record_of(entry.info.fingerprint, name, verdict, now, Instant(now + 10**12)))
    node.hub.note_sightings(everything=True)

    def write(tx: Tx) -> None:
        for record in records:
            tx.put_record(record)

    node.store.write(write)


def _load(folder: Path) -> Iterator[tuple[str, float]]:
    (folder / KNOWN_FILE).unlink(missing_ok=True)
    node, spent = _timed(lambda: open_node(folder))
    yield "load-nothing-known", spent
    node.close()


def _use(folder: Path) -> Iterator[tuple[str, float]]:
    node, spent = _timed(lambda: open_node(folder))
    yield "load", spent
    with node:
        yield "list-first", _timed(lambda: inventory(node))[1]
        found, spent = _timed(lambda: inventory(node))
        yield "list-again", spent
        now = system_clock()
        query = Query(expiring=60 * 86_400 * 1_000_000)
        yield "expiring", _timed(lambda: query.of(inventory(node), now))[1]
        yield "weaker-than", _timed(lambda: Query(weaker_than=128).of(inventory(node), now))[1]
        yield "export-csv", _timed(lambda: exported(found, now, "csv"))[1]
        yield "memory", _peak()
        yield from _change(node, now)
    yield "reload-memory", _peak()


def _change(node: Node, now: Instant) -> Iterator[tuple[str, float]]:
    files = dict(node.directory.configuration.files)
    yield "plan-of-no-change", _timed(lambda: plan_files(node, files))[1]
    yield from _in_a_process("change", node.folder).items()
    yield "reload-after-a-change", _timed(node.reload)[1]
    assert node.directory.partner("mill7").as2.subject == "Invoice"
    yield "list-after-a-change", _timed(lambda: inventory(node))[1]
    yield "reload-of-nothing", _timed(node.reload)[1]


def _apply_change(folder: Path) -> Iterator[tuple[str, float]]:
    with open_node(folder) as node:
        files = {**node.directory.configuration.files, "partners/mill7.toml": partner(7, "Invoice")}
        yield "apply-one-change", _timed(lambda: apply_files(node, files, actor="bench", reason="one"))[1]
    yield "apply-one-change-memory", _peak()


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    found = work()
    return found, time.process_time() - began


def _peak() -> float:
    """MiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    steps = {"apply": _apply, "load": _load, "use": _use, "change": _apply_change}
    print(json.dumps(dict(steps[sys.argv[1]](Path(sys.argv[2])))))
