"""Foreign servers that end with the run that started them, also where it is killed."""

from __future__ import annotations

import ctypes
import signal

__all__ = ["with_parent"]

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def with_parent() -> None:
    """Have the kernel kill this process once the thread that started it has ended (prctl(2)).

    For ``preexec_fn`` of what a test starts, or for a process itself. A server that puts itself into the background, or
    changes its user, forgets it.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
