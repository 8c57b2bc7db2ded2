"""Units that share a commit: what each reads, what becomes of one that fails, and what is read and written at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.store.test_files import file, found, usage
from tests.support.nouns import NOW, answer, blob, delivery, job, message, receipt

from ecluse.model.basics import DeliveryId, MessageId
from ecluse.model.nouns import Answer, JobState
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.open import open_store
from ecluse.store.port import Conflict, Lost, Store, Tx
from ecluse.store.sqlite.held import Held, InTheWay, together
from ecluse.store.sqlite.verbs import SQL, TOUCHING

M1, D1 = MessageId("m1"), DeliveryId("d1")


class Refused(Exception):
    """A unit's own failure."""


def in_one_group(store: Store, *works: Callable[[Tx], Any]) -> list[Future[Any]]:
    """Submit units so that they share a commit, where the store has those."""
    go = threading.Event()
    first = store.submit(lambda tx: go.wait(60))
    futures = [store.submit(work) for work in works]
    go.set()
    first.result(60)
    for future in futures:
        future.exception(60)
    return futures


def test_many_rows_go_in_together(store: Store) -> None:
    def work(tx: Tx, n: int) -> None:
        tx.add_message(message(f"m{n}"))
        tx.add_delivery(delivery(f"d{n}", message=f"m{n}"))
        tx.add_blob(blob(f"b{n}", inline=b"%d" % n), b"k" * 40)
        tx.add_file(file(f"{n}"))
        tx.append_event(f"e{n}", "message.accepted", f"m{n}", NOW, b"leaf %d" % n)
        tx.add_job(job(f"deliver:{n}"))

    futures = in_one_group(store, *(lambda tx, n=n: work(tx, n) for n in range(150)))
    assert [future.result() for future in futures] == [None] * 150
    assert usage(store) == (7 * 150, 150)
    for n in (0, 77, 149):
        assert store.read(lambda view, n=n: view.message(MessageId(f"m{n}"))) == message(f"m{n}")
        assert store.read(lambda view, n=n: view.blob_key(f"b{n}")) == b"k" * 40
    leaves = [leaf for _, leaf in store.read(lambda view: view.unsealed(1000))]
    assert sorted(leaves) == sorted(b"leaf %d" % n for n in range(150))
    assert len(store.read(lambda view: view.jobs(limit=1000))) == 150


def test_a_unit_sees_what_it_and_those_before_it_added(store: Store) -> None:
    def first(tx: Tx) -> int:
        tx.add_message(message())
        tx.append_event("e1", "a.b", "m1", NOW, b"1")
        return len(tx.events("m1"))

    def second(tx: Tx) -> tuple[object, ...]:
        tx.append_event("e2", "a.c", "m1", NOW, b"2")
        seen = tx.message(M1)
        tx.add_file(file())
        return seen, [each.leaf for each in tx.events("m1")], tx.file_usage("birch"), tx.file(*_place(file()))

    one = store.submit(first)
    one.result(60)
    [two] = in_one_group(store, second)
    assert one.result() == 1
    assert two.result() == (message(), [b"1", b"2"], (7, 1), file())


def test_the_last_answer_of_several_stands(store: Store) -> None:
    def second(tx: Tx) -> Answer | None:
        before = tx.answer(M1)
        tx.put_answer(answer("m1", positive=True))
        return before

    def first(tx: Tx) -> None:
        tx.put_answer(answer("m1", positive=False))

    if store.local:
        _, replaced = in_one_group(store, first, second)
    else:  # units may be run at the same time there
        store.write(first)
        [replaced] = in_one_group(store, second)
    assert replaced.result() == answer("m1", positive=False)

    def twice(tx: Tx) -> None:
        tx.put_answer(answer("m2", positive=False))
        tx.put_answer(answer("m2", positive=True))

    [both] = in_one_group(store, twice)
    assert both.result() is None
    for id in ("m1", "m2"):
        assert store.read(lambda view, id=id: view.answer(MessageId(id))) == answer(id, positive=True)


def test_an_answer_goes_with_its_unit(store: Store) -> None:
    def fails(tx: Tx) -> None:
        tx.put_answer(answer("m1"))
        raise Refused

    failed, kept = in_one_group(store, fails, lambda tx: tx.put_answer(answer("m2")))
    assert isinstance(failed.exception(), Refused)
    assert kept.result() is None
    assert store.read(lambda view: view.answer(M1)) is None
    assert store.read(lambda view: view.answer(MessageId("m2"))) == answer("m2")


