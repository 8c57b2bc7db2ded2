"""Verifying an evidence record: from the first time-stamp to the last, each for as long as it had to hold (s4.3, s5.3).

A time-stamp has to be good, its certificates in their time and its algorithms sound, when the next one was made, and
the last one now. Then the first one's time is proven, although its own certificate ended long ago.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509

from ecluse.wire.ers.errors import BadEvidence
from ecluse.wire.ers.renewal import rehashed_leaf
from ecluse.wire.ers.structure import ArchiveTimeStamp, EvidenceRecord
from ecluse.wire.ers.tree import roots_of
from ecluse.wire.tsp import VerifiedToken, verify_token
from ecluse.wire.tsp.errors import TspError

__all__ = ["Sound", "Step", "VerifiedRecord", "verify_record"]

Sound = Callable[[str, datetime], bool]
"""Whether an algorithm (``sha256``, ``ecdsa-256``, ``rsa-2048``) proves anything to who verifies for that moment."""

Kind = Literal["first", "time-stamp-renewal", "hash-tree-renewal"]


@dataclass(frozen=True, slots=True)
class Step:
    """A time-stamp of a record that holds.

    Attributes:
        kind: Why it was made.
        hash: Lower-case name of the hash of its tree.
        token: What verifying its token found.
        until: The moment for which it had to hold: the next one's, or that of verifying.
    """

    kind: Kind
    hash: str
    token: VerifiedToken
    until: datetime


@dataclass(frozen=True, slots=True)
class VerifiedRecord:
    """A record that holds.

    Attributes:
        time: Since when the data is proven to have existed.
        steps: Every time-stamp, in order.
        ends: When the certificates of the last one end.
    """

    time: datetime
    steps: tuple[Step, ...]
    ends: datetime


def verify_record(
    record: EvidenceRecord,
    digest: Callable[[str], bytes],
    roots: Sequence[x509.Certificate],
    now: datetime,
    sound: Sound = lambda algorithm, at: True,
) -> VerifiedRecord:
    """Verify a record for some data.

    Args:
        record: As :func:`~ecluse.wire.ers.structure.read_record` gave it.
        digest: The digest of the data by the hash of a lower-case name; asked once for each chain.
        roots: Certificates that are trusted.
        now: The moment for which the last time-stamp has to hold.
        sound: Which algorithms were sound when.

    Raises:
        BadEvidence: It does not prove that the data existed; the cause says at which time-stamp.
    """
    flat = [(chain, place) for chain, stamps in enumerate(record.chains) for place in range(len(stamps))]
    times = [_time(record.chains[chain][place], number) for number, (chain, place) in enumerate(flat)]
    steps: list[Step] = []
    for number, (chain, place) in enumerate(flat):
        stamp = record.chains[chain][place]
        where = f"time-stamp {number + 1} of {len(flat)}"
        if place == 0:
            leaf = digest(stamp.hash)
            if chain:
                (leaf,) = rehashed_leaf(stamp.hash, leaf, record.chains[:chain])
        else:
            before = record.chains[chain][place - 1]
            if stamp.hash != before.hash:
                raise BadEvidence(f"In {where} the hash changes within a chain.")
            leaf = hashlib.new(stamp.hash, before.token).digest()
        root = _climb(stamp, leaf, where)
        until = times[number + 1] if number + 1 < len(flat) else now
        if until < times[number]:
            raise BadEvidence(f"The {where} is younger than what comes after it.")
        kind: Kind = "time-stamp-renewal" if place else "hash-tree-renewal" if chain else "first"
        steps.append(_step(kind, stamp, root, roots, until, sound, where))
    return VerifiedRecord(times[0], tuple(steps), steps[-1].token.ends)


def _time(stamp: ArchiveTimeStamp, number: int) -> datetime:
    try:
        return stamp.read_token().info.time
    except TspError as error:
        raise BadEvidence(f"The time-stamp {number + 1} does not hold: {error.cause}") from None


def _climb(stamp: ArchiveTimeStamp, leaf: bytes, where: str) -> set[bytes]:
    """What the time-stamp may be over, given the hash that has to be below it."""
    if not stamp.tree:
        return {leaf}
    if not any(hmac.compare_digest(leaf, each) for each in stamp.tree[0]):
        raise BadEvidence(f"The {where} is over something else.")
    return roots_of(stamp.hash, stamp.tree)


def _step(
    kind: Kind,
    stamp: ArchiveTimeStamp,
    expected: set[bytes],
    roots: Sequence[x509.Certificate],
    until: datetime,
    sound: Sound,
    where: str,
) -> Step:
    try:
        verified = verify_token(stamp.read_token(), roots, at=until)
    except TspError as error:
        raise BadEvidence(f"The {where} does not hold: {error.cause}") from None
    if verified.hash != stamp.hash or verified.token.info.imprint not in expected:
        raise BadEvidence(f"The {where} is over something else.")
    for algorithm in verified.algorithms:
        if not sound(algorithm, until):
            raise BadEvidence(
                f"The {where} rests on {algorithm}, which proved nothing any more at {until:%Y-%m-%d}."
            )
    return Step(kind, stamp.hash, verified, until)
