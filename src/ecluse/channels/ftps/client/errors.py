"""What can go wrong with a partner's FTP server, and whose fault it is."""

from __future__ import annotations

import re
from typing import Final

import pycurl

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.once import InDoubt

__all__ = [
    "Doubtful",
    "ListingTooLong",
    "LoginRefused",
    "NoTls",
    "ServerRefused",
    "TlsRefused",
    "Unreachable",
    "refusal",
    "trouble",
]


class Unreachable(EcluseError):
    """The server can't be reached, or went away."""

    code = "ftps.unreachable"
    fault = Fault.TRANSIENT
    remedy = "Check the address, the partner's server and the firewalls between; the hub tries again."


class Doubtful(InDoubt):
    """All was sent, and the server did not say that it has it, or has renamed it."""

    code = "ftps.doubtful"


class TlsRefused(EcluseError):
    """The server's certificate is not the partner's, or there is no common TLS."""

    code = "ftps.tls-refused"
    fault = Fault.PARTNER
    remedy = "Compare the server's certificate with the partner's file, and agree on TLS 1.2 or 1.3."


class NoTls(EcluseError):
    """The server does not offer TLS, for commands or for data."""

    code = "ftps.no-tls"
    fault = Fault.PARTNER
    remedy = "Ask the partner to switch TLS on for commands and data."


class LoginRefused(EcluseError):
    """The server did not let us in."""

    code = "ftps.login-refused"
    fault = Fault.PARTNER
    remedy = "Check the user and the password with the partner."


class ServerRefused(EcluseError):
    """The server refused a command.

    Attributes:
        reply: The code of its reply; 0 where it was none.
    """

    code = "ftps.refused"
    fault = Fault.PARTNER
    remedy = "Ask the partner what their server's log says at this time."

    def __init__(self, cause: str, reply: int = 0, *, fault: Fault | None = None) -> None:
        super().__init__(cause, fault=fault)
        self.reply = reply


class ListingTooLong(EcluseError):
    """A folder has more names than are taken in, or a line that no listing has."""

    code = "ftps.listing"
    fault = Fault.PARTNER
    remedy = "Have the folder tidied up, or the server replaced by one that speaks MLSD."


_TLS: Final = {
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CERTPROBLEM,
    pycurl.E_SSL_CIPHER,
    pycurl.E_SSL_ISSUER_ERROR,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH,
    pycurl.E_SSL_INVALIDCERTSTATUS,
}
_REFUSED: Final = {
    pycurl.E_QUOTE_ERROR,
    pycurl.E_UPLOAD_FAILED,
    pycurl.E_REMOTE_FILE_NOT_FOUND,
    pycurl.E_FTP_COULDNT_RETR_FILE,
    pycurl.E_REMOTE_ACCESS_DENIED,
    pycurl.E_REMOTE_DISK_FULL,
    pycurl.E_FTP_COULDNT_SET_TYPE,
    pycurl.E_FTP_COULDNT_USE_REST,
    pycurl.E_FTP_WEIRD_SERVER_REPLY,
    pycurl.E_FTP_WEIRD_PASV_REPLY,
}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def refusal(code: int, text: str, what: str) -> ServerRefused:
    """A reply of 400 or more (RFC 959 section 4.2).

    4xx, and 552 (no room), may be well later; a name that is not allowed (553) never will be.
    """
    said = _CONTROL.sub("?", text)[:200]
    fault = Fault.TRANSIENT if code < 500 else Fault.PERMANENT if code == 553 else Fault.PARTNER
    return ServerRefused(f"The server refused to {what}: {code} {said}".rstrip(), code, fault=fault)


def trouble(number: int, reply: int, text: str, what: str) -> EcluseError:
    """What libcurl's error number means. Its own message is not shown: it may hold what a server said.

    Args:
        number: CURLcode.
        reply: Last reply code of the server; 0 for none.
        text: Its text.
        what: What was tried (``store the file``).
    """
    if number in _TLS:
        return TlsRefused("TLS with the server did not come about, or its certificate is not accepted.")
    if number == pycurl.E_USE_SSL_FAILED:
        return NoTls("The server does not offer TLS.")
    if number == pycurl.E_LOGIN_DENIED:
        if reply == 421:
            return Unreachable("The server takes no more logins for now.")
        return LoginRefused("The server refused the login.")
    if number in _REFUSED and reply >= 400:
        return refusal(reply, text, what)
    if number == pycurl.E_OPERATION_TIMEDOUT:
        return Unreachable(f"The server was silent for too long while the hub tried to {what}.")
    return Unreachable(f"The connection was lost, or never came about, while the hub tried to {what}.")
