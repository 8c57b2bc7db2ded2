"""Versions that came into force in another way than they had to are told, by the log's evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support.operators import four_eyed, operators_toml, person, propose, put_field

from ecluse.app.changes import approve, check_versions, statement
from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.app.versions import write_version
from ecluse.model.nouns import ConfigVersion
from ecluse.trust.changes.plan import plan
from ecluse.trust.configuration import Configuration

ADA, BERTA = person("ada"), person("berta")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with four_eyed(tmp_path / "hub") as node:
        yield node


def rename(node: Node, to: str, signed: bool = True) -> None:
    files = put_field(node, f'name = "{node.directory.organisation.name}"', f'name = "{to}"')
    proposal = propose(node, files, ADA if signed else None, reason=f"to {to}")
    for who in (BERTA,) if signed else (ADA, BERTA):
        approve(node, proposal.id, who.name, who.sign(statement(node, proposal.id, "approve", who.name)))


def verdicts(node: Node) -> list[tuple[int, int, str]]:
    return [(each.version, each.eyes, each.problem) for each in check_versions(node)]


def test_all_is_well(node: Node) -> None:
    rename(node, "Second")
    rename(node, "Third", signed=False)
    files = {**node.directory.configuration.files, "partners/elm.toml": 'name = "Elm"\nstate = "invited"\n'}
    apply_files(node, files, actor="operator:test", reason="an invitation")
    assert verdicts(node) == [(1, 1, ""), (2, 1, ""), (3, 2, ""), (4, 2, ""), (5, 1, "")]
    assert [each.version for each in check_versions(node, 4)] == [4, 5]


def test_a_version_between_proposal_and_approval_is_well_too(node: Node) -> None:
    files = put_field(node, 'name = "Aster"', 'name = "Second"')
    proposal = propose(node, files, ADA)
    other = {**node.directory.configuration.files, "partners/elm.toml": 'name = "Elm"\nstate = "invited"\n'}
    apply_files(node, other, actor="operator:test", reason="an invitation")
    approve(node, proposal.id, "berta", BERTA.sign(statement(node, proposal.id, "approve", "berta")))
    assert verdicts(node)[-1] == (4, 2, "")


def force(node: Node, files: dict[str, str], **facts: object) -> None:
    """What somebody does who writes to the database, and to the log through the hub's own code."""
    now = node.hub.clock()
    version = ConfigVersion(node.version + 1, now, "operator:mallory", str(facts.pop("reason", "x")), files)
    wanted = Configuration.from_files(files)
    changes = plan(node.directory.configuration, wanted)
    node.store.write(lambda tx: write_version(tx, node, version, wanted, changes, facts))
    node.reload()


def test_a_version_that_nobody_signed(node: Node) -> None:
    files = put_field(node, 'name = "Aster"', 'name = "Mallory"')
    force(node, files, eyes=2)
    assert verdicts(node)[-1] == (3, 1, "it changes trust, and no operator signed it")
    files = put_field(node, 'name = "Mallory"', 'name = "Mallory Sons"')
    force(node, files, eyes=2, change="c0")
    assert "not applied as this version" in verdicts(node)[-1][2]


def test_a_version_under_the_signatures_of_another(node: Node) -> None:
    rename(node, "Second")
    honest = node.store.read(lambda view: view.config())
    assert honest is not None
    (applied,) = node.store.read(lambda view: view.events("config:3"))
    change = next(word for word in applied.leaf.decode().split('"') if word.startswith("c0"))
    files = put_field(node, 'name = "Second"', 'name = "Mallory"')
    force(node, files, eyes=2, change=change, reason=honest.reason)
    assert "not applied as this version" in verdicts(node)[-1][2]


def test_a_version_under_signatures_that_were_used_up(node: Node) -> None:
    """Back, and forth again: the files are exactly those that two operators signed once."""
    rename(node, "Second")
    (applied,) = node.store.read(lambda view: view.events("config:3"))
    change = next(word for word in applied.leaf.decode().split('"') if word.startswith("c0"))
    rename(node, "Aster")
    force(node, put_field(node, 'name = "Aster"', 'name = "Second"'), eyes=2, change=change)
    assert [bool(problem) for _, _, problem in verdicts(node)] == [False, False, False, False, True]


def test_a_row_that_was_written_over(node: Node) -> None:
    rename(node, "Second")
    row = node.store.read(lambda view: view.config(3))
    assert row is not None
    files = {**row.files, "ecluse.toml": row.files["ecluse.toml"].replace("Second", "Mallory")}
    import sqlite3

    with sqlite3.connect(node.folder / "state" / "ecluse.db") as database:
        (name,) = [
            each[0]
            for each in database.execute(
                "select name from sqlite_master where sql like '%actor%' and type = 'table'"
            )
            if "config" in each[0]
        ]
        (old,) = database.execute(f"select files from {name} where number = 3").fetchone()
        wrong = msgspec.json.encode(files)
        database.execute(
            f"update {name} set files = ? where number = 3",
            (wrong.decode() if isinstance(old, str) else wrong,),
        )
    assert verdicts(node)[-1][2] == "its files are not those that were put in force"


def test_a_version_without_an_event(node: Node) -> None:
    files = put_field(node, 'name = "Aster"', 'name = "Mallory"')
    version = ConfigVersion(3, node.hub.clock(), "operator:mallory", "x", files)
    node.store.write(lambda tx: tx.add_config(version))
    node.reload()
    assert verdicts(node)[-1][2] == "the log does not say that it was put in force"


def test_operators_are_those_of_the_version_before(node: Node) -> None:
    """Who brings two operators of their own in has them sign nothing for it."""
    mine = operators_toml([person("mallory"), person("oscar")])
    theirs = operators_toml([ADA, BERTA])
    force(node, put_field(node, theirs, mine), eyes=2)
    rename_files = put_field(node, 'name = "Aster"', 'name = "Mallory"')
    proposal = propose(node, rename_files, person("mallory"))
    oscar = person("oscar")
    approve(node, proposal.id, "oscar", oscar.sign(statement(node, proposal.id, "approve", "oscar")))
    assert [bool(problem) for _, _, problem in verdicts(node)] == [False, False, True, False]
