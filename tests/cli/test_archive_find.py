"""Finding archived documents on the command line, and handing the archive over to another hub."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest
from tests.cli.conftest import stretch_little
from tests.support import documents as samples
from tests.support.commands import say
from tests.support.operators import person, write_key

from ecluse.app.opening import open_node
from ecluse.archive.deposit import deposit
from ecluse.exchange.intake import Arrival, Intake, Kept
from ecluse.model.basics import PartnerId
from ecluse.model.states import MessageState

PROFILE = 'name = "Invoices"\nretention = "10y"\nbasis = "Code de commerce, article L123-22"\n'


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "anne", person("anne"))


@pytest.fixture
def archive(hub: Path, key: Path) -> Path:
    """A hub with an archive, an administrator of it, and some documents."""
    say("operator", "add", "anne", "--public-key", f"{key}.pub", "--role", "archive", "--yes", hub=hub)
    (hub / "archive").mkdir()
    (hub / "archive/invoices.toml").write_text(PROFILE)
    say("apply", "--yes", "--reason", "an archive", hub=hub)
    for partner, data in (
        ("birch", samples.ORDERS),
        ("birch", samples.UBL_DESPATCH),
        ("birch", samples.UBL_INVOICE),
        ("bank", samples.PAYMUL),
    ):
        came(hub, partner, data)
    return hub


def came(hub: Path, partner: str, data: bytes) -> None:
    with open_node(hub) as node:
        arrival = Arrival(PartnerId(partner), "as2", f"<{hash(data)}@{partner}.example>", "Document")
        intake = Intake(node.hub, arrival)
        intake.begin_document("application/octet-stream", "document")
        intake.document_data(data, in_exact=False)
        intake.end_document(None)
        kept = intake.accept(b"{}", {}, None).result()
        assert isinstance(kept, Kept)
        deposit(node.archive, kept.message.id, "invoices", actor="operator:test")
        done = msgspec.structs.replace(kept.message, state=MessageState.DELIVERED)
        node.store.write(lambda tx: tx.update_message(done))


def test_search(archive: Path) -> None:
    def numbers(*words: str) -> list[str]:
        found = say("archive", "search", *words, "--json", hub=archive).data
        return [row["reference"] for row in found["archived"]]

    assert numbers("4711") == ["2026-118", "LS-88", "4711"]
    assert numbers("--type", "invoice", "--amount", "4000..5000", "--currency", "eur") == ["2026-118"]
    assert numbers("--amount", "1..2") == []
    assert numbers("--text", "118") == ["ZA-8", "2026-118"]
    assert numbers("--since", "2026-12") == ["ZA-8"]
    assert "2026-118" in say("archive", "search", "--partner", "birch", hub=archive).text
    first = say("archive", "search", "--limit", "2", "--json", hub=archive).data
    rest = numbers("--after", first["next"])
    assert [row["reference"] for row in first["archived"]] + rest == ["ZA-8", "2026-118", "LS-88", "4711"]
    for wrong in (("--amount", "x"), ("--amount", ".."), ("--since", "soon"), ("--after", "x")):
        assert say("archive", "search", *wrong, "--json", hub=archive, code=2).data["error"]["remedy"]


def test_chain(archive: Path, tmp_path: Path) -> None:
    facts = say("archive", "chain", "2026-118", "--json", hub=archive).data
    assert [each["type"] for each in facts["documents"]] == ["order", "despatch-advice", "invoice", "payment"]
    assert {(link["kind"], link["parties"]) for link in facts["links"]} == {
        ("order", "partner"),
        ("invoice", "amount"),
    }
    assert {each["code"] for each in facts["remarks"]} == {"missing-contract", "missing-sales-order"}
    text = say("archive", "chain", "2026-118", hub=archive).text
    assert "names contract FRAME-2026-08" in " ".join(text.split()) or "FRAME-2026-08" in text
    page = tmp_path / "trail.html"
    say("archive", "chain", "2026-118", "--html", page, "--language", "fr", hub=archive)
    assert "Piste d&#x27;audit" in page.read_text()
    came(archive, "cedar", samples.UBL_INVOICE)
    assert (
        say("archive", "chain", "2026-118", "--json", hub=archive, code=2).data["error"]["code"]
        == "archive.several"
    )
    assert say("archive", "chain", "no-such", "--json", hub=archive, code=2).data["error"]["code"]


def test_recap(archive: Path, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    year = str(datetime.now(UTC).year)
    facts = say("archive", "recap", year, "--out", tmp_path / "recap", "--json", hub=archive).data
    assert facts["lines"] == 1
    assert len(facts["files"]) == 8
    text = (tmp_path / f"recap/list-{year}.fr.csv").read_text()
    assert "4242,00" in text
    assert "birch" in (tmp_path / f"recap/partners-{year}.en.csv").read_text()
    assert say("archive", "recap", "99999", "--out", tmp_path / "x", "--json", hub=archive, code=2).data[
        "error"
    ]["code"]


def test_from_one_hub_to_another(archive: Path, key: Path, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    words = ("archive", "export", bag, "--reason", "change of provider")
    assert say(*words, "--json", hub=archive, code=2).data["error"]["code"] == "archive.not-allowed"
    facts = say(*words, "--as", "anne", "--key", key, "--json", hub=archive).data
    assert (facts["messages"], facts["documents"], facts["lacking"]) == (4, 4, [])
    assert (
        subprocess.run(["sha256sum", "--quiet", "-c", "manifest-sha256.txt"], cwd=bag, check=False).returncode
        == 0
    )
    (tmp_path / "log.key").write_text((bag / "data/system/log/key").read_text())
    checked = say("archive", "verify-export", bag, "--log-key", tmp_path / "log.key", "--json").data
    assert (checked["documents"], checked["receipts"], checked["claimed"]) == (4, 4, False)
    assert "is as it was exported" in say("archive", "verify-export", bag).text

    other = tmp_path / "other"
    say("init", other, "--name", "Dogwood", "--as2-id", "DOGWOOD", "--json")
    stretch_little(other)
    load = ("archive", "import", bag, "--reason", "taken over", "--json")
    assert say(*load, hub=other, code=2).data["error"]["code"] == "archive.import-conflict"
    (other / "archive").mkdir()
    (other / "archive/invoices.toml").write_text((bag / "data/system/profiles/invoices.toml").read_text())
    say("apply", "--yes", "--reason", "profiles of the former hub", hub=other)
    done = say(*load, "--log-key", tmp_path / "log.key", hub=other).data
    assert (done["messages"], done["documents"], done["left_out"]) == (4, 4, [])
    assert say(*load, hub=other).data["there"] == 4
    assert say("log", "verify", "--bytes", "--json", hub=other).data["states"] == []
    held = say(
        "archive", "hold", "--partner", "birch", "--for", "TC 1", "--reason", "dispute", "--json", hub=other
    )
    assert held.data["documents"] == 3, "birch is no partner of this hub, and its documents are here"
    error = say(
        "archive", "hold", "--partner", "elm", "--for", "x", "--reason", "y", "--json", hub=other, code=2
    )
    assert error.data["error"]["code"] == "trust.unknown-partner"
    found = say("archive", "search", "--invoice", "2026-118", "--json", hub=other).data["archived"]
    assert [row["type"] for row in found] == ["payment", "invoice"]
    shown = say("archive", "show", found[1]["id"], "--json", hub=other).data
    assert [each["kind"] for each in shown["journal"]] == ["archive.imported"]
    say("archive", "get", found[1]["id"], "--reason", "look", "--out", tmp_path / "again.xml", hub=other)
    assert (tmp_path / "again.xml").read_bytes() == samples.UBL_INVOICE

    (bag / "data/system/README.txt").write_text("changed")
    error = say("archive", "verify-export", bag, "--json", code=1).data["error"]
    assert (error["code"], "README.txt" in error["cause"]) == ("archive.bad-export", True)
