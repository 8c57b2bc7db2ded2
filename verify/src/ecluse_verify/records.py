"""Records: the hub's log in its own words, one event each, as canonical JSON (``ecluse.event/1``).

A record binds files to the log by their digests. That it stands in the log is proven by its proof; what it says is the
word of the hub, given at that time and not changed since.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from ecluse_verify.text import Bad, canonical_json, read_json

__all__ = [
    "BINDINGS",
    "Binding",
    "Record",
    "bound",
    "is_commitment",
    "opened",
    "read_openings",
    "read_record",
]

_MEMBERS: Final = ["actor", "at", "data", "format", "id", "kind", "node", "salt", "subject"]
_FORMAT: Final = "ecluse.event/1"
_COMMITMENT: Final = "hmac-sha256:"
_END_OF_TIME: Final = 253_402_300_799_000_000


@dataclass(frozen=True, slots=True)
class Record:
    """A record, and its place in the log."""

    index: int
    path: str
    at: datetime
    kind: str
    actor: str
    subject: str
    data: dict[str, object]

    def text(self, member: str) -> str:
        """A member of its data that is a text; empty where it is none."""
        value = self.data.get(member)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Binding:
    """Which records hold a file's digest, and under which name."""

    kinds: tuple[str, ...]
    member: str


_OPENED: Final = ("message.accepted", "message.quarantined")
_ANSWERED: Final = (*_OPENED, "message.rejected")
_SETTLED: Final = ("delivery.confirmed", "delivery.refused", "receipt.repeated", "receipt.kept")

BINDINGS: Final = {
    "wire/headers": Binding((*_OPENED, "message.sealed"), "headers_sha256"),
    "wire/entity": Binding((*_OPENED, "message.sealed"), "entity_sha256"),
    "wire/signature.p7s": Binding((*_OPENED, "message.sealed"), "signature_sha256"),
    "wire/body": Binding(("message.sealed", "message.received"), "wire_sha256"),
    "answer.body": Binding(_ANSWERED, "answer_sha256"),
    "answer.headers": Binding(_ANSWERED, "answer_headers_sha256"),
    "receipts": Binding(_SETTLED, "receipt_sha256"),
    "documents": Binding(_OPENED, "sha256"),
}
"""Of a message's files, by path below its folder (docs/evidence-pack-format.md, "What binds a file to the log")."""


def read_record(path: str, index: int, leaf: bytes) -> Record:
    """The event of a leaf. Raises :class:`Bad` where it is not one in its one spelling."""
    value = read_json(leaf)
    if not isinstance(value, dict) or list(value) != _MEMBERS or canonical_json(value) != leaf:
        raise Bad("record")
    at, data = value["at"], value["data"]
    texts = [value[name] for name in _MEMBERS if name not in ("at", "data")]
    if not isinstance(at, int) or not 0 <= at <= _END_OF_TIME or not isinstance(data, dict):
        raise Bad("record")
    if (
        not all(isinstance(text, str) for text in texts)
        or value["format"] != _FORMAT
        or len(value["salt"]) != 32
    ):
        raise Bad("record")
    when = datetime.fromtimestamp(at // 1_000_000, UTC).replace(microsecond=at % 1_000_000)
    return Record(index, path, when, value["kind"], value["actor"], value["subject"], data)


def is_commitment(value: object) -> bool:
    """Whether something stands in the place of a personal value."""
    return isinstance(value, str) and value.startswith(_COMMITMENT) and len(value) == len(_COMMITMENT) + 64


def read_openings(value: object) -> dict[str, dict[str, str]]:
    """What commitments stand for, by the path of the record's proof. Raises :class:`Bad` where one does not fit."""
    found: dict[str, dict[str, str]] = {}
    if not isinstance(value, list):
        raise Bad("opening")
    for each in value:
        if not isinstance(each, dict):
            raise Bad("opening")
        commitment, salt, text = (each.get(name) for name in ("commitment", "salt", "value"))
        if not (isinstance(commitment, str) and isinstance(salt, str) and isinstance(text, str)):
            raise Bad("opening")
        try:
            key = bytes.fromhex(salt)
        except ValueError:
            raise Bad("opening") from None
        made = hmac.new(key, b"ecluse.commitment/1\0" + text.encode("utf-8", "replace"), "sha256").hexdigest()
        if len(key) < 16 or commitment != _COMMITMENT + made:
            raise Bad("opening")
        found.setdefault(str(each.get("event") or ""), {})[commitment] = text
    return found


def opened(record: Record, values: Mapping[str, str]) -> Record:
    """The record with values in the place of commitments. Raises :class:`Bad` where it holds one of them nowhere."""
    met: set[str] = set()

    def open_in(value: object) -> object:
        if isinstance(value, dict):
            return {name: open_in(each) for name, each in value.items()}
        if isinstance(value, list):
            return [open_in(each) for each in value]
        if isinstance(value, str) and value in values:
            met.add(value)
            return values[value]
        return value

    data = {name: open_in(value) for name, value in record.data.items()}
    if met != set(values):
        raise Bad("opening")
    return replace(record, data=data)


def bound(
    records: Iterable[Record], binding: Binding, digest: str, place: int | None = None
) -> Record | None:
    """The record that holds a file's digest.

    Args:
        records: Of the message.
        binding: Where to look.
        digest: Of the file, hexadecimal.
        place: Which member of a list, for documents.

    Returns:
        The record; ``None`` where none says anything about such a file.

    Raises:
        Bad: Records say something about it, and another digest.
    """
    said = False
    for record in records:
        value = record.data.get(binding.member) if record.kind in binding.kinds else None
        if isinstance(value, list) and place is not None:
            value = value[place] if place < len(value) else ""
        if value == digest:
            return record
        said = said or isinstance(value, str)
    if said:
        raise Bad("file.differs", member=binding.member)
    return None
