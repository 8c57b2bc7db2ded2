"""What a partner logs in with is not replaced by one person, where the hub has four eyes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.operators import four_eyed, person, propose

from ecluse.app.changes import approve, statement
from ecluse.app.keys.certificates import SecretInUse, put_secret, remove_secret
from ecluse.app.node import Node
from ecluse.trust.secrets import Secret

ADA, BERTA = person("ada"), person("berta")


def sign(node: Node, files: dict[str, str]) -> None:
    proposal = propose(node, files, ADA)
    approve(node, proposal.id, "berta", BERTA.sign(statement(node, proposal.id, "approve", "berta")))


def test_the_password_of_an_account_stays(tmp_path: Path) -> None:
    with four_eyed(tmp_path / "hub") as node:
        put_secret(node, "elm", Secret("the first one, long enough"), actor="operator:ada")
        put_secret(node, "elm", Secret("another first one, long enough"), actor="operator:ada")
        file = 'name = "Elm"\n[account]\nuser = "elm"\npassword = "keyring:elm"\n'
        before = node.directory.configuration.files
        sign(node, {**before, "partners/elm.toml": file})
        for change in (
            lambda: put_secret(node, "elm", Secret("a stolen one, long enough"), actor="operator:eve"),
            lambda: remove_secret(node, "elm", actor="operator:eve"),
        ):
            with pytest.raises(SecretInUse) as caught:
                change()
            assert caught.value.code == "secret.needs-two"
        assert node.keyring.secret("elm").reveal() == b"another first one, long enough"
        put_secret(node, "elm-2", Secret("the second one, long enough"), actor="operator:ada")
        sign(node, {**before, "partners/elm.toml": file.replace("keyring:elm", "keyring:elm-2")})
        remove_secret(node, "elm", actor="operator:ada")
        assert node.keyring.secrets() == ("elm-2",)
