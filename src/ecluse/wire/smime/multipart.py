"""Splitting a multipart stream at its boundary (RFC 2046 s5.1.1) without changing or keeping an octet of it.

A delimiter is a whole line: ``--boundary``, optional spaces, a line end. The line break *before* it belongs
to it (RFC 1847 s2.1), CRLF or a bare LF alike, so a part is exactly what its sender digested. A line that
only begins like the delimiter is content. What must be kept between two feeds is a line break that may be
the beginning of a delimiter, and no more.
"""

from __future__ import annotations

from msgspec import Struct

from ecluse.wire.smime.errors import MimeError

__all__ = [
    "MAX_BOUNDARY",
    "MAX_PARTS",
    "Event",
    "MultipartEnded",
    "MultipartReader",
    "PartData",
    "PartEnded",
    "PartStarted",
]

MAX_BOUNDARY = 200
"""Characters in a boundary: RFC 2046 allows 70, senders are seen with more."""
MAX_PARTS = 1_000
"""Parts in one multipart; a bound for the events that one chunk can make."""
_MAX_PADDING = 64
"""White space that is tolerated after a boundary on its line (RFC 2046 transport padding)."""


class PartStarted(Struct, frozen=True):
    """A part begins: its header block follows as data.

    Attributes:
        offset: Where its first octet stands in the whole stream that was fed.
    """

    offset: int


class PartData(Struct, frozen=True):
    """Octets of the part, header included, in order and unchanged. Never empty."""

    data: bytes


class PartEnded(Struct, frozen=True):
    """The part is whole; the line break before the delimiter was not part of it."""


class MultipartEnded(Struct, frozen=True):
    """The closing delimiter was met; what follows is epilogue and is dropped."""


Event = PartStarted | PartData | PartEnded | MultipartEnded


class MultipartReader:
    """Push scanner: octets in, events out.

    Args:
        boundary: The parameter's value, unquoted.
        max_parts: Refuse more parts than this.
        blank_epilogue: Refuse an epilogue that is more than white space.

    Raises:
        MimeError: The boundary is empty, too long or holds a line break.
    """

    __slots__ = (
        "_base",
        "_blank_epilogue",
        "_ended",
        "_held",
        "_in_part",
        "_late",
        "_max_parts",
        "_needle",
        "_parts",
        "_skip",
    )

    def __init__(self, boundary: str, *, max_parts: int = MAX_PARTS, blank_epilogue: bool = False) -> None:
        octets = boundary.rstrip(" \t").encode("utf-8", "replace")
        if not octets or len(octets) > MAX_BOUNDARY or b"\n" in octets or b"\r" in octets:
            raise MimeError("A multipart has no usable boundary parameter.", code="smime.bad-boundary")
        self._needle = b"\n--" + octets
        # The first delimiter may open the stream: a line break is put before it, and is never part of a part.
        self._held = b"\n"
        # Where the first octet that is held stands in the stream.
        self._base = -1
        # Leading octets of what is held that are no content: the line end of the delimiter before.
        self._skip = 1
        self._in_part = False
        self._ended = False
        self._late: MimeError | None = None
        self._parts = 0
        self._max_parts = max_parts
        self._blank_epilogue = blank_epilogue

    @property
    def ended(self) -> bool:
        """Whether the closing delimiter was met."""
        return self._ended

    def feed(self, data: bytes) -> list[Event]:
        """Take octets in any chunking; give what they complete.

        Raises:
            MimeError: Too many parts, or an epilogue where none may be. It is raised by the call *after* the
                one that met it (``close`` at the latest), which still gives what came before.
        """
        self._raise_late()
        events: list[Event] = []
        try:
            if self._ended:
                self._epilogue(data)
            else:
                self._scan(events, self._held + data if self._held else data, final=False)
        except MimeError as error:
            # What came before the fault is given first: nothing depends on how the octets were cut.
            self._late = error
        return events

    def close(self) -> list[Event]:
        """The stream is at its end.

        Raises:
            MimeError: The closing delimiter never came: the message is truncated.
        """
        self._raise_late()
        events: list[Event] = []
        if not self._ended:
            self._scan(events, self._held, final=True)
        if not self._ended:
            raise MimeError("A multipart ends before its closing boundary.", code="smime.truncated")
        return events

    def _raise_late(self) -> None:
        if self._late is not None:
            raise self._late

    def _scan(self, events: list[Event], data: bytes, *, final: bool) -> None:
        needle = self._needle
        start, look = self._skip, 0
        self._held, self._skip = b"", 0
        while True:
            at = data.find(needle, look)
            if at < 0:
                self._keep(events, data, start, final=final)
                return
            line_end = self._line(data, at + len(needle), final=final)
            if line_end is None:
                look = at + len(needle)
                continue
            cut = at - 1 if at > start and data[at - 1] == 0x0D else at
            if line_end < 0:
                self._hold(events, data, start, cut)
                return
            self._give(events, data, start, cut)
            if self._in_part:
                events.append(PartEnded())
            if data.startswith(b"--", at + len(needle)):
                if not self._parts:
                    raise MimeError("A multipart has no part.")
                self._in_part, self._ended = False, True
                events.append(MultipartEnded())
                self._epilogue(data[line_end:])
                return
            self._parts += 1
            if self._parts > self._max_parts:
                raise MimeError(f"A multipart has more than {self._max_parts} parts.", code="smime.too-large")
            self._in_part = True
            events.append(PartStarted(self._base + line_end))
            # The delimiter's own line end may also be the line break before the next one (an empty part).
            start = line_end
            look = line_end - 1

    def _line(self, data: bytes, at: int, *, final: bool) -> int | None:
        """Where the delimiter's line ends; -1 where more octets must tell; ``None`` where it is content."""
        end = at + 2 if data.startswith(b"--", at) else at
        stop = min(len(data), end + _MAX_PADDING)
        while end < stop and data[end] in b" \t":
            end += 1
        if end >= len(data):
            # "--boundary-" may become the closing delimiter; at the very end only a closing one counts.
            if not final:
                return -1
            return end if data.startswith(b"--", at) else None
        if data[end] == 0x0A:
            return end + 1
        if data[end] == 0x0D:
            if end + 1 < len(data):
                return end + 2 if data[end + 1] == 0x0A else None
            return -1 if not final else end + 1
        if data[end] == 0x2D and end == at and end + 1 == len(data) and not final:
            return -1
        return None

    def _keep(self, events: list[Event], data: bytes, start: int, *, final: bool) -> None:
        """Give everything but a tail that may turn out to be the beginning of a delimiter."""
        cut = len(data)
        if not final:
            at = data.rfind(b"\n", max(start - 1, cut - len(self._needle), 0))
            if at >= 0 and self._needle.startswith(data[at:]):
                cut = at - 1 if at > start and data[at - 1] == 0x0D else at
            elif cut > start and data[-1] == 0x0D:
                cut -= 1
        self._hold(events, data, start, cut)

    def _hold(self, events: list[Event], data: bytes, start: int, cut: int) -> None:
        self._give(events, data, start, cut)
        self._held = data[cut:]
        self._base += cut
        self._skip = max(0, start - cut)

    def _give(self, events: list[Event], data: bytes, start: int, stop: int) -> None:
        if self._in_part and stop > start:
            events.append(PartData(data if stop - start == len(data) else data[start:stop]))

    def _epilogue(self, data: bytes) -> None:
        if self._blank_epilogue and data.strip():
            raise MimeError("Octets follow the closing boundary.", code="smime.trailing-data")
