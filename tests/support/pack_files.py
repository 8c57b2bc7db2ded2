"""Packs in tests: made of a hub in this process, and checked by the verifier, which shares no code with it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecluse.app.node import Node
from ecluse.app.packs.export import Exported, export_pack
from ecluse.model.basics import MessageId
from ecluse_verify import Keys, Level, Report, verify_pack
from ecluse_verify.notes import VerifierKey

__all__ = ["Opened", "broken", "check", "missing", "pack_of", "proven"]


class Opened:
    """A pack's files."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as pack:
            self.files = {name: pack.read(name) for name in pack.namelist()}

    def facts(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files[f"messages/{id}/message.json"])
        return found

    def __getitem__(self, name: str) -> bytes:
        return self.files[name]

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files["manifest.json"])
        return found

    def names(self, role: str) -> list[str]:
        return [entry["path"] for entry in self.manifest["files"] if entry["role"] == role]


def pack_of(node: Node, out: Path, *ids: str, documents: bool = True) -> Exported:
    return export_pack(node, [MessageId(id) for id in ids], out, actor="operator:test", documents=documents)


def check(path: Path, *keys: object) -> Report:
    """Nothing of a pack is broken, and its log is proven by these keys."""
    report = verify_pack(path, Keys(log=tuple(VerifierKey.parse(str(key)) for key in keys)))
    assert report.ok, broken(report)
    assert not [f for f in report.findings if f.file == "log/checkpoint" and f.level is not Level.PROVEN]
    return report


def _of(report: Report, level: Level) -> list[tuple[str, str, dict[str, str]]]:
    return [(each.code, each.file, each.facts) for each in report.findings if each.level is level]


def broken(report: Report) -> Sequence[tuple[str, str, dict[str, str]]]:
    return _of(report, Level.BROKEN)


def missing(report: Report) -> Sequence[tuple[str, str, dict[str, str]]]:
    return _of(report, Level.MISSING)


def proven(report: Report) -> Sequence[tuple[str, str, dict[str, str]]]:
    return _of(report, Level.PROVEN)
