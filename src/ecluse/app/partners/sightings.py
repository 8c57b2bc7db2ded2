"""What partners are seen to use, written down every few seconds while a node serves."""

from __future__ import annotations

import threading
from typing import Final

import structlog

from ecluse.errors import EcluseError
from ecluse.exchange.hub import Hub

__all__ = ["SightingsWork"]

FLUSH_EVERY: Final = 2.0
"""Seconds between two writings: drift on the wire is to be found within a minute, and most of these write nothing."""

_log = structlog.get_logger("ecluse.sightings")


class SightingsWork:
    """A thread that writes this node's sightings; each node writes its own.

    Args:
        hub: Whose.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._quit = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ecluse-sightings", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and end. May be called though it never began."""
        self._quit.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._write(everything=True)

    def _run(self) -> None:
        while not self._quit.wait(FLUSH_EVERY):
            self._write()

    def _write(self, *, everything: bool = False) -> None:
        try:
            self._hub.note_sightings(everything=everything)
        except EcluseError as error:
            _log.warning("sightings not written", **error.as_dict())
        except Exception as error:  # noqa: BLE001 - a thread that ended would never write any again
            _log.error("sightings not written", crash=type(error).__name__)
