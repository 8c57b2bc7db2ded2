"""Backups while the hub takes traffic: no writer waits long, and what comes back is of one moment."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from tests.support.backups import World, content
from tests.support.postgres import PostgresServer

from ecluse.app.opening import open_node


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))]
)
def test_what_comes_back_is_of_one_moment(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    server: PostgresServer | None = (
        request.getfixturevalue("postgres_server") if database == "postgresql" else None
    )
    with World(tmp_path, database=server.new_database() if server is not None else None) as world:
        stop = threading.Event()
        accepted: list[tuple[float, str]] = []
        longest = [0.0]

        def traffic(size: int) -> None:
            while not stop.wait(0.004):
                began = time.monotonic()
                id = world.message(bytes([len(accepted) % 256]) * size)
                accepted.append((time.monotonic(), id))
                longest[0] = max(longest[0], time.monotonic() - began)

        def seal() -> None:
            while not stop.wait(0.05):
                world.seal()

        threads = [threading.Thread(target=traffic, args=(size,)) for size in (200, 30_000)]
        threads.append(threading.Thread(target=seal))
        for each in threads:
            each.start()
        made = []
        try:
            for _ in range(4):
                time.sleep(0.1)
                began = time.monotonic()
                made.append((began, world.backup()))
        finally:
            stop.set()
            for each in threads:
                each.join()
        assert longest[0] < 5
        began, last = made[-1]
        other = server.new_database() if server is not None else None
        result = world.restore(tmp_path / "again", database=other)
        assert result.ok, result.as_dict()
        with open_node(tmp_path / "again") as node:
            # All that was accepted before the backup began is in it, with its document.
            before = [id for at, id in accepted if at < began]
            assert len(before) > 3
            for id in before[-5:]:
                assert content(node, id)  # type: ignore[arg-type]
        assert last.missing == []
