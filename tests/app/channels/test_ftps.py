"""The FTPS listener of a serving node: who comes in, what is kept, what follows the configuration."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import threading
import time
from pathlib import Path

import pytest
from tests.support.ftp_talker import Talker
from tests.support.seen import seen
from tests.support.tls_certs import make

from ecluse.app.folder import make_hub
from ecluse.app.service import Service
from ecluse.app.settings import apply_files
from ecluse.channels.ftps.server import house
from ecluse.channels.guard import gate
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.mailbox.upload import Upload
from ecluse.trust.configuration import read_folder

PARTNER = 'name = "Birch"\n[account]\nuser = "birch"\npassword = "file:secrets/birch"\n'


class Running:
    """A node that serves FTPS in a thread of its own."""

    def __init__(self, folder: Path, listen: str = "", partner: str = PARTNER) -> None:
        self.node = make_hub(folder / "aster", name="Aster", as2_id="ASTER", key_kind="ec-p256")
        self.folder = self.node.folder
        self.node.keyring.generate("tls", "ec-p256", subject="localhost", days=30)
        (self.folder / "secrets").mkdir(exist_ok=True)
        secret = self.folder / "secrets" / "birch"
        secret.write_text("correct-horse")
        secret.chmod(0o600)
        hub = self.folder / "ecluse.toml"
        hub.write_text(hub.read_text() + f'\n[listen.ftps]\naddress = "127.0.0.1:0"\n{listen}\n')
        self.apply(partner)
        self.node.close()
        from ecluse.app.opening import open_node

        self.node = open_node(self.folder)
        self.service = Service(self.node, listen="127.0.0.1:0")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.service.start(), self.loop).result(30)
        assert self.service.ftps is not None
        self.port = self.service.ftps.ports[0]

    def apply(self, partner: str) -> None:
        (self.folder / "partners" / "birch.toml").write_text(partner)
        apply_files(self.node, read_folder(self.folder), actor="operator:test", reason="test")

    def events(self) -> list[tuple[str, str]]:
        return self.node.store.read(
            lambda view: [
                (leaf.kind, leaf.subject)
                for entry in view.events_from(0, 500)
                for leaf in [decode_leaf(entry.leaf)]
            ]
        )

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.service.stop(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.node.close()


@pytest.fixture
def running(tmp_path):
    it = Running(tmp_path)
    yield it
    it.stop()


def test_an_upload_is_a_message_before_226(running: Running) -> None:
    with Talker(running.port) as talker:
        assert talker.upload("STOR /inbound/order.xml", b"<order/>" * 1000).startswith("226")
        messages = running.node.store.read(lambda view: view.messages(limit=10))
        assert [(message.partner, message.parts[0].name) for message in messages] == [("birch", "order.xml")]
        found = seen(running.node.hub, "birch", "account-ftps")
        assert found.pop("cipher")
        assert found == {"login": {"password"}, "tls-version": {"TLSv1.3"}}
        assert talker.upload("STOR /inbound/half.xml", b"x" * 5000, proper=False).startswith("426")
        assert talker.cmd("SIZE /inbound/half.xml") == "213 5000"
        assert talker.upload("APPE /inbound/half.xml", b"y").startswith("226")
    assert len(running.node.store.read(lambda view: view.messages(limit=10))) == 2


def test_wrong_logins_are_answered_late_and_scored(running: Running) -> None:
    times: dict[str, list[float]] = {"birch": [], "nobody": []}
    for user, taken in times.items():
        with Talker(running.port, login=False) as talker:
            began = time.monotonic()
            assert talker.cmd(f"USER {user}").startswith("331")
            assert talker.cmd("PASS wrong").startswith("530")
            taken.append(time.monotonic() - began)
    assert min(statistics.mean(each) for each in times.values()) >= 0.5
    with Talker(running.port, login=False) as talker:
        talker.cmd("USER birch")
        for _ in range(3):
            talker.cmd("PASS wrong")
            talker.cmd("USER birch")
        assert talker.cmd("PASS wrong").startswith("421")


KINDS = ["birch", "cedar", "nobody"]
"""A partner, one that is suspended, and nobody."""


@pytest.fixture
def without_delay(tmp_path, monkeypatch):
    """A listener whose answers to wrong logins wait for nothing: what they take is the work behind them."""
    monkeypatch.setattr(gate, "ANSWER_AFTER", 0.0)
    monkeypatch.setattr(gate, "SLOWER_BY", 0.0)
    running = Running(tmp_path, "[listen.ftps.guard]\nban_score = 1000")
    suspended = 'name = "Cedar"\nstate = "suspended"\n' + PARTNER.split("\n", 1)[1].replace("birch", "cedar")
    (running.folder / "partners" / "cedar.toml").write_text(suspended)
    secret = running.folder / "secrets" / "cedar"
    secret.write_text("correct-horse")
    secret.chmod(0o600)
    running.apply(PARTNER)
    running.node.reload()
    yield running
    running.stop()


def earlier(running: Running, samples: int = 15) -> float:
    """How far the answers to the three kinds are told apart by their time: 0.5 not at all, 1 always.

    Of each two kinds, the share of pairs in which the one was answered sooner than the other; no time counts by
    itself, so that a slow machine is no finding.
    """
    taken: dict[str, list[float]] = {user: [] for user in KINDS}
    order = KINDS * samples
    random.Random(1).shuffle(order)
    for user in order:
        with Talker(running.port, login=False) as talker:
            talker.cmd(f"USER {user}")
            began = time.perf_counter()
            assert talker.cmd("PASS wrong").startswith("530")
            taken[user].append(time.perf_counter() - began)
    shares = [
        statistics.mean(a < b for a in taken[one] for b in taken[other])
        for one, other in itertools.permutations(KINDS, 2)
    ]
    return max(shares)


def test_the_time_of_an_answer_tells_nothing_of_the_user(without_delay: Running) -> None:
    assert earlier(without_delay) < 0.92


def test_a_mutant_that_compares_nothing_for_nobody_is_told_by_its_time(
    without_delay: Running, monkeypatch
) -> None:
    compare = house.password_matches
    monkeypatch.setattr(
        house, "password_matches", lambda kept, given: kept is not None and compare(kept, given)
    )
    assert earlier(without_delay) > 0.92


def test_a_suspended_partner_and_another_password(running: Running) -> None:
    running.apply('state = "suspended"\n' + PARTNER)
    running.node.reload()
    with Talker(running.port, login=False) as talker:
        talker.cmd("USER birch")
        assert talker.cmd("PASS correct-horse").startswith("530")
    running.apply(PARTNER + 'protocols = ["sftp"]\n')
    running.node.reload()
    with Talker(running.port, login=False) as talker:
        talker.cmd("USER birch")
        assert talker.cmd("PASS correct-horse").startswith("530")


@pytest.mark.parametrize(
    "change",
    [
        'state = "suspended"\n' + PARTNER,
        PARTNER + 'protocols = ["sftp"]\n',
        PARTNER + 'addresses = ["192.0.2.0/24"]\n',
        PARTNER + "second_factor = true\n",
        PARTNER.replace("secrets/birch", "secrets/other"),
    ],
)
def test_a_session_ends_once_its_login_would_fail(running: Running, change: str) -> None:
    (running.folder / "secrets" / "other").write_text("correct-horse")
    (running.folder / "secrets" / "other").chmod(0o600)
    with Talker(running.port) as talker:
        running.apply(PARTNER + "rate = '100 MiB'\n")
        running.node.reload()
        running.service.ftps.follow()  # type: ignore[union-attr]
        assert talker.cmd("PWD").startswith("257"), "what does not touch the login ends nothing"
        running.apply(change)
        running.node.reload()
        running.service.ftps.follow()  # type: ignore[union-attr]
        with pytest.raises((OSError, EOFError)):
            talker.cmd("PWD")


def until_cut(talker: Talker, patience: float) -> bool:
    """Whether a session ends meanwhile."""
    until = time.monotonic() + patience
    try:
        while time.monotonic() < until:
            talker.cmd("PWD")
            time.sleep(0.05)
    except (OSError, EOFError):
        return True
    return False


def test_a_session_ends_once_the_password_behind_its_reference_changes(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecluse.channels.ftps.server.listener.LOOK_EVERY", 0.2)
    with Talker(running.port) as talker:
        time.sleep(0.6)
        assert talker.cmd("PWD").startswith("257")
        (running.folder / "secrets" / "birch").write_text("battery-staple")
        assert until_cut(talker, 10), "it goes on with a password that is no more"


def test_sessions_of_one_partner_are_counted(tmp_path) -> None:
    running = Running(tmp_path, "[listen.ftps.guard]\nsessions_per_partner = 1")
    try:
        with Talker(running.port), Talker(running.port, login=False) as second:
            second.cmd("USER birch")
            assert second.cmd("PASS correct-horse").startswith("421")
        until = time.monotonic() + 60
        while running.service.ftps._gate.connections and time.monotonic() < until:  # type: ignore[union-attr]
            time.sleep(0.01)
        with Talker(running.port) as third:
            assert third.cmd("PWD").startswith("257")
    finally:
        running.stop()


def test_a_second_factor(tmp_path) -> None:
    ours = make("birch")
    path = tmp_path / "birch.pem"
    path.write_bytes(ours.key_pem + ours.pem)
    partner = PARTNER + (
        'second_factor = true\n[[certificates]]\nfile = "certificates/birch.pem"\nuse = ["tls-client"]\n'
    )
    folder = tmp_path / "aster" / "certificates"

    class WithCertificate(Running):
        def apply(self, partner: str) -> None:
            folder.mkdir(exist_ok=True)
            (folder / "birch.pem").write_bytes(ours.pem)
            super().apply(partner)

    running = WithCertificate(tmp_path, 'client_auth = "optional"', partner)
    try:
        with Talker(running.port, login=False) as talker:
            talker.cmd("USER birch")
            assert talker.cmd("PASS correct-horse").startswith("530")
        with Talker(running.port, certificate=(str(path), str(path))) as talker:
            assert talker.upload("STOR inbound/a", b"x").startswith("226")
    finally:
        running.stop()


def test_a_mutant_that_answers_before_it_has_kept(running: Running, monkeypatch) -> None:
    """A server that says 226 without a commit is found by the look into the store that the first test makes."""
    monkeypatch.setattr(Upload, "commit", lambda self: self.suspend())
    with Talker(running.port) as talker:
        assert talker.upload("STOR /inbound/order.xml", b"x").startswith("226")
    assert running.node.store.read(lambda view: view.messages(limit=10)) == []


def test_the_certificate_follows_the_keyring(running: Running) -> None:
    with Talker(running.port) as talker:
        before = talker.sock.getpeercert(binary_form=True)  # type: ignore[union-attr]
    running.node.keyring.generate("tls2", "ec-p256", subject="localhost", days=30)
    hub = running.folder / "ecluse.toml"
    hub.write_text(hub.read_text().replace("[listen.ftps]\n", '[listen.ftps]\nkey = "tls2"\n'))
    running.apply(PARTNER)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with Talker(running.port) as talker:
            if talker.sock.getpeercert(binary_form=True) != before:  # type: ignore[union-attr]
                break
        time.sleep(0.2)
    else:
        raise AssertionError("the old certificate is shown")
