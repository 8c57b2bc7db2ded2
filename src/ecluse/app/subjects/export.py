"""Everything that was found about a person, in one ZIP: machine-readable (GDPR, articles 15(3) and 20; Civ. Code
1798.110).

``request.json`` says what was asked; ``found.json`` every place, with its text; ``messages/ID.json`` what the hub knows
of each message; ``documents/ID/N`` the documents in which the person was found.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ecluse import durable
from ecluse.app.subjects.requests import (
    BadRequest,
    Found,
    Request,
    find_request,
    in_time,
    request_facts,
    save,
)
from ecluse.app.subjects.searching import Check, search
from ecluse.blobs.port import BlobMissing
from ecluse.evidence.record import Json
from ecluse.exchange.trace import trace
from ecluse.model.basics import MessageId
from ecluse.store.port import Tx

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["FORMAT", "export_request"]

FORMAT: Final = "ecluse.subject-export/1"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest time of a ZIP: entries tell none, so that the same content makes the same file."""


def export_request(
    node: Node,
    id: str,
    out: Path,
    *,
    in_documents: bool = False,
    actor: str,
    check: Check = lambda where, count: None,
) -> dict[str, Any]:
    """Write what is found into a new file, and answer a request for access with it.

    Args:
        node: The hub.
        id: Of the request.
        out: The file; there is none.
        in_documents: Look inside of documents, and put those in.
        actor: Who hands it out.
        check: As in :func:`~ecluse.app.subjects.searching.search`.

    Raises:
        NoSuchRequest: There is none.
        BadRequest: It was answered.
        NameTaken: There is such a file.
    """
    _, request = node.store.read(lambda view: find_request(view, id))
    if request.ended is not None and request.wants == "access":
        raise BadRequest(f"The request {id} was answered: {request.answer}.")
    found = list(search(node, request.words, in_documents=in_documents, check=check))
    digest, size = _write(node, request, found, out)
    now = node.hub.clock()

    def work(tx: Tx) -> Request:
        record, present = find_request(tx, id)
        answered = present.wants == "access"
        after = msgspec.structs.replace(present, ended=now, answer="exported") if answered else present
        save(tx, record, after, now)
        facts: dict[str, Json] = {"found": len(found), "sha256": digest, "size": size}
        if answered:
            facts["in_time"] = in_time(after)
        node.hub.event(tx, "subject.exported", f"request:{id}", facts, actor=actor, at=now)
        return after

    after = node.store.write(work)
    return {
        **request_facts(after, now),
        "found": len(found),
        "file": str(out),
        "sha256": digest,
        "size": size,
    }


def _write(node: Node, request: Request, found: list[Found], out: Path) -> tuple[str, int]:
    writer = durable.NewFile(out, 0o600)
    target = _Counted(writer)
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
            asked = {"format": FORMAT, **request_facts(request, node.hub.clock())}
            _put(archive, "request.json", asked)
            _put(archive, "found.json", [msgspec.to_builtins(each) for each in found])
            for id in sorted({each.id for each in found if each.place in ("message", "document", "receipt")}):
                _put(archive, f"messages/{id}.json", trace(node.store, MessageId(id), whole=False).as_dict())
            for id in sorted({each.id for each in found if each.place == "document"}):
                _documents(node, archive, id, {each.field for each in found if each.id == id})
        writer.commit()
    except BaseException:
        writer.abort()
        raise
    return target.digest, target.size


def _put(archive: zipfile.ZipFile, name: str, value: object) -> None:
    archive.writestr(_info(name), msgspec.json.format(msgspec.json.encode(value), indent=2))


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _documents(node: Node, archive: zipfile.ZipFile, id: str, fields: set[str]) -> None:
    message = node.store.read(lambda view: view.message(MessageId(id)))
    if message is None:
        return
    for number, part in enumerate(message.parts):
        if f"documents[{number}]" not in fields:
            continue
        try:
            with (
                node.hub.document(part) as document,
                archive.open(_info(f"documents/{id}/{number}"), "w", force_zip64=True) as entry,
            ):
                for chunk in document.chunks():
                    entry.write(chunk)
        except BlobMissing:
            continue  # it went while we wrote


class _Counted:
    """A stream that can't seek, as the ZIP's writer wants one: what goes through it is counted and digested."""

    def __init__(self, writer: durable.NewFile) -> None:
        from hashlib import sha256

        self._writer = writer
        self._sha256 = sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """In hexadecimal."""
        return self._sha256.hexdigest()

    def write(self, data: bytes) -> int:
        """Take octets."""
        self._writer.write(data)
        self._sha256.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def tell(self) -> int:
        """How many octets there are."""
        return self.size

    def seekable(self) -> bool:
        """It is not."""
        return False
