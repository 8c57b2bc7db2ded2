"""What is wrong with a line on a control connection."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["FtpSyntaxError"]


class FtpSyntaxError(EcluseError):
    """A line that is no FTP command, reply or listing.

    Attributes:
        reply: The reply code that a server answers it with (RFC 959 section 4.2).
    """

    code = "ftp.syntax"
    fault = Fault.PARTNER
    remedy = "Have the other side's FTP program checked against RFC 959 and RFC 3659."

    def __init__(self, cause: str, reply: int = 500) -> None:
        super().__init__(cause)
        self.reply = reply
