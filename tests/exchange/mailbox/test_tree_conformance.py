"""What every Tree promises to the servers: the twin in memory and the real one on both databases."""

from __future__ import annotations

import pytest
from tests.support.tree_worlds import BIG, World, at, begin, get, names, put

from ecluse.exchange.tree import Denied, NameExists, NoSpace, NoSuchPath, Tree, TreeWriter
from ecluse.model.basics import Instant


def scatter(writer: TreeWriter) -> None:
    for n in range(1, 1000):
        writer.write(n * 100_000, bytes(99_999))


def fill(writer: TreeWriter, octets: int) -> None:
    for _ in range(octets // 1000):
        writer.write(writer.size, bytes(1000))


def size(tree: Tree, path: str) -> int:
    return tree.stat(at(path)).size


# --- folders ---------------------------------------------------------------------------------------------------


def test_the_root_has_the_agreed_folders_and_nothing_else(world: World) -> None:
    tree = world.open(folders=("orders/in", "stock"))
    assert names(tree, "/") == ["inbound", "orders", "outbound", "receipts", "stock"]
    assert names(tree, "/orders") == ["in"]
    writable = {entry.name: entry.writable for entry in tree.list(at("/"))}
    expected = {"inbound": True, "orders": False, "outbound": False, "receipts": False, "stock": True}
    assert writable == expected
    assert tree.stat(at("/")).folder
    assert tree.stat(at("/orders/in")).writable
    with pytest.raises(NoSuchPath):
        tree.stat(at("/etc"))
    with pytest.raises(NoSuchPath):
        tree.list(at("/etc"))


@pytest.mark.parametrize("path", ["/x", "/outbound/x", "/receipts/x", "/orders/x", "/inbound", "/orders"])
def test_uploads_go_where_it_was_agreed(world: World, path: str) -> None:
    tree = world.open(folders=("orders/in",))
    with pytest.raises(Denied):
        tree.write(at(path))
    put(tree, "/orders/in/x", b"x")
    assert world.documents() == [("/orders/in/x", b"x")]


def test_an_upload_below_nothing_has_no_such_path(world: World) -> None:
    with pytest.raises(NoSuchPath):
        world.open().write(at("/inbound/missing/x"))


def test_folders_are_made_and_removed_below_inbound(world: World) -> None:
    tree = world.open()
    tree.make_folder(at("/inbound/2026"))
    tree.make_folder(at("/inbound/2026/may"))
    put(tree, "/inbound/2026/may/a.txt", b"a")
    assert names(tree, "/inbound") == ["2026"]
    assert [(e.name, e.folder) for e in tree.list(at("/inbound/2026/may"))] == [("a.txt", False)]
    assert world.documents() == [("/inbound/2026/may/a.txt", b"a")]
    with pytest.raises(Denied):
        tree.remove_folder(at("/inbound/2026"))
    with pytest.raises(NameExists):
        tree.make_folder(at("/inbound/2026"))
    with pytest.raises(Denied):
        tree.write(at("/inbound/2026"))
    with pytest.raises(Denied):
        tree.remove(at("/inbound/2026"))
    tree.remove(at("/inbound/2026/may/a.txt"))
    tree.remove_folder(at("/inbound/2026/may"))
    tree.remove_folder(at("/inbound/2026"))
    assert names(tree, "/inbound") == []
    assert len(world.documents()) == 1


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/x", Denied),
        ("/outbound/x", Denied),
        ("/receipts/x", Denied),
        ("/inbound", NameExists),
        ("/inbound/none/x", NoSuchPath),
        ("/inbound/file", NameExists),
        ("/inbound/file/x", Denied),
    ],
)
def test_folders_are_made_nowhere_else(world: World, path: str, error: type[Exception]) -> None:
    tree = world.open()
    put(tree, "/inbound/file", b"x")
    with pytest.raises(error):
        tree.make_folder(at(path))


@pytest.mark.parametrize("path", ["/", "/inbound", "/outbound", "/receipts"])
def test_the_agreed_folders_stay(world: World, path: str) -> None:
    tree = world.open()
    with pytest.raises(Denied):
        tree.remove_folder(at(path))
    with pytest.raises(Denied):
        tree.rename(at(path), at("/inbound/other"))


