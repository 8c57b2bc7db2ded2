"""The log's commands about witnesses, tiles and breaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.commands import say

from ecluse.app.log.sequencing import make_sequencer
from ecluse.app.log.witnesses import own_witness_keys
from ecluse.app.opening import open_node
from ecluse.evidence.held import HeldCheckpoints
from ecluse.wire.tlog.checkpoint import TreeHead, sign_checkpoint


def sign(hub: Path, size: int = 0) -> None:
    """Seal and sign; with a size, hold a head besides that the database does not have."""
    with open_node(hub) as node:
        sequencer = make_sequencer(node)
        while sequencer.seal():
            pass
        sequencer.checkpoint()
        if size:
            head = TreeHead(node.log.name, size, b"\7" * 32)
            note = sign_checkpoint(
                head,
                node.log,
                node.keyring.log_sign,
                lambda data: node.keyring.note_sign("log-ml-dsa", data),
                1,
            )
            HeldCheckpoints(node.checkpoint_file).append(note)


def test_keys_witnesses_and_tiles(hub: Path, tmp_path: Path) -> None:
    sign(hub)
    key = say("log", "key", "--json", hub=hub).data
    assert key["keys"][0] == key["key"]
    assert len(key["keys"]) == 2
    assert say("log", "key", hub=hub).text.split() == key["keys"]
    assert say("log", "add-key", "--json", hub=hub).data == {"made": False, "keys": key["keys"]}
    assert say("log", "witness", "--now", "--json", hub=hub).data["witnesses"] == []
    assert "[[log.witnesses]]" in say("log", "witness", hub=hub).text
    assert len(say("log", "cosign", "--json", hub=hub).data["keys"]) == 2
    facts = say("log", "tiles", str(tmp_path / "out"), "--json", hub=hub).data
    assert facts["written"] == 2
    assert not (tmp_path / "out" / "tile" / "entries").exists()
    assert say("log", "breaks", "--json", hub=hub).data == {"breaks": [], "damage": None}
    proof = tmp_path / "one.tlog-proof"
    say("log", "proof", "0", "--out", str(proof), hub=hub)
    both = ["--key", key["keys"][0], "--key", key["keys"][1]]
    assert say("log", "check-proof", str(proof), *both, "--json").data["holds"]
    assert say("log", "check-proof", str(proof), "--key", "\n".join(key["keys"]), "--json").data["holds"]
    text, _, lines = proof.read_bytes().rpartition(b"\n\n")
    proof.write_bytes(text + b"\n\n" + lines.splitlines(keepends=True)[0])
    assert say("log", "check-proof", str(proof), *both[:2], "--json").data["holds"]
    assert (
        say("log", "check-proof", str(proof), *both, "--json", code=1).data["error"]["code"]
        == "tlog.bad-signature"
    )


def test_a_witness_that_can_not_be_reached_is_a_finding_and_no_line_of_a_log(
    hub: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sign(hub)
    with open_node(hub) as node:
        texts = [str(key) for key, _ in own_witness_keys(node)]
    path = hub / "ecluse.toml"
    keys = ", ".join(f'"{text}"' for text in texts)
    path.write_text(
        f'{path.read_text()}\n[[log.witnesses]]\nname = "birch"\nurl = "http://127.0.0.1:9/"\nkeys = [{keys}]\n'
        "allow_private_network = true\n"
    )
    planned = say("plan", hub=hub)
    assert max(map(len, planned.text.splitlines())) < 400
    assert "(SHA256:" in planned.text
    assert texts[1] in json.dumps(say("plan", "--json", hub=hub).data)
    say("apply", "--yes", hub=hub)
    sign(hub)
    said = say("log", "witness", "--now", hub=hub, code=1)
    assert "http." in said.text
    assert "[warning" not in said.text
    assert "[warning" not in capfd.readouterr().err
    (found,) = say("log", "witness", "--now", "--json", hub=hub, code=1).data["wrong"]
    assert found["witness"] == "birch"
    assert found["remedy"]


def test_a_break_is_shown_decided_and_shown_for_ever(hub: Path) -> None:
    assert say("log", "continue", "--reason", "why", "--json", hub=hub, code=2).data["error"]["code"] == (
        "evidence.not-broken"
    )
    sign(hub, size=99)
    facts = say("log", "breaks", "--json", hub=hub, code=1).data
    assert facts["damage"]["lost"]["size"] == 99
    assert "continue" in say("log", "breaks", hub=hub, code=1).text
    assert say("log", "verify", "--json", hub=hub, code=1).data["problem"]["code"] == "log-truncated"
    assert say("log", "continue", "--json", hub=hub, code=2).data["error"]["code"] == "log.nothing-proposed"
    done = say("log", "continue", "--reason", "The disk failed.", "--json", hub=hub).data
    assert (done["waits"], done["break"]["origin"]) == (False, f"{facts['damage']['present']['origin']}#2")
    sign(hub)
    facts = say("log", "breaks", "--json", hub=hub).data
    assert [each["reason"] for each in facts["breaks"]] == ["The disk failed."]
    assert facts["breaks"][0]["holds"]
    assert "The disk failed." in say("log", "breaks", hub=hub).text
    verdict = say("log", "verify", "--bytes", "--json", hub=hub).data
    assert (verdict["ok"], len(verdict["breaks"]), verdict["lost"]) == (True, 1, 1)
    assert "The disk failed." in say("log", "verify", hub=hub).text
    key = say("log", "key", "--json", hub=hub).data
    assert "#2" in key["key"]
    assert len(key["former"]) == 1
