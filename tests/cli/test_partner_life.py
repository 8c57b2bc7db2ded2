"""A partner from the invitation to the last day, on the command line; and a later card."""

from __future__ import annotations

import http.server
import json
import threading
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cli.conftest import Pair
from tests.support.commands import say
from tests.support.operators import person, write_key

from ecluse.app.opening import open_node

CALLED = ["--verified-by", "call-back", "--verified-with", "Jo Birch"]


def state(hub: Path, id: str = "birch") -> dict[str, object]:
    return say("partner", "show", id, "--json", hub=hub).data


def events(hub: Path, kind: str) -> list[dict[str, object]]:
    with open_node(hub) as node:
        logged = node.store.read(lambda view: view.unsealed(500))
        found = [json.loads(leaf) for _, leaf in logged]
    return [each for each in found if each["kind"] == kind]


def card_of(pair: Pair, path: Path, *more: object) -> tuple[Path, str]:
    return path, say("partner", "card", "--out", path, *more, "--json", hub=pair.birch).data["phrase"]


def test_a_whole_life(hub: Path, pair: Pair, tmp_path: Path) -> None:
    out = tmp_path / "to-birch"
    words = ["--id", "birch", "--contact", "Jo", "--email", "jo@birch.example", "--out", out]
    invited = say("partner", "invite", "Birch Packaging", *words, "--json", hub=hub).data
    assert (invited["id"], len(invited["invitation"])) == ("birch", 20)
    letter = (out / "letter.txt").read_text()
    assert invited["invitation"] in letter
    assert invited["phrase"] not in letter
    assert (out / "cedar.card").read_text().startswith("ecluse.card/2")
    listed = say("partner", "list", "--json", hub=hub).data["partners"][0]
    assert (listed["state"], listed["verified"][:13]) == ("invited", "no answer yet")
    assert "no answer yet" in say("partner", "list", hub=hub).text
    assert (
        "partner.not-verified"
        not in say("partner", "activate", "birch", "--reason", "x", hub=hub, code=2).text
    )

    answer, phrase = card_of(pair, tmp_path / "answer.card", "--invitation", invited["invitation"])
    say("partner", "add", answer, "--yes", hub=hub)
    facts = state(hub)
    assert (facts["state"], facts["verified"], facts["invitation"]) == ("invited", "not verified", None)
    assert facts["contacts"][0]["email"] == "jo@birch.example"
    assert "partner.not-verified" in say("partner", "activate", "birch", "--reason", "x", hub=hub, code=2).err
    wrong = ["--phrase", "1 2 3 4", "--verified-with", "Jo", "--reason", "x"]
    assert "card.wrong-phrase" in say("partner", "verify", "birch", *wrong, hub=hub, code=1).err
    right = ["--phrase", phrase, "--verified-with", "Jo", "--reason", "called 118"]
    verified = say("partner", "verify", "birch", *right, "--json", hub=hub).data
    assert (verified["state"], verified["verified"][:20]) == ("verified", "verified (call-back,")
    say("partner", "activate", "birch", "--reason", "tested", hub=hub)
    say("partner", "suspend", "birch", "--reason", "breach", hub=hub)
    say("partner", "resume", "birch", "--reason", "mended", hub=hub)
    assert "cli.not-confirmed" in say("partner", "retire", "birch", "--reason", "x", hub=hub, code=2).err
    say("partner", "retire", "birch", "--reason", "contract ended", "--yes", hub=hub)
    for command in ("activate", "resume", "suspend"):
        assert (
            "partner.illegal-move" in say("partner", command, "birch", "--reason", "x", hub=hub, code=2).err
        )
    file = hub / "partners" / "birch.toml"
    file.write_text(file.read_text().replace('"retired"', '"active"'))
    assert "partner.illegal-move" in say("apply", "--yes", hub=hub, code=2).err

    changes = [each["data"] for each in events(hub, "partner.state-changed")]
    assert [(each["from"], each["to"]) for each in changes] == [
        ("none", "invited"),
        ("invited", "verified"),
        ("verified", "active"),
        ("active", "suspended"),
        ("suspended", "active"),
        ("active", "retired"),
    ]
    assert all(each["reason"].startswith("hmac-sha256:") for each in changes), "a person's words"
    assert all(each["actor"].startswith("operator:") for each in events(hub, "partner.state-changed"))
    (taken,) = events(hub, "partner.card-taken")
    assert taken["data"]["invitation"] == invited["invitation"]
    last = events(hub, "partner.verified")[-1]["data"]
    assert (last["level"], last["proven"], last["phrase"]) == ("call-back", True, phrase)
    applied = json.dumps(events(hub, "config.applied"))
    assert "jo@birch.example" not in applied
    assert "contacts[0].email: (a person)" in applied


