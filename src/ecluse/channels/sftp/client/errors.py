"""What can go wrong with a partner's SFTP server, and whose fault it is."""

from __future__ import annotations

from typing import Final

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.once import InDoubt
from ecluse.exchange.remote import FileGone
from ecluse.wire.sftp.answers import Status

__all__ = [
    "DigestDiffers",
    "Doubtful",
    "HostKeyChanged",
    "LoginRefused",
    "Lost",
    "NoAlgorithm",
    "NoSuchPlace",
    "RemoteFull",
    "RemoteRefused",
    "ServerSilent",
    "SizeDiffers",
    "Unreachable",
    "Unsupported",
    "of_status",
]


class HostKeyChanged(EcluseError):
    """The server shows a host key that is not pinned. Nothing was sent to it: it may be somebody else.

    Attributes:
        seen: Fingerprints that the server showed.
        expected: Fingerprints that are pinned.
    """

    code = "sftp.host-key-changed"
    fault = Fault.PERMANENT
    remedy = (
        "Ask the partner, by a way that is not this server, whether they changed it; if they did, put the new "
        "fingerprint into sftp.host_keys, apply it and resend."
    )

    def __init__(self, place: str, seen: tuple[str, ...], expected: tuple[str, ...]) -> None:
        """Say both sides' fingerprints: people compare them."""
        super().__init__(
            f"The server {place} shows a host key that is not pinned: {', '.join(seen) or 'none of the kinds that are'}"
            f" instead of {' or '.join(expected)}."
        )
        self.seen = seen
        self.expected = expected


class NoAlgorithm(EcluseError):
    """The server speaks SSH with old algorithms only."""

    code = "sftp.no-algorithm"
    fault = Fault.PARTNER
    remedy = (
        'Ask the partner to update the server, or allow "ssh-legacy" in [[exceptions]] with a reason and an end '
        "date."
    )


class Unreachable(EcluseError):
    """No connection came about; nothing was sent."""

    code = "sftp.unreachable"
    fault = Fault.TRANSIENT
    remedy = "Check the host, the partner's server and the firewalls between; the hub tries again."


class LoginRefused(EcluseError):
    """The server does not take our login."""

    code = "sftp.login-refused"
    fault = Fault.PARTNER
    remedy = "Ask the partner whether the user exists and which key or password it has; the hub tries again."


class Lost(EcluseError):
    """The connection ended in the middle."""

    code = "sftp.connection-lost"
    fault = Fault.TRANSIENT
    remedy = "Do nothing: the hub tries again and goes on where it was."


class ServerSilent(EcluseError):
    """The server stopped answering."""

    code = "sftp.silent"
    fault = Fault.TRANSIENT
    remedy = "Do nothing: the hub tries again; if it goes on, ask the partner, or raise sftp.timeout."


class Doubtful(InDoubt):
    """The document was asked to appear under its name, and no answer came: whether it did is unknown."""

    code = "sftp.doubtful"


class RemoteRefused(EcluseError):
    """The server refuses an operation."""

    code = "sftp.refused"
    fault = Fault.PARTNER
    remedy = "Ask the partner what their server's log says at this time."


class RemoteFull(EcluseError):
    """The server has no room, or our quota there is used up."""

    code = "sftp.no-space"
    fault = Fault.PARTNER
    remedy = "Ask the partner to make room or to raise the quota; the hub tries again."


class NoSuchPlace(EcluseError):
    """A folder or file is not there."""

    code = "sftp.no-such-file"
    fault = Fault.PARTNER
    remedy = "Ask the partner to make the folder, or correct its name in the configuration."


class Unsupported(EcluseError):
    """The server can't do something that is needed."""

    code = "sftp.unsupported"
    fault = Fault.PARTNER
    remedy = "Ask the partner which SFTP server it is and what it allows."


class SizeDiffers(EcluseError):
    """What the server keeps has not the size of what was sent."""

    code = "sftp.size-differs"
    fault = Fault.PARTNER
    remedy = (
        "Do nothing: the file was removed and is sent again; if it goes on, the partner's disk may be full."
    )


class DigestDiffers(EcluseError):
    """What the server keeps is not what was sent."""

    code = "sftp.digest-differs"
    fault = Fault.PARTNER
    remedy = (
        "Do nothing: the file was removed and is sent again; if it goes on, the partner's disk is suspect."
    )


_FULL: Final = ("no space", "disk full", "quota", "not enough space", "file too large")


def of_status(status: Status, doing: str) -> EcluseError:
    """The error that a status amounts to.

    Version 3 has one code for every failure; what OpenSSH, ProFTPD and others say besides tells a full disk apart.

    Args:
        status: Not a success.
        doing: What was asked, as the end of the sentence "The server refuses to ...".
    """
    said = "".join(c if c.isprintable() else "?" for c in status.text.decode("utf-8", "replace"))[:200]
    quoted = f' It says "{said}".' if said else ""
    if status.code in (14, 15) or any(word in said.lower() for word in _FULL):
        return RemoteFull(f"The server has no room to {doing}.{quoted}")
    if status.code in (2, 10):
        return NoSuchPlace(f"There is nothing there to {doing}.{quoted}")
    if status.code == 3:
        return RemoteRefused(f"The server does not permit us to {doing}.{quoted}", code="sftp.no-permission")
    if status.code in (6, 7):
        return Lost(f"The server lost its own connection when asked to {doing}.{quoted}")
    if status.code == 8:
        return Unsupported(f"The server is not able to {doing}.{quoted}")
    return RemoteRefused(f"The server refuses to {doing}.{quoted}")


def gone(path: str) -> FileGone:
    """A listed file that is not there, or is another one."""
    return FileGone(f"The file {path} is not there any more, or is another one by now.")
