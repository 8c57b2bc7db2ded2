"""Evidence packs by the command line: of messages both ways, and what is refused."""

from __future__ import annotations

import json
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.cli.conftest import Pair
from tests.support.commands import say

from ecluse.evidence.proof import check_proof
from ecluse.wire.tlog.note import NoteKey, open_note


def send(pair: Pair, number: int, *words: object) -> dict[str, Any]:
    line = ["send", "birch", pair.order(number), "--wait", "--timeout", "30s", "--json", *words]
    return say(*line, hub=pair.aster).data


def key_of(hub: Path) -> NoteKey:
    return NoteKey.parse(say("log", "key", "--json", hub=hub).data["key"])


def check(path: Path, key: NoteKey) -> tuple[dict[str, Any], zipfile.ZipFile]:
    """The manifest holds, its note is signed, every proof is over the one checkpoint."""
    pack = zipfile.ZipFile(path)
    assert pack.testzip() is None
    manifest = json.loads(pack.read("manifest.json"))
    named = {entry["path"]: entry for entry in manifest["files"]}
    assert set(named) | {"manifest.json", "manifest.note"} == set(pack.namelist())
    for name, entry in named.items():
        data = pack.read(name)
        assert (len(data), sha256(data).hexdigest()) == (entry["size"], entry["sha256"]), name
    note = open_note(pack.read("manifest.note"), [key])
    digest = sha256(pack.read("manifest.json")).hexdigest()
    assert note.text == f"ecluse.pack/1\n{digest}\n{manifest['made']}\n"
    checkpoint = pack.read("log/checkpoint")
    for name in named:
        if name.endswith(".tlog-proof"):
            check_proof(pack.read(name), None, [key])
            assert pack.read(name).endswith(b"\n\n" + checkpoint)
    return manifest, pack


def test_packs_of_both_sides_hold(pair: Pair, tmp_path: Path) -> None:
    sent = send(pair, 4001)
    out = tmp_path / "out.zip"
    told = say("evidence", "export", "4001", "--out", out, "--json", hub=pair.aster).data
    assert told["messages"] == [sent["id"]]
    manifest, pack = check(out, key_of(pair.aster))
    root = f"messages/{sent['id']}"
    facts = json.loads(pack.read(f"{root}/message.json"))
    assert facts["mic"]["equal"] is True
    assert facts["wire"] == {
        "headers": f"{root}/wire/headers",
        "entity": f"{root}/wire/entity",
        "signature": f"{root}/wire/signature.p7s",
        "body": f"{root}/wire/body",
    }
    assert {each["use"] for each in facts["certificates"]} == {
        "message-signed",
        "message-encrypted-to",
        "receipt-signed",
    }
    assert all(each["path"] in pack.namelist() for each in facts["certificates"])
    print(manifest["notes"])
    theirs = tmp_path / "in.zip"
    say("evidence", "export", sent["protocol_id"], "--out", theirs, hub=pair.birch)
    manifest, other = check(theirs, key_of(pair.birch))
    (id,) = manifest["messages"]
    assert other.read(f"messages/{id}/wire/entity") == pack.read(f"{root}/wire/entity")
    assert other.read(f"messages/{id}/wire/signature.p7s") == pack.read(f"{root}/wire/signature.p7s")
    assert other.read(f"messages/{id}/documents/0") == pair.order(4001).read_bytes()
    print(manifest["notes"])


def test_a_query_and_a_pack_without_documents(pair: Pair, tmp_path: Path) -> None:
    sent = send(pair, 4002)
    out = tmp_path / "pack.zip"
    words = [
        "--query",
        "--direction",
        "out",
        "--partner",
        "birch",
        "--search",
        "4002",
        "--since",
        "2020-01-01",
    ]
    told = say(
        "evidence", "export", *words, "--without-documents", "--out", out, "--json", hub=pair.aster
    ).data
    assert told["messages"] == [sent["id"]]
    _, pack = check(out, key_of(pair.aster))
    assert not any("/documents/" in name for name in pack.namelist())
    text = say("evidence", "show", out).text
    assert sent["id"] in text
    assert "nothing of it is checked" in text
    shown = say("evidence", "show", out, "--json").data
    assert shown["messages"][0]["mic_equal"] is True
    assert shown["roles"]["event"] >= 6


def refused(*words: object, hub: Path, code: int = 2) -> str:
    found: str = say("evidence", *words, "--json", hub=hub, code=code).data["error"]["code"]
    return found


def test_what_is_refused(pair: Pair, tmp_path: Path) -> None:
    out = tmp_path / "pack.zip"
    assert refused("export", "--out", out, hub=pair.aster) == "evidence.which-messages"
    assert refused("export", "4711", "--query", "--out", out, hub=pair.aster) == "evidence.which-messages"
    assert (
        refused("export", "x", "--partner", "birch", "--out", out, hub=pair.aster)
        == "evidence.which-messages"
    )
    assert (
        refused("export", "--query", "--since", "soon", "--out", out, hub=pair.aster) == "evidence.bad-time"
    )
    assert (
        refused("export", "--query", "--state", "x", "--out", out, hub=pair.aster) == "message.no-such-state"
    )
    nothing = ("export", "--query", "--until", "2001-01-01T00:00:00Z", "--out", out)
    assert refused(*nothing, hub=pair.aster) == "evidence.nothing-found"
    assert refused("export", "no-such-message", "--out", out, hub=pair.aster) == "exchange.no-such-message"
    assert not out.exists()
    out.write_bytes(b"PK")
    assert refused("show", out, hub=pair.aster, code=1) == "evidence.bad-pack"
