"""Finding documents in the archive, in few milliseconds whatever is asked for.

A search is driven by one of its conditions, and the others are checked in that condition's index. Which one drives is
decided by looking: whichever only few documents answer to. Where many answer to each, the newest days are read first
until enough was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ecluse.errors import EcluseError, Fault
from ecluse.model.archive import Archived, ArchiveId
from ecluse.store.archive_numbers import searched
from ecluse.store.port import View

__all__ = ["BadQuery", "Page", "Place", "Query", "search", "search_all"]

MAX_LIMIT: Final = 500
"""Documents on one page."""
_FEW: Final = 4000
"""Documents that are looked up one by one and sorted: some 10 ms."""
_LOOKS: Final = (1000, 16_000)
"""How far conditions are counted to see which one fewest answer to: 0.1 us each."""
_LAST: Final = chr(0x10FFFF)
_EQUAL: Final = ("state", "partner", "type", "profile", "currency")
"""Conditions that may drive, that with fewest documents first, as archives are; what is kept is not sought by that."""
_MANY: Final = 200_000
"""Numbers that are read to see in which days they are: 0.1 us each. Of more, some are found in any days."""
_DAY: Final = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
_PLACE: Final = re.compile(r"([0-9-]{0,10})/(a[0-9a-z]{1,40})")


class BadQuery(EcluseError):
    """What is asked for can't be searched by."""

    code = "archive.bad-query"
    fault = Fault.USAGE
    remedy = "Look at `ecluse archive search --help`."


