"""Documents on their way through a flow: opened, unpacked, inspected, packed and sealed, in flat memory.

Each step reads what the one before it kept and keeps what it makes, in the vault: nothing lies in clear, and a step
that finds out at its end that a document is not authentic has given nothing to anybody. What no child needs in the
end is thrown away; a document that nothing was done to is not copied at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

import msgspec

from ecluse.blobs.vault import Sealed, VaultReader
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.flows.plan import FlowPlan, TargetPlan
from ecluse.exchange.flows.ports import Octets, Protection, Seals
from ecluse.exchange.flows.sealing import SEALED_TYPES, look_at_seals, put_seal
from ecluse.exchange.hub import Hub
from ecluse.exchange.inspect import Inspector, Problem
from ecluse.exchange.seals.inside import Inside, is_around, is_container, is_meta
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Message, Part
from ecluse.trust.settings.fields import octets
from ecluse.trust.settings.flow import Opening
from ecluse.trust.settings.seals import Sealing
from ecluse.wire.archive.gzip import GzipReader, GzipWriter
from ecluse.wire.archive.limits import Limits
from ecluse.wire.archive.zip import Entry, ZipReader, ZipWriter
from ecluse.wire.smime.filename import safe_name

__all__ = ["Piece", "Workshop"]

Write = Callable[[bytes], None]

_STEP: Final = 1 << 20

_PGP_ENDINGS: Final = (".pgp", ".gpg", ".asc")
_TYPES: Final = {
    ".gz": "application/gzip",
    ".zip": "application/zip",
    ".pgp": "application/pgp-encrypted",
    ".asc": "application/pgp-encrypted",
}


class NotTaken(EcluseError):
    """What was inside a document is not what the flow takes."""

    code = "flow.not-taken"
    fault = Fault.PERMANENT
    remedy = "Look at the document; change the flow's types, or give the message up."


@dataclass(frozen=True, slots=True)
class Piece:
    """One document on its way.

    Attributes:
        part: Where it is, and what it is.
        name: Its own name, without the endings of what was done to it.
        ending: Those endings.
        reference: Its own number, where inspection found one.
    """

    part: Part
    name: str
    ending: str = ""
    reference: str = ""


@dataclass(slots=True)
class Workshop:
    """One relay's documents. Closed with :meth:`keep` or :meth:`clear`.

    Args:
        hub: What the chamber shares.
        protection: OpenPGP.
        check: Called between pieces; what it raises ends the work.
        seals: Signatures on documents; ``None`` where no flow may ask for them.

    Attributes:
        facts: What was done, for the log.
        problem: Why a person should look at what was opened before it goes on.
    """

    hub: Hub
    protection: Protection
    check: Callable[[], None] = lambda: None
    seals: Seals | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    problem: Problem | None = None
    _made: dict[str, Sealed] = field(default_factory=dict)
    _problems: dict[str, Problem] = field(default_factory=dict)

    def open(self, plan: FlowPlan, message: Message) -> list[Piece]:
        """The documents of a message as the flow opens them, of the types that it takes.

        Raises:
            EcluseError: One does not open, is not authentic or too large, or is not of those types.
        """
        opening = plan.settings.open
        pieces = [
            Piece(_declared(part), part.name or "document", reference=message.reference if not number else "")
            for number, part in enumerate(message.parts)
        ]
        if opening.openpgp:
            pieces = [self._open_pgp(opening, message.partner, piece) for piece in pieces]
            self.facts["opened"] = "openpgp"
        if opening.seals != "ignore" and opening.unpack == "seal":
            self._look_at_seals(opening, message.partner, pieces)
        if opening.unpack != "none":
            limits = Limits(octets(opening.max_size), opening.max_ratio, opening.max_files)
            unpack = {"zip": self._unzip, "gzip": self._gunzip, "seal": self._unseal}[opening.unpack]
            pieces = [inner for piece in pieces for inner in unpack(piece, limits)]
            self.facts["unpacked"] = opening.unpack
        if opening.seals != "ignore" and opening.unpack != "seal":
            self._look_at_seals(opening, message.partner, pieces)
        if plan.opens:
            # What is inside was not seen when the message was kept.
            found = (self._problems.get(piece.part.blob) for piece in pieces)
            self.problem = self.problem or next((problem for problem in found if problem is not None), None)
            for piece in pieces:
                why = plan.type_refusal(piece.part.kind)
                if why:
                    raise NotTaken(f"Of {piece.name}, {why}.")
        return pieces

    def close(self, target: TargetPlan, pieces: Sequence[Piece], packed: str) -> list[Piece]:
        """The same as one target gets them: packed and sealed.

        Args:
            target: Which target.
            pieces: What :meth:`open` gave.
            packed: Name of the archive where several documents go into one.
        """
        settings = target.settings
        made = list(pieces)
        if settings.seal is not None:
            made = self._put_seal(settings.seal, made, packed)
        if settings.pack == "zip":
            made = [self._zip(made, packed)]
        elif settings.pack == "gzip":
            made = [self._gzip(piece) for piece in made]
        if settings.pack != "none":
            self.facts["packed"] = settings.pack
        if settings.openpgp != "none":
            made = [self._seal_pgp(target, piece) for piece in made]
            self.facts["openpgp"] = settings.openpgp
        if settings.content_type is not None:
            made = [_typed(piece, settings.content_type) for piece in made]
        return made

    def adopt(self, made: Sequence[Sealed]) -> None:
        """Take over blobs that no row has, as if they were made here."""
        self._made.update({sealed.row.id: sealed for sealed in made})

    def keep(self, parts: Sequence[Part]) -> list[Sealed]:
        """What was made of these parts, for the transaction that keeps them; the rest is thrown away."""
        used = {part.blob for part in parts}
        kept = [sealed for id, sealed in self._made.items() if id in used]
        for id, sealed in self._made.items():
            if id not in used:
                self.hub.vault.discard(sealed)
        self._made = {sealed.row.id: sealed for sealed in kept}
        return kept

    def clear(self) -> None:
        """Throw away what was made. Never raises."""
        for sealed in self._made.values():
            self.hub.vault.discard(sealed)
        self._made.clear()

    # Steps

    def _open_pgp(self, opening: Opening, partner: PartnerId, piece: Piece) -> Piece:
        def decrypt(write: Callable[[bytes], None]) -> Mapping[str, Any]:
            return self.protection.open(
                partner, chunks, write, max_size=octets(opening.max_size), max_ratio=opening.max_ratio
            )

        with self._read(piece.part) as chunks:
            return self._make(_without(piece.name, _PGP_ENDINGS), decrypt, "openpgp_facts")

    def _gunzip(self, piece: Piece, limits: Limits) -> Iterator[Piece]:
        name = _without(piece.name, (".gz", ".gzip"))

        def inflate(write: Callable[[bytes], None]) -> None:
            reader = GzipReader(limits)
            for chunk in chunks:
                for data in reader.feed(chunk):
                    write(data)
            for data in reader.finish():
                write(data)

        with self._read(piece.part) as chunks:
            yield self._make(name, inflate)

    def _unzip(
        self, piece: Piece, limits: Limits, leave: Callable[[str], bool] = lambda _: False
    ) -> Iterator[Piece]:
        """The files of an archive but those whose names are to be left."""
        reader = ZipReader(limits)
        found: list[Piece] = []
        writer: _Making | None = None

        def take(events: Iterator[Entry | bytes | None]) -> None:
            nonlocal writer
            for event in events:
                if isinstance(event, Entry):
                    writer = None if leave(event.name) else _Making(self, safe_name(event.name, "document"))
                elif writer is None:
                    continue
                elif event is None:
                    found.append(writer.end())
                    writer = None
                else:
                    writer.write(event)

        try:
            with self._read(piece.part) as chunks:
                for chunk in chunks:
                    take(reader.feed(chunk))
                take(reader.finish())
        except BaseException:
            if writer is not None:
                writer.abort()
            raise
        yield from found

    def _unseal(self, piece: Piece, limits: Limits) -> Iterator[Piece]:
        if is_container(piece.name):
            yield from self._unzip(piece, limits, is_meta)
        elif not is_around(piece.name):
            yield piece
        else:
            seals = self._seals()
            octets = self._octets(piece.part)
            yield self._make(
                _without(piece.name, (".p7m",)),
                lambda write: {"size": seals.open(None, octets, write, limits.size).size},
            )

    def _look_at_seals(self, opening: Opening, partner: PartnerId, pieces: Sequence[Piece]) -> None:
        documents = [(piece.name, piece.part) for piece in pieces]
        told, problem = look_at_seals(self._seals(), opening.seals, partner, documents, self._octets)
        self.facts["seals"] = told
        self.problem = self.problem or problem

    def _put_seal(self, how: Sealing, pieces: Sequence[Piece], packed: str) -> list[Piece]:
        names: set[str] = set()
        documents = [
            Inside(
                _unused(piece.name + piece.ending, names),
                piece.part.content_type,
                piece.part.size,
                self._octets(piece.part),
            )
            for piece in pieces
        ]
        made = list(pieces) if how.format == "cades-detached" else []

        def make(number: int | None, ending: str, work: Callable[[Write], object]) -> None:
            def write(out: Write) -> None:
                work(out)

            piece = None if number is None else pieces[number]
            sealed = self._make(packed if piece is None else piece.name, write)
            kind = SEALED_TYPES.get(ending) or (piece.part.content_type if piece is not None else "")
            reference = next((each.reference for each in pieces if each.reference), "")
            made.append(
                _typed(
                    replace(
                        sealed,
                        ending=(piece.ending if piece is not None else "") + ending,
                        reference=reference if piece is None else piece.reference,
                    ),
                    kind,
                )
            )

        self.facts["sealed"] = put_seal(
            self._seals(), how, documents, [piece.part.kind for piece in pieces], make
        )
        return made

    def _seals(self) -> Seals:
        if self.seals is None:
            raise NotTaken("Seals on documents are not served here.")
        return self.seals

    def _octets(self, part: Part) -> Octets:
        def read() -> Iterator[bytes]:
            with self._read(part) as chunks:
                yield from chunks

        return read

    def _gzip(self, piece: Piece) -> Piece:
        def deflate(write: Callable[[bytes], None]) -> None:
            packer = GzipWriter()
            for chunk in chunks:
                write(packer.feed(chunk))
            write(packer.finish())

        with self._read(piece.part) as chunks:
            made = self._make(piece.name, deflate)
        return _typed(replace(made, ending=piece.ending + ".gz", reference=piece.reference), _TYPES[".gz"])

    def _zip(self, pieces: Sequence[Piece], name: str) -> Piece:
        def pack(write: Callable[[bytes], None]) -> None:
            packer = ZipWriter()
            names: set[str] = set()
            for piece in pieces:
                write(packer.begin(_unused(piece.name + piece.ending, names), piece.part.size))
                with self._read(piece.part) as chunks:
                    for chunk in chunks:
                        write(packer.feed(chunk))
                write(packer.end())
            write(packer.finish())

        made = self._make(name, pack)
        reference = next((piece.reference for piece in pieces if piece.reference), "")
        return _typed(replace(made, ending=".zip", reference=reference), _TYPES[".zip"])

    def _seal_pgp(self, target: TargetPlan, piece: Piece) -> Piece:
        how = target.settings.openpgp
        assert how != "none", "asked for"
        facts: dict[str, Any] = {}

        def seal(write: Callable[[bytes], None]) -> None:
            facts.update(self.protection.seal(target.partner, how, piece.name + piece.ending, chunks, write))

        with self._read(piece.part) as chunks:
            made = self._make(piece.name, seal)
        ending = str(facts.pop("suffix", ".pgp"))
        if facts:
            self.facts["openpgp_sealed"] = facts
        kind = _TYPES.get(ending, _TYPES[".pgp"])
        return _typed(replace(made, ending=piece.ending + ending, reference=piece.reference), kind)

    def _make(
        self, name: str, work: Callable[[Callable[[bytes], None]], Mapping[str, Any] | None], told: str = ""
    ) -> Piece:
        making = _Making(self, name)
        try:
            facts = work(making.write)
            if told and facts:
                self.facts[told] = dict(facts)
            return making.end()
        except BaseException:
            making.abort()
            raise

    @contextmanager
    def _read(self, part: Part) -> Iterator[Iterator[bytes]]:
        """The octets of a part: of what was made here, or of what the hub keeps."""
        made = self._made.get(part.blob)
        opened = nullcontext(self.hub.vault.open(*made)) if made is not None else self.hub.blob(part.blob)
        with opened as reader:
            yield self._checked(reader, part)
            if made is not None:
                reader.close()

    def _checked(self, reader: VaultReader, part: Part) -> Iterator[bytes]:
        for chunk in reader.chunks(part.offset, part.size, _STEP):
            self.check()
            yield chunk


class _Making:
    """A document that is being made."""

    def __init__(self, shop: Workshop, name: str) -> None:
        self._shop = shop
        self._name = name
        self._writer = shop.hub.vault.create()
        self._inspector = Inspector("")

    def write(self, data: bytes) -> None:
        if data:
            self._inspector.feed(data)
            self._writer.write(data)

    def end(self) -> Piece:
        sealed = self._writer.finish()
        row = sealed.row
        self._shop._made[row.id] = sealed
        if (problem := self._inspector.problem()) is not None:
            self._shop._problems[row.id] = problem
        kind = self._inspector.kind
        part = Part(row.id, 0, row.size, row.sha256.hex(), _content_type(kind, self._name), self._name, kind)
        return Piece(part, self._name, reference=self._inspector.reference)

    def abort(self) -> None:
        self._writer.abort()


def digest_of(pieces: Sequence[Piece]) -> bytes:
    """What tells the content of documents: the digest of one, or of the digests of several."""
    if len(pieces) == 1:
        return bytes.fromhex(pieces[0].part.sha256)
    return sha256(b"".join(sorted(bytes.fromhex(piece.part.sha256) for piece in pieces))).digest()


_KINDS: Final = {
    "edifact": "application/edifact",
    "x12": "application/edi-x12",
    "pdf": "application/pdf",
    "json": "application/json",
    "zip": "application/zip",
    "gzip": "application/gzip",
}


def _content_type(kind: str, name: str) -> str:
    if kind.startswith("xml") or (kind == "unknown" and name.lower().endswith(".xml")):
        return "application/xml"
    return _KINDS.get(kind, "application/octet-stream")


def _declared(part: Part) -> Part:
    """A document that came as a file has no media type of its own: then it has that of what it was found to be."""
    if part.content_type != "application/octet-stream" or not part.kind:
        return part
    return msgspec.structs.replace(part, content_type=_content_type(part.kind, part.name))


def _typed(piece: Piece, content_type: str) -> Piece:
    return replace(piece, part=msgspec.structs.replace(piece.part, content_type=content_type))


def _without(name: str, endings: Sequence[str]) -> str:
    for ending in endings:
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def _unused(name: str, names: set[str]) -> str:
    """A name that the archive has not yet, whatever case a system may ignore."""
    wanted, number = name, 1
    while wanted.casefold() in names:
        number += 1
        stem, dot, suffix = name.rpartition(".")
        wanted = f"{stem}-{number}{dot}{suffix}" if stem else f"{name}-{number}"
    names.add(wanted.casefold())
    return wanted
