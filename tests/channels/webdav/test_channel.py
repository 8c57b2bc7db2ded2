"""Delivering to WebDAV servers: whole, once, never over another's, whatever happens on the way."""

import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.outbound import Sender, files_of
from tests.support.relay import FAULTS, Relay
from tests.support.stores import rclone_webdav
from tests.support.webdav import DavFar, dav_access, dav_far

from ecluse.channels.webdav.channel import WebDavChannel
from ecluse.channels.webdav.client import DavClient
from ecluse.channels.webdav.places import WebDavPlace
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.remote import NameTaken

SMALL = b"UNB+UNOC:3+ASTER+BIRCH'" * 10
LARGE = hashlib.shake_128(b"large").digest((5 << 20) + 12345)

SERVERS = [pytest.param(name, marks=pytest.mark.peer(name)) for name in ("wsgidav", "rclone")]


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    return Sender(tmp_path / "hub")


def channel(sender: Sender, far: DavFar, folder: str = "") -> WebDavChannel:
    return WebDavChannel(sender.hub, lambda name: WebDavPlace(DavClient(far.access), folder))


def names(far: DavFar) -> list[str]:
    return sorted(name for _, _, names in os.walk(far.folder) for name in names)


@pytest.mark.parametrize("peer", SERVERS)
@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_a_document_arrives_whole_once(sender: Sender, peer: str, data: bytes) -> None:
    far = dav_far(peer)
    to = channel(sender, far, "von aster/in")
    message = sender.message(("Bestellung #4711.edi", data), folder="orders")
    (file,) = files_of(sender.deliver(to, "webdav:birch", message))
    path = "von aster/in/orders/Bestellung #4711.edi"
    assert (file["path"], file["size"]) == (path, len(data))
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert "before" not in file
    assert far.content(path) == data
    (file,) = files_of(sender.deliver(to, "webdav:birch", message))
    assert file["before"] is True
    assert names(far) == ["Bestellung #4711.edi"]
    other = sender.message(("Bestellung #4711.edi", data), folder="orders")
    with pytest.raises(NameTaken):
        sender.deliver(to, "webdav:birch", other)


@pytest.mark.parametrize("peer", SERVERS)
def test_never_over_another_file(sender: Sender, peer: str) -> None:
    far = dav_far(peer)
    to = channel(sender, far)
    for theirs in (b"theirs", SMALL[:-1] + b"!"):
        far.put("order.edi", theirs)
        with pytest.raises(NameTaken):
            sender.deliver(to, "webdav:birch", sender.message(("order.edi", SMALL)))
        assert far.content("order.edi") == theirs
    sender.deliver(to, "webdav:birch", sender.message(("order.edi", SMALL), replace=True))
    assert far.content("order.edi") == SMALL
    assert names(far) == ["order.edi"]


@pytest.mark.parametrize("peer", SERVERS)
@pytest.mark.parametrize("mutant", [False, True], ids=["ours", "mutant"])
def test_a_file_that_comes_between_looking_and_moving_wins(sender: Sender, peer: str, mutant: bool) -> None:
    far = dav_far(peer)

    class Late(DavClient):
        """Somebody else writes right before the move."""

        def move(self, path: str, to: str, *, replace: bool) -> bool:
            far.put(to, b"theirs")
            return super().move(path, to, replace=replace or mutant)

    to = WebDavChannel(sender.hub, lambda name: WebDavPlace(Late(far.access)))
    message = sender.message(("order.edi", SMALL))
    if mutant:
        sender.deliver(to, "webdav:birch", message)
        assert far.content("order.edi") == SMALL  # what Overwrite: F is there for: theirs is lost
        return
    with pytest.raises(NameTaken):
        sender.deliver(to, "webdav:birch", message)
    assert far.content("order.edi") == b"theirs"
    assert names(far) == ["order.edi"]


@pytest.mark.parametrize("peer", SERVERS)
def test_cut_at_each_step(sender: Sender, peer: str) -> None:
    """Every request of a delivery fails in every way; the next attempt finds out how far it came."""
    far = dav_far(peer)
    place = urlsplit(far.access.url)
    assert place.port is not None
    with Relay(place.port) as relay:
        access = dav_access(f"http://127.0.0.1:{relay.port}{place.path}", far.access.basic)
        to = WebDavChannel(sender.hub, lambda name: WebDavPlace(DavClient(access), "in"))
        sender.deliver(to, "webdav:birch", sender.message(("first.edi", SMALL)))
        relay.requests.clear()
        sender.deliver(to, "webdav:birch", sender.message(("dry.edi", SMALL), folder="dry"))
        steps = list(relay.requests)
        assert [step.split()[0] for step in steps].count("PUT") == 1
        failed = 0
        for step in range(len(steps)):
            for fault in FAULTS:
                name = f"{step}-{fault}.edi"
                message = sender.message((name, SMALL), folder=f"{step}{fault}")
                relay.fail(fault, step)
                try:
                    sender.deliver(to, "webdav:birch", message)
                except EcluseError as error:
                    failed += error.fault is Fault.TRANSIENT
                else:
                    pytest.fail(f"nothing failed at {steps[step]}")
                sender.deliver(to, "webdav:birch", message)
                assert far.content(f"in/{step}{fault}/{name}") == SMALL
        assert failed == len(steps) * len(FAULTS)
    assert len(names(far)) == failed + 2  # nothing half is left


@pytest.mark.peer("rclone")
def test_wrong_password_and_wrong_url_are_said(sender: Sender) -> None:
    url = rclone_webdav("--user", "test", "--pass", "testing").endpoint
    message = sender.message(("a.txt", SMALL))
    far = DavFar(dav_access(url, ("test", "testing")), Path())
    sender.deliver(channel(sender, far), "webdav:birch", message)
    far.access = dav_access(url, ("test", "hunter2"))
    with pytest.raises(EcluseError) as caught:
        sender.deliver(channel(sender, far), "webdav:birch", message)
    assert caught.value.code == "webdav.denied"
    assert "hunter2" not in str(caught.value) + repr(far.access)
    far.access = dav_access(url + "/nowhere", ("test", "testing"))
    with pytest.raises(EcluseError) as caught, far.open() as remote:
        list(remote.files(""))
    assert caught.value.code == "webdav.missing"
    far.access = dav_access("http://127.0.0.1:9/x")
    with pytest.raises(EcluseError) as caught:
        sender.deliver(channel(sender, far), "webdav:birch", message)
    assert caught.value.code == "http.unreachable"
