"""The archive on the command line: from a profile to a certificate of destruction."""

from __future__ import annotations

import subprocess
import time
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from tests.support.archives import INVOICE
from tests.support.commands import free_port, say, serving
from tests.support.operators import person, write_key

from ecluse.app.opening import open_node
from ecluse.archive.statement import Statement, check_statement
from ecluse.exchange.intake import Arrival, Intake, Kept
from ecluse.model.basics import Instant, PartnerId, system_clock
from ecluse.model.states import MessageState
from ecluse.wire.tlog.note import NoteKey

PROFILE = """name = "Invoices"
retention = "1d"
copy = "far"
basis = "Code de commerce, article L123-22"
"""


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Path]:
    return {name: write_key(tmp_path / name, person(name)) for name in ("anne", "bea")}


@pytest.fixture
def archive(hub: Path, tmp_path: Path, people: dict[str, Path]) -> Path:
    """A hub with a profile, a second place, and two archive administrators."""
    for name, path in people.items():
        words = ("--public-key", f"{path}.pub", "--role", "archive", "--yes")
        say("operator", "add", name, *words, hub=hub)
    (hub / "archive").mkdir()
    (hub / "archive" / "invoices.toml").write_text(PROFILE)
    with (hub / "ecluse.toml").open("a") as file:
        file.write(f'\n[archive]\nprofile = "invoices"\n[archive.places.far]\nplace = "{tmp_path}/far"\n')
    say("apply", "--yes", "--reason", "an archive", hub=hub)
    return hub


def came(hub: Path, *, ended: bool = True, days: int = 0) -> str:
    """A message that came in some days ago; its id."""
    clock = (lambda: Instant(system_clock() - days * 86_400_000_000)) if days else system_clock
    with open_node(hub, clock=clock) as node:
        intake = Intake(node.hub, Arrival(PartnerId("birch"), "as2", f"<{days}@birch.example>", "Invoice"))
        intake.begin_document("application/xml", "invoice.xml")
        intake.document_data(INVOICE, in_exact=False)
        intake.end_document(None)
        kept = intake.accept(b"{}", {}, None).result()
        assert isinstance(kept, Kept)
        from ecluse.archive.deposit import deposit

        deposit(node.archive, kept.message.id, "", actor="operator:test")
        if ended:
            done = msgspec.structs.replace(kept.message, state=MessageState.DELIVERED)
            node.store.write(lambda tx: tx.update_message(done))
    return kept.message.id


def test_profiles_and_the_policy(archive: Path, tmp_path: Path) -> None:
    (row,) = say("archive", "profiles", "--json", hub=archive).data["profiles"]
    assert (row["id"], row["retention"], row["named_by"], row["kept"]) == ("invoices", "1d", ["hub"], 0)
    assert "invoices" in say("archive", "profiles", hub=archive).text
    text = say("archive", "policy", hub=archive).text
    assert "designed for NF Z42-013 and ISO 14641" in " ".join(text.split())
    assert "not certified" in " ".join(text.split())
    assert "anne, bea" in text
    say("archive", "policy", "--out", tmp_path / "policy.md", hub=archive)
    assert (tmp_path / "policy.md").read_text().startswith("# Archiving policy of Cedar")


