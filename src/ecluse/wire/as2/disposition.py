"""Dispositions: the words that an MDN answers with (RFC 4130 s7.4.3, s7.5; RFC 3798 s3.2.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = [
    "AUTHENTICATION_FAILED",
    "DECOMPRESSION_FAILED",
    "DECRYPTION_FAILED",
    "DUPLICATE_DOCUMENT",
    "DUPLICATE_WARNING",
    "INSUFFICIENT_SECURITY",
    "INTEGRITY_CHECK_FAILED",
    "INVALID_MESSAGE_ID",
    "PROCESSED",
    "SENDER_EQUALS_RECEIVER",
    "UNEXPECTED_ERROR",
    "UNKNOWN_PARTNER",
    "UNSUPPORTED_FORMAT",
    "UNSUPPORTED_MIC",
    "Disposition",
    "parse_disposition",
]

_MODE: Final = "automatic-action/MDN-sent-automatically"
_SHAPE = re.compile(
    r"\s*(?P<action>[a-z-]+)\s*/\s*(?P<sent>[a-z-]+)\s*;\s*(?P<kind>[a-z-]+)"
    r"\s*(?:/\s*(?P<modifier>[a-z][a-z-]*)\s*(?:[:;,]\s*(?P<text>.*?))?)?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_MAX_TEXT: Final = 500
"""Characters of a modifier's text that are kept; the longest that RFC 4130 defines has 31."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """What became of a message.

    Attributes:
        kind: ``processed`` or ``failed`` (``displayed``, ``deleted`` and the like are read, never sent).
        modifier: ``error``, ``failure``, ``warning``, or empty.
        text: What the modifier says, as written (``decryption-failed``), or empty.
        mode: Action and sending mode, as written.
    """

    kind: str
    modifier: str = ""
    text: str = ""
    mode: str = _MODE

    @property
    def is_success(self) -> bool:
        """Whether the message was accepted: processed, with no error and no failure. A warning is success."""
        return self.kind == "processed" and self.modifier in ("", "warning")

    @property
    def is_duplicate(self) -> bool:
        """Whether the answer says that the message had come before, as a warning or as an error."""
        return self.text.lower() in ("duplicate-document", "duplicate-message", "duplicate document")

    def __str__(self) -> str:
        """As it stands in an MDN. The capital of ``failed/Failure`` is RFC 4130's own (s7.5.3)."""
        if not self.modifier:
            return f"{self.mode}; {self.kind}"
        modifier = "Failure" if self.modifier == "failure" else self.modifier
        return f"{self.mode}; {self.kind}/{modifier}" + (f": {self.text}" if self.text else "")


PROCESSED: Final = Disposition("processed")
AUTHENTICATION_FAILED: Final = Disposition("processed", "error", "authentication-failed")
DECRYPTION_FAILED: Final = Disposition("processed", "error", "decryption-failed")
DECOMPRESSION_FAILED: Final = Disposition("processed", "error", "decompression-failed")
INSUFFICIENT_SECURITY: Final = Disposition("processed", "error", "insufficient-message-security")
INTEGRITY_CHECK_FAILED: Final = Disposition("processed", "error", "integrity-check-failed")
UNEXPECTED_ERROR: Final = Disposition("processed", "error", "unexpected-processing-error")
UNKNOWN_PARTNER: Final = Disposition("processed", "error", "unknown-trading-relationship")
INVALID_MESSAGE_ID: Final = Disposition("processed", "error", "invalid-message-id")
DUPLICATE_DOCUMENT: Final = Disposition("processed", "error", "duplicate-document")
DUPLICATE_WARNING: Final = Disposition("processed", "warning", "duplicate-document")
SENDER_EQUALS_RECEIVER: Final = Disposition("failed", "failure", "sender-equals-receiver")
UNSUPPORTED_FORMAT: Final = Disposition("failed", "failure", "unsupported format")
UNSUPPORTED_MIC: Final = Disposition("failed", "failure", "unsupported MIC-algorithms")


def parse_disposition(text: str) -> Disposition | None:
    """Read a Disposition field in any case, with any spacing; ``None`` where it is none.

    ``failed/Failure: unsupported format`` and a bare ``processed/error`` are both understood. Kind and
    modifier come back in lower case, the text as it was written.
    """
    match = _SHAPE.match(text[: 2 * _MAX_TEXT])
    if match is None:
        return None
    said = " ".join((match["text"] or "").split())[:_MAX_TEXT]
    return Disposition(
        match["kind"].lower(),
        (match["modifier"] or "").lower(),
        said,
        f"{match['action']}/{match['sent']}",
    )
