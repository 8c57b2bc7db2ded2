"""Worlds with flows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.flow_worlds import World


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def one(flows: dict[str, str], **more: str) -> World:
        worlds.append(World(tmp_path, flows, **more))
        return worlds[-1]

    yield one
    for world in worlds:
        world.close()
