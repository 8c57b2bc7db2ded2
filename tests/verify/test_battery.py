"""The tamper battery: real packs, changed in every way by two kinds of hands; what is found, and what can't be.

Three outcomes are good: it is *found* (broken, by name); it is *told* (less is proven than before, and it is said
what is missing); or only what was a *claim* changed, and is still told as one. One is bad: something untrue is proven.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import pytest
from tests.support.forgery import (
    Attack,
    byte_attacks,
    field_attacks,
    lies,
    log_attacks,
    proof_attacks,
    sealed_attacks,
    swap_attacks,
    unsigned,
    zip_attacks,
)
from tests.support.packs import Company, Files, Vouchers, World, canonical, read_pack, write_pack

from ecluse_verify import Keys, Level, Report, verify_pack
from ecluse_verify.account import Account
from ecluse_verify.certificates import load_pem
from ecluse_verify.cms import Signature
from ecluse_verify.notes import VerifierKey
from ecluse_verify.pack import Pack
from ecluse_verify.stamps import Token, read_token

STEP = 1 if os.environ.get("ECLUSE_WHOLE_BATTERY") else 2
"""Every attack, or every other one: half of them take half a minute."""

CLAIMS = {"account", "keys", "for people", "manifest", "container"}
"""Classes that are the hub's word by their nature: who signs for the hub can have them say what they like."""


@dataclass
class Side:
    """A real pack with vouchers, another one of the same log, and what a careful reader holds against it."""

    company: Company
    files: Files
    other: Files
    twin: Files
    keys: Keys
    trust: Path
    folder: Path
    vouchers: Vouchers

    def verify(self, files: Files) -> Report:
        return self.verify_file(write_pack(self.folder / "tampered.zip", files))

    def verify_file(self, path: Path) -> Report:
        return verify_pack(path, self.keys, tuple(load_pem(self.trust.read_bytes())))

    def resigned(self, attack: Attack) -> Attack:
        """By somebody with the log's key: the manifest is theirs, or is made anew."""
        own = attack.files.get("manifest.json") != self.files["manifest.json"]
        sign = self.company.sign_manifest if own else self.company.resign
        return replace(attack, files=sign(attack.files))

    def bare(self) -> Files:
        """The pack without those who vouch for the log."""
        gone = ("log/stamps/", "log/cosignatures", "log/evidence-records/")
        return {path: data for path, data in self.files.items() if not path.startswith(gone)}

    def verify_plain(self, path: Path, of: str = "") -> Report:
        """By a reader who asks for vouchers only where they are what is attacked."""
        if of in ("time-stamp", "cosignature", "evidence record", "signature"):
            return self.verify_file(path)
        return verify_pack(path, Keys(self.keys.log), tuple(load_pem(self.trust.read_bytes())))


