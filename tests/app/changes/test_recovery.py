"""One operator alone, announced, after a wait: and nothing else than that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support.hubs import FakeClock
from tests.support.operators import Person, four_eyed, operators_toml, person, propose, put_field

from ecluse.app.changes import (
    BadApproval,
    Proposal,
    announce,
    approve,
    check_versions,
    find,
    refuse,
    statement,
)
from ecluse.app.changes.check import ChangeTampered
from ecluse.app.changes.gate import hold
from ecluse.app.changes.proposal import KIND
from ecluse.app.changes.recovery import NoRecovery
from ecluse.app.health.eyes import operators
from ecluse.app.node import Node
from ecluse.app.operators import without_operators
from ecluse.app.versions import plan_files
from ecluse.model.records import Record
from ecluse.trust.changes.sensitive import sensitive

ADA, BERTA = person("ada"), person("berta")
DAY = 86_400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Iterator[Node]:
    with four_eyed(tmp_path / "hub", clock=clock) as node:
        yield node


def announced(node: Node, *names: str, by: Person = ADA) -> Proposal:
    files = without_operators(node, names or ("berta",))
    return announce(node, files, actor="operator:test", reason="she left", signer=by.signer())


def sign(node: Node, proposal: Proposal, who: Person) -> str:
    text = statement(node, proposal.id, "approve", who.name)
    return approve(node, proposal.id, who.name, who.sign(text)).state


def test_after_the_wait_and_not_before(node: Node, clock: FakeClock) -> None:
    proposal = announced(node)
    assert "recovery: from 2026-" in proposal.text
    assert "two signatures of one operator are enough" in proposal.text
    assert any("removes operators alone" in each.observed for each in operators(node))
    for seconds in (1, DAY - 60):
        clock.forward(seconds)
        with pytest.raises(NoRecovery) as raised:
            sign(node, proposal, ADA)
        assert raised.value.code == "change.too-early"
    clock.forward(120)
    assert sign(node, proposal, ADA) == "applied"
    assert [each.name for each in node.directory.hub.operators] == ["ada"]
    assert [each.problem for each in check_versions(node)] == ["", "", ""]
    (*_, last) = node.store.read(lambda view: view.events(f"change:{proposal.id}"))
    assert b'"recovery":true' in last.leaf
    assert find(node, proposal.id).proposal.ended.startswith("ada alone, after the wait,")


def test_who_is_not_gone_refuses_or_agrees(node: Node) -> None:
    first = announced(node)
    because = "I am here"
    refuse(
        node, first.id, "berta", BERTA.sign(statement(node, first.id, "refuse", "berta", because)), because
    )
    assert sign(node, announced(node), BERTA) == "applied"


def test_nothing_else_can_be_done_so(node: Node) -> None:
    files = without_operators(node, ["berta"])
    others = {
        "more": {**files, "ecluse.toml": files["ecluse.toml"].replace('"Aster"', '"Mallory"')},
        "another in her place": {
            **files,
            "ecluse.toml": files["ecluse.toml"] + operators_toml([person("oscar")]),
        },
        "nothing": dict(node.directory.configuration.files),
    }
    for wanted in others.values():
        with pytest.raises(NoRecovery):
            announce(node, wanted, actor="operator:test", reason="x", signer=ADA.signer())


def test_an_ordinary_proposal_never_becomes_one(node: Node, clock: FakeClock) -> None:
    proposal = propose(node, without_operators(node, ["berta"]), ADA)
    with pytest.raises(NoRecovery, match="The same waits"):
        announced(node)
    clock.forward(2 * DAY)
    with pytest.raises(BadApproval) as raised:
        sign(node, proposal, ADA)
    assert raised.value.code == "change.own"
    record = node.store.read(lambda view: view.record(KIND, proposal.id))
    assert record is not None
    body = msgspec.json.encode(msgspec.structs.replace(proposal, recover=proposal.at))
    node.store.write(
        lambda tx: tx.put_record(Record(KIND, proposal.id, record.at, body, "", "pending", record.due))
    )
    with pytest.raises(ChangeTampered):
        sign(node, proposal, ADA)


def test_a_wait_around_another_change_helps_nobody(node: Node, clock: FakeClock) -> None:
    """Who runs the hub's own code can propose anything as a recovery; it never counts as one."""
    files = put_field(node, 'name = "Aster"', 'name = "Mallory"')
    changes, _ = plan_files(node, files)
    found = sensitive(changes)
    signer = ADA.signer()
    held = hold(node, files, changes, found, actor="operator:x", reason="x", signer=signer, wait=1)
    assert held.proposal.recover is not None
    clock.forward(2 * DAY)
    with pytest.raises(BadApproval) as raised:
        sign(node, held.proposal, ADA)
    assert raised.value.code == "change.own"


def test_an_earlier_time_in_the_row_helps_nobody(node: Node) -> None:
    """Who writes to the database can sign another text, but not change what the log has, and since when."""
    from hashlib import sha256

    from ecluse.app.changes.proposal import Signed
    from ecluse.model.basics import Instant, iso
    from ecluse.trust.keys.ssh import fingerprint

    proposal = announced(node)
    assert proposal.recover is not None
    early = Instant(proposal.at - 1)
    text = proposal.text.replace(iso(proposal.recover), iso(early))
    forged = msgspec.structs.replace(
        proposal, recover=early, text=text, digest=sha256(text.encode()).hexdigest(), signatures=()
    )
    signer = ADA.signer()
    armored = signer.sign(forged.statement("propose", "ada"))
    signed = Signed("ada", "propose", early, ADA.line, fingerprint(signer.key.blob), armored)  # type: ignore[attr-defined]
    forged = msgspec.structs.replace(forged, signatures=(signed,))
    body = msgspec.json.encode(forged)
    node.store.write(
        lambda tx: tx.put_record(Record(KIND, proposal.id, early, body, "", "pending", proposal.until))
    )
    with pytest.raises(ChangeTampered):
        sign(node, proposal, ADA)


def test_not_where_two_others_can_sign(tmp_path: Path) -> None:
    with four_eyed(tmp_path / "hub", ("ada", "berta", "carl")) as node:
        with pytest.raises(NoRecovery, match="Two other"):
            announced(node, "berta")
        assert announced(node, "berta", "carl").recover is not None


@pytest.mark.parametrize("wait", ["false", '"2d"'])
def test_how_long_is_configured(tmp_path: Path, wait: str, clock: FakeClock) -> None:
    more = f"\n[changes]\nrecovery_wait = {wait}\n"
    with four_eyed(tmp_path / "hub", more=more, clock=clock) as node:
        if wait == "false":
            with pytest.raises(NoRecovery, match="does not allow"):
                announced(node)
            return
        proposal = announced(node)
        assert (proposal.recover or 0) - proposal.at == 2 * DAY * 1_000_000
        shorter = propose(node, put_field(node, '"2d"', '"1d"'), ADA)
        assert "changes.recovery_wait" in shorter.text


def test_a_single_operator_needs_none(tmp_path: Path) -> None:
    with four_eyed(tmp_path / "hub", ("ada",)) as node, pytest.raises(NoRecovery, match="One person"):
        announced(node, "ada")
