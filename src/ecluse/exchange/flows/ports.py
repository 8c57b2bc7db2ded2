"""What a flow needs of the rooms above it: OpenPGP with a partner's keys, and how a channel names what it sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

from ecluse.exchange.seals.cades import Opened
from ecluse.exchange.seals.facts import SealFacts
from ecluse.exchange.seals.inside import Inside
from ecluse.model.basics import PartnerId
from ecluse.trust.settings.seals import Sealing

__all__ = ["How", "Leaving", "Octets", "Protection", "Seals"]

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


Octets = Callable[[], Iterable[bytes]]
"""Gives a document's octets from its beginning, each time it is called."""


class Seals(Protocol):
    """Signatures on the documents themselves; see :class:`ecluse.exchange.seals.desk.SealDesk`."""

    def form(self, how: Sealing, kind: str, size: int) -> str:
        """Which format a document of a kind and size is sealed in."""

    def seal(
        self, how: Sealing, kind: str, size: int, octets: Octets, write: Callable[[bytes], object]
    ) -> dict[str, Any]:
        """Write a document with a seal in or around it; facts hold ``ending``."""

    def beside(self, how: Sealing, octets: Octets) -> tuple[bytes, dict[str, Any]]:
        """The seal of a document that lies beside it."""

    def contain(
        self, how: Sealing, documents: Sequence[Inside], write: Callable[[bytes], object]
    ) -> dict[str, Any]:
        """Write one container with all documents."""

    def check(
        self, partner: PartnerId | None, name: str, kind: str, size: int, octets: Octets
    ) -> list[SealFacts]:
        """The seals in or around a document; none where it has none."""

    def check_beside(
        self, partner: PartnerId | None, seal: Octets, size: int, octets: Octets
    ) -> list[SealFacts]:
        """A seal that lies beside a document."""

    def open(
        self, partner: PartnerId | None, octets: Octets, write: Callable[[bytes], object], limit: int
    ) -> Opened:
        """Take a document out of the seal around it."""


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
