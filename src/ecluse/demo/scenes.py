"""The scenes that go well, and the one in which a hub is killed."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import file_digest, sha256
from importlib import resources
from pathlib import Path
from typing import Final

from ecluse.blobs.durable import is_part
from ecluse.demo.checks import Unheld, until
from ecluse.demo.company import RELOAD, Company
from ecluse.demo.filler import filler, same_as_filler
from ecluse.demo.screen import size_text
from ecluse.demo.stage import PATIENCE, Exchange, Stage
from ecluse.exchange.trace import Trace, trace
from ecluse.model.nouns import Direction, Message
from ecluse.model.states import DeliveryState
from ecluse.trust.card import read_card

__all__ = ["invoice", "large_file", "order", "own_file", "partners", "survives_a_kill"]

LARGE: Final = 1 << 30
QUICK: Final = 8 << 20
MEDIUM: Final = 64 << 20
"""Octets of the message during which a hub is killed: some tenths of a second on the way."""
SOME: Final = 2 << 20
"""Octets of it that have to be at the receiver's before the hub is killed."""
PEAK: Final = 200 << 20
"""Octets of memory that a serving process may have taken, whatever it carried."""
LARGE_PATIENCE: Final = 300.0

_STEP: Final = 1 << 20


def partners(stage: Stage) -> None:
    """The two companies exchange cards, compare phrases, and apply."""
    aster, birch = stage.aster, stage.birch
    cards = stage.root / "cards"
    cards.mkdir()
    phrases = {}
    for company in (aster, birch):
        path = cards / f"{company.id}.card"
        text = company.card()
        phrases[company.id] = read_card(text.encode()).phrase
        path.write_text(text, encoding="utf-8")
        stage.screen.note(f"{company.name} writes its partner card, {_relative(stage, path)}")
    for reader, other, as2 in (
        (aster, birch, {"encrypt": "aes-256-cbc", "compress": "before-signing", "receipt": "sync"}),
        (birch, aster, {"encrypt": "aes-256-gcm", "compress": "none", "receipt": "async"}),
    ):
        card = read_card((cards / f"{other.id}.card").read_bytes())
        stage.check(
            card.phrase == phrases[other.id],
            f"{reader.name} reads {other.name}'s card; on the telephone both say {card.phrase}",
        )
        reader.add_partner(other.id, card, **as2)
        view = reader.node.directory.partner(other.id)
        stage.check(
            view.active, f"{reader.name} applied version {reader.node.version}: {other.name} is active"
        )
    aster.start()
    birch.start()
    stage.check(True, f"both hubs serve, on ports {aster.port} and {birch.port} of this machine")


def order(stage: Stage) -> None:
    """Aster orders: signed, compressed, encrypted, with a signed receipt on the same connection."""
    text = _document("orders-4711.edi")
    done = _exchange(
        stage, "order", stage.aster, stage.birch, "orders-4711.edi", "application/edifact", text, "Order 4711"
    )
    sent = _trace(stage.aster, done.sent)
    facts = _facts(sent, "message.sealed")
    stage.check(
        facts["sign"] == "sha256" and facts["encrypt"] == "aes-256-cbc" and facts["compress"] != "none",
        "it was compressed, signed (SHA-256) and encrypted (AES-256-CBC)",
    )
    _check_receipt(stage, sent, "on the same connection")
    _check_bytes(stage, done, text)
    stage.check(
        done.arrived.reference == "4711", "Birch Packaging's hub found the order's number in it: 4711"
    )


def invoice(stage: Stage) -> None:
    """Birch bills: AES-GCM, with a signed receipt that comes later on a connection of its own."""
    text = _document("invoice-2026-118.xml")
    done = _exchange(
        stage, "invoice", stage.birch, stage.aster, "invoice-2026-118.xml", "application/xml", text, "Invoice"
    )
    sent = _trace(stage.birch, done.sent)
    facts = _facts(sent, "message.sealed")
    stage.check(facts["encrypt"] == "aes-256-gcm", "it was signed and encrypted (AES-256-GCM)")
    late = any(step.kind == "delivery.sent" for step in sent.steps)
    answer = _trace(stage.aster, done.arrived).answer
    stage.check(
        answer is not None and answer.return_to and (late or sent.receipts),
        "Aster Foods took it first, opened it then, and sent the receipt on a connection of its own",
    )
    _check_receipt(stage, sent, "later")
    _check_bytes(stage, done, text)


