"""What finding and handing over the archive needs of a node: companies, keys of the log, chains for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from ecluse import durable
from ecluse.app.archive.views import archived_facts
from ecluse.app.messages.lookup import find_message
from ecluse.app.node import Node
from ecluse.archive.chains import Chain, chain
from ecluse.archive.listing import Company, Recap
from ecluse.archive.listing_forms import list_csv, list_page, partners_csv, partners_page
from ecluse.archive.room import NotArchived
from ecluse.archive.transfer.export import Owner
from ecluse.archive.words import LANGUAGES, Language, remark_sentence
from ecluse.errors import EcluseError, Fault
from ecluse.model.archive import Archived, ArchiveId
from ecluse.model.basics import PartnerId
from ecluse.store.archive_numbers import OWN, searched
from ecluse.store.port import View
from ecluse.trust.company import Identifiers
from ecluse.wire.tlog.errors import Malformed
from ecluse.wire.tlog.note import NoteKey

__all__ = ["chain_facts", "chain_of", "owner", "recap", "software", "verifier_keys", "write_recap"]

_SHOWN: Final = 10


class SeveralDocuments(EcluseError):
    """A number that several archived documents have."""

    code = "archive.several"
    fault = Fault.USAGE
    remedy = "Name one by its id; `ecluse archive search --number` lists them."


def software() -> str:
    """Name and version of this program."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"ecluse {version('ecluse')}"
    except PackageNotFoundError:
        return "ecluse"


def owner(node: Node) -> Owner:
    """Whose archive it is, for an export."""
    keys = tuple(str(key) for key in reversed(node.note_keys))
    return Owner(node.directory.organisation.name, keys, software())


def verifier_keys(texts: list[str]) -> list[NoteKey]:
    """Verifier keys as they were given: each the text of a key, or a file of one or several.

    Of a file the Ed25519 keys are taken: a log may sign with another algorithm beside, which adds nothing here.

    Raises:
        Malformed: A text, or all that is in a file, is no such key.
    """
    found: list[NoteKey] = []
    for text in texts:
        path = Path(text)
        if not path.is_file():
            found.append(NoteKey.parse(text))
            continue
        read: list[NoteKey] = []
        wrong: Malformed | None = None
        for word in path.read_text("utf-8", "replace").split():
            try:
                read.append(NoteKey.parse(word))
            except Malformed as error:
                wrong = error
        if wrong is not None and not read:
            raise wrong
        found += read
    return found


def chain_of(node: Node, text: str) -> Chain:
    """The chain of a document.

    Args:
        node: The hub.
        text: Its id, its number, or its message as :func:`~ecluse.app.messages.lookup.find_message` takes it.

    Raises:
        SeveralDocuments: Several have that number.
        NoSuchMessage, NotArchived: There is none.
    """

    def look(view: View) -> Chain | None:
        row = view.archived(ArchiveId(text)) or _numbered(view, text)
        return None if row is None else chain(view, row)

    found = node.store.read(look)
    if found is not None:
        return found
    message = find_message(node.store, text)

    def other(view: View) -> Chain:
        rows = view.archived_of(message.id)
        if not rows:
            raise NotArchived(f"No document of the message {message.id} is in the archive.")
        return chain(view, rows[0])

    return node.store.read(other)


def _numbered(view: View, text: str) -> Archived | None:
    number = searched(text)
    kinds = view.archive_kinds(number, 1000) if number else []
    ids = sorted({id for kind, id in kinds if kind.startswith(OWN)})
    if len(ids) > 1:
        shown = ", ".join(ids[:_SHOWN])
        raise SeveralDocuments(f"{len(ids)} archived documents have the number {text[:64]!a}: {shown}.")
    return view.archived(ids[0]) if ids else None


def chain_facts(found: Chain) -> dict[str, Any]:
    """A chain for programs."""
    return {
        "start": found.start,
        "documents": [archived_facts(each) for each in found.documents],
        "links": [
            {
                "source": link.source,
                "target": link.target,
                "kind": link.kind,
                "number": link.number,
                "parties": link.parties,
            }
            for link in found.links
        ],
        "remarks": [
            {
                "code": each.code,
                "about": each.about,
                "values": list(each.values),
                "sentence": remark_sentence(each.code, each.values, "en"),
            }
            for each in found.remarks
        ],
        "cut": found.cut,
    }


def recap(node: Node, year: int, *, all_types: bool) -> Recap:
    """A year's messages, with the companies as the configuration has them."""
    organisation = node.directory.organisation
    own = Company(organisation.name, (organisation.as2_id, *_numbers(organisation.identifiers)))
    known = {view.id: view for view in node.directory.partners}

    def company(id: PartnerId) -> Company:
        view = known.get(id)
        if view is None:
            return Company(str(id), state="unknown")
        ids = (*filter(None, (view.their_id,)), *_numbers(view.settings.identifiers))
        return Company(view.name, ids, view.channels, view.settings.state)

    return Recap(node.store, year, own, company, all_types)


def _numbers(identifiers: Identifiers | None) -> tuple[str, ...]:
    if identifiers is None:
        return ()
    values = msgspec.to_builtins(identifiers)
    return tuple(str(value) for value in values.values() if value)


def write_recap(
    node: Node, year: int, folder: Path, languages: tuple[Language, ...] = LANGUAGES, *, all_types: bool
) -> tuple[list[Path], int]:
    """Write the list and the partner file of a year into new files: CSV and a page, in each language.

    Returns:
        The files, and how many lines the list has.

    Raises:
        NoSuchYear: There is none.
        NameTaken: A file is there already.
    """
    durable.make_folder(folder)
    hub, at, program = node.directory.organisation.name, node.hub.clock(), software()
    files: list[Path] = []
    count = 0

    def put(name: str, pieces: Any) -> None:
        path = folder / name
        durable.write_new(path, (piece.encode() for piece in pieces), 0o600)
        files.append(path)

    for language in languages:
        read = recap(node, year, all_types=all_types)
        count = 0

        def counted(read: Recap = read) -> Any:
            nonlocal count
            for entry in read.entries():
                count += 1
                yield entry

        put(f"list-{year}.{language}.csv", list_csv(counted(), language, program))
        again = recap(node, year, all_types=all_types)
        put(f"list-{year}.{language}.html", list_page(again.entries(), language, program, year, hub, at))
        partners = read.partners()
        put(f"partners-{year}.{language}.csv", partners_csv(partners, language))
        put(f"partners-{year}.{language}.html", partners_page(partners, language, year, hub, at))
    return files, count
