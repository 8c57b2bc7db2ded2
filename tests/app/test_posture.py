"""Posture of an opened hub: its facts, what drifts, what is suppressed, and fixes that are put in force."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.certs import renewed
from tests.support.hubs import FakeClock, introduce, make_pair

import ecluse.app.posture.serving
import ecluse.app.service
from ecluse.app.changes import ChangeHeld
from ecluse.app.keys.certificates import install_certificate, put_secret
from ecluse.app.log.proofs import verify_evidence
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.posture.fixes import NotFound, apply_fix, plan_fix
from ecluse.app.posture.report import report
from ecluse.app.posture.work import Looked, NoSuchRule, NoSuchSubject, NotSuppressed, PostureWork
from ecluse.app.service import Service
from ecluse.app.settings import PendingChanges, apply_files
from ecluse.evidence.record import decode_leaf
from ecluse.model.basics import Instant, PartnerId
from ecluse.posture.keeping import BadSuppression
from ecluse.posture.rule import DAY
from ecluse.trust.configuration import read_folder
from ecluse.trust.keys.keyfiles import Stretching
from ecluse.trust.secrets import Secret
from ecluse.trust.sightings import Sightings


class Town:
    """Aster with its partner Birch, and the time."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(int(time.time()) * 1_000_000)
        self.node = open_node(folder, clock=self.clock)
        self.work = PostureWork(self.node)

    def change(self, file: str, old: str, new: str) -> None:
        path = self.node.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        apply_files(self.node, read_folder(self.node.folder), actor="operator:test", reason="test")

    def codes(self, subject: str = "partner:birch", looked: Looked | None = None) -> set[str]:
        looked = looked or self.work.run()
        return {each.rule.code for each in looked.verdict.found[subject]}

    def events(self) -> list[tuple[str, str, str]]:
        events = [decode_leaf(leaf) for _, leaf in self.node.store.read(lambda view: view.unsealed(1000))]
        return [(e.kind, e.subject, e.actor) for e in events if e.kind.startswith("posture.")]

    def see(self, channel: str, role: str, value: str) -> None:
        sightings = Sightings(self.clock)
        sightings.saw(PartnerId("birch"), channel, role, value)
        sightings.flush(self.node.store, lambda tx, kind, subject, data: None, everything=True)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aster's hub, whose keyring opens at once."""
    aster, birch = make_pair(tmp_path_factory.mktemp("template"), key_kind="ec-p256")
    introduce(aster, birch, "birch", "http://127.0.0.1:9/as2")
    passphrase = Secret((aster.folder / "passphrase").read_text().strip())
    aster.keyring.change_passphrase(passphrase, stretching=Stretching(memory_kib=64, passes=1, lanes=1))
    aster.close()
    birch.close()
    return aster.folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "aster"))


@pytest.fixture
def town(folder: Path) -> Iterator[Town]:
    town = Town(folder)
    yield town
    town.node.close()


def test_what_is_weak_is_found_kept_and_told(town: Town) -> None:
    assert "crypto.accepts-unsigned" not in town.codes()
    town.change("partners/birch.toml", "[as2]\n", "[as2]\nrequire_signed = false\n")
    looked = town.work.run()
    key = "crypto.accepts-unsigned/partner:birch/as2.require_signed"
    assert looked.opened == (key,)
    assert looked.grades["partner:birch"].score < 90
    town.change("partners/birch.toml", "require_signed = false\n", "")
    looked = town.work.run()
    assert looked.closed == (key,)
    told = [(kind, subject) for kind, subject, _ in town.events() if subject == "partner:birch"]
    assert told[-2:] == [
        ("posture.finding-opened", "partner:birch"),
        ("posture.finding-closed", "partner:birch"),
    ]


def test_nothing_is_looked_at_twice(town: Town) -> None:
    town.work.run()
    assert town.work.run().verdict.changed <= {"hub"}
    events = len(town.events())
    town.work.run()
    assert len(town.events()) == events


def test_what_it_stands_on_is_found(town: Town) -> None:
    (town.node.folder / "keys").chmod(0o755)
    codes = town.codes("hub")
    assert {"operations.exposed-files", "operations.not-serving", "operations.no-backup"} <= codes
    (town.node.folder / "state" / "last-backup").touch()
    (town.node.folder / "keys").chmod(0o700)
    town.clock.forward(601)
    codes = town.codes("hub")
    assert "operations.no-backup" not in codes
    assert "operations.exposed-files" not in codes
    town.clock.forward(3 * 86_400)
    assert "operations.old-backup" in town.codes("hub")


