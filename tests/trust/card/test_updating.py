"""A later card: what it changes, what stays, and what about it makes people think."""

from __future__ import annotations

import base64
import tomllib

import msgspec
import pytest
import tomli_w
from tests.support.trust import NOW, instant, keyring

from ecluse.model.basics import Instant
from ecluse.trust import Configuration, MemoryKeyring, make_card, partner_files, plan, read_card
from ecluse.trust.card import Card, compare, updated_files

OURS = '[organisation]\nname = "Birch"\nas2_id = "BIRCH"\n'
DAY = 86_400 * 1_000_000
LATER = instant(2026, 6, 20)
RING = keyring("main", "next", "other")
RING.generate("ssh-host", "ed25519", subject="Aster")
RING.generate("ssh-next", "ed25519", subject="Aster")
RING.generate("ssh-out", "ed25519", subject="Aster")
FIRST = "FR7630006000011234567890189"
SECOND = "DE89370400440532013000"


def card(
    key: str = "main",
    *,
    ring: MemoryKeyring = RING,
    url: str = "https://as2.aster.example/as2",
    iban: str | None = FIRST,
    host: str = "ssh-host",
    now: Instant = NOW,
    more: str = "",
) -> Card:
    bank = f'[organisation.bank]\niban = "{iban}"\nholder = "Aster SA"\n' if iban else ""
    text = (
        f'[organisation]\nname = "Aster"\nas2_id = "ASTER"\nssh_keys = ["ssh-out"]\n{bank}'
        f'[[organisation.keys]]\nref = "{key}"\n[listen.as2]\npublic_url = "{url}"\n'
        f'[listen.sftp]\npublic_address = "sftp.aster.example:22"\nhost_keys = ["{host}"]\n{more}'
    )
    return read_card(make_card(Configuration.from_files({"ecluse.toml": text}).hub, ring, now).encode())


def held(first: Card | None = None) -> dict[str, str]:
    sftp = {"user": "birch", "password": "env:P"}
    files = partner_files(first or card(), "aster", now=NOW, account="aster", sftp=sftp)
    return {"ecluse.toml": OURS, **files}


def compared(later: Card, files: dict[str, str] | None = None):
    configuration = Configuration.from_files(files or held())
    return compare(later, configuration.partners["aster"], configuration.certificates["aster"], ())


def updated(
    later: Card, files: dict[str, str] | None = None, *, overlap: int = 30 * DAY, now: Instant = LATER
):
    files = files or held()
    partner = Configuration.from_files(files).partners["aster"]
    return updated_files(files, "aster", partner, later, now, overlap=overlap)


def other_hand() -> MemoryKeyring:
    ring = keyring("main", "next")
    for ref in ("ssh-host", "ssh-out"):
        ring.generate(ref, "ed25519", subject="Aster")
    return ring


def test_the_same_again() -> None:
    comparison = compared(card())
    assert (comparison.signer, comparison.serial, comparison.changes) == ("same", "same", ())
    assert not comparison.alarms


def test_a_renewed_certificate_of_the_same_hand() -> None:
    comparison = compared(card("next", now=LATER))
    assert (comparison.signer, comparison.serial) == ("same", "higher")
    assert [(each.kind, each.action) for each in comparison.changes] == [
        ("certificate", "add"),
        ("certificate", "remove"),
    ]
    assert not comparison.severe
    assert compared(card("next", now=instant(2026, 5, 1))).serial == "lower"
    first = msgspec.structs.replace(card("next", now=instant(2026, 5, 1)), serial=0)
    assert compared(first).serial == "lower", "a card of the first format is older than one that has a number"


def test_keys_and_bank_together_by_another_hand() -> None:
    comparison = compared(card(ring=other_hand(), iban=SECOND, now=LATER))
    assert comparison.signer == "other"
    assert {each.code for each in comparison.alarms} >= {"other-signer", "keys-and-bank"}
    assert comparison.severe
    bank = next(each for each in comparison.changes if each.kind == "bank")
    assert SECOND not in str(bank)
    assert FIRST not in str(bank)
    assert bank.before.startswith("FR76…0189")


def test_bank_details_alone() -> None:
    comparison = compared(card(iban=SECOND, now=LATER))
    assert [each.code for each in comparison.alarms] == ["bank"]
    assert comparison.severe
    # What was empty before can't be diverted.
    assert not compared(card(now=LATER), held(card(iban=None))).severe


