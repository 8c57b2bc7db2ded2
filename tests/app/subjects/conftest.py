"""Hubs with documents that name a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.hubs import FakeClock

from ecluse.app.folder import make_hub
from ecluse.app.node import Node


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Iterator[Node]:
    with make_hub(
        tmp_path / "aster", name="Aster Foods", as2_id="ASTER", key_kind="ec-p256", clock=clock
    ) as made:
        yield made
