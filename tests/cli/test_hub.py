"""Making, serving, looking over and migrating a hub; its configuration."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Pair
from tests.support.commands import free_port, say, serving

from ecluse.app.health import check_hub
from ecluse.model.basics import Instant, system_clock


def findings(data: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {each["check"]: each["level"] for each in data["findings"]}


def test_init(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    words = [
        "--name",
        "Aster Foods",
        "--as2-id",
        "ASTER",
        "--email",
        "edi@aster.example",
        "--key-kind",
        "ec-p256",
    ]
    data = say("init", folder, *words, "--json").data
    assert (data["as2_id"], data["version"], data["log_origin"]) == ("ASTER", 1, "ecluse/aster")
    assert data["passphrase"] == "file:passphrase"
    assert data["key"]["kind"] == "EC P-256"
    assert (folder / "passphrase").stat().st_mode & 0o077 == 0
    again = say("init", folder, *words, "--json", code=2)
    assert again.data["error"]["code"] == "app.folder-taken"


def test_init_takes_a_passphrase_by_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEDAR_PASSPHRASE", "correct horse battery")
    words = ["--name", "C", "--as2-id", "C", "--key-kind", "ec-p256"]
    data = say("init", tmp_path / "c", *words, "--passphrase", "env:CEDAR_PASSPHRASE", "--json").data
    assert data["passphrase"] == "env:CEDAR_PASSPHRASE"
    assert not (tmp_path / "c" / "passphrase").exists()
    result = say("init", tmp_path / "d", *words, "--passphrase", "hunter2", code=2)
    assert "hunter2" not in result.err


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--as2-id", 'A"B', "as2_id"),
        ("--address", "here", "address"),
        ("--key-kind", "rsa-512", "kind of key"),
    ],
)
def test_init_refuses_what_is_wrong(tmp_path: Path, option: str, value: str, told: str) -> None:
    words = {"--name": "C", "--as2-id": "C", "--key-kind": "ec-p256", option: value}
    line = [word for pair in words.items() for word in pair]
    assert told in say("init", tmp_path / "c", *line, code=2).err


def test_init_that_failed_may_be_run_again(tmp_path: Path) -> None:
    words = ["init", tmp_path / "fir", "--name", "Fir", "--as2-id", "FIR", "--address", "127.0.0.1:1"]
    nobody = f"postgresql://fir@127.0.0.1:{free_port()}/fir"
    assert "store.unavailable" in say(*words, "--database", nobody, "--key-kind", "ec-p256", code=1).err
    assert "app.not-a-hub" in say("plan", hub=tmp_path / "fir", code=2).err
    assert say(*words, "--json").data["version"] == 1


def test_init_leaves_another_hubs_database_alone(hub: Path, tmp_path: Path) -> None:
    database = f"sqlite:{hub / 'state' / 'ecluse.db'}"
    words = ["--name", "Fir", "--as2-id", "FIR", "--key-kind", "ec-p256", "--database", database]
    assert "app.database-taken" in say("init", tmp_path / "fir", *words, code=2).err
    assert len(say("export", "--history", "--json", hub=hub).data["versions"]) == 1


def test_plan_and_apply(hub: Path) -> None:
    file = hub / "ecluse.toml"
    file.write_text(file.read_text().replace('name = "Cedar"', 'name = "Cedar Mills"'))
    plan = say("plan", "--json", hub=hub).data
    assert [change["after"] for change in plan["changes"]] == ["Cedar Mills"]
    assert "Cedar Mills" in say("plan", hub=hub).text
    refused = say("apply", hub=hub, code=2)
    assert "cli.not-confirmed" in refused.err
    assert "Cedar Mills" in refused.err
    done = say("apply", "--yes", "--reason", "a new name", "--json", hub=hub).data
    assert (done["version"], done["applied"], done["restart"]) == (2, True, False)
    again = say("apply", "--json", hub=hub).data
    assert (again["version"], again["applied"]) == (2, False)


def test_apply_says_when_a_restart_is_needed(hub: Path) -> None:
    file = hub / "ecluse.toml"
    file.write_text(file.read_text().replace("127.0.0.1:1", "127.0.0.1:2"))
    assert "Restart" in say("apply", "--yes", hub=hub).text


def test_a_configuration_that_is_refused_names_every_problem(hub: Path) -> None:
    (hub / "partners" / "birch.toml").write_text('name = "B"\nfoo = 1\n[as2]\nid = "B"\nsign = "md5"\n')
    result = say("plan", "--json", hub=hub, code=2)
    fields = {problem["field"] for problem in result.data["error"]["problems"]}
    assert {"foo", "as2.sign"} <= fields
    assert say("apply", "--yes", hub=hub, code=2).err.count("birch.toml") >= 2


def test_a_mistake_in_a_partners_file_stops_nothing_until_it_is_applied(hub: Path, pair: Pair) -> None:
    say(
        "partner",
        "add",
        pair.cards / "birch.card",
        "--id",
        "birch",
        "--trust-on-first-use",
        "a test",
        hub=hub,
    )
    path = hub / "partners" / "birch.toml"
    path.write_text(path.read_text().replace("url =", "urll ="))
    assert "config.unknown-field" in say("plan", hub=hub, code=2).err
    assert say("message", "list", "--json", hub=hub).data == {"messages": []}
    with serving(hub, "--listen", "127.0.0.1:0"):
        pass
    assert "partners/birch.toml" in say("export", "--json", hub=hub).data["written"]
    assert say("plan", "--json", hub=hub).data["changes"] == []


def test_export(hub: Path, tmp_path: Path) -> None:
    file = hub / "ecluse.toml"
    before = file.read_text()
    file.write_text(before.replace('name = "Cedar"', 'name = "Cedar Mills"'))
    say("apply", "--yes", "--reason", "a new name", hub=hub)
    rows = say("export", "--history", "--json", hub=hub).data["versions"]
    assert [(row["version"], row["reason"]) for row in rows] == [(2, "a new name"), (1, "the hub was made")]
    assert "a new name" in say("export", "--history", hub=hub).text
    data = say("export", tmp_path / "one", "--version", 1, "--json", hub=hub).data
    assert data["written"] == ["ecluse.toml"]
    assert (tmp_path / "one" / "ecluse.toml").read_text() == before
    assert say("export", "--json", hub=hub).data["written"] == []
    assert "app.no-such-version" in say("export", "--version", 9, hub=hub, code=2).err


def test_migrate(hub: Path) -> None:
    assert say("migrate", "--json", hub=hub).data == {"applied": []}
    assert "up to date" in say("migrate", hub=hub).text


def test_serve_stops_in_good_order(hub: Path) -> None:
    with serving(hub, "--listen", f"127.0.0.1:{free_port()}") as (process, line):
        assert line["as2_id"] == "CEDAR"
        host, _, port = line["listening"].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5):
            pass
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 0
    events = [json.loads(each)["event"] for each in err.splitlines()]
    assert "serving" in events
    assert events[-1] == "stopped"


def test_serve_chooses_a_port(hub: Path) -> None:
    with serving(hub, "--listen", "127.0.0.1:0") as (_, line):
        assert not line["listening"].endswith(":0")


def test_serve_says_that_the_port_is_taken(hub: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = [sys.executable, "-m", "ecluse", "--hub", str(hub), "serve", "--listen", address]
        done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
        told = subprocess.run([*line, "--json"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "http.listen-failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert told.returncode == 1
    assert json.loads(told.stdout)["error"]["code"] == "http.listen-failed"


def test_a_second_signal_ends_a_serving_process_at_once(hub: Path) -> None:
    with serving(hub, "--listen", "127.0.0.1:0") as (process, _):
        process.send_signal(signal.SIGSTOP)
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=20) in (0, 130)


@pytest.mark.parametrize(
    "words", [["--listen", "nowhere"], ["--listen", "127.0.0.1:99999"], ["--log-level", "loud"]]
)
def test_serve_with_wrong_options(hub: Path, words: list[str]) -> None:
    assert say("serve", *words, "--json", hub=hub, code=2).data["error"]["code"] == "serve.bad-option"


def test_doctor_of_a_hub_that_is_well(pair: Pair) -> None:
    data = say("doctor", "--json", hub=pair.aster).data
    levels = findings(data)
    assert data["level"] == "ok", data
    assert {"keyring", "disk", "database", "configuration", "clock", "blobs", "log", "partner:birch"} <= set(
        levels
    )
    text = say("doctor", hub=pair.aster).text
    assert "This hub listens" in text


def test_doctor_of_a_hub_that_is_not_served(hub: Path) -> None:
    data = say("doctor", "--json", hub=hub).data
    assert data["level"] == "warning"
    assert findings(data)["listener"] == "warning"


def test_doctor_sees_what_is_not_in_force(hub: Path) -> None:
    file = hub / "ecluse.toml"
    file.write_text(file.read_text().replace('name = "Cedar"', 'name = "Cedar Mills"'))
    found = say("doctor", "--json", hub=hub).data
    assert findings(found)["configuration"] == "warning"
    file.write_text("[organisation\n")
    found = say("doctor", "--json", hub=hub, code=1).data
    assert findings(found)["configuration"] == "failed"


def test_doctor_sees_an_exposed_passphrase(hub: Path) -> None:
    (hub / "passphrase").chmod(0o644)
    data = say("doctor", "--json", hub=hub, code=1).data
    assert findings(data)["passphrase"] == "failed"
    assert any("chmod" in each["remedy"] for each in data["findings"])
    assert "FAILED" in say("doctor", hub=hub, code=1).text


def test_doctor_sees_another_program_at_the_port(hub: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        file = hub / "ecluse.toml"
        file.write_text(file.read_text().replace("127.0.0.1:1", f"127.0.0.1:{taken.getsockname()[1]}"))
        assert findings(say("doctor", "--json", hub=hub).data)["listener"] == "warning", (
            "it is not in force yet"
        )
        say("apply", "--yes", hub=hub)
        assert findings(say("doctor", "--json", hub=hub, code=1).data)["listener"] == "failed"


def test_doctor_sees_a_checkpoint_that_is_not_the_logs(hub: Path, pair: Pair) -> None:
    shutil.copy(pair.aster / "state" / "checkpoints", hub / "state" / "checkpoints")
    assert findings(say("doctor", "--json", hub=hub, code=1).data)["log"] == "failed"


def test_doctor_sees_certificates_that_end(hub: Path) -> None:
    say("cert", "generate", "short", "--kind", "ec-p256", "--days", "10", hub=hub)
    file = hub / "ecluse.toml"
    keys = '\n[[organisation.keys]]\nref = "main"\n\n[[organisation.keys]]\nref = "short"\nuse = ["sign", "decrypt"]\n'
    file.write_text(file.read_text() + keys)
    say("apply", "--yes", hub=hub)
    data = say("doctor", "--json", hub=hub).data
    assert findings(data)["keys"] == "ok", "another key lasts longer for the same uses"
    file.write_text(
        file.read_text().replace('"short"\nuse = ["sign", "decrypt"]', '"short"\nuse = ["mdn-sign"]')
    )
    say("apply", "--yes", hub=hub)
    assert findings(say("doctor", "--json", hub=hub).data)["keys"] == "warning"


def test_doctor_lists_lost_blobs(hub: Path, pair: Pair, tmp_path: Path) -> None:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    large = tmp_path / "large"
    large.write_bytes(bytes(100_000))
    say("send", "birch", large, hub=hub)
    assert findings(say("doctor", "--json", hub=hub, code=1).data)["payloads"] == "ok"
    for blob in (hub / "state" / "blobs").rglob("b*"):
        if blob.is_file():
            blob.unlink()
    found = say("doctor", "--json", hub=hub, code=1).data
    assert findings(found)["payloads"] == "failed"
    assert "blobs.missing" in str(found)


def test_doctor_says_that_an_address_is_not_allowed(hub: Path, pair: Pair) -> None:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    found = say("doctor", "--json", hub=hub, code=1).data
    assert findings(found)["partner:birch"] == "failed", "the card's URL leads to this machine"


def test_doctor_of_a_disk_that_is_full(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(hub)._replace(free=1 << 20)
    monkeypatch.setattr("ecluse.app.health.machine.shutil.disk_usage", lambda path: full)
    assert findings(say("doctor", "--json", hub=hub, code=1).data)["disk"] == "failed"

    def refuse(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("ecluse.durable.files.os.fsync", refuse)
    found = say("doctor", "--json", hub=hub, code=1).data
    assert "The disk failed" in str(found)


def test_doctor_sees_that_a_partners_server_is_away(hub: Path, pair: Pair) -> None:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    file = hub / "partners" / "birch.toml"
    text = file.read_text().replace("[as2]\n", "[as2]\nallow_private_network = true\n")
    file.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{free_port()}", text))
    say("apply", "--yes", hub=hub)
    data = say("doctor", "--json", hub=hub).data
    [found] = [each for each in data["findings"] if each["check"] == "partner:birch"]
    assert found["level"] == "warning"
    assert found["remedy"]


def test_doctor_sees_a_clock_that_was_set_back(pair: Pair) -> None:
    def last_year() -> Instant:
        return Instant(system_clock() - 365 * 86_400 * 1_000_000)

    levels = {found.check: found.level for found in check_hub(pair.aster, clock=last_year)}
    assert levels["clock"] == "failed"


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_doctor_sees_a_database_that_is_no_more(hub: Path, harm: str) -> None:
    for rest in (hub / "state").glob("ecluse.db-*"):
        rest.unlink()
    if harm == "gone":
        shutil.rmtree(hub / "state")
    else:
        (hub / "state" / "ecluse.db").write_bytes(b"no database" * 1000)
    data = say("doctor", "--json", hub=hub, code=1).data
    [found] = [each for each in data["findings"] if each["check"] == "database"]
    assert found["level"] == "failed"
    assert found["remedy"]
    assert findings(data)["disk"] == "ok", "the other checks go on"


def test_an_older_database_is_migrated_by_command_only(hub: Path) -> None:
    (hub / "state" / "ecluse.db").unlink()
    for rest in (hub / "state").glob("ecluse.db-*"):
        rest.unlink()
    assert "app.not-migrated" in say("plan", hub=hub, code=2).err
    found = say("doctor", "--json", hub=hub, code=1).data
    assert any("ecluse migrate" in each["remedy"] for each in found["findings"])
    assert say("migrate", "--json", hub=hub).data["applied"]
    say("plan", hub=hub)
