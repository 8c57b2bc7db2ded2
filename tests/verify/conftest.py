"""Real packs of two real hubs: of what Aster sent, and of the same as Birch received it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.packs import Company, Vouchers, World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with make_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def aster(world: World) -> Company:
    return world.companies["aster"]


@pytest.fixture
def birch(world: World) -> Company:
    return world.companies["birch"]


@pytest.fixture(scope="session")
def vouchers(tmp_path_factory: pytest.TempPathFactory) -> Vouchers:
    return Vouchers(tmp_path_factory.mktemp("vouchers"))
