"""Hostile cards and files: signed by whoever made them, and deep, long, or full of hostile parts."""

from __future__ import annotations

import base64
import functools
import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hostile import der, mpint, mutants, name, odd, pem, rsa_spki, soon, ssh_line
from tests.support.trust import HUB, NOW, keyring

from ecluse.errors import EcluseError
from ecluse.trust import Configuration, ConfigurationError, make_card, partner_files, read_card
from ecluse.trust.card import Card, CardError
from ecluse.trust.card.envelope import card_text, signed

RING = keyring("main")
TEXT = make_card(Configuration.from_files({"ecluse.toml": HUB}).hub, RING, NOW)


def forged(**changed: object) -> bytes:
    """A card that is signed all the same."""
    card = msgspec.convert({**msgspec.to_builtins(read_card(TEXT.encode())), **changed}, Card, strict=False)
    return card_text(card, RING.log_sign(signed(card))).encode()


def raw(body: bytes) -> bytes:
    """A card with any body, signed."""
    signature = base64.b64encode(RING.log_sign(b"ecluse.card/2\n" + body)).decode()
    marks = "-----BEGIN ECLUSE CARD-----\n%s-----END ECLUSE CARD-----\nsignature %s\n"
    return ("ecluse.card/2\n" + marks % (body.decode("utf-8", "replace"), signature)).encode()


def refused(data: bytes) -> CardError:
    with soon(), pytest.raises(CardError) as caught:
        read_card(data)
    assert caught.value.code.startswith("card.")
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"\n",
        b'{"format":' * 20_000 + b"\n",
        b'{"format":"ecluse.card/2","identifiers":' + b'{"vat":' * 20_000 + b"\n",
        b'{"format":"ecluse.card/2","name":' + b"9" * 200_000 + b"}\n",
        b'{"format":"ecluse.card/2"}\n',
        b'{"format":2}\n',
        b"null\n",
        b"\xff\xfe\n",
    ],
)
def test_bodies(body: bytes) -> None:
    refused(raw(body))


def test_a_field_that_is_not_known() -> None:
    table = msgspec.to_builtins(read_card(TEXT.encode()))
    refused(raw(json.dumps({**table, "administrator": True}).encode() + b"\n"))


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"name": "Bir\u202ech"}, "plain text"),
        ({"name": "B\u115firch"}, "plain text"),
        ({"names": ["x" * 200] * 17}, "more than 16"),
        ({"contacts": [{"role": "edi", "phone": "+331234567"}] * 17}, "more than 16"),
        ({"certificates": [{"pem": pem(der(serial=-1)).decode(), "use": ["verify"]}]}, "serial number"),
        ({"certificates": [{"pem": pem(der(subject=name("x" * 5000))).decode(), "use": ["verify"]}]}, "longer"),
        ({"certificates": [{"pem": "-----BEGIN CERTIFICATE-----\n" * 100, "use": ["verify"]}]}, "more than 32"),
        ({"ssh_keys": [ssh_line("ssh-rsa", mpint(3), mpint(odd(2048)))]}, "exponent"),
        ({"host_keys": [ssh_line("ssh-rsa", mpint(65537), mpint((1 << 65535) | 1))]}, "65536"),
        ({"host_keys": ["@cert-authority " + ssh_line("ssh-ed25519", b"\0")]}, "length"),
        ({"openpgp": ["-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----"]}, "OpenPGP"),
        ({"openpgp": ["A" * 200_000]}, "OpenPGP"),
        ({"endpoints": {"sftp": "birch.example:0"}}, "port"),
        ({"expires": "2026-02-31"}, "date"),
        ({"offers": {"sign": ["sha-256"] * 17}}, "more than 16"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_parts(changed: dict[str, object], word: str) -> None:
    assert word in refused(forged(**changed)).cause


def test_a_private_key_on_a_card() -> None:
    text = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    assert "private key" in refused(forged(certificates=[{"pem": text, "use": ["verify"]}])).cause


@functools.cache
def slow_chain() -> str:
    """32 certificates that could each have issued each, with keys that are slow to verify with."""
    return pem(
        *[der(spki=rsa_spki(odd(512), 65537), serial=number, signature=bytes(64)) for number in range(1, 33)]
    ).decode()


def test_every_place_full_of_chains_ends_in_time() -> None:
    entry = {"pem": slow_chain(), "use": ["verify", "encrypt"]}
    count = 0
    while count < 16 and len(forged(certificates=[entry] * (count + 1))) < 250_000:
        count += 1
    with soon():
        card = read_card(forged(certificates=[entry] * count))
        files = partner_files(card, now=NOW)
        with pytest.raises(ConfigurationError):
            Configuration.from_files({"ecluse.toml": HUB.replace("ASTER", "BIRCH"), **files}, NOW)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_mutants_give_our_errors(seed: int) -> None:
    original = TEXT.encode()
    for data in mutants(original, seed, 4):
        with soon(), suppress(CardError):
            assert read_card(data) == read_card(original)


def _paths(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(each for key, child in children for each in _paths(child, (*path, key)))]


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40),
    st.lists(st.text(max_size=4), max_size=4),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_value_anywhere_with_a_good_signature(data: st.DataObject) -> None:
    table = msgspec.to_builtins(read_card((RICH).encode()))
    path = data.draw(st.sampled_from(_paths(table)[1:]))
    place = table
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = data.draw(JUNK)
    try:
        body = msgspec.json.format(msgspec.json.encode(table), indent=2) + b"\n"
        card = msgspec.convert(table, Card)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        with pytest.raises(CardError):
            read_card(raw(body))
        return
    with soon(), suppress(EcluseError):
        read = read_card(card_text(card, RING.log_sign(signed(card))).encode())
        Configuration.from_files(
            {"ecluse.toml": HUB.replace("ASTER", "OWN"), **partner_files(read, now=NOW)}, NOW
        )


def _rich() -> str:
    ring = RING
    ring.generate("ssh-host", "ed25519", subject="Aster")
    text = (
        '[organisation]\nname = "Aster"\nas2_id = "ASTER"\n[organisation.identifiers]\nsiren = "732829320"\n'
        '[[organisation.contacts]]\nrole = "edi"\nemail = "edi@aster.example"\n'
        '[organisation.bank]\niban = "FR7630006000011234567890189"\n[listen.sftp]\n'
    )
    return make_card(Configuration.from_files({"ecluse.toml": text}).hub, ring, NOW)


RICH = _rich()


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 5_000,
        "[" + ".".join("a" * 1999) + "]\nx = 1",
        "a." * 100_000 + "b = 1",
        'name = "Bir\u202ech"',
        'name = """\nBirch\n"""',
        "serial = " + "9" * 100_000,
        "a = 1\n" * 20_000,
        "[[a]]\n" * 20_000,
        "x = 99999-99-99",
        "\x00",
        "\ufeffname = 1",
    ],
    ids=lambda text: text[:16].encode("unicode_escape").decode(),
)
def test_partners_files(text: str) -> None:
    with soon(), pytest.raises(ConfigurationError) as caught:
        Configuration.from_files({"ecluse.toml": HUB, "partners/birch.toml": text}, NOW)
    assert all(problem.remedy for problem in caught.value.problems)