def own_file(stage: Stage) -> None:
    """The user's own file goes from Aster to Birch."""
    path = stage.file
    assert path is not None, "the scene plays only where there is a file"
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    sent = stage.send(stage.aster, stage.birch, path.name, kind, _chunks(path), path.name)
    done = stage.follow("own", stage.aster, stage.birch, sent, LARGE_PATIENCE)
    _check_receipt(stage, _trace(stage.aster, done.sent), "on the same connection")
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    stage.check(
        len(done.files) == 1 and digest == _digest(done.files[0]),
        f"it arrived as it is: SHA-256 {digest[:16]}…",
    )


def survives_a_kill(stage: Stage) -> None:
    """The receiving hub is killed while a message is on its way; it comes back, and has it once."""
    aster, birch = stage.aster, stage.birch
    applied = time.monotonic()
    version = birch.set_partner(
        aster.id, reason="large files: receipt on the same connection", receipt="sync"
    )
    stage.screen.note(
        f"Birch Packaging applies version {version}: receipts on the same connection from here on"
    )
    time.sleep(max(0.0, applied + RELOAD - time.monotonic()))
    before = _count(aster)
    sent = stage.send(
        birch, aster, "catalogue.bin", "application/octet-stream", filler(MEDIUM, 1), "Catalogue"
    )
    there = until(lambda: _arriving(aster, SOME), PATIENCE, "nothing of the message arrived")
    aster.kill()
    stage.screen.note(
        f"SIGKILL to Aster Foods' hub when {size_text(there)} of {size_text(MEDIUM)} were there"
    )
    stage.check(
        there < MEDIUM and _count(aster) == before and _found(aster, birch, sent) is None,
        "nothing was acknowledged: Aster Foods' hub knows of no message, and Birch Packaging's keeps it",
    )
    first = until(lambda: _trace(birch, sent).deliveries[0].reason_code, PATIENCE, "the attempt did not end")
    stage.screen.note(f"Birch Packaging's hub tries again ({first})")
    begun = time.monotonic()
    aster.start()
    stage.screen.note(f"Aster Foods' hub is back after {time.monotonic() - begun:.1f} s")
    done = stage.follow("catalogue", birch, aster, sent)
    life = _trace(birch, done.sent)
    attempts = life.deliveries[0].attempts
    kinds = [step.kind for step in life.steps]
    stage.check(
        attempts >= 2
        and kinds.count("message.sealed") == 1
        and kinds.count("delivery.attempted") == attempts,
        f"it was sealed once; attempt {attempts} sent the same bytes under the same Message-ID, and was confirmed",
    )
    twins = aster.node.store.read(lambda view: view.messages(search=done.sent.protocol_id))
    named = list((aster.inbox / birch.id).glob("*catalogue.bin"))
    stage.check(
        len(twins) == 1 and len(named) == 1 and _count(aster) == before + 1,
        "it arrived exactly once: one message, one file in the inbox",
    )
    stage.check(
        same_as_filler(named[0], MEDIUM, 1), f"and whole: {size_text(MEDIUM)}, compared octet by octet"
    )


def large_file(stage: Stage) -> None:
    """A large file in flat memory, the other way."""
    aster, birch = stage.aster, stage.birch
    size = QUICK if stage.quick else LARGE
    begun = time.monotonic()
    with stage.screen.bar("handed in", size) as bar:

        def chunks() -> Iterator[bytes]:
            done = 0
            for chunk in filler(size, 2):
                yield chunk
                done += len(chunk)
                bar.at(done)

        sent = stage.send(birch, aster, "drawings.bin", "application/octet-stream", chunks(), "Drawings")
    handed = time.monotonic()
    stage.screen.note(
        f"{size_text(size)} handed in at {_speed(size, handed - begun)}; not compressed, as it can't be smaller"
    )
    for title, place, over in (
        ("sealed", birch.folder / "state", lambda: birch_trace().message.wire_blob),
        ("received", aster.folder / "state", lambda: stage.confirmed(birch, sent)),
        ("in the inbox", aster.inbox, lambda: stage.arrived(aster, birch, sent.protocol_id)),
    ):

        def birch_trace() -> Trace:
            return _trace(birch, sent)

        end = time.monotonic() + LARGE_PATIENCE
        with stage.screen.bar(title, size) as bar:
            while not over():
                bar.at(_growing(place))
                if time.monotonic() > end:
                    raise Unheld(f"the file is not {title} after {LARGE_PATIENCE:.0f} s")
                time.sleep(0.05)
    done = stage.follow("drawings", birch, aster, sent, LARGE_PATIENCE)
    whole = time.monotonic() - begun
    _check_receipt(stage, _trace(birch, done.sent), "on the same connection")
    stage.check(
        len(done.files) == 1 and same_as_filler(done.files[0], size, 2),
        f"{size_text(size)} in {_relative(stage, done.files[0])}, compared octet by octet",
    )
    for row in _stages(birch, aster, done, size):
        stage.figures.append(row)
    stage.figures.append(("  all of it, from hand-in to inbox", f"{whole:.1f} s, {_speed(size, whole)}"))
    for company in (birch, aster):
        peak = company.measure()
        if peak:
            stage.check(peak < PEAK, f"{company.name}'s hub never took more than {size_text(peak)} of memory")
            stage.figures.append((f"peak memory of {company.name}'s hub", size_text(peak)))
        else:
            stage.screen.note("this system does not tell how much memory a process took")


