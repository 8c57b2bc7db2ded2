"""`ecluse partner roles`: the table for people and for programs."""

from __future__ import annotations

import time

from tests.cli.conftest import Pair
from tests.support.commands import say

ROLES = [
    "sign",
    "verify",
    "encrypt",
    "decrypt",
    "mdn-sign",
    "mdn-verify",
    "tls-server",
    "tls-client",
    "our-tls-server",
    "our-tls-client",
]


def test_the_table_of_one_partner(pair: Pair) -> None:
    rows = say("partner", "roles", "birch", "--json", hub=pair.aster).data["roles"]
    assert [row["role"] for row in rows] == ROLES
    assert {row["channel"] for row in rows} == {"as2"}
    text = say("partner", "roles", "birch", hub=pair.aster).text
    for piece in (
        "we sign messages with",
        "they encrypt to",
        "not-needed",
        rows[1]["values"][0]["value"][:16],
    ):
        assert piece in text
    shown = say("partner", "show", "birch", "--json", hub=pair.aster).data["role_table"]
    assert [row["role"] for row in shown] == ROLES


def test_what_was_used_stands_beside_what_is_configured(pair: Pair) -> None:
    say("send", "birch", pair.order(77), hub=pair.aster)
    deadline = time.monotonic() + 120
    while True:
        rows = say("partner", "roles", "birch", "--json", hub=pair.aster).data["roles"]
        found = {row["role"]: {each["what"]: each["value"] for each in row["used"]} for row in rows}
        if found["mdn-verify"]:
            break
        assert time.monotonic() < deadline, "it is written while the hub serves"
        time.sleep(0.2)
    verify = next(row for row in rows if row["role"] == "mdn-verify")
    assert found["mdn-verify"]["receipt"] == "signed"
    assert found["mdn-verify"]["mdn-verify"] == verify["values"][0]["value"]
    assert verify["differs"] == []
    other = say("partner", "roles", "aster", "--json", hub=pair.birch).data["roles"]
    deadline = time.monotonic() + 120
    while not any(row["used"] for row in other if row["role"] == "decrypt"):
        assert time.monotonic() < deadline
        other = say("partner", "roles", "aster", "--json", hub=pair.birch).data["roles"]
    decrypt = next(row for row in other if row["role"] == "decrypt")
    assert {each["what"] for each in decrypt["used"]} == {"decrypt", "encryption-algorithm", "key-algorithm"}


def test_every_partner_and_states(pair: Pair) -> None:
    rows = say("partner", "roles", "--all", "--state", "not-needed,missing", "--json", hub=pair.aster).data[
        "roles"
    ]
    assert {row["partner"] for row in rows} == {"birch"}
    assert {row["state"] for row in rows} == {"not-needed"}
    assert "birch" in say("partner", "roles", "--all", hub=pair.aster).text
    none = say("partner", "roles", "--all", "--state", "wrong", hub=pair.aster)
    assert "no such roles" in none.text


def test_what_can_not_be_asked(pair: Pair) -> None:
    assert "roles.no-partner" in say("partner", "roles", hub=pair.aster, code=2).err
    assert "roles.no-partner" in say("partner", "roles", "birch", "--all", hub=pair.aster, code=2).err
    assert (
        "roles.no-such-state"
        in say("partner", "roles", "--all", "--state", "bad", hub=pair.aster, code=2).err
    )
