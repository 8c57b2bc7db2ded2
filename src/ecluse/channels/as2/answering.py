"""The MDN that answers a message: built before the message is kept, stored with it, sent after."""

from __future__ import annotations

from typing import Final

from ecluse.exchange.intake import Reply
from ecluse.model.basics import Clock, Entropy, new_id
from ecluse.wire.as2.disposition import PROCESSED, Disposition
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.as2.headers import As2Request
from ecluse.wire.as2.mdn import MdnOptions, Mic, build_mdn, explain

__all__ = ["RECEIPT_OF_RECEIPT", "acknowledgement", "negative", "positive"]

RECEIPT_OF_RECEIPT: Final = "as2.receipt-of-receipt"
"""Code of the failure of an MDN that came as a message."""


def positive(
    request: As2Request, options: MdnOptions, mic: Mic | None, clock: Clock, entropy: Entropy
) -> Reply:
    """The answer to a message that was kept."""
    if request.receipt is None:
        return Reply(200, (), b"")
    return _mdn(request, PROCESSED, explain(PROCESSED), options, mic, clock, entropy)


def negative(
    request: As2Request, options: MdnOptions, failure: As2Failure, clock: Clock, entropy: Entropy
) -> Reply:
    """The answer to a message that was refused: an MDN where one was asked for, else HTTP 400.

    A sender that asked for no receipt has only the status to go by (RFC 4130 s7.5 speaks of MDNs alone), and
    so has one that asks for the receipt of a receipt, for which none may be made (RFC 3798 s2.1).
    """
    text = explain(failure.disposition, failure.cause, failure.remedy)
    if request.receipt is None or failure.code == RECEIPT_OF_RECEIPT:
        return Reply(400, (("Content-Type", "text/plain; charset=utf-8"),), text.encode())
    return _mdn(request, failure.disposition, text, options, None, clock, entropy)


def _mdn(
    request: As2Request,
    disposition: Disposition,
    text: str,
    options: MdnOptions,
    mic: Mic | None,
    clock: Clock,
    entropy: Entropy,
) -> Reply:
    assert request.receipt is not None, "a receipt was asked for"
    now = clock()
    built = build_mdn(
        request,
        disposition,
        text=text,
        mic=mic,
        message_id=f"<{new_id('a', now, entropy)}@ecluse>",
        now=now // 1_000_000,
        entropy=entropy,
        options=options,
    )
    url = request.receipt.url or ""
    # The HTTP layer writes these: the length always, the date of a synchronous answer.
    theirs = {"content-length"} if url else {"content-length", "date"}
    headers = tuple(pair for pair in built.headers if pair[0].lower() not in theirs)
    return Reply(200, headers, built.body, url)


def acknowledgement(request: As2Request) -> Reply:
    """What says "the bytes are durable, the receipt follows" (204 from AS2-Version 1.3 on)."""
    return Reply(204 if request.version >= "1.3" else 200, (), b"")
