"""The whole check, in order: container, manifest, log, files against records, signatures, who else saw the log."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from ecluse_verify.breaks import check_breaks
from ecluse_verify.log import (
    Keys,
    Log,
    check_head,
    check_kinds,
    check_signed,
    claimed_keys,
    log_of,
    proven_record,
)
from ecluse_verify.message import check_message
from ecluse_verify.notes import read_note
from ecluse_verify.pack import MAX_TOTAL, Pack
from ecluse_verify.people import People
from ecluse_verify.proofs import check_inclusion, read_proof
from ecluse_verify.records import Record, is_commitment, opened, read_openings, read_record
from ecluse_verify.report import Level, Report, Step, instant
from ecluse_verify.sshsig import Signers
from ecluse_verify.text import MAX_JSON, Bad, canonical_json, read_json

__all__ = ["verify_pack", "verify_proof"]

_FORMAT: Final = "ecluse.pack/1"
_MANIFEST: Final = "manifest.json"
_NOTE: Final = "manifest.note"
_ALWAYS: Final = ("log/checkpoint", "log/keys.json")
_CHECKED: Final = ("messages/", "certificates/", "revocation/", "configuration/", "log/", _MANIFEST, _NOTE)
_AHEAD: Final = 300.0
"""Seconds by which the hub's clock may be ahead of those who saw its log."""


def verify_pack(
    path: Path,
    keys: Keys,
    anchors: tuple[x509.Certificate, ...] = (),
    max_total: int = MAX_TOTAL,
    signers: Signers = frozenset(),
) -> Report:
    """Check an evidence pack.

    Args:
        path: The file.
        keys: What the reader has from elsewhere: keys of the log and of witnesses, certificates of authorities.
        anchors: Certificates that the reader trusts, of partners or of who issued them.
        max_total: Octets of all its files together.
        signers: The hub's operators, each with the octets of a key that is theirs.

    Raises:
        OSError: The file can't be read; nothing else, whatever its octets.
    """
    report = Report()
    with report.guard(path.name), Pack(path, max_total) as pack:
        _verify(pack, keys, anchors, signers, report)
    return report


def verify_proof(path: Path, keys: Keys) -> Report:
    """Check a single ``.tlog-proof`` (C2SP tlog-proof) that carries its record. Raises :class:`OSError` alone."""
    report, name = Report(), path.name
    with path.open("rb") as file:
        data = file.read(2_000_001)
    with report.guard(name):
        proof = read_proof(data)
        log = log_of(proof.checkpoint, keys)
        check_inclusion(proof, log.head)
        record = read_record(name, proof.index, proof.leaf)
        facts = {"index": record.index, "size": log.head.size, "origin": log.head.origin, "kind": record.kind}
        report.add(
            log.level, f"proof.{log.level.value}", name, subject=record.subject, when=record.at, **facts
        )
        report.story.append(Step(record.subject, record.index, record.at, record.kind, record.actor))
        note = read_note(proof.checkpoint)
        for key in keys.witnesses:
            line = next(filter(key.made, note.lines), None)
            if line is None:
                raise Bad("witness.missing", name=key.name)
            when = key.check(line, note.text)
            report.add(Level.PROVEN, "witness.proven", name, name=key.name, when=when, size=log.head.size)
    return report


def _verify(
    pack: Pack, keys: Keys, anchors: tuple[x509.Certificate, ...], signers: Signers, report: Report
) -> None:
    manifest: dict[str, object] = {}
    about: dict[str, str] = {}
    with report.guard(_MANIFEST):
        manifest, about = _manifest(pack, report)
    for path in _ALWAYS:
        if path not in pack.names:
            report.add(Level.BROKEN, "file.missing", path)
    origin = str(manifest.get("origin"))
    with report.guard("log/keys.json"):
        log_keys, witnesses = claimed_keys(pack.read("log/keys.json"), origin)
        keys = replace(keys, claimed_log=log_keys, claimed_witnesses=witnesses)
    with report.guard(_NOTE):
        _manifest_note(pack, manifest, keys, origin, report)
    log: Log | None = None
    with report.guard("log/checkpoint"):
        log = log_of(pack.read("log/checkpoint"), keys, origin)
        code = f"log.{log.level.value}"
        report.add(log.level, code, "log/checkpoint", origin=origin, size=log.head.size)
        check_kinds(read_note(log.note), keys, origin, "log/checkpoint", report)
    times: list[datetime] = []
    if log is not None:
        with report.guard("log/"):
            times = check_head(pack, log, keys, about, datetime.now(UTC), report)
    people = People(report, anchors, min(times, default=None))
    people.load(pack)
    ids = manifest.get("messages")
    listed = set(ids if isinstance(ids, list) else ())
    folders = {path.split("/")[1] for path in pack.names if path.startswith("messages/")}
    for id in sorted(folders | listed):
        if id not in listed or id not in folders:
            report.add(Level.BROKEN, "message.unlisted", f"messages/{id}/")
        check_message(pack, id, log, people, report)
    if log is not None:
        _check_configurations(pack, log, report)
    newest = max((step.at for step in report.story), default=None)
    if times and newest is not None and (newest - min(times)).total_seconds() > _AHEAD:
        report.add(Level.BROKEN, "time.ahead", "log/checkpoint", newest=newest, when=min(times))
    check_breaks(pack, keys, origin, signers, report)
    for path in sorted(path for path in pack.names if not path.startswith(_CHECKED)):
        report.add(Level.CLAIMED, "file.unknown", path)
    notes = manifest.get("notes")
    for note in notes if isinstance(notes, list) else []:
        report.add(Level.MISSING, "manifest.says", _MANIFEST, note=note)


