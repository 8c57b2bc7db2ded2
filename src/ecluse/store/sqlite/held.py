"""Rows that the units of a group only add: they are held until somebody looks, and go in together.

A statement costs some 10 us, and lets go of the interpreter three times, so that every busy thread of the process
takes part in each; a row more in a statement costs 1 or 2 us and lets go of nothing. What is held is in the same
transaction as all else of its unit, as nobody but the group's own units sees anything of it before the commit: for
those, whatever reads or changes a table has the rows put in first that are held for it.

Whether a row is in another one's way is only known when it goes in. It seldom is; then the group is run again, row by
row, so that the right unit hears of it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from functools import cache
from typing import Final

from ecluse.store.rows import Row

__all__ = ["Held", "InTheWay", "together"]

STEPS: Final = (64, 32, *range(16, 0, -1))
"""Rows in one statement: as many as there are where there are few, and no more different ones than stay prepared."""

_INSERT: Final = re.compile(r"((?:INSERT|INSERT OR REPLACE) INTO (\w+) .*?VALUES )(\([?, ]+\))(.*)")


class InTheWay(Exception):
    """What was held can't go in: the group is to be run again, row by row. Not for the units to catch."""


def together(main: sqlite3.Connection, sql: str, rows: list[Row]) -> int:
    """Run an ``INSERT ... VALUES (?, ...)`` for many rows; give how many went in.

    Raises whatever SQLite and the binding of the values raise; some rows may be in then.
    """
    done = at = 0
    for step in STEPS:
        while len(rows) - at >= step:
            flat = [value for row in rows[at : at + step] for value in row]
            done += main.execute(_many(sql, step), flat).rowcount
            at += step
    return done


@cache
def _many(sql: str, count: int) -> str:
    found = _INSERT.fullmatch(sql)
    assert found is not None, "the statements that rows are held for are all of that form"
    head, _, values, tail = found.groups()
    return f"{head}{', '.join([values] * count)}{tail}"


class Held:
    """What one group has held so far. For the writer's thread.

    Args:
        main: The connection that the rows go in by.
        sql: Named statements.
        touching: For each statement, those whose rows must be in before it is run.

    Attributes:
        spoiled: Something was in the way: whatever a unit made of that, the group is to be run again.
    """

    def __init__(
        self, main: sqlite3.Connection, sql: Mapping[str, str], touching: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._main = main
        self._sql = sql
        self._touching = touching
        self._rows: dict[str, list[Row]] = {}
        self._own: dict[str, int] = {}
        self._lent: dict[str, list[Row]] = {}
        self._places: dict[Row, Row] = {}
        self._usage: dict[str, tuple[int, int]] = {}
        self.spoiled = False

    # --- units --------------------------------------------------------------------------------------------

    def begin_unit(self) -> None:
        """What is added from here on is another unit's."""
        self._own = {name: len(rows) for name, rows in self._rows.items()}
        self._lent.clear()

    def undo_unit(self) -> None:
        """Forget what the unit added. What others had added and was put in within its savepoint is held again."""
        for name, rows in self._rows.items():
            del rows[self._own.get(name, 0) :]
        for name, rows in self._lent.items():
            self._rows[name] = rows + self._rows.get(name, [])
        self._usage.clear()
        self._places = {row[:3]: row for row in self._rows.get("add_file", ())}

    # --- rows ---------------------------------------------------------------------------------------------

    def add(self, name: str, row: Row) -> None:
        """Hold a row for a statement."""
        rows = self._rows.get(name)
        if rows is None:
            rows = self._rows[name] = []
        rows.append(row)
        if name == "add_file":
            self._places[row[:3]] = row
            used = self._usage.get(row[0])
            if used is not None:
                self._usage[row[0]] = (used[0] + row[5], used[1] + 1)

    def touches(self, query: str) -> bool:
        """Whether a statement reads or changes a table that rows are held for."""
        return bool(self._rows) and any(name in self._rows for name in self._touching[query])

    def before(self, query: str) -> None:
        """Put in what is held for the tables of a statement. Raises as :meth:`put_in` does."""
        for name in self._touching[query]:
            if name in self._rows:
                self._put_in(name)

    def put_in(self) -> None:
        """Put in all. Raises :class:`InTheWay`, or sqlite3.Error where the file does not take it."""
        for name in list(self._rows):
            self._put_in(name)

    def _put_in(self, name: str) -> None:
        rows = self._rows.pop(name)
        own = self._own.pop(name, 0)
        if own:
            self._lent[name] = self._lent.get(name, []) + rows[:own]
        if name == "add_file":
            self._places.clear()
            self._usage.clear()
        try:
            done = together(self._main, self._sql[name], rows)
        except (sqlite3.IntegrityError, UnicodeError, OverflowError, sqlite3.InterfaceError) as error:
            self.spoiled = True
            raise InTheWay from error
        if done != len(rows):
            self.spoiled = True
            raise InTheWay

    # --- files --------------------------------------------------------------------------------------------

    def at(self, place: Row) -> Row | None:
        """The row of a file that is held for a place (partner, folder, name)."""
        return self._places.get(place)

    def usage(self, partner: str) -> tuple[int, int] | None:
        """Octets and number of a partner's files, those that are held among them, where that is known."""
        return self._usage.get(partner)

    def note_usage(self, partner: str, octets: int, files: int) -> tuple[int, int]:
        """What the table says of that; give it with what is held."""
        mine = [row for row in self._rows.get("add_file", ()) if row[0] == partner]
        used = self._usage[partner] = (octets + sum(row[5] for row in mine), files + len(mine))
        return used

    def files_changed(self) -> None:
        """A statement changed the table of files: what is known of it may be wrong."""
        self._usage.clear()
