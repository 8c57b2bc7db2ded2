"""Packs of what flows made, of protections of every kind, of what was shredded or erased: the rest is proven still."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.pack_files import Opened, check, missing, pack_of, proven
from tests.support.pair import Pair, wait_for

from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.archive.classes import DataClass
from ecluse.archive.shredding import Reason, family_of, shred
from ecluse.channels.as2.relation import PRIVATE_NETWORKS
from ecluse.channels.as2.sender import message_id_for
from ecluse.channels.http.client import post
from ecluse.channels.http.egress import Egress
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.intake import Arrival, Intake
from ecluse.model.basics import MessageId, PartnerId
from ecluse.model.nouns import Direction, Message
from ecluse.model.states import MessageState
from ecluse.wire.cms.writer import SignedWriter

FLOW = """
name = "Orders to Birch"
[from]
channel = "folder:orders"
names = ["*.edi"]
stable = "1s"
[[to]]
channel = "as2:birch"
subject = "Order {reference}"
"""
EDIFACT = b"UNB+UNOC:3+ASTER:ZZ+BIRCH:ZZ+261103:0915+1++ORDERS'UNH+1+ORDERS:D:96A:UN:EAN008'BGM+220+4711+9'"


IN_CLEAR = "[as2]\nrequire_encrypted = false\n"
GCM = 'encrypt = "aes-256-gcm"'


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("lives"), more='[folders.orders]\npath = "orders"\ncreate = true\n')
    configure(made.nodes["aster"], lambda files: files.update({"flows/orders.toml": FLOW}))
    yield made
    made.close()


def configure(node: Node, change: Callable[[dict[str, str]], object]) -> None:
    files = dict(node.directory.configuration.files)
    files["ecluse.toml"] = (node.folder / "ecluse.toml").read_text()
    change(files)
    apply_files(node, files, actor="operator:test", reason="a test")


def protect(pair: Pair, *lines: str) -> None:
    """How Aster protects what it sends to Birch, and what Birch asks of it."""

    def at_aster(files: dict[str, str]) -> None:
        head, _, rest = files["partners/birch.toml"].partition("[[certificates]]")
        kept = [
            line
            for line in head.splitlines()
            if line.partition(" ")[0] not in ("sign", "encrypt", "compress")
        ]
        files["partners/birch.toml"] = "\n".join([*kept, *lines, "[[certificates]]"]) + rest

    def at_birch(files: dict[str, str]) -> None:
        text = files["partners/aster.toml"]
        if "require_signed" not in text:
            wanted = "[as2]\nrequire_signed = false\nrequire_encrypted = false\n"
            files["partners/aster.toml"] = text.replace("[as2]\n", wanted)

    configure(pair.nodes["aster"], at_aster)
    configure(pair.nodes["birch"], at_birch)


def send(pair: Pair, label: str, *contents: bytes) -> Message:
    documents = [
        HandIn(f"{label}-{number}.edi", "application/edifact", [content])
        for number, content in enumerate(contents)
    ]
    return hand_in(
        pair.nodes["aster"].hub,
        PartnerId("birch"),
        "as2:birch",
        documents,
        subject=label,
        protocol="as2",
        protocol_id=message_id_for(label, "ASTER"),
    )


def delivered(node: Node, message: MessageId) -> Message:
    def there() -> bool:
        found = node.store.read(lambda view: view.message(message))
        return found is not None and found.state is MessageState.DELIVERED

    wait_for(there, 120)
    found = node.store.read(lambda view: view.message(message))
    assert found is not None
    return found


def test_one_life_of_what_a_flow_made(pair: Pair, tmp_path: Path) -> None:
    node = pair.nodes["aster"]
    folder = pair.folders["aster"] / "orders"
    folder.mkdir(exist_ok=True)
    (folder / "order-4711.edi").write_bytes(EDIFACT)

    def children() -> list[Message]:
        return node.store.read(lambda view: view.messages(flow="orders", direction=Direction.OUT))

    wait_for(lambda: bool(children()), 120)
    (child,) = children()
    child = delivered(node, child.id)
    delivered(node, child.origin)
    for number, id in enumerate((child.id, child.origin)):
        path = tmp_path / f"{number}.zip"
        done = pack_of(node, path, id)
        assert list(done.manifest.messages) == [child.origin, child.id]
        check(path, node.log_key)
    opened = Opened(tmp_path / "0.zip")
    parent, made = opened.facts(child.origin), opened.facts(child.id)
    assert (parent["children"], parent["direction"]) == ([child.id], "in")
    assert (made["origin"], made["relay"], made["flow"]) == (child.origin, child.relay, "orders")
    assert opened[parent["documents"][0]["path"]] == opened[made["documents"][0]["path"]] == EDIFACT
    assert made["mic"]["equal"] is True
    (configuration,) = (json.loads(opened[name]) for name in opened.names("configuration"))
    assert {"ecluse.toml", "flows/orders.toml", "partners/birch.toml"} <= set(configuration["files"])


@pytest.mark.parametrize(
    ("label", "lines", "role"),
    [
        (
            "squeezed",
            ('sign = "sha-256"', GCM, 'compress = "before-signing"'),
            "signed-bytes",
        ),
        (
            "squeezed-late",
            ('sign = "sha-384"', GCM, 'compress = "after-signing"'),
            "signed-bytes",
        ),
        ("in-clear", ("sign = false", "encrypt = false", 'compress = "none"'), "entity"),
        ("unsigned", ("sign = false", 'encrypt = "aes-256-cbc"', 'compress = "none"'), "entity"),
    ],
)
def test_protections(pair: Pair, tmp_path: Path, label: str, lines: tuple[str, ...], role: str) -> None:
    protect(pair, *lines)
    node = pair.nodes["aster"]
    message = delivered(node, send(pair, label, EDIFACT * 20, b"two", b"three" * 1000).id)
    done = pack_of(node, tmp_path / "out.zip", message.id)
    found = check(tmp_path / "out.zip", node.log_key)
    opened = Opened(tmp_path / "out.zip")
    facts = opened.facts(message.id)
    assert opened.names(role) == [facts["wire"]["entity"]], done.manifest.notes
    assert facts["mic"]["equal"] is True
    assert not any(code == "file.unbound" for code, _, _ in missing(found))
    there = pair.nodes["birch"]
    (came,) = there.store.read(lambda view: view.messages(search=message.protocol_id))
    pack_of(there, tmp_path / "in.zip", came.id)
    check(tmp_path / "in.zip", there.log_key)
    theirs = Opened(tmp_path / "in.zip")
    assert theirs[theirs.facts(came.id)["wire"]["entity"]] == opened[facts["wire"]["entity"]]


def test_an_opaque_signature_is_proven(pair: Pair, tmp_path: Path) -> None:
    there, here = pair.nodes["birch"], pair.nodes["aster"]
    entity = b"Content-Type: application/edifact\r\n\r\n" + EDIFACT
    writer = SignedWriter([there.keyring.signer("main")], now=there.hub.clock() // 1_000_000)
    body = writer.start() + writer.feed(entity) + writer.finish()
    headers = [
        ("AS2-Version", "1.2"),
        ("AS2-From", "BIRCH"),
        ("AS2-To", "ASTER"),
        ("Message-ID", "<opaque@BIRCH>"),
        ("Content-Type", 'application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"'),
        ("Content-Transfer-Encoding", "binary"),
    ]
    configure(
        here,
        lambda files: files.update(
            {
                "partners/birch.toml": files["partners/birch.toml"].replace(
                    "[as2]\n", "[as2]\nrequire_encrypted = false\n"
                )
            }
        ),
    )
    reply = post(
        f"http://127.0.0.1:{pair.ports['aster']}/as2",
        headers,
        body,
        egress=Egress(hosts=frozenset({"127.0.0.1"}), networks=PRIVATE_NETWORKS),
    )
    assert reply.status == 200, reply.body
    (came,) = here.store.read(lambda view: view.messages(search="<opaque@BIRCH>"))
    delivered(here, came.id)
    pack_of(here, tmp_path / "pack.zip", came.id)
    report = check(tmp_path / "pack.zip", here.log_key)
    opened = Opened(tmp_path / "pack.zip")
    assert opened[opened.facts(came.id)["wire"]["entity"]] == entity
    assert opened.names("signed-bytes")
    assert opened.names("signature")
    assert any(code.startswith("signature.") for code, file, _ in proven(report) if file.endswith("p7s"))


def test_what_was_received_and_never_opened(pair: Pair, tmp_path: Path) -> None:
    node = pair.nodes["aster"]
    intake = Intake(node.hub, Arrival(PartnerId("birch"), "as2", "<unopened@BIRCH>"), unopened=True)
    intake.exact(b"sealed, and no key of ours opens it")
    kept = intake.receive(b'{"headers": []}').result()
    pack_of(node, tmp_path / "pack.zip", kept.message.id)
    report = check(tmp_path / "pack.zip", node.log_key)
    opened = Opened(tmp_path / "pack.zip")
    (path,) = opened.names("received-bytes")
    assert opened[path] == b"sealed, and no key of ours opens it"
    assert ("file.proven", path) in {(code, file) for code, file, _ in proven(report)}


@pytest.mark.parametrize("classes", [frozenset({DataClass.PAYLOAD, DataClass.WIRE}), frozenset(DataClass)])
def test_what_was_erased_is_said_and_the_rest_is_proven(
    pair: Pair, tmp_path: Path, classes: frozenset[DataClass]
) -> None:
    protect(pair, 'sign = "sha-256"', GCM, 'compress = "none"')
    node = pair.nodes["aster"]
    message = delivered(node, send(pair, f"erased-{len(classes)}", EDIFACT).id)

    def work(tx):  # type: ignore[no-untyped-def]
        family = family_of(tx, tx.message(message.id))
        return shred(
            tx,
            node.hub,
            family,
            reason=Reason.DATA_SUBJECT,
            actor="operator:test",
            at=node.hub.clock(),
            classes=classes,
        )

    assert node.store.write(work) == 1
    done = pack_of(node, tmp_path / "pack.zip", message.id)
    check(tmp_path / "pack.zip", node.log_key)
    opened = Opened(tmp_path / "pack.zip")
    facts = opened.facts(message.id)
    assert facts["shredded"]["event"] in opened.files
    assert any("were deleted" in note and facts["shredded"]["event"] in note for note in done.manifest.notes)
    assert not opened.names("document")
    assert not opened.names("sent-bytes")
    assert facts["documents"][0]["sha256"]
    if DataClass.RECEIPTS in classes:
        assert facts["receipts"][0]["body"] is None
        assert not opened.names("receipt")
        assert not any(EDIFACT[:20] in data or b"erased-4-0" in data for data in opened.files.values())
    else:
        assert opened.names("receipt")