def test_who_comes_back_is_a_new_partner(hub: Path, pair: Pair) -> None:
    card = pair.cards / "birch.card"
    say("partner", "add", card, "--id", "birch", *CALLED, hub=hub)
    assert "partner.exists" in say("partner", "add", card, "--id", "again", *CALLED, hub=hub, code=2).err
    say("partner", "retire", "birch", "--reason", "contract ended", "--yes", hub=hub)
    words = ["update", "birch", card, "--reason", "x", "--yes"]
    assert "partner.illegal-move" in say("partner", *words, hub=hub, code=2).err
    say("partner", "add", card, "--id", "again", *CALLED, hub=hub)
    with open_node(hub) as node:
        assert node.directory.by_as2("BIRCH", "CEDAR").id == "again"
        assert len(node.directory.partners) == 2


def test_an_invitation_is_good_for_one_answer(hub: Path, pair: Pair, tmp_path: Path) -> None:
    token = say("partner", "invite", "Birch", "--json", hub=hub).data["invitation"]
    again = say("partner", "invite", "Birch", "--json", hub=hub).data["invitation"]
    assert token != again
    old, _ = card_of(pair, tmp_path / "old.card", "--invitation", token)
    assert "partner.no-invitation" in say("partner", "add", old, "--yes", hub=hub, code=1).err
    new, _ = card_of(pair, tmp_path / "new.card", "--invitation", again)
    say("partner", "add", new, *CALLED, hub=hub)
    assert "partner.no-invitation" in say("partner", "add", new, "--id", "b", "--yes", hub=hub, code=1).err
    assert "partner.exists" in say("partner", "invite", "Birch", hub=hub, code=2).err


def test_how_it_was_verified(hub: Path, pair: Pair) -> None:
    card = pair.cards / "birch.card"
    for words, code in (
        (["--verified-by", "call-back"], "partner.incomplete-verification"),
        (["--verified-by", "qualified-certificate"], "partner.incomplete-verification"),
        (["--verified-with", "Jo"], "partner.incomplete-verification"),
        (["--trust-on-first-use", "x"], "partner.incomplete-verification"),
        (["--trust-on-first-use", "a test", *CALLED], "partner.incomplete-verification"),
    ):
        assert code in say("partner", "add", card, *words, hub=hub, code=2).err
    evidence = ["--evidence", "register entry 4711"]
    held = say("partner", "add", card, *CALLED, *evidence, "--hold", "--id", "birch", "--json", hub=hub).data
    assert held["state"] == "verified"
    facts = state(hub)
    assert facts["verification"]["evidence"] == "register entry 4711"
    assert facts["verification"]["card"] == facts["card"]["digest"] == held["card"]["fingerprint"]
    text = say("partner", "show", "birch", hub=hub).text
    assert "verified (call-back" in text
    assert "with Jo Birch" in text