def test_listings_are_paged_in_order(world: World) -> None:
    tree = world.open()
    wanted = sorted(f"f{n:02}.txt" for n in range(25))
    for name in reversed(wanted):
        put(tree, f"/inbound/{name}", b"x")
    tree.make_folder(at("/inbound/f10"))
    wanted = sorted([*wanted, "f10"])
    found: list[str] = []
    while page := names(tree, "/inbound", after=found[-1] if found else "", limit=7):
        found += page
    assert found == wanted
    with pytest.raises(Denied):
        tree.list(at("/inbound/f01.txt"))


# --- uploads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"order", BIG], ids=["empty", "small", "large"])
def test_what_was_closed_is_a_message(world: World, data: bytes) -> None:
    tree = world.open()
    writer = begin(tree, "/inbound/order.txt", data)
    assert writer.size == len(data)
    assert world.documents() == []
    writer.commit()
    assert world.documents() == [("/inbound/order.txt", data)]
    assert size(tree, "/inbound/order.txt") == len(data)
    assert get(tree, "/inbound/order.txt") == data
    assert not tree.stat(at("/inbound/order.txt")).writable


def test_every_upload_is_a_document_of_its_own(world: World) -> None:
    tree = world.open(replace=True)
    for data in (b"one", b"one", b"three"):
        put(tree, "/inbound/order.txt", data)
    assert [data for _, data in world.documents()] == [b"one", b"one", b"three"]
    assert names(tree, "/inbound") == ["order.txt"]
    assert get(tree, "/inbound/order.txt") == b"three"
    assert tree.stat(at("/inbound/order.txt")).writable


def test_replacing_is_agreed_or_refused(world: World) -> None:
    tree = world.open()
    put(tree, "/inbound/order.txt", b"one")
    with pytest.raises(NameExists):
        tree.write(at("/inbound/order.txt"))
    with pytest.raises(NameExists):
        world.open(replace=True).write(at("/inbound/order.txt"), exclusive=True)
    assert world.documents() == [("/inbound/order.txt", b"one")]


def test_requests_may_come_a_little_out_of_order(world: World) -> None:
    writer = world.open().write(at("/inbound/x"))
    pieces = [(n * 32768, BIG[n * 32768 : (n + 1) * 32768]) for n in range(8)]
    for offset, data in (pieces[1], pieces[0], pieces[4], pieces[3], pieces[2], *pieces[5:]):
        writer.write(offset, data)
    writer.commit()
    assert world.documents() == [("/inbound/x", BIG)]


def test_a_gap_is_not_a_file(world: World) -> None:
    tree = world.open()
    writer = begin(tree, "/inbound/x", b"abc")
    writer.write(10, b"later")
    with pytest.raises(Denied):
        writer.commit()
    writer.abort()
    far = tree.write(at("/inbound/y"))
    with pytest.raises(Denied):
        scatter(far)
    far.abort()
    assert world.documents() == []
    assert names(tree, "/inbound") == []


def test_the_same_octets_may_be_sent_again_and_others_may_not(world: World) -> None:
    writer = begin(world.open(), "/inbound/x", BIG)
    writer.write(200_000, BIG[200_000:230_000])
    writer.write(len(BIG) - 10, BIG[-10:] + b"more")
    writer.commit()
    assert world.documents() == [("/inbound/x", BIG + b"more")]


@pytest.mark.parametrize("offset", [0, 5, 255_990])
def test_what_was_written_is_not_changed(world: World, offset: int) -> None:
    writer = begin(world.open(), "/inbound/x", BIG)
    with pytest.raises(Denied):
        writer.write(offset, b"otherwise!")
    with pytest.raises(Denied):
        writer.write(len(BIG), b"more")
    with pytest.raises(Denied):
        writer.commit()
    assert world.documents() == []
    assert names(world.open(), "/inbound") == []


def test_an_aborted_upload_leaves_nothing(world: World) -> None:
    tree = world.open()
    begin(tree, "/inbound/x", BIG).abort()
    writer = begin(tree, "/inbound/y", BIG)
    writer.sync()
    assert names(tree, "/inbound") == ["y"]
    writer.abort()
    assert names(tree, "/inbound") == []
    assert world.documents() == []
    assert tree.space().used == 0


# --- temporary names -------------------------------------------------------------------------------------------


