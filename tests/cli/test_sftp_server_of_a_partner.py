"""The how-to, word by word: a key, a host key that is compared, a partner's file; then both directions."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.support.commands import say, serving
from tests.support.sshd import Sshd

pytestmark = pytest.mark.peer("sshd")


def test_delivered_and_collected(tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    say("init", hub, "--name", "Aster Foods", "--as2-id", "ASTER", "--key-kind", "rsa-2048")
    say("cert", "generate", "birch-sftp", "--kind", "ed25519", hub=hub)
    line = say("cert", "ssh", "birch-sftp", "--json", hub=hub).data["public_key"]
    with Sshd(tmp_path / "sshd", kinds=("ssh-ed25519", "ssh-rsa")) as server:
        server.allow(line)
        for folder in ("in/orders", "out"):
            (server.files / folder).mkdir(parents=True)
        shown = say("partner", "scan-host-key", f"127.0.0.1:{server.port}", "--json").data["keys"]
        assert {key["fingerprint"] for key in shown} == {key.get_fingerprint() for key in server.host_keys}
        text = say("partner", "scan-host-key", f"127.0.0.1:{server.port}").text
        assert server.fingerprint in text
        (hub / "partners" / "birch.toml").write_text(
            f'name = "Birch Packaging"\n[sftp]\nhost = "127.0.0.1:{server.port}"\nuser = "{server.user}"\n'
            f'host_keys = ["{server.fingerprint}"]\nkey = "birch-sftp"\nallow_private_network = true\n'
        )
        flows = hub / "flows"
        flows.mkdir(exist_ok=True)
        (flows / "from-birch.toml").write_text(
            'name = "Invoices"\n[from]\nchannel = "sftp:birch"\n'
            'folder = "out"\nnames = ["*.xml"]\nevery = "1s"\nstable = "1s"\n'
            '[[to]]\nchannel = "folder:inbox"\n'
        )
        say("apply", "--yes", "--reason", "Birch has an SFTP server", hub=hub)
        findings = say("doctor", "--json", hub=hub).data["findings"]
        [found] = [each for each in findings if each["check"] == "sftp:birch"]
        assert found["level"] == "ok", found
        assert server.fingerprint in found["observed"]
        order = tmp_path / "orders-4711.edi"
        order.write_bytes(b"UNB+UNOC:3+ASTER+BIRCH'")
        (server.files / "out" / "invoice.xml").write_bytes(b"<Invoice/>")
        (server.files / "out" / "readme.txt").write_bytes(b"not wanted")
        with serving(hub):
            sent = say("send", "birch", order, "--channel", "sftp", "--wait", "--json", hub=hub).data
            assert sent["confirmed"], sent
            assert (server.files / "orders-4711.edi").read_bytes() == order.read_bytes()
            end = time.monotonic() + 120
            # It is put into the inbox after it was kept, and so perhaps after it was taken away there.
            while not any((hub / "inbox").rglob("*invoice.xml")) and time.monotonic() < end:
                time.sleep(0.1)
            assert [p.name for p in (server.files / "out").iterdir()] == ["readme.txt"]
        assert [p.read_bytes() for p in (hub / "inbox").rglob("*invoice.xml")] == [b"<Invoice/>"]
        (hub / "partners" / "birch.toml").write_text(
            (hub / "partners" / "birch.toml").read_text().replace(server.fingerprint, "SHA256:" + "A" * 43)
        )
        say("apply", "--yes", "--reason", "another key", hub=hub)
        findings = say("doctor", "--json", hub=hub, code=1).data["findings"]
        [found] = [each for each in findings if each["check"] == "sftp:birch"]
        assert found["level"] == "failed"
        assert server.fingerprint in found["observed"]
