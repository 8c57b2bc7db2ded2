"""The approved state of the hub, and what drifted from it.

A baseline is what somebody looked at and answers for: the configuration in words, subject by subject, and what each
partner was seen to use. Only digests of it are held in memory; what a subject's words were is read when they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from ecluse.model.basics import Instant, PartnerId
from ecluse.model.records import Record
from ecluse.posture.facts import Approved, Seen
from ecluse.posture.keeping import Tell, every_record_of
from ecluse.store.port import Tx, View
from ecluse.trust.changes.plan import Change, differences
from ecluse.trust.configuration import Configuration
from ecluse.typed import json_decoder

__all__ = [
    "MARK",
    "Baseline",
    "BaselineEntry",
    "approve",
    "digest_of",
    "entry_of",
    "read_baseline",
    "texts_of",
]

BASELINE: Final = "baseline"
MARK: Final = "posture.baseline"
"""Setting that changes with the baseline, so that what is held of it can be read again."""


class BaselineEntry(msgspec.Struct, frozen=True):
    """What was approved of one subject.

    Attributes:
        digest: Of its words.
        texts: Of the texts of its files: where they are the same, the words are too.
        words: Its configuration, field by field.
        seen: What it was seen to use: ``channel/role`` and values.
        at: When.
        by: Who approved it.
        reason: Why.
    """

    digest: str
    texts: str
    words: dict[str, str]
    seen: dict[str, list[str]]
    at: Instant
    by: str
    reason: str


class _Head(msgspec.Struct):
    digest: str
    texts: str
    at: Instant
    by: str


_head = json_decoder(_Head).decode
_entry = json_decoder(BaselineEntry).decode


def digest_of(words: Mapping[str, str]) -> str:
    """SHA-256 of a subject's words, hex."""
    return sha256(msgspec.json.encode(dict(words), order="sorted")).hexdigest()


def texts_of(configuration: Configuration, subject: str) -> str:
    """SHA-256 of the texts that a subject's words are made of, hex."""
    kind, _, name = subject.partition(":")
    files = configuration.files
    paths = ["ecluse.toml"]
    if kind == "flow":
        paths = [f"flows/{name}.toml"]
    elif kind == "partner":
        partner = configuration.partners[PartnerId(name)]
        paths = [f"partners/{name}.toml", *(entry.file for entry in partner.certificates)]
        if partner.openpgp is not None:
            paths += [*partner.openpgp.certificates, *partner.openpgp.recipients]
    digest = sha256()
    for path in paths:
        text = files.get(path, "").encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()


class Baseline:
    """The digests of what was approved.

    Attributes:
        at: When the newest of it was approved.
    """

    def __init__(self, heads: Mapping[str, _Head]) -> None:
        self._heads = heads
        self.at = max((head.at for head in heads.values()), default=Instant(0))

    def __bool__(self) -> bool:
        return bool(self._heads)

    @property
    def subjects(self) -> frozenset[str]:
        """Whom it has something about."""
        return frozenset(self._heads)

    def approved(
        self, view: View, subject: str, texts: str, words: Callable[[], Mapping[str, str]]
    ) -> Approved | None:
        """How a subject compares: ``None`` where it was never approved.

        Args:
            view: To read what was approved, where it differs.
            subject: ``partner:birch``.
            texts: Digest of the present texts of its files, as :func:`texts_of` gives it.
            words: Gives its present configuration in words, where that is needed.
        """
        head = self._heads.get(subject)
        if head is None:
            return None
        drift: tuple[Change, ...] = ()
        if head.texts != texts:
            present = words()
            if head.digest != digest_of(present):
                entry = entry_of(view, subject)
                drift = differences(subject, entry.words, present) if entry is not None else ()
        return Approved(head.at, head.by, drift)

    def strangers(self, present: Mapping[str, str]) -> tuple[Change, ...]:
        """Partners and flows that came or went since: id to name of those at present, by subject."""
        if not self._heads:
            return ()
        came = [Change("add", s, s, "", name) for s, name in sorted(present.items()) if s not in self._heads]
        gone = [Change("remove", s, s, "approved", "") for s in sorted(self._heads) if s not in present]
        return (*came, *gone)


def read_baseline(view: View) -> Baseline:
    """The digests of everything that was approved."""
    return Baseline({record.key: _head(record.body) for record in every_record_of(view, BASELINE)})


def entry_of(view: View, subject: str) -> BaselineEntry | None:
    """What was approved of one subject; ``None`` where nothing was."""
    record = view.record(BASELINE, subject)
    return _entry(record.body) if record is not None else None


def approve(
    tx: Tx,
    tell: Tell,
    subjects: Iterable[tuple[str, str, Mapping[str, str], Iterable[Seen]]],
    *,
    now: Instant,
    by: str,
    reason: str,
    whole: bool,
) -> int:
    """Approve the present state of some subjects.

    Args:
        tx: The transaction.
        tell: Writes events.
        subjects: (subject, digest of its texts, its configuration in words, what was seen of it).
        now: The present.
        by: Who approves.
        reason: Why.
        whole: These are all there are: what was approved of others is forgotten.

    Returns:
        How many.
    """
    overall = sha256()
    names: set[str] = set()
    for subject, texts, words, seen in subjects:
        values: dict[str, list[str]] = {}
        for each in seen:
            values.setdefault(f"{each.channel}/{each.role}", []).append(each.value)
        digest = digest_of(words)
        entry = BaselineEntry(digest, texts, dict(words), values, now, by, reason)
        body = msgspec.json.encode(entry, order="sorted")
        owner = subject.removeprefix("partner:") if subject.startswith("partner:") else ""
        tx.put_record(Record(BASELINE, subject, now, body, owner))
        overall.update(f"{subject} {digest}\n".encode())
        names.add(subject)
    gone = (
        [record.key for record in every_record_of(tx, BASELINE) if record.key not in names] if whole else []
    )
    for key in gone:
        tx.drop_record(BASELINE, key)
    tx.put_setting(MARK, f"{now} {overall.hexdigest()}".encode())
    facts: dict[str, Any] = {
        "subjects": len(names),
        "sha256": overall.hexdigest(),
        "reason": reason,
        **({"only": sorted(names)[:20]} if not whole else {}),
    }
    tell(tx, "posture.baseline-approved", "hub", facts)
    return len(names)