def test_the_second_of_a_name_hears_of_it_alone(store: Store) -> None:
    def add(id: str, **changes: Any) -> Callable[[Tx], None]:
        return lambda tx: tx.add_message(message(id, **changes))

    works = (add("m1"), add("m2", protocol_id="<m1@birch.example>"), add("m3"))
    one, two, three = in_one_group(store, *works)
    assert three.exception() is None
    assert {type(one.exception()), type(two.exception())} == {type(None), Conflict}
    if store.local:  # elsewhere units may be run at the same time
        assert one.exception() is None
    there = [store.read(lambda view, id=id: view.message(MessageId(id))) for id in ("m1", "m2", "m3")]
    assert [each is None for each in there] == [bool(each.exception()) for each in (one, two, three)]


def test_a_unit_that_fails_leaves_nothing_and_the_others_all(store: Store) -> None:
    def looks_then_fails(tx: Tx) -> None:
        tx.append_event("e2", "a.b", "m1", NOW, b"2")
        tx.add_file(file("b"))
        assert tx.events("m1")  # what others added goes in within this unit's bounds, and must outlive it
        tx.put_setting("x", b"y")
        raise Refused

    def fails(tx: Tx) -> None:
        tx.add_file(file("c"))
        tx.add_message(message("m9"))
        raise Refused

    def add(tx: Tx, n: int) -> None:
        tx.append_event(f"ea{n}", "a.b", "m1", NOW, b"a%d" % n)
        tx.add_file(file(f"a{n}"))

    works = [lambda tx: add(tx, 1), looks_then_fails, fails, lambda tx: add(tx, 2)]
    futures = in_one_group(store, *works)
    assert [type(future.exception()) for future in futures] == [type(None), Refused, Refused, type(None)]
    assert sorted(leaf for _, leaf in store.read(lambda view: view.unsealed(9))) == [b"a1", b"a2"]
    assert usage(store) == (14, 2)
    assert found(store, "b") is found(store, "c") is None
    assert store.read(lambda view: view.setting("x")) is None
    assert store.read(lambda view: view.message(MessageId("m9"))) is None


def test_a_place_that_was_thought_free(store: Store) -> None:
    store.write(lambda tx: tx.add_file(file(size=5)))

    def take(tx: Tx) -> str:
        there = tx.occupant(*_place(file()))
        if there is None:
            tx.add_file(file(id="f2"))
            return "added"
        tx.replace_file(there, file(id="f2", size=9))
        return "replaced"

    [future] = in_one_group(store, take)
    assert future.result() == "replaced"
    assert usage(store) == (9, 1)
    if store.local:  # elsewhere both may look before either adds
        twice = in_one_group(
            store, *[lambda tx: tx.occupant(*_place(file("z"))) or tx.add_file(file("z"))] * 2
        )
        assert [future.result() for future in twice] == [None, file("z")]


def test_usage_follows_within_a_group(store: Store) -> None:
    def add(tx: Tx, name: str) -> tuple[int, int]:
        tx.add_file(file(name))
        return tx.file_usage("birch")

    def drop(tx: Tx) -> tuple[int, int]:
        tx.drop_file(file("a"))
        return tx.file_usage("birch")

    works = [lambda tx: add(tx, "a"), lambda tx: add(tx, "b"), drop, lambda tx: add(tx, "c")]
    if store.local:  # elsewhere units of one commit may be run at the same time
        assert [future.result() for future in in_one_group(store, *works)] == [
            (7, 1),
            (14, 2),
            (7, 1),
            (14, 2),
        ]
        assert usage(store) == (14, 2)


def test_deliveries_read_and_moved_at_once(store: Store) -> None:
    def prepare(tx: Tx) -> None:
        for n in range(5):
            tx.add_message(message(f"m{n}"))
            tx.add_delivery(delivery(f"d{n}", message=f"m{n}"))
        tx.add_delivery(delivery("d1b", message="m1"))
        tx.add_receipt(receipt("r0", message="m1"))

    store.write(prepare)

    def work(tx: Tx) -> list[object]:
        tx.about([DeliveryId(f"d{n}") for n in range(4)] + [DeliveryId("none")])
        assert tx.delivery(DeliveryId("d1b")) == delivery("d1b", message="m1")
        assert tx.delivery(DeliveryId("none")) is None
        assert tx.receipts(M1) == [receipt("r0", message="m1")]
        seen: list[object] = []
        for n in range(5):
            there = tx.delivery(DeliveryId(f"d{n}"))
            assert there is not None
            tx.update_delivery(msgspec.structs.replace(there, state=DeliveryState.CONFIRMED, attempts=n))
            tx.add_receipt(receipt(f"r{n}x", delivery=there.id, message=there.message, received=NOW + 1))
            of = tx.message(there.message)
            assert of is not None
            tx.update_message(
                msgspec.structs.replace(of, state=MessageState.DELIVERED, reason="é" if n == 3 else "")
            )
            seen.append([each.state for each in tx.deliveries(there.message)])
            seen.append(len(tx.receipts(there.message)))
        seen.append(len(tx.messages(states=[MessageState.DELIVERED])))
        return seen

    done, waits = DeliveryState.CONFIRMED, DeliveryState.WAITING
    assert store.write(work) == [[done], 1, [done, waits], 2, [done], 1, [done], 1, [done], 1, 5]
    for n in range(5):
        there = store.read(lambda view, n=n: view.delivery(DeliveryId(f"d{n}")))
        assert there == delivery(f"d{n}", message=f"m{n}", state=done, attempts=n)
        of = store.read(lambda view, n=n: view.message(MessageId(f"m{n}")))
        reason = "é" if n == 3 else ""
        assert of == message(f"m{n}", state=MessageState.DELIVERED, reason=reason)
        assert store.read(lambda view, n=n: view.messages(search=f"m{n}@birch"))


