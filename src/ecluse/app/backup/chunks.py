"""Chunks: what streams are cut into, told apart by a keyed digest, kept once, many to a pack.

A chunk that stands in a pack already is not written again, as long as that pack is well used: of one that is mostly
waste nothing more is referred to, so that it goes with the last backup that needs it.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from ecluse.app.backup.errors import BackupDamaged
from ecluse.app.backup.places import PACK, TABLE, Place
from ecluse.app.backup.sealing import Recipients, open_object
from ecluse.blobs.port import BlobMissing
from ecluse.model.basics import new_id
from ecluse.typed import msgpack_decoder
from ecluse.wire.openpgp.reader import Unlock

__all__ = ["PACK_SIZE", "ChunkReader", "ChunkWriter", "Pack", "Stream", "Table", "keep_table", "read_table"]

PACK_SIZE: Final = 16 << 20
"""Octets from which on a pack is full: one wait for the disk, or one request, for some hundred chunks."""

MAX_PACK: Final = 64 << 20
MAX_TABLE: Final = 1 << 30
"""Octets of a table in clear: that of a terabyte of state."""

_REF: Final = struct.Struct(">32sIIII")
"""Digest, number of the pack in the table, where in it, octets there, octets in clear."""
_LEVEL: Final = 1  # zlib's fastest: two thirds of what its slowest saves, in a tenth of the time
_OPEN: Final = 3
_WELL_USED: Final = 0.5


class Pack(msgspec.Struct, frozen=True):
    """An object that holds chunks.

    Attributes:
        id: Its name.
        size: Octets as it lies in the place.
        sha256: Of those octets.
        clear: Octets of chunks in it.
    """

    id: str
    size: int
    sha256: bytes
    clear: int


class Stream(msgspec.Struct, frozen=True):
    """A stream as the chunks that make it up.

    Attributes:
        name: Its name.
        size: Octets.
        chunks: References of 48 octets each: digest (32), number of the pack, offset, octets in the pack, octets in
            clear (4 each, big-endian). A chunk with fewer octets in the pack than in clear is compressed (RFC 1950).
    """

    name: str
    size: int
    chunks: bytes


class Table(msgspec.Struct, frozen=True):
    """Everything that one backup says of chunks.

    Attributes:
        packs: The packs.
        streams: The streams.
    """

    packs: list[Pack]
    streams: list[Stream]

    def used(self) -> dict[str, int]:
        """Octets of each pack that the streams refer to."""
        spans: dict[int, set[tuple[int, int]]] = {}
        for stream in self.streams:
            for _, number, offset, stored, _ in _REF.iter_unpack(stream.chunks):
                spans.setdefault(number, set()).add((offset, stored))
        return {self.packs[number].id: sum(size for _, size in found) for number, found in spans.items()}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgpack_decoder(Table).decode


def keep_table(place: Place, table: Table, id: str) -> tuple[int, str]:
    """Write a table; give its octets and their SHA-256."""
    data = zlib.compress(_encode(table), _LEVEL)
    place.put(id, data)
    return len(data), hashlib.sha256(data).hexdigest()


def read_table(place: Place, id: str, sha256: str) -> Table:
    """Read a table that a manifest tells of. Raises :class:`BackupDamaged`."""
    data = _get(place, id)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BackupDamaged(f"The table {id} is not the one that the manifest names.")
    unpacker = zlib.decompressobj()
    try:
        table = _decode(unpacker.decompress(data, MAX_TABLE))
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError):
        raise BackupDamaged(f"The table {id} can't be read.") from None
    if any(len(each.chunks) % _REF.size for each in table.streams):
        raise BackupDamaged(f"The table {id} can't be read.")
    return table


class ChunkWriter:
    """Writes the streams of one backup.

    Args:
        place: Where.
        recipients: For whom.
        digest_key: 32 octets of the hub's own: what the digests tell, they tell nobody else.
        before: Table of the backup before, whose chunks need not be written again.
        tick: Called with octets that were read and octets that were written.

    Attributes:
        written: Octets of new packs.
        read: Octets of all streams.
    """

    def __init__(
        self,
        place: Place,
        recipients: Recipients,
        digest_key: bytes,
        before: Table | None,
        tick: Callable[[int, int], None],
    ) -> None:
        self._place = place
        self._recipients = recipients
        self._key = digest_key
        self._tick = tick
        self._known: dict[bytes, bytes] = {}
        self._packs: list[Pack] = []
        self._numbers: dict[int, int] = {}
        self._before = before
        self._streams: list[Stream] = []
        self._filling = bytearray()
        self._present = 0
        self._written: list[str] = []
        self.written = self.read = 0
        if before is not None:
            self._learn(before)

    def _learn(self, before: Table) -> None:
        used = before.used()
        good = {
            number
            for number, pack in enumerate(before.packs)
            if used.get(pack.id, 0) >= pack.clear * _WELL_USED
        }
        for stream in before.streams:
            for at in range(0, len(stream.chunks), _REF.size):
                ref = stream.chunks[at : at + _REF.size]
                if int.from_bytes(ref[32:36], "big") in good:
                    self._known[ref[:32]] = ref[32:]

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a stream."""
        refs = bytearray()
        size = 0
        for chunk in chunks:
            written = self.written
            refs += self._reference(chunk)
            size += len(chunk)
            self._tick(len(chunk), self.written - written)
        self.read += size
        self._streams.append(Stream(name, size, bytes(refs)))

    def finish(self) -> Table:
        """The table, when all packs are durable."""
        if self._filling:
            self._close()
        return Table(self._packs, self._streams)

    @property
    def landmarks(self) -> list[str]:
        """The first and the last pack that were written."""
        return self._written[:1] + self._written[-1:]

    def _reference(self, chunk: bytes) -> bytes:
        digest = hashlib.blake2b(chunk, digest_size=32, key=self._key).digest()
        known = self._known.get(digest)
        if known is not None:
            number = int.from_bytes(known[:4], "big")
            if number >= _OURS:
                return digest + (number - _OURS).to_bytes(4, "big") + known[4:]
            return digest + self._taken_over(number).to_bytes(4, "big") + known[4:]
        stored = _packed(chunk)
        if len(self._filling) + len(stored) > PACK_SIZE and self._filling:
            self._close()
        if not self._filling:
            self._present = len(self._packs)
            self._packs.append(
                Pack("", 0, b"", 0)
            )  # its place in the order; what it is, is known when it is full
        number, offset = self._present, len(self._filling)
        self._filling += stored
        rest = _REF.pack(digest, number, offset, len(stored), len(chunk))[32:]
        self._known[digest] = (number + _OURS).to_bytes(4, "big") + rest[4:]
        return digest + rest

    def _taken_over(self, number: int) -> int:
        if number not in self._numbers:
            assert self._before is not None, "what is known comes from it"
            self._numbers[number] = len(self._packs)
            self._packs.append(self._before.packs[number])
        return self._numbers[number]

    def _close(self) -> None:
        id = new_id(PACK, self._recipients.clock(), self._recipients.entropy)
        sealed = self._recipients.seal(id, self._filling)
        self._place.put(id, sealed)
        self._written.append(id)
        self.written += len(sealed)
        digest = hashlib.sha256(sealed).digest()
        self._packs[self._present] = Pack(id, len(sealed), digest, len(self._filling))
        self._filling = bytearray()


