r"""What is proposed, and the text that operators sign.

The text says everything that would change, so that whoever signs it elsewhere sees what they sign. It is made of
facts alone, the same on every node: it can be made again from the files and the configuration in force. What can't be
printed in it is escaped (``\u{202e}``): no value can end a line, or turn the reading direction round.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Literal, Protocol

import msgspec

from ecluse.app.versions import told
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso
from ecluse.trust.changes.plan import Change, Plan
from ecluse.trust.changes.sensitive import sensitive
from ecluse.typed import from_json

__all__ = [
    "FILES",
    "KIND",
    "NAMESPACE",
    "Action",
    "ChangeTooLarge",
    "Delta",
    "FileChange",
    "Proposal",
    "Signed",
    "Signer",
    "binds",
    "delta",
    "describe",
    "digest_of",
    "header",
    "onto",
    "pack",
    "shown",
    "signed_facts",
    "unpack",
]

NAMESPACE: Final = "ecluse-change"
"""Namespace of the signatures: a key's signature for anything else says nothing here."""
KIND: Final = "proposal"
FILES: Final = "proposal-files"

MAX_FILES: Final = 1 << 26
"""Octets of the files of one proposal, unpacked: a renewal of ten thousand partners has a third."""
MAX_PACKED: Final = (3 << 20) - 64
"""The same as they are kept; a record's body has room for so many in base 64."""
ROOM: Final = 16_384
"""Octets of changes in the text: an event keeps it whole, beside a signature."""
MAX_REASON: Final = 500
"""Characters of a reason."""

FORMAT: Final = "ecluse.change/1"
"""The header, the seven lines that a text begins with, and what their digests are made of never change under it."""
_FILES: Final = 6
"""The line of a text that has the files."""

Action = Literal["propose", "approve", "refuse", "withdraw"]


class ChangeTooLarge(EcluseError):
    """A change has more files than one proposal can hold."""

    code = "change.too-large"
    fault = Fault.USAGE
    remedy = "Apply it in parts, some thousand partners at a time."


class Signer(Protocol):
    """Signs as one operator; see :mod:`ecluse.app.changes.signing`."""

    @property
    def operator(self) -> str:
        """Name of the operator."""

    def sign(self, text: str) -> str:
        """An armoured signature of the namespace :data:`NAMESPACE` over a text as UTF-8."""


class Signed(msgspec.Struct, frozen=True):
    """One signature.

    Attributes:
        operator: Whose.
        action: What was signed.
        at: When it was taken.
        key: The key, as the line of a ``.pub`` file.
        fingerprint: ``SHA256:`` and so on, of the key.
        signature: Armoured.
    """

    operator: str
    action: Action
    at: Instant
    key: str
    fingerprint: str
    signature: str


class Proposal(msgspec.Struct, frozen=True):
    """A change that waits, or waited, for approval.

    Attributes:
        id: ``c…``.
        at: When it was proposed.
        until: When it ends by itself.
        base: The version that was in force.
        actor: Who proposed it, as events have it.
        proposer: The operator who signed the proposal; empty where nobody did.
        by: The same in words, as the text has it.
        reason: Why.
        text: What is signed, but for the lines that say who signs what.
        digest: SHA-256 of ``text``, hexadecimal.
        trust: Number of changes to trust.
        recover: When who proposed it may sign it a second time, alone; ``None`` where they never may.
        signatures: Those that count for it, in their order.
        version: The version that it became; ``None`` where it did not.
        ended: Why it is over, in words; empty while it waits.
    """

    id: str
    at: Instant
    until: Instant
    base: int
    actor: str
    proposer: str
    by: str
    reason: str
    text: str
    digest: str
    trust: int
    recover: Instant | None = None
    signatures: tuple[Signed, ...] = ()
    version: int | None = None
    ended: str = ""

    def statement(self, action: Action, operator: str, because: str = "") -> str:
        """The text that an operator signs."""
        return header(action, operator, because) + self.text


class FileChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What becomes of one file.

    Attributes:
        before: SHA-256 of the text that it has; ``None`` where there is no such file.
        after: The text that it gets; ``None`` where it goes.
    """

    before: str | None = None
    after: str | None = None


Delta = Mapping[str, FileChange]
"""Relative path to what becomes of it."""


def delta(present: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, FileChange]:
    """The files that differ, in order of path."""
    return {
        path: FileChange(_digest(present.get(path)), wanted.get(path))
        for path in sorted({*present, *wanted})
        if present.get(path) != wanted.get(path)
    }


def _digest(text: str | None) -> str | None:
    return None if text is None else sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def binds(text: str, id: str, files: Delta) -> bool:
    """Whether a proposal's text is about ``id``, and about exactly these files.

    That much of a text every release reads, whatever its words for the changes are.
    """
    lines = text.split("\n")
    return len(lines) > _FILES and lines[1] == f"change: {id}" and lines[_FILES] == _files_line(files)


def onto(present: Mapping[str, str], files: Delta) -> dict[str, str] | None:
    """All files with the changed ones among them; ``None`` where one is not what it was."""
    result = dict(present)
    for path, change in files.items():
        if _digest(present.get(path)) != change.before:
            return None
        if change.after is None:
            del result[path]
        else:
            result[path] = change.after
    return result


def pack(files: Delta) -> bytes:
    """As they are kept. Raises :class:`ChangeTooLarge`."""
    data = msgspec.json.encode(files, order="deterministic")
    packed = zlib.compress(data, 6)
    if len(data) > MAX_FILES or len(packed) > MAX_PACKED:
        raise ChangeTooLarge(f"The files that would change have {len(data)} octets.")
    return packed


def unpack(packed: bytes) -> Delta:
    """Read them again. Raises ``ValueError`` where they are not what :func:`pack` gave."""
    try:
        expander = zlib.decompressobj()
        data = expander.decompress(packed, MAX_FILES + 1)
        if len(data) > MAX_FILES or not expander.eof:
            raise ValueError("size")
        return from_json(data, dict[str, FileChange])
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(str(error)) from None


def header(action: Action, operator: str, because: str = "") -> str:
    """The lines that say who signs what."""
    lines = [FORMAT, f"action: {action}", f"operator: {shown(operator)}"]
    if because:
        lines.append(f"because: {shown(because[:MAX_REASON])}")
    return "\n".join(lines) + "\n"


def describe(
    *,
    id: str,
    hub: str,
    base: int,
    until: Instant,
    by: str,
    reason: str,
    files: Delta,
    changes: Plan,
    recover: Instant | None = None,
) -> str:
    """The text of a proposal.

    Args:
        id: The proposal's.
        hub: Name of the hub's log.
        base: The version that was in force when it was proposed.
        until: When it ends by itself.
        by: Who proposed it.
        reason: Why.
        files: The files that change.
        changes: What that means.
        recover: When who proposed it may sign it a second time, alone.
    """
    trust = sensitive(changes)
    ours = {each.change for each in trust}
    first = [f"  {_line(each.change)} ({each.kind})" for each in trust]
    others = [f"  {_line(each)}" for each in changes.changes if each not in ours]
    both = told([*first, *others], ROOM)
    lines = [
        f"hub: {shown(hub)}",
        f"change: {id}",
        f"base: version {base}",
        f"until: {iso(until)}",
        f"proposed by: {shown(by)}",
        f"reason: {shown(reason[:MAX_REASON])}",
        _files_line(files),
        *(
            [f"recovery: from {iso(recover)} on, two signatures of one operator are enough"]
            if recover
            else []
        ),
        f"changes to trust: {len(first)}",
        *both[: len(first)],
        f"other changes: {len(others)}",
        *both[len(first) :],
    ]
    if len(both) < len(first) + len(others):
        whole = sha256("\n".join((*first, *others)).encode()).hexdigest()
        lines.append(f"not shown: {len(first) + len(others) - len(both)}, SHA-256 of all lines {whole}")
    return "\n".join(lines) + "\n"


def digest_of(text: str) -> str:
    """SHA-256 of a proposal's text, hexadecimal."""
    return sha256(text.encode()).hexdigest()


def signed_facts(signed: Signed) -> dict[str, object]:
    """A signature in an event: with the statement beside it, all that a check needs."""
    return {
        "operator": signed.operator,
        "key": signed.key,
        "fingerprint": signed.fingerprint,
        "signature": signed.signature,
    }


def _line(change: Change) -> str:
    return shown(f"{change.subject} {change}")


def _files_line(files: Delta) -> str:
    """One digest of what every file was and becomes."""
    rows = [[path, change.before, _digest(change.after)] for path, change in sorted(files.items())]
    return f"files: {len(files)}, SHA-256 {sha256(msgspec.json.encode(rows)).hexdigest()}"


def shown(text: str) -> str:
    """A text on one line as it can be read: what can't be printed is escaped, spaces but the plain one too."""
    return "".join(each if each.isprintable() and each != "\\" else f"\\u{{{ord(each):x}}}" for each in text)
