"""Cards: whole or refused, and nothing trusted before it is applied."""

from __future__ import annotations

import base64
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trust import HUB, NOW, certificate, instant, keyring, pem

from ecluse.errors import EcluseError
from ecluse.trust import Configuration, MemoryKeyring, make_card, partner_files, read_card
from ecluse.trust.card import MAX_CARD, Card, CardError, check_time, phrase
from ecluse.trust.card.envelope import card_text, signed

RING = keyring("main", "next")
HUB_TEXT = (
    HUB
    + 'email = "edi@aster.example"\n[listen.as2]\npublic_url = "https://as2.aster.example/as2"\n'
    + '[[organisation.keys]]\nref = "main"\nuntil = 2027-01-01\n'
    + 'use = ["sign", "decrypt", "mdn-sign", "tls"]\n'
    + '[[organisation.keys]]\nref = "next"\nfrom = 2026-12-01\n'
)
TEXT = make_card(Configuration.from_files({"ecluse.toml": HUB_TEXT}).hub, RING, NOW)


def forged(ring: MemoryKeyring = RING, **changed: object) -> bytes:
    """A card with other contents, signed all the same."""
    table = msgspec.to_builtins(read_card(TEXT.encode()))
    card = msgspec.convert({**table, **changed}, Card)
    return card_text(card, ring.log_sign(signed(card))).encode()


def code(data: bytes) -> str:
    with pytest.raises(CardError) as caught:
        read_card(data)
    return caught.value.code


def test_a_card_says_who_where_and_with_which_certificates():
    card = read_card(TEXT.encode())
    assert (card.name, card.as2_id, card.endpoints.as2) == ("Aster", "ASTER", "https://as2.aster.example/as2")
    assert card.certificates[0].use == ("verify", "encrypt", "mdn-verify", "tls")
    assert (card.certificates[0].ends, card.certificates[1].begins) == ("2027-01-01", "2026-12-01")
    assert base64.b64decode(card.log_key) == RING.log_public_key
    assert re.fullmatch(r"\d{5} \d{5} \d{5} \d{5}", phrase(card))
    assert TEXT.startswith("ecluse.card/2\nAster, AS2 id ASTER, https://as2.aster.example/as2, edi@aster")
    assert "PRIVATE" not in TEXT


def test_a_card_becomes_a_partner_of_another_hub():
    files = partner_files(read_card(TEXT.encode()))
    ours = '[organisation]\nname = "Birch"\nas2_id = "BIRCH"\n'
    configuration = Configuration.from_files({"ecluse.toml": ours, **files}, NOW)
    partner = configuration.partners["aster"]
    assert (partner.as2.id, partner.as2.url) == ("ASTER", "https://as2.aster.example/as2")
    assert (partner.as2.encrypt, partner.as2.key_padding) == ("aes-256-gcm", "oaep-sha256")
    assert configuration.certificates["aster"].at("encrypt", NOW) == RING.chain("main")
    overlap = configuration.certificates["aster"].at("verify", instant(2026, 12, 15))
    assert overlap == (RING.certificate("next"), RING.certificate("main"))
    assert "partners/elsewhere.toml" in partner_files(read_card(TEXT.encode()), "elsewhere")


def test_mail_programs_may_change_line_ends_and_blanks():
    card = read_card(TEXT.encode())
    assert read_card(("\r\n\r\n" + TEXT.replace("\n", "  \r\n") + "\r\n").encode()) == card


def test_another_card_has_another_phrase():
    card = read_card(TEXT.encode())
    assert phrase(read_card(forged(endpoints={"as2": "https://evil.example/as2"}))) != phrase(card)
    assert phrase(read_card(TEXT.encode())) == phrase(card)


