"""Four eyes: what is held, who may approve it, and what every hostile way round it meets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from tests.support.certs import make_identity
from tests.support.hubs import FakeClock
from tests.support.operators import Person, four_eyed, operators_toml, person, propose, put_field

from ecluse.app.changes import (
    BadApproval,
    ChangeHeld,
    Proposal,
    approve,
    evidence,
    expire,
    find,
    proposals,
    refuse,
    statement,
    withdraw,
)
from ecluse.app.changes.check import ChangeOver, ChangeTampered, standing
from ecluse.app.changes.decide import ChangeStale
from ecluse.app.changes.expiry import KEPT
from ecluse.app.changes.lookup import DamagedChange, NoSuchChange, read
from ecluse.app.changes.proposal import FILES, KIND, FileChange, pack
from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files, change_files
from ecluse.archive.commitments import revealed
from ecluse.evidence.record import decode_leaf
from ecluse.model.records import Record
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder
from ecluse.trust.operators import approvers
from ecluse.wire.sshsig import BadSshSignature, make_signature

ADA, BERTA, CARL = person("ada"), person("berta"), person("carl")
URL = 'url = "https://as2.birch.example/as2"'
EVIL = 'url = "https://as2.birch-payments.example/as2"'


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Iterator[Node]:
    with four_eyed(tmp_path / "hub", ("ada", "berta", "carl"), clock=clock) as node:
        partner = (
            f'name = "Birch"\n[as2]\nid = "BIRCH"\n{URL}\n[[certificates]]\nfile = "certificates/birch.pem"\n'
        )
        files = {
            **node.directory.configuration.files,
            "partners/birch.toml": partner,
            "certificates/birch.pem": to_pem([make_identity("Birch").certificate]),
        }
        proposal = propose(node, files, ADA)
        approved(node, proposal, BERTA)
        assert [each.id for each in node.directory.partners] == ["birch"]
        yield node


def new_url(node: Node, to: str = EVIL) -> dict[str, str]:
    return put_field(node, URL, to, "partners/birch.toml")


def approved(node: Node, proposal: Proposal, who: Person, **changed: str) -> object:
    text = statement(node, proposal.id, "approve", who.name)
    return approve(node, proposal.id, changed.get("operator", who.name), who.sign(changed.get("text", text)))


def url(node: Node) -> str:
    as2 = node.directory.partner("birch").settings.as2
    return "" if as2 is None else as2.url or ""


def events(node: Node, id: str) -> list[tuple[str, str, dict[str, object]]]:
    found = node.store.read(lambda view: view.events(f"change:{id}"))
    decoded = [decode_leaf(each.leaf) for each in found]
    return [(each.kind, each.actor, json.loads(each.data)) for each in decoded]


def applied(node: Node) -> dict[str, object]:
    (*_, last) = node.store.read(lambda view: view.events(f"config:{node.version}"))
    return revealed(last)


def test_it_waits_and_the_old_trust_goes_on(node: Node) -> None:
    version, before = node.version, url(node)
    proposal = propose(node, new_url(node), ADA, reason="they moved")
    assert (node.version, url(node)) == (version, before)
    assert "~ as2.url" in proposal.text
    assert "https://as2.birch-payments.example/as2 (endpoint)" in proposal.text
    ((kind, actor, facts),) = events(node, proposal.id)
    assert (kind, actor) == ("change.proposed", "operator:ada")
    assert facts["why"][0]["why"] == "Documents go there, or come from there."  # type: ignore[index]
    assert facts["digest"] == proposal.digest
    assert facts["statement"].endswith(proposal.text)  # type: ignore[attr-defined]

    decision = approved(node, proposal, BERTA)
    assert decision.state == "applied"  # type: ignore[attr-defined]
    assert (node.version, url(node)) == (version + 1, "https://as2.birch-payments.example/as2")
    assert [kind for kind, _, _ in events(node, proposal.id)] == [
        "change.proposed",
        "change.approved",
        "change.applied",
    ]
    assert (applied(node)["eyes"], applied(node)["trust"], applied(node)["change"]) == (2, 1, proposal.id)
    assert facts["reason"] == "they moved", "what was signed for stays in clear"
    assert applied(node)["reason"] == "they moved"
    history = node.store.read(lambda view: view.config())
    assert history is not None
    assert history.actor == "operator:berta"


def test_what_nobody_signed_needs_two(node: Node) -> None:
    proposal = propose(node, new_url(node))
    assert "operator:test, unsigned" in proposal.text
    first = approved(node, proposal, ADA)
    assert first.state == "pending"  # type: ignore[attr-defined]
    assert "payments" not in url(node)
    with pytest.raises(BadApproval) as raised:
        approved(node, proposal, ADA)
    assert raised.value.code == "change.own"
    approved(node, proposal, BERTA)
    assert "payments" in url(node)
    kinds = [kind for kind, _, _ in events(node, proposal.id)]
    assert kinds == ["change.proposed", "change.approved", "change.approved", "change.applied"]


def test_what_is_no_matter_of_trust_takes_effect_at_once(node: Node) -> None:
    version = apply_files(
        node, new_url(node, f'{URL}\nsubject = "Orders"'), actor="operator:test", reason="a subject"
    )
    assert version is not None
    assert (applied(node)["eyes"], applied(node)["trust"]) == (1, 0)


def test_anybody_may_suspend_and_tighten(node: Node) -> None:
    files = put_field(node, 'name = "Birch"', 'name = "Birch"\nstate = "suspended"', "partners/birch.toml")
    assert apply_files(node, files, actor="operator:test", reason="fraud") is not None
    back = put_field(node, 'state = "suspended"\n', "", "partners/birch.toml")
    assert "state: suspended -> active (state)" in propose(node, back).text


def test_a_single_operator_goes_on_as_ever(tmp_path: Path) -> None:
    with make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256") as node:
        hub = tmp_path / "hub" / "ecluse.toml"
        bare = hub.read_text()
        for people in ([ADA], [ADA, BERTA]):
            hub.write_text(bare + operators_toml(people))
            assert apply_files(node, read_folder(node.folder), actor="operator:test", reason="x") is not None
            assert (applied(node)["eyes"], applied(node)["trust"]) == (1, 1)
        hub.write_text(bare + operators_toml([ADA]))
        proposal = propose(node, read_folder(node.folder), ADA)
        assert "- operator berta" in proposal.text
        assert "(administrator)" in proposal.text
        with pytest.raises(BadApproval):
            approved(node, proposal, ADA)
        approved(node, proposal, BERTA)
        hub.write_text(bare)
        assert apply_files(node, read_folder(node.folder), actor="operator:test", reason="x") is not None


def test_the_same_is_proposed_once(node: Node) -> None:
    first = propose(node, new_url(node), ADA)
    with pytest.raises(ChangeHeld) as raised:
        apply_files(node, new_url(node), actor="operator:other", reason="again")
    assert not raised.value.fresh
    assert raised.value.proposal.id == first.id
    assert len(proposals(node)) == 1


def test_change_files_leaves_no_trace_until_it_is_approved(node: Node) -> None:
    path = node.folder / "partners" / "birch.toml"
    path.parent.mkdir(exist_ok=True)
    before = path.read_text()
    with pytest.raises(ChangeHeld) as raised:
        change_files(node, new_url(node), actor="operator:test", reason="x", signer=ADA.signer())
    assert path.read_text() == before
    decision = approved(node, raised.value.proposal, BERTA)
    assert decision.written == ("partners/birch.toml",)  # type: ignore[attr-defined]
    assert EVIL in path.read_text()


def test_somebodys_work_in_the_folder_is_left(node: Node) -> None:
    proposal = propose(node, new_url(node), ADA)
    path = node.folder / "partners" / "birch.toml"
    path.write_text(path.read_text() + "# at work\n")
    decision = approved(node, proposal, BERTA)
    assert (decision.written, decision.left) == ((), ("partners/birch.toml",))  # type: ignore[attr-defined]
    assert "# at work" in path.read_text()


# --- who may approve ----------------------------------------------------------------------------------------------


def test_the_proposer_with_a_second_key_of_their_own(tmp_path: Path) -> None:
    second = person("ada", "another key")
    with four_eyed(tmp_path / "hub") as node:
        two = put_field(node, f'keys = ["{ADA.line}"]', f'keys = ["{ADA.line}", "{second.line}"]')
        approved(node, propose(node, two, ADA), BERTA)
        renamed = put_field(node, 'name = "Aster"', 'name = "Other"')
        proposal = propose(node, renamed, ADA)
        with pytest.raises(BadApproval) as raised:
            approved(node, proposal, second)
        assert raised.value.code == "change.own"
        as_berta = second.sign(statement(node, proposal.id, "approve", "berta"))
        with pytest.raises(BadApproval) as raised:
            approve(node, proposal.id, "berta", as_berta)
        assert raised.value.code == "change.wrong-key"


def test_somebody_who_is_no_operator(node: Node) -> None:
    proposal = propose(node, new_url(node), ADA)
    for who, name in ((person("mallory"), "mallory"), (person("mallory"), "berta")):
        with pytest.raises(BadApproval):
            approve(node, proposal.id, name, who.sign(statement(node, proposal.id, "approve", name)))
    assert "payments" not in url(node)


def test_who_proposes_must_be_who_they_say(node: Node) -> None:
    with pytest.raises(BadApproval):
        apply_files(
            node, new_url(node), actor="operator:x", reason="x", signer=person("mallory").signer("ada")
        )
    assert not proposals(node)


def test_an_operator_of_another_role_can_not_approve(tmp_path: Path) -> None:
    more = operators_toml([person("dora")], '"run", "audit"')
    with four_eyed(tmp_path / "hub", more=more) as node:
        proposal = propose(node, put_field(node, 'name = "Aster"', 'name = "Other"'), ADA)
        with pytest.raises(BadApproval) as raised:
            approved(node, proposal, person("dora"))
        assert raised.value.code == "change.not-approver"


def test_a_signature_of_another_proposal_or_another_step(node: Node) -> None:
    first, second = (
        propose(node, new_url(node), ADA),
        propose(node, new_url(node, EVIL.replace("s.ex", ".ex")), ADA),
    )
    for text in (
        statement(node, first.id, "approve", "berta"),
        statement(node, second.id, "refuse", "berta"),
        statement(node, second.id, "propose", "berta"),
        statement(node, second.id, "approve", "carl"),
        statement(node, second.id, "approve", "berta") + "\n",
    ):
        with pytest.raises(BadSshSignature):
            approved(node, second, BERTA, text=text)
    # The proposer's own signature, given as the second one.
    with pytest.raises(BadSshSignature):
        approve(node, second.id, "ada", second.signatures[0].signature)
    assert "payment" not in url(node)


def test_a_signature_of_another_namespace(node: Node) -> None:
    proposal = propose(node, new_url(node), ADA)
    text = statement(node, proposal.id, "approve", "berta")
    signer = BERTA.signer()
    elsewhere = make_signature(text.encode(), "git", signer.key, signer.make).armored()  # type: ignore[attr-defined]
    with pytest.raises(BadSshSignature) as raised:
        approve(node, proposal.id, "berta", elsewhere)
    assert raised.value.code == "sshsig.wrong-namespace"


def test_an_operator_who_left_counts_no_more(node: Node) -> None:
    """Ada proposes, Ada is removed, Berta approves: that is one pair of eyes of today."""
    waiting = propose(node, new_url(node), ADA)
    gone = put_field(node, operators_toml([ADA]), "")
    approved(node, propose(node, gone, BERTA), CARL)
    decision = approved(node, waiting, BERTA)
    assert decision.state == "pending"  # type: ignore[attr-defined]
    assert "payments" not in url(node)
    approved(node, waiting, CARL)
    assert "payments" in url(node)


# --- what is kept was changed -------------------------------------------------------------------------------------


def rewrite(node: Node, id: str, **changes: object) -> None:
    """What who writes to the database can do."""
    record = node.store.read(lambda view: view.record(KIND, id))
    assert record is not None
    proposal = msgspec.structs.replace(read(record).proposal, **changes)
    body = msgspec.json.encode(proposal)
    node.store.write(
        lambda tx: tx.put_record(Record(KIND, id, record.at, body, "", record.state, record.due))
    )


def swap_files(node: Node, id: str, path: str, text: str, before: str = "") -> None:
    present = node.directory.configuration.files[path]
    files = {path: FileChange(sha256((before or present).encode()).hexdigest(), text)}
    body = msgspec.json.encode(pack(files))
    node.store.write(lambda tx: tx.put_record(Record(FILES, id, node.hub.clock(), body)))


def test_files_that_were_exchanged_behind_the_text(node: Node) -> None:
    proposal = propose(node, new_url(node, f"{URL}\nrequire_signed = false"), ADA)
    swap_files(node, proposal.id, "partners/birch.toml", new_url(node)["partners/birch.toml"])
    with pytest.raises(ChangeTampered):
        approved(node, proposal, BERTA)
    swap_files(node, proposal.id, "partners/birch.toml", "x", before="something else")
    with pytest.raises(ChangeTampered):
        approved(node, proposal, BERTA)
    assert "payments" not in url(node)


def test_a_text_that_was_exchanged_too_has_not_been_signed(node: Node) -> None:
    """The row is made whole again around other files: the first signature does not fit."""
    proposal = propose(node, new_url(node, f"{URL}\nrequire_signed = false"), ADA)
    other = propose(node, new_url(node))
    swap_files(node, proposal.id, "partners/birch.toml", new_url(node)["partners/birch.toml"])
    text = other.text.replace(other.id, proposal.id).replace(other.by, proposal.by)
    rewrite(node, proposal.id, text=text, digest=sha256(text.encode()).hexdigest(), until=other.until)
    with pytest.raises(ChangeTampered):
        approved(node, proposal, BERTA)
    assert "payments" not in url(node)


def test_signatures_that_were_put_into_the_row(node: Node) -> None:
    """Whoever writes two signatures of others into the row has not made a proposal approved."""
    honest = propose(node, new_url(node, f"{URL}\nrequire_signed = false"), ADA)
    forged = propose(node, new_url(node))
    mine = msgspec.structs.replace(honest.signatures[0], action="approve")
    rewrite(node, forged.id, signatures=(honest.signatures[0],), proposer="ada")
    with pytest.raises(ChangeTampered):
        approved(node, forged, BERTA)
    rewrite(node, forged.id, signatures=(mine,))
    with pytest.raises(ChangeTampered):
        approved(node, forged, BERTA)
    operators = approvers(node.directory.hub.operators)
    refusal = msgspec.structs.replace(honest.signatures[0], action="refuse")
    assert standing(msgspec.structs.replace(honest, signatures=(refusal,)), operators) == ()


def test_a_longer_time_and_another_base(node: Node, clock: FakeClock) -> None:
    proposal = propose(node, new_url(node), ADA)
    rewrite(node, proposal.id, until=proposal.until + 1_000_000)
    with pytest.raises(ChangeTampered):
        approved(node, proposal, BERTA)
    rewrite(node, proposal.id, until=proposal.until, base=proposal.base - 1)
    with pytest.raises(ChangeStale):
        approved(node, proposal, BERTA)


def put_back(node: Node, proposal: Proposal, files: bytes, due: int) -> None:
    """Rows as they were, with another time."""
    at = node.hub.clock()
    body = msgspec.json.encode(proposal)
    record = Record(KIND, proposal.id, at, body, "", "pending", due)  # type: ignore[arg-type]
    node.store.write(lambda tx: (tx.put_record(record), tx.put_record(Record(FILES, proposal.id, at, files))))


def test_a_proposal_that_is_over_and_put_back(node: Node, clock: FakeClock) -> None:
    """Signatures that once counted are not to be had again, whoever signs next."""
    proposals_: dict[str, tuple[Proposal, bytes]] = {}
    for name in ("refused", "expired"):
        proposal = propose(node, new_url(node, f"{EVIL} # {name}"), ADA)
        kept = node.store.read(lambda view, id=proposal.id: view.record(FILES, id))
        assert kept is not None
        proposals_[name] = proposal, kept.body
    refused, files = proposals_["refused"]
    refuse(node, refused.id, "berta", BERTA.sign(statement(node, refused.id, "refuse", "berta", "no")), "no")
    put_back(node, refused, files, refused.until)
    with pytest.raises(ChangeTampered, match="By the log"):
        approved(node, refused, CARL)
    expired, files = proposals_["expired"]
    clock.forward(8 * 86_400)
    expire(node)
    put_back(node, expired, files, expired.until + 10**13)
    with pytest.raises(ChangeOver, match="was over at"):
        approved(node, expired, BERTA)
    fresh = msgspec.structs.replace(expired, id="c" + "0" * 26)
    put_back(node, fresh, files, expired.until + 10**13)
    clock.now = expired.at
    with pytest.raises(ChangeTampered):
        approved(node, fresh, BERTA)
    assert "payments" not in url(node)


def test_rows_that_can_not_be_read(node: Node) -> None:
    proposal = propose(node, new_url(node), ADA)
    text = statement(node, proposal.id, "approve", "berta")
    armored = BERTA.sign(text)
    at = node.hub.clock()
    for body in (b'"AAAA"', b"{}", b'"' + b"A" * 8 + b'"', b"\xff"):
        node.store.write(lambda tx, body=body: tx.put_record(Record(FILES, proposal.id, at, body)))
        with pytest.raises(DamagedChange):
            approve(node, proposal.id, "berta", armored)
    node.store.write(lambda tx: tx.drop_record(FILES, proposal.id))
    with pytest.raises(DamagedChange):
        approve(node, proposal.id, "berta", armored)
    for body in (
        b"{}",
        b"[]",
        b"\xff\xfe",
        msgspec.json.encode(msgspec.structs.replace(proposal, id="cother")),
    ):
        node.store.write(
            lambda tx, body=body: tx.put_record(
                Record(KIND, proposal.id, at, body, "", "pending", proposal.until)
            )
        )
        with pytest.raises(DamagedChange):
            find(node, proposal.id)


# --- other versions, time, and at once ----------------------------------------------------------------------------


def test_a_version_between_that_does_not_matter(node: Node) -> None:
    proposal = propose(node, new_url(node), ADA)
    other = {
        **node.directory.configuration.files,
        "partners/cedar.toml": 'name = "Cedar"\nstate = "invited"\n',
    }
    apply_files(node, other, actor="operator:test", reason="an invitation")
    assert approved(node, proposal, BERTA).state == "applied"  # type: ignore[attr-defined]
    assert "payments" in url(node)
    assert {each.id for each in node.directory.partners} == {"birch", "cedar"}


@pytest.mark.parametrize("subject", ["as2.subject", "by another way"])
def test_a_version_between_that_touches_the_same(node: Node, subject: str) -> None:
    proposal = propose(node, new_url(node), ADA)
    if subject == "as2.subject":
        files = new_url(node, f'{URL}\nsubject = "Orders"')
        apply_files(node, files, actor="operator:test", reason="the same file")
    else:
        # Another proposal takes the same address under another name first: the plan is another one then.
        approved(node, propose(node, new_url(node, f"{EVIL} # by hand"), BERTA), CARL)
    with pytest.raises(ChangeStale):
        approved(node, proposal, BERTA)
    assert find(node, proposal.id).state == "stale"
    assert events(node, proposal.id)[-1][0] == "change.stale"
    with pytest.raises(ChangeOver):
        approved(node, proposal, CARL)


def test_time_runs_out(node: Node, clock: FakeClock) -> None:
    proposal = propose(node, new_url(node), ADA)
    text = statement(node, proposal.id, "approve", "berta")
    clock.forward(7 * 86_400)
    with pytest.raises(ChangeOver, match="its time was over"):
        approve(node, proposal.id, "berta", BERTA.sign(text))
    assert events(node, proposal.id)[-1][0] == "change.expired"
    assert "payments" not in url(node)
    assert not proposals(node)
    assert [entry.state for entry in proposals(node, all=True)][-1] == "expired"
    assert node.store.read(lambda view: view.record(FILES, proposal.id)) is None
    clock.forward(KEPT / 1_000_000 + 1)
    expire(node)
    with pytest.raises(NoSuchChange):
        find(node, proposal.id)
    assert len(evidence(node, proposal.id)) == 3, "the log has it for good"


def test_the_time_limit_is_configured(tmp_path: Path, clock: FakeClock) -> None:
    with four_eyed(tmp_path / "hub", more='\n[changes]\ntime_limit = "1h"\n', clock=clock) as node:
        proposal = propose(node, put_field(node, 'name = "Aster"', 'name = "Other"'))
        assert proposal.until - proposal.at == 3_600_000_000
        clock.forward(3599)
        assert expire(node) == 0
        clock.forward(2)
        assert expire(node) == 1


def test_refused_and_withdrawn(node: Node) -> None:
    first, second = propose(node, new_url(node), ADA), propose(node, new_url(node, f"{EVIL} #"), ADA)
    because = "Birch\nknows \u202e nothing"
    refuse(
        node, first.id, "berta", BERTA.sign(statement(node, first.id, "refuse", "berta", because)), because
    )
    kind, actor, facts = events(node, first.id)[-1]
    assert (kind, actor, facts["because"]) == ("change.refused", "operator:berta", because)
    assert "because: Birch\\u{a}knows \\u{202e} nothing\n" in str(facts["statement"])
    with pytest.raises(BadApproval) as raised:
        withdraw(node, second.id, "berta", BERTA.sign(statement(node, second.id, "withdraw", "berta")))
    assert raised.value.code == "change.not-own"
    withdraw(node, second.id, "ada", ADA.sign(statement(node, second.id, "withdraw", "ada")))
    assert events(node, second.id)[-1][0] == "change.withdrawn"
    assert [find(node, each.id).state for each in (first, second)] == ["refused", "withdrawn"]
    for proposal in (first, second):
        with pytest.raises(ChangeOver):
            approved(node, proposal, BERTA)
    # The reason is part of what was signed.
    third = propose(node, new_url(node), ADA)
    with pytest.raises(BadSshSignature):
        refuse(node, third.id, "berta", BERTA.sign(statement(node, third.id, "refuse", "berta", "a")), "b")


def test_two_approvers_at_once(node: Node, tmp_path: Path) -> None:
    proposal = propose(node, new_url(node), ADA)
    version = node.version
    ended: list[str] = []
    gate = threading.Barrier(2)

    def work(mine: Node, who: Person) -> None:
        armored = who.sign(statement(mine, proposal.id, "approve", who.name))
        gate.wait(10)
        try:
            approve(mine, proposal.id, who.name, armored)
            ended.append("applied")
        except ChangeOver:
            ended.append("over")

    with (
        open_node(node.folder, clock=node.hub.clock) as one,
        open_node(node.folder, clock=node.hub.clock) as two,
    ):
        threads = [threading.Thread(target=work, args=each) for each in ((one, BERTA), (two, CARL))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sorted(ended) == ["applied", "over"]
    node.reload()
    assert node.version == version + 1
    assert [kind for kind, _, _ in events(node, proposal.id)].count("change.applied") == 1


def test_a_certificate_that_ran_out_meanwhile_is_not_put_in_force(node: Node, clock: FakeClock) -> None:
    soon = {**node.directory.configuration.files}
    soon["partners/birch.toml"] += (
        '[[exceptions]]\nalgorithm = "sha-1"\nreason = "old server"\nuntil = 2026-09-25\n'
    )
    proposal = propose(node, soon, ADA)
    clock.forward(5 * 86_400)
    with pytest.raises(Exception, match="expired-exception"):
        approved(node, proposal, BERTA)
    assert find(node, proposal.id).state == "pending"


def test_many_changes_are_cut_in_the_text_and_bound_by_digest(node: Node) -> None:
    files = dict(node.directory.configuration.files)
    for number in range(300):
        files[f"partners/mill{number}.toml"] = (
            f'name = "Mill {number}"\n[as2]\nid = "MILL{number}"\nrequire_signed = false\n'
        )
    proposal = propose(node, files, ADA)
    assert "not shown: " in proposal.text
    assert len(proposal.text) < 40_000
    approved(node, proposal, BERTA)
    assert len(node.directory.partners) == 301


def test_chains_behind_a_certificate_that_stays_are_held(node: Node) -> None:
    """For TLS every certificate of a file is an anchor."""
    other = make_identity("Evil authority").certificate
    files = dict(node.directory.configuration.files)
    files["certificates/birch.pem"] += to_pem([other])
    assert "(key)" in propose(node, files, ADA).text
