"""What both stores promise: nouns come back as they went in, keys are unique, a unit is all or nothing."""

from __future__ import annotations

import threading

import msgspec
import pytest
from tests.support.nouns import (
    NOW,
    answer,
    blob,
    checkpoint,
    delivery,
    full_message,
    message,
    receipt,
)

from ecluse.model.basics import Instant, new_id
from ecluse.model.nouns import ConfigVersion, Direction, Message
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Conflict, Store, StoreUnavailable, Tx


def test_a_message_comes_back_with_every_field(store: Store) -> None:
    store.write(lambda tx: (tx.add_message(full_message("m1")), tx.add_message(message("m2"))))
    assert store.read(lambda view: view.message("m1")) == full_message("m1")
    assert store.read(lambda view: view.message("m2")) == message("m2")
    assert store.read(lambda view: view.message("m3")) is None


def test_an_update_replaces_all_but_the_identity(store: Store) -> None:
    changed = full_message("m1", state=MessageState.DELIVERED, subject="Other", parts=(), updated=NOW + 5)
    store.write(lambda tx: tx.add_message(full_message("m1")))
    store.write(lambda tx: tx.update_message(changed))
    assert store.read(lambda view: view.message("m1")) == changed
    assert store.read(lambda view: view.messages(search="other")) == [changed]
    assert store.read(lambda view: view.messages(search="4711")) == []


def test_an_update_of_nothing_is_an_error(store: Store) -> None:
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.update_message(message("m1")))
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.update_delivery(delivery("d1")))


def test_text_no_database_can_hold_is_kept_readable(store: Store) -> None:
    odd = full_message("m1", protocol_id="<a\0b\udc80@x>", subject="a\0b\ud800é", reason="\udcff")
    part = odd.parts[0].__class__("b", 0, 1, "00", name="x\udc80\0y")
    odd = odd.__class__(**{**{name: getattr(odd, name) for name in odd.__struct_fields__}, "parts": (part,)})
    store.write(lambda tx: tx.add_message(odd))
    found = store.read(lambda view: view.find_message(Direction.IN, "birch", odd.protocol_id))
    assert found is not None
    assert (found.subject, found.protocol_id, found.reason) == ("a\u2400b?é", "<a\u2400b?@x>", "?")
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_message(message("m2", protocol_id=odd.protocol_id)))


def test_a_protocol_id_is_unique_by_direction_and_partner(store: Store) -> None:
    first = message("m1", protocol_id="<same>")
    store.write(lambda tx: tx.add_message(first))
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_message(message("m2", protocol_id="<same>")))
    store.write(lambda tx: tx.add_message(message("m3", protocol_id="<same>", partner="cedar")))
    store.write(lambda tx: tx.add_message(message("m4", protocol_id="<same>", direction=Direction.OUT)))
    assert store.read(lambda view: view.find_message(Direction.IN, "birch", "<same>")) == first
    assert store.read(lambda view: view.message("m2")) is None


def test_what_was_rejected_may_come_again(store: Store) -> None:
    refused = [message(f"m{n}", protocol_id="<x>", state=MessageState.REJECTED) for n in (1, 3, 4)]
    for each in refused:
        store.write(lambda tx, each=each: tx.add_message(each))
    assert store.read(lambda view: view.find_message(Direction.IN, "birch", "<x>")) == refused[2]
    good = message("m2", protocol_id="<x>")
    store.write(lambda tx: tx.add_message(good))
    assert store.read(lambda view: view.find_message(Direction.IN, "birch", "<x>")) == good
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_message(message("m9", protocol_id="<x>")))


def test_a_message_that_becomes_rejected_frees_its_protocol_id(store: Store) -> None:
    store.write(lambda tx: tx.add_message(message("m1", protocol_id="<x>", state=MessageState.RECEIVED)))
    store.write(lambda tx: tx.update_message(message("m1", protocol_id="<x>", state=MessageState.REJECTED)))
    store.write(lambda tx: tx.add_message(message("m2", protocol_id="<x>")))
    found = store.read(lambda view: view.find_message(Direction.IN, "birch", "<x>"))
    assert found is not None
    assert found.id == "m2"


