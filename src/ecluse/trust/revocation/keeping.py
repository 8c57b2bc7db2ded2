"""Verdicts as records, and what follows from them: which certificates are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import View
from ecluse.trust.inventory.credential import Revocation
from ecluse.trust.revocation.verdict import Verdict
from ecluse.typed import json_decoder

__all__ = [
    "ANSWER",
    "KIND",
    "answer_record",
    "every_verdict",
    "record_of",
    "refused",
    "shown",
    "verdict_of",
]

KIND: Final = "revocation"
"""Kind of the records; the key is the certificate's fingerprint."""

ANSWER: Final = "revocation-answer"
"""Kind of the records that hold what an authority said, octet for octet; a verdict names their key."""

_PAGE: Final = 500
_decode: Final = json_decoder(Verdict).decode


def record_of(fingerprint: str, owner: str, verdict: Verdict, now: Instant, due: Instant) -> Record:
    """A verdict as it is kept, with when to ask again."""
    return Record(KIND, fingerprint, now, msgspec.json.encode(verdict), owner, verdict.state, due)


def answer_record(key: str, data: bytes, now: Instant) -> Record:
    """An answer as it is kept: DER of an OCSP response or of a list."""
    return Record(ANSWER, key, now, data)


def verdict_of(record: Record) -> Verdict:
    """The inverse."""
    return _decode(record.body)


def every_verdict(view: View, state: str | None = None) -> Iterator[tuple[str, Verdict]]:
    """(fingerprint, verdict) of every certificate that was asked about."""
    after = ""
    while True:
        found = view.records(KIND, state=state, after=after, limit=_PAGE)
        for record in found:
            yield record.key, verdict_of(record)
        if len(found) < _PAGE:
            return
        after = found[-1].key


def refused(view: View, mode: Literal["off", "soft", "hard"]) -> Mapping[str, Instant]:
    """Fingerprints of the certificates that are not taken any more, and since when."""
    if mode == "off":
        return {}
    found = {
        fingerprint: verdict.since if verdict.since is not None else verdict.at
        for fingerprint, verdict in every_verdict(view, "revoked")
    }
    if mode == "hard":
        found.update((fingerprint, verdict.at) for fingerprint, verdict in every_verdict(view, "unknown"))
    return found


def shown(verdict: Verdict) -> Revocation:
    """For the inventory."""
    return Revocation(verdict.state, verdict.at, verdict.since, verdict.reason, verdict.source)
