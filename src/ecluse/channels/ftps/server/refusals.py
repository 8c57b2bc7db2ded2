"""From errors of the chamber to replies of FTP (RFC 959 section 4.2.2, RFC 2228, RFC 3659 section 7.2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ecluse.channels.ftps.server.errors import ConnectionCut, TlsFailed, TooSlow, TransferAborted
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.tree import Denied, NameExists, NoSpace, NoSuchPath
from ecluse.model.paths import BadPath
from ecluse.wire.ftp import FtpSyntaxError, Reply

__all__ = ["reply_for"]

_NAMING: Final = frozenset({"STOR", "STOU", "APPE", "MKD", "XMKD", "RNTO"})
"""Commands that give a name: 553 says that it is the name."""

_CODES: Final[Mapping[type[EcluseError], int]] = {
    NoSuchPath: 550,
    Denied: 550,
    NameExists: 550,
    NoSpace: 552,
    BadPath: 550,
    TlsFailed: 522,
    ConnectionCut: 426,
    TooSlow: 425,
    TransferAborted: 426,
}


def reply_for(error: EcluseError, verb: str) -> Reply:
    """What a client is told of an error.

    Causes of the other side's are for it to read; of ours it learns no more than whether to try again.
    """
    if isinstance(error, FtpSyntaxError):
        return Reply(error.reply, error.cause)
    if isinstance(error, NameExists | BadPath) and verb in _NAMING:
        return Reply(553, error.cause)
    code = _CODES.get(type(error))
    if code is not None:
        return Reply(code, error.cause)
    if error.fault in (Fault.TRANSIENT, Fault.OURS):
        return Reply(451, "The server could not do it. Try again later.")
    return Reply(550, error.cause)
