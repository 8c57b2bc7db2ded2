"""The archive of two nodes on one PostgreSQL: what one of them holds the other one does not destroy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.archives import ArchiveWorld, profile
from tests.support.postgres import postgres_server

from ecluse.archive.clock import confirm_clock
from ecluse.archive.destroying import run
from ecluse.archive.disposal import approve, propose
from ecluse.archive.holding import place_hold
from ecluse.archive.holds import Criteria
from ecluse.model.archive import ArchiveState
from ecluse.store.port import WriteOnce

__all__ = ["postgres_server"]

pytestmark = pytest.mark.peer("postgresql")


@pytest.fixture
def worlds(postgres_server, tmp_path: Path) -> Iterator[tuple[ArchiveWorld, ArchiveWorld]]:  # type: ignore[no-untyped-def]
    url = postgres_server.new_database()
    one, two = (
        ArchiveWorld(tmp_path / name, url=url, seed=b"two nodes", invoices=profile(retention="1y"))
        for name in ("one", "two")
    )
    two.hub.vault.place, two.second = one.hub.vault.place, one.second
    yield one, two
    one.close()
    two.close()


def test_a_hold_of_one_node_stops_a_run_of_the_other(worlds: tuple[ArchiveWorld, ArchiveWorld]) -> None:
    one, two = worlds
    rows = []
    for partner in ("birch", "cedar", "birch"):
        one.clock.forward(1)
        rows.append(one.archived(partner=partner))
        one.ended(rows[-1])
    two.clock.forward(10)
    assert len(two.care()) == 3
    for world in worlds:
        world.clock.forward(2 * 366 * 86_400)
    confirm_clock(one.room, actor="operator:anne", reason="it is so late")
    disposal = propose(one.room, actor="operator:carl", reason="yearly")
    for person in (one.anne, one.bea):
        text = disposal.statement(person.operator.name)
        approve(two.room, disposal.id, person.operator.name, person.sign(text))
    passed = []

    def check() -> None:
        passed.append(1)
        if len(passed) == 2:
            place_hold(
                two.room,
                Criteria(partner="birch"),
                reason="a dispute",
                reference="TC 1",
                actor="operator:bea",
            )

    done = run(one.room, disposal.id, actor="operator:anne", check=check)
    assert done.ended == "2 destroyed, 1 kept back"
    assert [two.row(row).state for row in rows] == [
        ArchiveState.DISPOSED,
        ArchiveState.DISPOSED,
        ArchiveState.KEPT,
    ]
    with two.hub.blob(rows[2].blob) as blob:
        assert b"".join(blob.chunks())
    with pytest.raises(WriteOnce):
        two.hub.store.write(lambda tx: tx.drop_blob(rows[2].blob))
    for row in rows:
        assert one.kinds(row.id).count("archive.deposited") == 1
