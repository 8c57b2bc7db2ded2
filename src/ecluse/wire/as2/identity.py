"""AS2 names and message ids on the wire (RFC 4130 s6.2, s5.3.3)."""

from __future__ import annotations

import re

from ecluse.wire.as2.errors import As2RequestError

__all__ = ["MAX_MESSAGE_ID", "MAX_NAME", "format_name", "parse_message_id", "parse_name"]

MAX_NAME = 128
"""Characters in an AS2 name, its quotes and escapes not counted (RFC 4130 s6.2)."""
MAX_MESSAGE_ID = 998
"""Characters in a Message-ID, its brackets included (RFC 5322 s2.1.1; RFC 4130 advises 255)."""

_PRINTABLE = re.compile(r"[ -~]+\Z")
_ATOMIC = re.compile(r"[!#-\[\]-~]+\Z")
_MESSAGE_ID = re.compile(r"[!-~][ -~]*\Z")


def parse_name(text: str | None, field: str) -> str:
    r"""The name in an AS2-From or AS2-To field, case kept, quotes and escapes removed.

    An unquoted name with spaces is tolerated; the escapes ``\"`` and ``\\`` are undone only in quotes.

    Raises:
        As2RequestError: Absent, empty, too long, or not printable ASCII.
    """
    if text is None:
        raise As2RequestError(f"The request has no {field} field.")
    text = text.strip(" \t")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if not 1 <= len(text) <= MAX_NAME or not _PRINTABLE.match(text) or not text.strip():
        raise As2RequestError(f"{field} is not 1 to {MAX_NAME} printable ASCII characters.")
    return text


def format_name(name: str) -> str:
    """A name as the field's value: quoted only where a space, quote or backslash needs it.

    Raises:
        As2RequestError: The name is not 1 to 128 printable ASCII characters.
    """
    if not 1 <= len(name) <= MAX_NAME or not _PRINTABLE.match(name) or not name.strip():
        raise As2RequestError(
            f"An AS2 name is 1 to {MAX_NAME} printable ASCII characters.",
            remedy="Correct the AS2 name in the configuration.",
        )
    if _ATOMIC.match(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_message_id(text: str | None) -> str:
    """A Message-ID exactly as it was sent, brackets included, white space around it removed.

    Neither brackets nor an ``@`` are required: enough senders leave them out.

    Raises:
        As2RequestError: Absent, empty, longer than 998 characters, or not printable ASCII.
    """
    text = (text or "").strip(" \t")
    if not text:
        raise As2RequestError("The request has no Message-ID.")
    if len(text) > MAX_MESSAGE_ID or not _MESSAGE_ID.match(text) or not text.strip("<> "):
        raise As2RequestError(
            f"The Message-ID is not 1 to {MAX_MESSAGE_ID} printable ASCII characters.",
            code="as2.invalid-message-id",
        )
    return text