def test_a_temporary_name_is_no_document_until_it_is_renamed(world: World) -> None:
    tree = world.open()
    put(tree, "/inbound/order.xml.filepart", BIG)
    assert world.documents() == []
    assert size(tree, "/inbound/order.xml.filepart") == len(BIG)
    tree.rename(at("/inbound/order.xml.filepart"), at("/inbound/.order.xml"))
    assert world.documents() == []
    world.open().rename(at("/inbound/.order.xml"), at("/inbound/order.xml"))
    assert world.documents() == [("/inbound/order.xml", BIG)]
    assert names(tree, "/inbound") == ["order.xml"]
    assert get(tree, "/inbound/order.xml") == BIG


def test_a_temporary_name_may_be_written_again(world: World) -> None:
    tree = world.open()
    put(tree, "/inbound/a.tmp", b"first")
    put(tree, "/inbound/a.tmp", b"second")
    tree.rename(at("/inbound/a.tmp"), at("/inbound/a"))
    assert world.documents() == [("/inbound/a", b"second")]
    assert tree.space().used == 6


def test_a_rename_over_a_document_is_agreed_or_refused(world: World) -> None:
    tree = world.open()
    put(tree, "/inbound/a", b"old")
    put(tree, "/inbound/a.tmp", b"new")
    for replace in (False, True):
        with pytest.raises(NameExists):
            tree.rename(at("/inbound/a.tmp"), at("/inbound/a"), replace=replace)
    agreed = world.open(replace=True)
    with pytest.raises(NameExists):
        agreed.rename(at("/inbound/a.tmp"), at("/inbound/a"))
    agreed.rename(at("/inbound/a.tmp"), at("/inbound/a"), replace=True)
    assert [data for _, data in world.documents()] == [b"old", b"new"]
    assert get(tree, "/inbound/a") == b"new"
    assert names(tree, "/inbound") == ["a"]


def test_renaming_and_removing_what_was_taken_touches_no_message(world: World) -> None:
    tree = world.open(folders=("done",))
    put(tree, "/inbound/a", b"order")
    tree.rename(at("/inbound/a"), at("/done/b.tmp"))
    tree.rename(at("/done/b.tmp"), at("/done/b"))
    assert get(tree, "/done/b") == b"order"
    assert world.documents() == [("/inbound/a", b"order")]
    tree.remove(at("/done/b"))
    assert names(tree, "/done") == []
    assert world.documents() == [("/inbound/a", b"order")]
    with pytest.raises(NoSuchPath):
        tree.remove(at("/done/b"))
    with pytest.raises(NoSuchPath):
        tree.rename(at("/done/b"), at("/done/c"))


@pytest.mark.parametrize(
    ("path", "to", "error"),
    [
        ("/inbound/a", "/outbound/a", Denied),
        ("/inbound/a", "/x", Denied),
        ("/inbound/a", "/inbound/none/a", NoSuchPath),
        ("/inbound/a", "/inbound", Denied),
        ("/outbound/o", "/inbound/o", Denied),
        ("/outbound/o", "/outbound/p", Denied),
    ],
)
def test_renames_stay_within_the_uploads(world: World, path: str, to: str, error: type[Exception]) -> None:
    tree = world.open()
    put(tree, "/inbound/a", b"a")
    world.offer("o", b"o")
    with pytest.raises(error):
        tree.rename(at(path), at(to))
    assert names(tree, "/inbound") == ["a"]
    assert names(tree, "/outbound") == ["o"]


def test_a_name_of_its_own_is_no_rename(world: World) -> None:
    tree = world.open()
    put(tree, "/inbound/a", b"a")
    tree.rename(at("/inbound/a"), at("/inbound/a"))
    assert names(tree, "/inbound") == ["a"]


