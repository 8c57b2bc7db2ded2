"""Where the hub has four eyes, a rotation waits for the second person, and then goes on by itself."""

from __future__ import annotations

import pytest
from tests.support.operators import four_eyed, person

from ecluse.app.changes import ChangeHeld, approve, statement
from ecluse.app.rotation.begin import Wanted, begin
from ecluse.app.rotation.board import board
from ecluse.app.rotation.hand import retire_now
from ecluse.app.rotation.tend import look

ADA, BERTA = person("ada"), person("berta")


def second(node, held):
    approve(
        node, held.proposal.id, "berta", BERTA.sign(statement(node, held.proposal.id, "approve", "berta"))
    )


def test_the_successor_counts_once_two_signed(tmp_path):
    with four_eyed(tmp_path / "hub") as node:
        with pytest.raises(ChangeHeld) as held:
            begin(node, Wanted(old="main", new="next"), actor="operator:ada", signer=ADA.signer())
        look(node, "next")
        assert board(node, "next")["state"] == "prepared"
        assert "next" not in {key.ref for key in node.directory.organisation.keys}
        second(node, held.value)
        look(node, "next")
        assert board(node, "next")["state"] == "complete"  # there are no partners
        assert {key.ref for key in node.directory.organisation.keys} == {"main", "next"}

        with pytest.raises(ChangeHeld) as held:
            retire_now(node, "next", actor="operator:ada", reason="done", signer=ADA.signer())
        assert board(node, "next")["state"] == "complete"
        second(node, held.value)
        retire_now(node, "next", actor="operator:ada", reason="done", signer=ADA.signer())
        assert board(node, "next")["state"] == "retired"
