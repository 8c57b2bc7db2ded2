"""Persons' requests: found, handed out, erased or refused with the reason, in time."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.hubs import FakeClock
from tests.support.operators import four_eyed, person

from ecluse.app.node import Node
from ecluse.app.subjects import erasing, letters, requests
from ecluse.app.subjects.deadlines import GROUNDS, Ground, Law, due, extended
from ecluse.app.subjects.erasing import NotSigned, carry_out, plan_erasure, sign_plan
from ecluse.app.subjects.export import export_request
from ecluse.app.subjects.requests import BadRequest, Item, NoSuchRequest, Request, find_request, open_request
from ecluse.app.subjects.searching import _streamed, _Words, search
from ecluse.archive.commitments import ERASED, revealed
from ecluse.archive.holds import Criteria, Hold, hold_record
from ecluse.evidence.loop import SequencerLoop
from ecluse.evidence.sequencer import Sequencer
from ecluse.evidence.verify import verify_log
from ecluse.exchange.intake import Arrival, Intake, Kept
from ecluse.model.basics import Instant, PartnerId
from ecluse.model.nouns import Message
from ecluse.model.states import MessageState
from ecluse.wire.sshsig import BadSshSignature

DAY = 86_400


def arrive(node: Node, name: str, data: bytes, *, ended: bool = True, subject: str = "") -> Message:
    """A document of Birch's that everything is done with."""
    hub = node.hub
    arrival = Arrival(
        PartnerId("birch"),
        "as2",
        f"<{hub.new_id('x')}@birch>",
        subject=subject,
        facts={"address": "192.0.2.7"},
    )
    intake = Intake(hub, arrival)
    intake.begin_document("application/octet-stream", name)
    intake.document_data(data, in_exact=False)
    intake.end_document(None)
    outcome = intake.accept(b"{}", {}, None).result()
    assert isinstance(outcome, Kept)
    message = outcome.message
    if ended:
        message = msgspec.structs.replace(
            hub.store.read(lambda view: view.message(message.id)), state=MessageState.DELIVERED
        )
        hub.store.write(lambda tx: tx.update_message(message))
    return message


def seal(node: Node) -> None:
    sequencer = Sequencer(node.store, node.hub.clock, node.log_key, node.keyring.log_sign, node="test")
    loop = SequencerLoop(sequencer, node.hub.clock, lambda *told: None)
    loop.start()
    loop.stop()


def ask(node: Node, *words: str, wants: str = "erasure", law: Law = Law.GDPR, received: str = "") -> Request:
    return open_request(node, words, law=law, wants=wants, received=received, actor="operator:test")  # type: ignore[arg-type]


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)))
def test_a_month_ends_on_the_day_of_the_same_number(day: date) -> None:
    last = due(Law.GDPR, day)
    assert 28 <= (last - day).days <= 31
    assert last.day in (day.day, 28, 29, 30)
    assert (extended(Law.GDPR, day) - day).days <= 92
    assert (due(Law.CCPA, day) - day).days == 45
    assert due(Law.GDPR, date(2027, 1, 31)) == date(2027, 2, 28)


def test_every_ground_has_its_article() -> None:
    for law in Law:
        assert set(GROUNDS[law]) == set(Ground)


def test_what_names_a_person_is_found(node: Node) -> None:
    arrive(node, "payslip-JANE-Doe.pdf", b"x", subject="For jane.doe@birch.example")
    arrive(node, "order.edi", b"UNB" * 400_000 + "Jane Doé".encode("latin-1") + b"'")
    arrive(node, "other.edi", b"nothing")
    node.store.write(
        lambda tx: node.hub.event(
            tx, "flow.paused", "flow:x", {"reason": "Jane DOE rang"}, actor="operator:test"
        )
    )
    seal(node)
    found = list(search(node, ["jane-doe", "jane.doe@", "jane doe"]))
    assert {(each.place, each.field) for each in found} >= {
        ("message", "subject"),
        ("message", "documents[0].name"),
        ("log", "flow.paused"),
    }
    assert not any(each.place == "document" for each in found)
    deep = [each for each in search(node, ["Jane Doé"], in_documents=True) if each.place == "document"]
    assert len(deep) == 1
    assert list(search(node, ["Nobody Whatever"], in_documents=True)) == []


