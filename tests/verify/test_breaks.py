"""Breaks of the log in a pack: who signed the decision, and what forgers of it come to."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.operators import Person, four_eyed, person
from tests.support.packs import Company, Files, read_pack, write_pack

from ecluse.app.log.breaks import continue_log
from ecluse.app.log.sequencing import make_sequencer, reporter
from ecluse.app.node import Node
from ecluse.app.packs.export import export_pack
from ecluse.evidence.errors import RolledBack
from ecluse.evidence.held import HeldCheckpoints
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import PartnerId
from ecluse.wire.tlog.checkpoint import TreeHead, sign_checkpoint
from ecluse.wire.tlog.note import sign_note
from ecluse_verify import Finding, Keys, Level, verify_pack
from ecluse_verify.cli import main
from ecluse_verify.notes import VerifierKey
from ecluse_verify.sshsig import read_signers

ADA, BERTA, MALLORY = person("ada"), person("berta"), person("mallory")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with four_eyed(tmp_path_factory.mktemp("broken") / "hub") as made:
        yield made


@pytest.fixture(scope="module")
def pack(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A pack of a hub whose log broke, and goes on because ada and berta signed that."""
    sequencer = make_sequencer(node)
    head = TreeHead(node.log.name, 500, b"\7" * 32)
    note = sign_checkpoint(
        head, node.log, node.keyring.log_sign, lambda data: node.keyring.note_sign("log-ml-dsa", data), 1
    )
    HeldCheckpoints(node.checkpoint_file).append(note)
    with pytest.raises(RolledBack) as broken:
        sequencer.checkpoint()
    reporter(node)(broken.value)
    assert continue_log(node, "The disk failed.", ADA.signer(), "operator:ada").waits
    assert not continue_log(node, None, BERTA.signer(), "operator:berta").waits
    order = HandIn("order.edi", "application/edifact", [b"order"])
    message = hand_in(
        node.hub, PartnerId("birch"), "as2:birch", [order], protocol="as2", protocol_id="<1@ASTER>"
    )
    sequencer = make_sequencer(node)
    while sequencer.seal():
        pass
    sequencer.checkpoint()
    out = tmp_path_factory.mktemp("pack") / "pack.zip"
    export_pack(node, [message.id], out, actor="operator:test")
    return read_pack(out)


def told(
    node: Node, files: Files, folder: Path, *people: Person, given: bool = True
) -> tuple[list[Finding], bool]:
    """What is said of the breaks, and whether nothing in the whole pack is broken."""
    keys = tuple(VerifierKey.parse(text) for text in node.log_keys[-1].texts()) if given else ()
    lines = "".join(f'{each.name} namespaces="ecluse-change" {each.line}\n' for each in people)
    signers = read_signers(lines.encode()) if people else frozenset()
    report = verify_pack(write_pack(folder / "pack.zip", files), Keys(log=keys), signers=signers)
    return [each for each in report.findings if each.file == "log/breaks.json"], report.ok


def resigned(node: Node, files: Files) -> Files:
    """As somebody makes it anew who has the log's key."""
    listed = Company.relist(files)
    company = Company("aster", node, Path())
    return company.sign_manifest(listed)


def bent(node: Node, files: Files, change: object) -> Files:
    value = json.loads(files["log/breaks.json"])
    change(value["breaks"][0])  # type: ignore[operator]
    return resigned(node, {**files, "log/breaks.json": json.dumps(value).encode()})


def codes(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.level.value, each.code) for each in found]


def test_who_signed_is_proven_by_keys_that_the_reader_has(node: Node, pack: Files, tmp_path: Path) -> None:
    found, whole = told(node, pack, tmp_path, ADA, BERTA)
    assert whole
    assert codes(found) == [("proven", "break.proven")] + [("proven", "break.signed.proven")] * 2
    assert [each.facts.get("name") for each in found] == [None, "ada", "berta"]
    assert found[0].facts["who"] == "ada, berta"


def test_without_them_it_is_the_hubs_word_whose_keys_these_are(
    node: Node, pack: Files, tmp_path: Path
) -> None:
    found, whole = told(node, pack, tmp_path)
    assert whole
    assert codes(found) == [("proven", "break.proven")] + [("claimed", "break.signed.claimed")] * 2
    found, whole = told(node, pack, tmp_path, given=False)
    assert whole
    assert codes(found)[0] == ("claimed", "break.claimed")


def test_another_key_than_the_reader_knows_is_named(node: Node, pack: Files, tmp_path: Path) -> None:
    found, whole = told(node, pack, tmp_path, ADA, person("berta", "another"))
    assert not whole
    (broken,) = (each for each in found if each.level is Level.BROKEN)
    assert (broken.code, broken.facts["name"]) == ("break.stranger", "berta")