def test_a_verified_log_is_remembered(town: Town) -> None:
    assert verify_evidence(town.node, lambda done, total: None)["ok"]
    town.work.run()
    assert town.work.gatherer.gather().hub.log.verified is not None
    town.clock.forward(40 * 86_400)
    # An empty log has nothing to be verified again for; it was, all the same.
    assert "evidence.verified-long-ago" in town.codes("hub")


def test_changes_that_are_not_in_force_are_found_by_meaning(town: Town) -> None:
    path = town.node.folder / "partners" / "birch.toml"
    before = path.read_text()
    assert "operations.pending-changes" not in town.codes("hub")
    path.write_text("# a comment\n" + before)
    town.clock.forward(601)
    assert "operations.pending-changes" not in town.codes("hub")
    path.write_text(before + '\n[openpgp]\nformat = "rfc4880"\n')
    town.clock.forward(601)
    assert "operations.pending-changes" in town.codes("hub")
    path.write_text("= nonsense")
    town.clock.forward(601)
    assert "operations.pending-changes" in town.codes("hub")
    path.write_text(before)
    town.clock.forward(601)
    assert "operations.pending-changes" not in town.codes("hub")


def test_drift_in_the_configuration(town: Town) -> None:
    assert town.work.approve(reason="reviewed", actor="operator:ines") == 2
    assert "operations.drift" not in town.codes()
    town.change("partners/birch.toml", "[as2]\n", '[as2]\nsubject = "Other"\n')
    looked = town.work.run()
    (found,) = [e for e in looked.verdict.found["partner:birch"] if e.rule.code == "operations.drift"]
    assert found.hit.place == "as2.subject"
    assert "operator:ines" in found.hit.expected
    town.work.approve(reason="agreed", actor="operator:ines", only="partner:birch")
    assert "operations.drift" not in town.codes()
    with pytest.raises(NoSuchSubject):
        town.work.approve(reason="x", actor="operator:ines", only="partner:nobody")


def test_what_is_exchanged_behind_a_name_is_drift(town: Town) -> None:
    (town.node.folder / "store.pem").write_bytes(b"an authority")
    s3 = '\n[s3]\nbucket = "orders"\nendpoint = "https://s3.birch.example"\nca = "store.pem"\n'
    path = town.node.folder / "partners" / "birch.toml"
    path.write_text(
        path.read_text() + s3 + 'access_key = "file:passphrase"\nsecret_key = "file:passphrase"\n'
    )
    apply_files(town.node, read_folder(town.node.folder), actor="operator:test", reason="test")
    town.work.approve(reason="reviewed", actor="operator:ada")
    assert "operations.drift" not in town.codes("hub")
    ours = town.node.keyring.certificate("main")
    install_certificate(town.node, "main", renewed(town.node.keyfiles.request("main")), actor="operator:eve")
    assert town.node.keyring.certificate("main") != ours
    (town.node.folder / "store.pem").write_bytes(b"another")
    drift = [each for each in town.work.run().verdict.found["hub"] if each.rule.code == "operations.drift"]
    assert sorted(each.hit.place for each in drift) == ["file store.pem", "key main"]
    town.work.approve(reason="they were ours", actor="operator:ada", only="hub")
    assert "operations.drift" not in town.codes("hub")


def test_another_place_of_the_keys_than_is_in_force_is_found(town: Town) -> None:
    assert "authentication.unapproved-start" not in town.codes("hub")
    folder = town.node.folder
    shutil.copytree(folder / "keys", folder / "elsewhere")
    path = folder / "ecluse.toml"
    text = path.read_text()
    path.write_text(text.replace("[keyring]", '[keyring]\nfolder = "elsewhere"'))
    with open_node(folder, clock=town.clock) as node:
        path.write_text(text)  # and nobody sees it in the file
        found = PostureWork(node).run().verdict.found["hub"]
        (hit,) = [each for each in found if each.rule.code == "authentication.unapproved-start"]
        assert hit.hit.place == "keyring.folder"
        assert "elsewhere" in hit.hit.observed


