"""Packs of two hubs that really exchanged a document, and the means to make other packs of them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.support.pair import Pair

from ecluse.app.node import Node
from ecluse.app.packs.export import export_pack
from ecluse.model.nouns import Direction, Message
from ecluse.wire.tlog.note import sign_note

__all__ = ["Company", "Files", "World", "canonical", "make_world", "read_pack", "write_pack"]

Files = dict[str, bytes]


def read_pack(path: Path) -> Files:
    """Every file of a pack."""
    with zipfile.ZipFile(path) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def write_pack(path: Path, files: Files) -> Path:
    """A ZIP file of these, as a pack is one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in files.items():
            pack.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
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

    @property
    def key(self) -> str:
        """The log's verifier key."""
        return str(self.node.log_key)

    def sign(self, text: str) -> bytes:
        """A note by the log's key."""
        return sign_note(text, self.node.log_key, self.node.keyring.log_sign)

    def resign(self, files: Files) -> Files:
        """With a manifest of what is there, signed."""
        files = self.relist(files)
        manifest = json.loads(files["manifest.json"])
        digest = sha256(files["manifest.json"]).hexdigest()
        return {**files, "manifest.note": self.sign(f"ecluse.pack/1\n{digest}\n{manifest['made']}\n")}

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


@contextmanager
def make_world(base: Path) -> Iterator[World]:
    """Two hubs; each of them sent two documents to the other, and exported a pack of each message."""
    pair = Pair(base)
    try:
        for label in ("order-1", "order-2"):
            pair.send("aster", label)
        pair.settle()
        companies = {}
        for name, node in pair.nodes.items():
            company = Company(name, node, base)
            way = Direction.OUT if name == "aster" else Direction.IN
            found = node.store.read(lambda view, way=way: view.messages(direction=way, limit=10))
            for number, message in enumerate(sorted(found, key=_subject)):
                out = base / f"{name}-{number}.zip"
                export_pack(node, [message.id], out, actor="operator:auditor")
                company.packs.append(out)
            companies[name] = company
        sent = read_pack(companies["aster"].packs[0])
        (account,) = (json.loads(data) for path, data in sent.items() if path.endswith("message.json"))
        for each in account["certificates"]:
            if each["use"] in ("message-signed", "receipt-signed"):
                name = "aster" if each["owner"] == "us" else "birch"
                (base / f"{name}.pem").write_bytes(sent[each["path"]])
        yield World(companies, pair)
    finally:
        pair.close()


def _subject(message: Message) -> str:
    return message.subject
