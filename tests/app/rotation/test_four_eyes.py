"""Where the hub has four eyes, a rotation waits for the second person, and then goes on by itself."""

from __future__ import annotations

import pytest
from tests.support.operators import four_eyed, person

from ecluse.app.changes import ChangeHeld, approve, proposals, refuse, statement
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


def test_what_was_refused_is_not_proposed_again(tmp_path):
    with four_eyed(tmp_path / "hub") as node:
        with pytest.raises(ChangeHeld) as held:
            begin(node, Wanted(old="main", new="next", grace=0), actor="operator:ada", signer=ADA.signer())
        second(node, held.value)
        for _ in range(3):
            look(node, "next")
        (entry,) = proposals(node)
        assert entry.proposal.actor == "hub"
        because = "our archive still needs it"
        text = statement(node, entry.proposal.id, "refuse", "berta", because)
        refuse(node, entry.proposal.id, "berta", BERTA.sign(text), because)
        for _ in range(3):
            look(node, "next")
        assert proposals(node) == []
        assert board(node, "next")["state"] == "complete"
        with pytest.raises(ChangeHeld):  # by hand it may be proposed at any time
            retire_now(node, "next", actor="operator:ada", reason="done", signer=ADA.signer())
