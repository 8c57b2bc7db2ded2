"""Plays in which they receive what we send, and answer it as no partner should; the copy has to cope."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ecluse.app.messages.outbox import send_files
from ecluse.app.rehearsal.copy import Copy
from ecluse.app.rehearsal.endpoint import Answer, Endpoint, Request
from ecluse.app.rehearsal.play import Outcome, Play, held, unheld
from ecluse.app.rehearsal.posting import post_bytes
from ecluse.app.rehearsal.standin import DOCUMENT, Identity
from ecluse.channels.as2.receipts import SealedFacts
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Delivery, Direction
from ecluse.model.states import DeliveryState
from ecluse.typed import from_json
from ecluse.wire.as2.disposition import PROCESSED, Disposition
from ecluse.wire.as2.headers import As2Request, parse_request
from ecluse.wire.as2.mdn import BuiltMdn

__all__ = ["AnswerGround", "answering_plays"]

_PATIENCE: Final = 25.0
"""Seconds for a play: four attempts at the copy's short patience."""
_LOOK: Final = 0.05
_ENDED: Final = frozenset(
    {DeliveryState.CONFIRMED, DeliveryState.REFUSED, DeliveryState.DEAD, DeliveryState.OVERDUE}
)
_BELIEVES: Final = "The channel believes a receipt that proves nothing: set as2.receipt_signed = true."
_LOST: Final = "A document would be lost, or sent twice, with a partner that does this."

Make = Callable[[As2Request, dict[str, bytes]], BuiltMdn]


class AnswerGround:
    """The copy, and the server that it sends to.

    Args:
        copy: The copied hub.
        endpoint: The server of the one who is played.
        folder: Where a document may be put.
    """

    def __init__(self, copy: Copy, endpoint: Endpoint, folder: Path) -> None:
        self.copy = copy
        self.endpoint = endpoint
        self._folder = folder
        self._count = 0

    @property
    def asynchronous(self) -> bool:
        """Whether receipts come in connections of their own."""
        return self.copy.view.as2.receipt == "async"

    def send(self) -> MessageId:
        """Hand a document in."""
        self._count += 1
        path = self._folder / f"rehearsal-{self._count}.edi"
        path.write_bytes(DOCUMENT)
        sent = send_files(self.copy.node, self.copy.partner, [path], channel="as2", actor="hub:rehearsal")
        return sent.message.id

    def settle(
        self, id: MessageId, states: frozenset[DeliveryState] = _ENDED, patience: float = _PATIENCE
    ) -> Delivery:
        """The delivery once it is in one of ``states``, or as it stands when patience ends."""
        end = time.monotonic() + patience
        while True:
            delivery = self.copy.node.store.read(lambda view: view.deliveries(id))[0]
            if delivery.state in states or time.monotonic() > end:
                return delivery
            time.sleep(_LOOK)

    def judged(self, id: MessageId) -> tuple[Delivery, bool]:
        """The delivery once its receipt was judged, and whether that was disbelieved."""
        end = time.monotonic() + _PATIENCE
        while True:
            delivery = self.settle(id, patience=0)
            events = self.copy.node.store.read(lambda view: view.events(id))
            disbelieved = any(each.event.kind == "receipt.disbelieved" for each in events)
            if disbelieved or delivery.state in _ENDED or time.monotonic() > end:
                return delivery, disbelieved
            time.sleep(_LOOK)

    def mics(self, request: As2Request) -> dict[str, bytes]:
        """The digests of what a request holds, as the hub noted them when it sealed it."""
        found = self.copy.node.store.read(
            lambda view: view.find_message(Direction.OUT, self.copy.partner, request.message_id)
        )
        facts = from_json(found.wire, SealedFacts) if found is not None else SealedFacts([])
        return {name: base64.b64decode(mic) for name, mic in facts.mics.items()}

    def answer(self, make: Make, *, delay: float = 0, times: int = 1) -> None:
        """Answer every request with the receipt that ``make`` makes, on its connection or on one of its own."""

        def script(request: Request) -> Answer:
            asked = parse_request(request.headers)
            built = make(asked, self.mics(asked))
            url = asked.receipt.url if asked.receipt is not None else None
            if asked.receipt is None:
                return Answer(200)
            if url is None:
                time.sleep(delay)
                return Answer(200, built.headers, built.body)
            self._later(built, delay, times)
            return Answer(200)

        self.endpoint.take(script)

    def _later(self, built: BuiltMdn, delay: float, times: int) -> None:
        import threading

        def work() -> None:
            time.sleep(delay + 0.1)
            for _ in range(times):
                self.post(built)

        threading.Thread(target=work, name="rehearsal-receipt", daemon=True).start()

    def post(self, built: BuiltMdn) -> int:
        """Post a receipt to the copy's listener; give the HTTP status."""
        return post_bytes(f"http://127.0.0.1:{self.copy.port}/as2", list(built.headers), built.body).status

    def right(self, asked: As2Request, mics: dict[str, bytes]) -> BuiltMdn:
        """The receipt as it should be."""
        return self.copy.standin.receipt(asked, PROCESSED, mics)


