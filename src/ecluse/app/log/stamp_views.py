"""What is kept of time-stamps and evidence records, for people and for programs: listed, verified, given away."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cryptography import x509

from ecluse import durable
from ecluse.app.log.stamps import longterm, trusted_roots
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.longterm.checking import check_records, check_stamps
from ecluse.evidence.longterm.kept import EvidenceRecordFile, KeptRecord, all_records, as_file, read_kept
from ecluse.evidence.longterm.plan import holds_until
from ecluse.evidence.longterm.sources import content_of
from ecluse.evidence.stamps.keeping import authority_state
from ecluse.evidence.stamps.stamp import Stamp, all_stamps, stamps
from ecluse.evidence.verify import Problem
from ecluse.model.basics import Instant, iso
from ecluse.model.records import Record
from ecluse.store.port import View
from ecluse.trust.certificates import to_pem

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = [
    "NothingKept",
    "authority_facts",
    "export_records",
    "export_stamps",
    "list_records",
    "list_stamps",
    "stamp_facts",
    "verify_stamps",
]

_MAX_PROBLEMS: Final = 100
"""Problems in one answer: a thousand more say nothing else."""


class NothingKept(EcluseError):
    """There is no time-stamp, or no evidence record, of what is asked for."""

    code = "log.nothing-kept"
    fault = Fault.USAGE
    remedy = "Look at `ecluse log stamps` and `ecluse log records list`."


def stamp_facts(stamp: Stamp) -> dict[str, Any]:
    """A time-stamp, for ``--json``."""
    return {
        "size": stamp.size,
        "authority": stamp.authority,
        "time": iso(stamp.time),
        "accuracy": stamp.accuracy,
        "ahead": stamp.ahead,
        "kept": iso(stamp.kept),
        "hash": stamp.hash,
        "policy": stamp.policy,
        "serial": stamp.serial,
        "signature": stamp.signature,
        "ends": iso(stamp.ends),
    }


def authority_facts(node: Node) -> list[dict[str, Any]]:
    """How it stands with each authority, for ``--json``."""
    settings = node.directory.hub.log.authorities
    states = node.store.read(lambda view: [authority_state(view, each.name) for each in settings])
    return [
        {
            "name": each.name,
            "asked": each.ask,
            "required": each.required,
            "last": _iso(state.time) if state is not None else None,
            "size": state.size if state is not None else None,
            "ahead": state.ahead if state is not None else None,
            "ends": _iso(state.ends) if state is not None else None,
            "failures": state.failures if state is not None else 0,
            "error": state.error if state is not None else "",
        }
        for each, state in zip(settings, states, strict=True)
    ]


def list_stamps(node: Node, limit: int) -> list[Stamp]:
    """The newest time-stamps, the newest first."""
    return list(node.store.read(lambda view: deque(all_stamps(view), maxlen=limit)))[::-1]


def list_records(node: Node) -> list[dict[str, Any]]:
    """Every evidence record, for ``--json``."""
    table = longterm(node).table

    def read(view: View) -> list[dict[str, Any]]:
        return [
            _record_facts(row, read_kept(row), holds_until(read_kept(row), table))
            for row in all_records(view)
        ]

    return node.store.read(read)


def verify_stamps(node: Node) -> dict[str, Any]:
    """Verify every time-stamp and every evidence record.

    Returns:
        ``stamps`` and ``records``: how many there are; ``problems``: what is wrong, each as of ``ecluse log verify``.
    """
    work, roots = longterm(node), trusted_roots(node)
    problems: list[dict[str, Any]] = []
    return {
        "stamps": _count(check_stamps(work, roots), problems),
        "records": _count(check_records(work, roots, node.evidence_sources), problems),
        "problems": problems,
    }


def export_stamps(node: Node, folder: Path, size: int | None) -> list[str]:
    """Write time-stamps as files that ``openssl ts -verify -token_in`` takes.

    Args:
        node: The hub.
        folder: Where to; made where it is missing.
        size: Of the checkpoint; the newest that is stamped by default.

    Returns:
        The names of the files.

    Raises:
        NothingKept: There is none.
        DiskError: A file is there, or can't be written.
    """
    if size is None:
        newest = list_stamps(node, 1)
        size = newest[0].size if newest else 0
    chosen = node.store.read(lambda view: stamps(view, size))
    if not chosen:
        raise NothingKept("There is no time-stamp on such a checkpoint.")
    files: dict[str, bytes] = {}
    for stamp in chosen:
        note = node.store.read(lambda view, stamp=stamp: _note(view, stamp))  # type: ignore[misc]
        files[f"{stamp.size}.note"] = note
        files[f"{stamp.size}-{stamp.authority}.tsr"] = stamp.token
        files[f"{stamp.size}-{stamp.authority}.pem"] = _pem(stamp.chain)
    return _write(folder, files)


def export_records(node: Node, folder: Path, size: int | None) -> list[str]:
    """Write evidence records with the data that they are over and the certificates that they rest on.

    Args:
        node: The hub.
        folder: Where to; made where it is missing.
        size: Of the log that a checkpoint is over; all of them, and those of other data objects, by default.

    Returns:
        The names of the files.

    Raises:
        NothingKept: There is none.
        DiskError: A file is there, or can't be written.
    """

    def chosen(view: View) -> list[KeptRecord]:
        kept = (read_kept(row) for row in all_records(view))
        return [each for each in kept if size is None or each.reference == f"{size:020d}"]

    found = node.store.read(chosen)
    if not found:
        raise NothingKept("There is no such evidence record.")
    names: list[str] = []
    for kept in found:
        file: EvidenceRecordFile = as_file(kept)
        data = node.store.read(lambda view, kept=kept: content_of(view, kept, node.evidence_sources))  # type: ignore[misc]
        stem = file.name.removesuffix(".ers")
        files = {file.name: file.data, f"{stem}.pem": _pem(file.certificates)}
        if data is not None:
            files[f"{stem}.data"] = data
        names += _write(folder, files)
    return names


def _count(checked: Iterator[tuple[str, Problem | None]], problems: list[dict[str, Any]]) -> int:
    count = 0
    for _, problem in checked:
        count += 1
        if problem is not None and len(problems) < _MAX_PROBLEMS:
            problems.append(msgspec.to_builtins(problem))
    return count


def _record_facts(row: Record, kept: KeptRecord, until: Instant) -> dict[str, Any]:
    return {
        "source": kept.source,
        "reference": kept.reference.lstrip("0") or "0",
        "authority": kept.authority,
        "time": iso(kept.time),
        "renewed": iso(kept.renewed),
        "renewals": kept.renewals,
        "by": kept.by,
        "hash": kept.hash,
        "signature": kept.signature,
        "ends": iso(kept.ends),
        "holds_until": iso(until),
        "due": _iso(row.due),
        "state": row.state,
    }


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else iso(instant)


def _note(view: View, stamp: Stamp) -> bytes:
    for checkpoint in view.checkpoints_from(stamp.size, 20):
        if hashlib.sha256(checkpoint.note).hexdigest() == stamp.note_sha256:
            return checkpoint.note
    raise NothingKept(f"The checkpoint of size {stamp.size} that {stamp.authority} stamped is not there.")


def _pem(chain: tuple[bytes, ...]) -> bytes:
    return to_pem(x509.load_der_x509_certificate(each) for each in chain).encode("ascii")


def _write(folder: Path, files: dict[str, bytes]) -> list[str]:
    durable.make_folder(folder)
    for name, data in files.items():
        durable.replace(folder / name, data, 0o644)
    return sorted(files)
