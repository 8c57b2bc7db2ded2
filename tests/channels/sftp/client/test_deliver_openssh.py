from __future__ import annotations

import hashlib
import os

import pytest
from tests.support.seen import seen
from tests.support.sftp_world import World
from tests.support.sshd import Sshd

from ecluse.model.states import DeliveryState
from ecluse.trust.keys.ssh import fingerprint, key_blob

pytestmark = pytest.mark.peer("sshd")
ORDER = b"UNB+UNOC:3+ASTER+BIRCH'BGM+220+4711+9'"


@pytest.fixture
def server(tmp_path):
    with Sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
def world(tmp_path, server):
    with World(tmp_path / "hub") as made:
        made.reach(server)
        yield made


def test_a_document_appears_whole_under_its_name(world, server):
    message = world.send(("orders.edi", ORDER))
    world.run()
    assert world.delivery(message).state is DeliveryState.CONFIRMED, world.delivery(message).reason
    assert server.names() == ["orders.edi"]
    assert (server.files / "orders.edi").read_bytes() == ORDER
    receipt = world.receipt(message)
    assert receipt["files"] == [
        {
            "path": str(server.files / "orders.edi"),
            "how": "rename",
            "fsynced": True,
            "compared": "size",
            "size": len(ORDER),
            "sha256": hashlib.sha256(ORDER).hexdigest(),
        }
    ]
    assert receipt["host_key"] == server.fingerprint
    assert receipt["kex"] == "curve25519-sha256"
    assert receipt["cipher"] == "aes256-gcm@openssh.com"
    assert receipt["server"].startswith("SSH-2.0-OpenSSH")
    found = seen(world.hub, "birch", "sftp")
    assert found.pop("version") == {receipt["server"]}
    assert found == {
        "host-key": {server.fingerprint},
        "kex": {"curve25519-sha256"},
        "cipher": {"aes256-gcm@openssh.com"},
        "login": {"key"},
        "user-key": {fingerprint(key_blob(world.public_key))},
    }


def test_a_large_document_and_small_ones_in_one_message(world, server):
    large = os.urandom(9 << 20)
    message = world.send(("large.bin", large), ("small.txt", b"x"), ("small.txt", b"y"), folder="2026/june")
    world.run()
    assert world.delivery(message).state is DeliveryState.CONFIRMED, world.delivery(message).reason
    assert server.names() == ["2026/june/3-small.txt", "2026/june/large.bin", "2026/june/small.txt"]
    assert (server.files / "2026/june/large.bin").read_bytes() == large
