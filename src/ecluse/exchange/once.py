"""A document appears under its name on the other side exactly once, whatever is cut, killed or taken away.

    1  stage      bring it there whole, under a passing name that readers leave alone; compare its size
    2  remember   write down, durably, what the passing name is
    3  appear     let it take its own name in one step, never another file's

From 3 until the hub has recorded the end anything may happen: the line is cut, the hub is killed, the reader takes the
file away. What lies under the final name proves nothing then: a reader may have it already, or another message of the
same content may lie there. What became of the passing name does, as only step 3 takes it away:

    remembered    passing name        so
    ----------    ------------        --------------------------------------------------------------------------
    yes           whole               it has not appeared: step 3
    yes           whole, and one      it has appeared, by a second name of one file; the first is taken away: done
                  with the final
    yes           gone                it has appeared, and may have been taken since: done
    long ago      gone                it has appeared, or somebody tidied up there: where it does not lie under its
                                      name, a person decides
    yes           torn, or gone       where the other side can't promise that it keeps what it was sent: the final
                  and not safe        name's content decides; is it not ours, step 1
    no            any                 it never appeared: step 1, never over another's file

A person who has a message sent again wants it there again: what was remembered before that no longer says that it is
there, only that a file of the same content may be ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from ecluse.errors import EcluseError, Fault

__all__ = [
    "FOUND",
    "KEPT_FOR",
    "TAKEN",
    "Came",
    "InDoubt",
    "Memory",
    "NotKnown",
    "Spot",
    "Staged",
    "Standing",
    "deliver_once",
]

FOUND: Final = "found"
"""It lies there: an earlier attempt had done it."""
TAKEN: Final = "taken"
"""An earlier attempt had done it, and the file was fetched since."""


KEPT_FOR: Final = 12 * 3600 * 1_000_000
"""Microseconds for which a passing name that is gone can only have appeared. Servers, buckets and people remove
unfinished files that lie about; the shortest rule that a bucket knows is of one day, and so is a cron's."""


class NotKnown(EcluseError):
    """A document was about to appear long ago; its passing name is gone, and nothing tells whether it did appear."""

    code = "exchange.not-known"
    fault = Fault.PERMANENT
    remedy = "Ask the partner whether they have it: then give the delivery up; else have it sent again."


class InDoubt(EcluseError):
    """The document was asked to appear under its name, and no answer came: whether it did is unknown."""

    code = "exchange.in-doubt"
    fault = Fault.TRANSIENT
    remedy = "Do nothing: the hub looks at what became of it before it sends anything again."


class Standing(Enum):
    """What became of a passing name."""

    WHOLE = auto()
    """It is there, with all of its octets."""
    NAMED = auto()
    """It is there, and the final name leads to the very same file."""
    TORN = auto()
    """It is there, and not whole."""
    GONE = auto()
    """It is not there."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A document that is whole on the other side, and not visible yet.

    Attributes:
        mark: Its passing name there, or whatever finds it again.
        safe: The other side keeps it: that it is gone means that it has appeared.
        checked: How its content was compared (``size``, ``digest``...).
        how: How it was brought there (``stored``, ``resumed``...).
        old: It was written down longer ago than :data:`KEPT_FOR`.
    """

    mark: str
    safe: bool
    checked: str = ""
    how: str = ""
    old: bool = False


@dataclass(frozen=True, slots=True)
class Came:
    """A document that has appeared.

    Attributes:
        staged: As what.
        how: What :meth:`Spot.appear` said; :data:`FOUND`; :data:`TAKEN`.
    """

    staged: Staged
    how: str

    @property
    def before(self) -> bool:
        """An earlier attempt had done it."""
        return self.how in (FOUND, TAKEN)


class Memory(Protocol):
    """What must survive the process between two attempts at one delivery."""

    def remember(self, path: str, staged: Staged) -> None:
        """Write down, durably, that the document is whole and about to appear.

        Raises:
            Lost: Another attempt has begun meanwhile.
        """

    def withdraw(self, path: str, mark: str) -> None:
        """Write down, durably, that what was remembered is about to be removed: it will not appear."""

    def left(self, path: str) -> Staged | None:
        """What was remembered of ``path``, and neither withdrawn nor sent again by a person since."""

    def appeared(self, path: str) -> bool:
        """Whether the document may have appeared there, in whatever attempt: also before a person had it resent."""


class Spot(Protocol):
    """The place of one document on the other side, by one connection.

    Methods raise :class:`~ecluse.errors.EcluseError`; after any of them another attempt goes on from what is there.
    """

    @property
    def path(self) -> str:
        """The final path, by which it is remembered."""

    def tidy(self, spared: str) -> None:
        """Remove what earlier attempts left, but that passing name, and what :meth:`stage` goes on from."""

    def check_free(self) -> None:
        """Look, before anything is sent, whether the name can be had.

        Raises:
            NameTaken: It can't. (To find out in :meth:`appear` is early enough where a look costs as much.)
        """

    def stage(self) -> Staged:
        """Bring the document there whole. Where it fails nothing is left but what can be gone on with."""

    def standing(self, mark: str) -> Standing:
        """What became of a passing name."""

    def holds(self) -> bool:
        """Whether the final name has a file of this very content, as durable as the place makes it."""

    def appear(self, mark: str) -> str:
        """Give it its name, in one step; says how.

        Raises:
            NameTaken: Another file has it.
            InDoubt: No answer came.
            EcluseError: Any other means that it has not appeared.
        """

    def drop(self, mark: str) -> None:
        """Remove a passing name, as far as that can be done. Never raises."""


def deliver_once(spot: Spot, memory: Memory, *, again: bool) -> Came:
    """Let the document appear, unless it has.

    Args:
        spot: Where.
        memory: What earlier attempts wrote down.
        again: There were some.

    Raises:
        InDoubt: No answer came to the last step. Another attempt finds out.
        NotKnown: Nobody can find out any more.
        EcluseError: Any other of the spot's or the memory's: it has not appeared in this attempt.
    """
    staged: Staged | None = None
    if again:
        found = _look_back(spot, memory)
        if isinstance(found, Came):
            return found
        staged = found
    if staged is None:
        spot.check_free()
        staged = spot.stage()
        memory.remember(spot.path, staged)
    try:
        return Came(staged, spot.appear(staged.mark))
    except InDoubt:
        raise
    except EcluseError:
        _withdraw(spot, memory, staged)
        raise


def _look_back(spot: Spot, memory: Memory) -> Came | Staged | None:
    """The table above: it came, it only has to appear, or nothing of it is there."""
    left = memory.left(spot.path)
    spot.tidy("" if left is None else left.mark)
    if left is not None:
        standing = spot.standing(left.mark)
        if standing is Standing.NAMED:
            spot.drop(left.mark)
            return Came(left, FOUND)
        if standing is Standing.WHOLE and left.safe:
            if left.old:
                memory.remember(spot.path, left)
            return left
        if standing is Standing.GONE and left.safe:
            if spot.holds():
                return Came(left, FOUND)
            if left.old:
                raise NotKnown(
                    f"{spot.path} was sent whole, and was to be given its name; what became of it was asked too late."
                )
            return Came(left, TAKEN)
    if memory.appeared(spot.path) and spot.holds():
        if left is not None:
            spot.drop(left.mark)
        return Came(left or Staged("", safe=False), FOUND)
    if left is not None:
        _withdraw(spot, memory, left)
    return None


def _withdraw(spot: Spot, memory: Memory, staged: Staged) -> None:
    """First written down, then done: what is gone without a word has appeared."""
    memory.withdraw(spot.path, staged.mark)
    spot.drop(staged.mark)
