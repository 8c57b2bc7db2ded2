"""Notes, cosignatures, checkpoints and proofs, against the specifications' own examples and trees built here."""

from __future__ import annotations

import base64
import struct
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse_verify.notes import COSIGNATURE, ED25519, MLDSA44, VerifierKey, read_line, read_note
from ecluse_verify.proofs import Head, Proof, check_inclusion, leaf_hash, read_head, read_proof
from ecluse_verify.text import Bad

# The example of C2SP signed-note.
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
TEXT = f"example.com/log\n7\n{base64.b64encode(bytes(range(32))).decode()}\n"


def test_the_specifications_example_holds() -> None:
    key, note = VerifierKey.parse(FOO), read_note(NOTE.encode())
    assert key.made(note.lines[0])
    assert key.check(note.lines[0], note.text) is None
    with pytest.raises(Bad, match=r"note\.signature"):
        key.check(note.lines[0], note.text + "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        FOO.replace("530d903a", "530d903b"),
        FOO[:-4],
        "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(Bad):
        VerifierKey.parse(text)


def test_a_cosigners_time_is_signed() -> None:
    private = Ed25519PrivateKey.generate()
    key = VerifierKey("witness.example/w1", COSIGNATURE, private.public_key().public_bytes_raw())
    seconds = 1679315147
    value = struct.pack(">Q", seconds) + private.sign(f"cosignature/v1\ntime {seconds}\n{TEXT}".encode())
    line = read_line(f"— {key.name} {base64.b64encode(key.id + value).decode()}")
    when = key.check(line, TEXT)
    assert when is not None
    assert int(when.timestamp()) == seconds
    later = struct.pack(">Q", seconds + 1) + value[8:]
    with pytest.raises(Bad, match=r"note\.signature"):
        key.check(read_line(f"— {key.name} {base64.b64encode(key.id + later).decode()}"), TEXT)


def test_ml_dsa_signs_name_time_origin_size_and_root() -> None:
    private = MLDSA44PrivateKey.generate()
    key = VerifierKey("example.com/log", MLDSA44, private.public_key().public_bytes_raw())
    name = key.name.encode()
    message = b"subtree/v1\n\0" + bytes((len(name),)) + name + struct.pack(">Q", 9)
    message += bytes((len(name),)) + name + struct.pack(">QQ", 0, 7) + bytes(range(32))
    value = struct.pack(">Q", 9) + private.sign(message)
    line = read_line(f"— {key.name} {base64.b64encode(key.id + value).decode()}")
    assert key.check(line, TEXT) is not None
    with pytest.raises(Bad, match=r"note\.signature"):
        key.check(line, TEXT.replace("\n7\n", "\n8\n"))
    text = f"{key.name}+{key.id.hex()}+{base64.b64encode(bytes((MLDSA44,)) + key.public).decode()}"
    assert VerifierKey.parse(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        TEXT + "\n",
        TEXT.replace("\n7\n", "\n07\n"),
        TEXT.replace("\n7\n", "\n-7\n"),
        "a\n1\nAAAA\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Bad):
        read_head(text)


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962 s2.1, as it is defined."""
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 s2.1.1, as it is defined."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*_path(index, leaves[:split]), _root(leaves[split:])]
    return [*_path(index - split, leaves[split:]), _root(leaves[:split])]


def test_every_leaf_of_every_small_tree_is_proven_and_no_other_is() -> None:
    for size in range(1, 20):
        leaves = [b"%d" % number for number in range(size)]
        head = Head("log", size, _root(leaves))
        for index in range(size):
            hashes = tuple(_path(index, leaves))
            check_inclusion(Proof(index, leaves[index], hashes, b""), head)
            wrong = [
                Proof(index, b"other", hashes, b""),
                Proof((index + 1) % size if size > 1 else 1, leaves[index], hashes, b""),
                Proof(index, leaves[index], (*hashes, bytes(32)), b""),
                Proof(index + size, leaves[index], hashes, b""),
            ]
            if hashes:
                wrong += [Proof(index, leaves[index], hashes[:-1], b"")]
                wrong += [Proof(index, leaves[index], hashes[::-1], b"")] if len(set(hashes)) > 1 else []
            for proof in wrong:
                with pytest.raises(Bad, match="inclusion"):
                    check_inclusion(proof, head)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_are_refused_in_our_way(data: bytes) -> None:
    for read in (read_note, read_proof, lambda octets: read_head(octets.decode("latin-1"))):
        try:
            read(data)
        except Bad:
            continue
    assert ED25519 == 1
