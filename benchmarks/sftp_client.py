"""The SFTP client beside OpenSSH's own ``sftp``, against the same OpenSSH server, in the same run.

``python -m benchmarks.sftp_client [--mib 1024] [--files 500] [--profile]``

Ours delivers out of the vault (opened from AES-256-GCM at rest), under a temporary name, fsynced and compared, with its
events in the log; OpenSSH's client copies a plain file, and nobody fsyncs. The clock covers the login of both. Reading
back is measured without keeping what is read. The long line is a proxy in a process of its own that holds everything
back for 25 ms each way.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.flat import payload
from benchmarks.limits import Row, row
from benchmarks.sftp_server import slow_line
from tests.support.sftp_world import World
from tests.support.sshd import Sshd

from ecluse.app.service import SWITCH_INTERVAL
from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.local import LocalPlace
from ecluse.blobs.vault import Vault
from ecluse.channels.sftp.client import loop
from ecluse.channels.sftp.client.source import SftpSource
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import PartnerId, system_entropy
from ecluse.model.states import DeliveryState

FAR_ROUNDS = 2
CIPHER = "aes256-gcm@openssh.com"


class Bench:
    """A server, a hub and OpenSSH's client in one folder of memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Sshd(folder / "sshd", f"Ciphers {CIPHER}")
        self.world = World(folder / "hub")
        hub = self.world.hub
        hub.vault = Vault(
            LocalPlace(folder / "blobs"), AesKeyWrap(bytes(32)), system_entropy, hub.clock, 65536
        )
        self.count = 0

    def open(self) -> None:
        self.server.start()
        self.reach(self.server.port)

    def reach(self, port: int, more: str = "") -> None:
        self.port = port
        self.world.reach(self.server, more, port=port)
        key = self.folder / "client"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self.server.allow(self.world.public_key, key.with_suffix(".pub").read_text().strip())

    def ours_up(self, documents: list[tuple[str, Iterator[bytes]]], *, each: bool = False) -> float:
        """Seconds from the first attempt to the last receipt."""
        hub = self.world.hub
        handed = [HandIn(name, "application/octet-stream", data) for name, data in documents]
        groups = [[one] for one in handed] if each else [handed]
        messages = []
        for group in groups:
            self.count += 1
            messages.append(
                hand_in(
                    hub,
                    PartnerId("birch"),
                    "sftp:birch",
                    group,
                    protocol="sftp",
                    protocol_id=f"b{self.count}",
                )
            )
        begun = time.perf_counter()
        while self.world.runner.run_due():
            pass
        spent = time.perf_counter() - begun
        for message in messages:
            delivery = self.world.delivery(message)
            assert delivery.state is DeliveryState.CONFIRMED, delivery.reason
        return spent

    def ours_down(self, names: list[str]) -> float:
        """Seconds from connecting to the last octet."""
        self.forget()
        world = self.world
        source = SftpSource(world.hub, lambda: world.directory, world.secret, world.links)
        begun = time.perf_counter()
        with source.open("birch") as remote:
            wanted = set(names)
            for file in list(remote.files("")):
                if file.path in wanted:
                    assert sum(map(len, remote.read(file))) == file.size
        return time.perf_counter() - begun

    def forget(self) -> None:
        self.world.links.loop.call(self.world.links._clear())

    def openssh(self, *commands: str) -> float:
        """Seconds that OpenSSH's client takes."""
        begun = time.perf_counter()
        subprocess.run(
            [
                *("sftp", "-q", "-b", "-", "-P", str(self.port), "-i", str(self.folder / "client")),
                *(
                    "-o",
                    "StrictHostKeyChecking=no",
                    "-o",
                    "UserKnownHostsFile=/dev/null",
                    "-o",
                    "LogLevel=ERROR",
                ),
                *("-c", CIPHER, f"{self.server.user}@127.0.0.1"),
            ],
            input="\n".join(commands).encode(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - begun

    def close(self) -> None:
        self.world.close()
        self.server.kill_sessions()
        self.server.stop()


def large(bench: Bench, mib: int, title: str, rounds: int = 3, goal: float = 0.75) -> list[Row]:
    """One large file up and down; the best of some rounds."""
    size = mib << 20
    plain = bench.folder / "plain.bin"
    with plain.open("wb") as out:
        for chunk in payload(size):
            out.write(chunk)
    ups, downs, their_ups, their_downs = [], [], [], []
    for number in range(rounds):
        bench.forget()
        ups.append(bench.ours_up([(f"ours{number}.bin", payload(size))]))
        their_ups.append(bench.openssh(f"put {plain} theirs.bin"))
        downs.append(bench.ours_down(["theirs.bin"]))
        their_downs.append(bench.openssh(f"get theirs.bin {bench.folder / 'got.bin'}"))
        for name in (f"ours{number}.bin", "theirs.bin"):
            (bench.server.files / name).unlink()
        for blob in (bench.folder / "blobs").rglob("*"):
            if blob.is_file():
                blob.unlink()
    plain.unlink()
    (bench.folder / "got.bin").unlink()

    def rate(seconds: list[float]) -> float:
        return size / min(seconds) / 1e6

    return [
        row(f"sftp_client.{title}-up", rate(ups), "MB/s", rate(their_ups), "OpenSSH's sftp", goal),
        row(f"sftp_client.{title}-down", rate(downs), "MB/s", rate(their_downs), "OpenSSH's sftp", goal),
    ]


def small(bench: Bench, files: int) -> list[Row]:
    """Many files of 4 KiB: as one message, as one message each, and down."""
    data = os.urandom(4096)
    folder = bench.folder / "small"
    folder.mkdir()
    for number in range(files):
        (folder / f"t{number}").write_bytes(data)
    bench.forget()
    together = bench.ours_up([(f"a{n}", iter([data])) for n in range(files)])
    bench.forget()
    apart = bench.ours_up([(f"b{n}", iter([data])) for n in range(files)], each=True)
    theirs = bench.openssh(f"put {folder}/* .")
    down = bench.ours_down([f"a{n}" for n in range(files)])
    (bench.folder / "got").mkdir()
    their_down = bench.openssh(f"get t* {bench.folder}/got/")
    against = "OpenSSH's sftp, nothing fsynced"
    return [
        row("sftp_client.small-up-one-message", files / together, "files/s", files / theirs, against),
        row("sftp_client.small-up-a-message-each", files / apart, "files/s", files / theirs, against),
        row("sftp_client.small-down", files / down, "files/s", files / their_down, "OpenSSH's sftp"),
    ]


def run(mib: int = 1024, files: int = 500, *, far: bool = False) -> list[Row]:
    """All rows."""
    sys.setswitchinterval(SWITCH_INTERVAL)  # as the service does
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Bench(Path(folder))
        try:
            bench.open()
            rows = [] if far else large(bench, mib, f"{mib}-MiB") + small(bench, files)
            with slow_line(bench.server.port) as port:
                bench.reach(port)
                rows += large(bench, min(mib, 256), "50-ms", rounds=FAR_ROUNDS, goal=4.0)
                bench.reach(port, "streams = 4")
                rows += large(bench, min(mib, 256), "50-ms-4-streams", rounds=1)[:1]
                bench.forget()
            return rows
        finally:
            bench.close()


def profiled(work: Callable[[], object]) -> None:
    """Run ``work`` with a profile of the loop's thread, and print it."""
    profile = cProfile.Profile()
    run_thread = loop._run

    def with_profile(running: asyncio.AbstractEventLoop) -> None:
        profile.enable()
        try:
            run_thread(running)
        finally:
            profile.disable()

    loop._run = with_profile
    work()
    pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--far", action="store_true", help="the long line alone")
    arguments = parser.parse_args()

    def work() -> None:
        for each in run(arguments.mib, arguments.files, far=arguments.far):
            print(
                f"{each['name']:40} {each['value']:>8g} {each['unit']:8} {each['limit']:>8g} {each['ratio']:.0%}"
            )

    if arguments.profile:
        profiled(work)
    else:
        work()


if __name__ == "__main__":
    main()
