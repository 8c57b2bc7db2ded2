"""Cosignatures, requests to witnesses and tiles: the specifications' examples, round trips, garbage."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import (
    LogKey,
    TreeHead,
    log_key,
    open_checkpoint,
    parse_head,
    sign_checkpoint,
    sign_head,
)
from ecluse.wire.tlog.cosignature import CosignerKey, cosign, signed_message, time_of
from ecluse.wire.tlog.errors import BadSignature, Malformed
from ecluse.wire.tlog.note import NoteKey, open_note, parse_note
from ecluse.wire.tlog.tiles import (
    Tile,
    encode_bundle,
    parse_bundle,
    parse_tile_path,
    tiles_of,
)
from ecluse.wire.tlog.witness import (
    AddCheckpoint,
    checkpoint_path,
    encode_size,
    parse_request,
    parse_signatures,
    parse_size,
)

ORIGIN = "aster.example/log"
ED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LATTICE = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32)))
LOG = LogKey(
    NoteKey.of(ORIGIN, ED.public_key()),
    CosignerKey(ORIGIN, "ml-dsa-44", LATTICE.public_key().public_bytes_raw()),
)
WITNESS = "birch.example/witness"
KEYS = (
    (CosignerKey(WITNESS, "ed25519", ED.public_key().public_bytes_raw()), ED.sign),
    (CosignerKey(WITNESS, "ml-dsa-44", LATTICE.public_key().public_bytes_raw()), LATTICE.sign),
)
HEAD = TreeHead(ORIGIN, 7, b"\5" * 32)

# The example of c2sp.org/tlog-witness.
SPEC_REQUEST = b"""old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\xe2\x80\x94 example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""


def test_the_specifications_request():
    request = parse_request(SPEC_REQUEST)
    assert (request.old, len(request.proof)) == (20852014, 4)
    assert parse_head(parse_note(request.checkpoint).text).size == 20852163
    assert request.encode() == SPEC_REQUEST


def test_the_specifications_cosigned_text():
    key = KEYS[0][0]
    assert signed_message(key, HEAD, 1679315147).startswith(
        b"cosignature/v1\ntime 1679315147\naster.example/log\n7\n"
    )


def test_what_ml_dsa_signs_field_by_field():
    """The structure ``cosigned_message`` of c2sp.org/tlog-cosignature, written out."""
    message = signed_message(KEYS[1][0], HEAD, 258)
    parts = (
        b"subtree/v1\n\x00",
        bytes([len(WITNESS)]) + WITNESS.encode(),
        b"\0\0\0\0\0\0\1\2",
        bytes([len(ORIGIN)]) + ORIGIN.encode(),
        b"\0" * 8,
        b"\0" * 7 + b"\7",
        b"\5" * 32,
    )
    assert message == b"".join(parts)


@pytest.mark.parametrize(("key", "sign"), KEYS, ids=["ed25519", "ml-dsa-44"])
def test_a_cosignature_goes_with_the_note(key, sign):
    signature = cosign(HEAD, key, sign, 1_700_000_000)
    note = sign_head(HEAD, LOG.ed25519, ED.sign) + signature.line
    assert open_note(note, [key]).signatures == (signature,)
    assert time_of(signature) == 1_700_000_000
    assert CosignerKey.parse(str(key)) == key
    other = sign_head(TreeHead(ORIGIN, 8, b"\5" * 32), LOG.ed25519, ED.sign) + signature.line
    with pytest.raises(BadSignature):
        open_note(other, [key])
    later = (1_700_000_001).to_bytes(8, "big") + signature.value[8:]
    assert not key.fits(HEAD.text().encode(), later)
    with pytest.raises(BadSignature):
        cosign(HEAD, key, lambda message: sign(message + b"x"), 5)


def test_a_cosigner_of_another_name_is_another():
    """ML-DSA-44 commits to the name of who signs; the Ed25519 format does not, and only the key's id tells."""
    key, sign = KEYS[1]
    value = cosign(HEAD, key, sign, 9).value
    assert not CosignerKey("cedar.example/witness", key.algorithm, key.public).fits(
        HEAD.text().encode(), value
    )


def test_both_signatures_of_a_log_are_asked_for():
    note = sign_checkpoint(HEAD, LOG, ED.sign, LATTICE.sign, 5)
    assert open_checkpoint(note, [LOG]) == HEAD
    assert open_checkpoint(note, [LOG.ed25519]) == HEAD
    text, _, lines = note.rpartition(b"\n\n")
    for line in lines.splitlines(keepends=True):
        with pytest.raises(BadSignature):
            open_checkpoint(text + b"\n\n" + line, [LOG])
    first = text + b"\n\n" + lines.splitlines(keepends=True)[0]
    assert open_checkpoint(first, [LOG], both=False) == HEAD
    with pytest.raises(BadSignature):
        sign_checkpoint(HEAD, LOG, ED.sign, None, 5)
    with pytest.raises(BadSignature):
        open_checkpoint(note, [LOG.named("other")])
    with pytest.raises(Malformed):
        open_checkpoint(note, [LOG], "other")
    assert LOG.named("other").name == "other"


