"""The SFTP listener beside OpenSSH's, with the same clients on the same machine, in one run.

What is measured: 1 GiB up and down, 2,000 files of 4 KiB over one connection and over eight, the server's CPU a
gigabyte, its memory, and 256 MiB over a line of 50 ms (a proxy in the middle that holds octets back). OpenSSH writes
into a folder on the same disk and syncs nothing; the listener's folders are either the hub's own, where everything is
digested, sealed and durable before the answer (``--tree mailbox``), or those of a serving node, which deposits
every document in the inbox besides, writes receipts and seals the log (``--tree node``), or (``--tree discard``)
folders that keep nothing: what SSH and SFTP alone cost. The CPU of a small file is told by thread too.

    python -m benchmarks.sftp_server [--tree mailbox|node|discard] [--size MIB] [--only WORDS]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import asyncssh
from benchmarks.limits import Row, row

ROUNDS: Final = 3
FILES: Final = 2000
SMALL: Final = 4096
DELAY: Final = 0.025
"""Seconds each way: 50 ms around."""
CIPHER: Final = "aes256-gcm@openssh.com"


class Target:
    """A server under measurement: its port, its processes, where files lie."""

    def __init__(
        self,
        name: str,
        port: int,
        pids: Callable[[], list[int]],
        known: str,
        folder: str,
        parts: Callable[[], dict[str, float]] = dict,
    ) -> None:
        self.name, self.port, self.pids, self.known, self.folder = name, port, pids, known, folder
        self.parts = parts


def cpu(pids: list[int]) -> float:
    """Seconds that processes, and their children that ended, have taken."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int]) -> int:
    """The most octets that processes have held."""
    most = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    most += int(line.split()[1]) * 1024
    return most


def forget_memory(pids: list[int]) -> None:
    """Have :func:`memory` count from now on."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextlib.contextmanager
def openssh(folder: Path, key: Path) -> Iterator[Target]:
    """OpenSSH's server with its own sftp-server, over a folder."""
    data = folder / "openssh"
    data.mkdir()
    host = folder / "host"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host)], check=True)
    authorized = folder / "authorized"
    shutil.copy(f"{key}.pub", authorized)
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {authorized}\n"
        f"PidFile {folder}/sshd.pid\nStrictModes no\nUsePAM no\nMaxStartups 100\n"
        f"Subsystem sftp internal-sftp\nForceCommand internal-sftp -d {data}\n"
    )
    os.makedirs("/run/sshd", exist_ok=True)
    process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", str(config), "-e"], stderr=subprocess.DEVNULL)
    wait_for(port)
    known = f"[127.0.0.1]:{port} {' '.join(Path(f'{host}.pub').read_text().split()[:2])}"
    try:
        yield Target("OpenSSH", port, lambda: [process.pid, *children(process.pid)], known, str(data))
    finally:
        process.terminate()
        process.wait()


def children(pid: int) -> list[int]:
    """Processes below a process."""
    found: list[int] = []
    for line in subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        child, parent = map(int, line.split())
        if parent == pid or parent in found:
            found.append(child)
    return found


