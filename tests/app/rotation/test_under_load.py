"""Keys of AS2, TLS and SFTP are replaced while ten partners exchange: no message fails on either side.

Eight of them take the new certificate up, two of these late and answering slowly; one never does; one says that it
has and has not. Everything is over HTTPS, and each partner uploads by SFTP too.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import asyncssh
import pytest
from tests.support.as2_hubs import HOST, ORDER, Aster, eventually, fresh_id, post, serve, stop_soon
from tests.support.as2_hubs import message as as2_message
from tests.support.as2_partner import Scripted, http, receipt
from tests.support.as2_world import Party, open_message, party

import ecluse.app.rotation.tend
import ecluse.app.service
from ecluse.app.folder import make_hub
from ecluse.app.rotation.begin import Wanted, begin
from ecluse.app.rotation.board import board
from ecluse.app.rotation.hand import switch_partners
from ecluse.app.rotation.tend import look
from ecluse.app.settings import apply_files
from ecluse.model.nouns import Direction
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder
from ecluse.wire.as2 import events as as2
from ecluse.wire.as2.disposition import AUTHENTICATION_FAILED
from ecluse.wire.as2.errors import As2Failure

NAMES = ("Alder", "Birch", "Cedar", "Dahlia", "Elm", "Fir", "Slowa", "Slowb", "Never", "Broken")
SECONDS = 12.0
PAUSE = 0.25


@dataclass
class Partner:
    """A company with an AS2 server and clients; ``knows`` is what it verifies with, ``to`` what it encrypts to."""

    who: Party
    hub: Aster
    key: asyncssh.SSHKey
    slow: float = 0.0
    lying: bool = False
    knows: list = field(default_factory=list)
    to: object = None
    anchors: str = ""
    hosts: list = field(default_factory=list)
    answers: Counter = field(default_factory=Counter)
    problems: list = field(default_factory=list)
    server: Scripted | None = None
    context: ssl.SSLContext | None = None

    @property
    def id(self) -> str:
        return self.who.name.lower()

    def trust(self, *pems: str) -> None:
        context = ssl.create_default_context(cadata="".join(pems))
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        self.context = context

    def answer(self, request):
        time.sleep(self.slow)
        for certificate in list(self.knows):
            try:
                open_message(request.headers, request.body, as2.UnwrapPolicy((certificate,)), self.who)
            except As2Failure:
                continue
            mdn = receipt(request, self.who, certificate)
            self.answers["accepted"] += 1
            break
        else:
            mdn = receipt(request, self.who, None, AUTHENTICATION_FAILED)
            self.answers["refused"] += 1
        return http(200, mdn.body, tuple(pair for pair in mdn.headers if pair[0] != "Content-Length"))

    def post_one(self) -> None:
        """A message to the hub, whose receipt has to be positive, and signed by what this partner knows."""
        headers, body = as2_message(self.who, self.hub, ORDER, to=self.to, message_id=fresh_id(self.id))
        answer = post(self.hub.port, headers, body, context=self.context)
        read = answer.mdn(*self.knows)
        if answer.status != 200 or read.failure is not None or not read.mdn.disposition.is_success:
            self.problems.append(("as2", answer.status, read.failure, str(read.mdn.disposition)))
        self.answers["posted"] += 1

    async def upload_one(self, number: int) -> None:
        options = {"client_keys": [self.key], "config": None, "known_hosts": (list(self.hosts), [], [])}
        port = self.hub.service.sftp.port
        async with (
            asyncssh.connect(HOST, port, username=self.id, **options) as connection,
            connection.start_sftp_client() as sftp,
            sftp.open(f"inbound/{self.id}-{number}.edi", "wb") as file,
        ):
            await file.write(b"ORDER %d" % number)
        self.answers["uploaded"] += 1


@pytest.fixture
def town(tmp_path, monkeypatch):
    monkeypatch.setattr(ecluse.app.service, "RELOAD_EVERY", 0.1)
    monkeypatch.setattr(ecluse.app.rotation.tend, "LOOK_EVERY", 1)
    node = make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="rsa-2048", sftp=f"{HOST}:0")
    node.keyring.generate("tls", "ec-p256", subject="aster.example", names=[HOST])
    stop_soon(node)
    text = (node.folder / "ecluse.toml").read_text()
    (node.folder / "ecluse.toml").write_text(text + '\n[listen.as2.tls]\nkey = "tls"\n')
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
    node.bootstrap = node.directory.configuration
    with node, serve(node) as hub:
        partners = [_partner(hub, name) for name in NAMES]
        apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
        yield hub, partners
        for each in partners:
            each.server.close()


def _partner(hub: Aster, name: str) -> Partner:
    keyring = hub.node.keyring
    found = Partner(
        party(name, "ec"),
        hub,
        asyncssh.generate_private_key("ssh-ed25519"),
        slow=0.4 if name.startswith("Slow") else 0.0,
        lying=name == "Broken",
        knows=[keyring.certificate("main")],
        to=keyring.certificate("main"),
        hosts=[asyncssh.import_public_key(keyring.ssh_public_key("ssh-host"))],
    )
    found.trust(to_pem([keyring.certificate("tls")]))
    found.server = Scripted(found.answer)
    (hub.node.folder / "certificates" / f"{found.id}.pem").write_bytes(found.who.pem_certificate())
    (hub.node.folder / "partners" / f"{found.id}.toml").write_text(
        f'name = "{name}"\n[as2]\nid = "{name.upper()}"\nurl = "{found.server.url()}"\n'
        f'allow_private_network = true\n[account]\nuser = "{found.id}"\n'
        f'keys = ["{found.key.export_public_key().decode().strip()}"]\nprotocols = ["sftp"]\n'
        f'[[certificates]]\nfile = "certificates/{found.id}.pem"\n'
    )
    return found


def take_up(partner: Partner) -> None:
    """What a partner does with our letter."""
    keyring = partner.hub.node.keyring
    if not partner.lying:
        partner.knows = [*partner.knows, keyring.certificate("main-2")]
    partner.to = keyring.certificate("main-2")
    partner.hosts = [*partner.hosts, asyncssh.import_public_key(keyring.ssh_public_key("ssh-host-2"))]


def test_no_message_fails(town):
    hub, partners = town
    node = hub.node
    stop = threading.Event()
    sent, crashes = [], []

    def worker(step):
        def run():
            number = 0
            while not stop.wait(PAUSE):
                number += 1
                try:
                    step(number)
                except Exception as error:  # whatever it is, it is a message that failed
                    crashes.append(repr(error))

        return threading.Thread(target=run, daemon=True)

    threads = []
    for partner in partners:
        threads.append(worker(lambda number, p=partner: p.post_one()))
        threads.append(worker(lambda number, p=partner: sent.append(hub.send(p.id))))
        threads.append(worker(lambda number, p=partner: number % 4 or asyncio.run(p.upload_one(number))))
    for thread in threads:
        thread.start()
    began = time.monotonic()
    time.sleep(2)

    never = node.hub.clock() + 3_600_000_000
    timed = {"policy": "time", "switch_at": never}
    begin(node, Wanted(old="main", new="main-2", kind="rsa-2048"), actor="operator:test")
    begin(node, Wanted(old="tls", new="tls-2", **timed), actor="operator:test")
    begin(node, Wanted(old="ssh-host", new="ssh-host-2", kind="ec-p256", **timed), actor="operator:test")
    for id in ("main-2", "tls-2", "ssh-host-2"):
        look(node, id)
        assert {each["state"] for each in board(node, id)["partners"]} == {"told"}
    for partner in partners:  # the TLS certificate is pinned: everybody has to know both before it is shown
        partner.trust(*(to_pem([node.keyring.certificate(ref)]) for ref in ("tls", "tls-2")))
        if partner.id != "never" and not partner.slow:
            take_up(partner)
    soon = node.hub.clock() + 4_000_000
    for id in ("tls-2", "ssh-host-2"):
        switch_partners(node, id, [], soon, actor="operator:test", reason="everybody knows both")
    time.sleep(3)
    for partner in partners:
        if partner.slow:
            take_up(partner)
    time.sleep(max(0.0, SECONDS - (time.monotonic() - began)))
    wanted = {"never": "told", "broken": "reverted"}

    def settled():
        stages = {each["partner"]: each["state"] for each in board(node, "main-2")["partners"]}
        shown = all(board(node, id)["shown"] for id in ("tls-2", "ssh-host-2"))
        return shown and all(state == wanted.get(name, "switched") for name, state in stages.items())

    eventually(settled, 60)  # traffic goes on until everybody is where it belongs
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join(60)

    def under_way():
        found = node.store.read(lambda view: view.messages(limit=1000))
        return [each for each in found if each.direction is Direction.OUT and each.state.value != "delivered"]

    eventually(lambda: not under_way(), 60)
    assert crashes == []
    assert [problem for partner in partners for problem in partner.problems] == []
    states = Counter(hub.message(each.id).state.value for each in sent)
    assert states == {"delivered": len(sent)}
    everything = node.store.read(lambda view: view.messages(limit=5000))
    assert {each.state.value for each in everything} <= {"delivered", "accepted"}
    assert not any("message.failed" in hub.kinds(each.id) for each in sent)

    stages = {each["partner"]: each["state"] for each in board(node, "main-2")["partners"]}
    assert stages.pop("never") == "told"
    assert stages.pop("broken") == "reverted"
    assert set(stages.values()) == {"switched"}
    broken = next(each for each in partners if each.id == "broken")
    assert broken.answers["refused"] >= 1
    for id in ("tls-2", "ssh-host-2"):
        assert board(node, id)["shown"] is not None
    posted = sum(each.answers["posted"] for each in partners)
    uploaded = sum(each.answers["uploaded"] for each in partners)
    refused = broken.answers["refused"]
    print(
        f"sent {len(sent)}, received {posted}, uploaded {uploaded}; refused and sealed anew {refused}; failed 0"
    )
