"""The connection is cut at each step: after the retries the file is there exactly once, whole, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support import sftp_cut
from tests.support.children import child_env
from tests.support.cutting import Cutting
from tests.support.sftp_world import World
from tests.support.sshd import Sshd

from ecluse.channels.sftp.client import placing, steps, writing
from ecluse.channels.sftp.client.writing import Writing
from ecluse.exchange.remembered import Remembered
from ecluse.model.states import DeliveryState

pytestmark = pytest.mark.peer("sshd")

DATA = os.urandom(70_000)
REQUESTS = 9
"""One more than those of a small delivery: limits, realpath, open, write, fsync, fstat, close, rename."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cut")
    plan = folder / "plan"
    command = f"{sys.executable} {Path(sftp_cut.__file__)} {plan} {folder / 'files'}"
    with Sshd(folder, sftp=command) as running:
        running.plan = plan
        yield running


@pytest.fixture
def world(tmp_path, server):
    clear(server)
    with World(tmp_path / "hub") as made:
        made.reach(server)
        yield made


def clear(server) -> None:
    server.plan.unlink(missing_ok=True)
    for folder in (server.files, server.folder / "taken"):
        if folder.exists():
            for path in folder.iterdir():
                path.unlink()


def violations(server, count: int = 1) -> list[str]:
    """What is wrong with the partner's folder at the end."""
    taken = server.folder / "taken"
    there = [p for folder in (server.files, taken) if folder.exists() for p in folder.iterdir()]
    finals = [p for p in there if not p.name.startswith(".")]
    found = [f"left over: {p.name}" for p in there if p not in finals]
    if len(finals) != count:
        found.append(f"{len(finals)} files: {sorted(p.name for p in finals)}")
    found += [f"{p.name} is not whole" for p in finals if p.read_bytes() != DATA]
    return found


def cut(world, server, number: int, when: str) -> list[str]:
    """One delivery that is cut once."""
    clear(server)
    server.plan.write_text(f"{number} {when}")
    message = world.send(("orders.edi", DATA))
    world.run(4)
    found = violations(server)
    if world.delivery(message).state is not DeliveryState.CONFIRMED:
        found.append(f"{world.delivery(message).state}: {world.delivery(message).reason}")
    if server.plan.exists():
        found.append("it was not cut")
    world.links.loop.call(world.links._clear())
    return found


@pytest.mark.parametrize(
    ("number", "when"),
    [(n, when) for n in range(1, REQUESTS) for when in ("before", "after take")]
    + [(n, "after") for n in range(4, REQUESTS)],
)
def test_cut_at_a_request(world, server, number, when):
    assert cut(world, server, number, when) == []


def test_every_request_was_cut_at(world, server):
    count = server.plan.with_suffix(".count")
    count.unlink(missing_ok=True)
    world.send(("orders.edi", DATA))
    world.run()
    world.links.loop.call(world.links._clear())
    end = time.monotonic() + 60
    while not count.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert int(count.read_text()) == REQUESTS - 1


@pytest.mark.parametrize("second", range(3, REQUESTS + 2))
def test_cut_again_while_it_looks_at_what_the_first_cut_left(world, server, second):
    clear(server)
    server.plan.write_text("8 after")
    message = world.send(("orders.edi", DATA))
    world.run(1)
    server.plan.write_text(f"{second} after take")
    world.run(5)
    server.plan.unlink(missing_ok=True)
    assert world.delivery(message).state is DeliveryState.CONFIRMED
    assert violations(server) == []


@pytest.mark.parametrize("octets", [100, 2500, 30_000, 72_000, 73_500, 74_000])
def test_line_cut_after_so_many_octets_up(world, server, octets):
    with Cutting(server.port) as line:
        world.reach(server, port=line.port)
        line.cut_up = octets
        message = world.send(("orders.edi", DATA))
        world.run(4)
        assert world.delivery(message).state is DeliveryState.CONFIRMED
        assert violations(server) == []
        assert line.connections >= 1


@pytest.mark.parametrize("octets", [20, 2000, 2600, 3000, 3200])
def test_line_cut_after_so_many_octets_down(world, server, octets):
    with Cutting(server.port) as line:
        world.reach(server, port=line.port)
        line.cut_down = octets
        message = world.send(("orders.edi", DATA))
        world.run(4)
        assert world.delivery(message).state is DeliveryState.CONFIRMED
        assert violations(server) == []


def test_a_line_that_goes_silent(world, server):
    with Cutting(server.port) as line:
        world.reach(server, 'timeout = "500ms"', port=line.port)
        line.cut_up, line.stall = 40_000, True
        message = world.send(("orders.edi", DATA))
        world.run(1)
        assert world.delivery(message).reason_code == "sftp.silent"
        world.reach(server, port=line.port)  # with a patience that a busy machine does not try
        world.run(3)
        assert world.delivery(message).state is DeliveryState.CONFIRMED
        assert violations(server) == []


RUN = """
import sys
from pathlib import Path
import time
from tests.support import sftp_cut
from tests.support.children import child_env
from tests.support.sftp_world import World
from tests.support.sshd import Sshd
base = Path(sys.argv[1])
server = Sshd(base / "far", sftp=f"{sys.executable} {sftp_cut.__file__} {base / 'plan'} {base / 'far' / 'files'}")
server.start()
world = World(base / "hub")
world.reach(server)
world.send(("orders.edi", bytes(1000)))
world.run()
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_run_leaves_no_process_behind(tmp_path):
    run = subprocess.Popen([sys.executable, "-c", RUN, tmp_path], stdout=subprocess.PIPE, env=child_env())
    try:
        assert run.stdout.readline() == b"ready\n"
        assert len(alive(tmp_path)) >= 3, "sshd, its subsystem and the server behind that"
    finally:
        run.kill()
        run.wait()
        run.stdout.close()
    end = time.monotonic() + 120
    while alive(tmp_path) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive(tmp_path) == []


def alive(folder: Path) -> list[str]:
    """Command lines of processes that name a folder, the run's own excepted."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"{folder}/" in line:
            found.append(line)
    return found


class TestMutants:
    """What the cuts above must find."""

    def test_no_look_at_what_is_there(self, world, server, monkeypatch):
        monkeypatch.setattr(Remembered, "left", lambda self, path: None)
        monkeypatch.setattr(Remembered, "appeared", lambda self, path: False)
        found = [cut(world, server, number, "after take") for number in range(5, REQUESTS)]
        assert any(found)

    def test_sent_again_over_what_is_there(self, world, server, monkeypatch):
        async def plain(link, path, final):
            status = await link.session.replace(path, final)
            return steps.Renamed("rename" if status.code == 0 else "", status)

        monkeypatch.setattr(placing, "rename_free", plain)
        (server.files / "orders.edi").write_bytes(b"somebody's")
        world.send(("orders.edi", DATA))
        world.run(2)
        assert (server.files / "orders.edi").read_bytes() != b"somebody's", "the mutant is no mutant"

    def test_a_clean_up_that_is_forgotten(self, world, server, monkeypatch):
        async def nothing(session, paths):
            return None

        monkeypatch.setattr(placing, "remove_all", nothing)
        monkeypatch.setattr(writing, "remove_all", nothing)
        monkeypatch.setattr(Writing, "_resumable", lambda self: None)
        assert any(cut(world, server, number, "before") for number in range(4, REQUESTS))
