"""What came and went: documents, and the octets of the wire."""

from __future__ import annotations

from typing import Any

from ecluse.app.packs.as2 import Wire, built_again, comes_out
from ecluse.app.packs.folder import Folder
from ecluse.archive.classes import DataClass
from ecluse.blobs.port import BlobMissing
from ecluse.model.nouns import Direction
from ecluse.wire.smime.headers import field_block

__all__ = ["write_documents", "write_wire"]


def write_documents(folder: Folder) -> list[dict[str, Any]]:
    """Write the documents; what ``message.json`` says of them."""
    found = []
    for number, part in enumerate(folder.message.parts):
        found.append(
            {
                "name": part.name,
                "type": part.content_type,
                "kind": part.kind,
                "size": part.size,
                "sha256": part.sha256,
                "path": _document(folder, number) if _disclosed(folder) else None,
            }
        )
    return found


def _disclosed(folder: Folder) -> bool:
    """Whether octets of content go in: they are wanted, and there."""
    return folder.making.documents and not folder.message.shredded


def _document(folder: Folder, number: int) -> str | None:
    part, name = folder.message.parts[number], f"documents/{number}"
    try:
        with folder.making.node.hub.document(part) as document:
            return folder.stream(name, "document", document.chunks(), part.size, part.name)
    except BlobMissing:
        folder.note("octets-gone", name)
        return None


def write_wire(folder: Folder, wire: Wire) -> dict[str, str | None]:
    """Write headers, signature and octets; where each stands."""
    message = folder.message
    files: dict[str, str | None] = dict.fromkeys(("headers", "entity", "signature", "body"))
    block = field_block(wire.headers)
    if block and folder.erased(DataClass.NAMES) and not folder.fits("headers_sha256", block):
        folder.note("erased", "wire/headers")
    elif block:
        files["headers"] = folder.add("wire/headers", "headers", block)
        folder.check_bound("wire/headers", "headers_sha256")
    if wire.signature:
        files["signature"] = folder.add("wire/signature.p7s", "signature", wire.signature)
        folder.check_bound("wire/signature.p7s", "signature_sha256")
    elif wire.signer:
        folder.note("no-signature")
    if not _disclosed(folder):
        return files
    role = "signed-bytes" if wire.signature else "entity"
    if message.direction is Direction.OUT:
        if wire.opened:
            files["entity"] = _built_again(folder, wire, role)
        files["body"] = _blob(folder, "wire/body", "sent-bytes", "wire_sha256")
    elif wire.opened:
        files["entity"] = _blob(folder, "wire/entity", role, "entity_sha256")
    else:
        files["body"] = _blob(folder, "wire/body", "received-bytes", "wire_sha256")
    return files


def _blob(folder: Folder, name: str, role: str, member: str) -> str | None:
    if not folder.message.wire_blob:
        return None
    try:
        with folder.making.node.hub.blob(folder.message.wire_blob) as reader:
            path = folder.stream(name, role, reader.chunks(), reader.size)
    except BlobMissing:
        folder.note("octets-gone", name)
        return None
    folder.check_bound(name, member)
    return path


def _built_again(folder: Folder, wire: Wire, role: str) -> str | None:
    """What the MIC of an outbound message is over: digested first, and written only where it is that."""
    node, message = folder.making.node, folder.message
    try:
        size = comes_out(node, message, wire)
        if size is None:
            folder.note("entity-differs")
            return None
        path = folder.stream("wire/entity", role, built_again(node, message, wire), size)
    except BlobMissing:
        folder.note("octets-gone", "wire/entity")
        return None
    folder.check_bound("wire/entity", "entity_sha256")
    return path