def test_a_conflict_can_be_handled_inside_the_unit(store: Store) -> None:
    store.write(lambda tx: tx.add_message(message("m1", protocol_id="<x>")))

    def unit(tx: Tx) -> str:
        try:
            tx.add_message(message("m2", protocol_id="<x>"))
        except Conflict:
            tx.put_setting("duplicate", b"1")
        found = tx.find_message(Direction.IN, "birch", "<x>")
        return found.id if found else ""

    assert store.write(unit) == "m1"
    assert store.read(lambda view: view.setting("duplicate")) == b"1"


def test_lists_are_filtered_and_paged_newest_first(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for n in range(10):
            tx.add_message(
                message(
                    f"m{n}",
                    partner="birch" if n % 2 else "cedar",
                    direction=Direction.OUT if n >= 8 else Direction.IN,
                    state=MessageState.DELIVERED if n < 4 else MessageState.ACCEPTED,
                    subject=f"Ordre 10%_{n}",
                )
            )

    store.write(fill)

    def ids(**wanted: object) -> str:
        found = store.read(lambda view: view.messages(**wanted))  # type: ignore[arg-type]
        return "".join(each.id[1:] for each in found)

    assert ids() == "9876543210"
    assert ids(limit=3) == "987"
    assert ids(before="m7", limit=2) == "65"
    assert ids(partner="birch") == "97531"
    assert ids(direction=Direction.OUT) == "98"
    assert ids(states=[MessageState.DELIVERED]) == "3210"
    assert ids(states=[MessageState.DELIVERED, MessageState.ACCEPTED], partner="cedar", before="m8") == "6420"
    assert ids(search="10%_3") == "3"
    assert ids(search="ORDRE") == "9876543210"
    assert ids(search="1000") == ""
    assert ids(search="<m5@") == "5"
    assert store.read(lambda view: view.count_messages()) == {
        (Direction.IN, MessageState.DELIVERED): 4,
        (Direction.IN, MessageState.ACCEPTED): 4,
        (Direction.OUT, MessageState.ACCEPTED): 2,
    }


def test_traffic_is_counted_by_partner_and_flow_from_a_moment_on(store: Store) -> None:
    def kept(at: int, number: int, partner: str, flow: str = "") -> Message:
        id = new_id("m", Instant(at), lambda size: bytes([number]) * size)
        return message(id, partner=partner, flow=flow, protocol_id=f"<{id}@x>")

    second = 1_000_000
    rows = [
        kept(NOW - second, 1, "birch"),
        kept(NOW, 0, "birch"),
        kept(NOW, 2, "birch", "orders"),
        kept(NOW + second, 3, "birch", "orders"),
        kept(NOW + second, 4, "cedar", "orders"),
    ]
    store.write(lambda tx: [tx.add_message(row) for row in rows])
    found = store.read(lambda view: view.traffic(Instant(NOW)))
    assert sorted(found) == [("birch", "", 1), ("birch", "orders", 2), ("cedar", "orders", 1)]
    assert store.read(lambda view: view.traffic(Instant(NOW + 2 * second))) == []


def test_search_finds_file_names_in_any_case(store: Store) -> None:
    store.write(lambda tx: tx.add_message(full_message("m1")))
    assert [m.id for m in store.read(lambda view: view.messages(search="ÖRDÉR"))] == ["m1"]


def test_deliveries(store: Store) -> None:
    full = delivery("d2", receipt_due=NOW + 9, reason_code="x", reason="Y.", attempts=3)
    store.write(lambda tx: (tx.add_delivery(full), tx.add_delivery(delivery("d1"))))
    assert store.read(lambda view: view.delivery("d2")) == full
    assert store.read(lambda view: view.delivery("d3")) is None
    assert [d.id for d in store.read(lambda view: view.deliveries("m1"))] == ["d1", "d2"]
    changed = delivery("d2", state=DeliveryState.CONFIRMED, attempts=4, updated=NOW + 1)
    store.write(lambda tx: tx.update_delivery(changed))
    assert store.read(lambda view: view.delivery("d2")) == changed
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_delivery(delivery("d1")))


