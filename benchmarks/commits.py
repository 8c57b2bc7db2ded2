"""Durable units of work a second, on both databases, from 1, 16 and 64 clients.

A unit is what one inbound message writes: message, blob and key, event, answer, delivery, job. Clients are
threads that wait for each unit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from benchmarks.hubs import place
from benchmarks.limits import Row, row
from tests.support import nouns
from tests.support.postgres import PostgresServer, postgres_binaries

from ecluse.store.open import open_store
from ecluse.store.port import Store, Tx

SECONDS: Final = 3.0
CLIENTS: Final = (1, 16, 64)

LEAST: Final = {
    "sqlite": {1: 200, 16: 1500, 64: 2000},
    "postgresql": {1: 150, 16: 700, 64: 800},
}
"""Units a second that two shared cores and an ordinary disk must reach."""


def unit(name: str) -> Callable[[Tx], None]:
    def work(tx: Tx) -> None:
        tx.add_message(nouns.full_message(f"m{name}"))
        tx.add_blob(nouns.blob(f"b{name}", inline=b"x" * 4000), b"k" * 40)
        tx.append_event(f"e{name}", "message.accepted", f"m{name}", nouns.NOW, b"l" * 300)
        tx.put_answer(nouns.answer(f"m{name}", body=b"x" * 2000))
        tx.add_delivery(nouns.delivery(f"d{name}", message=f"m{name}"))
        tx.add_job(nouns.job(f"deliver:{name}"))

    return work


def rate(store: Store, clients: int) -> float:
    """Units a second, all clients together."""
    done = [0] * clients
    end = time.perf_counter() + SECONDS

    def client(number: int) -> None:
        while time.perf_counter() < end:
            store.write(unit(f"{clients:03}{number:03}{done[number]:08}"))
            done[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begin)


def measure(kind: str, url: str) -> list[Row]:
    store = open_store(url, node="bench")
    store.migrate()
    rows = []
    for clients in CLIENTS:
        name = f"commits.{kind}.{clients}-clients"
        least = LEAST[kind][clients]
        rows.append(row(name, rate(store, clients), "messages/s", least, "the least that is wanted", 1.0))
    store.close()
    return rows


def run() -> list[Row]:
    """One row for each database and number of clients. PostgreSQL is left out where it isn't installed."""
    with place() as folder:
        rows = measure("sqlite", f"sqlite:{folder}/hub.db")
    if not postgres_binaries():
        print("commits.postgresql: skipped, PostgreSQL is not installed")
        return rows
    with PostgresServer(fsync=True) as server:
        return rows + measure("postgresql", server.new_database())
