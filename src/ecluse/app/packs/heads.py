"""Who else vouches for a head of the log: witnesses that cosigned it, authorities that time-stamped it."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.app.log.breaks import signed_by
from ecluse.app.log.sequencing import BROKEN
from ecluse.app.node import Node
from ecluse.app.packs.notes import Note
from ecluse.app.packs.summary import Broken, Vouchers
from ecluse.evidence.breaks import Break, breaks
from ecluse.evidence.longterm import records_for
from ecluse.evidence.pack.container import PackWriter
from ecluse.evidence.stamps import Stamp, stamps
from ecluse.evidence.stamps.stamp import KIND as STAMP
from ecluse.evidence.witness import COSIGNATURE, kept_cosignatures
from ecluse.model.basics import iso
from ecluse.model.nouns import Checkpoint
from ecluse.store.port import View
from ecluse.wire.tlog.checkpoint import LogKey, parse_head
from ecluse.wire.tlog.note import parse_note

__all__ = ["key_of", "vouched_sizes", "write_heads"]

_LOOKED_AT: Final = 200
"""Records of time-stamps and of cosignatures that are looked through for the earliest that cover what is asked for."""


def vouched_sizes(view: View, size: int) -> dict[int, int]:
    """For checkpoints of at least ``size`` records, the earliest first, how much others vouch for them.

    A time-stamp counts more than any number of witnesses: it is what says since when the records are there.
    """
    found: Counter[int] = Counter()
    for kind, worth in ((STAMP, 2), (COSIGNATURE, 1)):
        sizes = {
            int(record.key[:20])
            for record in view.records(kind, after=f"{size:020d}", limit=_LOOKED_AT)
            if record.key[:20].isdecimal()
        }
        found.update(dict.fromkeys(sizes, worth))
    return dict(found)


def key_of(node: Node, checkpoint: Checkpoint) -> LogKey:
    """The log's keys under the name that the log had at a checkpoint: a log that broke goes on under another one."""
    return node.log.named(parse_head(parse_note(checkpoint.note).text).origin)


def write_heads(node: Node, writer: PackWriter, checkpoint: Checkpoint) -> tuple[Vouchers, list[Note]]:
    """Write the checkpoint with all that others say of it; give who they are, and what is missing."""
    size = checkpoint.size
    writer.add("log/checkpoint", "checkpoint", checkpoint.note)
    found, records, signed, broken, open_break = node.store.read(
        lambda view: (
            stamps(view, size, checkpoint.note),
            records_for(view, size, checkpoint.note),
            kept_cosignatures(view, size),
            breaks(view),
            view.setting(BROKEN),
        )
    )
    # Others looked at the note of that moment: one that covers another note of this size proves nothing here.
    key = key_of(node, checkpoint)
    signed = [each for each in signed if each.origin == key.name]
    for number, stamp in enumerate(found):
        _write_stamp(writer, number, stamp)
    for number, record in enumerate(records):
        writer.add(
            f"log/evidence-records/{number}.ers", "evidence-record", record.data, about="log/checkpoint"
        )
    if signed:
        lines = "".join(line for each in signed for line in each.lines)
        writer.add("log/cosignatures", "cosignatures", lines.encode())
    _json(writer, "log/keys.json", "keys", _keys(node, key))
    if broken:
        _json(writer, "log/breaks.json", "breaks", {"breaks": [_break(each) for each in broken]})
    vouchers = Vouchers(
        key.name,
        " ".join(key.texts()),
        size,
        checkpoint.root.hex(),
        tuple((stamp.authority, iso(stamp.time)) for stamp in found),
        tuple(each.witness for each in signed),
        tuple(_told(each) for each in broken),
    )
    missing = [("no-stamp", found), ("no-cosignature", signed), ("log-broken", not open_break)]
    return vouchers, [Note(code) for code, there in missing if not there]


def _write_stamp(writer: PackWriter, number: int, stamp: Stamp) -> None:
    writer.add(f"log/stamps/{number}.tsr", "stamp", stamp.token, about=stamp.authority)
    if stamp.chain:
        writer.add(f"log/stamps/{number}.pem", "stamp-chain", _pem(stamp.chain), about=stamp.authority)


def _pem(chain: Iterable[bytes]) -> bytes:
    return b"".join(x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM) for each in chain)


def _keys(node: Node, key: LogKey) -> dict[str, Any]:
    witnesses = node.directory.hub.log.witnesses
    return {
        "origin": key.name,
        "log": list(key.texts()),
        "former": [
            {"origin": each.name, "key": text}
            for each in node.log_keys
            if each.name != key.name
            for text in each.texts()
        ],
        "witnesses": [{"name": each.name, "key": text} for each in witnesses for text in each.keys],
    }


def _break(each: Break) -> dict[str, Any]:
    return {
        "origin": each.origin,
        "before": each.before,
        "lost": {"origin": each.lost.origin, "size": each.lost.size, "root": each.lost.root.hex()},
        "common": each.common,
        "size": each.size,
        "root": each.root.hex(),
        "at": each.at,
        "by": [{"operator": who.operator, "key": who.key, "signature": who.signature} for who in each.by],
        "reason": each.reason,
        "index": each.index,
        "event": each.event,
        "note": base64.b64encode(each.note).decode("ascii"),
    }


def _told(each: Break) -> Broken:
    signed = signed_by(each)
    unsigned = [who.operator for who in each.by if who.operator not in signed]
    return Broken(each.before, each.lost.size, each.origin, each.reason, tuple(signed), tuple(unsigned))


def _json(writer: PackWriter, path: str, role: str, facts: dict[str, Any]) -> None:
    writer.add(path, role, msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")
