"""What the HTTP/1.1 reader raises, whatever it is fed."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault


class HttpSyntaxError(EcluseError):
    """The other side's bytes are not an HTTP/1.1 message that can be read in one way only.

    Attributes:
        status: The status code a server should answer with (400, 414, 431, 501 or 505).
    """

    code = "http.malformed"
    fault = Fault.PARTNER
    remedy = "Ask the other side to send valid HTTP/1.1 (RFC 9112)."

    def __init__(self, cause: str, status: int = 400) -> None:
        """``cause`` never quotes what was received: it may hold credentials."""
        super().__init__(cause)
        self.status = status
