"""Texts that others chose, before a person reads them.

A name can hold characters that show nothing, or that turn the line around (Unicode TR 36, "Security
Considerations"; CVE-2021-42574): what is read is then not what is compared. Such text is refused where it can be,
and shown with its hidden characters written out where it can't.
"""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["hidden", "mixed_scripts", "revealed"]

_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0\ufffc")
"""Letters and marks that have no shape, and that ``str.isprintable`` lets through (TR 36 s2.10)."""

_ALIKE: Final = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU")
"""Scripts with letters that look like those of another (Unicode TS 39, confusables.txt)."""


def hidden(text: str) -> bool:
    """Whether a text holds something that a reader does not see as it is: controls, directions, blanks."""
    return not text.isprintable() or any(_shapeless(each) for each in text)


def revealed(text: str) -> str:
    """The text with each such character as the octets of its UTF-8, the way RFC 4514 section 2.4 writes them."""
    if not hidden(text):
        return text
    return "".join(
        "".join(f"\\{octet:02X}" for octet in each.encode("utf-8", "surrogatepass"))
        if not each.isprintable() or _shapeless(each)
        else each
        for each in text
    )


def mixed_scripts(text: str) -> str | None:
    """The first word whose letters come from two scripts that look alike; ``None`` where there is none."""
    for word in text.split():
        scripts = {
            script
            for each in word
            if each.isalpha()
            for script in [unicodedata.name(each, "").partition(" ")[0]]
            if script in _ALIKE
        }
        if len(scripts) > 1:
            return word
    return None


def _shapeless(character: str) -> bool:
    # Variation selectors (TR 36 s2.10.4) choose among shapes of the letter before them, and are none themselves.
    return (
        character in _BLANK or "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    )
