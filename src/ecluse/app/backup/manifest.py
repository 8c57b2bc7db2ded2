"""Manifests: what makes a backup one, signed by the hub's log.

A manifest is a C2SP signed note (https://c2sp.org/signed-note) whose text is a line that says what it is and one line
of JSON. It names the table by its digest, the table names the packs by theirs: who holds the log's key vouches for
all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from ecluse.app.backup.errors import BackupDamaged, BackupMissing
from ecluse.app.backup.places import MANIFEST, Place
from ecluse.blobs.port import BlobMissing
from ecluse.model.basics import Instant
from ecluse.typed import from_json
from ecluse.wire.tlog.errors import BadSignature, Malformed
from ecluse.wire.tlog.note import NoteKey, Sign, open_note, parse_note, sign_note

__all__ = [
    "FORMAT",
    "KEYS_FORMAT",
    "Erasures",
    "KeyIndex",
    "KeyShard",
    "Manifest",
    "find_backup",
    "manifests",
    "read",
    "sign",
]

FORMAT: Final = "ecluse.backup/1"
KEYS_FORMAT: Final = "ecluse.backup-keys/1"

T = TypeVar("T", bound=msgspec.Struct)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One backup.

    Attributes:
        id: Its name.
        made: RFC 3339; the moment of its state.
        at: The same in microseconds since 1970.
        hub: The organisation's name.
        origin: Name of the log.
        release: Of the hub that wrote it.
        database: Kind of the database.
        log: Records in the log.
        checkpoint: The log's newest signed head at that moment; empty where there was none.
        version: Of the configuration in force.
        table: Object that says what the streams are made of.
        table_size: Its octets.
        table_sha256: Its digest, hexadecimal.
        blobs: Blobs whose bytes lie beside the database.
        blob_octets: Their octets.
        streams: Octets of the streams.
        written: Octets that this run added to the place.
        recipients: Fingerprints of the certificates that it is sealed for.
        keys: The state of the key copy that was made with it.
        left_out: What a restored hub needs and the backup does not have.
    """

    id: str
    made: str
    at: Instant
    hub: str
    origin: str
    release: str
    database: str
    log: int
    checkpoint: str
    version: int
    table: str
    table_size: int
    table_sha256: str
    blobs: int
    blob_octets: int
    streams: int
    written: int
    recipients: list[str]
    keys: str
    left_out: list[str] = []


class KeyShard(msgspec.Struct, frozen=True):
    """Keys of blobs whose ids begin alike.

    Attributes:
        prefix: What they begin with.
        object: Where they are.
        count: How many.
        size: Octets of the object.
        sha256: Of the object, hexadecimal.
        digest: Of the keys, under the hub's own key: whether they changed.
    """

    prefix: str
    object: str
    count: int
    size: int
    sha256: str
    digest: str


class Erasures(msgspec.Struct, frozen=True):
    """What was erased since: a restored hub has to erase it again.

    Attributes:
        object: Where it stands.
        at: When it was written, in microseconds since 1970.
        size: Octets of the object.
        sha256: Of the object, hexadecimal.
    """

    object: str
    at: Instant
    size: int
    sha256: str


class KeyIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The one state of the copy of the keys.

    Attributes:
        id: Its name.
        made: RFC 3339.
        at: The same in microseconds since 1970.
        origin: Name of the log.
        shards: In order of their prefix.
        erasures: What was erased, oldest first, as long as a backup is older.
    """

    id: str
    made: str
    at: Instant
    origin: str
    shards: list[KeyShard]
    erasures: list[Erasures] = []


def sign(kind: str, facts: msgspec.Struct, key: NoteKey, signer: Sign) -> bytes:
    """A signed note of facts."""
    return sign_note(f"{kind}\n{msgspec.json.encode(facts, order='sorted').decode()}\n", key, signer)


def read(place: Place, id: str, kind: str, type: type[T], keys: Sequence[NoteKey] | None) -> T:
    """Read a signed note of facts.

    Args:
        place: Where.
        id: Its name.
        kind: :data:`FORMAT` or :data:`KEYS_FORMAT`.
        type: Of the facts.
        keys: Who is believed; ``None`` to take it as it claims to be, until the keys are known.

    Raises:
        BackupMissing: There is none of this name.
        BackupDamaged: It is none, or nobody who is believed signed it.
    """
    try:
        data = place.get(id)
    except BlobMissing:
        raise BackupMissing(f"There is no {id} in {place.name}.") from None
    try:
        note = parse_note(data) if keys is None else open_note(data, keys)
        head, _, line = note.text.partition("\n")
        if head != kind:
            raise BackupDamaged(f"{id} is of the format {head[:40]!a}, which this release does not read.")
        facts = from_json(line, type)
    except (Malformed, BadSignature, msgspec.DecodeError, UnicodeDecodeError) as error:
        cause = error.cause if isinstance(error, Malformed | BadSignature) else "It can't be read."
        raise BackupDamaged(f"The manifest {id} is not one that this hub signed: {cause}") from None
    if getattr(facts, "id", id) != id:
        raise BackupDamaged(f"The manifest {id} is that of another backup.")
    return facts


def manifests(place: Place, keys: Sequence[NoteKey] | None = None) -> Iterator[Manifest]:
    """All backups of a place, oldest first. Raises as :func:`read` does."""
    for id in place.ids(MANIFEST):
        yield read(place, id, FORMAT, Manifest, keys)


def find_backup(place: Place, name: str, keys: Sequence[NoteKey] | None = None) -> Manifest:
    """The backup that is meant: ``newest``, its name, or the beginning of it or of its time that no other has.

    Raises:
        BackupMissing: There is none, or there are several.
    """
    if name == "newest":
        id = place.newest(MANIFEST)
        if id is None:
            raise BackupMissing(f"There is no backup in {place.name}.")
        return read(place, id, FORMAT, Manifest, keys)
    found = [
        each
        for each in manifests(place, keys)
        if each.id == name or (len(name) >= 4 and (each.id.startswith(name) or each.made.startswith(name)))
    ]
    if len(found) != 1:
        raise BackupMissing(f"There {'is no backup' if not found else 'are several backups'} {name[:64]!a}.")
    return found[0]
