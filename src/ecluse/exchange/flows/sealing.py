"""Seals on the documents of a flow: those that came are looked at, and ours are put on what leaves.

A step of the workshop, apart from it since it is asked for rarely and reads much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.flows.ports import Octets, Seals
from ecluse.exchange.inspect import Problem
from ecluse.exchange.seals.facts import Indication, SealFacts, Verdict, whole
from ecluse.exchange.seals.inside import Inside
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Part
from ecluse.trust.settings.seals import Sealing, SealsAsked

__all__ = ["SEALED_TYPES", "Reading", "find_seals", "look_at_seals", "put_seal"]

Reading = Callable[[Part], Octets]
"""Gives the octets of a part."""

Make = Callable[[int | None, str, Callable[[Callable[[bytes], None]], object]], None]
"""Makes a document; see :func:`put_seal`."""

SEALED_TYPES: Final = {
    ".p7m": "application/pkcs7-mime",
    ".p7s": "application/pkcs7-signature",
    ".asice": "application/vnd.etsi.asic-e+zip",
}
_BESIDE: Final = (".p7s", ".sig")
"""How a seal that lies beside a document is called: the document's name and one of these."""


def find_seals(
    seals: Seals, partner: PartnerId | None, documents: Sequence[tuple[str, Part]], read: Reading
) -> list[tuple[int, str, list[SealFacts]]]:
    """The seals on documents that came together: number, name and seals of each.

    A file that is called like another one with ``.p7s`` behind it is that one's seal, and no document. What is not what
    it says it is has one seal that failed.

    Args:
        seals: Who checks.
        partner: Whose certificates are believed; ``None`` for our own.
        documents: Names and places.
        read: Gives their octets.

    Raises:
        EcluseError: The octets can't be had.
    """
    places = dict(documents)
    found = []
    for number, (name, part) in enumerate(documents):
        if _stem(name) in places:
            continue
        facts = _checked(partial(seals.check, partner, name, part.kind, part.size, read(part)))
        for ending in _BESIDE:
            beside = places.get(name + ending)
            if beside is not None:
                facts += _checked(partial(seals.check_beside, partner, read(beside), beside.size, read(part)))
        found.append((number, name, facts))
    return found


def look_at_seals(
    seals: Seals,
    asked: SealsAsked,
    partner: PartnerId,
    documents: Sequence[tuple[str, Part]],
    read: Reading,
) -> tuple[list[dict[str, Any]], Problem | None]:
    """What the seals on documents that came together come to; arguments and errors as of :func:`find_seals`.

    Returns:
        Facts for the log, and why a person should look where a seal is required and none passes.
    """
    found = find_seals(seals, partner, documents, read)
    told = [_brief(number, each) for number, _, facts in found for each in facts]
    without = [facts for _, _, facts in found if not whole(facts)]
    if asked != "require" or not without:
        return told, None
    first = next(
        (each.verdict.sentence for facts in without for each in facts if not each.verdict.passed), ""
    )
    reason = f"{len(without)} of {len(found)} documents have no seal by somebody who is believed. {first}"
    return told, Problem(
        "seal.not-valid", f"{reason.strip()} See `ecluse seal check`, then release it or give it up."
    )


def put_seal(
    seals: Seals, how: Sealing, documents: Sequence[Inside], kinds: Sequence[str], make: Make
) -> list[dict[str, Any]]:
    """Seal documents, each in itself, beside itself, or all in one container.

    Args:
        seals: Who seals.
        how: In which way.
        documents: What is sealed.
        kinds: What inspection found each to be.
        make: Called as ``make(number, ending, work)`` for each document that is made: which one it was (``None`` for
            a container of all), what its name gets more, and what writes it.

    Returns:
        Facts for the log.
    """
    told = []
    if how.format == "asic-e":
        make(None, ".asice", lambda write: told.append(seals.contain(how, documents, write)))
    elif how.format == "cades-detached":
        for number, document in enumerate(documents):
            seal, facts = seals.beside(how, document.chunks)
            told.append(facts)
            make(number, ".p7s", lambda write, seal=seal: write(seal))  # type: ignore[misc]
    else:
        for number, (document, kind) in enumerate(zip(documents, kinds, strict=True)):
            ending = ".p7m" if seals.form(how, kind, document.size) == "cades" else ""
            make(
                number,
                ending,
                lambda write, document=document, kind=kind: told.append(  # type: ignore[misc]
                    seals.seal(how, kind, document.size, document.chunks, write)
                ),
            )
    return told


def _checked(check: Callable[[], list[SealFacts]]) -> list[SealFacts]:
    """What a check found; what can't be read as what it says it is has a seal that fails."""
    try:
        return check()
    except EcluseError as error:
        if error.fault not in (Fault.PERMANENT, Fault.PARTNER):
            raise
        return [SealFacts("cms", Verdict(Indication.FAILED, "format-failure", error.cause), covers="part")]


def _brief(number: int, facts: SealFacts) -> dict[str, Any]:
    """For the log: no names, which may be those of persons."""
    return {
        "document": number + 1,
        "format": facts.format,
        "indication": facts.verdict.indication.value,
        "ground": facts.verdict.ground,
        "certificate": facts.certificate,
    }


def _stem(name: str) -> str:
    """The name of the document that a file would be the seal of; empty where it is called like none."""
    for ending in _BESIDE:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return ""
