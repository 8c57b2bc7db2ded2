"""The examples of docs/how-to/flows.md work as they are written."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import ORDER, open_private_network, stretch_little
from tests.support.commands import free_port, say, serving

from ecluse.app.opening import open_node
from ecluse.exchange.mailbox import SessionFacts, open_tree
from ecluse.exchange.openpgp import PartnerProtection
from ecluse.model.basics import PartnerId
from ecluse.model.paths import VirtualPath

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "flows.md"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl cedar"


def flows() -> dict[str, str]:
    """The flows of the page, by id."""
    text = PAGE.read_text()
    found = {}
    for match in re.finditer(r"`flows/([a-z-]+)\.toml`", text):
        block = re.compile(r"```toml\n(name = .*?)```", re.DOTALL).search(text, match.end())
        assert block is not None
        found[match[1]] = block[1]
    return found


def until(what: Callable[[], Any], patience: float = 30) -> Any:
    end = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    root = tmp_path_factory.mktemp("docs")
    aster, birch = root / "aster", root / "birch"
    for hub in (aster, birch):
        address = f"127.0.0.1:{free_port()}"
        words = ["--name", hub.name.title(), "--as2-id", hub.name.upper(), "--address", address]
        say("init", hub, *words, "--key-kind", "rsa-2048")
        stretch_little(hub)
        say("partner", "card", "--out", root / f"{hub.name}.card", hub=hub)
    for me, other in ((aster, "birch"), (birch, "aster")):
        say("partner", "add", root / f"{other}.card", "--trust-on-first-use", "a test", hub=me)
        open_private_network(me, other)
    # What Cedar has: a key of its own, kept in Birch's hub as nothing else here has a keyring.
    say(
        "pgp",
        "generate",
        "cedar",
        "--user-id",
        "Cedar <edi@cedar.example>",
        "--kind",
        "curve25519",
        hub=birch,
    )
    say("pgp", "export", "cedar", "--out", root / "cedar.asc", hub=birch)
    say(
        "pgp", "generate", "ours", "--user-id", "Aster <edi@aster.example>", "--kind", "curve25519", hub=aster
    )
    say("pgp", "export", "ours", "--out", root / "ours.asc", hub=aster)
    for hub, name in ((aster, "ours"), (birch, "cedar")):
        toml = hub / "ecluse.toml"
        toml.write_text(toml.read_text() + f'\n[openpgp]\nkeys = ["{name}"]\n')
    (aster / "partners" / "cedar.toml").write_text(
        f'name = "Cedar"\n[account]\nuser = "cedar"\nkeys = ["{KEY}"]\n'
    )
    for hub in (aster, birch):
        say("apply", "--yes", "--reason", "keys", hub=hub)
    say("pgp", "import", root / "cedar.asc", "--partner", "cedar", "--yes", hub=aster)
    say("pgp", "import", root / "ours.asc", "--partner", "aster", "--yes", hub=birch)
    toml = aster / "ecluse.toml"
    folders = "".join(f'\n[folders.{name}]\npath = "{name}"\ncreate = true\n' for name in ("orders", "erp"))
    toml.write_text(toml.read_text() + folders)
    (aster / "flows").mkdir()
    for id, text in flows().items():
        (aster / "flows" / f"{id}.toml").write_text(text)
    say("apply", "--yes", "--reason", "flows", hub=aster)
    with serving(aster), serving(birch):
        yield aster, birch


def test_there_are_three() -> None:
    assert list(flows()) == ["orders", "erp", "cedar-to-birch"]


def test_a_folder_to_a_partner(hubs: tuple[Path, Path]) -> None:
    aster, birch = hubs
    until((aster / "orders").is_dir)
    (aster / "orders" / "order-4711.EDI").write_bytes(ORDER % (4711, 4711))
    (found,) = until(lambda: list((birch / "inbox").rglob("*order-4711.EDI")))
    assert found.read_bytes() == ORDER % (4711, 4711)
    assert until(lambda: not list((aster / "orders").iterdir()))
    life = say("message", "trace", "order-4711.EDI", "--json", hub=birch).data
    assert life["subject"] == "Order 4711"
    assert life["documents"][0]["content_type"] == "application/edifact"
    (out,) = say("message", "list", "--flow", "orders", "--direction", "out", "--json", hub=aster).data[
        "messages"
    ]
    until(lambda: say("message", "show", out["id"], "--json", hub=aster).data["state"] == "delivered")
    mine = say("message", "trace", out["id"], "--json", hub=aster).data
    assert (mine["id"], mine["asked"], mine["state"]) == (out["origin"], out["id"], "delivered")
    (child,) = mine["children"]
    assert child["receipts"][0]["said"]["mic_matches"] is True
    kinds = [event["kind"] for event in mine["events"]]
    for kind in (
        "message.accepted",
        "delivery.relayed",
        "message.sealed",
        "delivery.confirmed",
        "message.delivered",
    ):
        assert kind in kinds
    assert say("message", "show", "4711", "--json", hub=aster).data["id"] == mine["id"], "one life, not two"
    text = say("message", "trace", "order-4711.edi", hub=aster).text
    for piece in ("folder:orders", "✓ RELAY", "✓ CONFIRM", "by the flow orders", "MIC here", "the same"):
        assert piece in text, text
    (trial,) = say("flow", "test", "orders", out["origin"], "--json", hub=aster).data["files"]
    assert trial["ways"][0]["names"] == [["order-4711.EDI"]]


def test_as2_into_a_folder_with_other_names(hubs: tuple[Path, Path], tmp_path: Path) -> None:
    aster, birch = hubs
    path = tmp_path / "their-name.edi"
    path.write_bytes(ORDER % (12, 12))
    say("send", "aster", path, "--wait", "--timeout", "30s", hub=birch)
    (found,) = until(lambda: list((aster / "erp" / "new").glob("*.edi")) if (aster / "erp").is_dir() else [])
    assert re.fullmatch(r"birch-12-[0-9]{8}-000001\.edi", found.name)
    assert not list((aster / "inbox").rglob("*their-name*"))
    other = tmp_path / "note.txt"
    other.write_text("not for the ERP")
    say("send", "aster", other, "--wait", "--timeout", "30s", hub=birch)
    until(lambda: list((aster / "inbox").rglob("*note.txt")))
    say("send", "aster", path, "--wait", "--timeout", "30s", hub=birch)
    held = until(
        lambda: say("message", "list", "--state", "quarantined", "--json", hub=aster).data["messages"]
    )
    assert [each["reason_code"] for each in held] == ["flow.duplicate"]
    shown = say("flow", "show", "erp", "--json", hub=aster).data
    assert shown["expectations"][0]["today"] == 1


def test_an_upload_with_openpgp_opened_to_a_partner(hubs: tuple[Path, Path]) -> None:
    aster, birch = hubs
    sealed = bytearray()
    with open_node(birch) as theirs:
        protection = PartnerProtection(lambda: theirs.directory, theirs.hub.clock)
        order = ORDER % (99, 99)
        protection.seal(PartnerId("aster"), "sign-and-encrypt", "order-99.edi", [order], sealed.extend)
    with open_node(aster) as node:
        tree = open_tree(
            node.hub, node.directory.partner("cedar"), SessionFacts("sftp", "192.0.2.7", "cedar")
        )

        def upload(name: str, data: bytes) -> None:
            writer = tree.write(VirtualPath.parse(f"/inbound/{name}"))
            writer.write(0, data)
            writer.commit()

        upload("order-99.edi.pgp", bytes(sealed))
        upload("forged.edi.pgp", order)
        (found,) = until(lambda: list((birch / "inbox").rglob("*order-99.edi")))
        assert found.read_bytes() == order
        receipts = VirtualPath.parse("/receipts")
        names = until(
            lambda: names if len(names := [each.name for each in tree.list(receipts)]) >= 3 else None
        )
    assert any(name.startswith("order-99.edi.pgp.") and name.endswith(".mdn") for name in names), names
    failed = say("message", "show", "forged.edi.pgp", "--json", hub=aster).data
    assert (failed["state"], failed["reason_code"]) == ("failed", "openpgp.not-openpgp")
    assert not list((birch / "inbox").rglob("*forged*"))
