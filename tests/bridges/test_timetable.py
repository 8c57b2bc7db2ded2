"""A flow that runs by a timetable takes what lies there at the full minute, and not before."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.bridge_town import flow
from tests.support.bridges import House
from tests.support.sites import content_of

FOLDERS = """
[folders.archive]
path = "archive"
create = true
[folders.drop]
path = "drop"
create = true
"""
MINUTE = 60.0
BEFORE = 8.0
"""Seconds before the full minute that the hub's clock stands at when it is started."""


def test_at_the_full_minute(tmp_path: Path) -> None:
    node = ("-m", "tests.support.bridge_node")
    hub = House(tmp_path / "aster", "aster", toml=FOLDERS, sftp=False, command=node)
    try:
        text = flow(
            'channel = "folder:drop"\nstable = "200ms"',
            'channel = "folder:archive"',
            top='trigger = "timetable"',
            timetable='cron = "* * * * *"',
        )
        hub.apply({"flows/timed.toml": text})
        (hub.folder / "drop").mkdir()
        (hub.folder / "drop/a.edi").write_bytes(content_of("timed"))
        hub.words = (f"ahead={(-time.time() - BEFORE) % MINUTE}",)
        hub.start()
        life = hub.delivered("a.edi", patience=90)
        came = life.message.created / 1_000_000 % MINUTE
        assert came < MINUTE - BEFORE, "it was not taken before the minute was full"
        assert (hub.folder / "archive/a.edi").read_bytes() == content_of("timed")
    finally:
        hub.close()
