"""Logging in: what is taken, what is not, and that nobody can tell why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest
from tests.support.seen import seen
from tests.support.sftp_site import Site, serve

from ecluse.channels.guard.bans import Bans, address_subject
from ecluse.channels.guard.passwords import make_verifier
from ecluse.evidence.record import decode_leaf
from ecluse.trust.settings.listeners import Guard

LATE = "ecluse.channels.guard.gate.ANSWER_AFTER"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are answered at once, so that tests are quick."""
    monkeypatch.setattr(LATE, 0.0)
    monkeypatch.setattr("ecluse.channels.guard.gate.SLOWER_BY", 0.0)


def tries(site: Site, **options: object) -> bool:
    async def run() -> bool:
        try:
            async with site.connect(**options):
                return True
        except (asyncssh.PermissionDenied, asyncssh.ConnectionLost, asyncssh.DisconnectError, OSError):
            return False

    return asyncio.run(run())


def events(site: Site, kind: str) -> list[dict[str, object]]:
    import msgspec

    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = [decode_leaf(leaf) for _, leaf in site.hub.store.read(lambda view: view.unsealed(1000))]
        chosen = [msgspec.json.decode(event.data) for event in found if event.kind == kind]
        if chosen:
            return chosen
        time.sleep(0.05)
    return []


def test_key_logs_in_and_is_an_event(site: Site) -> None:
    assert tries(site, encryption_algs=["aes256-gcm@openssh.com"])
    event = events(site, "session.opened")[0]
    assert event["method"] == "key"
    assert event["shown"] == site.key.get_fingerprint()
    assert event["cipher"] == "aes256-gcm@openssh.com"
    assert event["kex"] == "mlkem768x25519-sha256"
    assert event["strict"] == "yes"
    assert str(event["client"]).startswith("SSH-2.0-AsyncSSH")
    found = seen(site.hub, "birch", "account-sftp")
    assert found.pop("version").pop().startswith("SSH-2.0-AsyncSSH")
    assert found == {
        "login": {"key"},
        "user-key": {site.key.get_fingerprint()},
        "host-key": {asyncssh.import_public_key(site.keyring.ssh_public_key("ssh-host")).get_fingerprint()},
        "host-key-algorithm": {"ssh-ed25519"},
        "kex": {"mlkem768x25519-sha256"},
        "cipher": {"aes256-gcm@openssh.com"},
    }


def test_another_key_does_not(site: Site) -> None:
    assert not tries(site, client_keys=[asyncssh.generate_private_key("ssh-ed25519")])


@pytest.mark.parametrize("change", ['protocols = ["ftps"]', 'addresses = ["192.0.2.0/24"]', "suspended"])
def test_partner_that_may_not(site: Site, change: str) -> None:
    if change == "suspended":
        site.configure(birch="suspended")
    else:
        site.accounts["birch"] += f"\n{change}"
        site.configure()
    assert not tries(site)


def test_address_that_may(site: Site) -> None:
    site.accounts["birch"] += '\naddresses = ["127.0.0.0/8"]'
    site.configure()
    assert tries(site)


def test_short_rsa_key_does_not(site: Site) -> None:
    key = asyncssh.generate_private_key("ssh-rsa", key_size=1024)
    site.accounts["birch"] = f'keys = ["{key.export_public_key().decode().strip()}"]'
    site.configure()
    assert not tries(site, client_keys=[key])


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"])
def test_rsa_signs_without_sha1(site: Site, algorithm: str) -> None:
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    site.accounts["birch"] = f'keys = ["{key.export_public_key().decode().strip()}"]'
    site.configure()
    pair = asyncssh.load_keypairs([key])[0]
    pair.sig_algorithms = (algorithm.encode(),)
    connected = tries(site, client_keys=[pair], signature_algs=[algorithm])
    assert connected is (algorithm != "ssh-rsa")


@pytest.mark.parametrize("kept", ["plain", "verifier"])
def test_password_only_where_there_is_one(site: Site, soon: None, kept: str) -> None:
    assert not tries(site, client_keys=None, password="secret 1")
    value = "secret 1" if kept == "plain" else make_verifier(b"secret 1", b"0" * 16)
    site.accounts["birch"] += '\npassword = "env:BIRCH"'
    site.secrets["env:BIRCH"] = value
    site.configure()
    assert tries(site, client_keys=None, password="secret 1")
    assert not tries(site, client_keys=None, password="secret 2")
    assert not tries(site, client_keys=None, password="")
    assert not tries(site, client_keys=None, password="secret 1", username="cedar")


def test_second_factor_wants_both(site: Site, soon: None) -> None:
    site.secrets["env:BIRCH"] = "secret1"
    site.accounts["birch"] += '\npassword = "env:BIRCH"\nsecond_factor = true'
    site.configure()
    assert not tries(site)
    assert not tries(site, client_keys=None, password="secret1")
    assert not tries(site, password="wrong")
    assert tries(site, password="secret1")
    assert events(site, "session.opened")[0]["method"] == "key+password"


