"""Search in an archive of a million documents: milliseconds a query, on both databases.

The documents are rows alone (search reads no bytes): ten years, 400 partners of very different size, four currencies,
ten types. Each kind of query is asked many times with values drawn at random, and the row is its 95th percentile; among
them are questions that are rare where each of their parts is common, which is what an index likes least.
"""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import psycopg
from benchmarks.limits import Row, row
from tests.support.postgres import PostgresServer, postgres_binaries

from ecluse.archive.search import Query, search
from ecluse.model.archive import Archived, ArchiveId, ArchiveState
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Direction
from ecluse.store.archive import archived_row
from ecluse.store.archive_numbers import numbers
from ecluse.store.open import open_store
from ecluse.store.port import Store

DOCUMENTS: Final = int(os.environ.get("BENCH_DOCUMENTS", "1000000"))
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "20"))
"""Queries of each kind."""
LIMIT: Final = 100.0
"""Milliseconds."""
_BATCH: Final = 20_000
_FIRST: Final = date(2017, 1, 1)
_DAYS: Final = 3650
_PARTNERS: Final = [f"partner{n:03}" for n in range(400)]
_TYPES: Final = {
    "invoice": 40,
    "order": 20,
    "despatch-advice": 14,
    "receipt-advice": 8,
    "payment": 8,
    "receipt": 6,
    "credit-note": 2,
    "other": 1,
    "": 1,
    "contract": 0.05,
}
_CURRENCIES: Final = {"EUR": 85, "USD": 10, "CHF": 4.9, "JPY": 0.1}
_PROFILES: Final = {
    "invoices": 42,
    "orders": 20,
    "logistics": 22,
    "payments": 8,
    "other": 8,
    "contracts": 0.05,
}
_VALUED: Final = ("invoice", "order", "credit-note", "payment")


