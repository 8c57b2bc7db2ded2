"""What is left when it is over: traces, receipts, checkpoints, a proof; each checked before it is shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

import msgspec

from ecluse.demo.checks import Unheld, until
from ecluse.demo.company import Company
from ecluse.demo.stage import Exchange, Stage
from ecluse.demo.witnesses import cosigned
from ecluse.errors import EcluseError
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.proof import check_proof, prove
from ecluse.evidence.verify import verify_log
from ecluse.exchange.trace import Trace, trace
from ecluse.model.nouns import Message, Receipt
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import View
from ecluse.trust.card import read_card
from ecluse.wire.tlog.note import NoteKey

__all__ = ["evidence", "trace_text"]

SEALED: Final = 40.0
"""Seconds until all is under a signed checkpoint: a killed node's lease on the log ends after 15."""


def evidence(stage: Stage) -> None:
    """Write traces, receipts, checkpoints and a proof, and check them."""
    folder = stage.root / "traces"
    folder.mkdir()
    for company in (stage.aster, stage.birch):
        _verify(stage, company, folder)
    cosigned(stage)
    count = 0
    for key, done in stage.exchanges.items():
        for company, message, part in (
            (done.sender, done.sent, "sent"),
            (done.receiver, done.arrived, "received"),
        ):
            life = trace(company.node.store, message.id)
            _complete(life, f"{company.name}, {key}")
            _write(folder / f"{key}-{part}-{company.id}", life)
            count += 1
    stage.check(count, f"{count} traces are complete: every step proven, every receipt positive")
    _proof(stage, stage.exchanges["order"], folder)


def _verify(stage: Stage, company: Company, folder: Path) -> None:
    node = company.node
    until(lambda: not _open(company), SEALED, f"the log of {company.whose} hub is not sealed")
    verdict = verify_log(node.store, [node.log_key], held=HeldCheckpoints(node.checkpoint_file))
    stage.check(
        verdict.ok and verdict.signed == verdict.verified == verdict.size > 0,
        f"{company.whose} log: {verdict.verified} records verified under {verdict.checkpoints} signed checkpoints",
        f"{company.whose} log does not verify: {verdict.problem}",
    )
    checkpoint = node.store.read(lambda view: view.last_checkpoint())
    if checkpoint is not None:
        (folder / f"{company.id}.checkpoint").write_bytes(checkpoint.note)
        (folder / f"{company.id}.vkey").write_text(f"{node.log_key}\n", encoding="utf-8")


def _open(company: Company) -> bool:
    """Whether there are records that no signed checkpoint covers yet."""

    def look(view: View) -> bool:
        newest = view.last_checkpoint()
        return bool(view.unsealed(1)) or newest is None or newest.size < view.log_size()

    return company.node.store.read(look)


def _complete(life: Trace, whose: str) -> None:
    message = life.message
    proven = all(step.index is not None and step.index < life.checkpoint_size for step in life.steps)
    deliveries = [*life.deliveries, *(each for branch in life.branches for each in branch.deliveries)]
    confirmed = all(delivery.state is DeliveryState.CONFIRMED for delivery in deliveries)
    receipts = any(receipt.positive for receipt in _receipts(life))
    answered = message.protocol != "as2" or message.direction.value == "out" or _answered(life)
    if not (message.state is MessageState.DELIVERED and proven and confirmed and receipts and answered):
        raise Unheld(f"the trace is not complete ({whose})")


def _receipts(life: Trace) -> list[Receipt]:
    """Its receipts, and those of what a flow made of it."""
    return [*life.receipts, *(receipt for branch in life.branches for receipt in branch.receipts)]


def _answered(life: Trace) -> bool:
    return life.answer is not None and life.answer.positive


def _proof(stage: Stage, done: Exchange, folder: Path) -> None:
    """Birch proves to Aster, with a file and nothing else, that it has the order."""
    company = done.receiver
    life = trace(company.node.store, done.arrived.id)
    step = next(step for step in life.steps if step.kind == "message.accepted")
    assert step.index is not None, "the trace is complete"
    path = folder / f"order-received-{company.id}.tlog-proof"
    path.write_text(prove(company.node.store, step.index, with_record=True), encoding="utf-8")
    card = read_card((stage.root / "cards" / f"{company.id}.card").read_bytes())
    key = NoteKey(card.log_origin, base64.b64decode(card.log_key))
    event, head = check_proof(path.read_bytes(), None, [key])
    digest = done.sent.parts[0].sha256
    stage.check(
        event.id == step.id and msgspec.json.decode(event.data).get("sha256") == [digest],
        f"{path.relative_to(stage.root)} proves to {done.sender.name}, with the key on {company.whose} card and"
        f" no hub, that the order is record {step.index} of {head.size}",
    )
    record = bytearray(company.node.store.read(lambda view: view.events_from(step.index or 0, 1))[0].leaf)
    record[-2] ^= 1
    try:
        check_proof(path.read_bytes(), bytes(record), [key])
        refused = False
    except EcluseError:
        refused = True
    stage.check(refused, "the same proof for a record that differs in one bit does not hold")


def _write(stem: Path, life: Trace) -> None:
    """The trace as JSON and as text, and the exact receipts and answer."""
    stem.with_suffix(".json").write_bytes(
        msgspec.json.format(msgspec.json.encode(life.as_dict()), indent=2) + b"\n"
    )
    stem.with_suffix(".txt").write_text(trace_text(life), encoding="utf-8")
    signed = [receipt for receipt in _receipts(life) if receipt.kind == "mdn"]
    for number, receipt in enumerate(signed):
        name = ".mdn" if len(signed) == 1 else f".{number + 1}.mdn"
        block = receipt.headers.rstrip(b"\r\n") + b"\r\n\r\n"
        stem.with_suffix(name).write_bytes(block + receipt.body)


def trace_text(life: Trace) -> str:
    """A trace for people: a head, and a line for each event with its place in the log."""
    message: Message = life.message
    way = "to" if message.direction.value == "out" else "from"
    lines = [
        f"{message.id} {message.state.value}: {message.subject or '(no subject)'}, {way} {message.partner}",
        f"  {'Message-ID' if message.protocol == 'as2' else message.protocol} {message.protocol_id}"
        + (f", number {message.reference}" if message.reference else ""),
    ]
    lines += [f"  {part.name}, {part.size} octets, SHA-256 {part.sha256}" for part in message.parts]
    lines.append("")
    for step in life.steps:
        place = "waits" if step.index is None else f"#{step.index}"
        facts = ", ".join(f"{name} {_short(value)}" for name, value in step.data.items())
        lines.append(f"{step.at}  {place:>6}  {step.kind:<20} {facts}")
    return "\n".join(lines) + "\n"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 40 else f"{text[:39]}…"
