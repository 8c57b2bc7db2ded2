"""What can go wrong on an HTTP connection, and what that means for the message on it."""

from __future__ import annotations

from typing import ClassVar

from ecluse.errors import EcluseError, Fault


class BodyError(EcluseError):
    """A request's body can't be read to its end; the handler's ``read`` raises it.

    A handler cleans up and lets it pass: the server then answers ``status``, where anyone still listens, and
    closes the connection.
    """

    fault = Fault.PARTNER
    status: ClassVar[int] = 400


class BodyTruncated(BodyError):
    """The peer went away before the end of the body."""

    code = "http.body-truncated"
    remedy = "Nothing was kept: the peer has to send the message again."


class BodyMalformed(BodyError):
    """The body's chunks are broken."""

    code = "http.body-malformed"
    remedy = "Ask the partner to check their HTTP client's chunked encoding."


class BodyTooLarge(BodyError):
    """The body is longer than the limit."""

    code = "http.body-too-large"
    remedy = "Raise the limit on body size if this partner may send that much."
    status: ClassVar[int] = 413


class BodyTooSlow(BodyError):
    """The peer stopped sending, or sends below the minimum rate."""

    code = "http.body-too-slow"
    remedy = "Ask the partner to check the line, or lower the minimum rate."
    status: ClassVar[int] = 408


class ServerStopped(BodyError):
    """The server is stopping and its period of grace is over."""

    code = "http.server-stopped"
    fault = Fault.OURS
    remedy = "Nothing was kept: the peer has to send the message again."
    status: ClassVar[int] = 503


class ListenFailed(EcluseError):
    """An address and port can't be listened on."""

    code = "http.listen-failed"
    fault = Fault.USAGE
    remedy = "Choose a free port and an address of this machine, or stop the program that holds it."


class TlsConfigError(EcluseError):
    """A certificate, key or TLS setting of ours can't be used."""

    code = "http.tls-configuration"
    fault = Fault.USAGE
    remedy = "Check that the PEM files are complete and that the key belongs to the first certificate."


class RequestInvalid(EcluseError):
    """What the caller asked to send is no valid request."""

    code = "http.request-invalid"
    fault = Fault.USAGE
    remedy = "Correct the URL or the header fields in the channel's configuration."


class EgressDenied(EcluseError):
    """The egress policy does not allow a connection to this host."""

    code = "http.egress-denied"
    fault = Fault.USAGE
    remedy = (
        "Check the URL; where it is on a private network on purpose, set allow_private_network beside it."
    )


class Unreachable(EcluseError):
    """No request was sent: name resolution, connection or handshake did not succeed."""

    code = "http.unreachable"
    fault = Fault.TRANSIENT
    remedy = "Check the address, the partner's server and the firewalls between; the hub tries again."


class Interrupted(EcluseError):
    """The connection was lost while the request was being sent: the other side can't have all of it."""

    code = "http.interrupted"
    fault = Fault.TRANSIENT
    remedy = "The hub tries again with the same bytes."


class Doubtful(EcluseError):
    """The request was sent whole and no complete answer came: whether it was accepted is unknown."""

    code = "http.doubtful"
    fault = Fault.TRANSIENT
    remedy = "Send the same bytes under the same identifier again; the partner recognises a duplicate."


class TlsRefused(EcluseError):
    """One side refuses the other's certificate, or they share no TLS version or cipher."""

    code = "http.tls"
    fault = Fault.PARTNER
    remedy = "Compare the partner's certificate with the pinned one, and agree on TLS 1.2 or 1.3."


class ReplyMalformed(EcluseError):
    """The other side's answer is not HTTP/1.1: whether it accepted the request is unknown."""

    code = "http.reply-malformed"
    fault = Fault.PARTNER
    remedy = "Check that the URL names the partner's HTTP server and port."


class ReplyTooLarge(EcluseError):
    """The answer is longer than the limit: whether the request was accepted is unknown."""

    code = "http.reply-too-large"
    fault = Fault.PARTNER
    remedy = "Check that the URL names the partner's receiving address, or raise the limit on replies."
