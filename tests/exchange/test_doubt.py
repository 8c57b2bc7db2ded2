"""Whoever gives up waiting for a commit does not know how it ended: bytes that it may have kept stay."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest
from tests.support.hubs import FakeClock, bare_hub

from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.hub import Hub
from ecluse.exchange.intake import Arrival, Duplicate, Intake, Kept, Reply
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Direction
from ecluse.store.port import Conflict, StoreUnavailable

BIRCH = PartnerId("birch")
MDN = Reply(200, (), b"processed")
LARGE = b"UNB+UNOC:3'" + bytes(5000)


class Doubting:
    """A store that commits, and loses the connection before it can say so."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)

    def submit(self, work):
        self.real.submit(work).result()
        future = Future()
        future.set_exception(StoreUnavailable("The connection was lost while it committed."))
        return future

    def write(self, work):
        return self.submit(work).result()


@pytest.fixture
def hub(tmp_path):
    hub = bare_hub(tmp_path, FakeClock())
    yield hub
    hub.store.close()


def begin(hub, data=LARGE):
    intake = Intake(hub, Arrival(BIRCH, "as2", "<1@birch>"))
    intake.exact(data)
    intake.begin_document("application/octet-stream", "")
    intake.document_data(data, in_exact=True)
    intake.end_document(0)
    return intake


def content(hub, direction):
    message = hub.store.read(lambda view: view.find_message(direction, BIRCH, "<1@birch>"))
    with hub.document(message.parts[0]) as document:
        return b"".join(document.chunks())


def doubting(hub):
    return Hub(Doubting(hub.store), hub.vault, hub.clock, hub.entropy, "test")


def test_an_intake_whose_commit_is_in_doubt_keeps_its_bytes(hub):
    intake = begin(doubting(hub))
    with pytest.raises(StoreUnavailable):
        intake.accept(b"{}", {}, MDN).result()
    intake.discard()
    # The partner comes again, is told that it was processed, and so it was.
    again = begin(hub)
    assert isinstance(again.accept(b"{}", {}, MDN).result(), Duplicate)
    again.discard()
    assert content(hub, Direction.IN) == LARGE


def test_an_intake_that_is_given_up_before_its_commit_keeps_its_bytes(hub):
    """A node that stops gives up requests that wait for the database."""
    held = threading.Event()
    blocker = hub.store.submit(lambda tx: held.wait(10))
    intake = begin(hub)
    future = intake.accept(b"{}", {}, MDN)
    intake.discard()
    held.set()
    blocker.result()
    assert isinstance(future.result(), Kept)
    assert content(hub, Direction.IN) == LARGE


def test_what_a_duplicate_brought_is_deleted(hub):
    begin(hub).accept(b"{}", {}, MDN).result()
    before = list(hub.vault.place.ids())
    again = begin(hub)
    again.accept(b"{}", {}, MDN).result()
    assert len(list(hub.vault.place.ids())) == len(before) + 1
    again.discard()
    assert list(hub.vault.place.ids()) == before


def test_what_was_never_committed_is_deleted(hub, monkeypatch):
    intake = begin(hub)
    monkeypatch.setattr(Hub, "event", lambda *_, **__: (_ for _ in ()).throw(Conflict("taken")))
    with pytest.raises(Conflict):
        intake.accept(b"{}", {}, MDN).result()
    intake.discard()
    assert list(hub.vault.place.ids()) == []


def send(hub):
    document = HandIn("a.edi", "application/edifact", [LARGE])
    return hand_in(hub, BIRCH, "as2:birch", [document], protocol="as2", protocol_id="<1@birch>")


def test_a_document_handed_in_whose_commit_is_in_doubt_keeps_its_bytes(hub):
    with pytest.raises(StoreUnavailable):
        send(doubting(hub))
    assert content(hub, Direction.OUT) == LARGE


def test_a_document_that_can_t_be_handed_in_leaves_no_bytes(hub):
    send(hub)
    before = list(hub.vault.place.ids())
    with pytest.raises(Conflict):
        send(hub)
    assert list(hub.vault.place.ids()) == before
