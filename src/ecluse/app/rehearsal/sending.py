"""Plays in which they send: to the copy of our channel, or, when it was agreed, ours to their test endpoint."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Protocol

from ecluse.app.rehearsal.play import Outcome, Play, held, unheld
from ecluse.app.rehearsal.standin import Sender, Wire
from ecluse.app.rehearsal.weak import triple_des
from ecluse.wire.as2.disposition import Disposition
from ecluse.wire.as2.mdn_reader import ReadMdn

__all__ = ["Ground", "Heard", "sending_plays"]

_ALTERED: Final = frozenset(
    {"decryption-failed", "integrity-check-failed", "decompression-failed", "authentication-failed"}
)
"""What a receiver may truthfully say of octets that were changed (RFC 4130 s7.5.4)."""
_WAIT: Final = 2.0
_LOOK: Final = 0.05
_ADVICE: Final = "Their receiver, or ours, takes what it should refuse: do not go live before this is mended."


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back for a message.

    Attributes:
        status: HTTP status; 0 where the connection ended without one.
        receipt: The receipt, where there was one on the same connection.
        body: Its octets.
    """

    status: int
    receipt: ReadMdn | None
    body: bytes


class Ground(Protocol):
    """Where messages are sent to."""

    @property
    def sender(self) -> Sender:
        """Who makes them."""

    def post(self, wire: Wire, *, announce: int = 0) -> Heard:
        """Send a message and give what came back.

        Args:
            wire: The message.
            announce: Octets that Content-Length speaks of, where these are not those that come.
        """

    def kept(self, id: str) -> bool | None:
        """Whether a message was accepted; ``None`` where that can't be seen from here."""

    def called(self) -> int:
        """How often an address was called that the receiver should not call."""

    @property
    def trap(self) -> str:
        """That address."""


def sending_plays() -> tuple[Play[Ground], ...]:
    """All of them, in order."""
    return (
        Play("message.good", "A right message", "A signed receipt that says processed", _good),
        Play("message.truncated", "The connection ends inside the message", "Nothing is kept", _truncated),
        Play("message.cut", "A message without its last third", "A receipt that refuses it", _cut),
        Play("message.altered", "One bit of the message is changed", "A receipt that refuses it", _altered),
        Play(
            "message.other-key",
            "Signed with a key that nobody announced",
            "authentication-failed",
            _other_key,
        ),
        Play(
            "message.ended-key",
            "Signed with a certificate that has ended",
            "authentication-failed",
            _ended_key,
        ),
        Play(
            "message.unsigned",
            "Not signed",
            "insufficient-message-security, or authentication-failed",
            _unsigned,
        ),
        Play("message.unencrypted", "Not encrypted", "insufficient-message-security", _unencrypted),
        Play("message.downgrade", "Encrypted with Triple DES", "A receipt that refuses it", _downgrade),
        Play("message.repeated", "The same message twice", "The stored receipt; one message", _repeated),
        Play("message.stranger", "From a name that nobody knows", "unknown-trading-relationship", _stranger),
        Play(
            "message.hostile-name",
            "A file name that climbs and hides",
            "Accepted under a harmless name",
            _name,
        ),
        Play("message.foreign-receipt", "The receipt shall go to another's address", "No call", _foreign),
    )


def _good(ground: Ground) -> Outcome:
    wire = ground.sender.message()
    heard = ground.post(wire)
    said = _said(heard)
    if said is None or not said.is_success:
        return unheld(
            _words(heard), "The simplest message does not pass: look at names, keys and certificates."
        )
    if heard.receipt is None or heard.receipt.failure is not None or heard.receipt.signed is None:
        return unheld(
            f"{_words(heard)}, without a signature that holds", "Compare the certificates of receipts."
        )
    return held(f"{_words(heard)}, signed")


def _truncated(ground: Ground) -> Outcome:
    wire = ground.sender.message()
    heard = ground.post(wire, announce=len(wire.body) * 2)
    said = _said(heard)
    if (said is not None and said.is_success) or ground.kept(wire.id):
        return unheld("A message that did not end was accepted", _ADVICE)
    return held("no success was told" + ("; nothing was kept" if ground.kept(wire.id) is False else ""))


