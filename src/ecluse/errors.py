"""The one error family: a stable code, whose fault it is, one sentence of cause, one of remedy.

Every exception that may leave a room is an :class:`EcluseError`. Parsers raise nothing else, whatever bytes
they are given.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["EcluseError", "Fault"]


class Fault(StrEnum):
    """Whose fault an error is; it decides what a retry can hope for."""

    TRANSIENT = "transient"
    """Nobody's: the line or a server was away. Retry soon."""
    PARTNER = "partner"
    """The other side sent or answered something wrong. Retry only if they may mend it."""
    OURS = "ours"
    """This hub, its disk, database or keys. Retry once it is mended."""
    PERMANENT = "permanent"
    """No retry can help: a person must decide."""
    USAGE = "usage"
    """The operator's command or configuration."""


class EcluseError(Exception):
    """An error that says what happened and what to do next.

    Args:
        cause: One sentence: what happened. Never holds a secret.
        remedy: One sentence: what the reader can do about it. Falls back on the class's own.
        code: Stable, dotted, lower case (``as2.decryption-failed``). Falls back on the class's own.
        fault: Whose fault it is. Falls back on the class's own.
    """

    code: str = "ecluse.error"
    fault: Fault = Fault.OURS
    remedy: str = "Read the log of the hub around this time."

    def __init__(
        self, cause: str, *, remedy: str | None = None, code: str | None = None, fault: Fault | None = None
    ) -> None:
        """Keep the parts; ``str()`` gives code, cause and remedy on one line."""
        super().__init__(cause)
        self.cause = cause
        if remedy is not None:
            self.remedy = remedy
        if code is not None:
            self.code = code
        if fault is not None:
            self.fault = fault

    def __str__(self) -> str:
        return f"{self.code}: {self.cause} {self.remedy}"

    def as_dict(self) -> dict[str, str]:
        """The same four parts for ``--json``, logs and events."""
        return {"code": self.code, "fault": self.fault.value, "cause": self.cause, "remedy": self.remedy}
