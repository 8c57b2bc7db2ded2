"""What the command line shows of partners' folders, and removes from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import say
from tests.support.tree_worlds import FACTS, begin, put

from ecluse.app.health.places import clear_text, looks
from ecluse.app.opening import open_node
from ecluse.exchange.mailbox import open_tree

PARTNER = """name = "Birch Packaging"
[account]
user = "birch"
folders = ["stock/in"]
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq6oWnkpJ3F7jvSPFIzYx6jPZk4ymLXnJ6Dfn0JSZ8A birch"]
"""


@pytest.fixture
def filled(hub: Path) -> Path:
    (hub / "partners").mkdir(exist_ok=True)
    (hub / "partners" / "birch.toml").write_text(PARTNER)
    say("apply", "--yes", "--reason", "a supplier", hub=hub)
    with open_node(hub) as node:
        tree = open_tree(node.hub, node.directory.partner("birch"), FACTS)  # type: ignore[arg-type]
        put(tree, "/inbound/order.xml", b"<Order/>")
        put(tree, "/stock/in/levels.csv", b"1;2")
        begin(tree, "/inbound/big.zip.part", b"half").suspend()
    return hub


def test_files_are_listed(filled: Path) -> None:
    data = say("account", "files", "birch", "--json", hub=filled).data
    assert [(row["path"], row["state"], row["size"]) for row in data["files"]] == [
        ("/inbound/big.zip.part", "partial", 4),
        ("/inbound/order.xml", "taken", 8),
        ("/stock/in/levels.csv", "taken", 3),
    ]
    assert (data["space"]["octets"], data["space"]["files"]) == (15, 3)
    text = say("account", "files", "birch", "--folder", "/stock", hub=filled).text
    assert "/stock/in/levels.csv" in text
    assert "order.xml" not in text
    assert "15 of 53,687,091,200 octets" in text
    assert (
        say("account", "files", "birch", "--limit", "1", "--json", hub=filled).data["files"][0]["size"] == 4
    )


def test_a_file_is_removed_with_a_reason(filled: Path) -> None:
    gone = say(
        "account", "remove", "birch", "/inbound/big.zip.part", "--reason", "by post", "--json", hub=filled
    ).data
    assert (gone["path"], gone["state"]) == ("/inbound/big.zip.part", "partial")
    assert len(say("account", "files", "birch", "--json", hub=filled).data["files"]) == 2
    again = say("account", "remove", "birch", "/inbound/big.zip.part", "--reason", "x", hub=filled, code=2)
    assert "account.no-such-file" in again.err


def test_who_has_no_account(filled: Path) -> None:
    assert "trust.unknown-partner" in say("account", "files", "nobody", hub=filled, code=2).err
    path = filled / "partners" / "birch.toml"
    path.write_text('name = "Birch"\n[webdav]\nurl = "https://birch.example/in"\n')
    say("apply", "--yes", "--reason", "no account any more", hub=filled)
    assert "account.none" in say("account", "files", "birch", hub=filled, code=2).err


def test_a_partner_without_as2_is_shown(filled: Path) -> None:
    facts = say("partner", "show", "birch", "--json", hub=filled).data
    assert facts["account"]["user"] == "birch"
    assert facts["account"]["keys"][0].startswith("SHA256:")
    text = say("partner", "show", "birch", hub=filled).text
    assert "birch by sftp and ftps: key SHA256:" in text
    assert "AS2" not in text
    listed = say("partner", "list", hub=filled).text
    assert "account" in listed
    assert "[" not in listed


def test_ftp_in_clear_is_told_whether_the_server_answers_or_not(filled: Path) -> None:
    (filled / "partners" / "cedar.toml").write_text(
        'name = "Cedar"\n[ftps]\nhost = "127.0.0.1:9"\nmode = "clear"\nuser = "aster"\npassword = "env:X"\n'
        'allow_private_network = true\n[[exceptions]]\nalgorithm = "clear-text"\nreason = "Until March"\n'
        'until = "2099-03-31"\n'
    )
    say("apply", "--yes", "--reason", "no TLS yet", hub=filled)
    with open_node(filled) as node:
        view = node.directory.partner("cedar")
        [finding] = [look(node, view) for look in looks(view) if look is clear_text]
    assert "clear text until 2099-03-31: Until March" in finding.observed