def test_deposit_show_receipt_and_get(archive: Path, tmp_path: Path) -> None:
    id = came(archive)
    (row,) = say("archive", "list", "--json", hub=archive).data["archived"]
    assert (row["message"], row["type"], row["reference"], row["state"]) == (id, "invoice", "R-4711", "kept")
    assert "R-4711" in say("archive", "list", "--partner", "birch", "--type", "invoice", hub=archive).text
    if row["amount"] is not None:
        assert f"{row['amount'] / 100:.2f} {row['currency']}" in say("archive", "list", hub=archive).text
    assert say("archive", "list", "--state", "disposed", "--json", hub=archive).data == {"archived": []}
    assert say("archive", "deposit", id, "--json", hub=archive).data["archived"][0]["id"] == row["id"]
    say("archive", "check", "--now", hub=archive)
    shown = say("archive", "show", row["id"], "--json", hub=archive).data
    assert [each["kind"] for each in shown["journal"]] == ["archive.deposited", "archive.copied"]
    assert shown["bytes"][0]["place"] == "far"
    assert "journal" in say("archive", "show", row["id"], hub=archive).text
    out = tmp_path / "receipt"
    given = say("archive", "receipt", row["id"], "--out", out, "--json", hub=archive).data
    statement = Statement((out / "receipt.json").read_text(), (out / "receipt.note").read_text())
    assert check_statement(statement, NoteKey.parse(given["key"]))["sha256"] == sha256(INVOICE).hexdigest()
    file = tmp_path / "invoice.xml"
    say("archive", "get", row["id"], "--reason", "an audit", "--out", file, hub=archive)
    assert file.read_bytes() == INVOICE
    assert say("archive", "get", row["id"], "--reason", "again", hub=archive).out == INVOICE
    journal = say("archive", "show", row["id"], "--json", hub=archive).data["journal"]
    assert [each["facts"]["reason"] for each in journal if each["kind"] == "archive.consulted"] == [
        "an audit",
        "again",
    ]
    assert "archive.not-archived" in say("archive", "show", "a9", hub=archive, code=1 + 1).err
    assert (
        "archive.bad-option"
        in say("archive", "get", row["id"], "--reason", "x", "--json", hub=archive, code=2).text
    )


def test_reading_by_those_alone_who_may(archive: Path, people: dict[str, Path], tmp_path: Path) -> None:
    came(archive)
    (row,) = say("archive", "list", "--json", hub=archive).data["archived"]
    (archive / "archive" / "invoices.toml").write_text(PROFILE + 'read = ["archive"]\n')
    say("apply", "--yes", "--reason", "only they", hub=archive)
    assert "archive.not-allowed" in say("archive", "get", row["id"], "--reason", "x", hub=archive, code=2).err
    words = ("--as", "anne", "--key", people["anne"])
    assert say("archive", "get", row["id"], "--reason", "x", *words, hub=archive).out == INVOICE


def test_holds(archive: Path) -> None:
    came(archive)
    (row,) = say("archive", "list", "--json", hub=archive).data["archived"]
    words = ("--type", "invoice", "--since", "2026-01-01", "--for", "TC 26/17", "--reason", "a dispute")
    hold = say("archive", "hold", *words, "--json", hub=archive).data
    assert hold["documents"] == 1
    assert hold["criteria"] == {"type": "invoice", "since": "2026-01-01"}
    named = say("archive", "hold", row["id"], "--for", "x", "--reason", "y", "--json", hub=archive).data
    assert [each["id"] for each in say("archive", "holds", "--json", hub=archive).data["holds"]] == [
        hold["id"],
        named["id"],
    ]
    assert "TC 26/17" in say("archive", "holds", hub=archive).text
    assert len(say("archive", "show", row["id"], "--json", hub=archive).data["holds"]) == 2
    say("archive", "release", hold["id"], "--reason", "settled", hub=archive)
    assert len(say("archive", "holds", "--json", hub=archive).data["holds"]) == 1
    assert len(say("archive", "holds", "--all", "--json", hub=archive).data["holds"]) == 2
    assert (
        "archive.bad-hold" in say("archive", "hold", "--for", "x", "--reason", "y", hub=archive, code=2).err
    )
    assert (
        "archive.bad-option"
        in say(
            "archive", "hold", "--since", "2026-02-30", "--for", "x", "--reason", "y", hub=archive, code=2
        ).err
    )


