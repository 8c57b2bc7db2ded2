"""Every channel that delivers files, and attempts that die at each step: the document appears once, whoever takes it
away meanwhile, and whatever else has its name or its content.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from tests.support.ftp_places import changed, foreign
from tests.support.once import FARS, NAME, FarEnd, Killed, far_end, killed
from tests.support.outbound import Sender
from tests.support.sftp_world import World
from tests.support.sshd import Sshd
from tests.support.webdav import dav_far

from ecluse.channels.bucket.spot import BucketSpot
from ecluse.channels.folder.channel import FolderChannel
from ecluse.channels.folder.source import FolderPlace
from ecluse.channels.folder.spot import FolderSpot
from ecluse.channels.ftps.client import channel as ftps_channel
from ecluse.channels.ftps.client.channel import FtpsChannel
from ecluse.channels.ftps.client.spot import FtpsSpot
from ecluse.channels.sftp.client.channel import SftpChannel
from ecluse.channels.sftp.client.placing import Placing
from ecluse.channels.webdav.channel import WebDavChannel
from ecluse.channels.webdav.client import DavClient
from ecluse.channels.webdav.places import WebDavPlace
from ecluse.channels.webdav.spot import WebDavSpot
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.once import InDoubt, NotKnown, Spot, Staged
from ecluse.exchange.port import Channel
from ecluse.exchange.remembered import Remembered
from ecluse.exchange.remote import NameTaken
from ecluse.model.nouns import Message

DATA = os.urandom(70_000)


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    return Sender(tmp_path / "hub")


@pytest.fixture(params=FARS)
def far(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarEnd]:
    with far_end(request.param, tmp_path, monkeypatch) as made:
        yield made


def attempt(sender: Sender, far: FarEnd, message: Message, *, replace: bool = False) -> None:
    """By a process of its own; what comes of it is written down nowhere."""
    sender.deliver(far.channel(sender.hub, replace=replace), far.channel_name, message)


def stolen(sender: Sender, far: FarEnd) -> list[bytes]:
    """What a reader gets who takes the file as soon as it is there, of a delivery whose hub dies before its end is
    written down.
    """
    message = sender.message((NAME, DATA))
    attempt(sender, far, message)
    got = [far.take(NAME)]
    attempt(sender, far, message)
    got.append(far.take(NAME))
    assert far.all() == {}, "something is left over"
    return [data for data in got if data is not None]


def test_what_the_reader_has_taken_is_not_written_again(sender: Sender, far: FarEnd) -> None:
    assert stolen(sender, far) == [DATA]


def test_what_still_lies_there_is_found(sender: Sender, far: FarEnd) -> None:
    message = sender.message((NAME, DATA), ("b.txt", b"b"))
    attempt(sender, far, message)
    attempt(sender, far, message)
    assert far.all() == {NAME: DATA, "b.txt": b"b"}


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_before_it_appears(
    sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Once it is known to be whole it is not sent again."""
    message = sender.message((NAME, DATA))
    with killed(monkeypatch, when):
        attempt(sender, far, message)
    assert NAME not in far.all()
    with monkeypatch.context() as patch:
        if when == "after":
            patch.setattr(Remembered, "remember", None)
        attempt(sender, far, message)
    left = far.all()
    assert left.pop(NAME) == DATA
    # An upload whose id nobody knows is for the bucket's own rules.
    assert all(name.startswith("upload") for name in left)