def _stages(sender: Company, receiver: Company, done: Exchange, size: int) -> list[tuple[str, str]]:
    """How long each stage of the large file's life took, by the events of both hubs."""
    out = {step.kind: step.at for step in _trace(sender, done.sent).steps}
    into = {step.kind: step.at for step in _trace(receiver, done.arrived).steps}
    rows = []
    for title, start, end in (
        ("sealed: signed and encrypted", out["message.accepted"], out["message.sealed"]),
        ("sent, opened, kept, receipt", out["delivery.attempted"], out["delivery.confirmed"]),
        ("put into the inbox", into["delivery.attempted"], into["delivery.confirmed"]),
    ):
        took = max(_instant(end) - _instant(start), 0.001)
        rows.append((f"  {title}", f"{took:.1f} s, {_speed(size, took)}"))
    return [(f"the file of {size_text(size)}", ""), *rows]


def _instant(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def _exchange(
    stage: Stage,
    key: str,
    sender: Company,
    receiver: Company,
    name: str,
    kind: str,
    text: bytes,
    subject: str,
) -> Exchange:
    sent = stage.send(sender, receiver, name, kind, [text], subject)
    stage.screen.note(f"{sender.name} sends {name}, {len(text)} octets, to {receiver.name}")
    return stage.follow(key, sender, receiver, sent)


def _check_receipt(stage: Stage, sent: Trace, how: str) -> None:
    receipt = sent.receipts[-1] if sent.receipts else None
    stage.check(
        receipt is not None
        and receipt.positive
        and receipt.kind == "mdn"
        and b"multipart/signed" in receipt.headers.lower()
        and sent.deliveries[0].state is DeliveryState.CONFIRMED,
        f"its signed receipt came {how}, and its digest is that of what was sent",
    )


def _check_bytes(stage: Stage, done: Exchange, text: bytes) -> None:
    digest = sha256(text).hexdigest()
    stage.check(
        len(done.files) == 1 and _digest(done.files[0]) == digest == done.arrived.parts[0].sha256,
        f"{_relative(stage, done.files[0])} is what was sent: SHA-256 {digest[:16]}…",
    )


def _relative(stage: Stage, path: Path) -> Path:
    return path.relative_to(stage.root)


def _document(name: str) -> bytes:
    return resources.files("ecluse.demo").joinpath("documents", name).read_bytes()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_STEP):
            yield chunk


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _trace(company: Company, message: Message) -> Trace:
    return trace(company.node.store, message.id)


def _facts(life: Trace, kind: str) -> dict[str, object]:
    return next(step.data for step in life.steps if step.kind == kind)


def _count(company: Company) -> int:
    """Messages that came in."""
    counts = company.node.store.read(lambda view: view.count_messages())
    return sum(count for (direction, _), count in counts.items() if direction is Direction.IN)


def _found(company: Company, partner: Company, sent: Message) -> Message | None:
    return company.node.store.read(lambda view: view.find_message(Direction.IN, partner.id, sent.protocol_id))


def _growing(folder: Path) -> int:
    """Octets of the largest file in ``folder`` that is still being written."""
    most = 0
    for path in folder.rglob(".*"):
        if is_part(path.name):
            with suppress(FileNotFoundError):  # it was finished between the two looks
                most = max(most, path.stat().st_size)
    return most


def _arriving(company: Company, at_least: int) -> int | None:
    size = _growing(company.folder / "state")
    return size if size >= at_least else None


def _speed(size: int, seconds: float) -> str:
    return f"{size / 1e6 / seconds:.0f} MB/s"
