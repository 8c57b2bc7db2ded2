"""The archive of a whole hub: profiles of flows and partners, formats at the gate, places, and the work that recurs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support.archives import INVOICE
from tests.support.hubs import FakeClock
from tests.support.stores import moto

from ecluse.app.archive.views import archive_facts, full_facts
from ecluse.app.archive.wiring import archive_handlers, archive_work, look_now
from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.archive.care import CARE_SETTING
from ecluse.archive.clock import CLOCK_SETTING
from ecluse.archive.copies import CopyUnknown, finish_erasures, pending_erasures
from ecluse.archive.deposit import body_of
from ecluse.archive.holds import DEPOSIT_JOB, obstacles
from ecluse.archive.shredding import Reason, shred
from ecluse.engine.context import JobContext
from ecluse.engine.retry import RetryPolicy
from ecluse.exchange.actions import release
from ecluse.exchange.intake import Arrival, Intake, Kept
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.basics import PartnerId, system_clock, system_entropy
from ecluse.model.nouns import Job, Message
from ecluse.model.states import MessageState
from ecluse.trust.configuration import read_folder

PROFILE = 'name = "{0}"\nretention = "10y"\nbasis = "the law"\n'


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    clock = FakeClock(system_clock())
    with make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256", clock=clock) as made:
        (made.folder / "archive").mkdir()
        yield made


def apply(node: Node, archive: str = "", **files: str) -> None:
    """Files by name with underscores for slashes; ``archive`` is what stands in ``[archive]``."""
    path = node.folder / "ecluse.toml"
    path.write_text(path.read_text().partition("\n[archive")[0] + f"\n{archive}\n")
    for name, text in files.items():
        target = node.folder / f"{name.replace('__', '/')}.toml"
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")


def came(node: Node, document: bytes = INVOICE, partner: str = "birch", name: str = "invoice.xml") -> Message:
    intake = Intake(node.hub, Arrival(PartnerId(partner), "as2", node.hub.new_id("x"), "Invoice"))
    intake.begin_document("application/octet-stream", name)
    intake.document_data(document, in_exact=False)
    intake.end_document(None)
    kept = intake.accept(b"{}", {}, None).result()
    assert isinstance(kept, Kept)
    return kept.message


def work(node: Node) -> int:
    jobs = node.store.write(
        lambda tx: tx.claim_jobs("t", node.hub.clock(), 60_000_000, 9, kinds=[DEPOSIT_JOB])
    )
    for job in jobs:
        context = JobContext(job, node.store, node.hub.clock, system_entropy, RetryPolicy())
        archive_handlers(node)[DEPOSIT_JOB](job, context)
    return len(jobs)


def rows(node: Node, message: Message) -> list[Archived]:
    return node.store.read(lambda view: view.archived_of(message.id))


def recur(node: Node, name: str) -> None:
    (found,) = [each for each in archive_work(node) if each.name == name]
    job = Job(key="k", kind=name, lane="", payload=b"{}", due=node.hub.clock())
    found.work(JobContext(job, node.store, node.hub.clock, system_entropy, RetryPolicy()))


def test_the_profile_of_the_flow_then_of_the_partner_then_of_the_hub(node: Node) -> None:
    profiles = {f"archive__{name}": PROFILE.format(name) for name in ("hub", "partner", "flow")}
    flow = (
        'name = "Orders"\n[from]\nchannel = "as2:*"\nnames = ["*.order"]\n[[to]]\nchannel = "folder:out"\n'
        '[archive]\nprofile = "flow"\n'
    )
    partner = 'name = "Birch"\nstate = "invited"\n[archive]\nprofile = "partner"\n'
    settings = '[archive]\nprofile = "hub"\n[folders.out]\npath = "out"\ncreate = true\n'
    apply(node, settings, **profiles, flows__orders=flow, partners__birch=partner)
    messages = [came(node, name="a.order"), came(node), came(node, partner="cedar")]
    assert work(node) == 3
    assert [rows(node, each)[0].profile for each in messages] == ["flow", "partner", "hub"]
    assert [body_of(rows(node, each)[0]).submitter for each in messages] == [
        "partner:birch",
        "partner:birch",
        "partner:cedar",
    ]


def test_nothing_is_archived_where_nobody_says_so(node: Node) -> None:
    apply(node, archive__hub=PROFILE.format("hub"))
    message = came(node)
    assert work(node) == 0
    assert node.store.write(lambda tx: obstacles(tx, message.id)) == ()


def test_a_format_that_is_not_taken_is_stopped_at_the_gate(node: Node) -> None:
    apply(node, '[archive]\nprofile = "hub"', archive__hub=PROFILE.format("hub") + 'formats = ["pdf"]\n')
    message = came(node)
    assert message.state is MessageState.QUARANTINED
    assert message.reason_code == "archive.format-refused"
    assert "xml:Invoice" in message.reason
    assert work(node) == 0
    release(node.hub, message.id, actor="operator:anne", reason="agreed with the auditor")
    assert work(node) == 1
    (row,) = rows(node, message)
    assert "takes pdf" in body_of(row).waived
    assert came(node, b"%PDF-1.7 x").state is not MessageState.QUARANTINED


def test_copies_in_a_folder_that_deletions_reach(node: Node, tmp_path: Path) -> None:
    places = f'[archive]\nprofile = "hub"\n[archive.places.far]\nplace = "{tmp_path}/far"\n'
    apply(node, places, archive__hub=PROFILE.format("hub") + 'copy = "far"\n')
    message = came(node)
    work(node)
    recur(node, "archive.care")
    (row,) = rows(node, message)
    (held,) = (tmp_path / "far").rglob(row.blob)
    assert held.stat().st_size > len(INVOICE)
    facts = full_facts(node, row.id)
    assert facts["bytes"][0]["place"] == "far"
    assert archive_facts(node)["copied"] == 1
    assert "archive:far" in node.hub.copies.names

    def destroy(tx):  # type: ignore[no-untyped-def]
        found = tx.message(message.id)
        tx.update_archived(msgspec.structs.replace(tx.archived(row.id), state=ArchiveState.DISPOSED))
        shred(tx, node.hub, [found], reason=Reason.DISPOSAL, actor="hub", at=node.hub.clock())

    node.store.write(destroy)
    finish_erasures(node.hub, node.store, node.hub.copies)
    assert node.store.read(pending_erasures) == []
    assert not held.exists()


def test_a_place_that_is_not_configured_any_more_is_told_of(node: Node, tmp_path: Path) -> None:
    profile = PROFILE.format("hub") + 'copy = "far"\n'
    places = f'[archive]\nprofile = "hub"\n[archive.places.far]\nplace = "{tmp_path}/far"\n'
    apply(node, places, archive__hub=profile)
    came(node)
    work(node)
    assert [each.copied for each in look_now(node, everything=False)] == [True]
    apply(node, places.replace("far", "near"), archive__hub=profile.replace("far", "near"))
    assert list(look_now(node, everything=True)) == []
    assert b"far is not configured" in (node.store.read(lambda view: view.setting(CARE_SETTING)) or b"")
    assert archive_facts(node)["place_error"]
    with pytest.raises(CopyUnknown):
        node.archive.place("far")


@pytest.mark.peer("moto_server")
def test_copies_in_a_bucket_under_object_lock(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_KEY", "key")
    monkeypatch.setenv("ARCHIVE_SECRET", "secret")
    places = (
        '[archive]\nprofile = "hub"\n[archive.places.far]\nplace = "s3://archived/copies"\n'
        f'endpoint = "{moto().endpoint}"\n'
        'access_key = "env:ARCHIVE_KEY"\nsecret_key = "env:ARCHIVE_SECRET"\nobject_lock = "compliance"\n'
        "allow_private_network = true\n"
    )
    apply(node, places, archive__hub=PROFILE.format("hub") + 'copy = "far"\nwrite_once = true\n')
    place = node.archive.place("far")
    with place._store.call("PUT", "", None, [("x-amz-bucket-object-lock-enabled", "true")]) as answer:  # type: ignore[attr-defined]
        place._store.ok(answer)  # type: ignore[attr-defined]
    message = came(node)
    work(node)
    recur(node, "archive.care")
    (row,) = rows(node, message)
    (kept,) = full_facts(node, row.id)["bytes"]
    assert kept["place"] == "far"
    assert kept["locked"] is not None
    assert row.ends is not None
    assert (place.locked_until(row.blob) or 0) >= row.ends


def test_the_time_is_noted(node: Node) -> None:
    recur(node, "archive.clock")
    assert node.store.read(lambda view: view.setting(CLOCK_SETTING)) is not None
    recur(node, "archive.dispose")
