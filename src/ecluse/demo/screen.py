"""What the demo shows: plain lines for a pipe, colours and a moving bar on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

__all__ = ["Bar", "Screen", "size_text"]

_LINE_EVERY: Final = 2.0
"""Seconds between two lines of progress where there is no terminal."""
_UNITS: Final = ("B", "KiB", "MiB", "GiB")


def size_text(size: float) -> str:
    """Octets for people: ``791 B``, ``64.0 MiB``."""
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


class Bar:
    """A progress that counts octets; see :meth:`Screen.bar`."""

    def __init__(self, screen: Screen, title: str, total: int, moving: Progress | None) -> None:
        self._screen = screen
        self._title = title
        self._total = total
        self._moving = moving
        self._task = moving.add_task(title, total=total) if moving else None
        self._last = time.monotonic()

    def at(self, done: int) -> None:
        """So many octets are done; never more than there are."""
        done = min(done, self._total)
        if self._moving is not None and self._task is not None:
            self._moving.update(self._task, completed=done)
        elif time.monotonic() - self._last >= _LINE_EVERY:
            self._last = time.monotonic()
            self._screen.note(f"{self._title}: {size_text(done)} of {size_text(self._total)}")


class Screen:
    """Writes to ``console``.

    Args:
        console: A terminal or not.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        unicode = (self.console.encoding or "").lower().startswith("utf")
        self._yes, self._no = ("✓", "✗") if unicode else ("ok", "FAILED")
        self._dot = "·" if unicode else "-"

    def title(self, text: str) -> None:
        """The beginning of a scene."""
        self.console.print(f"\n[bold]{escape(text)}[/bold]", soft_wrap=True)

    def note(self, text: str) -> None:
        """Something that is being done."""
        self._line(self._dot, "dim", text)

    def held(self, text: str) -> None:
        """Something that was checked, and holds."""
        self._line(self._yes, "green", text)

    def failed(self, text: str) -> None:
        """Something that does not hold."""
        self._line(self._no, "bold red", text)

    def _line(self, mark: str, style: str, text: str) -> None:
        self.console.print(f"  [{style}]{mark}[/{style}] {escape(text)}", soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        """A progress of ``total`` octets."""
        if not self.console.is_terminal:
            yield Bar(self, title, total, None)
            return
        columns = (
            TextColumn("    {task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as moving:
            yield Bar(self, title, total, moving)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A small table; numbers stand to the right in the columns after the first."""
        table = Table(title=title, title_justify="left", title_style="bold")
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print()
        self.console.print(table)

    def text(self, text: str = "") -> None:
        """A line as it is."""
        self.console.print(escape(text), soft_wrap=True)