def run() -> list[Row]:
    """Measure; one row for each kind of query and database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR"))))
        rows = _measured("SQLite", _sqlite(folder / "hub.db"))
        if postgres_binaries() is not None:
            server = stack.enter_context(PostgresServer())
            rows += _measured("PostgreSQL", _postgres(server))
        return rows


def _sqlite(path: Path) -> Store:
    store = open_store(f"sqlite:{path}", node="bench")
    store.migrate()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    for documents, refs in _batches():
        connection.executemany(f"INSERT INTO archive VALUES ({', '.join('?' * 21)})", documents)
        connection.executemany("INSERT INTO archive_refs VALUES (?, ?, ?, ?)", refs)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return store


def _postgres(server: PostgresServer) -> Store:
    url = server.new_database()
    store = open_store(url, node="bench")
    store.migrate()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path = ecluse")
        for documents, refs in _batches():
            for table, lines in (("archive", documents), ("archive_refs", refs)):
                with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                    for line in lines:
                        copy.write_row(line)
        connection.execute("VACUUM ANALYZE archive")
        connection.execute("VACUUM ANALYZE archive_refs")
    return store


def _batches() -> Iterator[tuple[list[tuple[Any, ...]], list[tuple[str, str, str, str]]]]:
    documents, refs = [], []
    for archived in _documents():
        documents.append(archived_row(archived))
        refs += [(number, kind, archived.day, archived.id) for number, kind in numbers(archived)]
        if len(documents) == _BATCH:
            yield documents, refs
            documents, refs = [], []
    if documents:
        yield documents, refs


def _documents() -> Iterator[Archived]:
    draw = random.Random(20260401)
    body = b'{"name":"document.xml","contents":{"count":1,"documents":[{"seller":"Birch","buyer":"Aster"}]}}'
    weights = [1 / (n + 1) for n in range(len(_PARTNERS))]
    for n in range(DOCUMENTS):
        id = f"a{n:026}"
        (type,) = draw.choices(tuple(_TYPES), tuple(_TYPES.values()))
        dated = type not in ("", "other")
        day = (
            (_FIRST + timedelta(days=n * _DAYS // DOCUMENTS - draw.randint(0, 20))).isoformat()
            if dated
            else ""
        )
        valued = type in _VALUED
        state = ArchiveState.DISPOSED if n < DOCUMENTS * 0.03 else ArchiveState.KEPT
        yield Archived(
            ArchiveId(id),
            MessageId(f"m{n:026}"),
            0,
            f"b{n:026}",
            PartnerId(draw.choices(_PARTNERS, weights)[0]),
            Direction.IN if draw.random() < 0.6 else Direction.OUT,
            Instant(1_700_000_000_000_000 + n),
            draw.choices(tuple(_PROFILES), tuple(_PROFILES.values()))[0],
            sha256(id.encode()).digest(),
            4000,
            type=type,
            reference=f"{type[:2].upper()}-{day[:4]}-{n:07}" if type else "",
            refs=(("order", f"{n // 4:07}"),) if type not in ("", "order", "contract") else (),
            day=day,
            amount=int(draw.lognormvariate(11, 1.6)) if valued else None,
            currency=draw.choices(tuple(_CURRENCIES), tuple(_CURRENCIES.values()))[0] if valued else "",
            starts=Instant(1),
            ends=Instant(2),
            state=ArchiveState.DAMAGED if n % 200_000 == 7 else state,
            body=body,
        )


def _queries(draw: random.Random) -> dict[str, Query]:
    """One query of each kind."""
    n = draw.randrange(DOCUMENTS)
    year = (_FIRST + timedelta(days=n * _DAYS // DOCUMENTS)).year
    month = f"{year}-{draw.randint(1, 12):02}"
    partner, big = draw.choice(_PARTNERS), _PARTNERS[0]
    amount = int(draw.lognormvariate(11, 1.6))
    return {
        "nothing given": Query(),
        "partner": Query(partner=partner),
        "partner, month": Query(partner=partner, since=month, until=month),
        "partner, type, year": Query(partner=big, type="invoice", since=str(year), until=str(year)),
        "number, exact": Query(number=f"{n // 4:07}"),
        "reference, exact": Query(reference=f"in-{year}-{n:07}"),
        "reference, prefix of few": Query(reference=f"IN-{year}-{n:07}"[:-2] + "*"),
        "reference, prefix of many": Query(reference=f"IN-{year}*"),
        "prefix of many, partner": Query(reference=f"IN-{year}*", partner=partner),
        "invoice number": Query(invoice=f"IN-{year}-{n:07}"),
        "text: end of a number": Query(text=f"{n:07}"),
        "text of many, type": Query(text=str(year), type="contract"),
        "text of many, rare with big partner": Query(
            text="re-", partner=big, type="receipt", direction="out"
        ),
        "amount, exact": Query(least=amount, most=amount),
        "amount range, partner": Query(least=amount, most=amount + 1000, partner=partner),
        "amount range, wide": Query(least=10_000, most=1_000_000),
        "amount range, year, type": Query(
            least=amount, most=amount * 2, since=str(year), until=str(year), type="order"
        ),
        "currency, rare": Query(currency="JPY", since=str(year)),
        "currency, type, month": Query(currency="USD", type="invoice", since=month, until=month),
        "profile, state": Query(profile="invoices", state="disposed"),
        "state damaged": Query(state="damaged", direction="in"),
        "direction, month": Query(direction="out", since=month, until=month),
        "common parts, rare together": Query(type="order", currency="CHF", profile="payments", partner=big),
        "common parts, none together": Query(
            type="invoice", currency="CHF", state="kept", until="2016", direction="in"
        ),
        "all but a number": Query(
            partner=big,
            direction="in",
            type="invoice",
            profile="invoices",
            state="kept",
            currency="EUR",
            since=str(year),
            until=str(year),
            least=amount // 2,
            most=amount * 2,
        ),
    }


def _measured(name: str, store: Store) -> list[Row]:
    draw = random.Random(7)
    taken: dict[str, list[float]] = {}
    try:
        for _ in range(ROUNDS):
            for kind, query in _queries(draw).items():
                began = time.perf_counter()
                store.read(lambda view, query=query: search(view, query))  # type: ignore[misc]
                taken.setdefault(kind, []).append((time.perf_counter() - began) * 1000)
    finally:
        store.close()
    rows = []
    for kind, times in taken.items():
        times.sort()
        half, most = times[len(times) // 2], times[int(len(times) * 0.95)]
        rows.append(
            row(
                f"search, {name}: {kind}",
                round(most, 2),
                "ms",
                LIMIT,
                f"asked for, {DOCUMENTS:,} documents; p95 of {len(times)} (p50 {half:.2f})",
                1.0,
            )
        )
    return rows
