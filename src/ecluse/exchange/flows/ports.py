"""What a flow needs of the rooms above it: OpenPGP with a partner's keys, and how a channel names what it sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol

from ecluse.model.basics import PartnerId

__all__ = ["How", "Leaving", "Protection"]

How = Literal["encrypt", "sign", "sign-and-encrypt"]


class Protection(Protocol):
    """OpenPGP with partners. Everything is streamed; facts are for the log and hold no secret."""

    def open(
        self,
        partner: PartnerId,
        chunks: Iterator[bytes],
        write: Callable[[bytes], None],
        *,
        max_size: int,
        max_ratio: int,
    ) -> Mapping[str, Any]:
        """Decrypt and verify what came from a partner, as its file demands.

        What was written must not be used where this raises: it is known at the end only whether it is authentic.

        Args:
            partner: Whom it came from.
            chunks: The message.
            write: Takes the document.
            max_size: Octets of the document at most.
            max_ratio: Octets at most that come out of compressed data for each that goes in.

        Raises:
            EcluseError: It does not open, is not what the partner's file demands, or is too large.
        """

    def seal(
        self, partner: PartnerId, how: How, name: str, chunks: Iterator[bytes], write: Callable[[bytes], None]
    ) -> Mapping[str, Any]:
        """Sign, encrypt or both, for a partner. Facts may hold ``suffix``: the ending of the result's name."""


class Leaving(Protocol):
    """What a channel knows of a message before it is made."""

    def protocol_id(self, channel: str, key: str, size: int) -> str:
        """The protocol's own id of a message to a channel.

        Args:
            channel: Kind and name.
            key: Letters, digits and dashes; the same key gives the same id.
            size: Octets of its documents.

        Raises:
            EcluseError: The channel can't take such a message, or not at present.
        """
