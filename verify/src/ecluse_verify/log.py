"""The log: its signed head, who else saw that head, and since when it exists.

The hub's signature over a checkpoint says what its log holds. A hub can sign two logs; it can't make a witness cosign
the second one, nor an authority stamp it yesterday. What only keys out of the pack bear out is a claim.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from cryptography import x509

from ecluse_verify.certificates import load_pem, name_of
from ecluse_verify.notes import KINDS, Note, VerifierKey, read_line, read_note
from ecluse_verify.pack import Pack
from ecluse_verify.proofs import Head, check_inclusion, read_head, read_proof
from ecluse_verify.records import Record, read_record
from ecluse_verify.renewals import check_record
from ecluse_verify.report import Level, Report
from ecluse_verify.stamps import read_token
from ecluse_verify.text import Bad, read_json

__all__ = [
    "Keys",
    "Log",
    "check_head",
    "check_kinds",
    "check_signed",
    "claimed_keys",
    "log_of",
    "proven_record",
]

_CHECKPOINT: Final = "log/checkpoint"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that the reader has from elsewhere, and those that the pack says are right."""

    log: tuple[VerifierKey, ...] = ()
    witnesses: tuple[VerifierKey, ...] = ()
    authorities: tuple[x509.Certificate, ...] = ()
    claimed_log: tuple[VerifierKey, ...] = ()
    claimed_witnesses: tuple[VerifierKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """A checkpoint whose signature holds; ``level`` is PROVEN where the reader gave its key."""

    head: Head
    note: bytes
    level: Level


def claimed_keys(data: bytes, origin: str) -> tuple[tuple[VerifierKey, ...], tuple[VerifierKey, ...]]:
    """The verifier keys of ``log/keys.json``: of the log, and of its witnesses. Raises :class:`Bad`."""
    value = read_json(data)
    if not isinstance(value, dict):
        raise Bad("keys")
    log, witnesses = value.get("log"), value.get("witnesses", [])
    if value.get("origin") != origin:
        raise Bad("keys")
    if not isinstance(log, list) or not isinstance(witnesses, list):
        raise Bad("keys")
    keys = [entry.get("key") if isinstance(entry, dict) else None for entry in witnesses]
    if not all(isinstance(key, str) for key in (*log, *keys)):
        raise Bad("keys")
    return tuple(map(VerifierKey.parse, log)), tuple(VerifierKey.parse(str(key)) for key in keys)


def check_signed(note: Note, keys: Keys, origin: str, *, of_text: bool = False) -> Level:
    """Check a note by the log's keys: each of them that signed, and at least one.

    Args:
        note: What is signed.
        keys: The reader's, and those of the pack.
        origin: The log's name, which its keys have.
        of_text: The note is no checkpoint.

    Returns:
        PROVEN where a key of the reader's signed it, else CLAIMED.

    Raises:
        Bad: A signature does not fit, or there is none of a key that counts.
    """
    level = None
    for trusted, group in ((True, keys.log), (False, keys.claimed_log)):
        for key in group:
            if key.name != origin:
                continue
            used = key.over_text() if of_text else key
            for line in filter(used.made, note.lines):
                used.check(line, note.text)
                level = Level.PROVEN if trusted or level is Level.PROVEN else Level.CLAIMED
    if level is None or (keys.log and level is not Level.PROVEN):
        raise Bad("note.unsigned", origin=origin)
    return level


def log_of(checkpoint: bytes, keys: Keys, origin: str | None = None) -> Log:
    """The log of a checkpoint that its key signed. Raises :class:`Bad`."""
    note = read_note(checkpoint)
    head = read_head(note.text)
    if origin is not None and head.origin != origin:
        raise Bad("checkpoint.origin", origin=head.origin)
    return Log(head, checkpoint, check_signed(note, keys, head.origin))


def check_kinds(
    note: Note, keys: Keys, origin: str, path: str, report: Report, *, of_text: bool = False
) -> None:
    """Tell of each kind of key that the log has and that did not sign a note: as the reader gave them, else the pack.

    What is from before the log had its second key is in order. Where that signature was taken off, it looks the same.
    """
    given = {key.kind for key in keys.log if key.name == origin}
    claimed = (key for key in keys.claimed_log if key.kind not in given)
    of_log = [key.over_text() if of_text else key for key in (*keys.log, *claimed) if key.name == origin]
    signed = {key.kind for key in of_log if any(map(key.made, note.lines))}
    for kind in sorted({key.kind for key in of_log} - signed):
        report.add(Level.MISSING, "log.kind", path, kind=KINDS[kind])


def proven_record(path: str, data: bytes, log: Log) -> Record:
    """The record of a proof under the log's own checkpoint. Raises :class:`Bad`."""
    proof = read_proof(data)
    if proof.checkpoint != log.note:
        raise Bad("proof.checkpoint")
    check_inclusion(proof, log.head)
    return read_record(path, proof.index, proof.leaf)


def check_head(
    pack: Pack, log: Log, keys: Keys, about: dict[str, str], now: datetime, report: Report
) -> list[datetime]:
    """Cosignatures, time-stamps and evidence records over the head; give the times that others state for it."""
    times = _cosignatures(pack, log, keys, report)
    stamps = sorted(path for path in pack.names if path.startswith("log/stamps/") and path.endswith(".tsr"))
    records = sorted(path for path in pack.names if path.startswith("log/evidence-records/"))
    others: list[x509.Certificate] = []
    vouched = False
    for path in stamps:
        with report.guard(path):
            chain = path.removesuffix(".tsr") + ".pem"
            others += load_pem(pack.read(chain)) if chain in pack.names else []
            token = read_token(pack.read(path))
            authority, trusted = token.check(
                hashlib.new(token.digest, log.note).digest(), others, keys.authorities
            )
            level, code = (Level.PROVEN, "stamp.proven") if trusted else (Level.CLAIMED, "stamp.claimed")
            report.add(level, code, path, name=name_of(authority), when=token.time, size=log.head.size)
            times += [token.time] if trusted else []
            vouched = vouched or trusted
    for path in records:
        with report.guard(path):
            covered = about.get(path) or _CHECKPOINT
            found = check_record(pack.read(path), partial(_digest, pack, covered), others, keys.authorities)
            level, code = (Level.PROVEN, "ers.proven") if found.trusted else (Level.CLAIMED, "ers.claimed")
            dates = {"first": found.first, "last": found.last, "count": found.stamps}
            names = ", ".join(dict.fromkeys(map(name_of, found.authorities)))
            report.add(level, code, path, covered=covered, names=names, **dates)
            if found.ends < now:
                report.add(Level.MISSING, "ers.ended", path, when=found.ends)
            vouched = vouched or found.trusted
    if keys.authorities and not vouched:
        report.add(Level.BROKEN, "stamp.untrusted", "log/stamps/")
    elif not stamps and not records:
        report.add(Level.MISSING, "stamp.none")
    return times


def _cosignatures(pack: Pack, log: Log, keys: Keys, report: Report) -> list[datetime]:
    path, lines, times = "log/cosignatures", [], []
    text = read_note(log.note).text
    if path in pack.names:
        with report.guard(path):
            rows = pack.read(path).decode("utf-8", "replace")
            if not rows.endswith("\n"):
                raise Bad("note")
            lines = [read_line(row) for row in rows[:-1].split("\n")] if rows != "\n" else []
    for key in keys.witnesses:
        with report.guard(path):
            line = next(filter(key.made, lines), None)
            if line is None:
                raise Bad("witness.missing", name=key.name)
            when = key.check(line, text)
            report.add(Level.PROVEN, "witness.proven", path, name=key.name, when=when, size=log.head.size)
            times += [when] if when is not None else []
    for line in lines:
        with report.guard(path):
            if any(key.made(line) for key in keys.witnesses):
                continue
            claimed = next((key for key in keys.claimed_witnesses if key.made(line)), None)
            if claimed is None:
                report.add(Level.CLAIMED, "witness.unknown", path, name=line.name)
            else:
                when = claimed.check(line, text)
                report.add(Level.CLAIMED, "witness.claimed", path, name=line.name, when=when)
    if not lines and not keys.witnesses:
        report.add(Level.MISSING, "witness.none")
    return times


def _digest(pack: Pack, path: str, name: str) -> bytes:
    digest = hashlib.new(name)
    for piece in pack.chunks(path):
        digest.update(piece)
    return digest.digest()