@pytest.fixture(scope="module", params=["aster", "birch"])
def side(
    request: pytest.FixtureRequest,
    world: World,
    vouchers: Vouchers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Side:
    company = world.companies[request.param]
    files, other, twin = (company.resign(vouchers.vouch(read_pack(path))) for path in company.packs)
    root = tuple(load_pem(vouchers.root.read_bytes()))
    keys = Keys((VerifierKey.parse(company.key),), vouchers.keys, root)
    trust = world.pem("birch" if request.param == "aster" else "aster")
    return Side(company, files, other, twin, keys, trust, tmp_path_factory.mktemp("battery"), vouchers)


def attacks(side: Side) -> Iterator[Attack]:
    files = side.files
    yield from byte_attacks(files, side.other, random.Random(4711))
    yield from proof_attacks(files)
    for path in sorted(files):
        if path.endswith("message.json") or path in ("manifest.json", "log/keys.json"):
            yield from field_attacks(path, files, canonical)


def broken(report: Report) -> list[str]:
    return [f"{each.file}: {each.code}" for each in report.findings if each.level is Level.BROKEN]


def proven(report: Report) -> set[tuple[str, str, str]]:
    """What is proven, but for what the manifest says of itself."""
    return {
        (each.file, each.code, str(sorted(each.facts.items())))
        for each in report.findings
        if each.level is Level.PROVEN and not each.code.startswith("manifest.")
    }


def outcome(attack: Attack, report: Report, whole: set[tuple[str, str, str]]) -> str:
    """``named``, ``found``, ``told``, ``claim``, or what is wrong."""
    found = broken(report)
    if found:
        names = (attack.touched, attack.touched.replace(".headers", ".body"))  # a receipt is both
        return "named" if any(each.startswith(names) for each in found) else "found"
    if proven(report) < whole:
        return "told"
    if proven(report) == whole:
        return "claim"
    return f"WRONG: {attack.of}, {attack.touched}: {attack.what}: {proven(report) - whole}"


def say(title: str, outcomes: dict[str, Counter[str]]) -> None:
    """The shares, for each class of octets."""
    total = sum(outcomes.values(), Counter[str]())
    print(f"\n{title}: {total.total()} attacks")
    for of, each in [*sorted(outcomes.items()), ("together", total)]:
        shares = ", ".join(f"{word} {count / each.total():.1%}" for word, count in each.most_common())
        print(f"  {of:16} {each.total():5}  {shares}")


def test_the_pack_itself_holds(side: Side) -> None:
    report = side.verify(side.files)
    assert broken(report) == []
    codes = {code for _, code, _ in proven(report)}
    assert codes >= {"witness.proven", "stamp.proven", "ers.proven", "certificate.trusted", "mic.equal"}


def test_with_the_disk_alone(side: Side) -> None:
    """Whatever is changed is found and named, whether or not the manifest is made anew."""
    whole = proven(side.verify(side.files))
    outcomes: dict[str, Counter[str]] = {}
    for number, attack in enumerate(islice(attacks(side), None, None, 2 * STEP)):
        own = attack.files.get("manifest.json") != side.files["manifest.json"]
        anew = number % 2 and not own
        report = side.verify(side.company.relist(attack.files) if anew else attack.files)
        word = outcome(attack, report, whole)
        if word == "found" and any(each.startswith("manifest.") for each in broken(report)):
            word = "named"  # the manifest was made anew, and is named as what nobody signed
        outcomes.setdefault(attack.of, Counter())[word] += 1
    say(f"{side.company.name}, with the disk alone", outcomes)
    assert set(sum(outcomes.values(), Counter[str]())) == {"named"}


def test_with_the_key_of_the_log(side: Side) -> None:
    """Nothing untrue is ever proven; what is not found touches nothing but what is told as claimed or missing."""
    whole = proven(side.verify(side.files))
    outcomes: dict[str, Counter[str]] = {}
    mine = (each for each in islice(attacks(side), None, None, STEP) if each.touched != "manifest.note")
    logs = log_attacks(side.company, side.files)
    told = lies(side.company, side.files, side.vouchers.openssl)
    sealed = sealed_attacks(side.company, side.files, side.twin)
    for attack in chain(mine, logs, told, sealed):
        word = outcome(attack, side.verify(side.resigned(attack).files), whole)
        if word == "claim" and attack.of not in CLAIMS and not _same_meaning(attack, side):
            word = f"WRONG: {attack.of}, {attack.touched}: {attack.what} is not seen"
        outcomes.setdefault(attack.of, Counter())[word] += 1
    say(f"{side.company.name}, with the log's key", outcomes)
    words = sum(outcomes.values(), Counter[str]())
    assert [word for word in words if word.startswith("WRONG")] == []
    assert set(outcomes["another log"]) <= {"named", "found"}
    assert set(outcomes["lie"]) | set(outcomes["signed"]) <= {"named", "found"}


def test_files_swapped_between_messages(side: Side) -> None:
    """In one pack, by somebody with the log's key: each is found, and named."""
    files = side.company.resign(side.vouchers.vouch(read_pack(side.company.all)))
    whole = side.verify(files)
    assert broken(whole) == []
    words = Counter[str]()
    for attack in swap_attacks(files):
        words[outcome(attack, side.verify(side.company.resign(attack.files)), proven(whole))] += 1
    print(f"\n{side.company.name}, swapped between messages: {dict(words)}")
    assert words.total() > 20
    assert set(words) == {"named"}


def _same_meaning(attack: Attack, side: Side) -> bool:
    """White space at the end of JSON, and certificates that a token has within, mean nothing."""
    before, after = side.files[attack.touched], attack.files.get(attack.touched, b"")
    return before.split() == after.split() or attack.touched.startswith("log/stamps/0.pem")


def test_the_container(side: Side) -> None:
    """Whatever is done to the file: it is found, or every file in it is what it was."""
    path = side.folder / "container.zip"
    data = side.company.packs[0].read_bytes()
    keys = Keys((VerifierKey.parse(side.company.key),))
    words = Counter[str]()
    for what, changed in zip_attacks(data, random.Random(42)):
        path.write_bytes(changed)
        report = verify_pack(path, keys)
        if report.ok:
            assert changed != data
            assert read_pack(path) == read_pack(side.company.packs[0]), what
        words["found" if not report.ok else "same files"] += 1
    print(f"\n{side.company.name}, the container: {words}")
    assert words["found"] > 50 * words["same files"]


def test_what_a_reader_without_vouchers_misses(side: Side) -> None:
    """Who takes no witness and no authority from elsewhere can't see that the log is another one; the rest they see."""
    careless = Keys(side.keys.log)
    outcomes = Counter[str]()
    for attack in (
        *log_attacks(side.company, side.files),
        *lies(side.company, side.files, side.vouchers.openssl),
    ):
        path = write_pack(side.folder / "tampered.zip", side.company.resign(attack.files))
        report = verify_pack(path, careless)
        found = "found" if broken(report) else "not found"
        outcomes[f"{attack.of}, {attack.what.rpartition(', ')[2]}: {found}"] += 1
        if attack.what.endswith("taken out") and not broken(report):
            missing = {each.code for each in report.findings if each.level is Level.MISSING}
            assert missing >= {"witness.none", "stamp.none"}, "it is said what would have shown it"
    print(f"\n{side.company.name}, by a reader without vouchers: {dict(outcomes)}")
    assert outcomes["lie, another document: not found"] == 0
    assert outcomes["another log, vouchers kept: not found"] == 0


# --- Mutants: a verifier with one check switched off lets something through -----------------------------------


def nothing(*_: object, **__: object) -> None:
    return None


def careless_account(self: Account, path: str) -> None:
    begun = self.first("protocol_id")
    assert begun is not None
    self.partner, self.protocol_id = begun.text("partner"), begun.text("protocol_id")
    self.outbound = begun.text("direction") == "out"


def careless_entry(self: Pack, entry: object) -> int:
    name, offset = entry.name, entry.offset  # type: ignore[attr-defined]
    return offset + 30 + len(name)


MOST = 40
"""Attacks of a class that a mutant meets."""

ATTRIBUTES = Signature.check
TOKEN = Token.check

MUTANTS: dict[str, tuple[str, object, str]] = {
    "signatures of notes": ("ecluse_verify.notes.VerifierKey.check", nothing, "signature"),
    "inclusion": ("ecluse_verify.log.check_inclusion", nothing, "record"),
    "digests in records": ("ecluse_verify.account.bound", lambda records, *_: records[0], "document|wire"),
    "the account": ("ecluse_verify.account.Account._compare", careless_account, "account"),
    "digests in the manifest": ("ecluse_verify.verify._held", nothing, "people on disk"),
    "signatures of partners": ("ecluse_verify.cms.Signature._check_value", nothing, "signed"),
    "what is signed": (
        "ecluse_verify.cms.Signature.check",
        lambda self, certificate, _: ATTRIBUTES(self, certificate, None),
        "lie",
    ),
    "which message is answered": ("ecluse_verify.message.same_id", lambda *_: True, "signed"),
    "MICs": ("ecluse_verify.message._Message._check_mic", nothing, "lie"),
    "who is trusted": ("ecluse_verify.people.chain", lambda leaf, *_: [leaf], "lie"),
    "what is stamped": (
        "ecluse_verify.stamps.Token.check",
        lambda self, _, *rest: TOKEN(self, self.imprint, *rest),
        "time-stamp",
    ),
    "witnesses": ("ecluse_verify.log._cosignatures", lambda *_: [], "cosignature"),
    "what a record of evidence covers": (
        "ecluse_verify.renewals._roots",
        lambda stamp, *_: {read_token(stamp.parts[-1]).imprint},
        "evidence record",
    ),
    "headers of entries": ("ecluse_verify.pack.Pack._data_at", careless_entry, "container on disk"),
}


def raids(side: Side, of: str) -> Iterator[tuple[str, Callable[[], Report]]]:
    """Attacks of a class, each ready to be verified."""
    if of == "container on disk":
        path = side.folder / "mutant.zip"
        for what, changed in zip_attacks(side.company.packs[0].read_bytes(), random.Random(42)):
            if "local header" in what:
                yield what, lambda data=changed: (path.write_bytes(data), side.verify_plain(path))[1]
        return
    if of == "signature":
        found = list(unsigned(side.company, side.files))
    elif of == "signed":
        found = list(sealed_attacks(side.company, side.bare(), side.twin))
    elif of == "lie":
        found = [side.resigned(each) for each in lies(side.company, side.bare(), side.vouchers.openssl)]
    elif of == "people on disk":
        found = [each for each in attacks(side) if each.of == "for people"]
    else:
        found = [side.resigned(each) for each in attacks(side) if each.of in of.split("|")]
    path = side.folder / "mutant.zip"
    for attack in found[:: len(found) // MOST + 1]:
        name = f"{attack.touched}: {attack.what}"
        yield name, lambda files=attack.files: side.verify_plain(write_pack(path, files), of)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_verifier_without_a_check_is_found_out(
    side: Side, mutant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, put, of = MUTANTS[mutant]
    before = {what: broken(verify()) for what, verify in raids(side, of)}
    monkeypatch.setattr(target, put)
    after = {what: broken(verify()) for what, verify in raids(side, of)}
    slipped = [what for what, found in before.items() if found and not after[what]]
    print(f"\n{side.company.name}, without {mutant}: {len(slipped)} of {len(before)} slip through")
    SLIPPED[mutant] += len(slipped)


SLIPPED = Counter[str]()


def test_every_mutant_was_found_out() -> None:
    if SLIPPED.keys() == MUTANTS.keys():
        assert [mutant for mutant in MUTANTS if not SLIPPED[mutant]] == []
