"""Who else vouches for the head of the log, and what became of the log: packs say so, and the verifier sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.pack_files import Opened, check, pack_of

from ecluse.app.folder import make_hub
from ecluse.app.log.breaks import continue_log
from ecluse.app.log.keys import add_log_key
from ecluse.app.log.sequencing import make_sequencer, reporter
from ecluse.app.node import Node
from ecluse.app.packs.heads import vouched_sizes
from ecluse.evidence.errors import RolledBack
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.pack.proofs import choose_checkpoint
from ecluse.evidence.stamps.stamp import KIND as STAMP
from ecluse.evidence.witness import Cosignature, keep_cosignature
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Checkpoint, Message
from ecluse.model.records import Record
from ecluse.wire.tlog.checkpoint import TreeHead, sign_checkpoint
from ecluse.wire.tlog.cosignature import CosignerKey, cosign
from ecluse_verify import Keys, Level, verify_pack
from ecluse_verify.notes import VerifierKey

WITNESS = "cedar.example/witness"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256") as made:
        yield made


def kept(node: Node, label: str) -> Message:
    return hand_in(
        node.hub,
        PartnerId("birch"),
        "as2:birch",
        [HandIn(f"{label}.edi", "application/edifact", [label.encode()])],
        protocol="as2",
        protocol_id=f"<{label}@ASTER>",
    )


def signed(node: Node) -> Checkpoint:
    sequencer = make_sequencer(node)
    while sequencer.seal():
        pass
    sequencer.checkpoint()
    newest = node.store.read(lambda view: view.last_checkpoint())
    assert newest is not None
    return newest


def cosigned(node: Node, checkpoint: Checkpoint, private: Ed25519PrivateKey) -> None:
    key = CosignerKey(WITNESS, "ed25519", private.public_key().public_bytes_raw())
    head = TreeHead(node.log_key.name, checkpoint.size, checkpoint.root)
    at = node.hub.clock() // 1_000_000
    line = cosign(head, key, private.sign, at).line.decode()
    found = Cosignature(checkpoint.size, head.origin, "cedar", (line,), at)
    node.store.write(lambda tx: keep_cosignature(tx, found, node.hub.clock()))


def test_a_witness_is_believed_where_its_key_is_given(node: Node, tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    message = kept(node, "order")
    cosigned(node, signed(node), private)
    kept(node, "later")
    signed(node)
    pack_of(node, tmp_path / "pack.zip", message.id)
    witness = VerifierKey(WITNESS, 0x04, private.public_key().public_bytes_raw())
    log = VerifierKey.parse(str(node.log_key))
    report = verify_pack(tmp_path / "pack.zip", Keys(log=(log,), witnesses=(witness,)))
    assert report.ok
    found = [each for each in report.findings if each.code == "witness.proven"]
    assert [each.level for each in found] == [Level.PROVEN]
    assert "No witness" not in " ".join(Opened(tmp_path / "pack.zip").manifest["notes"])


def test_the_head_that_most_vouch_for_is_chosen_and_of_these_the_earliest(node: Node) -> None:
    heads = []
    for number in range(6):
        kept(node, f"order-{number}")
        heads.append(signed(node))

    def vouched(kind: str, *numbers: int) -> None:
        for number in numbers:
            record = Record(kind, f"{heads[number].size:020d}:alder", node.hub.clock(), b"{}")
            node.store.write(lambda tx, record=record: tx.put_record(record))

    def chosen(size: int) -> int:
        return node.store.read(lambda view: choose_checkpoint(view, size, vouched_sizes(view, size)).size)

    assert chosen(heads[1].size) == heads[5].size
    vouched("cosignature", 0, 2, 3)
    assert chosen(heads[1].size) == heads[2].size
    vouched(STAMP, 1, 4)
    assert chosen(heads[1].size) == heads[1].size
    assert chosen(heads[1].size + 1) == heads[4].size
    assert chosen(heads[5].size) == heads[5].size
    vouched(STAMP, 3)
    assert chosen(heads[1].size) == heads[3].size


def test_a_log_that_broke_and_goes_on(node: Node, tmp_path: Path) -> None:
    first = kept(node, "before")
    signed(node)
    head = TreeHead(node.log.name, 500, b"\7" * 32)
    note = sign_checkpoint(head, node.log, node.keyring.log_sign, _sign_ml_dsa(node), 1)
    HeldCheckpoints(node.checkpoint_file).append(note)
    with pytest.raises(RolledBack) as broken:
        make_sequencer(node).checkpoint()
    reporter(node)(broken.value)
    pack_of(node, tmp_path / "open.zip", first.id)
    check(tmp_path / "open.zip", node.log_key)
    assert "does not continue" in " ".join(Opened(tmp_path / "open.zip").manifest["notes"])

    continue_log(node, "The disk failed.", None, "operator:ada")
    second = kept(node, "after")
    assert signed(node).note.startswith(b"ecluse/aster#2\n")
    done = pack_of(node, tmp_path / "pack.zip", first.id, second.id)
    check(tmp_path / "pack.zip", node.log_key)
    opened = Opened(tmp_path / "pack.zip")
    assert opened.manifest["origin"] == "ecluse/aster#2"
    (told,) = json.loads(opened["log/breaks.json"])["breaks"]
    assert (told["reason"], told["before"], told["lost"]["size"]) == ("The disk failed.", "ecluse/aster", 500)
    keys = json.loads(opened["log/keys.json"])
    assert {each["origin"] for each in keys["former"]} == {"ecluse/aster"}
    assert not any("does not continue" in each for each in done.manifest.notes)


def _sign_ml_dsa(node: Node):  # type: ignore[no-untyped-def]
    return lambda data: node.keyring.note_sign("log-ml-dsa", data)


def test_a_head_of_two_signatures(node: Node, tmp_path: Path) -> None:
    if node.log.ml_dsa is None:
        add_log_key(node, actor="operator:test")
    message = kept(node, "order")
    signed(node)
    pack_of(node, tmp_path / "pack.zip", message.id)
    texts = node.log.texts()
    assert len(texts) == 2
    report = check(tmp_path / "pack.zip", *texts)
    assert any(each.file == "log/checkpoint" and each.level is Level.PROVEN for each in report.findings)
    opened = Opened(tmp_path / "pack.zip")
    assert json.loads(opened["log/keys.json"])["log"] == list(texts)
    assert texts[1] in opened["summary.en.html"].decode()
