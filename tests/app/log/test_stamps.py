"""A hub asks authorities that openssl runs, keeps what they say, and tells where something is wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from tests.support.hubs import FakeClock
from tests.support.tsa import POLICY, OpensslAuthority, PlayedAuthority, serve

from ecluse.app.folder import make_hub
from ecluse.app.keys.revocation import check_certificates
from ecluse.app.log.proofs import verify_evidence
from ecluse.app.log.sequencing import make_sequencer
from ecluse.app.log.stamp_views import (
    authority_facts,
    export_records,
    export_stamps,
    list_records,
    verify_stamps,
)
from ecluse.app.log.stamps import (
    NoCheckpoint,
    NoSuchAuthority,
    longterm_work,
    renew_evidence,
    stamp_log,
    stamping,
)
from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.model.basics import system_clock
from ecluse.trust.configuration import read_folder
from ecluse.trust.errors import ConfigurationError
from ecluse.trust.revocation import Verdict, record_of

DAY = 86_400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(system_clock())


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Iterator[Node]:
    with make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256", clock=clock) as made:
        yield made


def put(node: Node, *authorities: tuple[str, str, bytes, str]) -> None:
    """Name, address, root and further lines of each authority."""
    text = (node.folder / "ecluse.toml").read_text().partition("\n[[log.authorities]]")[0]
    for name, url, root, more in authorities:
        (node.folder / f"certificates/{name}-tsa.pem").write_bytes(root)
        text += (
            f'\n[[log.authorities]]\nname = "{name}"\nurl = "{url}"\nroots = "certificates/{name}-tsa.pem"\n'
            f"allow_private_network = true\n{more}\n"
        )
    (node.folder / "ecluse.toml").write_text(text)
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")


def seal(node: Node) -> None:
    """What a serving node does all the time."""
    sequencer = make_sequencer(node)
    while sequencer.seal():
        pass
    sequencer.checkpoint()


def events(node: Node, kind: str) -> list[dict[str, object]]:
    leaves = [json.loads(leaf) for _, leaf in node.store.read(lambda view: view.unsealed(1000))]
    return [leaf["data"] for leaf in leaves if leaf["kind"] == kind]


def played(clock: FakeClock, authority: PlayedAuthority, skew: float = 0) -> Callable[[bytes], bytes]:
    def now() -> datetime:
        return datetime.fromtimestamp(clock.now / 1_000_000 + skew, tz=UTC)

    return authority.at(now)


def young(clock: FakeClock, years: float = 3) -> PlayedAuthority:
    begins = datetime.fromtimestamp(clock.now // 1_000_000, tz=UTC) - timedelta(days=1)
    return PlayedAuthority("Beech", begins=begins, years=years)


@pytest.mark.peer("openssl")
def test_openssl_stamps_the_log_and_verifies_the_stamp(node: Node, tmp_path: Path) -> None:
    alder = OpensslAuthority(tmp_path / "alder")
    with serve(alder) as url:
        put(node, ("alder", url, alder.root.read_bytes(), f'policy = "{POLICY}.2"\n'))
        with pytest.raises(NoCheckpoint):
            stamp_log(node, now=True)
        seal(node)
        (done,) = stamp_log(node)
        assert done.error is None
        assert stamp_log(node) == [], "it was stamped today"
    assert done.stamp is not None
    assert (done.stamp.hash, done.stamp.policy) == ("sha512", f"{POLICY}.2")
    assert abs(done.stamp.ahead) < 60_000_000
    names = export_stamps(node, tmp_path / "out", None)
    size = done.stamp.size
    assert names == [f"{size}-alder.pem", f"{size}-alder.tsr", f"{size}.note"]
    command = ["openssl", "ts", "-verify", "-data", f"{size}.note", "-in", f"{size}-alder.tsr", "-token_in"]
    said = subprocess.run(
        [*command, "-CAfile", alder.root], cwd=tmp_path / "out", capture_output=True, text=True
    )
    assert "Verification: OK" in said.stdout + said.stderr
    seal(node)
    facts = verify_evidence(node, lambda done, total: None)
    assert facts["ok"], facts
    assert facts["stamped"] == {"stamps": 1, "records": 1, "problems": []}
    assert set(export_records(node, tmp_path / "records", None)) == {
        f"checkpoint-{size}-alder.{ending}" for ending in ("ers", "pem", "data")
    }


def test_each_authority_has_a_pace_of_its_own(node: Node, clock: FakeClock) -> None:
    beech, cedar = young(clock), young(clock)
    with serve(played(clock, beech)) as one, serve(played(clock, cedar)) as two:
        put(node, ("beech", one, beech.pem, 'every = "6h"'), ("cedar", two, cedar.pem, 'hash = "sha-256"'))
        seal(node)
        assert [each.authority for each in stamp_log(node)] == ["beech", "cedar"]
        clock.forward(7 * 3600)
        seal(node)
        assert [each.authority for each in stamp_log(node)] == ["beech"]
        clock.forward(DAY)
        seal(node)
        assert [each.authority for each in stamp_log(node)] == ["beech", "cedar"]
        assert [each.authority for each in stamp_log(node, name="cedar", now=True)] == ["cedar"]
    assert verify_stamps(node)["problems"] == []
    assert [row["hash"] for row in list_records(node)].count("sha256") == 2


def test_an_authority_that_lies_or_is_away_is_told_and_asked_again(node: Node, clock: FakeClock) -> None:
    beech, stranger = young(clock), young(clock)
    with serve(played(clock, stranger)) as url:
        put(node, ("beech", url, beech.pem, ""))
        seal(node)
        (done,) = stamp_log(node)
        assert done.error is not None
        assert done.error.code == "tsp.untrusted"
        assert stamp_log(node) == [], "not before five minutes have passed"
        clock.forward(301)
        assert len(stamp_log(node)) == 1
    clock.forward(3600)
    (done,) = stamp_log(node)
    assert done.error is not None
    assert done.error.code.startswith("http.")
    with serve(lambda request: b"<html>", status=403) as url:
        put(node, ("beech", url, beech.pem, ""))
        (done,) = stamp_log(node, now=True)
        assert done.error is not None
        assert done.error.code == "tsp.http"
    codes = [event["code"] for event in events(node, "log.stamp-failed")]
    assert codes[:1] == ["tsp.untrusted"]
    assert codes[-1:] == ["tsp.http"]
    assert len(codes) == 3
    (facts,) = authority_facts(node)
    assert (facts["failures"], facts["last"]) == (4, None)


def test_a_private_address_is_reached_only_where_that_is_allowed(node: Node, clock: FakeClock) -> None:
    beech = young(clock)
    with serve(played(clock, beech)) as url:
        put(node, ("beech", url, beech.pem, ""))
        text = (node.folder / "ecluse.toml").read_text().replace("allow_private_network = true", "")
        (node.folder / "ecluse.toml").write_text(text)
        apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
        seal(node)
        (done,) = stamp_log(node)
    assert done.error is not None
    assert beech.requests == []


def test_a_password_is_sent_and_never_in_clear_text(node: Node, clock: FakeClock, tmp_path: Path) -> None:
    beech = young(clock)
    (tmp_path / "secret").write_text("hush")
    (tmp_path / "secret").chmod(0o600)
    more = f'user = "aster"\npassword = "file:{tmp_path / "secret"}"'
    with serve(played(clock, beech)) as url:
        put(node, ("beech", url, beech.pem, more))
        seal(node)
        assert stamp_log(node)[0].error is None
    with pytest.raises(ConfigurationError, match="clear"):
        put(node, ("beech", "http://tsa.beech.example/", beech.pem, more))


def test_one_that_is_not_asked_any_more_still_verifies(node: Node, clock: FakeClock) -> None:
    beech = young(clock)
    with serve(played(clock, beech)) as url:
        put(node, ("beech", url, beech.pem, ""))
        seal(node)
        stamp_log(node)
        put(node, ("beech", url, beech.pem, "ask = false"))
        with pytest.raises(NoSuchAuthority):
            stamp_log(node, now=True)
    assert verify_stamps(node) == {"stamps": 1, "records": 1, "problems": []}
    put(node)
    assert [each["code"] for each in verify_stamps(node)["problems"]] == ["stamp-bad", "evidence-bad"]


def test_a_clock_that_was_set_back_is_told(node: Node, clock: FakeClock) -> None:
    beech = young(clock)
    with serve(played(clock, beech, skew=0)) as url:
        put(node, ("beech", url, beech.pem, ""))
        seal(node)
        stamp_log(node)
    clock.forward(-2 * 3600)
    with serve(played(clock, beech, skew=2 * 3600)) as url:
        put(node, ("beech", url, beech.pem, ""))
        assert [each.authority for each in stamp_log(node)] == ["beech"], "its state is of a time to come"
    (event,) = events(node, "log.clock-differs")
    assert event["ahead"] == pytest.approx(2 * 3600 * 1_000_000, abs=60_000_000)
    problems = verify_stamps(node)["problems"]
    assert {each["code"] for each in problems} == {"clock-behind"}


def test_an_authority_that_was_revoked_is_refused(node: Node, clock: FakeClock) -> None:
    beech = young(clock)
    with serve(played(clock, beech)) as url:
        put(node, ("beech", url, beech.pem, ""))
        text = (
            (node.folder / "ecluse.toml")
            .read_text()
            .replace("\n[[log", '\n[revocation]\nmode = "soft"\n[[log', 1)
        )
        (node.folder / "ecluse.toml").write_text(text)
        apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
        seal(node)
        assert stamp_log(node)[0].error is None
        asked = {each.candidate.name for each in check_certificates(node, everything=True)}
        assert "authority:beech" in asked
        signer = beech.certificate.fingerprint(SHA256()).hex()
        verdict = Verdict(
            "revoked", node.hub.clock(), since=node.hub.clock(), reason="key-compromise", source="test"
        )
        record = record_of(signer, "", verdict, node.hub.clock(), None)
        node.store.write(lambda tx: tx.put_record(record))
        (done,) = stamp_log(node, now=True)
    assert done.error is not None
    assert "revoked" in done.error.cause


class Run:
    """What a job is given, as far as this work looks at it."""

    def check(self) -> None:
        """The lease holds."""


def test_the_jobs_of_a_serving_hub_do_the_same(node: Node, clock: FakeClock) -> None:
    stamping(node).work(Run())
    longterm_work(node).work(Run())
    beech = young(clock)
    with serve(played(clock, beech)) as url:
        put(node, ("beech", url, beech.pem, ""))
        stamping(node).work(Run())
        assert beech.requests == [], "there is no checkpoint yet"
        seal(node)
        stamping(node).work(Run())
        stamping(node).work(Run())
        longterm_work(node).work(Run())
    assert len(beech.requests) == 1
    assert verify_stamps(node) == {"stamps": 1, "records": 1, "problems": []}


def test_evidence_is_renewed_by_the_job(node: Node, clock: FakeClock) -> None:
    beech = young(clock, years=1)
    with serve(played(clock, beech)) as url:
        put(node, ("beech", url, beech.pem, ""))
        seal(node)
        stamp_log(node)
        assert renew_evidence(node) == []
        clock.forward(300 * DAY)
        cedar = young(clock, years=5)
        with serve(played(clock, cedar)) as other:
            put(node, ("beech", url, beech.pem, "ask = false"), ("cedar", other, cedar.pem, ""))
            (done,) = renew_evidence(node)
    assert (done.count, done.authority, done.kind) == (1, "cedar", "time-stamp-renewal")
    clock.forward(200 * DAY)
    assert verify_stamps(node)["problems"] == []
    (row,) = list_records(node)
    assert (row["renewals"], row["by"], row["state"]) == (1, "cedar", "")