def test_overdue_are_those_that_were_sent_and_not_answered(store: Store) -> None:
    sent = DeliveryState.SENT

    def fill(tx: Tx) -> None:
        tx.add_delivery(delivery("d1", state=sent, receipt_due=NOW + 2))
        tx.add_delivery(delivery("d2", state=sent, receipt_due=NOW + 1))
        tx.add_delivery(delivery("d3", state=sent, receipt_due=NOW + 9))
        tx.add_delivery(delivery("d4", state=sent))
        tx.add_delivery(delivery("d5", state=DeliveryState.CONFIRMED, receipt_due=NOW + 1))

    store.write(fill)
    assert [d.id for d in store.read(lambda view: view.overdue(NOW + 9, 10))] == ["d2", "d1"]
    assert [d.id for d in store.read(lambda view: view.overdue(NOW + 9, 1))] == ["d2"]
    assert store.read(lambda view: view.overdue(NOW + 1, 10)) == []


def test_receipts_and_answers_are_kept_exactly(store: Store) -> None:
    late = receipt("r0", received=NOW + 1, positive=False, verdict="negative")
    store.write(lambda tx: (tx.add_receipt(late), tx.add_receipt(receipt("r1"))))
    assert store.read(lambda view: view.receipts("m1")) == [receipt("r1"), late]
    assert store.read(lambda view: view.answer("m1")) is None
    store.write(lambda tx: tx.put_answer(answer("m1", positive=False)))
    store.write(lambda tx: tx.put_answer(answer("m1")))
    assert store.read(lambda view: view.answer("m1")) == answer("m1")
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_receipt(receipt("r1")))


def test_a_blob_and_its_key_come_and_go_together(store: Store) -> None:
    def add(tx: Tx) -> bytes | None:
        tx.add_blob(blob("b1"), b"k" * 40)
        tx.add_blob(blob("b2", inline=None), b"l" * 40)
        return tx.blob_key("b1")

    assert store.write(add) == b"k" * 40
    assert store.read(lambda view: (view.blob("b1"), view.blob_key("b1"))) == (blob("b1"), b"k" * 40)
    assert store.read(lambda view: view.blob("b2")) == blob("b2", inline=None)
    assert store.read(lambda view: view.blobs_before("", 10)) == ["b1", "b2"]
    assert store.read(lambda view: view.blobs_before("b1", 10)) == ["b2"]

    def drop(tx: Tx) -> bytes | None:
        tx.drop_blob("b1")
        return tx.blob_key("b1")

    assert store.write(drop) is None
    assert store.read(lambda view: (view.blob("b1"), view.blob_key("b1"))) == (None, None)
    assert store.read(lambda view: view.blob_key("b2")) == b"l" * 40
    store.write(lambda tx: tx.drop_blob("b1"))
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_blob(blob("b2"), b"m"))
    assert store.read(lambda view: view.blob_key("b2")) == b"l" * 40


def test_a_unit_that_raises_leaves_neither_row_nor_key(store: Store) -> None:
    def unit(tx: Tx) -> None:
        tx.add_message(message("m1"))
        tx.add_blob(blob("b1"), b"k")
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        store.write(unit)
    assert store.read(lambda view: (view.message("m1"), view.blob("b1"), view.blob_key("b1"))) == (None,) * 3


def test_a_unit_that_raises_takes_no_other_with_it(store: Store) -> None:
    def unit(n: int, tx: Tx) -> int:
        tx.add_message(message(f"m{n:03}"))
        tx.append_event(f"e{n}", "message.accepted", "all", NOW, b"leaf")
        if n % 7 == 0:
            raise ValueError(n)
        return n

    futures = [store.submit(lambda tx, n=n: unit(n, tx)) for n in range(100)]
    for n, future in enumerate(futures):
        if n % 7 == 0:
            assert isinstance(future.exception(30), ValueError)
        else:
            assert future.result(30) == n
    kept = {m.id for m in store.read(lambda view: view.messages(limit=1000))}
    assert kept == {f"m{n:03}" for n in range(100) if n % 7}
    assert len(store.read(lambda view: view.events("all"))) == len(kept)


