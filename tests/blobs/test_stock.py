"""Keys in stock: each is given once, and only when it is durable; old ones go; no failure is anybody's."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest
from tests.support.hubs import FakeClock, bare_hub

from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.stock import BUSY, ENOUGH, LOW, OLD, KeyStock
from ecluse.model.basics import system_entropy
from ecluse.store.port import StoreUnavailable

WRAP = AesKeyWrap(bytes(32))


class Keeper:
    """Says when keys are durable."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[tuple[Mapping[str, bytes], Future[None]]] = []
        self.dropped: list[str] = []
        self.stock = KeyStock(WRAP, system_entropy, self.clock, self.keep, self.drop)

    def keep(self, keys: Mapping[str, bytes]) -> Future[None]:
        future: Future[None] = Future()
        self.asked.append((keys, future))
        return future

    def drop(self, ids: Collection[str]) -> None:
        self.dropped += ids

    def busy(self) -> None:
        for _ in range(BUSY):
            assert self.stock.take() is None


def test_nothing_is_laid_in_for_a_blob_now_and_then() -> None:
    keeper = Keeper()
    for _ in range(3 * BUSY):
        keeper.clock.forward(1.0)
        assert keeper.stock.take() is None
    assert keeper.asked == []


def test_keys_are_given_once_they_are_durable_and_each_once() -> None:
    keeper = Keeper()
    keeper.busy()
    assert keeper.stock.take() is None
    [(keys, future)] = keeper.asked
    assert len(keys) == ENOUGH - LOW
    future.set_result(None)
    taken = [keeper.stock.take() for _ in range(len(keys))]
    assert {each.id: each.wrapped for each in taken if each} == keys
    assert len({each.key for each in taken if each}) == len(keys)
    assert all(WRAP.unwrap(each.wrapped) == each.key for each in taken if each)
    assert len(keeper.asked) == 2  # and more are on their way
    assert keeper.stock.take() is None


def test_a_stock_that_could_not_be_kept_is_tried_again() -> None:
    keeper = Keeper()
    keeper.busy()
    keeper.asked[0][1].set_exception(StoreUnavailable("away"))
    assert keeper.stock.take() is None
    assert len(keeper.asked) == 2


def test_a_database_that_is_away_is_not_the_taker_s_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper()

    def away(keys: Mapping[str, bytes]) -> Future[None]:
        raise StoreUnavailable("away")

    stock = KeyStock(WRAP, system_entropy, keeper.clock, away, keeper.drop)
    assert [stock.take() for _ in range(2 * BUSY)] == [None] * 2 * BUSY


def test_old_keys_are_dropped_and_not_given() -> None:
    keeper = Keeper()
    keeper.busy()
    keeper.asked[0][1].set_result(None)
    first = keeper.stock.take()
    assert first is not None
    keeper.clock.forward(OLD / 1e6)
    assert keeper.stock.take() is None
    assert sorted(keeper.dropped) == sorted(set(keeper.asked[0][0]) - {first.id})


def test_blobs_of_keys_in_stock_are_kept_opened_and_erased(tmp_path: Path) -> None:
    hub = bare_hub(tmp_path, FakeClock())
    store = hub.store
    stock = hub.vault.stock = KeyStock(
        hub.vault.wrap,
        system_entropy,
        hub.clock,
        lambda keys: store.submit(lambda tx: tx.keep_keys(keys)),
        lambda ids: store.submit(lambda tx: tx.forget_keys(ids)),
    )
    while stock.take() is None:
        pass
    writer = hub.vault.create()
    writer.write(b"hello")
    sealed = writer.finish()
    assert store.read(lambda view: view.blob_key(sealed.row.id)) is None  # there is no such blob yet
    store.write(lambda tx: tx.add_blob(sealed.row, sealed.wrapped_key))
    with hub.blob(sealed.row.id) as reader:
        assert reader.read(0, 9) == b"hello"
    store.write(lambda tx: tx.drop_blob(sealed.row.id))
    assert store.read(lambda view: view.blob_key(sealed.row.id)) is None
    left = [each.id for each in stock._ready]
    store.write(lambda tx: tx.forget_keys(left[:5]))
    store.close()
    with sqlite3.connect(next(tmp_path.rglob("*-keys.db"))) as keys:
        found = {row[0] for row in keys.execute("SELECT id FROM blob_keys")}
    assert sealed.row.id not in found
    assert not found & set(left[:5])
    assert found >= set(left[5:])
