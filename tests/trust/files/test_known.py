"""What an earlier process found of files: it counts for the same texts, under the same keyring, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trust import HUB, NOW, PARTNER, certificate, instant, key, pem

from ecluse.model.basics import Instant, system_entropy
from ecluse.trust import Configuration, ConfigurationError, MemoryKeyring
from ecluse.trust.files.known import FORMAT, Known
from ecluse.trust.keys.openpgp import armored_certificate

DAY = 86_400 * 1_000_000
OPENPGP = '[openpgp]\ncertificates = ["openpgp/birch.asc"]\n'


@pytest.fixture(scope="module")
def keyring() -> MemoryKeyring:
    return MemoryKeyring()


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    ring = MemoryKeyring(lambda: NOW)
    chained = certificate("cedar", issuer=("Root", key("2048")))
    return {
        "ecluse.toml": HUB,
        "partners/birch.toml": PARTNER.replace("[[certificates]]", f"{OPENPGP}[[certificates]]"),
        "certificates/birch.pem": pem(certificate("Birch")),
        "openpgp/birch.asc": armored_certificate(
            ring.generate_openpgp("birch", "Birch", kind="curve25519", days=100)
        ),
        "partners/cedar.toml": PARTNER.replace("birch", "cedar").replace("BIRCH", "CEDAR"),
        "certificates/cedar.pem": pem(chained, certificate("Root", "2048")),
    }


def facts(configuration: Configuration) -> object:
    return (
        dict(configuration.partners),
        dict(configuration.certificates),
        {path: configuration.openpgp[path] for path in configuration.openpgp},
    )


def test_reading_comes_to_the_same(keyring: MemoryKeyring, files: dict[str, str]) -> None:
    read = Configuration.from_files(files, NOW)
    sealed = Known.of(read, NOW).seal(keyring, system_entropy)
    known = Known.open(sealed, keyring)
    assert known is not None
    assert len(known) == 4, "a file with a chain is read anew"
    again = Configuration.from_files(files, NOW, known=known)
    assert facts(again) == facts(read)
    assert known.missed == 0


def test_another_text_is_not_known(keyring: MemoryKeyring, files: dict[str, str]) -> None:
    known = Known.of(Configuration.from_files(files, NOW), NOW)
    changed = {**files, "partners/birch.toml": files["partners/birch.toml"].replace("https", "ftp")}
    with pytest.raises(ConfigurationError):
        Configuration.from_files(changed, NOW, known=known)
    assert known.missed == 1
    damaged = {**files, "openpgp/birch.asc": files["openpgp/birch.asc"].replace("m", "n", 3)}
    with pytest.raises(ConfigurationError):
        Configuration.from_files(damaged, NOW, known=known)


def test_time_goes_on(files: dict[str, str]) -> None:
    """A certificate that ended since is told of, whoever read it first."""
    known = Known.of(Configuration.from_files(files, NOW), NOW)
    later = Instant(NOW + 101 * DAY)
    told: list[list[str]] = []
    for given_known in (None, known):
        with pytest.raises(ConfigurationError) as caught:
            Configuration.from_files(files, later, known=given_known)
        told.append([str(problem) for problem in caught.value.problems])
    assert told[0] == told[1]
    assert any("openpgp.certificate-expired" in text for text in told[0])
    before = Configuration.from_files(files, NOW)
    with pytest.raises(ConfigurationError) as caught:
        Configuration.from_files(files, later, before=before)
    assert [str(problem) for problem in caught.value.problems] == told[0]
    assert Configuration.from_files(files, Instant(NOW + 99 * DAY), before=before).partners
    with pytest.raises(ConfigurationError):
        Configuration.from_files(files, instant(2019), before=before)


def test_only_the_keyring_that_sealed_it_opens_it(keyring: MemoryKeyring, files: dict[str, str]) -> None:
    sealed = Known.of(Configuration.from_files(files, NOW), NOW).seal(keyring, system_entropy)
    assert Known.open(sealed, MemoryKeyring()) is None
    assert Known.open(sealed, keyring) is not None
    assert Known.open(sealed.replace(b"https://as2.birch", b"https://as2.forge"), keyring) is None
    assert Known.open(sealed.replace(FORMAT, b"ecluse.known/0\n"), keyring) is None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_not_believed(data: st.DataObject, keyring: MemoryKeyring) -> None:
    sealed = bytearray(_sealed(keyring))
    match data.draw(st.sampled_from(["flip", "cut", "noise"])):
        case "flip":
            sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
        case "cut":
            del sealed[data.draw(st.integers(0, len(sealed) - 1)) :]
        case _:
            sealed[len(FORMAT) :] = data.draw(st.binary(max_size=200))
    assert Known.open(bytes(sealed), keyring) is None


_kept: dict[int, bytes] = {}


def _sealed(keyring: Any) -> bytes:
    if id(keyring) not in _kept:
        files = {
            "ecluse.toml": HUB,
            "partners/birch.toml": PARTNER,
            "certificates/birch.pem": pem(certificate()),
        }
        _kept[id(keyring)] = Known.of(Configuration.from_files(files, NOW), NOW).seal(keyring, system_entropy)
    return _kept[id(keyring)]