@pytest.mark.parametrize(
    ("change", "code", "name"),
    [
        (lambda each: each["by"][1].update(operator="carol"), "break.stranger", "carol"),
        (lambda each: each["by"][1].update(signature=each["by"][0]["signature"]), "break.forged", "berta"),
        (lambda each: each["by"][1].update(key=MALLORY.line), "break.forged", "berta"),
        (
            lambda each: each["by"][1].update(signature=MALLORY.sign("something else")),
            "break.forged",
            "berta",
        ),
        (
            lambda each: each["by"][1].update(
                key=MALLORY.line,
                signature=MALLORY.sign(base64.b64decode(each["note"]).decode().partition("\n\n")[0] + "\n"),
            ),
            "break.stranger",
            "berta",
        ),
        (
            lambda each: each["by"].__setitem__(1, {**each["by"][0], "operator": "berta"}),
            "break.same",
            "berta",
        ),
        (lambda each: each["by"][1].update(signature=""), "break.unsigned", "berta"),
        (
            lambda each: each["by"][1].update(signature="-----BEGIN SSH SIGNATURE-----\n"),
            "break.forged",
            "berta",
        ),
        (lambda each: each.update(reason="Nothing happened."), "break.differs", None),
        (lambda each: each["lost"].update(size=13), "break.differs", None),
        (lambda each: each["by"][0].update(operator="mallory"), "break.differs", None),
    ],
)
def test_a_forger_with_the_logs_key_is_named(node, pack, tmp_path, change, code, name) -> None:  # type: ignore[no-untyped-def]
    found, whole = told(node, bent(node, pack, change), tmp_path, ADA, BERTA)
    assert not whole
    broken = [each for each in found if each.level is Level.BROKEN]
    assert [each.code for each in broken] == [code]
    assert broken[0].facts.get("name") == name


def test_another_decision_signed_by_the_log_is_not_the_operators(
    node: Node, pack: Files, tmp_path: Path
) -> None:
    def rewritten(each: dict[str, object]) -> None:
        text = base64.b64decode(str(each["note"])).decode().partition("\n\n")[0] + "\n"
        text = text.replace("The disk failed.", "All is well.")
        note = sign_note(text, node.log.ed25519, node.keyring.log_sign)
        each.update(reason="All is well.", note=base64.b64encode(note).decode())

    found, whole = told(node, bent(node, pack, rewritten), tmp_path)
    assert not whole
    assert [each.facts["name"] for each in found if each.code == "break.forged"] == ["ada", "berta"]


def test_a_decision_that_the_log_did_not_sign(node: Node, pack: Files, tmp_path: Path) -> None:
    def stripped(each: dict[str, object]) -> None:
        text = base64.b64decode(str(each["note"])).decode().partition("\n\n")[0]
        line = base64.b64encode(b"\1" * 68).decode()
        each["note"] = base64.b64encode(f"{text}\n\n— ecluse/aster {line}\n".encode()).decode()

    found, whole = told(node, bent(node, pack, stripped), tmp_path)
    assert not whole
    assert codes(found) == [("broken", "note.unsigned")]


def test_the_summaries_say_it(pack: Files) -> None:
    english = pack["summary.en.html"].decode()
    assert "goes on as ecluse/aster#2: The disk failed." in english
    assert english.count("signed the decision about ecluse/aster#2") == 2
    assert "a signé la décision sur ecluse/aster#2" in pack["summary.fr.html"].decode()


def test_the_command_takes_the_list_that_ssh_has(
    node: Node, pack: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_pack(tmp_path / "pack.zip", pack)
    allowed = tmp_path / "allowed_signers"
    allowed.write_text(f"# ours\n\n{ADA.name} {ADA.line}\nberta {BERTA.line} berta@aster\n")
    assert main([str(path), "--key", str(node.log_key), "--operators", str(allowed)]) == 0
    out = capsys.readouterr().out
    assert out.count("you gave as theirs") == 2
    for text in ("", "ada\n", f"ada ssh-rsa {ADA.line.split()[1]}\n", f"ada cert-authority {ADA.line}\n"):
        allowed.write_text(text)
        assert main([str(path), "--operators", str(allowed)]) == 2
        assert "allowed_signers" in capsys.readouterr().err


class TestTheManifestsTwoSignatures:
    """Where the log has a second key, the list of files has its signature."""

    def findings(
        self, node: Node, files: Files, folder: Path, *, given: bool = True
    ) -> list[tuple[str, str]]:
        keys = tuple(VerifierKey.parse(text) for text in node.log_keys[-1].texts()) if given else ()
        report = verify_pack(write_pack(folder / "pack.zip", files), Keys(log=keys))
        return [(each.level.value, each.code) for each in report.findings if each.file == "manifest.note"]

    def test_both_are_checked(self, node: Node, pack: Files, tmp_path: Path) -> None:
        assert pack["manifest.note"].count("— ".encode()) == 2
        assert self.findings(node, pack, tmp_path) == [("proven", "manifest.proven")]
        head, second = pack["manifest.note"][:-2001], pack["manifest.note"][-2001:]
        wrong = head + second.replace(second[:1], b"A" if second[:1] != b"A" else b"B", 1)
        assert self.findings(node, {**pack, "manifest.note": wrong}, tmp_path) == [
            ("broken", "note.signature")
        ]

    @pytest.mark.parametrize("given", [True, False])
    def test_one_that_is_missing_is_told(self, node: Node, pack: Files, tmp_path: Path, given: bool) -> None:
        one = b"".join(pack["manifest.note"].splitlines(keepends=True)[:-1])
        found = self.findings(node, {**pack, "manifest.note": one}, tmp_path, given=given)
        level = "proven" if given else "claimed"
        assert found == [(level, f"manifest.{level}"), ("missing", "log.kind")]

    def test_a_signature_over_a_head_is_none_over_a_text(self, node: Node, pack: Files) -> None:
        key = VerifierKey.parse(node.log_keys[-1].texts()[1])
        assert key.over_text().id != key.id
        line = pack["log/checkpoint"].splitlines()[-1]
        assert base64.b64decode(line.split()[-1])[:4] == key.id
