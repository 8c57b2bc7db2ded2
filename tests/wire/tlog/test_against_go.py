"""Go's own note and transparency-log packages read what we write, and we read what they write."""

from __future__ import annotations

import base64
import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import TreeHead, open_checkpoint, sign_head
from ecluse.wire.tlog.errors import BadSignature
from ecluse.wire.tlog.note import NoteKey, open_note

ORIGIN = "hub.aster.example/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = NoteKey.of(ORIGIN, PRIVATE.public_key())
MODULE = "module peer\n\ngo 1.21\n\nrequire golang.org/x/mod v0.20.0\n"

# Reads one JSON object and answers with one: what Go made of our texts, and a note that Go signed.
PROGRAM = r"""
package main

import (
	"encoding/json"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type proof struct {
	Old, New  int64
	Root, Was []byte
	Hashes    [][]byte
}

func hash(data []byte) (h tlog.Hash) {
	copy(h[:], data)
	return
}

func hashes(list [][]byte) (all []tlog.Hash) {
	for _, each := range list {
		all = append(all, hash(each))
	}
	return
}

func main() {
	var in struct {
		Key         string
		Note        string
		Leaves      [][]byte
		Inclusion   []proof
		Consistency []proof
	}
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	verifier, err := note.NewVerifier(in.Key)
	if err != nil {
		panic(err)
	}
	opened, err := note.Open([]byte(in.Note), note.VerifierList(verifier))
	if err != nil {
		panic(err)
	}
	checked := 0
	for _, p := range in.Inclusion {
		leaf := tlog.RecordHash(in.Leaves[p.Old])
		if err := tlog.CheckRecord(hashes(p.Hashes), p.New, hash(p.Root), p.Old, leaf); err != nil {
			panic(err)
		}
		checked++
	}
	for _, p := range in.Consistency {
		if err := tlog.CheckTree(hashes(p.Hashes), p.New, hash(p.Root), p.Old, hash(p.Was)); err != nil {
			panic(err)
		}
		checked++
	}
	private, public, err := note.GenerateKey(nil, "go.birch.example")
	if err != nil {
		panic(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		panic(err)
	}
	signed, err := note.Sign(&note.Note{Text: opened.Text}, signer)
	if err != nil {
		panic(err)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"text": opened.Text, "checked": checked, "key": public, "note": string(signed),
	})
}
"""


@functools.cache
def environment() -> dict[str, str]:
    """Go without a network: the module must be in its cache."""
    return os.environ | {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GONOSUMDB": "*", "GONOSUMCHECK": "1"}


@functools.cache
def module_is_here() -> bool:
    if shutil.which("go") is None:
        return False
    asked = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=False)
    return (Path(asked.stdout.strip()) / "golang.org" / "x" / "mod@v0.20.0").is_dir()


@pytest.mark.skipif(not module_is_here(), reason="go has no golang.org/x/mod 0.20.0 in its cache")
def test_go_accepts_our_checkpoint_and_every_proof(tmp_path):
    leaves = [b"record %d" % number for number in range(33)]
    nodes = merkle.Frontier().extend(map(merkle.leaf_hash, leaves))
    roots = [merkle.root(size, nodes) for size in range(len(leaves) + 1)]
    checkpoint = sign_head(TreeHead(ORIGIN, len(leaves), roots[-1]), KEY, PRIVATE.sign)

    def encode(values: list[bytes]) -> list[str]:
        return [base64.b64encode(value).decode() for value in values]

    def proof(old: int, new: int, hashes: list[bytes], was: bytes = b"") -> dict[str, object]:
        root, before = encode([roots[new], was])
        return {"Old": old, "New": new, "Root": root, "Was": before, "Hashes": encode(hashes)}

    inclusion = [
        proof(index, size, merkle.inclusion_proof(index, size, nodes))
        for size in range(1, len(leaves) + 1)
        for index in range(size)
    ]
    consistency = [
        proof(old, new, merkle.consistency_proof(old, new, nodes), roots[old])
        for new in range(1, len(leaves) + 1)
        for old in range(1, new + 1)
    ]
    question = {
        "Key": str(KEY),
        "Note": checkpoint.decode(),
        "Leaves": encode(leaves),
        "Inclusion": inclusion,
        "Consistency": consistency,
    }
    (tmp_path / "go.mod").write_text(MODULE)
    (tmp_path / "main.go").write_text(PROGRAM)
    run = subprocess.run(
        ["go", "run", "."],
        cwd=tmp_path,
        env=environment(),
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["text"] == open_note(checkpoint, [KEY]).text
    assert answer["checked"] == len(inclusion) + len(consistency)
    theirs = answer["note"].encode()
    head = open_checkpoint(theirs, [NoteKey.parse(answer["key"])], ORIGIN)
    assert head == TreeHead(ORIGIN, len(leaves), roots[-1])
    with pytest.raises(BadSignature):
        open_checkpoint(theirs, [KEY], ORIGIN)