# --- half uploads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/inbound/a.xml", "/inbound/a.xml.filepart"])
@pytest.mark.parametrize("cuts", [(150_000,), (1, 70_000, 70_001, 255_999)])
def test_a_cut_upload_is_resumed_and_becomes_one_document(
    world: World, path: str, cuts: tuple[int, ...]
) -> None:
    begin(world.open(), path, BIG[: cuts[0]]).suspend()
    for cut, past in zip(cuts, (*cuts[1:], len(BIG)), strict=True):
        tree = world.open()
        assert size(tree, path) == cut
        assert world.documents() == []
        writer = tree.write(at(path), resume=True)
        assert writer.size == cut
        writer.write(cut, BIG[cut:past])
        if past < len(BIG):
            writer.suspend()
        else:
            writer.commit()
    tree = world.open()
    assert get(tree, path) == BIG
    if path.endswith(".filepart"):
        assert world.documents() == []
        tree.rename(at(path), at("/inbound/a.xml"))
    assert world.documents() == [("/inbound/a.xml", BIG)]
    assert tree.space().used == len(BIG)


def test_a_resume_may_begin_before_the_cut_with_the_same_octets(world: World) -> None:
    begin(world.open(), "/inbound/a", BIG[:100_000]).suspend()
    writer = world.open().write(at("/inbound/a"), resume=True)
    writer.write(90_000, BIG[90_000:])
    writer.commit()
    assert world.documents() == [("/inbound/a", BIG)]


def test_a_resume_with_other_octets_is_no_document(world: World) -> None:
    tree = world.open()
    begin(tree, "/inbound/a", BIG[:100_000]).suspend()
    writer = tree.write(at("/inbound/a"), resume=True)
    with pytest.raises(Denied):
        writer.write(90_000, b"other octets than there were")
    with pytest.raises(Denied):
        writer.commit()
    assert world.documents() == []
    assert tree.space().used == 0


def test_a_half_upload_is_no_document_under_any_name(world: World) -> None:
    tree = world.open()
    begin(tree, "/inbound/a.part", BIG).suspend()
    tree.rename(at("/inbound/a.part"), at("/inbound/b.part"))
    with pytest.raises(Denied):
        tree.rename(at("/inbound/b.part"), at("/inbound/b"))
    assert world.documents() == []
    tree.remove(at("/inbound/b.part"))
    assert tree.space().used == 0


def test_a_half_upload_may_be_begun_anew(world: World) -> None:
    tree = world.open()
    begin(tree, "/inbound/a", BIG).suspend()
    put(tree, "/inbound/a", b"anew")
    assert world.documents() == [("/inbound/a", b"anew")]
    assert tree.space().used == 4


def test_what_was_taken_is_not_gone_on_with(world: World) -> None:
    tree = world.open(replace=True)
    put(tree, "/inbound/a", b"done")
    with pytest.raises(Denied):
        tree.write(at("/inbound/a"), resume=True)


def test_a_resume_of_nothing_begins(world: World) -> None:
    writer = world.open().write(at("/inbound/a"), resume=True)
    assert writer.size == 0
    writer.write(0, b"x")
    writer.commit()
    assert world.documents() == [("/inbound/a", b"x")]


def test_sync_then_close_is_one_document(world: World) -> None:
    tree = world.open()
    writer = begin(tree, "/inbound/a", BIG[:100_000])
    writer.sync()
    assert size(tree, "/inbound/a") == 100_000
    assert world.documents() == []
    writer.sync()
    writer.write(100_000, BIG[100_000:])
    writer.sync()
    writer.commit()
    assert world.documents() == [("/inbound/a", BIG)]
    assert names(tree, "/inbound") == ["a"]


def test_many_syncs_are_one_document(world: World) -> None:
    tree = world.open()
    writer = tree.write(at("/inbound/a"))
    for start in range(0, len(BIG), 8000):
        writer.write(start, BIG[start : start + 8000])
        writer.sync()
    writer.commit()
    assert world.documents() == [("/inbound/a", BIG)]
    assert tree.space().used == len(BIG)


def test_nothing_written_is_nothing_suspended(world: World) -> None:
    tree = world.open()
    begin(tree, "/inbound/a").suspend()
    assert names(tree, "/inbound") == []


# --- two at once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replace", [False, True])
def test_two_uploads_to_one_name_are_never_mixed(world: World, replace: bool) -> None:
    tree = world.open(replace=replace)
    one, two = begin(tree, "/inbound/a", b"1" * 5000), begin(world.open(), "/inbound/a", b"2" * 5000)
    one.write(5000, b"1" * 1000)
    two.commit()
    if replace:
        one.commit()
        expected = [b"2" * 5000, b"1" * 6000]
    else:
        with pytest.raises(NameExists):
            one.commit()
        one.abort()
        expected = [b"2" * 5000]
    assert [data for _, data in world.documents()] == expected
    assert get(tree, "/inbound/a") == expected[-1]