def test_two_documents_of_one_message(sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one's unfinished file is not taken for a left-over of the first one's."""
    message = sender.message((NAME, DATA), ("second.edi", DATA[:50_000]))
    remember = Remembered.remember

    def second(self: Remembered, path: str, staged: Staged) -> None:
        remember(self, path, staged)
        if path.endswith("second.edi"):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Remembered, "remember", second)
        with pytest.raises(Killed):
            attempt(sender, far, message)
    assert far.take(NAME) == DATA
    attempt(sender, far, message)
    assert far.all() == {"second.edi": DATA[:50_000]}


def identical(sender: Sender, far: FarEnd, patch: pytest.MonkeyPatch, *, remembered: bool) -> None:
    """Somebody else's file of the same content comes under the name before ours could."""
    message = sender.message((NAME, DATA))
    with killed(patch, "after" if remembered else "before"):
        attempt(sender, far, message)
    far.put(NAME, DATA)
    with pytest.raises(NameTaken):
        attempt(sender, far, message)
    assert far.take(NAME) == DATA
    attempt(sender, far, message)
    assert far.take(NAME) == DATA, "ours never came"


@pytest.mark.parametrize("remembered", [False, True])
def test_the_same_content_of_somebody_else_is_not_ours(
    sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch, remembered: bool
) -> None:
    identical(sender, far, monkeypatch, remembered=remembered)


def test_another_file_came_after_ours_was_taken(sender: Sender, far: FarEnd) -> None:
    message = sender.message((NAME, DATA))
    attempt(sender, far, message)
    assert far.take(NAME) == DATA
    far.put(NAME, b"tomorrow's")
    attempt(sender, far, message)
    assert far.all() == {NAME: b"tomorrow's"}


def test_an_answer_that_is_lost_is_found_out_about(
    sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sender.message((NAME, DATA))
    with monkeypatch.context() as patch:
        lose_the_answer(patch)
        with pytest.raises(InDoubt):
            attempt(sender, far, message)
    assert far.take(NAME) == DATA
    attempt(sender, far, message)
    assert far.all() == {}


def lose_the_answer(patch: pytest.MonkeyPatch) -> None:
    """Every spot's last step is done, and its answer lost."""

    def lose(kind: type[Spot]) -> None:
        appear = kind.appear

        def lost(self: Spot, mark: str) -> str:
            appear(self, mark)
            raise InDoubt("The answer was lost.")

        patch.setattr(kind, "appear", lost)

    for kind in (BucketSpot, FolderSpot, FtpsSpot, Placing, WebDavSpot):
        lose(kind)


def test_replacing_happens_once(sender: Sender, far: FarEnd) -> None:
    far.put(NAME, b"old")
    message = sender.message((NAME, DATA))
    attempt(sender, far, message, replace=True)
    far.put(NAME, b"tomorrow's")
    attempt(sender, far, message, replace=True)
    assert far.all() == {NAME: b"tomorrow's"}


def test_a_person_who_wants_it_again_gets_it_again(sender: Sender, far: FarEnd) -> None:
    message = sender.message((NAME, DATA))
    attempt(sender, far, message)
    assert far.take(NAME) == DATA
    [delivery] = sender.hub.store.read(lambda view: view.deliveries(message.id))
    facts = {"deliveries": [delivery.id]}
    sender.hub.store.write(lambda tx: sender.hub.event(tx, "message.resent", message.id, facts))
    attempt(sender, far, message)
    assert far.take(NAME) == DATA


def tidied_up(sender: Sender, far: FarEnd, patch: pytest.MonkeyPatch) -> None:
    """Unfinished files are removed over there while the hub is down for a day."""
    message = sender.message((NAME, DATA))
    with killed(patch, "after"):
        attempt(sender, far, message)
    tidy(far)
    sender.hub.clock.forward(24 * 3600)  # type: ignore[attr-defined]
    attempt(sender, far, message)


def tidy(far: FarEnd) -> None:
    for name in far.all():
        far.drop_upload(name) if name.startswith("upload ") else far.take(name)
    assert far.all() == {}


def test_what_was_tidied_up_is_not_said_to_have_come(
    sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotKnown):
        tidied_up(sender, far, monkeypatch)


def test_what_came_a_day_ago_and_lies_there_is_found(sender: Sender, far: FarEnd) -> None:
    message = sender.message((NAME, DATA))
    attempt(sender, far, message)
    sender.hub.clock.forward(24 * 3600)  # type: ignore[attr-defined]
    attempt(sender, far, message)
    assert far.all() == {NAME: DATA}


def test_what_has_waited_for_a_day_appears_and_is_remembered_anew(
    sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sender.message((NAME, DATA))
    with killed(monkeypatch, "after"):
        attempt(sender, far, message)
    sender.hub.clock.forward(24 * 3600)  # type: ignore[attr-defined]
    attempt(sender, far, message)
    assert far.take(NAME) == DATA
    attempt(sender, far, message)
    assert far.all() == {}


@contextmanager
def storage(kind: str, sender: Sender, tmp: Path, patch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A place whose agreed folder may go away."""
    with ExitStack() as stack:
        if kind == "folder":
            path = tmp / "mounted" / "in"
            path.mkdir(parents=True)
            place = FolderPlace(path, create=True)
            yield Storage("folder:orders", path, lambda: FolderChannel(sender.hub, None, lambda name: place))
        elif kind == "openssh":
            server, world = (
                stack.enter_context(Sshd(tmp / "server")),
                stack.enter_context(World(tmp / "world")),
            )
            world.reach(server, 'folder = "in"')
            (server.files / "in").mkdir()
            yield Storage(
                "sftp:birch",
                server.files / "in",
                lambda: SftpChannel(sender.hub, lambda: world.directory, world.secret, world.links),
            )
        elif kind == "proftpd":
            far = stack.enter_context(foreign(kind, tmp))
            where = changed(far.place, folder="in")
            patch.setattr(ftps_channel, "place_of", lambda *_: where)
            path = far.server.folder / "in"
            path.mkdir()
            path.chmod(0o777)
            directory = SimpleNamespace(partner=lambda _: None)
            yield Storage("ftps:birch", path, lambda: FtpsChannel(sender.hub, lambda: directory))  # type: ignore[arg-type, return-value]
        else:
            dav = dav_far(kind)
            path = dav.folder / "in"
            path.mkdir()
            yield Storage(
                "webdav:birch",
                path,
                lambda: WebDavChannel(sender.hub, lambda name: WebDavPlace(DavClient(dav.access), "in")),
            )


class Storage(NamedTuple):
    """A channel's name, its folder over there, and what makes the channel."""

    channel_name: str
    folder: Path
    channel: Callable[[], Channel]


@pytest.mark.parametrize(
    "kind",
    [
        "folder",
        pytest.param("openssh", marks=pytest.mark.peer("sshd")),
        pytest.param("proftpd", marks=pytest.mark.peer("proftpd")),
        pytest.param("wsgidav", marks=pytest.mark.peer("wsgidav")),
    ],
)
def test_nothing_has_come_where_the_folder_itself_is_away(
    sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A server, or we, came back without the storage."""
    with storage(kind, sender, tmp_path, monkeypatch) as far:
        message = sender.message((NAME, DATA))
        with killed(monkeypatch, "after"):
            sender.deliver(far.channel(), far.channel_name, message)
        away = far.folder.with_name("away")
        far.folder.rename(away)
        with pytest.raises(EcluseError) as told:
            sender.deliver(far.channel(), far.channel_name, message)
        assert told.value.fault is not Fault.PERMANENT, "it is tried again"
        away.rename(far.folder)
        sender.deliver(far.channel(), far.channel_name, message)
        assert {path.name: path.read_bytes() for path in far.folder.iterdir()} == {NAME: DATA}


class TestMutants:
    """What the suite must find, in each channel."""

    def test_what_is_gone_has_come_however_long_ago(
        self, sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ecluse.exchange.remembered.KEPT_FOR", 1 << 60)
        tidied_up(sender, far, monkeypatch)
        assert far.all() == {}, "it was lost, and nobody is told"

    def test_nothing_is_remembered(
        self, sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Remembered, "left", lambda self, path: None)
        monkeypatch.setattr(Remembered, "appeared", lambda self, path: False)
        assert stolen(sender, far) == [DATA, DATA]

    def test_what_is_gone_is_thought_lost(
        self, sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left = Remembered.left

        def unsafe(self: Remembered, path: str) -> Staged | None:
            found = left(self, path)
            return found and Staged(found.mark, safe=False)

        monkeypatch.setattr(Remembered, "left", unsafe)
        assert stolen(sender, far) == [DATA, DATA]

    def test_the_content_decides(self, sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Remembered, "appeared", lambda self, path: True)
        if far.channel_name == "s3:birch":
            pytest.skip("an object says whose it is")
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            identical(sender, far, monkeypatch, remembered=False)

    def test_it_is_remembered_too_late(
        self, sender: Sender, far: FarEnd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Remembered, "remember", lambda self, path, staged: None)
        assert stolen(sender, far) == [DATA, DATA]
