"""Where the CPU of a hub per AS2 message goes: ``python -m benchmarks.hub_costs [NAME=FOLDER ...]``.

Each folder is a working tree of this project, as a rule this one and another version beside it. A hub of each serves at
the same time, in a process of its own, and they get the same messages as ``benchmarks.hub`` sends, in turn, so many a
round: what else the machine does hits all of them alike, and the ratio of their rounds holds where a figure does not.

Printed are CPU by thread, runs of the garbage collector, page faults, switches, octets written, and, where they are
counted, statements of SQL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

HZ: Final = os.sysconf("SC_CLK_TCK")
WARM: Final = 200
SETTLE: Final = 0.15
"""Seconds after a round until what it left to be done has been done."""
LEAST: Final = 0.003
"""Milliseconds a message of a thread that is worth a line."""
_ROLE: Final = re.compile(r"^.*-(?=bell|heart|worker|dispatcher)|-\d+$")
"""What tells the threads of one role apart."""

_PREPARE: Final = """
import sys
from pathlib import Path
from benchmarks import hub, hubs
from tests.support.hubs import introduce
folder = Path(sys.argv[1])
aster, birch = hubs.make(folder, "Aster"), hubs.make(folder, "Birch")
introduce(birch, aster, "aster", "http://127.0.0.1:9/as2")
requests = hub.build(aster, birch, int(sys.argv[2]))
(folder / "requests").write_bytes(b"".join(len(each).to_bytes(4, "big") + each for each in requests))
aster.close(), birch.close()
"""

_SERVE: Final = """
import asyncio, collections, gc, json, os, signal, sys, threading
from pathlib import Path
import uvloop
from benchmarks import hub_server
from ecluse.store.sqlite import connection
folder, statements = Path(sys.argv[1]), collections.Counter()
def count(connect):
    def traced(*given, **named):
        made = connect(*given, **named)
        made.set_trace_callback(lambda sql: statements.update([" ".join(sql.split("VALUES")[0].split())[:70]]))
        return made
    for module in list(sys.modules.values()):
        if getattr(module, "connect", None) is connect:
            module.connect = traced
if sys.argv[2] == "count":
    count(connection.connect)
def tell():
    told = {"gc": [each["collections"] for each in gc.get_stats()], "sql": statements,
            "threads": {each.native_id: each.name for each in threading.enumerate()}}
    (folder / "told.new").write_text(json.dumps(told))
    (folder / "told.new").rename(folder / "told")
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
    await hub_server.main(folder)
uvloop.run(main())
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process has used so far.

    Attributes:
        threads: CPU seconds by thread id.
        switches: Waits, and times that somebody else was let run.
        faults: Pages that had to be found or cleared.
        written: Octets, and calls that wrote them.
    """

    threads: dict[str, float]
    switches: tuple[int, int]
    faults: int
    written: tuple[int, int]

    @property
    def cpu(self) -> float:
        """Seconds."""
        return sum(self.threads.values())

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read it from ``/proc``."""
        threads: dict[str, float] = {}
        waits = let = faults = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                threads[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
                faults += int((task / "stat").read_text().rpartition(")")[2].split()[7])
                lines = (task / "status").read_text().splitlines()
            except FileNotFoundError:
                continue  # it has ended
            own = [int(line.split()[1]) for line in lines if "ctxt_switches" in line]
            waits, let = waits + own[0], let + own[1]
        io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        return cls(threads, (waits, let), faults, (int(io["wchar"]), int(io["syscw"])))


@dataclass(slots=True)
class Server:
    """One version's hub, serving."""

    name: str
    folder: Path
    process: subprocess.Popen[str]
    port: int
    requests: list[bytes]
    rounds: list[float] = field(default_factory=list)

    @classmethod
    def start(cls, name: str, tree: Path, folder: Path, count: int, *, counting: bool = False) -> Self:
        """Make the hub and its messages with the version's own code, and serve it."""
        folder.mkdir()
        environment = {**os.environ, "PYTHONPATH": f"{tree}/src:{tree}"}
        prepare = [sys.executable, "-c", _PREPARE, str(folder), str(count)]
        subprocess.run(prepare, check=True, cwd=tree, env=environment)
        hub = folder / "birch"
        serve = [sys.executable, "-c", _SERVE, str(hub), "count" if counting else ""]
        process = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, cwd=tree, env=environment)
        assert process.stdout is not None
        return cls(name, hub, process, int(process.stdout.readline()), _cut(folder / "requests"))

    def told(self) -> dict[str, Any]:
        """What the process says of itself."""
        told = self.folder / "told"
        told.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        while not told.exists():
            time.sleep(0.02)
        found: dict[str, Any] = json.loads(told.read_text())
        return found

    def load(self, count: int) -> None:
        """Send so many of its messages."""
        from benchmarks.hub import load

        asyncio.run(load(self.port, [self.requests.pop() for _ in range(count)]))
        time.sleep(SETTLE)


