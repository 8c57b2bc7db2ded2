"""Partners whose servers take a request and say nothing hold up nobody else."""

from __future__ import annotations

import threading

from tests.support.as2_hubs import CEDAR, aster_hub, eventually, id_of, message
from tests.support.as2_partner import cut, say, scripted
from tests.support.as2_world import party

BIRCH, DOGWOOD = party("Birch"), party("Dogwood")


def test_what_comes_in_is_opened_put_down_and_answered(tmp_path):
    let_go = threading.Event()

    def hang(request):
        let_go.wait(30)
        return cut(request)

    with aster_hub(tmp_path / "aster") as hub, scripted(hang) as silent, scripted(say(200)) as theirs:
        hub.introduce(CEDAR, url=theirs.url())
        for who in (BIRCH, DOGWOOD):
            hub.introduce(who, url=silent.url())
            for _ in range(5):
                hub.send(who.name.lower())
        try:
            eventually(lambda: silent.at_once == 8)
            headers, body = message(CEDAR, hub, url=theirs.url("/mdn"))
            assert hub.post(headers, body).status == 200
            kept = hub.received(id_of(headers))
            eventually(lambda: "answer.sent" in hub.kinds(kept.id))
            assert hub.settled(kept.id, "confirmed").channel == "folder:inbox"
            assert silent.at_once == 8
        finally:
            let_go.set()


def test_what_comes_in_has_workers_that_no_partner_can_hold(tmp_path):
    let_go = threading.Event()

    def hang(request):
        let_go.wait(30)
        return cut(request)

    with aster_hub(tmp_path / "aster") as hub, scripted(hang) as silent:
        hub.introduce(CEDAR, "concurrency = 64", url=silent.url())
        for _ in range(33):
            hub.send("cedar")
        try:
            eventually(lambda: silent.at_once == 32)
            headers, body = message(CEDAR, hub, url=silent.url("/mdn"))
            assert hub.post(headers, body).status == 200
            kept = hub.received(id_of(headers))
            eventually(lambda: hub.kinds(kept.id)[1:2] == ["message.accepted"])
            hub.settled(kept.id, "confirmed")
        finally:
            let_go.set()