def test_another_host() -> None:
    comparison = compared(card(url="https://as2.astre.example/as2", now=LATER))
    assert [(each.code, each.severe) for each in comparison.alarms] == [("endpoint", False)]
    assert not compared(card(url="https://as2.aster.example/new", now=LATER)).alarms
    both = compared(card("next", url="https://as2.astre.example/as2", now=LATER))
    assert both.severe


def test_nothing_is_known_of_who_signed_before() -> None:
    files = held()
    table = tomllib.loads(files["partners/aster.toml"])
    del table["card"]
    files["partners/aster.toml"] = tomli_w.dumps(table)
    comparison = compared(card("next", now=LATER), files)
    assert (comparison.signer, comparison.serial) == ("unknown", "unknown")
    assert "unsigned-before" in {each.code for each in comparison.alarms}


def test_the_old_certificate_stays_for_an_overlap() -> None:
    result = updated(card("next", now=LATER))
    configuration = Configuration.from_files(result.files, LATER)
    certificates = configuration.certificates["aster"]
    old, new = RING.certificate("main"), RING.certificate("next")
    assert certificates.at("verify", Instant(LATER + 1)) == (new, old)
    assert certificates.at("encrypt", Instant(LATER + 1))[0] == new
    assert certificates.at("verify", Instant(LATER + 29 * DAY)) == (new, old)
    assert certificates.at("verify", Instant(LATER + 31 * DAY)) == (new,)
    assert any("until 2026-07-20" in line for line in result.kept)
    # The card once more changes nothing but when it was taken.
    again = updated(card("next", now=LATER), result.files, now=Instant(LATER + DAY))
    before = Configuration.from_files(result.files)
    assert [each.field for each in plan(before, Configuration.from_files(again.files)).changes] == [
        "card.taken"
    ]


def test_no_overlap() -> None:
    result = updated(card("next", host="ssh-next", now=LATER), overlap=0)
    configuration = Configuration.from_files(result.files, LATER)
    assert configuration.certificates["aster"].at("verify", LATER) == (RING.certificate("next"),)
    partner = configuration.partners["aster"]
    assert partner.sftp is not None
    assert partner.sftp.host_keys == (RING.ssh_public_key("ssh-next"),)
    assert result.kept == ()


def test_ssh_keys_stay_beside_the_new_ones() -> None:
    result = updated(card(host="ssh-next", now=LATER))
    partner = Configuration.from_files(result.files, LATER).partners["aster"]
    assert partner.sftp is not None
    assert partner.sftp.host_keys == (RING.ssh_public_key("ssh-next"), RING.ssh_public_key("ssh-host"))
    assert any("sftp.host_keys SHA256:" in line for line in result.kept)


def test_what_we_chose_stays_while_they_take_it() -> None:
    files = held()
    files["partners/aster.toml"] = files["partners/aster.toml"].replace(
        'encrypt = "aes-256-gcm"', 'encrypt = "aes-128-cbc"\nsubject = "ours"'
    )
    table = tomllib.loads(updated(card("next", now=LATER), files).files["partners/aster.toml"])
    assert (table["as2"]["encrypt"], table["as2"]["subject"]) == ("aes-128-cbc", "ours")
    plain = msgspec.to_builtins(card("next", now=LATER))
    fewer = msgspec.convert({**plain, "offers": {"encrypt": ["aes-256-gcm"]}}, Card)
    changed = compared(fewer, files).changes
    assert ("algorithm", "aes-128-cbc", "aes-256-gcm") in {
        (each.kind, each.before, each.after) for each in changed
    }
    table = tomllib.loads(updated(fewer, files).files["partners/aster.toml"])
    assert table["as2"]["encrypt"] == "aes-256-gcm"


def test_comments_in_the_partners_file_stay() -> None:
    files = held()
    files["partners/aster.toml"] = "# contract 118\n" + files["partners/aster.toml"]
    assert (
        updated(card(iban=SECOND, now=LATER), files)
        .files["partners/aster.toml"]
        .startswith("# contract 118\n")
    )


def test_the_card_is_remembered() -> None:
    later = card("next", now=LATER)
    table = tomllib.loads(updated(later).files["partners/aster.toml"])
    assert table["card"]["serial"] == LATER // 1000
    assert base64.b64decode(table["card"]["log_key"]) == RING.log_public_key


@pytest.mark.parametrize("name", ["Аster", "As\u0442er"])
def test_a_name_of_two_alphabets(name: str) -> None:
    later = msgspec.structs.replace(card(now=LATER), name=name)
    assert "mixed-scripts" in {each.code for each in compared(later).alarms}
