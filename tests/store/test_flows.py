"""What flows ask of both databases: neighbours in order, first contents, numbers, one job by its key."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
from tests.support.nouns import NOW, SECOND, delivery, full_message, job, message

from ecluse.model.nouns import JobState
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Store


def put(store: Store, *rows: Any) -> None:
    def work(tx: Any) -> None:
        for row in rows:
            (tx.add_message if hasattr(row, "direction") else tx.add_delivery)(row)

    store.write(work)


def test_every_field_comes_back(store: Store) -> None:
    whole = full_message(origin="m0", relay="d0", flow="orders", shredded=NOW + 5)
    relayed = delivery(flow="orders", target=3, order_key="birch\0")
    put(store, whole, relayed)
    assert store.read(lambda view: view.message(whole.id)) == whole
    found = store.read(lambda view: view.delivery(relayed.id))
    assert found == msgspec.structs.replace(relayed, order_key="birch\u2400")
    changed = msgspec.structs.replace(whole, flow="other", shredded=0, state=MessageState.FAILED)
    store.write(lambda tx: tx.update_message(changed))
    assert store.read(lambda view: view.message(whole.id)) == changed


def test_children_and_lists(store: Store) -> None:
    put(
        store,
        message("m1", flow="a"),
        message("m2", origin="m1", relay="d1", flow="a"),
        message("m3", origin="m1", relay="d1", flow="a"),
        message("m4", flow="b"),
        message("m5"),
    )
    assert [each.id for each in store.read(lambda view: view.children("m1"))] == ["m2", "m3"]
    assert store.read(lambda view: view.children("")) == []
    assert [each.id for each in store.read(lambda view: view.messages(flow="a"))] == ["m3", "m2", "m1"]
    assert store.read(lambda view: view.messages(flow="")) == []


def test_arrivals_are_what_a_flow_took_in_a_time(store: Store) -> None:
    for number in range(4):
        put(
            store,
            message(f"m{number}", flow="first"),
            delivery(f"d{number}", message=f"m{number}", flow="x", created=NOW + number * SECOND),
            delivery(f"e{number}", message=f"m{number}", flow="x", target=1, created=NOW + number * SECOND),
        )
    found = store.read(lambda view: view.arrivals("x", NOW + SECOND, NOW + 3 * SECOND, 10))
    assert [(each.id, at) for each, at in found] == [("m1", NOW + SECOND), ("m2", NOW + 2 * SECOND)]
    assert store.read(lambda view: view.arrivals("first", NOW, NOW + SECOND, 10)) == []


def test_what_came_from_outside(store: Store) -> None:
    put(store, message("m1", flow="x"), message("m2", flow="y"), message("m3", flow="x"), message("m4"))
    put(store, message("m5", flow="x", origin="m1"), message("m6", flow="x"), message("m7"))
    look = lambda flow, after, until: [  # noqa: E731
        each.id for each in store.read(lambda view: view.roots(flow, after, until, 10))
    ]
    assert look("x", "", "n") == ["m1", "m3", "m6"]
    assert look("x", "m1", "m6") == ["m3"]
    assert look("", "", "n") == ["m4", "m7"]


def test_counts_and_waiting(store: Store) -> None:
    put(
        store,
        delivery("d1", flow="x"),
        delivery("d2", flow="x", state=DeliveryState.SENT),
        delivery("d3", flow="x"),
        delivery("d4", flow="y"),
        delivery("d5"),
    )
    counts = store.read(lambda view: view.flow_counts())
    assert counts == {
        ("x", DeliveryState.WAITING): 2,
        ("x", DeliveryState.SENT): 1,
        ("y", DeliveryState.WAITING): 1,
    }
    assert [each.id for each in store.read(lambda view: view.waiting("x", "", 9))] == ["d1", "d3"]
    assert [each.id for each in store.read(lambda view: view.waiting("x", "d1", 9))] == ["d3"]


def test_neighbours_in_order(store: Store) -> None:
    rows = [
        delivery("d1", flow="x", order_key="k", created=NOW),
        delivery("d2", flow="x", order_key="k", created=NOW, state=DeliveryState.CONFIRMED),
        delivery("d3", flow="x", order_key="k", created=NOW + 1, state=DeliveryState.DEAD),
        delivery("d0", flow="x", order_key="k", created=NOW + 2),
        delivery("d8", flow="x", order_key="k", created=NOW + 1, target=1),
        delivery("d9", flow="x", order_key="other", created=NOW + 1),
    ]
    put(store, *rows)
    by_id = {row.id: row for row in rows}

    def around(id: str) -> tuple[str | None, str | None]:
        look = lambda view: (view.ahead(by_id[id]), view.behind(by_id[id]))  # noqa: E731
        read, written = store.read(look), store.write(look)
        assert read == written
        return tuple(each.id if each else None for each in read)  # type: ignore[return-value]

    assert around("d1") == (None, "d3")
    assert around("d3") == ("d1", "d0")
    assert around("d0") == ("d3", None)
    assert around("d9") == (None, None)


def test_content_is_remembered_and_forgotten(store: Store) -> None:
    assert store.read(lambda view: view.digest_seen("x", b"d" * 32)) is None
    store.write(lambda tx: tx.put_digest("x", b"d" * 32, "m1", NOW))
    store.write(lambda tx: tx.put_digest("x", b"e" * 32, "m1", NOW))
    store.write(lambda tx: tx.put_digest("x", b"e" * 32, "m2", NOW + 5))
    assert store.read(lambda view: view.digest_seen("x", b"e" * 32)) == ("m2", NOW + 5)
    assert store.read(lambda view: view.digest_seen("y", b"e" * 32)) is None
    claim = lambda message, since: store.write(  # noqa: E731
        lambda tx: tx.claim_digest("z", b"f" * 32, message, since + 10, since)
    )
    assert [claim("m1", NOW), claim("m2", NOW), claim("m1", NOW)] == ["m1", "m1", "m1"]
    assert claim("m3", NOW + 10) == "m3", "the window is over"
    assert claim("m1", NOW + 10) == "m3"
    assert store.write(lambda tx: tx.prune_digests("x", NOW + 1)) == 1
    assert store.read(lambda view: view.digest_seen("x", b"d" * 32)) is None


def test_no_number_is_given_twice(store: Store, second: Store) -> None:
    numbers: list[int] = []
    lock = threading.Lock()

    def count(each: Store) -> None:
        for _ in range(20):
            number = each.write(lambda tx: tx.next_number("x"))
            with lock:
                numbers.append(number)

    threads = [threading.Thread(target=count, args=(each,)) for each in (store, second, store)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 61))
    assert store.write(lambda tx: tx.next_number("y")) == 1


def test_one_job_is_claimed_by_its_key_unless_somebody_has_it(store: Store) -> None:
    store.write(lambda tx: tx.add_job(job("k", due=NOW + 99 * SECOND)))
    claim = lambda at, owner: store.write(lambda tx: tx.claim_job("k", owner, at, 10 * SECOND))  # noqa: E731
    mine = claim(NOW, "one")
    assert mine is not None
    assert (mine.state, mine.owner, mine.fence, mine.attempts) == (JobState.RUNNING, "one", 1, 1)
    assert claim(NOW + SECOND, "two") is None
    theirs = claim(NOW + 10 * SECOND, "two")
    assert theirs is not None
    assert theirs.fence == 2
    store.write(lambda tx: tx.finish_job(theirs))
    assert claim(NOW + 11 * SECOND, "one") is not None, "one that is done may be done again"
    assert store.write(lambda tx: tx.claim_job("none", "one", NOW, SECOND)) is None