def test_a_logs_key_is_read_from_its_texts():
    assert log_key(LOG.texts()) == LOG
    assert log_key(reversed(LOG.texts())) == LOG
    assert log_key(LOG.texts()[:1]) == LogKey(LOG.ed25519)
    for texts in (
        [],
        LOG.texts()[1:],
        [*LOG.texts(), LOG.texts()[1]],
        [str(KEYS[0][0])],
        [LOG.texts()[0]] * 2,
    ):
        with pytest.raises(Malformed):
            log_key(texts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        "a+b+c",
        "a+00000000+BA==",
        str(KEYS[0][0]).replace("+", "+0", 1),
        str(LOG.ed25519),
        "é\ud800++",
    ],
)
def test_other_texts_are_no_cosigners_keys(text):
    with pytest.raises(Malformed):
        CosignerKey.parse(text)


hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple)


@given(st.integers(0, 2**63 - 1), hashes, st.binary(min_size=1, max_size=300))
def test_requests_are_read_as_they_were_written(old, proof, checkpoint):
    made = AddCheckpoint(old, proof, checkpoint)
    assert parse_request(made.encode()) == made


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: b"old " + text.encode("utf-8", "replace"))
)
def test_garbage_raises_our_errors(data):
    for parse in (parse_request, parse_size, parse_signatures, parse_bundle):
        try:
            parse(data)
        except Malformed:
            pass
    try:
        parse_tile_path(data.decode("latin-1"))
    except Malformed:
        pass


@given(st.integers(0, len(SPEC_REQUEST) - 1), st.integers(0, 255))
def test_any_changed_octet_of_a_request_reads_as_something_else_or_not_at_all(place, octet):
    changed = SPEC_REQUEST[:place] + bytes([octet]) + SPEC_REQUEST[place + 1 :]
    try:
        assert parse_request(changed).encode() == changed
    except Malformed:
        pass


def test_limits_of_a_request():
    for proof, checkpoint in ((64, b"x"), (0, b""), (0, b"x" * 300_000)):
        with pytest.raises(Malformed):
            parse_request(AddCheckpoint(1, (b"\0" * 32,) * proof, checkpoint).encode())


def test_sizes():
    assert parse_size(encode_size(17)) == 17
    for body in (b"", b"17", b"017\n", b"1 7\n", b"-1\n", b"17\n\n", "٣\n".encode()):
        with pytest.raises(Malformed):
            parse_size(body)


def test_answers():
    lines = [cosign(HEAD, key, sign, 7) for key, sign in KEYS]
    assert parse_signatures(b"".join(each.line for each in lines)) == tuple(lines)
    for body in (b"", b"\n", lines[0].line[:-1], lines[0].line + b"\n" + lines[1].line, b"x\n", b"\xff\n"):
        with pytest.raises(Malformed):
            parse_signatures(body)


def test_where_a_witness_shows_a_checkpoint():
    assert (
        checkpoint_path("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb/checkpoint"
    )


class TestTiles:
    @pytest.mark.parametrize(
        ("tile", "path"),
        [
            (Tile(0, 0), "tile/0/000"),
            (Tile(0, 1234067), "tile/0/x001/x234/067"),
            (Tile(1, 1000, 17), "tile/1/x001/000.p/17"),
            (Tile(None, 999, 255), "tile/entries/999.p/255"),
        ],
    )
    def test_the_specifications_paths(self, tile, path):
        assert tile.path == path
        assert parse_tile_path(path) == tile

    @pytest.mark.parametrize(
        "path",
        ["", "tile/00/000", "tile/64/000", "tile/0/00", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256",
         "tile/0/000.p/01", "tile/0/000/", "/tile/0/000", "tile/0/1000", "tile/entries/000.p/", "tile/-1/000",
         "tile/0/" + "x001/" * 8 + "000", "tile/0/٣٣٣", "tile/0/000\n"],
    )  # fmt: skip
    def test_one_spelling_for_each(self, path):
        with pytest.raises(Malformed):
            parse_tile_path(path)

    def test_the_specifications_tree(self):
        """A tree of 70,000: 273 full tiles and one of 112; one full and one of 17; one of 1."""
        tiles = tiles_of(70_000)
        widths = {level: [t.width for t in tiles if t.level == level] for level in (0, 1, 2)}
        assert (len(widths[0]), widths[0][-1]) == (274, 112)
        assert widths[1] == [256, 17]
        assert widths[2] == [1]
        assert [t.width for t in tiles_of(256)] == [256, 1]
        assert tiles_of(0) == []

    @settings(max_examples=25)
    @given(st.integers(1, 1500))
    def test_a_tree_is_rebuilt_from_its_tiles(self, size):
        """Who has the tiles has every hash that a root needs."""
        numbers = random.Random(size)
        leaves = [numbers.randbytes(32) for _ in range(size)]
        nodes = merkle.Frontier().extend(leaves)
        got: dict[merkle.Node, bytes] = {}
        for tile in tiles_of(size):
            assert tile.within(size)
            assert not Tile(tile.level, tile.index, tile.width + 1).within(size) or tile.width == 256
            got |= {node: nodes[node] for node in tile.nodes()}
        rebuilt = merkle.Frontier().extend([got[0, index] for index in range(size)])
        assert merkle.root(size, rebuilt) == merkle.root(size, nodes)
        for node, value in got.items():
            assert rebuilt[node] == value

    @given(st.lists(st.binary(max_size=50), max_size=256))
    def test_bundles_are_read_as_they_were_written(self, entries):
        assert parse_bundle(encode_bundle(entries)) == entries

    def test_a_bundle_has_limits(self):
        with pytest.raises(Malformed):
            encode_bundle([b"x" * 65_536])
        with pytest.raises(Malformed):
            parse_bundle(b"\0\0" * 257)
        with pytest.raises(Malformed):
            parse_bundle(b"\0\2a")
