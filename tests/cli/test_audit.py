"""The register of what partners have shown, and the review of who can do what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.commands import say

from ecluse.app.opening import open_node
from ecluse.app.partners.audit import remind
from ecluse.model.basics import Instant
from ecluse.trust.settings.fields import instant_from

PARTNER = """name = "Birch Packaging"
[account]
user = "birch"
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq6oWnkpJ3F7jvSPFIzYx6jPZk4ymLXnJ6Dfn0JSZ8A birch"]
"""
ISO = ("birch", "certification", "iso-27001")


@pytest.fixture
def known(hub: Path) -> Path:
    (hub / "partners").mkdir(exist_ok=True)
    (hub / "partners" / "birch.toml").write_text(PARTNER)
    say("apply", "--yes", "--reason", "a supplier", hub=hub)
    return hub


def record(hub: Path, *words: object, code: int = 0) -> dict[str, object]:
    dates = ["--from", "2025-03-01", "--until", "2028-02-29"]
    said = say("audit", "record", *ISO, *dates, "--reason", "seen", "--json", *words, hub=hub, code=code)
    return said.data  # type: ignore[no-any-return]


def kinds(hub: Path) -> list[str]:
    with open_node(hub) as node:
        return [each.event.kind for each in node.store.read(lambda view: view.events("partner:birch"))]


def test_a_certification_is_recorded_with_its_file(known: Path, tmp_path: Path) -> None:
    proof = tmp_path / "iso.pdf"
    proof.write_bytes(b"%PDF-1.7 " + bytes(100_000))
    facts = record(known, "--file", proof, "--issuer", "Certia")
    assert (facts["state"], facts["title"]) == ("valid", "ISO/IEC 27001")
    rows = say("audit", "list", "birch", "--json", hub=known).data["entries"]
    assert [(row["name"], [file["size"] for file in row["files"]]) for row in rows] == [
        ("iso-27001", [100_009])
    ]
    back = tmp_path / "back.pdf"
    say("audit", "file", *ISO, "iso.pdf", "--out", back, hub=known)
    assert back.read_bytes() == proof.read_bytes()
    say("audit", "file", *ISO, "iso.pdf", "--out", back, hub=known, code=1)
    assert back.read_bytes() == proof.read_bytes()
    assert "assurance.recorded" in kinds(known)
    assert b"%PDF" not in b"".join(path.read_bytes() for path in known.rglob("*") if path.is_file())


def test_a_newer_entry_keeps_the_files_of_the_older(known: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.txt").write_text(str(number))
        record(known, "--file", tmp_path / f"{number}.txt")
    (entry,) = say("audit", "list", "--json", hub=known).data["entries"]
    assert [file["name"] for file in entry["files"]] == ["1.txt", "2.txt"]
    say("audit", "remove", *ISO, "--reason", "over", hub=known)
    assert say("audit", "list", "--json", hub=known).data["entries"] == []
    assert kinds(known)[-1] == "assurance.removed"
    with open_node(known) as node:
        assert node.store.read(lambda view: view.blobs_before("~", 10)) == []


def test_what_has_ended_fails_a_pipeline(known: Path) -> None:
    words = ["--until", "2026-01-31", "--reason", "seen"]
    say("audit", "record", "birch", "agreement", "gdpr", *words, hub=known)
    rows = say("audit", "list", "--due", "--fail", "--json", hub=known, code=1).data["entries"]
    assert [(row["name"], row["state"]) for row in rows] == [("gdpr", "ended")]
    assert "gdpr of birch is ended (last day 2026-01-31)" in say("doctor", hub=known).text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--until", "2035-01-01"], "assurance.bad-entry"),
        (["--until", "tomorrow"], "assurance.bad-entry"),
        (["--answers", __file__], "assurance.bad-entry"),
        (["--file", "/nowhere/at/all"], "cli.system"),
    ],
)
def test_bad_input_is_told_and_nothing_is_recorded(known: Path, words: list[str], code: str) -> None:
    dates = ["--from", "2025-03-01", "--until", "2028-02-29"]
    ended = 1 if code == "cli.system" else 2
    said = say("audit", "record", *ISO, *dates, "--reason", "x", *words, hub=known, code=ended)
    assert code in said.err
    assert say("audit", "list", "--json", hub=known).data["entries"] == []


def test_unknown_partners_and_entries_are_told(known: Path) -> None:
    unknown = ["cedar", "agreement", "gdpr", "--reason", "x"]
    assert "trust.unknown-partner" in say("audit", "record", *unknown, hub=known, code=2).err
    assert "audit.no-such-entry" in say("audit", "remove", *ISO, "--reason", "x", hub=known, code=2).err


def test_a_reminder_is_written_once_for_a_date(known: Path) -> None:
    record(known)
    day = instant_from("2028-01-15")
    assert day is not None
    for _ in range(2):
        with open_node(known, clock=lambda: Instant(day)) as node:

            class Context:
                def check(self) -> None: ...

            remind(node).work(Context())  # type: ignore[arg-type]
    assert kinds(known).count("assurance.due") == 1


def test_every_right_is_listed_with_its_grounds(known: Path) -> None:
    (known / "flows").mkdir(exist_ok=True)
    (known / "flows" / "orders.toml").write_text(
        'name = "Orders"\nfrom = {channel = "account:birch"}\nto = [{channel = "folder:inbox"}]\n'
    )
    say("apply", "--yes", "--reason", "a flow", hub=known)
    rows = say("access", "list", "--json", hub=known).data["rights"]
    assert [row["grounds"].partition(",")[0] for row in rows] == [
        "owner of the hub's folder",
        "partners/birch.toml: account",
        "flows/orders.toml",
    ]
    assert "log in by" in rows[1]["may"]
    assert all(row["decision"] is None for row in rows)
    own = say("access", "list", "--partner", "birch", "--json", hub=known).data["rights"]
    assert [row["who"] for row in own] == ["partner:birch", "flow:orders"]


def test_a_review_decides_on_every_right(known: Path, tmp_path: Path) -> None:
    rows = say("access", "list", "--json", hub=known).data["rights"]
    words = {row["id"]: "revoke" if row["who"] == "partner:birch" else "keep" for row in rows}
    decisions = tmp_path / "decisions.json"
    decisions.write_text(json.dumps(words))
    said = say("access", "review", "--reason", "yearly", "--decisions", decisions, hub=known)
    assert "take away: partner:birch" in said.text
    after = say("access", "list", "--json", hub=known).data
    assert {row["who"]: row["decision"] for row in after["rights"]}["partner:birch"] == "revoke"
    assert after["review_due"] is not None
    assert "partner:birch may still log in" in say("doctor", hub=known).text
    (known / "partners" / "birch.toml").write_text(PARTNER.replace('user = "birch"', 'user = "birch2"'))
    say("apply", "--yes", "--reason", "another name", hub=known)
    changed = say("access", "list", "--partner", "birch", "--json", hub=known).data["rights"]
    assert [row["decision"] for row in changed] == [None], "what was changed was not reviewed"


@pytest.mark.parametrize(
    "text", ["{}", "[]", "{", '{"a": "maybe"}', '{"0000000000000000": "keep"}', "[" * 100_000]
)
def test_a_review_that_leaves_rights_out_is_refused(known: Path, tmp_path: Path, text: str) -> None:
    decisions = tmp_path / "decisions.json"
    decisions.write_text(text)
    said = say("access", "review", "--reason", "x", "--decisions", decisions, hub=known, code=2)
    assert "access.bad-review" in said.err
    assert say("access", "list", "--json", hub=known).data["review_due"] is None


def test_a_review_needs_somebody_to_ask(known: Path) -> None:
    assert "cli.not-confirmed" in say("access", "review", "--reason", "x", hub=known, code=2).err
    done = say("access", "review", "--reason", "x", "--keep-all", "--json", hub=known).data
    assert {row["decision"] for row in done["rights"]} == {"keep"}
