"""Packs of real exchanges between two hubs hold, as the verifier sees it that shares no code with the hub."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.support.pack_files import Opened, check, missing, pack_of, proven
from tests.support.pair import LARGE, Pair, wait_for

from ecluse.app.packs.choice import MAX_MESSAGES, NothingFound, Query, TooMany, find
from ecluse.app.packs.export import export_pack
from ecluse.app.packs.show import show_pack
from ecluse.durable import NameTaken
from ecluse.evidence.errors import BadPack, NotProvable
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import Instant, PartnerId
from ecluse.model.nouns import Direction, Message
from ecluse.model.states import MessageState
from ecluse.wire.tlog.proof import parse_proof
from ecluse_verify import Keys, Level, verify_pack

UNBOUND = ("message", "event", "certificate", "readme", "summary", "checkpoint", "keys", "openings")
"""Roles of what the hub says, and of what proves by itself."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("packs"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def order(pair: Pair) -> Message:
    """Sent by Aster, settled."""
    sent = pair.send("aster", "order")
    pair.settle()
    return sent


def arrived(pair: Pair, at: str, protocol_id: str) -> Message:
    found = pair.nodes[at].store.read(lambda view: view.messages(search=protocol_id))
    (message,) = (each for each in found if each.direction is Direction.IN)
    return message


def codes(found: Sequence[tuple[str, str, dict[str, str]]]) -> set[str]:
    return {code for code, _, _ in found}


def test_both_sides_prove_the_same(pair: Pair, order: Message, tmp_path: Path) -> None:
    aster, birch = pair.nodes["aster"], pair.nodes["birch"]
    pack_of(aster, tmp_path / "out.zip", order.id)
    came = arrived(pair, "birch", order.protocol_id)
    pack_of(birch, tmp_path / "in.zip", came.id)
    for path, key in (("out.zip", aster.log_key), ("in.zip", birch.log_key)):
        report = check(tmp_path / path, key)
        assert not any(code == "file.unbound" for code, _, _ in missing(report))
    sent, got = Opened(tmp_path / "out.zip"), Opened(tmp_path / "in.zip")
    ours, theirs = sent.facts(order.id), got.facts(came.id)
    assert ours["mic"]["equal"] is True
    assert ours["mic"] == theirs["mic"]
    digest = hashlib.sha256(got[theirs["wire"]["entity"]]).digest()
    assert base64.b64encode(digest).decode() == ours["mic"]["ours"]
    for name in ("entity", "signature"):
        assert sent[ours["wire"][name]] == got[theirs["wire"][name]]
    assert sent[ours["receipts"][0]["body"]] == got[theirs["answer"]["body"]]
    assert {each["use"] for each in theirs["certificates"]} == {"message-signed", "answer-signed"}


def test_every_file_with_content_is_bound_to_a_record(pair: Pair, order: Message, tmp_path: Path) -> None:
    for name, id in (("aster", order.id), ("birch", arrived(pair, "birch", order.protocol_id).id)):
        path = tmp_path / f"{name}.zip"
        pack_of(pair.nodes[name], path, id)
        opened = Opened(path)
        found = proven(check(path, pair.nodes[name].log_key))
        bound = {file for code, file, _ in found if code.startswith("file.")}
        content = {entry["path"] for entry in opened.manifest["files"] if entry["role"] not in UNBOUND}
        halves = {file.replace(".headers", ".body") for file in content if "/receipts/" in file}
        alone = {file for file in content if "/receipts/" not in file}
        assert alone | halves <= bound, alone | halves - bound


def test_commitments_are_opened(pair: Pair, order: Message, tmp_path: Path) -> None:
    node = pair.nodes["birch"]
    id = arrived(pair, "birch", order.protocol_id).id
    pack_of(node, tmp_path / "pack.zip", id)
    opened = Opened(tmp_path / "pack.zip")
    found = json.loads(opened[f"messages/{id}/openings.json"])["openings"]
    assert found
    for each in found:
        text = b"ecluse.commitment/1\0" + each["value"].encode()
        digest = hmac.digest(bytes.fromhex(each["salt"]), text, "sha256").hex()
        assert each["commitment"] == f"hmac-sha256:{digest}"
        assert each["commitment"].encode() in parse_proof(opened[each["event"]]).extra
    assert "127.0.0.1" in {each["value"] for each in found}


def test_without_documents_it_proves_without_disclosing(pair: Pair, order: Message, tmp_path: Path) -> None:
    node = pair.nodes["aster"]
    path = tmp_path / "pack.zip"
    done = pack_of(node, path, order.id, documents=False)
    report = check(path, node.log_key)
    opened = Opened(path)
    facts = opened.facts(order.id)
    assert facts["withheld"] is True
    assert facts["wire"]["entity"] is facts["wire"]["body"] is facts["documents"][0]["path"] is None
    with node.hub.document(order.parts[0]) as document:
        content = b"".join(document.chunks())
    assert all(content[:60] not in data for data in opened.files.values())
    assert any("left out on purpose" in note for note in done.manifest.notes)
    assert {"signature.digest", "receipt.positive"} <= codes(proven(report))