def test_a_delivery_that_is_added_to_what_is_known(store: Store) -> None:
    store.write(lambda tx: (tx.add_message(message()), tx.add_delivery(delivery())))

    def work(tx: Tx) -> list[DeliveryState]:
        tx.about([D1])
        tx.update_delivery(delivery(state=DeliveryState.CONFIRMED))
        tx.add_delivery(delivery("d2"))
        tx.update_delivery(delivery("d2", state=DeliveryState.SENT))
        return [each.state for each in tx.deliveries(M1)]

    assert store.write(work) == [DeliveryState.CONFIRMED, DeliveryState.SENT]


def test_what_was_moved_is_undone_with_its_unit(store: Store) -> None:
    store.write(lambda tx: (tx.add_message(message()), tx.add_delivery(delivery())))

    def work(tx: Tx) -> None:
        tx.about([D1])
        tx.update_delivery(delivery(state=DeliveryState.CONFIRMED))
        assert tx.messages()  # has it written
        raise Refused

    with pytest.raises(Refused):
        store.write(work)
    assert store.read(lambda view: view.delivery(D1)) == delivery()


def test_several_jobs_end_together_or_not_at_all(store: Store) -> None:
    store.write(lambda tx: [tx.add_job(job(f"deliver:{n}", due=NOW)) for n in range(4)])
    jobs = store.write(lambda tx: tx.claim_jobs("one", NOW, 1000, 4))
    assert len(jobs) == 4
    store.write(lambda tx: tx.finish_jobs(jobs[:3]))
    states = {each.key: each.state for each in store.read(lambda view: view.jobs())}
    assert [states[each.key] for each in jobs] == [JobState.DONE] * 3 + [JobState.RUNNING]
    with pytest.raises(Lost):
        store.write(lambda tx: tx.finish_jobs(jobs[2:]))
    assert store.read(lambda view: view.job(jobs[3].key)).state is JobState.RUNNING


def test_blobs_with_their_keys(store: Store) -> None:
    for n in range(3):
        store.write(lambda tx, n=n: tx.add_blob(blob(f"b{n}", inline=b"%d" % n), b"%d" % n * 40))
    store.write(lambda tx: tx.drop_blob("b1"))
    found = store.read(lambda view: view.blobs(["b0", "b1", "b2", "b3"]))
    assert found == {f"b{n}": (blob(f"b{n}", inline=b"%d" % n), b"%d" % n * 40) for n in (0, 2)}


def test_text_that_no_database_takes_fails_its_unit_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    store.migrate()

    def bad(tx: Tx) -> None:
        tx.append_event("e1", "a.b", "m1", NOW, "no octets")  # type: ignore[arg-type]

    futures = in_one_group(store, lambda tx: tx.add_file(file("a")), bad, lambda tx: tx.add_file(file("b")))
    assert [future.exception() is None for future in futures] == [True, False, True]
    assert usage(store) == (14, 2)
    store.close()


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 200])
def test_rows_of_any_number_go_in(count: int) -> None:
    main = sqlite3.connect(":memory:")
    main.execute("CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER)")
    sql = "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT DO NOTHING"
    assert together(main, sql, [(str(n), n) for n in range(count)]) == count
    assert main.execute("SELECT count(*), sum(b) FROM t").fetchone() == (count, count * (count - 1) // 2)
    assert together(main, sql, [("x", 1), ("x", 2), ("0", 3)]) == 1


def test_what_is_in_the_way_spoils_the_group(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    store.migrate()
    store.write(lambda tx: tx.add_file(file()))
    store.close()
    main = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    held = Held(main, SQL, TOUCHING)
    held.begin_unit()
    held.add("append_event", ("e1", NOW, "a.b", "m1", b"1", None))
    held.add("append_event", ("e2", NOW, None, "m1", b"1", None))
    with pytest.raises(InTheWay):
        held.put_in()
    assert held.spoiled
    main.close()


def _place(row: Any) -> tuple[Any, str, str]:
    return row.partner, row.folder, row.name
