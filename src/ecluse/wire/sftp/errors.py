"""What is wrong with an SFTP stream."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["BrokenStream"]


class BrokenStream(EcluseError):
    """The stream can't be followed any further: the channel must be closed."""

    code = "sftp.broken-stream"
    fault = Fault.PARTNER
    remedy = "Use a client that speaks SFTP version 3 with packets of 256 KiB at most."