def _cut(path: Path) -> list[bytes]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : end])
        at = end
    return found


def measure(servers: list[Server], rounds: int, size: int) -> None:
    """Let all of them take their messages in turn, and print what each spent."""
    for server in servers:
        server.load(WARM)
    time.sleep(2)
    before = [(server.told(), Spent.of(server.process.pid)) for server in servers]
    for number in range(rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            began = Spent.of(server.process.pid).cpu
            server.load(size)
            server.rounds.append((Spent.of(server.process.pid).cpu - began) / size * 1e3)
    for server, (said, spent) in zip(servers, before, strict=True):
        _print(server, servers[0], said, spent, rounds * size)


def _print(server: Server, first: Server, said: dict[str, Any], spent: Spent, count: int) -> None:
    now, told = Spent.of(server.process.pid), server.told()
    low = statistics.quantiles(server.rounds, n=5)[0]
    print(
        f"{server.name}: {statistics.median(server.rounds):.3f} ms of CPU a message, a fifth below {low:.3f}"
    )
    if server is not first:
        ratio = statistics.median(a / b for a, b in zip(server.rounds, first.rounds, strict=True))
        lows = low / statistics.quantiles(first.rounds, n=5)[0]
        print(f"  of {first.name}: {ratio:.3f} (median of the rounds), {lows:.3f} (their lowest fifths)")
    used: Counter[str] = Counter()
    for id, seconds in now.threads.items():
        name = told["threads"].get(id, "other")
        used[name if name.startswith("ecluse") else _ROLE.sub("", name)] += seconds - spent.threads.get(id, 0)  # type: ignore[assignment]
    for name, seconds in used.most_common():
        if seconds / count * 1e3 >= LEAST:
            print(f"  {name:20} {seconds / count * 1e3:.3f} ms")
    collected = [after - was for after, was in zip(told["gc"], said["gc"], strict=True)]
    waits, let = (after - was for after, was in zip(now.switches, spent.switches, strict=True))
    octets, calls = (after - was for after, was in zip(now.written, spent.written, strict=True))
    print(f"  collector {[round(each / count * 1e3, 1) for each in collected]} runs in 1,000 messages")
    print(
        f"  {(now.faults - spent.faults) / count:.2f} faults, {waits / count:.1f} waits, {let / count:.1f} times "
        f"taken off, {octets / count:,.0f} octets in {calls / count:.1f} writes a message"
    )
    sql = Counter(told["sql"])
    sql.subtract(said["sql"])
    if sql.total():
        print(f"  {sql.total() / count:.2f} statements a message")
        for text, number in sql.most_common(20):
            print(f"  {number / count:8.3f} {text}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.hub_costs", description=__doc__)
    parser.add_argument("trees", nargs="*", default=[f"this={Path.cwd()}"], metavar="NAME=FOLDER")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--size", type=int, default=64, help="messages in a round")
    parser.add_argument(
        "--sql", action="store_true", help="count statements; the times are those of counting then"
    )
    arguments = parser.parse_args()
    servers: list[Server] = []
    with tempfile.TemporaryDirectory(prefix="ecluse-bench-", dir=os.environ.get("ECLUSE_BENCH_DIR")) as place:
        try:
            for each in arguments.trees:
                name, _, tree = each.partition("=")
                count = WARM + arguments.rounds * arguments.size
                servers.append(
                    Server.start(
                        name, Path(tree).resolve(), Path(place) / name, count, counting=arguments.sql
                    )
                )
            measure(servers, arguments.rounds, arguments.size)
        finally:
            for server in servers:
                server.process.terminate()
                server.process.wait()


if __name__ == "__main__":
    main()
