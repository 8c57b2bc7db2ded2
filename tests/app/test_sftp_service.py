"""A serving node with an SFTP listener: an upload is a message, and what is applied is in force at once."""

from __future__ import annotations

import asyncio
import time

import asyncssh
import pytest

import ecluse.app.service
from ecluse.app.folder import make_hub
from ecluse.app.service import Service
from ecluse.app.settings import apply_files
from ecluse.channels.http.errors import ListenFailed
from ecluse.model.states import MessageState
from ecluse.trust.configuration import HUB_FILE, read_folder
from ecluse.trust.errors import ConfigurationError


@pytest.fixture
def node(tmp_path, monkeypatch):
    monkeypatch.setattr(ecluse.app.service, "RELOAD_EVERY", 0.05)
    made = make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256", sftp="127.0.0.1:0")
    yield made
    made.close()


def admit(node, key, state="active"):
    line = key.export_public_key().decode().strip()
    (node.folder / "partners" / "birch.toml").write_text(
        f'name = "Birch"\nstate = "{state}"\n[account]\nuser = "birch"\nkeys = ["{line}"]\n'
    )
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")


def connect(service, key):
    return asyncssh.connect(
        "127.0.0.1", service.sftp.port, username="birch", client_keys=[key], known_hosts=None, config=None
    )


async def until(holds):
    end = time.monotonic() + 120
    while not await holds():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.05)


def test_upload_becomes_a_message_and_keys_change_at_once(node):
    old, new = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    admit(node, old)

    async def logs_in(service, key):
        try:
            async with connect(service, key):
                return True
        except (asyncssh.Error, OSError):
            return False

    async def run():
        service = Service(node, listen="127.0.0.1:0")
        await service.start()
        try:
            async with connect(service, old) as connection, connection.start_sftp_client() as sftp:
                async with sftp.open("inbound/order.edi", "wb") as file:
                    await file.write(b"ORDER")
                found = node.store.read(lambda view: view.messages())
                assert [message.parts[0].name for message in found] == ["order.edi"]
                assert found[0].state in (MessageState.ACCEPTED, MessageState.DELIVERED)
                admit(node, new)
                await asyncio.wait_for(connection.wait_closed(), 60)
            await until(lambda: logs_in(service, new))
            assert not await logs_in(service, old)
            admit(node, new, "suspended")
            await until(lambda: not_(logs_in(service, new)))
        finally:
            await service.stop()

    async def not_(waiting):
        return not await waiting

    asyncio.run(run())
    kinds = {entry.event.kind for entry in node.store.read(lambda view: view.events("birch"))}
    assert "session.opened" in kinds


def test_stop_keeps_half_uploads_aside(node):
    key = asyncssh.generate_private_key("ssh-ed25519")
    admit(node, key)

    async def run():
        service = Service(node, listen="127.0.0.1:0")
        await service.start()
        connection = await connect(service, key)
        sftp = await connection.start_sftp_client()
        file = await sftp.open("inbound/half", "wb")
        await file.write(bytes(300_000))
        await service.stop()
        service = Service(node, listen="127.0.0.1:0")
        await service.start()
        try:
            async with connect(service, key) as connection, connection.start_sftp_client() as sftp:
                assert (await sftp.stat("inbound/half")).size == 300_000
            assert node.store.read(lambda view: view.messages()) == []
        finally:
            await service.stop()

    asyncio.run(run())


def test_missing_host_key_is_told_with_the_command(node):
    text = (
        (node.folder / HUB_FILE)
        .read_text()
        .replace("[listen.sftp]\n", '[listen.sftp]\nhost_keys = ["other"]\n')
    )
    assert "other" in text
    (node.folder / HUB_FILE).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
    assert "ecluse cert generate other --kind ed25519" in str(caught.value)


def test_taken_port(node, tmp_path):
    async def run():
        first = Service(node, listen="127.0.0.1:0")
        await first.start()
        try:
            second = make_hub(
                tmp_path / "other",
                name="Cedar",
                as2_id="C",
                key_kind="ec-p256",
                sftp=f"127.0.0.1:{first.sftp.port}",
            )
            with second:
                service = Service(second, listen="127.0.0.1:0")
                with pytest.raises(ListenFailed):
                    service.sftp.start()
        finally:
            await first.stop()

    asyncio.run(run())
