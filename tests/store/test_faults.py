"""Disks that fill or refuse, servers that die or hang, killed processes.

Nothing that was acknowledged is lost, and whoever waits gets an answer.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.errors import IdleInTransactionSessionTimeout
from tests.support.nouns import NOW, blob, job, message
from tests.support.postgres import PostgresServer, postgres_binaries

from ecluse.store.open import open_store
from ecluse.store.port import Store, StoreUnavailable
from ecluse.store.postgres import connection as grown

SMALL_DISK = 3 * 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = os.getuid() == 0 and _libc.mount(b"tmpfs", bytes(disk), b"tmpfs", 0, f"size={SMALL_DISK}".encode())
    if os.getuid() != 0 or made != 0:
        pytest.skip("mounting a small disk needs root")
    yield disk
    _libc.umount2(bytes(disk), 2)


def open_lite(folder: Path) -> Store:
    store = open_store(f"sqlite:{folder}/hub.db", node="one")
    store.migrate()
    return store


def fill(store: Store) -> tuple[list[str], StoreUnavailable]:
    """Write blobs until the store refuses; what was acknowledged, and the refusal."""
    kept: list[str] = []
    for n in range(1000):
        try:
            row = blob(f"b{n:04}", inline=b"x" * 20_000)
            store.write(lambda tx, row=row: tx.add_blob(row, b"k" * 40))
        except StoreUnavailable as error:
            return kept, error
        kept.append(row.id)
    raise AssertionError("the disk never filled")


def test_a_full_disk_refuses_and_loses_nothing(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (SMALL_DISK // 3))
    store = open_lite(small_disk)
    kept, error = fill(store)
    assert "full" in error.cause
    assert len(kept) > 5
    futures = [
        store.submit(lambda tx: tx.add_blob(blob("late", inline=b"x" * 90_000), b"k")) for _ in range(9)
    ]
    assert all(isinstance(future.exception(30), StoreUnavailable) for future in futures)
    assert store.read(lambda view: view.blobs_before("", 1000)) == kept
    ballast.unlink()
    store.write(lambda tx: tx.add_blob(blob("late"), b"k"))
    store.close()
    again = open_lite(small_disk)
    assert again.read(lambda view: view.blobs_before("", 1000)) == [*kept, "late"]
    assert all(again.read(lambda view, id=id: view.blob_key(id)) for id in kept)
    assert again.check() == []
    again.close()


def test_a_database_at_its_largest_refuses_without_root(tmp_path: Path) -> None:
    store = open_lite(tmp_path)
    store.write(lambda tx: tx.put_setting("a", b"1"))
    store._writer._main.execute("PRAGMA max_page_count = 100")  # type: ignore[attr-defined]
    kept, error = fill(store)
    assert "full" in error.cause
    assert store.read(lambda view: view.blobs_before("", 1000)) == kept
    store.write(lambda tx: tx.put_setting("a", b"2"))
    store.close()


def test_a_unit_that_swallows_a_full_disk_is_not_acknowledged(tmp_path: Path) -> None:
    store = open_lite(tmp_path)
    store.write(lambda tx: tx.put_setting("a", b"1"))
    store._writer._main.execute("PRAGMA max_page_count = 100")  # type: ignore[attr-defined]

    def unit(tx: object) -> str:
        tx.put_setting("b", b"1")  # type: ignore[attr-defined]
        try:
            tx.put_setting("c", b"x" * 900_000)  # type: ignore[attr-defined]
        except Exception:
            return "all is well"
        raise AssertionError("it fitted")

    try:
        assert store.write(unit) == "all is well"
        acknowledged = True
    except StoreUnavailable:
        acknowledged = False
    assert (store.read(lambda view: view.setting("b")) == b"1") is acknowledged
    store.close()


def test_a_connection_that_breaks_is_opened_again(tmp_path: Path) -> None:
    store = open_lite(tmp_path)
    store.write(lambda tx: tx.put_setting("a", b"1"))
    store._writer._main.close()  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        store.write(lambda tx: tx.put_setting("a", b"2"))
    store.write(lambda tx: tx.put_setting("a", b"3"))
    assert store.read(lambda view: view.setting("a")) == b"3"
    store.close()


def test_a_read_only_disk_says_so(small_disk: Path) -> None:
    store = open_lite(small_disk)
    store.write(lambda tx: tx.put_setting("a", b"1"))
    store.close()
    remount, read_only = 32, 1
    assert _libc.mount(None, bytes(small_disk), None, remount | read_only, None) == 0
    with pytest.raises(StoreUnavailable) as caught:
        open_lite(small_disk).write(lambda tx: tx.put_setting("a", b"2"))
    assert "read-only" in caught.value.cause or "can't be opened" in caught.value.cause
    assert _libc.mount(None, bytes(small_disk), None, remount, None) == 0
    store = open_lite(small_disk)
    assert store.read(lambda view: view.setting("a")) == b"1"
    store.close()


WRITER = """
import os, sys
from ecluse.store.open import open_store
from tests.support.nouns import message, job, NOW
store = open_store(sys.argv[1], node=sys.argv[2])
name, count = sys.argv[2], int(sys.argv[3])
futures = []
for n in range(count):
    def unit(tx, n=n):
        tx.add_message(message(f"m{name}{n:06}"))
        tx.append_event(f"e{name}{n}", "k", "s", NOW, b"leaf")
        tx.add_job(job(f"{name}{n}"))
        return n
    future = store.submit(unit)
    future.add_done_callback(lambda done: os.write(1, b"%d\\n" % done.result()))
    if n % 8 == 7:
        future.result()
