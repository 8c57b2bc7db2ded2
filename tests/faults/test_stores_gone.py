"""The database or the object store goes away and comes back: partners are told to come again, applications hear why,
nothing acknowledged is lost, and everything flows again without a restart.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.pair import LARGE, SMALL, Pair, free_port, wait_for
from tests.support.postgres import PostgresServer, postgres_binaries
from tests.support.s3 import ACCESS_KEY, PYTHON, REGION, SECRET, SERVER, S3Server, needs_s3

from ecluse.channels.as2.receiver import Receiver
from ecluse.errors import EcluseError
from ecluse.exchange.intake import Duplicate, Intake, Kept
from ecluse.model.nouns import Direction

needs_postgres = pytest.mark.skipif(postgres_binaries() is None, reason="peer postgresql is not installed")


@pytest.fixture
def mortal() -> Iterator[PostgresServer]:
    """A server that syncs, and is killed."""
    with PostgresServer(fsync=True) as server:
        yield server


def told_to_come_again(pair: Pair) -> bool:
    """Whether Birch was answered 503 on each of its messages that wait."""
    node = pair.nodes["birch"]
    reasons = [
        delivery.reason
        for message in node.store.read(lambda view: view.messages(direction=Direction.OUT, limit=1000))
        for delivery in node.store.read(lambda view, m=message: view.deliveries(m.id))
        if delivery.reason
    ]
    return any("503" in reason for reason in reasons)


def refused(work: Callable[[], Any]) -> EcluseError:
    with pytest.raises(EcluseError) as error:
        work()
    assert error.value.remedy
    return error.value


@needs_postgres
@pytest.mark.peer("postgresql")
@pytest.mark.parametrize("receipt", ["sync", "async"])
def test_the_database_is_killed_and_comes_back(tmp_path: Path, mortal: PostgresServer, receipt: str) -> None:
    pair = Pair(tmp_path, database=mortal.new_database(), receipt=receipt)
    try:
        for number in range(6):
            pair.send("birch", f"b{number}", LARGE if number % 3 == 0 else SMALL)
            pair.send("aster", f"a{number}", LARGE if number % 3 == 0 else SMALL)
        mortal.kill9()
        message = pair.send("birch", "b-while-gone", LARGE)
        error = refused(lambda: pair.send("aster", "never kept"))
        assert error.code == "store.unavailable"
        wait_for(lambda: told_to_come_again(pair), 120)
        begun = time.monotonic()
        reply = pair.post_again(message)
        assert reply.status == 503
        assert int(reply.header("retry-after") or 0) > 0
        assert time.monotonic() - begun < 60, "a partner waits for a database that is gone"
        mortal.start()
        wait_for(lambda: bool(pair.send("aster", "a-after")), 120)
        pair.send("birch", "b-after")
        pair.settle()
        mortal.restart()
        pair.settle()
        wait_for(lambda: bool(pair.send("aster", "a-at-last")), 120)
        pair.settle()
        pair.check()
    finally:
        pair.close()


@needs_postgres
@pytest.mark.peer("postgresql")
def test_a_wrong_hub_is_found(
    tmp_path: Path, mortal: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that answers before the commit, while the database is away."""
    original = Receiver._kept

    async def early(self: Receiver, intake: Intake, future: Any) -> Kept | Duplicate:
        if "Aster" not in self._directory().organisation.name:
            return await original(self, intake, future)
        return Kept(None)  # type: ignore[arg-type]

    monkeypatch.setattr(Receiver, "_kept", early)
    pair = Pair(tmp_path, database=mortal.new_database())
    try:
        mortal.kill9()
        pair.send("birch", "b1")
        wait_for(lambda: pair.delivery_states("birch")["confirmed"] == 1, 120)
        mortal.start()
        pair.settle()
        with pytest.raises(AssertionError, match="missing"):
            pair.check()
    finally:
        pair.close()


class MortalS3:
    """An object store that can be stopped and started on what it holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [str(PYTHON), "-W", "ignore", str(SERVER), str(self.folder), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait(10)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[MortalS3]:
    server = MortalS3(tmp_path / "s3")
    server.folder.mkdir()
    server.start()
    S3Server(server.endpoint).make_bucket("aster")
    yield server
    server.stop()


@needs_s3
def test_the_object_store_is_gone_and_comes_back(
    tmp_path: Path, bucket: MortalS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_USER", ACCESS_KEY)
    monkeypatch.setenv("S3_WORD", SECRET)
    pair = Pair(
        tmp_path,
        more=f'\n[blobs]\nplace = "s3://aster/hub"\nendpoint = "{bucket.endpoint}"\nregion = "{REGION}"\n'
        'access_key = "env:S3_USER"\nsecret_key = "env:S3_WORD"\n',
    )
    try:
        pair.send("birch", "b0", LARGE)
        pair.send("aster", "a0", LARGE)
        pair.settle()
        bucket.stop()
        large = pair.send("birch", "b1", LARGE)
        pair.send("birch", "b2", SMALL)
        error = refused(lambda: pair.send("aster", "a1", LARGE))
        assert error.code == "blobs.unavailable"
        pair.send("aster", "a2", SMALL)
        wait_for(lambda: told_to_come_again(pair), 60)
        begun = time.monotonic()
        assert pair.post_again(large).status == 503
        assert time.monotonic() - begun < 60, "a partner waits for a store that is gone"
        wait_for(lambda: pair.delivery_states("birch")["confirmed"] >= 2, 120)
        bucket.start()
        pair.send("aster", "a3", LARGE)
        pair.settle(60)
        pair.check()
    finally:
        pair.close()
