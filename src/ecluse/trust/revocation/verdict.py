"""What an answer about a certificate comes to, and what of it lasts."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant

__all__ = ["SKEW", "BadAnswer", "Verdict", "fresh", "newer"]

SKEW: Final = 300 * 1_000_000
"""Microseconds that an authority's clock may be ahead of ours (RFC 5019 s4 asks for clocks that are close)."""


class BadAnswer(EcluseError):
    """An answer about a certificate proves nothing."""

    code = "revocation.bad-answer"
    fault = Fault.PARTNER
    remedy = "Ask the authority; its next answer is asked for by itself."


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one certificate.

    Attributes:
        state: ``good``, ``revoked``, or ``unknown``: nobody gave an answer that counts.
        at: When it was asked.
        made: When the authority made the answer (``thisUpdate``).
        ends: When the next one is due (``nextUpdate``), or when the answer stops counting without.
        since: When it was revoked.
        reason: Why it was revoked (RFC 5280 s5.3.1), or why nothing is known.
        source: Which URL or file said so.
        method: ``ocsp`` or ``crl``.
        kept: Key of the record that holds the answer itself; empty where it is not kept.
    """

    state: Literal["good", "revoked", "unknown"]
    at: Instant
    made: Instant | None = None
    ends: Instant | None = None
    since: Instant | None = None
    reason: str = ""
    source: str = ""
    method: str = ""
    kept: str = ""


def fresh(made: Instant, ends: Instant | None, now: Instant, max_age: int) -> Instant:
    """Until when an answer counts.

    Args:
        made: Its ``thisUpdate``.
        ends: Its ``nextUpdate``, where it has one.
        now: The time.
        max_age: Microseconds that one without ``nextUpdate`` counts.

    Raises:
        BadAnswer: It is from the future, or over.
    """
    if made > now + SKEW:
        raise BadAnswer("The answer is from the future.")
    last = Instant(made + max_age) if ends is None else ends
    if now >= last:
        raise BadAnswer("The answer is over: its next update was due.")
    return last


def newer(before: Verdict | None, after: Verdict) -> Verdict:
    """What holds when ``after`` is learned: nobody makes us forget by repeating what was said earlier.

    An answer that is older than the one that is known is a replay, or comes from a mirror that lags: it changes
    nothing. A revocation stands until a later answer takes it back, which authorities do for those on hold alone.
    """
    if before is None or before.state == "unknown":
        return after
    if after.state == "unknown":
        lasting = before.state == "revoked" or (before.ends is not None and after.at < before.ends)
        return before if lasting else after
    if before.made is not None and after.made is not None and after.made < before.made:
        lasting = before.state == "revoked" or (before.ends is not None and after.at < before.ends)
        return before if lasting else after
    if before.state == "revoked" and after.state == "good" and before.reason != "certificate_hold":
        return before
    return after