def test_a_unit_reads_what_it_wrote_and_others_don_t(store: Store) -> None:
    def unit(tx: Tx) -> bool:
        tx.add_message(message("m1"))
        unseen = store.read(lambda view: view.message("m1")) is None
        return unseen and tx.message("m1") is not None

    assert store.write(unit)


def test_reads_are_of_one_moment(store: Store) -> None:
    store.write(lambda tx: tx.put_setting("a", b"1"))
    first_read, written = threading.Event(), threading.Event()

    def look(view: Store) -> tuple[bytes | None, bytes | None]:
        before = view.setting("a")
        first_read.set()
        assert written.wait(60)
        return before, view.setting("a")

    def change() -> None:
        assert first_read.wait(60)
        store.write(lambda tx: tx.put_setting("a", b"2"))
        written.set()

    thread = threading.Thread(target=change)
    thread.start()
    assert store.read(look) == (b"1", b"1")  # type: ignore[arg-type]
    thread.join()
    assert store.read(lambda view: view.setting("a")) == b"2"


def test_events_are_sealed_in_order_once(store: Store) -> None:
    for n in range(5):
        store.write(lambda tx, n=n: tx.append_event(f"e{n}", "k.done", f"s{n % 2}", NOW + n, b"leaf%d" % n))
    inbox = store.read(lambda view: view.unsealed(10))
    assert [leaf for _, leaf in inbox] == [b"leaf%d" % n for n in range(5)]
    assert store.read(lambda view: view.unsealed(2)) == inbox[:2]
    rows = [row for row, _ in inbox]
    store.write(lambda tx: tx.seal(0, rows[:3], {(0, 0): b"h0", (0, 1): b"h1", (1, 0): b"h01"}))
    assert store.read(lambda view: view.log_size()) == 3
    assert store.read(lambda view: view.unsealed(10)) == inbox[3:]
    assert store.read(lambda view: [e.index for e in view.events_from(1, 10)]) == [1, 2]
    own = store.read(lambda view: view.events("s0"))
    assert [(e.event.id, e.event.kind, e.event.at, e.leaf, e.index) for e in own] == [
        ("e0", "k.done", NOW, b"leaf0", 0),
        ("e2", "k.done", NOW + 2, b"leaf2", 2),
        ("e4", "k.done", NOW + 4, b"leaf4", None),
    ]
    wanted = [(1, 0), (0, 1), (5, 5)]
    assert store.read(lambda view: view.log_nodes(wanted)) == {(1, 0): b"h01", (0, 1): b"h1"}
    assert store.read(lambda view: view.log_nodes([])) == {}
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.seal(0, rows[3:], {}))
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.seal(3, rows[2:], {}))
    assert store.read(lambda view: view.log_size()) == 3
    store.write(lambda tx: tx.seal(3, rows[3:], {}))
    assert store.read(lambda view: [e.event.id for e in view.events_from(0, 10)]) == [
        f"e{n}" for n in range(5)
    ]


