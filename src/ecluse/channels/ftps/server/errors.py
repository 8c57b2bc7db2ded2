"""How a connection of a partner's client can end before its time."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["ConnectionCut", "TlsFailed", "TooSlow", "TransferAborted"]


class ConnectionCut(EcluseError):
    """The client's connection ended without a proper end."""

    code = "ftps.connection-cut"
    fault = Fault.PARTNER
    remedy = "Have the client try again; an upload can be resumed."


class TooSlow(EcluseError):
    """The client was silent, or too slow, for longer than is waited for."""

    code = "ftps.too-slow"
    fault = Fault.PARTNER
    remedy = "Have the client try again; an upload can be resumed."


class TlsFailed(EcluseError):
    """TLS could not be agreed on, or does not belong to the control connection."""

    code = "ftps.tls-failed"
    fault = Fault.PARTNER
    remedy = "Have the client speak TLS 1.2 or newer and resume the session of its control connection."


class TransferAborted(EcluseError):
    """The client asked for an end of the transfer (ABOR)."""

    code = "ftps.aborted"
    fault = Fault.PARTNER
    remedy = "Do nothing: the client wanted it."
