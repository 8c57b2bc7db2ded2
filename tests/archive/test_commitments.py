"""Personal data in events: committed to, shown while it is kept, and erased without a trace in the record."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.hubs import FakeClock, bare_hub

import ecluse
from ecluse.app.events import EVENT_KINDS
from ecluse.archive import commitments
from ecluse.archive.commitments import ERASED, FORGED, conceal, reveal, revealed, values_of
from ecluse.archive.event_fields import FIELDS, Sort
from ecluse.evidence.record import commit, decode_leaf
from ecluse.exchange.hub import Hub
from ecluse.model.basics import system_entropy

_TEXT = st.text(max_size=40)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return bare_hub(tmp_path, FakeClock())


def told(hub: Hub, kind: str, subject: str, data: dict[str, object]):  # type: ignore[no-untyped-def]
    hub.store.write(lambda tx: hub.event(tx, kind, subject, data))
    return hub.store.read(lambda view: view.events(subject))[-1]


def test_a_comment_is_committed_to_and_shown_while_it_is_kept(hub: Hub) -> None:
    logged = told(hub, "message.released", "m1", {"reason": "Jane Doe rang", "was": "inspect.not-sane"})
    assert b"Jane" not in logged.leaf
    data = msgspec.json.decode(decode_leaf(logged.leaf).data)
    assert re.fullmatch("hmac-sha256:[0-9a-f]{64}", data["reason"])
    assert data["was"] == "inspect.not-sane"
    assert revealed(logged) == {"reason": "Jane Doe rang", "was": "inspect.not-sane"}
    ((salt, value),) = msgspec.json.decode(logged.beside).values()
    assert commit(value, bytes.fromhex(salt)) == data["reason"]
    assert hub.store.write(lambda tx: tx.forget_beside("m1")) == 1
    after = hub.store.read(lambda view: view.events("m1"))[-1]
    assert after.leaf == logged.leaf
    assert revealed(after) == {"reason": ERASED, "was": "inspect.not-sane"}
    hub.store.close()


def test_the_same_words_are_committed_to_differently(hub: Hub) -> None:
    facts = {"reason": "as agreed"}
    one = told(hub, "flow.paused", "flow:a", facts)
    two = told(hub, "flow.paused", "flow:b", facts)
    assert msgspec.json.decode(decode_leaf(one.leaf).data) != msgspec.json.decode(decode_leaf(two.leaf).data)
    hub.store.close()


def test_a_value_that_was_changed_in_its_row_is_not_shown(hub: Hub) -> None:
    logged = told(hub, "flow.paused", "flow:a", {"reason": "audit"})
    kept = msgspec.json.decode(logged.beside)
    ((commitment, (salt, _)),) = kept.items()
    forged = msgspec.structs.replace(logged, beside=msgspec.json.encode({commitment: (salt, "holiday")}))
    assert revealed(forged) == {"reason": FORGED}
    assert revealed(msgspec.structs.replace(logged, beside=b"\xff")) == {"reason": ERASED}
    hub.store.close()


def test_ids_that_name_a_file_are_personal_and_others_are_not() -> None:
    path = "sftp:cedar/payslip-jane.pdf#" + "0" * 32
    data, beside = conceal("message.accepted", {"protocol_id": path, "size": 4}, system_entropy)
    assert list(values_of(beside or b"").values()) == [path]
    assert data["size"] == 4
    data, beside = conceal("message.accepted", {"protocol_id": "<a/b@c>"}, system_entropy)
    assert (data, beside) == ({"protocol_id": "<a/b@c>"}, None)


def test_of_files_the_names_alone() -> None:
    files = [{"name": "jane.pdf", "size": 3, "sha256": "00"}]
    data, beside = conceal("assurance.recorded", {"files": files}, system_entropy)
    assert data["files"][0]["sha256"] == "00"  # type: ignore[index, call-overload]
    assert reveal(dict(data), values_of(beside or b"")) == {"files": files}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(FIELDS["request.refused"])), _JSON))
def test_what_is_concealed_comes_back_whole(data: dict[str, object]) -> None:
    text = msgspec.json.decode(msgspec.json.encode(data))
    kept, beside = conceal("request.refused", text, system_entropy)
    assert reveal(dict(kept), values_of(beside or b"")) == text
    assert msgspec.json.encode(kept) == msgspec.json.encode(text) or beside is not None
    for name, sort in FIELDS["request.refused"].items():
        value = text.get(name)
        if sort is Sort.PERSONAL and isinstance(value, str) and value:
            assert kept[name] != value


@given(st.binary(max_size=80))
def test_rows_that_are_no_values_stand_for_nothing(beside: bytes) -> None:
    assert isinstance(values_of(beside), dict)


def test_every_kind_of_event_is_in_the_table() -> None:
    assert set(EVENT_KINDS) <= set(FIELDS)


def test_a_field_that_nobody_classified_is_noticed(hub: Hub) -> None:
    told(hub, "flow.paused", "flow:a", {"reason": "audit", "whom": "Jane"})
    found = set(commitments.unclassified)
    commitments.unclassified.clear()
    assert found == {("flow.paused", "whom")}
    hub.store.close()


def test_nobody_writes_past_the_table() -> None:
    """Above its own room the log is written by :func:`tell` alone, which knows what is personal."""
    root = Path(ecluse.__file__).parent
    callers = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.ImportFrom)
                and node.module == "ecluse.evidence.record"
                and any(name.name == "record" for name in node.names)
            ):
                callers.add(str(path.relative_to(root)))
    assert {name for name in callers if not name.startswith("evidence/")} == {"archive/commitments.py"}
