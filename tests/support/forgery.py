"""What somebody may do to a pack who has its disk, or the log's own key too: every class of octets, in every way.

An attack is a pack made of a real one, and what it touched. Three hands make them: one that changes files and no more,
one that makes the manifest anew and can't sign it, and one that has the log's key and signs whatever it likes, up to a
log that says something else.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from typing import Any

from tests.support.openssl_bytes import OpenSsl
from tests.support.packs import Company, Files, canonical

__all__ = [
    "Attack",
    "byte_attacks",
    "field_attacks",
    "lies",
    "log_attacks",
    "proof_attacks",
    "sealed_attacks",
    "swap_attacks",
    "unsigned",
    "zip_attacks",
]

FLIPS = 2
"""Places in each file at which one bit is turned over, besides its first and last octet."""


@dataclass(frozen=True)
class Attack:
    """A pack that was tampered with.

    Attributes:
        of: Which class of octets.
        what: What was done.
        touched: The file that it was done to.
        files: What is in the pack then.
    """

    of: str
    what: str
    touched: str
    files: Files


def class_of(path: str) -> str:
    """The class of octets that a file is of."""
    for mark, name in (
        ("/events/", "record"),
        ("configuration/", "configuration"),
        ("certificates/", "certificate"),
        ("revocation/", "revocation"),
        ("/documents/", "document"),
        ("/receipts/", "receipt"),
        ("/answer.", "answer"),
        ("/wire/", "wire"),
        ("log/stamps/", "time-stamp"),
        ("log/evidence-records/", "evidence record"),
        ("log/cosignatures", "cosignature"),
        ("log/checkpoint", "checkpoint"),
        ("log/keys", "keys"),
        ("message.json", "account"),
        ("openings.json", "openings"),
        ("manifest", "manifest"),
    ):
        if mark in path:
            return "record" if path.endswith(".tlog-proof") else name
    return "for people"


def byte_attacks(files: Files, other: Files, dice: random.Random) -> Iterator[Attack]:
    """Every file altered, cut, lengthened, emptied, deleted, and exchanged within the pack and with another one."""
    paths = sorted(files)
    theirs: dict[str, list[str]] = {}
    for path in sorted(other):
        theirs.setdefault(_shape(path), []).append(path)
    for path in paths:
        data, of = files[path], class_of(path)
        places = {0, len(data) - 1, *(dice.randrange(len(data)) for _ in range(FLIPS))} if data else set()
        for place in sorted(places):
            changed = bytearray(data)
            changed[place] ^= 1 << dice.randrange(8)
            yield Attack(of, f"bit turned at {place}", path, {**files, path: bytes(changed)})
        yield (
            Attack(of, "last octet cut", path, {**files, path: data[:-1]})
            if data
            else Attack(of, "filled", path, {**files, path: b"x"})
        )
        yield Attack(of, "cut in half", path, {**files, path: data[: len(data) // 2] if data else b"y"})
        yield Attack(of, "lengthened", path, {**files, path: data + b"\n"})
        if data:
            yield Attack(of, "emptied", path, {**files, path: b""})
        yield Attack(of, "deleted", path, {name: each for name, each in files.items() if name != path})
        for stranger in theirs.get(_shape(path), [])[:1]:
            if other[stranger] != data:
                yield Attack(of, "replayed from another pack", path, {**files, path: other[stranger]})
        swapped = paths[(paths.index(path) + 1) % len(paths)]
        if files[swapped] != data:
            exchanged = {**files, path: files[swapped], swapped: data}
            yield Attack(of, "exchanged with its neighbour", path, exchanged)
    yield Attack("container", "a file put in", "extra.txt", {**files, "extra.txt": b"more"})


def swap_attacks(files: Files) -> Iterator[Attack]:
    """In a pack of several messages: each file of one exchanged with the same one of another."""
    first, *others = sorted({path.split("/")[1] for path in files if path.startswith("messages/")})
    for path in sorted(path for path in files if path.startswith(f"messages/{first}/")):
        for other in others:
            theirs = path.replace(first, other)
            if theirs in files and files[theirs] != files[path]:
                swapped = {**files, path: files[theirs], theirs: files[path]}
                yield Attack("swapped", f"with {other}", path, swapped)


def _shape(path: str) -> str:
    parts = path.split("/")
    if parts[0] == "messages":
        parts[1] = "ID"
    elif parts[0] == "certificates":
        parts[1] = "C"
    return "/".join(parts)


def field_attacks(path: str, files: Files, write: Callable[[object], bytes]) -> Iterator[Attack]:
    """Every member of a JSON file: changed, taken out; every list turned round."""
    of = class_of(path)
    value = json.loads(files[path])
    for trail in _trails(value):
        for what, make in (("changed", _changed), ("taken out", None)):
            tree = json.loads(files[path])
            if _apply(tree, trail, make):
                name = ".".join(map(str, trail))
                yield Attack(of, f"{name} {what}", path, {**files, path: write(tree)})


def _trails(value: object, trail: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if trail:
        yield trail
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _trails(each, (*trail, name))
    elif isinstance(value, list):
        for place, each in enumerate(value[:3]):
            yield from _trails(each, (*trail, place))


def _changed(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1] != "0" else "1") if value else "x"
    if isinstance(value, list):
        return value[::-1] if len(value) > 1 and value[::-1] != value else [*value, "x"]
    if value is None:
        return "x"
    return {**value, "more": 1} if isinstance(value, dict) else value


def _apply(tree: object, trail: tuple[str | int, ...], make: Callable[[object], object] | None) -> bool:
    at = tree
    for step in trail[:-1]:
        at = at[step]  # type: ignore[index]
    if make is None:
        del at[trail[-1]]  # type: ignore[attr-defined]
    else:
        at[trail[-1]] = make(at[trail[-1]])  # type: ignore[index]
    return True


# --- Another log --------------------------------------------------------------------------------------------


def tree_of(leaves: list[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """Root, and the audit path of every leaf (RFC 6962 s2.1)."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest(), [[]]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    (left, lefts), (right, rights) = tree_of(leaves[:split]), tree_of(leaves[split:])
    root = sha256(b"\1" + left + right).digest()
    return root, [*([*path, right] for path in lefts), *([*path, left] for path in rights)]


