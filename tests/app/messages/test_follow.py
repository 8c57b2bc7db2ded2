"""Who waits for a message is told why it failed, and what to do."""

from __future__ import annotations

from tests.support.as2_hubs import CEDAR, aster_hub

from ecluse.app.messages.follow import follow

QUICK = 'retry = { attempts = 2, base = "1ms", cap = "2ms" }\n'


def test_a_failure_comes_with_its_remedy(tmp_path):
    with aster_hub(tmp_path / "aster") as hub:
        hub.introduce(CEDAR, QUICK, url="http://127.0.0.1:9/as2")
        sent = hub.send("cedar")
        steps = []
        end = follow(hub.node, sent.id, 10, steps.append)
    assert (end.confirmed, end.delivery, end.attempts) == (False, "dead", 2)
    assert end.text.count(". ") >= 1, "the cause and its remedy"
    assert f"ecluse message resend {sent.id}" in end.remedy
    assert steps[-1].text.endswith(end.text)