def test_attempts_on_a_connection_are_few(tmp_path: Path, soon: None) -> None:
    with serve(tmp_path / "site", guard=Guard(login_attempts=3, ban_score=1000)) as site:
        site.accounts["birch"] += '\npassword = "env:BIRCH"'
        site.configure()
        asked = []

        class Client(asyncssh.SSHClient):
            def password_auth_requested(self) -> str:
                asked.append(1)
                return "wrong"

        async def run() -> None:
            with pytest.raises(asyncssh.DisconnectError, match="Too many failed logins"):
                await site.connect(client_keys=None, client_factory=Client)

        asyncio.run(run())
        assert len(asked) == 3


def test_many_keys_of_an_agent_may_be_offered(site: Site) -> None:
    others = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(8)]
    assert tries(site, client_keys=[*others, site.key])
    assert not tries(site, client_keys=[*others, *others, *others, site.key])


def test_failures_lead_to_a_ban_that_is_kept(tmp_path: Path, soon: None) -> None:
    with serve(tmp_path / "site", guard=Guard(ban_score=3, login_attempts=2)) as site:
        site.accounts["birch"] += '\npassword = "env:BIRCH"'
        site.configure()
        for _ in range(3):
            tries(site, client_keys=None, password="wrong", username="cedar")
        assert not tries(site)
        hub = site.hub
        until = time.monotonic() + 60
        again = Bans(hub.store, hub.clock, hub.entropy, "other")
        while not again.active() and time.monotonic() < until:
            time.sleep(0.05)
            again.refresh()
        assert {ban.subject for ban in again.active()} == {"address 127.0.0.1", "user cedar"}
        again.lift(address_subject("127.0.0.1"), "operator:test")
        site.gate.bans.refresh()
        assert tries(site)


def test_nobody_can_lock_a_partner_out_from_elsewhere(site: Site) -> None:
    assert tries(site)
    for number in range(30):
        site.gate.failed(f"192.0.2.{number}", "birch")
    assert site.gate.shut("192.0.2.77", "birch")
    assert not site.gate.shut("127.0.0.1", "birch")
    assert tries(site)


class Effort:
    """What answers cost, by user: in seconds, which others on this machine add to, and in the processor's time."""

    def __init__(self) -> None:
        self.shortest: dict[str, float] = {}
        self.least: dict[str, float] = {}

    @contextmanager
    def of(self, user: str) -> Iterator[None]:
        began, busy = time.perf_counter(), time.process_time()
        yield
        for kept, cost in (
            (self.shortest, time.perf_counter() - began),
            (self.least, time.process_time() - busy),
        ):
            kept[user] = min(kept.get(user, cost), cost)

    @property
    def alike(self) -> bool:
        return max(self.least.values()) < 1.15 * min(self.least.values())


def test_unknown_wrong_and_suspended_are_answered_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same answer, after the same time, for the same work."""
    monkeypatch.setattr("ecluse.channels.guard.gate.ANSWER_AFTER", 0.15)
    monkeypatch.setattr("ecluse.channels.guard.gate.SLOWER_BY", 0.0)
    with serve(tmp_path / "site", guard=Guard(ban_score=1000)) as site:
        site.accounts["birch"] += '\npassword = "env:BIRCH"'
        site.accounts["cedar"] = site.accounts["birch"]
        site.configure(cedar="suspended")
        texts: dict[str, set[str]] = {}
        effort = Effort()

        async def attempt(user: str) -> None:
            with effort.of(user):
                try:
                    await site.connect(username=user, client_keys=None, password="wrong")
                except asyncssh.Error as error:
                    told = f"{type(error).__name__}: {error.reason.replace(user, 'USER')}"
                    texts.setdefault(user, set()).add(told)

        async def run() -> None:
            for user in ("birch", "cedar", "nobody"):
                await attempt(user)

        for tried in range(60):
            asyncio.run(run())
            if tried >= 7 and effort.alike:
                break
        assert len(set(map(frozenset, texts.values()))) == 1
        assert min(effort.shortest.values()) >= 0.15
        assert effort.alike, effort.least


def test_offers_of_keys_are_answered_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecluse.channels.guard.gate.SLOWER_BY", 0.0)
    other = asyncssh.generate_private_key("ssh-ed25519")
    effort = Effort()
    with serve(tmp_path / "site", guard=Guard(ban_score=1000)) as site:
        for tried in range(60):
            for user in ("birch", "nobody"):
                with effort.of(user):
                    assert not tries(site, username=user, client_keys=[other])
            if tried >= 5 and effort.alike:
                break
    assert effort.alike, effort.least


def test_sessions_end_with_the_right_to_them(site: Site) -> None:
    async def run() -> None:
        async with site.connect() as connection:
            site.server.follow()
            await asyncio.sleep(0.2)
            assert not connection.is_closed()
            site.configure(birch="suspended")
            site.server.follow()
            await asyncio.wait_for(connection.wait_closed(), 60)

    asyncio.run(run())


def test_user_names_are_no_trap(site: Site) -> None:
    for user in ("", "x" * 5000, "../birch", "Birch", " birch"):
        assert not tries(site, username=user)