def test_two_sequencers_never_both_seal(store: Store, second: Store) -> None:
    for n in range(20):
        store.write(lambda tx, n=n: tx.append_event(f"e{n}", "k", "s", NOW, b"leaf"))
    outcomes: list[int] = []

    def sequence(own: Store) -> None:
        def seal(tx: Tx) -> int:
            size, inbox = tx.log_size(), tx.unsealed(3)
            tx.seal(size, [row for row, _ in inbox], {})
            return len(inbox)

        for _ in range(12):
            try:
                outcomes.append(own.write(seal))
            except Conflict:
                outcomes.append(0)

    threads = [threading.Thread(target=sequence, args=(own,)) for own in (store, second, store, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed = store.read(lambda view: [e.index for e in view.events_from(0, 100)])
    assert sealed == list(range(20))
    assert sum(outcomes) == store.read(lambda view: view.log_size()) == 20


def test_checkpoints_newest_first(store: Store) -> None:
    assert store.read(lambda view: view.last_checkpoint()) is None
    made = [checkpoint(1), checkpoint(5), checkpoint(5, at=NOW + 1), checkpoint(9)]
    for each in made:
        store.write(lambda tx, each=each: tx.add_checkpoint(each))
    assert store.read(lambda view: view.checkpoints(3)) == made[:0:-1]
    assert store.read(lambda view: view.last_checkpoint()) == made[-1]
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_checkpoint(made[0]))


def test_configuration_versions_are_numbered_once(store: Store) -> None:
    versions = [
        ConfigVersion(n, NOW + n, "operator:ada", "Why.", {"partners/é.toml": "a = 1\n"}) for n in (1, 2)
    ]
    assert store.read(lambda view: view.config()) is None
    for each in versions:
        store.write(lambda tx, each=each: tx.add_config(each))
    assert store.read(lambda view: (view.config(), view.config(1), view.config(3))) == (
        versions[1],
        versions[0],
        None,
    )
    bare = [msgspec.structs.replace(each, files={}) for each in versions[::-1]]
    assert store.read(lambda view: (view.config_history(10), view.config_number())) == (bare, 2)
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_config(versions[0]))


def test_versions_of_many_partners_are_kept_as_what_changed(store: Store) -> None:
    files = {f"partners/mill{n}.toml": f'name = "Mill {n}"\n' + "#" * 900 for n in range(100)}
    versions = [ConfigVersion(1, NOW, "a", "", files)]
    for number in range(2, 140):
        files = {**files, f"partners/mill{number % 100}.toml": f'name = "Mill of {number}"\n'}
        files.pop(f"partners/mill{(number * 7) % 100}.toml", None)
        if number % 40 == 0:
            files |= {f"partners/pine{n}.toml": "#" * number * 20 for n in range(100)}
        versions.append(ConfigVersion(number, NOW, "a", "", files))
    for each in versions:
        store.write(lambda tx, each=each: tx.add_config(each))
    assert store.read(lambda view: [view.config(each.number) for each in versions]) == versions
    assert store.read(lambda view: view.config()) == versions[-1]
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_config(versions[50]))


def test_settings_and_heartbeats(store: Store) -> None:
    assert store.read(lambda view: view.setting("a")) is None
    store.write(lambda tx: (tx.put_setting("a", b"1"), tx.beat("n2", NOW), tx.beat("n1", NOW)))
    store.write(lambda tx: (tx.put_setting("a", b"\x00"), tx.beat("n2", NOW + 1)))
    assert store.read(lambda view: view.setting("a")) == b"\x00"
    assert store.read(lambda view: view.nodes()) == [("n1", NOW), ("n2", NOW + 1)]


def test_a_unit_within_a_unit_is_refused(store: Store) -> None:
    with pytest.raises(RuntimeError):
        store.write(lambda tx: store.write(lambda inner: inner.put_setting("a", b"1")))
    assert store.read(lambda view: view.setting("a")) is None


def test_a_closed_store_says_so_and_keeps_what_was_queued(store: Store, second: Store) -> None:
    futures = [store.submit(lambda tx, n=n: tx.put_setting(f"s{n}", b"1")) for n in range(50)]
    store.close()
    store.close()
    assert [future.exception(10) for future in futures] == [None] * 50
    assert second.read(lambda view: view.setting("s49")) == b"1"
    with pytest.raises(StoreUnavailable):
        store.write(lambda tx: None)
    with pytest.raises(StoreUnavailable):
        store.read(lambda view: None)
    store.wait_for_jobs(5)


def test_many_threads_write_at_once(store: Store, second: Store) -> None:
    taken: list[int] = []

    def client(own: Store, first: int) -> None:
        for n in range(25):
            try:
                own.write(lambda tx, n=n: tx.add_message(message(f"m{first}-{n}", protocol_id=f"<{n}>")))
                taken.append(n)
            except Conflict:
                pass

    threads = [threading.Thread(target=client, args=((store, second)[n % 2], n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(25))
    assert len(store.read(lambda view: view.messages(limit=1000))) == 25