def answering_plays(
    ground: AnswerGround, tls: tuple[Identity, Identity, Identity] | None
) -> tuple[Play[AnswerGround], ...]:
    """Those that the channel allows, in order.

    Args:
        ground: Where they are played.
        tls: What the server shows, a stranger's and an ended one; ``None`` without TLS.
    """
    settings = ground.copy.view.as2
    if settings.url is None:
        return ()
    plays = [Play("server.fails", "Their server fails once (503)", "Sent again, the same octets", _fails)]
    plays += [
        Play("server.cut", "Their server closes without an answer", "Sent again, the same octets", _closes)
    ]
    if settings.receipt != "none":
        plays += [
            Play("receipt.good", "A right receipt", "Confirmed", _good),
            Play("receipt.wrong-mic", "A receipt with another digest", "Not confirmed; told", _wrong_mic),
            Play("receipt.unsigned", "A receipt without a signature", "Not confirmed", _unsigned),
            Play("receipt.other-key", "A receipt signed by a stranger's key", "Not confirmed", _other_key),
            Play(
                "receipt.ended-key", "A receipt signed with an ended certificate", "Not confirmed", _ended_key
            ),
            Play("receipt.other-message", "A receipt for another message", "Not confirmed", _other_message),
            Play("receipt.negative", "A receipt that refuses", "Refused; the document is kept", _negative),
            Play("receipt.late", "A receipt after its time", "Sent again or overdue, then confirmed", _late),
            Play("receipt.repeated", "The same receipt twice", "Confirmed once", _repeated),
        ]
    if tls is not None:
        plays += [
            Play(
                "tls.swapped", "Their server shows another certificate", "Nothing is sent", _swapped(tls, 1)
            ),
            Play("tls.ended", "Their server shows an ended certificate", "Nothing is sent", _swapped(tls, 2)),
        ]
    return tuple(plays)


def _fails(ground: AnswerGround) -> Outcome:
    return _again(ground, Answer(503))


def _closes(ground: AnswerGround) -> Outcome:
    return _again(ground, Answer(0))


def _again(ground: AnswerGround, first: Answer) -> Outcome:
    ground.answer(ground.right)
    rest = ground.endpoint.script
    ground.endpoint.take(lambda request: first if len(ground.endpoint.requests) == 1 else rest(request))
    delivery = ground.settle(ground.send())
    bodies = {request.body for request in ground.endpoint.requests}
    if delivery.state is DeliveryState.CONFIRMED and len(bodies) == 1:
        return held(f"confirmed after {delivery.attempts} attempts with the same {len(bodies.pop())} octets")
    return unheld(f"{_told(delivery)}; {len(bodies)} different bodies", _LOST)


def _good(ground: AnswerGround) -> Outcome:
    ground.answer(ground.right)
    delivery = ground.settle(ground.send())
    if delivery.state is DeliveryState.CONFIRMED:
        return held("confirmed")
    return unheld(
        _told(delivery), "The simplest receipt does not confirm: look at certificates and algorithms."
    )


def _wrong_mic(ground: AnswerGround) -> Outcome:
    def make(asked: As2Request, mics: dict[str, bytes]) -> BuiltMdn:
        return ground.copy.standin.receipt(
            asked, PROCESSED, {name: bytes(len(mic)) for name, mic in mics.items()}
        )

    ground.answer(make)
    return _unconfirmed(ground, _BELIEVES)


def _unsigned(ground: AnswerGround) -> Outcome:
    standin = ground.copy.standin
    ground.answer(lambda asked, mics: standin.receipt(asked, PROCESSED, mics, signed=False))
    return _unconfirmed(ground, _BELIEVES)


def _other_key(ground: AnswerGround) -> Outcome:
    standin = ground.copy.standin
    signer = standin.stranger.signer()
    ground.answer(lambda asked, mics: standin.receipt(asked, PROCESSED, mics, signer=signer))
    return _unconfirmed(ground, _BELIEVES)


