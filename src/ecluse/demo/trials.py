"""The scenes that put load on the hubs: one is killed while it receives, and a large file passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from ecluse.demo.checks import Unheld, until
from ecluse.demo.company import RELOAD, Company
from ecluse.demo.filler import filler, same_as_filler
from ecluse.demo.screen import size_text
from ecluse.demo.stage import PATIENCE, Exchange, Stage
from ecluse.durable import is_part
from ecluse.model.nouns import Direction, Message

__all__ = ["LARGE", "QUICK", "large_file", "survives_a_kill"]

LARGE: Final = 1 << 30
QUICK: Final = 8 << 20
MEDIUM: Final = 64 << 20
"""Octets of the message during which a hub is killed: some tenths of a second on the way."""
SOME: Final = 2 << 20
"""Octets of it that have to be at the receiver's before the hub is killed."""
TRIES: Final = 4
"""Messages, each twice as large, until one is slower than the killing."""
PEAK: Final = 200 << 20
"""Octets of memory that a serving process may have taken, whatever it carried."""
LARGE_PATIENCE: Final = 300.0
"""Seconds for one stage of the large file's life, on the slowest of disks."""


def survives_a_kill(stage: Stage) -> None:
    """The receiving hub is killed while a message is on its way; it comes back, and has it once."""
    aster, birch = stage.aster, stage.birch
    version = birch.set_partner(
        aster.id, reason="large files: receipt on the same connection", receipt="sync"
    )
    stage.screen.note(f"{birch.name} applies version {version}: receipts on the same connection from here on")
    time.sleep(RELOAD)
    before, sent, size = _kill_in_time(stage)
    stage.check(
        _count(aster) == before and _found(aster, birch, sent) is None,
        f"nothing was acknowledged: {aster.whose} hub knows of no such message, {birch.whose} keeps it",
    )
    reason = until(lambda: stage.delivery(birch, sent).reason_code, PATIENCE, "the attempt did not end")
    stage.screen.note(f"{birch.whose} hub will try again ({reason})")
    begun = time.monotonic()
    aster.start()
    stage.screen.note(f"{aster.whose} hub is back after {time.monotonic() - begun:.1f} s")
    done = stage.follow("catalogue", birch, aster, sent)
    life = stage.trace(birch, done.sent)
    kinds, attempts = [step.kind for step in life.steps], life.deliveries[0].attempts
    stage.check(
        attempts >= 2
        and kinds.count("message.sealed") == 1
        and kinds.count("delivery.attempted") == attempts,
        f"it was sealed once; attempt {attempts}, of the same bytes under the same Message-ID, was confirmed",
    )
    twins = aster.node.store.read(lambda view: view.messages(search=done.sent.protocol_id))
    files = [path for path in (aster.inbox / birch.id).iterdir() if path.name.endswith(sent.parts[0].name)]
    stage.check(
        len(twins) == 1 and len(files) == 1 and _count(aster) == before + 1,
        "it arrived exactly once: one message, one file in the inbox",
    )
    stage.check(same_as_filler(files[0], size, 1), f"and whole: {size_text(size)}, compared octet by octet")


def _kill_in_time(stage: Stage) -> tuple[int, Message, int]:
    """Kill Aster's hub while Birch sends to it; how many messages it had, which was sent, and its size."""
    aster, birch = stage.aster, stage.birch
    size = MEDIUM
    for number in range(1, TRIES + 1):
        before = _count(aster)
        name = f"catalogue-{number}.bin"
        sent = stage.send_filler(birch, aster, name, filler(size, 1), "Catalogue")
        stage.screen.note(f"{birch.name} sends {name}, {size_text(size)}, to {aster.name}")
        there = until(lambda: _arriving(stage, sent), PATIENCE, "nothing of the message arrived")  # noqa: B023
        aster.kill()
        if _found(aster, birch, sent) is None:
            stage.screen.note(f"SIGKILL to {aster.whose} hub when {size_text(there)} of it were there")
            return before, sent, size
        stage.screen.note("it was faster than the killing: once more, with a larger one")
        aster.start()
        stage.follow(f"catalogue-{number}", birch, aster, sent)
        size *= 2
    raise Unheld(f"a message of {size_text(size // 2)} is over before a process can be killed")


