"""What the real folders do beyond the port: messages, events, blobs, and databases and disks that go away."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from tests.support.tree_worlds import (
    BIG,
    FACTS,
    RealWorld,
    assert_tidy,
    at,
    begin,
    every_file,
    get,
    names,
    put,
)

from ecluse.blobs.port import BlobUnavailable
from ecluse.evidence.states import verify_states
from ecluse.exchange.mailbox import order
from ecluse.exchange.mailbox import upload as upload_module
from ecluse.exchange.mailbox.expiry import expire
from ecluse.exchange.tree import Denied, NameExists, NoSuchPath
from ecluse.model.files import FileState
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import StoreUnavailable, Tx

ORDER = b"UNB+UNOC:3+ASTER+BIRCH'UNH+1+ORDERS'BGM+220+4711+9'UNZ+1+1'"


def test_an_upload_is_inspected_recorded_and_routed(real: RealWorld) -> None:
    real.hub.inbox = "folder:inbox"
    put(real.open(), "/inbound/order.edi", ORDER)
    [message] = real.messages()
    [part] = message.parts
    assert (message.state, message.reference, message.subject) == (
        MessageState.ACCEPTED,
        "4711",
        "order.edi",
    )
    assert (message.partner, message.protocol) == ("birch", "account")
    assert (part.name, part.content_type, part.size) == ("order.edi", "application/edifact", len(ORDER))
    assert part.sha256 == sha256(ORDER).hexdigest()
    assert msgspec.json.decode(message.wire) == {
        "folder": "inbound",
        "path": "inbound/order.edi",
        "via": "sftp",
        "user": "birch",
    }
    [(_, data)] = real.events("message.accepted")
    assert data["sha256"] == [part.sha256]
    assert data["documents"] == ["edifact"]
    assert data.items() >= FACTS.as_dict().items()
    [delivery] = real.hub.store.read(lambda view: view.deliveries(message.id))
    assert delivery.channel == "folder:inbox"
    assert list(verify_states(real.hub.store)) == []
    assert_tidy(real)


@pytest.mark.parametrize(("data", "code"), [(b"", "inspect.empty"), (b"MZ\x90", "inspect.program")])
@pytest.mark.parametrize("temporary", [False, True])
def test_what_inspection_stops_waits_for_a_person(
    real: RealWorld, data: bytes, code: str, temporary: bool
) -> None:
    real.hub.inbox = "folder:inbox"
    tree = real.open()
    put(tree, "/inbound/x.tmp" if temporary else "/inbound/x", data)
    if temporary:
        tree.rename(at("/inbound/x.tmp"), at("/inbound/x"))
    [message] = real.messages()
    assert (message.state, message.reason_code) == (MessageState.QUARANTINED, code)
    assert real.hub.store.read(lambda view: view.deliveries(message.id)) == []
    assert list(verify_states(real.hub.store)) == []


@pytest.mark.parametrize("size", [10, 5000, 200_000])
def test_every_way_of_an_upload_leaves_no_blob_behind(real: RealWorld, size: int) -> None:
    tree = real.open(replace=True)
    data = BIG[:size]
    put(tree, "/inbound/a", data)
    put(tree, "/inbound/a", data[::-1])
    begin(tree, "/inbound/b", data).abort()
    begin(tree, "/inbound/c", data).suspend()
    writer = tree.write(at("/inbound/c"), resume=True)
    writer.write(len(data), data)
    writer.sync()
    writer.write(2 * len(data), data)
    writer.commit()
    begin(tree, "/inbound/d", data).suspend()
    put(tree, "/inbound/d", data)
    put(tree, "/inbound/e.tmp", data)
    put(tree, "/inbound/f.tmp", data)
    tree.rename(at("/inbound/e.tmp"), at("/inbound/f.tmp"), replace=True)
    tree.rename(at("/inbound/f.tmp"), at("/inbound/a"), replace=True)
    put(tree, "/inbound/g.tmp", data)
    tree.remove(at("/inbound/g.tmp"))
    begin(tree, "/inbound/h", data).suspend()
    resumed = tree.write(at("/inbound/h"), resume=True)
    resumed.write(len(data), data)
    resumed.abort()
    assert names(tree, "/inbound") == ["a", "c", "d"]
    assert get(tree, "/inbound/c") == data * 3
    assert_tidy(real)
    used = sum(row.size for row in every_file(real.hub))
    assert (tree.space().used, tree.space().files_used) == (used, 3)
    assert real.hub.desk.take_room("birch", 0) == (0, 0)


def test_many_segments_are_joined_by_and_by(real: RealWorld) -> None:
    tree = real.open()
    writer = tree.write(at("/inbound/a"))
    data = BIG[:40_000]
    for start in range(0, len(data), 500):
        writer.write(start, data[start : start + 500])
        writer.sync()
        [row] = every_file(real.hub)
        assert len(row.segments) <= upload_module.SEGMENTS
        assert row.size == start + 500
    assert_tidy(real)
    writer.suspend()
    writer = real.open().write(at("/inbound/a"), resume=True)
    writer.write(100, data[100:])
    writer.commit()
    assert real.documents() == [("/inbound/a", data)]
    assert_tidy(real)


def test_what_was_long_in_coming_is_made_durable_in_between(real: RealWorld) -> None:
    tree = real.open()
    writer = tree.write(at("/inbound/a"))
    piece = bytes(1 << 20)
    for _ in range(5):
        writer.write(writer.size, piece)
        real.hub.clock.forward(3 * 3600)  # type: ignore[attr-defined]
        writer.write(writer.size, piece)
    writer.commit()
    [(_, data)] = real.documents()
    assert data == bytes(10 << 20)
    assert_tidy(real)


def test_what_is_sent_again_from_far_back_is_compared_or_refused(real: RealWorld) -> None:
    tree = real.open()
    data = BIG * 10
    writer = begin(tree, "/inbound/a", data[:1_000_000])
    writer.sync()
    for start in range(1_000_000, len(data), 10_000):
        writer.write(start, data[start : start + 10_000])
    writer.write(990_000, data[990_000:1_020_000] if len(data) < 2_000_000 else data[990_000:1_000_000])
    writer.write(0, data[:1_000_000])
    with pytest.raises(Denied):
        writer.write(1_000_001, data[1_000_001:1_000_010])  # too far back to be known
    writer.abort()
    assert_tidy(real)


# --- what goes by itself ---------------------------------------------------------------------------------------


def test_half_uploads_and_old_names_expire(real: RealWorld) -> None:
    tree = real.open(keep_partial="1h", keep_uploaded="2h")
    begin(tree, "/inbound/half", BIG).suspend()
    put(tree, "/inbound/temporary.tmp", BIG)
    put(tree, "/inbound/done", b"x")
    real.put_receipt("r.receipt.json", b"{}")
    real.hub.clock.forward(3500)  # type: ignore[attr-defined]
    assert expire(real.hub) == 0
    begin(tree, "/inbound/fresh", BIG).suspend()
    real.hub.clock.forward(200)  # type: ignore[attr-defined]
    assert expire(real.hub) == 2
    assert names(tree, "/inbound") == ["done", "fresh"]
    assert [data["was"] for _, data in real.events("upload.expired")] == ["partial", "temporary"]
    real.hub.clock.forward(3600)  # type: ignore[attr-defined]
    assert expire(real.hub) == 2
    assert names(tree, "/inbound") == []
    assert names(tree, "/receipts") == ["r.receipt.json"]
    assert real.documents() == [("/inbound/done", b"x")]
    assert tree.space().files_used == 1
    assert_tidy(real)


def test_an_upload_that_is_resumed_does_not_expire_under_its_hands(real: RealWorld) -> None:
    tree = real.open(keep_partial="1h")
    begin(tree, "/inbound/a", b"half").suspend()
    writer = tree.write(at("/inbound/a"), resume=True)
    writer.write(4, b" whole")
    real.hub.clock.forward(3700)  # type: ignore[attr-defined]
    assert expire(real.hub) == 1
    with pytest.raises(Denied):
        writer.commit()
    assert real.messages() == []
    assert_tidy(real)


def test_events_tell_of_cuts_resumes_and_removals(real: RealWorld) -> None:
    tree = real.open()
    begin(tree, "/inbound/a", b"half").suspend()
    writer = tree.write(at("/inbound/a"), resume=True)
    writer.write(4, b" whole")
    writer.commit()
    tree.remove(at("/inbound/a"))
    [message] = real.messages()
    assert [(s, d["size"]) for s, d in real.events("upload.suspended")] == [("birch", 4)]
    assert [(s, d["size"]) for s, d in real.events("upload.resumed")] == [("birch", 4)]
    assert [(s, d["was"]) for s, d in real.events("file.removed")] == [(message.id, "taken")]


# --- databases and disks that go away --------------------------------------------------------------------------


class Outage:
    """A store whose next writes end in an outage: before their commit, or after it."""

    def __init__(self, real: RealWorld, monkeypatch: pytest.MonkeyPatch, *, done: bool) -> None:
        store = real.hub.store
        write = store.write
        self.on = False

        def failing(work: Any) -> Any:
            if not self.on:
                return write(work)
            if done:
                write(work)
            raise StoreUnavailable("gone")

        monkeypatch.setattr(store, "write", failing)


@pytest.mark.parametrize("path", ["/inbound/a", "/inbound/a.tmp"])
def test_a_database_that_went_away_before_the_commit_keeps_nothing(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    outage = Outage(real, monkeypatch, done=False)
    tree = real.open()
    writer = begin(tree, path, BIG)
    outage.on = True
    with pytest.raises(StoreUnavailable):
        writer.commit()
    outage.on = False
    assert real.messages() == []
    assert names(tree, "/inbound") == []
    put(tree, path, BIG)
    assert names(tree, "/inbound") == [path.rpartition("/")[2]]


@pytest.mark.parametrize("path", ["/inbound/a", "/inbound/a.tmp"])
def test_a_commit_in_doubt_that_was_done_is_acknowledged(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    outage = Outage(real, monkeypatch, done=True)
    tree = real.open()
    writer = begin(tree, path, BIG)
    outage.on = True
    writer.commit()
    if path.endswith(".tmp"):
        tree.rename(at(path), at("/inbound/a"))
    outage.on = False
    assert real.documents() == [("/inbound/a", BIG)]
    assert get(tree, "/inbound/a") == BIG
    assert_tidy(real)


def test_an_outage_at_a_resumed_commit_leaves_the_half_to_be_resumed(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage(real, monkeypatch, done=False)
    tree = real.open()
    begin(tree, "/inbound/a", BIG[:1000]).suspend()
    writer = tree.write(at("/inbound/a"), resume=True)
    writer.write(1000, BIG[1000:])
    outage.on = True
    with pytest.raises(StoreUnavailable):
        writer.commit()
    outage.on = False
    assert tree.stat(at("/inbound/a")).size == 1000
    writer = tree.write(at("/inbound/a"), resume=True)
    writer.write(1000, BIG[1000:])
    writer.commit()
    assert real.documents() == [("/inbound/a", BIG)]


@pytest.mark.parametrize("ending", ["commit", "suspend", "sync"])
def test_a_full_disk_leaves_no_half_document(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    place, create = real.hub.vault.place, real.hub.vault.place.create
    full = [False]

    def creating(id: str) -> Any:
        writer = create(id)
        write = writer.write

        class Full:
            def write(self, data: bytes) -> None:
                if full[0]:
                    raise BlobUnavailable("The disk is full.")
                write(data)

            commit, abort = writer.commit, writer.abort

        return Full()

    monkeypatch.setattr(place, "create", creating)
    tree = real.open()
    writer = begin(tree, "/inbound/a", BIG[:100_000])
    full[0] = True
    with pytest.raises(BlobUnavailable):
        writer.write(100_000, BIG[100_000:])
    if ending == "suspend":
        writer.suspend()
    else:
        with pytest.raises(BlobUnavailable):
            getattr(writer, ending)()
    writer.abort()
    full[0] = False
    assert real.messages() == []
    assert names(tree, "/inbound") == []
    assert tree.space().used == 0
    put(tree, "/inbound/a", BIG)
    assert real.documents() == [("/inbound/a", BIG)]
    assert_tidy(real)


def test_bytes_that_are_not_kept_any_more_are_no_file(real: RealWorld) -> None:
    tree = real.open()
    put(tree, "/inbound/a", b"x")
    [message] = real.messages()

    def shred(tx: Tx) -> None:
        tx.drop_blob(message.parts[0].blob)

    real.hub.store.write(shred)
    with pytest.raises(NoSuchPath):
        tree.read(at("/inbound/a"))
    assert tree.stat(at("/inbound/a")).size == 1
    tree.remove(at("/inbound/a"))


def test_states_are_words_that_stay() -> None:
    expected = ["partial", "temporary", "taken", "waiting", "picked-up", "receipt", "folder"]
    assert [state.value for state in FileState] == expected


# --- many at once ----------------------------------------------------------------------------------------------


def test_many_sessions_at_once(real: RealWorld) -> None:
    sessions, each = 6, 12
    terms: dict[str, Any] = {"replace": True}
    trees = [real.open(**terms) for _ in range(sessions)]
    failed: list[BaseException] = []

    def work(number: int) -> None:
        tree = trees[number]
        try:
            for count in range(each):
                data = b"%d-%d " % (number, count) * 1500
                put(tree, f"/inbound/own-{number}-{count}", data)
                put(tree, "/inbound/shared", data)
                put(tree, f"/inbound/{number}.tmp", data)
                tree.rename(at(f"/inbound/{number}.tmp"), at("/inbound/target"), replace=True)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(real.messages()) == sessions * each * 3
    expected = {f"own-{number}-{count}" for number in range(sessions) for count in range(each)}
    assert set(names(trees[0], "/inbound")) == expected | {"shared", "target"}
    for name in ("shared", "target"):
        data = get(trees[0], f"/inbound/{name}")
        assert data == (data.split(b" ")[0] + b" ") * 1500, "two uploads were mixed"
    rows = every_file(real.hub)
    space = trees[0].space()
    assert (space.used, space.files_used) == (sum(row.size for row in rows), len(rows))
    assert_tidy(real)


def test_two_that_pick_two_documents_of_one_delivery_up_at_once(real: RealWorld) -> None:
    trees = [real.open() for _ in range(2)]
    for round in range(10):
        wanted = [(f"a{round}", b"a"), (f"b{round}", b"b")]
        message, delivery = real.send(*wanted)
        real.deliver(message, delivery)
        readers = [tree.read(at(f"/outbound/{name}")) for tree, (name, _) in zip(trees, wanted, strict=True)]
        for reader in readers:
            reader.read(0, 10)
        threads = [threading.Thread(target=reader.close) for reader in readers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        after = real.hub.store.read(lambda view, id=delivery.id: view.delivery(id))  # type: ignore[misc]
        assert after is not None
        assert after.state is DeliveryState.CONFIRMED


def test_pieces_of_single_octets_take_no_memory(real: RealWorld) -> None:
    """Each costs a hundred octets: four million that wait for those before them would be half a gigabyte."""
    writer = real.open().write(at("/inbound/x"))
    for n in range(order.PIECES):
        writer.write(2 + 2 * n, b"x")
    with pytest.raises(Denied):
        writer.write(1_000_000, b"x")
    writer.abort()
    writer = real.open().write(at("/inbound/y"))
    buffer = memoryview(b"y" * 1_000_000)
    for n in range(3 * order.PIECES):
        writer.write(n, buffer[:1])
    assert len(writer._recent._pieces) <= order.PIECES
    assert all(type(data) is bytes for _, data in writer._recent._pieces), "none holds the buffer"
    writer.commit()
    assert get(real.open(), "/inbound/y") == b"y" * 3 * order.PIECES


def test_a_small_commit_is_begun_without_waiting(real: RealWorld) -> None:
    tree = real.open()
    writers = [begin(tree, f"/inbound/{number}", ORDER) for number in range(3)]
    begun = [writer.begin_commit() for writer in writers]
    for writer, future in zip(writers, begun, strict=True):
        assert future is not None
        future.result(60)
        writer.suspend()
        writer.commit()
    assert real.documents() == [(f"/inbound/{number}", ORDER) for number in range(3)]
    assert_tidy(real)


def test_what_is_large_or_resumed_or_broken_is_not_begun(real: RealWorld) -> None:
    tree = real.open(max_file="1 MiB")
    large = begin(tree, "/inbound/large", bytes(real.hub.vault.inline_limit + 1))
    assert large.begin_commit() is None
    large.commit()
    begin(tree, "/inbound/half", ORDER).suspend()
    resumed = tree.write(at("/inbound/half"), resume=True)
    assert resumed.prompt == 0
    assert resumed.begin_commit() is None
    anew = tree.write(at("/inbound/half"))
    anew.write(0, ORDER)
    assert anew.begin_commit() is None, "the bytes of the half go with it"
    anew.commit()
    torn = begin(tree, "/inbound/torn", ORDER)
    torn.write(len(ORDER) + 1, b"x")
    assert torn.begin_commit() is None
    with pytest.raises(Denied):
        torn.commit()
    assert sorted(path for path, _ in real.documents()) == ["/inbound/half", "/inbound/large"]
    assert_tidy(real)


def test_a_begun_commit_that_finds_another_file_there_says_so(real: RealWorld) -> None:
    tree = real.open()
    late = begin(tree, "/inbound/a", b"late")
    put(tree, "/inbound/a", ORDER)
    begun = late.begin_commit()
    assert begun is not None
    assert isinstance(begun.exception(5), NameExists)
    with pytest.raises(NameExists):
        late.commit()
    assert real.documents() == [("/inbound/a", ORDER)]
    assert_tidy(real)


@pytest.mark.parametrize("done", [True, False])
def test_a_begun_commit_in_doubt(real: RealWorld, monkeypatch: pytest.MonkeyPatch, done: bool) -> None:
    tree, store = real.open(), real.hub.store
    writer, submit = begin(tree, "/inbound/a", ORDER), store.submit

    def lost(work: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if done:
            submit(work).result()
        future.set_exception(StoreUnavailable("gone"))
        return future

    with monkeypatch.context() as patched:
        patched.setattr(store, "submit", lost)
        begun = writer.begin_commit()
    assert begun is not None
    assert isinstance(begun.exception(5), StoreUnavailable)
    if done:
        writer.commit()
    else:
        with pytest.raises(StoreUnavailable):
            writer.commit()
    assert real.documents() == ([("/inbound/a", ORDER)] if done else [])


def test_a_store_that_is_closed_fails_the_commit_and_not_its_begin(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(work: Any) -> Future[Any]:
        raise StoreUnavailable("closed")

    writer = begin(real.open(), "/inbound/a", ORDER)
    with monkeypatch.context() as patched:
        patched.setattr(real.hub.store, "submit", closed)
        assert writer.begin_commit() is None
    with pytest.raises(StoreUnavailable):
        writer.commit()
    assert real.documents() == []
