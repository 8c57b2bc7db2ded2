"""The keyring's twin in memory: for tests, demonstrations and keys that are to die with the process."""

from __future__ import annotations

from ecluse.model.basics import Clock, system_clock
from ecluse.trust.keys.held import HeldKeys

__all__ = ["MemoryKeyring"]


class MemoryKeyring(HeldKeys):
    """A keyring that keeps nothing beyond the process.

    Args:
        clock: When certificates that are made begin.
    """

    def __init__(self, clock: Clock = system_clock) -> None:
        super().__init__(clock)
        self._begin()

    def _keep(self, name: str, data: bytes | None, *, sealed: bool) -> None:
        """Nothing to do: the tables are all there is."""
