"""The FTPS server is killed while partners upload: what was acknowledged is there, what was not whole is no message."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest
from tests.support.ftp_talker import Talker
from tests.support.serving_node import ServingNode

from ecluse.app.folder import make_hub
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files
from ecluse.trust.configuration import read_folder

SIZE = 300_000
KILLS = (0.15, 0.4)
"""Seconds after the first acknowledgement of a round."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    node = make_hub(tmp_path / "aster", name="Aster", as2_id="ASTER", key_kind="ec-p256")
    node.keyring.generate("tls", "ec-p256", subject="localhost", days=30)
    (node.folder / "secrets").mkdir(exist_ok=True)
    (node.folder / "secrets" / "birch").write_text("correct-horse")
    (node.folder / "secrets" / "birch").chmod(0o600)
    hub = node.folder / "ecluse.toml"
    hub.write_text(hub.read_text() + '\n[listen.ftps]\naddress = "127.0.0.1:0"\n[inbox]\nfolder = false\n')
    (node.folder / "partners" / "birch.toml").write_text(
        'name = "Birch"\n[account]\nuser = "birch"\npassword = "file:secrets/birch"\n'
    )
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
    node.close()
    return node.folder


def content(name: str) -> bytes:
    return name.encode().ljust(16) * (SIZE // 16)


def half_upload(port: int) -> tuple[Talker, socket.socket]:
    """One that is under way when the server is killed."""
    talker = Talker(port)
    data = talker.port()
    assert talker.cmd("STOR inbound/half").startswith("150")
    sock = talker.connect(data)
    sock.sendall(content("half")[: SIZE // 2])
    return talker, sock


def upload_until_killed(port: int, prefix: str, acknowledged: list[str], begun: threading.Event) -> None:
    with contextlib.suppress(OSError, EOFError, AssertionError), Talker(port) as talker:
        for number in range(10_000):
            name = f"{prefix}-{number}"
            if not talker.upload(f"STOR inbound/{name}", content(name)).startswith("226"):
                return
            acknowledged.append(name)
            begun.set()


def test_what_was_acknowledged_outlives_the_server(folder: Path) -> None:
    acknowledged: list[str] = []
    for number, wait in enumerate(KILLS):
        node = ServingNode(folder).wait_until_ready()
        begun = threading.Event()
        threads = [
            threading.Thread(
                target=upload_until_killed,
                args=(node.ftps_port, f"{number}-{each}", acknowledged, begun),
            )
            for each in range(3)
        ]
        with contextlib.ExitStack() as stack:
            for one in half_upload(node.ftps_port):
                stack.callback(one.close)
            for thread in threads:
                thread.start()
            assert begun.wait(60)
            time.sleep(wait)
            node.kill()
            for thread in threads:
                thread.join(20)
    assert len(acknowledged) >= 2 * len(KILLS)
    with open_node(folder) as node_:
        messages = node_.store.read(lambda view: view.messages(limit=5000))
        kept = {message.parts[0].name: message.parts[0] for message in messages}
        assert len(kept) == len(messages), "a document twice"
        assert set(acknowledged) <= set(kept)
        # At most what each connection was about when the server went was kept and not acknowledged any more.
        assert len(set(kept) - set(acknowledged)) <= 3 * len(KILLS)
        assert "half" not in kept
        for name, part in kept.items():
            with node_.hub.document(part) as document:
                assert b"".join(document.reader.chunks(part.offset, part.size)) == content(name)


def test_a_half_upload_of_a_killed_server_is_begun_anew(folder: Path) -> None:
    """What was not durable is not there to be resumed: the client is told so, and the whole comes through."""
    node = ServingNode(folder).wait_until_ready()
    talker, sock = half_upload(node.ftps_port)
    node.kill()
    sock.close()
    talker.close()
    node = ServingNode(folder).wait_until_ready()
    try:
        with Talker(node.ftps_port) as talker:
            assert talker.cmd("SIZE inbound/half").startswith("550")
            assert talker.upload("STOR inbound/half", content("half")).startswith("226")
    finally:
        node.stop()
    with open_node(folder) as opened:
        messages = opened.store.read(lambda view: view.messages(limit=10))
        assert [(each.parts[0].name, each.parts[0].size) for each in messages] == [
            ("half", len(content("half")))
        ]
