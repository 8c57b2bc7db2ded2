"""The one error of this room."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["MimeError"]


class MimeError(EcluseError):
    """The bytes are not the MIME structure that they claim to be."""

    code = "smime.malformed"
    fault = Fault.PARTNER
    remedy = (
        "Ask the partner to send a well-formed MIME message, or compare its bytes with RFC 2045 and 1847."
    )
