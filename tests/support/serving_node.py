"""A serving node in a process of its own: ``python -m tests.support.serving_node FOLDER [MUTANT]``.

It prints ``ready PORT FTPS-PORT`` (0 where none listens) and serves until its standard input ends; then it stops in
good order and prints ``stopped``. Its leases are short, so that a test need not wait for those of a killed node.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from tests.support import wrong_hubs
from tests.support.children import ROOT, child_env

from ecluse.app import service as app
from ecluse.app.opening import open_node
from ecluse.engine.runner import Runner
from ecluse.evidence import sequencer
from ecluse.exchange.deliver import Attempt

__all__ = ["ServingNode"]

LEASE = 2.0


class ServingNode:
    """The test's end of one."""

    def __init__(self, folder: Path, mutant: str = "", log: Path | None = None) -> None:
        self._log = (log or folder.with_suffix(".log")).open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.serving_node", str(folder), mutant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=child_env(),
            cwd=ROOT,
        )
        self.port = self.ftps_port = 0

    def wait_until_ready(self) -> ServingNode:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.port, self.ftps_port = map(int, line.split()[1:])
                return self
        raise AssertionError(f"the node did not start: see {self._log.name}")

    def kill(self) -> None:
        self.process.kill()
        self._end()

    def stop(self) -> str:
        """Stop in good order; give what it said after that."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        said = self.process.stdout.read()
        self._end()
        return said

    def _end(self) -> None:
        self.process.wait(60)
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                stream.close()
        self.port = 0


def slow_and_early() -> None:
    """The mutant with a window that a killer can't miss."""
    wrong_hubs.done_before_the_effect()
    begin = Attempt._begin

    def slowly(self: Attempt, tx: object) -> object:
        time.sleep(0.2)
        return begin(self, tx)  # type: ignore[arg-type]

    Attempt._begin = slowly  # type: ignore[method-assign,assignment]


async def serve(folder: Path) -> None:
    with open_node(folder, migrate=True) as node:
        service = app.Service(node, listen="127.0.0.1:0")
        await service.start()
        ftps = service.ftps.ports[0] if service.ftps is not None else 0
        print(f"ready {service.port} {ftps}", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await service.stop()
    print("stopped", flush=True)


def main(folder: str, mutant: str = "") -> None:
    assert Runner.__init__.__kwdefaults__ is not None
    Runner.__init__.__kwdefaults__["lease"] = LEASE
    sequencer.LEASE = int(LEASE * 1_000_000)  # type: ignore[misc]
    app.OVERDUE_EVERY = 1  # type: ignore[misc]
    if mutant:
        slow_and_early()
    asyncio.run(serve(Path(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])
