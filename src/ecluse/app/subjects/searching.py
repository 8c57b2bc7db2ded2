"""Where personal data can be, and finding it there: everything is looked through once, in pages, in flat memory.

Words are compared without regard to case, and to how a character is put together (Unicode NFKC). Inside of documents
and receipts, octets are compared: as UTF-8, Latin-1 and UTF-16. What is compressed, encrypted or drawn (most PDF files)
shows nothing that way.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ecluse.app.subjects.requests import KIND, Found
from ecluse.archive.commitments import values_of
from ecluse.archive.copies import ERASURE
from ecluse.blobs.port import BlobMissing
from ecluse.exchange.flows.retain import KIND as RETENTION
from ecluse.model.basics import MessageId
from ecluse.model.nouns import LoggedEvent, Message
from ecluse.store.port import View

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["search"]

_PAGE: Final = 500
_CUT: Final = 200
"""Characters of what is shown of a find."""
_HISTORY: Final = 1000
"""Newest versions of the configuration that are looked into."""
_OWN: Final = frozenset({KIND, ERASURE, RETENTION})
"""Records that hold no more than what led to them."""

Check = Callable[[str, int], None]


class _Words:
    """The words, ready to be looked for."""

    def __init__(self, words: Sequence[str]) -> None:
        self._texts = [_plain(word) for word in words]
        octets = set()
        for word in words:
            for form in {word, word.upper(), word.title(), _plain(word)}:
                octets |= {
                    form.encode(name, "ignore") for name in ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
                }
        self._octets = sorted({each.lower() for each in octets if len(each) >= 3})
        self.overlap = max(len(each) for each in self._octets) - 1

    def within(self, text: str) -> bool:
        plain = _plain(text)
        return any(word in plain for word in self._texts)

    def within_octets(self, data: bytes) -> bool:
        lower = data.lower()
        return any(each in lower for each in self._octets)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def search(
    node: Node,
    words: Sequence[str],
    *,
    in_documents: bool = False,
    max_document: int = 1 << 30,
    check: Check = lambda where, count: None,
) -> Iterator[Found]:
    """Everything that one of some words stands in, as it is found.

    Args:
        node: The hub.
        words: What the person is known by.
        in_documents: Look inside of documents and receipts too.
        max_document: Octets of the largest document that is looked into.
        check: Told where the search is, and how many rows of that it has seen.
    """
    wanted = _Words(words)
    yield from _in_messages(node, wanted, in_documents, max_document, check)
    yield from _in_log(node, wanted, check)
    yield from _in_archive(node, wanted, check)
    yield from _in_configuration(node, wanted)
    yield from _in_records(node, wanted, check)


def _in_messages(node: Node, words: _Words, deep: bool, max_document: int, check: Check) -> Iterator[Found]:
    before: MessageId | None = None
    count = 0
    while True:
        page = node.store.read(lambda view, before=before: view.messages(before=before, limit=_PAGE))  # type: ignore[misc]
        for message in page:
            fields = list(_fields(message))
            if words.within("\n".join(text for _, text in fields)):
                for name, text in fields:
                    if words.within(text):
                        yield Found("message", message.id, name, text[:_CUT], _root(node, message))
            if deep:
                yield from _inside(node, words, message, max_document)
        count += len(page)
        check("messages", count)
        if len(page) < _PAGE:
            return
        before = page[-1].id


def _fields(message: Message) -> Iterator[tuple[str, str]]:
    yield "subject", message.subject
    yield "reference", message.reference
    yield "protocol_id", message.protocol_id
    yield "reason", message.reason
    for number, part in enumerate(message.parts):
        yield f"documents[{number}].name", part.name
        yield f"documents[{number}].content_type", part.content_type
    yield "wire", message.wire.decode("utf-8", "replace")


def _root(node: Node, message: Message) -> str:
    while message.origin:
        above = node.store.read(lambda view, id=message.origin: view.message(id))  # type: ignore[misc]
        if above is None:
            break
        message = above
    return message.id


def _inside(node: Node, words: _Words, message: Message, max_document: int) -> Iterator[Found]:
    for number, part in enumerate(message.parts):
        if message.shredded or part.size > max_document:
            continue
        try:
            with node.hub.document(part) as document:
                if _streamed(document.chunks(), words):
                    yield Found(
                        "document", message.id, f"documents[{number}]", part.name[:_CUT], _root(node, message)
                    )
        except BlobMissing:
            continue  # it went while we looked
    for receipt in node.store.read(lambda view: view.receipts(message.id)):
        if words.within_octets(receipt.headers + receipt.body):
            yield Found("receipt", message.id, f"receipt {receipt.id}", receipt.kind, _root(node, message))


def _streamed(chunks: Iterator[bytes], words: _Words) -> bool:
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        if words.within_octets(data):
            return True
        rest = data[-words.overlap :] if words.overlap else b""
    return False


def _in_log(node: Node, words: _Words, check: Check) -> Iterator[Found]:
    after = 0
    while page := node.store.read(lambda view, after=after: view.besides(after, _PAGE)):  # type: ignore[misc]
        for each in page:
            values = [text for text in values_of(each.values).values() if words.within(text)]
            if values:
                yield Found("log", each.id, each.kind, "; ".join(values)[:_CUT], each.subject, each.row)
        after = page[-1].row
        check("values", after)
    index = 0
    while True:
        batch: list[LoggedEvent] = node.store.read(lambda view, index=index: view.events_from(index, _PAGE))  # type: ignore[misc]
        for logged in batch:
            event = logged.event
            if words.within(logged.leaf.decode("utf-8", "replace")):
                yield Found("log-in-clear", event.id, event.kind, event.subject[:_CUT], event.subject)
        if not batch:
            return
        index = (batch[-1].index or 0) + 1
        check("events", index)


def _in_archive(node: Node, words: _Words, check: Check) -> Iterator[Found]:
    before = None
    count = 0
    while True:
        page = node.store.read(lambda view, before=before: view.archive_list(before=before, limit=_PAGE))  # type: ignore[misc]
        for row in page:
            fields = {
                "reference": row.reference,
                "refs": " ".join(number for _, number in row.refs),
                "body": row.body.decode("utf-8", "replace"),
            }
            for name, text in fields.items():
                if words.within(text):
                    yield Found("archive", row.id, name, text[:_CUT], row.message)
        count += len(page)
        check("archive", count)
        if len(page) < _PAGE:
            return
        before = page[-1].id


def _in_configuration(node: Node, words: _Words) -> Iterator[Found]:
    present = node.directory.configuration.files
    for path, text in present.items():
        for line in text.splitlines():
            if words.within(line):
                yield Found("configuration", path, "line", line.strip()[:_CUT])
    for version in node.store.read(lambda view: view.config_history(_HISTORY)):
        if version.number == node.version:
            continue
        whole = node.store.read(lambda view, number=version.number: view.config(number))  # type: ignore[misc]
        if words.within(version.reason):
            yield Found("configuration-history", str(version.number), "reason", version.reason[:_CUT])
        for path, text in whole.files.items() if whole is not None else ():
            if words.within(text):
                yield Found("configuration-history", str(version.number), path, "")


def _in_records(node: Node, words: _Words, check: Check) -> Iterator[Found]:
    def kinds(view: View) -> list[str]:
        return view.record_kinds()

    for kind in node.store.read(kinds):
        if kind in _OWN:
            continue
        after = ""
        while page := node.store.read(lambda view, kind=kind, after=after: view.records(kind, after=after)):  # type: ignore[misc]
            for record in page:
                text = f"{record.key}\n{_text(record.body)}"
                if words.within(text):
                    yield Found("record", f"{kind} {record.key}", "body", "")
            after = page[-1].key
        check(f"{kind} records", 0)


def _text(body: bytes) -> str:
    try:
        return msgspec.json.encode(msgspec.json.decode(body)).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode("utf-8", "replace")