def _cut(ground: Ground) -> Outcome:
    wire = ground.sender.message()
    return _refused(ground, Wire(wire.id, wire.headers, wire.body[: len(wire.body) * 2 // 3]))


def _altered(ground: Ground) -> Outcome:
    wire = ground.sender.message()
    changed = bytearray(wire.body)
    changed[len(changed) * 2 // 3] ^= 0x01
    return _refused(ground, Wire(wire.id, wire.headers, bytes(changed)))


def _other_key(ground: Ground) -> Outcome:
    wire = ground.sender.message(signer=ground.sender.stranger)
    return _refused(ground, wire, {"authentication-failed", "integrity-check-failed"})


def _ended_key(ground: Ground) -> Outcome:
    if ground.sender.ended is None:
        return held("not played: there is no such certificate here")
    wire = ground.sender.message(signer=ground.sender.ended)
    return _refused(ground, wire, {"authentication-failed", "integrity-check-failed"})


def _unsigned(ground: Ground) -> Outcome:
    if not ground.sender.settings.require_signed:
        return unheld(
            "The channel takes messages that are not signed (as2.require_signed is false)",
            "Set require_signed = true once the partner signs.",
        )
    return _refused(ground, ground.sender.message(signed=False))


def _unencrypted(ground: Ground) -> Outcome:
    if not ground.sender.settings.require_encrypted:
        return unheld(
            "The channel takes messages that are not encrypted (as2.require_encrypted is false)",
            "Set require_encrypted = true once the partner encrypts.",
        )
    return _refused(ground, ground.sender.message(encrypted=False))


def _downgrade(ground: Ground) -> Outcome:
    sender = ground.sender
    inner = sender.message(encrypted=False)
    if sender.recipient is None:
        return held("not played: nothing is encrypted on this channel")
    kind = next(value for name, value in inner.headers if name.lower() == "content-type")
    content = f"Content-Type: {kind}\r\n\r\n".encode() + inner.body
    sealed = triple_des(content, sender.recipient, sender.entropy)
    if sealed is None:
        return held("not played: such a key has no place in Triple DES")
    headers = [
        pair for pair in inner.headers if pair[0].lower() not in ("content-type", "content-disposition")
    ]
    headers.append(("Content-Type", 'application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"'))
    heard = ground.post(Wire(inner.id, headers, sealed))
    said = _said(heard)
    if said is not None and said.is_success:
        return unheld(
            "Triple DES was accepted",
            "Take the exception 3des out of the partner's file, or agree on its end.",
        )
    return held(_words(heard))


def _repeated(ground: Ground) -> Outcome:
    wire = ground.sender.message()
    first, second = ground.post(wire), ground.post(wire)
    said = _said(second)
    if said is None:
        return unheld(
            f"Once {_words(first)}, then {_words(second)}", "A resend has to get its receipt again."
        )
    if first.body == second.body:
        return held(f"the same {len(second.body)} octets of receipt both times")
    if said.is_duplicate or said.is_success:
        return held(f"once {_words(first)}, then {_words(second)}")
    return unheld(f"Once {_words(first)}, then {_words(second)}", "A resend has to get the stored receipt.")


def _stranger(ground: Ground) -> Outcome:
    wire = ground.sender.message(sender="NOBODY-KNOWS-ME")
    heard = ground.post(wire)
    said = _said(heard)
    if (said is not None and said.is_success) or (200 <= heard.status < 300 and said is None):
        return unheld("A stranger's message was taken", _ADVICE)
    return held(_words(heard))


def _name(ground: Ground) -> Outcome:
    wire = ground.sender.message(file_name="..\u202e/../inbox/\u2066order.edi")
    heard = ground.post(wire)
    said = _said(heard)
    if said is None:
        return unheld(
            _words(heard), "A name may be refused, with a receipt that says so, and never break a receiver."
        )
    return held(_words(heard))


def _foreign(ground: Ground) -> Outcome:
    before = ground.called()
    wire = ground.sender.message(return_to=ground.trap)
    heard = ground.post(wire)
    end = time.monotonic() + _WAIT
    while time.monotonic() < end:
        if ground.called() > before:
            return unheld(
                "The address was called: whoever sends can make the receiver call any server",
                "Let receipts go to agreed addresses alone (as2.async_receipt_hosts).",
            )
        time.sleep(_LOOK)
    return held(f"nobody called it; {_words(heard)}")


def _refused(ground: Ground, wire: Wire, words: set[str] | frozenset[str] = frozenset()) -> Outcome:
    heard = ground.post(wire)
    said = _said(heard)
    if said is None:
        if heard.status >= 400:
            return held(_words(heard))
        return unheld(_words(heard), "A message that is refused needs a receipt that says why.")
    if said.is_success or ground.kept(wire.id):
        return unheld(f"It was accepted: {_words(heard)}", _ADVICE)
    expected = words or _ALTERED | {"insufficient-message-security", "unexpected-processing-error"}
    if said.text not in expected:
        return held(f"{_words(heard)} (another word than expected)")
    return held(_words(heard))


def _said(heard: Heard) -> Disposition | None:
    return None if heard.receipt is None else heard.receipt.mdn.disposition


def _words(heard: Heard) -> str:
    said = _said(heard)
    if said is None:
        return (
            f"HTTP {heard.status}, no receipt" if heard.status else "the connection ended without an answer"
        )
    modifier = f"/{said.modifier}: {said.text}" if said.modifier else ""
    return f"{said.kind}{modifier}"
