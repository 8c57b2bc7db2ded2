"""Files are taken once they are whole, kept once, and then deleted, moved or left; what fails stops nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.flow_worlds import EDIFACT, NotOurs, World, flow

from ecluse.channels.folder.source import FolderRemote
from ecluse.exchange.flows import collect
from ecluse.exchange.flows import memory as memories
from ecluse.exchange.flows.memory import Memory
from ecluse.exchange.flows.state import last_run
from ecluse.exchange.flows.tend import MOST_WAIT, ask, collect_key, keep_running
from ecluse.exchange.intake import Intake
from ecluse.exchange.remote import RemoteFile
from ecluse.model.basics import Instant
from ecluse.model.nouns import Direction, JobState
from ecluse.model.states import MessageState

Make = Callable[..., World]
TO = 'channel = "s3:elm"'
FROM = 'channel = "sftp:cedar"'


def put(world: World, *names: str, place: str = "cedar", data: bytes = EDIFACT) -> None:
    for name in names:
        world.sources["sftp"].put(place, name, data + name.encode())


def there(world: World) -> list[str]:
    return sorted(world.sources["sftp"].places.get("cedar", {}))


def kept(world: World) -> list[str]:
    return sorted(message.parts[0].name for message in world.messages(Direction.IN))


def test_a_file_is_taken_after_it_stood_still(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM + '\nstable = "1m"')})
    plan = world.plan("x")
    put(world, "a.edi")
    first = world.collector.run(plan)
    assert (first.kept, first.waiting, first.unstable) == (0, 1, 1)
    world.clock.forward(59)
    assert world.collector.run(plan).kept == 0
    put(world, "a.edi", data=b"more")
    world.clock.forward(30)
    assert world.collector.run(plan).kept == 0, "it changed: its time begins anew"
    world.clock.forward(61)
    assert world.collector.run(plan).kept == 1
    assert there(world) == []


def test_what_is_taken_and_what_is_left(make: Make) -> None:
    source = (
        FROM
        + '\nfolder = "out"\nnames = ["*.edi"]\nnot_names = ["old*"]\nmax_size = "200 B"\ntypes = ["edifact"]'
    )
    world = make({"x": flow(TO, source=source)})
    put(world, "out/a.edi", "out/b.txt", "out/old.edi", "out/deep/c.edi", "d.edi")
    put(world, "out/large.edi", data=EDIFACT * 3)
    put(world, "out/pdf.edi", data=b"%PDF-")
    done = world.collect("x")
    assert kept(world) == ["a.edi"]
    assert (done.kept, done.left, done.failed) == (1, 4, 0)
    assert "out/a.edi" not in there(world)
    reads = len([call for call in world.sources["sftp"].calls if call.startswith("read")])
    world.collect("x")
    assert len([call for call in world.sources["sftp"].calls if call.startswith("read")]) == reads, (
        "seen once"
    )


def test_recursion_since_and_moving(make: Make) -> None:
    source = FROM + '\nrecursive = true\nafter = "move"\nmove_to = "done"'
    world = make({"x": flow(TO, source=source, top="since = 2020-01-01")})
    put(world, "a.edi", "deep/er/b.edi")
    assert world.collect("x").kept == 2
    assert there(world) == ["done/a.edi", "done/b.edi"]
    assert world.collect("x").kept == 0, "what was moved is not found again"
    world.apply({"x": flow(TO, source=source, top="since = 2030-01-01")})
    put(world, "late.edi")
    assert world.collect("x").left == 3


def test_what_is_left_there_is_taken_once_and_its_change_again(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM + '\nafter = "leave"')})
    put(world, "a.edi")
    assert world.collect("x").kept == 1
    assert world.collect("x").kept == 0
    world.collector._memories.clear()  # another node, or a start
    done = world.collect("x")
    assert (done.kept, done.repeated, done.left) == (0, 0, 1)
    put(world, "a.edi", data=b"new")
    assert world.collect("x").kept == 1
    assert there(world) == ["a.edi"]
    assert len(world.messages()) == 2


def left_in_a_folder(make: Make, folder: Path) -> World:
    """A flow that leaves what it takes in a folder of a real file system."""
    folder.mkdir()
    world = make({"x": flow(TO, source=FROM + '\nafter = "leave"')})
    world.sources["sftp"] = SimpleNamespace(kind="sftp", open=lambda name: FolderRemote(folder))  # type: ignore[assignment]
    return world


def write_in_secret(path: Path, data: bytes) -> None:
    """Change a file of that size, and set its time back."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def contents(world: World) -> list[str]:
    return sorted(message.parts[0].sha256 for message in world.messages(Direction.IN))


