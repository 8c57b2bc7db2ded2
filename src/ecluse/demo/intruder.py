"""What must not pass: changed bytes, a stranger, and a repetition; posted by hand, past any client of ours."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from dataclasses import dataclass

from ecluse.channels.as2.receipts import SealedFacts
from ecluse.demo.checks import until
from ecluse.demo.company import Company
from ecluse.demo.stage import PATIENCE, Exchange, Stage
from ecluse.model.basics import Instant
from ecluse.model.nouns import Direction
from ecluse.model.states import MessageState
from ecluse.trust.directory import PartnerView
from ecluse.typed import from_json
from ecluse.wire.as2.mdn_reader import ReadMdn, read_mdn
from ecluse.wire.smime.headers import Headers

__all__ = ["refusals"]

_TAMPERED = {
    "decryption-failed",
    "integrity-check-failed",
    "decompression-failed",
    "unexpected-processing-error",
}
"""What a receiver may truthfully say of bytes that were changed (RFC 4130 s7.5.4)."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def refusals(stage: Stage) -> None:
    """Tampered messages, a stranger, and a repetition of the order."""
    order, invoice = stage.exchanges["order"], stage.exchanges["invoice"]
    for done, what in ((order, "the order (AES-CBC, signed)"), (invoice, "the invoice (AES-GCM, signed)")):
        _tampered(stage, done, what)
    _stranger(stage, order)
    _repetition(stage, order)


def _tampered(stage: Stage, done: Exchange, what: str) -> None:
    receiver = done.receiver
    headers, body = _wire(done)
    changed = bytearray(body)
    changed[len(changed) // 2] ^= 0x01
    new_id = f"<tampered-{done.sent.id}@demo>"
    answer = _post(
        receiver,
        # The header is nobody's secret: a fresh id, and the answer asked for on this connection.
        [(name, new_id if name.lower() == "message-id" else value) for name, value in _sync(headers)],
        bytes(changed),
    )
    read = _read(answer, done.sender.node.directory.partner(receiver.id), done.sender.node.hub.clock())
    said = read.mdn.disposition
    stage.check(
        not said.is_success and said.text in _TAMPERED and read.signed is not None and read.failure is None,
        f"one bit of {what} was changed: a signed MDN says {said.kind}/{said.modifier}: {said.text}",
        f"a changed message was answered with {said}, {read.failure or 'signed'}",
    )
    found = receiver.node.store.read(lambda view: view.find_message(Direction.IN, done.sender.id, new_id))
    stage.check(
        found is not None and found.state is MessageState.REJECTED and not _named(receiver, found.id),
        f"{receiver.whose} hub keeps the refusal ({found.reason_code if found else ''}), and not a byte of it",
    )


def _stranger(stage: Stage, done: Exchange) -> None:
    receiver = done.receiver
    headers, body = _wire(done)
    before = _all_messages(receiver)
    answer = _post(
        receiver,
        [(name, "MALLORY" if name.lower() == "as2-from" else value) for name, value in headers],
        body,
    )
    read = _read(answer, done.sender.node.directory.partner(receiver.id), done.sender.node.hub.clock())
    said = read.mdn.disposition
    stage.check(
        said.text == "unknown-trading-relationship"
        and not said.is_success
        and _all_messages(receiver) == before,
        f"the same bytes from MALLORY: an MDN says {said.kind}/{said.modifier}: {said.text}; nothing was kept",
        f"a stranger was answered with {said}",
    )


def _repetition(stage: Stage, done: Exchange) -> None:
    sender, receiver = done.sender, done.receiver
    before = _all_messages(receiver), sorted(receiver.inbox.rglob("*"))
    answer = _post(receiver, *_wire(done))
    kept = receiver.node.store.read(lambda view: view.answer(done.arrived.id))
    receipts = sender.node.store.read(lambda view: view.receipts(done.sent.id))
    stage.check(
        kept is not None and answer.body == kept.body == receipts[0].body,
        f"the order's exact bytes again: the stored MDN comes back, the same {len(answer.body)} octets",
    )
    until(
        lambda: any(
            logged.event.kind == "message.duplicate"
            for logged in receiver.node.store.read(lambda view: view.events(done.arrived.id))
        ),
        PATIENCE,
        "the repetition is not in the log",
    )
    stage.check(
        (_all_messages(receiver), sorted(receiver.inbox.rglob("*"))) == before,
        f"and {receiver.name} has no second order: a line in the log says that it came again",
    )


def _wire(done: Exchange) -> tuple[list[tuple[str, str]], bytes]:
    """The header fields and the exact octets of what was sent."""
    with done.sender.node.hub.blob(done.sent.wire_blob) as reader:
        body = b"".join(reader.chunks())
    return from_json(done.sent.wire, SealedFacts).headers, body


def _sync(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() != "receipt-delivery-option"]


def _post(receiver: Company, headers: Iterable[tuple[str, str]], body: bytes) -> _Answer:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=PATIENCE)
    try:
        connection.request("POST", "/as2", body, dict(headers))
        response = connection.getresponse()
        return _Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def _read(answer: _Answer, partner: PartnerView, now: Instant) -> ReadMdn:
    return read_mdn(
        Headers.of(answer.headers), answer.body, certificates=partner.mdn_verify_certificates(now)
    )


def _named(receiver: Company, id: str) -> bool:
    return any(path.name.startswith(id) for path in receiver.inbox.rglob("*"))


def _all_messages(company: Company) -> int:
    return sum(company.node.store.read(lambda view: view.count_messages()).values())
