"""A configuration that is applied while a node serves is in force in everything that was made of the former one."""

from __future__ import annotations

import asyncio
import ssl
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs
from tests.support.hubs import introduce, make_pair

import ecluse.app.service
from ecluse.app.folder import make_hub
from ecluse.app.keys.certificates import generate_key
from ecluse.app.opening import open_node
from ecluse.app.service import Service
from ecluse.app.settings import apply_files
from ecluse.trust.configuration import read_folder


@pytest.fixture
def pair(tmp_path, monkeypatch):
    monkeypatch.setattr(ecluse.app.service, "RELOAD_EVERY", 0.05)
    aster, birch = make_pair(tmp_path, key_kind="ec-p256")
    yield aster, birch
    aster.close()
    birch.close()


async def until(holds):
    end = time.monotonic() + 120
    while not await holds():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.05)


def shown_by(node, folder):
    """A TLS client that shows the node's certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    (folder / "shown.pem").write_bytes(
        node.keyring.tls_key("main")
        + b"".join(each.public_bytes(Encoding.PEM) for each in node.keyring.chain("main"))
    )
    context.load_cert_chain(folder / "shown.pem")
    return context


async def gets_through(port, context):
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET /as2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
    except (OSError, ssl.SSLError):
        return False
    return answer.startswith(b"HTTP/1.1 200")


def test_a_partner_s_client_certificate_is_trusted_once_it_is_applied(pair, tmp_path):
    aster, birch = pair
    cedar = make_hub(tmp_path / "cedar", name="Cedar", as2_id="CEDAR", key_kind="ec-p256")
    toml = aster.folder / "ecluse.toml"
    toml.write_text(toml.read_text() + '\n[listen.as2.tls]\nkey = "main"\nclient_auth = "optional"\n')
    client = '[[certificates]]\nfile = "certificates/{0}.pem"\nuse = ["tls-client"]\n'
    introduce(aster, cedar, "cedar", "http://127.0.0.1:9/as2", rest=client.format("cedar"))
    aster.close()

    async def scene():
        node = open_node(aster.folder)
        service = Service(node, listen="127.0.0.1:0")
        await service.start()
        try:
            assert await gets_through(service.port, shown_by(cedar, tmp_path))
            assert not await gets_through(service.port, shown_by(birch, tmp_path))
            introduce(node, birch, "birch", "http://127.0.0.1:9/as2", rest=client.format("birch"))
            await until(lambda: gets_through(service.port, shown_by(birch, tmp_path)))
        finally:
            await service.stop()
            node.close()
            cedar.close()

    asyncio.run(scene())


def test_a_partner_s_concurrency_follows_its_file(pair):
    aster, birch = pair
    introduce(aster, birch, "birch", "http://127.0.0.1:9/as2", "concurrency = 2")

    async def scene():
        service = Service(aster, listen="127.0.0.1:0")
        await service.start()
        try:
            file = aster.folder / "partners" / "birch.toml"
            file.write_text(file.read_text().replace("concurrency = 2", "concurrency = 7"))
            # As another process would: the node itself has to find it.
            version, directory = aster.version, aster.directory
            apply_files(aster, read_folder(aster.folder), actor="operator:test", reason="more")
            aster.version, aster.directory = version, directory

            async def follows():
                return service._runner._lane_limits["birch"] == 7

            await until(follows)
        finally:
            await service.stop()

    asyncio.run(scene())


def test_a_configuration_is_told_of_when_it_changes_and_not_before(pair):
    aster, birch = pair
    folder = aster.folder
    generate_key(aster, "second", "ec-p256", subject="Aster", days=9, actor="operator:test")
    aster.close()

    async def scene():
        with open_node(folder) as node, capture_logs() as logs:

            def told():
                return [each["version"] for each in logs if each["event"] == "configuration in force"]

            service = Service(node, listen="127.0.0.1:0")
            await service.start()
            try:
                await asyncio.sleep(0.3)
                assert told() == []
                version, directory = node.version, node.directory
                introduce(node, birch, "birch", "http://127.0.0.1:9/as2")
                node.version, node.directory = version, directory

                async def is_told():
                    return told() == [version + 1]

                await until(is_told)
            finally:
                await service.stop()

    asyncio.run(scene())
