"""What a unit of work read is still so when it writes: no node overwrites what another one recorded meanwhile."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
from tests.support.nouns import delivery, message

from ecluse.model.basics import DeliveryId, MessageId
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Store, Tx

D1 = DeliveryId("d1")
M1 = MessageId("m1")


def test_a_delivery_read_in_a_unit_is_not_overwritten(store: Store, second: Store) -> None:
    store.write(lambda tx: tx.add_delivery(delivery("d1", message="m1", attempts=0)))

    def one_more(tx: Tx) -> None:
        found = tx.delivery(D1)
        assert found is not None
        tx.update_delivery(msgspec.structs.replace(found, attempts=found.attempts + 1))

    def one_more_of_all(tx: Tx) -> None:
        for found in tx.deliveries(M1):
            tx.update_delivery(msgspec.structs.replace(found, attempts=found.attempts + 1))

    with ThreadPoolExecutor(4) as pool:
        works = [(one_more, one_more_of_all)[n % 2] for n in range(40)]
        for _ in pool.map(lambda n: (store, second)[n % 2].write(works[n // 2]), range(80)):
            pass
    found = store.read(lambda view: view.delivery(D1))
    assert found is not None
    assert found.attempts == 80


def test_a_receipt_and_the_end_of_an_attempt_meet(store: Store, second: Store) -> None:
    """The receipt comes on another node while the attempt's own request is recorded as sent."""
    store.write(lambda tx: tx.add_delivery(delivery("d1", state=DeliveryState.SENDING)))
    has_read = threading.Event()

    def sent(tx: Tx) -> None:
        found = tx.delivery(D1)
        assert found is not None
        has_read.set()
        time.sleep(0.3)
        if found.state is DeliveryState.SENDING:
            tx.update_delivery(msgspec.structs.replace(found, state=DeliveryState.SENT))

    def receipt(tx: Tx) -> None:
        found = tx.delivery(D1)
        assert found is not None
        tx.update_delivery(msgspec.structs.replace(found, state=DeliveryState.CONFIRMED))

    first = store.submit(sent)
    assert has_read.wait(60)
    other = second.submit(receipt)
    first.result(10)
    other.result(10)
    found = store.read(lambda view: view.delivery(D1))
    assert found is not None
    assert found.state is DeliveryState.CONFIRMED


def test_a_message_is_opened_once(store: Store, second: Store) -> None:
    """Two nodes open the same message; only one of them may find it unopened."""
    store.write(lambda tx: tx.add_message(message("m1", state=MessageState.RECEIVED)))
    both = threading.Barrier(2, timeout=1)

    def open_it(tx: Tx) -> bool:
        found = tx.message(M1)
        assert found is not None
        try:
            both.wait()
        except threading.BrokenBarrierError:
            pass
        if found.state is not MessageState.RECEIVED:
            return False
        tx.update_message(msgspec.structs.replace(found, state=MessageState.ACCEPTED))
        return True

    futures = [store.submit(open_it), second.submit(open_it)]
    assert sorted(future.result(20) for future in futures) == [False, True]


def test_units_that_wait_for_each_other_both_end(store: Store, second: Store) -> None:
    for name in ("m1", "m2"):
        store.write(lambda tx, name=name: tx.add_message(message(name, protocol_id=name)))

    def touch(names: tuple[str, str]) -> object:
        def work(tx: Tx) -> None:
            for name in names:
                found = tx.message(MessageId(name))
                assert found is not None
                tx.update_message(msgspec.structs.replace(found, config_version=found.config_version + 1))

        return work

    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(lambda s=s, n=n: [s.write(touch(n)) for _ in range(10)])
            for s, n in ((store, ("m1", "m2")), (second, ("m2", "m1")))
        ]
        for done in jobs:
            done.result(60)
    counts = [store.read(lambda view, n=n: view.message(MessageId(n))).config_version for n in ("m1", "m2")]
    assert counts == [20, 20]
