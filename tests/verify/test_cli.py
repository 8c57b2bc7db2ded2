"""The command: exit codes, both languages, JSON, single proofs; and no traceback whatever the octets."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.packs import Company, Vouchers, World, read_pack, spelt, write_pack

from ecluse_verify.cli import main
from ecluse_verify.notes import MLDSA44, VerifierKey


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def runs(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return runs


def test_what_a_reader_trusts_is_proven(
    run, aster: Company, world: World, vouchers: Vouchers, tmp_path: Path
) -> None:
    path = write_pack(tmp_path / "pack.zip", aster.resign(vouchers.vouch(read_pack(aster.packs[0]))))
    witnesses = [word for key in vouchers.keys for word in ("--witness", spelt(key))]
    trust = ["--trust", world.pem("birch"), "--tsa", vouchers.root, *witnesses]
    code, text, _ = run(path, "--key", aster.key, *trust)
    assert code == 0
    proven = text.partition("PROVEN")[2].partition("CLAIMED")[0]
    assert "signed this receipt" in proven
    assert "computed anew, is equal" in proven
    assert "cedar.example/witness saw this head" in proven
    assert "stamped this head" in proven
    assert "existed at" in proven
    assert text.endswith("Everything that is given as proof holds.\n")


def test_without_keys_from_elsewhere_the_log_is_a_claim(
    run, aster: Company, vouchers: Vouchers, tmp_path: Path
) -> None:
    path = write_pack(tmp_path / "pack.zip", aster.resign(vouchers.vouch(read_pack(aster.packs[0]))))
    code, out, _ = run(path, "--json")
    told = json.loads(out)
    levels = {each["code"]: each["level"] for each in told["findings"]}
    assert (code, told["ok"], told["format"]) == (0, True, "ecluse.verify/1")
    for of in (
        "log.claimed",
        "manifest.claimed",
        "events.claimed",
        "witness.claimed",
        "stamp.claimed",
        "ers.claimed",
    ):
        assert levels[of] == "claimed"
    assert levels["receipt.positive"] == "proven", "it is signed by whoever holds that certificate's key"
    assert levels["certificate.partner"] == "claimed"
    assert told["story"][0]["kind"] == "message.accepted"


def test_in_french(run, birch: Company) -> None:
    code, text, _ = run(birch.packs[0], "--key", birch.key, "--lang", "fr")
    assert code == 0
    assert "PROUVÉ" in text
    assert "Tout ce qui est présenté comme preuve tient." in text


def test_a_reader_who_asks_for_what_is_not_there(
    run, aster: Company, birch: Company, world: World, vouchers: Vouchers
) -> None:
    pack = aster.packs[0]
    assert run(pack, "--key", birch.key)[0] == 1
    code, text, _ = run(pack, "--key", aster.key, "--witness", spelt(vouchers.keys[0]))
    assert code == 1
    assert (
        "log/cosignatures: The witness cedar.example/witness that you gave did not cosign this head." in text
    )
    assert run(pack, "--key", aster.key, "--tsa", vouchers.root)[0] == 1
    code, text, _ = run(pack, "--key", aster.key, "--trust", world.pem("aster"))
    assert code == 1
    assert "none of the certificates that you gave vouches for it" in text


def test_wrong_usage(run, aster: Company, tmp_path: Path) -> None:
    assert run(tmp_path / "none.zip")[0] == 2
    assert run(aster.packs[0], "--key", "nonsense+")[0] == 2
    assert run(aster.packs[0], "--trust", aster.packs[0])[0] == 2
    assert run(aster.packs[0], "--witness", aster.key)[0] == 2, "a log's key is no witness's"
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2


def test_wrong_words_are_named(run, aster: Company) -> None:
    for option in ("--key", "--witness"):
        assert option in run(aster.packs[0], option, "nonsense+")[2]
    _, _, said = run(aster.packs[0], "--trust", aster.packs[0])
    assert "--trust" in said
    assert "no certificate in PEM" in said


def test_both_lines_of_a_log_as_one_word(run, aster: Company) -> None:
    """As a shell gives what `ecluse log key` printed."""
    hybrid = spelt(VerifierKey("ecluse/aster", MLDSA44, bytes(1312)))
    code, text, _ = run(aster.packs[0], "--key", f"{aster.key}\n{hybrid}")
    assert code == 0
    assert "The key that you gave signed the head" in text


def test_a_key_may_stand_in_a_file(run, aster: Company, tmp_path: Path) -> None:
    hybrid = spelt(VerifierKey("ecluse/aster", MLDSA44, bytes(1312)))
    (tmp_path / "key").write_text(f"{aster.key}\n{hybrid}\n")
    code, text, _ = run(aster.packs[0], "--key", tmp_path / "key")
    assert code == 0
    assert "The key that you gave signed the head" in text
    assert "The log's ML-DSA-44 key did not sign this" in text


def test_single_proofs(run, aster: Company, birch: Company, tmp_path: Path) -> None:
    files = read_pack(aster.packs[0])
    path = tmp_path / "one.tlog-proof"
    data = next(data for name, data in files.items() if name.endswith("events/0000.tlog-proof"))
    path.write_bytes(data)
    code, text, _ = run(path, "--key", aster.key)
    assert code == 0
    assert "ecluse/aster signed for this among" in text
    assert run(path, "--key", birch.key)[0] == 1
    path.write_bytes(re.sub(rb"\nindex (\d+)\n", lambda found: b"\nindex %d\n" % (int(found[1]) + 1), data))
    assert run(path, "--key", aster.key)[0] == 1


def test_without_documents(run, aster: Company, world: World, tmp_path: Path) -> None:
    """What remains of a message whose octets are gone: digests, signatures, the receipt."""
    files = read_pack(aster.packs[0])
    account = next(path for path in files if path.endswith("message.json"))
    folder = account.removesuffix("message.json")
    told = json.loads(files[account])
    told["documents"][0]["path"] = told["wire"]["entity"] = told["wire"]["body"] = None
    left = {
        path: data
        for path, data in files.items()
        if not path.startswith((folder + "documents/", folder + "wire/entity", folder + "wire/body"))
    }
    left[account] = json.dumps(told).encode()
    path = write_pack(tmp_path / "pack.zip", aster.resign(left))
    code, text, _ = run(path, "--key", aster.key, "--trust", world.pem("birch"))
    assert code == 0
    assert "known by its digest" in text
    assert "the content itself is not here" in text
    assert "signed this receipt" in text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    choice=st.integers(0, 10_000),
    at=st.integers(0, 10_000),
    put=st.binary(max_size=12),
    cut=st.integers(0, 40),
)
def test_no_octets_make_a_traceback(
    aster: Company, birch: Company, tmp_path: Path, choice: int, at: int, put: bytes, cut: int
) -> None:
    """Any file of a pack changed anywhere, the manifest in order: the verifier says something, and ends."""
    company = (aster, birch)[choice % 2]
    files = read_pack(company.packs[0])
    name = sorted(set(files) - {"manifest.json", "manifest.note"})[choice // 2 % (len(files) - 2)]
    data = files[name]
    at %= len(data) + 1
    files[name] = data[:at] + put + data[at + cut :]
    path = write_pack(tmp_path / "pack.zip", company.resign(files))
    assert main([str(path), "--key", company.key]) in (0, 1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 100_000), put=st.binary(max_size=30), cut=st.integers(0, 400))
def test_no_container_makes_a_traceback(
    aster: Company, tmp_path: Path, at: int, put: bytes, cut: int
) -> None:
    data = aster.packs[0].read_bytes()
    at %= len(data)
    path = tmp_path / "pack.zip"
    path.write_bytes(data[:at] + put + data[at + cut :])
    assert main([str(path)]) == (0 if path.read_bytes() == data else 1)
    path.write_bytes(put)
    assert main([str(path)]) == 1


def test_a_bomb_takes_neither_memory_nor_time(run, tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        entry = zipfile.ZipInfo("README.txt")
        entry.external_attr = 0o100644 << 16
        with pack.open(entry, "w") as file:
            for _ in range(64):
                file.write(bytes(1 << 20))
        pack.writestr(_entry("manifest.json"), bytes(65 << 20), zipfile.ZIP_DEFLATED)
    code, text, _ = run(path)
    assert code == 1
    assert "too large to be looked into" in text
    code, text, _ = run(path, "--max-size", "0.05")
    assert code == 1
    assert "--max-size takes more" in text


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o100644 << 16
    return entry
