"""The sequencer's thread: seals while there is work, signs at quiet and at the latest every so often."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from ecluse.errors import EcluseError
from ecluse.evidence.sequencer import BATCH, Sequencer
from ecluse.model.basics import Clock, Instant

__all__ = ["Pace", "SequencerLoop"]

_BACKOFF: Final = 1.0
"""Seconds after a failure; a database that is away is asked once a second."""


class Pace:
    """How eager the loop is, in seconds.

    Args:
        batching: Between two batches while records come; they share a transaction meanwhile.
        idle: Between two looks while none come.
        quiet: Without a record until the head is signed.
        latest: Until the head is signed although records keep coming.
    """

    __slots__ = ("batching", "idle", "latest", "quiet")

    def __init__(
        self, *, batching: float = 0.1, idle: float = 0.25, quiet: float = 0.5, latest: float = 5.0
    ) -> None:
        self.batching = batching
        self.idle = idle
        self.quiet = quiet
        self.latest = latest


class SequencerLoop:
    """Runs a sequencer until it is stopped.

    Args:
        sequencer: What is run.
        clock: Time.
        report: Told of every failure, once as long as it stays the same; it does not raise.
        pace: How eager.
        greet: Called once before the first signature; what it raises is a failure as any other.
    """

    def __init__(
        self,
        sequencer: Sequencer,
        clock: Clock,
        report: Callable[[EcluseError], None],
        pace: Pace | None = None,
        greet: Callable[[], None] | None = None,
    ) -> None:
        self._sequencer = sequencer
        self._clock = clock
        self._report = report
        self._pace = pace or Pace()
        self._greet = greet
        self._stop = threading.Event()
        self._work = threading.Event()
        self._thread: threading.Thread | None = None
        self._unsigned = True  # a crash, or the node that led before, may have left a head unsigned
        self._signed = self._grew = Instant(0)
        self.failure: EcluseError | None = None
        """What goes wrong at present, for the health of the hub; ``None`` while all is well."""

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="ecluse-sequencer", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Say that there are records; spares the wait of an idle loop. May be called from any thread."""
        self._work.set()

    def stop(self, timeout: float = 10.0) -> None:
        """Seal and sign what is there, give the lease up, and return when the thread has ended."""
        self._stop.set()
        self._work.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def run(self) -> None:
        """Work until :meth:`stop` is called."""
        while not self._stop.is_set():
            pause = self.step()
            if pause >= self._pace.idle:
                self._work.wait(pause)
                self._work.clear()
            elif pause:
                self._stop.wait(pause)
        self._guarded(self._finish)

    def step(self) -> float:
        """Do what is due; give the seconds until there may be more."""
        return self._guarded(self._step)

    def _guarded(self, work: Callable[[], float]) -> float:
        try:
            pause = work()
        except EcluseError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a log that silently stopped is worse than any failure
            self._fail(EcluseError(f"The sequencer failed: {type(error).__name__}.", code="evidence.stopped"))
        else:
            self.failure = None
            return pause
        return _BACKOFF

    def _step(self) -> float:
        if not self._sequencer.lead():
            self._unsigned = True
            return self._pace.idle
        count = self._sequencer.seal()
        now = self._clock()
        if count:
            self._unsigned = True
            self._grew = now
        if count == BATCH:
            return 0.0
        if self._unsigned and self._is_due(now):
            # Set before: a refusal to sign is tried again at this pace, while sealing goes on.
            self._signed = now
            self._sign()
            self._unsigned = False
        return self._pace.batching if count or self._unsigned else self._pace.idle

    def _is_due(self, now: Instant) -> bool:
        return now - self._grew >= self._pace.quiet * 1e6 or now - self._signed >= self._pace.latest * 1e6

    def _finish(self) -> float:
        if self._sequencer.lead():
            while self._sequencer.seal():
                pass
            self._sign()
            self._sequencer.resign()
        return 0.0

    def _sign(self) -> None:
        if self._greet is not None:
            greet, self._greet = self._greet, None
            greet()
        self._sequencer.checkpoint()

    def _fail(self, error: EcluseError) -> None:
        if self.failure is None or (self.failure.code, self.failure.cause) != (error.code, error.cause):
            self._report(error)
        self.failure = error
