"""Where a document lay when it came: what every channel that takes in files writes down, and flows choose by."""

from __future__ import annotations

import msgspec

from ecluse.model.nouns import Message
from ecluse.typed import from_json

__all__ = ["Whence", "channel_of", "whence_of"]


class Whence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Kept as the ``wire`` facts of an inbound message that came as a file. Other facts may stand beside them.

    Attributes:
        channel: By which it came, where that is not its protocol and its partner (``folder:orders``).
        folder: Folder below the channel's own; empty for that itself.
        path: Folder and name, as the place called it.
        change: :attr:`ecluse.exchange.remote.RemoteFile.change` of the file that was kept.
    """

    channel: str = ""
    folder: str = ""
    path: str = ""
    change: str = ""

    def encode(self) -> bytes:
        """For :attr:`ecluse.model.nouns.Message.wire`."""
        return msgspec.json.encode(self)


def whence_of(message: Message) -> Whence:
    """Where an inbound message came from; nothing is known of one that came as no file."""
    try:
        return from_json(message.wire, Whence)
    except msgspec.ValidationError:
        return Whence()  # another protocol's facts, with a member of the same name


def channel_of(message: Message) -> str:
    """The channel that an inbound message came by; empty for what an application handed in."""
    if message.protocol == "local":
        return ""
    return whence_of(message).channel or f"{message.protocol}:{message.partner}"
