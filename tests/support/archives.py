"""An archive in a temporary folder: the chamber, a log key, two places, profiles as a test wants them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.hubs import FakeClock, bare_hub

from ecluse.archive.care import Look, look_at_due
from ecluse.archive.deposit import deposit_job, note_message
from ecluse.archive.holds import DEPOSIT_JOB
from ecluse.archive.place import Chunks, SecondPlace
from ecluse.archive.room import Book, Room
from ecluse.blobs.memory import MemoryPlace
from ecluse.blobs.port import BlobMissing
from ecluse.engine.context import JobContext
from ecluse.engine.retry import RetryPolicy
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.intake import Arrival, Intake, Kept
from ecluse.model.archive import Archived
from ecluse.model.basics import Instant, PartnerId, system_entropy
from ecluse.model.nouns import Message
from ecluse.model.states import MessageState
from ecluse.trust.keys.ssh import public_line, ssh_sign
from ecluse.trust.operators import Operator, public_key
from ecluse.trust.settings.archive import ArchiveProfile, ArchiveSettings
from ecluse.wire.sshsig import make_signature
from ecluse.wire.tlog.note import NoteKey, sign_note

__all__ = ["ArchiveWorld", "FakeSecond", "Person", "drop_bytes", "instant", "profile"]

INVOICE = b"""<?xml version="1.0"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2">
<cbc:ID>R-4711</cbc:ID><cbc:IssueDate>2026-03-15</cbc:IssueDate><cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
<cac:OrderReference><cbc:ID>4711</cbc:ID></cac:OrderReference>
<cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="EUR">120.50</cbc:PayableAmount></cac:LegalMonetaryTotal>
</Invoice>
"""


def instant(text: str) -> Instant:
    """An instant from ``2026-03-15`` or an RFC 3339 time."""
    moment = datetime.fromisoformat(text)
    return Instant(int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 1_000_000)


def profile(**changes: Any) -> ArchiveProfile:
    """Ten years from the deposit, with a second copy."""
    fields: dict[str, Any] = {
        "name": "Invoices",
        "retention": "10y",
        "basis": "Code de commerce, L123-22",
        "copy": "far",
    }
    return ArchiveProfile(**{**fields, **changes})


class Person:
    """An operator with a key of their own."""

    def __init__(self, name: str, *roles: str, seed: bytes = b"") -> None:
        made = Ed25519PrivateKey.from_private_bytes(sha256(seed).digest()) if seed else None
        self.key = made or Ed25519PrivateKey.generate()
        line = public_line(self.key)
        self.operator = Operator(name=name, keys=(line,), roles=roles)  # type: ignore[arg-type]
        self._public = public_key(line)

    def sign(self, text: str, namespace: str = "ecluse-archive") -> str:
        """An armoured signature."""
        return make_signature(
            text.encode(), namespace, self._public, lambda message: ssh_sign(self.key, message, "ssh-ed25519")
        ).armored()


class FakeSecond:
    """A second place in memory, that can lock."""

    def __init__(self, name: str = "far", *, locks: bool = False) -> None:
        self.name = name
        self.locks = locks
        self.held: dict[str, bytes] = {}
        self.until: dict[str, Instant] = {}
        self.holding: set[str] = set()
        self.away: Exception | None = None

    def put(self, id: str, size: int, chunks: Chunks, until: Instant | None) -> None:
        self._here()
        data = b"".join(chunks())
        assert len(data) == size
        self.held[id] = data
        if until is not None:
            self.until[id] = until

    def read(self, id: str) -> Iterator[bytes]:
        self._here()
        if id not in self.held:
            raise BlobMissing("not here")
        yield self.held[id]

    def locked_until(self, id: str) -> Instant | None:
        self._here()
        return self.until.get(id)

    def lock(self, id: str, until: Instant) -> None:
        self.until[id] = until

    def hold(self, id: str, on: bool) -> None:
        self._here()
        (self.holding.add if on else self.holding.discard)(id)

    def forget(self, ids: Sequence[str]) -> None:
        self._here()
        for id in ids:
            self.held.pop(id, None)

    def _here(self) -> None:
        if self.away is not None:
            raise self.away


class ArchiveWorld:
    """A hub with an archive."""

    def __init__(
        self,
        folder: Path,
        *,
        url: str = "",
        start: str = "2026-04-01",
        seed: bytes = b"",
        **profiles: ArchiveProfile,
    ) -> None:
        self.clock = FakeClock(instant(start))
        self.hub = bare_hub(folder, self.clock, url=url)
        self.second: Any = FakeSecond()
        self.anne = Person("anne", "archive", seed=seed and seed + b"anne")
        self.bea = Person("bea", "archive", seed=seed and seed + b"bea")
        self.book = Book(
            ArchiveSettings(profile="invoices"),
            profiles or {"invoices": profile()},
            operators=(self.anne.operator, self.bea.operator),
            version=3,
        )
        made = Ed25519PrivateKey.from_private_bytes(sha256(seed).digest()) if seed else None
        key = made or Ed25519PrivateKey.generate()
        self.log_sign = key.sign
        self.note_key = NoteKey.of("aster.example/log", key.public_key())
        self.room = Room(
            self.hub,
            lambda: self.book,
            lambda: self.note_key.name,
            lambda text: sign_note(text, self.note_key, key.sign),
            self._place,
        )
        self.hub.accepted = lambda tx, message: note_message(self.room, tx, message)
        self.hub.settled = lambda tx, message: note_message(self.room, tx, message)

    def _place(self, name: str) -> SecondPlace:
        assert name == self.second.name
        return self.second  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let the database go."""
        self.hub.store.close()

    def change(self, name: str = "invoices", **changes: Any) -> None:
        """Change a profile."""
        after = msgspec.structs.replace(self.book.profiles[name], **changes)
        profiles = {**self.book.profiles, name: after}
        self.book = Book(
            self.book.settings,
            profiles,
            self.book.flows,
            self.book.partners,
            self.book.operators,
            self.book.version,
        )

    def came(self, *documents: bytes, partner: str = "birch", number: int = 0) -> Message:
        """A message that came in and was accepted."""
        arrival = Arrival(PartnerId(partner), "as2", f"<{self.hub.new_id('x')}@{partner}.example>", "Invoice")
        intake = Intake(self.hub, arrival)
        for each, document in enumerate(documents or (INVOICE,)):
            intake.begin_document("application/octet-stream", f"invoice-{each}.xml")
            intake.document_data(document, in_exact=False)
            intake.end_document(None)
        kept = intake.accept(b"{}", {}, None).result()
        assert isinstance(kept, Kept)
        return kept.message

    def work(self) -> int:
        """Do the deposits that are due; give their number."""
        jobs = self.hub.store.write(
            lambda tx: tx.claim_jobs("test", self.clock(), 60_000_000, 100, kinds=[DEPOSIT_JOB])
        )
        for job in jobs:
            context = JobContext(job, self.hub.store, self.clock, system_entropy, RetryPolicy())
            deposit_job(self.room, job, context)
        return len(jobs)

    def archived(self, *documents: bytes, **changes: Any) -> Archived:
        """The first document of a message that came and is in the archive."""
        message = self.came(*documents, **changes)
        self.work()
        return self.rows(message)[0]

    def rows(self, message: Message) -> list[Archived]:
        """The archived documents of a message."""
        return self.hub.store.read(lambda view: view.archived_of(message.id))

    def row(self, archived: Archived) -> Archived:
        """As it is by now."""
        found = self.hub.store.read(lambda view: view.archived(archived.id))
        assert found is not None
        return found

    def care(self) -> list[Look]:
        """Look at what is due."""
        return list(look_at_due(self.room, lambda octets: None, lambda: True))

    def ended(self, archived: Archived) -> None:
        """Bring a message to its end."""

        def work(tx: Any) -> None:
            message = tx.message(archived.message)
            tx.update_message(
                msgspec.structs.replace(message, state=MessageState.DELIVERED, updated=self.clock())
            )

        self.hub.store.write(work)

    def events(self, subject: str) -> list[tuple[str, dict[str, Any]]]:
        """Kinds and facts of what the log says of a subject."""
        found = self.hub.store.read(lambda view: view.events(subject))
        return [(each.event.kind, msgspec.json.decode(decode_leaf(each.leaf).data)) for each in found]

    def kinds(self, subject: str) -> list[str]:
        """The kinds alone."""
        return [kind for kind, _ in self.events(subject)]


def drop_bytes(world: ArchiveWorld, blob: str, at: int = 100) -> None:
    """Flip a bit of the sealed bytes in the hub's own place."""
    row = world.hub.store.read(lambda view: view.blob(blob))
    assert row is not None
    if row.inline is not None:
        data = bytearray(row.inline)
        data[at] ^= 1
        world.hub.store.write(lambda tx: tx.restore_blob(blob, bytes(data)))
        return
    place = world.hub.vault.place
    assert isinstance(place, MemoryPlace)
    reader = place.open(blob)
    data = bytearray(reader.read(0, reader.size))
    data[at] ^= 1
    place.delete(blob)
    writer = place.create(blob)
    writer.write(bytes(data))
    writer.commit()
