"""What a partner uses over AS2 is seen: of accepted messages, of receipts, and of nothing that is not proven."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from tests.support.as2_hubs import CEDAR, ELDER, HAZEL, aster_hub, eventually, id_of, message
from tests.support.as2_partner import confirm, confirm_later, receipt, say, scripted
from tests.support.seen import seen


def fingerprint(certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seen") / "aster"
    with aster_hub(folder, public_url="http://aster.example/as2") as found:
        found.introduce(CEDAR)
        found.introduce(ELDER, "require_signed = false\nrequire_encrypted = false\n")
        yield found


def test_an_accepted_message_shows_its_keys_and_algorithms(hub):
    assert hub.post(*message(CEDAR, hub)).status == 200
    assert seen(hub.node.hub, "cedar", "as2") == {
        "verify": {fingerprint(CEDAR.certificate)},
        "signature-algorithm": {"rsa-sha256"},
        "encryption-algorithm": {"aes-256-cbc"},
        "key-algorithm": {"rsa-pkcs1"},
        "decrypt": {fingerprint(hub.certificate)},
        "receipt-asked": {"signed"},
    }
    again = message(CEDAR, hub, encrypt="aes-256-gcm", receipt=None)
    assert hub.post(*again).status == 200
    found = seen(hub.node.hub, "cedar", "as2")
    assert found["encryption-algorithm"] == {"aes-256-cbc", "aes-256-gcm"}
    assert found["receipt-asked"] == {"signed", "none"}
    told = [facts for kind, facts in hub.events("partner:cedar") if kind == "partner.seen-new"]
    assert {(facts["role"], facts["value"], *facts["before"]) for facts in told} == {
        ("encryption-algorithm", "aes-256-gcm", "aes-256-cbc"),
        ("receipt-asked", "none", "signed"),
    }


def test_a_message_that_is_refused_shows_nothing(hub):
    before = seen(hub.node.hub, "cedar", "as2")
    answer = hub.post(*message(CEDAR, hub, sign=False))
    assert not answer.mdn(hub.certificate).mdn.disposition.is_success
    forged = message(ELDER, hub, as2_from="CEDAR")
    assert not hub.post(*forged).mdn(hub.certificate).mdn.disposition.is_success
    assert seen(hub.node.hub, "cedar", "as2") == before


def test_what_is_not_protected_is_said_so(hub):
    assert hub.post(*message(ELDER, hub, sign=False, encrypt="", signed_receipt=False)).status == 200
    found = seen(hub.node.hub, "elder", "as2")
    assert found["signature-algorithm"] == found["encryption-algorithm"] == {"none"}
    assert "verify" not in found
    assert "decrypt" not in found


def test_a_message_that_is_opened_later(hub):
    with scripted(say(200)) as there:
        url = f"http://127.0.0.1:{there.port}/mdn"
        hub.introduce(CEDAR, url=url)
        sent = message(CEDAR, hub, receipt="async", url=url, encrypt="aes-128-cbc")
        assert hub.post(*sent).status in (200, 204)
        eventually(lambda: "aes-128-cbc" in seen(hub.node.hub, "cedar", "as2")["encryption-algorithm"])
    assert hub.received(id_of(sent[0])) is not None


@pytest.mark.parametrize("signed", [True, False])
def test_receipts_show_who_signs_them(hub, signed):
    with scripted(confirm(CEDAR, hub.certificate, signed=signed)) as there:
        hub.introduce(CEDAR, 'retry = { attempts = 1, base = "1ms", cap = "1ms" }', url=there.url())
        sent = hub.send("cedar")
        hub.settled(sent.id, "confirmed", "refused", "dead")
    found = seen(hub.node.hub, "cedar", "as2")
    assert ("signed" if signed else "unsigned") in found["receipt"]
    assert found["tls-version"] == {"none"}
    assert found["mdn-verify"] == {fingerprint(CEDAR.certificate)}


def test_a_receipt_on_a_connection_of_its_own(hub):
    """One that is not signed may be anybody's: it shows nothing."""
    with scripted(say(200)) as there:
        hub.introduce(HAZEL, 'receipt = "async"', url=there.url())
        sent = hub.send("hazel")
        hub.settled(sent.id, "sent")
        asked = there.requests[0]
        confirm_later(hub.port, receipt(asked, HAZEL, hub.certificate, signed=False))
        confirm_later(hub.port, receipt(asked, HAZEL, hub.certificate, by=CEDAR))
        before = seen(hub.node.hub, "hazel", "as2")
        assert set(before) == {"tls-version"}
        confirm_later(hub.port, receipt(asked, HAZEL, hub.certificate))
        hub.settled(sent.id, "confirmed")
    found = seen(hub.node.hub, "hazel", "as2")
    assert found["mdn-verify"] == {fingerprint(HAZEL.certificate)}
    assert found["receipt"] == {"signed"}
    assert found["mdn-signature-algorithm"] == {"rsa-sha256"}
