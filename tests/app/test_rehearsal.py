"""Rehearsals: every play against right configurations holds, and a weak one is told by the play that finds it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.hubs import introduce, make_pair

from ecluse.app.node import Node
from ecluse.app.rehearsal import Agreement, RehearsalRefused, check_report, rehearse
from ecluse.app.rehearsal.copy import NothingToRehearse
from ecluse.app.rehearsal.report import ReportDamaged
from ecluse.app.service import Service
from ecluse.app.settings import apply_files
from ecluse.trust.configuration import read_folder
from ecluse.wire.tlog.note import NoteKey

SENDING = 13
ANSWERING = 11


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Iterator[tuple[Node, Node]]:
    aster, birch = make_pair(tmp_path_factory.mktemp("hubs"))
    yield aster, birch
    aster.close()
    birch.close()


def verdicts(done) -> dict[str, str]:
    return {
        played.code: f"{played.observed} | {played.advice}"
        for played in done.report.plays
        if played.verdict == "failed"
    }


def play(node: Node, **given):
    return rehearse(node, node.directory.partner("birch"), actor="operator:test", **given)


def test_a_right_configuration_holds_in_every_play(pair) -> None:
    aster, birch = pair
    introduce(aster, birch, "birch", "http://as2.birch.example/as2")
    before = aster.store.read(lambda view: view.count_messages())
    done = play(aster)
    assert verdicts(done) == {}
    assert done.report.ready
    assert len(done.report.plays) == SENDING + ANSWERING
    assert aster.store.read(lambda view: view.count_messages()) == before, "the real hub took no part"
    kinds = [each.event.kind for each in aster.store.read(lambda view: view.events("partner:birch"))]
    assert kinds[-1] == "partner.rehearsed"
    assert check_report(done.text, aster.log_key) == done.report


def test_asynchronous_receipts_over_tls_hold_too(pair) -> None:
    aster, birch = pair
    introduce(aster, birch, "birch", "https://as2.birch.example/as2", 'receipt = "async"')
    done = play(aster)
    assert verdicts(done) == {}
    assert {"tls.swapped", "tls.ended"} <= {played.code for played in done.report.plays}


@pytest.mark.parametrize(
    ("settings", "failing"),
    [
        ("receipt_signed = false", {"receipt.unsigned", "receipt.other-key", "receipt.ended-key"}),
        ("require_signed = false", {"message.unsigned"}),
        ("require_encrypted = false", {"message.unencrypted"}),
    ],
)
def test_what_is_weak_is_told(pair, settings: str, failing: set[str]) -> None:
    aster, birch = pair
    introduce(aster, birch, "birch", "http://as2.birch.example/as2", settings)
    kind = next(iter(failing)).partition(".")[0]
    done = play(aster, only=f"{kind}.*")
    assert set(verdicts(done)) == failing
    assert not done.report.ready
    assert all(played.advice for played in done.report.plays if played.verdict == "failed")


def test_an_old_cipher_that_is_allowed_is_told(pair) -> None:
    aster, birch = pair
    rest = '[[exceptions]]\nalgorithm = "3des"\nreason = "their product is old"\nuntil = "2999-01-01"\n'
    introduce(aster, birch, "birch", "http://as2.birch.example/as2", rest=rest)
    assert set(verdicts(play(aster, only="message.*"))) == {"message.downgrade"}


def test_a_partner_that_only_sends_is_played_as_a_sender(pair) -> None:
    aster, birch = pair
    introduce(aster, birch, "birch", "http://as2.birch.example/as2")
    path = aster.folder / "partners" / "birch.toml"
    path.write_text(path.read_text().replace('url = "http://as2.birch.example/as2"\n', ""))
    apply_files(aster, read_folder(aster.folder), actor="operator:test", reason="they only send")
    assert len(play(aster).report.plays) == SENDING


def test_a_pattern_that_fits_no_play_is_told(pair) -> None:
    aster, birch = pair
    introduce(aster, birch, "birch", "http://as2.birch.example/as2")
    with pytest.raises(NothingToRehearse):
        play(aster, only="nothing.*")


def test_a_partner_without_as2_is_refused(pair) -> None:
    aster, _ = pair
    (aster.folder / "partners" / "birch.toml").write_text('name = "Birch"\nstate = "suspended"\n')
    apply_files(aster, read_folder(aster.folder), actor="operator:test", reason="test")
    with pytest.raises(NothingToRehearse):
        play(aster)


@contextmanager
def served(node: Node) -> Iterator[int]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    service = Service(node, listen="127.0.0.1:0")
    asyncio.run_coroutine_threadsafe(service.start(), loop).result(30)
    yield service.port
    asyncio.run_coroutine_threadsafe(service.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_the_battery_is_pointed_at_a_test_endpoint(pair) -> None:
    aster, birch = pair
    introduce(birch, aster, "aster", "http://127.0.0.1:9/as2")
    introduce(aster, birch, "birch", "http://as2.birch.example/as2")
    with served(birch) as port:
        agreement = Agreement(f"http://127.0.0.1:{port}/as2", "Ms Ito, by mail")
        done = play(aster, agreement=agreement)
    assert verdicts(done) == {}
    assert done.report.against == "endpoint"
    assert len(done.report.plays) == SENDING - 1


def test_an_endpoint_needs_consent_and_is_not_the_real_one(pair) -> None:
    aster, birch = pair
    introduce(aster, birch, "birch", "http://as2.birch.example/as2")
    with pytest.raises(RehearsalRefused):
        play(aster, agreement=Agreement("http://test.birch.example/as2", " "))
    with pytest.raises(RehearsalRefused):
        play(aster, agreement=Agreement("http://as2.birch.example/as2/", "Ms Ito"))


def test_an_endpoint_that_does_not_answer_fails_every_play(pair) -> None:
    aster, birch = pair
    introduce(aster, birch, "birch", "http://as2.birch.example/as2")
    done = play(aster, agreement=Agreement("http://127.0.0.1:9/as2", "Ms Ito"))
    assert not done.report.ready
    assert "message.good" in verdicts(done)


def test_a_changed_report_is_refused(pair) -> None:
    aster, birch = pair
    introduce(aster, birch, "birch", "http://as2.birch.example/as2", "receipt_signed = false")
    text = play(aster, only="receipt.unsigned").text
    for changed in (
        text.replace(b'"failed"', b'"held"'),
        text[:-20],
        b"",
        b"\xff",
        text.replace(b"1\n", b"2\n", 1),
    ):
        with pytest.raises(ReportDamaged):
            check_report(changed, aster.log_key)
    with pytest.raises(ReportDamaged):
        check_report(text, NoteKey(aster.log_key.name, birch.log_key.public))
