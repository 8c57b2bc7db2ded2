"""Flows by the command line: how they stand, what they would do, a run, a pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import ORDER, Pair
from tests.support.commands import say, serving

FLOW = """name = "Orders"
[from]
channel = "folder:drop"
names = ["*.edi"]
stable = "100ms"
[[to]]
channel = "folder:out"
folder = "{folder}"
name = "{{reference}}-{{counter:3}}{{suffix}}"
pack = "{pack}"
[duplicates]
action = "skip"
"""


def give(hub: Path, folders: dict[str, str], flows: dict[str, str]) -> None:
    """Add folders and flows, and put them in force."""
    toml = hub / "ecluse.toml"
    tables = "".join(
        f'\n[folders.{name}]\npath = "{path}"\ncreate = true\n' for name, path in folders.items()
    )
    toml.write_text(toml.read_text() + tables)
    (hub / "flows").mkdir(exist_ok=True)
    for id, text in flows.items():
        (hub / "flows" / f"{id}.toml").write_text(text)
    say("apply", "--yes", "--reason", "flows", hub=hub)


def until(what: Callable[[], Any], patience: float = 30) -> Any:
    end = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)
    return found


@pytest.fixture
def orders(hub: Path) -> Path:
    flow = FLOW.format(folder="new", pack="none")
    give(
        hub,
        {"drop": "drop", "out": "out"},
        {"orders": flow, "hand": 'name = "By hand"\n[[to]]\nchannel = "folder:out"\n'},
    )
    (hub / "drop").mkdir(exist_ok=True)
    return hub


def test_list_and_show(orders: Path) -> None:
    rows = say("flow", "list", "--json", hub=orders).data["flows"]
    assert [(row["id"], row["state"], row["source"], row["targets"]) for row in rows] == [
        ("hand", "active", "application", ["folder:out"]),
        ("orders", "active", "folder:drop", ["folder:out"]),
    ]
    text = say("flow", "list", hub=orders).text
    assert "orders" in text
    assert "folder:drop" in text
    shown = say("flow", "show", "orders", "--json", hub=orders).data
    assert shown["settings"]["from"]["stable"] == "100ms"
    assert shown["said"]["to"][0]["folder"] == "new"
    assert "to[0].folder = new" in say("flow", "show", "orders", hub=orders).text
    assert "flow.unknown" in say("flow", "show", "nothing", hub=orders, code=2).err


def test_a_trial_says_what_would_happen_and_changes_nothing(orders: Path, tmp_path: Path) -> None:
    (orders / "drop" / "a.edi").write_bytes(ORDER % (7, 7))
    (orders / "drop" / "b.txt").write_text("x")
    before = sorted(orders.rglob("*"))
    files = {each["name"]: each for each in say("flow", "test", "orders", "--json", hub=orders).data["files"]}
    assert (files["b.txt"]["taken"], files["b.txt"]["why"]) == (False, "its name does not fit *.edi")
    good = files["a.edi"]
    assert good["taken"]
    assert "100ms" in good["why"]
    assert good["ways"][0]["names"] == [["7-001.edi"]]
    assert good["ways"][0]["folder"] == "new"
    local = tmp_path / "mine.edi"
    local.write_bytes(ORDER % (8, 8))
    (trial,) = say("flow", "test", "orders", local, "--json", hub=orders).data["files"]
    assert trial["documents"][0][:2] == ["mine.edi", "edifact"]
    empty = tmp_path / "empty.edi"
    empty.touch()
    (trial,) = say("flow", "test", "orders", empty, "--json", hub=orders).data["files"]
    assert "inspect.empty" in trial["why"]
    text = say("flow", "test", "orders", hub=orders).text
    assert "would be taken" in text
    assert "is left" in text
    assert say("message", "list", "--json", hub=orders).data["messages"] == []
    assert [path for path in sorted(orders.rglob("*")) if "state" not in path.parts] == [
        path for path in before if "state" not in path.parts
    ]


def test_a_run_collects_now_and_what_serves_sends_on(orders: Path) -> None:
    for number in range(3):
        (orders / "drop" / f"{number}.edi").write_bytes(ORDER % (number, number))
    (orders / "drop" / "again.edi").write_bytes(ORDER % (1, 1))
    done = say("flow", "run", "orders", "--json", hub=orders).data
    assert (done["kept"], done["failed"], done["left"]) == (4, 0, 0)
    assert list((orders / "drop").iterdir()) == []
    row = say("flow", "show", "orders", "--json", hub=orders).data
    assert (row["under_way"], row["last_run"]["kept"]) == (4, 4)
    assert "0 kept" in say("flow", "run", "orders", hub=orders).text
    with serving(orders):
        until(
            lambda: (
                len(list((orders / "out" / "new").glob("*.edi"))) == 3
                if (orders / "out" / "new").is_dir()
                else False
            )
        )
        until(lambda: say("flow", "list", "--json", hub=orders).data["flows"][1]["under_way"] == 0)
    states = [
        m["state"]
        for m in say("message", "list", "--flow", "orders", "--direction", "in", "--json", hub=orders).data[
            "messages"
        ]
    ]
    assert sorted(states) == ["delivered"] * 3 + ["given-up"]


def test_a_doctor_tells_what_fails_and_waits(orders: Path) -> None:
    found = {each["check"]: each for each in say("doctor", "--json", hub=orders).data["findings"]}
    assert "none fails" in found["flows"]["observed"]
    (orders / "drop").rmdir()
    toml = (orders / "ecluse.toml").read_text()
    (orders / "ecluse.toml").write_text(toml.replace('"drop"\ncreate = true', '"drop"'))
    say("apply", "--yes", "--reason", "not made", hub=orders)
    say("flow", "run", "orders", hub=orders, code=1)
    found = {each["check"]: each for each in say("doctor", "--json", hub=orders, code=1).data["findings"]}
    assert "has failed 1 times" in found["flows"]["observed"]


def test_pause_and_resume(orders: Path) -> None:
    assert (
        say("flow", "pause", "orders", "--reason", "a move", "--json", hub=orders).data["state"] == "paused"
    )
    assert "flow.nothing-to-run" in say("flow", "run", "orders", hub=orders, code=2).err
    shown = say("flow", "show", "orders", hub=orders).text
    assert "a move" in shown
    trial = say("send", "--flow", "hand", orders / "ecluse.toml", "--json", hub=orders).data
    assert trial["flow"] == "hand"
    assert say("flow", "resume", "orders", "--reason", "over", "--json", hub=orders).data["state"] == "active"
    assert "not paused" in say("flow", "resume", "orders", "--reason", "x", hub=orders, code=2).err
    assert "by themselves" in say("flow", "run", "hand", hub=orders, code=2).err


def test_what_is_handed_in_for_a_flow_is_handed_in_once(orders: Path, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("a;b")
    first = say("send", "--flow", "hand", path, "--key", "p1", "--json", hub=orders).data
    again = say("send", "--flow", "hand", path, "--key", "p1", "--json", hub=orders).data
    assert (first["repeated"], again["repeated"], again["id"]) == (False, True, first["id"])
    path.write_text("other")
    assert "send.key-taken" in say("send", "--flow", "hand", path, "--key", "p1", hub=orders, code=2).err
    assert "send.no-channel" in say("send", "--flow", "orders", path, hub=orders, code=2).err
    with serving(orders):
        until(lambda: (orders / "out" / "prices.csv").is_file())
    life = say("message", "trace", first["id"], "--json", hub=orders).data
    assert life["children"][0]["state"] == "delivered"
    assert life["children"][0]["receipts"][0]["kind"] == "file"


def test_send_by_a_channel(pair: Pair) -> None:
    assert (
        "send.no-channel"
        in say("send", "birch", pair.order(1), "--channel", "sftp", hub=pair.aster, code=2).err
    )
    sent = say(
        "send",
        "birch",
        pair.order(77),
        "--channel",
        "as2",
        "--wait",
        "--timeout",
        "30s",
        "--json",
        hub=pair.aster,
    )
    assert (sent.data["confirmed"], sent.data["protocol"]) == (True, "as2")
