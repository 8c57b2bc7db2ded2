"""What can be wrong with an AS2 exchange, and what to answer."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault
from ecluse.wire.as2.disposition import Disposition

__all__ = ["As2Failure", "As2RequestError", "MdnError"]


class As2RequestError(EcluseError):
    """The HTTP header is no AS2 request: there is nobody to send an MDN to. Answer HTTP 400."""

    code = "as2.bad-request"
    fault = Fault.PARTNER
    remedy = "Ask the partner to send AS2-From, AS2-To and Message-ID as RFC 4130 section 6 has them."


class As2Failure(EcluseError):
    """A message that can't be accepted: answered by HTTP 2xx with an MDN where one was asked for.

    Attributes:
        disposition: What that MDN says.
    """

    code = "as2.failure"
    fault = Fault.PARTNER

    def __init__(self, cause: str, *, disposition: Disposition, remedy: str, code: str | None = None) -> None:
        """Keep the disposition beside the error's own parts; the code defaults to the disposition's text."""
        words = disposition.text or disposition.kind
        super().__init__(
            cause, remedy=remedy, code=code or "as2." + words.lower().replace(" ", "-"), fault=Fault.PARTNER
        )
        self.disposition = disposition


class MdnError(EcluseError):
    """What should be a receipt can't be read as one; the message that waits for it stays unconfirmed."""

    code = "as2.bad-mdn"
    fault = Fault.PARTNER
    remedy = (
        "Ask the partner to send an MDN as RFC 4130 section 7.4 has it, and keep the bytes for their support."
    )
