"""The archiving policy of a hub in words, made of its configuration, for auditors and for those who work on it.

It names what is designed for NF Z42-013 and ISO 14641. These certify an operated system, not software: nothing here is
a certificate.
"""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.archive.room import Book
from ecluse.model.basics import Instant, iso
from ecluse.trust.operators import archivists
from ecluse.trust.settings.archive import ArchiveProfile

__all__ = ["policy"]

_BEGINS = {
    "deposit": "its deposit",
    "document": "the date that it says of itself (of its deposit, where it says none)",
    "event": "an event that somebody tells of, such as the end of a contract",
}
_AT_END = {
    "dispose": "It is proposed for destruction.",
    "keep": "It is kept all the same.",
    "review": "Somebody looks at it, and names it for destruction or leaves it.",
}
_UNITS = {"y": "calendar years", "m": "calendar months", "d": "days"}


def policy(book: Book, *, organisation: str, origin: str, verifier: str, now: Instant) -> str:
    """The policy as Markdown.

    Args:
        book: The profiles in force.
        organisation: Whose archive it is.
        origin: Name of the log.
        verifier: The log's verifier key, as text.
        now: When it is made.
    """
    return "\n".join(
        _lines(book, organisation=organisation, origin=origin, verifier=verifier, now=now)
    ).replace("\n\n\n", "\n\n")


def _lines(book: Book, *, organisation: str, origin: str, verifier: str, now: Instant) -> Iterator[str]:
    settings = book.settings
    yield f"# Archiving policy of {organisation}\n"
    yield (
        f"Made on {iso(now)[:10]} from version {book.version} of the configuration. It says what the hub "
        f"does by itself; "
        "premises, people and their training are for the organisation's own procedures.\n"
    )
    yield (
        "The archive is designed for NF Z42-013 and ISO 14641 (electronic archiving with probative "
        "value). It is not "
        "certified: these certify an organisation that operates a system.\n"
    )
    yield "## What is archived, and for how long\n"
    if settings.profile:
        yield f"Where neither flow nor partner says otherwise, the profile is `{settings.profile}`.\n"
    for id, profile in book.profiles.items():
        yield from _profile(book, id, profile)
    yield "## Deposit\n"
    yield (
        "What comes in is archived once it is accepted, what goes out once the other side has confirmed "
        "it. Kept are the "
        "original octets as they came or left, with the protocol's evidence (signatures, receipts). The "
        "octets are "
        "digested (SHA-256) and compared; a receipt, signed by the key of the log, says what was "
        "archived, when, by whom "
        "and by which profile. A document of a format that its profile does not take is stopped, and "
        "nothing of it is "
        "lost. Until a document is archived nothing of it is deleted.\n"
    )
    yield "## Integrity\n"
    yield (
        "What an archived document is never changes: the database refuses it, and refuses to delete its "
        "octets. Octets "
        "are sealed (AES-256-GCM) under a key of their own. "
        f"Every document is read again within {settings.fixity} in every place, at {settings.fixity_rate} "
        f"a second at "
        "most, and compared with its row and with the log's record of its deposit. A damaged copy is made "
        "anew from the "
        "other one; both stand in the log.\n"
    )
    for name, place in settings.places.items():
        lock = f", under Object Lock ({place.object_lock})" if place.object_lock != "none" else ""
        yield f"- Second copies are in `{name}` ({place.place}){lock}."
    yield "\n## Journals\n"
    yield (
        f"The life of each document and the events of the system stand in one log, `{origin}`, a Merkle "
        f"tree (RFC 6962) "
        "whose heads are signed; no record of it can be changed, taken out or put in unseen. Its verifier "
        "key is "
        f"`{verifier}`.\n"
    )
    yield "## Access\n"
    yield (
        "A document is read with a reason, and the log has it before the first octet goes out. Where a "
        "profile names "
        "roles, an operator of one of them signs for it.\n"
    )
    people = ", ".join(each.name for each in archivists(book.operators)) or "nobody yet"
    yield f"Archive administrators (role `archive`): {people}. The roles `run` and `trust` are not theirs.\n"
    yield "## Holds and destruction\n"
    yield (
        "A legal hold names documents or says what they have in common; what comes later and fits is "
        "under it too. While "
        "it stands nothing under it is destroyed.\n"
    )
    yield (
        "Nothing is destroyed because time has passed. What is over is proposed; two archive "
        "administrators sign the list "
        "(SSHSIG); in the transaction that deletes, holds and retention are asked again; keys are "
        "deleted, so that no copy "
        "can be opened; a signed certificate says what was destroyed and what was kept back, and why. "
        "What remains of a "
        "document are its identifier, its digest, its profile and its journal.\n"
    )
    yield (
        f"The clock is watched: where it ran back, was set by more than five minutes, or was not seen for "
        f"more than "
        f"{settings.clock_gap}, no retention ends until a person has confirmed it.\n"
    )
    yield "## Reversibility\n"
    yield (
        "All of the archive can be handed over in an open format with a manifest, and taken over by "
        "another hub: "
        "`ecluse archive export`.\n"
    )


def _profile(book: Book, id: str, profile: ArchiveProfile) -> Iterator[str]:
    yield f"### {profile.name} (`{id}`)\n"
    yield f"- Legal basis: {profile.basis}"
    yield f"- Retention: {_period(profile)}"
    yield f"- At its end: {_AT_END[profile.at_end]}"
    yield f"- Formats: {', '.join(profile.formats) or 'all'}"
    yield f"- Read by: {_roles(profile.read) or 'whoever works on the hub'}"
    yield f"- Destruction signed by: {_roles(profile.dispose)}"
    copy = f"in `{profile.copy}`" if profile.copy else "none"
    yield f"- Second copy: {copy}{', locked until the retention ends' if profile.write_once else ''}"
    flows = [f"the flow `{flow}`" for flow, name in book.flows.items() if name == id]
    flows += [f"the partner `{partner}`" for partner, name in book.partners.items() if name == id]
    yield f"- Named by: {', '.join(flows) or 'no flow and no partner'}\n"


def _roles(roles: tuple[str, ...]) -> str:
    return " or ".join(f"`{role}`" for role in roles)


def _period(profile: ArchiveProfile) -> str:
    if profile.retention == "forever":
        return "for ever"
    length = f"{profile.retention[:-1]} {_UNITS[profile.retention[-1]]}"
    start = _BEGINS[profile.begins]
    if profile.counts_from == "year-end":
        start = f"the end of the year (last day {profile.year_ends}) of {start}"
    return f"{length} from {start}; days are those of {profile.timezone}"
