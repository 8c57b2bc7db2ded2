"""Where a document goes within its channel: what every channel that delivers files reads from a message."""

from __future__ import annotations

import msgspec

from ecluse.model.nouns import Message

__all__ = ["Target", "target_of"]


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """Kept as the ``wire`` facts of an outbound message that is delivered as files.

    Attributes:
        folder: Folder below the channel's own; empty for that itself.
        replace: A document may take the place of a file of the same name; ``None``: as the channel's settings say.
    """

    folder: str = ""
    replace: bool | None = None

    def encode(self) -> bytes:
        """For :attr:`ecluse.model.nouns.Message.wire`."""
        return msgspec.json.encode(self)


def target_of(message: Message) -> Target:
    """The target of an outbound message; its parts carry the file names."""
    return msgspec.json.decode(message.wire, type=Target)