@pytest.mark.peer("ssh-keygen")
def test_two_administrators_and_a_certificate(archive: Path, people: dict[str, Path], tmp_path: Path) -> None:
    came(archive, days=4)
    (row,) = say("archive", "list", "--ended", "--json", hub=archive).data["archived"]
    young = came(archive)
    made = say("archive", "dispose", "propose", "--reason", "yearly", "--json", hub=archive).data
    assert (made["documents"], made["state"], made["needed"]) == (1, "proposed", 2)
    assert row["id"] in say("archive", "dispose", "show", made["id"], "--list", hub=archive).text
    say("archive", "dispose", "approve", made["id"], "--as", "anne", "--key", people["anne"], hub=archive)
    assert (
        "archive.disposal-over"
        in say("archive", "dispose", "run", made["id"], "--yes", hub=archive, code=2).err
    )
    text = tmp_path / "disposal.txt"
    text.write_bytes(
        say("archive", "dispose", "show", made["id"], "--to-sign", "--as", "bea", hub=archive).out
    )
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", "ecluse-archive", "-f", str(people["bea"]), str(text)]
    subprocess.run(command, check=True, capture_output=True)
    signed = ("--as", "bea", "--signature", f"{text}.sig")
    assert "is approved" in say("archive", "dispose", "approve", made["id"], *signed, hub=archive).text
    done = say("archive", "dispose", "run", made["id"], "--yes", "--json", hub=archive).data
    assert (done["state"], done["ended"]) == ("done", "1 destroyed, 0 kept back")
    out = tmp_path / "certificate"
    given = say("archive", "dispose", "certificate", made["id"], "--out", out, "--json", hub=archive).data
    statement = Statement((out / "certificate.json").read_text(), (out / "certificate.note").read_text())
    said = check_statement(statement, NoteKey.parse(given["key"]))
    assert [each["archive"] for each in said["destroyed"]] == [row["id"]]
    assert say("archive", "show", row["id"], "--json", hub=archive).data["state"] == "disposed"
    assert "archive.destroyed" in say("archive", "get", row["id"], "--reason", "x", hub=archive, code=1).err
    assert "yearly" in say("archive", "dispose", "list", hub=archive).text
    (left,) = say("archive", "list", "--state", "kept", "--json", hub=archive).data["archived"]
    assert left["message"] == young


def test_the_clock_and_a_refused_disposal(archive: Path) -> None:
    assert say("archive", "clock", "--json", hub=archive).data["doubt"] is None
    assert "archive.bad-option" in say("archive", "clock", "--confirm", hub=archive, code=2).err
    say("archive", "clock", "--confirm", "--reason", "compared", hub=archive)
    assert (
        "archive.nothing-to-dispose"
        in say("archive", "dispose", "propose", "--reason", "x", hub=archive, code=2).err
    )
    came(archive, days=4)
    made = say("archive", "dispose", "propose", "--reason", "x", "--json", hub=archive).data
    assert (
        say("archive", "dispose", "refuse", made["id"], "--reason", "no", "--json", hub=archive).data["state"]
        == "refused"
    )
    assert "archive.no-disposal" in say("archive", "dispose", "show", "z9", hub=archive, code=2).err


def test_a_profile_that_is_named_and_missing_is_told(archive: Path) -> None:
    (archive / "archive" / "invoices.toml").unlink()
    assert "config.unknown-profile" in say("apply", "--yes", "--reason", "x", hub=archive, code=2).err
    (archive / "archive" / "invoices.toml").write_text(PROFILE.replace("far", "near") + "write_once = true\n")
    assert "config.unknown-place" in say("apply", "--yes", "--reason", "x", hub=archive, code=2).err
    (archive / "archive" / "invoices.toml").write_text(PROFILE + "write_once = true\n")
    assert "config.no-lock" in say("apply", "--yes", "--reason", "x", hub=archive, code=2).err


def test_a_hub_that_serves_archives_and_copies_by_itself(archive: Path, tmp_path: Path) -> None:
    (archive / "flows").mkdir(exist_ok=True)
    (archive / "flows" / "books.toml").write_text('name = "Books"\n[[to]]\nchannel = "folder:books"\n')
    path = archive / "ecluse.toml"
    path.write_text(f'{path.read_text()}[folders.books]\npath = "{tmp_path}/books"\ncreate = true\n')
    text = path.read_text().replace('address = "127.0.0.1:1"', f'address = "127.0.0.1:{free_port()}"')
    path.write_text(text)
    say("apply", "--yes", "--reason", "books", hub=archive)
    document = tmp_path / "invoice.xml"
    document.write_bytes(INVOICE)
    with serving(archive):
        say("send", "--flow", "books", document, hub=archive)
        deadline = time.monotonic() + 120
        copied: list[str] = []
        while not copied and time.monotonic() < deadline:
            time.sleep(0.5)
            rows = say("archive", "list", "--json", hub=archive).data["archived"]
            shown = [say("archive", "show", row["id"], "--json", hub=archive).data for row in rows]
            copied = [each["id"] for each in shown if all(kept["copied"] for kept in each["bytes"])]
    (row,) = rows
    assert (row["type"], row["flow"], row["partner"]) == ("invoice", "books", "")
    assert copied == [row["id"]]
    assert shown[0]["submitter"] == "flow:books"
