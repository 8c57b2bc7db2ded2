"""Delivering to foreign servers: once, under its own name, whatever is cut."""

from __future__ import annotations

import itertools
import json
import os
import threading
from dataclasses import replace

import pytest
from tests.support.ftp_cutter import Cutter
from tests.support.ftp_places import changed, foreign, sending

from ecluse.channels.ftps.client import channel as channel_module
from ecluse.channels.ftps.client.errors import ServerRefused
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.spot import RESUME_FROM, FtpsSpot
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.port import Confirmed
from ecluse.exchange.remembered import Remembered
from ecluse.exchange.remote import NameTaken

KINDS = [
    pytest.param("vsftpd", marks=pytest.mark.peer("vsftpd")),
    pytest.param("proftpd", marks=pytest.mark.peer("proftpd")),
]


@pytest.fixture(params=KINDS)
def far(request, tmp_path):
    with foreign(request.param, tmp_path) as it:
        yield it


def facts(outcome) -> dict:
    assert isinstance(outcome, Confirmed)
    assert outcome.receipt.kind == "file"
    return json.loads(outcome.receipt.body)


def lying(far) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in far.server.folder.iterdir() if path.is_file()}


def test_a_document_is_delivered(far, monkeypatch) -> None:
    data = os.urandom(3_000_000)
    with sending(monkeypatch, far.place, data) as it:
        got = facts(it.attempt())
        [(place, waiting)] = it.channel._hub.sightings._waiting.items()
    assert place == (it.message.partner, "ftps")
    assert {role: [*values] for role, values in waiting.roles.items()} == {
        "tls-version": ["TLSv1.3"],
        "cipher": [got["tls"].split(" ")[1]],
        "tls-server": [got["certificate"]],
    }
    assert lying(far) == {"order.xml": data}
    assert (got["size"], got["how"], got["path"].split("/")[-1]) == (3_000_000, "stored", "order.xml")
    assert got["tls"].startswith("TLSv1.3")
    assert len(got["certificate"]) == 64


def test_an_empty_document(far, monkeypatch) -> None:
    with sending(monkeypatch, far.place, b"") as it:
        assert facts(it.attempt())["size"] == 0
    assert lying(far) == {"order.xml": b""}


def test_a_name_that_is_taken(far, monkeypatch) -> None:
    far.put("order.xml", b"somebody's")
    with sending(monkeypatch, far.place, b"ours") as it, pytest.raises(NameTaken):
        it.attempt()
    assert lying(far) == {"order.xml": b"somebody's"}


def test_replacing_where_it_was_agreed(far, monkeypatch) -> None:
    far.put("order.xml", b"the old one")
    with sending(monkeypatch, far.place, b"the new one", replace=True) as it:
        it.attempt()
    assert lying(far) == {"order.xml": b"the new one"}


def test_the_same_document_again_is_another_one(far, monkeypatch) -> None:
    with sending(monkeypatch, far.place, b"same") as it:
        it.attempt()
    with sending(monkeypatch, far.place, b"same") as it, pytest.raises(NameTaken):
        it.attempt()


def test_a_folder_that_is_not_there(far, monkeypatch) -> None:
    with (
        sending(monkeypatch, far.place, b"x", folder="nowhere") as it,
        pytest.raises(ServerRefused) as caught,
    ):
        it.attempt()
    assert caught.value.fault in (Fault.PARTNER, Fault.PERMANENT)


def test_a_rate(far, monkeypatch) -> None:
    with sending(monkeypatch, changed(far.place, rate=1_000_000), bytes(500_000)) as it:
        facts(it.attempt())


CUTS = [
    (verb, when)
    for verb, when in itertools.product(["AUTH", "PASS", "SIZE", "STOR", "RNFR", "RNTO"], ["before", "after"])
]


def deliver_through(tmp_path, monkeypatch, data: bytes, **cut) -> None:
    """The suite of cuts: one connection is cut, and the document is there once, whole, after the next attempt."""
    with foreign("proftpd", tmp_path) as far, Cutter(far.server.port, **cut) as cutter:
        with sending(monkeypatch, changed(far.place, port=cutter.port, timeout=3.0), data) as it:
            attempts, how = until_delivered(it, far)
        assert (cutter.cuts, attempts) == (1, 2)
        if cut.get("data_after", 0) > 2 * RESUME_FROM:
            assert how == "resumed"
        assert lying(far) == {"order.xml": data}


@pytest.mark.parametrize(("verb", "when"), CUTS)
@pytest.mark.peer("proftpd")
def test_a_connection_cut_at_each_step(tmp_path, monkeypatch, verb: str, when: str) -> None:
    deliver_through(tmp_path, monkeypatch, os.urandom(300_000), verb=verb, when=when)


@pytest.mark.parametrize("octets", [0, 1, 500_000, 3_000_000, 3_900_000])
@pytest.mark.peer("proftpd")
def test_a_data_connection_cut_within_an_upload(tmp_path, monkeypatch, octets: int) -> None:
    deliver_through(tmp_path, monkeypatch, os.urandom(4_000_000), data_after=octets)


def looking_for_nothing(patch) -> None:
    patch.setattr(Remembered, "left", lambda self, path: None)
    patch.setattr(Remembered, "appeared", lambda self, path: False)


def writing_under_the_final_name(patch) -> None:
    names = channel_module.names_of

    def same(*arguments):
        found = names(*arguments)
        return replace(found, temporary=found.final)

    patch.setattr(channel_module, "names_of", same)