def rebuilt(company: Company, files: Files, changes: dict[int, bytes]) -> Files:
    """The pack under another log, which has other records at some places, signed by the log's key."""
    size = int(files["log/checkpoint"].split(b"\n")[1])
    logged = company.node.store.read(lambda view: view.events_from(0, size))
    leaves = [changes.get(number, each.leaf) for number, each in enumerate(logged)]
    root, paths = tree_of(leaves)
    origin = company.node.log_key.name
    note = company.sign(f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n")
    made = {**files, "log/checkpoint": note}
    for path in files:
        if path.endswith(".tlog-proof"):
            index = int(files[path].split(b"\nindex ")[1].split(b"\n")[0])
            made[path] = proof_of(index, leaves[index], paths[index], note)
    return made


def proof_of(index: int, leaf: bytes, hashes: list[bytes], note: bytes) -> bytes:
    """A tlog-proof."""
    lines = ["c2sp.org/tlog-proof@v1", f"extra {base64.b64encode(leaf).decode()}", f"index {index}"]
    lines += [base64.b64encode(each).decode() for each in hashes]
    return "\n".join(lines).encode() + b"\n\n" + note


def leaf_in(proof: bytes) -> tuple[int, bytes]:
    """Index and record of a proof."""
    lines = proof.split(b"\n")
    return int(lines[2][6:]), base64.b64decode(lines[1][6:])


def proof_attacks(files: Files) -> Iterator[Attack]:
    """Every part of every proof: index, hashes, record, checkpoint."""
    proofs = sorted(path for path in files if path.endswith(".tlog-proof"))
    for path in proofs:
        index, leaf = leaf_in(files[path])
        head, _, note = files[path].partition(b"\n\n")
        hashes = [base64.b64decode(line) for line in head.split(b"\n")[3:]]
        event = json.loads(leaf)
        ways: list[tuple[str, bytes]] = [
            ("index raised", proof_of(index + 1, leaf, hashes, note)),
            ("index lowered", proof_of(max(0, index - 1), leaf, hashes, note)),
            (
                "record of another kind",
                proof_of(index, canonical({**event, "kind": "message.delivered2"}), hashes, note),
            ),
            (
                "record at another time",
                proof_of(index, canonical({**event, "at": event["at"] - 1}), hashes, note),
            ),
            ("record by another", proof_of(index, canonical({**event, "actor": "partner:x"}), hashes, note)),
            ("record spelt otherwise", proof_of(index, json.dumps(event).encode(), hashes, note)),
            ("record taken out", files[path].replace(head.split(b"\n")[1] + b"\n", b"")),
        ]
        for place in range(len(hashes)):
            flipped = bytes((hashes[place][0] ^ 1,)) + hashes[place][1:]
            ways.append(
                (
                    f"hash {place} altered",
                    proof_of(index, leaf, [*hashes[:place], flipped, *hashes[place + 1 :]], note),
                )
            )
            ways.append(
                (
                    f"hash {place} taken out",
                    proof_of(index, leaf, [*hashes[:place], *hashes[place + 1 :]], note),
                )
            )
        if len(set(hashes)) > 1:
            ways.append(("hashes turned round", proof_of(index, leaf, hashes[::-1], note)))
        for what, data in ways:
            if data != files[path]:
                yield Attack("record", what, path, {**files, path: data})
    for one, two in pairwise(proofs):
        yield Attack("record", f"reordered with {two}", one, {**files, one: files[two], two: files[one]})


def _account_of(files: Files, path: str, event: dict[str, Any]) -> Files:
    """The account (of a message, or of a configuration) told anew, as the changed record has it."""
    when = datetime.fromtimestamp(event["at"] // 1_000_000, UTC)
    at = f"{when:%Y-%m-%dT%H:%M:%S}.{event['at'] % 1_000_000 // 1000:03d}Z"
    name = path.partition("/events/")[0] + "/message.json"
    if path.startswith("configuration/"):
        name = path.replace(".tlog-proof", ".json")
    account = json.loads(files[name])
    if name.startswith("configuration/"):
        account.update(at=at, actor=event["actor"])
    else:
        entry = next(each for each in account["events"] if each["path"] == path)
        entry.update(at=at, kind=event["kind"])
    return {**files, name: json.dumps(account).encode()}


def log_attacks(company: Company, files: Files) -> Iterator[Attack]:
    """A log that says something else, built and signed by who has its key; who else vouched stays, or is taken out."""
    vouched = [
        path
        for path in files
        if path.startswith(("log/stamps/", "log/evidence-records/", "log/cosignatures"))
    ]
    for path in sorted(path for path in files if path.endswith(".tlog-proof")):
        index, leaf = leaf_in(files[path])
        event = json.loads(leaf)
        for what, changed in (
            ("another time", {**event, "at": event["at"] - 86_400_000_000}),
            ("another actor", {**event, "actor": "operator:nobody"}),
            ("another kind", {**event, "kind": "message.failed"}),
            ("other facts", {**event, "data": {**event["data"], "more": 1}}),
        ):
            made = rebuilt(company, _account_of(files, path, changed), {index: canonical(changed)})
            yield Attack("another log", f"{what}, vouchers kept", path, made)
            gone = {name: data for name, data in made.items() if name not in vouched}
            yield Attack("another log", f"{what}, vouchers taken out", path, gone)


def lies(company: Company, files: Files, forger: OpenSsl) -> Iterator[Attack]:
    """Another document, told consistently everywhere: in the content, the account, the records, the log, the manifest.

    Whoever makes it has the log's key. In the last of them they also sign as the partner, with a key of their own.
    """
    folder = next(path for path in files if path.endswith("message.json")).removesuffix("message.json")
    old = files[folder + "documents/0"]
    new = old.replace(b"+", b"-", 1)
    entity = files[folder + "wire/entity"].replace(old, new)
    swaps = {
        sha256(old).hexdigest(): sha256(new).hexdigest(),
        sha256(files[folder + "wire/entity"]).hexdigest(): sha256(entity).hexdigest(),
        _mic(files[folder + "wire/entity"]): _mic(entity),
    }
    told = {**files, folder + "documents/0": new, folder + "wire/entity": entity}
    yield Attack("lie", "another document", folder, _retold(company, told, files, swaps))
    yield Attack(
        "lie", "another document, no receipts", folder, _without_receipts(company, told, files, swaps, folder)
    )
    cms = forger.sign(entity)
    own = forger.read("forger.pem")
    certificate = _fingerprint(own)
    told = {**told, folder + "wire/signature.p7s": cms, f"certificates/{certificate}.pem": own}
    swaps[sha256(files[folder + "wire/signature.p7s"]).hexdigest()] = sha256(cms).hexdigest()
    account = json.loads(files[folder + "message.json"])
    for each in account["certificates"]:
        if each["use"] == "message-signed":
            swaps[each["sha256"]] = certificate
    yield Attack("lie", "another document, signed anew", folder, _retold(company, told, files, swaps))
    if account["direction"] == "in":  # of what left nothing but the hub's own signature would be there then
        made = _without_receipts(company, told, files, swaps, folder)
        yield Attack("lie", "another document, signed anew, no receipts", folder, made)


def _without_receipts(
    company: Company, told: Files, files: Files, swaps: dict[str, str], folder: str
) -> Files:
    gone = (folder + "receipts/", folder + "answer.")
    left = {name: data for name, data in told.items() if not name.startswith(gone)}
    account = json.loads(left[folder + "message.json"])
    account.update(receipts=[], answer=None)
    left[folder + "message.json"] = canonical(account)
    return _retold(company, left, files, swaps)


def _retold(company: Company, told: Files, files: Files, swaps: dict[str, str]) -> Files:
    def swap(data: bytes) -> bytes:
        for old, new in swaps.items():
            data = data.replace(old.encode(), new.encode())
        return data

    changes = {}
    told = dict(told)
    for path, data in files.items():
        if path.endswith("message.json"):
            told[path] = swap(told[path])
        elif "/events/" in path:
            index, leaf = leaf_in(data)
            changes[index] = swap(leaf)
    return rebuilt(company, told, changes)


def _mic(data: bytes) -> str:
    return base64.b64encode(sha256(data).digest()).decode()


def _fingerprint(pem: bytes) -> str:
    return sha256(base64.b64decode(b"".join(pem.split(b"-----")[2].split()))).hexdigest()


def zip_attacks(data: bytes, dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """The container: what stands before, between and behind its entries, its headers, and every octet at random."""
    directory = int.from_bytes(data[-6:-2], "little")
    end = len(data) - 22
    name = data.index(b"README.txt")
    yield "something before it", b"MZ" + data
    yield "something behind it", data + b"\n"
    yield "a comment", data[:-2] + b"\x02\0hi"
    yield "something between", data[:directory] + b"gap" + data[directory:end] + _end(data, directory + 3)
    yield "another name in one header", data[:name] + b"readme.txt" + data[name + 10 :]
    twice = data[directory:].replace(b"README.txt", b"MANIFEST.x")
    yield "another name in the directory", data[:directory] + twice
    for mark, what in ((b"PK\1\2", "the directory"), (b"PK\3\4", "a local header")):
        at = data.index(mark)
        for place in range(4, 46 if mark == b"PK\1\2" else 30):
            changed = bytearray(data)
            changed[at + place] ^= 1 << dice.randrange(8)
            yield f"octet {place} of {what}", bytes(changed)
    for place in range(end, len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << dice.randrange(8)
        yield f"octet {place - end} of the end", bytes(changed)
    for _ in range(60):
        yield "cut", data[: dice.randrange(len(data))]
    for _ in range(300):
        changed = bytearray(data)
        changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        yield "a bit turned", bytes(changed)


def _end(data: bytes, directory: int) -> bytes:
    return data[-22:-6] + directory.to_bytes(4, "little") + data[-2:]


def unsigned(company: Company, files: Files) -> Iterator[Attack]:
    """Another log, another manifest, under the old signatures: what a signature alone stands against."""
    anew = company.relist({**files, "README.txt": b"Believe it."})
    digest = sha256(anew["manifest.json"]).hexdigest()
    lines = files["manifest.note"].split(b"\n")
    lines[1] = digest.encode()
    anew["manifest.note"] = b"\n".join(lines)
    yield Attack("signature", "another manifest", "manifest.note", anew)
    path = min(path for path in files if "/events/" in path)
    index, leaf = leaf_in(files[path])
    event = json.loads(leaf)
    made = rebuilt(company, files, {index: canonical({**event, "at": event["at"] - 1})})
    text, signature = made["log/checkpoint"].split(b"\n\n")[0], files["log/checkpoint"].split(b"\n\n")[1]
    note = text + b"\n\n" + signature
    for name in files:
        if name.endswith(".tlog-proof"):
            made[name] = made[name].partition(b"\n\n")[0] + b"\n\n" + note
    made["log/checkpoint"] = note
    yield Attack("signature", "another log", "log/checkpoint", company.resign(made))


def resealed(company: Company, files: Files, path: str, data: bytes, head: Files | None = None) -> Files:
    """Another file (and header), and a log whose records hold its digest."""
    made = {**files, **(head or {}), path: data}
    swaps = {}
    for name in (path, *(head or {})):
        swaps[sha256(files[name]).hexdigest()] = sha256(made[name]).hexdigest()
    if "/receipts/" in path:
        top = path.removesuffix(".body") + ".headers"
        whole = (each[top] + b"\r\n" + each[path] for each in (files, made))
        old, new = (sha256(each).hexdigest() for each in whole)
        swaps[old] = new
    changes = {}
    for name, proof in files.items():
        if "/events/" in name:
            index, leaf = leaf_in(proof)
            for old, new in swaps.items():
                leaf = leaf.replace(old.encode(), new.encode())
            changes[index] = leaf
    return company.resign(rebuilt(company, made, changes))


def sealed_attacks(company: Company, files: Files, twin: Files) -> Iterator[Attack]:
    """Signatures and receipts altered, with records that hold the altered digests: only other people's keys stand.

    ``twin`` is of a message with the same content: its genuine receipt fits in everything but whom it answers.
    """
    for path in sorted(files):
        if path.endswith(("receipts/0.body", "answer.body")) and len(files[path]) > 500:
            theirs = next(name for name in twin if _shape(name) == _shape(path))
            head = {path.removesuffix(".body") + ".headers": twin[theirs.removesuffix(".body") + ".headers"]}
            made = resealed(company, files, path, twin[theirs], head)
            yield Attack("signed", "the receipt of another message", path, made)
    for path in sorted(files):
        if path.endswith(("signature.p7s", "receipts/0.body", "answer.body")) and len(files[path]) > 500:
            for what, change in _SIGNED_CHANGES.items():
                data = change(files[path])
                if data != files[path]:
                    yield Attack("signed", what, path, resealed(company, files, path, data))
    for path in ("log/cosignatures", "log/stamps/0.tsr", "log/evidence-records/0.ers"):
        if path in files:
            data = bytearray(files[path])
            data[-20] ^= 1
            yield Attack("signed", "signature altered", path, company.resign({**files, path: bytes(data)}))


def _flip_last(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[-5] ^= 1
    return bytes(changed)


def _flip_signature(data: bytes) -> bytes:
    """One character of the base64 of a signature within a multipart/signed, well before its end."""
    at = data.rfind(b"=\r\n")
    at = data.rfind(b"\r\n--") - 60 if at < 0 else at - 60
    return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]


_SIGNED_CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "signature altered": lambda data: _flip_last(data) if data[:1] == b"0" else _flip_signature(data),
    "another message acknowledged": lambda data: data.replace(b"<order-1@ASTER>", b"<order-9@ASTER>"),
    "another MIC": lambda data: re.sub(
        rb"(?i)(content-mic: )(.)", lambda m: m[1] + (b"B" if m[2] == b"A" else b"A"), data
    ),
    "an error turned into success": lambda data: data.replace(b"; processed", b"; Processed"),
}
