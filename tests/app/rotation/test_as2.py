"""A key of ours is replaced over AS2: both accepted, each partner switched in its own time, one taken back."""

from __future__ import annotations

import pytest
from tests.support.as2_hubs import CEDAR, ELDER, aster_hub, eventually, id_of, message
from tests.support.as2_partner import http, receipt, scripted
from tests.support.as2_world import open_message

from ecluse.app.rotation.begin import NothingToRotate, Wanted, begin
from ecluse.app.rotation.board import board, rotation_list
from ecluse.app.rotation.hand import abandon, retire_now, revert_partners, switch_partners
from ecluse.app.rotation.tend import look
from ecluse.errors import EcluseError
from ecluse.model.basics import PartnerId
from ecluse.trust.rotation.states import WrongMoment
from ecluse.wire.as2 import events as as2
from ecluse.wire.as2.disposition import AUTHENTICATION_FAILED
from ecluse.wire.as2.errors import As2Failure


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with aster_hub(tmp_path_factory.mktemp("rotation") / "aster") as hub:
        yield hub


def answering(who, *known):
    """A server that takes what one of these certificates of ours signed, and refuses the rest with an MDN."""
    seen = []

    def step(request):
        for certificate in known:
            try:
                policy = as2.UnwrapPolicy((certificate,))
                open_message(request.headers, request.body, policy, who)
            except As2Failure:
                continue
            mdn = receipt(request, who, certificate)
            seen.append(certificate)
            break
        else:
            mdn = receipt(request, who, None, AUTHENTICATION_FAILED)
            seen.append(None)
        return http(200, mdn.body, tuple(pair for pair in mdn.headers if pair[0] != "Content-Length"))

    step.seen = seen
    return step


def use_it(hub, who, ref):
    """The partner encrypts to the successor."""
    node = hub.node
    headers, body = message(who, hub, to=node.keyring.certificate(ref))
    answer = hub.post(headers, body)
    assert answer.status == 200
    assert hub.received(id_of(headers), who.name.lower()).state.value != "rejected"
    return answer


def saw(hub, partner, ref):
    """What the channel notes of that."""
    from ecluse.trust.certificates import describe

    sha256 = describe(hub.node.keyring.certificate(ref)).fingerprint
    hub.node.hub.sightings.saw(PartnerId(partner), "as2", "decrypt", sha256)
    hub.node.hub.note_sightings(everything=True)


def stage(hub, id, partner):
    return next(each["state"] for each in board(hub.node, id)["partners"] if each["partner"] == partner)


def test_a_partner_is_switched_when_it_uses_the_successor_and_taken_back_when_it_refuses(hub):
    node = hub.node
    old = hub.certificate
    both = answering(CEDAR, old)
    stubborn = answering(ELDER, old)
    with scripted(both) as cedar, scripted(stubborn) as elder:
        hub.introduce(CEDAR, url=cedar.url())
        hub.introduce(ELDER, url=elder.url())
        begun = begin(node, Wanted(old="main", new="next", kind="rsa-2048"), actor="operator:test")
        assert begun.version is not None
        look(node, "next")
        new = node.keyring.certificate("next")
        assert [each["state"] for each in board(node, "next")["partners"]] == ["told", "told"]
        assert node.directory.partner("cedar").signing_key(node.hub.clock()) == "main"

        # Both are accepted from here on, and nobody is signed for with the successor.
        for ref in ("main", "next"):
            answer = use_it(hub, CEDAR, ref)
            assert answer.mdn(old).signed is not None
        hub.settled(hub.send("cedar").id, "confirmed")
        assert both.seen[-1] == old

        # Cedar was seen to use it, and knows both by now.
        cedar.steps[0] = both = answering(CEDAR, old, new)
        saw(hub, "cedar", "next")
        look(node, "next")
        assert stage(hub, "next", "cedar") == "switched"
        assert stage(hub, "next", "elder") == "told"
        hub.settled(hub.send("cedar").id, "confirmed")
        assert both.seen[-1] == new
        hub.settled(hub.send("elder").id, "confirmed")
        eventually(lambda: use_it(hub, CEDAR, "next").mdn(new).signed)  # once that message was accepted
        assert use_it(hub, ELDER, "main").mdn(old).signed is not None
        proven = next(each for each in board(node, "next")["partners"] if each["partner"] == "cedar")
        assert proven["proven"] is not None

        # Elder says that it has it, and has not: its receipt takes it back, and nothing is lost.
        switch_partners(node, "next", ["elder"], None, actor="operator:test", reason="by telephone")
        sent = [hub.send("elder") for _ in range(3)]
        for each in sent:
            hub.settled(each.id, "confirmed", seconds=20)
        assert stage(hub, "next", "elder") == "reverted"
        kinds = [hub.kinds(each.id) for each in sent]
        assert any("delivery.refused" in each for each in kinds)
        assert not any("message.failed" in each for each in kinds)
        assert all(hub.message(each.id).state.value == "delivered" for each in sent)
        refused = next(each for each, found in zip(sent, kinds, strict=True) if "delivery.refused" in found)
        ids = [request.header("Message-ID") for request in elder.requests]
        assert ids.count(refused.protocol_id) == 2
        told = [facts for kind, facts in hub.events("rotation:next") if kind == "rotation.reverted"]
        assert told[0]["partner"] == "elder"
        look(node, "next")
        assert stage(hub, "next", "elder") == "reverted"

        # A person switches it once it knows it; then everybody has it, and the old one can go.
        with pytest.raises(WrongMoment):
            retire_now(node, "next", actor="operator:test", reason="in a hurry")
        elder.steps[0] = answering(ELDER, old, new)
        switch_partners(node, "next", ["elder"], None, actor="operator:test", reason="by telephone")
        hub.settled(hub.send("elder").id, "confirmed")
        assert board(node, "next")["state"] == "complete"
        retire_now(node, "next", actor="operator:test", reason="everybody has it")
        assert board(node, "next")["state"] == "retired"
        assert [(key.ref, key.use) for key in node.directory.organisation.keys] == [
            ("main", ("decrypt",)),
            ("next", ("sign", "decrypt")),
        ]
        hub.settled(hub.send("cedar").id, "confirmed")
        assert use_it(hub, CEDAR, "main").mdn(new).signed is not None
        assert rotation_list(node) == []
        assert [each["state"] for each in rotation_list(node, everything=True)] == ["retired"]


