"""A partner that is post-quantum today: ML-DSA signatures, ML-KEM recipients, receipts signed likewise."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.support.hubs import make_pair

from ecluse.app.service import Service
from ecluse.app.settings import apply_files
from ecluse.channels.as2.sender import message_id_for
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.trace import trace
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Direction
from ecluse.model.states import MessageState
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder

ORDER = b"UNB+UNOC:3+ASTER+BIRCH'UNH+1+ORDERS'BGM+220+4711+9'UNZ+1+1'"
KEYS = """
[[organisation.keys]]
ref = "pq-sign"
use = ["sign", "mdn-sign"]
[[organisation.keys]]
ref = "pq-decrypt"
use = ["decrypt"]
"""


def post_quantum(node):
    """Give a hub post-quantum keys only."""
    node.keyring.generate("pq-sign", "ml-dsa-65", subject=node.directory.organisation.name)
    node.keyring.generate(
        "pq-decrypt", "ml-kem-768", subject=node.directory.organisation.name, issuer="pq-sign"
    )
    toml = node.folder / "ecluse.toml"
    toml.write_text(toml.read_text() + KEYS)


def know(me, other, id, port, cipher):
    for ref in ("pq-sign", "pq-decrypt"):
        (me.folder / "certificates" / f"{ref}.pem").write_text(to_pem([other.keyring.certificate(ref)]))
    organisation = other.directory.organisation
    (me.folder / "partners" / f"{id}.toml").write_text(
        f'name = "{organisation.name}"\n[as2]\nid = "{organisation.as2_id}"\n'
        f'url = "http://127.0.0.1:{port}/as2"\nallow_private_network = true\n'
        f'sign = "sha-512"\nencrypt = "{cipher}"\n'
        '[[certificates]]\nfile = "certificates/pq-sign.pem"\nuse = ["verify"]\n'
        '[[certificates]]\nfile = "certificates/pq-decrypt.pem"\nuse = ["encrypt"]\n'
    )
    apply_files(me, read_folder(me.folder), actor="operator:test", reason="post-quantum")


@pytest.mark.parametrize("cipher", ["aes-256-gcm", "aes-256-cbc"])
def test_a_post_quantum_exchange(tmp_path, cipher):
    aster, birch = make_pair(tmp_path, key_kind="ec-p256")

    async def exchange():
        post_quantum(aster)
        post_quantum(birch)
        know(birch, aster, "aster", 9, cipher)
        receiving = Service(birch, listen="127.0.0.1:0")
        await receiving.start()
        know(aster, birch, "birch", receiving.port, cipher)
        sending = Service(aster, listen="127.0.0.1:0")
        await sending.start()
        try:
            sent = await asyncio.to_thread(
                hand_in,
                aster.hub,
                PartnerId("birch"),
                "as2:birch",
                [HandIn("orders.edi", "application/edifact", [ORDER])],
                protocol="as2",
                protocol_id=message_id_for("pq1", "ASTER"),
            )
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                found = aster.store.read(lambda view: view.message(sent.id))
                if found.state in (MessageState.DELIVERED, MessageState.FAILED):
                    break
                await asyncio.sleep(0.05)
            return found
        finally:
            await sending.stop()
            await receiving.stop()

    with aster, birch:
        found = asyncio.run(exchange())
        assert found.state is MessageState.DELIVERED, found.reason
        [received] = birch.store.read(lambda view: view.messages(direction=Direction.IN))
        with birch.hub.document(received.parts[0]) as document:
            assert b"".join(document.chunks()) == ORDER
        protections = trace(birch.store, received.id).wire["protections"]
        assert {"2.16.840.1.101.3.4.3.18"} == {p["signed"] for p in protections if "signed" in p}, "ML-DSA-65"
        [receipt] = aster.store.read(lambda view: view.receipts(sent_id(aster)))
        assert receipt.verdict == "ok"


def sent_id(node):
    [message] = node.store.read(lambda view: view.messages(direction=Direction.OUT))
    return message.id
