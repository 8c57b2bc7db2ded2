"""A PostgreSQL server of the tests' own: on a free loopback port, in a temporary folder, killed at will."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

__all__ = ["PostgresServer", "postgres_binaries", "postgres_server"]

START_SECONDS = 30.0


def postgres_binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``, or ``None`` where they aren't installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4]))
    return Path(folders[-1]).parent if folders else None


class PostgresServer:
    """One server process. Usable as a context manager.

    Args:
        fsync: Off makes tests quick; benchmarks and power-cut tests want it on.
    """

    def __init__(self, *, fsync: bool = False) -> None:
        binaries = postgres_binaries()
        if binaries is None:
            raise FileNotFoundError("PostgreSQL is not installed")
        self._binaries = binaries
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)
        # PostgreSQL refuses to run as root: its own user does, where there is one.
        self._user = "postgres" if os.getuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="ecluse-pg-"))
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self.data = self._folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "-D", str(self.data), "-U", "ecluse", "-A", "trust", "-E", "UTF8", "--no-sync")

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._binaries / program), *arguments],
            user=self._user,
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def url(self, database: str = "postgres") -> str:
        """Of a database; nobody is asked for a password."""
        return f"postgresql://ecluse@127.0.0.1:{self.port}/{database}"

    def new_database(self, like: str = "") -> str:
        """Make an empty database, or one like that of a URL, which nobody is connected to; give its URL."""
        name = f"test{next(self._names)}"
        template = f" TEMPLATE {like.rpartition('/')[2]}" if like else ""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}{template}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop one, whoever is connected."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def wait_for_nobody(self, url: str) -> None:
        """Return when nobody is connected to a database: what a client that was killed had sent is done, or undone."""
        until = time.monotonic() + START_SECONDS
        with psycopg.connect(self.url(), autocommit=True) as connection:
            while connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (url.rpartition("/")[2],)
            ).fetchone() != (0,):
                assert time.monotonic() < until, "somebody stays connected"
                time.sleep(0.005)

    def start(self) -> None:
        """Return when it answers."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            "fsync": "on" if self._fsync else "off",
            "max_connections": 200,
        }
        options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self.data), *options],
                user=self._user,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """End it in order, cutting off those that are connected."""
        self._end(signal.SIGINT)

    def kill9(self) -> None:
        """Kill it and all its children at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start: what is durable is there again, connections are not."""
        self.stop()
        self.start()

    def processes(self) -> list[int]:
        """Ids of the server and its children, the server first."""
        assert self._process
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, children)]

    def remove(self) -> None:
        """Kill it and delete its folder."""
        self.kill9()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        children = self.processes()
        process, self._process = self._process, None
        if number is signal.SIGKILL:
            for pid in children:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
        else:
            process.send_signal(number)
        process.wait(timeout=START_SECONDS)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests that don't harm it; skips by name where PostgreSQL isn't installed."""
    if postgres_binaries() is None:
        pytest.skip("postgresql is not installed")
    with PostgresServer() as server:
        yield server
