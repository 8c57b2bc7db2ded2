"""Sightings in both databases: nodes that write at the same time lose nothing of each other."""

from __future__ import annotations

import threading

from tests.support.hubs import FakeClock

from ecluse.model.basics import PartnerId
from ecluse.store.port import Conflict, Store
from ecluse.trust.sightings import Sightings, sightings_of

BIRCH = PartnerId("birch")


def test_two_nodes_at_once(store: Store) -> None:
    clock = FakeClock()

    def node(number: int) -> None:
        mine = Sightings(clock)
        for turn in range(10):
            mine.saw_all(BIRCH, "as2", {"verify": "shared", "cipher": f"{number}-{turn % 3}"})
            try:
                mine.flush(store, lambda *event: None, everything=True)
            except Conflict:
                continue  # it is kept, and written the next time
        while mine.waiting:
            mine.flush(store, lambda *event: None, everything=True)

    threads = [threading.Thread(target=node, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {row.value: row.count for row in store.read(lambda view: sightings_of(view, BIRCH))}
    assert found.pop("shared") == 20
    assert len(found) == 6
    assert sum(found.values()) == 20
