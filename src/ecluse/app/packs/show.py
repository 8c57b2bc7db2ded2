"""What a pack says that it holds. Nothing of it is checked: that is the verifier's work, which needs no hub."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec

from ecluse.evidence.errors import BadPack
from ecluse.evidence.pack.manifest import MANIFEST, MAX_JSON, Manifest, read_manifest

__all__ = ["show_pack"]

_MESSAGE: Final = ("id", "direction", "partner", "protocol", "protocol_id", "state", "reference", "created")
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def show_pack(path: Path) -> dict[str, Any]:
    """What is in a pack, by its own words.

    Returns:
        ``format``, ``made``, ``origin``, ``notes``, ``roles`` (how many files of each), ``files``, and ``messages``
        with their most telling members.

    Raises:
        BadPack: It is none, or can't be read.
        OSError: There is no such file.
    """
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as pack:
                manifest = read_manifest(_read(pack, MANIFEST))
                messages = [_message(pack, id) for id in manifest.messages]
        except _UNREADABLE:
            raise BadPack(f"{path} can't be read as a pack.") from None
    return {**_facts(manifest), "messages": messages}


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "format": manifest.format,
        "made": manifest.made,
        "origin": manifest.origin,
        "notes": list(manifest.notes),
        "roles": dict(sorted(Counter(entry.role for entry in manifest.files).items())),
        "files": [msgspec.to_builtins(entry) for entry in manifest.files],
    }


def _read(pack: zipfile.ZipFile, name: str) -> bytes:
    with pack.open(name) as entry:
        data = entry.read(MAX_JSON + 1)
    if len(data) > MAX_JSON:
        raise BadPack(f"{name} in the pack is larger than any.")
    return data


def _message(pack: zipfile.ZipFile, id: str) -> dict[str, Any]:
    try:
        facts: Any = msgspec.json.decode(_read(pack, f"messages/{id}/message.json"))
        found = {name: facts[name] for name in _MESSAGE}
        mic = facts["mic"]
        return {
            **found,
            "documents": [
                {name: part[name] for name in ("name", "type", "size", "sha256", "path")}
                for part in facts["documents"]
            ],
            "mic_equal": mic["equal"] if mic is not None else None,
            "events": len(facts["events"]),
            "receipts": len(facts["receipts"]),
        }
    except (msgspec.DecodeError, TypeError, RecursionError, UnicodeError):
        raise BadPack(f"What the pack says of {id[:40]!r} can't be read.") from None