@pytest.mark.parametrize("restart", [False, True])
def test_a_change_of_same_size_and_time_is_noticed(make: Make, tmp_path: Path, restart: bool) -> None:
    world = left_in_a_folder(make, tmp_path / "in")
    file = tmp_path / "in" / "a.edi"
    for data in (b"first", b"other", b"third"):
        if file.exists():
            write_in_secret(file, data)
        else:
            file.write_bytes(data)
        assert world.collect("x").kept == 1
        assert world.collect("x").kept == 0
        if restart:
            world.collector._memories.clear()
            assert world.collect("x").kept == 0
    assert contents(world) == sorted(sha256(data).hexdigest() for data in (b"first", b"other", b"third"))
    # Replaced by another file, as programs do that write beside and rename.
    before = file.stat()
    (tmp_path / "fresh").write_bytes(b"fouth")
    os.utime(tmp_path / "fresh", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "fresh").rename(file)
    assert world.collect("x").kept == 1


@pytest.mark.parametrize("restart", [False, True])
def test_what_changes_beside_the_content_makes_no_document(
    make: Make, tmp_path: Path, restart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = left_in_a_folder(make, tmp_path / "in")
    file = tmp_path / "in" / "a.edi"
    file.write_bytes(b"first")
    assert world.collect("x").kept == 1
    time.sleep(0.01)
    file.chmod(0o600)
    os.link(file, tmp_path / "b.txt")
    (tmp_path / "b.txt").unlink()
    if restart:
        world.collector._memories.clear()
    assert world.collect("x").kept == 0
    assert len(world.messages(Direction.IN)) == 1
    monkeypatch.setattr(collect, "_digest", None)
    assert world.collect("x").kept == 0, "it is compared once, and not at each look"


def test_a_mutant_that_trusts_size_and_time(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "_is_another", lambda first, file: False)
    world = left_in_a_folder(make, tmp_path / "in")
    (tmp_path / "in" / "a.edi").write_bytes(b"first")
    assert world.collect("x").kept == 1
    write_in_secret(tmp_path / "in" / "a.edi", b"other")
    assert world.collect("x").kept == 0


def test_markers(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM + '\nmarker = "{stem}.ok"')})
    plan = world.plan("x")
    put(world, "a.edi", "b.edi", "b.ok", "c.ok")
    done = world.collector.run(plan)
    assert (done.kept, done.waiting, done.unstable) == (1, 1, 0)
    assert kept(world) == ["b.edi"]
    assert there(world) == ["a.edi", "c.ok"]
    put(world, "a.ok")
    assert world.collector.run(plan).kept == 1
    assert there(world) == ["c.ok"]


def test_what_was_kept_and_not_deleted_is_only_deleted(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM)})
    put(world, "a.edi")
    world.sources["sftp"].faults.cut_delete = "before"
    done = world.collect("x")
    assert (done.kept, done.failed) == (0, 1)
    assert there(world) == ["a.edi"]
    assert kept(world) == ["a.edi"]
    world.sources["sftp"].faults.cut_delete = ""
    done = world.collect("x")
    assert (done.kept, done.repeated, done.failed) == (0, 1, 0)
    assert there(world) == []
    assert len(world.messages()) == 1


def test_another_file_of_the_same_path_size_and_time_is_kept_too(make: Make) -> None:
    """Over SFTP times are seconds, over FTP sometimes minutes: what looks the same need not be the same."""
    world = make({"x": flow(TO, source=FROM + '\nmarker = "{stem}.ok"')})
    source = world.sources["sftp"]

    def drop(data: bytes) -> None:
        put(world, "a.ok")
        source.put("cedar", "a.edi", data)
        source.places["cedar"]["a.edi"].modified = Instant(1_790_000_000_000_000)
        source.places["cedar"]["a.edi"].tag = ""

    one, two = EDIFACT + b"1", EDIFACT + b"2"
    for data in (one, two, two):
        drop(data)
        world.collector.run(world.plan("x"))
        assert there(world) == []
    drop(two)
    source.faults.cut_delete = "before"
    world.collector.run(world.plan("x"))
    source.faults.cut_delete = ""
    assert world.collector.run(world.plan("x")).repeated == 1
    assert there(world) == []
    sizes = [message.parts[0].sha256 for message in world.messages(Direction.IN)]
    assert sorted(sizes) == sorted(sha256(data).hexdigest() for data in (one, two))


