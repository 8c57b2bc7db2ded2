"""The server is killed at each step, in the middle of an upload, or its disk is full: the document is there once and
whole, or not at all, and nobody sees half of it under its name.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.outbound import Sender
from tests.support.relay import Relay
from tests.support.stores import DavServer
from tests.support.webdav import dav_access

from ecluse.channels.webdav import spot as spot_module
from ecluse.channels.webdav.channel import WebDavChannel
from ecluse.channels.webdav.client import DavClient
from ecluse.channels.webdav.places import WebDavPlace
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.remembered import Remembered
from ecluse.model.nouns import Message

SMALL = b"UNB+UNOC:3+ASTER+BIRCH'" * 10
LARGE = hashlib.shake_128(b"large").digest(3 << 20)
STEPS = 7
"""Requests of a small delivery: is the name free, is the folder there, PUT, its size, MOVE, its ETag; and one more."""

SERVERS = [pytest.param(name, marks=pytest.mark.peer(name)) for name in ("wsgidav", "rclone")]


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    return Sender(tmp_path / "hub")


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DavServer]:
    folder = tmp_path / "far"
    (folder / "in").mkdir(parents=True)
    with DavServer(request.param, folder) as running:
        yield running


def channel(sender: Sender, port: int) -> WebDavChannel:
    access = dav_access(f"http://127.0.0.1:{port}")
    return WebDavChannel(sender.hub, lambda name: WebDavPlace(DavClient(access), "in"))


def until_delivered(sender: Sender, to: WebDavChannel, server: DavServer, message: Message) -> None:
    """The document's own name shows all of it, or nothing, after every attempt; a killed server comes back."""
    name, part = message.parts[0].name, message.parts[0]
    for _ in range(4):
        try:
            sender.deliver(to, "webdav:birch", message)
        except EcluseError as error:
            assert error.fault is Fault.TRANSIENT, error  # noqa: PT017 - it may, and need not, be raised
            with suppress(FileNotFoundError):  # whoever reads it may take it at this moment
                seen = (server.folder / "in" / name).stat().st_size
                assert seen == part.size, "half of it can be seen"
            server.kill()
            server.start()
        else:
            return
    raise AssertionError("never delivered")


def killed_at(sender: Sender, server: DavServer, relay: Relay, step: int, when: str, take: bool) -> list[str]:
    """What is wrong in the end with one delivery, for which the server is killed once."""
    message = sender.message((f"{step}-{when}.edi", SMALL))
    path = server.folder / "in" / message.parts[0].name
    taken: list[bytes] = []

    def strike() -> None:
        server.kill()
        if take and path.exists():
            taken.append(path.read_bytes())
            path.unlink()

    relay.struck = strike
    relay.fail(when, step)  # type: ignore[arg-type]
    until_delivered(sender, channel(sender, relay.port), server, message)
    came = [*taken, *([path.read_bytes()] if path.exists() else [])]
    wrong = [] if came == [SMALL] else [f"{step} {when}: it came {len(came)} times"]
    path.unlink(missing_ok=True)
    left = os.listdir(path.parent)
    for name in left:
        (path.parent / name).unlink()
    return wrong + [f"{step} {when}: left over: {name}" for name in left]


@pytest.mark.parametrize("take", [False, True], ids=["stays", "taken"])
def test_killed_at_each_step(sender: Sender, server: DavServer, take: bool) -> None:
    with Relay(server.port) as relay:
        for step in range(STEPS - 1):
            for when in ("before", "after"):
                assert killed_at(sender, server, relay, step, when, take) == []
        relay.fail("before", STEPS - 1)
        sender.deliver(channel(sender, relay.port), "webdav:birch", sender.message(("count.edi", SMALL)))
        assert len(relay.requests) == STEPS - 1, "there are steps at which it was not killed"


@pytest.mark.peer("rclone")
@pytest.mark.parametrize("mutant", ["forgets", "writes under the name itself"])
def test_a_mutant_is_found(
    sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    folder = tmp_path / "far"
    (folder / "in").mkdir(parents=True)
    with DavServer("rclone", folder) as server, Relay(server.port) as relay:
        if mutant == "forgets":
            monkeypatch.setattr(Remembered, "left", lambda self, path: None)
            assert killed_at(sender, server, relay, 4, "after", take=True) == ["4 after: it came 2 times"]
            return
        monkeypatch.setattr(spot_module, "part_name", lambda name, delivery: name)
        message = sender.message(("large.bin", LARGE))

        def strike() -> None:
            time.sleep(0.5)  # the server has written what it was given
            server.kill()

        relay.struck = strike
        relay.cut_in(2 << 20)
        with pytest.raises(AssertionError, match="half of it"):
            until_delivered(sender, channel(sender, relay.port), server, message)


@pytest.mark.parametrize("octets", [0, 1, 1 << 20, (3 << 20) - 1])
def test_killed_within_an_upload(sender: Sender, server: DavServer, octets: int) -> None:
    message = sender.message(("large.bin", LARGE))
    with Relay(server.port) as relay:
        relay.struck = server.kill
        relay.cut_in(octets)
        until_delivered(sender, channel(sender, relay.port), server, message)
    assert {path.name: path.read_bytes() for path in (server.folder / "in").iterdir()} == {"large.bin": LARGE}


@pytest.mark.peer("root")
@pytest.mark.parametrize("peer", SERVERS)
def test_a_full_disk(sender: Sender, tmp_path: Path, peer: str) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False).returncode:
        pytest.skip("this container can't mount a disk")
    try:
        (folder / "in").mkdir()
        with DavServer(peer, folder) as server:
            message = sender.message(("large.bin", LARGE))
            to = channel(sender, server.port)
            with pytest.raises(EcluseError) as caught:
                sender.deliver(to, "webdav:birch", message)
            assert caught.value.fault in (Fault.TRANSIENT, Fault.PARTNER)
            assert os.listdir(folder / "in") == [], "the half file is removed, and its space comes back"
            subprocess.run(["mount", "-o", "remount,size=20m", folder], check=True)
            sender.deliver(to, "webdav:birch", message)
        assert (folder / "in" / "large.bin").read_bytes() == LARGE
        assert os.listdir(folder / "in") == ["large.bin"]
    finally:
        subprocess.run(["umount", "-l", folder], check=False)
