"""Two hubs tell each other of a new certificate by a certificate exchange message, and both go over to it."""

from __future__ import annotations

import pytest
from tests.support.as2_hubs import CEDAR, aster_hub, cards, eventually, fresh_id, message

from ecluse.app.rotation.begin import Wanted, begin
from ecluse.app.rotation.board import board
from ecluse.app.rotation.hand import abandon, retire_now
from ecluse.app.rotation.tend import look
from ecluse.app.rotation.theirs import NoSuchOffer, accept_offer, offer_list, refuse_offer, take
from ecluse.channels.as2.exchange import exchange_document
from ecluse.trust.certificates import describe
from ecluse.trust.sightings import Seen, sightings_of
from ecluse.wire.as2.build import Part
from ecluse.wire.as2.exchange import ExchangeRequest, TrustRequest, write_request

WHO = "operator:test"


@pytest.fixture
def hubs(tmp_path):
    with aster_hub(tmp_path / "aster") as aster, aster_hub(tmp_path / "birch", name="Birch") as birch:
        cards(aster, birch, "birch", "certificate_exchange = true\n")
        cards(birch, aster, "aster", "certificate_exchange = true\n")
        yield aster, birch


def stage(hub, id, partner):
    hub.node.hub.note_sightings(everything=True)
    look(hub.node, id)
    return next(each["state"] for each in board(hub.node, id)["partners"] if each["partner"] == partner)


def seen(hub, partner, role):
    hub.node.hub.note_sightings(everything=True)
    found = hub.node.store.read(lambda view: sightings_of(view, partner))
    return [each.value for each in Seen(found).values("as2", role)]


def test_both_sides_go_over(hubs):
    aster, birch = hubs
    begin(aster.node, Wanted(old="main", new="next", kind="rsa-2048"), actor=WHO)
    look(aster.node, "next")
    assert board(aster.node, "next")["partners"][0]["told_by"] == "message"
    found = eventually(lambda: offer_list(birch.node))[0]
    new = describe(aster.node.keyring.certificate("next"))
    assert found["certificate_sha256"] == new.fingerprint
    assert found["use"] == ["verify", "encrypt"]
    # It changes nothing by itself, and no application sees it.
    assert len(birch.node.directory.partner("aster").certificates.entries) == 1
    assert list((birch.node.folder / "inbox").rglob("*")) == []
    sent = aster.send("birch")
    aster.settled(sent.id, "confirmed")

    accept_offer(birch.node, found["id"], actor=WHO, reason="read out by Ms Moreau")
    assert stage(birch, found["id"], "aster") == "told"
    view = birch.node.directory.partner("aster")
    now = birch.node.hub.clock()
    assert len(view.verify_certificates(now)) == 2
    assert describe(view.encrypt_certificate(now)).fingerprint != new.fingerprint
    eventually(lambda: stage(aster, "next", "birch") == "switched")

    # Aster signs with it, so Birch encrypts to it; Aster sees that, and everybody has gone over.
    aster.settled(aster.send("birch").id, "confirmed")
    assert seen(birch, "aster", "verify")[0] == new.fingerprint
    assert stage(birch, found["id"], "aster") == "switched"
    birch.settled(birch.send("aster").id, "confirmed")
    assert seen(aster, "birch", "decrypt")[0] == new.fingerprint
    retire_now(aster.node, "next", actor=WHO, reason="done")
    retire_now(birch.node, found["id"], actor=WHO, reason="done")
    entries = birch.node.directory.partner("aster").certificates.entries
    assert [(entry.info.fingerprint, entry.succeeds) for entry in entries] == [(new.fingerprint, frozenset())]
    for hub, partner in ((aster, "birch"), (birch, "aster")):
        hub.settled(hub.send(partner).id, "confirmed")
    with pytest.raises(NoSuchOffer):
        accept_offer(birch.node, found["id"], actor=WHO, reason="again")


def test_what_is_refused_is_told(hubs):
    aster, birch = hubs
    begin(aster.node, Wanted(old="main", new="next", kind="rsa-2048"), actor=WHO)
    look(aster.node, "next")
    found = eventually(lambda: offer_list(birch.node))[0]
    refuse_offer(birch.node, found["id"], actor=WHO, reason="nobody there knows of it")
    eventually(lambda: stage(aster, "next", "birch") == "refused")
    why = board(aster.node, "next")["partners"][0]["why"]
    assert "nobody there knows of it" in why
    assert aster.node.directory.partner("birch").signing_key(aster.node.hub.clock()) == "main"
    assert offer_list(birch.node) == []
    assert [each["state"] for each in offer_list(birch.node, everything=True)] == ["refused"]


def offer_from(hub, who, name, *, sign=True, serial=None, chains=None):
    certificate = who.certificate
    trust = TrustRequest(
        ("digitalSignature",), "CN=x", serial if serial is not None else certificate.serial_number, "c@x"
    )
    xml = write_request(ExchangeRequest("r-1", name, "2026-11-22T00:00:00Z", (trust,)))
    content_type, body = exchange_document(
        xml, [("c@x", each) for each in (chains or [[certificate]])], "boundary-1"
    )
    headers, data = message(who, hub, body, message_id=fresh_id(), sign=sign, part=Part(content_type))
    assert hub.post(headers, data).status == 200
    return eventually(lambda: hub.received(dict(headers)["Message-ID"]))


def test_what_can_not_be_believed_waits_for_a_person(hubs):
    from tests.support.as2_world import party

    aster, _ = hubs
    other = party("Dahlia")
    aster.introduce(CEDAR, "require_signed = false")
    for more in ({"sign": False}, {"serial": 1}, {"chains": [[other.certificate]]}, {"name": "DAHLIA"}):
        found = offer_from(aster, CEDAR, **{"name": "CEDAR", **more})
        eventually(lambda id=found.id: aster.message(id).state.value == "failed")
        assert aster.delivery(found.id).reason_code == "as2.bad-certificate-exchange"
    assert offer_list(aster.node) == []


def test_a_certificate_that_came_by_letter_is_taken_up_and_may_be_given_up(hubs):
    aster, _ = hubs
    from tests.support.as2_world import party

    aster.introduce(CEDAR)
    new = party("Cedar", "ec")
    begun = take(aster.node, "cedar", new.pem_certificate(), actor=WHO, reason="by telephone")
    assert stage(aster, begun.rotation.id, "cedar") == "told"
    view = aster.node.directory.partner("cedar")
    now = aster.node.hub.clock()
    assert view.encrypt_certificate(now) == CEDAR.certificate
    assert set(view.verify_certificates(now)) == {CEDAR.certificate, new.certificate}
    text = (aster.node.folder / "partners" / "cedar.toml").read_text()
    assert 'succeeds = "certificates/cedar.pem"' in text
    abandon(aster.node, begun.rotation.id, actor=WHO, reason="another one came")
    view = aster.node.directory.partner("cedar")
    assert [entry.certificate for entry in view.certificates.entries] == [CEDAR.certificate]
