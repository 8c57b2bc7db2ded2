"""The listener's key and bans on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import free_port, say

from ecluse.app.health.parties import keys
from ecluse.app.opening import open_node
from ecluse.channels.guard.bans import Bans
from ecluse.trust.keys.ssh import fingerprint, key_blob


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sftp") / "hub"
    port = free_port()
    made = say(
        "init", folder, "--name", "Aster", "--as2-id", "ASTER", "--key-kind", "ec-p256",
        "--sftp", f"127.0.0.1:{port}", "--json",
    )  # fmt: skip
    assert made.data["sftp"]["address"] == f"127.0.0.1:{port}"
    assert made.data["sftp"]["fingerprint"].startswith("SHA256:")
    return folder


def test_host_key_for_partners(hub: Path) -> None:
    told = say("cert", "ssh", "ssh-host", "--host", "sftp.aster.example:4022", "--json", hub=hub).data
    assert told["known_hosts"] == f"[sftp.aster.example]:4022 {told['public_key']}"
    assert told["fingerprint"] == fingerprint(key_blob(told["public_key"]))
    assert told["fingerprint"] in say("cert", "ssh", "ssh-host", hub=hub).text
    plain = say("cert", "ssh", "ssh-host", "--host", "sftp.aster.example", "--json", hub=hub).data
    assert plain["known_hosts"].startswith("sftp.aster.example ssh-ed25519 ")
    assert "keyring.no-key" in say("cert", "ssh", "nothing", hub=hub, code=1).err


def test_keys_of_listeners_are_in_use(hub: Path) -> None:
    say("cert", "generate", "tls", "--kind", "ec-p256", "--days", "20", hub=hub)
    text = (hub / "ecluse.toml").read_text()
    (hub / "ecluse.toml").write_text(f'{text}\n[listen.ftps]\naddress = "127.0.0.1:{free_port()}"\n')
    say("apply", "--yes", "--reason", "FTPS", hub=hub)
    listed = say("cert", "list", "--json", hub=hub).data["certificates"]
    assert {row["source"]: row["use"] for row in listed} == {
        "main": ["sign", "decrypt"],
        "ssh-host": ["ssh"],
        "tls": ["tls"],
    }
    with open_node(hub) as node:
        told = [finding.observed for finding in keys(node)]
    assert any("tls" in text for text in told), "its certificate ends soon"
    assert not any("ssh-host" in text for text in told)
    (hub / "ecluse.toml").write_text(text)
    say("apply", "--yes", "--reason", "no FTPS", hub=hub)


def test_bans_are_listed_and_lifted(hub: Path) -> None:
    assert "Nobody" in say("ban", "list", hub=hub).text
    with open_node(hub) as node:
        bans = Bans(node.store, node.hub.clock, node.hub.entropy, node.name)
        bans.add("address 192.0.2.7", 900, "sftp")
        bans.add("user birch", 900, "ftps")
        node.store.write(lambda tx: None)
    listed = say("ban", "list", "--json", hub=hub).data["bans"]
    assert [ban["subject"] for ban in listed] == ["address 192.0.2.7", "user birch"]
    assert "192.0.2.7" in say("ban", "list", hub=hub).text
    assert say("ban", "lift", "address", "192.0.2.7", "--json", hub=hub).data == {
        "subject": "address 192.0.2.7"
    }
    say("ban", "lift", "user", "birch", hub=hub)
    assert say("ban", "list", "--json", hub=hub).data["bans"] == []
    assert "guard.no-such-ban" in say("ban", "lift", "user", "birch", hub=hub, code=2).err
    assert "cli.usage" in say("ban", "lift", "host", "birch", hub=hub, code=2).err


def test_doctor_looks_at_the_listener(hub: Path) -> None:
    findings = say("doctor", "--json", hub=hub, code=0).data["findings"]
    assert [each["level"] for each in findings if each["check"] == "sftp"] == ["warning"]
