"""Changes to a file of somebody's keep what they wrote."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ecluse.trust.files.tomltext import edited

TEXT = """# Birch, contract 118
name = "Birch"     # as they write it
state = "active"

[as2]
id = "BIRCH"
# the port is open for us alone
url = "https://as2.birch.example/as2"
basic_auth = { user = "aster", password = "env:P" }

# until they renew
[[certificates]]
file = "certificates/birch.pem"
use = [
  "verify",
]

[bank]
iban = "DE89370400440532013000"
"""


def test_a_plain_value_is_one_line() -> None:
    assert edited(TEXT, {"state": "suspended"}) == TEXT.replace('"active"', '"suspended"')


def test_what_is_not_there_is_put_into_the_head() -> None:
    text = edited('name = "Birch"\n[as2]\nid = "B"\n', {"state": "active"})
    assert text == 'name = "Birch"\nstate = "active"\n[as2]\nid = "B"\n'


def test_one_value_of_a_table() -> None:
    bank = {"iban": "DE89370400440532013000", "holder": "Birch Ltd"}
    text = edited(TEXT, {"bank": bank})
    assert text == TEXT + 'holder = "Birch Ltd"\n'
    assert edited(TEXT, {"bank": None}).endswith("]\n")


def test_tables_are_added_replaced_and_removed() -> None:
    first = {"file": "certificates/birch.pem", "use": ["verify"]}
    text = edited(TEXT, {"certificates": [first, {"file": "certificates/next.pem"}]})
    assert tomllib.loads(text)["certificates"][1]["file"] == "certificates/next.pem"
    assert text.startswith("# Birch, contract 118")
    assert "# the port is open" in text
    assert "certificates" not in tomllib.loads(edited(TEXT, {"certificates": None}))
    assert edited(TEXT, {"card": {"serial": 1}}).endswith("[card]\nserial = 1\n")


def test_nothing_changes() -> None:
    assert edited(TEXT, {"state": "active", "nothing": None}) is TEXT


def test_a_text_that_looks_like_tables_costs_the_comments_only() -> None:
    tricky = 'name = """\n[bank]\nstate = 1\n"""\n# a comment\n[bank]\niban = "x"\n'
    result = edited(tricky, {"bank": {"iban": "y"}, "state": "active"})
    assert tomllib.loads(result) == {"name": "[bank]\nstate = 1\n", "state": "active", "bank": {"iban": "y"}}


VALUES = st.one_of(
    st.text(max_size=20),
    st.integers(-(2**60), 2**60),
    st.booleans(),
    st.lists(st.text(max_size=5), max_size=3),
)
TABLES = st.dictionaries(st.sampled_from(["id", "url", "a-b"]), VALUES, max_size=3)
ANY = st.one_of(VALUES, TABLES, st.lists(TABLES, min_size=1, max_size=3))
KEYS = st.sampled_from(["name", "state", "as2", "bank", "certificates"])


@given(st.dictionaries(KEYS, ANY, max_size=5), st.dictionaries(KEYS, st.one_of(st.none(), ANY), max_size=3))
def test_it_means_what_was_wanted(before: dict[str, object], changes: dict[str, object]) -> None:
    wanted = {**before, **changes}
    wanted = {key: value for key, value in wanted.items() if value is not None}
    assert tomllib.loads(edited(tomli_w.dumps(before), changes)) == wanted


@pytest.mark.parametrize("text", [TEXT, "", "# only a comment\n"])
def test_whatever_the_file_is(text: str) -> None:
    assert tomllib.loads(edited(text, {"state": "x"}))["state"] == "x"
