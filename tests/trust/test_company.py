"""Registered numbers and bank accounts: slips of the pen are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.trust import HUB

from ecluse.trust import Configuration, ConfigurationError, plan
from ecluse.trust.company import masked_iban

IBAN = "FR7630006000011234567890189"
GOOD = {
    "vat": ("FR83404833048", "DE136695976", "FRA1732829320"),
    "siren": ("732829320", "356000000"),
    "siret": ("73282932000074", "35600000000048", "35600000009075"),
    "gln": ("4012345000009",),
    "lei": ("529900T8BM49AURSDO55",),
    "duns": ("123456789",),
    "eori": ("FR73282932000074",),
}
BAD = {
    "vat": ("FR84404833048", "fr83404833048", "83404833048"),
    "siren": ("732829321", "7328293", "73282932x"),
    "siret": ("73282932000075", "35600000000049"),
    "gln": ("4012345000008", "401234500000"),
    "lei": ("529900T8BM49AURSDO56", "529900t8bm49aursdo55"),
    "duns": ("12345678",),
    "eori": ("73282932000074",),
}


def configured(table: str) -> Configuration:
    return Configuration.from_files(
        {"ecluse.toml": HUB, "partners/birch.toml": f'name = "Birch"\nstate = "invited"\n{table}\n'}
    )


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in GOOD for value in GOOD[name]])
def test_good_numbers(name: str, value: str) -> None:
    identifiers = configured(f'[identifiers]\n{name} = "{value}"').partners["birch"].identifiers
    assert getattr(identifiers, name) == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
def test_bad_numbers(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured(f'[identifiers]\n{name} = "{value}"')
    (problem,) = caught.value.problems
    assert problem.field == f"identifiers.{name}"
    assert problem.code in ("config.bad-identifier", "config.bad-value")


@pytest.mark.parametrize(
    "iban", [IBAN, "DE89370400440532013000", "GB82WEST12345698765432", "NO9386011117947", "BE68539007547034"]
)
def test_good_accounts(iban: str) -> None:
    bank = configured(f'[bank]\niban = "{iban}"').partners["birch"].bank
    assert bank is not None
    assert bank.iban == iban


@given(st.integers(2, len(IBAN) - 1), st.sampled_from("0123456789"))
def test_one_wrong_character_is_told(place: int, character: str) -> None:
    wrong = IBAN[:place] + character + IBAN[place + 1 :]
    if wrong != IBAN:
        with pytest.raises(ConfigurationError) as caught:
            configured(f'[bank]\niban = "{wrong}"')
        assert wrong not in str(caught.value)


def test_an_account_never_stands_whole_in_a_plan() -> None:
    text = plan(None, configured(f'[bank]\niban = "{IBAN}"\nholder = "Birch Ltd"')).text()
    assert IBAN not in text
    assert masked_iban(IBAN) in text
    assert masked_iban(IBAN).startswith("FR76…0189 (SHA-256 ")
    assert IBAN not in repr(configured(f'[bank]\niban = "{IBAN}"').partners)
    other = plan(
        configured(f'[bank]\niban = "{IBAN}"'), configured('[bank]\niban = "DE89370400440532013000"')
    )
    assert [change.field for change in other.changes] == ["bank.iban"]


@pytest.mark.parametrize(
    "table",
    [
        '[[contacts]]\nrole = "edi"\nname = "J\u3164o"',
        '[bank]\niban = "DE89370400440532013000"\nholder = "Bi\u2800rch"',
        '[[contacts]]\nrole = "edi"\nemail = "nobody"',
    ],
)
def test_text_that_is_not_what_it_seems(table: str) -> None:
    with pytest.raises(ConfigurationError):
        configured(table)