def test_a_rotation_that_is_abandoned_leaves_the_old_key_with_everybody(hub):
    node = hub.node
    used = node.directory.organisation.keys[-1].ref
    begin(node, Wanted(old=used, new="third", kind="rsa-2048", policy="hand"), actor="operator:test")
    look(node, "third")
    switch_partners(node, "third", [], None, actor="operator:test", reason="all at once")
    assert node.directory.partner("cedar").signing_key(node.hub.clock()) == "third"
    revert_partners(node, "third", ["cedar"], actor="operator:test", reason="a mistake")
    assert node.directory.partner("cedar").signing_key(node.hub.clock()) == used
    assert node.directory.partner("elder").signing_key(node.hub.clock()) == "third"
    abandon(node, "third", actor="operator:test", reason="made on the wrong machine")
    for partner in ("cedar", "elder"):
        assert node.directory.partner(partner).signing_key(node.hub.clock()) == used
        assert "third" in node.directory.partner(partner).decrypt_keys()
    assert use_it(hub, CEDAR, "third").mdn(node.keyring.certificate(used)).signed is not None


def test_letters_hold_the_card_and_the_fingerprint(hub):
    node = hub.node
    used = next(key.ref for key in node.directory.organisation.keys if "sign" in key.use)
    begin(node, Wanted(old=used, new="fourth", kind="rsa-2048"), actor="operator:test")
    look(node, "fourth")
    letter = (node.folder / "letters" / "fourth" / "cedar.eml").read_text()
    assert "BEGIN CERTIFICATE" not in letter.partition("\n\n")[0]
    assert board(node, "fourth")["certificate_sha256"] in letter
    with pytest.raises(NothingToRotate):
        begin(node, Wanted(old=used), actor="operator:test")
    with pytest.raises(NothingToRotate):
        begin(node, Wanted(old="nothing"), actor="operator:test")
    abandon(node, "fourth", actor="operator:test", reason="a test")


def test_another_node_takes_the_choice_up(hub):
    """A serving node looks at the choices every second, without reading the configuration again."""
    from ecluse.app.opening import open_node

    node = hub.node
    used = next(key.ref for key in node.directory.organisation.keys if "sign" in key.use)
    begin(node, Wanted(old=used, new="fifth", kind="rsa-2048", policy="hand"), actor="operator:test")
    look(node, "fifth")
    with open_node(node.folder) as other:
        switch_partners(other, "fifth", ["cedar"], None, actor="operator:test", reason="from there")
    before = node.directory.configuration
    eventually(lambda: node.directory.partner("cedar").signing_key(node.hub.clock()) == "fifth", 60)
    assert node.directory.configuration is before
    assert node.directory.partner("elder").signing_key(node.hub.clock()) == used


def test_what_can_not_be_done_is_refused(hub):
    for work in (
        lambda: board(hub.node, "nothing"),
        lambda: switch_partners(hub.node, "fifth", ["nobody"], None, actor="operator:test", reason="x"),
        lambda: switch_partners(hub.node, "fifth", ["cedar"], None, actor="operator:test", reason="again"),
        lambda: revert_partners(hub.node, "fifth", ["elder"], actor="operator:test", reason="x"),
    ):
        with pytest.raises(EcluseError):
            work()
