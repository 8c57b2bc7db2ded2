"""The room that one upload takes, from its first octet to its row: so that many at once don't outgrow the quota."""

from __future__ import annotations

from typing import Final

from ecluse.exchange.mailbox.session import Session
from ecluse.exchange.tree import NoSpace

__all__ = ["Room"]

STEP: Final = 1 << 20
"""Room is taken in steps of so many octets."""


class Room:
    """See above. The rows themselves are counted exactly when they are written.

    Args:
        session: Whose.
        usage: Octets and number of what lay in the partner's folders when the upload was opened.
        replaced: Octets of what it takes the place of.
        begun: Octets of it that are among those already.
        files: 1 where it is one more, else 0.

    Raises:
        NoSpace: There are as many files as were agreed.
    """

    __slots__ = ("_files", "_granted", "_session", "_spare", "_taken")

    def __init__(
        self, session: Session, usage: tuple[int, int], *, replaced: int, begun: int, files: int
    ) -> None:
        self._session = session
        self._spare = session.terms.quota - usage[0] + replaced
        self._granted = begun
        self._taken = 0
        self._files = files
        under_way = session.hub.desk.take_room(session.partner, 0, files)[1]
        if files and usage[1] + under_way > session.terms.files:
            self.give_back()
            raise NoSpace("There are as many files as were agreed.")

    def take(self, end: int) -> None:
        """Take room up to ``end`` octets, and some more where there is.

        Raises:
            NoSpace: There is not so much.
        """
        if end <= self._granted:
            return
        limit = self._session.terms.max_file
        if end > limit:
            raise NoSpace(f"The file would be larger than {limit} octets.")
        for wanted in (min(limit, end + STEP), end):
            more = wanted - self._granted
            if self._take(more) <= self._spare:
                self._granted = wanted
                return
            self._take(-more)
        raise NoSpace("The folders would grow past their quota.")

    def give_back(self) -> None:
        """The upload is over. May be called twice."""
        self._session.hub.desk.take_room(self._session.partner, -self._taken, -self._files)
        self._taken = self._files = 0

    def _take(self, octets: int) -> int:
        self._taken += octets
        return self._session.hub.desk.take_room(self._session.partner, octets)[0]
