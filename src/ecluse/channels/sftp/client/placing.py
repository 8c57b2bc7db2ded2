"""One document to one name on the partner's server: SFTP's steps of :mod:`ecluse.exchange.once`.

No two attempts share a passing name, and a later one removes those of earlier ones before it looks at anything else: an
attempt that lost its lease can't make the file appear behind the back of the one that has it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from ecluse.channels.sftp.client.connect import Link
from ecluse.channels.sftp.client.errors import Doubtful, Lost, NoSuchPlace, ServerSilent, of_status
from ecluse.channels.sftp.client.loop import LoopThread
from ecluse.channels.sftp.client.rate import Rate
from ecluse.channels.sftp.client.session import Session
from ecluse.channels.sftp.client.steps import digest_of, join, octets_of, remove_all, rename_free, same_file
from ecluse.channels.sftp.client.writing import Progress, Terms, Writing
from ecluse.errors import EcluseError
from ecluse.exchange.once import Spot, Staged, Standing
from ecluse.exchange.remote import NameTaken
from ecluse.wire.sftp.answers import FileFacts

__all__ = ["Placing"]

EARLIER: Final = 16
"""Attempts whose temporary names are cleared; older ones ended long before their lease did."""


@dataclass(slots=True)
class Placing:
    """The place of one document. See :class:`~ecluse.exchange.once.Spot`.

    Attributes:
        loop: Runs the connections.
        link: A connection; others may use it too.
        more: Opens a further one for this place.
        rate: Kept by all of them together.
        terms: What is to be placed.
        progress: What an earlier attempt of this process left, and what this one leaves where it fails.
    """

    loop: LoopThread
    link: Link
    more: Callable[[], AbstractContextManager[Link]]
    rate: Rate
    terms: Terms
    progress: Progress | None = None

    @property
    def path(self) -> str:
        """The final path."""
        return join(self.terms.folder, self.terms.name)

    def tidy(self, spared: str) -> None:
        """See the port."""
        terms = self.terms
        kept = {spared, self.progress.temporary if self.progress is not None else ""}
        first = max(1, terms.attempt - EARLIER)
        stale = [name for n in range(first, terms.attempt) if (name := terms.temporary(n)) not in kept]
        self.loop.call(remove_all(self.link.session, [self._octets(name) for name in stale]))

    def check_free(self) -> None:
        """See the port. A first attempt asks in the end: a round trip less is a fifth of a small file's time."""
        if self.terms.attempt > 1 and not self.terms.replace and self._look(self.terms.name) is not None:
            raise self._taken()

    def stage(self) -> Staged:
        """See the port."""
        writing = Writing(self.loop, self.link, self.more, self.rate, self.terms, self.progress)
        try:
            return writing.run()
        finally:
            self.progress = writing.progress

    def standing(self, mark: str) -> Standing:
        """See the port."""
        there = self._look(mark)
        if there is None:
            self._check_base()
            return Standing.GONE
        if not self._fits(there):
            return Standing.TORN
        found = self._look(self.terms.name)
        if found is not None and self._fits(found):
            paths = self._octets(mark), self._octets(self.terms.name)
            if self.loop.call(same_file(self.link.session, *paths)):
                return Standing.NAMED
        return Standing.WHOLE

    def holds(self) -> bool:
        """See the port."""
        found = self._look(self.terms.name)
        if found is None or not self._fits(found):
            return False
        digest = self.loop.call(digest_of(self.link, self.path, self.terms.size, self.rate))
        return digest == self.terms.sha256

    def appear(self, mark: str) -> str:
        """See the port."""
        try:
            how, left_over = self.loop.call(self._appear(self._octets(mark)))
        except (Lost, ServerSilent) as error:
            raise Doubtful(
                f"{self.terms.name} was sent whole, and the last answer did not come. {error.cause}"
            ) from None
        if left_over:
            self._drop_apart(mark)
        self.progress = None
        return how

    def drop(self, mark: str) -> None:
        """See the port."""
        self.progress = None
        if self.link.session.alive:
            self.loop.call(remove_all(self.link.session, [self._octets(mark)]))

    # --- helpers --------------------------------------------------------------------------------------------

    async def _appear(self, path: bytes) -> tuple[str, bool]:
        session, final = self.link.session, self._octets(self.terms.name)
        if self.terms.replace:
            return await self._replace(session, path, final), False
        named = await rename_free(self.link, path, final)
        if named.how:
            return named.how, named.left_over
        # One that was taken away since the look is nobody's: the next attempt asks for the name again.
        if named.status is not None and await session.lstat(final) is None:
            raise of_status(named.status, "rename the file")
        raise self._taken()

    async def _replace(self, session: Session, path: bytes, final: bytes) -> str:
        if session.replaces:
            status = await session.replace(path, final)
            if status.code == 0:
                return "posix-rename"
            raise of_status(status, "let a file take another's place")
        status = await session.rename(path, final)
        if status.code != 0 and await session.lstat(final) is not None:
            await session.remove(final)
            status = await session.rename(path, final)
        if status.code != 0:
            raise of_status(status, "rename the file")
        return "rename"

    def _octets(self, name: str) -> bytes:
        return octets_of(join(self.terms.folder, name))

    def _check_base(self) -> None:
        """Raise where the agreed folder is away, as with storage that is not mounted: then nothing in it has gone."""
        base = self.terms.made[0].rpartition("/")[0] if self.terms.made else self.terms.folder
        if base and self.loop.call(self.link.session.lstat(octets_of(base))) is None:
            raise NoSuchPlace(f"The folder {base} is not there any more.")

    def _look(self, name: str) -> FileFacts | None:
        return self.loop.call(self.link.session.lstat(self._octets(name)))

    def _fits(self, facts: FileFacts) -> bool:
        return facts.plain and facts.size == self.terms.size

    def _taken(self) -> NameTaken:
        return NameTaken(f"The partner's server has another file named {self.path}.")

    def _drop_apart(self, mark: str) -> None:
        """Remove a passing name over a connection of its own; where that can't be had, the file stays."""
        try:
            with self.more() as link:
                self.loop.call(remove_all(link.session, [self._octets(mark)]))
        except EcluseError:
            return


_: type[Spot] = Placing
