"""Noticing at once that something came into a folder.

The kernel tells (inotify) of local folders; a folder on a network file system, where others write unseen, is simply
looked at every few seconds, and so is one that the kernel has no watches left for. Whoever is called looks at the
folder itself: a call says that something may be there, never what. So nothing is lost where the kernel's queue
overflows or a folder is taken away and put back: each folder is called anew whenever watching it began again, and every
minute anyway.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from watchfiles import Change, watch

from ecluse.durable import is_part

__all__ = ["POLL", "RECHECK", "Watcher", "is_remote"]

POLL: Final = 5.0
"""Seconds between two looks at a folder that the kernel does not tell of."""
RECHECK: Final = 60.0
"""Seconds after which a watched folder is called though nothing was told: what an overflow of the kernel's queue
(inotify(7), IN_Q_OVERFLOW) left out is found then."""

_LOOK: Final = 1.0
"""Seconds between two looks whether the watched folders are still the same."""
_REMOTE: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb2",
        "smb3",
        "smbfs",
        "9p",
        "ceph",
        "afs",
        "glusterfs",
        "lustre",
        "gpfs",
        "virtiofs",
    }
)
"""File systems that others may write to without our kernel's knowing; those of FUSE besides."""


class Watcher:
    """Watches folders in a thread of its own, until it is stopped.

    Args:
        folders: Path by name; one may be missing for now.
        arrived: Called in the watcher's thread with the name of a folder in which something may have come. It returns
            soon and does not raise.
        poll: Seconds between two looks where the kernel does not tell.
        recheck: Seconds after which a folder is called anyway.
        force_poll: Never ask the kernel.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        arrived: Callable[[str], None],
        *,
        poll: float = POLL,
        recheck: float = RECHECK,
        force_poll: bool = False,
    ) -> None:
        self._folders = dict(folders)
        self._arrived = arrived
        self._poll = poll
        self._recheck = recheck
        self._force_poll = force_poll
        self._stop = threading.Event()
        self._called = dict.fromkeys(self._folders, 0.0)
        self._thread = threading.Thread(target=self._run, name="watch-folders", daemon=True)

    def start(self) -> None:
        """Begin. Each folder that is there is called once at the beginning."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread. May be called twice, and without :meth:`start`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        without_kernel = 0.0
        while not self._stop.is_set():
            found = {name: mark for name, path in self._folders.items() if (mark := _mark(path)) is not None}
            told: dict[str, Path] = {}
            if not self._force_poll and time.monotonic() >= without_kernel:
                told = {name: path for name in found if not is_remote(path := self._folders[name].resolve())}
            try:
                self._watch(found, told)
            except OSError:
                # Out of watches (fs.inotify), or a folder went away just then: looked at by the clock for a while.
                without_kernel = time.monotonic() + self._recheck
                self._stop.wait(min(_LOOK, self._poll))

    def _watch(self, found: Mapping[str, tuple[int, int]], told: Mapping[str, Path]) -> None:
        """Watch until the folders are others than those that were found."""
        for name in found:
            self._call(name)
        if not told:
            while not self._stop.wait(min(_LOOK, self._poll)) and self._same(found):
                self._call_late(found, told)
            return
        changes = watch(
            *dict.fromkeys(told.values()),
            watch_filter=None,
            debounce=200,
            step=20,
            stop_event=self._stop,
            rust_timeout=int(min(_LOOK, self._poll) * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=True,
            ignore_permission_denied=True,
            force_polling=False,
        )
        for seen in changes:
            touched = {Path(path) for change, path in seen if change is not Change.deleted}
            touched = {path for path in touched if not is_part(path.name)}
            for name, folder in told.items():
                if any(path.is_relative_to(folder) for path in touched):
                    self._call(name)
            if not self._same(found):
                return
            self._call_late(found, told)

    def _same(self, found: Mapping[str, tuple[int, int]]) -> bool:
        return all(_mark(path) == found.get(name) for name, path in self._folders.items())

    def _call_late(self, found: Mapping[str, tuple[int, int]], told: Mapping[str, Path]) -> None:
        now = time.monotonic()
        for name in found:
            if now - self._called[name] >= (self._recheck if name in told else self._poll):
                self._call(name)

    def _call(self, name: str) -> None:
        self._called[name] = time.monotonic()
        self._arrived(name)


def _mark(path: Path) -> tuple[int, int] | None:
    """Which folder is at a path; ``None`` where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if os.path.isdir(path) else None


def is_remote(path: Path) -> bool:
    """Whether others may write to a folder without our kernel's knowing.

    Args:
        path: Absolute, without symbolic links.
    """
    best, kind = 0, ""
    try:
        # proc(5), /proc/pid/mountinfo: the fifth field is the mount point, the one after " - " the type.
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                left, _, right = line.partition(" - ")
                point = left.split(" ")[4].replace("\\040", " ").replace("\\134", "\\")
                if len(point) >= best and path.is_relative_to(point):
                    best, kind = len(point), right.split(" ", 1)[0]
    except (OSError, IndexError):
        return False
    return kind in _REMOTE or kind.startswith("fuse")