def test_a_later_card(hub: Path, pair: Pair, tmp_path: Path) -> None:
    say("partner", "add", pair.cards / "birch.card", "--id", "birch", *CALLED, hub=hub)
    same = say(
        "partner", "update", "birch", pair.cards / "birch.card", "--reason", "x", "--json", hub=hub
    ).data
    assert same["version"] is None
    later, _ = card_of(pair, tmp_path / "later.card")
    assert (
        "cli.not-confirmed" in say("partner", "update", "birch", later, "--reason", "x", hub=hub, code=2).err
    )
    taken = say("partner", "update", "birch", later, "--reason", "x", "--yes", "--json", hub=hub).data
    assert (taken["comparison"]["signer"], taken["comparison"]["serial"]) == ("same", "higher")
    assert state(hub)["verified"].startswith("verified (call-back")
    old = say(
        "partner", "update", "birch", pair.cards / "birch.card", "--reason", "x", "--yes", hub=hub, code=1
    )
    assert "card.older" in old.err


def test_a_card_of_another_hand(hub: Path, pair: Pair, template: Path, tmp_path: Path) -> None:
    """Somebody else who calls itself Birch: other keys, other bank."""
    say("partner", "add", pair.cards / "birch.card", "--id", "birch", *CALLED, hub=hub)
    fake = tmp_path / "fake"
    say(
        "init",
        fake,
        "--name",
        "Birch",
        "--as2-id",
        "BIRCH",
        "--key-kind",
        "ec-p256",
        "--address",
        "127.0.0.1:1",
    )
    own = fake / "ecluse.toml"
    own.write_text(own.read_text() + '\n[organisation.bank]\niban = "DE89370400440532013000"\n')
    say("apply", "--yes", hub=fake)
    card = tmp_path / "fake.card"
    say("partner", "card", "--out", card, hub=fake)
    before = (hub / "partners" / "birch.toml").read_text()
    refused = say("partner", "update", "birch", card, "--reason", "they asked", "--yes", hub=hub, code=2)
    assert "partner.not-verified" in refused.err
    assert "ANOTHER key" in refused.err
    assert "DE89370400440532013000" not in refused.err
    assert (hub / "partners" / "birch.toml").read_text() == before
    words = ["--trust-on-first-use", "they were in a hurry", "--reason", "they asked", "--json"]
    taken = say("partner", "update", "birch", card, *words, hub=hub).data
    assert taken["comparison"]["signer"] == "other"
    codes = {each["code"] for each in taken["comparison"]["alarms"]}
    assert "other-signer" in codes
    assert state(hub)["verified"] == "trust-on-first-use"
    fact = events(hub, "partner.card-taken")[-1]["data"]
    assert fact["signer"] == "other"
    applied = json.dumps(events(hub, "config.applied"))
    assert "DE89370400440532013000" not in applied
    assert "DE89" in applied


def test_a_seal(hub: Path, pair: Pair, tmp_path: Path) -> None:
    """A key of Birch's keyring whose certificate is nobody's but its own is no qualified one."""
    card = tmp_path / "sealed.card"
    say("partner", "card", "--out", card, "--seal-with", "main", hub=pair.birch)
    seal = tmp_path / "sealed.card.p7s"
    assert (
        "card.no-place-for-seal" in say("partner", "card", "--seal-with", "main", hub=pair.birch, code=2).err
    )
    own = pair.birch / "keys" / "main.pem"
    by = ["--verified-by", "qualified-certificate", "--seal", seal]
    assert "partner.incomplete-verification" in say("partner", "add", card, *by, hub=hub, code=2).err
    assert "card.not-qualified" in say("partner", "add", card, *by, "--anchor", own, hub=hub, code=1).err
    sealed = ["--seal", seal, "--anchor", own, *CALLED]
    assert "partner.incomplete-verification" in say("partner", "add", card, *sealed, hub=hub, code=2).err
    assert say("partner", "list", "--json", hub=hub).data == {"partners": []}


class _Files(http.server.BaseHTTPRequestHandler):
    """A partner's web server."""

    card = b""

    def do_GET(self) -> None:
        status = {"/birch.card": 200, "/large": 200, "/moved": 302}.get(self.path, 404)
        body = b"x" * 400_000 if self.path == "/large" else self.card
        self.send_response(status)
        self.send_header("Location", "/birch.card")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


