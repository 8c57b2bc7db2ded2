"""Seals in flows: ours on what leaves, theirs on what came."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.support.flow_worlds import EDIFACT, World, flow
from tests.support.hubs import FakeClock
from tests.support.sealed import INVOICE, pdf

from ecluse.exchange.actions import release
from ecluse.exchange.seals.desk import SealDesk
from ecluse.exchange.seals.facts import whole
from ecluse.exchange.seals.trust import fingerprint
from ecluse.model.basics import PartnerId
from ecluse.model.states import MessageState
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.settings.seals import Sealing


class Company:
    """One organisation's desk, with one partner that it knows by a certificate."""

    def __init__(self, clock: FakeClock, name: str) -> None:
        self.keyring = MemoryKeyring(clock)
        self.keyring.generate("main", "ec-p256", subject=name)
        self.known: tuple = ()
        self.refused: dict = {}
        keys = SimpleNamespace(at=lambda use, now: ("main",))
        configuration = SimpleNamespace(
            hub=SimpleNamespace(seals=SimpleNamespace(roots=())), certificates_in=lambda path: ()
        )
        view = SimpleNamespace(certificates=SimpleNamespace(at=lambda use, now: self.known))
        directory = SimpleNamespace(
            keyring=self.keyring,
            keys=keys,
            configuration=configuration,
            partner=lambda id: view,
            refused=self.refused,
        )
        self.desk = SealDesk(lambda: directory, clock)  # type: ignore[arg-type]

    def sealed(self, kind: str, data: bytes, form: str = "auto") -> bytes:
        out: list[bytes] = []
        self.desk.seal(Sealing(format=form), kind, len(data), lambda: [data], out.append)  # type: ignore[arg-type]
        return b"".join(out)


@pytest.fixture
def towns(tmp_path: Path):
    clock = FakeClock()
    ours, theirs = Company(clock, "Aster"), Company(clock, "Birch")
    ours.known = (theirs.keyring.certificate("main"),)
    theirs.known = (ours.keyring.certificate("main"),)
    made = World(tmp_path, clock=clock, seals=ours.desk)
    yield made, ours, theirs
    made.close()


SEALED = 'channel = "sftp:cedar"\n[to.seal]\n'


@pytest.mark.parametrize(
    ("document", "name", "kind", "ending"),
    [
        (pdf(), "a.pdf", "pdf", ""),
        (INVOICE, "a.xml", "xml:Invoice", ""),
        (EDIFACT, "a.edi", "edifact", ".p7m"),
    ],
)
def test_auto_takes_the_seal_that_fits(towns, document: bytes, name: str, kind: str, ending: str) -> None:
    world, _, theirs = towns
    world.apply({"out": flow(SEALED)})
    message = world.arrive(document, name=name)
    world.work_on()
    ((_, path, data),) = world.arrived("sftp")
    assert path == name + ending
    found = theirs.desk.check(PartnerId("aster"), path, kind, len(data), lambda: [data])
    assert whole(found)
    assert world.facts(message.id, "delivery.relayed")["sealed"][0]["seal"] in ("pades", "xades", "cades")


def test_a_seal_beside_goes_along_with_its_document(towns) -> None:
    world, _, theirs = towns
    world.apply({"out": flow(SEALED + 'format = "cades-detached"')})
    world.arrive(EDIFACT, name="a.edi")
    world.work_on()
    files = {path: data for _, path, data in world.arrived("sftp")}
    assert set(files) == {"a.edi", "a.edi.p7s"}
    seal = files["a.edi.p7s"]
    assert whole(
        theirs.desk.check_beside(PartnerId("aster"), lambda: [seal], len(seal), lambda: [files["a.edi"]])
    )


def test_documents_that_came_together_go_in_one_container(towns) -> None:
    world, _, theirs = towns
    world.apply({"out": flow(SEALED + 'format = "asic-e"')})
    world.arrive(EDIFACT, pdf(), name="a.edi")
    world.work_on()
    ((_, path, data),) = world.arrived("sftp")
    assert path == "a.edi.asice"
    found = theirs.desk.check(PartnerId("aster"), path, "zip", len(data), lambda: [data])
    assert [each.file for each in found] == ["a.edi", "1-a.edi"]
    assert whole(found)


def test_what_is_in_a_seal_goes_on_without_it(towns) -> None:
    world, _, theirs = towns
    world.apply({"in": flow('channel = "folder:orders"', open='unpack = "seal"\nseals = "require"')})
    message = world.arrive(theirs.sealed("edifact", EDIFACT, "cades"), name="a.edi.p7m")
    world.work_on()
    assert [(path, data) for _, path, data in world.arrived("folder")] == [("a.edi", EDIFACT)]
    (seal,) = world.facts(message.id, "delivery.relayed")["seals"]
    assert (seal["indication"], seal["ground"]) == ("total-passed", "pinned")


@pytest.mark.parametrize("form", ["xades", "none", "strange", "changed"])
def test_what_must_be_sealed_and_is_not_waits_for_a_person(towns, tmp_path: Path, form: str) -> None:
    world, _, theirs = towns
    world.apply({"in": flow('channel = "folder:orders"', open='seals = "require"')})
    document = INVOICE
    if form != "none":
        who = Company(world.clock, "Birch") if form == "strange" else theirs
        document = who.sealed("xml:Invoice", INVOICE)
    if form == "changed":
        document = document.replace(b">4711<", b">4712<")
    message = world.arrive(document, name="a.xml")
    world.work_on()
    if form == "xades":
        assert [data for _, _, data in world.arrived("folder")] == [document]
        return
    assert world.arrived("folder") == []
    held = world.message(message.id)
    assert (held.state, held.reason_code) == (MessageState.QUARANTINED, "seal.not-valid")
    release(world.hub, message.id, actor="operator:ann", reason="seen")
    world.work_on()
    assert [data for _, _, data in world.arrived("folder")] == [document]


def test_a_seal_by_a_certificate_that_was_revoked_is_not_believed(towns) -> None:
    world, ours, theirs = towns
    data = theirs.sealed("edifact", EDIFACT, "cades")
    ours.refused[fingerprint(ours.known[0])] = world.clock()
    (facts,) = ours.desk.check(PartnerId("birch"), "a.edi.p7m", "unknown", len(data), lambda: [data])
    assert (facts.verdict.indication.value, facts.verdict.ground) == ("indeterminate", "revoked")


def test_a_report_stops_nothing(towns) -> None:
    world, _, _ = towns
    world.apply({"in": flow('channel = "folder:orders"', open='seals = "report"')})
    message = world.arrive(b"%PDF-1.4 broken", name="a.pdf")
    world.work_on()
    assert len(world.arrived("folder")) == 1
    (seal,) = world.facts(message.id, "delivery.relayed")["seals"]
    assert seal["indication"] == "total-failed"


def test_what_can_t_be_sealed_so_is_for_a_person(towns) -> None:
    world, _, _ = towns
    world.apply({"out": flow(SEALED + 'format = "pades"')})
    message = world.arrive(EDIFACT, name="a.edi")
    world.work_on()
    assert world.arrived("sftp") == []
    (delivery,) = world.deliveries(message)
    assert (delivery.state.value, delivery.reason_code) == ("dead", "seal.not-fit")
