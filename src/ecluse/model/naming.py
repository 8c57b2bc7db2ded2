"""File names, subjects and order keys made by a template: text with fields in braces, and nothing that runs.

``{stem}-{date:%Y%m%d}-{counter:6}{suffix}``: a template is read once, when the configuration is; what is wrong with
it is said then. ``{{`` and ``}}`` stand for braces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ecluse.errors import EcluseError, Fault
from ecluse.wire.smime.filename import safe_name

__all__ = ["FIELDS", "KEY_FIELDS", "BadTemplate", "Facts", "Template", "stem_of"]

FIELDS: Final = (
    "name",
    "stem",
    "suffix",
    "partner",
    "flow",
    "id",
    "reference",
    "date",
    "counter",
)
"""Fields of names and subjects."""
KEY_FIELDS: Final = ("name", "stem", "suffix", "partner", "flow", "reference")
"""Fields of order keys: what is the same for documents that belong together."""

MAX_WIDTH: Final = 12
"""Digits of a counter: more than any flow has documents."""

_DIRECTIVES: Final = frozenset("YmdHMSyjGVuf%")
"""Of ISO C's strftime those that give digits only, in any locale; ``%f`` is microseconds."""
_FIELD: Final = re.compile(r"([a-z]+)(?::(.*))?", re.DOTALL)
_SUBJECT_LIMIT: Final = 500


class BadTemplate(EcluseError):
    """A template that can't be read."""

    code = "config.bad-template"
    fault = Fault.USAGE
    remedy = f"Write text with fields in braces: {', '.join('{' + field + '}' for field in FIELDS)}."


@dataclass(frozen=True, slots=True)
class Facts:
    """What the fields stand for.

    Attributes:
        name: The document's name, with the endings of what was done to it (``.gz``, ``.zip``, ``.pgp``).
        original: Its name before that; ``stem`` and ``suffix`` are of this one.
        partner: Whom it came from.
        flow: The flow.
        id: The hub's id of the message that came.
        reference: The document's own number; ``id`` stands for it where it has none.
        at: Now, in the flow's zone.
        number: Gives the next number of the flow's counter; asked once for each ``{counter}``.
    """

    name: str
    original: str
    partner: str
    flow: str
    id: str
    reference: str
    at: datetime
    number: Callable[[], int]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    format: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read. Made by :meth:`parse`."""

    pieces: tuple[str | _Field, ...]

    @classmethod
    def parse(cls, text: str, *, fields: Collection[str] = FIELDS, file_name: bool = False) -> Template:
        """Read a template.

        Args:
            text: As written.
            fields: Fields that may be used.
            file_name: Whether it makes file names, in which no folder may stand.

        Raises:
            BadTemplate: A brace is open, a field is unknown, or its format is not one of that field.
        """
        pieces: list[str | _Field] = []
        for piece in _split(text):
            if isinstance(piece, str):
                if file_name and ("/" in piece or "\\" in piece):
                    raise BadTemplate(
                        "A file name can't have a folder in it.",
                        remedy="Say the folder in the target's folder, and the name alone here.",
                    )
                if any(unicodedata.category(character) == "Cc" for character in piece):
                    raise BadTemplate("There is a control character in it.")
                pieces.append(piece)
            else:
                pieces.append(_checked(piece, fields))
        return cls(tuple(pieces))

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it uses."""
        return frozenset(piece.name for piece in self.pieces if isinstance(piece, _Field))

    def plain(self, facts: Facts) -> str:
        """What it makes, as it is."""
        return "".join(piece if isinstance(piece, str) else _value(piece, facts) for piece in self.pieces)

    def text(self, facts: Facts) -> str:
        """What it makes, on one line of printable characters."""
        made = self.plain(facts)
        shown = "".join(" " if unicodedata.category(each) in _UNSEEN else each for each in made)
        return " ".join(shown.split())[:_SUBJECT_LIMIT]

    def file_name(self, facts: Facts) -> str:
        """What it makes, as one harmless component of a path; the id where nothing is left of it."""
        made = self.plain(facts)
        # What a field stands for may hold a separator (a reference such as 4711/2026), and none of them is one here.
        return safe_name(made.replace("/", "_").replace("\\", "_"), facts.id)

    def pattern(self) -> str:
        """A pattern (:mod:`~ecluse.model.patterns`) that fits every name that it may make."""
        return "".join(
            "*" if isinstance(piece, _Field) else "".join(f"[{c}]" if c in "*?[" else c for c in piece)
            for piece in self.pieces
        )


_UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def stem_of(name: str) -> tuple[str, str]:
    """A name without its last ending, and that ending with its dot; a name that is one ending alone is a stem."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and suffix else (name, "")


def _split(text: str) -> list[str | _Field]:
    pieces: list[str | _Field] = []
    literal = ""
    at = 0
    while at < len(text):
        character = text[at]
        if text[at : at + 2] in ("{{", "}}"):
            literal += character
            at += 2
        elif character == "}":
            raise BadTemplate("A } has no { before it.", remedy="Write }} for a brace itself.")
        elif character == "{":
            end = text.find("}", at)
            inner = text[at + 1 : end] if end > 0 else ""
            match = _FIELD.fullmatch(inner)
            if match is None:
                raise BadTemplate(
                    "A { is not closed." if end < 0 else f"{{{inner}}} is no field.",
                    remedy=BadTemplate.remedy,
                )
            if literal:
                pieces.append(literal)
                literal = ""
            pieces.append(_Field(match[1], match[2] if match[2] is not None else ""))
            at = end + 1
        else:
            literal += character
            at += 1
    return [*pieces, literal] if literal else pieces


def _checked(field: _Field, allowed: Collection[str]) -> _Field:
    if field.name not in allowed:
        known = ", ".join("{" + name + "}" for name in allowed)
        raise BadTemplate(f"There is no field {{{field.name}}} here.", remedy=f"Use {known}.")
    if field.name == "date":
        format = field.format or "%Y%m%d"
        directives = re.findall(r"%(.?)", format, re.DOTALL)
        if not all(directive and directive in _DIRECTIVES for directive in directives) or "{" in format:
            raise BadTemplate(
                f"{{date:{format}}} has a directive that is not known.",
                remedy="Use %Y %m %d %H %M %S %y %j %G %V %u %f, such as {date:%Y%m%d-%H%M%S}.",
            )
        if any(unicodedata.category(character) in _UNSEEN for character in format):
            raise BadTemplate("There is a control character in it.")
        return _Field("date", format)
    if field.name == "counter":
        width = field.format or "1"
        if not re.fullmatch(r"[1-9][0-9]?", width) or int(width) > MAX_WIDTH:
            raise BadTemplate(
                f"{{counter:{width}}} has no such width.",
                remedy=f"Give 1 to {MAX_WIDTH} digits: {{counter:6}}.",
            )
        return _Field("counter", width)
    if field.format:
        raise BadTemplate(f"{{{field.name}}} takes no format.", remedy=f"Write {{{field.name}}}.")
    return field


def _value(field: _Field, facts: Facts) -> str:
    match field.name:
        case "name":
            return facts.name
        case "stem":
            return stem_of(facts.original)[0]
        case "suffix":
            return stem_of(facts.original)[1]
        case "partner":
            return facts.partner
        case "flow":
            return facts.flow
        case "id":
            return facts.id
        case "reference":
            return facts.reference or facts.id
        case "counter":
            return f"{facts.number():0{int(field.format)}d}"
        case _:
            return re.sub(r"%(.)", lambda found: _dated(found[1], facts.at), field.format)


def _dated(directive: str, at: datetime) -> str:
    # strftime itself knows no years before 1000 alike on every system; these are digits on all of them.
    year, week, weekday = at.isocalendar()
    return {
        "Y": f"{at.year:04d}",
        "m": f"{at.month:02d}",
        "d": f"{at.day:02d}",
        "H": f"{at.hour:02d}",
        "M": f"{at.minute:02d}",
        "S": f"{at.second:02d}",
        "y": f"{at.year % 100:02d}",
        "j": f"{at.timetuple().tm_yday:03d}",
        "G": f"{year:04d}",
        "V": f"{week:02d}",
        "u": str(weekday),
        "f": f"{at.microsecond:06d}",
        "%": "%",
    }[directive]