@given(st.integers(0, 40), st.integers(1, 7))
def test_a_word_across_pieces_is_found(before: int, size: int) -> None:
    data = b"." * before + b"JANE DOE" + b"." * 5
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert _streamed(iter(pieces), _Words(["Jane Doe"]))
    assert not _streamed(iter([piece.replace(b"J", b"j!") for piece in [data]]), _Words(["Jane Doe"]))


def test_erased_refused_and_proven(node: Node, clock: FakeClock) -> None:
    named = arrive(node, "payslip-jane-doe.pdf", b"the content")
    inside = arrive(node, "list.edi", b"... Jane-Doe ...")
    held = arrive(node, "claim-jane-doe.pdf", b"y")
    running = arrive(node, "jane-doe-late.edi", b"z", ended=False)
    hold = Hold("h1", node.hub.clock(), "operator:x", "A dispute.", "4711/26", Criteria(ids=(held.id,)))
    node.store.write(lambda tx: tx.add_record(hold_record(hold)))
    node.store.write(lambda tx: node.hub.event(tx, "flow.paused", "flow:x", {"reason": "jane-doe rang"}))
    seal(node)
    before = node.store.read(lambda view: view.log_size())
    request = ask(node, "jane-doe")
    planned = plan_erasure(node, request.id, in_documents=True)
    by = {item.id: item for item in planned.plan}
    assert (by[named.id].does, by[named.id].classes) == ("erase", ("names",))
    assert (by[inside.id].does, set(by[inside.id].classes)) == (
        "erase",
        {"names", "payload", "receipts", "wire"},
    )
    assert (by[held.id].does, by[held.id].ground, by[held.id].reference) == ("refuse", "legal-claims", "h1")
    assert (by[running.id].does, by[running.id].ground) == ("refuse", "contract")
    assert by["flow:x"].does == "erase"
    done = carry_out(node, request.id, actor="operator:test", reason="checked")
    assert {item.id: item.outcome for item in done.plan if item.outcome == "erased"}.keys() >= {
        named.id,
        inside.id,
        "flow:x",
    }
    after = node.store.read(lambda view: view.message(named.id))
    assert after is not None
    assert not after.shredded
    assert after.parts[0].name == ""
    gone = node.store.read(lambda view: view.message(inside.id))
    assert gone is not None
    assert gone.shredded
    assert revealed(node.store.read(lambda view: view.events("flow:x"))[0]) == {"reason": ERASED}
    with pytest.raises(BadRequest, match="was answered"):
        carry_out(node, request.id, actor="operator:test", reason="again")
    seal(node)
    report = verify_log(node.store, [node.log_key])
    assert report.problem is None
    assert report.size > before
    left = {each.id for each in search(node, ["jane-doe"], in_documents=True) if each.place != "record"}
    assert named.id not in left
    assert inside.id not in left
    text = letters.letter(done, node.directory.organisation, node.hub.clock())
    assert "article 17(3)(e)" in text
    assert "We have erased" in text
    assert "jane" not in text.lower()
    assert "Nous avons effacé" in letters.letter(done, node.directory.organisation, node.hub.clock(), "fr")


def test_what_changed_since_the_plan_is_refused_and_the_rest_goes_on(node: Node) -> None:
    one = arrive(node, "jane-doe-1.pdf", b"x")
    two = arrive(node, "jane-doe-2.pdf", b"x")
    request = ask(node, "jane-doe")
    plan_erasure(node, request.id)
    hold = Hold("h1", node.hub.clock(), "operator:x", "A dispute.", "4711/26", Criteria(ids=(one.id,)))
    node.store.write(lambda tx: tx.add_record(hold_record(hold)))
    done = carry_out(node, request.id, actor="operator:test", reason="checked")
    assert {item.id: item.outcome for item in done.plan if item.what == "message"} == {
        one.id: "refused",
        two.id: "erased",
    }


