"""A site in a process of its own, to be traced, failed and killed: driven call by call from the test.

``python -m tests.support.remote_site SOCKET WALLS...`` opens the keyrings once (their stretching takes its time) and
then forks one process for each connection. A :class:`RemoteSite` is the test's end of it: it looks like a
:class:`~tests.support.sites.Site`, and raises :class:`~tests.support.sites.Died` where the process is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from tests.support.children import ROOT, child_env
from tests.support.sites import Died, Headers, Site, Walls, walls

from ecluse.channels.as2 import sender
from ecluse.channels.http.errors import Doubtful
from ecluse.channels.http.exchange import Reply
from ecluse.channels.http.message import Peer
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant

__all__ = ["Failed", "Nursery", "RemoteSite"]


_PR_SET_PTRACER, _ANY = 0x59616D61, -1


class Failed(Exception):
    """A call ended with an error of the hub's: nothing was acknowledged. Holds its code."""


class Nursery:
    """The process that forks sites. One for a run."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nursery-")
        self._path = f"{self._folder.name}/socket"
        self._listener = Listener(self._path, "AF_UNIX")
        folders = [str(wall.folder) for wall in walls().values()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.remote_site", self._path, *folders],
            stdin=subprocess.PIPE,
            env=child_env(),
            cwd=ROOT,
        )
        self._control = self._listener.accept()

    def site(self, name: str, folder: Path, now: Instant, *, mutant: str = "") -> RemoteSite:
        self._control.send((name, str(folder), now, mutant))
        return RemoteSite(self._listener.accept())

    def close(self) -> None:
        self._control.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._listener.close()
        self._folder.cleanup()


class RemoteSite:
    """The test's end. :attr:`post` answers what the site posts; :attr:`now` is its time."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self.pid, self.threads = line.recv()
        self.post: Callable[[str, Headers, bytes], Reply] = lambda *_: (_ for _ in ()).throw(
            Doubtful("No one.")
        )
        self.clock: Callable[[], Instant] = lambda: Instant(0)

    def _call(self, verb: str, *arguments: Any) -> Any:
        try:
            self._line.send((verb, self.clock(), arguments))
            while True:
                kind, value = self._line.recv()
                if kind == "post":
                    try:
                        reply = self.post(*value)
                        self._line.send((reply.status, reply.headers, reply.body))
                    except EcluseError:
                        self._line.send(None)
                elif kind == "error":
                    raise Failed(value)
                elif kind == "crash":
                    raise AssertionError(f"{verb} raised what is none of the hub's errors: {value}")
                else:
                    return value
        except (EOFError, OSError):
            raise Died(verb) from None

    def send(self, partner: str, data: bytes, label: str) -> None:
        self._call("send", partner, data, label)

    def receive(self, headers: Headers, body: bytes) -> Reply:
        status, fields, data = self._call("receive", headers, body)
        return Reply(status, "", fields, data, Peer("192.0.2.8", 80))

    def work(self) -> None:
        self._call("work")

    def look_for_overdue(self) -> None:
        self._call("look_for_overdue")

    def seal_log(self) -> None:
        self._call("seal_log")

    def close(self) -> None:
        """End the process in order; it is quiet about whether it was there."""
        with contextlib.suppress(Died, Failed):
            self._call("close")
        self._line.close()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._line.close()


# The other end


class _Far:
    """One site in its process."""

    def __init__(self, wall: Walls, folder: Path, line: Connection, now: int) -> None:
        self._line = line
        self.now = now
        self.site = Site(wall, folder, clock=self._clock)
        # The writer's thread is there from now on, and can be traced by itself.
        self.site.raw.write(lambda tx: tx.beat(self.site.hub.node, Instant(now)))
        sender.post = self._post  # type: ignore[assignment]

    def _clock(self) -> Instant:
        self.now += 1000
        return Instant(self.now)

    def _post(self, url: str, headers: Headers, body: bytes | Iterable[bytes], **_: object) -> Reply:
        self._line.send(("post", (url, headers, body if isinstance(body, bytes) else b"".join(body))))
        answer = self._line.recv()
        if answer is None:
            raise Doubtful("No answer came.")
        return Reply(*(answer[0], "", *answer[1:]), Peer("192.0.2.8", 80))

    def serve(self) -> None:
        (writer,) = [each for each in threading.enumerate() if each.name == "ecluse-writer"]
        threads = {"main": threading.get_native_id(), "writer": writer.native_id}
        self._line.send((os.getpid(), threads))
        while True:
            verb, now, arguments = self._line.recv()
            self.now = max(self.now, now)
            try:
                value: tuple[str, Any] = ("done", self._do(verb, arguments))
            except EcluseError as error:
                value = ("error", error.code)
            except Exception as error:
                value = ("crash", repr(error))
            self._line.send(value)
            if verb == "close":
                return

    def _do(self, verb: str, arguments: tuple[Any, ...]) -> Any:
        if verb == "receive":
            reply = self.site.receive(*arguments)
            return reply.status, reply.headers, reply.body
        getattr(self.site, verb)(*arguments)
        return None


def main(path: str, *folders: str) -> None:
    known = {Path(folder).name: Walls(Path(folder)) for folder in folders}
    libc = ctypes.CDLL(None)
    with Client(path, "AF_UNIX") as control:
        while True:
            try:
                name, folder, now, mutant = control.recv()
            except EOFError:
                return
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if os.fork():
                continue
            control.close()
            # Where only ancestors may trace a process, this one lets anybody.
            libc.prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
            if mutant:
                from tests.support.wrong_hubs import MUTANTS

                MUTANTS[mutant]()
            with Client(path, "AF_UNIX") as line, contextlib.suppress(EOFError, OSError):
                _Far(known[name], Path(folder), line, now).serve()
            os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