def test_a_card_from_a_url(hub: Path, pair: Pair) -> None:
    _Files.card = (pair.cards / "birch.card").read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    named = ["--allow-http", "--allow-private-network"]
    try:
        for place, words, code, ends in (
            ("birch.card", [], "card.clear-text", 2),
            ("birch.card", ["--allow-http"], "card.unreachable", 2),
            ("none", named, "card.unreachable", 1),
            ("moved", named, "card.unreachable", 1),
            ("large", named, "card.unreachable", 1),
        ):
            said = say("partner", "add", f"{base}/{place}", *words, "--yes", "--json", hub=hub, code=ends)
            assert said.data["error"]["code"] == code, place
        added = say("partner", "add", f"{base}/birch.card", *named, *CALLED, "--json", hub=hub).data
        assert (added["state"], added["card"]["as2_id"]) == ("active", "BIRCH")
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("place", "code", "ends"),
    [
        ("http://127.0.0.1:9/x.card", "card.clear-text", 2),
        ("https://127.0.0.1:9/x.card", "card.unreachable", 2),
        ("ftp://birch.example/x.card", "card.clear-text", 2),
    ],
)
def test_where_a_card_is_not_fetched_from(hub: Path, place: str, code: str, ends: int) -> None:
    assert say("partner", "add", place, "--yes", "--json", hub=hub, code=ends).data["error"]["code"] == code


def test_a_file_written_by_hand_keeps_its_comments(hub: Path, pair: Pair) -> None:
    say("partner", "add", pair.cards / "birch.card", "--id", "birch", *CALLED, hub=hub)
    file = hub / "partners" / "birch.toml"
    file.write_text(f"# contract 118\n{file.read_text()}")
    say("partner", "suspend", "birch", "--reason", "a test", hub=hub)
    assert file.read_text().startswith("# contract 118\n")
    assert tomllib.loads(file.read_text())["state"] == "suspended"


def test_what_two_people_decide(hub: Path, pair: Pair, tmp_path: Path) -> None:
    """With two operators for trust: what widens trust waits, what narrows it does not."""
    say("partner", "add", pair.cards / "birch.card", "--id", "birch", *CALLED, hub=hub)
    keys = {name: write_key(tmp_path / name, person(name)) for name in ("ada", "berta")}
    for name, path in keys.items():
        say("operator", "add", name, "--public-key", f"{path}.pub", "--yes", hub=hub)
    say("partner", "invite", "Elm", hub=hub)
    say("partner", "suspend", "birch", "--reason", "a breach", hub=hub)
    before = (hub / "partners" / "birch.toml").read_text()
    as_ada = ["--as", "ada", "--key", keys["ada"], "--json"]
    held = say("partner", "resume", "birch", "--reason", "mended", *as_ada, hub=hub, code=1).data["error"]
    assert held["code"] == "change.held"
    assert state(hub)["state"] == "suspended"
    own = pair.birch / "ecluse.toml"
    text = own.read_text()
    own.write_text(f'{text}\n[organisation.bank]\niban = "DE89370400440532013000"\n')
    try:
        say("apply", "--yes", hub=pair.birch)
        later, _ = card_of(pair, tmp_path / "later.card")
    finally:
        own.write_text(text)
        say("apply", "--yes", hub=pair.birch)
    words = ["partner", "update", "birch", later, "--reason", "their bank", *CALLED, *as_ada]
    change = say(*words, hub=hub, code=1).data["error"]
    assert change["code"] == "change.held"
    assert (hub / "partners" / "birch.toml").read_text() == before
    shown = say("change", "show", change["change"], hub=hub).text
    assert "bank.iban: DE89…3000" in shown
    as_berta = ["--as", "berta", "--key", keys["berta"]]
    say("change", "approve", change["change"], *as_berta, "--yes", hub=hub)
    assert state(hub)["bank"]["iban"].startswith("DE89…3000")
    assert events(hub, "partner.card-taken")[-1]["data"]["signer"] == "same"
