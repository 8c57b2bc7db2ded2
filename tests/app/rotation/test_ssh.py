"""SSH keys are replaced: our server's host key, kept by clients that ask for it; our own key at a partner's server."""

from __future__ import annotations

import subprocess

import asyncssh
import pytest
from tests.support.as2_hubs import HOST, eventually, serve

import ecluse.app.service
from ecluse.app.folder import make_hub
from ecluse.app.rotation.begin import Wanted, begin
from ecluse.app.rotation.board import board
from ecluse.app.rotation.hand import retire_now
from ecluse.app.rotation.tend import look
from ecluse.app.settings import apply_files
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.target import Target
from ecluse.model.basics import PartnerId, new_id
from ecluse.trust.configuration import read_folder


@pytest.fixture
def hubs(tmp_path, monkeypatch):
    """Aster has an SFTP server; Birch sends to it, with a key of its keyring."""
    monkeypatch.setattr(ecluse.app.service, "RELOAD_EVERY", 0.05)
    made = [
        make_hub(
            tmp_path / name, name=name.title(), as2_id=name.upper(), key_kind="ec-p256", sftp=f"{HOST}:0"
        )
        for name in ("aster", "birch")
    ]
    with made[0], made[1], serve(made[0]) as aster, serve(made[1]) as birch:
        birch.node.keyring.generate("login", "ed25519", subject="Birch")
        yield aster, birch


def admit(aster, *lines):
    keys = ", ".join(f'"{line}"' for line in lines)
    (aster.node.folder / "partners" / "birch.toml").write_text(
        f'name = "Birch"\n[account]\nuser = "birch"\nkeys = [{keys}]\nprotocols = ["sftp"]\n'
    )
    apply_files(aster.node, read_folder(aster.node.folder), actor="operator:test", reason="test")


def reach(birch, aster):
    lines = [aster.node.keyring.ssh_public_key(ref) for ref in aster.node.directory.host_keys()]
    keys = ", ".join(f'"{line}"' for line in lines)
    (birch.node.folder / "partners" / "aster.toml").write_text(
        f'name = "Aster"\n[sftp]\nhost = "{HOST}:{aster.service.sftp.port}"\nuser = "birch"\n'
        f'key = "login"  # ours\nhost_keys = [{keys}]\nfolder = "/inbound"\nallow_private_network = true\n'
    )
    apply_files(birch.node, read_folder(birch.node.folder), actor="operator:test", reason="test")


def send(birch, number):
    hub = birch.node.hub
    message = hand_in(
        hub,
        PartnerId("aster"),
        "sftp:aster",
        [HandIn(f"order-{number}.edi", "application/edifact", [b"ORDER %d" % number])],
        protocol="sftp",
        protocol_id=new_id("p", hub.clock(), hub.entropy),
        wire=Target().encode(),
    )
    birch.settled(message.id, "confirmed", seconds=20)
    return message


def seen(birch, role, partner="aster", channel="sftp"):
    from ecluse.trust.sightings import Seen, sightings_of

    birch.node.hub.note_sightings(everything=True)
    found = birch.node.store.read(lambda view: sightings_of(view, PartnerId(partner)))
    return [each.value for each in Seen(found).values(channel, role)]


def stage(hub, id, partner):
    look(hub.node, id)
    return next(each["state"] for each in board(hub.node, id)["partners"] if each["partner"] == partner)


def test_our_key_at_a_partners_server(hubs):
    aster, birch = hubs
    keyring = birch.node.keyring
    admit(aster, keyring.ssh_public_key("login"))
    reach(birch, aster)
    send(birch, 1)
    begin(birch.node, Wanted(old="login", new="login-2"), actor="operator:test")
    assert stage(birch, "login-2", "aster") == "told"
    assert keyring.ssh_public_key("login-2") in (
        birch.node.folder / "letters" / "login-2" / "aster.eml"
    ).read_text().replace("=\n", "").replace("=3D", "=")
    send(birch, 2)
    assert board(birch.node, "login-2")["ssh"] not in seen(birch, "user-key")
    assert stage(birch, "login-2", "aster") == "told"
    # They take the new one up beside the old one; the next connection is logged in with it.
    admit(aster, keyring.ssh_public_key("login"), keyring.ssh_public_key("login-2"))
    birch.node.channels["sftp"]._links.loop.call(birch.node.channels["sftp"]._links._clear())
    send(birch, 3)
    assert board(birch.node, "login-2")["ssh"] in seen(birch, "user-key")
    assert stage(birch, "login-2", "aster") == "switched"
    retire_now(birch.node, "login-2", actor="operator:test", reason="done")
    text = (birch.node.folder / "partners" / "aster.toml").read_text()
    assert 'key = "login-2"' in text
    assert "successor" not in text
    admit(aster, keyring.ssh_public_key("login-2"))
    send(birch, 4)


@pytest.mark.peer("sftp")
def test_the_host_key_of_our_server(hubs, tmp_path):
    aster, _ = hubs
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "key").write_bytes(key.export_private_key())
    (tmp_path / "key").chmod(0o600)
    admit(aster, key.export_public_key().decode().strip())
    keyring, port = aster.node.keyring, aster.service.sftp.port
    known = tmp_path / "known_hosts"
    known.write_text(f"[{HOST}]:{port} {keyring.ssh_public_key('ssh-host')}\n")

    def get() -> int:
        words = ["sftp", "-b", "-", "-P", str(port), "-i", str(tmp_path / "key"), "-F", "/dev/null"]
        for option in (
            f"UserKnownHostsFile={known}",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=yes",
            "IdentitiesOnly=yes",
            "HashKnownHosts=no",
        ):
            words += ["-o", option]
        return subprocess.run(
            [*words, f"birch@{HOST}"], input=b"ls\n", capture_output=True, timeout=30, check=False
        ).returncode

    assert get() == 0
    begin(aster.node, Wanted(old="ssh-host", new="ssh-host-2"), actor="operator:test")
    assert stage(aster, "ssh-host-2", "birch") == "told"
    new = keyring.ssh_public_key("ssh-host-2").split()[1]

    def kept() -> bool:
        assert get() == 0
        return new in known.read_text()

    eventually(kept, 60)  # the listener takes the second key up within a moment
    eventually(lambda: seen(aster, "host-key-kept", "birch", "account-sftp"))
    assert stage(aster, "ssh-host-2", "birch") == "switched"
    assert board(aster.node, "ssh-host-2")["shown"] is not None
    # Somebody who knows nothing but the new one gets in now.
    known.write_text(f"[{HOST}]:{port} {keyring.ssh_public_key('ssh-host-2')}\n")
    eventually(lambda: get() == 0, 60)
    retire_now(aster.node, "ssh-host-2", actor="operator:test", reason="done")
    assert aster.node.directory.hub.listen.sftp.host_keys == ("ssh-host-2",)
    assert get() == 0