def _manifest(pack: Pack, report: Report) -> tuple[dict[str, object], dict[str, str]]:
    """The manifest, every file of the pack held against it."""
    data = pack.read(_MANIFEST, MAX_JSON)
    value = read_json(data)
    if not isinstance(value, dict) or value.get("format") != _FORMAT or canonical_json(value) != data:
        raise Bad("manifest")
    files, about = value.get("files"), {}
    if not isinstance(files, list) or not all(isinstance(entry, dict) for entry in files):
        raise Bad("manifest")
    paths, ids = [entry.get("path") for entry in files], value.get("messages")
    if not isinstance(ids, list) or not all(map(_is_text, (*paths, *ids))) or paths != sorted(set(paths)):
        raise Bad("manifest")
    for entry in files:
        path = entry["path"]
        with report.guard(path):
            _held(pack, path, entry)
        if isinstance(entry.get("about"), str) and entry["about"] in pack.names:
            about[path] = entry["about"]
    for path in sorted(pack.names - set(paths) - {_MANIFEST, _NOTE}):
        report.add(Level.BROKEN, "file.extra", path)
    return value, about


def _held(pack: Pack, path: str, entry: dict[str, object]) -> None:
    """A file is the one that the manifest lists. Raises :class:`Bad`."""
    if path not in pack.names:
        raise Bad("file.missing")
    if entry.get("size") != pack.size(path) or entry.get("sha256") != pack.digest(path):
        raise Bad("file.altered")


def _manifest_note(pack: Pack, manifest: dict[str, object], keys: Keys, origin: str, report: Report) -> None:
    note = read_note(pack.read(_NOTE))
    made = manifest.get("made")
    if note.text != f"{_FORMAT}\n{pack.digest(_MANIFEST)}\n{made}\n":
        raise Bad("manifest.note")
    level = check_signed(note, keys, origin, of_text=True)
    report.add(level, f"manifest.{level.value}", _NOTE, origin=origin, made=made, count=len(pack.names) - 2)
    check_kinds(note, keys, origin, _NOTE, report, of_text=True)


def _check_configurations(pack: Pack, log: Log, report: Report) -> None:
    """Each version of the configuration against the record by which it came into force."""
    for path in sorted(
        path for path in pack.names if path.startswith("configuration/") and path.endswith(".json")
    ):
        with report.guard(path):
            number = path.removeprefix("configuration/").removesuffix(".json")
            value = read_json(pack.read(path, MAX_JSON))
            if not isinstance(value, dict) or str(value.get("number")) != number:
                raise Bad("configuration")
            digests, files = value.get("digests"), value.get("files")
            if (
                not isinstance(digests, list)
                or not isinstance(files, dict)
                or not all(map(_is_text, (*digests, *files.values())))
            ):
                raise Bad("configuration")
            for name, text in files.items():
                if hashlib.sha256(f"{name}\0{text}".encode()).hexdigest() not in digests:
                    raise Bad("configuration.file", name=name)
            proof = path.removesuffix(".json") + ".tlog-proof"
            if proof not in pack.names:
                report.add(Level.MISSING, "file.unbound", path)
                continue
            record = _of_configuration(pack, proof, log, number)
            openings = read_openings(value.get("openings", []))
            record = opened(record, openings.get(proof, {}))
            said = record.text("files_set_sha256")
            if said and said != hashlib.sha256("".join(f"{each}\n" for each in digests).encode()).hexdigest():
                raise Bad("file.differs", member="files_set_sha256")
            told = record.text("reason")
            reason = value.get("reason") if is_commitment(told) else told
            if [value.get(name) for name in ("at", "actor", "reason")] != [
                instant(record.at),
                record.actor,
                reason,
            ]:
                raise Bad("message.differs", member="at, actor, reason", path=proof)
            level, code = (log.level, f"file.{log.level.value}") if said else (Level.MISSING, "file.unbound")
            report.add(level, code, path, index=record.index, kind=record.kind, when=record.at)


def _of_configuration(pack: Pack, path: str, log: Log, number: str) -> Record:
    try:
        record = proven_record(path, pack.read(path), log)
    except Bad as bad:
        bad.facts.setdefault("file", path)
        raise
    if (record.subject, record.kind) != (f"config:{number}", "config.applied"):
        raise Bad("events.other", file=path, subject=record.subject)
    return record


def _is_text(value: object) -> bool:
    return isinstance(value, str)
