"""What the hub says of a message: its records, its account of it in ``message.json``, and the files that records bind.

A record says what it says since it is in the log. The account was written when the pack was made: it may say nothing
else than the records do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ecluse_verify.log import Log, proven_record
from ecluse_verify.pack import Pack
from ecluse_verify.records import BINDINGS, Record, bound, is_commitment, opened, read_openings
from ecluse_verify.report import Level, Report, Step, instant
from ecluse_verify.text import MAX_JSON, Bad, read_json

__all__ = ["Account"]

_SHARED: Final = {
    "direction": "direction",
    "partner": "partner",
    "protocol": "protocol",
    "protocol_id": "protocol_id",
    "config_version": "config",
}
"""Members of message.json that the first record has, too: under which name."""


_TOLD: Final = frozenset({"message.json", "openings.json"})
"""Files of a message that tell of records and not of content."""
_PATHS: Final = frozenset(
    {"path", "headers", "entity", "signature", "body", "event", "openings", "revocation"}
)
"""Members of message.json that hold paths; a partner may have written what stands in others."""


@dataclass(slots=True)
class Account:
    """A message of a pack, as the hub tells of it.

    Attributes:
        records: Those that stand in the log, in order.
        said: ``message.json``.
        partner: With whom.
        protocol_id: The protocol's own id.
        outbound: Whether it left.
        bound: Which record holds the digest of which file.
    """

    pack: Pack
    id: str
    log: Log | None
    report: Report
    records: list[Record] = field(default_factory=list)
    said: dict[str, object] = field(default_factory=dict)
    partner: str = ""
    protocol_id: str = ""
    outbound: bool = False
    bound: dict[str, Record] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Where the message's files stand."""
        return f"messages/{self.id}/"

    def check(self) -> None:
        """Read records and account, hold one against the other, and the files against the records."""
        path = self.folder + "message.json"
        with self.report.guard(path):
            value = read_json(self.pack.read(path, MAX_JSON))
            if not isinstance(value, dict) or value.get("id") != self.id:
                raise Bad("message")
            self.said = value
        self._read_records()
        with self.report.guard(self.folder + "openings.json"):
            self._open(self.folder + "openings.json")
        with self.report.guard(path):
            self._compare(path)
        for name in self.files():
            with self.report.guard(self.folder + name):
                self._bind(name)

    def files(self) -> list[str]:
        """Names of its files of content: header fields that came with a receipt count as part of that."""
        own = {path.removeprefix(self.folder) for path in self.pack.names if path.startswith(self.folder)}
        told = {name for name in own if name in _TOLD or name.startswith("events/")}
        heads = {name.removesuffix(".body") + ".headers" for name in own if name.startswith("receipts/")}
        return sorted(own - told - {name for name in heads if name.removesuffix(".headers") + ".body" in own})

    def entries(self, member: str) -> list[dict[str, object]]:
        """The objects in a list of the account."""
        value = self.said.get(member)
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def first(self, member: str) -> Record | None:
        """The first record that says something under this name."""
        return next((record for record in self.records if member in record.data), None)

    def when(self, *kinds: str) -> datetime:
        """When the last of such records was written; now, where there is none."""
        found = [record.at for record in self.records if record.kind in kinds]
        return found[-1] if found else datetime.now(UTC)

    def transfer(self, body: str) -> bytes:
        """Header block, empty line and body of a receipt or an answer, as they came."""
        head = self.pack.read(body.removesuffix(".body") + ".headers")
        return head + b"\r\n" + self.pack.read(body)

    def differs(self, member: str, path: str) -> Bad:
        """The account says something else than ``path``."""
        return Bad("message.differs", file=self.folder + "message.json", member=member, path=path)

    def _read_records(self) -> None:
        folder = self.folder + "events/"
        paths = sorted(path for path in self.pack.names if path.startswith(folder))
        for number, path in enumerate(paths):
            with self.report.guard(path):
                if path != f"{folder}{number:04d}.tlog-proof":
                    raise Bad("events.gap")
                if self.log is None:
                    continue
                record = proven_record(path, self.pack.read(path), self.log)
                if record.subject != self.id:
                    raise Bad("events.other", subject=record.subject)
                if self.records and record.index <= self.records[-1].index:
                    raise Bad("events.order")
                self.records.append(record)
                self.report.story.append(Step(self.id, record.index, record.at, record.kind, record.actor))
        if not paths:
            self.report.add(Level.BROKEN, "events.none", folder, message=self.id)
        elif self.records and self.log is not None:
            code = f"events.{self.log.level.value}"
            facts = {"count": len(self.records), "message": self.id, "origin": self.log.head.origin}
            self.report.add(self.log.level, code, folder, **facts)

    def _open(self, path: str) -> None:
        """Put what commitments stand for in their places."""
        if path not in self.pack.names:
            return
        value = read_json(self.pack.read(path, MAX_JSON))
        found = read_openings(value.get("openings") if isinstance(value, dict) else None)
        if self.log is None:
            return
        if not set(found) <= {record.path for record in self.records}:
            raise Bad("opening")
        self.records = [opened(record, found.get(record.path, {})) for record in self.records]
        count = sum(len(values) for values in found.values())
        self.report.add(self.log.level, f"openings.{self.log.level.value}", path, count=count)

    def _compare(self, path: str) -> None:
        begun = self.first("protocol_id")
        told = self.said if begun is None else {name: begun.data.get(of) for name, of in _SHARED.items()}
        own = told.get("protocol_id")
        own = self.said.get("protocol_id") if is_commitment(own) else own
        self.partner, self.protocol_id = str(told.get("partner") or ""), str(own or "")
        self.outbound = told.get("direction") == "out"
        if begun is not None:
            for name in _SHARED:
                if told[name] is None or is_commitment(told[name]):
                    continue
                if self.said.get(name) != told[name]:
                    raise self.differs(name, begun.path)
        listed = [tuple(map(each.get, ("path", "index", "kind", "at"))) for each in self.entries("events")]
        if self.log is not None and listed != [
            (each.path, each.index, each.kind, instant(each.at)) for each in self.records
        ]:
            raise self.differs("events", self.folder + "events/")
        documents, said = self.first("sha256"), [each.get("sha256") for each in self.entries("documents")]
        if documents is not None and documents.data["sha256"] != said:
            raise self.differs("documents", documents.path)
        protected = self.first("protections")
        if protected is not None and protected.data["protections"] != self.said.get("protections"):
            raise self.differs("protections", protected.path)
        named = set(_paths(self.said))
        own = {name for name in self.pack.names if name.startswith(self.folder)} - {path}
        for name in sorted(named - self.pack.names):
            raise Bad("file.missing", file=name)
        for name in sorted(own - named):
            raise self.differs("files", name)
        facts = {"state": self.said.get("state"), "partner": self.partner, "message": self.id}
        self.report.add(Level.CLAIMED, "message.claims", path, **facts)
        if self.said.get("shredded"):
            self.report.add(Level.CLAIMED, "message.shredded", path)

    def _bind(self, name: str) -> None:
        path, place = self.folder + name, None
        folder, slash, rest = name.partition("/")
        binding = BINDINGS.get(name) or (BINDINGS.get(folder) if slash else None)
        if binding is None or (folder == "receipts" and not name.endswith(".body")):
            self.report.add(Level.CLAIMED, "file.unknown", path)
            return
        if folder == "documents":
            place = int(rest) if rest.isdigit() and len(rest) < 6 else -1
        of_receipt = folder == "receipts"
        digest = hashlib.sha256(self.transfer(path)).hexdigest() if of_receipt else self.pack.digest(path)
        found = bound(self.records, binding, digest, place)
        if found is None:
            self.report.add(Level.MISSING, "file.unbound", path)
        elif self.log is not None:
            self.bound[path] = found
            code = f"file.{self.log.level.value}"
            self.report.add(self.log.level, code, path, index=found.index, kind=found.kind, when=found.at)


def _paths(value: object) -> Iterator[str]:
    """Every path of a file of a message, or of a certificate, that the account names."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name in _PATHS or isinstance(each, dict | list):
                yield from _paths(each)
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each)
    elif isinstance(value, str) and value.startswith(("messages/", "certificates/", "revocation/")):
        yield value
