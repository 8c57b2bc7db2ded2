"""What a receipt proves about the message that it answers."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from ecluse.wire.as2.mdn_reader import ReadMdn

__all__ = ["ReceiptVerdict", "Verdict", "check_receipt"]


class Verdict(str, Enum):  # noqa: UP042 (the same form as the enumerations of every other room)
    """How a message ended, as its receipt has it."""

    OK = "ok"
    """Received and intact, said by the partner's own signature where that was wanted."""
    NEGATIVE = "negative"
    """The partner refuses the message."""
    DUPLICATE = "duplicate"
    """The partner had the message before: an earlier receipt is missing, the document is not."""
    MIC_MISMATCH = "mic-mismatch"
    """The partner received other octets than were sent."""
    MIC_MISSING = "mic-missing"
    """Nothing says which octets the partner received."""
    UNSIGNED = "unsigned"
    """A signed receipt was wanted, and this one is not signed."""
    NOT_AUTHENTIC = "not-authentic"
    """The receipt's signature is not that of a pinned certificate."""
    WRONG_MESSAGE = "wrong-message"
    """The receipt answers another message."""


@dataclass(frozen=True, slots=True)
class ReceiptVerdict:
    """The verdict, why, and what to do.

    Attributes:
        verdict: How the message ended.
        cause: One sentence.
        remedy: One sentence; empty where there is nothing to do.
        warnings: What was tolerated.
        said: The word by which the partner refuses (``authentication-failed``), in lower case; empty where it does
            not.
    """

    verdict: Verdict
    cause: str
    remedy: str = ""
    warnings: tuple[str, ...] = ()
    said: str = ""

    @property
    def ok(self) -> bool:
        """Whether the message is delivered and proven."""
        return self.verdict is Verdict.OK


def check_receipt(
    read: ReadMdn,
    *,
    message_id: str,
    mics: Mapping[str, bytes],
    signed_wanted: bool = True,
    mic_required: bool = True,
) -> ReceiptVerdict:
    """Compare a receipt with what was sent.

    Nothing in an unproven receipt is acted upon: authenticity comes first, then which message it is about,
    then its answer, then the MIC under the algorithm that the receipt itself names.

    Args:
        read: The receipt.
        message_id: Of the message, with its brackets.
        mics: MIC of what was sent, by hash name.
        signed_wanted: Whether a signed receipt was asked for.
        mic_required: Whether a receipt without a MIC proves too little. Some programs give none for a message
            that was not signed.
    """
    warnings = list(read.warnings)

    def give(verdict: Verdict, cause: str, remedy: str = "") -> ReceiptVerdict:
        said = read.mdn.disposition.text.lower() if verdict is Verdict.NEGATIVE else ""
        return ReceiptVerdict(verdict, cause, remedy, tuple(warnings), said)

    mdn = read.mdn
    if read.failure is not None:
        return give(Verdict.NOT_AUTHENTIC, read.failure.cause, read.failure.remedy)
    if signed_wanted and read.signed is None:
        return give(
            Verdict.UNSIGNED,
            f"A signed receipt was asked for; an unsigned one came that says: {mdn.disposition}.",
            "Ask the partner to sign receipts, or stop asking this partner for signed ones.",
        )
    answered = mdn.original_message_id
    if answered is None:
        warnings.append("The receipt does not say which message it answers.")
    elif not _same_id(answered, message_id):
        return give(
            Verdict.WRONG_MESSAGE,
            "The receipt answers another message.",
            "Send the message again; if it happens again, ask the partner's support.",
        )
    if mdn.disposition.is_duplicate and not mdn.disposition.is_success:
        return give(
            Verdict.DUPLICATE,
            "The partner has received this message before.",
            "Ask the partner for their first receipt if it never came.",
        )
    if not mdn.disposition.is_success:
        return give(
            Verdict.NEGATIVE,
            f"The partner refuses the message: {mdn.disposition}.",
            "Read the receipt's text, mend the cause, and send the document as a new message.",
        )
    if mdn.disposition.modifier:
        warnings.append(f"The partner warns: {mdn.disposition.text or mdn.disposition.modifier}.")
    return _check_mic(read, mics, mic_required, give)


def _check_mic(
    read: ReadMdn,
    mics: Mapping[str, bytes],
    required: bool,
    give: Callable[..., ReceiptVerdict],
) -> ReceiptVerdict:
    mdn = read.mdn
    sent = mics.get(mdn.mic_digest) if mdn.mic_digest else None
    if mdn.mic is None or sent is None:
        if required:
            return give(
                Verdict.MIC_MISSING,
                "The receipt has no MIC that can be compared with what was sent.",
                "Ask the partner for a Received-content-MIC with SHA-256.",
            )
        return give(Verdict.OK, "The partner has received the message, and says nothing of its octets.")
    if not hmac.compare_digest(mdn.mic, sent):
        return give(
            Verdict.MIC_MISMATCH,
            f"The partner received other octets than were sent (MIC by {mdn.mic_digest}).",
            "Compare with the partner what was signed; look for a gateway that changes line ends.",
        )
    return give(Verdict.OK, "The partner has received the message as it was sent.")


def _same_id(answered: str, sent: str) -> bool:
    """Some programs drop the brackets."""
    return answered.strip().strip("<>") == sent.strip().strip("<>")
