"""The innermost content: one document, or several in a multipart (RFC 6362)."""

from __future__ import annotations

from msgspec.structs import replace

from ecluse.wire.as2._run import Layer, Place, Run, fail
from ecluse.wire.as2.disposition import UNEXPECTED_ERROR
from ecluse.wire.as2.events import PartData, PartEnded, PartStarted
from ecluse.wire.smime import multipart
from ecluse.wire.smime.filename import file_name, safe_name
from ecluse.wire.smime.headers import Headers
from ecluse.wire.smime.parameters import Value
from ecluse.wire.smime.transfer import decoder, is_identity

__all__ = ["Container", "Leaf"]


class Leaf:
    """One document.

    Args:
        run: The message.
        place: Where its *body* stands.
        headers: Its header.
        decoded: Whether its transfer encoding was undone already.
    """

    def __init__(self, run: Run, place: Place, headers: Headers, *, decoded: bool) -> None:
        if run.parts >= run.policy.max_parts:
            fail("The message has too many documents.", UNEXPECTED_ERROR, "Send fewer documents at once.")
        run.parts += 1
        encoding = None if decoded else headers.get("content-transfer-encoding")
        self._run = run
        self._decoder = decoder(encoding)
        self._offset = place.origin if is_identity(encoding) else None
        self._size = 0
        name = file_name(headers)
        run.events.append(
            PartStarted(
                headers.get("content-type") or "application/octet-stream",
                safe_name(name) if name else None,
                headers,
                self._offset is not None,
            )
        )

    def feed(self, data: bytes) -> None:
        self._give(self._decoder.feed(data))

    def close(self) -> None:
        self._give(self._decoder.finish())
        self._run.events.append(PartEnded(self._size, self._offset))

    def _give(self, data: bytes) -> None:
        if data:
            self._size += len(data)
            self._run.events.append(PartData(data))


class Container:
    """Several documents, or the parts of a receipt; none of them holds a layer.

    Args:
        run: The message.
        place: Where the multipart's *body* stands.
        content_type: Its Content-Type.
    """

    def __init__(self, run: Run, place: Place, content_type: Value) -> None:
        report = content_type.get("report-type") or "disposition-notification"
        run.is_mdn = content_type.value == "multipart/report" and report.lower() == "disposition-notification"
        self._run = run
        self._place = replace(place, in_scope=True, in_container=True)
        self._reader = multipart.MultipartReader(
            content_type.get("boundary") or "",
            max_parts=run.policy.max_parts,
            blank_epilogue=place.malleable,
        )
        self._part: Layer | None = None

    def feed(self, data: bytes) -> None:
        self._handle(self._reader.feed(data))

    def close(self) -> None:
        self._handle(self._reader.close())

    def _handle(self, events: list[multipart.Event]) -> None:
        for event in events:
            if isinstance(event, multipart.PartData):
                if self._part is not None:
                    self._part.feed(event.data)
            elif isinstance(event, multipart.PartStarted):
                origin = None if self._place.origin is None else self._place.origin + event.offset
                self._part = self._run.entity(replace(self._place, origin=origin), header_required=True)
            elif isinstance(event, multipart.PartEnded) and self._part is not None:
                self._part.close()
                self._part = None
