"""Names that are taken, replacing, resuming, several connections, full disks, other servers."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from tests.support.cutting import Cutting
from tests.support.fake_sftp import FakeSsh
from tests.support.proftpd_sftp import Proftpd
from tests.support.sftp_world import World
from tests.support.sshd import Sshd

from ecluse.channels.sftp.client import placing, writing
from ecluse.channels.sftp.client.channel import temporary_name
from ecluse.channels.sftp.client.steps import Renamed
from ecluse.exchange.actions import resend
from ecluse.model.states import DeliveryState

ORDER = b"UNB+UNOC:3+ASTER+BIRCH'BGM+220+4711+9'"
DONE = DeliveryState.CONFIRMED


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    # In memory where that can be had: these tests count on what was made durable by some moment.
    base = "/dev/shm" if os.path.isdir("/dev/shm") else tmp_path_factory.mktemp("sshd")
    with tempfile.TemporaryDirectory(dir=base) as folder, Sshd(Path(folder)) as running:
        yield running


@pytest.fixture(params=["openssh", "proftpd", "asyncssh"])
def server(request, tmp_path):
    """Three servers: one that renames by a link, one that looks first, one that links."""
    if request.param == "openssh":
        if not os.path.exists("/usr/sbin/sshd"):
            pytest.skip("peer sshd is missing")
        made = Sshd(tmp_path / "server")
    elif request.param == "proftpd":
        if not os.path.exists("/usr/sbin/proftpd") or os.geteuid():
            pytest.skip("peer proftpd is missing, or needs root")
        (tmp_path / "server").mkdir()
        made = Proftpd(tmp_path / "server")
    else:
        (tmp_path / "files").mkdir()
        made = FakeSsh(files=tmp_path / "files")
        made.files = tmp_path / "files"
    with made:
        yield made


@pytest.fixture
def world(tmp_path):
    with World(tmp_path / "hub") as made:
        yield made


def files(server) -> dict[str, bytes]:
    return {str(p.relative_to(server.files)): p.read_bytes() for p in server.files.rglob("*") if p.is_file()}


def test_every_server(world, server):
    world.reach(server)
    message = world.send(("orders.edi", ORDER), ("empty-ish.txt", b"x"), folder="new/deep")
    world.run()
    assert world.delivery(message).state is DONE, world.delivery(message).reason
    assert files(server) == {"new/deep/orders.edi": ORDER, "new/deep/empty-ish.txt": b"x"}
    how = {type(server).__name__: world.receipt(message)["files"][0]["how"]}
    assert how in (
        {"Sshd": "rename"},
        {"Proftpd": "rename"},
        {"FakeSsh": "hardlink"},
        {"Proftpd": "hardlink"},
    )


def test_another_file_of_that_name_is_never_replaced(world, server):
    world.reach(server)
    (server.files / "orders.edi").write_bytes(b"somebody's")
    message = world.send(("orders.edi", ORDER))
    world.run(6)
    delivery = world.delivery(message)
    assert (delivery.state, delivery.reason_code) == (DeliveryState.DEAD, "remote.name-taken")
    assert files(server) == {"orders.edi": b"somebody's"}
    (server.files / "orders.edi").rename(server.files / "moved.edi")
    resend(world.hub, message.id, actor="operator:test", reason="moved away")
    world.run()
    assert world.delivery(message).state is DONE
    assert files(server) == {"moved.edi": b"somebody's", "orders.edi": ORDER}


def test_the_same_content_that_is_not_ours_is_another_file(world, server):
    world.reach(server)
    (server.files / "orders.edi").write_bytes(ORDER)
    message = world.send(("orders.edi", ORDER))
    world.run(1)
    world.clock.forward(3600)
    world.run(1)
    assert (world.delivery(message).reason_code, world.delivery(message).attempts) == ("remote.name-taken", 2)
    assert files(server) == {"orders.edi": ORDER}
    (server.files / "orders.edi").rename(server.files / "fetched.edi")
    world.clock.forward(3600)
    world.run()
    assert world.delivery(message).state is DONE
    assert files(server) == {"fetched.edi": ORDER, "orders.edi": ORDER}


def test_a_name_that_is_free_again_after_the_look_is_asked_for_again(world, sshd, monkeypatch):
    world.reach(sshd)
    for name in files(sshd):
        (sshd.files / name).unlink()
    real, looks = placing.rename_free, []

    async def taken_once(*of):
        looks.append(of)
        return Renamed("") if len(looks) == 1 else await real(*of)

    monkeypatch.setattr(placing, "rename_free", taken_once)
    message = world.send(("orders.edi", ORDER))
    world.run()
    world.clock.forward(3600)
    world.run()
    assert world.delivery(message).state is DONE, world.delivery(message).reason
    assert (len(looks), files(sshd)) == (2, {"orders.edi": ORDER})


def test_replacing_where_it_is_agreed(world, server):
    world.reach(server, "replace = true")
    (server.files / "orders.edi").write_bytes(b"old")
    message = world.send(("orders.edi", ORDER))
    world.run()
    assert world.delivery(message).state is DONE, world.delivery(message).reason
    assert files(server) == {"orders.edi": ORDER}
    world.send(("orders.edi", b"newer"), replace=False)
    world.run(2)
    assert files(server) == {"orders.edi": ORDER}


def test_reading_back_where_it_is_agreed(world, server):
    world.reach(server, 'verify = "digest"')
    message = world.send(("orders.edi", ORDER))
    world.run()
    assert world.receipt(message)["files"][0]["compared"] == "digest"


@pytest.mark.peer("sshd")
def test_a_folder_that_is_not_there(world, sshd):
    world.reach(sshd, 'folder = "/nowhere"')
    message = world.send(("orders.edi", ORDER))
    world.run()
    assert world.delivery(message).reason_code == "sftp.no-such-file"


@pytest.mark.peer("sshd")
def test_a_person_who_wants_it_again_gets_it_again(world, sshd):
    world.reach(sshd)
    message = world.send(("again.edi", ORDER))
    world.run()
    (sshd.files / "again.edi").unlink()
    resend(world.hub, message.id, actor="operator:test", reason="they lost it", force=True)
    world.run()
    assert world.delivery(message).state is DONE
    assert (sshd.files / "again.edi").read_bytes() == ORDER


@pytest.mark.peer("sshd")
def test_two_documents_of_the_same_name_at_once(world, sshd):
    world.reach(sshd)
    messages = [world.send(("twice.edi", b"one")), world.send(("twice.edi", b"two"))]
    world.run(6)
    states = {world.delivery(message).state for message in messages}
    assert states == {DONE, DeliveryState.DEAD}
    assert [name for name in sshd.names() if "twice" in name] == ["twice.edi"]


@pytest.mark.peer("sshd")
@pytest.mark.parametrize("streams", [1, 4])
def test_a_large_file_goes_on_where_it_was(world, sshd, monkeypatch, streams):
    monkeypatch.setattr(writing, "SYNC_EVERY", 1 << 20)
    monkeypatch.setattr(writing, "SPLIT", 1 << 20)
    resumed = []
    look = writing.Writing._resumable

    def watched(self):
        found = look(self)
        resumed.append(0 if found is None else sum(safe - begin for begin, safe, _ in found.ranges))
        return found

    monkeypatch.setattr(writing.Writing, "_resumable", watched)
    data = os.urandom(9 << 20)
    name = f"large{streams}.bin"
    with Cutting(sshd.port) as line:
        # So slowly that the disk below the test has made some of it durable by then.
        world.reach(sshd, f'streams = {streams}\nrate = "4 MiB"', port=line.port)
        line.cut_up = (7 if streams == 1 else 2) << 20
        message = world.send((name, data))
        world.run(1)
        assert world.delivery(message).state is DeliveryState.WAITING
        world.run(3)
        assert world.delivery(message).state is DONE, world.delivery(message).reason
        assert (sshd.files / name).read_bytes() == data
    assert resumed[0] == 0
    assert resumed[1] >= 1 << 20, "it began anew"
    assert [each for each in sshd.names() if each.startswith(".")] == []


@pytest.mark.peer("sshd")
def test_several_connections_for_one_file(world, sshd, monkeypatch):
    monkeypatch.setattr(writing, "SPLIT", 1 << 20)
    data = os.urandom((9 << 20) + 12_345)
    with Cutting(sshd.port) as line:
        world.reach(sshd, 'streams = 3\nverify = "digest"', port=line.port)
        message = world.send(("several.bin", data))
        world.run()
        assert world.delivery(message).state is DONE, world.delivery(message).reason
        assert line.connections == 3
    assert (sshd.files / "several.bin").read_bytes() == data


@pytest.mark.peer("sshd")
def test_a_temporary_file_that_was_cut_meanwhile_is_not_trusted(world, sshd, monkeypatch):
    monkeypatch.setattr(writing, "SYNC_EVERY", 1 << 20)
    data = os.urandom(12 << 20)
    with Cutting(sshd.port) as line:
        world.reach(sshd, port=line.port)
        line.cut_up = 8 << 20
        message = world.send(("cut.bin", data))
        world.run(1)
        [part] = [name for name in sshd.names() if name.startswith(".cut.bin")]
        os.truncate(sshd.files / part, 1000)
        world.run(2)
        assert world.delivery(message).state is DONE
    assert (sshd.files / "cut.bin").read_bytes() == data


@pytest.mark.peer("sshd")
def test_a_rate(world, sshd):
    world.reach(sshd, 'rate = "2 MiB"')
    world.send(("rate.bin", os.urandom(5 << 20)))
    begun = time.monotonic()
    world.run()
    assert 1.2 < time.monotonic() - begun < 25
    assert (sshd.files / "rate.bin").stat().st_size == 5 << 20


@pytest.mark.peer("sshd", "root")
def test_a_full_disk_at_the_partner(world, tmp_path):
    folder = tmp_path / "server"
    server = Sshd(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(server.files)], check=True)
    try:
        with server:
            world.reach(server)
            message = world.send(("large.bin", os.urandom(4 << 20)))
            world.run(1)
            delivery = world.delivery(message)
            assert delivery.state is DeliveryState.WAITING
            assert delivery.reason_code in ("sftp.no-space", "sftp.refused")
            assert server.names() == [], "the temporary file is removed, and its space comes back"
            subprocess.run(["mount", "-o", "remount,size=20m", str(server.files)], check=True)
            world.run(3)
            assert world.delivery(message).state is DONE
            assert server.names() == ["large.bin"]
    finally:
        subprocess.run(["umount", "-l", str(server.files)], check=False)


def test_temporary_names_fit_and_stay_apart():
    name = "é" * 127
    made = temporary_name(".{name}.{id}.part", name, "d123-1")
    assert len(made.encode()) <= 255
    assert made.endswith(".d123-1.part")
    assert temporary_name("{id}.tmp", name, "d1-1") == "d1-1.tmp"
    assert temporary_name(".{name}.{id}", "{id}.x", "d1") == ".{id}.x.d1"