def test_readable_lines_are_part_of_the_card():
    assert code(TEXT.replace("Aster, AS2", "Birch, AS2", 1).encode()) == "card.damaged"
    assert code(("Please ignore the phrase.\n" + TEXT).encode()) == "card.damaged"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_change_is_noticed(data):
    changed = bytearray(TEXT.encode())
    place = data.draw(st.integers(0, len(changed) - 1))
    before = changed[place]
    changed[place] = data.draw(st.integers(0, 255))
    try:
        card = read_card(bytes(changed))
    except CardError:
        return
    assert before == changed[place] or (chr(before).isspace() and chr(changed[place]).isspace())
    assert card == read_card(TEXT.encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_gives_our_errors_only(data):
    assert code(data) == "card.damaged"


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Aster\x1b[2J"},
        {"name": "Aster\n"},
        {"name": "Ast\u3164er"},
        {"names": ["As\u2066ter"]},
        {"endpoints": {"as2": "https://user:pw@x/"}},
        {"endpoints": {"sftp": "sftp.aster.example:99999"}},
        {"contacts": [{"role": "edi", "name": "J\u202eo"}]},
        {"bank": {"iban": "FR7630006000011234567890188"}},
        {"bank": {"iban": "FR76300060000112345678901"}},
        {"identifiers": {"gln": "4012345000008"}},
        {"identifiers": {"siren": "732829321"}},
        {"openpgp": ["hello"]},
        {"expires": "2026-02-30"},
        {"certificates": [{"pem": "hello", "use": ["verify"]}]},
        {"certificates": [{"pem": "\x00", "use": ["verify"]}]},
        {"log_origin": "x" * 3000},
        {"made": "today\x07"},
    ],
)
def test_hostile_contents_with_a_good_signature(changed):
    assert code(forged(**changed)) == "card.damaged"


def test_hostile_certificate_lists():
    (first, _) = read_card(TEXT.encode()).certificates
    entry = msgspec.to_builtins(first)
    assert code(forged(certificates=[])) == "card.weak"
    assert code(forged(certificates=[entry] * 17)) == "card.weak"
    assert code(forged(certificates=[{**entry, "ends": "2026-02-30"}])) == "card.damaged"
    assert code(forged(certificates=[{**entry, "use": []}])) == "card.damaged"
    assert code(forged(ssh_keys=["ssh-ed25519 " + "A" * 68] * 17)) == "card.weak"
    assert code(forged(openpgp=["x"] * 17)) == "card.weak"


def test_a_format_of_a_later_release():
    assert code(forged(format="ecluse.card/3")) == "card.unknown-format"
    assert code(forged(format="nonsense")) == "card.damaged"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", "cut"),
        ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "another kind"),
    ],
)
def test_hostile_ssh_keys(line, why):
    with pytest.raises(CardError, match=why) as caught:
        read_card(forged(ssh_keys=[line]))
    assert caught.value.code == "card.weak"


def test_a_card_has_its_time():
    card = read_card(TEXT.encode())
    check_time(card, NOW)
    for moment, expected in ((instant(2026, 12, 1), "card.expired"), (instant(2026, 5, 1), "card.not-yet")):
        with pytest.raises(CardError) as caught:
            check_time(card, moment)
        assert caught.value.code == expected


def test_another_key_s_signature():
    assert code(forged(MemoryKeyring())) == "card.damaged"
    assert code(TEXT.encode() + b"x" * MAX_CARD) == "card.damaged"


def test_what_a_card_offers_is_taken_only_where_it_is_known():
    offers = {"sign": ["md5", "sha-384"], "encrypt": ["rc4"], "key_padding": []}
    files = partner_files(read_card(forged(offers=offers)))
    assert 'sign = "sha-384"' in files["partners/aster.toml"]
    assert "encrypt =" not in files["partners/aster.toml"]


@pytest.mark.parametrize("name", ["../../etc", "é à", "...", "a" * 200, '"\\', "ASTER & Sons, Ltd."])
def test_file_names_are_our_own(name):
    for path in partner_files(read_card(forged(name=name))):
        assert re.fullmatch(r"(partners/[a-z0-9-]{1,63}\.toml|certificates/[a-z0-9.-]+\.pem)", path)


def test_weak_keys_on_a_card_do_not_pass_the_configuration():
    weak = forged(certificates=[{"pem": pem(certificate(kind="1024")), "use": ["verify", "encrypt"]}])
    ours = '[organisation]\nname = "Birch"\nas2_id = "BIRCH"\n'
    with pytest.raises(EcluseError) as caught:
        Configuration.from_files({"ecluse.toml": ours, **partner_files(read_card(weak))}, NOW)
    assert "trust.weak-key" in str(caught.value)
