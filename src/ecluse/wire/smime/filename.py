"""File names and message ids that a partner sent, made safe to store and to show.

Nothing that a partner sends names a path: a safe name is one component, printable, and means nothing special
to a shell, a Windows system or a reader of right-to-left text.
"""

from __future__ import annotations

import re
import unicodedata

from ecluse.wire.smime.headers import Headers
from ecluse.wire.smime.parameters import decode_words, parse_value

__all__ = ["MAX_NAME", "file_name", "safe_message_id", "safe_name"]

MAX_NAME = 255
"""Octets of UTF-8 in one path component (NAME_MAX of every common file system)."""

_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])[ ]*(\.|\Z)", re.IGNORECASE
)
_RESERVED = re.compile(r'[<>:"|?*]')
_ID_UNSAFE = re.compile(r"[^A-Za-z0-9@._+=-]")


def file_name(headers: Headers) -> str | None:
    """The file name that a part's own header gives, decoded, **not** made safe; ``None`` where it has none.

    Content-Disposition's ``filename`` first (RFC 2183, RFC 6266 s4.3: the extended form wins), then
    Content-Type's ``name``; RFC 2047 words are decoded, as senders put them into parameters.
    """
    for field, parameter in (("content-disposition", "filename"), ("content-type", "name")):
        found = parse_value(headers.get(field)).get(parameter)
        if found:
            return decode_words(found)
    return None


def safe_name(name: str | None, fallback: str = "payload.bin") -> str:
    r"""One harmless path component made of ``name``; ``fallback`` where nothing is left of it.

    The last component is taken (``/`` and ``\`` both separate); controls, format characters and what
    Windows reserves are removed; leading dots, dashes and spaces and trailing dots and spaces too; device
    names get a ``_`` before them; 255 octets at most, the extension kept. Idempotent.
    """
    text = unicodedata.normalize("NFC", name or "").replace("\\", "/").rstrip("/")
    text = text.rpartition("/")[2]
    text = "".join(
        " " if char in "\t\u2028\u2029" else char
        for char in text
        if char in "\t\u2028\u2029" or not unicodedata.category(char).startswith("C")
    )
    text = _trim(_RESERVED.sub("_", text))
    if _DEVICES.match(text):
        text = f"_{text}"
    text = _trim(_shorten(text))
    return text or fallback


def _trim(text: str) -> str:
    return text.lstrip(".-~ \u00a0\u3000").rstrip(". \u00a0\u3000")


def _shorten(text: str) -> str:
    octets = text.encode("utf-8")
    if len(octets) <= MAX_NAME:
        return text
    stem, dot, extension = text.rpartition(".")
    tail = (dot + extension).encode("utf-8") if stem else b""
    if len(tail) > 32:
        stem, tail = text, b""
    kept = (stem or text).encode("utf-8")[: MAX_NAME - len(tail)]
    return kept.decode("utf-8", "ignore").rstrip(". ") + tail.decode("utf-8")


def safe_message_id(message_id: str) -> str:
    """A file name made of a Message-ID: brackets removed, everything unusual as ``_``; never empty."""
    text = message_id.strip().removeprefix("<").removesuffix(">")
    return safe_name(_ID_UNSAFE.sub("_", text), "message")