def test_the_log_tells_of_the_export(pair: Pair, order: Message, tmp_path: Path) -> None:
    node = pair.nodes["aster"]
    done = pack_of(node, tmp_path / "pack.zip", order.id)
    digest = hashlib.sha256(Opened(tmp_path / "pack.zip")["manifest.json"]).hexdigest()
    assert done.manifest_sha256 == digest
    events = node.store.read(lambda view: view.events(f"pack:{digest[:32]}"))
    (event,) = events
    assert event.event.kind == "evidence.exported"
    facts = msgspec.json.decode(msgspec.json.decode(event.leaf, type=dict[str, msgspec.Raw])["data"])
    assert (facts["manifest_sha256"], facts["messages"], facts["count"]) == (digest, [order.id], 1)


def test_a_query_chooses(pair: Pair, order: Message, tmp_path: Path) -> None:
    node = pair.nodes["aster"]
    assert order.id in find(node, Query(direction=Direction.OUT, partner=PartnerId("birch")))
    assert find(node, Query(search=order.protocol_id)) == [order.id]
    delivered = (MessageState.DELIVERED,)
    since = Query(states=delivered, since=order.created, until=Instant(order.created + 1))
    assert find(node, since) == [order.id]
    for query in (Query(until=order.created), Query(flow="none"), Query(states=(MessageState.REJECTED,))):
        with pytest.raises(NothingFound):
            find(node, query)


def test_more_than_a_pack_takes(pair: Pair, order: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecluse.app.packs.choice.MAX_MESSAGES", 0)
    assert MAX_MESSAGES
    with pytest.raises(TooMany):
        find(pair.nodes["aster"], Query())


def test_a_taken_name_is_left_alone(pair: Pair, order: Message, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(b"mine")
    with pytest.raises(NameTaken):
        pack_of(pair.nodes["aster"], path, order.id)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_signed_yet_is_not_provable(pair: Pair, order: Message, tmp_path: Path) -> None:
    node = pair.nodes["aster"]
    service = pair.services["aster"]
    service._loop.stop()
    try:
        hand_in(
            node.hub,
            PartnerId("birch"),
            "as2:birch",
            [HandIn("late.edi", "application/edifact", [b"late"])],
            protocol="as2",
            protocol_id="<late@ASTER>",
        )
        (late,) = node.store.read(lambda view: view.messages(search="<late@ASTER>"))
        with pytest.raises(NotProvable):
            export_pack(node, [late.id], tmp_path / "pack.zip", actor="operator:test", patience=0.0)
        assert list(tmp_path.iterdir()) == []
    finally:
        service._loop._stop.clear()
        service._loop.start()


NAMES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=30)
DOCUMENTS = st.lists(st.tuples(NAMES, st.sampled_from([1, 60, 5000, 70_000, LARGE])), min_size=6, max_size=9)


@settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(DOCUMENTS, st.integers(0, 1 << 30))
def test_any_documents(pair: Pair, tmp_path: Path, documents: list[tuple[str, int]], seed: int) -> None:
    node = pair.nodes["aster"]
    sent = []
    for number, (name, size) in enumerate(documents):
        content = hashlib.shake_128(f"{seed}.{number}".encode()).digest(size)
        made = hand_in(
            node.hub,
            PartnerId("birch"),
            "as2:birch",
            [HandIn(name, "application/octet-stream", [content])],
            subject=name,
            protocol="as2",
            protocol_id=f"<{node.hub.new_id('x')}@ASTER>",
        )
        sent.append((made, content))

    def done() -> bool:
        states = {node.store.read(lambda view, m=m: view.message(m.id)).state for m, _ in sent}
        return states <= {MessageState.DELIVERED, MessageState.FAILED}

    wait_for(done, 120)
    path = tmp_path / f"{seed}-{len(documents)}-{sent[0][0].id}.zip"
    pack_of(node, path, *(message.id for message, _ in sent))
    check(path, node.log_key)
    opened = Opened(path)
    for message, content in sent:
        facts = opened.facts(message.id)
        assert opened[facts["documents"][0]["path"]] == content


def test_a_pack_is_shown_without_a_hub(pair: Pair, order: Message, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    pack_of(pair.nodes["aster"], path, order.id)
    facts = show_pack(path)
    (message,) = facts["messages"]
    assert (message["id"], message["mic_equal"], message["receipts"]) == (order.id, True, 1)
    whole = path.read_bytes()
    for cut in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(BadPack):
            show_pack(path)


def test_another_hubs_key_proves_nothing(pair: Pair, order: Message, tmp_path: Path) -> None:
    from ecluse_verify.notes import VerifierKey

    path = tmp_path / "pack.zip"
    pack_of(pair.nodes["aster"], path, order.id)
    key = VerifierKey.parse(str(pair.nodes["birch"].log_key))
    report = verify_pack(path, Keys(log=(key,)))
    assert not any(f.file == "log/checkpoint" and f.level is Level.PROVEN for f in report.findings)