def test_two_operators_sign_exactly_the_plan(tmp_path: Path) -> None:
    with four_eyed(tmp_path / "hub") as node:
        arrive(node, "jane-doe.pdf", b"x")
        request = ask(node, "jane-doe")
        with pytest.raises(BadRequest, match="no plan"):
            carry_out(node, request.id, actor="operator:test", reason="x")
        plan_erasure(node, request.id)
        assert erasing.eyes(node) == 2
        signers = [replace(person(name).signer(), namespace="ecluse-archive") for name in ("ada", "berta")]
        sign_plan(node, request.id, signers[0])
        sign_plan(node, request.id, signers[0])
        with pytest.raises(NotSigned, match="1 of 2"):
            carry_out(node, request.id, actor="operator:test", reason="x")
        with pytest.raises(BadSshSignature):
            sign_plan(node, request.id, person("berta").signer())  # meant for something else
        sign_plan(node, request.id, signers[1])
        arrive(node, "jane-doe-2.pdf", b"x")
        plan_erasure(node, request.id)
        with pytest.raises(NotSigned, match="0 of 2"):
            carry_out(node, request.id, actor="operator:test", reason="x")
        for signer in signers:
            sign_plan(node, request.id, signer)
        assert carry_out(node, request.id, actor="operator:test", reason="x").answer == "erased"


def test_handed_out_in_one_file(node: Node, tmp_path: Path) -> None:
    message = arrive(node, "jane-doe.pdf", b"Dear Jane-Doe, ...")
    request = ask(node, "jane-doe", wants="access")
    facts = export_request(node, request.id, tmp_path / "out.zip", in_documents=True, actor="operator:test")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert archive.read(f"documents/{message.id}/0") == b"Dear Jane-Doe, ..."
        found = msgspec.json.decode(archive.read("found.json"))
    assert f"messages/{message.id}.json" in names
    assert {each["place"] for each in found} >= {"message", "document"}
    assert facts["state"] == "exported"
    assert facts["in_time"] is True
    with pytest.raises(BadRequest, match="asks for access"):
        plan_erasure(node, request.id)


def test_refused_extended_late(node: Node, clock: FakeClock) -> None:
    today = requests._day(node.hub.clock()).isoformat()
    request = ask(node, "jane-doe", law=Law.CCPA)
    assert request.due == due(Law.CCPA, date.fromisoformat(today)).isoformat()
    longer = requests.extend(node, request.id, actor="operator:test", reason="ten years of invoices")
    assert longer.due == extended(Law.CCPA, date.fromisoformat(today)).isoformat()
    with pytest.raises(BadRequest, match="extended already"):
        requests.extend(node, request.id, actor="operator:test", reason="more")
    for language in letters.LANGUAGES:
        assert longer.extended in letters.letter(
            longer, node.directory.organisation, node.hub.clock(), language
        )
    clock.forward(100 * DAY)
    refused = requests.refuse(node, request.id, actor="operator:test", reason="1798.145: unfounded")
    assert not requests.in_time(refused)
    assert "unfounded" in letters.letter(refused, node.directory.organisation, node.hub.clock())
    with pytest.raises(NoSuchRequest):
        node.store.read(lambda view: find_request(view, "q0"))
    for words in (["ab"], [], ["x" * 3] * 1 + [str(n) * 3 for n in range(30)]):
        with pytest.raises(BadRequest):
            ask(node, *words)
    with pytest.raises(BadRequest):
        ask(node, "jane", received="2999-01-01")
    with pytest.raises(BadRequest):
        ask(node, "jane", received="soon")


@given(
    st.lists(
        st.builds(
            Item,
            what=st.sampled_from(["message", "log", "archive", "record", "configuration", "log-in-clear"]),
            id=st.just("m1"),
            does=st.just("refuse"),
            ground=st.sampled_from([ground.value for ground in Ground]),
            until=st.none() | st.just(Instant(1_800_000_000_000_000)),
            outcome=st.sampled_from(["erased", "refused", "nothing-left"]),
        ),
        max_size=6,
    ),
    st.sampled_from(Law),
    st.sampled_from(letters.LANGUAGES),
)
def test_every_result_makes_a_letter(items: list[Item], law: Law, language: str) -> None:
    from ecluse.trust.settings.schema import Organisation

    request = Request(
        "q1",
        law,
        "erasure",
        ("jane",),
        "2026-11-01",
        "2026-12-01",
        Instant(0),
        "x",
        plan=tuple(items),
        ended=Instant(1_795_000_000_000_000),
        answer="erased",
    )
    text = letters.letter(
        request, Organisation(name="Aster", as2_id="A"), Instant(1_795_000_000_000_000), language
    )
    assert "q1" in text
    assert max(map(len, text.splitlines())) < 300