def test_a_partner_that_came_since_the_baseline_is_drift(town: Town) -> None:
    town.work.approve(reason="reviewed", actor="operator:ines")
    other = town.node.folder / "partners" / "cedar.toml"
    other.write_text('name = "Cedar"\nstate = "invited"\n[as2]\nid = "CEDAR"\n')
    apply_files(town.node, read_folder(town.node.folder), actor="operator:test", reason="test")
    found = [e for e in town.work.run().verdict.found["hub"] if e.rule.code == "operations.drift"]
    assert [each.hit.place for each in found] == ["partner:cedar"]


@pytest.mark.parametrize(
    ("channel", "role", "old", "new", "code"),
    [
        ("sftp", "host-key", "SHA256:old", "SHA256:new", "transport.server-drift"),
        ("as2", "tls-server", "aa", "bb", "transport.server-drift"),
        ("as2", "encryption-algorithm", "aes-256-gcm", "aes-128-cbc", "crypto.algorithm-drift"),
        ("as2", "encryption-algorithm", "aes-256-gcm", "3des", "crypto.weak-algorithm-seen"),
        ("as2", "receipt", "signed", "unsigned", "evidence.unsigned-receipt-seen"),
        ("account-sftp", "user-key", "SHA256:old", "SHA256:new", "authentication.login-drift"),
    ],
)
def test_drift_on_the_wire(town: Town, channel: str, role: str, old: str, new: str, code: str) -> None:
    town.see(channel, role, old)
    town.clock.forward(60)
    town.work.approve(reason="reviewed", actor="operator:ines")
    town.clock.forward(60)
    town.see(channel, role, old)
    assert code not in town.codes()
    town.see(channel, role, new)
    assert code in town.codes()


def test_a_suppression_holds_until_its_end(town: Town) -> None:
    town.change("partners/birch.toml", "[as2]\n", "[as2]\nrequire_signed = false\n")
    score = town.work.run().grades["partner:birch"].score
    until = Instant(town.clock() + 10 * DAY)
    key = town.work.suppress(
        "crypto.accepts-unsigned",
        "partner:birch",
        "",
        reason="an old product",
        owner="Ines Roux",
        until=until,
        actor="operator:ines",
    )
    looked = town.work.run()
    assert key == "crypto.accepts-unsigned/partner:birch"
    assert looked.grades["partner:birch"].score == score + 15
    files = town.node.directory.configuration.files
    shown = report(looked, town.work.keeper, files, partner="birch")
    assert "crypto.accepts-unsigned" not in {each.code for each in shown.findings}
    assert shown.suppressed == 1
    every = report(looked, town.work.keeper, files, partner="birch", everything=True)
    (held,) = [each for each in every.findings if each.code == "crypto.accepts-unsigned"]
    assert held.suppression is not None
    assert held.suppression["owner"] == "Ines Roux"
    town.clock.forward(11 * 86_400)
    assert town.work.run().grades["partner:birch"].score == score
    kinds = [(kind, actor) for kind, _, actor in town.events() if "suppress" in kind]
    assert kinds == [("posture.suppressed", "operator:ines"), ("posture.unsuppressed", "hub")]


def test_suppressions_that_make_no_sense(town: Town) -> None:
    def suppress(code: str, subject: str, days: int = 1) -> None:
        until = Instant(town.clock() + days * DAY)
        town.work.suppress(code, subject, "", reason="r", owner="o", until=until, actor="operator:x")

    with pytest.raises(NoSuchRule):
        suppress("crypto.nothing", "hub")
    with pytest.raises(NoSuchSubject):
        suppress("operations.no-backup", "partner:nobody")
    with pytest.raises(BadSuppression):
        suppress("operations.no-backup", "hub", -1)
    with pytest.raises(NotSuppressed):
        town.work.unsuppress("operations.no-backup", "hub", "", actor="operator:x")
    suppress("transport.cleartext-http", "*")
    town.work.unsuppress("transport.cleartext-http", "*", "", actor="operator:x")


