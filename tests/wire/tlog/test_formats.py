"""Notes, checkpoints and proofs: the specification's examples, round trips, garbage, OpenSSL as a peer."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse.errors import EcluseError
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, open_checkpoint, parse_head, sign_head
from ecluse.wire.tlog.cosignature import CosignerKey, cosign
from ecluse.wire.tlog.errors import BadProof, BadSignature, Malformed
from ecluse.wire.tlog.note import MAX_SIGNATURES, NoteKey, open_note, parse_note, sign_note
from ecluse.wire.tlog.proof import TlogProof, parse_proof, verify_proof
from ecluse.wire.tlog.text_note import TextKey, sign_text

ORIGIN = "hub.aster.example/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = NoteKey.of(ORIGIN, PRIVATE.public_key())

# The example of c2sp.org/signed-note.
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTg"
    "K7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()


def head(size: int = 5) -> TreeHead:
    return TreeHead(ORIGIN, size, merkle.root(size, TREE))


LEAVES = [b"record %d" % number for number in range(21)]
TREE = merkle.Frontier().extend(map(merkle.leaf_hash, LEAVES))
CHECKPOINT = sign_head(head(21), KEY, PRIVATE.sign)
PROOF = TlogProof(9, tuple(merkle.inclusion_proof(9, 21, TREE)), CHECKPOINT, b"where it came from")


def test_the_example_of_the_specification():
    key = NoteKey.parse(SPEC_KEY)
    assert str(key) == SPEC_KEY
    note = open_note(SPEC_NOTE, [key])
    assert note.text == "This is an example message.\n"
    assert [signature.name for signature in note.signatures] == ["example.com/foo"]
    with pytest.raises(BadSignature):
        open_note(SPEC_NOTE.replace(b"This", b"That"), [key])


def test_a_text_with_empty_lines_survives():
    text = "Ognuno:\n\n\ned è sera.\n"
    assert open_note(sign_note(text, KEY, PRIVATE.sign), [KEY]).text == text


def test_signatures_of_strangers_are_carried_and_ignored():
    witness = NoteKey("witness.birch.example", b"\x07" * 32)
    line = f"— {witness.name} ".encode() + b"AAAAAAAA\n"
    note = CHECKPOINT + line
    assert len(parse_note(note).signatures) == 2
    assert len(open_note(note, [KEY]).signatures) == 1
    with pytest.raises(BadSignature):
        open_note(note, [witness])


def test_a_wrong_signature_of_a_known_key_condemns_the_note():
    other = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    known = NoteKey.of("second.example", other.public_key())
    good = sign_note("text\n", KEY, PRIVATE.sign)
    wrong = sign_note("other text\n", known, other.sign).splitlines(keepends=True)[-1]
    with pytest.raises(BadSignature):
        open_note(good + wrong, [KEY, known])


def test_a_signing_key_that_is_not_the_named_one_signs_nothing():
    with pytest.raises(BadSignature):
        sign_head(head(), NoteKey(ORIGIN, SPEC_KEY.encode()[:32]), PRIVATE.sign)


@pytest.mark.parametrize("name", ["", "two words", "plus+sign", "tab\t", "nb\u00a0sp", "\ud800"])
def test_names_that_a_key_may_not_have(name):
    with pytest.raises(Malformed):
        NoteKey(name, b"\x07" * 32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        SPEC_KEY.replace("530d903a", "530d903b"),
        SPEC_KEY.replace("530d903a", "530D903A"),
        SPEC_KEY[:-4],
        SPEC_KEY[:-1] + "l",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_verifier_keys_that_are_none(text):
    with pytest.raises(Malformed):
        NoteKey.parse(text)


def test_a_checkpoint_is_exactly_three_lines_and_a_signature():
    lines = CHECKPOINT.decode().split("\n")
    assert lines[:2] == [ORIGIN, "21"]
    assert lines[3] == ""
    assert lines[4].startswith(f"— {ORIGIN} ")
    assert lines[5:] == [""]
    assert open_checkpoint(CHECKPOINT, [KEY]) == head(21)


def test_another_logs_checkpoint_is_refused():
    with pytest.raises(Malformed, match="another log"):
        open_checkpoint(CHECKPOINT, [KEY], "hub.birch.example/log")
    renamed = sign_head(TreeHead("hub.birch.example/log", 0, merkle.EMPTY_ROOT), KEY, PRIVATE.sign)
    with pytest.raises(Malformed, match="another log"):
        open_checkpoint(renamed, [KEY])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n21\n", "\n021\n"),
        lambda text: text.replace("\n21\n", "\n-1\n"),
        lambda text: text.replace("\n21\n", "\n+21\n"),
        lambda text: text.replace("\n21\n", "\n\u0662\n"),
        lambda text: text.replace("\n21\n", "\n9223372036854775808\n"),
        lambda text: text.replace("\n21\n", "\n" + "9" * 5000 + "\n"),
        lambda text: text.replace("\n21\n", "\n\n"),
        lambda text: text.replace("=\n", "\n"),
        lambda text: text + "\n",
        lambda text: text.rstrip("\n"),
        lambda text: "",
    ],
)
def test_heads_that_are_none(change):
    text = head(21).text()
    assert parse_head(text) == head(21)
    with pytest.raises(Malformed):
        parse_head(change(text))


def test_base64_has_one_spelling():
    """The last character before the padding carries bits that no octet needs."""
    lines = head(21).text().split("\n")
    last = lines[2][-2]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    same = alphabet[alphabet.index(last) ^ 1]
    with pytest.raises(Malformed):
        parse_head("\n".join([*lines[:2], lines[2][:-2] + same + "=", ""]))


def test_extension_lines_are_kept():
    extended = TreeHead(ORIGIN, 0, merkle.EMPTY_ROOT, ("extension 1", "2"))
    assert open_checkpoint(sign_head(extended, KEY, PRIVATE.sign), [KEY]) == extended


def test_an_origin_of_two_lines_is_not_signed():
    with pytest.raises(Malformed):
        sign_head(TreeHead("one\ntwo", 0, merkle.EMPTY_ROOT), KEY, PRIVATE.sign)


def test_a_proof_is_the_text_of_the_specification():
    lines = PROOF.encode().decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra ")
    assert lines[2] == "index 9"
    assert lines[3 + len(PROOF.hashes)] == ""
    assert "\n".join(lines[4 + len(PROOF.hashes) :]).encode() == CHECKPOINT
    assert parse_proof(PROOF.encode()) == PROOF
    assert verify_proof(PROOF, LEAVES[9], [KEY]) == head(21)


def test_a_log_of_one_record_has_a_proof_without_hashes():
    tree = merkle.Frontier().extend([merkle.leaf_hash(b"only")])
    note = sign_head(TreeHead(ORIGIN, 1, merkle.root(1, tree)), KEY, PRIVATE.sign)
    proof = parse_proof(TlogProof(0, (), note).encode())
    assert verify_proof(proof, b"only", [KEY]).size == 1


def test_another_record_or_place_is_not_proven():
    with pytest.raises(BadProof):
        verify_proof(PROOF, LEAVES[8], [KEY])
    with pytest.raises(BadProof):
        verify_proof(TlogProof(8, PROOF.hashes, CHECKPOINT), LEAVES[9], [KEY])
    with pytest.raises(BadProof):
        verify_proof(TlogProof(30, PROOF.hashes, CHECKPOINT), LEAVES[9], [KEY])


@settings(deadline=None)
@given(st.integers(0, len(PROOF.encode()) * 8 - 1))
def test_one_bit_of_a_proof_is_noticed_unless_it_is_the_unprotected_extra(bit):
    data = bytearray(PROOF.encode())
    data[bit // 8] ^= 1 << (bit % 8)
    try:
        proof = parse_proof(bytes(data))
        verify_proof(proof, LEAVES[9], [KEY])
    except EcluseError:
        return
    assert (proof.index, proof.hashes, proof.checkpoint) == (PROOF.index, PROOF.hashes, PROOF.checkpoint)
    assert proof.extra != PROOF.extra


READERS = (
    parse_proof,
    parse_note,
    lambda data: open_note(data, [KEY]),
    lambda data: open_checkpoint(data, [KEY]),
    lambda data: parse_head(data.decode("latin-1")),
    lambda data: NoteKey.parse(data.decode("latin-1")),
)


def refused_or_read(data: bytes) -> list[str]:
    """The codes of the refusals; anything but our errors falls through and fails the test."""
    codes = []
    for read in READERS:
        try:
            read(data)
        except EcluseError as error:
            codes.append(error.code)
    return codes


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(alphabet="— ab=\n+01é", max_size=80).map(str.encode))
def test_garbage_gives_our_errors_only(data):
    assert all(code.startswith("tlog.") for code in refused_or_read(data))


@settings(deadline=None)
@given(st.data())
def test_cut_and_spliced_texts_give_our_errors_only(data):
    whole = data.draw(st.sampled_from([PROOF.encode(), CHECKPOINT, SPEC_NOTE, SPEC_KEY.encode()]))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)))))
    spliced = whole[:start] + data.draw(st.binary(max_size=6)) + whole[end:]
    assert all(code.startswith("tlog.") for code in refused_or_read(spliced))


def test_limits():
    line = CHECKPOINT.splitlines(keepends=True)[-1]
    assert open_note(CHECKPOINT + line * (MAX_SIGNATURES - 1), [KEY])
    with pytest.raises(Malformed):
        parse_note(CHECKPOINT + line * MAX_SIGNATURES)
    with pytest.raises(Malformed):
        parse_note(b"x" * 1_000_001)
    with pytest.raises(Malformed):
        parse_proof(b"x" * 2_000_001)
    with pytest.raises(Malformed):
        parse_proof(TlogProof(9, (b"\x00" * 32,) * 64, CHECKPOINT).encode())


@pytest.mark.peer("openssl")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_accepts_our_signature_over_the_text_of_a_checkpoint(tmp_path):
    note = parse_note(CHECKPOINT)
    (tmp_path / "text").write_text(note.text)
    (tmp_path / "signature").write_bytes(note.signatures[0].value)
    (tmp_path / "key.pem").write_bytes(
        PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )

    def verify() -> int:
        command = "openssl pkeyutl -verify -rawin -pubin -inkey key.pem -in text -sigfile signature"
        return subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False).returncode

    assert verify() == 0
    (tmp_path / "text").write_text(note.text.replace("21", "22"))
    assert verify() != 0


class TestTextsOfTwoSignatures:
    """Both keys of a log over a text that is no checkpoint."""

    SECOND = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    BOTH = LogKey(KEY, CosignerKey(ORIGIN, "ml-dsa-44", SECOND.public_key().public_bytes_raw()))

    def test_both_sign(self):
        note = sign_text("a\nb\n", self.BOTH, PRIVATE.sign, self.SECOND.sign)
        second = TextKey(ORIGIN, self.SECOND.public_key().public_bytes_raw())
        assert open_note(note, [KEY, second]) == parse_note(note)
        assert len(parse_note(note).signatures) == 2
        with pytest.raises(BadSignature):
            open_note(note.replace(b"a\n", b"c\n"), [second])
        assert sign_text("a\n", LogKey(KEY), PRIVATE.sign, PRIVATE.sign) == sign_note(
            "a\n", KEY, PRIVATE.sign
        )

    def test_a_key_that_is_not_the_logs(self):
        with pytest.raises(BadSignature):
            sign_text("a\n", self.BOTH, PRIVATE.sign, MLDSA44PrivateKey.generate().sign)

    def test_nothing_passes_for_a_head(self):
        """A signature over the text of a checkpoint is none over the checkpoint, nor the other way round."""
        cosigner = self.BOTH.ml_dsa
        assert cosigner is not None
        text = head(21).text()
        line = parse_note(sign_text(text, self.BOTH, PRIVATE.sign, self.SECOND.sign)).signatures[1]
        second = TextKey(ORIGIN, cosigner.public)
        assert second.id != cosigner.id
        assert not cosigner.fits(text.encode(), line.value)
        assert not cosigner.fits(text.encode(), bytes(8) + line.value)
        made = cosign(head(21), cosigner, self.SECOND.sign, 7).value
        assert not second.fits(text.encode(), made)
        assert not second.fits(text.encode(), made[8:])