def _arriving(stage: Stage, sent: Message) -> int | None:
    """Octets that the receiver has of the message, once that are some, or all."""
    size = _growing(stage.aster.folder / "state")
    if size < SOME and _found(stage.aster, stage.birch, sent) is not None:
        return sent.size
    return size if size >= SOME else None


def large_file(stage: Stage) -> None:
    """A large file in flat memory."""
    aster, birch = stage.aster, stage.birch
    size = QUICK if stage.quick else LARGE
    rest = {company.id: company.at_rest() for company in (birch, aster)}
    begun = time.monotonic()
    with stage.screen.bar("handing in", size) as bar:

        def chunks() -> Iterator[bytes]:
            done = 0
            for chunk in filler(size, 2):
                yield chunk
                done += len(chunk)
                bar.at(done)

        sent = stage.send_filler(birch, aster, "drawings.bin", chunks(), "Drawings")
    took = time.monotonic() - begun
    stage.figures.append(
        ("handed in: hashed, kept under a key of its own", f"{took:.1f} s", _speed(size, took))
    )
    stage.screen.note(
        f"{birch.name} sends drawings.bin, {size_text(size)}, to {aster.name}; not compressed, as it can't be smaller"
    )
    _watch(stage, sent, size)
    done = stage.follow("drawings", birch, aster, sent, LARGE_PATIENCE)
    whole = time.monotonic() - begun
    stage.check_receipt(done, "came on the same connection")
    stage.check(
        len(done.files) == 1 and same_as_filler(done.files[0], size, 2),
        f"{done.files[0].relative_to(stage.root)} is what was sent: compared octet by octet",
    )
    stage.figures += _stages(stage, done, size)
    stage.figures.append(("all of it, from hand-in to inbox", f"{whole:.1f} s", _speed(size, whole)))
    for company in (birch, aster):
        _check_memory(stage, company, rest[company.id])


def _check_memory(stage: Stage, company: Company, rest: int) -> None:
    lately = company.lately()
    if not lately:
        stage.screen.note("this system does not tell how much memory a process took")
        return
    stage.check(
        company.peak < PEAK,
        f"{company.whose} hub took {size_text(lately)} of memory at most, {size_text(lately - rest)} more than at rest",
        f"{company.whose} hub took {size_text(company.peak)} of memory",
    )
    stage.figures += [
        (f"memory of {company.whose} hub at rest", size_text(rest), ""),
        ("  at most while it carried the file", size_text(lately), ""),
        ("  at most since it started", size_text(company.peak), ""),
    ]


def _watch(stage: Stage, sent: Message, size: int) -> None:
    """Show how far the file is, stage by stage, by what lies on the disk."""
    aster, birch = stage.aster, stage.birch
    for title, place, over in (
        ("sealing", birch.folder / "state", lambda: stage.trace(birch, sent).message.wire_blob),
        ("on the way", aster.folder / "state", lambda: stage.confirmed(birch, sent)),
        ("into the inbox", aster.inbox, lambda: stage.arrived(aster, birch, sent.protocol_id)),
    ):
        end = time.monotonic() + LARGE_PATIENCE
        with stage.screen.bar(title, size) as bar:
            while not over():
                bar.at(_growing(place))
                if time.monotonic() > end:
                    raise Unheld(f"after {LARGE_PATIENCE:.0f} s the file is still {title}")
                time.sleep(0.05)


def _stages(stage: Stage, done: Exchange, size: int) -> list[tuple[str, str, str]]:
    """How long each stage of the large file's life took, by the events of both hubs."""
    out = {step.kind: datetime.fromisoformat(step.at) for step in stage.trace(done.sender, done.sent).steps}
    into = {
        step.kind: datetime.fromisoformat(step.at) for step in stage.trace(done.receiver, done.arrived).steps
    }
    rows = []
    for title, start, end in (
        ("sealed: read, signed, encrypted, kept", out["message.accepted"], out["message.sealed"]),
        ("delivered: sent, opened, checked, kept", out["delivery.attempted"], out["delivery.confirmed"]),
        ("put into the inbox", into["delivery.attempted"], into["delivery.confirmed"]),
    ):
        took = max((end - start).total_seconds(), 0.001)
        rows.append((title, f"{took:.1f} s", _speed(size, took)))
    return rows


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


def _speed(size: int, seconds: float) -> str:
    return f"{size / 1e6 / seconds:.0f} MB/s"
