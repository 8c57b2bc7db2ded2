"""Seals by hand: files of ours are sealed, files and messages are checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ecluse.app.flows.jobs import seals_of
from ecluse.app.messages.lookup import find_message
from ecluse.app.messages.outbox import chunks_of
from ecluse.app.node import Node
from ecluse.app.partners.views import UnreadableInput
from ecluse.durable import NewFile
from ecluse.exchange.flows.ports import Octets
from ecluse.exchange.flows.sealing import find_seals
from ecluse.exchange.inspect import HEAD_LIMIT, Inspector
from ecluse.exchange.seals.facts import SealFacts, whole
from ecluse.exchange.seals.inside import Inside
from ecluse.model.nouns import Direction, Part
from ecluse.trust.settings.seals import Sealing

__all__ = ["check_file", "check_message", "contain_files", "seal_file"]


def seal_file(node: Node, path: Path, how: Sealing, out: Path | None = None) -> dict[str, Any]:
    """Seal one file.

    Args:
        node: The hub.
        path: The file.
        how: In which way; not asic-e.
        out: A new file; by default beside ``path``: its name with the ending of the seal, or with ``-sealed`` before
            its own.

    Returns:
        ``file``, ``format`` and ``certificate``.

    Raises:
        EcluseError: ``seal.*``, ``keyring.*``: it can't be sealed so; ``disk.*``: nothing is left of it.
    """
    seals = seals_of(node)
    kind, size = _look(path)
    form = seals.form(how, kind, size)
    ending = {"cades": ".p7m", "cades-detached": ".p7s"}.get(form, "")
    place = out or (path.with_name(path.name + ending) if ending else path.with_stem(f"{path.stem}-sealed"))

    def work(write: Callable[[bytes], object]) -> dict[str, Any]:
        if form == "cades-detached":
            seal, facts = seals.beside(how, _octets(path))
            write(seal)
            return facts
        return seals.seal(how, kind, size, _octets(path), write)

    return _written(place, work)


def contain_files(node: Node, paths: Sequence[Path], how: Sealing, out: Path) -> dict[str, Any]:
    """Put files into one sealed container; results and errors as of :func:`seal_file`."""
    names = [path.name for path in paths]
    if len(set(names)) != len(names):
        raise UnreadableInput(
            "Two of the files have one name.", remedy="Rename one: a container has no folders."
        )
    documents = [
        Inside(path.name, "application/octet-stream", _look(path)[1], _octets(path)) for path in paths
    ]
    return _written(out, lambda write: seals_of(node).contain(how, documents, write))


def check_file(
    node: Node, path: Path, *, partner: str | None = None, seal: Path | None = None
) -> dict[str, Any]:
    """Check the seals of a file.

    Args:
        node: The hub.
        path: The file.
        partner: Whose certificates are believed; by default our own.
        seal: A seal that lies beside it.

    Returns:
        ``documents``: ``name``, ``passed`` and ``seals`` (as :meth:`SealFacts.as_dict` has them); and ``passed``.

    Raises:
        EcluseError: A file can't be read; there is no such partner.
    """
    whose = node.directory.partner(partner).id if partner is not None else None
    places = {path.name: path}
    if seal is not None:
        places[path.name + ".p7s"] = seal
    documents = []
    for name, place in places.items():
        kind, size = _look(place)
        documents.append((name, Part("", 0, size, "", name=name, kind=kind)))
    return _told(find_seals(seals_of(node), whose, documents, lambda part: _octets(places[part.name])))


def check_message(node: Node, text: str) -> dict[str, Any]:
    """Check the seals on the documents of a message; its partner's certificates are believed.

    Raises:
        NoSuchMessage, Ambiguous: There is none, or there are several.
        EcluseError: Its documents are not kept any more.
    """
    message = find_message(node.store, text)
    whose = message.partner if message.direction is Direction.IN else None
    documents = [(part.name, part) for part in message.parts]

    def read(part: Part) -> Octets:
        def octets() -> Iterator[bytes]:
            with node.hub.blob(part.blob) as reader:
                yield from reader.chunks(part.offset, part.size)

        return octets

    return {"message": message.id, **_told(find_seals(seals_of(node), whose, documents, read))}


def _told(found: Sequence[tuple[int, str, list[SealFacts]]]) -> dict[str, Any]:
    told = [
        {"name": name, "passed": whole(facts), "seals": [each.as_dict() for each in facts]}
        for _, name, facts in found
    ]
    return {"documents": told, "passed": bool(told) and all(each["passed"] for each in told)}


def _written(place: Path, work: Callable[[Callable[[bytes], object]], dict[str, Any]]) -> dict[str, Any]:
    new = NewFile(place, 0o644)
    try:
        facts = work(new.write)
        new.commit()
    except BaseException:
        new.abort()
        raise
    return {"file": str(place), "format": facts["seal"], "certificate": facts["certificate"]}


def _look(path: Path) -> tuple[str, int]:
    """What a file is, and its size."""
    inspector = Inspector("")
    try:
        with path.open("rb") as file:
            inspector.feed(file.read(HEAD_LIMIT))
            return inspector.kind, file.seek(0, os.SEEK_END)
    except OSError as error:
        raise UnreadableInput(f"{path} can't be read: {error.strerror}.") from None


def _octets(path: Path) -> Octets:
    return lambda: chunks_of(path)
