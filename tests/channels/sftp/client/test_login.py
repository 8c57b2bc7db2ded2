"""Ways to log in, host keys, jump hosts, and what is spoken."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time

import asyncssh
import pytest
from tests.support.fake_sftp import FakeSsh
from tests.support.sftp_world import World
from tests.support.sshd import Sshd, public_line

from ecluse.channels.sftp.client.errors import HostKeyChanged, LoginRefused, NoAlgorithm, Unreachable
from ecluse.channels.sftp.client.probe import reach, scan
from ecluse.errors import Fault
from ecluse.model.states import DeliveryState
from ecluse.trust.errors import ConfigurationError

ORDER = b"UNB+UNOC:3+ASTER+BIRCH'BGM+220+4711+9'"
PASSWORD = "correct-horse-2"
EXCEPTION = '[[exceptions]]\nalgorithm = "ssh-legacy"\nreason = "old server"\nuntil = "2027-01-01"\n'


@pytest.fixture
def world(tmp_path):
    with World(tmp_path / "hub", secrets={"env:BIRCH": PASSWORD, "env:WRONG": "wrong"}) as made:
        yield made


def lines(server, *more: str, key: str | None = None) -> str:
    key = f'"{key or server.fingerprint}"'
    return "\n".join(
        (f'host = "127.0.0.1:{server.port}"', f'user = "{server.user}"', f"host_keys = [{key}]", *more)
    )


def delivered(world: World) -> str:
    """The reason why it is not; empty where it is."""
    message = world.send(("orders.edi", ORDER))
    world.run(2)
    delivery = world.delivery(message)
    return "" if delivery.state is DeliveryState.CONFIRMED else delivery.reason_code


# --- logging in -----------------------------------------------------------------------------------------------


def test_a_password(world, tmp_path):
    with FakeSsh(password=PASSWORD, files=tmp_path) as server:
        world.configure(lines(server, 'password = "env:BIRCH"'))
        assert delivered(world) == ""
        assert (tmp_path / "orders.edi").read_bytes() == ORDER


def test_a_password_is_given_once_and_never_to_a_question_that_shows_it(world, tmp_path):
    with FakeSsh(password="other", typed="other", files=tmp_path) as server:
        world.configure(lines(server, 'password = "env:BIRCH"'))
        assert delivered(world) == "sftp.login-refused"
        assert server.passwords.count(PASSWORD) == 2 * 2, "once by each method, in each of two attempts"
    with FakeSsh(typed=PASSWORD, questions=(("Your PIN? ", True),), files=tmp_path) as server:
        world.configure(lines(server, 'password = "env:BIRCH"'))
        assert delivered(world) == "sftp.login-refused"
        assert server.passwords == []


def test_keyboard_interactive(world, tmp_path):
    with FakeSsh(typed=PASSWORD, files=tmp_path) as server:
        world.configure(lines(server, 'password = "env:BIRCH"'))
        assert delivered(world) == ""


@pytest.mark.peer("sshd")
@pytest.mark.parametrize("kind", ["ed25519", "ec-p384", "rsa-3072"])
def test_a_key_of_the_keyring(world, tmp_path, kind):
    world.ring.generate("other", kind, subject="Aster", days=3000)
    with Sshd(tmp_path / "sshd") as server:
        server.allow(world.ring.ssh_public_key("other"))
        world.configure(lines(server, 'key = "other"'))
        assert delivered(world) == ""


@pytest.mark.peer("sshd")
def test_a_user_certificate(world, tmp_path):
    authority = asyncssh.generate_private_key("ssh-ed25519")
    public = asyncssh.import_public_key(world.public_key)
    with Sshd(tmp_path / "sshd") as server:
        certificate = authority.generate_user_certificate(public, "aster", principals=[server.user])
        line = certificate.export_certificate().decode().strip()
        server.allow(f"cert-authority {public_line(authority)}")
        world.configure(lines(server, 'key = "ssh"', f'certificate = "{line}"'))
        assert delivered(world) == ""
        world.configure(lines(server, 'key = "main"', f'certificate = "{line}"'))
        assert delivered(world) == "keyring.bad-request"


@pytest.mark.peer("sshd", "ssh-agent")
def test_the_agent(world, tmp_path, monkeypatch):
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o600)
    sock = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        while not sock.exists():
            time.sleep(0.01)
        environ = {**os.environ, "SSH_AUTH_SOCK": str(sock)}
        subprocess.run(["ssh-add", "-q", str(tmp_path / "key")], env=environ, check=True)
        with Sshd(tmp_path / "sshd") as server:
            server.allow(public_line(key))
            world.configure(lines(server, "agent = true"))
            monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
            assert delivered(world) == "sftp.no-agent"
            monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
            assert delivered(world) == ""
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.peer("sshd")
def test_a_key_that_is_not_known_there_is_tried_again_and_says_whose_fault_it_is(world, tmp_path):
    with Sshd(tmp_path / "sshd") as server:
        server.allow()
        world.configure(lines(server, 'key = "ssh"'))
        with pytest.raises(LoginRefused) as caught:
            reach(world.relation())
        assert caught.value.fault is Fault.PARTNER
        assert server.user in str(caught.value)


def test_nothing_of_this_machines_own_ssh_is_used(world, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(home / ".ssh/id_ed25519")
    with FakeSsh(key=public_line(key), password="x", files=tmp_path) as server:
        (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {public_line(server.host_key)}\n")
        (home / ".ssh/config").write_text("Host *\n  User root\n")
        monkeypatch.setenv("HOME", str(home))
        world.configure(lines(server, 'password = "env:BIRCH"'))
        assert delivered(world) == "sftp.login-refused"
        assert {user for _, user in server.logins} == {"aster"}
        world.configure(lines(server, 'password = "env:BIRCH"', key="SHA256:" + "A" * 43))
        assert delivered(world) == "sftp.host-key-changed"


# --- host keys ------------------------------------------------------------------------------------------------


def test_a_changed_host_key_stops_the_delivery_and_is_told(world, tmp_path):
    with FakeSsh(password=PASSWORD, files=tmp_path) as server:
        pinned = "SHA256:" + "B" * 43
        world.configure(lines(server, 'password = "env:BIRCH"', key=pinned))
        message = world.send(("orders.edi", ORDER))
        world.run(3)
        delivery = world.delivery(message)
        assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, 1)
        assert delivery.reason_code == "sftp.host-key-changed"
        assert server.fingerprint in delivery.reason
        assert pinned in delivery.reason
        assert server.logins == [], "nothing was told to it"
        [(kind, facts)] = world.events("birch")
        assert kind == "partner.host-key-refused"
        assert facts["seen"] == [server.fingerprint]
        assert facts["expected"] == [pinned]


@pytest.mark.peer("sshd")
@pytest.mark.parametrize("pin", ["fingerprint", "line"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_any_key_of_a_server_with_several_may_be_pinned(world, tmp_path, which, pin):
    kinds = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
    with Sshd(tmp_path / "sshd", kinds=kinds) as server:
        server.allow(world.public_key)
        key = server.host_keys[which]
        pinned = key.get_fingerprint() if pin == "fingerprint" else public_line(key)
        world.configure(lines(server, 'key = "ssh"', key=pinned))
        assert reach(world.relation()).host_key == key.get_fingerprint()


@pytest.mark.peer("sshd")
def test_a_host_certificate(world, tmp_path):
    authority = asyncssh.generate_private_key("ssh-ed25519")
    other = asyncssh.generate_private_key("ssh-ed25519")
    folder = tmp_path / "sshd"
    server = Sshd(folder, f"HostCertificate {folder / 'host-cert.pub'}")
    server.allow(world.public_key)

    def certify(principal: str, **window: object) -> None:
        public = server.host_keys[0].convert_to_public()
        certificate = authority.generate_host_certificate(public, "birch", principals=[principal], **window)
        certificate.write_certificate(folder / "host-cert.pub")

    certify("127.0.0.1")
    with server:
        world.configure(lines(server, 'key = "ssh"', key=f"@cert-authority {public_line(authority)}"))
        assert reach(world.relation()).host_key == f"an authority {authority.get_fingerprint()}"
        world.configure(lines(server, 'key = "ssh"', key=f"@cert-authority {public_line(other)}"))
        with pytest.raises(HostKeyChanged):
            reach(world.relation())
        world.configure(lines(server, 'key = "ssh"'))
        assert reach(world.relation()).host_key == server.fingerprint
    for wrong in ({"principal": "elsewhere.example"}, {"principal": "127.0.0.1", "valid_before": "20200102"}):
        certify(**wrong)
        with server:
            world.configure(lines(server, 'key = "ssh"', key=f"@cert-authority {public_line(authority)}"))
            with pytest.raises(HostKeyChanged, match="not good"):
                reach(world.relation())


@pytest.mark.peer("sshd")
def test_scanning_shows_every_key_and_logs_nobody_in(tmp_path):
    with Sshd(tmp_path / "sshd", kinds=("ssh-ed25519", "ssh-rsa")) as server:
        server.allow()
        shown = {
            (key.kind, key.algorithm, key.fingerprint, key.line) for key in scan("127.0.0.1", server.port)
        }
        assert shown == {
            ("key", key.get_algorithm(), key.get_fingerprint(), public_line(key)) for key in server.host_keys
        }
        assert b"Accepted" not in server.log.read_bytes()
    with pytest.raises(Unreachable):
        scan("127.0.0.1", server.port)


@pytest.mark.parametrize(
    ("pinned", "field"),
    [
        ("[]", "sftp.host_keys"),
        ('["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"]', "sftp.host_keys[0]"),
        (
            '["ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIIiYWo1kPqNqIbhjhtRqgJ6hmOdCL1d0rUqjCdzY8mPN"]',
            "sftp.host_keys[0]",
        ),
    ],
)
def test_a_host_key_that_is_none_is_refused_by_the_configuration(world, pinned, field):
    with pytest.raises(ConfigurationError) as caught:
        world.configure(f'host = "sftp.birch.example"\nuser = "aster"\nkey = "ssh"\nhost_keys = {pinned}')
    assert field in [problem.field for problem in caught.value.problems]


# --- algorithms -----------------------------------------------------------------------------------------------


@pytest.mark.peer("sshd")
@pytest.mark.parametrize(
    "option",
    [
        "KexAlgorithms diffie-hellman-group14-sha256",
        "Ciphers aes256-ctr",
        "KexAlgorithms diffie-hellman-group14-sha1",
    ],
)
def test_old_algorithms_need_the_exception(world, tmp_path, option):
    with Sshd(tmp_path / "sshd", option) as server:
        world.reach(server)
        with pytest.raises(NoAlgorithm) as caught:
            reach(world.relation())
        assert "ssh-legacy" in caught.value.remedy
        world.reach(server, rest=EXCEPTION)
        spoken = reach(world.relation())
        assert option.split()[1] in (spoken.kex, spoken.cipher)
        world.clock.forward(400 * 86_400)
        with pytest.raises(NoAlgorithm):  # the exception is over
            reach(world.relation())


def test_a_server_that_ends_with_its_last_word_is_understood(world):
    """Its list of algorithms and the end of the connection wait together when the hub comes to read."""
    names = b"".join(len(name).to_bytes(4, "big") + name for name in (b"diffie-hellman-group14-sha1",) * 8)
    packet = b"\x04\x14" + bytes(16) + names + bytes(8) + bytes(5) + bytes(4)
    asked = 0

    def serve() -> None:
        nonlocal asked
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            asked += 1
            with line:
                line.sendall(b"SSH-2.0-Birch\r\n" + len(packet).to_bytes(4, "big") + packet)
                line.shutdown(socket.SHUT_WR)
                while line.recv(65_536):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        world.configure(
            f'host = "127.0.0.1:{listener.getsockname()[1]}"\nuser = "aster"\nkey = "ssh"\n'
            f'host_keys = ["SHA256:{"A" * 43}"]'
        )
        with pytest.raises(NoAlgorithm):
            reach(world.relation())
        assert asked == 1
        listener.shutdown(socket.SHUT_RDWR)


def test_post_quantum_first(world, tmp_path):
    with FakeSsh(files=tmp_path) as server:
        world.reach(server)
        spoken = reach(world.relation())
        assert (spoken.kex, spoken.cipher) == ("mlkem768x25519-sha256", "aes256-gcm@openssh.com")


def test_chacha20_needs_strict_key_exchange(world, tmp_path, monkeypatch):
    from asyncssh.connection import SSHServerConnection

    with FakeSsh(files=tmp_path, encryption_algs=["chacha20-poly1305@openssh.com"]) as server:
        world.reach(server)
        assert reach(world.relation()).cipher == "chacha20-poly1305@openssh.com"
        original = SSHServerConnection._get_extra_kex_algs
        monkeypatch.setattr(
            SSHServerConnection,
            "_get_extra_kex_algs",
            lambda self: [name for name in original(self) if b"strict" not in name],
        )
        with pytest.raises(NoAlgorithm, match="strict"):
            reach(world.relation())


# --- ways -----------------------------------------------------------------------------------------------------


def jump_lines(jump, **changes: str) -> str:
    values = {"host": f"127.0.0.1:{jump.port}", "user": jump.user, "key": "ssh", **changes}
    pin = values.pop("pin", jump.fingerprint)
    return (
        "[[sftp.jump]]\n"
        + "\n".join(f'{k} = "{v}"' for k, v in values.items())
        + f'\nhost_keys = ["{pin}"]\n'
    )


@pytest.mark.peer("sshd")
def test_jump_hosts(world, tmp_path):
    with Sshd(tmp_path / "a") as first, Sshd(tmp_path / "b") as second, Sshd(tmp_path / "c") as server:
        for each in (first, second, server):
            each.allow(world.public_key)
        both = jump_lines(first) + jump_lines(second)
        world.configure(lines(server, 'key = "ssh"'), both)
        assert delivered(world) == ""
        assert server.names() == ["orders.edi"]
        assert b"Accepted" in first.log.read_bytes()
        assert b"Accepted" in second.log.read_bytes()
        world.configure(
            lines(server, 'key = "ssh"'), jump_lines(first) + jump_lines(second, pin="SHA256:" + "C" * 43)
        )
        assert delivered(world) == "sftp.host-key-changed"
        world.configure(lines(server, 'key = "ssh"', key="SHA256:" + "C" * 43), both)
        assert delivered(world) == "sftp.host-key-changed"
        server.stop()
        world.links.loop.call(world.links._clear())
        world.configure(lines(server, 'key = "ssh"'), both)
        assert delivered(world) == "sftp.unreachable"


def test_private_networks_need_to_be_allowed(world, tmp_path):
    with FakeSsh(password=PASSWORD, files=tmp_path) as server:
        text = lines(server, 'password = "env:BIRCH"').replace("allow_private_network = true\n", "")
        world.configure(text)
        files = world.directory.configuration.files
        strict = {name: body.replace("allow_private_network = true", "") for name, body in files.items()}
        from ecluse.trust.configuration import Configuration
        from ecluse.trust.directory import Directory

        world.directory = Directory(Configuration.from_files(strict, world.clock()), world.ring, world.secret)
        assert delivered(world) == "http.egress-denied"
        assert server.logins == []


def test_connections_are_kept_for_a_while_and_not_for_other_settings(world, tmp_path):
    with FakeSsh(password=PASSWORD, files=tmp_path) as server:
        world.configure(lines(server, 'password = "env:BIRCH"'))
        for number in range(3):
            world.send((f"{number}.edi", ORDER))
            world.run()
        assert len(server.logins) == 1
        world.configure(lines(server, 'password = "env:BIRCH"', 'timeout = "5s"'))
        assert delivered(world) == ""
        assert len(server.logins) == 2


def test_a_secret_is_in_no_representation(world, tmp_path):
    with FakeSsh(password=PASSWORD, files=tmp_path) as server:
        world.configure(lines(server, 'password = "env:BIRCH"'))
        assert PASSWORD not in repr(world.relation().route())
