"""The report of a rehearsal: what was played and what came of it, signed by the hub.

It is a signed note (C2SP signed-note) whose text is a line with the format's name, followed by JSON. The key is that of
the evidence log; the first line keeps reports, cards and checkpoints apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from ecluse.app.rehearsal.play import Played
from ecluse.errors import EcluseError, Fault
from ecluse.typed import from_json
from ecluse.wire.tlog.errors import BadSignature, Malformed
from ecluse.wire.tlog.note import NoteKey, open_note, sign_note

__all__ = ["FORMAT", "Report", "ReportDamaged", "check_report", "report_text"]

FORMAT: Final = "ecluse.rehearsal/1"


class ReportDamaged(EcluseError):
    """A file is no report of a rehearsal, was changed, or was not signed with the key that was given."""

    code = "rehearsal.damaged-report"
    fault = Fault.USAGE
    remedy = "Get the report again from whoever made it, and the verifier key from `ecluse log key`."


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a report says.

    Attributes:
        hub: Whose hub it was.
        partner: Who was played, or tested.
        at: When, RFC 3339.
        version: Number of the configuration version that was copied.
        against: ``copy`` of our channel, or their test ``endpoint``.
        plays: What was played.
        url: Their test endpoint.
        agreed: Who agreed to it, and how.
    """

    hub: str
    partner: str
    at: str
    version: int
    against: Literal["copy", "endpoint"]
    plays: tuple[Played, ...]
    url: str = ""
    agreed: str = ""

    @property
    def ready(self) -> bool:
        """Whether every play ended as it should."""
        return all(played.verdict == "held" for played in self.plays)


def report_text(report: Report, key: NoteKey, sign: Callable[[bytes], bytes]) -> bytes:
    """The report as a file, signed."""
    body = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
    return sign_note(f"{FORMAT}\n{body}\n", key, sign)


def check_report(data: bytes, key: NoteKey) -> Report:
    """Read a report that ``key`` signed.

    Raises:
        ReportDamaged: It is none, was changed, or another key signed it.
    """
    try:
        note = open_note(data, [key])
        form, _, body = note.text.partition("\n")
        if form == FORMAT:
            return from_json(body, Report)
    except (Malformed, BadSignature) as error:
        raise ReportDamaged(error.cause) from None
    except (msgspec.MsgspecError, RecursionError):
        pass
    raise ReportDamaged("The file is no report of a rehearsal.")