def test_a_file_that_grows_while_it_is_read_is_left_for_the_next_look(make: Make, monkeypatch: Any) -> None:
    world = make({"x": flow(TO, source=FROM)})
    put(world, "a.edi")
    source = world.sources["sftp"]
    genuine = type(source.open("cedar")).read

    def growing(self: Any, file: RemoteFile) -> Any:
        yield from genuine(self, file)
        yield b"more"

    monkeypatch.setattr(type(source.open("cedar")), "read", growing)
    done = world.collect("x")
    assert (done.kept, done.failed, done.unstable) == (0, 0, 1)
    assert there(world) == ["a.edi"]
    monkeypatch.setattr(type(source.open("cedar")), "read", genuine)
    assert world.collect("x").kept == 1


def test_a_failing_file_stops_no_other(make: Make, monkeypatch: Any) -> None:
    world = make({"x": flow(TO, source=FROM)})
    put(world, *(f"{n}.edi" for n in range(8)))
    genuine = Intake.accept

    def failing(self: Intake, *args: Any) -> Any:
        if self.arrival.facts["path"] == "3.edi":
            raise NotOurs("It is cursed.")
        return genuine(self, *args)

    monkeypatch.setattr(Intake, "accept", failing)
    done = world.collect("x")
    assert (done.kept, done.failed) == (7, 1), done
    assert done.error is not None
    assert there(world) == ["3.edi"]


def test_a_place_that_breaks_down_ends_the_run_and_keeps_what_it_had(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM + "\nparallel = 1")})
    plan = world.plan("x")
    put(world, "a.edi", "b.edi")
    world.collector.run(plan)
    world.clock.forward(10)
    world.sources["sftp"].faults.cut_reading = 1
    done = world.collector.run(plan)
    assert (done.kept, done.failed) == (0, 2)
    world.sources["sftp"].faults.cut_reading = None
    assert world.collector.run(plan).kept == 2
    opened, closed = world.sources["sftp"].opened, world.sources["sftp"].closed
    assert opened == closed, "no connection is left open"


def test_ten_thousand_and_more_come_in_several_listings(make: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr(collect, "CANDIDATES", 50)
    world = make({"x": flow(TO, source=FROM + '\nstable = "1ms"')})
    put(world, *(f"{n:04}.edi" for n in range(120)))
    # Each run sees as many as it holds; what it does not hold is seen by the next listing of the same run.
    for _ in range(3):
        world.collect("x")
    assert len(world.messages()) == 120
    assert there(world) == []


def test_memory_is_bounded_and_nothing_starves(monkeypatch: Any) -> None:
    monkeypatch.setattr(memories, "REMEMBERED", 10)
    memory = Memory()
    files = [RemoteFile(f"{n}", 1, None) for n in range(30)]
    for file in files:
        memory.first_seen(file, 1_000_000)  # type: ignore[arg-type]
    assert memory.size == 10
    assert memory.first_seen(files[0], 9_000_000) == 1_000_000  # type: ignore[arg-type]
    assert memory.first_seen(files[20], 9_000_000) == 9_000_000  # type: ignore[arg-type]
    for file in files[:10]:
        memory.forget(file)
    assert memory.first_seen(files[20], 9_000_000) == 9_000_000  # type: ignore[arg-type]
    assert memory.first_seen(files[20], 99_000_000) == 9_000_000  # type: ignore[arg-type]
    for file in files:
        memory.done(file)
    assert memory.size <= 20
    assert memory.is_done(files[29])
    memory.keep_only(set())
    assert memory.size == 0


def test_order_is_that_of_writing(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM, order='key = "{partner}"')})
    put(world, "z.edi", "m.edi", "a.edi")
    world.collect("x")
    assert [message.parts[0].name for message in world.messages()] == ["z.edi", "m.edi", "a.edi"]
    world.work()
    assert [name for _, name, _ in world.arrived("s3")] == ["z.edi", "m.edi", "a.edi"]


def test_an_empty_file_is_kept_for_a_person_to_look_at(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM)})
    world.sources["sftp"].put("cedar", "empty.edi", b"")
    assert world.collect("x").kept == 0
    world.clock.forward(300)
    assert world.collect("x").kept == 1
    (message,) = world.messages()
    assert (message.state, message.reason_code) == (MessageState.QUARANTINED, "inspect.empty")