def test_two_that_resume_one_upload_are_never_mixed(world: World) -> None:
    tree = world.open(replace=True)
    begin(tree, "/inbound/a", b"base").suspend()
    one, two = tree.write(at("/inbound/a"), resume=True), tree.write(at("/inbound/a"), resume=True)
    one.write(4, b"+one")
    two.write(4, b"+two")
    one.commit()
    with pytest.raises(Denied):
        two.commit()
    two.abort()
    assert world.documents() == [("/inbound/a", b"base+one")]
    assert get(tree, "/inbound/a") == b"base+one"


def test_a_cut_upload_leaves_a_document_alone_that_came_meanwhile(world: World) -> None:
    tree = world.open()
    slow = begin(tree, "/inbound/a", b"slow")
    put(tree, "/inbound/a", b"fast")
    slow.suspend()
    assert get(tree, "/inbound/a") == b"fast"
    assert tree.space().used == 4


# --- limits ----------------------------------------------------------------------------------------------------


def test_a_file_has_its_limit(world: World) -> None:
    tree = world.open(max_file="10 KiB")
    put(tree, "/inbound/a", bytes(10240))
    writer = begin(tree, "/inbound/b", bytes(10240))
    with pytest.raises(NoSpace):
        writer.write(10240, b"x")
    writer.abort()
    assert names(tree, "/inbound") == ["a"]


def test_the_quota_holds_and_space_comes_back(world: World) -> None:
    tree = world.open(quota="100 KiB")
    put(tree, "/inbound/a", bytes(60_000))
    writer = begin(tree, "/inbound/b", bytes(40_000))
    with pytest.raises(NoSpace):
        fill(writer, 3000)
    with pytest.raises(NoSpace):
        writer.commit()
    assert (tree.space().total, tree.space().used, tree.space().files_used) == (102_400, 60_000, 1)
    tree.remove(at("/inbound/a"))
    assert tree.space().used == 0
    put(tree, "/inbound/b", bytes(100_000))
    assert len(world.documents()) == 2


def test_what_is_replaced_makes_room(world: World) -> None:
    tree = world.open(quota="100 KiB", replace=True)
    for fill in (b"a", b"b"):
        put(tree, "/inbound/a", fill * 90_000)
    assert tree.space().used == 90_000


def test_files_have_a_count(world: World) -> None:
    tree = world.open(files=2)
    put(tree, "/inbound/a", b"")
    put(tree, "/inbound/b", b"")
    with pytest.raises(NoSpace):
        tree.write(at("/inbound/c"))
    tree.remove(at("/inbound/a"))
    put(tree, "/inbound/c", b"")
    assert names(tree, "/inbound") == ["b", "c"]


# --- outbound and receipts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"invoice", BIG], ids=["empty", "small", "large"])
def test_what_was_read_to_its_end_is_picked_up(world: World, data: bytes) -> None:
    world.offer("invoice.xml", data)
    tree = world.open()
    assert size(tree, "/outbound/invoice.xml") == len(data)
    assert world.picked_up() == []
    assert get(tree, "/outbound/invoice.xml") == data
    assert world.picked_up() == ["invoice.xml"]
    assert names(tree, "/outbound") == ["invoice.xml"]
    assert get(tree, "/outbound/invoice.xml") == data
    assert world.picked_up() == ["invoice.xml"]
    tree.remove(at("/outbound/invoice.xml"))
    assert names(tree, "/outbound") == []


def test_half_a_read_is_no_pick_up(world: World) -> None:
    world.offer("invoice.xml", BIG)
    reader = world.open().read(at("/outbound/invoice.xml"))
    assert reader.read(0, len(BIG) - 1) == BIG[:-1]
    reader.close()
    assert world.picked_up() == []


def test_a_cut_download_is_no_pick_up_until_the_rest_is_read(world: World) -> None:
    world.offer("invoice.xml", BIG)
    cut = world.open().read(at("/outbound/invoice.xml"))
    cut.read(0, 100_000)
    cut.abandon()
    whole = world.open().read(at("/outbound/invoice.xml"))
    whole.read(0, len(BIG) - 1)
    whole.abandon()
    assert world.picked_up() == []
    rest = world.open().read(at("/outbound/invoice.xml"))
    rest.read(len(BIG) - 10, 10)
    rest.close()
    assert world.picked_up() == ["invoice.xml"]


