"""The tamper battery: real packs, changed in every way by two kinds of hands; what is found, and what can't be."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ecluse_verify import Keys, Level, Report, verify_pack
from ecluse_verify.certificates import load_pem
from ecluse_verify.notes import VerifierKey
from tests.support.forgery import Attack, byte_attacks, field_attacks, log_attacks, proof_attacks
from tests.support.packs import Company, Files, Vouchers, World, canonical, read_pack, write_pack


@dataclass
class Side:
    """A real pack with vouchers, another one of the same log, and what a careful reader holds against it."""

    company: Company
    files: Files
    other: Files
    keys: Keys
    trust: Path
    folder: Path

    def verify(self, files: Files, *, careful: bool = True) -> Report:
        path = write_pack(self.folder / "tampered.zip", files)
        keys = self.keys if careful else Keys(self.keys.log)
        return verify_pack(path, keys, tuple(load_pem(self.trust.read_bytes())) if careful else ())


@pytest.fixture(scope="module", params=["aster", "birch"])
def side(request: pytest.FixtureRequest, world: World, vouchers: Vouchers, tmp_path_factory: pytest.TempPathFactory) -> Side:
    company = world.companies[request.param]
    files, other = (company.resign(vouchers.vouch(read_pack(path))) for path in company.packs)
    keys = Keys((VerifierKey.parse(company.key),), vouchers.keys, tuple(load_pem(vouchers.root.read_bytes())))
    trust = world.pem("birch" if request.param == "aster" else "aster")
    return Side(company, files, other, keys, trust, tmp_path_factory.mktemp("battery"))


def pretty(value: object) -> bytes:
    return canonical(value)


def attacks(side: Side) -> list[Attack]:
    files = side.files
    account = next(path for path in files if path.endswith("message.json"))
    return [
        *byte_attacks(files, side.other, random.Random(4711)),
        *proof_attacks(files),
        *field_attacks(account, files, pretty),
        *field_attacks("manifest.json", files, canonical),
        *field_attacks("log/keys.json", files, canonical),
    ]


def broken(report: Report) -> list[str]:
    return [f"{each.file}: {each.code}" for each in report.findings if each.level is Level.BROKEN]


def test_the_pack_itself_holds(side: Side) -> None:
    for careful in (True, False):
        report = side.verify(side.files, careful=careful)
        assert broken(report) == []
    codes = {each.code for each in side.verify(side.files).findings if each.level is Level.PROVEN}
    assert codes >= {"witness.proven", "stamp.proven", "ers.proven", "certificate.trusted", "mic.equal"}


def test_with_the_disk_alone(side: Side) -> None:
    """Whatever is changed is found, and named."""
    missed: list[str] = []
    total = 0
    for attack in attacks(side):
        hands = [attack.files]
        if attack.files.get("manifest.json") == side.files["manifest.json"]:
            hands.append(side.company.relist(attack.files))
        for files in hands:
            total += 1
            found = broken(side.verify(files))
            named = [each for each in found if each.startswith((attack.touched, "manifest.note: ", "extra"))]
            if not named:
                missed.append(f"{attack.of}, {attack.touched}: {attack.what}: {found}")
    print(f"{total} attacks with the disk alone, {len(missed)} missed")
    assert missed == []
