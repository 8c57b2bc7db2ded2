"""Operators in ecluse.toml: who they are, and what is refused."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.operators import Person, operators_toml, person
from tests.support.trust import HUB

from ecluse.trust.changes.plan import plan
from ecluse.trust.configuration import Configuration
from ecluse.trust.errors import ConfigurationError
from ecluse.trust.keys.ssh_public import public_key_problem
from ecluse.trust.operators import approvers, four_eyes

P = 2**255 - 19
EIGHT = 2707385501144840649318225287225658788936804267575313519463743609750303402022
SMALL = [0, 1, P - 1, P, P + 1, EIGHT, P - EIGHT]

ADA, BERTA = person("ada"), person("berta")


def read(text: str) -> Configuration:
    return Configuration.from_files({"ecluse.toml": HUB + text})


def refused(text: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as raised:
        read(text)
    return {problem.field: problem.code for problem in raised.value.problems}


def test_two_of_role_trust_are_four_eyes() -> None:
    none, one, two = (read(operators_toml(who)).hub.operators for who in ([], [ADA], [ADA, BERTA]))
    assert [four_eyes(each) for each in (none, one, two)] == [False, False, True]
    other = read(operators_toml([ADA]) + operators_toml([BERTA], '"run", "audit"')).hub.operators
    assert [each.name for each in approvers(other)] == ["ada"]
    assert not four_eyes(other)


@pytest.mark.parametrize(
    ("text", "field", "code"),
    [
        (operators_toml([ADA, person("ada", "x")]), "operators[1].name", "config.duplicate-operator"),
        (operators_toml([ADA, person("berta", "ada")]), "operators[1].keys[0]", "config.duplicate-operator"),
        (operators_toml([ADA]).replace(ADA.line, ADA.line[:40]), "operators[0].keys[0]", "config.bad-value"),
        (operators_toml([ADA], '"root"'), "operators[0].roles[0]", "config.bad-value"),
        (operators_toml([ADA], ""), "operators[0].roles", "config.bad-value"),
        (operators_toml([ADA]) + 'password = "x"\n', "operators[0].password", "config.unknown-field"),
        ('[[operators]]\nname = "ada"\nroles = ["trust"]\n', "operators[0].keys", "config.missing-field"),
        ('[[operators]]\nname = "ada"\n', "operators[0].roles", "config.missing-field"),
        ('[changes]\ntime_limit = "1s"\n', "changes.time_limit", "config.bad-value"),
        ('[changes]\ntime_limit = "91d"\n', "changes.time_limit", "config.bad-value"),
    ],
)
def test_what_is_refused(text: str, field: str, code: str) -> None:
    assert refused(text)[field] == code


def test_one_address_is_one_person() -> None:
    mail = operators_toml([ADA, BERTA]).replace("keys", 'email = "Ada@aster.example"\nkeys')
    assert refused(mail.replace("Ada@", "ADA@", 1)) == {"operators[1].email": "config.duplicate-operator"}


def test_a_key_with_another_comment_is_the_same_key() -> None:
    text = operators_toml([ADA, person("berta", "ada")]).replace(f'{ADA.line}"]', f'{ADA.line} laptop"]', 1)
    assert refused(text) == {"operators[1].keys[0]": "config.duplicate-operator"}


def test_short_rsa_keys_are_refused() -> None:
    short = Person("ada", rsa.generate_private_key(65537, 2048))
    assert refused(operators_toml([short])) == {"operators[0].keys[0]": "trust.weak-key"}


def test_a_key_of_another_kind_than_its_line_says() -> None:
    text = operators_toml([ADA]).replace("ssh-ed25519", "ssh-rsa")
    assert refused(text) == {"operators[0].keys[0]": "config.bad-value"}


def test_the_plan_tells_operators_by_name() -> None:
    (added,) = plan(read(operators_toml([BERTA])), read(operators_toml([ADA, BERTA]))).changes
    assert (added.kind, added.field) == ("add", "operator ada")
    assert added.after.startswith("roles trust, keys SHA256:")
    swapped = read(operators_toml([person("ada", "other"), BERTA]))
    (changed,) = plan(read(operators_toml([ADA, BERTA])), swapped).changes
    assert (changed.kind, changed.field) == ("change", "operator ada")
    assert not plan(read(operators_toml([ADA, BERTA])), read(operators_toml([BERTA, ADA])))


def test_one_modulus_is_one_person() -> None:
    """Whoever has the private key for one exponent has it for another."""
    one = rsa.generate_private_key(65537, 3072)
    numbers = one.public_key().public_numbers()
    other = rsa.RSAPublicNumbers(65539, numbers.n).public_key()
    lines = [
        each.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        for each in (one.public_key(), other)
    ]
    text = "".join(
        f'\n[[operators]]\nname = "{name}"\nkeys = ["{line}"]\nroles = ["trust"]\n'
        for name, line in zip(("ada", "berta"), lines, strict=True)
    )
    assert refused(text) == {"operators[1].keys[0]": "config.duplicate-operator"}


@pytest.mark.parametrize("y", SMALL)
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_a_key_that_is_nobodys_is_no_operators(y: int, sign: int) -> None:
    point = (y | sign).to_bytes(32, "little")
    blob = b"".join(len(each).to_bytes(4, "big") + each for each in (b"ssh-ed25519", point))
    line = f"ssh-ed25519 {base64.b64encode(blob).decode()}"
    text = f'\n[[operators]]\nname = "eve"\nkeys = ["{line}"]\nroles = ["trust"]\n'
    assert refused(text) == {"operators[0].keys[0]": "config.bad-value"}
    assert public_key_problem(line) == "it is nobody's: anybody can sign as its owner."
