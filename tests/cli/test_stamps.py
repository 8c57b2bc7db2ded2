"""Time-stamps and evidence records by the command line, and in a pack that others check."""

from __future__ import annotations

import json
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Pair
from tests.support.commands import say
from tests.support.tsa import OpensslAuthority, serve

from ecluse.app.opening import open_node
from ecluse_verify.cli import main

pytestmark = pytest.mark.peer("openssl")


@pytest.fixture(scope="module")
def alder(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpensslAuthority]:
    """Aster's log is stamped by Alder."""
    authority = OpensslAuthority(tmp_path_factory.mktemp("alder"))
    (pair.aster / "certificates" / "alder-tsa.pem").write_bytes(authority.root.read_bytes())
    path = pair.aster / "ecluse.toml"
    before = path.read_text()
    with serve(authority) as url:
        path.write_text(
            f'{before}\n[[log.authorities]]\nname = "alder"\nurl = "{url}"\n'
            'roots = "certificates/alder-tsa.pem"\nallow_private_network = true\n'
        )
        say("apply", "--yes", "--reason", "our log is stamped", hub=pair.aster)
        yield authority
    path.write_text(before)


def send(pair: Pair, number: int) -> dict[str, Any]:
    """A message all of whose events are covered by a checkpoint."""
    sent = say(
        "send", "birch", pair.order(number), "--wait", "--timeout", "30s", "--json", hub=pair.aster
    ).data
    end = time.monotonic() + 120
    while time.monotonic() < end:
        time.sleep(0.3)
        with open_node(pair.aster) as node:
            last = node.store.read(lambda view: view.last_checkpoint())
            events = node.store.read(lambda view: view.events(sent["id"]))
        places = [each.index for each in events]
        delivered = any(each.event.kind == "message.delivered" for each in events)
        if delivered and None not in places and last is not None and last.size > max(places):
            return sent
    raise AssertionError("no checkpoint came")


def test_a_log_is_stamped_verified_and_given_away(
    pair: Pair, alder: OpensslAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = send(pair, 4711)
    (stamped,) = say("log", "stamp", "--now", "--json", hub=pair.aster).data["stamped"]
    assert stamped["error"] is None
    size = stamped["stamp"]["size"]
    facts = say("log", "stamps", "--verify", "--json", hub=pair.aster).data
    assert facts["verified"]["problems"] == []
    assert [each["name"] for each in facts["authorities"]] == ["alder"]
    assert facts["stamps"][0]["size"] == size
    assert "nothing wrong" in say("log", "stamps", "--verify", hub=pair.aster).text
    written = say("log", "stamps", "--out", tmp_path / "stamps", "--json", hub=pair.aster).data["files"]
    assert {Path(each).suffix for each in written} == {".tsr", ".pem", ".note"}
    (row,) = say("log", "records", "list", "--json", hub=pair.aster).data["records"]
    assert (row["authority"], row["renewals"], row["state"]) == ("alder", 0, "")
    assert say("log", "renew", "--json", hub=pair.aster).data == {"renewed": []}
    (renewed,) = say("log", "renew", "--now", "--json", hub=pair.aster).data["renewed"]
    assert (renewed["count"], renewed["kind"]) == (1, "time-stamp-renewal")
    exported = say("log", "records", "export", "--out", tmp_path / "ers", "--json", hub=pair.aster).data[
        "files"
    ]
    assert len(exported) == 3
    assert "evidence records looked at" in say("log", "verify", hub=pair.aster).text

    pack = tmp_path / "order.zip"
    say("evidence", "export", sent["id"], "--out", pack, hub=pair.aster)
    with zipfile.ZipFile(pack) as opened:
        opened.extractall(tmp_path / "pack")
    command = ["openssl", "ts", "-verify", "-data", "log/checkpoint", "-in", "log/stamps/0.tsr", "-token_in"]
    done = subprocess.run(
        [*command, "-CAfile", alder.root], cwd=tmp_path / "pack", capture_output=True, text=True, timeout=30
    )
    assert "Verification: OK" in done.stdout + done.stderr
    assert (tmp_path / "pack/log/evidence-records/0.ers").is_file()

    key = say("log", "key", "--json", hub=pair.aster).data["key"]
    capsys.readouterr()
    main([str(pack), "--key", key, "--tsa", str(alder.root), "--json"])
    found = {each["code"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert {"stamp.proven", "ers.proven"} <= found


def test_what_can_not_be_done_is_said(pair: Pair, alder: OpensslAuthority, tmp_path: Path) -> None:
    error = say("log", "stamp", "cedar", "--now", "--json", hub=pair.aster, code=2).data["error"]
    assert error["code"] == "log.no-such-authority"
    error = say("log", "stamp", "--json", hub=pair.birch, code=2).data["error"]
    assert error["code"] == "log.no-such-authority"
    out = say("log", "stamps", "--out", tmp_path, "--size", "1", "--json", hub=pair.aster, code=2)
    assert out.data["error"]["code"] == "log.nothing-kept"
    assert "There is none" in say("log", "records", "list", hub=pair.birch).text