def test_an_empty_file_may_be_about_to_be_written_to(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM + '\nstable = "1s"')})
    far = world.sources["sftp"]
    far.put("cedar", "slow.edi", b"")
    far.put("cedar", "never.edi", b"")
    for _ in range(5):
        assert world.collector.run(world.plan("x")).kept == 0
        world.clock.forward(20)
    put(world, "slow.edi")
    assert world.collector.run(world.plan("x")).kept == 0
    world.clock.forward(2)
    assert world.collector.run(world.plan("x")).kept == 1
    assert kept(world) == ["slow.edi"]
    world.clock.forward(400)
    assert world.collector.run(world.plan("x")).kept == 1
    (message,) = [each for each in world.messages() if each.parts[0].name == "never.edi"]
    assert message.state is MessageState.QUARANTINED


# By jobs


def job(world: World) -> Any:
    return world.hub.store.read(lambda view: view.job(collect_key("x")))


def run(world: World) -> Any:
    return world.hub.store.read(lambda view: last_run(view, "x"))


def test_a_flow_runs_by_itself_and_again(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM + '\nevery = "5m"')})
    put(world, "a.edi")
    keep_running(world.hub)
    world.work()
    assert (run(world).seen, run(world).kept, run(world).waiting) == (1, 0, 1)
    assert job(world).due - world.clock() < 6_000_000, "a file that was seen once is looked at again soon"
    world.clock.forward(6)
    world.work()
    assert run(world).kept == 1
    assert job(world).due - world.clock() > 290_000_000
    assert world.events("flow:x") == ["flow.collected"]
    world.clock.forward(301)
    world.work()
    assert world.events("flow:x") == ["flow.collected"], "a run that did nothing is no event"
    put(world, "b.edi")
    world.hub.store.write(lambda tx: ask(world.hub, tx, world.plan("x")))
    world.work()
    assert run(world).waiting == 1, "an arrival is looked at at once"


def test_a_place_that_is_down_is_told_of_once(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM)})
    world.sources["sftp"].faults.away = True
    keep_running(world.hub)
    waits = []
    for _ in range(8):
        world.work()
        waits.append(job(world).due - world.clock())
        world.clock.now = job(world).due
    assert world.events("flow:x") == ["flow.failed"]
    assert run(world).failures == 8
    assert waits == sorted(waits)
    assert waits[-1] <= MOST_WAIT
    world.sources["sftp"].faults.away = False
    world.work()
    assert world.events("flow:x") == ["flow.failed", "flow.recovered"]
    assert world.facts("flow:x", "flow.recovered")["failures"] == 8


def test_a_paused_flow_takes_nothing_until_it_goes_on(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM, top='state = "paused"')})
    put(world, "a.edi")
    keep_running(world.hub)
    world.work()
    assert job(world) is None
    world.apply({"x": flow(TO, source=FROM)})
    keep_running(world.hub)
    world.work()
    assert run(world).seen == 1


def test_a_timetable(make: Make) -> None:
    # The clock begins on Monday 2026-09-21 at 14:13 UTC.
    table = 'cron = "30 16 * * mon-fri"\ntimezone = "Europe/Paris"'
    world = make({"x": flow(TO, source=FROM, top='trigger = "timetable"', timetable=table)})
    put(world, "a.edi")
    keep_running(world.hub)
    assert world.work() == 0
    world.clock.forward(16 * 60)
    keep_running(world.hub)
    assert world.work() == 0, "14:29 UTC is 16:29 in Paris"
    world.clock.forward(90)
    assert world.work() > 0
    world.clock.forward(6)
    world.work()
    assert kept(world) == ["a.edi"], "the run looks a second time by itself"
    assert (job(world).due - world.clock()) / 3_600_000_000 == pytest.approx(24, abs=0.1)


def test_by_command_only(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM, top='trigger = "command"')})
    put(world, "a.edi")
    keep_running(world.hub)
    assert job(world) is None
    world.hub.store.write(lambda tx: ask(world.hub, tx, world.plan("x")))
    world.work()
    world.clock.forward(6)
    world.work()
    assert kept(world) == ["a.edi"]
    world.clock.forward(6)
    world.work()
    assert job(world).state is JobState.DONE


def test_a_flow_that_is_gone_runs_no_more(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM)})
    keep_running(world.hub)
    world.apply({})
    world.work()
    assert job(world).state is JobState.DONE


def test_one_run_at_a_time_on_whatever_node(make: Make) -> None:
    world = make({"x": flow(TO, source=FROM)})
    keep_running(world.hub)
    other = world.new_runner("other")
    seen: list[int] = []
    genuine = world.collector.run

    def running(plan: Any, **more: Any) -> Any:
        seen.append(other.run_due())
        return genuine(plan, **more)

    world.collector.run = running  # type: ignore[method-assign]
    world.work()
    assert seen == [0]
