from __future__ import annotations

from tests.support.as2_hubs import CEDAR, aster_hub
from tests.support.as2_partner import confirm_later, receipt, say, scripted

from ecluse.channels.as2 import receiver
from ecluse.channels.as2.allowance import Allowance
from ecluse.model.basics import Instant


def test_an_allowance():
    second = 1_000_000
    allowance = Allowance(2, 10)
    start = 1_790_000_000 * second
    assert [allowance.take(Instant(start)) for _ in range(4)] == [0, 0, None, None]
    assert allowance.take(Instant(start + 11 * second)) == 2
    assert allowance.take(Instant(start + 12 * second)) is None
    assert [allowance.take(Instant(start + 3600 * second)) for _ in range(3)] == [1, 0, None]
    # A clock that is set back neither fills it nor keeps it empty until it is as late again.
    assert allowance.take(Instant(start)) is None
    assert allowance.take(Instant(start + 11 * second)) == 2


def test_a_receipt_that_is_sent_again_and_again_is_recorded_so_often(tmp_path, monkeypatch):
    monkeypatch.setattr(receiver, "REFUSALS", 3)
    monkeypatch.setattr(receiver, "REFUSALS_EVERY", 1000.0)
    with aster_hub(tmp_path / "aster") as hub, scripted(say(202)) as theirs:
        hub.introduce(CEDAR, 'receipt = "async"\n', url=theirs.url())
        sent = hub.send("cedar")
        hub.settled(sent.id, "sent")
        mdn = receipt(theirs.requests[0], CEDAR, hub.certificate)
        for _ in range(6):
            assert confirm_later(hub.port, mdn).status == 200
        assert hub.delivery(sent.id).state.value == "confirmed"
        assert hub.kinds(sent.id).count("receipt.repeated") == 3
        assert len(hub.receipts(sent.id)) == 4