def _packed(chunk: bytes) -> bytes:
    """The chunk compressed, or itself where that gains nothing: much of a state is sealed, and looks like chance."""
    step = max(1, len(chunk) // _PROBES)
    probe = b"".join(chunk[at : at + _PROBE] for at in range(0, len(chunk), step))
    if len(chunk) > 2 * len(probe) and len(zlib.compress(probe, _LEVEL)) > len(probe) * _GAIN:
        return chunk
    packed = zlib.compress(chunk, _LEVEL)
    return packed if len(packed) < len(chunk) else chunk


_GAIN: Final = 0.9
_PROBES: Final = 8
_PROBE: Final = 512
"""Octets of a chunk that are tried first, so many times: a twentieth of the work of trying all of it."""

_OURS: Final = 1 << 31
"""Marks the number of a pack of this run, so that it is not taken for one of the run before."""


class ChunkReader:
    """Reads the streams of a backup.

    Args:
        place: Where.
        table: Which.
        unlock: A recipient's private keys.
        tick: Called with octets that were read.
    """

    def __init__(
        self, place: Place, table: Table, unlock: Unlock, tick: Callable[[int], None] = lambda size: None
    ) -> None:
        self._place = place
        self._table = table
        self._unlock = unlock
        self._tick = tick
        self._open: OrderedDict[int, bytes] = OrderedDict()

    @property
    def names(self) -> list[str]:
        """Of the streams."""
        return [stream.name for stream in self._table.streams]

    def chunks(self, name: str) -> Iterator[bytes]:
        """A stream. Raises :class:`BackupDamaged`, which names the object."""
        stream = next((each for each in self._table.streams if each.name == name), None)
        if stream is None:
            raise BackupDamaged(f"The backup has no stream {name}.")
        for _, number, offset, stored, size in _REF.iter_unpack(stream.chunks):
            yield self._chunk(number, offset, stored, size)
            self._tick(size)

    def _chunk(self, number: int, offset: int, stored: int, size: int) -> bytes:
        data = self._pack(number)[offset : offset + stored]
        if len(data) == stored and stored < size:
            unpacker = zlib.decompressobj()
            try:
                data = unpacker.decompress(data, size)
            except zlib.error:
                data = b""
        if len(data) != size:
            raise BackupDamaged(f"The table does not fit the pack {self._table.packs[number].id}.")
        return data

    def _pack(self, number: int) -> bytes:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        if number >= len(self._table.packs):
            raise BackupDamaged("The table names a pack that it does not have.")
        pack = self._table.packs[number]
        data = _get(self._place, pack.id)
        if len(data) != pack.size or hashlib.sha256(data).digest() != pack.sha256:
            raise BackupDamaged(f"The pack {pack.id} is not the one that was written.")
        while len(self._open) >= _OPEN:
            self._open.popitem(last=False)
        self._open[number] = open_object(pack.id, data, self._unlock)
        return self._open[number]


def _get(place: Place, id: str) -> bytes:
    try:
        return place.get(id)
    except BlobMissing:
        what = {PACK: "pack", TABLE: "table"}.get(id[:1], "object")
        raise BackupDamaged(f"The {what} {id} is not in {place.name}.") from None