def test_a_fix_is_a_plan_and_then_in_force(town: Town) -> None:
    town.change("partners/birch.toml", "[as2]\n", "[as2]\nrequire_signed = false\nencrypt = false\n")
    looked = town.work.run()
    fix = plan_fix(town.node, looked, "crypto.accepts-unsigned", "partner:birch")
    assert [str(change) for change in fix.plan.changes] == ["~ as2.require_signed: no -> yes"]
    version = apply_fix(town.node, fix, actor="operator:ines")
    assert version is not None
    assert version.reason == "fix of crypto.accepts-unsigned"
    settings = town.node.directory.partner("birch").as2
    assert settings.require_signed
    assert settings.encrypt is False
    assert "crypto.accepts-unsigned" not in town.codes()
    assert read_folder(town.node.folder) == dict(town.node.directory.configuration.files)


def test_fixes_that_there_are_not(town: Town) -> None:
    looked = town.work.run()
    with pytest.raises(NoSuchRule):
        plan_fix(town.node, looked, "crypto.nothing", "hub")
    with pytest.raises(NotFound):
        plan_fix(town.node, looked, "crypto.accepts-unsigned", "partner:birch")
    told = plan_fix(town.node, looked, "operations.no-backup", "hub")
    assert told.files is None
    assert "last-backup" in told.remedy
    toml = town.node.folder / "ecluse.toml"
    toml.write_text(toml.read_text() + '\n[folders.x]\npath = "x"\n')
    with pytest.raises(PendingChanges):
        plan_fix(town.node, looked, "transport.private-network", "partner:birch")


def test_a_fix_of_trust_waits_for_the_second_person(town: Town) -> None:
    operators = ""
    for name in ("ines", "jules"):
        public = ed25519.Ed25519PrivateKey.generate().public_key()
        line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        operators += f'[[operators]]\nname = "{name}"\nroles = ["trust"]\nkeys = ["{line}"]\n'
    town.change("partners/birch.toml", "http://127.0.0.1:9/as2", "http://as2.birch.example/as2")
    town.change("ecluse.toml", "[organisation]\n", f"{operators}[organisation]\n")
    looked = town.work.run()
    assert "authentication.single-operator" not in town.codes("hub", looked)
    version = town.node.version
    fix = plan_fix(town.node, looked, "transport.cleartext-http", "partner:birch")
    with pytest.raises(ChangeHeld) as held:
        apply_fix(town.node, fix, actor="operator:ines")
    assert held.value.proposal.id
    assert town.node.version == version
    assert "transport.cleartext-http" in town.codes()


def until(holds: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def test_a_serving_node_finds_what_drifts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its start, when the configuration changes, and each time its turn comes for what is seen on the wire."""
    monkeypatch.setattr(ecluse.app.service, "RELOAD_EVERY", 0.05)
    monkeypatch.setattr(ecluse.app.posture.serving, "EVERY", 1)
    with open_node(folder) as node:
        PostureWork(node).approve(reason="reviewed", actor="operator:ines")

    def open_findings(node: Node) -> set[str]:
        records = node.store.read(lambda view: view.records("finding", state="open"))
        return {each.key.split("/")[0] for each in records}

    async def scene() -> None:
        node = open_node(folder)
        service = Service(node, listen="127.0.0.1:0")
        await service.start()
        try:
            await asyncio.to_thread(until, lambda: "operations.no-backup" in open_findings(node))
            assert "operations.drift" not in open_findings(node)
            path = node.folder / "partners" / "birch.toml"
            path.write_text(path.read_text().replace("[as2]\n", "[as2]\nencrypt = false\n"))
            apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
            await asyncio.to_thread(
                until, lambda: {"crypto.as2-unencrypted", "operations.drift"} <= open_findings(node)
            )
            node.hub.sightings.saw(PartnerId("birch"), "as2", "tls-server", "ab" * 32)
            await asyncio.to_thread(until, lambda: "transport.server-drift" in open_findings(node))
        finally:
            await service.stop()
            node.close()

    asyncio.run(scene())


def test_a_secret_that_the_keyring_does_not_hold_is_missing(town: Town) -> None:
    town.change(
        "partners/birch.toml", "[as2]", '[account]\nuser = "birch"\npassword = "keyring:birch"\n[as2]'
    )
    assert "secrets.missing" in town.codes()
    put_secret(town.node, "birch", Secret("correct horse battery"), actor="operator:test")
    assert "secrets.missing" not in town.codes()
