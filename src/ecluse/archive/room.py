"""What the works of the archive share, handed in by :mod:`ecluse.app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from ecluse.archive.copies import Copies, Teller
from ecluse.archive.place import SecondPlace
from ecluse.blobs.vault import Vault, VaultReader
from ecluse.errors import EcluseError, Fault
from ecluse.model.archive import Archived, ArchiveId
from ecluse.model.basics import Entropy
from ecluse.model.nouns import Message
from ecluse.model.patterns import matches
from ecluse.store.port import Store, View
from ecluse.trust.operators import Operator
from ecluse.trust.settings.archive import ArchiveProfile, ArchiveSettings

__all__ = ["ArchiveHub", "Book", "NoProfile", "NotArchived", "Room", "archived_or_raise"]


class NotArchived(EcluseError):
    """There is no such document in the archive."""

    code = "archive.not-archived"
    fault = Fault.USAGE
    remedy = "Look at `ecluse archive list`, or put the message there with `ecluse archive deposit`."


class NoProfile(EcluseError):
    """There is no such archive profile, or nobody said which."""

    code = "archive.no-profile"
    fault = Fault.USAGE
    remedy = "Name one of `ecluse archive profiles` with --profile, or write archive/NAME.toml and apply it."


class ArchiveHub(Teller, Protocol):
    """What of the hub the archive works with."""

    store: Store
    vault: Vault
    copies: Copies

    @property
    def entropy(self) -> Entropy:
        """Random octets."""

    def new_id(self, prefix: str) -> str:
        """A fresh id."""

    def blob(self, blob_id: str) -> AbstractContextManager[VaultReader]:
        """Open a blob for reading. Raises :class:`~ecluse.blobs.port.BlobMissing`."""


@dataclass(frozen=True, slots=True)
class Book:
    """The archive profiles in force, and who names which.

    Attributes:
        settings: ``[archive]``.
        profiles: By id.
        flows: Profile of each flow that names one.
        partners: Profile of each partner that names one.
        operators: Who works on the hub.
        version: Number of the configuration version.
        authorities: Names of the authorities that stamp the log.
    """

    settings: ArchiveSettings = field(default_factory=ArchiveSettings)
    profiles: Mapping[str, ArchiveProfile] = field(default_factory=dict)
    flows: Mapping[str, str] = field(default_factory=dict)
    partners: Mapping[str, str] = field(default_factory=dict)
    operators: tuple[Operator, ...] = ()
    version: int = 0
    authorities: tuple[str, ...] = ()

    def governing(self, message: Message) -> str:
        """The profile that a message is archived by: its flow's, else its partner's, else the hub's; empty for none."""
        found = self.flows.get(message.flow) or self.partners.get(message.partner)
        return found or self.settings.profile or ""

    def profile(self, name: str) -> ArchiveProfile:
        """Raises :class:`NoProfile`."""
        found = self.profiles.get(name)
        if found is None:
            raise NoProfile(f"There is no archive profile {name[:64]!a}.")
        return found

    def refused(self, name: str, message: Message) -> str:
        """Why a profile takes a message's documents not, in a sentence; empty where it takes them."""
        formats = self.profile(name).formats
        if not formats:
            return ""
        for number, part in enumerate(message.parts, 1):
            if not any(matches(pattern, part.kind or "unknown") for pattern in formats):
                which = part.name or f"Document {number}"
                taken = ", ".join(formats)
                return f"{which[:200]} is {part.kind or 'unknown'}; the archive profile {name} takes {taken}."
        return ""


@dataclass(slots=True)
class Room:
    """The archive of one node.

    Attributes:
        hub: The hub.
        book: Gives the profiles in force.
        origin: Gives the name of the log that signs.
        sign: Signs a text with the log's key: a C2SP signed note.
        place: Opens a second place by its name; raises :class:`~ecluse.errors.EcluseError` where that can't be.
    """

    hub: ArchiveHub
    book: Callable[[], Book]
    origin: Callable[[], str]
    sign: Callable[[str], bytes]
    place: Callable[[str], SecondPlace]


_MAX_ID: Final = 64


def archived_or_raise(view: View, id: str) -> Archived:
    """An archived document by its id. Raises :class:`NotArchived`."""
    found = view.archived(ArchiveId(id))
    if found is None:
        raise NotArchived(f"There is no archived document {id[:_MAX_ID]!a}.")
    return found
