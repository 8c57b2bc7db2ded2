"""Two nodes on one PostgreSQL: two approvers at once make one version, and every way in goes through one write."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.operators import Person, operators_toml, person, propose, put_field
from tests.support.postgres import PostgresServer, postgres_binaries

import ecluse
from ecluse.app.changes import approve, check_versions, find, statement
from ecluse.app.changes.check import ChangeOver
from ecluse.app.changes.decide import ChangeRaced
from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files
from ecluse.trust.configuration import read_folder

ADA, BERTA, CARL = person("ada"), person("berta"), person("carl")


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Node]]:
    with PostgresServer() as server:
        folder = tmp_path / "hub"
        node = make_hub(
            folder, name="Aster", as2_id="ASTER", key_kind="ec-p256", database=server.new_database()
        )
        hub = folder / "ecluse.toml"
        hub.write_text(hub.read_text() + operators_toml([ADA, BERTA, CARL]))
        apply_files(node, read_folder(folder), actor="operator:test", reason="operators")
        with node, open_node(folder) as other:
            yield [node, other]


@pytest.mark.peer("postgresql")
@pytest.mark.skipif(postgres_binaries() is None, reason="peer postgresql is not installed")
def test_two_approvers_at_once(nodes: list[Node]) -> None:
    for turn in range(5):
        name = nodes[0].directory.organisation.name
        proposal = propose(nodes[0], put_field(nodes[0], f'name = "{name}"', f'name = "Turn {turn}"'), ADA)
        version = nodes[0].version
        ended: list[str] = []
        gate = threading.Barrier(2)

        def work(
            node: Node,
            who: Person,
            id: str = proposal.id,
            gate: threading.Barrier = gate,
            ended: list[str] = ended,
        ) -> None:
            armored = who.sign(statement(node, id, "approve", who.name))
            gate.wait(10)
            try:
                ended.append(approve(node, id, who.name, armored).state)
            except (ChangeOver, ChangeRaced):
                ended.append("too late")

        threads = [
            threading.Thread(target=work, args=each) for each in zip(nodes, (BERTA, CARL), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(ended) == ["applied", "too late"]
        for node in nodes:
            node.reload()
            assert (node.version, node.directory.organisation.name) == (version + 1, f"Turn {turn}")
        assert find(nodes[1], proposal.id).state == "applied"
    assert not any(each.problem for each in check_versions(nodes[1]))


def test_there_is_one_way_into_force() -> None:
    """Who writes a version, and who calls that."""
    callers: dict[str, set[str]] = {"add_config": set(), "write_version": set()}
    root = Path(ecluse.__file__).parent
    for path in root.rglob("*.py"):
        for found in ast.walk(ast.parse(path.read_text())):
            if isinstance(found, ast.Call):
                name = getattr(found.func, "attr", getattr(found.func, "id", ""))
                if name in callers:
                    callers[name].add(path.relative_to(root).as_posix())
    assert callers["add_config"] == {"app/versions.py"}
    assert callers["write_version"] == {"app/settings.py", "app/changes/decide.py"}
