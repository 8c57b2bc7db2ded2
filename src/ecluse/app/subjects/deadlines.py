"""What two laws say of a person's request: until when it is answered, and on which grounds something stays.

A period of a month ends on the day of the same number, or on the last day of a month that has none (Regulation (EEC,
Euratom) No 1182/71, article 3); the day on which the request came does not count.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

__all__ = ["GROUNDS", "LAWS", "Ground", "Law", "due", "extended"]


class Law(StrEnum):
    """Under which a person asks."""

    GDPR = "gdpr"
    CCPA = "ccpa"


class Ground(StrEnum):
    """Why something is not erased."""

    CONTRACT = "contract"
    """It is under way: without it nothing can be delivered, or answered for."""
    LEGAL_OBLIGATION = "legal-obligation"
    """A law wants it kept: an archive profile names it."""
    LEGAL_CLAIMS = "legal-claims"
    """A hold: it is needed to establish, exercise or defend claims."""
    ACCOUNTABILITY = "accountability"
    """Who was trusted when, and who decided it: the hub's owner has to show it."""
    EVIDENCE = "evidence"
    """A record of the log that was written in clear: taking it out would break the proofs of all others."""
    BY_HAND = "by-hand"
    """It is of the hub's own records, and another command changes it."""


LAWS: Final[dict[Law, str]] = {
    Law.GDPR: "Regulation (EU) 2016/679 (GDPR)",
    Law.CCPA: "California Consumer Privacy Act (Civ. Code 1798.100 and following)",
}

GROUNDS: Final[dict[Law, dict[Ground, str]]] = {
    Law.GDPR: {
        Ground.CONTRACT: "articles 6(1)(b) and 17(1)(a): still necessary for the purpose",
        Ground.LEGAL_OBLIGATION: "article 17(3)(b): a legal obligation to keep it",
        Ground.LEGAL_CLAIMS: "article 17(3)(e): establishment, exercise or defence of legal claims",
        Ground.ACCOUNTABILITY: "articles 5(2) and 17(3)(b) and (e): accountability",
        Ground.EVIDENCE: "articles 17(3)(b) and (e): integrity of the evidence",
        Ground.BY_HAND: "",
    },
    Law.CCPA: {
        Ground.CONTRACT: "1798.105(d)(1): needed to complete the transaction",
        Ground.LEGAL_OBLIGATION: "1798.105(d)(8): a legal obligation to keep it",
        Ground.LEGAL_CLAIMS: "1798.145(a)(1)(E): exercise or defence of legal claims",
        Ground.ACCOUNTABILITY: "1798.105(d)(2): security and integrity",
        Ground.EVIDENCE: "1798.105(d)(2): security and integrity",
        Ground.BY_HAND: "",
    },
}

_CCPA_DAYS: Final = 45
"""Civ. Code 1798.130(a)(2)(A): 45 days, extended once by 45 more."""


def due(law: Law, received: date) -> date:
    """The last day on which the request is answered in time (GDPR: article 12(3), one month)."""
    return _months(received, 1) if law is Law.GDPR else received + timedelta(days=_CCPA_DAYS)


def extended(law: Law, received: date) -> date:
    """The same where it was extended (GDPR: by two further months)."""
    return _months(received, 3) if law is Law.GDPR else received + timedelta(days=2 * _CCPA_DAYS)


def _months(day: date, count: int) -> date:
    month = day.month - 1 + count
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