def test_what_was_read_and_then_removed_was_picked_up(world: World) -> None:
    world.offer("invoice.xml", BIG)
    tree = world.open()
    reader = tree.read(at("/outbound/invoice.xml"))
    reader.read(0, len(BIG))
    reader.abandon()
    assert world.picked_up() == []
    tree.remove(at("/outbound/invoice.xml"))
    assert world.picked_up() == ["invoice.xml"]
    assert names(tree, "/outbound") == []


def test_pieces_that_several_sessions_read_are_a_pick_up(world: World) -> None:
    world.offer("invoice.xml", BIG)
    readers = [world.open().read(at("/outbound/invoice.xml")) for _ in range(4)]
    for number, reader in enumerate(readers):
        assert reader.read(number * 64_000, 64_000) == BIG[number * 64_000 : (number + 1) * 64_000]
    for reader in readers:
        assert world.picked_up() == []
        reader.close()
    assert world.picked_up() == ["invoice.xml"]


def test_reads_in_any_order_are_a_pick_up(world: World) -> None:
    world.offer("invoice.xml", BIG)
    reader = world.open().read(at("/outbound/invoice.xml"))
    step = 30_000
    for start in (*range(step, len(BIG), step), 0, step):
        assert reader.read(start, step) == BIG[start : start + step]
    assert reader.read(len(BIG), 10) == b""
    reader.close()
    assert world.picked_up() == ["invoice.xml"]


def test_what_was_not_picked_up_is_not_removed(world: World) -> None:
    world.offer("invoice.xml", b"invoice")
    tree = world.open()
    with pytest.raises(Denied):
        tree.remove(at("/outbound/invoice.xml"))
    assert names(tree, "/outbound") == ["invoice.xml"]
    assert world.picked_up() == []


def test_what_was_picked_up_may_disappear(world: World) -> None:
    tree = world.open(remove_after_pickup=True)
    world.offer("a", b"a")
    world.offer("b", b"b", folder="outbound/2026")
    assert get(tree, "/outbound/a") == b"a"
    assert get(tree, "/outbound/2026/b") == b"b"
    assert names(tree, "/outbound") == ["2026"]
    assert names(tree, "/outbound/2026") == []
    assert sorted(world.picked_up()) == ["a", "b"]


def test_receipts_are_read_and_removed(world: World) -> None:
    world.put_receipt("a.receipt.json", b"{}")
    tree = world.open()
    assert get(tree, "/receipts/a.receipt.json") == b"{}"
    with pytest.raises(Denied):
        tree.rename(at("/receipts/a.receipt.json"), at("/inbound/b"))
    tree.remove(at("/receipts/a.receipt.json"))
    assert names(tree, "/receipts") == []
    assert world.picked_up() == []


@pytest.mark.parametrize("path", ["/", "/inbound", "/outbound"])
def test_folders_are_not_files(world: World, path: str) -> None:
    tree = world.open()
    with pytest.raises(Denied):
        tree.read(at(path))
    with pytest.raises(Denied):
        tree.remove(at(path))


def test_what_is_not_there(world: World) -> None:
    tree = world.open()
    with pytest.raises(NoSuchPath):
        tree.read(at("/inbound/none"))
    with pytest.raises(NoSuchPath):
        tree.stat(at("/inbound/none"))
    with pytest.raises(NoSuchPath):
        tree.remove_folder(at("/inbound/none"))


# --- times -----------------------------------------------------------------------------------------------------


def test_the_client_sets_the_time_of_its_own_uploads(world: World) -> None:
    tree = world.open()
    put(tree, "/inbound/a", b"a")
    world.offer("o", b"o")
    before = tree.stat(at("/outbound/o")).modified
    moment = Instant(1_600_000_000_000_000)
    tree.set_modified(at("/inbound/a"), moment)
    tree.set_modified(at("/outbound/o"), moment)
    tree.set_modified(at("/inbound"), moment)
    assert tree.stat(at("/inbound/a")).modified == moment
    assert tree.stat(at("/outbound/o")).modified == before
