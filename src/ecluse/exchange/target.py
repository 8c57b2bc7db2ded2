"""Where a document goes within its channel: what every channel that delivers files reads from a message, and says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.port import Confirmed, ReceiptBytes
from ecluse.model.nouns import Message
from ecluse.model.paths import MAX_NAME, BadPath, VirtualPath
from ecluse.typed import from_json

__all__ = ["Landed", "Target", "UnfitName", "file_names", "folder_of", "landed", "target_of", "unused"]


class UnfitName(EcluseError):
    """A document has no name, or one that no file can have everywhere."""

    code = "target.unfit-name"
    fault = Fault.PERMANENT
    remedy = 'Give the flow\'s [[to]] a name such as "{id}-{stem}{suffix}", and send it again.'


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
    return from_json(message.wire, Target)


def folder_of(target: Target) -> str:
    """The target's folder as checked names joined by ``/``; empty for the channel's own.

    Raises:
        UnfitName: It has a name that is not one that every system can have.
    """
    try:
        return "/".join(VirtualPath.parse(target.folder).names)
    except BadPath as error:
        raise UnfitName(f"The folder of a document can't be used: {error.cause}") from None


def file_names(message: Message) -> tuple[str, ...]:
    """The names under which the documents of a message are put, in order: each one component, checked, and unique.

    Of several documents of one name the later ones get their number before it.

    Raises:
        UnfitName: A document has no name that every system can have.
    """
    names: list[str] = []
    taken: set[str] = set()
    for number, part in enumerate(message.parts, 1):
        try:
            path = VirtualPath.parse(part.name)
        except BadPath as error:
            raise UnfitName(f"The name of a document can't be used: {error.cause}") from None
        if len(path.names) != 1 or "/" in part.name:
            raise UnfitName("A document has no name of its own, or one with a folder in it.")
        names.append(unused(path.name, number, taken))
    return tuple(names)


def unused(name: str, number: int, taken: set[str]) -> str:
    """A name that none of ``taken`` equals, whatever case a system may ignore; it is added to them.

    Args:
        name: The wanted one.
        number: Stands before it where it is taken.
        taken: Those that are, case folded.
    """
    wanted = name
    while wanted.casefold() in taken:
        wanted = f"{number}-{wanted}"[-MAX_NAME:]
    taken.add(wanted.casefold())
    return wanted


class Landed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file on the other side, as it was checked there.

    Attributes:
        path: Below the channel's own folder or prefix.
        size: Octets, as the other side says.
        sha256: Hex digest of what was sent.
        checked: How the content on the other side was compared: ``sha256``, ``md5``, ``size``...
        tag: ETag, where there is one.
        version: Version id, where there is one.
        before: It lay there already, with the same content: an earlier attempt had come through.
    """

    path: str
    size: int
    sha256: str = ""
    checked: str = ""
    tag: str = ""
    version: str = ""
    before: bool = False


def landed(files: Sequence[Landed], notes: Iterable[str] = (), **facts: str) -> Confirmed:
    """A confirmed delivery, whose receipt of record is a JSON object of what was checked.

    Args:
        files: The documents, in order.
        notes: What the other side could not be held to, in stable words (``no-conditional-write``).
        facts: More, such as the fingerprint of the host key.
    """
    body: dict[str, object] = {"files": files, **facts}
    if said := list(notes):
        body["notes"] = said
    return Confirmed(ReceiptBytes("file", "confirmed", body=msgspec.json.encode(body)))
