"""Files one after the other, or several at once over connections of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from ecluse.exchange.remote import RemoteFile

__all__ = ["Outcomes", "at_once", "in_order"]

T = TypeVar("T")

Outcomes = Generator[tuple[RemoteFile, Future[T]], None, None]


def in_order(take: Callable[[RemoteFile], T], files: Sequence[RemoteFile]) -> Outcomes[T]:
    """Each file with what became of it, which may be an error."""
    for file in files:
        future: Future[T] = Future()
        try:
            future.set_result(take(file))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        yield file, future


def at_once(take: Callable[[RemoteFile], T], files: Sequence[RemoteFile], many: int) -> Outcomes[T]:
    """The same over several connections, and never more under way than there are of these."""
    waiting = iter(files)
    with ThreadPoolExecutor(many, thread_name_prefix="collect") as threads:
        running = {threads.submit(take, file): file for file in islice(waiting, many)}
        while running:
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield running.pop(future), future
                following = next(waiting, None)
                if following is not None:
                    running[threads.submit(take, following)] = following
