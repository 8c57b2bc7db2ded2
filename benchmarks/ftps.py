"""FTPS beside vsftpd on the same machine: 1 GiB up and down with curl, 500 files of 4 KiB over 8 connections with lftp.

Three servers, in turns, the median of each: ours over folders that keep nothing, vsftpd, and a whole hub that keeps
everything (fsynced, hashed, encrypted at rest, a message and its event each; vsftpd syncs nothing). CPU is the
server's, all its processes. The hub has no inbox, whose copies would be made while the next figure is measured.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from benchmarks.limits import Row, row
from tests.support import ftp_servers
from tests.support.ftp_places import identity

from ecluse.app.folder import make_hub
from ecluse.app.settings import apply_files
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder

ROUNDS: Final = 3
SIZE: Final = 1 << 30
FILES: Final = 500
SMALL: Final = 4096
CONNECTIONS: Final = 8
GOAL: Final = 0.75
_USER, _PASSWORD = "birch", "correct-horse"


@dataclass(frozen=True)
class Server:
    """One server, ready."""

    port: int
    login: str
    up: str
    down: Callable[[int], str]
    pid: int
    ca: Path


@dataclass(frozen=True)
class Figures:
    """MB/s, files/s, and CPU seconds a GB."""

    up: float
    down: float
    small: float
    cpu_up: float
    cpu_down: float
    cpu_small: float


def _cpu(pid: int) -> float:
    """Seconds of a process and its children, those that ended among them."""
    ticks = 0
    for each in [pid, *_children(pid)]:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return found + [each for child in found for each in _children(child)]
    return []


def _timed(pid: int, *command: str) -> tuple[float, float]:
    before, began = _cpu(pid), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - began
    time.sleep(0.2)
    return took, _cpu(pid) - before


def measure(server: Server, work: Path) -> Figures:
    """All figures of one server."""
    curl = ("curl", "-sS", "--cacert", str(server.ca), "--ssl-reqd", "-u", server.login)
    url = f"ftp://127.0.0.1:{server.port}"
    big = work / "big"
    up, cpu_up = _timed(server.pid, *curl, "-T", str(big), f"{url}/{server.up}/{SIZE}-up")
    down, cpu_down = _timed(server.pid, *curl, "-o", "/dev/null", f"{url}/{server.down(SIZE)}")
    user, password = server.login.split(":")
    lftp = (
        f"set net:max-retries 1; set net:timeout 20; set ssl:ca-file {server.ca}; "
        "set ftp:ssl-force true; set ftp:ssl-protect-data true; "
        f"open -u {user},{password} {url}; cd {server.up}; mirror -R -P {CONNECTIONS} --no-perms {work}/small ."
    )
    small, cpu_small = _timed(server.pid, "lftp", "-c", lftp)
    giga = SIZE / 1e9
    return Figures(
        SIZE / up / 1e6, SIZE / down / 1e6, FILES / small, cpu_up / giga, cpu_down / giga, cpu_small / FILES
    )


@contextlib.contextmanager
def nowhere(work: Path) -> Iterator[Server]:
    folder = work / "nowhere"
    folder.mkdir()
    (folder / "key.pem").write_bytes(identity().key_pem)
    (folder / "cert.pem").write_bytes(identity().pem)
    with _process("nowhere", folder) as (process, port):
        yield Server(
            port,
            f"{_USER}:{_PASSWORD}",
            "inbound",
            lambda size: f"outbound/{size}",
            process.pid,
            work / "ca.pem",
        )


@contextlib.contextmanager
def hub(work: Path) -> Iterator[Server]:
    node = make_hub(work / "aster", name="Aster", as2_id="ASTER", key_kind="ec-p256")
    node.keyring.generate("tls", "ec-p256", subject="127.0.0.1", names=["127.0.0.1"], days=30)
    folder = node.folder
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / "birch").write_text(_PASSWORD)
    (folder / "secrets" / "birch").chmod(0o600)
    settings = folder / "ecluse.toml"
    settings.write_text(
        settings.read_text() + '\n[listen.ftps]\naddress = "127.0.0.1:0"\n[inbox]\nfolder = false\n'
    )
    (folder / "partners" / "birch.toml").write_text(
        f'name = "Birch"\n[account]\nuser = "{_USER}"\npassword = "file:secrets/birch"\n'
    )
    apply_files(node, read_folder(folder), actor="operator:bench", reason="bench")
    ca = work / "hub-ca.pem"
    ca.write_text(to_pem(node.keyring.chain("tls")))
    node.close()
    with _process("hub", folder) as (process, port):
        # What was uploaded can be read again for as long as it is listed.
        yield Server(
            port, f"{_USER}:{_PASSWORD}", "inbound", lambda size: f"inbound/{size}-up", process.pid, ca
        )


@contextlib.contextmanager
def _process(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ftps_server", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def vsftpd(work: Path) -> Iterator[Server]:
    with ftp_servers.vsftpd(work, identity()) as server:
        yield Server(
            server.port,
            "anonymous:bench@example",
            "in",
            lambda size: f"in/{size}-up",
            server.process.pid,
            work / "ca.pem",
        )


def run() -> list[Row]:
    """A row for each figure; the goals are the hub's."""
    work = Path(tempfile.mkdtemp(prefix="bench-ftps-"))
    work.chmod(0o755)
    taken: dict[str, list[Figures]] = {"vsftpd": [], "nowhere": [], "hub": []}
    try:
        with (work / "big").open("wb") as file:
            for _ in range(SIZE >> 20):
                file.write(os.urandom(1 << 20))
        (work / "small").mkdir()
        for number in range(FILES):
            (work / "small" / f"{SMALL}-{number}").write_bytes(os.urandom(SMALL))
        for _ in range(ROUNDS):
            for make in (vsftpd, nowhere, hub):
                place = work / "servers"
                place.mkdir()
                (place / "ca.pem").write_bytes(identity().pem)
                with make(place) as server:
                    taken[make.__name__].append(measure(server, work))
                shutil.rmtree(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    figures = {
        name: Figures(*(statistics.median(column) for column in zip(*map(astuple, each), strict=True)))
        for name, each in taken.items()
    }
    theirs, rows = figures.pop("vsftpd"), []
    for name, ours in figures.items():
        goal = GOAL if name == "hub" else None
        for what, unit in (("up", "MB/s"), ("down", "MB/s"), ("small", "files/s")):
            rows.append(
                row(f"ftps.{name}.{what}", getattr(ours, what), unit, getattr(theirs, what), "vsftpd", goal)
            )
        for what, unit in (
            ("cpu_up", "s CPU a GB"),
            ("cpu_down", "s CPU a GB"),
            ("cpu_small", "s CPU a file"),
        ):
            rows.append(
                row(f"ftps.{name}.{what}", getattr(ours, what), unit, getattr(theirs, what), "vsftpd")
            )
    return rows


if __name__ == "__main__":
    for each in run():
        print(each["name"], each["value"], each["unit"], "vsftpd", each["limit"])