def _ended_key(ground: AnswerGround) -> Outcome:
    standin = ground.copy.standin
    signer = standin.ended.signer()
    ground.answer(lambda asked, mics: standin.receipt(asked, PROCESSED, mics, signer=signer))
    return _unconfirmed(ground, "Take the exception expired-certificate out of the partner's file.")


def _other_message(ground: AnswerGround) -> Outcome:
    def make(asked: As2Request, mics: dict[str, bytes]) -> BuiltMdn:
        other = parse_request(
            [
                (name, "<another@rehearsal>" if name.lower() == "message-id" else value)
                for name, value in ground.endpoint.requests[-1].headers
            ]
        )
        return ground.copy.standin.receipt(other, PROCESSED, mics)

    ground.answer(make)
    return _unconfirmed(ground, _BELIEVES)


def _negative(ground: AnswerGround) -> Outcome:
    refusal = Disposition("processed", "error", "unexpected-processing-error")
    ground.answer(lambda asked, mics: ground.copy.standin.receipt(asked, refusal, {}))
    id = ground.send()
    delivery = ground.settle(id)
    message = ground.copy.node.store.read(lambda view: view.message(id))
    with ground.copy.node.hub.document(message.parts[0]) as document:  # type: ignore[union-attr]  # it was sent
        kept = b"".join(document.chunks()) == DOCUMENT
    if delivery.state is DeliveryState.REFUSED and kept:
        return held("refused, and the document is there to be sent again")
    return unheld(f"{_told(delivery)}; the document is {'kept' if kept else 'gone'}", _LOST)


def _late(ground: AnswerGround) -> Outcome:
    ground.answer(ground.right, delay=5.0)
    rest = ground.endpoint.script
    if not ground.asynchronous:
        ground.answer(ground.right)
        prompt = ground.endpoint.script
        ground.endpoint.take(
            lambda request: rest(request) if len(ground.endpoint.requests) == 1 else prompt(request)
        )
    confirmed = frozenset({DeliveryState.CONFIRMED, DeliveryState.REFUSED, DeliveryState.DEAD})
    delivery = ground.settle(ground.send(), confirmed)
    bodies = {request.body for request in ground.endpoint.requests}
    if delivery.state is DeliveryState.CONFIRMED and len(bodies) == 1:
        return held(f"confirmed after {delivery.attempts} attempts, all of the same octets")
    return unheld(_told(delivery), _LOST)


def _repeated(ground: AnswerGround) -> Outcome:
    made: list[BuiltMdn] = []

    def make(asked: As2Request, mics: dict[str, bytes]) -> BuiltMdn:
        made.append(ground.right(asked, mics))
        return made[-1]

    ground.answer(make)
    id = ground.send()
    first = ground.settle(id)
    status = ground.post(made[-1]) if made else 0
    after = ground.settle(id)
    kinds = [each.event.kind for each in ground.copy.node.store.read(lambda view: view.events(id))]
    once = kinds.count("delivery.confirmed") == 1
    if first.state is after.state is DeliveryState.CONFIRMED and once:
        return held(f"confirmed once; the repetition was answered with HTTP {status}")
    return unheld(f"{_told(after)}; confirmed {kinds.count('delivery.confirmed')} times", _LOST)


def _swapped(tls: tuple[Identity, Identity, Identity], number: int) -> Callable[[AnswerGround], Outcome]:
    def play(ground: AnswerGround) -> Outcome:
        ground.answer(ground.right)
        ground.endpoint.show(tls[number])
        ground.copy.node.pool.close()
        try:
            delivery = ground.settle(ground.send(), patience=5.0)
            came = len(ground.endpoint.requests)
        finally:
            ground.endpoint.show(tls[0])
        if delivery.state is DeliveryState.CONFIRMED or came:
            return unheld(
                f"It was trusted: {came} requests came through",
                "Pin their server's certificate, with the use tls, in the partner's file.",
            )
        return held(f"nothing was sent ({delivery.reason_code or delivery.state.value})")

    return play


def _unconfirmed(ground: AnswerGround, advice: str) -> Outcome:
    delivery, disbelieved = ground.judged(ground.send())
    if delivery.state is DeliveryState.CONFIRMED:
        return unheld("It was confirmed", advice)
    words = ": the receipt is in the log and moved nothing" if disbelieved else f": {_told(delivery)}"
    return held(f"not confirmed{words}")


def _told(delivery: Delivery) -> str:
    why = f" ({delivery.reason_code})" if delivery.reason_code else ""
    return f"{delivery.state.value}{why} after {delivery.attempts} attempts"
