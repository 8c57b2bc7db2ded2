"""One message of a pack: its records, its files against them, signatures, receipts, and what the hub says besides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from ecluse_verify.cms import signed_data
from ecluse_verify.content import Content
from ecluse_verify.log import Log, proven_record
from ecluse_verify.pack import Pack
from ecluse_verify.people import People
from ecluse_verify.receipts import Mic, Receipt, mic_name, read_receipt, same_id
from ecluse_verify.records import BINDINGS, Record, bound
from ecluse_verify.report import Level, Report, Step
from ecluse_verify.text import MAX_JSON, Bad, base64_octets, read_json

__all__ = ["check_message"]

_CLAIMS: Final = (
    ("direction", "direction"),
    ("partner", "partner"),
    ("protocol", "protocol"),
    ("protocol_id", "protocol_id"),
)
"""Members of message.json that a record has, too: under which name."""


def check_message(pack: Pack, id: str, log: Log | None, people: People, report: Report) -> None:
    """Check everything about a message, and note what is found."""
    _Message(pack, id, log, people, report).run()


class _Message:
    def __init__(self, pack: Pack, id: str, log: Log | None, people: People, report: Report) -> None:
        self.pack, self.id, self.log, self.people, self.report = pack, id, log, people, report
        self.folder = f"messages/{id}/"
        self.records: list[Record] = []
        self.said: dict[str, object] = {}
        self.content: Content | None = None
        self.partner = self.protocol_id = ""
        self.outbound = False

    def run(self) -> None:
        with self.report.guard(self.folder + "message.json"):
            value = read_json(self.pack.read(self.folder + "message.json", MAX_JSON))
            if not isinstance(value, dict) or value.get("id") != self.id:
                raise Bad("message")
            self.said = value
        self._read_records()
        with self.report.guard(self.folder + "message.json"):
            self._compare()
        for name in self._files():
            with self.report.guard(self.folder + name):
                self._bind(name)
        for check in (self._check_documents, self._check_signature, self._check_receipts, self._check_answer):
            with self.report.guard(self.folder):
                check()

    # The log

    def _read_records(self) -> None:
        paths = sorted(path for path in self.pack.names if path.startswith(self.folder + "events/"))
        for number, path in enumerate(paths):
            with self.report.guard(path):
                if path != f"{self.folder}events/{number:04d}.tlog-proof":
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
            self.report.add(Level.BROKEN, "events.none", self.folder + "events/", message=self.id)
        elif self.records and self.log is not None:
            facts = {"count": len(self.records), "message": self.id, "origin": self.log.head.origin}
            self.report.add(
                self.log.level, f"events.{self.log.level.value}", self.folder + "events/", **facts
            )

    def _first(self, *kinds: str, member: str) -> Record | None:
        return next(
            (record for record in self.records if record.kind in kinds and member in record.data), None
        )

    def _compare(self) -> None:
        """What message.json says against what the records say."""
        begun = next((record for record in self.records if "protocol_id" in record.data), None)
        told = begun.data if begun is not None else self.said
        self.partner = str(told.get("partner") or "")
        self.protocol_id = str(told.get("protocol_id") or "")
        self.outbound = told.get("direction", self.said.get("direction")) == "out"
        for member, name in _CLAIMS:
            if begun is not None and name in begun.data and self.said.get(member) != begun.data[name]:
                raise Bad("message.differs", member=member, path=begun.path)
        if begun is not None and begun.data.get("config") not in (None, self.said.get("config_version")):
            raise Bad("message.differs", member="config_version", path=begun.path)
        listed = [(each.get("path"), each.get("index"), each.get("kind")) for each in self._list("events")]
        if self.log is not None and listed != [(each.path, each.index, each.kind) for each in self.records]:
            raise Bad("message.differs", member="events", path=self.folder + "events/")
        for path in self._paths(self.said):
            if path.startswith(self.folder) and path not in self.pack.names:
                raise Bad("file.missing", file=path)
        facts = {"state": self.said.get("state"), "partner": self.partner, "message": self.id}
        self.report.add(Level.CLAIMED, "message.claims", self.folder + "message.json", **facts)
        if self.said.get("shredded"):
            self.report.add(Level.CLAIMED, "message.shredded", self.folder + "message.json")

    def _list(self, member: str) -> list[dict[str, object]]:
        value = self.said.get(member)
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def _paths(self, value: object) -> list[str]:
        if isinstance(value, dict):
            return [path for each in value.values() for path in self._paths(each)]
        if isinstance(value, list):
            return [path for each in value for path in self._paths(each)]
        return (
            [value] if isinstance(value, str) and value.startswith("messages/") and len(value) <= 200 else []
        )

    # Files against records

    def _files(self) -> list[str]:
        names = (path.removeprefix(self.folder) for path in self.pack.names if path.startswith(self.folder))
        skipped = ("events/", "message.json")
        return sorted(
            name for name in names if not name.startswith(skipped) and not name.endswith(".headers")
        ) + sorted(name for name in ("answer.headers",) if self.folder + name in self.pack.names)

    def _bind(self, name: str) -> None:
        path, place = self.folder + name, None
        binding = BINDINGS.get(name) or BINDINGS.get(name.partition("/")[0])
        if binding is None:
            self.report.add(Level.CLAIMED, "file.unknown", path)
            return
        if name.startswith("documents/"):
            place = int(name.removeprefix("documents/")) if name.removeprefix("documents/").isdigit() else -1
        if name.startswith("receipts/"):
            digest = hashlib.sha256(self._transfer(path)).hexdigest()
        else:
            digest = self.pack.digest(path)
        found = bound(self.records, binding, digest, place)
        if found is None:
            self.report.add(Level.MISSING, "file.unbound", path)
        elif self.log is not None:
            self.report.add(
                self.log.level, f"file.{self.log.level.value}", path, index=found.index, kind=found.kind
            )

    def _transfer(self, body: str) -> bytes:
        """Header block, empty line and body of a receipt or an answer, as they came."""
        head = self.pack.read(body.removesuffix(".body") + ".headers")
        return head + b"\r\n" + self.pack.read(body)

    # Content and signatures

    def _check_documents(self) -> None:
        path = self.folder + "wire/entity"
        accepted = self._first("message.accepted", "message.quarantined", member="sha256")
        digests = accepted.data["sha256"] if accepted is not None else []
        said = [str(each.get("sha256")) for each in self._list("documents")]
        if accepted is not None and digests != said:
            raise Bad(
                "message.differs", file=self.folder + "message.json", member="documents", path=accepted.path
            )
        if path not in self.pack.names:
            self.report.add(Level.MISSING, "content.none", path, message=self.id)
            return
        canonical = any(record.data.get("mic_canonical") is True for record in self.records)
        self.content = Content(self.pack, path, canonical=canonical)
        with self.report.guard(path, Level.MISSING):
            inside = self.content.documents()
            for number, digest in enumerate(said):
                level, code = (
                    (Level.PROVEN, "document.inside")
                    if digest in inside
                    else (Level.MISSING, "document.outside")
                )
                self.report.add(level, code, path, number=number, digest=digest)

    def _check_signature(self) -> None:
        path = self.folder + "wire/signature.p7s"
        if path not in self.pack.names:
            if any(record.data.get("signature_sha256") for record in self.records):
                raise Bad("file.missing", file=path)
            self.report.add(Level.MISSING, "signature.none", path, message=self.id)
            return
        with self.report.guard(path):
            cms = signed_data(self.pack.read(path))
            owner = "" if self.outbound else self.partner
            digest_of = self.content.digest if self.content is not None else None
            if digest_of is None:
                self._check_named_digest([signature.signed_digest for signature in cms.signatures], path)
            signer = self.people.check(
                cms,
                digest_of,
                path,
                at=self._when("message.accepted", "message.sealed"),
                named=self._named(),
                partner=owner,
            )
            code = "signature.proven" if digest_of is not None else "signature.digest"
            facts = {"name": signer.name, "when": signer.when or "?", "message": self.id}
            self.report.add(Level.PROVEN, code, path, **facts)

    def _check_named_digest(self, signed: list[tuple[str, bytes] | None], path: str) -> None:
        """Without the content: the signature digests what the log names."""
        named = {record.text("entity_sha256") for record in self.records}
        digests = {value.hex() for name, value in filter(None, signed) if name == "sha256"}
        if digests and not digests & named:
            raise Bad("signature.content", file=path)

    def _named(self) -> list[str]:
        """Fingerprints of who signed the message, as the log has them."""
        found = [record.text("signer_sha256") for record in self.records if record.kind == "message.sealed"]
        for record in self.records:
            protections = record.data.get("protections")
            for entry in protections if isinstance(protections, list) else []:
                found += [str(entry.get("certificate_sha256") or "")] if isinstance(entry, dict) else []
        return [each for each in found if each]

    def _when(self, *kinds: str) -> datetime:
        found = [record.at for record in self.records if record.kind in kinds]
        return found[-1] if found else datetime.now(UTC)

    # Receipts

    def _check_receipts(self) -> None:
        bodies = sorted(
            name for name in self._files() if name.startswith("receipts/") and name.endswith(".body")
        )
        listed = {str(each.get("body")): each for each in self._list("receipts")}
        for name in bodies:
            path = self.folder + name
            entry = listed.get(path, {})
            if entry.get("kind") != "mdn":
                self.report.add(
                    Level.CLAIMED, "receipt.other", path, kind=entry.get("kind"), verdict=entry.get("verdict")
                )
                continue
            # One that the hub did not believe either proves nothing, and breaks nothing.
            believed = entry.get("positive") is not False
            with self.report.guard(path, Level.BROKEN if believed else Level.MISSING):
                receipt = read_receipt(self._transfer(path))
                self._check_mdn(
                    receipt, path, self.partner, self._when("delivery.confirmed", "delivery.refused"), []
                )
        if self.outbound and not any(each.get("kind") == "mdn" for each in listed.values()):
            self.report.add(Level.MISSING, "receipt.none", self.folder + "receipts/", message=self.id)

    def _check_answer(self) -> None:
        path = self.folder + "answer.body"
        if path not in self.pack.names or not self.pack.size(path):
            return
        with self.report.guard(path):
            self._check_mdn(read_receipt(self._transfer(path)), path, "", self._when("message.accepted"), [])

    def _check_mdn(self, receipt: Receipt, path: str, partner: str, at: datetime, named: list[str]) -> None:
        """Who signed the receipt, which message it answers, how, and over which octets."""
        whose = "receipt" if partner else "answer"
        if receipt.signed is None:
            self.report.add(Level.CLAIMED, "receipt.unsigned", path, message=self.id)
            level, name, when = Level.CLAIMED, "", None
        else:
            signer = self.people.check(
                receipt.signed.cms, receipt.signed.digest, path, at=at, named=named, partner=partner
            )
            level, name, when = Level.PROVEN, signer.name, signer.when
        if not same_id(receipt.original, self.protocol_id):
            raise Bad("receipt.message", original=receipt.original, expected=self.protocol_id)
        code = f"{whose}.{'positive' if receipt.positive else 'negative'}"
        facts = {"name": name or "?", "when": when or "?", "original": receipt.original}
        self.report.add(level, code, path, disposition=receipt.disposition, **facts)
        if receipt.mic is None:
            self.report.add(Level.MISSING, "mic.none", path)
        else:
            self._check_mic(receipt.mic, path, level, name)

    def _check_mic(self, mic: Mic, path: str, level: Level, name: str) -> None:
        digest_of: Callable[[str], bytes] | None = self.content.digest if self.content is not None else None
        algorithm = mic.name.replace("sha", "SHA-", 1)
        if digest_of is not None:
            if digest_of(mic.name) != mic.value:
                raise Bad("mic.differs", algorithm=algorithm)
            self.report.add(level, "mic.equal", path, name=name or "?", algorithm=algorithm)
            return
        for record in self.records:
            value, comma, stated = record.text("mic").partition(",")
            stated = stated if comma else record.text("mic_algorithm")
            if value and stated and mic_name(stated) == mic.name:
                if base64_octets(value) != mic.value:
                    raise Bad("mic.differs", algorithm=algorithm)
                self.report.add(Level.CLAIMED, "mic.logged", path, algorithm=algorithm, index=record.index)
                return
        self.report.add(Level.MISSING, "mic.unknown", path)
