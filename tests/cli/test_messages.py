"""Documents on their way between two hubs, and what a person can see of them and decide about them."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Pair
from tests.support.commands import say, serving


def send(pair: Pair, number: int, *words: object, code: int = 0) -> dict[str, Any]:
    line = ["send", "birch", pair.order(number), "--wait", "--timeout", "30s", "--json", *words]
    return say(*line, hub=pair.aster, code=code).data


def test_an_order_is_sent_confirmed_and_traced_on_both_sides(pair: Pair) -> None:
    sent = send(pair, 1001)
    assert (sent["confirmed"], sent["state"], sent["delivery"], sent["repeated"]) == (
        True,
        "delivered",
        "confirmed",
        False,
    )
    assert sent["reference"] == "1001"
    assert sent["documents"][0]["content_type"] == "application/edifact"
    here = say("message", "trace", "1001", "--json", hub=pair.aster).data
    assert here["id"] == sent["id"]
    said = here["receipts"][0]["said"]
    assert said["mic_matches"] is True
    assert said["mic"] == said["mic_expected"]
    kinds = [event["kind"] for event in here["events"]]
    assert kinds[0] == "message.accepted"
    assert "message.sealed" in kinds
    assert kinds[-1] == "message.delivered"
    there = say("message", "trace", sent["protocol_id"], "--json", hub=pair.birch).data
    assert there["direction"] == "in"
    assert there["answer"]["said"]["mic"] == said["mic"]
    assert there["documents"][0]["sha256"] == sent["documents"][0]["sha256"]


def test_a_trace_is_drawn_on_one_screen(pair: Pair) -> None:
    send(pair, 1002)
    text = say("message", "trace", "1002", hub=pair.aster).text
    for piece in ("1002", "delivered", "✓ SEAL", "✓ CONFIRM", "delivery.confirmed", "MIC here", "the same"):
        assert piece in text
    assert "NOT the same" not in text
    assert len(text.splitlines()) < 40
    theirs = say("message", "trace", "order-1002.edi", hub=pair.birch).text
    assert "✓ OPEN" in theirs
    assert "our answer" in theirs


def test_wait_shows_how_it_goes(pair: Pair) -> None:
    text = say("send", "birch", pair.order(1003), "--wait", hub=pair.aster).text
    assert "is confirmed" in text
    assert say("send", "birch", pair.order(1003), "--wait", "-q", hub=pair.aster).out == b""


def test_the_same_key_sends_once(pair: Pair) -> None:
    first = send(pair, 1004, "--key", "order 1004")
    again = send(pair, 1004, "--key", "order 1004")
    assert again["id"] == first["id"]
    assert (first["repeated"], again["repeated"]) == (False, True)
    other = say("send", "birch", pair.order(1005), "--key", "order 1004", "--json", hub=pair.aster, code=2)
    assert other.data["error"]["code"] == "send.key-taken"
    listed = say("message", "list", "--search", "1004", "--json", hub=pair.aster).data["messages"]
    assert len(listed) == 1


def test_several_documents_of_any_kind(pair: Pair, tmp_path: Path) -> None:
    invoice, scan, raw = tmp_path / "invoice.xml", tmp_path / "scan.pdf", tmp_path / "raw"
    invoice.write_bytes(b"<Invoice><ID>12</ID></Invoice>")
    scan.write_bytes(b"%PDF-1.7 " + b"x" * 100_000)
    raw.write_bytes(bytes(range(256)))
    words = ["--subject", "Invoice 12", "--wait", "--json"]
    sent = say("send", "birch", invoice, scan, raw, *words, hub=pair.aster).data
    kinds = [document["content_type"] for document in sent["documents"]]
    assert kinds == ["application/xml", "application/pdf", "application/octet-stream"]
    arrived = say("message", "list", "--search", "Invoice 12", "--json", hub=pair.birch).data["messages"][0][
        "id"
    ]
    out = tmp_path / "out.pdf"
    data = say("message", "payload", arrived, "--part", 2, "--out", out, "--json", hub=pair.birch).data
    assert out.read_bytes() == scan.read_bytes()
    assert (data["part"], data["size"]) == (2, 100_009)
    assert "message.no-such-part" in say("message", "payload", arrived, hub=pair.birch, code=2).err
    assert (
        "message.no-such-part" in say("message", "payload", arrived, "--part", 4, hub=pair.birch, code=2).err
    )


def test_payload_never_writes_over(pair: Pair, tmp_path: Path) -> None:
    send(pair, 1006)
    out = tmp_path / "order"
    assert say("message", "payload", "1006", hub=pair.birch).out == pair.order(1006).read_bytes()
    say("message", "payload", "1006", "--out", out, hub=pair.birch)
    out.write_bytes(b"mine")
    assert "disk.name-taken" in say("message", "payload", "1006", "--out", out, hub=pair.birch, code=1).err
    assert out.read_bytes() == b"mine"
    mixed = say("message", "payload", "1006", "--json", hub=pair.birch, code=2)
    assert mixed.data["error"]["code"] == "message.needs-out"


def test_list_and_show(pair: Pair) -> None:
    sent = send(pair, 1007)
    words = ["--direction", "out", "--partner", "birch", "--state", "delivered", "--search", "1007", "--json"]
    rows = say("message", "list", *words, hub=pair.aster).data["messages"]
    assert [row["id"] for row in rows] == [sent["id"]]
    assert say("message", "list", "--direction", "in", "--json", hub=pair.aster).data == {"messages": []}
    assert "none" in say("message", "list", "--direction", "in", hub=pair.aster).text
    assert sent["id"] in say("message", "list", hub=pair.aster).text
    assert len(say("message", "list", "--limit", 1, "--json", hub=pair.aster).data["messages"]) == 1
    shown = say("message", "show", "1007", "--json", hub=pair.aster).data
    assert "events" not in shown
    assert "order-1007.edi" in say("message", "show", sent["id"], hub=pair.aster).text
    assert "message.no-such-state" in say("message", "list", "--state", "lost", hub=pair.aster, code=2).err
    assert "trust.unknown-partner" in say("message", "list", "--partner", "x", hub=pair.aster, code=2).err


def test_a_name_that_fits_several_or_none(pair: Pair) -> None:
    send(pair, 1008)
    send(pair, 1008)
    found = say("message", "trace", "1008", "--json", hub=pair.aster, code=2).data["error"]
    assert found["code"] == "message.ambiguous"
    assert found["cause"].count("order") + found["cause"].count("birch") >= 2
    for text in ("there is no such thing", ""):
        assert "exchange.no-such-message" in say("message", "show", text, hub=pair.aster, code=2).err


def test_resend(pair: Pair) -> None:
    send(pair, 1009)
    refused = say("message", "resend", "1009", "--reason", "they lost it", hub=pair.aster, code=2)
    assert "exchange.not-now" in refused.err
    words = ["--reason", "they lost it", "--force", "--json"]
    again = say("message", "resend", "1009", *words, hub=pair.aster).data
    assert again["deliveries"][0]["channel"] == "as2:birch"
    events = say("message", "trace", "1009", "--json", hub=pair.aster).data["events"]
    told = next(event for event in events if event["kind"] == "message.resent")
    assert told["data"]["reason"] == "they lost it"
    assert told["actor"].startswith("operator:")


@pytest.mark.parametrize("action", ["release", "give-up", "resume"])
def test_actions_that_do_not_fit(pair: Pair, action: str) -> None:
    send(pair, 1010, "--key", "1010")
    result = say("message", action, "1010", "--reason", "why not", "--json", hub=pair.aster, code=2)
    assert result.data["error"]["code"] == "exchange.not-now"


def test_a_quarantined_document_is_released(pair: Pair, tmp_path: Path) -> None:
    odd = tmp_path / "odd.edi"
    odd.write_bytes(b"MZ this is a program")
    say("send", "birch", odd, "--wait", "--content-type", "application/edifact", hub=pair.aster)
    rows = say("message", "list", "--state", "quarantined", "--json", hub=pair.birch).data["messages"]
    assert len(rows) == 1
    levels = {f["check"]: f["level"] for f in say("doctor", "--json", hub=pair.birch).data["findings"]}
    assert levels["quarantine"] == "warning"
    assert "● INSPECT" in say("message", "trace", rows[0]["id"], hub=pair.birch).text
    data = say("message", "release", rows[0]["id"], "--reason", "agreed", "--json", hub=pair.birch).data
    assert data["state"] == "accepted"


def test_give_up_and_resume_without_a_server(hub: Path, pair: Pair) -> None:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    sent = say("send", "birch", pair.order(1), "--json", hub=hub).data
    assert sent["state"] == "accepted"
    text = say("send", "birch", pair.order(2), "--wait", "--timeout", "200ms", "--json", hub=hub, code=1).data
    assert (text["confirmed"], text["reason_code"]) == (False, "send.not-served")
    assert "ecluse serve" in text["remedy"]
    text = say("send", "birch", pair.order(3), "--wait", "--timeout", "200ms", hub=hub, code=1).text
    assert "Not confirmed: No node serves this hub.\nStart one with `ecluse serve`" in text
    resumed = say("message", "resume", sent["id"], "--reason", "now", "--json", hub=hub).data
    assert resumed["deliveries"][0]["state"] == "waiting"
    assert "attempted at once" in say("message", "resume", sent["id"], "--reason", "now", hub=hub).text
    gone = say("message", "give-up", sent["id"], "--reason", "sent by post", "--json", hub=hub).data
    assert gone["state"] == "given-up"
    assert "given-up" in say("message", "trace", sent["id"], hub=hub).text
    assert "waits" in say("message", "trace", sent["id"], hub=hub).text, "nothing seals the log"


def test_what_can_not_be_sent(hub: Path, pair: Pair, tmp_path: Path) -> None:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    empty = tmp_path / "empty"
    empty.touch()
    for path, code in (
        (tmp_path / "missing", "send.unreadable-file"),
        (tmp_path, "send.unreadable-file"),
        (Path("/dev/null"), "send.unreadable-file"),
        (empty, "exchange.nothing-to-send"),
    ):
        assert say("send", "birch", path, "--json", hub=hub, code=2).data["error"]["code"] == code
    unknown = say("send", "nobody", pair.order(1), "--json", hub=hub, code=2)
    assert unknown.data["error"]["code"] == "trust.unknown-partner"
    file = hub / "partners" / "birch.toml"
    file.write_text(file.read_text().replace('state = "active"', 'state = "suspended"'))
    say("apply", "--yes", hub=hub)
    assert "trust.suspended" in say("send", "birch", pair.order(1), hub=hub, code=1).err
    assert say("message", "list", "--json", hub=hub).data == {"messages": []}


def test_a_message_that_is_too_large(hub: Path, pair: Pair) -> None:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    file = hub / "partners" / "birch.toml"
    file.write_text(file.read_text().replace("[as2]\n", '[as2]\nmax_size = "10 B"\n'))
    say("apply", "--yes", hub=hub)
    assert "send.too-large" in say("send", "birch", pair.order(1), hub=hub, code=2).err


def test_the_log_is_verified_and_proven(pair: Pair, tmp_path: Path) -> None:
    send(pair, 1011)
    proof = tmp_path / "1011.proof"
    data = None
    for _ in range(100):
        events = say("message", "trace", "1011", "--json", hub=pair.aster).data["events"]
        if all(event["proven"] for event in events):
            data = say("log", "proof", "1011", "--out", proof, "--json", hub=pair.aster).data
            break
    assert data is not None, "signed within the time of a hundred looks"
    assert data["event"]["kind"] == "message.accepted"
    assert data["event"]["data"]["documents"]
    key = say("log", "key", "--json", hub=pair.aster).data["key"]
    assert key == data["key"]
    held = say("log", "check-proof", proof, "--json", hub=pair.aster).data
    assert (held["holds"], held["event"]["id"]) == (True, data["event"]["id"])
    assert say("log", "check-proof", proof, "--key", key, "--json").data["holds"] is True
    assert "The proof holds" in say("log", "check-proof", proof, "--key", key).text
    assert "tlog.bad-signature" in say("log", "check-proof", proof, hub=pair.birch, code=1).err
    proof.write_text(proof.read_text().replace("index", "indeks"))
    told = say("log", "check-proof", proof, "--json", hub=pair.aster, code=1).data
    assert told["error"]["code"].startswith("tlog.")
    by_index = say("log", "proof", data["index"], "--json", hub=pair.aster).data
    by_id = say("log", "proof", data["event"]["id"], "--json", hub=pair.aster).data
    assert by_index["event"] == by_id["event"] == data["event"]
    assert by_index["proof"].startswith("c2sp.org/tlog-proof@v1")
    assert say("log", "proof", "1011", "--event", "delivery.confirmed", hub=pair.aster).text.startswith(
        "c2sp.org/"
    )
    assert (
        "log.no-such-record"
        in say("log", "proof", "1011", "--event", "message.lost", hub=pair.aster, code=2).err
    )
    assert "log.no-such-record" in say("log", "proof", "e" + "0" * 26, hub=pair.aster, code=2).err
    verdict = say("log", "verify", "--json", hub=pair.aster).data
    assert (verdict["ok"], verdict["problem"], verdict["states"]) == (True, None, [])
    assert "Nothing is wrong" in say("log", "verify", hub=pair.aster).text


def test_log_verify_names_what_was_altered(hub: Path) -> None:
    with serving(hub, "--listen", "127.0.0.1:0"):
        pass
    assert say("log", "verify", "--json", hub=hub).data["size"] >= 1
    database = sqlite3.connect(hub / "state" / "ecluse.db")
    with database:
        database.execute(
            "UPDATE events SET leaf = CAST(replace(CAST(leaf AS TEXT), '\"kind\"', '\"kinD\"') AS BLOB)"
        )
    database.close()
    verdict = say("log", "verify", "--json", hub=hub, code=1).data
    assert verdict["problem"]["code"] == "record-altered"
    assert verdict["problem"]["index"] == 0
    assert "record-altered" in say("log", "verify", hub=hub, code=1).text
    assert "record-altered" in say("log", "verify", "-q", hub=hub, code=1).text


def test_json_is_one_line_of_utf8(pair: Pair) -> None:
    result = say("message", "list", "--json", hub=pair.aster)
    assert json.loads(result.out.decode())["messages"]


def test_ctrl_c_while_waiting_is_clean(hub: Path, pair: Pair) -> None:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    line = [sys.executable, "-m", "ecluse", "--hub", str(hub), "send", "birch", str(pair.order(1)), "--wait"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "is kept" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_error(pair: Pair) -> None:
    line = f"{sys.executable} -m ecluse --hub {pair.aster} message list --limit 1000 | head -c 1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
