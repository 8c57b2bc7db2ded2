"""What can be wrong with an evidence record."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["BadEvidence", "ErsError", "MalformedEvidence"]


class ErsError(EcluseError):
    """An evidence record that can't be used as it stands."""

    code = "ers.error"
    fault = Fault.PERMANENT
    remedy = "Compare it with a copy that was kept elsewhere."


class MalformedEvidence(ErsError):
    """It does not have the structure that RFC 4998 prescribes."""

    code = "ers.malformed"


class BadEvidence(ErsError):
    """It does not prove what it is given for; the cause says at which of its time-stamps."""

    code = "ers.bad"