def going_on_from_the_beginning(patch) -> None:
    """A half upload is gone on with, and sent from its first octet on."""
    chunks = FtpsSpot._chunks
    patch.setattr(
        FtpsSpot,
        "_chunks",
        lambda self, offset, size=None: chunks(self, 0 if size is None else offset, size),
    )


def comparing_no_sizes(patch) -> None:
    """What came through is taken for the whole: also where the connection was cut."""
    patch.setattr(FtpsSpot, "_check_size", lambda self, path: True)
    patch.setattr(FtpsSpot, "_size", _whole_if_there(FtpsSpot._size))


def _whole_if_there(size):
    def whole(self, path):
        return None if size(self, path) is None else self._part.size

    return whole


@pytest.mark.parametrize(
    ("mutant", "cut"),
    [
        (looking_for_nothing, {"verb": "RNTO", "when": "after"}),
        (writing_under_the_final_name, {"data_after": 3_000_000}),
        (going_on_from_the_beginning, {"data_after": 3_000_000}),
        (comparing_no_sizes, {"data_after": 3_000_000}),
    ],
)
@pytest.mark.peer("proftpd")
def test_a_mutant_fails_the_suite_of_cuts(tmp_path, monkeypatch, mutant, cut) -> None:
    """Each with the one cut of the suite that such a mistake can't live through."""
    mutant(monkeypatch)
    with pytest.raises((AssertionError, EcluseError)):
        deliver_through(tmp_path, monkeypatch, os.urandom(4_000_000), **cut)


def until_delivered(it, far) -> tuple[int, str]:
    """Attempts until it is delivered, and how it was; nobody sees half a document under its name meanwhile."""
    errors = []
    for number in range(1, 6):
        try:
            how = facts(it.attempt())["how"]
        except EcluseError as error:
            errors.append(str(error))
            assert error.fault is not Fault.PERMANENT, error  # noqa: PT017 - it may, and need not, be raised
            assert lying(far).get("order.xml", b"") in (b"", it.data)
            continue
        return number, how
    raise AssertionError(f"never delivered: {errors}")


def half(far, it, size: int, data: bytes) -> str:
    """A half upload of an attempt before; its name."""
    it.attempts = 1
    name = f".order.xml.{it.delivery.id[-10:]}.part"
    far.put(name, data[:size])
    return name


def test_a_half_upload_is_gone_on_with(far, monkeypatch) -> None:
    data = os.urandom(3_000_000)
    with sending(monkeypatch, far.place, data) as it:
        half(far, it, 2_000_000, data)
        assert facts(it.attempt())["how"] == "resumed"
    assert lying(far) == {"order.xml": data}


def test_a_whole_upload_that_was_not_renamed(far, monkeypatch) -> None:
    data = os.urandom(3_000_000)
    with sending(monkeypatch, far.place, data) as it:
        half(far, it, len(data), data)
        assert facts(it.attempt())["how"] == "resumed"
    assert lying(far) == {"order.xml": data}


def test_a_half_upload_of_something_else_is_begun_anew(far, monkeypatch) -> None:
    data = os.urandom(3_000_000)
    with sending(monkeypatch, far.place, data) as it:
        half(far, it, 2_000_000, os.urandom(2_000_000))
        assert facts(it.attempt())["how"] == "stored"
    assert lying(far) == {"order.xml": data}


def test_a_delivery_whose_answer_was_lost_is_found(far, monkeypatch) -> None:
    data = os.urandom(100_000)
    with sending(monkeypatch, far.place, data) as it:
        it.attempt()
        assert facts(it.attempt())["how"] == "found"
        assert lying(far) == {"order.xml": data}
        (far.server.folder / "order.xml").unlink()
        assert facts(it.attempt())["how"] == "taken"
    assert lying(far) == {}


def test_another_file_of_the_same_size_is_not_taken_for_ours(far, monkeypatch) -> None:
    far.put("order.xml", b"y" * 100)
    with sending(monkeypatch, far.place, b"x" * 100) as it:
        it.attempts = 1
        with pytest.raises(NameTaken):
            it.attempt()


def test_a_mutant_that_trusts_any_half_upload(far, monkeypatch) -> None:
    data = os.urandom(3_000_000)
    monkeypatch.setattr(FtpsSpot, "_resumable", lambda self, size: True)
    with sending(monkeypatch, far.place, data) as it:
        half(far, it, 2_000_000, os.urandom(2_000_000))
        it.attempt()
    assert lying(far) != {"order.xml": data}


@pytest.mark.peer("proftpd")
def test_a_server_that_is_killed(tmp_path, monkeypatch) -> None:
    with foreign("proftpd", tmp_path) as far:  # noqa: SIM117 - too long for one line
        with sending(monkeypatch, changed(far.place, rate=2_000_000, timeout=3.0), bytes(6_000_000)) as it:
            threading.Timer(0.5, far.server.kill).start()
            try:
                it.attempt()
            except EcluseError as error:
                assert error.fault is Fault.TRANSIENT  # noqa: PT017 - it may be over before the server is killed
                assert "order.xml" not in lying(far)


def test_names_that_no_command_can_carry(far) -> None:
    line = Line(far.place)
    with pytest.raises(EcluseError):
        line.command("DELE a\r\nDELE b", "delete the file")
    with pytest.raises(EcluseError):
        line.upload("a\r\nb", iter([b"x"]))
    line.close()