@dataclass(frozen=True, slots=True)
class Query:
    """What documents have to be; what is not given is not asked for.

    Attributes:
        partner: From or for whom.
        direction: ``in`` or ``out``.
        type: ``invoice``, ``order``...
        profile: Of the archive.
        state: ``kept``, ``damaged``, ``disposed``.
        currency: ISO 4217.
        reference: Its own number, in any case; with ``*`` at the end, what that begins with.
        number: Its own number or one that it names; ``*`` as above.
        invoice: Number of an invoice: that one, and whatever names it.
        text: What a number of it, or a word in a number of it, begins with.
        since: First day, ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``.
        until: Last day, year or month.
        least: Smallest amount, in minor units.
        most: Largest amount.
    """

    partner: str = ""
    direction: str = ""
    type: str = ""
    profile: str = ""
    state: str = ""
    currency: str = ""
    reference: str = ""
    number: str = ""
    invoice: str = ""
    text: str = ""
    since: str = ""
    until: str = ""
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the next one begins after it.

    Attributes:
        day: Of the last document shown.
        id: Its id.
    """

    day: str
    id: ArchiveId

    def __str__(self) -> str:
        return f"{self.day}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """The inverse of ``str``. Raises :class:`BadQuery`."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise BadQuery("The place to go on from is none.", remedy="Take it from the page before: `next`.")
        return cls(found[1], ArchiveId(found[2]))


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what was found.

    Attributes:
        found: Documents, newest day first; those without a day last, the last one deposited first.
        next: Where the next page begins; ``None`` where this is the last.
    """

    found: tuple[Archived, ...]
    next: Place | None


_Condition = tuple[str, object]


def search(view: View, query: Query, *, after: Place | None = None, limit: int = 50) -> Page:
    """One page of the documents that answer to all that is asked for.

    Args:
        view: Any reading transaction.
        query: What is asked for.
        after: Where the page before ended.
        limit: Documents on a page, 500 at most.

    Raises:
        BadQuery: A day is none, or a number has nothing in it.
    """
    limit = max(1, min(limit, MAX_LIMIT))
    found = _found(view, query, after, limit + 1)
    rows = view.archived_in([id for _, id in found[:limit]])
    shown = tuple(rows[id] for _, id in found[:limit] if id in rows)
    more = len(found) > limit
    return Page(shown, Place(*found[limit - 1]) if more else None)


def search_all(view: View, query: Query) -> Iterator[Archived]:
    """Every document that answers, page by page. Raises as :func:`search` does."""
    place: Place | None = None
    while True:
        page = search(view, query, after=place, limit=MAX_LIMIT)
        yield from page.found
        place = page.next
        if place is None:
            return


def _found(view: View, query: Query, after: Place | None, limit: int) -> list[tuple[str, ArchiveId]]:
    """Day and id of what is found."""
    numbers = _numbers(query)
    few = _few_ids(view, numbers)
    if few is not None:
        left = [each for each in numbers if each is not few[0]]
        conditions = _conditions(query, after, ("ids", few[1]), left)
        return view.archive_search(conditions, limit) if few[1] else []
    equal: dict[str, object] = {name: getattr(query, name) for name in _EQUAL if getattr(query, name)}
    driver, count = _driver(view, equal, _amounts(query))
    conditions = _conditions(query, after, driver, numbers)
    if numbers and count >= _LOOKS[-1]:
        # Numbers go by years: days in which there is no such number are not to be read through.
        first, last, read = view.archive_span(numbers[0], _MANY)
        if read < _MANY:
            conditions += [("since", first), ("last", last)]
    return view.archive_search(conditions, limit)


def _days(query: Query, after: Place | None, suffix: str) -> list[_Condition]:
    asked: list[_Condition] = []
    if query.since:
        asked.append((f"since{suffix}", _day(query.since)))
    if query.until:
        asked.append((f"until{suffix}", _day(query.until) + ("" if len(query.until) == 10 else "-99")))
    if after is not None:
        asked.append((f"before{suffix}", (after.day, after.id)))
    return asked


def _conditions(
    query: Query, after: Place | None, driver: _Condition | None, numbers: list[_Condition]
) -> list[_Condition]:
    """All conditions, the one that drives under its plain name."""
    checked: list[_Condition] = [(f"{name}_too", value) for name, value in numbers]
    equal: dict[str, object] = {name: getattr(query, name) for name in _EQUAL if getattr(query, name)}
    if query.direction:
        checked.append(("direction_too", query.direction))
    amount = _amounts(query)
    drives = driver[0] if driver is not None else ""
    checked += [(f"{name}_too", value) for name, value in equal.items() if name != drives]
    if amount is not None and drives != "amount":
        checked.append(("amount_too", amount))
    # Where the driver's index is not in the order of days, no other index is to be taken for the sake of that.
    checked += _days(query, after, "_too" if drives in ("ids", "amount") else "")
    return checked if driver is None else [driver, *checked]


def _numbers(query: Query) -> list[_Condition]:
    asked = (
        ("own", query.reference, query.reference.endswith("*")),
        ("number", query.number, query.number.endswith("*")),
        ("invoice", query.invoice, query.invoice.endswith("*")),
        ("number", query.text, True),
    )
    found: list[_Condition] = []
    for name, text, prefix in asked:
        if not text:
            continue
        number = searched(text.removesuffix("*"))
        if not number:
            raise BadQuery("A number to search by has nothing in it.")
        found.append((name, (number, number + _LAST if prefix else number + "\x01")))
    return found


def _amounts(query: Query) -> tuple[int, int] | None:
    if query.least is None and query.most is None:
        return None
    least = query.least if query.least is not None else -(2**62)
    return least, query.most if query.most is not None else 2**62


def _few_ids(view: View, numbers: list[_Condition]) -> tuple[_Condition, list[ArchiveId]] | None:
    """The condition on numbers that few documents answer to, and which these are."""
    best: tuple[_Condition, list[ArchiveId]] | None = None
    for condition in numbers:
        found = view.archive_numbered(condition, _FEW + 1)
        ids = sorted(set(found))
        if len(found) <= _FEW and (best is None or len(ids) < len(best[1])):
            best = condition, ids
    return best


def _driver(
    view: View, equal: dict[str, object], amount: tuple[int, int] | None
) -> tuple[_Condition | None, int]:
    """The condition that fewest documents answer to, and how many, as far as that was looked at."""
    asked: list[_Condition] = [(name, value) for name, value in equal.items() if value != "kept"]
    ranged: list[_Condition] = [("amount", amount)] if amount is not None else []
    for bound in _LOOKS:
        counts = [(view.archive_probe(each, bound), each) for each in (*ranged, *asked)]
        fewest, best = min(counts, key=lambda each: each[0], default=(bound, None))
        if fewest < bound:
            return best, fewest
    return (asked[0] if asked else None), _LOOKS[-1]


def _day(text: str) -> str:
    if _DAY.fullmatch(text) is None:
        raise BadQuery(f"{text[:40]!a} is no day.", remedy="Write 2026, 2026-03 or 2026-03-31.")
    return text
