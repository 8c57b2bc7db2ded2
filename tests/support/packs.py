"""Packs of two hubs that really exchanged a document, and the means to make other packs of them."""

from __future__ import annotations

import base64
import json
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
from tests.support.openssl_bytes import OpenSsl
from tests.support.pair import Pair
from tests.support.sites import content_of

from ecluse.app.node import Node
from ecluse.app.packs.export import export_pack
from ecluse.channels.as2.sender import message_id_for
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import MessageId, PartnerId
from ecluse.model.nouns import Direction
from ecluse.wire.tlog.errors import Malformed
from ecluse.wire.tlog.text_note import sign_text
from ecluse_verify.der import encode
from ecluse_verify.notes import VerifierKey

__all__ = [
    "Company",
    "Files",
    "Vouchers",
    "World",
    "canonical",
    "make_world",
    "read_pack",
    "spelt",
    "write_pack",
]

Files = dict[str, bytes]


def read_pack(path: Path) -> Files:
    """Every file of a pack."""
    with zipfile.ZipFile(path) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def write_pack(path: Path, files: Files) -> Path:
    """A ZIP file of these, as a pack is one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as pack:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            pack.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return path


def canonical(value: object) -> bytes:
    """Canonical JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@dataclass
class Company:
    """A hub, the packs that it made, and its keys: what its owner has, and a thief of its keys would."""

    name: str
    node: Node
    folder: Path
    packs: list[Path] = field(default_factory=list)
    ids: list[MessageId] = field(default_factory=list)
    all: Path = Path()

    @property
    def key(self) -> str:
        """The log's verifier key."""
        return str(self.node.log_key)

    def sign(self, text: str) -> bytes:
        """A note by the log's keys."""
        ring = self.node.keyring
        return sign_text(
            text, self.node.log_keys[-1], ring.log_sign, lambda data: ring.note_sign("log-ml-dsa", data)
        )

    def resign(self, files: Files) -> Files:
        """With a manifest of what is there, signed."""
        return self.sign_manifest(self.relist(files))

    def sign_manifest(self, files: Files) -> Files:
        """With the manifest that is there, whatever it says, signed."""
        try:
            made = json.loads(files["manifest.json"])["made"]
            digest = sha256(files["manifest.json"]).hexdigest()
            return {**files, "manifest.note": self.sign(f"ecluse.pack/1\n{digest}\n{made}\n")}
        except (ValueError, KeyError, TypeError, Malformed):
            return files

    @staticmethod
    def relist(files: Files) -> Files:
        """With a manifest of what is there, and the old signature."""
        manifest = json.loads(files["manifest.json"])
        before = {entry["path"]: entry for entry in manifest["files"]}
        manifest["files"] = [
            {
                **before.get(path, {"role": "other"}),
                "path": path,
                "size": len(files[path]),
                "sha256": sha256(files[path]).hexdigest(),
            }
            for path in sorted(set(files) - {"manifest.json", "manifest.note"})
        ]
        return {**files, "manifest.json": canonical(manifest)}


@dataclass
class World:
    """Both hubs after their exchange."""

    companies: dict[str, Company]
    pair: Pair

    def pem(self, name: str) -> Path:
        """A company's certificate as its partner has it."""
        return self.companies[name].folder / f"{name}.pem"


EXCHANGES = (("order-1", "order-1"), ("order-2", "order-2"), ("order-3", "order-1"))
"""Subject, and which document: the last message has the very content of the first."""


