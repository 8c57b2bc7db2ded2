"""Consultation: written before the first octet goes out, and by those alone who may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.archives import INVOICE, ArchiveWorld, Person

from ecluse.archive.consult import consult
from ecluse.archive.room import NotArchived
from ecluse.archive.signing import NotAllowed


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ArchiveWorld]:
    made = ArchiveWorld(tmp_path)
    yield made
    made.close()


def test_the_log_has_it_before_the_octets_go_out(world: ArchiveWorld) -> None:
    row = world.archived()
    with consult(world.room, row.id, reason="an audit", actor="operator:os") as (found, chunks):
        assert world.events(row.id)[-1] == (
            "archive.consulted",
            {"reason": "an audit", "sha256": row.sha256.hex(), "profile": "invoices"},
        )
        assert found == row
        assert b"".join(chunks()) == INVOICE


def test_the_second_document_of_a_message_is_itself(world: ArchiveWorld) -> None:
    message = world.came(b"first", b"second document")
    world.work()
    with consult(world.room, world.rows(message)[1].id, reason="x", actor="operator:os") as (_, chunks):
        assert b"".join(chunks()) == b"second document"


def test_where_the_profile_says_who_they_sign_for_it(world: ArchiveWorld) -> None:
    row = world.archived()
    world.change(read=("audit", "archive"))
    with pytest.raises(NotAllowed), consult(world.room, row.id, reason="x", actor="operator:os"):
        pass
    runner = Person("carl", "run")
    world.book = type(world.book)(
        world.book.settings, world.book.profiles, operators=(*world.book.operators, runner.operator)
    )
    with (
        pytest.raises(NotAllowed),
        consult(world.room, row.id, reason="x", actor="o", operator="carl", sign=runner.sign),
    ):
        pass
    with (
        pytest.raises(NotAllowed),
        consult(world.room, row.id, reason="x", actor="o", operator="anne", sign=runner.sign),
    ):
        pass
    assert "archive.consulted" not in world.kinds(row.id)
    with consult(world.room, row.id, reason="x\ny", actor="o", operator="anne", sign=world.anne.sign) as (
        _,
        chunks,
    ):
        assert b"".join(chunks()) == INVOICE
    kind, facts = world.events(row.id)[-1]
    assert kind == "archive.consulted"
    assert "by anne\n" in facts["statement"]
    assert facts["signature"].startswith("-----BEGIN SSH SIGNATURE-----")


def test_what_is_not_there_is_not_read(world: ArchiveWorld) -> None:
    with pytest.raises(NotArchived), consult(world.room, "a9", reason="x", actor="operator:os"):
        pass