store.close()
"""


def writer(url: str, name: str, count: int) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, name, str(count)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_write_one_file(store: Store, url: str) -> None:
    processes = [writer(url, name, 200) for name in "ab"]
    for n in range(50):
        store.write(lambda tx, n=n: tx.add_message(message(f"mc{n:06}")))
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert sorted(map(int, out.split())) == list(range(200))
    assert len(store.read(lambda view: view.messages(limit=1000))) == 450
    assert len(store.write(lambda tx: tx.claim_jobs("c", NOW, 1, 1000))) == 400


def test_a_killed_writer_loses_nothing_that_it_acknowledged(store: Store, url: str) -> None:
    process = writer(url, "a", 100_000)
    assert process.stdout
    acknowledged = [int(process.stdout.readline()) for _ in range(150)]
    process.kill()
    acknowledged += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.wait()
    found = {m.id for m in store.read(lambda view: view.messages(limit=100_000))}
    assert {f"ma{n:06}" for n in acknowledged} <= found
    assert len(store.read(lambda view: view.jobs(limit=100_000))) == len(found)
    assert len(store.read(lambda view: view.events("s"))) == len(found)


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may kill."""
    if postgres_binaries() is None:
        pytest.skip("postgresql is not installed")
    with PostgresServer(fsync=True) as server:
        yield server


@pytest.mark.peer("postgresql")
def test_a_server_that_was_killed_and_came_back(own_server: PostgresServer) -> None:
    store = open_store(own_server.new_database(), node="one")
    store.migrate()
    acknowledged: list[int] = []
    refused: list[int] = []
    stop = threading.Event()

    def client(first: int) -> None:
        n = first
        while not stop.is_set():
            n += 4
            try:
                store.write(lambda tx, n=n: tx.add_message(message(f"m{n:06}")))
                acknowledged.append(n)
            except StoreUnavailable:
                refused.append(n)
                time.sleep(0.01)

    threads = [threading.Thread(target=client, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    own_server.kill9()
    before = len(acknowledged)
    begin = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.read(lambda view: view.setting("a"))
    assert time.monotonic() - begin < 25
    assert store.check() != []
    own_server.start()
    end = time.monotonic() + 120
    while len(acknowledged) < before + 50 and time.monotonic() < end:
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert refused
    assert len(acknowledged) >= before + 50
    found = {m.id for m in store.read(lambda view: view.messages(limit=100_000))}
    assert {f"m{n:06}" for n in acknowledged} <= found
    store.close()


@pytest.mark.peer("postgresql")
def test_idle_connections_outlive_a_restart_unseen(own_server: PostgresServer) -> None:
    store = open_store(own_server.new_database(), node="one")
    store.migrate()
    for _ in range(20):
        store.write(lambda tx: tx.put_setting("a", b"1"))
    store.read(lambda view: view.setting("a"))
    own_server.restart()
    assert store.read(lambda view: view.setting("a")) == b"1"
    store.write(lambda tx: tx.put_setting("a", b"2"))
    assert store.read(lambda view: view.setting("a")) == b"2"
    store.close()


@pytest.mark.peer("postgresql")
def test_waiters_hear_other_nodes_again_after_a_restart(own_server: PostgresServer) -> None:
    url = own_server.new_database()
    first, other = open_store(url, node="one"), open_store(url, node="two")
    first.migrate()
    first.wait_for_jobs(0.5)
    own_server.restart()
    heard = threading.Event()

    def listen() -> None:
        end = time.monotonic() + 240
        while time.monotonic() < end and not first.write(lambda tx: tx.claim_jobs("one", NOW, 1, 9)):
            first.wait_for_jobs(240)
        heard.set()

    thread = threading.Thread(target=listen)
    thread.start()
    time.sleep(2.5)
    other.write(lambda tx: tx.add_job(job("k1")))
    assert heard.wait(60)
    thread.join()
    first.close()
    other.close()


@pytest.mark.peer("postgresql")
def test_a_server_that_hangs_is_given_up(own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grown, "TAKEN_SECONDS", 1.0)
    monkeypatch.setattr(grown, "CONNECT_SECONDS", 2)
    store = open_store(own_server.new_database(), node="one")
    store.migrate()
    store.write(lambda tx: tx.put_setting("a", b"1"))
    store.read(lambda view: view.setting("a"))
    with Hanging(own_server):
        begin = time.monotonic()
        future = store.submit(lambda tx: tx.put_setting("a", b"2"))
        with pytest.raises(StoreUnavailable):
            store.read(lambda view: view.setting("a"))
        assert isinstance(future.exception(20), StoreUnavailable)
        assert time.monotonic() - begin < 25
    end = time.monotonic() + 120
    while True:
        try:
            store.write(lambda tx: tx.put_setting("a", b"3"))
            break
        except StoreUnavailable:
            assert time.monotonic() < end
            time.sleep(0.1)
    assert store.read(lambda view: view.setting("a")) == b"3"
    store.close()


class Hanging:
    """Every process of the server stopped, while its connections stay open."""

    def __init__(self, server: PostgresServer) -> None:
        self._pids = server.processes()

    def __enter__(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGCONT)


def test_a_transaction_that_stood_idle_too_long_is_an_outage() -> None:
    """A node that was paused in the middle of a unit finds its transaction ended by the server."""
    assert isinstance(grown.failure_of(IdleInTransactionSessionTimeout("terminating")), StoreUnavailable)