@contextlib.contextmanager
def ecluse(folder: Path, key: Path, tree: str) -> Iterator[Target]:
    """The listener, in a process of its own."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "benchmarks.sftp_server",
            "--serve",
            str(folder),
            "--tree",
            tree,
            "--key",
            str(key),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    out, ask = process.stdout, process.stdin
    assert out is not None
    assert ask is not None
    told = json.loads(out.readline())
    known = f"[127.0.0.1]:{told['port']} {told['host_key']}"

    def parts() -> dict[str, float]:
        ask.write("\n")
        ask.flush()
        return dict(json.loads(out.readline()))

    try:
        yield Target("Ecluse", told["port"], lambda: [process.pid], known, "inbound", parts)
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    import socket

    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit("a server did not start")


def sftp(target: Target, key: Path, batch: str, folder: Path, port: int | None = None, *extra: str) -> float:
    """Seconds that OpenSSH's client takes for a batch of commands."""
    known = folder / "known"
    port = port or target.port
    known.write_text(target.known.replace(str(target.port), str(port)) + "\n")
    commands = folder / f"batch-{threading.get_ident()}"
    commands.write_text(batch)
    began = time.monotonic()
    done = subprocess.run(
        [
            "sftp", "-q", "-b", str(commands), "-F", "/dev/null", "-i", str(key), "-c", CIPHER,
            "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no",
            "-P", str(port), *extra, f"{'birch' if target.name == 'Ecluse' else 'root'}@127.0.0.1",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{target.name}: sftp failed: {done.stderr[-2000:]}")
    return time.monotonic() - began


def measure(
    targets: Sequence[Target], key: Path, folder: Path, size: int, only: str
) -> dict[str, dict[str, float]]:
    """Every figure by server: one round is taken of each before the next, as the machine is never twice the same."""
    figures: dict[str, dict[str, float]] = {target.name: {} for target in targets}
    for target in targets:
        login = statistics.median(sftp(target, key, "pwd\n", folder) for _ in range(ROUNDS))
        figures[target.name]["login s"] = login
    if not only or "big" in only:
        large(targets, key, folder, size, figures)
    if not only or "small" in only:
        small(targets, key, folder, figures)
    if not only or "line" in only:
        for target in targets:
            far(target, key, folder, figures[target.name])
    for target in targets:
        figures[target.name]["memory MB"] = memory(target.pids()) / 1e6
    return figures


def large(
    targets: Sequence[Target], key: Path, folder: Path, size: int, figures: dict[str, dict[str, float]]
) -> None:
    """One large file, up and down."""
    for way in ("up", "down"):
        rates: dict[str, list[float]] = {target.name: [] for target in targets}
        costs: dict[str, list[float]] = {target.name: [] for target in targets}
        for _ in range(ROUNDS):
            for target in targets:
                if way == "up":
                    batch = f"put {folder}/big {target.folder}/big-0\n"
                else:
                    batch = f"get {target.folder}/big-0 /dev/null\n"
                before = cpu(target.pids())
                took = sftp(target, key, batch, folder)
                rates[target.name].append(size / 1e6 / (took - figures[target.name]["login s"]))
                costs[target.name].append((cpu(target.pids()) - before) / (size / 1e9))
        for target in targets:
            found = figures[target.name]
            found[f"{way} MB/s"] = statistics.median(rates[target.name])
            found[f"{way} CPU s/GB"] = statistics.median(costs[target.name])
            found[f"{way} best MB/s"] = max(rates[target.name])


def small(targets: Sequence[Target], key: Path, folder: Path, figures: dict[str, dict[str, float]]) -> None:
    """Many small files, over one connection and over several; and what one durable commit a file would allow."""
    commits: list[float] = []
    for connections in (1, 8):
        kept: dict[str, dict[str, list[float]]] = {target.name: {} for target in targets}
        before = {target.name: target.parts() for target in targets}
        for number in range(ROUNDS):
            for target in targets:
                for figure, value in up_small(target, key, folder, connections, number, figures).items():
                    kept[target.name].setdefault(figure, []).append(value)
            if connections == 1:
                commits.append(commits_alone(folder))
        for target in targets:
            found, name = figures[target.name], f"small up x{connections}"
            for figure, values in kept[target.name].items():
                found[f"{name} {figure}"] = statistics.median(values)
            found[f"{name} best"] = max(kept[target.name]["files/s"])
            for part, seconds in target.parts().items():
                taken = seconds - before[target.name].get(part, 0)
                found[f"  x{connections} {part} ms"] = taken / FILES / ROUNDS * 1e3
    for target in targets:
        figures[target.name]["commits/s"] = statistics.median(commits)
    for connections in (1, 8):
        for target in targets:
            found = figures[target.name]
            share = FILES // connections
            batches = [f"get {target.folder}/s-1-0-0-0 /dev/null\n" * share for _ in range(connections)]
            took = statistics.median(at_once(batches, target, key, folder) for _ in range(ROUNDS))
            found[f"small down x{connections} files/s"] = FILES / (took - found["login s"])


def up_small(
    target: Target,
    key: Path,
    folder: Path,
    connections: int,
    number: int,
    figures: dict[str, dict[str, float]],
) -> dict[str, float]:
    """One round of small files up."""
    share = FILES // connections
    batches = []
    for part in range(connections):
        lines = [
            f"put {folder}/small {target.folder}/s-{connections}-{number}-{part}-{each}\n"
            for each in range(share)
        ]
        batches.append("".join(lines))
    before, clients = cpu(target.pids()), sum(os.times()[2:4])
    rate = FILES / (at_once(batches, target, key, folder) - figures[target.name]["login s"])
    clients = sum(os.times()[2:4]) - clients
    resting = settle(target)
    return {
        "files/s": rate,
        "CPU ms": (cpu(target.pids()) - before) / FILES * 1e3,
        "client CPU ms": clients / FILES * 1e3,
        "rest s": resting,
    }


def commits_alone(folder: Path) -> float:
    """Durable commits a second of one unit after another, each of what a small file writes, on the same disk."""
    from benchmarks.commits import unit

    from ecluse.store.sqlite import SqliteStore

    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = SqliteStore(Path(place) / "state.db")
        store.migrate()
        began, done = time.monotonic(), 0
        while time.monotonic() - began < 1.0:
            store.write(unit(f"{done:08}"))
            done += 1
        took = time.monotonic() - began
        store.close()
    return done / took


def far(target: Target, key: Path, folder: Path, figures: dict[str, float]) -> None:
    """A file of middling size over a long line."""
    medium = folder / "medium"
    with slow_line(target.port) as port:
        login = sftp(target, key, "pwd\n", folder, port)
        size = medium.stat().st_size
        took = sftp(target, key, f"put {medium} {target.folder}/far\n", folder, port)
        figures["50 ms up MB/s"] = size / 1e6 / (took - login)
        took = sftp(target, key, f"get {target.folder}/far /dev/null\n", folder, port)
        figures["50 ms down MB/s"] = size / 1e6 / (took - login)


def settle(target: Target) -> float:
    """Seconds until a server has nothing more to do with what it took."""
    began = time.monotonic()
    while True:
        before = cpu(target.pids())
        time.sleep(0.2)
        if cpu(target.pids()) - before < 0.03:
            return time.monotonic() - began - 0.2


def at_once(batches: list[str], target: Target, key: Path, folder: Path) -> float:
    """Seconds until all of several connections are through."""
    began = time.monotonic()
    threads = [threading.Thread(target=sftp, args=(target, key, batch, folder)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began


@contextlib.contextmanager
def slow_line(port: int) -> Iterator[int]:
    """A port that leads to another one over a line of 50 ms, as wide as the machine is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sftp_server", "--line", str(port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


async def hold_back(port: int) -> None:
    """The proxy of :func:`slow_line`: every octet is passed on DELAY seconds after it came."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def write() -> None:
            while True:
                due, data = await held.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        writing = loop.create_task(write())
        while data := await reader.read(1 << 20):
            held.put_nowait((loop.time() + DELAY, data))
        held.put_nowait((loop.time() + DELAY, b""))
        await writing

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port, limit=8 << 20)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=8 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# --- the listener's process ---------------------------------------------------------------------------------------


def serve(folder: Path, tree: str, key: Path) -> None:
    """Serve until the end of the process."""
    from benchmarks.sftp_trees import site

    line = " ".join(Path(f"{key}.pub").read_text().split()[:2])
    with site(folder, tree, line) as (server, host_key):
        print(json.dumps({"port": server.port, "host_key": host_key}), flush=True)
        for _ in sys.stdin:
            print(json.dumps(by_thread()), flush=True)
        threading.Event().wait()


def by_thread() -> dict[str, float]:
    """CPU seconds of this process by the name of its threads, numbers cut off."""
    found: dict[str, float] = {}
    for thread in threading.enumerate():
        if thread.native_id is not None:
            fields = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()
            part = re.sub(r"^.*-(?=worker|bell|heart|disp)|\d+$", "", thread.name)
            found[part] = found.get(part, 0) + int(fields[0]) / 1e9
    return found


def compare(
    tree: str = "mailbox", mebibytes: int = 1024, only: str = "", which: str = ""
) -> dict[str, dict[str, float]]:
    """All figures, by server."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name)
        key = make_key(folder)
        write_file(folder / "big", mebibytes << 20)
        write_file(folder / "medium", 256 << 20)
        write_file(folder / "small", SMALL)
        with openssh(folder, key) as theirs, ecluse(folder, key, tree) as ours:
            targets = [target for target in (theirs, ours) if which in ("", target.name)]
            return measure(targets, key, folder, mebibytes << 20, only)


def make_key(folder: Path) -> Path:
    """A client's key, and its public half beside it."""
    key = folder / "key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(key)
    key.chmod(0o600)
    asyncssh.read_private_key(key).write_public_key(f"{key}.pub")
    return key


def write_file(path: Path, size: int) -> None:
    """Octets that do not compress."""
    block = os.urandom(min(size, 1 << 20))
    with path.open("wb") as out:
        for at in range(0, size, len(block)):
            out.write(block[: size - at])


GOALS: Final = (
    ("up", "up MB/s", "up MB/s", 0.75),
    ("down", "down MB/s", "down MB/s", 0.75),
    ("small.up.8-connections", "small up x8 files/s", "small up x1 files/s", 1.0),
    ("small.up", "small up x1 files/s", "commits/s", 0.6),
    ("small.up.beside", "small up x1 files/s", "small up x1 files/s", None),
    ("small.down", "small down x1 files/s", "small down x1 files/s", None),
    ("50-ms.up", "50 ms up MB/s", "50 ms up MB/s", 4.0),
    (
        "50-ms.down",
        "50 ms down MB/s",
        "50 ms down MB/s",
        None,
    ),  # the client's own window of 2 MiB is the limit
)
"""Name of a row, our figure, OpenSSH's figure that it is compared with, the least of it that is wanted."""
_AGAINST: Final = {"commits/s": "durable commits one after another on the same disk"}


def run() -> list[Row]:
    """A row for each figure that has a goal or tells what one costs."""
    found = compare()
    theirs, ours = found["OpenSSH"], found["Ecluse"]
    rows = []
    for name, our, their, goal in GOALS:
        against = _AGAINST.get(their) or ("OpenSSH, one connection" if our != their else "OpenSSH")
        rows.append(
            row(f"sftp-server.{name}", ours[our], our.rpartition(" ")[2], theirs[their], against, goal)
        )
    for way in ("up", "down"):
        figure = f"{way} CPU s/GB"
        rows.append(row(f"sftp-server.{way}.cpu", ours[figure], "s CPU a GB", theirs[figure], "OpenSSH"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tree", default="mailbox")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--only", default="")
    parser.add_argument("--which", default="")
    parser.add_argument("--serve")
    parser.add_argument("--key")
    parser.add_argument("--line", type=int)
    arguments = parser.parse_args()
    if arguments.line:
        asyncio.run(hold_back(arguments.line))
    elif arguments.serve:
        serve(Path(arguments.serve), arguments.tree, Path(arguments.key))
    else:
        results = compare(arguments.tree, arguments.size, arguments.only, arguments.which)
        for figure in dict.fromkeys(name for each in results.values() for name in each):
            values = [results[name].get(figure, 0.0) for name in results]
            shown = "".join(f"{value:12.2f}" for value in values)
            of = f"{values[-1] / values[0]:8.2f}" if len(values) == 2 and values[0] else ""
            print(f"{figure:26}{shown}{of}")


if __name__ == "__main__":
    main()