@contextmanager
def make_world(base: Path) -> Iterator[World]:
    """Two hubs: one sent documents to the other, and each exported a pack of each message while it was the newest."""
    pair = Pair(base)
    try:
        companies = {name: Company(name, node, base) for name, node in pair.nodes.items()}
        for number, (label, document) in enumerate(EXCHANGES):
            hand_in(
                pair.nodes["aster"].hub,
                PartnerId("birch"),
                "as2:birch",
                [HandIn(f"{document}.edi", "application/edifact", [content_of(document, 400)])],
                subject=label,
                protocol="as2",
                protocol_id=message_id_for(label, "ASTER"),
            )
            pair.settle()
            for name, company in companies.items():
                way = Direction.OUT if name == "aster" else Direction.IN
                found = company.node.store.read(lambda view, way=way: view.messages(direction=way, limit=10))
                (message,) = (each for each in found if each.subject == label)
                out = base / f"{name}-{number}.zip"
                export_pack(company.node, [message.id], out, actor="operator:auditor")
                company.packs.append(out)
                company.ids.append(message.id)
        for name, company in companies.items():
            company.all = base / f"{name}-all.zip"
            export_pack(company.node, company.ids, company.all, actor="operator:auditor")
        sent = read_pack(companies["aster"].packs[0])
        (account,) = (json.loads(data) for path, data in sent.items() if path.endswith("message.json"))
        for each in account["certificates"]:
            if each["use"] in ("message-signed", "receipt-signed"):
                name = "aster" if each["owner"] == "us" else "birch"
                (base / f"{name}.pem").write_bytes(sent[each["path"]])
        yield World(companies, pair)
    finally:
        pair.close()


class Vouchers:
    """Those who vouch for a log: a witness with two keys, and a time-stamping authority made with openssl."""

    def __init__(self, folder: Path) -> None:
        self.openssl = OpenSsl(folder)
        self.openssl.authority("alder")
        self.openssl.certificate("stamper", "alder", extensions="stamps")
        self.openssl.certificate("forger", "alder")
        self.root = folder / "alder.pem"
        self._ed25519 = ed25519.Ed25519PrivateKey.generate()
        self._mldsa = mldsa.MLDSA44PrivateKey.generate()
        self.keys = (
            VerifierKey("cedar.example/witness", 0x04, self._ed25519.public_key().public_bytes_raw()),
            VerifierKey("cedar.example/witness", 0x06, self._mldsa.public_key().public_bytes_raw()),
        )

    def vouch(self, files: Files) -> Files:
        """With cosignatures, a time-stamp and an evidence record over the head of the log."""
        note = files["log/checkpoint"]
        text = note.partition(b"\n\n")[0] + b"\n"
        token = self.openssl.stamp("stamper", note, token=True)
        chain = self.openssl.read("stamper.pem") + self.openssl.read("alder.pem")
        keys = json.loads(files["log/keys.json"])
        keys["witnesses"] = [{"name": key.name, "key": spelt(key)} for key in self.keys]
        return {
            **files,
            "log/keys.json": json.dumps(keys).encode(),
            "log/cosignatures": self._lines(text),
            "log/stamps/0.tsr": token,
            "log/stamps/0.pem": chain,
            "log/evidence-records/0.ers": self.record(note),
        }

    def record(self, data: bytes, beside: bytes = b"another piece of data") -> bytes:
        """An evidence record over ``data``: a hash tree of two, stamped."""
        group = sorted((sha256(data).digest(), sha256(beside).digest()))
        token = self.openssl.stamp("stamper", b"".join(group), token=True)
        lists = encode(0xA2, encode(0x30, b"".join(encode(0x04, each) for each in group)))
        stamp = encode(0x30, lists + token)
        algorithms = encode(0x30, encode(0x30, SHA256))
        return encode(0x30, b"\x02\x01\x01" + algorithms + encode(0x30, encode(0x30, stamp)))

    def _lines(self, text: bytes, seconds: int = 1_795_400_000) -> bytes:
        origin, size, root = text.decode().split("\n")[:3]
        name, log = self.keys[0].name.encode(), origin.encode()
        when = struct.pack(">Q", seconds)
        message = b"subtree/v1\n\0" + bytes((len(name),)) + name + when + bytes((len(log),)) + log
        message += struct.pack(">QQ", 0, int(size)) + base64.b64decode(root)
        values = (
            when + self._ed25519.sign(b"cosignature/v1\ntime %d\n%s" % (seconds, text)),
            when + self._mldsa.sign(message),
        )
        rows = (
            f"— {key.name} {base64.b64encode(key.id + value).decode()}\n"
            for key, value in zip(self.keys, values, strict=True)
        )
        return "".join(rows).encode()


SHA256 = bytes.fromhex("0609608648016503040201")


def spelt(key: VerifierKey) -> str:
    """A verifier key as text."""
    return f"{key.name}+{key.id.hex()}+{base64.b64encode(bytes((key.kind,)) + key.public).decode()}"
