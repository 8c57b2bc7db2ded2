"""Connections, sessions, failures and bans."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.hubs import FakeClock, bare_hub

from ecluse.channels.guard.accounts import find_account
from ecluse.channels.guard.bans import LONGEST, Bans, NoSuchBan, address_subject, user_subject
from ecluse.channels.guard.gate import Gate, Refusal
from ecluse.channels.guard.passwords import make_verifier, password_matches
from ecluse.channels.guard.scores import MAX_SUBJECTS, Scores
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.hub import Hub
from ecluse.trust.secrets import Secret
from ecluse.trust.settings.listeners import Guard


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def hub(tmp_path: Path, clock: FakeClock) -> Iterator[Hub]:
    made = bare_hub(tmp_path, clock)
    yield made
    made.store.close()


def bans_of(hub: Hub) -> Bans:
    return Bans(hub.store, hub.clock, hub.entropy, hub.node)


def gate_of(hub: Hub, **limits: object) -> Gate:
    return Gate(Guard(**limits), bans_of(hub), "sftp", lambda: hub.clock() / 1e6)  # type: ignore[arg-type]


def settle(hub: Hub) -> None:
    hub.store.write(lambda tx: None)


def test_connections_are_counted_by_address_and_together(hub: Hub) -> None:
    gate = gate_of(hub, connections=3, connections_per_address=2)
    assert [gate.connected("192.0.2.1") for _ in range(3)] == [None, None, Refusal.ADDRESS_FULL]
    assert gate.connected("192.0.2.2") is None
    assert gate.connected("192.0.2.3") is Refusal.FULL
    gate.closed("192.0.2.1")
    assert gate.connected("192.0.2.3") is None
    assert gate.connections == 3


def test_a_network_of_ipv6_is_one_address(hub: Hub) -> None:
    gate = gate_of(hub, connections_per_address=1)
    assert gate.connected("2001:db8::1") is None
    assert gate.connected("2001:db8::ffff:1") is Refusal.ADDRESS_FULL
    assert gate.connected("2001:db8:0:1::1") is None
    assert address_subject("::ffff:192.0.2.1") == address_subject("192.0.2.1")
    assert address_subject("fe80::1%eth0") == "address fe80::/64"


def test_sessions_of_a_partner_are_counted(hub: Hub) -> None:
    gate = gate_of(hub, sessions_per_partner=2)
    assert [gate.opened("birch") for _ in range(3)] == [True, True, False]
    assert gate.opened("cedar")
    gate.ended("birch")
    assert gate.opened("birch")


def test_failures_ban_and_bans_double(hub: Hub, clock: FakeClock) -> None:
    gate = gate_of(hub, ban_score=3, ban_time="1m")
    lengths = []
    for _ in range(3):
        for number in range(3):
            gate.failed("192.0.2.1", f"user{number}")
        ban = next(each for each in gate.bans.active() if each.subject == "address 192.0.2.1")
        lengths.append(round((ban.until - ban.at) / 1e6))
        assert gate.connected("192.0.2.1") is Refusal.BANNED
        clock.forward(lengths[-1] + 1)
        assert gate.connected("192.0.2.1") is None
    assert lengths == [60, 120, 240]


def test_a_ban_lasts_a_day_at_most_and_is_forgotten(hub: Hub, clock: FakeClock) -> None:
    bans = bans_of(hub)
    for _ in range(20):
        ban = bans.add("address 192.0.2.1", 900, "sftp")
        clock.forward((ban.until - ban.at) / 1e6 + 1)
    assert (ban.until - ban.at) / 1e6 == LONGEST
    clock.forward(2 * 86_400)
    assert bans.add("address 192.0.2.1", 900, "sftp").times == 1


def test_failures_fade(hub: Hub, clock: FakeClock) -> None:
    gate = gate_of(hub, ban_score=3, ban_window="10m")
    for _ in range(20):
        gate.failed("192.0.2.1", "birch")
        clock.forward(300)
    assert not gate.bans.active()


def test_success_forgives(hub: Hub) -> None:
    gate = gate_of(hub, ban_score=3)
    for _ in range(5):
        gate.failed("192.0.2.1", "birch")
        gate.succeeded("192.0.2.1", "birch")
    assert not [ban for ban in gate.bans.active() if ban.subject.startswith("address")]


def test_answers_come_later_with_every_failure(hub: Hub) -> None:
    gate = gate_of(hub, ban_score=1000)
    waits = [gate.failed("192.0.2.1", "birch") for _ in range(40)]
    assert waits[0] == 0.5
    assert waits == sorted(waits)
    assert waits[-1] == 4.0


def test_bans_are_shared_and_outlive_the_process(hub: Hub, clock: FakeClock) -> None:
    mine, theirs = bans_of(hub), bans_of(hub)
    mine.add("user birch", 900, "sftp")
    settle(hub)
    theirs.refresh()
    assert theirs.banned(user_subject("birch"))
    theirs.lift("user birch", "operator:test")
    mine.refresh()
    assert not mine.banned("user birch")
    with pytest.raises(NoSuchBan):
        mine.lift("user birch", "operator:test")


def test_the_log_does_not_tell_addresses(hub: Hub) -> None:
    bans = bans_of(hub)
    bans.add(address_subject("192.0.2.1"), 900, "sftp")
    settle(hub)
    bans.lift(address_subject("192.0.2.1"), "operator:test")
    events = [decode_leaf(leaf) for _, leaf in hub.store.read(lambda view: view.unsealed(10))]
    assert [event.kind for event in events] == ["guard.banned", "guard.lifted"]
    assert all(b"192.0.2" not in event.data for event in events)


def test_damaged_table_begins_anew(hub: Hub) -> None:
    hub.store.write(lambda tx: tx.put_setting("guard.bans", b"{"))
    bans = bans_of(hub)
    assert bans.active() == []
    bans.add("user birch", 900, "sftp")
    settle(hub)
    bans.refresh()
    assert bans.banned("user birch")


def test_scores_are_bounded() -> None:
    scores = Scores(10, 600)
    for number in range(MAX_SUBJECTS + 100):
        scores.add(str(number), 0.0)
    assert scores.score("0", 0.0) == 0
    assert scores.score(str(MAX_SUBJECTS + 99), 0.0) == 1
    assert len(scores._scores) == MAX_SUBJECTS


@given(st.text(max_size=80))
def test_any_address_is_a_subject(text: str) -> None:
    assert address_subject(text).startswith("address ")
    assert len(address_subject(text)) < 80


@pytest.mark.parametrize(("kept", "given_", "right"), [
    ("secret", b"secret", True), ("secret", b"Secret", False), ("secret", b"", False), (None, b"", False),
    ("secret", b"secret" + bytes(5000), False), ("$argon2id$broken", b"$argon2id$broken", False),
])  # fmt: skip
def test_passwords(kept: str | None, given_: bytes, right: bool) -> None:
    assert password_matches(Secret(kept) if kept is not None else None, given_) is right


def test_verifiers() -> None:
    verifier = Secret(make_verifier(b"secret", bytes(16)))
    assert password_matches(verifier, b"secret")
    assert not password_matches(verifier, b"other")
    assert not password_matches(verifier, verifier.reveal())


def test_accounts_by_state_protocol_and_address() -> None:
    from tests.support.trust import HUB

    from ecluse.trust.configuration import Configuration
    from ecluse.trust.directory import Directory
    from ecluse.trust.keys.memory import MemoryKeyring

    keyring = MemoryKeyring()
    keyring.generate("main", "ec-p256", subject="Aster")

    def directory(state: str, rest: str = "") -> Directory:
        partner = f'name = "Birch"\nstate = "{state}"\n[account]\nuser = "birch"\npassword = "env:X"\n{rest}'
        hub = HUB + '[[organisation.keys]]\nref = "main"\nuse = ["sign"]\n'
        files = {"ecluse.toml": hub, "partners/birch.toml": partner}
        return Directory(Configuration.from_files(files), keyring, lambda _: Secret(""))

    active = directory("active")
    assert find_account(active, "birch", "sftp", "192.0.2.1") is not None
    assert find_account(active, "Birch", "sftp", "192.0.2.1") is None
    assert find_account(directory("suspended"), "birch", "sftp", "192.0.2.1") is None
    assert find_account(directory("active", 'protocols = ["ftps"]'), "birch", "sftp", "192.0.2.1") is None
    near = directory("active", 'addresses = ["192.0.2.0/24", "2001:db8::/32"]')
    for address, found in (
        ("192.0.2.9", True), ("::ffff:192.0.2.9", True), ("2001:db8::5", True), ("198.51.100.1", False), ("x", False),
    ):  # fmt: skip
        assert (find_account(near, "birch", "sftp", address) is not None) is found
