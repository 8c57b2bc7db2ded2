"""Cards that earlier releases made are read for ever: stored ones, with the phrases that they had then."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.support.trust import NOW

from ecluse.trust import Configuration, partner_files, read_card
from ecluse.trust.card import CardError, check_time, digest, phrase
from ecluse.trust.card.envelope import card_text, signed

SAMPLES = Path(__file__).parent / "samples"
OURS = '[organisation]\nname = "Birch"\nas2_id = "BIRCH"\n'


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.card").read_bytes()


@pytest.mark.parametrize(
    ("name", "words"),
    [("first", "98062 22452 19136 49228"), ("second", "92549 87260 37566 21117")],
)
def test_a_stored_card_reads_as_it_did(name: str, words: str) -> None:
    card = read_card(sample(name))
    assert (card.format[-1], card.name, card.as2_id) == ("1" if name == "first" else "2", "Aster", "ASTER")
    assert phrase(card) == words
    assert card.endpoints.as2 == "https://as2.aster.example/as2"
    assert card.email == "edi@aster.example"
    check_time(card, NOW)
    configuration = Configuration.from_files({"ecluse.toml": OURS, **partner_files(card, now=NOW)}, NOW)
    partner = configuration.partners["aster"]
    assert partner.card is not None
    assert (partner.card.digest, partner.card.serial) == (digest(card), card.serial)
    assert [each.email for each in partner.contacts] == ["edi@aster.example"]


def test_the_second_format_says_more() -> None:
    card = read_card(sample("second"))
    assert card.endpoints.sftp == "sftp.aster.example:2222"
    assert card.identifiers is not None
    assert (card.identifiers.siren, card.identifiers.lei) == ("732829320", "529900T8BM49AURSDO55")
    assert card.bank is not None
    assert (card.bank.iban[:4], card.bank.holder) == ("FR76", "Aster SA")
    assert len(card.host_keys) == len(card.ssh_keys) == len(card.openpgp) == 1
    files = partner_files(card, now=NOW, account="aster", sftp={"user": "birch", "password": "env:PASSWORD"})
    partner = Configuration.from_files({"ecluse.toml": OURS, **files}, NOW).partners["aster"]
    assert partner.account is not None
    assert partner.account.keys == card.ssh_keys
    assert partner.sftp is not None
    assert (partner.sftp.host, partner.sftp.host_keys) == ("sftp.aster.example:2222", card.host_keys)
    assert partner.openpgp is not None
    assert len(partner.openpgp.certificates) == 1
    assert partner.bank == card.bank


def test_a_first_card_can_not_pass_as_a_second() -> None:
    with pytest.raises(CardError):
        read_card(sample("first").replace(b"ecluse.card/1", b"ecluse.card/2"))
    with pytest.raises(CardError):
        read_card(sample("second").replace(b"ecluse.card/2", b"ecluse.card/1"))


@pytest.mark.parametrize("name", ["first", "second"])
def test_the_text_is_the_one_form_of_a_card(name: str) -> None:
    data = sample(name)
    card = read_card(data)
    assert signed(card).startswith(card.format.encode() + b"\n{")
    signature = data.rsplit(b"signature ", 1)[1]
    assert card_text(card, base64.b64decode(signature)).encode() == data
